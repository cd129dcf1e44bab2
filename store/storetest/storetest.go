// Package storetest is the suite that every store of entries must pass: it says what a store is. An
// implementation hands Run a way to open it; each test gets a fresh directory and may close and reopen it.
//
// The oracle is package query over a plain slice: a store answers as if it had looked at every entry.
// Random runs print their seed; set COUNTERSIGN_SEED to repeat one.
package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"countersign/event"
	"countersign/internal/testkit"
	"countersign/problem"
	"countersign/query"
	"countersign/store"
)

// Store is what the suite needs of an implementation.
type Store interface {
	Append(ctx context.Context, events []event.Event, recordedBy string) (store.Receipt, error)
	Search(ctx context.Context, q query.Query) (store.Page, error)
	SearchPinned(ctx context.Context, token string, q query.Query) (store.Page, error)
	Each(ctx context.Context, q query.Query, fn func(*event.Entry) error) (store.Page, error)
	Texts(ctx context.Context, q query.Query, visit func(string)) (store.Page, error)
	Stats(ctx context.Context, q query.Query, b store.Breakdown) (store.Stats, error)
	Wait(ctx context.Context, size uint64) error
	Size() uint64
	Close() error
}

// Opener opens the store in dir, making it when the directory is new. Opening again after Close, or after
// the process died, shows the same trail.
type Opener func(tb testing.TB, dir string) Store

// Run runs the suite.
func Run(t *testing.T, open Opener) {
	tests := []struct {
		name string
		test func(*testing.T, Opener)
	}{
		{"NumbersFromZeroWithoutGaps", testNumbers},
		{"RepeatsAreDuplicatesOfTheFirst", testDuplicates},
		{"ConflictRecordsNothingOfTheBatchButItself", testConflict},
		{"AccountChainsHaveNoGap", testChains},
		{"AnswersAgreeWithTheOracle", testOracle},
		{"AsOfNeverChanges", testAsOf},
		{"PinnedPagingMissesAndRepeatsNothing", testPinned},
		{"EachGivesAllInOrder", testEach},
		{"TextsAreThoseOfTheMatches", testTexts},
		{"PartsBySeqAgreeWithTheOracle", testSeqs},
		{"StatsAgreeWithTheOracle", testStats},
		{"ReadersFollowTheTrail", testWait},
		{"RandomLifeAgreesWithTheModel", testModel},
		{"WritersAndReadersTogether", testConcurrent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open) })
	}
}

// Seed returns the seed of this run and prints it.
func Seed(tb testing.TB) uint64 {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("COUNTERSIGN_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			tb.Fatalf("COUNTERSIGN_SEED: %v", err)
		}
		seed = n
	}
	tb.Logf("COUNTERSIGN_SEED=%d", seed)
	return seed
}

func random(tb testing.TB) *rand.Rand { return rand.New(rand.NewPCG(Seed(tb), 0)) }

func events(r *rand.Rand, n int) []event.Event {
	es := make([]event.Event, n)
	for i := range es {
		es[i] = testkit.Random(r)
	}
	return es
}

func mustAppend(t *testing.T, s Store, es []event.Event) store.Receipt {
	t.Helper()
	r, err := s.Append(t.Context(), slices.Clone(es), "writer-1")
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return r
}

func mustSearch(t *testing.T, s Store, q query.Query) store.Page {
	t.Helper()
	p, err := s.Search(t.Context(), q)
	if err != nil {
		t.Fatalf("search %s: %v", query.Print(q.Filter), err)
	}
	return p
}

// all reads the whole trail in seq order.
func all(t *testing.T, s Store) []*event.Entry {
	t.Helper()
	return mustSearch(t, s, query.Query{Limit: int(s.Size())}).Entries
}

