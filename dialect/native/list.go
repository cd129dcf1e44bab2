package native

import (
	"math"
	"net/http"
	"strconv"

	"countersign/event"
	"countersign/identity"
	"countersign/problem"
	"countersign/query"
	"countersign/store"
)

// newestFirst is the order of a list that names none: what happened last is what people look for.
var newestFirst = query.Sort{Field: query.OccurredAt, Desc: true}

// flushBytes is how much of an answer is rendered before it is sent: an entry may have a megabyte, and a
// page a thousand of them.
const flushBytes = 64 << 10

// list answers GET /api/v1/events.
func (h *Handler) list(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
	ps, err := parseParams(r.URL.RawQuery, "q", "from", "to", "sort", "offset", "limit", "as_of")
	if err != nil {
		return err
	}
	q, err := ps.page(newestFirst, h.trail.Size())
	if err != nil {
		return err
	}
	if q.Filter, err = c.Restrict(identity.ReadTrail, q.Filter); err != nil {
		return err
	}
	page, err := h.trail.Search(r.Context(), q)
	if err != nil {
		return err
	}
	writePage(w, q, &page)
	return nil
}

func writePage(w http.ResponseWriter, q query.Query, p *store.Page) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set(asOfHeader, strconv.FormatUint(p.TreeSize, 10))
	b := append(make([]byte, 0, flushBytes), `{"total":`...)
	b = strconv.AppendUint(b, p.Total, 10)
	b = append(b, `,"offset":`...)
	b = strconv.AppendUint(b, q.Offset, 10)
	b = append(b, `,"limit":`...)
	b = strconv.AppendInt(b, int64(q.Limit), 10)
	b = append(b, `,"tree_size":`...)
	b = strconv.AppendUint(b, p.TreeSize, 10)
	b = append(b, `,"erasure_mark":`...)
	b = strconv.AppendUint(b, p.ErasureMark, 10)
	b = append(b, `,"items":[`...)
	for i, e := range p.Entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = event.AppendEntryJSON(b, e)
		if len(b) >= flushBytes {
			if _, err := w.Write(b); err != nil {
				return // the caller is gone
			}
			b = b[:0]
		}
	}
	w.Write(append(b, "]}\n"...))
}

// one answers GET /api/v1/events/{seq}. An entry that the caller may not see is answered like one that is
// not there: the difference would tell that it is.
func (h *Handler) one(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
	if _, err := parseParams(r.URL.RawQuery); err != nil {
		return err
	}
	text := r.PathValue("seq")
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return problem.Bad("seq", text, "must be a whole number from 0 to %d", uint64(math.MaxUint64))
	}
	if seq > math.MaxInt64 { // more than any trail has, and than a Range can say
		return errNoEvent()
	}
	return h.single(w, r, c, query.Range{Field: query.Seq, Min: int64(seq), Max: int64(seq)})
}

// byID answers GET /api/v1/events/by-id: the three parameters are what names an event for ever.
func (h *Handler) byID(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
	ps, err := parseParams(r.URL.RawQuery, "account", "source", "id")
	if err != nil {
		return err
	}
	for _, name := range [...]string{"account", "source", "id"} {
		if ps[name] == "" {
			return problem.Bad(name, "", "is required")
		}
	}
	return h.single(w, r, c, query.And{
		query.Is(query.AccountID, ps["account"]),
		query.Is(query.Source, ps["source"]),
		query.Is(query.ID, ps["id"]),
	})
}

func (h *Handler) single(w http.ResponseWriter, r *http.Request, c identity.Caller, which query.Filter) error {
	filter, err := c.Restrict(identity.ReadTrail, which)
	if err != nil {
		return err
	}
	page, err := h.trail.Search(r.Context(), query.Query{Filter: filter, Limit: 1})
	if err != nil {
		return err
	}
	if len(page.Entries) == 0 {
		return errNoEvent()
	}
	b := append(event.AppendEntryJSON(nil, page.Entries[0]), '\n')
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set(asOfHeader, strconv.FormatUint(page.TreeSize, 10))
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.Write(b)
	return nil
}

func errNoEvent() error { return problem.New(problem.NotFound, "there is no such event") }
