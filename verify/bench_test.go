package verify_test

import (
	"bytes"
	"testing"
	"time"

	"countersign/bundle"
	"countersign/internal/testkit"
	"countersign/verify"
)

// BenchmarkExport measures checking an export of events as large as real ones, with a query evaluated again over
// each.
func BenchmarkExport(b *testing.B) {
	const rows = 100_000
	trail, err := testkit.NewTrail(origin)
	if err != nil {
		b.Fatal(err)
	}
	now := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	for e := range testkit.NewEstate(1, now).Events(2, rows, now.AddDate(0, 0, -90), now) {
		trail.Append(e)
	}
	for _, a := range []asked{
		{},
		{query: "occurred_at>=2020-01-01 outcome:(success,failure,warning,unknown)", sort: "occurred_at:asc"},
		{format: bundle.CSV},
	} {
		name := string(a.header(b, trail).Format) + "/plain"
		if a.sort != "" {
			name = "ndjson/query"
		}
		file := a.export(b, trail)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				r, err := verify.Export(b.Context(), bytes.NewReader(file), verify.Options{Keys: keysOf(b, trail)})
				if err != nil || !r.OK() {
					b.Fatal(r, err)
				}
			}
			b.ReportMetric(float64(trail.Size())*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(len(file))/float64(trail.Size()), "bytes/row")
		})
	}
}
