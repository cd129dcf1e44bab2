package store_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/crashfs"
	"countersign/internal/testkit"
	"countersign/query"
	"countersign/store"
	"countersign/store/storetest"
)

var checkKey = store.CheckOptions{DedupKey: []byte("key")}

// stopped makes a stopped directory with sealed and open entries, rotations and merges behind it, and returns what was in
// it. Of the disk it leaves what is synced, so that it can be copied by a crash.
func stopped(t *testing.T, seed uint64) (*crashfs.FS, *storetest.Model) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 61))
	fs := crashfs.New()
	s, err := openOn(fs)
	if err != nil {
		t.Fatal(err)
	}
	for range 12 {
		if _, err := s.Append(t.Context(), batch(r, 180+r.IntN(60)), "w"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.PublishNow(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.RotateKey(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	s.WaitKept(never)
	m := modelOf(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return fs.Crash(seed), m
}

// modelOf reads a whole trail.
func modelOf(t *testing.T, s *store.Store) *storetest.Model {
	t.Helper()
	p, err := s.Search(t.Context(), query.Query{Limit: 1 << 20, Sort: query.Sort{Field: query.Seq}})
	if err != nil {
		t.Fatal(err)
	}
	return &storetest.Model{Entries: p.Entries, Size: p.TreeSize}
}

// contentsOf returns the files of a directory.
func contentsOf(t *testing.T, fs *crashfs.FS) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for name, size := range filesOn(t, fs, "") {
		f, err := fs.OpenFile(path.Join("/data", name), os.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = make([]byte, size)
		if _, err := f.ReadAt(all[name], 0); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		f.Close()
	}
	return all
}

// given tells of the files that nothing can be made of but what was recorded.
func given(name string) bool {
	switch first, _, _ := strings.Cut(name, "/"); first {
	case "bodies", "wal", "salts", "checkpoints", "keys":
		return true
	}
	return false
}

// spoil damages a file in one of several ways.
func spoil(t *testing.T, fs *crashfs.FS, name string, r *rand.Rand) string {
	t.Helper()
	file := path.Join("/data", name)
	if r.IntN(4) == 0 {
		if err := fs.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := fs.SyncDir(path.Dir(file)); err != nil {
			t.Fatal(err)
		}
		return name + " removed"
	}
	f, err := fs.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	how := " cut off"
	if r.IntN(2) == 0 {
		how = " scribbled over"
		b := make([]byte, min(size, 64))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		_, err = f.WriteAt(b, r.Int64N(size-int64(len(b))+1))
	} else {
		err = f.Truncate(r.Int64N(size))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	return name + how
}

// TestWhatIsMadeFromEntriesIsMadeAgain damages files that are made from the entries, and loses power or fails a call at
// any moment of making them again. What comes out at last answers as before, and nothing else was touched.
func TestWhatIsMadeFromEntriesIsMadeAgain(t *testing.T) {
	seed := storetest.Seed(t)
	whole, m := stopped(t, seed)
	before := contentsOf(t, whole)
	first, err := store.CheckOn(whole, "/data", checkKey)
	if err != nil || !first.OK() {
		t.Fatal(first, err)
	}
	leftovers := strings.Join(first.Notes, "\n")
	var derived []string
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if !given(name) && name != "manifest" && !strings.Contains(leftovers, name) {
			derived = append(derived, name)
		}
	}
	calls, i := int64(0), 0
	for end := time.Now().Add(testkit.SoakFor(t)); i < 12 || time.Now().Before(end); i++ {
		r := rand.New(rand.NewPCG(seed, uint64(100+i)))
		fs := whole.Crash(0)
		var done []string
		for range 1 + r.IntN(4) {
			name := derived[r.IntN(len(derived))]
			if !strings.Contains(strings.Join(done, ", "), name) {
				done = append(done, spoil(t, fs, name, r))
			}
		}
		when := fmt.Sprintf("run %d, %s", i, strings.Join(done, ", "))
		report, err := store.CheckOn(fs, "/data", checkKey)
		if err != nil || report.OK() || slices.ContainsFunc(report.Damage, func(d store.Damage) bool { return !d.Derived }) {
			t.Fatalf("%s: %+v, %v", when, report, err)
		}
		if i > 0 {
			fs.SetFault(crashfs.Fault{Call: fs.Calls() + 1 + r.Int64N(calls), Mode: crashfs.Mode(r.IntN(3)), Sticky: r.IntN(2) == 0})
		}
		start := fs.Calls()
		_, err = store.RebuildOn(fs, "/data", checkKey)
		calls = max(calls, fs.Calls()-start)
		if err != nil {
			when += fmt.Sprintf(", then %v", err)
			fs = fs.Crash(r.Uint64())
		}
		if report, err = store.RebuildOn(fs, "/data", checkKey); err != nil || !report.OK() {
			t.Fatalf("%s: made again: %+v, %v", when, report, err)
		}
		for name, b := range contentsOf(t, fs) {
			if given(name) && !bytes.Equal(b, before[name]) {
				t.Fatalf("%s: %s is another", when, name)
			}
		}
		s, err := openOn(fs)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		for range 20 {
			m.CheckSearch(t, s, storetest.Query(r, m.Entries))
		}
		if err := s.Close(); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
	}
	testkit.Counted(t, i, "damaged directories made whole, most after a fault on the way")
}

func TestNothingIsMadeOfDamagedEntries(t *testing.T) {
	seed := storetest.Seed(t)
	whole, _ := stopped(t, seed)
	r := rand.New(rand.NewPCG(seed, 62))
	for name := range contentsOf(t, whole) {
		if !given(name) || strings.HasPrefix(name, "keys/") { // an old key may be gone
			continue
		}
		fs := whole.Crash(0)
		how := spoil(t, fs, name, r)
		before := contentsOf(t, fs)
		report, err := store.RebuildOn(fs, "/data", checkKey)
		if err != nil || report.OK() {
			t.Errorf("%s: %+v, %v", how, report, err)
		}
		if after := contentsOf(t, fs); !maps.EqualFunc(before, after, bytes.Equal) {
			t.Errorf("%s: something was changed", how)
		}
	}
	if _, err := store.RebuildOn(whole, "/data", store.CheckOptions{}); err == nil {
		t.Error("ids are made without their key")
	}
}
