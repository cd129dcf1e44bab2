package native_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"net/http"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"countersign/dialect/native"
	"countersign/event"
	"countersign/store"
)

// largeTrail is so many entries that a mere list of them would show: it takes 8 MB.
const largeTrail = 1_000_000

// TestLargeExportTakesConstantMemory exports a trail of a million entries in each form and watches the heap:
// what the export takes must not depend on how much there is.
func TestLargeExportTakesConstantMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("a million entries take a gigabyte")
	}
	a := newAPI(t)
	a.handler = native.New(native.Deps{Trail: a.trail, Identity: a.dir}) // what checks the others keeps bodies
	fill(t, a, largeTrail)
	settle(a.trail)
	web := a.serve()
	for _, c := range []struct{ query, coding, last string }{
		{"format=ndjson", "identity", fmt.Sprintf(`{"complete":true,"count":%d,"tree_size":%[1]d}`, largeTrail)},
		{"format=ndjson&q=outcome:failure", "gzip", fmt.Sprintf(`{"complete":true,"count":%d,"tree_size":%d}`, largeTrail/4, largeTrail)},
		{"format=csv", "identity", fmt.Sprintf("complete,%d,%[1]d,", largeTrail)},
	} {
		t.Run(c.query, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), "GET", web.URL+"/api/v1/events/export?"+c.query, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+a.admin)
			r.Header.Set("Accept-Encoding", c.coding)
			before := heap()
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var body io.Reader = resp.Body
			if c.coding == "gzip" {
				if body, err = gzip.NewReader(resp.Body); err != nil {
					t.Fatal(err)
				}
			}
			lines, size, held, last := 0, 0, uint64(math.MaxUint64), []byte(nil)
			read := bufio.NewReaderSize(body, 1<<20)
			for {
				line, err := read.ReadSlice('\n')
				if err == io.EOF && len(line) == 0 {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				lines++
				size += len(line)
				last = append(last[:0], line...)
				// What is allocated while the collector looks counts as well, so one look may be too high by megabytes. What
				// is held for the length of the export is there at each.
				if lines%50_000 == 0 && lines > largeTrail/8 {
					held = min(held, heap())
				}
			}
			if !strings.HasPrefix(string(bytes.TrimSpace(last)), c.last) || resp.Trailer.Get("X-Countersign-Complete") == "" {
				t.Errorf("the last line is %s, the trailer %q", last, resp.Trailer.Get("X-Countersign-Complete"))
			}
			grown := int64(held) - int64(before)
			t.Logf("%d lines, %d bytes; the heap grew by %d bytes", lines, size, grown)
			if grown > 6<<20 {
				t.Errorf("the heap grew by %d bytes", grown)
			}
		})
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// fill records n events, every fourth of them a failure.
func fill(t testing.TB, a *api, n int) {
	t.Helper()
	const batch = 20_000
	for from := 0; from < n; from += batch {
		events := make([]event.Event, batch)
		for i := range events {
			at := from + i
			events[i] = event.Event{
				ID: fmt.Sprintf("e%d", at), OccurredAt: event.Micros(1767225600_000_000 + int64(at)*1000), Account: event.Account{ID: "acme"},
				Actor:  event.Actor{ID: event.TextOf("u-17"), Name: event.TextOf("jane@example.com"), Type: event.ActorStandard},
				Action: "LOGIN", Resource: event.Resource{Type: "USER"}, Outcome: [...]string{event.OutcomeFailure, event.OutcomeSuccess, event.OutcomeWarning, event.OutcomeUnknown}[at%4],
				Source: "example/app",
			}
		}
		if _, err := a.trail.Append(t.Context(), events, "writer"); err != nil {
			t.Fatal(err)
		}
	}
}

// settle waits until what was recorded has been sealed and indexed, so that none of that is measured.
func settle(s *store.Store) {
	for quiet := 0; quiet < 20; time.Sleep(50 * time.Millisecond) {
		if now, most := s.Unsealed(); now < most/3 {
			quiet++
		} else {
			quiet = 0
		}
	}
}

// heap is what the collector found to be in use. What is allocated since it looked is no part of it: an export that
// reads bodies makes a gigabyte of garbage a second.
func heap() uint64 {
	runtime.GC()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return live[0].Value.Uint64()
}
