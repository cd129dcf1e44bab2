package discovery_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign/dialect/discovery"
	"countersign/event"
	"countersign/identity"
	"countersign/internal/apicheck"
	"countersign/store"
)

// fixture is the API over a store and the estate that the cases in testdata speak of:
//
//	account acme    friendly identifier 7092363; admin (AM_ACCOUNT_ADMIN), auditor (AUDITOR), viewer
//	                (AM_VIEW_ONLY), writer (EVENT_WRITER)
//	account 5153184 member (AM_VIEW_ONLY)
//	account other   friendly identifier 7092364; stranger (AM_VIEW_ONLY)
//	division emea   of acme: emea (AM_VIEW_ONLY, limited to it)
//
// The service users sign in with tokens that cases write as $admin and so on; $root is the server's
// administrator, $both a token of root bound to acme and other, $old one that has expired, $off a disabled
// one.
type fixture struct {
	trail     *store.Store
	handler   *discovery.Handler
	checked   http.Handler // handler, held to the OpenAPI document
	directory *identity.Directory
	root      identity.Caller
	tokens    map[string]string
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
	f := &fixture{directory: d, tokens: map[string]string{"root": strings.Repeat("root-token ", 4) + "end"}}
	if _, _, err := d.Bootstrap(t.Context(), f.tokens["root"]); err != nil {
		t.Fatal(err)
	}
	f.root, err = d.Authenticate(t.Context(), identity.Credential{Token: f.tokens["root"]})
	if err != nil {
		t.Fatal(err)
	}
	f.estate(t)
	now.Store(&after) // $old has ended
	f.trail, err = store.Open(t.TempDir(), store.Options{DedupKey: d.DedupKey(), NoPreallocate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.trail.Close() })
	f.handler = discovery.New(discovery.Deps{Trail: f.trail, Identity: d})
	f.checked = apicheck.Handler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.handler.ServeHTTP(w, r) }))
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
	for _, a := range []identity.NewAccount{
		{ID: "acme", Name: "Acme Ltd", FriendlyIdentifier: "7092363"},
		{ID: "5153184", Name: "Example Ltd"},
		{ID: "other", Name: "Other GmbH", FriendlyIdentifier: "7092364"},
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
		{"viewer", identity.Grant{Role: identity.ViewOnly, Account: "acme"}},
		{"writer", identity.Grant{Role: identity.EventWriter, Account: "acme"}},
		{"emea", identity.Grant{Role: identity.ViewOnly, Account: "acme", Divisions: []string{"emea"}}},
		{"member", identity.Grant{Role: identity.ViewOnly, Account: "5153184"}},
		{"stranger", identity.Grant{Role: identity.ViewOnly, Account: "other"}},
	} {
		_, err := f.directory.CreateUser(ctx, f.root, identity.NewUser{
			ID: s.id, Type: identity.Service, FriendlyName: s.id + " service", PrimaryAccountID: s.grant.Account, Grants: []identity.Grant{s.grant},
		})
		must(err)
		f.token(t, s.id, identity.NewToken{UserID: s.id})
	}
	no := false
	f.token(t, "both", identity.NewToken{UserID: identity.Me, Accounts: []string{"acme", "other"}})
	f.token(t, "old", identity.NewToken{UserID: "viewer", EndDate: "2026-03-31"})
	f.token(t, "off", identity.NewToken{UserID: "viewer", Enabled: &no})
}

func (f *fixture) token(t testing.TB, name string, n identity.NewToken) {
	t.Helper()
	n.Name = name
	_, secret, err := f.directory.CreateToken(t.Context(), f.root, n)
	if err != nil {
		t.Fatal(err)
	}
	f.tokens[name] = secret
}

// add records events read from NDJSON, in one batch.
func (f *fixture) add(t testing.TB, ndjson string) {
	t.Helper()
	var batch []event.Event
	d := event.NewDecoder(strings.NewReader(ndjson), event.Lines)
	for {
		e, err := d.Next()
		if err != nil {
			if err.Error() != "EOF" {
				t.Fatal(err)
			}
			break
		}
		batch = append(batch, e)
	}
	f.record(t, batch...)
}

// record records events after filling in the defaults.
func (f *fixture) record(t testing.TB, events ...event.Event) {
	t.Helper()
	for i := range events {
		events[i].Normalize("countersign")
		if err := events[i].Validate(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.trail.Append(t.Context(), events, "test"); err != nil {
		t.Fatal(err)
	}
}

// post answers a POST of body to a call with the named token.
func (f *fixture) post(t testing.TB, token, call, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, discovery.Prefix+"auditlog/"+call, strings.NewReader(body))
	r.Header.Set("X-DC-DEVKEY", f.tokens[token])
	w := httptest.NewRecorder()
	f.checked.ServeHTTP(w, r)
	return w
}
