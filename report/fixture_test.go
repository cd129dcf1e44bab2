package report_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"countersign/event"
	"countersign/identity"
	"countersign/internal/testkit"
	"countersign/report"
	"countersign/store"
)

// The estate of the tests: what happened in it from 2025-12-15 to 2026-04-09, as of 2026-04-10.
var (
	estateNow  = time.Date(2026, 4, 10, 0, 0, 0, 0, time.UTC)
	estateFrom = time.Date(2025, 12, 15, 0, 0, 0, 0, time.UTC)
	made       = time.Date(2026, 4, 12, 8, 30, 0, 0, time.UTC) // when reports are made
)

// world is a server's insides: a trail, who there is, and a maker of reports.
type world struct {
	testing.TB
	trail  *store.Store
	people *identity.Directory
	estate *testkit.Estate
	admin  identity.Caller
	maker  *report.Maker
}

// newWorld makes a world with n events.
func newWorld(t testing.TB, n int) *world {
	t.Helper()
	w := &world{TB: t, estate: testkit.NewEstate(7, estateNow)}
	dir := t.TempDir()
	clock := estateNow
	var err error
	w.people, err = identity.Open(t.Context(), filepath.Join(dir, "control.db"), identity.Options{Now: func() time.Time { return clock }, Unrecorded: true})
	w.must(err)
	t.Cleanup(func() { w.must(w.people.Close()) })
	token, _, err := w.people.Bootstrap(t.Context(), "")
	w.must(err)
	w.admin, err = w.people.Authenticate(t.Context(), identity.Credential{Token: token})
	w.must(err)
	w.fill(&clock)
	clock = made
	w.trail, err = store.Open(filepath.Join(dir, "data"), store.Options{DedupKey: w.people.DedupKey(), Origin: "example.com/trail", PublishEvery: -1, NoPreallocate: true})
	w.must(err)
	t.Cleanup(func() { w.must(w.trail.Close()) })
	w.record(n)
	w.maker = &report.Maker{Trail: w.trail, People: w.people, Software: "countersign test", Now: func() time.Time { return made }}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// fill makes the accounts and users of the estate known.
func (w *world) fill(clock *time.Time) {
	ctx := context.Background()
	for _, a := range w.estate.Accounts {
		*clock = a.ServiceFrom
		_, err := w.people.CreateAccount(ctx, w.admin, identity.NewAccount{ID: a.ID, Name: a.Name, Active: &a.Active, FriendlyIdentifier: a.FriendlyIdentifier})
		w.must(err)
	}
	for _, u := range append(append([]testkit.User{}, w.estate.People...), w.estate.ServiceUsers...) {
		*clock = u.CreatedAt
		n := identity.NewUser{
			ID: u.ID, Type: identity.Standard, Status: identity.UserStatus(u.Status), UserName: u.UserName, FriendlyName: u.FriendlyName,
			PrimaryAccountID: u.PrimaryAccount, Accounts: u.Accounts[1:],
		}
		if u.Service {
			n.Type = identity.Service
		}
		gone := !u.DeletedAt.IsZero()
		if gone {
			n.Status = ""
		}
		if u.Role != "" {
			n.Grants = []identity.Grant{{Role: identity.Role(u.Role), Account: u.PrimaryAccount}}
		}
		_, err := w.people.CreateUser(ctx, w.admin, n)
		w.must(err)
		if gone {
			w.must(w.people.DeleteUser(ctx, w.admin, u.ID, u.Purged))
		}
	}
}

// record appends n events of the estate.
func (w *world) record(n int) {
	var batch []event.Event
	for e := range w.estate.Events(7, n, estateFrom, estateNow) {
		if batch = append(batch, e); len(batch) == 1000 {
			w.append(batch)
			batch = nil
		}
	}
	w.append(batch)
}

func (w *world) append(batch []event.Event) {
	w.Helper()
	_, err := w.trail.Append(context.Background(), batch, "importer")
	w.must(err)
}

// builtIn returns a framework that comes with Countersign.
func builtIn(t testing.TB, id string) *report.Framework {
	t.Helper()
	all, err := report.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.ID == id {
			return f
		}
	}
	t.Fatalf("there is no framework %s", id)
	return nil
}

// request is one for the first quarter of 2026.
func (w *world) request(framework string) *report.Request {
	return &report.Request{ID: "0197-report", Framework: builtIn(w, framework), From: "2026-01-01", To: "2026-03-31", Seed: "test", Caller: w.admin}
}

// make makes a report.
func (w *world) make(r *report.Request) *report.Result {
	w.Helper()
	result, err := w.maker.Make(w.Context(), r, w.TempDir(), nil)
	w.must(err)
	return result
}
