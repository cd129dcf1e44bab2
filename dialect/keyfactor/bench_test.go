package keyfactor_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"

	"countersign/dialect/keyfactor"
	"countersign/event"
	"countersign/internal/dialecttest"
	"countersign/query"
	"countersign/store"
)

// fixedPage is a trail that always finds the same page, so that the dialect alone is measured; its proofs are
// those of a store.
type fixedPage struct {
	*store.Store
	page store.Page
}

func (p fixedPage) SearchPinned(context.Context, string, query.Query) (store.Page, error) {
	return p.page, nil
}

// BenchmarkList answers a page of 50 rows with a query and signatures.
func BenchmarkList(b *testing.B) {
	f := setUp(b)
	r := rand.New(rand.NewPCG(5, 6))
	p := fixedPage{Store: f.trail, page: store.Page{Total: 1 << 20, TreeSize: 1 << 21}}
	var batch []event.Event
	for n := range uint64(20_000) {
		batch = append(batch, randomEntry(r, n).Event)
	}
	dialecttest.Record(b, f.trail, batch...)
	f.publish(b)
	for n := range uint64(50) {
		e, _ := f.trail.Entry(n * 400)
		p.page.Entries = append(p.page.Entries, e)
	}
	h := keyfactor.New(keyfactor.Deps{Trail: p, Identity: f.Directory})
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, f.request(b, "viewer", "/Audit?QueryString=Category+-contains+%22Agent%22+AND+Timestamp+-ge+%25TODAY-7%25&SortField=Operation"))
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
	b.ReportMetric(float64(len(p.page.Entries)*b.N)/b.Elapsed().Seconds(), "rows/s")
}
