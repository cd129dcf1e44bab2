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
	"testing/synctest"
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
	forgetful     bool // keeps nothing
}

func (l *trail) Append(_ context.Context, events []event.Event, recordedBy string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.before != nil {
		if err := l.before(); err != nil {
			return err
		}
	}
	if l.forgetful {
		return nil
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
	switch {
	case os.Getenv("COUNTERSIGN_SOAK") != "":
		steps = 5000
	case testing.Short(), raceDetector:
		steps = 40
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

// Before a trail is there changes wait, and are delivered in the order in which they were made.
func TestChangesWaitForTheTrailInOrder(t *testing.T) {
	f, l := setUp(t), &trail{}
	h := newHistory(f, 1)
	for range 100 {
		h.step()
	}
	f.reopen()
	for range 100 {
		h.step()
	}
	f.record(l)
	if diff := cmp.Diff(factsOf(t, f.Directory, f.admin), replay(t, l.entries)); diff != "" { // which fails out of order
		t.Errorf("-directory +trail\n%s", diff)
	}
	if len(l.entries) < 50 {
		t.Errorf("only %d entries", len(l.entries))
	}
}

func TestAChangeThatTheTrailWouldRefuseIsNotMade(t *testing.T) {
	f, l := setUp(t), &trail{}
	ready := &problem.Error{Kind: problem.Unavailable, Detail: "the disk is full", RetryAfter: 7 * time.Second}
	full := true
	if err := f.StartRecording(t.Context(), l.Append, func() error {
		if full {
			return ready
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	there := factsOf(t, f.Directory, f.admin)
	_, err := f.CreateAccount(t.Context(), f.admin, identity.NewAccount{ID: "a", Name: "x"})
	wantKind(t, err, problem.Unavailable, "")
	if e := err.(*problem.Error); e.RetryAfter != ready.RetryAfter || !strings.Contains(e.Detail, "nothing was changed") || !errors.Is(err, ready) {
		t.Errorf("answered %+v", e)
	}
	if diff := cmp.Diff(there, factsOf(t, f.Directory, f.admin)); diff != "" {
		t.Errorf("changed all the same:\n%s", diff)
	}
	full = false
	f.account("a")
}

// The answer to a change does not wait for whoever asked: what is committed is delivered.
func TestARequestThatEndsKeepsNoChangeFromTheTrail(t *testing.T) {
	f, l := setUp(t), &trail{}
	ctx, cancel := context.WithCancel(t.Context())
	recording := func(ctx context.Context, events []event.Event, by string) error {
		cancel()
		if err := ctx.Err(); err != nil {
			return err
		}
		return l.Append(ctx, events, by)
	}
	if err := f.StartRecording(ctx, recording, nil); err != nil { // the bootstrap is delivered here
		t.Fatal(err)
	}
	if diff := cmp.Diff(factsOf(t, f.Directory, f.admin), replay(t, l.entries)); diff != "" {
		t.Errorf("-directory +trail\n%s", diff)
	}
}

func TestTheOutboxIsTriedAgainByItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.db")
	synctest.Test(t, func(t *testing.T) {
		d, err := identity.Open(t.Context(), path, identity.Options{})
		if err != nil {
			t.Fatal(err)
		}
		tries, recorded := 0, 0
		if err := d.StartRecording(t.Context(), func(context.Context, []event.Event, string) error {
			if tries++; tries < 4 {
				return errors.New("not now")
			}
			recorded++
			return nil
		}, nil); err != nil {
			t.Fatal(err)
		}
		_, created, err := d.Bootstrap(t.Context(), "")
		if !created || problem.KindOf(err) != problem.Unavailable {
			t.Fatalf("Bootstrap = %t, %v", created, err)
		}
		time.Sleep(time.Minute)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if tries != 4 || recorded != 1 {
			t.Errorf("tried %d times, recorded %d times", tries, recorded)
		}
	})
}

func TestAnUnrecordedEstateTellsNoTrail(t *testing.T) {
	f := setUp(t)
	f.record(&trail{})
	f.Close()
	d, err := identity.Open(t.Context(), f.path, identity.Options{Now: f.clock.Now, Unrecorded: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.CreateAccount(t.Context(), f.admin, identity.NewAccount{ID: "a", Name: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	f.open()
	l := &trail{}
	f.record(l)
	if len(l.entries) > 0 {
		t.Errorf("told %+v", l.entries)
	}
}

// The administrator's token is shown once, so a trail that refuses must not swallow it.
func TestBootstrapReturnsItsTokenWhenTheTrailRefuses(t *testing.T) {
	f := &fixture{t: t, path: filepath.Join(t.TempDir(), "control.db"), clock: &clock{}}
	f.clock.Set(at("2026-01-15T10:30:00Z"))
	f.open()
	l := &trail{before: func() error { return errors.New("not now") }}
	f.record(l)
	shown, created, err := f.Bootstrap(t.Context(), "")
	if !created || problem.KindOf(err) != problem.Unavailable {
		t.Fatalf("Bootstrap = %v, %v", created, err)
	}
	f.admin = f.signIn(shown)
	l.before = nil
	f.reopen()
	f.record(l)
	if diff := cmp.Diff(factsOf(t, f.Directory, f.admin), replay(t, l.entries)); diff != "" {
		t.Errorf("-directory +trail\n%s", diff)
	}
}

// A purge that could not be told yet has overwritten the values all the same.
func TestAPurgeThatWaitsForTheTrailHasOverwritten(t *testing.T) {
	f, l := setUp(t), &trail{}
	f.record(l)
	f.service("Ersilia", "countersign")
	if _, err := f.UpdateUser(t.Context(), f.admin, "Ersilia", identity.UserUpdate{Description: identity.To("Leonora")}); err != nil {
		t.Fatal(err)
	}
	l.before = func() error { return errors.New("not now") }
	wantKind(t, f.DeleteUser(t.Context(), f.admin, "Ersilia", true), problem.Unavailable, "")
	for name, have := range readFiles(t, filepath.Dir(f.path), "") {
		if strings.Contains(have, "Leonora") {
			t.Errorf("%s still holds the purged value", name)
		}
	}
}

// Damage in the outbox is a change that the trail would never see.
func TestADamagedOutboxIsReported(t *testing.T) {
	for name, damage := range map[string]string{
		"cut":       `UPDATE outbox SET events = substr(events, 1, 100)`,
		"a field":   `UPDATE outbox SET events = '[{"colour":"red"}]'`,
		"no array":  `UPDATE outbox SET events = '7'`,
		"no events": `UPDATE outbox SET events = ''`,
	} {
		t.Run(name, func(t *testing.T) {
			f, l := setUp(t), &trail{}
			if err := f.Exec(damage); err != nil {
				t.Fatal(err)
			}
			err := f.StartRecording(t.Context(), l.Append, nil)
			if err == nil || !strings.Contains(err.Error(), "row 1 of the outbox") || len(l.entries) > 0 {
				t.Errorf("%v, %d entries", err, len(l.entries))
			}
		})
	}
}

// An identity of the first version gets its new tables and goes on.
func TestTheFirstSchemaIsBroughtUpToDate(t *testing.T) {
	f := setUp(t)
	f.account("a")
	if err := f.Exec(`DROP TABLE report_schedules; DROP TABLE outbox; DROP TABLE certificate_sources; DROP TABLE certificate_accounts; DROP TABLE certificates;
		DELETE FROM schema_version WHERE version >= 2`); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	l := &trail{}
	f.record(l)
	if len(l.entries) > 0 {
		t.Errorf("told of what nobody wrote down: %+v", l.entries)
	}
	f.service("u", "a")
	f.bind("u", "c", newCert(t, certOptions{name: "x"}))
	if len(l.entries) != 2 {
		t.Errorf("%d entries", len(l.entries))
	}
}
