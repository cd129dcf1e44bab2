package verify_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"countersign/event"
	"countersign/merkle"
	"countersign/verify"
	"countersign/wal"
)

// check checks a directory with the world's keys. With bounded memory it must find the same, but for what is there twice.
func (w *world) check(t testing.TB, f files, kept ...merkle.Checkpoint) (*verify.Report, error) {
	t.Helper()
	o := verify.Options{Keys: w.keys, Kept: kept, FS: f.put(t)}
	report, err := verify.Data(t.Context(), "d", o)
	o.FS, o.Bounded = f.put(t), true
	bounded, boundedErr := verify.Data(t.Context(), "d", o)
	if err != nil || boundedErr != nil {
		if (err == nil) != (boundedErr == nil) {
			t.Fatalf("%v, and with bounded memory %v", err, boundedErr)
		}
		return report, err
	}
	want := slices.DeleteFunc(slices.Clone(report.Findings), func(f verify.Finding) bool { return f.Kind == verify.Repeated })
	if len(bounded.Findings) != len(want) {
		t.Fatalf("%+v, and with bounded memory %+v", report.Findings, bounded.Findings)
	}
	return report, nil
}

// someKept draws one of the kept checkpoints.
func (w *world) someKept(r *rand.Rand) merkle.Checkpoint { return w.kept[r.IntN(len(w.kept))] }

// directory tampers with a stopped directory.
func directory(tamper func(t testing.TB, r *rand.Rand, w *world, f files) files) func(testing.TB, *rand.Rand, *world) (*verify.Report, error) {
	return func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
		return w.check(t, tamper(t, r, w, maps.Clone(w.dir)), w.someKept(r))
	}
}

// flipped flips a bit of a file.
func flippedIn(prefix string) func(testing.TB, *rand.Rand, *world, files) files {
	return func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		name := f.some(r, prefix)
		return f.with(name, flip(r, f[name]))
	}
}

// logged tampers with what is in the log, and writes it anew with good checksums and a manifest that goes with it.
func logged(tamper func(r *rand.Rand, w *world, l *logOf)) func(testing.TB, *rand.Rand, *world, files) files {
	return func(t testing.TB, r *rand.Rand, w *world, f files) files {
		l := readLog(t, f)
		tamper(r, w, l)
		return l.write(t, f)
	}
}

// logOf is the batches of a log.
type logOf struct{ batches []wal.Batch }

