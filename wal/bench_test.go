package wal_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"countersign/internal/durable"
	"countersign/wal"
)

// events returns a batch of n bodies of 400 bytes, about what an event takes.
func events(first uint64, n int) wal.Batch {
	b := wal.Batch{FirstSeq: first, Entries: make([][]byte, n)}
	for i := range b.Entries {
		b.Entries[i] = bytes.Repeat([]byte{byte(i), 'e'}, 200)
	}
	return b
}

// BenchmarkAppend measures one durable write after the other: framing, writing and syncing.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 64, 1000, 8000} {
		for _, noPreallocate := range []bool{false, true} {
			b.Run(fmt.Sprintf("events=%d/preallocate=%t", n, !noPreallocate), func(b *testing.B) {
				l, _, err := wal.Open(durable.OS(), filepath.Join(b.TempDir(), "wal"), wal.Options{NoPreallocate: noPreallocate}, nil)
				if err != nil {
					b.Fatal(err)
				}
				defer l.Abandon()
				batch := events(0, n)
				var frame []byte
				b.ReportAllocs()
				for b.Loop() {
					if frame, err = wal.AppendFrame(frame[:0], &batch); err != nil {
						b.Fatal(err)
					}
					if err := l.Reserve(int64(len(frame))); err != nil {
						b.Fatal(err)
					}
					if err := l.Write(frame); err != nil {
						b.Fatal(err)
					}
					if err := l.Sync(); err != nil {
						b.Fatal(err)
					}
					batch.FirstSeq += uint64(n)
				}
				b.SetBytes(int64(len(frame)))
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

// BenchmarkReplay measures reading a log with every check, from the page cache.
func BenchmarkReplay(b *testing.B) {
	for _, n := range []int{1, 64, 1000} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			dir := filepath.Join(b.TempDir(), "wal")
			l, _, err := wal.Open(durable.OS(), dir, wal.Options{}, nil)
			if err != nil {
				b.Fatal(err)
			}
			var size int64
			batch := events(0, n)
			for size < 16<<20 {
				if err := add(l, batch); err != nil {
					b.Fatal(err)
				}
				batch.FirstSeq += uint64(n)
				size += wal.FrameBytes(&batch)
			}
			if _, err := l.Close(); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := wal.Check(durable.OS(), dir, wal.Options{}, func(wal.Batch) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
