package keyfactor

import (
	"time"

	"countersign/event"
	"countersign/identity"
	"countersign/query"
)

// ParseQuery reads a query of someone called me at a moment.
func ParseQuery(text, me string, now time.Time) (query.Filter, []string, error) {
	f, err := parseQuery(text, asker{me: me, now: now})
	return f.filter, f.named, err
}

// DecodeSort reads an order.
func DecodeSort(field, order string) (query.Sort, error) { return decodeSort(field, order, "Id") }

// Decode reads a URL's query as the list does.
func Decode(rawQuery string) (filter query.Filter, sort query.Sort, offset, limit uint64, err error) {
	ps, err := parseParams(rawQuery)
	if err != nil {
		return nil, query.Sort{}, 0, 0, err
	}
	r, err := decode(ps, asker{me: "me", now: time.Unix(0, 0)}, "Id")
	return r.filter, r.sort, r.offset, r.limit, err
}

// WithRelated is what RelatedEntities makes of a query.
func WithRelated(f query.Filter, named []string) query.Filter { return withRelated(found{f, named}) }

// Searchable restricts a filter to what the caller is to see.
func Searchable(c identity.Caller, f query.Filter, includeSelf bool) (query.Filter, error) {
	return searchable(c, f, includeSelf)
}

// AppendRow renders one entry.
func (h *Handler) AppendRow(b []byte, e *event.Entry) ([]byte, error) { return h.appendRow(b, e) }

// Message renders the Message of an event.
func Message(e *event.Event) event.Text { return message(e) }

// ElementName makes the name of an element.
func ElementName(s string) string { return elementName(s) }

// Spaced takes words apart.
func Spaced(s string) string { return spaced(s) }

// The bounds, for tests at their edges.
const (
	MaxQueryStringBytes = maxQueryStringBytes
	MaxDepth            = maxDepth
	MaxURLQueryBytes    = maxURLQueryBytes
	MaxParams           = maxParams
	ChunkRows           = chunkRows
)
