package digicertone

import (
	"math"
	"strconv"
	"strings"
	"time"

	"countersign/event"
	"countersign/query"
)

// The page of a list, as the vendor documents it.
const (
	defaultLimit = 20
	maxLimit     = 1000
)

// maxTypes bounds the resource types of one request. All known ones together are under a hundred.
const maxTypes = 256

// search is what one GET /audit-log asks for.
type search struct {
	query query.Query
	// includeSelf asks for the entries about the reading and running of this server too.
	includeSelf bool
}

// decodeSearch reads the parameters of the list. Every error names the parameter that is wrong.
func decodeSearch(ps params) (search, error) {
	var s search
	var err error
	if s.query.Filter, err = decodeFilter(ps); err != nil {
		return search{}, err
	}
	if s.query.Sort, err = decodeSort(ps.first("sort")); err != nil {
		return search{}, err
	}
	if s.query.Offset, err = decodeOffset(ps.first("offset")); err != nil {
		return search{}, err
	}
	if s.query.Limit, err = decodeLimit(ps.first("limit")); err != nil {
		return search{}, err
	}
	s.includeSelf, err = decodeIncludeSelf(ps)
	return s, err
}

func decodeFilter(ps params) (query.Filter, error) {
	var all query.And
	if v := ps.first("user_name"); v != "" {
		all = append(all, userNameContains(v))
	}
	if v := ps.first("action"); v != "" {
		all = append(all, query.Is(query.Action, v))
	}
	if types := ps.list("resource_types"); len(types) > maxTypes {
		return nil, bad("resource_types", strings.Join(types, ","))
	} else if len(types) > 0 {
		all = append(all, query.Is(query.ResourceType, types...))
	}
	if v := ps.first("resource_id"); v != "" {
		all = append(all, query.Is(query.ResourceID, v))
	}
	if v := ps.first("account_id"); v != "" {
		all = append(all, query.Is(query.AccountID, v))
	}
	if v := ps.first("status"); v != "" {
		all = append(all, statusIs(v))
	}
	period, err := decodePeriod(ps.first("from"), ps.first("to"))
	if err != nil {
		return nil, err
	}
	if period != nil {
		all = append(all, period)
	}
	return all, nil
}

// decodePeriod reads from and to: whole UTC days, both included. It returns nil when neither is given.
func decodePeriod(from, to string) (query.Filter, error) {
	if from == "" && to == "" {
		return nil, nil
	}
	period := query.Range{Field: query.OccurredAt, Min: query.NoMin, Max: query.NoMax}
	if from != "" {
		day, ok := parseDay(from)
		if !ok {
			return nil, bad("from", from)
		}
		period.Min = int64(event.MicrosOf(day))
	}
	if to != "" {
		day, ok := parseDay(to)
		if !ok {
			return nil, bad("to", to)
		}
		period.Max = int64(event.MicrosOf(day.AddDate(0, 0, 1))) - 1
	}
	if period.Min > period.Max {
		return nil, bad("from", from)
	}
	return period, nil
}

// parseDay reads YYYY-MM-DD, a day that exists.
func parseDay(s string) (time.Time, bool) {
	t, err := time.Parse(time.DateOnly, s)
	return t, err == nil
}

// decodeSort reads field:direction. The direction may be left out, the field may not.
func decodeSort(v string) (query.Sort, error) {
	if v == "" {
		return query.Sort{Field: query.OccurredAt}, nil
	}
	field, direction, given := strings.Cut(v, ":")
	var s query.Sort
	switch field {
	case "timestamp":
		s.Field = query.OccurredAt
	case "action":
		s.Field = query.Action
	case "status":
		s = sortByStatus()
	case "description":
		s.Field = query.Description
	default:
		return query.Sort{}, bad("sort", v)
	}
	switch {
	case !given || direction == "asc":
	case direction == "desc":
		s.Desc = true
	default:
		return query.Sort{}, bad("sort", v)
	}
	return s, nil
}

// decodeOffset reads the 0-based index of the first row. What does not fit a signed 64-bit number is
// refused: the answer repeats the offset, and clients read it back as one.
func decodeOffset(v string) (uint64, error) {
	if v == "" {
		return 0, nil
	}
	if !isDigits(v) {
		return 0, bad("offset", v)
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil || n > math.MaxInt64 {
		return 0, bad("offset", v)
	}
	return n, nil
}

// decodeLimit reads the page size. A larger one than the cap is no error, however large.
func decodeLimit(v string) (int, error) {
	if v == "" {
		return defaultLimit, nil
	}
	if !isDigits(v) {
		return 0, bad("limit", v)
	}
	n, err := strconv.Atoi(v)
	if err != nil || n > maxLimit {
		return maxLimit, nil
	}
	return n, nil
}

// decodeIncludeSelf reads the one parameter that is ours.
func decodeIncludeSelf(ps params) (bool, error) {
	switch v := ps.first("include_self"); v {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, bad("include_self", v)
	}
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
