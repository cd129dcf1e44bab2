package keyfactor

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"countersign/event"
	"countersign/query"
)

// today is %TODAY% with the days that are added to it, inside the marks or after them.
var today = regexp.MustCompile(`(?i)^%TODAY(?:%|\s*([+-])\s*(\d{1,7})\s*%|%([+-])(\d{1,7}))$`)

func isToday(s string) bool { return today.MatchString(s) }

const day = int64(24 * time.Hour / time.Microsecond)

// matchTimestamp compares the moment. A date is the whole day in UTC for equality; in an order it is its
// first moment, as in the vendor's database.
func matchTimestamp(p *parser, op operator, v value) (node, error) {
	if v.isNull() {
		return classes(nil), nil
	}
	m, isDate, ok := p.moment(v.text)
	if !ok {
		return node{}, fmt.Errorf("expected a date such as 2026-01-15, a time such as 2026-01-15T10:30:00Z, or %%TODAY-7%%, found %s", quote(v.text))
	}
	last := m
	if isDate && op == opEqual {
		last = m + day - 1
	}
	return node{filter: span(query.OccurredAt, op, m, last)}, nil
}

// moment reads a date or time in microseconds since 1970.
func (p *parser) moment(text string) (micros int64, isDate, ok bool) {
	if m := today.FindStringSubmatch(text); m != nil {
		days, _ := strconv.ParseInt(m[2]+m[4], 10, 64) // no days leave 0
		if m[1]+m[3] == "-" {
			days = -days
		}
		now := int64(event.MicrosOf(p.now))
		micros, isDate = now-(now%day+day)%day+days*day, true
	} else {
		t, date, err := parseTime(text)
		if err != nil {
			return 0, false, false
		}
		micros, isDate = int64(event.MicrosOf(t)), date
	}
	return micros, isDate, micros >= int64(event.MinMicros) && micros <= int64(event.MaxMicros)
}

// The forms of dates and times. The numbers with slashes are in the order of the United States, where the
// vendor's product takes its defaults from.
var (
	dateForms = []string{"2006-01-02", "2006/01/02", "20060102", "1/2/2006", "2 Jan 2006", "2 January 2006", "Jan 2, 2006", "January 2, 2006", "Mon, 2 Jan 2006"}
	timeForms = []string{"15:04:05", "15:04", "3:04:05 PM", "3:04 PM", "3:04:05PM", "3:04PM"} // a fraction after the seconds is read by package time
	zoneForms = []string{"", "Z07:00", "Z0700", "Z07", " Z07:00", " UTC", " GMT"}
)

// parseTime reads a date or a time, which is UTC where it names no zone. What is finer than a microsecond is
// cut off.
func parseTime(text string) (t time.Time, isDate bool, err error) {
	const longest = 64
	if len(text) > longest {
		return time.Time{}, false, fmt.Errorf("longer than %d bytes", longest)
	}
	text = strings.ToUpper(strings.TrimSpace(text)) // names of months are read in any case, and T, Z and PM in this one
	for _, form := range dateForms {
		if t, err = time.Parse(form, text); err == nil {
			return t, true, nil
		}
	}
	for _, date := range dateForms {
		for _, between := range []string{"T", " "} {
			for _, clock := range timeForms {
				for _, zone := range zoneForms {
					if t, err = time.Parse(date+between+clock+zone, text); err == nil {
						return t, false, nil
					}
				}
			}
		}
	}
	return time.Time{}, false, err
}
