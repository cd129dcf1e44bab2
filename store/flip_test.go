package store_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"countersign/event"
	"countersign/internal/crashfs"
	"countersign/internal/testkit"
	"countersign/query"
	"countersign/store"
	"countersign/store/storetest"
)

// flipped is a byte of a directory with one or more bits of it the other way round.
type flipped struct {
	file string
	at   int64
	bits byte
}

func (f flipped) String() string {
	return fmt.Sprintf("byte %d of %s flipped by %#x", f.at, f.file, f.bits)
}

// flip does it, and done again undoes it.
func (f flipped) flip(t *testing.T, fs *crashfs.FS) {
	t.Helper()
	file, err := fs.OpenFile(path.Join("/data", f.file), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b := make([]byte, 1)
	if _, err := file.ReadAt(b, f.at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= f.bits
	if _, err := file.WriteAt(b, f.at); err != nil {
		t.Fatal(err)
	}
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
}

// filesOn returns the files of a directory with their sizes.
func filesOn(t *testing.T, fs *crashfs.FS, dir string) map[string]int64 {
	t.Helper()
	sizes := map[string]int64{}
	names, err := fs.ReadDir(path.Join("/data", dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		name = path.Join(dir, name)
		if _, err := fs.ReadDir(path.Join("/data", name)); err == nil {
			for n, size := range filesOn(t, fs, name) {
				sizes[n] = size
			}
			continue
		}
		f, err := fs.OpenFile(path.Join("/data", name), os.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if size, err := f.Size(); err == nil && size > 0 && name != "LOCK" {
			sizes[name] = size
		}
		f.Close()
	}
	return sizes
}

// TestEveryFlippedByteIsFoundOrHarmless flips bytes of a small directory, one at a time: a check names the file, or
// everything is as it was; and no answer is ever another than it was, but for entries that say that they are damaged. The
// soak goes through all bytes in turn, from a random one on.
func TestEveryFlippedByteIsFoundOrHarmless(t *testing.T) {
	seed := storetest.Seed(t)
	r := rand.New(rand.NewPCG(seed, 51))
	fs, all := smallDirectory(t, r)

	questions := make([]query.Query, 10)
	for i := range questions {
		questions[i] = storetest.Query(r, all.Entries)
	}
	m := &storetest.Model{Entries: slices.Clone(all.Entries), Size: all.TreeSize}
	slices.SortFunc(m.Entries, func(a, b *event.Entry) int { return cmp.Compare(a.Seq, b.Seq) })

	sizes := filesOn(t, fs, "")
	names := make([]string, 0, len(sizes))
	bytes := int64(0)
	for name, size := range sizes {
		names, bytes = append(names, name), bytes+size
	}
	slices.Sort(names)
	pick := func(n int64) flipped {
		for _, name := range names {
			if n < sizes[name] {
				return flipped{name, n, byte(1 + r.IntN(255))}
			}
			n -= sizes[name]
		}
		panic("past the last file")
	}
	end := time.Now().Add(testkit.SoakFor(t))
	from := r.Int64N(bytes)
	flips, found := 0, 0
	for ; flips < 200 || time.Now().Before(end) && int64(flips) < bytes+200; flips++ {
		at := r.Int64N(bytes)
		if flips < len(names) { // each file at least once
			at = 0
			for _, name := range names[:flips] {
				at += sizes[name]
			}
			at += r.Int64N(sizes[names[flips]])
		} else if flips >= 200 {
			at = (from + int64(flips)) % bytes
		}
		f := pick(at)
		f.flip(t, fs)
		if isFound(t, fs, f) {
			found++
		}
		answersStay(t, fs, f, m, questions)
		f.flip(t, fs)
		if t.Failed() {
			return
		}
	}
	checkWhole(t, fs, "after all flips")
	testkit.Counted(t, flips, fmt.Sprintf("bytes of a directory flipped (it has %d to %d)", bytes>>10<<10, (bytes>>10+1)<<10))
	testkit.Counted(t, found, "flips found")
}

// smallDirectory makes a directory of a stopped server that has a bit of everything.
func smallDirectory(t *testing.T, r *rand.Rand) (fs *crashfs.FS, all store.Page) {
	t.Helper()
	fs, l := crashfs.New(), newLedger()
	s, err := openOn(fs)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l.append(s, batch(r, 190))
		if _, err := s.RotateKey(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		l.publish(s)
	}
	s.WaitKept(never)
	if all, err = s.Search(t.Context(), query.Query{Limit: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkWhole(t, fs, "before any flip")
	return fs, all
}

// The manifest has no checksum, and what it says may be at odds with another file: then the check names both.
func TestEachByteOfTheManifestIsFoundInTheManifest(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 52))
	fs, _ := smallDirectory(t, r)
	for at := range filesOn(t, fs, "")["manifest"] {
		for _, bits := range []byte{1, byte(2 + r.IntN(254))} { // a digit becomes a digit, a letter a letter; and anything
			f := flipped{"manifest", at, bits}
			f.flip(t, fs)
			isFound(t, fs, f)
			f.flip(t, fs)
		}
	}
}

// isFound tells whether a check finds the flip. It must name the file then.
func isFound(t *testing.T, fs *crashfs.FS, f flipped) bool {
	t.Helper()
	report, err := store.CheckOn(fs, "/data", store.CheckOptions{DedupKey: []byte("key")})
	if err != nil {
		if !strings.Contains(err.Error(), path.Base(f.file)) {
			t.Errorf("%s: the directory cannot be checked, and the file is not named: %v", f, err)
		}
		return true
	}
	if report.OK() {
		return false
	}
	for _, d := range report.Damage {
		if d.File == f.file {
			return true
		}
	}
	t.Errorf("%s: found elsewhere: %+v", f, report.Damage)
	return true
}

// answersStay opens the directory on a copy of the disk, if it can be opened.
func answersStay(t *testing.T, fs *crashfs.FS, f flipped, m *storetest.Model, questions []query.Query) {
	t.Helper()
	want := m.Entries
	s, err := openOn(fs.Crash(0))
	if err != nil {
		return // refused: it says why, and changes nothing
	}
	defer func() { _ = s.Close() }()
	p, err := s.Search(context.Background(), query.Query{Limit: 1 << 20, Filter: query.Range{Field: query.Seq, Min: 0, Max: int64(want[len(want)-1].Seq)}})
	if err != nil {
		return
	}
	if int(p.Total) != len(want) || len(p.Entries) != len(want) {
		t.Errorf("%s: %d entries, were %d", f, p.Total, len(want))
		return
	}
	for i, e := range p.Entries {
		if !same(e, want[i]) {
			t.Errorf("%s: entry %d: %s", f, want[i].Seq, gocmp.Diff(want[i], e))
			return
		}
	}
	for _, q := range questions {
		p, err := s.Search(context.Background(), q)
		if err != nil {
			continue
		}
		right := m.Answer(q)
		if p.Total != right.Total || !slices.EqualFunc(p.Entries, right.Entries, same) {
			t.Errorf("%s: %s has %d of %d rows, not %d of %d, or other ones", f, query.Print(q.Filter), len(p.Entries), p.Total, len(right.Entries), right.Total)
			return
		}
	}
	for _, i := range []int{0, len(want) / 3, len(want) - 1} {
		rec, err := s.Append(context.Background(), []event.Event{want[i].Event}, "writer-1")
		if err == nil && (rec.Accepted > 0 || rec.Entries[0].Seq != want[i].Seq) {
			t.Errorf("%s: entry %d is recorded again: %+v", f, want[i].Seq, rec)
			return
		}
	}
}

// same tells whether an entry is the one that was recorded, or says that it is damaged and has nothing else than that one.
func same(e, recorded *event.Entry) bool {
	if e.Description.Value != store.Damaged || e.Detail.Value != store.Damaged {
		return gocmp.Equal(e, recorded)
	}
	for _, f := range query.Fields() {
		if number := query.NumberOf(f); number != nil && number(e) != number(recorded) {
			return false
		}
		if text := query.TextOf(f); text != nil && text(e) != text(recorded) && text(e).Value != store.Damaged {
			return false
		}
	}
	return e.Seq == recorded.Seq
}
