package native

import (
	"net/http"
	"strconv"

	"countersign/event"
	"countersign/identity"
	"countersign/problem"
	"countersign/query"
)

// export answers GET /api/v1/events/export: every match as NDJSON, without a cap, in constant memory. The
// last record says that the export is complete; a reader that does not find it has not got everything.
func (h *Handler) export(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
	ps, err := parseParams(r.URL.RawQuery, "q", "from", "to", "sort", "as_of", "format")
	if err != nil {
		return err
	}
	if format, ok := ps["format"]; ok && format != "ndjson" {
		return problem.Bad("format", format, "must be ndjson")
	}
	// In the order of the trail unless asked otherwise: it needs no sorting, however large the answer.
	q, err := ps.page(query.Sort{Field: query.Seq}, h.trail.Size())
	if err != nil {
		return err
	}
	if q.Filter, err = c.Restrict(identity.ExportTrail, q.Filter); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set(asOfHeader, strconv.FormatUint(*q.AsOf, 10))
	out := exportWriter{w: w, b: make([]byte, 0, 2*flushBytes)}
	page, err := h.trail.Each(r.Context(), q, out.entry)
	if err == nil {
		err = out.end(page.TreeSize)
	}
	if err == nil {
		return nil
	}
	if !out.begun {
		w.Header().Del(asOfHeader)
		return err
	}
	if r.Context().Err() == nil {
		h.log.Error("export broke off", "request_id", w.Header().Get("X-Request-Id"), "entries", out.count, "error", err)
	}
	// The status is sent. Only a connection that breaks off tells the reader that the rest is missing.
	panic(http.ErrAbortHandler)
}

// exportWriter renders entries and sends them in pieces of about flushBytes.
type exportWriter struct {
	w     http.ResponseWriter
	b     []byte
	count uint64
	begun bool // something was sent
}

func (o *exportWriter) entry(e *event.Entry) error {
	o.b = append(event.AppendEntryJSON(o.b, e), '\n')
	o.count++
	if len(o.b) < flushBytes {
		return nil
	}
	return o.send()
}

func (o *exportWriter) end(treeSize uint64) error {
	o.b = append(o.b, `{"complete":true,"count":`...)
	o.b = strconv.AppendUint(o.b, o.count, 10)
	o.b = append(o.b, `,"tree_size":`...)
	o.b = strconv.AppendUint(o.b, treeSize, 10)
	o.b = append(o.b, "}\n"...)
	return o.send()
}

func (o *exportWriter) send() error {
	o.begun = true
	_, err := o.w.Write(o.b)
	o.b = o.b[:0]
	return err
}
