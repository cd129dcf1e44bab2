package discovery_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"countersign/dialect/discovery"
	"countersign/event"
	"countersign/identity"
	"countersign/internal/apicheck"
	"countersign/internal/dialecttest"
	"countersign/store"
)

// fixture is the API over a store and the estate of package dialecttest, with one more account: 5153184, whose
// member (AM_VIEW_ONLY) may read it.
type fixture struct {
	*dialecttest.Estate
	trail   *store.Store
	handler *discovery.Handler
	checked http.Handler // handler, held to the OpenAPI document
}

func setUp(t testing.TB) *fixture {
	t.Helper()
	e := dialecttest.NewEstate(t, func(e *dialecttest.Estate) {
		e.Account(t, identity.NewAccount{ID: "5153184", Name: "Example Ltd"})
		e.ServiceUser(t, "member", identity.Grant{Role: identity.ViewOnly, Account: "5153184"})
	})
	f := &fixture{Estate: e, trail: e.Store(t)}
	f.handler = discovery.New(discovery.Deps{Trail: f.trail, Identity: f.Directory})
	f.checked = apicheck.Handler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.handler.ServeHTTP(w, r) }))
	return f
}

// add records events read from NDJSON, in one batch.
func (f *fixture) add(t testing.TB, ndjson string) {
	t.Helper()
	f.record(t, dialecttest.Events(t, ndjson)...)
}

// record records events after filling in the defaults.
func (f *fixture) record(t testing.TB, events ...event.Event) {
	t.Helper()
	dialecttest.Record(t, f.trail, events...)
}

// post answers a POST of body to a call with the named token.
func (f *fixture) post(t testing.TB, token, call, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, discovery.Prefix+"auditlog/"+call, strings.NewReader(body))
	r.Header.Set("X-DC-DEVKEY", f.Tokens[token])
	w := httptest.NewRecorder()
	f.checked.ServeHTTP(w, r)
	return w
}
