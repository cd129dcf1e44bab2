package native

import (
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
	w.Header().Add("Vary", "Accept")
	w.Header().Set(asOfHeader, strconv.FormatUint(page.TreeSize, 10))
	if wantsLines(r.Header) {
		h.writeLines(w, r, &page)
	} else {
		h.writePage(w, r, q, &page)
	}
	return nil
}

func (h *Handler) writePage(w http.ResponseWriter, r *http.Request, q query.Query, p *store.Page) {
	w.Header().Set("Content-Type", "application/json")
	out := pieces{w: h.body(w, r)}
	out.number(`{"total":`, p.Total)
	out.number(`,"offset":`, q.Offset)
	out.number(`,"limit":`, uint64(q.Limit))
	out.number(`,"tree_size":`, p.TreeSize)
	out.number(`,"erasure_mark":`, p.ErasureMark)
	out.raw(`,"items":[`)
	for i, e := range p.Entries {
		if i > 0 {
			out.raw(",")
		}
		out.entry(e)
	}
	out.raw("]}\n")
	out.close()
}

// writeLines answers with the items alone, one a line, as events are sent; what else there is to say is in the
// header.
func (h *Handler) writeLines(w http.ResponseWriter, r *http.Request, p *store.Page) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set(totalHeader, strconv.FormatUint(p.Total, 10))
	out := pieces{w: h.body(w, r)}
	for _, e := range p.Entries {
		out.entry(e)
		out.raw("\n")
	}
	out.close()
}

// one answers GET /api/v1/events/{seq}. An entry that the caller may not see is answered like one that is
// not there: the difference would tell that it is.
func (h *Handler) one(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
	if _, err := parseParams(r.URL.RawQuery); err != nil {
		return err
	}
	seq, err := seqOf(r)
	if err != nil {
		return err
	}
	e, size, err := h.entry(r.Context(), c, identity.ReadTrail, seq)
	if err != nil {
		return err
	}
	writeEntry(w, e, size)
	return nil
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
	filter, err := c.Restrict(identity.ReadTrail, query.And{
		query.Is(query.AccountID, ps["account"]),
		query.Is(query.Source, ps["source"]),
		query.Is(query.ID, ps["id"]),
	})
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
	writeEntry(w, page.Entries[0], page.TreeSize)
	return nil
}

func writeEntry(w http.ResponseWriter, e *event.Entry, size uint64) {
	w.Header().Set(asOfHeader, strconv.FormatUint(size, 10))
	writeBytes(w, "application/json", append(event.AppendEntryJSON(nil, e), '\n'))
}

func errNoEvent() error { return problem.New(problem.NotFound, "there is no such event") }
