package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/event"
	"countersign/internal/testkit"
)

// item is an audit entry as the tutorial's reader sees it.
type item struct {
	ID           string       `json:"id"`
	Account      *testkit.Ref `json:"account"`
	ResourceType string       `json:"resource_type"`
	ResourceID   string       `json:"resource_id"`
	ResourceName string       `json:"resource_name"`
	Action       string       `json:"action"`
	User         *testkit.Ref `json:"user"`
	Timestamp    string       `json:"timestamp"`
	Description  string       `json:"description"`
	Status       string       `json:"status"`
}

// itemOf says what the vendor's API must answer for an event.
func itemOf(e *event.Event) item {
	i := item{
		ID: event.DigiCertOneID(e), Account: &testkit.Ref{ID: e.Account.ID, Name: e.Account.Name.Value},
		ResourceType: e.Resource.Type, ResourceID: e.Resource.ID.Value, ResourceName: e.Resource.Name.Value,
		Action: e.Action, Timestamp: e.OccurredAt.String(), Description: e.Description.Value,
		Status: map[string]string{"success": "success", "failure": "failure", "warning": "failure", "unknown": "unknown"}[e.Outcome],
	}
	if e.Actor.Type != event.ActorSystem && (e.Actor.ID.Present || e.Actor.Name.Present) {
		i.User = &testkit.Ref{ID: e.Actor.ID.Value, Name: e.Actor.Name.Value}
	}
	return i
}

type listing struct {
	Total  int    `json:"total"`
	Offset int    `json:"offset"`
	Limit  int    `json:"limit"`
	Items  []item `json:"items"`
}

// tutorial is what the test knows beforehand: who there is and what was imported.
type tutorial struct {
	estate   *testkit.Estate
	from, to string
	want     map[string]item // everything that was imported, by id
	am       map[string]item // Account Manager's own records as the vendor's page had them
}

// quarter tells whether the item belongs into the filtered answer.
func (tt *tutorial) quarter(i item) bool {
	return (i.ResourceType == "USER" || i.ResourceType == "APIKEY") && i.Timestamp[:10] >= tt.from && i.Timestamp[:10] <= tt.to
}

// TestTutorialOnImportedEvents imports 100,000 made-up events and saved answers of every vendor, walks
// through the five steps of the vendor's tutorial while other events are being written, and holds the joined
// result to what was imported; then all of it again after a restart.
func TestTutorialOnImportedEvents(t *testing.T) {
	now := time.Now().UTC()
	from := now.AddDate(0, 0, -100)
	tt := &tutorial{
		estate: testkit.NewEstate(3, now),
		from:   now.AddDate(0, 0, -92).Format(time.DateOnly), to: now.AddDate(0, 0, -2).Format(time.DateOnly),
		want: map[string]item{}, am: map[string]item{},
	}
	dir, files := t.TempDir(), t.TempDir()
	p := serve(t, dir)
	tt.makeIdentity(t, p)
	tt.importEverything(t, p, files, from, now)
	tt.walk(t, p, 0)
	p.stop(t)
	p = serve(t, dir)
	tt.walk(t, p, 1)
	p.stop(t)
}

// makeIdentity makes the estate's accounts and users, the first of each by the command line.
func (tt *tutorial) makeIdentity(t *testing.T, p *process) {
	t.Helper()
	for n, a := range tt.estate.Accounts {
		if n == 0 {
			p.run(t, "account", "create", "--id", a.ID, "--name", a.Name, "--friendly-identifier", a.FriendlyIdentifier)
			continue
		}
		p.make(t, "/api/v1/accounts", map[string]any{"id": a.ID, "name": a.Name, "friendly_identifier": a.FriendlyIdentifier, "active": a.Active})
	}
	for n, u := range append(slices.Clone(tt.estate.People), tt.estate.ServiceUsers...) {
		if n == 0 {
			p.run(t, "user", "create", "--id", u.ID, "--user-name", u.UserName, "--email", u.Email, "--account", u.PrimaryAccount, "--role", "AM_VIEW_ONLY")
			continue
		}
		v := map[string]any{"id": u.ID, "user_type": "standard", "email": u.Email, "primary_account_id": u.PrimaryAccount, "user_name": u.UserName, "friendly_name": u.FriendlyName}
		if u.Service {
			v["user_type"] = "service"
			delete(v, "user_name")
		}
		p.make(t, "/api/v1/users", v)
	}
	p.run(t, "user", "delete", tt.estate.Deleted.ID)
	p.run(t, "user", "delete", tt.estate.Purged.ID, "--purge")
}

