package native

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"countersign/event"
	"countersign/problem"
	"countersign/query"
)

// The rows of one page.
const (
	defaultLimit = 50
	maxLimit     = 1000
)

// params are the parameters of a request by name.
type params map[string]string

// parseParams reads a query string. This API is strict where the vendors' are lax: a parameter that is
// not known, or given twice, is an error that names it, because a misspelt filter that is ignored makes a
// report of the wrong rows.
func parseParams(raw string, known ...string) (params, error) {
	ps := make(params, len(known))
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if rawName == "" {
			return nil, problem.Bad("query", "", "holds a parameter without a name")
		}
		if err != nil {
			name = rawName
		}
		if !slices.Contains(known, name) {
			return nil, problem.Bad(cut(name), "", "is not a parameter of this call; it knows %s", listed(known))
		}
		if _, twice := ps[name]; twice {
			return nil, problem.Bad(name, "", "is given more than once")
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil || !utf8.ValidString(value) {
			return nil, problem.Bad(name, "", "is not valid percent-encoded UTF-8")
		}
		ps[name] = value
	}
	return ps, nil
}

func listed(known []string) string {
	if len(known) == 0 {
		return "none"
	}
	return strings.Join(known, ", ")
}

// flag reads a parameter that is true or false; absent is false.
func (ps params) flag(name string) (bool, error) {
	switch v := ps[name]; v {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	default:
		return false, problem.Bad(name, v, "must be true or false")
	}
}

// number reads a whole number from 0 to most; absent is unset.
func (ps params) number(name string, unset, most uint64) (uint64, error) {
	v, ok := ps[name]
	if !ok {
		return unset, nil
	}
	n, ok := wholeNumber(v)
	if !ok || n > most {
		return 0, problem.Bad(name, v, "must be a whole number from 0 to %d", most)
	}
	return n, nil
}

// wholeNumber reads the one spelling that a number has in the OpenAPI document: decimal, without sign or
// leading zeros.
func wholeNumber(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil && strconv.FormatUint(n, 10) == text
}

// page reads q, from, to, sort, offset, limit and as_of for a trail of size entries. Parameters that the
// call does not have were refused by parseParams and keep their defaults here.
func (ps params) page(defaultSort query.Sort, size uint64) (query.Query, error) {
	var none query.Query
	filter, err := ps.filter()
	if err != nil {
		return none, err
	}
	q := query.Query{Filter: filter, Sort: defaultSort}
	if text, ok := ps["sort"]; ok {
		if q.Sort, err = query.ParseSort(text); err != nil {
			return none, refused("sort", text, err)
		}
	}
	if q.Offset, err = ps.number("offset", 0, math.MaxUint64); err != nil {
		return none, err
	}
	limit, err := ps.number("limit", defaultLimit, maxLimit)
	if err != nil {
		return none, err
	}
	q.Limit = int(limit)
	asOf, err := ps.number("as_of", size, math.MaxUint64)
	if err != nil {
		return none, err
	}
	if asOf > size {
		return none, problem.Bad("as_of", ps["as_of"], "is larger than the trail, which has %d entries", size)
	}
	q.AsOf = &asOf
	return q, nil
}

// filter reads q, from and to.
func (ps params) filter() (query.Filter, error) {
	var all query.And
	if text, ok := ps["q"]; ok {
		f, err := query.Parse(text)
		if err != nil {
			return nil, refused("q", text, err)
		}
		if f != nil {
			all = append(all, f)
		}
	}
	from, to, err := ps.period()
	if err != nil {
		return nil, err
	}
	if from != query.NoMin || to != query.NoMax {
		all = append(all, query.Range{Field: query.OccurredAt, Min: from, Max: to})
	}
	return all, nil
}

// period reads from and to; an end that is not given is open.
func (ps params) period() (from, to int64, err error) {
	if from, err = ps.moment("from", query.NoMin, 0); err != nil {
		return 0, 0, err
	}
	if to, err = ps.moment("to", query.NoMax, 24*time.Hour-time.Microsecond); err != nil {
		return 0, 0, err
	}
	if from > to {
		return 0, 0, problem.Bad("to", ps["to"], "is before from")
	}
	return from, to, nil
}

// moment reads an RFC 3339 time, or a date, which means the moment that lies into after its first.
func (ps params) moment(name string, unset int64, into time.Duration) (int64, error) {
	v, ok := ps[name]
	if !ok {
		return unset, nil
	}
	if t, err := time.Parse(time.DateOnly, v); err == nil {
		return int64(event.MicrosOf(t.Add(into))), nil
	}
	m, err := event.ParseTime(v)
	if err != nil {
		return 0, problem.Bad(name, v, "must be a date such as 2026-01-15 or an RFC 3339 time such as 2026-01-15T10:30:00Z")
	}
	return int64(m), nil
}

// refused turns an error of package query into one that names the parameter.
func refused(name, value string, err error) error {
	p := problem.Bad(name, value, "%s", err)
	p.Cause = err
	return p
}
