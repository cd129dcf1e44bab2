package verify_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/event"
	"countersign/internal/testkit"
	"countersign/merkle"
	"countersign/store"
	"countersign/verify"
)

var dedupKey = []byte("a key of the tests' own, 32 bytes")

func options() store.Options {
	return store.Options{DedupKey: dedupKey, Origin: origin, PublishEvery: -1, NoPreallocate: true, LogFileBytes: 64 << 10}
}

// made is a data directory and what others know of it.
type made struct {
	dir string
	// earlier is the directory as it was before its third life. From there clone went another way under the same keys.
	earlier, clone string
	keptEarlier    int // of kept

	keys   string // vkeys, one a line
	kept   []merkle.Checkpoint
	sizes  []uint64 // of the trail after each batch
	events []event.Event
}

// newDir makes a data directory by a server's own means: batches of different sizes, some checkpoints published and
// some kept elsewhere, two rotations of the key, stopped and started twice, and stopped in the end.
func newDir(t testing.TB, seed uint64, o store.Options) *made {
	t.Helper()
	m := &made{dir: t.TempDir()}
	r := rand.New(rand.NewPCG(seed, seed))
	for life := range 3 {
		s, err := store.Open(m.dir, o)
		if err != nil {
			t.Fatal(err)
		}
		for batch := range 12 {
			m.append(t, s, r, 1+r.IntN(60))
			if batch%4 == 3 {
				m.publish(t, s, batch%8 == 7)
			}
		}
		if life < 2 {
			if _, err := s.RotateKey(t.Context(), 30); err != nil {
				t.Fatal(err)
			}
			m.sizes = append(m.sizes, s.Size())
		}
		if life == 2 {
			m.publish(t, s, true)
		}
		if o.SealEntries > 0 {
			m.awaitSeal(t, s.Size()-s.Size()%o.SealEntries)
		}
		m.keys = vkeys(s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if life == 1 {
			m.fork(t, seed, o)
		}
	}
	return m
}

// fork copies the directory and has a copy go on.
func (m *made) fork(t testing.TB, seed uint64, o store.Options) {
	t.Helper()
	m.earlier, m.clone, m.keptEarlier = copyDir(t, m.dir), copyDir(t, m.dir), len(m.kept)
	s, err := store.Open(m.clone, o)
	if err != nil {
		t.Fatal(err)
	}
	other := &made{}
	for r := rand.New(rand.NewPCG(seed, 99)); s.Size() < 1500; {
		other.append(t, s, r, 50)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// sealing seals a few hundred entries at a time.
func sealing() store.Options {
	o := options()
	o.IndexStep, o.SealEntries = 256, 512
	return o
}

// awaitSeal waits until so many entries are sealed: that goes on beside everything else.
func (m *made) awaitSeal(t testing.TB, size uint64) {
	t.Helper()
	for range 1000 {
		var manifest struct {
			Sealed struct {
				Size uint64 `json:"size"`
			} `json:"sealed"`
		}
		b, err := os.ReadFile(filepath.Join(m.dir, "manifest"))
		if err == nil {
			err = json.Unmarshal(b, &manifest)
		}
		if err != nil {
			t.Fatal(err)
		}
		if manifest.Sealed.Size >= size {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d entries are not sealed after 10 s", size)
}

func vkeys(s *store.Store) string {
	var lines strings.Builder
	for _, k := range s.Keys() {
		lines.WriteString(k.VKey + "\n")
	}
	return lines.String()
}

func (m *made) append(t testing.TB, s *store.Store, r *rand.Rand, n int) {
	t.Helper()
	events := make([]event.Event, n)
	for i := range events {
		events[i] = testkit.Random(r)
	}
	m.events = append(m.events, events...)
	if _, err := s.Append(t.Context(), events, "importer"); err != nil {
		t.Fatal(err)
	}
	m.sizes = append(m.sizes, s.Size())
}

func (m *made) publish(t testing.TB, s *store.Store, keep bool) {
	t.Helper()
	c, err := s.PublishNow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if keep {
		m.kept = append(m.kept, c)
	}
}

func (m *made) options(t testing.TB) verify.Options {
	t.Helper()
	keys, err := merkle.ParseKeys([]byte(m.keys))
	if err != nil {
		t.Fatal(err)
	}
	return verify.Options{Keys: keys, Kept: m.kept}
}

// copyDir copies a directory whose server is stopped.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	keys, err := filepath.Glob(filepath.Join(to, "keys", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range keys { // CopyFS lets others read what it copies, and then no server starts
		if err := os.Chmod(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(to, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestGenuineDirectoriesHaveNoFinding(t *testing.T) {
	for seed := range uint64(4) {
		o := options()
		if seed%2 == 1 {
			o = sealing()
		}
		m := newDir(t, seed, o)
		all := m.options(t)
		lines := strings.Split(strings.TrimSpace(m.keys), "\n")
		newest := all
		newest.Keys, _ = merkle.ParseKeys([]byte(lines[len(lines)-1]))
		newest.Kept = m.kept[len(m.kept)-1:]
		alone := all
		alone.Kept = nil
		for name, o := range map[string]verify.Options{"all keys, all kept": all, "newest key, newest kept": newest, "nothing kept": alone} {
			r, err := verify.Data(t.Context(), m.dir, o)
			if err != nil {
				t.Fatal(err)
			}
			size := m.sizes[len(m.sizes)-1]
			if !r.OK() || r.TreeSize != size || len(r.SignedBy) == 0 || len(r.Claims) < 2 {
				t.Errorf("seed %d, %s: %+v", seed, name, r)
			}
		}
	}
}

// A server that runs, or was killed, is no reason for a finding.
func TestDirectoryOfARunningServerHasNoFinding(t *testing.T) {
	m := &made{dir: t.TempDir()}
	o := sealing()
	o.NoPreallocate, o.LogStepBytes, o.PublishEvery = false, 16<<10, time.Millisecond
	s, err := store.Open(m.dir, o)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 5))
	m.append(t, s, r, 1)
	m.keys = vkeys(s)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond): // else it seals faster than a loaded machine reads
				m.append(t, s, r, 1+r.IntN(5))
			}
		}
	}()
	for range 15 {
		report, err := verify.Data(t.Context(), m.dir, m.options(t))
		if err != nil || !report.OK() {
			t.Errorf("%+v, %v", report, err)
		}
	}
	close(stop)
	<-stopped
	// A copy is no picture of one moment: what seals must have come to rest.
	for quiet, before := 0, uint64(0); quiet < 10; time.Sleep(20 * time.Millisecond) {
		now, _ := s.Unsealed()
		if quiet++; now != before {
			quiet, before = 0, now
		}
	}
	killed := copyDir(t, m.dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := verify.Data(t.Context(), killed, m.options(t))
	if err != nil || !report.OK() {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestNewAndEmptyDirectories(t *testing.T) {
	m := &made{dir: t.TempDir()}
	keys, err := merkle.NewSigner(origin)
	if err != nil {
		t.Fatal(err)
	}
	m.keys = keys.VKey()
	if _, err := verify.Data(t.Context(), m.dir, m.options(t)); err == nil || !strings.Contains(err.Error(), "is no data directory") {
		t.Errorf("%v", err)
	}
	s, err := store.Open(m.dir, options())
	if err != nil {
		t.Fatal(err)
	}
	m.keys = vkeys(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := verify.Data(t.Context(), m.dir, m.options(t))
	if err != nil || !r.OK() || len(r.Claims) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestDataStopsAndKeepsItsPace(t *testing.T) {
	m := newDir(t, 9, sealing())
	o := m.options(t)
	size, err := verify.DataBytes(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	var last int64
	o.Progress = func(n int64) { last = n }
	o.BytesPerSecond = size * 4
	began := time.Now()
	if _, err := verify.Data(t.Context(), m.dir, o); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < time.Duration(last)*time.Second/time.Duration(size*4)*8/10 || last > size || last < size/4 {
		t.Errorf("%d of %d bytes in %v", last, size, took)
	}
}

// The loop that leaves nothing to chance: every byte of a small directory.
func TestEveryByteOfADirectoryIsHeldToItsPlace(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(dir, options())
	if err != nil {
		t.Fatal(err)
	}
	m := &made{dir: dir}
	r := rand.New(rand.NewPCG(6, 6))
	m.append(t, s, r, 2)
	m.append(t, s, r, 1)
	m.publish(t, s, true)
	m.keys = vkeys(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o, f := m.options(t), load(t, dir)
	checked := 0
	for name, b := range f {
		if name == "LOCK" || strings.HasPrefix(name, "keys/") || name == "salts" { // which nothing is in yet
			continue
		}
		for at := range b {
			changed := slices.Clone(b)
			changed[at] ^= 1 << (at % 8)
			o.FS = f.with(name, changed).put(t)
			if report, err := verify.Data(t.Context(), "d", o); err == nil && report.OK() {
				t.Errorf("%s: bit %d of byte %d: missed", name, at%8, at)
			}
			checked++
		}
	}
	if checked < 1500 {
		t.Errorf("only %d bytes", checked)
	}
}

func TestFindingsInADirectoryNameTheEntry(t *testing.T) {
	m := newDir(t, 10, options())
	f := load(t, m.dir)
	o := m.options(t)
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		l := readLog(t, f)
		seq, _ := l.edit(r, func(e *event.Entry) { e.Detail = event.TextOf(e.Detail.Value + "x") })
		o.FS = l.write(t, f).put(t)
		report, err := verify.Data(t.Context(), "d", o)
		if err != nil || len(report.Findings) != 1 || report.Findings[0].Kind != verify.Changed || *report.Findings[0].Seq != seq {
			t.Fatalf("entry %d: %+v, %v", seq, report, err)
		}
	}
}
