package verify_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"iter"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"countersign/bundle"
	"countersign/event"
	"countersign/merkle"
	"countersign/query"
	"countersign/verify"
)

// plainExport draws an export of a range of the trail.
func (w *world) plainExport(r *rand.Rand) (bundle.ExportHeader, []bundle.Row) {
	n := w.newest.Size
	from := r.Uint64N(n - 40)
	to := from + 20 + r.Uint64N(min(n-from-20, 150))
	h := bundle.ExportHeader{
		Format: bundle.NDJSON, Query: query.Range{Field: query.Seq, Min: int64(from), Max: int64(to) - 1}, Sort: query.Sort{Field: query.Seq},
		TreeSize: n, Checkpoint: w.newest,
	}
	if r.IntN(2) == 0 {
		h.Format, h.Guard = bundle.CSV, r.IntN(2) == 0
	}
	var rows []bundle.Row
	for seq := from; seq < to; seq++ {
		rows = append(rows, w.row(seq))
	}
	return h, rows
}

// writeExport makes an export of rows, with a multiproof for them as they are.
func (w *world) writeExport(t testing.TB, h bundle.ExportHeader, rows []bundle.Row, prove bundle.MultiProver) []byte {
	t.Helper()
	var out bytes.Buffer
	x, err := bundle.NewExportWriter(&out, h)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := x.Row(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Finish(prove); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// distinct makes a prover of one that does not take an entry twice.
func distinct(prove bundle.MultiProver) bundle.MultiProver {
	return func(seqs iter.Seq[uint64], size uint64, emit func(merkle.Hash) error) error {
		return prove(slices.Values(slices.Compact(slices.Collect(seqs))), size, emit)
	}
}

func (w *world) checkExport(t testing.TB, b []byte) (*verify.Report, error) {
	return verify.Export(t.Context(), bytes.NewReader(b), verify.Options{Keys: w.keys})
}

// forged tampers with what is written: counts, hashes and checksum are those of the forgery.
func forged(forge func(t testing.TB, r *rand.Rand, w *world, h *bundle.ExportHeader, rows []bundle.Row) []bundle.Row) func(testing.TB, *rand.Rand, *world) (*verify.Report, error) {
	return func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
		h, rows := w.plainExport(r)
		rows = forge(t, r, w, &h, rows)
		return w.checkExport(t, w.writeExport(t, h, rows, distinct(w.trail.Multi)))
	}
}

// rewritten tampers with the bytes of a good export, and with the checksum.
func rewritten(rewrite func(r *rand.Rand, b []byte) []byte) func(testing.TB, *rand.Rand, *world) (*verify.Report, error) {
	return func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
		h, rows := w.plainExport(r)
		return w.checkExport(t, rewrite(r, w.writeExport(t, h, rows, w.trail.Multi)))
	}
}

var sumInEnd = regexp.MustCompile(`[0-9a-f]{64}`)

// resealed puts the right checksum into the last record.
func resealed(b []byte) []byte {
	last := bytes.LastIndexByte(b[:max(len(b)-1, 0)], '\n') + 1
	return append(slices.Clone(b[:last]), sumInEnd.ReplaceAllString(string(b[last:]), fmt.Sprintf("%x", sha256.Sum256(b[:last])))...)
}

// inEnd replaces what is found in the last record.
func inEnd(b []byte, find, replace string) []byte {
	last := bytes.LastIndexByte(b[:len(b)-1], '\n') + 1
	return append(slices.Clone(b[:last]), regexp.MustCompile(find).ReplaceAllString(string(b[last:]), replace)...)
}

// anEvent returns the place of a random row that is an event.
func anEvent(r *rand.Rand, rows []bundle.Row) int {
	for {
		if i := r.IntN(len(rows)); rows[i].Entry.Kind == event.KindEvent {
			return i
		}
	}
}

