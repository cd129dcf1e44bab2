package verify_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"countersign/bodies"
	"countersign/event"
	"countersign/internal/durable"
	"countersign/merkle"
	"countersign/salts"
	"countersign/segment"
	"countersign/verify"
	"countersign/wal"
)

// check checks a directory with the world's keys.
func (w *world) check(t testing.TB, f files, kept ...merkle.Checkpoint) (*verify.Report, error) {
	return verify.Data(t.Context(), "d", verify.Options{Keys: w.keys, Kept: kept, FS: f.put(t)})
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

// rebodied changes entries of a random body file, which is then written anew with good checksums.
func rebodied(change func(r *rand.Rand, w *world, all []event.Entry)) func(testing.TB, *rand.Rand, *world, files) files {
	return func(t testing.TB, r *rand.Rand, w *world, f files) files {
		name := f.some(r, "bodies/")
		disk := f.put(t)
		file, err := bodies.Open(disk, "d/"+name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		from, to := file.Seqs()
		all := slices.Clone(w.entries[from:to])
		change(r, w, all)
		err = bodies.Write(disk, "d/new", from, int(to-from), func(dst []byte, seq uint64) ([]byte, error) {
			return event.AppendBody(dst, &all[seq-from]), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		b, err := durable.ReadFile(disk, "d/new", 1<<24)
		if err != nil {
			t.Fatal(err)
		}
		return f.with(name, b)
	}
}

func anEventOf(r *rand.Rand, all []event.Entry) int {
	for {
		if i := r.IntN(len(all)); all[i].Kind == event.KindEvent {
			return i
		}
	}
}

// tidied returns f without the files that a seal has left behind and the next start removes: nothing is in them.
func (f files) tidied(t testing.TB) files {
	t.Helper()
	var m manifest
	if err := json.Unmarshal(f["manifest"], &m); err != nil {
		t.Fatal(err)
	}
	if m.Sealed == nil {
		return f
	}
	named := map[string]bool{fmt.Sprintf("state/%020d.state", m.Sealed.Size): true}
	for _, first := range m.Sealed.Bodies {
		named[fmt.Sprintf("bodies/%020d.bodies", first)] = true
	}
	for _, s := range m.Sealed.Indexes {
		named[fmt.Sprintf("index/%020d-%020d.index", s.From, s.To)] = true
	}
	for _, s := range m.Sealed.IDs {
		named[fmt.Sprintf("ids/%020d-%020d.ids", s.From, s.To)] = true
	}
	logs := f.names("wal/")
	for i, name := range logs[:len(logs)-1] {
		var next uint64
		if _, err := fmt.Sscanf(logs[i+1], "wal/%d.log", &next); err != nil {
			t.Fatal(err)
		}
		named[name] = next > m.Sealed.Size
	}
	named[logs[len(logs)-1]] = true
	c := files{}
	for name, b := range f {
		if folder, _, ok := strings.Cut(name, "/"); !ok || named[name] || !slices.Contains([]string{"wal", "state", "bodies", "index", "ids"}, folder) {
			c[name] = b
		}
	}
	return c
}

// sameSalts tells of a file of salts that differs behind the blocks that count only (docs/format/salts.md).
func (f files) sameSalts(name string, b []byte) bool {
	var m manifest
	if err := json.Unmarshal(f["manifest"], &m); err != nil || name != "salts" {
		return false
	}
	end := 4096
	if m.Sealed != nil {
		end += int(m.Sealed.Size/256) * 37
	}
	return len(b) >= end && bytes.Equal(b[:end], f[name][:end])
}

// spanOf reads the name of an index.
func spanOf(t testing.TB, name string) (s span) {
	t.Helper()
	if _, err := fmt.Sscanf(name, "index/%d-%d.index", &s.From, &s.To); err != nil {
		t.Fatal(err)
	}
	return s
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

var dataTamperings = []tampering{
	{name: "data: a bit of the log flipped", kinds: []verify.Kind{verify.Changed}, do: directory(flippedIn("wal/"))},
	{name: "data: a bit of the roots flipped", kinds: []verify.Kind{verify.Disagrees}, do: directory(flippedIn("roots"))},
	{name: "data: a bit of the tiles flipped", kinds: []verify.Kind{verify.Disagrees}, do: directory(flippedIn("tiles/1"))},
	{name: "data: a bit of the published checkpoints flipped", kinds: []verify.Kind{verify.Malformed}, do: directory(flippedIn("checkpoints/"))},
	{name: "data: a bit of the manifest flipped", do: directory(flippedIn("manifest"))},
	{name: "data: a file of the log gone", in: inLog, kinds: []verify.Kind{verify.Changed}, do: directory(func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		delete(f, f.some(r, "wal/"))
		return f
	})},
	{name: "data: an entry edited", kinds: []verify.Kind{verify.Changed}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		l.edit(r, func(e *event.Entry) { changeValue(r, e) })
	}))},
	{name: "data: a value gone as if it were erased", kinds: []verify.Kind{verify.Changed}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		l.edit(r, func(e *event.Entry) { e.RecordedBy = event.Text{} })
	}))},
	{name: "data: an entry back-dated", kinds: []verify.Kind{verify.Changed}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		l.edit(r, func(e *event.Entry) {
			e.OccurredAt, e.ReceivedAt = e.OccurredAt/2+1, e.ReceivedAt-1-event.Micros(r.IntN(1e9))
		})
	}))},
	{name: "data: an entry edited, and its root", in: inLog, kinds: []verify.Kind{verify.Changed}, do: directory(func(t testing.TB, r *rand.Rand, _ *world, f files) files {
		l := readLog(t, f)
		seq, e := l.edit(r, func(e *event.Entry) { changeValue(r, e) })
		root := event.Root(l.seedOf(seq), &e)
		roots := bytes.Clone(f["roots"])
		copy(roots[seq*32:], root[:])
		return l.write(t, f).with("roots", roots)
	})},
	{name: "data: a seed altered", kinds: []verify.Kind{verify.Changed}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		for {
			if b := &l.batches[r.IntN(len(l.batches))]; len(b.Seeds) > 0 {
				b.Seeds[0].Bytes[r.IntN(32)] ^= 1 << r.IntN(8)
				return
			}
		}
	}))},
	{name: "data: entries swapped", kinds: []verify.Kind{verify.Changed}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		for {
			b, i := l.draw(r)
			c, j := l.draw(r)
			if x, y := &l.batches[b].Entries[i], &l.batches[c].Entries[j]; !bytes.Equal(*x, *y) {
				*x, *y = *y, *x
				return
			}
		}
	}))},
	{name: "data: an entry dropped", kinds: []verify.Kind{verify.Changed, verify.Moved}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		b, i := l.draw(r)
		l.batches[b].Entries = slices.Delete(l.batches[b].Entries, i, i+1)
	}))},
	{name: "data: an entry put in", kinds: []verify.Kind{verify.Changed, verify.Moved}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		b, i := l.draw(r)
		_, _, e := l.drawEvent(r)
		e.ID = "made-up"
		l.batches[b].Entries = slices.Insert(l.batches[b].Entries, i, event.AppendBody(nil, &e))
	}))},
	{name: "data: an entry twice", kinds: []verify.Kind{verify.Changed, verify.Moved}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		b, i := l.draw(r)
		l.batches[b].Entries = slices.Insert(l.batches[b].Entries, i, l.batches[b].Entries[i])
	}))},
	{name: "data: an event recorded twice, and signed", in: inLog, kinds: []verify.Kind{verify.Repeated}, do: dishonest(func(_ *rand.Rand, e *event.Entry) {})},
	{name: "data: a number of an account given twice, and signed", in: inLog, kinds: []verify.Kind{verify.Misnumbered}, do: dishonest(func(_ *rand.Rand, e *event.Entry) {
		e.ID, e.AccountSeq = "new", e.AccountSeq-1
	})},
	{name: "data: a chain that leads past entries, and signed", in: inLog, kinds: []verify.Kind{verify.Misnumbered}, do: dishonest(func(r *rand.Rand, e *event.Entry) {
		e.ID, e.AccountPrev = "new", r.Uint64N(e.AccountPrev)
	})},
	{name: "data: received before the one before, and signed", in: inLog, kinds: []verify.Kind{verify.Misnumbered}, do: dishonest(func(r *rand.Rand, e *event.Entry) {
		e.ID, e.ReceivedAt = "new", e.ReceivedAt-1-event.Micros(r.IntN(1e9))
	})},
	{name: "data: an entry of the server's own by a client, and signed", in: inLog, kinds: []verify.Kind{verify.Forbidden}, do: dishonest(func(r *rand.Rand, e *event.Entry) {
		e.ID, e.Source = "new", []string{"countersign/server", "countersign/store"}[r.IntN(2)]
	})},
	{name: "data: a system fact by a client, and signed", in: inLog, kinds: []verify.Kind{verify.Forbidden}, do: dishonest(func(_ *rand.Rand, e *event.Entry) {
		fact, err := event.NewFact(event.KindKey, `{"key":"mine"}`)
		if err != nil {
			panic(err)
		}
		fact.ReceivedAt, fact.OccurredAt, fact.Seq = e.ReceivedAt, e.ReceivedAt, e.Seq
		*e = fact
	})},
	{name: "data: a system fact in place of an event", kinds: []verify.Kind{verify.Changed}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		b, i, e := l.drawEvent(r)
		fact, err := event.NewFact(byte(1+r.IntN(6)), `{"nothing":"to see"}`)
		if err != nil {
			panic(err)
		}
		fact.ReceivedAt = e.ReceivedAt
		l.batches[b].Entries[i] = event.AppendBody(nil, &fact)
	}))},
	{name: "data: a change of keys edited", kinds: []verify.Kind{verify.Forbidden}, in: inLog, do: directory(logged(func(r *rand.Rand, w *world, l *logOf) {
		for b := range l.batches {
			for i, body := range l.batches[b].Entries {
				e, err := event.DecodeBody(body)
				if err != nil || e.Kind != event.KindKey {
					continue
				}
				var c struct {
					Key           string `json:"key"`
					Previous      string `json:"previous"`
					PreviousUntil uint64 `json:"previous_valid_until"`
					From          uint64 `json:"valid_from"`
				}
				if err := json.Unmarshal([]byte(e.Statement), &c); err != nil {
					panic(err)
				}
				switch r.IntN(3) {
				case 0:
					c.Previous = w.strangeKey.VKey()
				case 1:
					c.From--
				default:
					c.PreviousUntil = 0
				}
				text, _ := json.Marshal(c)
				e.Statement = string(text)
				l.batches[b].Entries[i] = event.AppendBody(nil, &e)
				return
			}
		}
	}))},
	{name: "data: a batch checkpoint of another batch", kinds: []verify.Kind{verify.Moved}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		i := r.IntN(len(l.batches) - 1)
		l.batches[i].Checkpoint = l.batches[i+1].Checkpoint
	}))},
	{name: "data: a batch checkpoint signed with another key", in: inLog, kinds: []verify.Kind{verify.WrongKey}, do: directory(func(t testing.TB, r *rand.Rand, w *world, f files) files {
		return logged(func(r *rand.Rand, w *world, l *logOf) {
			b := &l.batches[r.IntN(len(l.batches))]
			c, err := merkle.ParseCheckpoint(b.Checkpoint)
			if err != nil {
				t.Fatal(err)
			}
			b.Checkpoint = w.resign(t, c).Note
		})(t, r, w, f)
	})},
	{name: "data: a published checkpoint signed with another key", kinds: []verify.Kind{verify.WrongKey}, do: directory(func(t testing.TB, r *rand.Rand, w *world, f files) files {
		return f.published(t, func(notes [][]byte) [][]byte {
			i := r.IntN(len(notes))
			c, err := merkle.ParseCheckpoint(notes[i])
			if err != nil {
				t.Fatal(err)
			}
			if r.IntN(2) == 0 {
				c.Root[r.IntN(32)]++
			}
			notes[i] = w.resign(t, c).Note
			return notes
		})
	})},
	{name: "data: published checkpoints exchanged", kinds: []verify.Kind{verify.Moved}, do: directory(func(t testing.TB, r *rand.Rand, _ *world, f files) files {
		return f.published(t, func(notes [][]byte) [][]byte {
			i := r.IntN(len(notes) - 1)
			notes[i], notes[i+1] = notes[i+1], notes[i]
			return notes
		})
	})},
	{name: "data: the tail of the log dropped", kinds: []verify.Kind{verify.DroppedTail}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		l.batches = l.batches[:len(l.batches)-1-r.IntN(len(l.batches)-2)]
	}))},
	{name: "data: the tail dropped everywhere", in: inLog, kinds: []verify.Kind{verify.RolledBack, verify.DroppedTail},
		do: func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
			l := readLog(t, w.dir)
			l.batches = l.batches[:len(l.batches)-1-r.IntN(len(l.batches)-2)]
			last := l.batches[len(l.batches)-1]
			f := l.write(t, w.dir.without(t, last.FirstSeq+uint64(len(last.Entries))))
			if r.IntN(2) == 0 { // as if it had been killed: then nothing of a clean stop is missed
				f = f.manifest(t, func(m *manifest) { m.Clean = nil })
			}
			return w.check(t, f, w.kept[len(w.kept)-1])
		}},
	{name: "data: rolled back", kinds: []verify.Kind{verify.RolledBack},
		do: func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
			return w.check(t, w.earlier, w.kept[w.keptEarlier+r.IntN(len(w.kept)-w.keptEarlier)])
		}},
	{name: "data: a clone that went another way", kinds: []verify.Kind{verify.Forked, verify.RolledBack},
		do: func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
			return w.check(t, w.clone, w.kept[w.keptEarlier+r.IntN(len(w.kept)-w.keptEarlier)])
		}},
	{name: "data: a file of an earlier time put in its place", do: directory(func(_ testing.TB, r *rand.Rand, w *world, f files) files {
		for {
			name := f.some(r, "")
			if b, ok := w.earlier[name]; (ok || strings.HasPrefix(name, "wal/")) && !bytes.Equal(b, f[name]) && name != "LOCK" && !f.sameSalts(name, b) {
				if f[name] = b; !ok {
					delete(f, name)
				}
				return f
			}
		}
	})},
	{name: "data: files of a clone mixed in", do: directory(func(_ testing.TB, r *rand.Rand, w *world, f files) files {
		for {
			name := f.some(r, "")
			if b, ok := w.clone[name]; ok && !bytes.Equal(b, f[name]) && name != "LOCK" && !strings.HasPrefix(name, "ids/") && !f.sameSalts(name, b) {
				f[name] = b
				return f
			}
		}
	})},
	// What an id was hashed to, only the server's key tells. The trail is not told by it.
	{name: "sealed: hashes of ids of a clone", in: inSealed, harmless: true, do: directory(func(_ testing.TB, r *rand.Rand, w *world, f files) files {
		name := f.some(r, "ids/")
		if b, ok := w.clone[name]; ok {
			f[name] = b
		}
		return f
	})},
	{name: "data: another history under another key", kinds: []verify.Kind{verify.WrongKey},
		do: func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
			return w.check(t, w.strange, w.someKept(r))
		}},
	{name: "data: another history under another key, nothing kept", kinds: []verify.Kind{verify.WrongKey},
		do: func(t testing.TB, _ *rand.Rand, w *world) (*verify.Report, error) { return w.check(t, w.strange) }},
	{name: "data: roots exchanged", kinds: []verify.Kind{verify.Disagrees}, do: directory(func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		return f.with("roots", exchanged(r, f["roots"]))
	})},
	{name: "data: the tree's files cut short", kinds: []verify.Kind{verify.Missing, verify.Malformed}, do: directory(func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		name := []string{"roots", "tiles/1"}[r.IntN(2)]
		return f.with(name, f[name][:r.IntN(len(f[name]))])
	})},
	{name: "data: the tree's files with more", kinds: []verify.Kind{verify.DroppedTail, verify.Malformed}, do: directory(func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		name := []string{"roots", "tiles/1"}[r.IntN(2)]
		return f.with(name, append(bytes.Clone(f[name]), make([]byte, 1+r.IntN(100))...))
	})},
	{name: "data: another key in the manifest", kinds: []verify.Kind{verify.Disagrees, verify.WrongKey, verify.Forbidden}, do: directory(func(t testing.TB, r *rand.Rand, w *world, f files) files {
		return f.manifest(t, func(m *manifest) {
			keys := m.Keys
			switch i := r.IntN(len(keys)); r.IntN(3) {
			case 0:
				keys[i].Key = w.strangeKey.VKey()
			case 1:
				keys[i].From++
			default:
				keys = keys[:len(keys)-1]
			}
			m.Keys = keys
		})
	})},
	{name: "data: another origin in the manifest", kinds: []verify.Kind{verify.Forked}, do: directory(func(t testing.TB, _ *rand.Rand, _ *world, f files) files {
		return f.manifest(t, func(m *manifest) { m.Origin = "example.com/other" })
	})},
	{name: "data: the published checkpoints gone", kinds: []verify.Kind{verify.Missing}, do: directory(func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		delete(f, f.some(r, "checkpoints/"))
		return f
	})},
	{name: "data: bytes behind the last frame", kinds: []verify.Kind{verify.Changed}, do: directory(func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		names := f.names("wal/")
		name := names[len(names)-1]
		return f.with(name, append(bytes.Clone(f[name]), 1+byte(r.IntN(255))))
	})},
	{name: "sealed: a bit of the bodies flipped", in: inSealed, kinds: []verify.Kind{verify.Changed}, do: directory(flippedIn("bodies/"))},
	{name: "sealed: a bit of the salts flipped", in: inSealed, kinds: []verify.Kind{verify.Changed}, do: directory(flippedIn("salts"))},
	{name: "sealed: a bit of the state flipped", in: inSealed, kinds: []verify.Kind{verify.Disagrees}, do: directory(flippedIn("state/"))},
	{name: "sealed: a bit of an index flipped", in: inSealed, kinds: []verify.Kind{verify.Disagrees}, do: directory(func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		// Between blocks there are zeros that nobody reads (docs/format/index.md): what was a zero is left alone.
		name := f.some(r, "index/")
		for {
			if at := r.IntN(len(f[name])); f[name][at] != 0 {
				b := bytes.Clone(f[name])
				b[at] ^= 1 << r.IntN(8)
				return f.with(name, b)
			}
		}
	})},
	{name: "sealed: a bit of the ids flipped", in: inSealed, kinds: []verify.Kind{verify.Disagrees}, do: directory(flippedIn("ids/"))},
	{name: "sealed: a file gone", in: inSealed, kinds: []verify.Kind{verify.Missing}, do: directory(func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		delete(f, f.some(r, []string{"bodies/", "salts", "state/", "index/", "ids/"}[r.IntN(5)]))
		return f
	})},
	{name: "sealed: an entry edited", in: inSealed, kinds: []verify.Kind{verify.Changed}, do: directory(rebodied(func(r *rand.Rand, _ *world, all []event.Entry) {
		changeValue(r, &all[anEventOf(r, all)])
	}))},
	{name: "sealed: an entry back-dated", in: inSealed, kinds: []verify.Kind{verify.Changed}, do: directory(rebodied(func(r *rand.Rand, _ *world, all []event.Entry) {
		e := &all[anEventOf(r, all)]
		e.OccurredAt, e.ReceivedAt = e.OccurredAt/2+1, e.ReceivedAt-1-event.Micros(r.IntN(1e9))
	}))},
	{name: "sealed: entries swapped", in: inSealed, kinds: []verify.Kind{verify.Changed}, do: directory(rebodied(func(r *rand.Rand, _ *world, all []event.Entry) {
		i := r.IntN(len(all) - 1)
		all[i], all[i+1] = all[i+1], all[i]
	}))},
	{name: "sealed: an entry edited, and its root", in: inSealed, kinds: []verify.Kind{verify.Changed, verify.Disagrees}, do: directory(func(t testing.TB, r *rand.Rand, w *world, f files) files {
		var seq uint64
		f = rebodied(func(r *rand.Rand, _ *world, all []event.Entry) {
			i := anEventOf(r, all)
			changeValue(r, &all[i])
			seq = all[i].Seq
			seed, _ := w.trail.Seed(seq)
			root := event.Root(seed, &all[i])
			roots := bytes.Clone(f["roots"])
			copy(roots[seq*32:], root[:])
			f["roots"] = roots
		})(t, r, w, f)
		return f
	})},
	{name: "sealed: seeds altered", in: inSealed, kinds: []verify.Kind{verify.Changed}, do: directory(func(t testing.TB, r *rand.Rand, _ *world, f files) files {
		disk := f.put(t)
		var m manifest
		if err := json.Unmarshal(f["manifest"], &m); err != nil {
			t.Fatal(err)
		}
		blocks := m.Sealed.Size / 256
		old, err := salts.Open(disk, "d/salts", blocks)
		if err != nil {
			t.Fatal(err)
		}
		defer old.Close()
		changed := r.Uint64N(blocks)
		if err := salts.Rewrite(disk, "d/new", blocks, func(n uint64) (salts.Block, error) {
			b, err := old.Block(n)
			if n == changed && r.IntN(2) == 0 {
				return salts.Whole(salts.Seed{byte(r.IntN(256))}), nil
			} else if n == changed {
				return b.Erase(byte(r.IntN(256))), nil // as if an entry were erased
			}
			return b, err
		}); err != nil {
			t.Fatal(err)
		}
		b, err := durable.ReadFile(disk, "d/new", 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		return f.with("salts", b)
	})},
	{name: "sealed: an index of other entries", in: inSealed, kinds: []verify.Kind{verify.Disagrees}, do: directory(func(t testing.TB, r *rand.Rand, w *world, f files) files {
		name := f.some(r, "index/")
		part := spanOf(t, name)
		entries := make([]*event.Entry, 0, part.To-part.From)
		for seq := part.From; seq < part.To; seq++ {
			e := w.entries[seq]
			entries = append(entries, &e)
		}
		for {
			if e := entries[r.IntN(len(entries))]; e.Kind == event.KindEvent {
				e.Outcome = map[string]string{"success": "failure"}[e.Outcome]
				if e.Outcome == "" {
					e.Outcome = "success"
				}
				break
			}
		}
		var b bytes.Buffer
		if err := segment.Build(&b, entries); err != nil {
			t.Fatal(err)
		}
		return f.with(name, b.Bytes())
	})},
	{name: "sealed: the manifest names other files", in: inSealed, kinds: []verify.Kind{verify.Malformed, verify.Missing, verify.Moved, verify.Changed}, do: directory(func(t testing.TB, r *rand.Rand, _ *world, f files) files {
		return f.manifest(t, func(m *manifest) {
			switch r.IntN(5) {
			case 0:
				m.Sealed.Size -= 256
			case 1:
				m.Sealed.Bodies = m.Sealed.Bodies[:len(m.Sealed.Bodies)-1]
			case 2:
				m.Sealed.Indexes[0].To--
			case 3:
				m.Sealed.IDs = m.Sealed.IDs[1:]
			default:
				m.Sealed = nil
			}
		})
	})},

	{name: "data: the mark of a clean stop gone", harmless: true, do: directory(func(t testing.TB, _ *rand.Rand, _ *world, f files) files {
		return f.manifest(t, func(m *manifest) { m.Clean = nil })
	})},
	{name: "data: a published checkpoint forgotten", harmless: true, do: directory(func(t testing.TB, r *rand.Rand, _ *world, f files) files {
		return f.published(t, func(notes [][]byte) [][]byte {
			i := 1 + r.IntN(len(notes)-2) // neither the one that names the file nor the last
			return slices.Delete(notes, i, i+1)
		})
	})},
	{name: "data: what is not of the trail", harmless: true, do: directory(func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		f["control.db"] = []byte{byte(r.IntN(256))}
		f["LOCK"] = []byte("4711\n")
		f["aside/x.torn"] = []byte("torn")
		return f
	})},
}

// exchanged swaps two hashes.
func exchanged(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for {
		i, j := r.IntN(len(b)/32), r.IntN(len(b)/32)
		x, y := b[i*32:][:32], b[j*32:][:32]
		if !bytes.Equal(x, y) {
			was := bytes.Clone(x)
			copy(x, y)
			copy(y, was)
			return b
		}
	}
}
