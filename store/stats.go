package store

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"countersign/event"
	"countersign/problem"
	"countersign/query"
)

const (
	// MaxBuckets is the most that a histogram may have.
	MaxBuckets = 1000
	// chosenBuckets is the most that it has when nobody says how long they are.
	chosenBuckets = 100
	// countedValues is how many different values are counted at one time.
	countedValues = 1 << 17
)

// Breakdown says what to tell of the matches beside their number.
type Breakdown struct {
	// Interval is the length of the histogram's buckets; the zero Interval leaves the choice to the store.
	Interval Interval
	// From and To are moments that the histogram must reach, nil for none. It reaches every match anyway.
	From, To *event.Micros
	// Field is the text field whose values are counted, "" for none, and Top how many of its most frequent
	// values are wanted.
	Field query.Field
	Top   int
}

// Stats is the answer: exact numbers over the matches among the first TreeSize entries.
type Stats struct {
	Total       uint64
	TreeSize    uint64
	ErasureMark uint64
	// Histogram has the matches by the time they occurred at: buckets of Interval side by side, the empty ones
	// too. It has none when there is nothing that it must reach.
	Interval  Interval
	Histogram []Bucket
	Values    Values // zero when no field was named
}

// Bucket is the number of matches from Start on, until the next bucket.
type Bucket struct {
	Start event.Micros
	Count uint64
}

// Values are the values of one field among the matches. Values are told apart by their bytes; Absent counts
// the matches that have none. Top begins with the most frequent, of equally frequent ones that with the
// smaller bytes.
type Values struct {
	Distinct uint64
	Absent   uint64
	Top      []ValueCount
}

// ValueCount is a value and how many matches have it.
type ValueCount struct {
	Value string
	Count uint64
}

// Stats counts the matches of q, whatever its Sort, Offset and Limit, and breaks the number down.
func (s *Store) Stats(ctx context.Context, q query.Query, b Breakdown) (Stats, error) {
	defer s.answered(Stated, time.Now())
	snap, size, err := s.view(q.AsOf)
	if err != nil {
		return Stats{}, err
	}
	if b.Field != "" && b.Field.Kind() != query.TextKind {
		return Stats{}, problem.Bad("field", string(b.Field), "must be a text field")
	}
	matches, err := scan(ctx, snap, size, q.Filter)
	if err != nil {
		return Stats{}, err
	}
	st := Stats{Total: uint64(len(matches)), TreeSize: size, Interval: b.Interval}
	if err := st.count(matches, b); err != nil {
		return Stats{}, err
	}
	if b.Field != "" {
		c := counter{of: query.TextOf(b.Field), most: countedValues, top: max(b.Top, 0), seed: maphash.MakeSeed(), counts: map[string]uint64{}}
		if st.Values, err = c.all(ctx, matches); err != nil {
			return Stats{}, err
		}
	}
	return st, nil
}

// count makes the histogram.
func (st *Stats) count(matches []*event.Entry, b Breakdown) error {
	first, last := event.MaxMicros, event.MinMicros
	for _, m := range []*event.Micros{b.From, b.To} {
		if m != nil {
			first, last = min(first, *m), max(last, *m)
		}
	}
	for _, e := range matches {
		first, last = min(first, e.OccurredAt), max(last, e.OccurredAt)
	}
	if st.Interval == (Interval{}) {
		st.Interval = choose(first, last)
	}
	if first > last { // nothing to reach
		return nil
	}
	at := st.Interval.bucket(first)
	n := st.Interval.bucket(last) - at + 1
	if n > MaxBuckets {
		return problem.Bad("interval", st.Interval.String(), "makes %d buckets from %s to %s, more than %d: choose a longer one or a shorter time", n, first, last, MaxBuckets)
	}
	st.Histogram = make([]Bucket, n)
	for i := range st.Histogram {
		st.Histogram[i].Start = st.Interval.start(at + int64(i))
	}
	for _, e := range matches {
		st.Histogram[st.Interval.bucket(e.OccurredAt)-at].Count++
	}
	return nil
}

// counter counts the values of a field. A field may have as many values as there are matches, so no more
// than most are held at one time: matches with more are split by a hash of the value, and each half is
// counted by itself.
type counter struct {
	of     func(*event.Entry) event.Text
	most   int
	top    int
	seed   maphash.Seed
	counts map[string]uint64
	values Values
}

// all counts the values of the matches, whose order it changes.
func (c *counter) all(ctx context.Context, matches []*event.Entry) (Values, error) {
	present := parted(matches, func(e *event.Entry) bool { return c.of(e).Present })
	c.values.Absent = uint64(len(matches) - present)
	err := c.count(ctx, matches[:present], 0)
	c.cut()
	return c.values, err
}

// count counts matches whose values have the same first bits of their hash.
func (c *counter) count(ctx context.Context, matches []*event.Entry, bits uint) error {
	if ctx.Err() != nil {
		return givenUp(ctx)
	}
	clear(c.counts)
	for _, e := range matches {
		c.counts[c.of(e).Value]++
		if len(c.counts) > c.most && bits < 64 {
			half := parted(matches, func(e *event.Entry) bool { return maphash.String(c.seed, c.of(e).Value)>>bits&1 == 0 })
			if err := c.count(ctx, matches[:half], bits+1); err != nil {
				return err
			}
			return c.count(ctx, matches[half:], bits+1)
		}
	}
	c.values.Distinct += uint64(len(c.counts))
	for v, n := range c.counts {
		c.values.Top = append(c.values.Top, ValueCount{v, n})
		if len(c.values.Top) >= 2*c.top+1024 {
			c.cut()
		}
	}
	return nil
}

// cut leaves the most frequent values.
func (c *counter) cut() {
	slices.SortFunc(c.values.Top, func(a, b ValueCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
	})
	c.values.Top = c.values.Top[:min(c.top, len(c.values.Top))]
}

// parted puts the entries that are in before those that are not and returns how many there are.
func parted(entries []*event.Entry, in func(*event.Entry) bool) int {
	n := 0
	for i, e := range entries {
		if in(e) {
			entries[i], entries[n] = entries[n], e
			n++
		}
	}
	return n
}
