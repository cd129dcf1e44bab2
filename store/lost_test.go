package store_test

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"countersign/event"
	"countersign/internal/crashfs"
	"countersign/problem"
	"countersign/query"
	"countersign/store"
	"countersign/store/storetest"
)

// TestLostFilesLeaveTheRestReadable starts on a directory that lost a file of what was recorded. It records nothing more
// and says why; every entry of other files is as it was, of those that are lost the index tells what it knows, and no total
// is another.
func TestLostFilesLeaveTheRestReadable(t *testing.T) {
	seed := storetest.Seed(t)
	whole, m := stopped(t, seed)
	cut := func(fs *crashfs.FS, name string) error {
		f, err := fs.OpenFile("/data/"+name, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Truncate(100)
	}
	remove := func(fs *crashfs.FS, name string) error { return fs.Remove("/data/" + name) }
	for name, lose := range map[string]struct {
		file     string
		do       func(*crashfs.FS, string) error
		from, to uint64 // of the entries that are lost
	}{
		"a body file is cut off":  {"bodies/00000000000000000512.bodies", cut, 512, 768},
		"a body file is gone":     {"bodies/00000000000000000000.bodies", remove, 0, 256},
		"the salts are gone":      {"salts", remove, 0, 0},
		"the salts are cut off":   {"salts", cut, 0, 0},
		"the last bodies are cut": {"bodies/00000000000000001280.bodies", cut, 1280, 1536},
	} {
		t.Run(name, func(t *testing.T) {
			fs := whole.Crash(0)
			if err := lose.do(fs, lose.file); err != nil {
				t.Fatal(err)
			}
			before := contentsOf(t, fs)
			s, err := openOn(fs)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.ReadOnly(); err == nil || !strings.Contains(err.Error(), "a file of sealed entries is damaged or missing") {
				t.Errorf("read-only: %v", err)
			}
			if _, err := s.Append(t.Context(), []event.Event{m.Entries[0].Event}, "w"); problem.KindOf(err) != problem.Unavailable {
				t.Errorf("an append: %v", err)
			}
			r := rand.New(rand.NewPCG(seed, 63))
			for range 50 {
				q := storetest.Query(r, m.Entries)
				p, err := s.Search(t.Context(), q)
				if err != nil {
					if lose.to == 0 {
						t.Fatalf("%s: %v", query.Print(q.Filter), err)
					}
					continue // it takes a body that is lost
				}
				want := m.Answer(q)
				if p.Total != want.Total || len(p.Entries) != len(want.Entries) {
					t.Fatalf("%s: %d of %d rows, want %d of %d", query.Print(q.Filter), len(p.Entries), p.Total, len(want.Entries), want.Total)
				}
				for i, e := range p.Entries {
					lost := e.Seq >= lose.from && e.Seq < lose.to
					if !same(e, want.Entries[i]) || lost != (e.Description.Value == store.Damaged) {
						t.Fatalf("row %d: %+v, want %+v", i, e, want.Entries[i])
					}
				}
			}
			p, err := s.Search(t.Context(), query.Query{Sort: query.Sort{Field: query.OccurredAt, Desc: true}, Limit: 1 << 20})
			if err != nil || p.Total != uint64(len(m.Entries)) {
				t.Fatalf("%d of %d entries, %v", p.Total, len(m.Entries), err)
			}
			for _, e := range p.Entries {
				if e.Account.ID == "" || e.Action == "" || e.Source == "" || e.Resource.Type == "" || e.ReceivedAt == 0 {
					t.Fatalf("entry %d shows nothing: %+v", e.Seq, e)
				}
			}
			for seq := range m.Size {
				e, err := s.Entry(seq)
				if lost := seq >= lose.from && seq < lose.to; lost != (err != nil) {
					t.Fatalf("entry %d: %+v, %v", seq, e, err)
				}
			}
			// What there is stays as evidence.
			for name, b := range contentsOf(t, fs) {
				if was, ok := before[name]; given(name) && (!ok || string(b) != string(was)) {
					t.Errorf("%s was changed", name)
				}
			}
		})
	}
}

// What is made from the entries can be made again, and a start says how.
func TestLostIndexesAreNamedWithWhatMakesThemAgain(t *testing.T) {
	whole, m := stopped(t, storetest.Seed(t))
	for _, file := range []string{"index", "ids", "state"} {
		fs := whole.Crash(0)
		for name := range contentsOf(t, fs) {
			if strings.HasPrefix(name, file+"/") {
				if err := fs.Remove("/data/" + name); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := openOn(fs); err == nil || !strings.Contains(err.Error(), "/"+file+"/") || !strings.Contains(err.Error(), "fsck --rebuild-indexes") {
			t.Errorf("%s: %v", file, err)
		}
		if r, err := store.RebuildOn(fs, "/data", checkKey); err != nil || !r.OK() {
			t.Fatalf("%s: %+v, %v", file, r, err)
		}
		s, err := openOn(fs)
		if err != nil {
			t.Fatal(err)
		}
		m.CheckSearch(t, s, query.Query{Limit: 1 << 20})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
