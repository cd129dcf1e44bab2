package segment_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/event"
	"countersign/internal/testkit"
	"countersign/query"
	"countersign/segment"
)

// random returns a generator whose seed is printed; COUNTERSIGN_SEED repeats a run.
func random(tb testing.TB) *rand.Rand {
	tb.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("COUNTERSIGN_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			tb.Fatalf("COUNTERSIGN_SEED: %v", err)
		}
		seed = n
	}
	tb.Logf("COUNTERSIGN_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// trail is entries in seq order, from some seq on.
type trail []*event.Entry

func (t trail) first() uint64 { return t[0].Seq }
func (t trail) end() uint64   { return t.first() + uint64(len(t)) }

// At makes a trail the open entries of a view.
func (t trail) At(seq uint64) *event.Entry { return t[seq-t.first()] }

// bodies reads entries of the trail, and sees to it that they are asked for as promised.
func (t trail) bodies(ctx context.Context, seqs []uint64, visit func(*event.Entry) error) error {
	for i, seq := range seqs {
		if i > 0 && seq <= seqs[i-1] {
			return fmt.Errorf("body %d is asked for after %d", seq, seqs[i-1])
		}
		if err := visit(t.At(seq)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// extend makes up n more entries. odd is what they are like.
func (t trail) extend(r *rand.Rand, n int, odd func(*rand.Rand, *event.Event)) trail {
	next := map[string]uint64{}
	var received event.Micros
	for _, e := range t {
		next[e.Account.ID] = e.AccountSeq + 1
		received = max(received, e.ReceivedAt)
	}
	first := uint64(0)
	if len(t) > 0 {
		first = t.first()
	}
	for range n {
		received += event.Micros(r.IntN(3))
		e := &event.Entry{Seq: first + uint64(len(t)), ReceivedAt: received}
		if r.IntN(40) == 0 {
			e.Kind, e.Statement, e.OccurredAt, e.AccountSeq, e.AccountPrev = event.KindErasure, "{}", received, event.NoPrev, event.NoPrev
			t = append(t, e)
			continue
		}
		e.Event = testkit.Random(r)
		odd(r, &e.Event)
		e.RecordedBy = maybe(r, pick(r, []string{"writer-1", "Writer-1", "writer-2"}))
		e.AccountSeq = next[e.Account.ID]
		if r.IntN(100) == 0 { // an entry that was disposed of leaves a gap
			e.AccountSeq++
		}
		next[e.Account.ID] = e.AccountSeq + 1
		t = append(t, e)
	}
	return t
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func maybe(r *rand.Rand, s string) event.Text {
	if r.IntN(4) == 0 {
		return event.Text{}
	}
	return event.TextOf(s)
}

// strange adds what testkit.Random has none of: fields of many values, long values, many attributes.
func strange(r *rand.Rand, e *event.Event) {
	if r.IntN(2) == 0 {
		e.Resource.ID = event.TextOf(fmt.Sprintf("%08x-4b96-4a2e-9061-%012x", r.IntN(4000), r.IntN(4)))
	}
	if r.IntN(3) == 0 {
		e.Actor.Name = event.TextOf(pick(r, []string{"User ", "user ", "USER ", "üser ", "Üser "}) + strconv.Itoa(r.IntN(2000)))
	}
	if r.IntN(50) == 0 {
		e.Resource.Name = event.TextOf(strings.Repeat("long ", 900) + strconv.Itoa(r.IntN(50)))
	}
	if r.IntN(2) == 0 {
		e.Description = event.TextOf(fmt.Sprintf("User %d signed in from %d with %s", r.IntN(100_000), r.Uint64(), strings.Repeat("many more words ", 8)))
	}
	if r.IntN(3) == 0 { // rarely there, with many values
		e.Attributes = append(e.Attributes, event.Attribute{Name: "serial", Value: strconv.Itoa(r.IntN(20_000))})
	}
	if r.IntN(2) == 0 { // more than a dictionary takes
		e.Attributes = append(e.Attributes, event.Attribute{Name: "blob", Value: strings.Repeat("blob ", 40) + strconv.Itoa(r.IntN(10_000))})
	}
	for range r.IntN(6) {
		name := fmt.Sprintf("x.%03d", min(r.IntN(100), r.IntN(100)))
		if !e.Attribute(name).Present {
			value := strconv.Itoa(r.IntN(1 << r.IntN(12)))
			if r.IntN(50) == 0 {
				value = strings.Repeat("v", 256+r.IntN(3)) + value
			}
			e.Attributes = append(e.Attributes, event.Attribute{Name: name, Value: value})
		}
	}
	slices.SortFunc(e.Attributes, func(a, b event.Attribute) int { return cmp.Compare(a.Name, b.Name) })
}

// inTime lets things happen one after the other, but for a few.
func inTime() func(*rand.Rand, *event.Event) {
	at := event.Micros(1767225600_000_000)
	return func(r *rand.Rand, e *event.Event) {
		strange(r, e)
		at += event.Micros(r.IntN(3)) * 500_000
		e.OccurredAt = at
		if r.IntN(20) == 0 {
			e.OccurredAt -= event.Micros(r.IntN(1_000_000_000))
		}
	}
}

func build(tb testing.TB, t trail, c *segment.Cache) *segment.Segment {
	tb.Helper()
	var file bytes.Buffer
	if err := segment.Build(&file, t); err != nil {
		tb.Fatal(err)
	}
	s, err := segment.OpenBytes(fmt.Sprintf("%d", t.first()), file.Bytes(), c)
	if err != nil {
		tb.Fatal(err)
	}
	if s.First() != t.first() || s.End() != t.end() {
		tb.Fatalf("the segment is from %d to %d, want %d to %d", s.First(), s.End(), t.first(), t.end())
	}
	return s
}

// merge puts segments one behind the other into one.
func merge(tb testing.TB, of []*segment.Segment, c *segment.Cache) *segment.Segment {
	tb.Helper()
	var file bytes.Buffer
	if err := segment.Merge(&file, of); err != nil {
		tb.Fatal(err)
	}
	s, err := segment.OpenBytes(fmt.Sprintf("%d merged", of[0].First()), file.Bytes(), c)
	if err != nil {
		tb.Fatal(err)
	}
	if s.First() != of[0].First() || s.End() != of[len(of)-1].End() {
		tb.Fatalf("the segment is from %d to %d", s.First(), s.End())
	}
	return s
}

// oracle returns the matches among the first size entries in order.
func (t trail) oracle(f query.Filter, o query.Sort, size uint64) trail {
	var out trail
	match := query.Compile(f)
	for _, e := range t {
		if e.Seq < size && e.Kind == event.KindEvent && match(e) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, o.Compile())
	return out
}

func (t trail) seqs() []uint64 {
	out := make([]uint64, len(t))
	for i, e := range t {
		out[i] = e.Seq
	}
	return out
}

// times returns how often something is repeated: n times, or a multiple of it for the soak.
func times(tb testing.TB, n int) int {
	if s := os.Getenv("COUNTERSIGN_TIMES"); s != "" {
		m, err := strconv.Atoi(s)
		if err != nil {
			tb.Fatalf("COUNTERSIGN_TIMES: %v", err)
		}
		return n * m
	}
	return n
}

// checkQueries asks the view random questions and holds the answers to the oracle.
func checkQueries(t *testing.T, r *rand.Rand, v *segment.View, all trail, n int) {
	t.Helper()
	for range n {
		q := question(r, all)
		size, want := checkSearch(t, v, all, q)
		if r.IntN(3) == 0 { // what is kept of an order must be of that order, at that size
			again := q
			again.Offset = r.Uint64N(uint64(len(want)) + 2)
			checkSearch(t, v, all, again)
			asOf := r.Uint64N(all.end() + 1)
			again.AsOf = &asOf
			checkSearch(t, v, all, again)
			again.Sort.Desc = !q.Sort.Desc
			checkSearch(t, v, all, again)
		}
		switch r.IntN(12) {
		case 0:
			checkEach(t, r, v, q, size, want)
		case 1:
			checkValues(t, r, v, q, size, want)
		case 2:
			checkHistogram(t, r, v, q, size, want)
		case 3:
			checkTexts(t, v, q, size, want)
		}
	}
}

// checkSearch holds one answer to the oracle's, and returns the size it is at and all that matches.
func checkSearch(t *testing.T, v *segment.View, all trail, q query.Query) (size uint64, want trail) {
	t.Helper()
	size = all.end()
	if q.AsOf != nil {
		size = *q.AsOf
	}
	name := fmt.Sprintf("%s by %s at %d", query.Print(q.Filter), query.PrintSort(q.Sort), size)
	want = all.oracle(q.Filter, q.Sort, size)
	total, page, err := v.Search(t.Context(), q, size)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	from := min(int(q.Offset), len(want))
	to := min(from+q.Limit, len(want))
	if total != uint64(len(want)) || !slices.Equal(page, want[from:to].seqs()) {
		t.Fatalf("%s:\n%d matches, want %d\nfrom %d: %v\nwant %v", name, total, len(want), from, page, want[from:to].seqs())
	}
	return size, want
}

func checkTexts(t *testing.T, v *segment.View, q query.Query, size uint64, want trail) {
	t.Helper()
	of := q.Sort.CompileText()
	texts, got := map[string]bool{}, map[string]bool{}
	for _, e := range want {
		if v := of(e); v.Present {
			texts[v.Value] = true
		}
	}
	total, err := v.Texts(t.Context(), q.Filter, q.Sort, size, func(v string) { got[strings.Clone(v)] = true })
	if err != nil || total != uint64(len(want)) || !maps.Equal(got, texts) {
		t.Fatalf("texts of %s by %s: %v, of %d matches, want %d\n%v\nwant %v", query.Print(q.Filter), query.PrintSort(q.Sort), err, total, len(want), got, texts)
	}
}

func checkEach(t *testing.T, r *rand.Rand, v *segment.View, q query.Query, size uint64, want trail) {
	t.Helper()
	var got []uint64
	most := 1 + r.IntN(2*len(want)+1)
	stop := fmt.Errorf("stop")
	err := v.Each(t.Context(), q.Filter, q.Sort, size, func(e *event.Entry) error {
		got = append(got, e.Seq)
		if len(got) == most {
			return stop
		}
		return nil
	})
	if most <= len(want) {
		want = want[:most]
		if err == stop {
			err = nil
		}
	}
	if err != nil || !slices.Equal(got, want.seqs()) {
		t.Fatalf("each of %s by %s: %v, %d of %d", query.Print(q.Filter), query.PrintSort(q.Sort), err, len(got), len(want))
	}
}

func checkValues(t *testing.T, r *rand.Rand, v *segment.View, q query.Query, size uint64, want trail) {
	t.Helper()
	f := textField(r)
	of := query.TextOf(f)
	counts := map[string]uint64{}
	var values segment.Values
	for _, e := range want {
		if v := of(e); v.Present {
			counts[v.Value]++
		} else {
			values.Absent++
		}
	}
	values.Distinct = uint64(len(counts))
	for v, n := range counts {
		values.Top = append(values.Top, segment.ValueCount{Value: v, Count: n})
	}
	slices.SortFunc(values.Top, func(a, b segment.ValueCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	top := r.IntN(20)
	values.Top = values.Top[:min(top, len(values.Top))]
	err := v.Matching(t.Context(), q.Filter, size, func(m *segment.Matches) error {
		got, err := m.Values(f, top)
		if err == nil && (got.Distinct != values.Distinct || got.Absent != values.Absent || !slices.Equal(got.Top, values.Top)) {
			t.Fatalf("values of %s among %s:\n%+v\nwant %+v", f, query.Print(q.Filter), got, values)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkHistogram(t *testing.T, r *rand.Rand, v *segment.View, q query.Query, size uint64, want trail) {
	t.Helper()
	var starts []event.Micros
	for range r.IntN(12) {
		starts = append(starts, testkit.Random(r).OccurredAt+event.Micros(r.IntN(3)-1))
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	counts := make([]uint64, len(starts))
	first, last := event.MaxMicros, event.MinMicros
	for _, e := range want {
		first, last = min(first, e.OccurredAt), max(last, e.OccurredAt)
		for i := len(starts) - 1; i >= 0; i-- {
			if e.OccurredAt >= starts[i] {
				counts[i]++
				break
			}
		}
	}
	err := v.Matching(t.Context(), q.Filter, size, func(m *segment.Matches) error {
		if got := m.Histogram(starts); m.Total() != uint64(len(want)) || !slices.Equal(got, counts) {
			t.Fatalf("histogram of %s over %v:\n%v\nwant %v", query.Print(q.Filter), starts, got, counts)
		}
		if from, to := m.Span(); len(want) > 0 && (from != first || to != last) {
			t.Fatalf("%s is from %s to %s, want %s to %s", query.Print(q.Filter), from, to, first, last)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	total, err := v.Count(t.Context(), q.Filter, size)
	if err != nil || total != uint64(len(want)) {
		t.Fatalf("%d of %s, %v, want %d", total, query.Print(q.Filter), err, len(want))
	}
}
