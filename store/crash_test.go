package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"countersign/event"
	"countersign/internal/crashfs"
	"countersign/internal/testkit"
	"countersign/merkle"
	"countersign/problem"
	"countersign/query"
	"countersign/store"
	"countersign/store/storetest"
)

// ledger is what the outside knows of a trail: what was acknowledged where, and what was ever sent.
type ledger struct {
	acked map[string]uint64 // event key -> seq
	sent  map[string]bool
	// seen are the checkpoints that came out.
	seen []merkle.Checkpoint
}

func newLedger() *ledger { return &ledger{acked: map[string]uint64{}, sent: map[string]bool{}} }

func key(e *event.Event) string { return e.Account.ID + "\x00" + e.Source + "\x00" + e.ID }

// append sends events and notes the answer. It tells whether the store can go on.
func (l *ledger) append(s *store.Store, es []event.Event) (alive bool) {
	for i := range es {
		l.sent[key(&es[i])] = true
	}
	rec, err := s.Append(context.Background(), es, "writer-1")
	if err != nil {
		select {
		case <-s.Failed():
			return false
		default:
			return true
		}
	}
	for i, r := range rec.Entries {
		l.acked[key(&es[i])] = r.Seq
	}
	l.seen = append(l.seen, rec.Checkpoint)
	return true
}

// publish has a checkpoint published and notes it.
func (l *ledger) publish(s *store.Store) {
	if c, err := s.PublishNow(context.Background()); err == nil {
		l.seen = append(l.seen, c)
	}
}

// checkTree holds the tree of a reopened trail to every checkpoint that came out.
func (l *ledger) checkTree(t *testing.T, s *store.Store) {
	t.Helper()
	if err := s.ReadOnly(); err != nil {
		t.Fatalf("a false alarm: %v", err)
	}
	if s.Size() == 0 {
		return
	}
	now, err := s.PublishNow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range l.seen {
		path, err := s.Consistency(c.Size, now.Size)
		if err != nil {
			t.Fatal(err)
		}
		if err := merkle.CheckConsistency(path, c.Size, c.Root, now.Size, now.Root); err != nil {
			t.Fatalf("a checkpoint of %d came out, and now there is one of %d: %v", c.Size, now.Size, err)
		}
	}
}

