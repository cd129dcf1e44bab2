package verify_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"countersign/bodies"
	"countersign/event"
	"countersign/internal/durable"
	"countersign/salts"
	"countersign/segment"
	"countersign/verify"
)

var sealedTamperings = []tampering{
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
	// What an id was hashed to, only the server's key tells. The trail is not told by it.
	{name: "sealed: hashes of ids of a clone", in: inSealed, harmless: true, do: directory(func(_ testing.TB, r *rand.Rand, w *world, f files) files {
		name := f.some(r, "ids/")
		if b, ok := w.clone[name]; ok {
			f[name] = b
		}
		return f
	})},
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