func testNumbers(t *testing.T, open Opener) {
	r := random(t)
	dir := t.TempDir()
	s := open(t, dir)
	var want []event.Event
	for _, n := range []int{1, 2, 255, 1, 300, 5000} {
		es := events(r, n)
		rec := mustAppend(t, s, es)
		if rec.Accepted != n || rec.Duplicates != 0 || rec.FirstSeq != uint64(len(want)) || rec.LastSeq != uint64(len(want)+n-1) {
			t.Fatalf("receipt %+v for %d events after %d", rec, n, len(want))
		}
		for i, e := range rec.Entries {
			if e != (store.Recorded{ID: es[i].ID, Seq: uint64(len(want) + i)}) {
				t.Fatalf("entry %d of the receipt is %+v", i, e)
			}
		}
		want = append(want, es...)
	}
	for _, when := range []string{"at once", "after reopening"} {
		if s.Size() != uint64(len(want)) {
			t.Fatalf("%s: size %d, want %d", when, s.Size(), len(want))
		}
		var last event.Micros
		for i, e := range all(t, s) {
			if e.Seq != uint64(i) || e.RecordedBy != event.TextOf("writer-1") || e.ReceivedAt < last {
				t.Fatalf("%s: entry %d is seq %d by %v at %v after %v", when, i, e.Seq, e.RecordedBy, e.ReceivedAt, last)
			}
			last = e.ReceivedAt
			if d := gocmp.Diff(want[i], e.Event); d != "" {
				t.Fatalf("%s: event %d changed:\n%s", when, i, d)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir)
	}
	closeStore(t, s)
}

func testDuplicates(t *testing.T, open Opener) {
	r := random(t)
	dir := t.TempDir()
	s := open(t, dir)
	es := events(r, 10)
	mustAppend(t, s, es)

	check := func(when string) {
		t.Helper()
		rec := mustAppend(t, s, es[3:6])
		if rec.Accepted != 0 || rec.Duplicates != 3 {
			t.Fatalf("%s: %+v", when, rec)
		}
		for i, e := range rec.Entries {
			if !e.Duplicate || e.Seq != uint64(3+i) {
				t.Fatalf("%s: repeat of %d answered %+v", when, 3+i, e)
			}
		}
	}
	check("at once")
	fresh := testkit.Random(r)
	rec := mustAppend(t, s, []event.Event{fresh, es[0], fresh})
	if rec.Accepted != 1 || rec.Duplicates != 2 || rec.FirstSeq != 10 || rec.Entries[2] != (store.Recorded{ID: fresh.ID, Seq: 10, Duplicate: true}) {
		t.Fatalf("repeat inside a batch: %+v", rec)
	}
	other := es[4]
	other.Source = "example/another-source"
	other.Attributes = nil
	if rec := mustAppend(t, s, []event.Event{other}); rec.Accepted != 1 {
		t.Fatalf("the same id of another source: %+v", rec)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	check("after reopening")
	if s.Size() != 12 {
		t.Fatalf("size %d, want 12", s.Size())
	}
	closeStore(t, s)
}

func testConflict(t *testing.T, open Opener) {
	r := random(t)
	s := open(t, t.TempDir())
	es := events(r, 5)
	mustAppend(t, s, es)
	changed := es[2]
	changed.Description = event.TextOf("rewritten history")
	for range 3 { // trying again must not fill the trail
		_, err := s.Append(t.Context(), []event.Event{testkit.Random(r), changed}, "writer-1")
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.Kind != problem.Conflict || p.Event != 2 || p.Seq == nil || *p.Seq != 2 {
			t.Fatalf("conflict answered %#v", err)
		}
	}
	within := testkit.Random(r)
	twin := within
	twin.Action = "OTHER"
	for range 2 {
		_, err := s.Append(t.Context(), []event.Event{within, twin}, "writer-1")
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.Kind != problem.Conflict || p.Event != 2 || p.Seq != nil {
			t.Fatalf("two contents for one id in one batch: %#v", err)
		}
	}
	entries := all(t, s)
	if len(entries) != 7 {
		t.Fatalf("%d entries, want the 5 and two conflicts", len(entries))
	}
	c := entries[5]
	if c.Action != "INGEST_CONFLICT" || c.Resource.Type != "SOURCE" || c.Resource.ID.Value != changed.Source || c.Account.ID != changed.Account.ID ||
		c.Outcome != event.OutcomeFailure || c.Actor.ID.Value != "writer-1" {
		t.Fatalf("the conflict is recorded as %+v", c)
	}
	closeStore(t, s)
}

func testChains(t *testing.T, open Opener) {
	r := random(t)
	dir := t.TempDir()
	s := open(t, dir)
	for i := range 20 {
		mustAppend(t, s, events(r, 1+r.IntN(100)))
		if i == 10 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir)
		}
	}
	type chain struct{ next, last uint64 }
	chains := map[string]chain{}
	for _, e := range all(t, s) {
		c, ok := chains[e.Account.ID]
		if !ok {
			c.last = event.NoPrev
		}
		if e.AccountSeq != c.next || e.AccountPrev != c.last {
			t.Fatalf("seq %d of %s: account_seq %d prev %d, want %d and %d", e.Seq, e.Account.ID, e.AccountSeq, e.AccountPrev, c.next, c.last)
		}
		chains[e.Account.ID] = chain{c.next + 1, e.Seq}
	}
	closeStore(t, s)
}