func (tt *tutorial) importEverything(t *testing.T, p *process, dir string, from, to time.Time) {
	t.Helper()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	imported := func(out string, read, accepted, duplicates, aside int) {
		t.Helper()
		want := map[string]int{"read": read, "accepted": accepted, "duplicates": duplicates, "aside": aside}
		var got map[string]int
		if err := json.Unmarshal([]byte(out), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("import said %s, want %v", out, want)
		}
	}
	expect := func(e event.Event) { tt.want[event.DigiCertOneID(&e)] = itemOf(&e) }

	const n = 100_000
	var lines bytes.Buffer
	for e := range tt.estate.Events(7, n, from, to) {
		lines.Write(append(event.AppendJSON(nil, &e), '\n'))
		expect(e)
	}
	native := write("native.ndjson", lines.Bytes())
	imported(p.run(t, "import", "--format", "native", "--output", "json", native), n, n, 0, 0)

	const each = 300
	account := tt.estate.Accounts[1].ID
	records := tt.estate.Records(8, each, from, to)
	var am, tlm, iot, disc, kf []string
	for i, b := range testkit.AccountManagerPages(records.AccountManager, 100) {
		am = append(am, write(fmt.Sprintf("am-%d.json", i), b))
	}
	for i, b := range testkit.TrustLifecyclePages(records.TrustLifecycle, 100) {
		tlm = append(tlm, write(fmt.Sprintf("tlm-%d.json", i), b))
	}
	for i, b := range testkit.IoTPages(records.IoT, 100) {
		iot = append(iot, write(fmt.Sprintf("iot-%d.json", i), b))
	}
	for i, b := range testkit.DiscoveryPages(records.Discovery, 100) {
		disc = append(disc, write(fmt.Sprintf("disc-%d.json", i), b))
	}
	for i, b := range testkit.KeyfactorPages(records.Keyfactor, 100) {
		kf = append(kf, write(fmt.Sprintf("kf-%d.json", i), b))
	}
	for _, r := range records.AccountManager {
		expect(r.Event())
		tt.am[r.ID] = item{ID: r.ID, Account: &r.Account, ResourceType: r.ResourceType, ResourceID: r.ResourceID, ResourceName: r.ResourceName,
			Action: r.Action, User: r.User, Timestamp: r.Timestamp, Description: r.Description, Status: r.Status}
	}
	for _, r := range records.TrustLifecycle {
		expect(r.Event())
	}
	for _, r := range records.IoT {
		expect(r.Event())
	}
	for _, r := range records.Discovery {
		expect(r.Event(account))
	}
	for _, r := range records.Keyfactor {
		expect(r.Event(account))
	}
	run := func(names []string, args ...string) string {
		return p.run(t, append(append([]string{"import", "--output", "json"}, args...), names...)...)
	}
	imported(run(am, "--format", "digicert-one"), each, each, 0, 0)
	imported(run(am, "--format", "digicert-one"), each, 0, each, 0) // again: nothing twice
	imported(run(tlm, "--format", "digicert-one"), each, each, 0, 0)
	imported(run(iot, "--format", "digicert-one"), each, each, 0, 0)
	imported(run(disc, "--format", "discovery", "--account", account), each, each, 0, 0)
	imported(run(kf, "--format", "keyfactor", "--account", account), each, each, 0, 0)

	// The vendors' own samples: Discovery's three records, and IoT's two of which one has no time.
	imported(run([]string{"../../collect/discovery/testdata/list-response.json"}, "--format", "discovery", "--account", account), 3, 3, 0, 0)
	aside := filepath.Join(dir, "aside.ndjson")
	sample, err := filepath.Glob("../../collect/digicertone/testdata/iot-page.json")
	if err != nil || len(sample) != 1 {
		t.Fatalf("the IoT sample is missing: %v", err)
	}
	imported(run(sample, "--format", "digicert-one", "--aside", aside), 2, 1, 0, 1)
	if b, err := os.ReadFile(aside); err != nil || !strings.Contains(string(b), "created_at") {
		t.Fatalf("set aside: %s %v", b, err)
	}
}

