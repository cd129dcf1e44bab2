package verify_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"countersign/event"
	"countersign/internal/testkit"
	"countersign/merkle"
	"countersign/store"
	"countersign/verify"
	"countersign/wal"
)

// newName is the name under which a copy of the world's directory goes on from an earlier time.
const newName = "example.com/second"

// renamed is that copy: its keys are lost, and it got a new origin.
type renamed struct {
	dir    files
	keys   merkle.Keys // all, of both names
	size   uint64      // entries under the old name
	leaves []merkle.Hash
	last   event.Micros // when the last entry was received
	old    *merkle.Signer
	new    *merkle.Signer
}

// rename lets a copy of a directory go on under the new name.
func (w *world) rename(t testing.TB, dir string, o store.Options) *renamed {
	t.Helper()
	dir = copyDir(t, dir)
	rn := &renamed{old: newestSigner(t, load(t, dir))}
	d, err := store.Claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.NewOrigin(t.Context(), o, newName)
	if err != nil {
		t.Fatal(err)
	}
	keys := s.Keys()
	rn.size = keys[len(keys)-1].From - 1
	other := &made{}
	for r := rand.New(rand.NewPCG(rn.size, 5)); s.Size() < rn.size+150; {
		other.append(t, s, r, 20)
		if _, err := s.PublishNow(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for seq := range s.Size() {
		b, err := s.EntryBytes(seq)
		if err != nil {
			t.Fatal(err)
		}
		rn.leaves = append(rn.leaves, event.LeafHash(b))
	}
	e, err := s.Entry(s.Size() - 1)
	if err != nil {
		t.Fatal(err)
	}
	rn.last = e.ReceivedAt
	rn.keys = parsed(t, strings.TrimSpace(vkeys(s)))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rn.dir = load(t, dir).tidied(t)
	rn.new = newestSigner(t, rn.dir)
	return rn
}

func parsed(t testing.TB, vkeys ...string) merkle.Keys {
	t.Helper()
	keys, err := merkle.ParseKeys([]byte(strings.Join(vkeys, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// newestSigner is the newest signing key of a directory, which has it.
func newestSigner(t testing.TB, f files) *merkle.Signer {
	t.Helper()
	return (&world{dir: f}).signer(t)
}

func (rn *renamed) check(t testing.TB, f files, kept ...merkle.Checkpoint) (*verify.Report, error) {
	return verify.Data(t.Context(), "d", verify.Options{Keys: rn.keys, Kept: kept, FS: f.put(t)})
}

// root is that of the first size entries.
func (rn *renamed) root(size uint64) merkle.Hash {
	var edge merkle.Edge
	for _, leaf := range rn.leaves[:size] {
		edge.Append(leaf)
	}
	return edge.Root()
}

// signed makes a checkpoint of the first size entries under any name.
func (rn *renamed) signed(t testing.TB, size uint64, by *merkle.Signer) merkle.Checkpoint {
	t.Helper()
	c, err := merkle.Sign(by.Origin(), size, rn.root(size), by)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// change is the statement of a key change.
type change struct {
	Key           string `json:"key"`
	Previous      string `json:"previous"`
	PreviousUntil uint64 `json:"previous_valid_until"`
	From          uint64 `json:"valid_from"`
}

// another has somebody with a key record one more key change behind the end, or an event if there is none, and sign the
// batch with it, as a server would; the manifest goes with it.
func (rn *renamed) another(t testing.TB, f files, by *merkle.Signer, c *change) files {
	t.Helper()
	l := readLog(t, f)
	size := uint64(len(rn.leaves))
	e := event.Entry{Event: testkit.Random(rand.New(rand.NewPCG(size, 8)))}
	if c != nil {
		text, _ := json.Marshal(c)
		var err error
		if e, err = event.NewFact(event.KindKey, string(text)); err != nil {
			t.Fatal(err)
		}
	} else {
		e.Account.ID, e.AccountPrev, e.RecordedBy = "an account of its own", event.NoPrev, event.TextOf("importer")
	}
	e.Seq, e.ReceivedAt = size, rn.last
	if c != nil {
		e.OccurredAt = rn.last
	}
	b := wal.Batch{FirstSeq: size, Entries: [][]byte{event.AppendBody(nil, &e)}}
	if size%256 == 0 {
		b.Seeds = []wal.Seed{{Block: size >> 8, Bytes: [32]byte{1}}}
	}
	l.batches = append(l.batches, b)
	leaf := event.LeafHash(e.Leaf(event.Root(l.seedOf(size), &e)))
	var edge merkle.Edge
	for _, known := range append(slices.Clone(rn.leaves), leaf) {
		edge.Append(known)
	}
	signed, err := merkle.Sign(by.Origin(), edge.Size(), edge.Root(), by)
	if err != nil {
		t.Fatal(err)
	}
	l.batches[len(l.batches)-1].Checkpoint = signed.Note
	return l.write(t, f).manifest(t, func(m *manifest) {
		if m.Clean = nil; c != nil {
			until := c.PreviousUntil
			m.Keys[len(m.Keys)-1].Until = &until
			m.Keys = append(m.Keys, manifestKey{Key: c.Key, From: c.From})
			m.Origin = by.Origin()
		}
	})
}

// onRenamed tampers with the directory that has a new name.
func onRenamed(tamper func(t testing.TB, r *rand.Rand, w *world, f files) files) func(testing.TB, *rand.Rand, *world) (*verify.Report, error) {
	return func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
		return w.renamed.check(t, tamper(t, r, w, maps.Clone(w.renamed.dir)), w.kept[r.IntN(w.keptEarlier)])
	}
}

// beyond draws a size that only the new name signs.
func (rn *renamed) beyond(r *rand.Rand) uint64 {
	return rn.size + 1 + r.Uint64N(uint64(len(rn.leaves))-rn.size)
}

// replaced puts something else in the place of one published checkpoint whose size is in a range.
func replaced(t testing.TB, r *rand.Rand, f files, from, to uint64, by func(size uint64) merkle.Checkpoint) files {
	return f.published(t, func(notes [][]byte) [][]byte {
		var in []int
		sizes := make([]uint64, len(notes))
		for i, note := range notes {
			c, err := merkle.ParseCheckpoint(note)
			if err != nil {
				t.Fatal(err)
			}
			if sizes[i] = c.Size; from <= c.Size && c.Size <= to {
				in = append(in, i)
			}
		}
		i := in[r.IntN(len(in))]
		notes[i] = by(sizes[i]).Note
		return notes
	})
}

var originTamperings = []tampering{
	{name: "origin: a new one", harmless: true, do: onRenamed(func(_ testing.TB, _ *rand.Rand, _ *world, f files) files { return f })},
	{name: "origin: a new one, killed before the manifest had it", in: inLog, harmless: true, do: onRenamed(func(t testing.TB, _ *rand.Rand, _ *world, f files) files {
		return f.manifest(t, func(m *manifest) {
			m.Clean, m.Keys, m.Origin = nil, m.Keys[:len(m.Keys)-1], origin
			m.Keys[len(m.Keys)-1].Until = nil
		})
	})},
	{name: "origin: a checkpoint of what is lost was kept", kinds: []verify.Kind{verify.RolledBack}, do: func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
		return w.renamed.check(t, w.renamed.dir, w.kept[w.keptEarlier+r.IntN(len(w.kept)-w.keptEarlier)])
	}},
	{name: "origin: in the manifest, and no entry tells of it", in: inLog, kinds: []verify.Kind{verify.Disagrees}, do: func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
		rn := *w.renamed
		third, err := merkle.NewSigner("example.com/third")
		if err != nil {
			t.Fatal(err)
		}
		rn.keys = parsed(t, rn.old.VKey(), rn.new.VKey(), third.VKey())
		size := uint64(len(rn.leaves))
		f := rn.another(t, rn.dir, third, nil).manifest(t, func(m *manifest) {
			m.Keys[len(m.Keys)-1].Until = &size
			m.Keys = append(m.Keys, manifestKey{Key: third.VKey(), From: size + 1})
			m.Origin = third.Origin()
		})
		return rn.check(t, f)
	}},
	{name: "origin: the old name signs on", in: inLog, kinds: []verify.Kind{verify.Forked}, do: onRenamed(func(t testing.TB, _ *rand.Rand, w *world, f files) files {
		return w.renamed.another(t, f, w.renamed.old, nil)
	})},
	{name: "origin: a published checkpoint of the old name behind the change", kinds: []verify.Kind{verify.Forked}, do: onRenamed(func(t testing.TB, r *rand.Rand, w *world, f files) files {
		rn := w.renamed
		return replaced(t, r, f, rn.size+1, uint64(len(rn.leaves)), func(size uint64) merkle.Checkpoint { return rn.signed(t, size, rn.old) })
	})},
	{name: "origin: a published checkpoint of the new name before the change", kinds: []verify.Kind{verify.Forked}, do: onRenamed(func(t testing.TB, r *rand.Rand, w *world, f files) files {
		rn := w.renamed
		return replaced(t, r, f, 2, rn.size, func(size uint64) merkle.Checkpoint { return rn.signed(t, size, rn.new) })
	})},
	{name: "origin: a batch of the old name behind the change", in: inLog, kinds: []verify.Kind{verify.Forked}, do: onRenamed(logged(func(r *rand.Rand, w *world, l *logOf) {
		for {
			b := &l.batches[r.IntN(len(l.batches))]
			if size := b.FirstSeq + uint64(len(b.Entries)); size > w.renamed.size {
				c, err := merkle.Sign(origin, size, w.renamed.root(size), w.renamed.old)
				if err != nil {
					panic(err)
				}
				b.Checkpoint = c.Note
				return
			}
		}
	}))},
	{name: "origin: a kept checkpoint of the old name behind the change", kinds: []verify.Kind{verify.RolledBack}, do: func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
		return w.renamed.check(t, w.renamed.dir, w.renamed.signed(t, w.renamed.beyond(r), w.renamed.old))
	}},
	{name: "origin: a kept checkpoint of the new name before the change", kinds: []verify.Kind{verify.Forked}, do: func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
		return w.renamed.check(t, w.renamed.dir, w.renamed.signed(t, 1+r.Uint64N(w.renamed.size), w.renamed.new))
	}},
	{name: "origin: overlap with the old name", in: inLog, kinds: []verify.Kind{verify.Forbidden}, do: func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
		rn := *w.renamed
		third, err := merkle.NewSigner("example.com/third")
		if err != nil {
			t.Fatal(err)
		}
		rn.keys = parsed(t, rn.new.VKey(), third.VKey())
		seq := uint64(len(rn.leaves))
		return rn.check(t, rn.another(t, rn.dir, third, &change{third.VKey(), rn.new.VKey(), seq + 1 + r.Uint64N(1000), seq + 1}))
	}},
	{name: "origin: back to the old name", in: inLog, kinds: []verify.Kind{verify.Forbidden}, do: func(t testing.TB, _ *rand.Rand, w *world) (*verify.Report, error) {
		rn := *w.renamed
		again, err := merkle.NewSigner(origin)
		if err != nil {
			t.Fatal(err)
		}
		rn.keys = parsed(t, rn.new.VKey(), again.VKey())
		seq := uint64(len(rn.leaves))
		return rn.check(t, rn.another(t, rn.dir, again, &change{again.VKey(), rn.new.VKey(), seq, seq + 1}))
	}},
	{name: "origin: a third one, as it must be", in: inLog, harmless: true, do: func(t testing.TB, _ *rand.Rand, w *world) (*verify.Report, error) {
		rn := *w.renamed
		third, err := merkle.NewSigner("example.com/third")
		if err != nil {
			t.Fatal(err)
		}
		rn.keys = parsed(t, rn.old.VKey(), rn.new.VKey(), third.VKey())
		seq := uint64(len(rn.leaves))
		return rn.check(t, rn.another(t, rn.dir, third, &change{third.VKey(), rn.new.VKey(), seq, seq + 1}))
	}},
	{name: "origin: of a trail of somebody else with the old name", kinds: []verify.Kind{verify.WrongKey}, do: func(t testing.TB, _ *rand.Rand, w *world) (*verify.Report, error) {
		rn := *w.renamed
		rn.keys = parsed(t, w.strangeKey.VKey(), rn.new.VKey())
		return rn.check(t, rn.dir)
	}},
	{name: "origin: the change itself edited", in: inLog, kinds: []verify.Kind{verify.Changed, verify.Forbidden}, do: onRenamed(logged(func(_ *rand.Rand, w *world, l *logOf) {
		for b := range l.batches {
			for i, body := range l.batches[b].Entries {
				if l.seq(b, i) != w.renamed.size {
					continue
				}
				e, err := event.DecodeBody(body)
				if err != nil {
					panic(err)
				}
				e.Statement = string(bytes.Replace([]byte(e.Statement), []byte(newName), []byte(newName+"x"), 1))
				l.batches[b].Entries[i] = event.AppendBody(nil, &e)
				return
			}
		}
	}))},
}

// The new key alone vouches for everything, and the report says that nobody else does; the old one vouches for nothing
// that came after it.
func TestAReportTellsOfANewOrigin(t *testing.T) {
	w := newWorld(t, 78, options())
	rn := w.renamed
	r, err := rn.check(t, rn.dir, w.kept[0])
	if err != nil || !r.OK() || r.Origin != newName || !strings.Contains(factOf(r, "new origin"), "trail of the first") || strings.Contains(strings.Join(r.Limits, ""), "no key of that name") {
		t.Errorf("with both keys: %+v, %v", r, err)
	}
	rn.keys = parsed(t, rn.new.VKey())
	if r, err = rn.check(t, rn.dir); err != nil || !r.OK() || !strings.Contains(strings.Join(r.Limits, ""), "no key of that name was given") {
		t.Errorf("with the new key: %+v, %v", r, err)
	}
	rn.keys = parsed(t, rn.old.VKey())
	if r, err = rn.check(t, rn.dir); err != nil || r.OK() || r.Findings[0].Kind != verify.WrongKey {
		t.Errorf("with the old key: %+v, %v", r, err)
	}
}

func factOf(r *verify.Report, name string) string {
	for _, f := range r.Facts {
		if f.Name == name {
			return f.Text
		}
	}
	return ""
}
