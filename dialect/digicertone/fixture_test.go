package digicertone_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign/dialect/digicertone"
	"countersign/identity"
	"countersign/internal/apicheck"
	"countersign/store"
)

// fixture is the API over a trail and the estate that the cases in testdata speak of:
//
//	account acme    admin (AM_ACCOUNT_ADMIN), auditor (AUDITOR), manager (AM_USER_MANAGER), viewer
//	                (AM_VIEW_ONLY), writer (EVENT_WRITER); jane, a person; gone, deleted; purged, purged
//	account other   stranger (AM_VIEW_ONLY)
//	division emea   of acme: emea (AM_VIEW_ONLY, limited to it)
//
// The service users sign in with tokens that cases write as $admin and so on; $root is the server's
// administrator, $both a token of root bound to both accounts, $old one that has expired, $off a disabled
// one.
type fixture struct {
	*trail
	handler   http.Handler
	bare      http.Handler // the same, not held to the OpenAPI document
	directory *identity.Directory
	root      identity.Caller
	tokens    map[string]string
	ids       map[string]string // of the tokens
}

func setUp(t testing.TB) *fixture {
	t.Helper()
	var now atomic.Pointer[time.Time]
	before, after := time.Date(2026, 3, 31, 23, 59, 59, 0, time.UTC), time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	now.Store(&before)
	d, err := identity.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"), identity.Options{Now: func() time.Time { return *now.Load() }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	f := &fixture{trail: &trail{}, directory: d, tokens: map[string]string{"root": strings.Repeat("root-token ", 4) + "end"}, ids: map[string]string{}}
	if _, _, err := d.Bootstrap(t.Context(), f.tokens["root"]); err != nil {
		t.Fatal(err)
	}
	f.root, err = d.Authenticate(t.Context(), identity.Credential{Token: f.tokens["root"]})
	if err != nil {
		t.Fatal(err)
	}
	f.estate(t)
	now.Store(&after) // $old has ended
	f.bare = digicertone.New(digicertone.Deps{Trail: f.trail, Identity: d})
	f.handler = apicheck.Handler(t, f.bare)
	return f
}

func (f *fixture) estate(t testing.TB) {
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	period := identity.ServicePeriod{From: "2026-01-01", To: "2030-12-31"}
	for _, a := range []identity.NewAccount{
		{ID: "acme", Name: "Acme Ltd", FriendlyIdentifier: "7092363", ServicePeriod: period},
		{ID: "other", Name: "Other GmbH", FriendlyIdentifier: "7092364", ServicePeriod: period, Locale: "de_DE"},
	} {
		_, err := f.directory.CreateAccount(ctx, f.root, a)
		must(err)
	}
	_, err := f.directory.CreateDivision(ctx, f.root, identity.NewDivision{ID: "emea", Account: "acme", Name: "EMEA"})
	must(err)
	for _, s := range []struct {
		id    string
		grant identity.Grant
	}{
		{"admin", identity.Grant{Role: identity.AccountAdmin, Account: "acme"}},
		{"auditor", identity.Grant{Role: identity.Auditor, Account: "acme"}},
		{"manager", identity.Grant{Role: identity.UserManager, Account: "acme"}},
		{"viewer", identity.Grant{Role: identity.ViewOnly, Account: "acme"}},
		{"writer", identity.Grant{Role: identity.EventWriter, Account: "acme"}},
		{"emea", identity.Grant{Role: identity.ViewOnly, Account: "acme", Divisions: []string{"emea"}}},
		{"stranger", identity.Grant{Role: identity.ViewOnly, Account: "other"}},
	} {
		_, err := f.directory.CreateUser(ctx, f.root, identity.NewUser{
			ID: s.id, Type: identity.Service, FriendlyName: s.id + " service", Email: s.id + "@example.com",
			PrimaryAccountID: s.grant.Account, Grants: []identity.Grant{s.grant},
		})
		must(err)
		f.token(t, s.id, identity.NewToken{UserID: s.id})
	}
	for _, id := range []string{"jane", "gone", "purged"} {
		_, err := f.directory.CreateUser(ctx, f.root, identity.NewUser{
			ID: id, Type: identity.Standard, UserName: id + "@example.com", FirstName: strings.ToUpper(id[:1]) + id[1:],
			LastName: "Doe", Email: id + "@example.com", PrimaryAccountID: "acme",
		})
		must(err)
	}
	must(f.directory.DeleteUser(ctx, f.root, "gone", false))
	must(f.directory.DeleteUser(ctx, f.root, "purged", true))
	no := false
	f.token(t, "both", identity.NewToken{UserID: identity.Me, Accounts: []string{"acme", "other"}})
	f.token(t, "old", identity.NewToken{UserID: "viewer", EndDate: "2026-03-31"})
	f.token(t, "off", identity.NewToken{UserID: "viewer", Enabled: &no})
}

func (f *fixture) token(t testing.TB, name string, n identity.NewToken) {
	t.Helper()
	n.Name = name
	made, secret, err := f.directory.CreateToken(t.Context(), f.root, n)
	if err != nil {
		t.Fatal(err)
	}
	f.tokens[name], f.ids[name] = secret, made.ID
}

// overStore puts the API over a store in place of the trail in memory, and returns it.
func (f *fixture) overStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.TempDir(), store.Options{DedupKey: f.directory.DedupKey(), NoPreallocate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	f.handler = apicheck.Handler(t, digicertone.New(digicertone.Deps{Trail: stored{s}, Identity: f.directory}))
	return s
}

// get answers a GET of target with the named token.
func (f *fixture) get(t testing.TB, token, target string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	r.Header.Set("x-api-key", f.tokens[token])
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}
