package native_test

import (
	"fmt"
	"strings"
	"testing"

	"countersign/identity"
)

func TestEstateIsMadeListedAndDeleted(t *testing.T) {
	a := newAPI(t)
	for _, c := range []struct{ path, body, location string }{
		{"/api/v1/accounts", `{"id":"acme/eu","name":"Example & Sons"}`, "/api/v1/accounts/acme%2Feu"},
		{"/api/v1/divisions", `{"account_id":"acme/eu","id":"677793","name":"EMEA"}`, "/api/v1/divisions/677793?account_id=acme%2Feu"},
		{"/api/v1/users", `{"id":"jane","user_type":"standard","user_name":"jane@example.com","primary_account_id":"acme/eu","grants":[{"role":"AM_VIEW_ONLY","account_id":"acme/eu","divisions":["677793"]}]}`, "/api/v1/users/jane"},
		{"/api/v1/users", `{"id":"bot","user_type":"service","friendly_name":"Bot","primary_account_id":"acme/eu","email":null}`, "/api/v1/users/bot"},
	} {
		w := a.post(c.path, c.body)
		made := must(t, w, 201)
		if got := w.Header().Get("Location"); got != c.location {
			t.Fatalf("location %q, want %q", got, c.location)
		}
		if read := must(t, a.do(request{path: c.location}), 200); fmt.Sprint(read) != fmt.Sprint(made) {
			t.Errorf("made %v\nread %v", made, read)
		}
	}
	w := a.post("/api/v1/tokens", `{"user_id":"jane","name":"laptop"}`)
	token := must(t, w, 201)
	secret, _ := token["token"].(string)
	if len(secret) < 32 {
		t.Fatalf("token %v", token)
	}
	if shown := a.do(request{path: w.Header().Get("Location")}); strings.Contains(shown.Body.String(), secret) || shown.Code != 200 {
		t.Errorf("the token is shown again: %d %s", shown.Code, shown.Body)
	}
	if me := must(t, a.do(request{path: "/api/v1/users/me", token: secret}), 200); me["id"] != "jane" {
		t.Errorf("me is %v", me)
	}

	for path, want := range map[string]string{
		"/api/v1/accounts":                         "countersign acme/eu",
		"/api/v1/accounts?offset=1&limit=1":        "acme/eu",
		"/api/v1/accounts?limit=0":                 "",
		"/api/v1/divisions":                        "677793",
		"/api/v1/divisions?account_id=countersign": "",
		"/api/v1/users?account_id=acme/eu":         "jane bot",
		"/api/v1/users?user_type=standard":         "jane",
	} {
		m := must(t, a.do(request{path: path}), 200)
		var ids []string
		for _, item := range m["items"].([]any) {
			ids = append(ids, item.(map[string]any)["id"].(string))
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if m := must(t, a.do(request{path: "/api/v1/tokens?user_id=jane"}), 200); m["total"] != 1.0 || m["offset"] != 0.0 || m["limit"] != 50.0 {
		t.Errorf("tokens %v", m)
	}

	wantProblem(t, a.do(request{method: "DELETE", path: "/api/v1/accounts/acme%2Feu"}), 409, "conflict", map[string]any{"field": "id"})
	for _, path := range []string{"/api/v1/users/jane", "/api/v1/users/jane?purge=true", "/api/v1/users/bot?purge=true",
		"/api/v1/divisions/677793?account_id=acme/eu", "/api/v1/accounts/acme%2Feu"} {
		if w := a.do(request{method: "DELETE", path: path}); w.Code != 204 || w.Body.Len() != 0 {
			t.Fatalf("DELETE %s: %d %s", path, w.Code, w.Body)
		}
	}
	wantProblem(t, a.do(request{path: "/api/v1/users/me", token: secret}), 401, "unauthenticated", nil)
	wantProblem(t, a.do(request{path: "/api/v1/users/jane"}), 404, "not-found", nil)
	wantProblem(t, a.do(request{method: "DELETE", path: "/api/v1/accounts/acme%2Feu"}), 404, "not-found", nil)
}

func TestDeletedUserCanBeReadUntilPurged(t *testing.T) {
	a := newAPI(t)
	a.account("acme")
	must(t, a.post("/api/v1/users", `{"id":"jane","user_type":"standard","user_name":"jane","primary_account_id":"acme"}`), 201)
	must(t, a.do(request{method: "DELETE", path: "/api/v1/users/jane?purge=false"}), 204)
	if m := must(t, a.do(request{path: "/api/v1/users/jane"}), 200); m["status"] != "DELETED" {
		t.Errorf("status %v", m["status"])
	}
	wantProblem(t, a.do(request{method: "DELETE", path: "/api/v1/users/jane?purge=1"}), 400, "invalid", map[string]any{"field": "purge"})
	must(t, a.do(request{method: "DELETE", path: "/api/v1/users/jane?purge=true"}), 204)
	wantProblem(t, a.do(request{path: "/api/v1/users/jane"}), 404, "not-found", nil)
}

func TestManagementIsRefusedWithoutTheRight(t *testing.T) {
	a := newAPI(t)
	a.account("acme")
	viewer := a.user("viewer", "acme", []identity.Grant{{Role: identity.ViewOnly, Account: "acme"}}, identity.NewToken{})
	header := map[string]string{"Content-Type": asJSON}
	for path, body := range map[string]string{
		"/api/v1/accounts":  `{"name":"Mine"}`,
		"/api/v1/divisions": `{"account_id":"acme","name":"Mine"}`,
		"/api/v1/users":     `{"user_type":"service","friendly_name":"x","primary_account_id":"acme"}`,
	} {
		wantProblem(t, a.do(request{method: "POST", path: path, token: viewer, header: header, body: []byte(body)}), 403, "denied", nil)
	}
	wantProblem(t, a.do(request{method: "DELETE", path: "/api/v1/accounts/acme", token: viewer}), 403, "denied", nil)
	wantProblem(t, a.do(request{path: "/api/v1/accounts/countersign", token: viewer}), 404, "not-found", nil)
}

func TestManagementBodiesAreReadStrictly(t *testing.T) {
	a := newAPI(t)
	a.account("acme")
	users := func(member string) string {
		return `{"user_type":"service","friendly_name":"x","primary_account_id":"acme",` + member + `}`
	}
	for _, c := range []struct {
		name, path, contentType string
		body                    string
		status                  int
		kind                    string
		field                   any
	}{
		{"nothing", "/api/v1/accounts", asJSON, "", 400, "invalid", "body"},
		{"broken", "/api/v1/accounts", asJSON, `{"name":`, 400, "invalid", "body"},
		{"array", "/api/v1/accounts", asJSON, `[{"name":"x"}]`, 400, "invalid", "body"},
		{"two", "/api/v1/accounts", asJSON, `{"name":"x"}{}`, 400, "invalid", "body"},
		{"null", "/api/v1/accounts", asJSON, `null`, 400, "invalid", "name"},
		{"required", "/api/v1/accounts", asJSON, `{}`, 400, "invalid", "name"},
		{"unknown", "/api/v1/accounts", asJSON, `{"name":"x","colour":"red"}`, 400, "invalid", "colour"},
		{"other case", "/api/v1/accounts", asJSON, `{"Name":"x"}`, 400, "invalid", "Name"},
		{"unknown deep", "/api/v1/accounts", asJSON, `{"name":"x","service_period":{"form":"2026-01-01"}}`, 400, "invalid", "service_period.form"},
		{"twice", "/api/v1/accounts", asJSON, `{"name":"x","name":"y"}`, 400, "invalid", "name"},
		{"twice deep", "/api/v1/accounts", asJSON, `{"name":"x","auth_config":{"a":1,"a":2}}`, 400, "invalid", "auth_config.a"},
		{"wrong type", "/api/v1/accounts", asJSON, `{"name":1}`, 400, "invalid", "name"},
		{"wrong type of flag", "/api/v1/accounts", asJSON, `{"name":"x","active":"yes"}`, 400, "invalid", "active"},
		{"invalid UTF-8", "/api/v1/accounts", asJSON, "{\"name\":\"a\xff\"}", 400, "invalid", "body"},
		{"impossible date", "/api/v1/accounts", asJSON, `{"name":"x","service_period":{"from":"2026-02-30"}}`, 400, "invalid", "service_period.from"},
		{"unknown in a grant", "/api/v1/users", asJSON, users(`"grants":[{"role":"AUDITOR","account_id":"acme"},{"rolle":"AUDITOR"}]`), 400, "invalid", "grants[1].rolle"},
		{"unknown role", "/api/v1/users", asJSON, users(`"grants":[{"role":"KING","account_id":"acme"}]`), 400, "invalid", "grants[0].role"},
		{"number for text in a list", "/api/v1/users", asJSON, users(`"accounts":["acme",7]`), 400, "invalid", "accounts[1]"},
		{"unknown account", "/api/v1/divisions", asJSON, `{"account_id":"nobody","name":"x"}`, 400, "invalid", "account_id"},
		{"token of nobody", "/api/v1/tokens", asJSON, `{"user_id":"nobody","name":"x"}`, 400, "invalid", "user_id"},
		{"there already", "/api/v1/accounts", asJSON, `{"id":"acme","name":"x"}`, 409, "conflict", "id"},
		{"too long", "/api/v1/accounts", asJSON, `{"name":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "too-large", nil},
		{"lines", "/api/v1/accounts", asNDJSON, `{"name":"x"}`, 415, "unsupported-media-type", nil},
		{"no type", "/api/v1/accounts", "", `{"name":"x"}`, 415, "unsupported-media-type", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := a.do(request{method: "POST", path: c.path, header: map[string]string{"Content-Type": c.contentType}, body: []byte(c.body)})
			wantProblem(t, w, c.status, c.kind, map[string]any{"field": c.field})
		})
	}
	w := a.do(request{method: "POST", path: "/api/v1/accounts", body: gzipped(t, []byte(`{"name":"x"}`)),
		header: map[string]string{"Content-Type": asJSON, "Content-Encoding": "gzip"}})
	wantProblem(t, w, 415, "unsupported-media-type", nil)
	wantProblem(t, a.post("/api/v1/accounts?colour=red", `{"name":"x"}`), 400, "invalid", map[string]any{"field": "colour"})
	if m := must(t, a.do(request{path: "/api/v1/accounts"}), 200); m["total"] != 2.0 {
		t.Errorf("%v accounts: something of a refused request was made", m["total"])
	}
	for _, path := range []string{"/api/v1/accounts?limit=1001", "/api/v1/users?limit=-1", "/api/v1/tokens?offset=99999999999999999999", "/api/v1/users?user_type=robot"} {
		if w := a.do(request{path: path}); w.Code != 400 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// FuzzManage claims that a body is refused by a problem that names what is wrong, or read and then refused
// for want of the right: accounts that are made would slow the run down.
func FuzzManage(f *testing.F) {
	a := newAPI(f)
	a.account("acme")
	viewer := a.user("viewer", "acme", []identity.Grant{{Role: identity.ViewOnly, Account: "acme"}}, identity.NewToken{})
	for _, body := range []string{`{"name":"x"}`, `{"name":"x","name":"y"}`, `{"name":"x","auth_config":{"a":[1,{}]}}`, `{"sign_in_methods":[{"signInMethod":1}]}`, `{"status":"LOCKED","phone":null}`, `{"user_id":"viewer","role":"AUDITOR","account_id":"acme"}`, `{"service_period":{"to":null}}`, `[`, "\xff", `{"":1}`, `{"a/b~":1}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, call := range []string{"POST /api/v1/accounts", "PATCH /api/v1/accounts/acme", "PATCH /api/v1/users/viewer", "POST /api/v1/roles"} {
			method, path, _ := strings.Cut(call, " ")
			w := a.in(t).do(request{method: method, path: path, token: viewer, header: map[string]string{"Content-Type": asJSON}, body: body})
			m := must(t, w, w.Code)
			switch {
			case w.Code == 403:
			case w.Code == 404 && path == "/api/v1/roles": // of a user whom nobody knows
			case w.Code == 413 && len(body) > 64<<10:
			case w.Code == 400 && m["field"] != "" && m["field"] != nil:
			default:
				t.Errorf("%s: %d %s", call, w.Code, w.Body)
			}
		}
	})
}
