package store_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/event"
	"countersign/internal/testkit"
	"countersign/problem"
	"countersign/query"
	"countersign/store"
	"countersign/store/storetest"
)

// Whoever finds a directory to be another one while it is open stops what would be recorded on top of it, and
// nothing of what was acknowledged before.
func TestDistrustedTrailIsReadOnlyAtOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 20))
	dir := t.TempDir()
	o := store.Options{DedupKey: []byte("key"), PublishEvery: time.Millisecond}
	s := openTrail(t, dir, o)
	record(t, s, r, 3)
	var writers sync.WaitGroup
	var mu sync.Mutex
	recorded := map[uint64]string{}
	for range 4 {
		own := rand.New(rand.NewPCG(r.Uint64(), 1))
		writers.Go(func() {
			for {
				rec, err := s.Append(t.Context(), []event.Event{testkit.Random(own)}, "w")
				if err != nil {
					if problem.KindOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "an entry was changed") {
						t.Errorf("an append: %v", err)
					}
					return
				}
				mu.Lock()
				recorded[rec.FirstSeq] = rec.Entries[0].ID
				mu.Unlock()
			}
		})
	}
	for s.Size() < 50 {
		time.Sleep(time.Millisecond)
	}
	s.Distrust("an entry was changed")
	s.Distrust("another reason")
	if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "an entry was changed") {
		t.Errorf("ready: %v", err)
	}
	writers.Wait()
	if err := s.Ready(); err == nil || s.ReadOnly() == nil {
		t.Error("a batch that was on its way made it writable again")
	}
	if _, err := s.PublishNow(t.Context()); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("publishing: %v", err)
	}
	newest, _ := s.Published()
	size := s.Size()
	if p, err := s.Search(t.Context(), query.Query{}); err != nil || p.Total != size {
		t.Errorf("reads: %d of %d, %v", p.Total, size, err)
	}
	closeTrail(t, s)
	s = openTrail(t, dir, quiet)
	defer closeTrail(t, s)
	if again, _ := s.Published(); again.Size != newest.Size {
		t.Errorf("the stop published %d after %d", again.Size, newest.Size)
	}
	for seq, id := range recorded {
		if e, err := s.Entry(seq); err != nil || e.ID != id {
			t.Errorf("entry %d was acknowledged and is not there", seq)
		}
	}
}

func TestFactsAreFoundBySeqAlone(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 21))
	s := openTrail(t, t.TempDir(), quiet)
	defer closeTrail(t, s)
	rec := record(t, s, r, 2)
	if _, err := s.RotateKey(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	for seq, want := range []bool{false, false, true, false} {
		e, err := s.Fact(t.Context(), uint64(seq))
		if err != nil || (e != nil) != want || e != nil && e.Kind != event.KindKey {
			t.Errorf("fact %d: %+v, %v", seq, e, err)
		}
	}
	if p, err := s.Search(t.Context(), query.Query{}); err != nil || p.Total != 2 || p.TreeSize != 3 {
		t.Errorf("a list has %d of %d, %v", p.Total, p.TreeSize, err)
	}
	for i := range rec.Entries {
		if e, err := s.Acknowledged(t.Context(), &rec, i); err != nil || e.Seq != uint64(i) || e.ID != rec.Entries[i].ID {
			t.Errorf("acknowledged %d: %+v, %v", i, e, err)
		}
	}
	for name, false_ := range map[string]store.Recorded{"another id": {ID: "another", Seq: 0}, "a fact": {Seq: 2}, "nothing": {ID: rec.Entries[0].ID, Seq: 3}} {
		if e, err := s.Acknowledged(t.Context(), &store.Receipt{Entries: []store.Recorded{false_}}, 0); err == nil {
			t.Errorf("%s is acknowledged: %+v", name, e)
		}
	}
}

func TestKeysThatOthersMayReadRefuseTheDirectory(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 22))
	dir := t.TempDir()
	trail(t, dir, r, 1)
	names, err := filepath.Glob(filepath.Join(dir, "keys", "*.key"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o601, 0o660} {
		if err := os.Chmod(names[0], mode); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open(dir, quiet); err == nil || !strings.Contains(err.Error(), "chmod 600 "+names[0]) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	for _, mode := range []os.FileMode{0o600, 0o400} {
		if err := os.Chmod(names[0], mode); err != nil {
			t.Fatal(err)
		}
		closeTrail(t, openTrail(t, dir, quiet))
	}
}
