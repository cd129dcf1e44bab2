package server_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/event"
	"countersign/identity"
	"countersign/server"
	"countersign/store"
)

// world is a running server over an estate in which some may see what others must not. Whatever must not be
// seen has "hidden" in its values.
//
//	account acme    divisions emea and apac; target, a service user with a token and a certificate; limited,
//	                whose administrator's role is limited to apac
//	account other   foreign, its administrator; writer (EVENT_WRITER); norole, who holds nothing
//	                and administrators of acme who cannot sign in: theirs are the tokens disabled, expired and
//	                deleted, of which those of the users gone (deleted) and locked are good themselves
type world struct {
	*running
	tokens map[string]string // by the names above, and root
	ids    map[string]string // of target's token and certificate
}

// twin says where the hidden things of a world are: in acme, or in an account that no request names. A caller
// who must not see them must not see the difference either.
type twin struct {
	objects string // the account of the users, tokens and divisions that are said to be acme's
	events  string // the account of the hidden events
}

// seeded is when the estate was made: long ago, so that what was to end has ended.
var seeded = time.Now().AddDate(0, -2, 0)

func newWorld(t *testing.T, at twin) *world {
	t.Helper()
	w := &world{tokens: map[string]string{"root": bootstrapToken, "unknown": "an-unknown-token", "none": ""}, ids: map[string]string{}}
	dir := filepath.Join(t.TempDir(), "data")
	seed(t, dir, func(e *estate) {
		e.w = w
		e.make(at)
	})
	w.running = startWith(t, func(c *server.Config) { c.Data = dir }, func(s *server.Server) {
		if _, err := s.Trail.Append(t.Context(), hiddenEvents(t, at), "seed"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Trail.PublishNow(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	w.ids["report"], w.ids["schedule"] = "unknown", "unknown"
	if at.objects == "acme" {
		w.ids["report"], w.ids["schedule"] = w.report(), w.schedule()
	}
	return w
}

// hiddenFramework is a framework whose name is hidden from those who may not have its reports.
const hiddenFramework = `{id: hidden-rules, title: Hidden rules, version: 1, requirements: [{id: H-1, title: Keys, asks: Keys are kept., judge: Look., evidence: [STM.KEY]}]}`

// schedule has root make a schedule over acme, and returns its id.
func (w *world) schedule() string {
	w.t.Helper()
	_, body := w.as("root", "POST", "/api/v1/report-schedules", "application/json",
		`{"name":"Hidden schedule","framework":"soc-2","cron":"@yearly","period":"previous_year","accounts":["acme"]}`, false)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(body), &made); err != nil || made.ID == "" {
		w.t.Fatalf("a schedule: %v: %s", err, body)
	}
	return made.ID
}

// report has root make a report over acme, and returns its id.
func (w *world) report() string {
	w.t.Helper()
	order, err := json.Marshal(map[string]any{"framework_file": hiddenFramework, "from": "2026-01-01", "to": "2026-01-31", "accounts": []string{"acme"}})
	if err != nil {
		w.t.Fatal(err)
	}
	_, body := w.as("root", "POST", "/api/v1/reports", "application/json", string(order), false)
	for range 500 {
		var job struct{ ID, State string }
		if err := json.Unmarshal([]byte(body), &job); err != nil || job.ID == "" {
			w.t.Fatalf("a report: %v: %s", err, body)
		}
		if job.State == "finished" {
			return job.ID
		}
		time.Sleep(10 * time.Millisecond)
		_, body = w.as("root", "GET", "/api/v1/reports/"+job.ID, "", "", false)
	}
	w.t.Fatalf("the report is not made: %s", body)
	return ""
}

// seed makes a data directory as it was left two months ago, with the administrator and what fill adds.
func seed(t *testing.T, dir string, fill func(*estate)) {
	t.Helper()
	data, err := store.Claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	d, err := identity.Open(t.Context(), filepath.Join(dir, store.ControlName), identity.Options{Now: func() time.Time { return seeded }, Unrecorded: true})
	if err != nil {
		t.Fatal(err)
	}
	e := &estate{t: t, d: d, w: &world{tokens: map[string]string{}, ids: map[string]string{}}}
	_, _, err = d.Bootstrap(t.Context(), bootstrapToken)
	e.must(err)
	e.root, err = d.Authenticate(t.Context(), identity.Credential{Token: bootstrapToken})
	e.must(err)
	fill(e)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := data.Release(); err != nil {
		t.Fatal(err)
	}
}

type estate struct {
	t    *testing.T
	d    *identity.Directory
	root identity.Caller
	w    *world
}

func (e *estate) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *estate) make(at twin) {
	ctx := e.t.Context()
	for id, name := range map[string]string{at.objects: "Hidden Ltd", "other": "Other GmbH"} {
		_, err := e.d.CreateAccount(ctx, e.root, identity.NewAccount{ID: id, Name: name, FriendlyIdentifier: "f-" + id})
		e.must(err)
	}
	for _, id := range []string{"emea", "apac"} {
		_, err := e.d.CreateDivision(ctx, e.root, identity.NewDivision{ID: id, Account: at.objects, Name: "Hidden " + id})
		e.must(err)
	}
	admin := func(account string, divisions ...string) []identity.Grant {
		return []identity.Grant{{Role: identity.AccountAdmin, Account: account, Divisions: divisions}}
	}
	e.user("foreign", "other", admin("other"))
	e.user("writer", "other", []identity.Grant{{Role: identity.EventWriter, Account: "other"}})
	e.user("norole", "other", nil)
	e.user("limited", at.objects, admin(at.objects, "apac"))
	e.w.ids["token"] = e.user("hidden-target", at.objects, []identity.Grant{{Role: identity.EventWriter, Account: at.objects}})
	l := newLeaf(e.t, "hidden-target", seeded, time.Now().AddDate(1, 0, 0))
	v, err := e.d.AddCertificate(ctx, e.root, identity.NewCertificate{UserID: "hidden-target", Name: "hidden certificate", PEM: l.pem})
	e.must(err)
	e.w.ids["certificate"], e.w.ids["pem"] = v.ID, l.pem

	e.user("hidden-admin", at.objects, admin(at.objects))
	e.user("locked", at.objects, admin(at.objects))
	e.user("gone", at.objects, admin(at.objects))
	off := false
	e.token("disabled", identity.NewToken{UserID: "hidden-admin", Enabled: &off})
	e.token("expired", identity.NewToken{UserID: "hidden-admin", EndDate: seeded.UTC().AddDate(0, 0, 1).Format(time.DateOnly)})
	e.must(e.d.DeleteToken(ctx, e.root, e.token("deleted", identity.NewToken{UserID: "hidden-admin"})))
	_, err = e.d.UpdateUser(ctx, e.root, "locked", identity.UserUpdate{Status: identity.To(identity.Locked)})
	e.must(err)
	e.must(e.d.DeleteUser(ctx, e.root, "gone", false))
}

// user makes a service user with a token of the same name, and returns the token's id.
func (e *estate) user(id, account string, grants []identity.Grant) (tokenID string) {
	e.t.Helper()
	_, err := e.d.CreateUser(e.t.Context(), e.root, identity.NewUser{
		ID: id, Type: identity.Service, FriendlyName: id + " service", PrimaryAccountID: account, Grants: grants,
	})
	e.must(err)
	return e.token(id, identity.NewToken{UserID: id})
}

func (e *estate) token(name string, n identity.NewToken) (id string) {
	e.t.Helper()
	n.Name = name
	v, text, err := e.d.CreateToken(e.t.Context(), e.root, n)
	e.must(err)
	e.w.tokens[name] = text
	return v.ID
}

// hiddenEvents are the trail's first entries: three that few may see and four that others may.
func hiddenEvents(t testing.TB, at twin) []event.Event {
	t.Helper()
	var all []event.Event
	add := func(account, division, mark string) {
		text := strings.NewReplacer("MARK", mark, "ACCOUNT", account, "NUMBER", strconv.Itoa(len(all))).Replace(
			`{"id":"MARK-NUMBER","occurred_at":"2026-01-15T10:30:00Z","account":{"id":"ACCOUNT","name":"MARK account"},` +
				`"actor":{"id":"MARK-actor","name":"MARK actor"},"action":"CREATE","resource":{"type":"KEYPAIR","id":"MARK-key","name":"MARK key"},` +
				`"outcome":"success","description":"MARK text","client":{"ip":"203.0.113.1"},"source":"example/app"}`)
		e, err := event.Decode([]byte(text))
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if division != "" {
			e.Division = event.Division{ID: event.TextOf(division), Name: event.TextOf(mark + " division")}
		}
		e.Normalize("")
		all = append(all, e)
	}
	add(at.events, "emea", "hidden")
	add(at.events, "", "hidden")
	add(at.events, "emea", "hidden")
	for range 2 {
		add("other", "", "others")
		add(at.objects, "apac", "limiteds")
	}
	return all
}

// as sends a request with the named token. An endless answer is read until nothing comes for a while.
func (w *world) as(name, method, path, contentType, body string, endless bool) (*http.Response, string) {
	w.t.Helper()
	var sent io.Reader
	if body != "" {
		sent = strings.NewReader(body)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, w.url+path, sent)
	if err != nil {
		w.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("x-keyfactor-requested-with", "APIClient")
	if token := w.tokens[name]; token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if !endless {
		return w.do(req)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	enough := time.AfterFunc(300*time.Millisecond, cancel)
	defer enough.Stop()
	b, err := io.ReadAll(resp.Body)
	if err != nil && ctx.Err() == nil {
		w.t.Fatal(err)
	}
	return resp, string(b)
}
