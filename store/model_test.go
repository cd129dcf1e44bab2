package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/event"
	"countersign/internal/crashfs"
	"countersign/internal/testkit"
	"countersign/merkle"
	"countersign/problem"
	"countersign/query"
	"countersign/store"
	"countersign/store/storetest"
)

// trailLife is a store on a disk that crashes, and what it must answer.
type trailLife struct {
	t       testing.TB
	r       *rand.Rand
	fs      *crashfs.FS
	options store.Options
	s       *store.Store
	keeping *keepingFails
	now     time.Time

	model storetest.Model
	// places are the seqs of the events by key, heads where the chain of each account stands.
	places map[string]uint64
	heads  map[string]chainHead
	// pending are events that were sent and refused, or whose answer never came: they may be there after a crash.
	pending map[string]event.Event
	seen    []merkle.Checkpoint
	loops   []*pagingLoop
	loopsN  int
	inTime  event.Micros

	did map[string]int
}

type chainHead struct{ count, last uint64 }

// pagingLoop is a caller that pages through an answer at the size of its first page.
type pagingLoop struct {
	token string
	q     query.Query
	size  uint64
}

func newLife(t testing.TB, seed uint64) *trailLife {
	r := rand.New(rand.NewPCG(seed, 31))
	sealing := []uint64{256, 512, 1024}[r.IntN(3)]
	l := &trailLife{
		t: t, r: r, fs: crashfs.New(), now: time.Unix(1_790_000_000, 0),
		places: map[string]uint64{}, heads: map[string]chainHead{}, pending: map[string]event.Event{}, did: map[string]int{},
	}
	l.options = store.Options{
		DedupKey: []byte("key"), PublishEvery: -1, IndexStep: 256, SealEntries: sealing, KeepRetry: time.Millisecond,
		LogFileBytes: 16 << (10 + r.IntN(4)), LogStepBytes: 16 << 10,
		Now: func() time.Time { return l.now },
	}
	if r.IntN(2) == 0 {
		l.inTime = 1_767_225_600_000_000
	}
	return l
}

func (l *trailLife) open() {
	l.t.Helper()
	l.noteWork()
	l.keeping = &keepingFails{Observer: store.Unobserved}
	l.options.Observer = l.keeping
	d, err := store.ClaimOn(l.fs, "/data")
	if err != nil {
		l.t.Fatal(err)
	}
	if l.s, err = d.Open(l.options); err != nil {
		l.t.Fatal(err)
	}
	if err := l.s.ReadOnly(); err != nil {
		l.t.Fatalf("a false alarm: %v", err)
	}
	l.loops = nil
	l.catchUp()
}

// noteWork counts what was done in the background until now.
func (l *trailLife) noteWork() {
	if l.keeping == nil {
		return
	}
	for w := range l.keeping.done {
		l.did[store.Work(w).String()+" within them"] += int(l.keeping.done[w].Load())
	}
}

// reopen opens a trail that was closed or crashed, and looks at all of it.
func (l *trailLife) reopen() {
	l.t.Helper()
	l.open()
	l.model.CheckEach(l.t, l.s, query.Query{})
	clear(l.pending)
}

// catchUp takes what is recorded and not in the model yet: it must be something that was sent, or the store's own.
func (l *trailLife) catchUp() {
	l.t.Helper()
	if l.s.Size() < l.model.Size {
		l.t.Fatalf("%d entries, there were %d", l.s.Size(), l.model.Size)
	}
	for ; l.model.Size < l.s.Size(); l.model.Size++ {
		e, err := l.s.Entry(l.model.Size)
		if err != nil {
			l.t.Fatal(err)
		}
		if e.Kind != event.KindEvent {
			continue
		}
		l.take(e)
	}
}

func (l *trailLife) take(e *event.Entry) {
	l.t.Helper()
	k := key(&e.Event)
	if _, twice := l.places[k]; twice {
		l.t.Fatalf("seq %d is there already at %d", e.Seq, l.places[k])
	}
	sent, ok := l.pending[k]
	if own := e.Action == "INGEST_CONFLICT" || e.Source == store.SelfSource; !ok && !own {
		l.t.Fatalf("seq %d was never sent: %+v", e.Seq, e)
	} else if ok && !cmp.Equal(sent, e.Event) {
		l.t.Fatalf("seq %d is not what was sent: %s", e.Seq, cmp.Diff(sent, e.Event))
	}
	h, chained := l.heads[e.Account.ID]
	prev := uint64(event.NoPrev)
	if chained {
		prev = h.last
	}
	if e.AccountSeq != h.count || e.AccountPrev != prev {
		l.t.Fatalf("seq %d is number %d after %d of its account, want %d after %d", e.Seq, e.AccountSeq, e.AccountPrev, h.count, prev)
	}
	if n := len(l.model.Entries); n > 0 && e.ReceivedAt < l.model.Entries[n-1].ReceivedAt {
		l.t.Fatalf("seq %d was received before the one before it", e.Seq)
	}
	l.heads[e.Account.ID] = chainHead{h.count + 1, e.Seq}
	l.places[k] = e.Seq
	delete(l.pending, k)
	mine, err := event.DecodeBody(event.AppendBody(nil, e)) // shared with nobody
	if err != nil {
		l.t.Fatal(err)
	}
	mine.Seq = e.Seq
	l.model.Entries = append(l.model.Entries, &mine)
}

