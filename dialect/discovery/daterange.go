package discovery

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"countersign/event"
	"countersign/problem"
	"countersign/query"
)

// The vendor's page says of a date range no more than "dateFrom -string, dateTo-string". Each likely reading
// of that is taken: value holds the two ends in this order, or texts that begin with dateFrom: and dateTo:,
// or objects with these members. An end is milliseconds since 1970, a day, or a moment of RFC 3339. Both ends
// belong to the range; they are compared with what rows show, which are whole milliseconds.

const (
	dateFrom = "dateFrom"
	dateTo   = "dateTo"
)

// span is a range whose ends may be open.
type span struct {
	at       string // the field that says it
	from, to *moment
}

// moment is one end of a span as it was written: a day, a millisecond or a microsecond.
type moment struct {
	first, last int64 // its microseconds
	finer       bool  // it lies after first, by less than a microsecond
}

// dateRange reads the value of a criterion on dateRange.
func (p parser) dateRange() (query.Filter, error) {
	var spans []span
	var ends []end
	read := func() error {
		if p.next() == '{' {
			s, err := p.span()
			spans = append(spans, s)
			return err
		}
		v, err := p.scalar()
		ends = append(ends, end{p.field(), v.text})
		return err
	}
	var err error
	if p.next() == '{' {
		err = read()
	} else {
		err = p.array(maxValues, read)
	}
	if err != nil {
		return nil, err
	}
	if len(spans) == 0 {
		s, err := spanOf(p.at, ends)
		if err != nil {
			return nil, err
		}
		spans = []span{s}
	} else if len(ends) > 0 {
		return nil, problem.Bad(p.at, "", "must not hold objects beside other values")
	}
	union := make(query.Or, len(spans))
	for i, s := range spans {
		// Were the two ends of a range to come in two objects, and each of them taken for an open range, then
		// together they would find everything.
		if len(spans) > 1 && (s.from == nil || s.to == nil) {
			return nil, problem.Bad(s.at, "", "must have %s and %s, being one of several", dateFrom, dateTo)
		}
		if union[i], err = s.filter(); err != nil {
			return nil, err
		}
	}
	return union, nil
}

// span reads an object with the ends of a range.
func (p parser) span() (span, error) {
	var s span
	err := p.object(func(name string) error {
		if name != dateFrom && name != dateTo || p.next() == 'n' {
			return p.skip()
		}
		v, err := p.scalar()
		if err != nil {
			return err
		}
		m, err := end{p.field(), v.text}.moment()
		if name == dateFrom {
			s.from = m
		} else {
			s.to = m
		}
		return err
	})
	s.at = p.field()
	if err == nil && s.from == nil && s.to == nil {
		err = problem.Bad(s.at, "", "must have %s or %s", dateFrom, dateTo)
	}
	return s, err
}

// end is a text, or a number, that says where a range ends.
type end struct{ at, text string }

// spanOf puts the ends of one range together: both without names, or one or both with.
func spanOf(at string, ends []end) (span, error) {
	s := span{at: at}
	wrong := problem.Bad(at, "", `must hold the two ends of a range: [from,to], ["%s:from","%s:to"] or [{"%s":from,"%s":to}]`,
		dateFrom, dateTo, dateFrom, dateTo)
	if len(ends) == 0 || len(ends) > 2 {
		return s, wrong
	}
	named := 0
	for i, e := range ends {
		place := []**moment{&s.from, &s.to}[i]
		if name, text, ok := strings.Cut(e.text, ":"); ok && (name == dateFrom || name == dateTo) {
			named++
			e.text = strings.TrimSpace(text)
			place = &s.from
			if name == dateTo {
				place = &s.to
			}
		}
		if *place != nil {
			return s, wrong
		}
		var err error
		if *place, err = e.moment(); err != nil {
			return s, err
		}
	}
	if named < len(ends) && (named > 0 || len(ends) < 2) {
		return s, wrong
	}
	return s, nil
}

// moment reads what the end says.
func (e end) moment() (*moment, error) {
	if ms, err := strconv.ParseInt(e.text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		// No entry lies beyond; kept inside so that it does not overflow.
		ms = max(min(ms, int64(event.MaxMicros)/1000+1), int64(event.MinMicros)/1000-1)
		return &moment{first: ms * 1000, last: ms*1000 + 999}, nil
	}
	if day, err := time.Parse(time.DateOnly, e.text); err == nil {
		return &moment{first: day.UnixMicro(), last: day.AddDate(0, 0, 1).UnixMicro() - 1}, nil
	}
	text, finer := cutFraction(e.text)
	at, err := event.ParseTime(text)
	if err != nil {
		return nil, bad(e.at, e.text, "must be milliseconds since 1970, a day such as 2026-01-31 or a moment such as 2026-01-31T10:30:00Z")
	}
	return &moment{int64(at), int64(at), finer}, nil
}

// cutFraction cuts a fraction of a second after its microseconds, which is what the trail knows, and reports
// whether there was more than zeros in the rest.
func cutFraction(s string) (cut string, finer bool) {
	const kept = len("0000-00-00T00:00:00.000000")
	if len(s) <= kept || s[kept-len(".000000")] != '.' {
		return s, false
	}
	zone := kept
	for zone < len(s) && s[zone] >= '0' && s[zone] <= '9' {
		zone++
	}
	return s[:kept] + s[zone:], strings.Trim(s[kept:zone], "0") != ""
}

// filter returns the filter for the entries whose createdDate, in milliseconds, lies in the span.
func (s span) filter() (query.Filter, error) {
	r := query.Range{Field: query.OccurredAt, Min: query.NoMin, Max: query.NoMax}
	if s.from != nil && s.to != nil && s.from.first > s.to.last {
		return nil, problem.Bad(s.at, "", "%s is after %s", dateFrom, dateTo)
	}
	if s.from != nil {
		first := s.from.first
		if s.from.finer {
			first++
		}
		r.Min = -floorMilli(-first) * 1000 // the first millisecond that begins in it
	}
	if s.to != nil {
		r.Max = floorMilli(s.to.last)*1000 + 999
	}
	return r, nil
}

// floorMilli returns the millisecond that a microsecond is in.
func floorMilli(micros int64) int64 {
	ms := micros / 1000
	if micros%1000 < 0 {
		ms--
	}
	return ms
}
