package wal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/internal/durable"
	"countersign/wal"
)

func TestBatchIsReadAgainFromItsPlace(t *testing.T) {
	dir := t.TempDir()
	o := wal.Options{AsideDir: t.TempDir(), RollBytes: 400}
	log, _, err := wal.Open(durable.OS(), dir, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	var written []wal.Batch
	for i := range uint64(9) {
		b := wal.Batch{FirstSeq: 2 * i, Entries: [][]byte{fmt.Appendf(nil, "entry %d", 2*i), []byte("another")}, Checkpoint: []byte("signed")}
		frame, err := wal.AppendFrame(nil, &b)
		if err != nil {
			t.Fatal(err)
		}
		if err := log.Reserve(int64(len(frame))); err != nil {
			t.Fatal(err)
		}
		b.At = log.Next()
		if err := log.Write(frame); err != nil {
			t.Fatal(err)
		}
		if err := log.Sync(); err != nil {
			t.Fatal(err)
		}
		written = append(written, b)
	}
	read := func(b wal.Batch) (wal.Batch, error) {
		got, err := wal.ReadBatch(durable.OS(), dir, b.At)
		got.Seeds = nil
		return got, err
	}
	for _, want := range written {
		got, err := read(want)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	// Replay tells the same places.
	var again []wal.Place
	if _, err := wal.Check(durable.OS(), dir, o, func(b wal.Batch) error { again = append(again, b.At); return nil }); err != nil {
		t.Fatal(err)
	}
	for i := range written {
		if again[i] != written[i].At {
			t.Errorf("frame %d was written at %v and read at %v", i, written[i].At, again[i])
		}
	}

	victim := written[1]
	name := filepath.Join(dir, victim.At.File)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := victim.At.Offset; i < written[2].At.Offset; i++ {
		changed := append([]byte(nil), whole...)
		changed[i] ^= 4
		if err := os.WriteFile(name, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := read(victim); err == nil {
			t.Fatalf("byte %d was changed and %v was read", i, got)
		}
	}
	for _, size := range []int64{0, 10, victim.At.Offset, victim.At.Offset + 50} {
		if err := os.WriteFile(name, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := read(victim); err == nil {
			t.Errorf("the file was cut to %d bytes and %v was read", size, got)
		}
	}
	wrong := written[5].At
	wrong.First++
	if _, err := wal.ReadBatch(durable.OS(), dir, wrong); err == nil {
		t.Error("a frame of another seq was read")
	}
	log.Abandon()
}
