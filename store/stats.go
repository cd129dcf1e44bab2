package store

import (
	"context"
	"time"

	"countersign/event"
	"countersign/problem"
	"countersign/query"
	"countersign/segment"
)

const (
	// MaxBuckets is the most that a histogram may have.
	MaxBuckets = 1000
	// chosenBuckets is the most that it has when nobody says how long they are.
	chosenBuckets = 100
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

// Values are the values of one field among the matches, ValueCount is one of them.
type (
	Values     = segment.Values
	ValueCount = segment.ValueCount
)

// Bucket is the number of matches from Start on, until the next bucket.
type Bucket struct {
	Start event.Micros
	Count uint64
}

// Stats counts the matches of q, whatever its Sort, Offset and Limit, and breaks the number down.
func (s *Store) Stats(ctx context.Context, q query.Query, b Breakdown) (Stats, error) {
	defer s.answered(Stated, time.Now())
	if b.Field != "" && b.Field.Kind() != query.TextKind {
		return Stats{}, problem.Bad("field", string(b.Field), "must be a text field")
	}
	var st Stats
	err := s.again(func(snap *snapshot) error {
		size, err := snap.sizeAt(q.AsOf)
		if err != nil {
			return err
		}
		st = Stats{TreeSize: size, Interval: b.Interval}
		view := snap.view()
		return asked(ctx, view.Matching(ctx, q.Filter, size, func(m *segment.Matches) error { return st.count(m, b) }))
	})
	if err != nil {
		return Stats{}, err
	}
	return st, nil
}

func (st *Stats) count(m *segment.Matches, b Breakdown) (err error) {
	st.Total = m.Total()
	if err := st.countTimes(m, b); err != nil || b.Field == "" {
		return err
	}
	st.Values, err = m.Values(b.Field, b.Top)
	return err
}

// countTimes makes the histogram.
func (st *Stats) countTimes(m *segment.Matches, b Breakdown) error {
	first, last := event.MaxMicros, event.MinMicros
	if st.Total > 0 {
		first, last = m.Span()
	}
	for _, reach := range []*event.Micros{b.From, b.To} {
		if reach != nil {
			first, last = min(first, *reach), max(last, *reach)
		}
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
	starts := make([]event.Micros, n)
	for i := range starts {
		starts[i] = st.Interval.start(at + int64(i))
	}
	st.Histogram = make([]Bucket, n)
	for i, count := range m.Histogram(starts) {
		st.Histogram[i] = Bucket{Start: starts[i], Count: count}
	}
	return nil
}
