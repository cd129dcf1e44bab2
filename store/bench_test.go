package store_test

import (
	"math/rand/v2"
	"testing"

	"countersign/event"
	"countersign/internal/testkit"
	"countersign/query"
	"countersign/store"
)

// BenchmarkPages reads all matches of a query over 100,000 entries in pages of 1,000, as an unchanged
// script does.
func BenchmarkPages(b *testing.B) {
	s := open(b, b.TempDir())
	r := rand.New(rand.NewPCG(1, 1))
	const n = 100_000
	for range n / 1000 {
		es := make([]event.Event, 1000)
		for i := range es {
			es[i] = testkit.Random(r)
		}
		if _, err := s.Append(b.Context(), es, "w"); err != nil {
			b.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		sort query.Sort
	}{{"seq", query.Sort{}}, {"time", query.Sort{Field: query.OccurredAt, Desc: true}}, {"text", query.Sort{Field: query.ActorName}}} {
		b.Run(tt.name, func(b *testing.B) {
			pages := 0
			for b.Loop() {
				for offset := uint64(0); offset < n; offset += 1000 {
					p, err := s.SearchPinned(b.Context(), "token", query.Query{Sort: tt.sort, Offset: offset, Limit: 1000})
					if err != nil || len(p.Entries) != 1000 {
						b.Fatal(err)
					}
					pages++
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(pages), "µs/page")
		})
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkStats counts over 100,000 entries: a histogram alone, with a field of few values, and with one of
// as many as there are entries.
func BenchmarkStats(b *testing.B) {
	s := open(b, b.TempDir())
	r := rand.New(rand.NewPCG(1, 1))
	const n = 100_000
	for range n / 1000 {
		es := make([]event.Event, 1000)
		for i := range es {
			es[i] = testkit.Random(r)
		}
		if _, err := s.Append(b.Context(), es, "w"); err != nil {
			b.Fatal(err)
		}
	}
	for _, f := range []query.Field{"", query.Action, query.ID} {
		b.Run("field="+string(f), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Stats(b.Context(), query.Query{}, store.Breakdown{Field: f, Top: 10}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