// event makes one up: values of few and of many kinds, in time or not.
func (l *trailLife) event() event.Event {
	e := testkit.Random(l.r)
	if l.r.IntN(2) == 0 {
		e.Resource.ID = event.TextOf(fmt.Sprintf("%08x-4b96-4a2e-9061-%012x", l.r.IntN(4000), l.r.IntN(4)))
	}
	if l.r.IntN(3) == 0 {
		e.Actor.Name = event.TextOf([]string{"User ", "user ", "üser "}[l.r.IntN(3)] + strconv.Itoa(l.r.IntN(1000)))
	}
	if !e.Attribute("serial").Present && l.r.IntN(3) == 0 {
		e.Attributes = append(e.Attributes, event.Attribute{Name: "serial", Value: strconv.Itoa(l.r.IntN(5000))})
		slices.SortFunc(e.Attributes, func(a, b event.Attribute) int { return cmpText(a.Name, b.Name) })
	}
	if l.inTime != 0 {
		l.inTime += event.Micros(l.r.IntN(3_000_000))
		if e.OccurredAt = l.inTime; l.r.IntN(20) == 0 {
			e.OccurredAt -= event.Micros(l.r.IntN(3_000_000_000))
		}
	}
	return e
}

func cmpText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// append records events, some of them again. fails says that it may fail.
func (l *trailLife) append(fails bool) {
	l.t.Helper()
	es := make([]event.Event, 1+l.r.IntN(1<<l.r.IntN(11)))
	for i := range es {
		es[i] = l.event()
		switch n := l.r.IntN(30); {
		case n == 0 && len(l.model.Entries) > 0:
			if e := l.model.Entries[l.r.IntN(len(l.model.Entries))]; e.Action != "INGEST_CONFLICT" && e.Source != store.SelfSource {
				es[i] = e.Event
			}
		case n == 1 && i > 0:
			es[i] = es[l.r.IntN(i)]
		}
		if k := key(&es[i]); !l.known(k) {
			l.pending[k] = es[i]
		}
	}
	l.now = l.now.Add(time.Duration(l.r.IntN(3)-1) * time.Second)
	rec, err := l.s.Append(context.Background(), slices.Clone(es), "writer-1")
	if err != nil {
		if !fails {
			l.t.Fatalf("append: %v", err)
		}
		return
	}
	l.did["events recorded in them"] += rec.Accepted
	l.catchUp()
	if rec.Accepted > 0 {
		clear(l.pending) // written over
	}
	if rec.Accepted+rec.Duplicates != len(es) {
		l.t.Fatalf("%d accepted and %d duplicates of %d", rec.Accepted, rec.Duplicates, len(es))
	}
	for i, got := range rec.Entries {
		if at, ok := l.places[key(&es[i])]; !ok || at != got.Seq {
			l.t.Fatalf("event %d is said to be at %d, and is at %d (there: %v)", i, got.Seq, at, ok)
		}
	}
	l.seen = append(l.seen, rec.Checkpoint)
}

func (l *trailLife) known(k string) bool {
	_, known := l.places[k]
	return known
}

// conflict sends an event whose id is taken.
func (l *trailLife) conflict() {
	l.t.Helper()
	first := l.model.Entries[l.r.IntN(len(l.model.Entries))]
	if first.Source == store.SelfSource {
		return
	}
	changed := first.Event
	changed.Description = event.TextOf("rewritten history")
	_, err := l.s.Append(l.t.Context(), []event.Event{l.event(), changed}, "writer-1")
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Kind != problem.Conflict || p.Seq == nil || *p.Seq != first.Seq {
		l.t.Fatalf("a conflict with seq %d is answered with %v", first.Seq, err)
	}
	l.catchUp()
}

