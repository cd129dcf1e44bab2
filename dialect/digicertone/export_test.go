package digicertone

import (
	"countersign/event"
	"countersign/identity"
	"countersign/query"
)

// DecodeSearch reads a query string as the list does.
func DecodeSearch(rawQuery string) (q query.Query, includeSelf bool, err error) {
	ps, err := parseParams(rawQuery)
	if err != nil {
		return query.Query{}, false, err
	}
	s, err := decodeSearch(ps)
	return s.query, s.includeSelf, err
}

// AppendItem renders one entry.
func AppendItem(b []byte, e *event.Entry) []byte { return appendItem(b, e) }

// AppendUser renders a user.
func AppendUser(b []byte, u identity.User) []byte { return appendUser(b, u) }

// AppendAccount renders an account.
func AppendAccount(b []byte, a identity.Account) []byte { return appendAccount(b, a) }

// Searchable restricts a filter to what the caller is to see.
func Searchable(c identity.Caller, f query.Filter, includeSelf bool) (query.Filter, error) {
	return searchable(c, f, includeSelf)
}

// The bounds, for tests at their edges.
const (
	MaxQueryBytes = maxQueryBytes
	MaxParams     = maxParams
	MaxTypes      = maxTypes
)
