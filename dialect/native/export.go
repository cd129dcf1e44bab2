package native

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"

	"countersign/bundle"
	"countersign/event"
	"countersign/identity"
	"countersign/problem"
	"countersign/query"
)

// completeHeader is the trailer that says what the last record of an export says.
const completeHeader = "X-Countersign-Complete"

// exportForm is how an export is written.
type exportForm struct {
	contentType string
	start       func(dst []byte) []byte
	entry       func(dst []byte, e *event.Entry) []byte
	// end appends the record that nothing follows.
	end func(dst []byte, count, treeSize uint64) []byte
}

var ndjsonForm = exportForm{
	contentType: "application/x-ndjson",
	start:       func(dst []byte) []byte { return dst },
	entry:       appendLine,
	end: func(dst []byte, count, treeSize uint64) []byte {
		return fmt.Appendf(dst, `{"complete":true,"count":%d,"tree_size":%d}`+"\n", count, treeSize)
	},
}

func csvForm(guard bool) exportForm {
	return exportForm{
		contentType: "text/csv; charset=utf-8; header=present",
		start:       bundle.AppendCSVHeader,
		entry:       func(dst []byte, e *event.Entry) []byte { return bundle.AppendCSV(dst, e, guard) },
		end:         bundle.AppendCSVEnd,
	}
}

func appendLine(dst []byte, e *event.Entry) []byte {
	return append(event.AppendEntryJSON(dst, e), '\n')
}

// export answers GET /api/v1/events/export: every match, without a cap, in constant memory. The last record
// says that the export is complete; a reader that does not find it has not got everything.
func (h *Handler) export(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
	ps, err := parseParams(r.URL.RawQuery, "q", "from", "to", "sort", "as_of", "after", "format", "guard", "proof")
	if err != nil {
		return err
	}
	proof, err := ps.flag("proof")
	if err != nil {
		return err
	}
	form, err := ps.exportForm()
	if err != nil {
		return err
	}
	// In the order of the trail unless asked otherwise: it needs no sorting, however large the answer.
	q, err := ps.page(query.Sort{Field: query.Seq}, h.trail.Size())
	if err != nil {
		return err
	}
	if proof {
		return h.exportProof(w, r, ps, c, q)
	}
	if err := ps.resume(&q); err != nil {
		return err
	}
	if q.Filter, err = c.Restrict(identity.ExportTrail, q.Filter); err != nil {
		return err
	}
	w.Header().Set("Content-Type", form.contentType)
	w.Header().Set(asOfHeader, strconv.FormatUint(*q.AsOf, 10))
	w.Header().Set("Trailer", completeHeader)
	body := h.body(w, r)
	out := exportWriter{w: body, form: form, b: form.start(make([]byte, 0, 2*flushBytes))}
	page, err := h.trail.Each(r.Context(), q, out.entry)
	if err == nil {
		out.b = form.end(out.b, out.count, page.TreeSize)
		err = out.send()
	}
	if err == nil {
		err = body.Close()
	}
	if err == nil {
		w.Header().Set(completeHeader, fmt.Sprintf("count=%d, tree_size=%d", out.count, page.TreeSize))
		return nil
	}
	return h.exportFailed(w, r, out.begun, out.count, err)
}

// exportFailed returns err for the answer when nothing of another was sent, and else breaks the answer off.
func (h *Handler) exportFailed(w http.ResponseWriter, r *http.Request, begun bool, entries uint64, err error) error {
	if !begun {
		for _, name := range [...]string{asOfHeader, "Trailer", "Vary"} {
			w.Header().Del(name)
		}
		return err
	}
	if r.Context().Err() == nil {
		h.log.Error("export broke off", "request_id", w.Header().Get("X-Request-Id"), "entries", entries, "error", err)
	}
	// The status is sent. Only a connection that breaks off tells the reader that the rest is missing.
	panic(http.ErrAbortHandler)
}

// exportForm reads format and guard.
func (ps params) exportForm() (exportForm, error) {
	format, ok := ps["format"]
	switch {
	case format == "ndjson" || !ok:
		if _, ok := ps["guard"]; ok {
			return exportForm{}, problem.Bad("guard", ps["guard"], "goes with format=csv")
		}
		return ndjsonForm, nil
	case format == "csv":
		guard := true
		if _, ok := ps["guard"]; ok {
			var err error
			if guard, err = ps.flag("guard"); err != nil {
				return exportForm{}, err
			}
		}
		return csvForm(guard), nil
	}
	return exportForm{}, problem.Bad("format", format, "must be ndjson or csv")
}

// resume reads after: the last seq that an export which broke off has brought.
func (ps params) resume(q *query.Query) error {
	if _, ok := ps["after"]; !ok {
		return nil
	}
	after, err := ps.number("after", 0, math.MaxInt64-1)
	if err != nil {
		return err
	}
	if q.Sort.Field != query.Seq || q.Sort.Desc {
		return problem.Bad("after", ps["after"], "goes with sort=seq:asc")
	}
	q.Filter = query.And{q.Filter, query.Range{Field: query.Seq, Min: int64(after) + 1, Max: query.NoMax}}
	return nil
}

// exportWriter renders entries and sends them in pieces of about flushBytes.
type exportWriter struct {
	w     io.Writer
	form  exportForm
	b     []byte
	count uint64
	begun bool // something was sent
}

func (o *exportWriter) entry(e *event.Entry) error {
	o.b = o.form.entry(o.b, e)
	o.count++
	if len(o.b) < flushBytes {
		return nil
	}
	return o.send()
}

func (o *exportWriter) send() error {
	o.begun = true
	_, err := o.w.Write(o.b)
	o.b = o.b[:0]
	return err
}