func readLog(t testing.TB, f files) *logOf {
	t.Helper()
	l := &logOf{}
	_, err := wal.Check(f.put(t), "d/wal", wal.Options{}, func(b wal.Batch) error {
		b.Seeds, b.Checkpoint, b.Entries = slices.Clone(b.Seeds), bytes.Clone(b.Checkpoint), slices.Clone(b.Entries)
		for i := range b.Entries {
			b.Entries[i] = bytes.Clone(b.Entries[i])
		}
		l.batches = append(l.batches, b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// write returns f with this log.
func (l *logOf) write(t testing.TB, f files) files {
	t.Helper()
	disk := f.put(t)
	log, _, err := wal.Open(disk, "new", wal.Options{NoPreallocate: true, RollBytes: 64 << 10}, nil)
	if err != nil {
		t.Fatal(err)
	}
	next := uint64(0)
	for _, b := range l.batches {
		if len(b.Entries) == 0 {
			continue
		}
		b.FirstSeq = next
		next += uint64(len(b.Entries))
		frame, err := wal.AppendFrame(nil, &b)
		if err == nil {
			err = log.Reserve(int64(len(frame)))
		}
		if err == nil {
			err = log.Write(frame)
		}
		if err == nil {
			err = log.Sync()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	end, err := log.Close()
	if err != nil {
		t.Fatal(err)
	}
	f = maps.Clone(f)
	for _, name := range f.names("wal/") {
		delete(f, name)
	}
	names, err := disk.ReadDir("new")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		file, err := disk.OpenFile("new/"+name, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		size, _ := file.Size()
		f["wal/"+name] = make([]byte, size)
		if _, err := file.ReadAt(f["wal/"+name], 0); err != nil {
			t.Fatal(err)
		}
	}
	return f.manifest(t, func(m *manifest) { m.Clean = &end })
}

// manifest returns f with another manifest, in its one rendering.
func (f files) manifest(t testing.TB, change func(m *manifest)) files {
	t.Helper()
	var m manifest
	if err := json.Unmarshal(f["manifest"], &m); err != nil {
		t.Fatal(err)
	}
	change(&m)
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return f.with("manifest", append(b, '\n'))
}

// manifest has the members in their order.
type manifest struct {
	Format int           `json:"format"`
	Origin string        `json:"origin"`
	Keys   []manifestKey `json:"keys"`
	Sealed *sealedFiles  `json:"sealed,omitempty"`
	Clean  *wal.Position `json:"clean,omitempty"`
}

type manifestKey struct {
	Key   string  `json:"key"`
	From  uint64  `json:"from"`
	Until *uint64 `json:"until,omitempty"`
}

type sealedFiles struct {
	Size    uint64   `json:"size"`
	Bodies  []uint64 `json:"bodies"`
	Indexes []span   `json:"indexes"`
	IDs     []span   `json:"ids"`
}

type span struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// draw returns a random batch and entry in it.
func (l *logOf) draw(r *rand.Rand) (batch, at int) {
	batch = r.IntN(len(l.batches))
	return batch, r.IntN(len(l.batches[batch].Entries))
}

// drawEvent returns a random event.
func (l *logOf) drawEvent(r *rand.Rand) (batch, at int, e event.Entry) {
	for {
		batch, at = l.draw(r)
		if e, err := event.DecodeBody(l.batches[batch].Entries[at]); err == nil && e.Kind == event.KindEvent {
			return batch, at, e
		}
	}
}

func (l *logOf) seq(batch, at int) uint64 { return l.batches[batch].FirstSeq + uint64(at) }

// edit changes a random event.
func (l *logOf) edit(r *rand.Rand, change func(e *event.Entry)) (seq uint64, e event.Entry) {
	batch, at, e := l.drawEvent(r)
	change(&e)
	l.batches[batch].Entries[at] = event.AppendBody(nil, &e)
	e.Seq = l.seq(batch, at)
	return e.Seq, e
}

// seedOf returns the seed of an entry.
func (l *logOf) seedOf(seq uint64) [32]byte {
	for _, b := range l.batches {
		for _, s := range b.Seeds {
			if s.Block == seq>>8 {
				return event.EntrySeed(s.Bytes, seq)
			}
		}
	}
	panic("no seed")
}

// dishonest has whoever holds the key record one more entry, a copy of an earlier one that is then changed, as the
// server would: numbered, in the tree and signed. No checkpoint of it was published yet.
func dishonest(change func(r *rand.Rand, e *event.Entry)) func(testing.TB, *rand.Rand, *world) (*verify.Report, error) {
	return func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
		l := readLog(t, w.dir)
		last := &l.batches[len(l.batches)-1]
		var edge merkle.Edge
		heads := map[string]*event.Entry{}
		for i := range w.entries {
			e := &w.entries[i]
			edge.Append(w.row(e.Seq).Leaf)
			heads[e.Account.ID] = e
		}
		_, _, e := l.drawEvent(r)
		head := heads[e.Account.ID]
		e.Seq, e.AccountSeq, e.AccountPrev = edge.Size(), head.AccountSeq+1, head.Seq
		e.ReceivedAt = w.entries[e.Seq-1].ReceivedAt
		change(r, &e)
		b := wal.Batch{FirstSeq: last.FirstSeq + uint64(len(last.Entries)), Entries: [][]byte{event.AppendBody(nil, &e)}}
		if e.Seq%256 == 0 {
			b.Seeds = []wal.Seed{{Block: e.Seq >> 8, Bytes: [32]byte{1}}}
		}
		l.batches = append(l.batches, b)
		edge.Append(event.LeafHash(e.Leaf(event.Root(l.seedOf(e.Seq), &e))))
		c, err := merkle.Sign(origin, edge.Size(), edge.Root(), w.signer(t))
		if err != nil {
			t.Fatal(err)
		}
		l.batches[len(l.batches)-1].Checkpoint = c.Note
		f := l.write(t, w.dir).manifest(t, func(m *manifest) { m.Clean = nil })
		return w.check(t, f, w.someKept(r))
	}
}

// signer is the newest signing key, which the directory has.
func (w *world) signer(t testing.TB) *merkle.Signer {
	t.Helper()
	var m struct {
		Keys []manifestKey `json:"keys"`
	}
	if err := json.Unmarshal(w.dir["manifest"], &m); err != nil {
		t.Fatal(err)
	}
	newest := m.Keys[len(m.Keys)-1].Key
	for _, name := range w.dir.names("keys/") {
		var s merkle.Signer
		if err := s.UnmarshalText(w.dir[name]); err == nil && s.VKey() == newest {
			return &s
		}
	}
	t.Fatal("the newest key is not there")
	return nil
}

// without cuts everything beside the log down to size entries, as whoever drops a tail would.
func (f files) without(t testing.TB, size uint64) files {
	t.Helper()
	f = maps.Clone(f)
	f["roots"] = f["roots"][:min(uint64(len(f["roots"])), size*32)]
	f["tiles/1"] = f["tiles/1"][:min(uint64(len(f["tiles/1"])), size/256*32)]
	for _, name := range f.names("checkpoints/") {
		kept := []byte(merkle.RecordsHead)
		for rest := f[name][len(merkle.RecordsHead):]; len(rest) > 0; {
			note, behind, err := merkle.CutRecord(rest)
			if err != nil {
				t.Fatal(err)
			}
			if c, err := merkle.ParseCheckpoint(note); err != nil || c.Size > size {
				break
			}
			kept = merkle.AppendRecord(kept, note)
			rest = behind
		}
		if f[name] = kept; len(kept) == len(merkle.RecordsHead) {
			delete(f, name)
		}
	}
	return f
}

// published calls change with the notes of the published checkpoints and returns f with what it returns.
func (f files) published(t testing.TB, change func(notes [][]byte) [][]byte) files {
	t.Helper()
	name := f.names("checkpoints/")[0]
	var notes [][]byte
	for rest := f[name][len(merkle.RecordsHead):]; len(rest) > 0; {
		note, behind, err := merkle.CutRecord(rest)
		if err != nil {
			t.Fatal(err)
		}
		notes, rest = append(notes, bytes.Clone(note)), behind
	}
	b := []byte(merkle.RecordsHead)
	for _, note := range change(notes) {
		b = merkle.AppendRecord(b, note)
	}
	return f.with(name, b)
}
