package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"countersign/event"
	"countersign/internal/testkit"
	"countersign/merkle"
	"countersign/problem"
	"countersign/query"
	"countersign/store"
	"countersign/store/storetest"
)

var quiet = store.Options{DedupKey: []byte("key"), PublishEvery: -1}

func openTrail(t testing.TB, dir string, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeTrail(t testing.TB, s *store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func record(t testing.TB, s *store.Store, r *rand.Rand, n int) store.Receipt {
	t.Helper()
	es := make([]event.Event, n)
	for i := range es {
		es[i] = testkit.Random(r)
	}
	rec, err := s.Append(t.Context(), es, "writer-1")
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func publish(t testing.TB, s *store.Store) merkle.Checkpoint {
	t.Helper()
	c, err := s.PublishNow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func keysOf(t testing.TB, s *store.Store) merkle.Keys {
	t.Helper()
	var lines []string
	for _, k := range s.Keys() {
		lines = append(lines, k.VKey)
	}
	keys, err := merkle.ParseKeys([]byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// leavesOf computes the leaves of a trail from what a reader gets: entries and their seeds.
func leavesOf(t testing.TB, s *store.Store) []merkle.Hash {
	t.Helper()
	leaves := make([]merkle.Hash, s.Size())
	for seq := range leaves {
		e, err := s.Entry(uint64(seq))
		if err != nil {
			t.Fatal(err)
		}
		seed, ok := s.Seed(uint64(seq))
		if !ok {
			t.Fatalf("entry %d has no seed", seq)
		}
		leaves[seq] = event.LeafHash(e.Leaf(event.Root(seed, e)))
	}
	return leaves
}

// checkProofs proves entries and tree sizes with the checks of package merkle against leaves computed from
// the entries.
func checkProofs(t testing.TB, s *store.Store, r *rand.Rand, seen []merkle.Checkpoint) {
	t.Helper()
	leaves := leavesOf(t, s)
	keys := keysOf(t, s)
	for _, c := range seen {
		var edge merkle.Edge
		for _, l := range leaves[:c.Size] {
			edge.Append(l)
		}
		if edge.Root() != c.Root {
			t.Fatalf("the checkpoint of %d is not of the entries", c.Size)
		}
		if err := c.Verify(keys); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			seq := r.Uint64N(c.Size)
			path, err := s.Inclusion(seq, c.Size)
			if err != nil {
				t.Fatal(err)
			}
			if err := merkle.CheckInclusion(path, seq, c.Size, c.Root, leaves[seq]); err != nil {
				t.Fatalf("entry %d in %d: %v", seq, c.Size, err)
			}
		}
		from := seen[r.IntN(len(seen))]
		if from.Size > c.Size {
			continue
		}
		path, err := s.Consistency(from.Size, c.Size)
		if err != nil {
			t.Fatal(err)
		}
		if err := merkle.CheckConsistency(path, from.Size, from.Root, c.Size, c.Root); err != nil {
			t.Fatalf("%d to %d: %v", from.Size, c.Size, err)
		}
	}
}

func TestEveryCheckpointHoldsThroughReopenings(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 3))
	dir := t.TempDir()
	var seen, published []merkle.Checkpoint
	for range 6 {
		s := openTrail(t, dir, quiet)
		if err := s.ReadOnly(); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			seen = append(seen, record(t, s, r, 1+r.IntN(300)).Checkpoint)
			switch r.IntN(3) {
			case 0:
				c := publish(t, s)
				published, seen = append(published, c), append(seen, c)
			case 1:
				if _, err := s.RotateKey(t.Context(), r.Uint64N(500)); err != nil {
					t.Fatal(err)
				}
			}
		}
		checkProofs(t, s, r, seen)
		closeTrail(t, s)
		// What the tree is made from faster is not needed.
		switch r.IntN(4) {
		case 0:
			remove(t, filepath.Join(dir, "roots"))
		case 1:
			remove(t, filepath.Join(dir, "tiles", "1"))
		case 2:
			flip(t, filepath.Join(dir, "tiles", "1"), r)
		}
	}
	s := openTrail(t, dir, quiet)
	defer closeTrail(t, s)
	for _, c := range published {
		first, ok, err := s.PublishedFor(c.Size - 1)
		if err != nil || !ok || first.Size > c.Size {
			t.Errorf("entry %d was published with %d, and is first with %d (%v, %v)", c.Size-1, c.Size, first.Size, ok, err)
		}
	}
	if _, ok, err := s.PublishedFor(s.Size()); ok || err != nil {
		t.Errorf("an entry that is not there is published: %v", err)
	}
}

func remove(t testing.TB, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func flip(t testing.TB, name string, r *rand.Rand) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) == 0 {
		return
	}
	b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTilesAreThoseOfThePublishedTree(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 4))
	s := openTrail(t, t.TempDir(), quiet)
	defer closeTrail(t, s)
	if _, err := s.HashTile(0, 0, 1); problem.KindOf(err) != problem.NotFound {
		t.Errorf("a tile of an empty log: %v", err)
	}
	record(t, s, r, 700)
	if _, err := s.RotateKey(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	c := publish(t, s)
	record(t, s, r, 100) // not published
	leaves := leavesOf(t, s)

	for _, tile := range []struct {
		index uint64
		width uint16
	}{{0, 256}, {0, 17}, {1, 256}, {2, 189}} {
		b, err := s.HashTile(0, tile.index, tile.width)
		if err != nil {
			t.Fatal(err)
		}
		var want []byte
		for _, l := range leaves[tile.index*256:][:tile.width] {
			want = append(want, l[:]...)
		}
		if !slices.Equal(b, want) {
			t.Errorf("tile %v has other hashes", tile)
		}
		entries, err := s.EntriesTile(tile.index, tile.width)
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(tile.width) {
			n := binary.BigEndian.Uint16(entries)
			if event.LeafHash(entries[2:2+n]) != leaves[tile.index*256+i] {
				t.Fatalf("entry %d of tile %v is another", i, tile)
			}
			entries = entries[2+n:]
		}
		if len(entries) > 0 {
			t.Errorf("%d bytes after the entries of tile %v", len(entries), tile)
		}
	}
	level1, err := s.HashTile(1, 0, uint16(c.Size>>8))
	if err != nil {
		t.Fatal(err)
	}
	var edge merkle.Edge
	for _, l := range leaves[:256] {
		edge.Append(l)
	}
	if root := edge.Root(); string(level1[:32]) != string(root[:]) {
		t.Error("the tile of level 1 has another hash")
	}
	for name, err := range map[string]error{
		"beyond the published tree": second(s.HashTile(0, 2, 190)),
		"no such index":             second(s.HashTile(0, 1<<60, 1)),
		"no such level":             second(s.HashTile(3, 0, 1)),
		"level of nowhere":          second(s.HashTile(63, 0, 1)),
		"entries beyond":            second(s.EntriesTile(2, 190)),
		"width 0":                   second(s.EntriesTile(0, 0)),
	} {
		if problem.KindOf(err) != problem.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestSystemFactsStandInNoList(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 5))
	dir := t.TempDir()
	s := openTrail(t, dir, quiet)
	record(t, s, r, 3)
	key, err := s.RotateKey(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	record(t, s, r, 2)
	old := s.Keys()[0]
	if key.From != 4 || *old.Until != 6 {
		t.Errorf("the old key signs to %d, the new one from %d", *old.Until, key.From)
	}
	for range 2 {
		p, err := s.Search(t.Context(), query.Query{Limit: 10})
		if err != nil || p.Total != 5 || p.TreeSize != 6 || slices.ContainsFunc(p.Entries, func(e *event.Entry) bool { return e.Seq == 3 }) {
			t.Errorf("total %d of %d, %v", p.Total, p.TreeSize, err)
		}
		if st, err := s.Stats(t.Context(), query.Query{}, store.Breakdown{Field: query.Source, Top: 9}); err != nil || st.Total != 5 || st.Values.Absent != 0 {
			t.Errorf("stats count %d, %d without a source: %v", st.Total, st.Values.Absent, err)
		}
		if e, err := s.Entry(3); err != nil || e.Kind != event.KindKey || !strings.Contains(e.Statement, key.VKey) {
			t.Errorf("entry 3: %+v", e)
		}
		if ok, err := s.Intact(t.Context(), 3); !ok || err != nil {
			t.Errorf("the fact is not intact: %v", err)
		}
		closeTrail(t, s)
		s = openTrail(t, dir, quiet)
	}
	// Both sign while both are good, then the new one alone.
	for _, c := range []struct{ more, signatures int }{{0, 2}, {1, 1}} {
		for range c.more {
			record(t, s, r, 1)
		}
		signed := publish(t, s)
		if got := strings.Count(string(signed.Note), "— "); got != c.signatures {
			t.Errorf("the checkpoint of %d has %d signatures, want %d", signed.Size, got, c.signatures)
		}
	}
	closeTrail(t, s)
}

func TestRotationThatCrashedBeforeTheManifestIsTakenUp(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 6))
	dir := t.TempDir()
	s := openTrail(t, dir, quiet)
	record(t, s, r, 1)
	manifest, err := os.ReadFile(filepath.Join(dir, "manifest"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.RotateKey(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	record(t, s, r, 3)
	closeTrail(t, s)
	if err := os.WriteFile(filepath.Join(dir, "manifest"), manifest, 0o600); err != nil {
		t.Fatal(err)
	}
	s = openTrail(t, dir, quiet)
	defer closeTrail(t, s)
	if keys := s.Keys(); len(keys) != 2 || keys[1].VKey != key.VKey {
		t.Errorf("keys %v", keys)
	}
	if _, stored, err := store.Keys(dir); err != nil || len(stored) != 2 {
		t.Errorf("the manifest has %v, %v", stored, err)
	}
}

func TestOriginIsFixedAtTheFirstStart(t *testing.T) {
	dir := t.TempDir()
	o := quiet
	o.Origin = "example.com/trail"
	s := openTrail(t, dir, o)
	closeTrail(t, s)
	o.Origin = "example.com/other"
	if _, err := store.Open(dir, o); err == nil || !strings.Contains(err.Error(), `"example.com/trail"`) {
		t.Errorf("another origin: %v", err)
	}
	s = openTrail(t, dir, quiet)
	defer closeTrail(t, s)
	if s.Origin() != "example.com/trail" {
		t.Errorf("origin %s", s.Origin())
	}
}

// trail makes a directory with a published tree of n entries and returns its last checkpoint.
func trail(t testing.TB, dir string, r *rand.Rand, n int) merkle.Checkpoint {
	t.Helper()
	s := openTrail(t, dir, quiet)
	defer closeTrail(t, s)
	for range n {
		record(t, s, r, 1)
	}
	return publish(t, s)
}

func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	closeKeys(t, to)
	return to
}

// TestForeignStateIsReadOnly puts a directory into states that only somebody with other plans can have made. Each must
// be read, say why, and take nothing.
func TestForeignStateIsReadOnly(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 7))
	old := t.TempDir()
	trail(t, old, r, 20)
	grown := copyDir(t, old)
	newest := trail(t, grown, r, 10)
	fork := copyDir(t, old)
	forked := trail(t, fork, r, 15)

	for name, c := range map[string]struct {
		make func(dir string) (from string)
		kept *merkle.Checkpoint
		want string
	}{
		"an older copy, beside a kept checkpoint": {func(string) string { return old }, &newest, "rolled back"},
		"a fork, beside a kept checkpoint":        {func(string) string { return fork }, &newest, "are not those of the checkpoint in"},
		"a kept checkpoint of a fork":             {func(string) string { return grown }, &forked, "rolled back"},
		"the log of an older copy": {func(dir string) string {
			replace(t, filepath.Join(dir, "wal"), filepath.Join(old, "wal"))
			replace(t, filepath.Join(dir, "manifest"), filepath.Join(old, "manifest"))
			return ""
		}, nil, "rolled back"},
		"the log of a fork": {func(dir string) string {
			replace(t, filepath.Join(dir, "wal"), filepath.Join(fork, "wal"))
			replace(t, filepath.Join(dir, "manifest"), filepath.Join(fork, "manifest"))
			return ""
		}, nil, "are not those of"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyDir(t, grown)
			if from := c.make(dir); from != "" {
				dir = copyDir(t, from)
			}
			o := quiet
			if c.kept != nil {
				o.CheckpointFile = filepath.Join(t.TempDir(), "kept")
				if err := os.WriteFile(o.CheckpointFile, c.kept.Note, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // opening it changes nothing
				s := openTrail(t, dir, o)
				err := s.ReadOnly()
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("read-only: %v, want %q", err, c.want)
				}
				if problem.KindOf(s.Ready()) != problem.Unavailable {
					t.Error("it is ready")
				}
				if _, err := s.Append(t.Context(), []event.Event{testkit.Random(r)}, "w"); problem.KindOf(err) != problem.Unavailable {
					t.Errorf("an append: %v", err)
				}
				if _, err := s.PublishNow(t.Context()); problem.KindOf(err) != problem.Unavailable {
					t.Errorf("publishing: %v", err)
				}
				if p, err := s.Search(t.Context(), query.Query{Limit: 5}); err != nil || p.Total < 20 {
					t.Errorf("reads: %d, %v", p.Total, err)
				}
				closeTrail(t, s)
			}
		})
	}
}

