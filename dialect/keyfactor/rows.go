package keyfactor

import (
	"errors"
	"net/http"
	"strconv"

	"countersign/dialect/answer"
	"countersign/dialect/refusal"
	"countersign/event"
	"countersign/query"
	"countersign/store"
)

// chunkRows is how many entries are searched for at a time. A page of this API may have any number of rows:
// searching for all of them at once would make the server hold them.
const chunkRows = 1000

// rows answers with a JSON array of what was asked for.
func (h *Handler) rows(w http.ResponseWriter, c call, asked request) error {
	f, err := searchable(c.caller, asked.filter, asked.includeSelf)
	if err != nil {
		return err
	}
	out := answer.Parts{W: w, B: []byte{'['}}
	n := 0
	err = h.page(c, query.Query{Filter: f, Sort: asked.sort, Offset: asked.offset}, asked.limit, func(first store.Page) {
		setPage(w.Header(), contentType, first)
	}, func(e *event.Entry) (err error) {
		if n++; n > 1 {
			out.B = append(out.B, ',')
		}
		if out.B, err = h.appendRow(out.B, e); err != nil {
			return err
		}
		return flush(&out)
	})
	return h.end(w, c, &out, err, "]")
}

func setPage(head http.Header, contentType string, p store.Page) {
	answer.SetHeaders(head, contentType)
	answer.SetAsOf(head, p.TreeSize)
	head.Set(totalHeader, strconv.FormatUint(p.Total, 10))
}

// page calls each with up to limit entries of q from its offset on, all at one tree size, after begin with
// the first of them.
func (h *Handler) page(c call, q query.Query, limit uint64, begin func(store.Page), each func(*event.Entry) error) error {
	q.Limit = int(min(limit, chunkRows))
	found, err := h.trail.SearchPinned(c.Context(), c.caller.CredentialID(), q)
	if err != nil {
		return err
	}
	begin(found)
	if c.Method == http.MethodHead {
		return nil
	}
	for size := found.TreeSize; ; {
		for _, e := range found.Entries {
			if err := each(e); err != nil {
				return err
			}
		}
		limit -= uint64(len(found.Entries))
		if limit == 0 || len(found.Entries) < q.Limit {
			return nil
		}
		q.Offset += uint64(len(found.Entries))
		q.Limit = int(min(limit, chunkRows))
		if found, err = h.pageAt(c, q, size); err != nil {
			return err
		}
	}
}

// pageAt goes on at a tree size. It is a page of the caller's loop, so that the next request can go on where
// this one ends; if another loop over the same question has taken its place, it is not.
func (h *Handler) pageAt(c call, q query.Query, size uint64) (store.Page, error) {
	found, err := h.trail.SearchPinned(c.Context(), c.caller.CredentialID(), q)
	if err != nil || found.TreeSize == size {
		return found, err
	}
	q.AsOf = &size
	return h.trail.Search(c.Context(), q)
}

// end finishes an answer whose rows ended with err.
func (h *Handler) end(w http.ResponseWriter, c call, out *answer.Parts, err error, tail string) error {
	if err == nil {
		out.B = append(out.B, tail...)
		out.Send()
		return nil
	}
	if !out.Begun {
		for _, name := range []string{answer.AsOfHeader, totalHeader, "Vary"} {
			w.Header().Del(name)
		}
		return err
	}
	if !errors.Is(err, errGone) && c.Context().Err() == nil {
		h.log.Error("an answer broke off", "request_id", w.Header().Get(refusal.RequestIDHeader), "route", c.Pattern, "error", err)
	}
	// The status is sent. Only a connection that breaks off tells the caller that the rest is missing.
	panic(http.ErrAbortHandler)
}

// errGone is that the caller takes no more.
var errGone = errors.New("the caller is gone")

// flush sends what there is when it is enough.
func flush(out *answer.Parts) error {
	if out.Flush() != nil {
		return errGone
	}
	return nil
}
