package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/event"
	"countersign/identity"
	"countersign/query"
	"countersign/server"
	"countersign/store"
)

// ownRecords opens a closed data directory and returns what q finds of the server's own records.
func ownRecords(t *testing.T, dir, q string) []*event.Entry {
	t.Helper()
	s, err := store.Open(dir, store.Options{DedupKey: []byte("only for what would be appended"), NoPreallocate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f, err := query.Parse("source:=^countersign/ " + q)
	if err != nil {
		t.Fatal(err)
	}
	page, err := s.Search(t.Context(), query.Query{Filter: f, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return page.Entries
}

// copyDir copies a data directory as it is.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	keys, err := filepath.Glob(filepath.Join(to, "keys", "*.key"))
	if err != nil || len(keys) == 0 {
		t.Fatal(keys, err)
	}
	for _, name := range keys { // CopyFS leaves the mode to the umask
		if err := os.Chmod(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func actions(entries []*event.Entry) (all []string) {
	for _, e := range entries {
		all = append(all, e.Action+" "+e.Outcome)
	}
	return all
}

func TestStartsAndStopsAreRecordedWithTheSettingsThatChanged(t *testing.T) {
	cfg := config(t, io.Discard)
	cfg.Version = "1.0.0"
	once := func() {
		t.Helper()
		_, stop := run(t, cfg)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	once()
	once()
	cfg.Version = "1.1.0"
	if err := cfg.RateLimit.Set("1000/3m"); err != nil {
		t.Fatal(err)
	}
	once()
	// A directory as a killed server leaves it.
	_, stop := run(t, cfg)
	killed := copyDir(t, cfg.Data)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	was := cfg.Data
	cfg.Data = killed
	once()

	entries := ownRecords(t, killed, "resource.type:=SERVER source:=countersign/server")
	want := []string{
		"START success", "STOP success",
		"START success", "STOP success",
		"START success", "CONFIG_CHANGED success", "STOP success",
		"START success",
		"START warning", "CONFIG_CHANGED success", "STOP success",
	}
	if got := actions(entries); !slices.Equal(got, want) {
		t.Fatalf("recorded %q, want %q", got, want)
	}
	for _, e := range entries {
		if e.Account.ID != "countersign" || !e.Resource.ID.Present || !e.Resource.Name.Present || e.Actor.Type != event.ActorSystem || e.RecordedBy.Value != "countersign" {
			t.Errorf("%+v", e)
		}
	}
	for i, want := range map[int]map[string]string{
		0: {"setting.version": "1.0.0", "setting.rate-limit": "off", "setting.data": was},
		5: {"before.version": "1.0.0", "after.version": "1.1.0", "before.rate-limit": "off", "after.rate-limit": "1000/3m"},
		9: {"before.data": was, "after.data": killed},
	} {
		got := map[string]string{}
		for _, a := range entries[i].Attributes {
			got[a.Name] = a.Value
		}
		for name, v := range want {
			if got[name] != v {
				t.Errorf("entry %d: %s is %q, want %q", i, name, got[name], v)
			}
		}
		if i != 0 && len(got) != len(want) {
			t.Errorf("entry %d says %v, want %v", i, got, want)
		}
	}
}

// reader makes a service user of acme with a role, and returns its token.
func (r *running) reader(id string, role identity.Role) string {
	r.t.Helper()
	ctx := r.t.Context()
	if _, err := r.server.Identity.CreateAccount(ctx, r.root, identity.NewAccount{ID: "acme", Name: "Acme Ltd"}); err != nil && !strings.Contains(err.Error(), "there is an account") {
		r.t.Fatal(err)
	}
	if _, err := r.server.Identity.CreateUser(ctx, r.root, identity.NewUser{
		ID: id, Type: identity.Service, FriendlyName: id, PrimaryAccountID: "acme", Grants: []identity.Grant{{Role: role, Account: "acme"}},
	}); err != nil {
		r.t.Fatal(err)
	}
	return r.newToken(identity.NewToken{UserID: id, Name: id})
}

// append records n events of acme.
func (r *running) append(n int) {
	r.t.Helper()
	events := make([]event.Event, n)
	for i := range events {
		e, err := event.Decode([]byte(strings.Replace(eventJSON("e-"+strconv.Itoa(i)), `"source"`, `"account":{"id":"acme"},"source"`, 1)))
		if err != nil {
			r.t.Fatal(err)
		}
		e.Normalize("")
		events[i] = e
	}
	if _, err := r.server.Trail.Append(r.t.Context(), events, "test"); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) as(token, path string) (int, string) {
	r.t.Helper()
	resp, body := r.do(r.request("GET", path, nil, "Authorization", "Bearer "+token))
	return resp.StatusCode, body
}

func TestReadsAreSeenByThoseWhoMayAndOnlyWhenAskedFor(t *testing.T) {
	r := start(t, nil)
	r.append(10)
	auditor, admin, viewer := r.reader("auditor", identity.Auditor), r.reader("admin", identity.AccountAdmin), r.reader("viewer", identity.ViewOnly)
	for _, token := range []string{auditor, admin, viewer} {
		r.as(token, "/account/api/v1/audit-log?resource_types=USER")
	}
	if status, _ := r.as(auditor, "/api/v1/events/export?q=source:example/app"); status != 200 {
		t.Fatal(status)
	}
	r.server.Recorded()
	for _, c := range []struct {
		name, token, path, total string
		reads                    int
	}{
		{"auditor, native", auditor, "/api/v1/events?limit=0&q=resource.type:AUDIT_LOG", `"total":`, 4},
		{"administrator, native", admin, "/api/v1/events?limit=0&q=resource.type:AUDIT_LOG+-actor.id:auditor", `"total":`, 2},
		{"viewer, native", viewer, "/api/v1/events?limit=0&q=resource.type:AUDIT_LOG", `"total":`, 0},
		{"auditor, vendor", auditor, "/account/api/v1/audit-log?resource_types=AUDIT_LOG", `"total":`, 0},
		{"auditor, vendor, asked for", auditor, "/account/api/v1/audit-log?resource_types=AUDIT_LOG&resource_id=countersign&action=EXPORT&include_self=true", `"total":`, 1},
		{"viewer, vendor, asked for", viewer, "/account/api/v1/audit-log?resource_types=AUDIT_LOG&include_self=true", `"total":`, 0},
	} {
		status, body := r.as(c.token, c.path)
		if want := c.total + strconv.Itoa(c.reads) + ","; status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s, want %s", c.name, status, body, want)
		}
	}
}

func TestReadingNeverShiftsThePagesThatAreRead(t *testing.T) {
	r := start(t, nil)
	r.append(95)
	token := r.reader("auditor", identity.Auditor)
	// Everything but reading that the server tells of itself has happened by now.
	r.as(token, "/account/api/v1/audit-log")
	r.server.Recorded()
	var first []string
	for pass := range 5 {
		var ids []string
		total := -1
		for offset := 0; total < 0 || offset < total; offset += 10 {
			status, body := r.as(token, fmt.Sprintf("/account/api/v1/audit-log?limit=10&sort=timestamp:desc&offset=%d", offset))
			var page struct {
				Total int
				Items []struct{ ID string }
			}
			if err := json.Unmarshal([]byte(body), &page); err != nil || status != 200 || total >= 0 && page.Total != total {
				t.Fatalf("pass %d, offset %d: %d %s, total was %d", pass, offset, status, body, total)
			}
			total = page.Total
			for _, i := range page.Items {
				ids = append(ids, i.ID)
			}
			r.server.Recorded() // the read of this page is in the trail before the next one is asked for
		}
		if first == nil {
			first = ids
		}
		if !slices.Equal(ids, first) || len(ids) != total || total < 95 {
			t.Errorf("pass %d read %d rows of %d, the first %d", pass, len(ids), total, len(first))
		}
	}
	if n := len(r.own("action:=READ")); n < 40 {
		t.Errorf("only %d reads are recorded: the test does not test much", n)
	}
}

func TestAnExportIsRecordedAtItsEndAlsoWhenItBreaksOff(t *testing.T) {
	r := start(t, nil)
	const events = 60_000
	r.append(events)
	token := r.reader("auditor", identity.Auditor)
	if status, _ := r.as(token, "/api/v1/events/export?q=source:example/app"); status != 200 {
		t.Fatal(status)
	}
	req := r.request("GET", "/api/v1/events/export?q=source:example/app&sort=id:asc", nil, "Authorization", "Bearer "+token, "Accept-Encoding", "identity")
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req.WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	resp.Body.Close()
	for deadline := time.Now().Add(10 * time.Second); len(r.own("action:=EXPORT")) < 2 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	entries := r.own("action:=EXPORT")
	if got := actions(entries); !slices.Equal(got, []string{"EXPORT success", "EXPORT failure"}) {
		t.Fatalf("recorded %q", got)
	}
	for i, e := range entries {
		rows := number(t, &e.Event, "rows")
		if e.Actor.ID.Value != "auditor" || e.Account.ID != "acme" || (rows == events) != (i == 0) || rows == 0 || i == 0 && number(t, &e.Event, "total") != events ||
			!strings.Contains(e.Attribute("query").Value, "source:example/app") || !strings.Contains(e.Attribute("query").Value, "account.id:=acme") {
			t.Errorf("%s: %+v", e.Outcome, e)
		}
	}
}

func TestASignInIsRecordedOnceASessionAndNotWithEachRequest(t *testing.T) {
	r := start(t, nil)
	token := r.reader("auditor", identity.Auditor)
	for range 50 {
		r.as(token, "/api/v1/events?limit=0")
		r.as(token, "/account/api/v1/user/me")
	}
	entries := r.own("action:=LOGIN actor.id:=auditor")
	if len(entries) != 1 {
		t.Fatalf("%d sign-ins are recorded", len(entries))
	}
	if e := entries[0]; e.Resource.Type != "APIKEY" || e.Resource.Name.Value != "auditor" || e.Account.ID != "acme" || e.Account.Name.Value != "Acme Ltd" ||
		e.Actor.Type != event.ActorService || e.Client.IP.Value != "127.0.0.1" {
		t.Errorf("%+v", e)
	}
}

func TestAReadSaysWhatWasAskedAndSeen(t *testing.T) {
	r := start(t, nil)
	r.append(30)
	viewer := r.reader("viewer", identity.ViewOnly)
	for range 3 {
		r.as(viewer, "/api/v1/events?limit=10&q=action:login&from=2026-01-01&sort=actor.name:desc")
	}
	entries := r.own("action:=READ actor.id:=viewer")
	var rows, count int
	for _, e := range entries {
		rows += number(t, &e.Event, "rows")
		count += number(t, &e.Event, "count")
		for name, want := range map[string]string{
			"query": "action:login occurred_at>=2026-01-01 account.id:=acme", "sort": "actor.name:desc", "own_records": "left out",
			"route": "/api/v1/events", "dialect": "native", "total": "30",
		} {
			if got := e.Attribute(name).Value; got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if e.Resource.Type != "AUDIT_LOG" || !e.Resource.ID.Present || !e.Resource.Name.Present {
			t.Errorf("%+v", e)
		}
	}
	if rows != 30 || count != 3 || len(entries) > 2 {
		t.Errorf("%d rows in %d reads by %d entries", rows, count, len(entries))
	}
	long := "action:login"
	for i := range 700 {
		long += "+-id:a-long-name-" + strconv.Itoa(i)
	}
	if status, body := r.as(viewer, "/api/v1/events?q="+long); status != 200 {
		t.Fatalf("%d %.200s", status, body)
	}
	cut := r.own("action:=READ -attributes.query_sha256:null")
	if len(cut) != 1 {
		t.Fatalf("%d long questions are recorded", len(cut))
	}
	if n := len(cut[0].Attribute("query").Value); n > 8<<10 || number(t, &cut[0].Event, "query_bytes") <= n {
		t.Errorf("a long question is recorded with %d bytes", n)
	}
}

// broken is a trail that takes nothing of the auditor's while it is told to.
type broken struct {
	*store.Store
	notebook
}

func (b *broken) Append(ctx context.Context, events []event.Event, by string) (store.Receipt, error) {
	if _, err := b.notebook.Append(ctx, nil, by); err != nil {
		return store.Receipt{}, err
	}
	return b.Store.Append(ctx, events, by)
}

func TestReadsAreAnsweredWhileTheyCannotBeRecorded(t *testing.T) {
	var b *broken
	r := start(t, func(s *server.Server) {
		b = &broken{Store: s.Trail}
		b.err = errFull
		s.SetRecorder(b)
	})
	r.append(10)
	size, began := r.server.Trail.Size(), time.Now()
	for i := range 20 {
		if status, body := r.as(bootstrapToken, "/api/v1/events?q=id:e-"+strconv.Itoa(i)); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("20 reads took %s", took)
	}
	if n := r.server.Trail.Size(); n != size {
		t.Fatalf("%d entries more: the test does not test much", n-size)
	}
	b.fail(nil)
	entries := r.own("source:=countersign/server")
	got := map[string]int{}
	for _, e := range entries {
		got[e.Action]++
	}
	if got["READ"] != 20 || got["LOGIN"] != 1 || got["INGEST_PAUSED"] != 1 || got["INGEST_RESUMED"] != 1 || got["START"] != 1 {
		t.Errorf("recorded %v", got)
	}
}
