package wal_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"countersign/internal/durable"
	"countersign/wal"
)

func TestFilesBelowASeqAreRemovedAndTheRestOpens(t *testing.T) {
	dir := t.TempDir()
	o := wal.Options{AsideDir: t.TempDir(), RollBytes: 300}
	log, _, err := wal.Open(durable.OS(), dir, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(20) {
		frame, err := wal.AppendFrame(nil, &wal.Batch{FirstSeq: 3 * i, Entries: [][]byte{fmt.Appendf(nil, "a%d", i), []byte("b"), []byte("c")}})
		if err != nil {
			t.Fatal(err)
		}
		for _, act := range []func() error{func() error { return log.Reserve(int64(len(frame))) }, func() error { return log.Write(frame) }, log.Sync} {
			if err := act(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, below := range []uint64{0, 1, 16, 30, 60, 1000} {
		if err := wal.RemoveBelow(durable.OS(), dir, below); err != nil {
			t.Fatal(err)
		}
		o.From = min(below, 60)
		var first, next uint64
		if _, err := wal.Check(durable.OS(), dir, o, func(b wal.Batch) error {
			if next == 0 {
				first = b.FirstSeq
			}
			next = b.FirstSeq + uint64(len(b.Entries))
			return nil
		}); err != nil {
			t.Fatalf("after removing what is below %d: %v", below, err)
		}
		if next != 60 && below < 60 || first > o.From {
			t.Errorf("after removing what is below %d the log has %d to %d", below, first, next)
		}
	}
	if _, err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFilesThatACrashLeftBelowFromAreNotPartOfTheLog(t *testing.T) {
	dir := t.TempDir()
	o := wal.Options{AsideDir: t.TempDir(), RollBytes: 200}
	log, _, err := wal.Open(durable.OS(), dir, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(30) {
		frame, err := wal.AppendFrame(nil, &wal.Batch{FirstSeq: i, Entries: [][]byte{fmt.Appendf(nil, "a%d", i)}})
		if err != nil {
			t.Fatal(err)
		}
		for _, act := range []func() error{func() error { return log.Reserve(int64(len(frame))) }, func() error { return log.Write(frame) }, log.Sync} {
			if err := act(); err != nil {
				t.Fatal(err)
			}
		}
	}
	log.Abandon()
	names, err := durable.OS().ReadDir(dir)
	if err != nil || len(names) < 6 {
		t.Fatalf("%v, %v", names, err)
	}
	// The oldest is back, those behind it are gone.
	for _, name := range names[1:4] {
		if err := durable.OS().Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := wal.Check(durable.OS(), dir, o, func(wal.Batch) error { return nil }); err == nil {
		t.Error("a log with a gap is taken for whole")
	}
	o.From = 29
	if rec, err := wal.Check(durable.OS(), dir, o, func(wal.Batch) error { return nil }); err != nil || rec.End.Next != 30 {
		t.Errorf("%+v, %v", rec, err)
	}
}
