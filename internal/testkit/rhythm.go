package testkit

import (
	"iter"
	"math/bits"
	"math/rand/v2"
	"slices"
	"time"

	"countersign/event"
)

// officeHours is how much happens in each hour of a working day in UTC, by offices in Europe and America
// and by programs at night.
var officeHours = [24]uint64{4, 3, 3, 3, 4, 6, 14, 40, 80, 100, 95, 90, 85, 95, 100, 98, 90, 70, 50, 35, 20, 12, 8, 5}

// busyness is how much happens in the hour of t.
func busyness(t time.Time) uint64 {
	w := officeHours[t.Hour()]
	if d := t.Weekday(); d == time.Saturday || d == time.Sunday {
		return 2 + w/8
	}
	return w
}

// rhythm yields n moments in [from, to) in ascending order, many in office hours and few at night and on
// weekends. It computes in integers only, so that every machine gets the same.
func rhythm(r *rand.Rand, n int, from, to time.Time) iter.Seq[event.Micros] {
	return func(yield func(event.Micros) bool) {
		var total, before, given uint64
		for h := range hours(from, to) {
			total += h.weight
		}
		for h := range hours(from, to) {
			before += h.weight
			upTo := share(uint64(n), before, total)
			moments := make([]event.Micros, upTo-given)
			for i := range moments {
				moments[i] = h.start + event.Micros(r.Int64N(int64(h.length)))
			}
			slices.Sort(moments)
			for _, m := range moments {
				if !yield(m) {
					return
				}
			}
			given = upTo
		}
	}
}

// share returns n*part/total for part <= total.
func share(n, part, total uint64) uint64 {
	hi, lo := bits.Mul64(n, part)
	q, _ := bits.Div64(hi, lo, total)
	return q
}

// hour is an hour of the clock, or what of it lies in the window.
type hour struct {
	start, length event.Micros
	weight        uint64
}

func hours(from, to time.Time) iter.Seq[hour] {
	return func(yield func(hour) bool) {
		for t := from.UTC(); t.Before(to); {
			end := t.Truncate(time.Hour).Add(time.Hour)
			if end.After(to) {
				end = to
			}
			h := hour{start: event.MicrosOf(t), length: max(1, event.MicrosOf(end)-event.MicrosOf(t))}
			h.weight = busyness(t) * uint64(h.length)
			if !yield(h) {
				return
			}
			t = end
		}
	}
}