// closeKeys gives signing keys that were copied their mode back.
func closeKeys(t testing.TB, dir string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "keys", "*"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if err := os.Chmod(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func replace(t testing.TB, name, by string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(by); err != nil {
		t.Fatal(err)
	} else if info.IsDir() {
		if err := os.CopyFS(name, os.DirFS(by)); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(by)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCheckpointFileFollowsTheTrail(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 8))
	dir := t.TempDir()
	o := quiet
	o.CheckpointFile = filepath.Join(t.TempDir(), "kept")
	for range 3 {
		s := openTrail(t, dir, o)
		if err := s.ReadOnly(); err != nil {
			t.Fatal(err)
		}
		record(t, s, r, 5)
		c := publish(t, s)
		if b, err := os.ReadFile(o.CheckpointFile); err != nil || string(b) != string(c.Note) {
			t.Errorf("the file has %q, %v", b, err)
		}
		closeTrail(t, s)
	}
	if err := os.WriteFile(o.CheckpointFile, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(dir, o); err == nil || !strings.Contains(err.Error(), o.CheckpointFile) {
		t.Errorf("a file that is no checkpoint: %v", err)
	}
}

// TestChangedEntryIsNotIntact changes each byte of a frame under the running store.
func TestChangedEntryIsNotIntact(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 9))
	dir := t.TempDir()
	o := quiet
	o.NoPreallocate = true
	s := openTrail(t, dir, o)
	defer closeTrail(t, s)
	record(t, s, r, 1)
	name := filepath.Join(dir, "wal", "00000000000000000000.log")
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	record(t, s, r, 2)
	after, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(before); i < len(after); i++ {
		changed := slices.Clone(after)
		changed[i] ^= 8
		if err := os.WriteFile(name, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		for seq, want := range []bool{true, false, false} {
			if ok, err := s.Intact(t.Context(), uint64(seq)); ok != want || err != nil {
				t.Fatalf("byte %d changed: entry %d intact %v, %v", i, seq, ok, err)
			}
		}
	}
	if err := os.WriteFile(name, after, 0o600); err != nil {
		t.Fatal(err)
	}
	if ok, err := s.Intact(t.Context(), 2); !ok || err != nil {
		t.Errorf("put back: %v, %v", ok, err)
	}
	if _, err := s.Intact(t.Context(), 3); problem.KindOf(err) != problem.NotFound {
		t.Errorf("no such entry: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Intact(ended, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that ended: %v", err)
	}
}

func TestReceiptIsProven(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 10))
	s := openTrail(t, t.TempDir(), quiet)
	defer closeTrail(t, s)
	es := []event.Event{testkit.Random(r), testkit.Random(r)}
	first, err := s.Append(t.Context(), slices.Clone(es), "w")
	if err != nil {
		t.Fatal(err)
	}
	record(t, s, r, 3)
	again, err := s.Append(t.Context(), es, "w")
	if err != nil || again.Duplicates != 2 {
		t.Fatalf("%+v, %v", again, err)
	}
	leaves := leavesOf(t, s)
	for _, rec := range []store.Receipt{first, again} {
		for _, e := range rec.Entries {
			path, err := s.Inclusion(e.Seq, rec.Checkpoint.Size)
			if err != nil {
				t.Fatal(err)
			}
			if err := merkle.CheckInclusion(path, e.Seq, rec.Checkpoint.Size, rec.Checkpoint.Root, leaves[e.Seq]); err != nil {
				t.Error(err)
			}
		}
	}
	if err := again.Checkpoint.Verify(keysOf(t, s)); err != nil {
		t.Error(err)
	}
}
