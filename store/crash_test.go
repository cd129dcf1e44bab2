package store_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

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
	next := uint64(0)
	for i := 0; next < s.Size(); next++ { // a search finds all but system facts
		if i < len(p.Entries) && p.Entries[i].Seq == next {
			i++
			continue
		}
		if e, err := s.Entry(next); err != nil || e.Kind == event.KindEvent {
			t.Fatalf("entry %d is not found: %v, %v", next, e, err)
		}
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
	s, err := d.Open(store.Options{DedupKey: []byte("key"), LogFileBytes: 64 << 10, LogStepBytes: 16 << 10, PublishEvery: -1,
		IndexStep: 256, SealEntries: 256, KeepRetry: time.Millisecond, Observer: o})
	if err != nil {
		d.Release()
		return nil, err
	}
	return s, nil
}

// life opens, appends, publishes, rotates, stops and opens again, until something ends it. Enough is appended at once to
// be sealed, which on a grown disk makes merges due. It tells what the background work was.
func life(fs *crashfs.FS, l *ledger, r *rand.Rand) (kept [store.MergedIDs + 1]int64) {
	for range 1 + r.IntN(2) {
		keeping := &keepingFails{Observer: store.Unobserved}
		s, err := openObserved(fs, keeping)
		if err != nil {
			return kept
		}
		for i := range 3 {
			n := 1 + r.IntN(60)
			if i == 0 {
				n = 256
			}
			if !l.append(s, batch(r, n)) {
				break
			}
			if r.IntN(2) == 0 {
				l.publish(s)
			}
			if r.IntN(4) == 0 {
				_, _ = s.RotateKey(context.Background(), 50)
			}
			if r.IntN(3) > 0 {
				s.WaitKept(func() bool { return keeping.failed.Load() || s.Ready() != nil })
			}
		}
		err = s.Close()
		for w := range kept {
			kept[w] += keeping.done[w].Load()
		}
		if err != nil {
			return kept
		}
	}
	return kept
}

