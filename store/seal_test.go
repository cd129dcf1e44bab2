package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/event"
	"countersign/internal/testkit"
	"countersign/merkle"
	"countersign/query"
	"countersign/store"
	"countersign/store/storetest"
)

// small are the steps of background work in tests: everything happens with a few hundred entries.
var small = store.Options{DedupKey: []byte("key"), PublishEvery: -1, IndexStep: 256, SealEntries: 1024, LogFileBytes: 64 << 10, LogStepBytes: 16 << 10}

func never() bool { return false }

func TestSealedEntriesAreFoundProvenAndRefusedTwice(t *testing.T) {
	seed := storetest.Seed(t)
	r := rand.New(rand.NewPCG(seed, 11))
	dir := t.TempDir()
	s := openTrail(t, dir, small)
	var all []event.Event
	var seen []merkle.Checkpoint
	for len(all) < 12_000 {
		es := make([]event.Event, 1+r.IntN(200))
		for i := range es {
			es[i] = testkit.Random(r)
			if r.IntN(50) == 0 && len(all) > 0 {
				es[i] = all[r.IntN(len(all))] // again
			}
		}
		sent := slices.Clone(es)
		rec, err := s.Append(t.Context(), sent, "writer-1")
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range rec.Entries {
			if !e.Duplicate {
				if e.Seq != uint64(len(all)) {
					t.Fatalf("event %d of the trail has seq %d", len(all), e.Seq)
				}
				all = append(all, es[i])
			}
		}
		seen = append(seen, rec.Checkpoint)
		if r.IntN(20) == 0 {
			closeTrail(t, s)
			s = openTrail(t, dir, small)
			if err := s.ReadOnly(); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.WaitKept(never)
	sealed, _ := filepath.Glob(filepath.Join(dir, "bodies", "*"))
	logs, _ := filepath.Glob(filepath.Join(dir, "wal", "*"))
	if len(sealed) < 8 || len(logs) > 60 {
		t.Errorf("%d body files and %d log files", len(sealed), len(logs))
	}
	for range 2 {
		checkProofs(t, s, r, seen)
		for range 200 {
			seq := r.IntN(len(all))
			e, err := s.Entry(uint64(seq))
			if err != nil || e.ID != all[seq].ID {
				t.Fatalf("entry %d: %v", seq, err)
			}
			if ok, err := s.Intact(t.Context(), uint64(seq)); !ok || err != nil {
				t.Fatalf("entry %d is not intact: %v", seq, err)
			}
		}
		rec, err := s.Append(t.Context(), []event.Event{all[0], all[len(all)/2]}, "writer-1")
		if err != nil || rec.Duplicates != 2 || rec.Entries[1].Seq != uint64(len(all)/2) {
			t.Fatalf("%+v, %v", rec, err)
		}
		closeTrail(t, s)
		s = openTrail(t, dir, small)
	}
	closeTrail(t, s)
}

// TestEveryAnswerStaysWhileEntriesAreSealedAndMerged asks the same questions of a trail that grows, seals and merges.
func TestEveryAnswerStaysWhileEntriesAreSealedAndMerged(t *testing.T) {
	seed := storetest.Seed(t)
	r := rand.New(rand.NewPCG(seed, 12))
	s := openTrail(t, t.TempDir(), small)
	defer closeTrail(t, s)
	var want []*event.Entry // as first answered
	size := uint64(0)
	q := query.Query{Filter: query.Text{Field: query.Action, Op: query.Contains, Values: []string{"e"}}, Sort: query.Sort{Field: query.ActorName, Desc: true}, Limit: 1 << 20, AsOf: &size}
	record(t, s, r, 500)
	size = s.Size()
	p, err := s.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	want = p.Entries
	ctx, cancel := context.WithCancel(t.Context())
	writing := make(chan error, 1)
	go func() {
		w := rand.New(rand.NewPCG(seed, 13))
		for ctx.Err() == nil && s.Size() < 40_000 {
			es := make([]event.Event, 100)
			for i := range es {
				es[i] = testkit.Random(w)
			}
			if _, err := s.Append(context.Background(), es, "w"); err != nil {
				writing <- err
				return
			}
		}
		writing <- nil
	}()
	for i := 0; s.Size() < 40_000; i++ {
		p, err := s.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, p.Entries); diff != "" {
			t.Fatalf("question %d, at %d entries: %s", i, s.Size(), diff)
		}
		n := 0
		if _, err := s.Each(t.Context(), q, func(e *event.Entry) error {
			if e.Seq != want[n].Seq {
				return fmt.Errorf("row %d is entry %d, was %d", n, e.Seq, want[n].Seq)
			}
			n++
			return nil
		}); err != nil || n != len(want) {
			t.Fatalf("%d of %d rows: %v", n, len(want), err)
		}
	}
	cancel()
	if err := <-writing; err != nil {
		t.Fatal(err)
	}
}

func TestTreeIsMadeAgainFromSealedBodies(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 14))
	dir := t.TempDir()
	s := openTrail(t, dir, small)
	seen := []merkle.Checkpoint{record(t, s, r, 3000).Checkpoint}
	s.WaitKept(never)
	seen = append(seen, publish(t, s))
	closeTrail(t, s)
	for _, name := range []string{"roots", "tiles/1"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		s = openTrail(t, dir, small)
		if err := s.ReadOnly(); err != nil {
			t.Fatal(err)
		}
		checkProofs(t, s, r, seen)
		closeTrail(t, s)
	}
}

// Few large entries are as much as many small ones: they are sealed too, or writers would wait for ever.
func TestLargeEntriesAreSealedByTheirBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 15))
	o := quiet
	o.SealBytes = 1 << 20
	s := openTrail(t, t.TempDir(), o)
	defer closeTrail(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 1200 {
		e := testkit.Random(r)
		e.Raw = event.TextOf(strings.Repeat("x", 10<<10))
		if _, err := s.Append(ctx, []event.Event{e}, "w"); err != nil {
			t.Fatal(err)
		}
	}
	s.WaitKept(never)
	if now, _ := s.Unsealed(); now > 600 {
		t.Errorf("%d of 1200 large entries are not sealed", now)
	}
}
