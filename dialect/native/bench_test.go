package native_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"countersign/event"
	"countersign/query"
	"countersign/store"
)

// benchLine is an event of about 500 bytes of JSON.
func benchLine(i int) string {
	return fmt.Sprintf(`{"id":"0198c0de-%012d","occurred_at":"2026-01-15T10:30:00.123456Z","account":{"id":"acme","name":"Example account"},`+
		`"division":{"id":"677793","name":"EMEA"},"actor":{"id":"u-%d","name":"jane.doe-%d@example.com","type":"standard"},"action":"LOGIN_ERROR",`+
		`"resource":{"type":"BASIC_AUTH","id":"portal","name":"portal.example.com"},"outcome":"failure","description":"Wrong password",`+
		`"client":{"ip":"192.0.2.17","country":"US"},"source":"example/portal","attributes":{"ticket":"CHG-1042"}}`, i, i%1000, i%1000)
}

// BenchmarkRecord is what the request goroutine does for a request of 1000 events: the trail does nothing.
func BenchmarkRecord(b *testing.B) {
	const events = 1000
	f := &fakeTrail{append: func(_ context.Context, e []event.Event) (store.Receipt, error) {
		return store.Receipt{Accepted: len(e), Entries: make([]store.Recorded, len(e))}, nil
	}}
	a := faked(b, f, 0)
	var body strings.Builder
	for i := range events {
		fmt.Fprintln(&body, benchLine(i))
	}
	r := request{method: "POST", path: "/api/v1/events", body: []byte(body.String()), header: map[string]string{"Content-Type": asNDJSON}}
	b.ReportAllocs()
	for b.Loop() {
		if w := a.do(r); w.Code != 201 {
			b.Fatal(w.Body)
		}
	}
	b.ReportMetric(events*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkList is the decoding of a list's parameters and the rendering of 1000 rows.
func BenchmarkList(b *testing.B) {
	rows := make([]*event.Entry, 1000)
	for i := range rows {
		e, err := event.Decode([]byte(benchLine(i)))
		if err != nil {
			b.Fatal(err)
		}
		rows[i] = &event.Entry{Event: e, Seq: uint64(i)}
	}
	f := &fakeTrail{size: 1000, search: func(context.Context, query.Query) (store.Page, error) {
		return store.Page{Total: 1000, TreeSize: 1000, Entries: rows}, nil
	}}
	a := faked(b, f, 0)
	b.ReportAllocs()
	for b.Loop() {
		if w := a.do(request{path: "/api/v1/events?limit=1000&q=action:LOGIN_ERROR+outcome:failure&from=2026-01-01"}); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkProof is what it takes to prove: one entry under a published checkpoint, and a batch in its acknowledgement.
func BenchmarkProof(b *testing.B) {
	a := newAPI(b)
	const n = 20_000
	a.seed(n, func(i int) string { return eventJSON(fmt.Sprint(i)) })
	a.publish()
	var last bytes.Buffer
	for i := n - 1000; i < n; i++ {
		fmt.Fprintln(&last, eventJSON(fmt.Sprint(i)))
	}
	b.Run("entry", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if w := a.do(request{path: "/api/v1/events/7777/proof"}); w.Code != 200 {
				b.Fatal(w.Body)
			}
		}
	})
	for _, query := range []string{"proof=true", "entries=true"} {
		b.Run("batch of 1000, "+query, func(b *testing.B) {
			b.ReportAllocs()
			r := request{method: "POST", path: "/api/v1/events?" + query, body: last.Bytes(), header: map[string]string{"Content-Type": asNDJSON}}
			size := 0
			for b.Loop() {
				w := a.do(r)
				if w.Code != 201 {
					b.Fatal(w.Body)
				}
				size = w.Body.Len()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "us/event")
			b.ReportMetric(float64(size)/1000, "bytes/event")
		})
	}
}
