package wal_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"countersign/internal/durable"
	"countersign/wal"

	"github.com/google/go-cmp/cmp"
)

// made returns the batch that begins with seq first, always the same one.
func made(first uint64, entries int) wal.Batch {
	b := wal.Batch{FirstSeq: first}
	for i := range entries {
		seq := first + uint64(i)
		if seq%5 == 0 {
			b.Seeds = append(b.Seeds, wal.Seed{Block: seq / 5, Bytes: [32]byte{byte(seq), 1, 2}})
		}
		b.Entries = append(b.Entries, bytes.Repeat([]byte(fmt.Sprintf("<%d>", seq)), int(seq%7)))
	}
	if first%3 == 0 {
		b.Checkpoint = fmt.Appendf(nil, "checkpoint %d", first)
	}
	return b
}

// clone copies what a replayed batch points at.
func clone(b wal.Batch) wal.Batch {
	b.Seeds = slices.Clone(b.Seeds)
	b.Entries = slices.Clone(b.Entries)
	for i := range b.Entries {
		b.Entries[i] = bytes.Clone(b.Entries[i])
	}
	b.Checkpoint = bytes.Clone(b.Checkpoint)
	return b
}

// collect returns a function for Open that gathers the batches in *into.
func collect(into *[]wal.Batch) func(wal.Batch) error {
	*into = nil
	return func(b wal.Batch) error {
		*into = append(*into, clone(b))
		return nil
	}
}

// add makes a batch durable.
func add(l *wal.Log, b wal.Batch) error {
	frame, err := wal.AppendFrame(nil, &b)
	if err != nil {
		return err
	}
	if err := l.Reserve(int64(len(frame))); err != nil {
		return err
	}
	if err := l.Write(frame); err != nil {
		return err
	}
	return l.Sync()
}

func same(a, b wal.Batch) bool {
	return a.FirstSeq == b.FirstSeq && slices.Equal(a.Seeds, b.Seeds) && slices.EqualFunc(a.Entries, b.Entries, bytes.Equal) &&
		bytes.Equal(a.Checkpoint, b.Checkpoint)
}

// diff compares batches; nil and empty slices are the same.
func diff(want, got []wal.Batch) string {
	if slices.EqualFunc(want, got, same) {
		return ""
	}
	norm := func(in []wal.Batch) []wal.Batch {
		out := make([]wal.Batch, 0, len(in))
		for _, b := range in {
			b = clone(b)
			b.Seeds = append([]wal.Seed{}, b.Seeds...)
			b.Checkpoint = append([]byte{}, b.Checkpoint...)
			for i := range b.Entries {
				b.Entries[i] = append([]byte{}, b.Entries[i]...)
			}
			out = append(out, b)
		}
		return out
	}
	return cmp.Diff(norm(want), norm(got))
}

func TestWhatIsWrittenIsReplayedOverManyFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "wal")
	o := wal.Options{RollBytes: 600, AllocateBytes: 256}
	var want, got []wal.Batch
	var next uint64
	for range 5 {
		l, rec, err := wal.Open(durable.OS(), dir, o, collect(&got))
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(want, got); d != "" {
			t.Fatalf("replayed (-want +got):\n%s", d)
		}
		if rec.End.Next != next || rec.Torn != 0 {
			t.Fatalf("recovery %+v, want next %d and nothing torn", rec, next)
		}
		for n := range 7 {
			b := made(next, n+1)
			if err := add(l, b); err != nil {
				t.Fatal(err)
			}
			want = append(want, b)
			next += uint64(n + 1)
		}
		end, err := l.Close()
		if err != nil {
			t.Fatal(err)
		}
		o.Clean = &end
	}
	names, err := durable.OS().ReadDir(dir)
	if err != nil || len(names) < 5 {
		t.Errorf("files %v, %v, want some", names, err)
	}
}
