package digicertone_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"countersign/dialect/digicertone"
	"countersign/identity"
	"countersign/internal/apicheck"
	"countersign/internal/dialecttest"
	"countersign/store"
)

// fixture is the API over a trail and the estate of package dialecttest, with more people in acme: manager
// (AM_USER_MANAGER); jane; gone, deleted; purged, purged.
type fixture struct {
	*trail
	*dialecttest.Estate
	handler http.Handler
	bare    http.Handler // the same, not held to the OpenAPI document
}

func setUp(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{trail: &trail{}, Estate: dialecttest.NewEstate(t, func(e *dialecttest.Estate) { addPeople(t, e) })}
	f.bare = digicertone.New(digicertone.Deps{Trail: f.trail, Identity: f.Directory})
	f.handler = apicheck.Handler(t, f.bare)
	return f
}

func addPeople(t testing.TB, e *dialecttest.Estate) {
	t.Helper()
	e.ServiceUser(t, "manager", identity.Grant{Role: identity.UserManager, Account: "acme"})
	for _, id := range []string{"jane", "gone", "purged"} {
		if _, err := e.Directory.CreateUser(t.Context(), e.Root, identity.NewUser{
			ID: id, Type: identity.Standard, UserName: id + "@example.com", FirstName: strings.ToUpper(id[:1]) + id[1:],
			LastName: "Doe", Email: id + "@example.com", PrimaryAccountID: "acme",
		}); err != nil {
			t.Fatal(err)
		}
	}
	for id, purge := range map[string]bool{"gone": false, "purged": true} {
		if err := e.Directory.DeleteUser(t.Context(), e.Root, id, purge); err != nil {
			t.Fatal(err)
		}
	}
}

// overStore puts the API over a store in place of the trail in memory, and returns it.
func (f *fixture) overStore(t testing.TB) *store.Store {
	t.Helper()
	s := f.Store(t)
	f.handler = apicheck.Handler(t, digicertone.New(digicertone.Deps{Trail: stored{s}, Identity: f.Directory}))
	return s
}

// get answers a GET of target with the named token.
func (f *fixture) get(t testing.TB, token, target string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	r.Header.Set("x-api-key", f.Tokens[token])
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}
