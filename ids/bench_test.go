package ids_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"countersign/ids"
	"countersign/internal/durable"
)

// idsFlag sizes the large set of the benchmarks; -ids 100000000 is the design's, and takes 2 GB of disk and a minute.
var idsFlag = flag.Uint64("ids", 2_000_000, "ids in the large set of the benchmarks")

// evenly makes count keys in ascending order that are spread like hashes, without keeping them in memory.
func evenly(r *rand.Rand, from, count uint64) iter.Seq2[ids.Entry, error] {
	return func(yield func(ids.Entry, error) bool) {
		step := ^uint64(0) / count
		// An odd factor modulo a power of two visits every seq once.
		span := uint64(1)
		for span < count {
			span *= 2
		}
		seq := uint64(0)
		for i := range count {
			for seq = (seq + 0x9e3779b97f4a7c15) % span; seq >= count; seq = (seq + 0x9e3779b97f4a7c15) % span {
			}
			var e ids.Entry
			binary.BigEndian.PutUint64(e.Key[:], i*step+r.Uint64N(step))
			binary.BigEndian.PutUint64(e.Key[8:], r.Uint64())
			e.Seq = from + seq
			if !yield(e, nil) {
				return
			}
		}
	}
}

// largeSet returns eight runs and how many bytes they have for an id.
func largeSet(b *testing.B) (ids.Set, float64) {
	b.Helper()
	dir := b.TempDir()
	// Eight runs, as the merges leave them: a few large ones and the newest small.
	shares := []uint64{512, 256, 128, 64, 32, 16, 8, 8}
	var runs []*ids.Run
	var bytes int64
	from := uint64(0)
	for i, s := range shares {
		n := *idsFlag * s / 1024
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := ids.Write(durable.OS(), path, from, from+n, n, evenly(rand.New(rand.NewPCG(1, uint64(i))), from, n)); err != nil {
			b.Fatal(err)
		}
		run := open(b, durable.OS(), path)
		runs = append(runs, run)
		bytes += run.Size()
		from += n
	}
	s, err := ids.NewSet(runs...)
	if err != nil {
		b.Fatal(err)
	}
	return s, float64(bytes) / float64(from)
}

func random(r *rand.Rand, n int) []ids.Key {
	keys := make([]ids.Key, n)
	for i := range keys {
		binary.BigEndian.PutUint64(keys[i][:], r.Uint64())
		binary.BigEndian.PutUint64(keys[i][8:], r.Uint64())
	}
	return keys
}

// BenchmarkFind asks for keys that are not there, in eight runs, one by one and 1,000 at a time.
func BenchmarkFind(b *testing.B) {
	s, size := largeSet(b)
	keys := random(rand.New(rand.NewPCG(2, 2)), 1<<20)
	unexpected := func(int, uint64) { b.Fatal("found") }
	for _, warm := range slices.Collect(slices.Chunk(keys, 1000)) {
		if err := s.FindAll(warm, unexpected); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, found, err := s.Find(keys[i%len(keys)]); found || err != nil {
				b.Fatal(found, err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
	})
	b.Run("batch", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i = (i + 1000) % (len(keys) - 1000) {
			if err := s.FindAll(keys[i:i+1000], unexpected); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "keys/s")
		b.ReportMetric(size, "bytes/id")
	})
}

func BenchmarkSort(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 3))
	made := make([]ids.Entry, 131_072)
	for i, k := range random(r, len(made)) {
		made[i] = ids.Entry{Key: k, Seq: uint64(i)}
	}
	work := make([]ids.Entry, len(made))
	b.ReportAllocs()
	for b.Loop() {
		copy(work, made)
		ids.Sort(work)
	}
	b.ReportMetric(float64(len(made))*float64(b.N)/b.Elapsed().Seconds(), "ids/s")
}

// BenchmarkWrite measures a run of one sealed segment, sync included.
func BenchmarkWrite(b *testing.B) {
	const n = 131_072
	made, err := collect(evenly(rand.New(rand.NewPCG(4, 4)), 0, n))
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "run")
	b.ReportAllocs()
	for b.Loop() {
		if err := ids.Write(durable.OS(), path, 0, n, n, each(made)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "ids/s")
}

// BenchmarkMerge measures making one run of eight equal ones, sync included.
func BenchmarkMerge(b *testing.B) {
	const n = 131_072
	dir := b.TempDir()
	var runs []*ids.Run
	for i := range uint64(8) {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := ids.Write(durable.OS(), path, i*n, i*n+n, n, evenly(rand.New(rand.NewPCG(4, i)), i*n, n)); err != nil {
			b.Fatal(err)
		}
		runs = append(runs, open(b, durable.OS(), path))
	}
	path := filepath.Join(dir, "merged")
	b.ReportAllocs()
	for b.Loop() {
		if err := ids.Merge(durable.OS(), path, runs, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(8*n*float64(b.N)/b.Elapsed().Seconds(), "ids/s")
	b.ReportMetric(float64(open(b, durable.OS(), path).Size())/(8*n), "bytes/id")
}
