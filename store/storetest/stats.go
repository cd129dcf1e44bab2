package storetest

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"countersign/event"
	"countersign/problem"
	"countersign/query"
	"countersign/store"
)

// step is an interval as the calendar has it: the next bucket's start after t.
type step struct {
	text           string
	months         int
	length         time.Duration
	alignedAtStart func(time.Time) bool
}

func always(time.Time) bool      { return true }
func midnight(t time.Time) bool  { return t.Equal(t.Truncate(24 * time.Hour)) }
func monday(t time.Time) bool    { return midnight(t) && t.Weekday() == time.Monday }
func firstOf(t time.Time) bool   { return midnight(t) && t.Day() == 1 }
func quarterly(t time.Time) bool { return firstOf(t) && t.Month()%3 == 1 }
func newYear(t time.Time) bool   { return firstOf(t) && t.Month() == time.January }
func century(t time.Time) bool   { return newYear(t) && t.Year()%100 == 0 }

var steps = []step{
	{"1s", 0, time.Second, func(t time.Time) bool { return t.Nanosecond() == 0 }},
	{"90s", 0, 90 * time.Second, always},
	{"1m", 0, time.Minute, func(t time.Time) bool { return t.Equal(t.Truncate(time.Minute)) }},
	{"15m", 0, 15 * time.Minute, func(t time.Time) bool { return t.Equal(t.Truncate(time.Minute)) && t.Minute()%15 == 0 }},
	{"1h", 0, time.Hour, func(t time.Time) bool { return t.Equal(t.Truncate(time.Hour)) }},
	{"7h", 0, 7 * time.Hour, func(t time.Time) bool { return t.Equal(t.Truncate(time.Hour)) }},
	{"12h", 0, 12 * time.Hour, func(t time.Time) bool { return t.Equal(t.Truncate(time.Hour)) && t.Hour()%12 == 0 }},
	{"1d", 0, 24 * time.Hour, midnight},
	{"10d", 0, 240 * time.Hour, midnight},
	{"7d", 0, 168 * time.Hour, monday},
	{"1w", 0, 168 * time.Hour, monday},
	{"2w", 0, 336 * time.Hour, monday},
	{"1M", 1, 0, firstOf},
	{"3M", 3, 0, quarterly},
	{"1y", 12, 0, newYear},
	{"10y", 120, 0, newYear},
	{"100y", 1200, 0, century},
}

func (s step) next(t time.Time) time.Time { return t.AddDate(0, s.months, 0).Add(s.length) }

// testStats holds numbers, histograms and values against counting by hand.
func testStats(t *testing.T, open Opener) {
	r := random(t)
	s := open(t, t.TempDir())
	mustAppend(t, s, events(r, 1500))
	entries := all(t, s)
	refused := 0
	for range 600 {
		q := Query(r, entries)
		b := Breakdown(r, entries)
		if r.IntN(4) > 0 { // all of time takes many buckets
			q.Filter = Recent(r, entries, q.Filter)
		}
		if modelOf(entries).CheckStats(t, s, q, b) {
			refused++
		}
	}
	if refused == 0 || refused > 400 {
		t.Errorf("%d of 600 were refused for their buckets", refused)
	}
	for _, f := range []query.Field{query.Seq, query.OccurredAt, "no.field"} {
		if _, err := s.Stats(t.Context(), query.Query{}, store.Breakdown{Field: f}); problem.KindOf(err) != problem.Invalid {
			t.Errorf("values of %s: %v", f, err)
		}
	}
	future := s.Size() + 1
	if _, err := s.Stats(t.Context(), query.Query{AsOf: &future}, store.Breakdown{}); problem.KindOf(err) != problem.Invalid {
		t.Errorf("as_of past the trail: %v", err)
	}
	closeStore(t, s)
}

// Recent keeps the matches of a filter that occurred within a random time.
func Recent(r *rand.Rand, entries []*event.Entry, f query.Filter) query.Filter {
	lo := int64(entries[r.IntN(len(entries))].OccurredAt)
	span := int64(1) << r.IntN(50)
	return query.And{f, query.Range{Field: query.OccurredAt, Min: lo, Max: min(lo, query.NoMax-span) + span}}
}

