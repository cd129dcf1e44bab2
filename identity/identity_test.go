package identity_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"countersign/identity"
	"countersign/problem"
)

// clock is a clock that tests set.
type clock struct{ now atomic.Pointer[time.Time] }

func (c *clock) Now() time.Time      { return *c.now.Load() }
func (c *clock) Set(now time.Time)   { c.now.Store(&now) }
func at(rfc3339 string) time.Time    { t, _ := time.Parse(time.RFC3339, rfc3339); return t }
func (c *clock) Add(d time.Duration) { c.Set(c.Now().Add(d)) }

// fixture is a directory in a folder of its own with its first administrator signed in.
type fixture struct {
	*identity.Directory
	t      testing.TB
	path   string
	clock  *clock
	admin  identity.Caller
	secret string // of admin
}

func setUp(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{t: t, path: filepath.Join(t.TempDir(), "control.db"), clock: &clock{}}
	f.clock.Set(at("2026-01-15T10:30:00Z"))
	f.open()
	shown, created, err := f.Bootstrap(t.Context(), "")
	if err != nil || !created {
		t.Fatalf("Bootstrap = %v, %v", created, err)
	}
	f.secret = shown
	f.admin = f.signIn(shown)
	return f
}

func (f *fixture) open() {
	f.t.Helper()
	d, err := identity.Open(f.t.Context(), f.path, identity.Options{Now: f.clock.Now})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { d.Close() })
	f.Directory = d
}

func (f *fixture) reopen() {
	f.t.Helper()
	if err := f.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.open()
}

func (f *fixture) signIn(secret string) identity.Caller {
	f.t.Helper()
	c, err := f.Authenticate(f.t.Context(), identity.Credential{Token: secret})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fixture) account(id string) {
	f.t.Helper()
	if _, err := f.CreateAccount(f.t.Context(), f.admin, identity.NewAccount{ID: id, Name: "Account " + id}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) division(account, id string) {
	f.t.Helper()
	if _, err := f.CreateDivision(f.t.Context(), f.admin, identity.NewDivision{ID: id, Account: account, Name: "Division " + id}); err != nil {
		f.t.Fatal(err)
	}
}

// service makes a service user of the account; its id is its name.
func (f *fixture) service(id, account string, grants ...identity.Grant) {
	f.t.Helper()
	if _, err := f.CreateUser(f.t.Context(), f.admin, identity.NewUser{
		ID: id, Type: identity.Service, FriendlyName: id, PrimaryAccountID: account, Grants: grants,
	}); err != nil {
		f.t.Fatal(err)
	}
}

// token makes an unbound token of the user and returns its id and its text.
func (f *fixture) token(userID, name string) (id, secret string) {
	f.t.Helper()
	v, secret, err := f.CreateToken(f.t.Context(), f.admin, identity.NewToken{UserID: userID, Name: name})
	if err != nil {
		f.t.Fatal(err)
	}
	return v.ID, secret
}

// caller makes a service user of the account with the grants and signs it in.
func (f *fixture) caller(id, account string, grants ...identity.Grant) identity.Caller {
	f.t.Helper()
	f.service(id, account, grants...)
	_, secret := f.token(id, "test")
	return f.signIn(secret)
}

func in(account string, role identity.Role, divisions ...string) identity.Grant {
	return identity.Grant{Role: role, Account: account, Divisions: divisions}
}

func onServer(role identity.Role) identity.Grant { return identity.Grant{Role: role, Server: true} }

// wantKind fails unless err is of the kind and names the field.
func wantKind(t testing.TB, err error, kind problem.Kind, field string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %v naming %q", kind, field)
	}
	e, ok := err.(*problem.Error)
	if !ok || e.Kind != kind || e.Field != field {
		t.Fatalf("error %v (kind %v), want %v naming %q", err, problem.KindOf(err), kind, field)
	}
}

func wantDenied(t testing.TB, err error, field string) {
	t.Helper()
	wantKind(t, err, problem.Denied, field)
}