// check holds a reopened trail to the ledger.
func (l *ledger) check(t *testing.T, s *store.Store) {
	t.Helper()
	p, err := s.Search(t.Context(), query.Query{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]uint64{}
	for i, e := range p.Entries {
		k := key(&e.Event)
		if i > 0 && e.Seq <= p.Entries[i-1].Seq {
			t.Fatalf("entry %d has seq %d after %d", i, e.Seq, p.Entries[i-1].Seq)
		}
		if first, twice := there[k]; twice {
			t.Fatalf("event %q is there twice, at seq %d and %d", k, first, e.Seq)
		}
		if e.Source != store.SelfSource && !l.sent[k] {
			t.Fatalf("event %q at seq %d was never sent", k, e.Seq)
		}
		there[k] = e.Seq
	}
	for k, seq := range l.acked {
		if got, ok := there[k]; !ok || got != seq {
			t.Fatalf("event %q was acknowledged at seq %d and is now at %d (there: %v)", k, seq, got, ok)
		}
	}
	for seq := range s.Size() { // system facts too, which a search leaves out
		if e, err := s.Entry(seq); err != nil || e.Seq != seq {
			t.Fatalf("entry %d: %v", seq, err)
		}
	}
	if facts := s.Size() - p.Total; facts > uint64(len(s.Keys())) {
		t.Fatalf("%d entries are not found", facts)
	}
	l.checkTree(t, s)
}

// keepingFails is an Observer that is told when background work failed, or the disk did.
type keepingFails struct {
	store.Observer
	failed atomic.Bool
	done   [store.MergedIDs + 1]atomic.Int64 // by kind of work
}

func (k *keepingFails) Kept(w store.Kept) {
	if w.Err != nil {
		k.failed.Store(true)
		return
	}
	k.done[w.Work].Add(1)
}

func openOn(fs *crashfs.FS) (*store.Store, error) { return openObserved(fs, nil) }

func openObserved(fs *crashfs.FS, o store.Observer) (*store.Store, error) {
	d, err := store.ClaimOn(fs, "/data")
	if err != nil {
		return nil, err
	}
	s, err := d.Open(store.Options{DedupKey: []byte("key"), LogFileBytes: 64 << 10, LogStepBytes: 16 << 10, PublishEvery: -1, IndexStep: 256, SealEntries: 256, Observer: o})
	if err != nil {
		d.Release()
		return nil, err
	}
	return s, nil
}

// life opens, appends, stops and opens again, until something ends it.
func life(fs *crashfs.FS, l *ledger, r *rand.Rand) {
	for range 3 {
		keeping := &keepingFails{Observer: store.Unobserved}
		s, err := openObserved(fs, keeping)
		if err != nil {
			return
		}
		for range 4 {
			es := make([]event.Event, 1+r.IntN(100))
			for i := range es {
				es[i] = testkit.Random(r)
			}
			if !l.append(s, es) {
				break
			}
			if r.IntN(2) == 0 {
				l.publish(s)
			}
			s.WaitKept(func() bool { return keeping.failed.Load() || s.Ready() != nil })
		}
		if s.Close() != nil {
			return
		}
	}
}

// TestCrashKeepsWhatWasAcknowledged fails the n-th call of the disk for every n, in each way a call can
// fail, then takes the power away, and reopens what the disk holds. It does the same with the process
// killed and the power left on.
func TestCrashKeepsWhatWasAcknowledged(t *testing.T) {
	seed := storetest.Seed(t)
	crashes := uint64(3)
	if os.Getenv("COUNTERSIGN_SOAK") != "" {
		crashes = 200
	}
	for _, mode := range []crashfs.Mode{crashfs.NotDone, crashfs.Done, crashfs.Partly} {
		t.Run(fmt.Sprint("failing call ", mode), func(t *testing.T) {
			for n := int64(1); ; n++ {
				fs := crashfs.New()
				fs.SetFault(crashfs.Fault{Call: n, Mode: mode})
				l := newLedger()
				life(fs, l, rand.New(rand.NewPCG(seed, uint64(n))))
				reached := fs.Calls() >= n
				for i := range crashes {
					survive(t, fs.Crash(seed+i), l, fmt.Sprintf("call %d, crash %d", n, i))
				}
				fs.Kill()
				survive(t, fs, l, fmt.Sprintf("call %d, killed", n))
				if !reached {
					t.Logf("%d calls", n-1)
					return
				}
			}
		})
	}
}

// TestCrashAtEveryCall takes the power away at every moment of a life without faults.
func TestCrashAtEveryCall(t *testing.T) {
	seed := storetest.Seed(t)
	for n := int64(1); ; n++ {
		fs := crashfs.New()
		// From call n on nothing reaches the disk any more, as if the power had gone there.
		fs.SetFault(crashfs.Fault{Call: n, Mode: crashfs.NotDone, Sticky: true})
		l := newLedger()
		life(fs, l, rand.New(rand.NewPCG(seed, uint64(n))))
		reached := fs.Calls() >= n
		for i := range uint64(4) {
			survive(t, fs.Crash(seed+i), l, fmt.Sprintf("call %d, crash %d", n, i))
		}
		if !reached {
			return
		}
	}
}

// survive reopens a disk after a crash: it must open, hold what was acknowledged, and work on.
func survive(t *testing.T, fs *crashfs.FS, l *ledger, when string) {
	t.Helper()
	for i := range 2 {
		s, err := openOn(fs)
		if err != nil {
			t.Fatalf("%s: open %d: %v", when, i, err)
		}
		l.check(t, s)
		after := newLedger()
		r := rand.New(rand.NewPCG(uint64(i), 99))
		if !after.append(s, []event.Event{testkit.Random(r)}) || len(after.acked) != 1 {
			t.Fatalf("%s: open %d: the reopened store does not record", when, i)
		}
		for k, v := range after.acked {
			l = &ledger{acked: with(l.acked, k, v), sent: with(l.sent, k, true), seen: slices.Concat(l.seen, after.seen)}
		}
		if err := s.Close(); err != nil {
			t.Fatalf("%s: close %d: %v", when, i, err)
		}
	}
}

func with[V any](m map[string]V, k string, v V) map[string]V {
	n := make(map[string]V, len(m)+1)
	for k, v := range m {
		n[k] = v
	}
	n[k] = v
	return n
}

func TestFullDiskRefusesReadsOnAndRecovers(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 0))
	fs := crashfs.New()
	s, err := openOn(fs)
	if err != nil {
		t.Fatal(err)
	}
	l := newLedger()
	l.append(s, []event.Event{testkit.Random(r)})
	fs.SetSpace(9 << 20)
	big := func() []event.Event {
		es := make([]event.Event, 200)
		for i := range es {
			es[i] = testkit.Random(r)
			es[i].Raw = event.TextOf(string(make([]byte, 20_000)))
		}
		return es
	}
	var full *problem.Error
	for range 20 {
		_, err := s.Append(t.Context(), big(), "writer-1")
		if err != nil {
			full, _ = err.(*problem.Error)
			break
		}
	}
	if full == nil || full.Kind != problem.Unavailable || full.RetryAfter == 0 {
		t.Fatalf("a full disk answered %#v", full)
	}
	size := s.Size()
	if p, err := s.Search(t.Context(), query.Query{Limit: 5}); err != nil || p.Total != size {
		t.Fatalf("reads on a full disk: total %d of %d, %v", p.Total, size, err)
	}
	if s.Ready() == nil {
		t.Fatal("a full disk is said to be ready")
	}
	fs.SetSpace(-1)
	if err := s.Ready(); err != nil {
		t.Fatalf("not ready although there is space again: %v", err)
	}
	if !l.append(s, big()) || s.Size() != size+200 {
		t.Fatalf("size %d after %d and 200 more", s.Size(), size)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFailedSyncEndsWritingNotReading(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 0))
	fs := crashfs.New()
	s, err := openOn(fs)
	if err != nil {
		t.Fatal(err)
	}
	l := newLedger()
	l.append(s, []event.Event{testkit.Random(r)})
	// Write, then sync: the second call from here is the sync.
	fs.SetFault(crashfs.Fault{Call: fs.Calls() + 2, Mode: crashfs.NotDone})
	if l.append(s, []event.Event{testkit.Random(r)}) {
		t.Fatal("a failed sync is not final")
	}
	if _, err := s.Append(t.Context(), []event.Event{testkit.Random(r)}, "w"); problem.KindOf(err) != problem.Unavailable {
		t.Fatalf("append after a failed sync: %v", err)
	}
	if p, err := s.Search(t.Context(), query.Query{Limit: 5}); err != nil || p.Total != 1 {
		t.Fatalf("total %d, %v", p.Total, err)
	}
	if s.Ready() == nil {
		t.Fatal("ready after a failed sync")
	}
	if s.Close() == nil {
		t.Fatal("closing after a failed sync reports success")
	}
	survive(t, fs.Crash(1), l, "after the failed sync")
}
