// Package dialecttest is what the tests of the vendors' dialects have in common: an estate with people who
// may read different parts of it, and cases that are written down as requests and answers. It is imported by
// tests only.
//
// Terms. An estate is a directory of accounts and service users whose tokens have names. A case is a request
// with the answer that is wanted.
//
// It knows no dialect: what a request of one looks like, and how its answers are shown, the tests say.
package dialecttest

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign/event"
	"countersign/identity"
	"countersign/store"
)

// Estate is this directory:
//
//	account acme    friendly identifier 7092363; admin (AM_ACCOUNT_ADMIN), auditor (AUDITOR), viewer
//	                (AM_VIEW_ONLY), writer (EVENT_WRITER)
//	account other   friendly identifier 7092364; stranger (AM_VIEW_ONLY)
//	division emea   of acme: emea (AM_VIEW_ONLY, limited to it)
//
// The service users sign in with tokens of their names; root is the server's administrator, both a token of
// root bound to acme and other, old one that has expired, off a disabled one.
type Estate struct {
	Directory *identity.Directory
	Root      identity.Caller
	Tokens    map[string]string // the secrets
	IDs       map[string]string // of the tokens
}

// NewEstate makes the estate. More, unless nil, adds to it while the clock still stands in March 2026.
func NewEstate(t testing.TB, more func(*Estate)) *Estate {
	t.Helper()
	var now atomic.Pointer[time.Time]
	before, after := time.Date(2026, 3, 31, 23, 59, 59, 0, time.UTC), time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	now.Store(&before)
	d, err := identity.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"), identity.Options{Now: func() time.Time { return *now.Load() }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	e := &Estate{Directory: d, Tokens: map[string]string{"root": strings.Repeat("root-token ", 4) + "end"}, IDs: map[string]string{}}
	if _, _, err := d.Bootstrap(t.Context(), e.Tokens["root"]); err != nil {
		t.Fatal(err)
	}
	if e.Root, err = d.Authenticate(t.Context(), identity.Credential{Token: e.Tokens["root"]}); err != nil {
		t.Fatal(err)
	}
	e.fill(t)
	if more != nil {
		more(e)
	}
	now.Store(&after) // old has ended
	return e
}

func (e *Estate) fill(t testing.TB) {
	t.Helper()
	period := identity.ServicePeriod{From: "2026-01-01", To: "2030-12-31"}
	e.Account(t, identity.NewAccount{ID: "acme", Name: "Acme Ltd", FriendlyIdentifier: "7092363", ServicePeriod: period})
	e.Account(t, identity.NewAccount{ID: "other", Name: "Other GmbH", FriendlyIdentifier: "7092364", ServicePeriod: period, Locale: "de_DE"})
	if _, err := e.Directory.CreateDivision(t.Context(), e.Root, identity.NewDivision{ID: "emea", Account: "acme", Name: "EMEA"}); err != nil {
		t.Fatal(err)
	}
	e.ServiceUser(t, "admin", identity.Grant{Role: identity.AccountAdmin, Account: "acme"})
	e.ServiceUser(t, "auditor", identity.Grant{Role: identity.Auditor, Account: "acme"})
	e.ServiceUser(t, "viewer", identity.Grant{Role: identity.ViewOnly, Account: "acme"})
	e.ServiceUser(t, "writer", identity.Grant{Role: identity.EventWriter, Account: "acme"})
	e.ServiceUser(t, "emea", identity.Grant{Role: identity.ViewOnly, Account: "acme", Divisions: []string{"emea"}})
	e.ServiceUser(t, "stranger", identity.Grant{Role: identity.ViewOnly, Account: "other"})
	no := false
	e.Token(t, "both", identity.NewToken{UserID: identity.Me, Accounts: []string{"acme", "other"}})
	e.Token(t, "old", identity.NewToken{UserID: "viewer", EndDate: "2026-03-31"})
	e.Token(t, "off", identity.NewToken{UserID: "viewer", Enabled: &no})
}

// Account makes an account.
func (e *Estate) Account(t testing.TB, a identity.NewAccount) {
	t.Helper()
	if _, err := e.Directory.CreateAccount(t.Context(), e.Root, a); err != nil {
		t.Fatal(err)
	}
}

// ServiceUser makes a service user of the grant's account with the grant, and a token of the same name.
func (e *Estate) ServiceUser(t testing.TB, id string, grant identity.Grant) {
	t.Helper()
	if _, err := e.Directory.CreateUser(t.Context(), e.Root, identity.NewUser{
		ID: id, Type: identity.Service, FriendlyName: id + " service", Email: id + "@example.com",
		PrimaryAccountID: grant.Account, Grants: []identity.Grant{grant},
	}); err != nil {
		t.Fatal(err)
	}
	e.Token(t, id, identity.NewToken{UserID: id})
}

// Token makes a token and gives it a name.
func (e *Estate) Token(t testing.TB, name string, n identity.NewToken) {
	t.Helper()
	n.Name = name
	made, secret, err := e.Directory.CreateToken(t.Context(), e.Root, n)
	if err != nil {
		t.Fatal(err)
	}
	e.Tokens[name], e.IDs[name] = secret, made.ID
}

// Store opens an empty trail of the estate.
func (e *Estate) Store(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.TempDir(), store.Options{DedupKey: e.Directory.DedupKey(), NoPreallocate: true, PublishEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Events reads NDJSON and fills in the defaults.
func Events(t testing.TB, ndjson string) []event.Event {
	t.Helper()
	var all []event.Event
	d := event.NewDecoder(strings.NewReader(ndjson), event.Lines)
	for {
		e, err := d.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		Valid(t, &e)
		all = append(all, e)
	}
}

// Valid fills in the defaults of an event, which must then be one that is recorded.
func Valid(t testing.TB, e *event.Event) {
	t.Helper()
	e.Normalize(identity.OwnAccount)
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
}

// Record records events in one batch after filling in the defaults.
func Record(t testing.TB, s *store.Store, events ...event.Event) {
	t.Helper()
	for i := range events {
		Valid(t, &events[i])
	}
	if _, err := s.Append(t.Context(), events, "test"); err != nil {
		t.Fatal(err)
	}
}

// Clock is a clock that stands still.
func Clock(at time.Time) func() time.Time { return func() time.Time { return at } }
