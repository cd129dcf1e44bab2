package digicertone_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"

	"countersign/dialect/digicertone"
	"countersign/event"
	"countersign/query"
	"countersign/store"
)

// fixedPage is a trail that always answers the same page, so that the dialect alone is measured.
type fixedPage struct{ store.Page }

func (p fixedPage) SearchPinned(context.Context, string, query.Query) (store.Page, error) {
	return p.Page, nil
}

func (p fixedPage) Find(context.Context, query.Query, func(*event.Entry) bool) (*event.Entry, uint64, error) {
	return nil, p.TreeSize, nil
}

func BenchmarkList(b *testing.B) {
	f := setUp(b)
	r := rand.New(rand.NewPCG(5, 6))
	p := store.Page{Total: 1 << 20, TreeSize: 1 << 21}
	for n := range uint64(1000) {
		p.Entries = append(p.Entries, randomEntry(r, n))
	}
	h := digicertone.New(digicertone.Deps{Trail: fixedPage{p}, Identity: f.Directory})
	request := httptest.NewRequestWithContext(b.Context(), http.MethodGet,
		"/account/api/v1/audit-log?from=2026-01-01&to=2026-03-31&resource_types=USER,APIKEY&sort=timestamp:desc&offset=0&limit=1000", nil)
	request.Header.Set("x-api-key", f.Tokens["viewer"])
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
	b.ReportMetric(float64(len(p.Entries)*b.N)/b.Elapsed().Seconds(), "rows/s")
}
