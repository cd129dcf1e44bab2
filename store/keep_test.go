package store_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"countersign/event"
	"countersign/internal/crashfs"
	"countersign/internal/testkit"
	"countersign/problem"
	"countersign/store"
	"countersign/store/storetest"
)

// batch returns n random events.
func batch(r *rand.Rand, n int) []event.Event {
	es := make([]event.Event, n)
	for i := range es {
		es[i] = testkit.Random(r)
	}
	return es
}

// TestKeysRotateWhileEntriesAreSealed has both write the manifest: neither may undo what the other wrote.
func TestKeysRotateWhileEntriesAreSealed(t *testing.T) {
	seed := storetest.Seed(t)
	dir := t.TempDir()
	s := openTrail(t, dir, small)
	l := newLedger()
	var rotating sync.WaitGroup
	for range 2 {
		rotating.Go(func() {
			for range 40 {
				if _, err := s.RotateKey(t.Context(), 100); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(seed, 21))
	for range 40 {
		if !l.append(s, batch(r, 256)) {
			t.Fatal("the store failed")
		}
	}
	rotating.Wait()
	s.WaitKept(never)
	keys := len(s.Keys())
	closeTrail(t, s)
	s = openTrail(t, dir, small)
	defer closeTrail(t, s)
	l.check(t, s)
	if got := len(s.Keys()); got != keys || keys != 81 {
		t.Errorf("%d keys after reopening, %d before", got, keys)
	}
}

// hook is an Observer that calls what a test gives it.
type hook struct {
	store.Observer
	written func()
	kept    func(store.Kept)
}

func (h *hook) Written(b store.BatchWritten) {
	if h.written != nil {
		h.written()
	}
}

func (h *hook) Kept(k store.Kept) {
	if h.kept != nil {
		h.kept(k)
	}
}

// within fails the test when act takes too long.
func within(t *testing.T, what string, act func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		act()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s does not end", what)
	}
}

// TestStoreClosesWhileNothingCanBeSealed lets more entries wait than may, of a trail that became read-only: nobody will
// seal them, and that must not hold up those who write, ask and stop.
func TestStoreClosesWhileNothingCanBeSealed(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 22))
	o := small
	var s *store.Store
	o.Observer = &hook{Observer: store.Unobserved, written: func() { s.Distrust("a test says so") }}
	s = openTrail(t, t.TempDir(), o)
	if _, err := s.Append(t.Context(), batch(r, 5000), "w"); err != nil {
		t.Fatal(err)
	}
	within(t, "an append", func() {
		if _, err := s.Append(t.Context(), batch(r, 1), "w"); problem.KindOf(err) != problem.Unavailable {
			t.Errorf("appended with %v", err)
		}
	})
	within(t, "closing", func() { _ = s.Close() })
}

// TestFullDiskRefusesWhileNothingCanBeSealed has room for the log and none for what is sealed.
func TestFullDiskRefusesWhileNothingCanBeSealed(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 23))
	fs := crashfs.New()
	var full sync.Once
	o := small
	o.LogFileBytes, o.LogStepBytes, o.KeepRetry = 16<<20, 16<<20, 50*time.Millisecond
	o.Observer = &hook{Observer: store.Unobserved, written: func() { full.Do(func() { fs.SetSpace(0) }) }}
	s := openWith(t, fs, o)
	if _, err := s.Append(t.Context(), batch(r, 5000), "w"); err != nil {
		t.Fatal(err)
	}
	within(t, "an append", func() {
		_, err := s.Append(t.Context(), batch(r, 1), "w")
		if p, ok := err.(*problem.Error); !ok || p.Kind != problem.Unavailable || p.RetryAfter == 0 {
			t.Errorf("appended with %v", err)
		}
	})
	within(t, "asking", func() {
		if s.Ready() == nil {
			t.Error("ready although nothing can be recorded")
		}
	})
	fs.SetSpace(-1)
	deadline := time.Now().Add(30 * time.Second)
	for s.Ready() != nil && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	within(t, "an append", func() {
		if _, err := s.Append(t.Context(), batch(r, 1), "w"); err != nil {
			t.Errorf("there is room again: %v", err)
		}
	})
	within(t, "closing", func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestMergeThatFailsIsNotTriedAtOnceAgain counts the attempts on a disk that takes no more.
func TestMergeThatFailsIsNotTriedAtOnceAgain(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 24))
	fs := crashfs.New()
	o := small
	o.SealEntries = 256
	o.LogFileBytes, o.LogStepBytes = 16<<20, 16<<20
	var sealed, failed atomic.Int64
	o.Observer = &hook{Observer: store.Unobserved, kept: func(k store.Kept) {
		switch {
		case k.Err != nil:
			failed.Add(1)
		case k.Work == store.Sealed && sealed.Add(1) == 8:
			fs.SetFault(crashfs.Fault{Call: fs.Calls() + 1, Mode: crashfs.NotDone, Sticky: true, Err: syscall.ENOSPC})
		}
	}}
	s := openWith(t, fs, o)
	for range 8 {
		if _, err := s.Append(t.Context(), batch(r, 256), "w"); err != nil {
			t.Fatal(err)
		}
	}
	for sealed.Load() < 8 || failed.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Second)
	if n := failed.Load(); n > 4 {
		t.Errorf("%d attempts within a second", n)
	}
	fs.SetFault(crashfs.Fault{})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func openWith(t *testing.T, fs *crashfs.FS, o store.Options) *store.Store {
	t.Helper()
	d, err := store.ClaimOn(fs, "/data")
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
