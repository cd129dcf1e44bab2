package keyfactor

import (
	"errors"
	"net/http"
	"strconv"

	"countersign/dialect/refusal"
	"countersign/event"
	"countersign/query"
	"countersign/store"
)

// chunkRows is how many entries are searched for at a time. A page of this API may have any number of rows:
// searching for all of them at once would make the server hold them.
const chunkRows = 1000

// flushBytes is when the rendered part of an answer is handed on.
const flushBytes = 64 << 10

// rows answers with a JSON array of what was asked for.
func (h *Handler) rows(w http.ResponseWriter, c call, asked request) error {
	f, err := searchable(c.caller, asked.filter, asked.includeSelf)
	if err != nil {
		return err
	}
	out := parts{w: w, b: []byte{'['}}
	n := 0
	err = h.page(c, query.Query{Filter: f, Sort: asked.sort, Offset: asked.offset}, asked.limit, func(first store.Page) {
		setHeaders(w.Header())
		setPage(w.Header(), first)
	}, func(e *event.Entry) (err error) {
		if n++; n > 1 {
			out.b = append(out.b, ',')
		}
		if out.b, err = h.appendRow(out.b, e); err != nil {
			return err
		}
		return out.flush()
	})
	return h.end(c, &out, err, "]")
}

func setPage(head http.Header, p store.Page) {
	setAsOf(head, p.TreeSize)
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
func (h *Handler) end(c call, out *parts, err error, tail string) error {
	if err == nil {
		out.b = append(out.b, tail...)
		out.send()
		return nil
	}
	if !out.begun {
		for _, name := range []string{asOfHeader, totalHeader, "Vary"} {
			out.w.Header().Del(name)
		}
		return err
	}
	if !errors.Is(err, errGone) && c.Context().Err() == nil {
		h.log.Error("an answer broke off", "request_id", out.w.Header().Get(refusal.RequestIDHeader), "route", c.Pattern, "error", err)
	}
	// The status is sent. Only a connection that breaks off tells the caller that the rest is missing.
	panic(http.ErrAbortHandler)
}

// errGone is that the caller takes no more.
var errGone = errors.New("the caller is gone")

// parts hands an answer on in parts: messages may be long, and a page that was gathered whole could take a
// gigabyte.
type parts struct {
	w     http.ResponseWriter
	b     []byte
	begun bool // something was sent
}

// flush sends what there is when it is enough.
func (p *parts) flush() error {
	if len(p.b) < flushBytes {
		return nil
	}
	return p.send()
}

func (p *parts) send() error {
	p.begun = true
	_, err := p.w.Write(p.b)
	p.b = p.b[:0]
	if err != nil {
		return errGone
	}
	return nil
}