var exportTamperings = []tampering{
	{name: "export: a value edited", kinds: []verify.Kind{verify.Changed},
		do: forged(func(_ testing.TB, r *rand.Rand, _ *world, _ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			changeValue(r, &rows[anEvent(r, rows)].Entry)
			return rows
		})},
	{name: "export: a value edited, and its hash", kinds: []verify.Kind{verify.WrongProof},
		do: forged(func(_ testing.TB, r *rand.Rand, _ *world, _ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			reLeaf(&rows[anEvent(r, rows)], func(e *event.Entry) { changeValue(r, e) })
			return rows
		})},
	{name: "export: back-dated", kinds: []verify.Kind{verify.Changed},
		do: forged(func(_ testing.TB, r *rand.Rand, _ *world, _ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			e := &rows[anEvent(r, rows)].Entry
			e.OccurredAt, e.ReceivedAt = e.OccurredAt/2+1, e.ReceivedAt-1-event.Micros(r.IntN(1e9))
			return rows
		})},
	{name: "export: a field left out as if it were erased", kinds: []verify.Kind{verify.Changed},
		do: forged(func(_ testing.TB, r *rand.Rand, _ *world, _ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			rows[anEvent(r, rows)].Entry.RecordedBy = event.Text{}
			return rows
		})},
	{name: "export: rows swapped", kinds: []verify.Kind{verify.Moved},
		do: forged(func(_ testing.TB, r *rand.Rand, _ *world, _ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			i, j := r.IntN(len(rows)), r.IntN(len(rows)-1)
			if j >= i {
				j++
			}
			rows[i], rows[j] = rows[j], rows[i]
			return rows
		})},
	{name: "export: contents of rows swapped", kinds: []verify.Kind{verify.Changed},
		do: forged(func(_ testing.TB, r *rand.Rand, _ *world, _ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			i := r.IntN(len(rows) - 1)
			a, b := &rows[i], &rows[i+1]
			*a, *b = *b, *a
			a.Entry.Seq, b.Entry.Seq = b.Entry.Seq, a.Entry.Seq
			return rows
		})},
	{name: "export: rows dropped", kinds: []verify.Kind{verify.Missing},
		do: forged(func(_ testing.TB, r *rand.Rand, _ *world, _ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			i := r.IntN(len(rows))
			return slices.Delete(rows, i, min(len(rows), i+1+r.IntN(3)))
		})},
	{name: "export: the last rows dropped", kinds: []verify.Kind{verify.Missing},
		do: forged(func(_ testing.TB, r *rand.Rand, _ *world, _ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			return rows[:r.IntN(len(rows))]
		})},
	{name: "export: a row twice", kinds: []verify.Kind{verify.Repeated},
		do: forged(func(_ testing.TB, r *rand.Rand, _ *world, _ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			i := r.IntN(len(rows))
			return slices.Insert(rows, i, rows[i])
		})},
	{name: "export: a row that was not asked for", kinds: []verify.Kind{verify.Added},
		do: forged(func(_ testing.TB, r *rand.Rand, w *world, h *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			if first := rows[0].Entry.Seq; first > 0 && r.IntN(2) == 0 {
				return slices.Insert(rows, 0, w.row(r.Uint64N(first)))
			}
			h.Query = query.Range{Field: query.Seq, Min: int64(rows[0].Entry.Seq), Max: int64(rows[len(rows)-1].Entry.Seq) - 1}
			return rows
		})},
	{name: "export: a row of nobody put in", kinds: []verify.Kind{verify.WrongProof, verify.Changed},
		do: forged(func(_ testing.TB, r *rand.Rand, _ *world, _ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			i := anEvent(r, rows)
			reLeaf(&rows[i], func(e *event.Entry) { e.ID, e.Action = "made-up", "LOGIN" })
			return rows
		})},
	{name: "export: a seed altered", kinds: []verify.Kind{verify.Changed},
		do: forged(func(_ testing.TB, r *rand.Rand, _ *world, _ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			rows[r.IntN(len(rows))].Seed[r.IntN(32)] ^= 1 << r.IntN(8)
			return rows
		})},
	{name: "export: a leaf altered", kinds: []verify.Kind{verify.Changed},
		do: forged(func(_ testing.TB, r *rand.Rand, _ *world, _ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			rows[r.IntN(len(rows))].Leaf[r.IntN(32)] ^= 1 << r.IntN(8)
			return rows
		})},
	{name: "export: an event passed for a system fact", kinds: []verify.Kind{verify.Changed},
		do: forged(func(t testing.TB, r *rand.Rand, _ *world, _ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			row := &rows[anEvent(r, rows)]
			fact, err := event.NewFact(byte(1+r.IntN(6)), `{"nothing":"to see"}`)
			if err != nil {
				t.Fatal(err)
			}
			fact.Seq, fact.ReceivedAt, fact.OccurredAt = row.Entry.Seq, row.Entry.ReceivedAt, row.Entry.ReceivedAt
			row.Entry = fact
			return rows
		})},
	{name: "export: signed with another key", kinds: []verify.Kind{verify.WrongKey},
		do: forged(func(t testing.TB, _ *rand.Rand, w *world, h *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			h.Checkpoint = w.resign(t, h.Checkpoint)
			return rows
		})},
	{name: "export: the signature altered", kinds: []verify.Kind{verify.WrongKey},
		do: forged(func(_ testing.TB, r *rand.Rand, _ *world, h *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			note := slices.Clone(h.Checkpoint.Note)
			note[len(note)-8-r.IntN(60)] ^= 1
			if _, err := merkle.ParseCheckpoint(note); err != nil {
				note = bytes.Replace(h.Checkpoint.Note, []byte("A"), []byte("B"), 1) // the id or the signature
				if bytes.Equal(note, h.Checkpoint.Note) {
					note = nil
				}
			}
			if c, err := merkle.ParseCheckpoint(note); err == nil {
				h.Checkpoint = c
			} else {
				h.Checkpoint.Note = bytes.Replace(h.Checkpoint.Note, []byte("\n\n"), []byte("\nx\n\n"), 1) // a line that nobody signed
			}
			return rows
		})},
	{name: "export: under another history", kinds: []verify.Kind{verify.WrongKey},
		do: forged(func(_ testing.TB, _ *rand.Rand, w *world, h *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			h.Checkpoint, h.TreeSize = w.strangeTop, min(h.TreeSize, w.strangeTop.Size)
			return slices.DeleteFunc(rows, func(r bundle.Row) bool { return r.Entry.Seq >= h.TreeSize })
		})},
	{name: "export: the query widened", kinds: []verify.Kind{verify.Missing},
		do: forged(func(_ testing.TB, _ *rand.Rand, _ *world, h *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			h.Query = nil
			return rows
		})},
	{name: "export: the query changed", kinds: []verify.Kind{verify.Added},
		do: forged(func(_ testing.TB, _ *rand.Rand, _ *world, h *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			h.Query = query.And{h.Query, query.Not{Filter: query.Is(query.ID, rows[len(rows)/2].Entry.ID)}}
			return rows
		})},
	{name: "export: another order stated", kinds: []verify.Kind{verify.Moved},
		do: forged(func(_ testing.TB, _ *rand.Rand, _ *world, h *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			h.Sort.Desc = true
			return rows
		})},
	{name: "export: hashes of the multiproof altered", kinds: []verify.Kind{verify.WrongProof},
		do: func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
			h, rows := w.plainExport(r)
			return w.checkExport(t, w.writeExport(t, h, rows, spoiled(r, w.trail.Multi)))
		}},
	{name: "export: the count altered", kinds: []verify.Kind{verify.WrongTotal},
		do: rewritten(func(r *rand.Rand, b []byte) []byte {
			return inEnd(b, `("count":|complete,)`, fmt.Sprintf("${1}%d", 1+r.IntN(9)))
		})},
	{name: "export: the tree size of the end altered", kinds: []verify.Kind{verify.WrongTotal},
		do: rewritten(func(r *rand.Rand, b []byte) []byte {
			return inEnd(b, `("tree_size":|complete,\d+,)`, fmt.Sprintf("${1}%d", 1+r.IntN(9)))
		})},
	{name: "export: the checksum altered", kinds: []verify.Kind{verify.Changed},
		do: rewritten(func(r *rand.Rand, b []byte) []byte {
			return inEnd(b, `[0-9a-f]{64}`, fmt.Sprintf("%x", sha256.Sum256([]byte{byte(r.IntN(256))})))
		})},
	{name: "export: cut", do: rewritten(func(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b))] })},
	{name: "export: a bit flipped", do: rewritten(flip)},
	{name: "export: a bit flipped, and the checksum", do: rewritten(func(r *rand.Rand, b []byte) []byte {
		for {
			changed := resealed(flip(r, b))
			if !bytes.Equal(changed, b) { // not in the checksum itself
				return changed
			}
		}
	})},
	{name: "export: a byte more, and the checksum", do: rewritten(func(r *rand.Rand, b []byte) []byte {
		return resealed(slices.Insert(slices.Clone(b), r.IntN(len(b)-200), " \n\r\t0,\"=A"[r.IntN(9)]))
	})},
	{name: "export: a member twice or unknown", kinds: []verify.Kind{verify.Malformed},
		do: func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
			h, rows := w.plainExport(r)
			h.Format, h.Guard = bundle.NDJSON, false
			lines := strings.SplitAfter(string(w.writeExport(t, h, rows, w.trail.Multi)), "\n")
			i := 1 + r.IntN(len(rows))
			more := []string{`{"x":1,`, `{"seq":1,`, `{ `}[r.IntN(3)]
			lines[i] = more + strings.TrimPrefix(lines[i], "{")
			return w.checkExport(t, resealed([]byte(strings.Join(lines, ""))))
		}},
	{name: "export: base64 that is not canonical", kinds: []verify.Kind{verify.Malformed},
		do: rewritten(func(r *rand.Rand, b []byte) []byte {
			ends := regexp.MustCompile(`[A-Za-z0-9+/]=["\r,]`).FindAllIndex(b, -1)
			at := ends[1+r.IntN(len(ends)-1)][0] // behind the header's
			b = slices.Clone(b)
			const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
			b[at] = alphabet[strings.IndexByte(alphabet, b[at])|1+r.IntN(3)&2]
			return resealed(b)
		})},
	{name: "export: a witness's signature added", harmless: true,
		do: forged(func(_ testing.TB, _ *rand.Rand, w *world, h *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			h.Checkpoint = w.cosigned(h.Checkpoint)
			return rows
		})},
	{name: "export: less of it asked for", harmless: true,
		do: forged(func(_ testing.TB, r *rand.Rand, _ *world, h *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			rows = rows[r.IntN(10):]
			h.Query = query.Range{Field: query.Seq, Min: int64(rows[0].Entry.Seq), Max: int64(rows[len(rows)-1].Entry.Seq)}
			return rows
		})},
}

// spoiled changes, drops, doubles or swaps hashes of a multiproof.
func spoiled(r *rand.Rand, prove bundle.MultiProver) bundle.MultiProver {
	return func(seqs iter.Seq[uint64], size uint64, emit func(merkle.Hash) error) error {
		var hashes []merkle.Hash
		if err := prove(seqs, size, func(h merkle.Hash) error { hashes = append(hashes, h); return nil }); err != nil {
			return err
		}
		i := r.IntN(len(hashes))
		switch r.IntN(4) {
		case 0:
			hashes[i][r.IntN(32)] ^= 1
		case 1:
			hashes = slices.Delete(hashes, i, i+1)
		case 2:
			hashes = slices.Insert(hashes, i, hashes[i])
		default:
			j := (i + 1) % len(hashes)
			if hashes[i], hashes[j] = hashes[j], hashes[i]; i == j {
				hashes = nil
			}
		}
		for _, h := range hashes {
			if err := emit(h); err != nil {
				return err
			}
		}
		return nil
	}
}