// walk is the tutorial, with somebody else writing all the while.
func (tt *tutorial) walk(t *testing.T, p *process, round int) {
	t.Helper()
	// Step 1: a broad query.
	var newest listing
	if status := p.get(t, "/account/api/v1/audit-log?sort=timestamp:desc", &newest); status != http.StatusOK {
		t.Fatalf("step 1: %d", status)
	}
	if newest.Limit != 20 || len(newest.Items) != 20 || newest.Total < len(tt.want) ||
		!slices.IsSortedFunc(newest.Items, func(a, b item) int { return strings.Compare(timeKey(b), timeKey(a)) }) {
		t.Fatalf("step 1: total %d of %d, limit %d, %d items", newest.Total, len(tt.want), newest.Limit, len(newest.Items))
	}

	// Step 2: a filtered quarter.
	filter := fmt.Sprintf("/account/api/v1/audit-log?from=%s&to=%s&resource_types=USER,APIKEY&sort=timestamp:desc", tt.from, tt.to)
	var first listing
	p.get(t, filter, &first)
	for _, i := range first.Items {
		if !tt.quarter(i) {
			t.Fatalf("step 2: %+v is not in the quarter", i)
		}
	}

	// Step 3: all of it in pages of 1000, while events that belong into it are being written.
	ctx, cancel := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() { tt.disturb(ctx, t, p, round) })
	got := tt.collect(t, p, filter)
	all := tt.collect(t, p, "/account/api/v1/audit-log?sort=description:asc")
	cancel()
	writer.Wait()

	wanted := map[string]item{}
	for id, i := range tt.want {
		if tt.quarter(i) {
			wanted[id] = i
		}
	}
	compare(t, "the quarter", wanted, got)
	for id, i := range tt.am { // what the vendor's page said, to the letter
		if d := cmp.Diff(i, all[id]); d != "" {
			t.Fatalf("Account Manager's record changed (-vendor +ours):\n%s", d)
		}
	}
	for id, i := range tt.want {
		if d := cmp.Diff(i, all[id]); d != "" {
			t.Fatalf("entry %s (-want +got):\n%s", id, d)
		}
	}

	// Steps 4 and 5: every user and account that is named.
	tt.resolve(t, p, all)
}

func timeKey(i item) string {
	at, err := event.ParseTime(i.Timestamp)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%020d", at)
}