// Breakdown says at random what to tell of the matches.
func Breakdown(r *rand.Rand, entries []*event.Entry) store.Breakdown {
	var b store.Breakdown
	if r.IntN(4) > 0 {
		b.Interval, _ = store.ParseInterval(steps[r.IntN(len(steps))].text)
	}
	for _, end := range []**event.Micros{&b.From, &b.To} {
		if r.IntN(8) == 0 {
			*end = &entries[r.IntN(len(entries))].OccurredAt
		}
	}
	if r.IntN(3) > 0 {
		b.Field, b.Top = textFields[r.IntN(len(textFields))], r.IntN(20)
		if e := entries[r.IntN(len(entries))]; len(e.Attributes) > 0 && r.IntN(4) == 0 {
			b.Field = query.AttributeField(e.Attributes[0].Name)
		}
	}
	return b
}

// reach returns the moments that the histogram must have a bucket for, sorted.
func reach(matches []*event.Entry, b store.Breakdown) (must []event.Micros) {
	for _, e := range matches {
		must = append(must, e.OccurredAt)
	}
	for _, m := range []*event.Micros{b.From, b.To} {
		if m != nil {
			must = append(must, *m)
		}
	}
	slices.Sort(must)
	return must
}

func (m *Model) checkTooLong(t testing.TB, q query.Query, b store.Breakdown) {
	t.Helper()
	q.Offset, q.Limit = 0, len(m.Entries)
	must := reach(m.Answer(q).Entries, b)
	i := slices.IndexFunc(steps, func(s step) bool { p, _ := store.ParseInterval(s.text); return p == b.Interval })
	if i < 0 {
		t.Fatal("a histogram whose interval was left to the store is refused")
	}
	n, at := 1, must[0].Time()
	for ; n <= store.MaxBuckets && at.Before(must[len(must)-1].Time()); n++ {
		at = steps[i].next(at)
	}
	if n < store.MaxBuckets-1 { // where the first bucket begins is one more or less
		t.Fatalf("%s from %s to %s is refused: it has %d buckets", steps[i].text, must[0], must[len(must)-1], n)
	}
}