// checkAgainst holds an answer to a trail without system facts.
func checkAgainst(t *testing.T, s Store, entries []*event.Entry, q query.Query) {
	t.Helper()
	modelOf(entries).CheckSearch(t, s, q)
}

func oracle(entries []*event.Entry, q query.Query) store.Page { return modelOf(entries).Answer(q) }

func sameEntry(a, b *event.Entry) bool { return a.Seq == b.Seq && gocmp.Equal(a, b) }

func seqs(entries []*event.Entry) []uint64 {
	s := make([]uint64, 0, len(entries))
	for _, e := range entries {
		s = append(s, e.Seq)
	}
	return s
}

func testOracle(t *testing.T, open Opener) {
	r := random(t)
	s := open(t, t.TempDir())
	mustAppend(t, s, events(r, 1500))
	entries := all(t, s)
	for range 1500 {
		checkAgainst(t, s, entries, Query(r, entries))
	}
	for _, sort := range sorts() {
		checkAgainst(t, s, entries, query.Query{Sort: sort, Offset: 700, Limit: 100})
	}
	checkAgainst(t, s, entries, query.Query{Offset: 1 << 63, Limit: 10})
	checkAgainst(t, s, entries, query.Query{Limit: 0})
	closeStore(t, s)
}

func testAsOf(t *testing.T, open Opener) {
	r := random(t)
	dir := t.TempDir()
	s := open(t, dir)
	mustAppend(t, s, events(r, 400))
	q := Query(r, all(t, s))
	size := s.Size()
	q.AsOf, q.Limit = &size, 1000
	before := mustSearch(t, s, q)
	for range 20 {
		mustAppend(t, s, events(r, 50))
		if d := gocmp.Diff(before, mustSearch(t, s, q)); d != "" {
			t.Fatalf("the answer as of %d changed:\n%s", size, d)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if d := gocmp.Diff(before, mustSearch(t, s, q)); d != "" {
		t.Fatalf("the answer as of %d changed by reopening:\n%s", size, d)
	}
	future := s.Size() + 1
	if _, err := s.Search(t.Context(), query.Query{AsOf: &future}); problem.KindOf(err) != problem.Invalid {
		t.Fatalf("as_of past the trail: %v", err)
	}
	closeStore(t, s)
}

func testPinned(t *testing.T, open Opener) {
	r := random(t)
	s := open(t, t.TempDir())
	mustAppend(t, s, events(r, 2000))
	for _, sort := range []query.Sort{{Field: query.OccurredAt, Desc: true}, {Field: query.ActorName}, {Desc: true}} {
		want := all(t, s)
		slices.SortFunc(want, func(a, b *event.Entry) int { return query.Compare(sort, a, b) })
		var got []*event.Entry
		for offset := uint64(0); ; {
			p, err := s.SearchPinned(t.Context(), "token-1", query.Query{Sort: sort, Offset: offset, Limit: 300})
			if err != nil {
				t.Fatal(err)
			}
			if p.Total != uint64(len(want)) {
				t.Fatalf("total %d at offset %d, want %d on each page", p.Total, offset, len(want))
			}
			got = append(got, p.Entries...)
			if offset += 300; offset >= p.Total {
				break
			}
			mustAppend(t, s, events(r, 40))
		}
		if !slices.EqualFunc(got, want, sameEntry) {
			t.Fatalf("sort %s: %d entries paged, %d there; a row is missing, doubled or moved", query.PrintSort(sort), len(got), len(want))
		}
	}
	closeStore(t, s)
}

func testEach(t *testing.T, open Opener) {
	r := random(t)
	s := open(t, t.TempDir())
	mustAppend(t, s, events(r, 1000))
	entries := all(t, s)
	for range 50 {
		q := Query(r, entries)
		q.Offset, q.Limit = 0, len(entries)
		want := oracle(entries, q)
		var got []*event.Entry
		p, err := s.Each(t.Context(), q, func(e *event.Entry) error { got = append(got, e); return nil })
		if err != nil || p.Total != want.Total || !slices.EqualFunc(got, want.Entries, sameEntry) {
			t.Fatalf("%s: %v, %d of %d", query.Print(q.Filter), err, len(got), want.Total)
		}
	}
	stop := errors.New("enough")
	n := 0
	if _, err := s.Each(t.Context(), query.Query{}, func(*event.Entry) error {
		if n++; n == 7 {
			return stop
		}
		return nil
	}); err != stop || n != 7 {
		t.Fatalf("stopped with %v after %d", err, n)
	}
	closeStore(t, s)
}

func testTexts(t *testing.T, open Opener) {
	r := random(t)
	s := open(t, t.TempDir())
	mustAppend(t, s, events(r, 1000))
	m := Model{Entries: all(t, s), Size: s.Size()}
	for range 100 {
		m.CheckTexts(t, s, Query(r, m.Entries))
	}
	closeStore(t, s)
}

// testModel runs a random list of operations against a plain slice.
func testModel(t *testing.T, open Opener) {
	r := random(t)
	dir := t.TempDir()
	s := open(t, dir)
	var model []*event.Entry
	for step := range 300 {
		switch op := r.IntN(20); {
		case op < 8:
			es := events(r, 1+r.IntN(60))
			for i := range es { // some are repeats of what is recorded or of the batch itself
				if len(model) > 0 && r.IntN(10) == 0 {
					es[i] = model[r.IntN(len(model))].Event
				} else if i > 0 && r.IntN(20) == 0 {
					es[i] = es[r.IntN(i)]
				}
			}
			rec := mustAppend(t, s, es)
			if rec.Accepted+rec.Duplicates != len(es) {
				t.Fatalf("step %d: %d accepted and %d duplicates of %d", step, rec.Accepted, rec.Duplicates, len(es))
			}
			for i, got := range rec.Entries {
				if !got.Duplicate {
					if got.Seq != uint64(len(model)) {
						t.Fatalf("step %d: event %d at seq %d, want %d", step, i, got.Seq, len(model))
					}
					model = append(model, &event.Entry{Event: es[i], Seq: got.Seq})
				} else if m := model[got.Seq]; m.ID != es[i].ID || m.Source != es[i].Source || m.Account.ID != es[i].Account.ID {
					t.Fatalf("step %d: event %d is said to be a duplicate of seq %d, which is another", step, i, got.Seq)
				}
			}
		case op < 18:
			entries := all(t, s)
			if len(entries) != len(model) {
				t.Fatalf("step %d: %d entries, model has %d", step, len(entries), len(model))
			}
			for i, e := range entries {
				if e.Seq != model[i].Seq || !gocmp.Equal(e.Event, model[i].Event) {
					t.Fatalf("step %d: entry %d differs:\n%s", step, i, gocmp.Diff(model[i].Event, e.Event))
				}
			}
			if len(entries) > 0 {
				checkAgainst(t, s, entries, Query(r, entries))
			}
		default:
			if err := s.Close(); err != nil {
				t.Fatalf("step %d: close: %v", step, err)
			}
			s = open(t, dir)
		}
	}
	closeStore(t, s)
}

// testConcurrent lets 64 writers and 8 readers at the store; each acknowledged event must be there once.
func testConcurrent(t *testing.T, open Opener) {
	seed := Seed(t)
	s := open(t, t.TempDir())
	const writers, readers, rounds = 64, 8, 10
	acked := make([][]store.Recorded, writers)
	var writing, reading sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		writing.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			for range rounds {
				rec, err := s.Append(context.Background(), events(r, 1+r.IntN(5)), fmt.Sprint("writer-", w))
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				acked[w] = append(acked[w], rec.Entries...)
				// Who has an answer finds the entry.
				last := rec.Entries[len(rec.Entries)-1]
				if p, err := s.Search(context.Background(), query.Query{Filter: query.Is(query.ID, last.ID), Limit: 1}); err != nil || p.Total != 1 || p.Entries[0].Seq != last.Seq {
					t.Errorf("writer %d: own event not found: %v", w, err)
				}
			}
		})
	}
	for range readers {
		reading.Go(func() {
			for last := uint64(0); ; {
				select {
				case <-done:
					return
				default:
				}
				p, err := s.Search(context.Background(), query.Query{Limit: 1 << 20})
				if err != nil || p.Total != p.TreeSize || p.TreeSize < last || uint64(len(p.Entries)) != p.Total {
					t.Errorf("total %d size %d after size %d: %v", p.Total, p.TreeSize, last, err)
					return
				}
				last = p.TreeSize
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	var flat []store.Recorded
	for _, a := range acked {
		flat = append(flat, a...)
	}
	slices.SortFunc(flat, func(a, b store.Recorded) int { return cmp.Compare(a.Seq, b.Seq) })
	entries := all(t, s)
	if len(entries) != len(flat) {
		t.Fatalf("%d entries, %d acknowledged", len(entries), len(flat))
	}
	for i, e := range entries {
		if flat[i].Seq != e.Seq || flat[i].ID != e.ID {
			t.Fatalf("seq %d holds %s, acknowledged was %+v", e.Seq, e.ID, flat[i])
		}
	}
	closeStore(t, s)
}

func closeStore(t *testing.T, s Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}