// compare holds what was read to what was imported; events that were written meanwhile do not count.
func compare(t *testing.T, what string, want, got map[string]item) {
	t.Helper()
	for id, i := range got {
		if strings.HasPrefix(i.ResourceName, "live-") {
			delete(got, id)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s differs (-want +got):\n%.4000s", what, d)
	}
}

// collect pages through a query as the tutorial does and checks each page on the way.
func (tt *tutorial) collect(t *testing.T, p *process, path string) map[string]item {
	t.Helper()
	got := map[string]item{}
	total := -1
	for offset := 0; total < 0 || offset < total; offset += 1000 {
		var page listing
		if status := p.get(t, fmt.Sprintf("%s&offset=%d&limit=1000", path, offset), &page); status != http.StatusOK {
			t.Fatalf("step 3: %d at offset %d", status, offset)
		}
		if total < 0 {
			total = page.Total
		}
		if page.Total != total || page.Offset != offset || page.Limit != 1000 || len(page.Items) != min(1000, total-offset) {
			t.Fatalf("step 3: at offset %d total %d (first %d), offset %d, limit %d, %d items", offset, page.Total, total, page.Offset, page.Limit, len(page.Items))
		}
		for _, i := range page.Items {
			if _, twice := got[i.ID]; twice {
				t.Fatalf("step 3: %s is there twice", i.ID)
			}
			got[i.ID] = i
		}
	}
	if len(got) != total {
		t.Fatalf("step 3: %d items of %d", len(got), total)
	}
	return got
}

// disturb writes events that belong into the quarter until ctx ends.
func (tt *tutorial) disturb(ctx context.Context, t *testing.T, p *process, round int) {
	for i := 0; ctx.Err() == nil; i++ {
		body := fmt.Sprintf(`{"id":"live-%d-%d","occurred_at":"%sT12:00:00Z","account":{"id":%q},"action":"UPDATE","resource":{"type":"USER","name":"live-%d"},"source":"example/live","description":"live"}`,
			round, i, tt.to, tt.estate.Accounts[0].ID, i)
		status, answer, err := p.post(ctx, "/api/v1/events", "application/json", strings.NewReader(body))
		if ctx.Err() == nil && (err != nil || status != http.StatusCreated) {
			t.Errorf("write: %d %s %v", status, answer, err)
			return
		}
	}
}

func (tt *tutorial) resolve(t *testing.T, p *process, all map[string]item) {
	t.Helper()
	known := map[string]testkit.User{}
	for _, u := range append(slices.Clone(tt.estate.People), tt.estate.ServiceUsers...) {
		known[u.ID] = u
	}
	users, accounts := map[string]bool{}, map[string]bool{}
	for _, i := range all {
		if i.User != nil && i.User.ID != "" {
			users[i.User.ID] = true
		}
		accounts[i.Account.ID] = true
	}
	for _, id := range []string{tt.estate.Deleted.ID, tt.estate.Purged.ID} {
		if !users[id] {
			t.Fatalf("no entry names the user %s that is gone: the test does not test look-ups", id)
		}
	}
	// The server records the administrator's own sign-ins and changes; both can be looked up.
	var me, own struct{ ID string }
	if status := p.get(t, "/account/api/v1/user/me", &me); status != http.StatusOK || !users[me.ID] {
		t.Fatalf("step 4: the administrator %s: %d, named in entries: %v", me.ID, status, users[me.ID])
	}
	if status := p.get(t, "/account/api/v1/account/countersign", &own); status != http.StatusOK || !accounts[own.ID] {
		t.Fatalf("step 5: the server's own account %s: %d, named in entries: %v", own.ID, status, accounts[own.ID])
	}
	delete(users, me.ID)
	delete(accounts, own.ID)
	for id := range users {
		var user struct {
			ID, Status, Email string
			UserType          string `json:"user_type"`
			Errors            []struct{ Code, Message string }
		}
		status := p.get(t, "/account/api/v1/user/"+id, &user)
		u, exists := known[id]
		switch {
		case !exists || u.Purged: // known to a vendor and never to us, or purged: deleted or unknown
			if status != http.StatusNotFound || len(user.Errors) != 1 || user.Errors[0].Code != "not_found" || user.Errors[0].Message != "User not found." {
				t.Fatalf("step 4: user %s: %d %+v", id, status, user)
			}
		default:
			wantStatus, wantType := "ACTIVE", "standard"
			if id == tt.estate.Deleted.ID {
				wantStatus = "DELETED"
			}
			if u.Service {
				wantType = "service"
			}
			if status != http.StatusOK || user.ID != id || user.Status != wantStatus || user.UserType != wantType || user.Email != u.Email {
				t.Fatalf("step 4: user %s: %d %+v, want %s %s %s", id, status, user, wantStatus, wantType, u.Email)
			}
		}
	}
	for _, a := range tt.estate.Accounts {
		var account struct {
			ID                 string `json:"id"`
			Name               string `json:"name"`
			FriendlyIdentifier string `json:"friendly_identifier"`
		}
		status := p.get(t, "/account/api/v1/account/"+a.ID, &account)
		if status != http.StatusOK || account.ID != a.ID || account.Name != a.Name || account.FriendlyIdentifier != a.FriendlyIdentifier {
			t.Fatalf("step 5: account %s: %d %+v", a.ID, status, account)
		}
		delete(accounts, a.ID)
	}
	for id := range accounts { // an account that only a vendor knows
		var answer struct{ Errors []struct{ Code string } }
		if status := p.get(t, "/account/api/v1/account/"+id, &answer); status != http.StatusNotFound {
			t.Fatalf("step 5: account %s: %d", id, status)
		}
	}
}