func (m *Model) checkStats(t testing.TB, q query.Query, b store.Breakdown, got store.Stats) {
	t.Helper()
	q.Offset, q.Limit = 0, len(m.Entries)
	want := m.Answer(q)
	name := query.Print(q.Filter) + " by " + got.Interval.String() + " and " + string(b.Field)
	if got.Total != want.Total || got.TreeSize != want.TreeSize {
		t.Fatalf("%s: total %d at %d, want %d at %d", name, got.Total, got.TreeSize, want.Total, want.TreeSize)
	}
	checkHistogram(t, name, reach(want.Entries, b), want.Entries, b, got)
	if b.Field == "" {
		if d := gocmp.Diff(store.Values{}, got.Values); d != "" {
			t.Fatalf("%s: values that nobody asked for:\n%s", name, d)
		}
		return
	}
	counts := map[string]uint64{}
	var values store.Values
	for _, e := range want.Entries {
		if v := query.TextOf(b.Field)(e); v.Present {
			counts[v.Value]++
		} else {
			values.Absent++
		}
	}
	values.Distinct = uint64(len(counts))
	for v, n := range counts {
		values.Top = append(values.Top, store.ValueCount{Value: v, Count: n})
	}
	slices.SortFunc(values.Top, func(a, b store.ValueCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	values.Top = values.Top[:min(b.Top, len(values.Top))]
	if got.Values.Distinct != values.Distinct || got.Values.Absent != values.Absent || !slices.Equal(got.Values.Top, values.Top) {
		t.Fatalf("%s: values:\n%s", name, gocmp.Diff(values, got.Values))
	}
}

func checkHistogram(t testing.TB, name string, must []event.Micros, matches []*event.Entry, b store.Breakdown, got store.Stats) {
	t.Helper()
	if len(must) == 0 {
		if len(got.Histogram) != 0 {
			t.Fatalf("%s: %d buckets of nothing", name, len(got.Histogram))
		}
		return
	}
	limit := store.MaxBuckets
	if b.Interval == (store.Interval{}) {
		limit = 100
	} else if got.Interval != b.Interval {
		t.Fatalf("%s: asked for %s", name, b.Interval)
	}
	if len(got.Histogram) == 0 || len(got.Histogram) > limit {
		t.Fatalf("%s: %d buckets", name, len(got.Histogram))
	}
	i := slices.IndexFunc(steps, func(s step) bool { return s.text == got.Interval.String() })
	for j, bucket := range got.Histogram {
		start := bucket.Start.Time()
		end := event.MaxMicros + 1
		if j+1 < len(got.Histogram) {
			end = got.Histogram[j+1].Start
		}
		// The first moment there is may lie inside a bucket.
		if i >= 0 && bucket.Start > event.MinMicros && !steps[i].alignedAtStart(start) {
			t.Fatalf("%s: a bucket begins at %s", name, bucket.Start)
		}
		if i >= 0 && bucket.Start > event.MinMicros && j+1 < len(got.Histogram) && !steps[i].next(start).Equal(end.Time()) {
			t.Fatalf("%s: the bucket after %s begins at %s", name, bucket.Start, end)
		}
		var n uint64
		for _, e := range matches {
			if e.OccurredAt >= bucket.Start && e.OccurredAt < end {
				n++
			}
		}
		if n != bucket.Count {
			t.Fatalf("%s: %d from %s to %s, want %d", name, bucket.Count, bucket.Start, end, n)
		}
	}
	last := got.Histogram[len(got.Histogram)-1]
	if first := got.Histogram[0].Start; must[0] < first || must[len(must)-1] < last.Start {
		t.Fatalf("%s: buckets from %s to %s do not reach from %s to %s", name, first, last.Start, must[0], must[len(must)-1])
	}
	if i >= 0 && !last.Start.Time().Before(must[len(must)-1].Time()) && last.Start != must[len(must)-1] {
		t.Fatalf("%s: an empty bucket at the end", name)
	}
	if len(got.Histogram) > 1 && must[0] >= got.Histogram[1].Start {
		t.Fatalf("%s: an empty bucket at the start", name)
	}
}

// testSeqs asks for parts of a trail that is longer than any piece it may be kept in.
func testSeqs(t *testing.T, open Opener) {
	r := random(t)
	s := open(t, t.TempDir())
	for range 9 {
		mustAppend(t, s, events(r, 1000))
	}
	entries := all(t, s)
	edges := []int64{query.NoMin, -1, 0, 1, 255, 256, 4095, 4096, 4097, 8191, 8192, 8999, 9000, 9001, query.NoMax}
	for _, lo := range edges {
		for _, hi := range edges {
			f := query.And{query.Range{Field: query.Seq, Min: lo, Max: hi}, query.Not{Filter: query.Is(query.Outcome, event.OutcomeUnknown)}}
			q := query.Query{Filter: f, Sort: query.Sort{Desc: r.IntN(2) == 0}, Limit: 5}
			if r.IntN(3) == 0 {
				size := r.Uint64N(9001)
				q.AsOf = &size
			}
			checkAgainst(t, s, entries, q)
			want := oracle(entries, query.Query{Filter: f, Sort: q.Sort, AsOf: q.AsOf, Limit: len(entries)})
			var got []*event.Entry
			page, err := s.Each(t.Context(), q, func(e *event.Entry) error { got = append(got, e); return nil })
			if err != nil || page.Total != want.Total || !slices.Equal(seqs(got), seqs(want.Entries)) {
				t.Fatalf("%s: %v, %d of %d", query.Print(f), err, len(got), want.Total)
			}
		}
	}
	closeStore(t, s)
}

// testWait has readers follow a trail that grows: each sees every entry once, soon after it is there.
func testWait(t *testing.T, open Opener) {
	r := random(t)
	s := open(t, t.TempDir())
	const total = 200
	var readers sync.WaitGroup
	for range 50 {
		readers.Go(func() {
			var got []uint64
			for len(got) < total {
				if err := s.Wait(t.Context(), uint64(len(got))); err != nil {
					t.Error(err)
					return
				}
				after := query.Range{Field: query.Seq, Min: int64(len(got)), Max: query.NoMax}
				_, err := s.Each(t.Context(), query.Query{Filter: after}, func(e *event.Entry) error { got = append(got, e.Seq); return nil })
				if err != nil {
					t.Error(err)
					return
				}
			}
			for i, seq := range got {
				if seq != uint64(i) {
					t.Errorf("seq %d at %d", seq, i)
					return
				}
			}
		})
	}
	for n := 0; n < total; {
		more := min(1+r.IntN(5), total-n)
		mustAppend(t, s, events(r, more))
		n += more
	}
	readers.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Wait(ctx, total) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that was given up: %v", err)
	}
	go func() { ended <- s.Wait(context.Background(), total) }()
	closeStore(t, s)
	if err := <-ended; problem.KindOf(err) != problem.Unavailable {
		t.Errorf("a wait when the store closes: %v", err)
	}
}