func (l *trailLife) publish(fails bool) {
	l.t.Helper()
	c, err := l.s.PublishNow(l.t.Context())
	if err != nil {
		if !fails && l.model.Size > 0 {
			l.t.Fatal(err)
		}
		return
	}
	for range 3 {
		old := c
		if len(l.seen) > 0 {
			old = l.seen[l.r.IntN(len(l.seen))]
		}
		path, err := l.s.Consistency(old.Size, c.Size)
		if err == nil {
			err = merkle.CheckConsistency(path, old.Size, old.Root, c.Size, c.Root)
		}
		if err != nil && !fails {
			l.t.Fatalf("checkpoints of %d and %d: %v", old.Size, c.Size, err)
		}
	}
	l.seen = append(l.seen, c)
	if !fails {
		l.prove(c)
	}
}

// prove has an entry of the tree of a checkpoint proven.
func (l *trailLife) prove(c merkle.Checkpoint) {
	l.t.Helper()
	seq := l.r.Uint64N(c.Size)
	path, err := l.s.Inclusion(seq, c.Size)
	if err != nil {
		l.t.Fatal(err)
	}
	bytes, err := l.s.EntryBytes(seq)
	if err == nil {
		err = merkle.CheckInclusion(path, seq, c.Size, c.Root, event.LeafHash(bytes))
	}
	if err != nil {
		l.t.Fatalf("entry %d in %d: %v", seq, c.Size, err)
	}
	if ok, err := l.s.Intact(l.t.Context(), seq); !ok || err != nil {
		l.t.Fatalf("entry %d is not intact: %v", seq, err)
	}
}

// crash takes the power or the process away.
func (l *trailLife) crash() {
	l.t.Helper()
	l.did["crashes within them"]++
	before := l.fs
	if l.r.IntN(3) == 0 {
		l.fs.Kill()
	} else {
		l.fs = l.fs.Crash(l.r.Uint64())
		before.Kill()
	}
	_ = l.s.Close() // the process is gone: whatever it says, nothing of it reaches the disk
	l.reopen()
}

// trouble lets calls of the disk fail, and goes on when that is over, or crashes.
func (l *trailLife) trouble() {
	l.t.Helper()
	l.fs.SetFault(crashfs.Fault{
		Call: l.fs.Calls() + 1 + int64(l.r.IntN(60)), Mode: crashfs.Mode(l.r.IntN(3)), Sticky: l.r.IntN(3) == 0,
		Err: []error{syscall.EIO, syscall.ENOSPC}[l.r.IntN(2)],
	})
	for range 4 {
		l.append(true)
		if l.r.IntN(2) == 0 {
			l.publish(true)
		}
		if l.r.IntN(4) == 0 {
			_, _ = l.s.RotateKey(l.t.Context(), 10)
		}
		l.settle()
	}
	if l.s.ReadOnly() != nil || l.s.Ready() != nil || l.r.IntN(4) == 0 {
		l.crash()
		return
	}
	l.fs.SetFault(crashfs.Fault{})
	l.keeping.failed.Store(false)
	// What was refused stays pending: until the next write it may be in the log, and a crash would bring it out.
	l.catchUp()
	if l.s.Ready() != nil {
		l.crash()
	}
}

// settle waits for background work, unless the disk fails.
func (l *trailLife) settle() {
	l.s.WaitKept(func() bool { return l.keeping.failed.Load() || l.s.Ready() != nil })
}

func (l *trailLife) step() {
	l.t.Helper()
	switch n := l.r.IntN(100); {
	case n < 60 || len(l.model.Entries) == 0:
		l.append(false)
	case n < 64:
		l.conflict()
	case n < 72:
		l.publish(false)
	case n < 74:
		if _, err := l.s.RotateKey(l.t.Context(), l.r.Uint64N(500)); err != nil {
			l.t.Fatal(err)
		}
		l.catchUp()
	case n < 86:
		l.settle()
	case n < 90:
		if err := l.s.Close(); err != nil {
			l.t.Fatal(err)
		}
		l.reopen()
	case n < 95:
		l.crash()
	default:
		l.trouble()
	}
}