// grown returns a disk with a trail to which one more seal makes merges due, and what is known of it.
func grown(t *testing.T, r *rand.Rand) (*crashfs.FS, *ledger) {
	t.Helper()
	fs, l := crashfs.New(), newLedger()
	s, err := openOn(fs)
	if err != nil {
		t.Fatal(err)
	}
	for range 7 {
		l.append(s, batch(r, 256))
		s.WaitKept(never)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return fs, l
}

func (l *ledger) clone() *ledger {
	return &ledger{acked: maps.Clone(l.acked), sent: maps.Clone(l.sent), seen: slices.Clone(l.seen)}
}

// mishap makes up a fault: which call fails, how, how often in a row, and with what error.
func mishap(r *rand.Rand, calls int64) crashfs.Fault {
	f := crashfs.Fault{Call: 1 + r.Int64N(calls), Mode: crashfs.Mode(r.IntN(3)), Times: 1 + r.Int64N(2), Err: []error{syscall.EIO, syscall.ENOSPC}[r.IntN(2)]}
	if r.IntN(3) == 0 { // as if the power had gone there
		f.Sticky, f.Mode = true, crashfs.NotDone
	}
	return f
}

// TestCrashKeepsWhatWasAcknowledged lets calls of the disk fail, any of them and in each way a call can fail, once, twice
// in a row or from there on, then takes the power away or kills the process, mostly more than once before anybody looks.
// Whatever came out before is then still so. Each seed is one case.
func TestCrashKeepsWhatWasAcknowledged(t *testing.T) {
	seed := storetest.Seed(t)
	end := time.Now().Add(testkit.SoakFor(t))
	calls := map[bool]int64{} // of a life without faults, by whether it begins on a new disk
	base, known := grown(t, rand.New(rand.NewPCG(seed, 1)))
	for _, fresh := range []bool{false, true} {
		fs, l := base.Crash(0), known.clone()
		if fresh {
			fs, l = crashfs.New(), newLedger()
		}
		life(fs, l, rand.New(rand.NewPCG(seed, 2)))
		calls[fresh] = fs.Calls()
	}
	cases, crashes := 0, 0
	var kept [store.MergedIDs + 1]int64
	least := 100
	if raceDetector {
		least = 10
	}
	for ; cases < least || time.Now().Before(end); cases++ {
		r := rand.New(rand.NewPCG(seed+uint64(cases), 3))
		fs, l := base.Crash(0), known.clone()
		fresh := r.IntN(4) == 0
		if fresh {
			fs, l = crashfs.New(), newLedger()
		}
		when := fmt.Sprintf("COUNTERSIGN_SEED=%d (%d calls)", seed+uint64(cases), calls[fresh])
		for range 1 + r.IntN(3) {
			fault := mishap(r, calls[fresh])
			when += fmt.Sprintf(", %+v", fault)
			fault.Call += fs.Calls()
			fs.SetFault(fault)
			for w, n := range life(fs, l, r) {
				kept[w] += n
			}
			crashes++
			if r.IntN(3) == 0 {
				when += ", killed"
				fs.Kill()
				continue
			}
			with := r.Uint64()
			when += fmt.Sprint(", crash ", with)
			fs = fs.Crash(with)
		}
		survive(t, fs, l, when)
		if t.Failed() {
			return
		}
	}
	testkit.Counted(t, cases, "seeds of failing disks and crashes")
	testkit.Counted(t, crashes, "crashes and kills in them")
	for w, n := range kept {
		testkit.Counted(t, int(n), store.Work(w).String()+" in them")
		if n == 0 && !raceDetector {
			t.Errorf("there was no %s", store.Work(w))
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
		l = l.clone()
		maps.Copy(l.acked, after.acked)
		maps.Copy(l.sent, after.sent)
		l.seen = append(l.seen, after.seen...)
		if err := s.Close(); err != nil {
			t.Fatalf("%s: close %d: %v", when, i, err)
		}
	}
}

// Nothing is recorded before a first start has come through. However often it ends early, the directory can be started.
func TestFirstStartsThatEndEarlyLeaveADirectoryThatStarts(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 0))
	start := func(fs *crashfs.FS, f crashfs.Fault) {
		f.Call += fs.Calls()
		fs.SetFault(f)
		d, err := store.ClaimOn(fs, "/data")
		if err != nil {
			return
		}
		_, _ = d.GenerateKey("") // may fail, or be there
		_ = d.Release()
	}
	whole := crashfs.New()
	start(whole, crashfs.Fault{})
	for first := range whole.Calls() {
		for second := range whole.Calls() {
			fs := crashfs.New()
			start(fs, crashfs.Fault{Call: 1 + first, Mode: crashfs.Mode(r.IntN(3)), Sticky: true})
			fs.Kill()
			start(fs, crashfs.Fault{Call: 1 + second, Mode: crashfs.Mode(r.IntN(3))})
			s, err := openOn(fs.Crash(r.Uint64()))
			if err != nil {
				t.Fatalf("after failures at calls %d and %d: %v", 1+first, 1+second, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// soon waits for what background work brings about.
func soon(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for it %s", what)
		}
	}
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
	untilRefused := func() {
		t.Helper()
		var full *problem.Error
		for range 20 {
			if _, err := s.Append(t.Context(), big(), "writer-1"); err != nil {
				full, _ = err.(*problem.Error)
				break
			}
		}
		if full == nil || full.Kind != problem.Unavailable || full.RetryAfter == 0 {
			t.Fatalf("a full disk answered %#v", full)
		}
	}
	untilRefused()
	// What is sealed gives its log back, which may be room enough to go on. From here on nothing is.
	fs.SetSpace(0)
	untilRefused()
	size := s.Size()
	if p, err := s.Search(t.Context(), query.Query{Limit: 5}); err != nil || p.Total != size {
		t.Fatalf("reads on a full disk: total %d of %d, %v", p.Total, size, err)
	}
	soon(t, "not to be ready on a full disk", func() bool { return s.Ready() != nil })
	fs.SetSpace(-1)
	soon(t, "to be ready when there is space again", func() bool { return s.Ready() == nil })
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
