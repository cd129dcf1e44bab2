package keyfactor_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"countersign/dialect/keyfactor"
	"countersign/internal/apicheck"
	"countersign/internal/dialecttest"
	"countersign/store"
)

// fixture is the API over a store and the estate of package dialecttest.
type fixture struct {
	*dialecttest.Estate
	trail   *store.Store
	handler *keyfactor.Handler
	checked http.Handler // handler, held to the OpenAPI document
}

func setUp(t testing.TB) *fixture {
	t.Helper()
	e := dialecttest.NewEstate(t, nil)
	f := &fixture{Estate: e, trail: e.Store(t)}
	f.over(t, f.trail)
	return f
}

// over puts the API over another trail.
func (f *fixture) over(t testing.TB, trail keyfactor.Trail) {
	f.handler = keyfactor.New(keyfactor.Deps{Trail: trail, Identity: f.Directory, Now: dialecttest.Clock(noon)})
	f.checked = apicheck.Handler(t, f.handler)
}

// request is a GET of a path below the base with the named token.
func (f *fixture) request(t testing.TB, token, target string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/KeyfactorAPI"+target, nil)
	r.Header.Set("Authorization", "Bearer "+f.Tokens[token])
	r.Header.Set("X-Keyfactor-Requested-With", "APIClient")
	return r
}

// get answers the request.
func (f *fixture) get(t testing.TB, token, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	f.checked.ServeHTTP(w, f.request(t, token, target))
	return w
}