// ask asks one question of any kind.
func (l *trailLife) ask() {
	l.t.Helper()
	if len(l.model.Entries) == 0 {
		return
	}
	l.did["random questions of the store"]++
	entries := l.model.Entries
	q := storetest.Query(l.r, entries)
	switch n := l.r.IntN(100); {
	case n < 60:
		l.model.CheckSearch(l.t, l.s, q)
	case n < 75:
		b := storetest.Breakdown(l.r, entries)
		if l.r.IntN(4) > 0 {
			q.Filter = storetest.Recent(l.r, entries, q.Filter)
		}
		l.model.CheckStats(l.t, l.s, q, b)
	case n < 78:
		l.model.CheckEach(l.t, l.s, q)
	case n < 81:
		l.model.CheckTexts(l.t, l.s, q)
	case n < 90:
		l.page(q)
	case n < 95:
		l.integer()
	default:
		e := entries[l.r.IntN(len(entries))]
		if got, err := l.s.Entry(e.Seq); err != nil || got.Seq != e.Seq || !cmp.Equal(e, got) {
			l.t.Fatalf("entry %d: %v %s", e.Seq, err, cmp.Diff(e, got))
		}
	}
}

// page begins to page through an answer, or goes on, at the size that the first page had.
func (l *trailLife) page(q query.Query) {
	l.t.Helper()
	i := l.r.IntN(len(l.loops) + 1)
	if i == len(l.loops) {
		if i == 8 {
			l.loops = slices.Delete(l.loops, 0, 1)
			i--
		}
		l.loopsN++
		q.Offset, q.Limit, q.AsOf = 0, 1+l.r.IntN(60), nil
		l.loops = append(l.loops, &pagingLoop{token: fmt.Sprint("token-", l.loopsN), q: q, size: l.model.Size})
	}
	loop := l.loops[i]
	p, err := l.s.SearchPinned(l.t.Context(), loop.token, loop.q)
	if err != nil {
		l.t.Fatal(err)
	}
	want := loop.q
	want.AsOf = &loop.size
	l.model.CheckPage(l.t, want, p)
	loop.q.Offset += uint64(len(p.Entries))
	if loop.q.Offset == p.Total {
		l.loops = slices.Delete(l.loops, i, i+1)
	}
}

// integer asks for the integer that stands for an id.
func (l *trailLife) integer() {
	l.t.Helper()
	e := l.model.Entries[l.r.IntN(len(l.model.Entries))]
	kinds := []struct {
		kind store.IDKind
		of   func(*event.Entry) event.Text
	}{
		{store.UserID, query.TextOf(query.ActorID)}, {store.AccountID, query.TextOf(query.AccountID)}, {store.DivisionID, query.TextOf(query.DivisionID)},
	}
	k := kinds[l.r.IntN(len(kinds))]
	id := k.of(e)
	if !id.Present {
		return
	}
	n, ok := l.s.IntegerID(k.kind, id.Value)
	want, own := event.IntegerID(id.Value)
	if !own {
		first := slices.IndexFunc(l.model.Entries, func(e *event.Entry) bool { return k.of(e) == id })
		want = 1_000_000_000_000 + int64(l.model.Entries[first].Seq)
	}
	if !ok || n != want {
		l.t.Fatalf("the integer of %q is %d (%v), want %d", id.Value, n, ok, want)
	}
	if back, ok := l.s.IDOfInteger(k.kind, n); !ok || !own && back != id.Value {
		l.t.Fatalf("the id of %d is %q (%v), want %q", n, back, ok, id.Value)
	}
}

// live runs one life.
func (l *trailLife) live(steps, questions int) {
	l.t.Helper()
	l.open()
	for range steps {
		l.step()
		for range questions {
			l.ask()
		}
	}
	l.publish(false)
	if err := l.s.Close(); err != nil {
		l.t.Fatal(err)
	}
	l.reopen()
	if err := l.s.Close(); err != nil {
		l.t.Fatal(err)
	}
	l.noteWork()
}

// TestRandomLivesAgreeWithTheModel runs lists of operations, each made from one seed: appends, repeats, conflicts, late
// events, checkpoints, rotations, seals, merges, disks that fail, crashes and reopenings, and asks after each of them. A
// failing one is run again, alone, by its seed.
func TestRandomLivesAgreeWithTheModel(t *testing.T) {
	seed := storetest.Seed(t)
	end := time.Now().Add(testkit.SoakFor(t))
	did := map[string]int{}
	lives, least := 0, 4
	if raceDetector {
		least = 1
	}
	for ; lives < least || time.Now().Before(end); lives++ {
		if !t.Run(fmt.Sprintf("COUNTERSIGN_SEED=%d", seed+uint64(lives)), func(t *testing.T) {
			l := newLife(t, seed+uint64(lives))
			l.live(120, 8)
			for what, n := range l.did {
				did[what] += n
			}
		}) {
			return
		}
	}
	testkit.Counted(t, lives, "lives of a store against the model")
	for _, what := range slices.Sorted(maps.Keys(did)) {
		testkit.Counted(t, did[what], what)
	}
}
