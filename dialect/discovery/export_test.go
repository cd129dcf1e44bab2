package discovery

import (
	"countersign/event"
	"countersign/identity"
	"countersign/query"
	"countersign/store"
)

// Asked is what a body asks for, as far as it needs neither a caller nor a trail.
type Asked struct {
	Account   string
	Divisions []string
	Criteria  query.Filter
	Sort      query.Sort
	Offset    uint64
	Limit     int
}

// Decode reads a body as both calls do.
func Decode(body []byte) (Asked, error) {
	asked, err := decode(body)
	a := Asked{asked.account, nil, query.And(asked.criteria), asked.sort, asked.offset, asked.limit}
	for _, d := range asked.divisions {
		a.Divisions = append(a.Divisions, d.text)
	}
	return a, err
}

// Filter returns the whole filter of a body for the caller.
func (h *Handler) Filter(c identity.Caller, body []byte, includeSelf bool) (query.Filter, error) {
	asked, err := decode(body)
	if err != nil {
		return nil, err
	}
	asked.includeSelf = includeSelf
	return h.searchable(c, asked)
}

// AppendRow renders one entry with the integers of a trail.
func AppendRow(b []byte, n interface {
	IntegerID(k store.IDKind, id string) (int64, bool)
	IDOfInteger(k store.IDKind, n int64) (string, bool)
}, e *event.Entry) []byte {
	return appendRow(b, n, e)
}

// SetHeld bounds the values that are held at one time.
func (h *Handler) SetHeld(bytes int) { h.held = bytes }

// The bounds, for tests at their edges.
const (
	MaxBodyBytes = maxBodyBytes
	MaxCriteria  = maxCriteria
	MaxValues    = maxValues
)
