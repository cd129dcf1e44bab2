package store

import (
	"strconv"
	"time"

	"countersign/event"
	"countersign/problem"
)

// Interval is the length of a histogram's buckets: a whole number of seconds, minutes, hours, days or weeks,
// or of calendar months or years, all in UTC. Fixed lengths are counted from a Monday, calendar ones from
// January of the year 0, so that weeks begin on Mondays, 3M are quarters, and the same moment is in the same
// bucket whatever was asked for. The zero Interval is none.
type Interval struct {
	length event.Micros // 0 for calendar intervals
	months int64
}

const (
	second = 1_000_000 // microseconds
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
	week   = 7 * day

	// firstMonday is 1970-01-05T00:00:00Z, where fixed lengths are counted from.
	firstMonday = 4 * day
)

// intervalUnits are the units from the longest down. Case matters: m is a minute and M a month.
var intervalUnits = []struct {
	name string
	one  Interval
}{
	{"y", Interval{months: 12}},
	{"M", Interval{months: 1}},
	{"w", Interval{length: week}},
	{"d", Interval{length: day}},
	{"h", Interval{length: hour}},
	{"m", Interval{length: minute}},
	{"s", Interval{length: second}},
}

// maxIntervalUnits keeps the arithmetic far from overflow.
const maxIntervalUnits = 100_000

// ParseInterval reads a number with a unit, such as 15m, 1h, 7d, 1w, 1M or 1y.
func ParseInterval(text string) (Interval, error) {
	for _, u := range intervalUnits {
		last := len(text) - 1
		if last < 1 || text[last:] != u.name {
			continue
		}
		n, err := strconv.ParseUint(text[:last], 10, 64)
		if err != nil || n == 0 || n > maxIntervalUnits {
			break
		}
		return Interval{length: u.one.length * event.Micros(n), months: u.one.months * int64(n)}, nil
	}
	return Interval{}, problem.Bad("interval", text,
		"must be a number from 1 to %d with a unit: s, m (minutes), h, d, w, M (calendar months) or y, such as 15m or 1d", maxIntervalUnits)
}

// String writes the interval with the largest unit that fits: 7d is 1w. ParseInterval reads it back.
func (i Interval) String() string {
	for _, u := range intervalUnits {
		if u.one.months > 0 && i.months > 0 && i.months%u.one.months == 0 {
			return strconv.FormatInt(i.months/u.one.months, 10) + u.name
		}
		if u.one.length > 0 && i.length > 0 && i.length%u.one.length == 0 {
			return strconv.FormatInt(int64(i.length/u.one.length), 10) + u.name
		}
	}
	return ""
}

// bucket returns the number of the bucket that m is in. Later buckets have larger numbers.
func (i Interval) bucket(m event.Micros) int64 {
	if i.months > 0 {
		t := m.Time()
		return (int64(t.Year())*12 + int64(t.Month()) - 1) / i.months // no moment is before the year 0
	}
	since := m - firstMonday
	n := since / i.length
	if since%i.length < 0 {
		n--
	}
	return int64(n)
}

// start returns the first moment of a bucket, or of time where the bucket begins before that.
func (i Interval) start(bucket int64) event.Micros {
	if i.months > 0 {
		return event.MicrosOf(time.Date(0, time.Month(bucket*i.months+1), 1, 0, 0, 0, 0, time.UTC))
	}
	return max(firstMonday+event.Micros(bucket)*i.length, event.MinMicros)
}

// chosen are the intervals that a histogram without one is given, the last wide enough for all of time.
var chosen = []Interval{
	{length: second}, {length: 5 * second}, {length: 15 * second}, {length: 30 * second},
	{length: minute}, {length: 5 * minute}, {length: 15 * minute}, {length: 30 * minute},
	{length: hour}, {length: 3 * hour}, {length: 6 * hour}, {length: 12 * hour},
	{length: day}, {length: week},
	{months: 1}, {months: 3}, {months: 12}, {months: 120}, {months: 1200},
}

// choose returns the shortest interval that takes at most chosenBuckets from one moment to the other.
func choose(from, to event.Micros) Interval {
	for _, i := range chosen {
		if i.bucket(to)-i.bucket(from) < chosenBuckets {
			return i
		}
	}
	return chosen[len(chosen)-1]
}
