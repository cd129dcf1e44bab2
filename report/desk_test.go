package report_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/bundle"
	"countersign/identity"
	"countersign/problem"
	"countersign/report"
)

// desk opens a desk over a folder.
func (w *world) desk(dir string) *report.Desk {
	w.Helper()
	d, err := report.OpenDesk(dir, w.maker, nil)
	w.must(err)
	return d
}

// caller makes a user with grants, signed in.
func (w *world) caller(name string, grants ...identity.Grant) identity.Caller {
	w.Helper()
	account := identity.OwnAccount
	if len(grants) > 0 && grants[0].Account != "" {
		account = grants[0].Account
	}
	u, err := w.people.CreateUser(w.Context(), w.admin, identity.NewUser{Type: identity.Standard, UserName: name, PrimaryAccountID: account, Grants: grants})
	w.must(err)
	_, secret, err := w.people.CreateToken(w.Context(), w.admin, identity.NewToken{UserID: u.ID, Name: "test"})
	w.must(err)
	c, err := w.people.Authenticate(w.Context(), identity.Credential{Token: secret})
	w.must(err)
	return c
}

// wait waits until a job has ended.
func wait(t testing.TB, d *report.Desk, c identity.Caller, id string) report.Job {
	t.Helper()
	for range 600 {
		j, err := d.Job(c, id)
		if err != nil {
			t.Fatal(err)
		}
		if j.State != report.JobQueued && j.State != report.JobRunning {
			return j
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the job does not end")
	return report.Job{}
}

func TestJobIsMadeKeptAndServed(t *testing.T) {
	w := newWorld(t, 300)
	dir := filepath.Join(t.TempDir(), "reports")
	d := w.desk(dir)
	r := w.request("soc-2")
	started, err := d.Start(*r)
	w.must(err)
	j := wait(t, d, w.admin, started.ID)
	if j.State != report.JobFinished || j.Made == nil || j.Made.ClaimLevel != "C" || j.Made.Rows == 0 || j.Progress != nil || j.EndedAt == nil {
		t.Fatalf("ended as %+v", j)
	}
	d.Close()
	d = w.desk(dir)
	defer d.Close()
	again, err := d.Job(w.admin, j.ID)
	if err != nil || again.Made == nil || *again.Made != *j.Made {
		t.Errorf("after a restart: %+v, %v", again, err)
	}
	f, _, err := d.Open(w.admin, j.ID)
	w.must(err)
	defer f.Close()
	p, err := bundle.OpenPack(f, j.Made.Bytes)
	w.must(err)
	if names := p.Names(); names[len(names)-1] != bundle.PackSeal {
		t.Errorf("the pack has %v", names)
	}
	names, err := os.ReadDir(filepath.Join(dir, j.ID))
	if err != nil || len(names) != 2 {
		t.Errorf("the folder holds %v, %v", names, err)
	}
	w.must(d.Remove(w.admin, j.ID))
	if _, err := d.Job(w.admin, j.ID); problem.KindOf(err) != problem.NotFound {
		t.Errorf("a removed job: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, j.ID)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder: %v", err)
	}
}

func TestJobsAreSeenByThoseWhoMayHaveTheSame(t *testing.T) {
	w := newWorld(t, 300)
	a, b := w.estate.Accounts[0].ID, w.estate.Accounts[1].ID
	auditorOf := func(name string, accounts ...string) identity.Caller {
		var grants []identity.Grant
		for _, id := range accounts {
			grants = append(grants, identity.Grant{Role: identity.Auditor, Account: id})
		}
		return w.caller(name, grants...)
	}
	ofA, ofAToo, ofB, ofBoth := auditorOf("a1", a), auditorOf("a2", a), auditorOf("b", b), auditorOf("both", a, b)
	reader := w.caller("reader", identity.Grant{Role: identity.ViewOnly, Account: a})
	d := w.desk(t.TempDir())
	defer d.Close()
	start := func(c identity.Caller, accounts ...string) string {
		t.Helper()
		r := w.request("soc-2")
		r.Caller, r.Accounts = c, accounts
		j, err := d.Start(*r)
		w.must(err)
		wait(t, d, c, j.ID)
		return j.ID
	}
	whole, one, both := start(w.admin), start(ofA), start(ofBoth)
	for _, c := range []struct {
		name   string
		caller identity.Caller
		sees   []string
	}{
		{"the administrator", w.admin, []string{whole, one, both}},
		{"who asked", ofA, []string{one}},
		{"who may have the same", ofAToo, []string{one}},
		{"who may have more", ofBoth, []string{one, both}},
		{"somebody else", ofB, nil},
	} {
		jobs, total, err := d.Jobs(c.caller, 0, 100)
		if err != nil || total != len(c.sees) || len(jobs) != total {
			t.Errorf("%s sees %d of %d jobs, %v", c.name, len(jobs), total, err)
		}
		for _, id := range []string{whole, one, both} {
			_, err := d.Job(c.caller, id)
			f, _, openErr := d.Open(c.caller, id)
			if openErr == nil {
				w.must(f.Close())
			}
			if want := contains(c.sees, id); (err == nil) != want || (openErr == nil) != want {
				t.Errorf("%s, report %s: %v, %v", c.name, id, err, openErr)
			}
			if !contains(c.sees, id) && problem.KindOf(d.Remove(c.caller, id)) != problem.NotFound {
				t.Errorf("%s may remove %s", c.name, id)
			}
		}
	}
	if _, _, err := d.Jobs(reader, 0, 10); problem.KindOf(err) != problem.Denied {
		t.Errorf("who may not export lists jobs: %v", err)
	}
}

func contains(list []string, s string) bool { return strings.Contains(strings.Join(list, " "), s) }

func TestRequestsThatCannotBeAreRefused(t *testing.T) {
	w := newWorld(t, 50)
	a := w.estate.Accounts[0].ID
	division := w.estate.Divisions[0]
	_, err := w.people.CreateDivision(t.Context(), w.admin, identity.NewDivision{ID: division.ID, Account: a, Name: division.Name})
	w.must(err)
	auditor := w.caller("auditor", identity.Grant{Role: identity.Auditor, Account: a})
	writer := w.caller("writer", identity.Grant{Role: identity.EventWriter, Account: a})
	d := w.desk(t.TempDir())
	defer d.Close()
	for _, c := range []struct {
		name   string
		change func(r *report.Request)
		kind   problem.Kind
		field  string
	}{
		{"from after to", func(r *report.Request) { r.From = "2026-04-01" }, problem.Invalid, "to"},
		{"no day", func(r *report.Request) { r.From = "2026-02-30" }, problem.Invalid, "from"},
		{"a time", func(r *report.Request) { r.To = "2026-02-20T00:00:00Z" }, problem.Invalid, "to"},
		{"a period without end", func(r *report.Request) { r.From = "1990-01-01" }, problem.Invalid, "from"},
		{"no rights at all", func(r *report.Request) { r.Caller = writer }, problem.Denied, ""},
		{"somebody else's account", func(r *report.Request) { r.Caller, r.Accounts = auditor, []string{w.estate.Accounts[1].ID} }, problem.Denied, "accounts"},
		{"one of theirs and somebody else's", func(r *report.Request) { r.Caller, r.Accounts = auditor, []string{a, w.estate.Accounts[1].ID} }, problem.Denied, "accounts"},
		{"an account without id", func(r *report.Request) { r.Accounts = []string{""} }, problem.Invalid, "accounts"},
		{"too many accounts", func(r *report.Request) { r.Accounts = strings.Split(manyIDs(), ",") }, problem.Invalid, "accounts"},
		{"a long seed", func(r *report.Request) { r.Seed = strings.Repeat("x", 200) }, problem.Invalid, "seed"},
	} {
		r := w.request("soc-2")
		c.change(r)
		_, err := d.Start(*r)
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.Kind != c.kind || p.Field != c.field {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, total, _ := d.Jobs(w.admin, 0, 10); total != 0 {
		t.Errorf("%d jobs were kept", total)
	}
}

func manyIDs() string {
	var b bytes.Buffer
	for i := range 201 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("account-")
		b.WriteByte(byte('a' + i%26))
		b.WriteByte(byte('a' + i/26))
	}
	return b.String()
}
