package native

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign/event"
	"countersign/identity"
	"countersign/problem"
	"countersign/query"
	"countersign/store"
)

// How many of a field's values are named.
const (
	defaultTop = 10
	maxTop     = 1000
)

// stats answers GET /api/v1/events/stats: how many entries match, when, and with what values.
func (h *Handler) stats(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
	ps, err := parseParams(r.URL.RawQuery, "q", "from", "to", "as_of", "interval", "field", "top")
	if err != nil {
		return err
	}
	q, err := ps.page(query.Sort{}, h.trail.Size())
	if err != nil {
		return err
	}
	b, err := ps.breakdown()
	if err != nil {
		return err
	}
	if q.Filter, err = c.Restrict(identity.ReadTrail, q.Filter); err != nil {
		return err
	}
	st, err := h.trail.Stats(r.Context(), q, b)
	if err != nil {
		return err
	}
	h.writeStats(w, r, &st, ps["field"])
	return nil
}

// breakdown reads interval, field, top, and from and to as the ends that the histogram must reach.
func (ps params) breakdown() (store.Breakdown, error) {
	var b store.Breakdown
	from, to, err := ps.period()
	if err != nil {
		return b, err
	}
	if from != query.NoMin {
		b.From = new(event.Micros(from))
	}
	if to != query.NoMax {
		b.To = new(event.Micros(to))
	}
	if text, ok := ps["interval"]; ok {
		if b.Interval, err = store.ParseInterval(text); err != nil {
			return b, err
		}
	}
	text, ok := ps["field"]
	if !ok {
		if _, ok := ps["top"]; ok {
			return b, problem.Bad("top", ps["top"], "goes with field")
		}
		return b, nil
	}
	named, err := query.ParseSort(text)
	if err != nil {
		return b, refused("field", text, err)
	}
	if b.Field = named.Field; strings.HasSuffix(text, ":asc") || strings.HasSuffix(text, ":desc") || b.Field.Kind() != query.TextKind {
		return b, problem.Bad("field", text, "must be a text field such as actor.name or attributes.ticket")
	}
	top, err := ps.number("top", defaultTop, maxTop)
	b.Top = int(top)
	return b, err
}

func (h *Handler) writeStats(w http.ResponseWriter, r *http.Request, st *store.Stats, field string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set(asOfHeader, strconv.FormatUint(st.TreeSize, 10))
	out := pieces{w: h.body(w, r)}
	out.number(`{"total":`, st.Total)
	out.number(`,"tree_size":`, st.TreeSize)
	out.number(`,"erasure_mark":`, st.ErasureMark)
	out.text(`,"interval":`, st.Interval.String())
	out.raw(`,"histogram":[`)
	for i, bucket := range st.Histogram {
		if i > 0 {
			out.raw(",")
		}
		out.text(`{"start":`, bucket.Start.String())
		out.number(`,"count":`, bucket.Count)
		out.raw("}")
	}
	out.raw("]")
	if field != "" {
		out.text(`,"field":{"name":`, field)
		out.number(`,"distinct":`, st.Values.Distinct)
		out.number(`,"null":`, st.Values.Absent)
		out.raw(`,"top":[`)
		for i, v := range st.Values.Top {
			if i > 0 {
				out.raw(",")
			}
			out.text(`{"value":`, v.Value)
			out.number(`,"count":`, v.Count)
			out.raw("}")
		}
		out.raw("]}")
	}
	out.raw("}\n")
	out.close()
}

// pieces writes JSON that may be long, in pieces of about flushBytes. When the caller is gone nobody is left to
// be told, so errors only stop it.
type pieces struct {
	w   *answerBody
	b   []byte
	err error
}

func (p *pieces) raw(s string) {
	p.b = append(p.b, s...)
	if len(p.b) >= flushBytes {
		p.send()
	}
}

func (p *pieces) number(before string, n uint64) {
	p.b = strconv.AppendUint(append(p.b, before...), n, 10)
}

func (p *pieces) text(before, s string) {
	p.b, _ = jsontext.AppendQuote(append(p.b, before...), s) // fails on invalid UTF-8 only, which is not in any entry
}

func (p *pieces) entry(e *event.Entry) {
	p.b = event.AppendEntryJSON(p.b, e)
	p.raw("")
}

func (p *pieces) send() {
	if p.err == nil {
		_, p.err = p.w.Write(p.b)
	}
	p.b = p.b[:0]
}

// close sends what is left. What could not be sent leaves a broken answer, never one that looks complete.
func (p *pieces) close() {
	p.send()
	if p.err == nil {
		p.err = p.w.Close()
	}
}
