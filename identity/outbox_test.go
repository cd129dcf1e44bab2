package identity_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/event"
	"countersign/identity"
	"countersign/problem"
)

// trail is a trail in memory that takes each id once, as a store does.
type trail struct {
	mu      sync.Mutex
	entries []event.Entry
	seq     map[string]int
	// before and after are called around each recording, when they are not nil; an error of before is
	// returned in place of recording, one of after once it is recorded.
	before, after func() error
}

func (l *trail) Append(_ context.Context, events []event.Event, recordedBy string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.before != nil {
		if err := l.before(); err != nil {
			return err
		}
	}
	for i := range events {
		e := &events[i]
		key := e.Account.ID + "\x00" + e.Source + "\x00" + e.ID
		if at, ok := l.seq[key]; ok {
			if !event.SameContent(e, &l.entries[at].Event) {
				return problem.New(problem.Conflict, "id %s has other content", e.ID)
			}
			continue
		}
		if l.seq == nil {
			l.seq = map[string]int{}
		}
		l.seq[key] = len(l.entries)
		l.entries = append(l.entries, event.Entry{Event: *e, Seq: uint64(len(l.entries)), RecordedBy: event.TextOf(recordedBy)})
	}
	if l.after != nil {
		return l.after()
	}
	return nil
}

// record has the directory record its changes in l.
func (f *fixture) record(l *trail) {
	f.t.Helper()
	if err := f.StartRecording(f.t.Context(), l.Append, nil); err != nil {
		f.t.Fatal(err)
	}
}

func (l *trail) clone() *trail {
	return &trail{entries: slices.Clone(l.entries), seq: maps.Clone(l.seq)}
}

// image is what a crash at one moment leaves: the files of the directory, and the trail.
type image struct {
	moment string
	files  map[string][]byte
	trail  *trail
}

func (f *fixture) image(moment string, l *trail) image {
	f.t.Helper()
	i := image{moment: moment, files: map[string][]byte{}, trail: l.clone()}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(f.path + suffix)
		if err != nil {
			f.t.Fatal(err)
		}
		i.files["control.db"+suffix] = b
	}
	return i
}

// restart opens what the crash left and has it recorded. It fails unless the directory and the trail then
// tell of one estate, each change once, and returns that estate.
func (i image) restart(f *fixture, admin identity.Caller) facts {
	f.t.Helper()
	dir := f.t.TempDir()
	for name, b := range i.files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
	var told facts
	var entries int
	for range 2 { // the second time nothing is left to deliver
		d, err := identity.Open(f.t.Context(), filepath.Join(dir, "control.db"), identity.Options{Now: f.clock.Now, MustExist: true})
		if err != nil {
			f.t.Fatalf("%s: %v", i.moment, err)
		}
		if err := d.StartRecording(f.t.Context(), i.trail.Append, nil); err != nil {
			f.t.Fatalf("%s: %v", i.moment, err)
		}
		if told != nil && len(i.trail.entries) != entries {
			f.t.Fatalf("%s: %d entries more at the next start", i.moment, len(i.trail.entries)-entries)
		}
		entries = len(i.trail.entries)
		told = replay(f.t, i.trail.entries)
		if diff := cmp.Diff(factsOf(f.t, d, admin), told); diff != "" {
			f.t.Fatalf("%s: -directory +trail\n%s", i.moment, diff)
		}
		if err := d.Close(); err != nil {
			f.t.Fatal(err)
		}
	}
	return told
}

// A process that ends at any step of a change leaves the change in both, once, or in neither.
func TestACrashAtAnyStepLeavesEachChangeInBothOnce(t *testing.T) {
	steps := 120
	if testing.Short() {
		steps = 30
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	f, l := setUp(t), &trail{}
	f.record(l)
	h := newHistory(f, seed)
	made, refused := 0, 0
	for step := range steps {
		about := func(moment string) string { return fmt.Sprintf("seed %d, step %d, %s", seed, step, moment) }
		images := []image{f.image(about("before"), l)}
		l.before = func() error {
			images = append(images, f.image(about("between commit and delivery"), l))
			return nil
		}
		l.after = func() error {
			images = append(images, f.image(about("between delivery and removal"), l))
			return nil
		}
		err := h.step()
		l.before, l.after = nil, nil
		images = append(images, f.image(about("after"), l))
		if err != nil {
			refused++
		}
		if len(images) > 2 {
			made++
		} else if !cmp.Equal(images[0].trail.entries, images[1].trail.entries) {
			t.Fatal(about("entries came from nowhere"))
		}
		var estates []facts
		for _, i := range images {
			estates = append(estates, i.restart(f, f.admin))
		}
		// Once committed, a change is there whatever happens.
		for n := 2; n < len(estates); n++ {
			if diff := cmp.Diff(estates[1], estates[n]); diff != "" {
				t.Fatalf("%s: not what the commit left:\n%s", images[n].moment, diff)
			}
		}
	}
	if made < steps/6 || refused < steps/20 {
		t.Errorf("%d changes and %d refusals in %d steps: too few to say anything", made, refused, steps)
	}
}

// A trail that refuses keeps no change from the other: what was made waits, what comes after is not made.
func TestATrailThatRefusesLosesNothingAndRepeatsNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	f, l := setUp(t), &trail{}
	f.record(l)
	h := newHistory(f, seed)
	broken := errors.New("the disk is full")
	var lost, late, refused int
	pending := false
	for step := range 400 {
		about := fmt.Sprintf("seed %d, step %d", seed, step)
		waits := false
		switch n := h.r.IntN(4); {
		case pending:
		case n == 0: // not recorded
			l.before = func() error { waits = true; return broken }
		case n == 1: // recorded, but reported failed
			l.after = func() error { waits = true; return broken }
		}
		err := h.step()
		if waits != (problem.KindOf(err) == problem.Unavailable) {
			t.Fatalf("%s: answered %v", about, err)
		}
		if waits {
			lost++
			if !errors.Is(err, broken) || !strings.Contains(err.Error(), "is made and in force") {
				t.Fatalf("%s: answered %v", about, err)
			}
			// The next change is refused and changes nothing, since it is known to find no trail.
			there := factsOf(t, f.Directory, f.admin)
			if err := h.step(); problem.KindOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "nothing was changed") {
				t.Fatalf("%s: a change on top: %v", about, err)
			}
			if diff := cmp.Diff(there, factsOf(t, f.Directory, f.admin)); diff != "" {
				t.Fatalf("%s: a refused change is in force:\n%s", about, diff)
			}
			refused++
		}
		l.before, l.after, pending = nil, nil, false
		switch {
		case waits && h.r.IntN(3) == 0:
			f.reopen()
			f.record(l)
			late++
		case waits && h.r.IntN(2) == 0:
			if err := f.Redeliver(); err != nil {
				t.Fatal(err)
			}
			late++
		case waits:
			pending = true // the next change delivers it first
			continue
		}
		if diff := cmp.Diff(factsOf(t, f.Directory, f.admin), replay(t, l.entries)); diff != "" {
			t.Fatalf("%s: -directory +trail\n%s", about, diff)
		}
	}
	if lost < 20 || late < 5 || refused < 20 {
		t.Errorf("%d lost, %d late, %d refused: too few to say anything", lost, late, refused)
	}
}
