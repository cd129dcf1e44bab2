package discovery_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"countersign/dialect/discovery"
	"countersign/event"
	"countersign/query"
	"countersign/store"
)

// fixedPage is a trail that always has the same entries, so that the dialect alone is measured.
type fixedPage struct {
	lawTrail
	store.Page
}

func (p fixedPage) SearchPinned(context.Context, string, query.Query) (store.Page, error) {
	return p.Page, nil
}

func (p fixedPage) Each(_ context.Context, _ query.Query, fn func(*event.Entry) error) (store.Page, error) {
	for _, e := range p.Entries {
		if err := fn(e); err != nil {
			return p.Page, err
		}
	}
	return p.Page, nil
}

func benchmark(b *testing.B, call, body string, entries uint64) {
	f := setUp(b)
	r := rand.New(rand.NewPCG(5, 6))
	p := fixedPage{lawTrail{numbers: newNumbers()}, store.Page{Total: 1 << 20, TreeSize: 1 << 21}}
	for n := range entries {
		e := randomEntry(r, n)
		p.note(e)
		p.Entries = append(p.Entries, e)
	}
	h := discovery.New(discovery.Deps{Trail: p, Identity: f.Directory})
	b.ReportAllocs()
	for b.Loop() {
		request := httptest.NewRequestWithContext(b.Context(), http.MethodPost, discovery.Prefix+"auditlog/"+call, strings.NewReader(body))
		request.Header.Set("X-DC-DEVKEY", f.Tokens["viewer"])
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
	b.ReportMetric(float64(len(p.Entries)*b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkList(b *testing.B) {
	benchmark(b, "list", criteria(criterion("function", "Abort scan"), criterion("userName", "System", "Jane Doe")), 512)
}

func BenchmarkFilter(b *testing.B) {
	benchmark(b, "filter", body(`,"filterSelected":"function"`), 100_000)
}
