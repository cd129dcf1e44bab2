package report_test

import (
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// BenchmarkMake makes the largest report over a quarter. COUNTERSIGN_BENCH_EVENTS says how many events the trail has;
// most of them are of the quarter.
func BenchmarkMake(b *testing.B) {
	n, err := strconv.Atoi(os.Getenv("COUNTERSIGN_BENCH_EVENTS"))
	if err != nil {
		n = 20_000
	}
	w := newWorld(b, n)
	r := w.request("pci-dss")
	var peak uint64
	stop := make(chan struct{})
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	go func() { // ends with stop
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse)
			}
		}
	}()
	b.ReportAllocs()
	var rows, bytes float64
	for b.Loop() {
		made := w.make(r)
		rows, bytes = float64(made.Report.Run.Rows), float64(made.Bytes)
	}
	close(stop)
	b.ReportMetric(rows/(b.Elapsed().Seconds()/float64(b.N)), "rows/s")
	b.ReportMetric(bytes/1e6, "MB/pack")
	b.ReportMetric(float64(peak-min(peak, before.HeapInuse))/1e6, "MB-more-heap")
}
