package native_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"countersign/identity"
)

func (a *api) patch(path, body string) *httptest.ResponseRecorder {
	a.t.Helper()
	return a.do(request{method: "PATCH", path: path, body: []byte(body), header: map[string]string{"Content-Type": asJSON}})
}

// estate makes an account, a division, two users and a token, and returns the token's id and text.
func (a *api) estate() (token, secret string) {
	a.t.Helper()
	a.account("acme", "other")
	must(a.t, a.post("/api/v1/divisions", `{"account_id":"acme","id":"emea","name":"EMEA"}`), 201)
	must(a.t, a.post("/api/v1/users", `{"id":"jane","user_type":"standard","user_name":"jane","email":"jane@example.com","phone":"+1 555 0100","primary_account_id":"acme",
		"grants":[{"role":"AM_VIEW_ONLY","account_id":"acme"}],"applications":[{"id":"x","name":"CA Manager","permissions":["VIEW_CM_LICENSE"]}]}`), 201)
	must(a.t, a.post("/api/v1/users", `{"id":"bot","user_type":"service","friendly_name":"Bot","primary_account_id":"acme"}`), 201)
	m := must(a.t, a.post("/api/v1/tokens", `{"user_id":"jane","name":"laptop","end_date":"2099-12-31"}`), 201)
	return m["id"].(string), m["token"].(string)
}

// Members of an update that are there change, null empties, and everything else stays.
func TestUpdatesChangeWhatTheyNameAndNothingElse(t *testing.T) {
	a := newAPI(t)
	token, _ := a.estate()
	for _, c := range []struct{ path, body, want string }{
		{"accounts/acme", `{}`, `{}`},
		{"accounts/acme", `{"name":"Acme","active":false}`, `{"name":"Acme","active":false}`},
		{"accounts/acme", `{"service_period":{"to":"2030-06-30"}}`, `{"service_period":{"from":"$FROM","to":"2030-06-30"}}`},
		{"accounts/acme", `{"friendly_identifier":"7092363","locale":"de_DE"}`, `{"friendly_identifier":"7092363","locale":"de_DE"}`},
		{"accounts/acme", `{"friendly_identifier":null}`, `{"friendly_identifier":""}`},
		{"accounts/acme", `{"auth_config":{"mode":"saml"},"oauth_clients":[{"id":1}]}`, `{"auth_config":{"mode":"saml"},"oauth_clients":[{"id":1}]}`},
		{"accounts/acme", `{"auth_config":{"b":null}}`, `{"auth_config":{"b":null}}`},
		{"accounts/acme", `{"auth_config":null,"oauth_clients":null}`, `{"auth_config":{},"oauth_clients":[]}`},
		{"accounts/acme", `{"sign_in_methods":[{"signInMethod":"sso","status":"enabled","mfaStatus":"enabled","clientAuthCertLoginEnabled":true}]}`,
			`{"sign_in_methods":[{"signInMethod":"sso","status":"enabled","mfaStatus":"enabled","clientAuthCertLoginEnabled":true}]}`},
		{"divisions/emea?account_id=acme", `{"name":"Europe"}`, `{"name":"Europe"}`},
		{"divisions/emea", `{"name":"EMEA"}`, `{"name":"EMEA"}`},
		{"users/jane", `{"status":"LOCKED"}`, `{"status":"LOCKED"}`},
		{"users/jane", `{"status":"PENDING","first_name":"Jane","last_name":"Doe"}`, `{"status":"PENDING","first_name":"Jane","last_name":"Doe"}`},
		{"users/jane", `{"status":"ACTIVE","user_name":"jane.doe","description":"two\nlines"}`, `{"status":"ACTIVE","user_name":"jane.doe","description":"two\nlines"}`},
		{"users/jane", `{"phone":null,"email":"","first_name":null}`, `{"phone":"","email":"","first_name":null}`},
		{"users/jane", `{"applications":[{"id":"y","name":"Software Trust","permissions":[]}]}`, `{"applications":[{"id":"y","name":"Software Trust","permissions":[]}]}`},
		{"users/jane", `{"applications":null}`, `{"applications":[]}`},
		{"users/bot", `{"friendly_name":"Robot","access_scope":"tenant"}`, `{"friendly_name":"Robot","access_scope":"tenant"}`},
		{"tokens/" + token, `{"enabled":false}`, `{"enabled":false,"status":"disabled"}`},
		{"tokens/" + token, `{"enabled":true,"name":"old laptop"}`, `{"enabled":true,"status":"valid","name":"old laptop"}`},
		{"tokens/" + token, `{"end_date":null}`, `{"end_date":null}`},
		{"tokens/" + token, `{"end_date":"2098-01-01"}`, `{"end_date":"2098-01-01"}`},
	} {
		before := must(t, a.do(request{path: "/api/v1/" + c.path}), 200)
		got := must(t, a.patch("/api/v1/"+c.path, c.body), 200)
		var changed map[string]any
		if err := json.Unmarshal([]byte(c.want), &changed); err != nil {
			t.Fatal(err)
		}
		for name, v := range changed {
			if period, ok := v.(map[string]any); ok && period["from"] == "$FROM" {
				period["from"] = before[name].(map[string]any)["from"]
			}
			if before[name] = v; v == nil {
				delete(before, name) // it is left out when it is empty
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(before) {
			t.Errorf("PATCH %s %s:\n got %v\nwant %v", c.path, c.body, got, before)
		}
		if read := must(t, a.do(request{path: "/api/v1/" + c.path}), 200); fmt.Sprint(read) != fmt.Sprint(got) {
			t.Errorf("PATCH %s %s answers %v, read is %v", c.path, c.body, got, read)
		}
	}
	w := a.do(request{method: "PATCH", path: "/api/v1/users/bot", body: []byte(`{"email":"bot@example.com"}`), header: map[string]string{"Content-Type": "application/merge-patch+json"}})
	if m := must(t, w, 200); m["email"] != "bot@example.com" {
		t.Errorf("%v", m)
	}
}

func TestUsersMoveBetweenAccounts(t *testing.T) {
	a := newAPI(t)
	a.estate()
	accounts := func(m map[string]any) (ids string) {
		for _, v := range m["accounts"].([]any) {
			ids += v.(map[string]any)["id"].(string) + " "
		}
		return ids
	}
	for _, c := range []struct{ body, primary, accounts string }{
		{`{"accounts":["other"]}`, "acme", "acme other "},
		{`{"primary_account_id":"other"}`, "other", "acme other "},
		{`{"accounts":[]}`, "other", "other "},
		{`{"primary_account_id":"acme","accounts":null}`, "acme", "acme "},
	} {
		if m := must(t, a.patch("/api/v1/users/bot", c.body), 200); m["primary_account_id"] != c.primary || accounts(m) != c.accounts {
			t.Errorf("%s: %v in %s", c.body, m["primary_account_id"], accounts(m))
		}
	}
	wantProblem(t, a.patch("/api/v1/users/jane", `{"primary_account_id":"other","accounts":[]}`), 409, "conflict", map[string]any{"field": "accounts"})
}

func TestBadUpdatesAreRefusedByName(t *testing.T) {
	a := newAPI(t)
	token, _ := a.estate()
	must(t, a.post("/api/v1/users", `{"id":"joe","user_type":"standard","user_name":"joe","primary_account_id":"acme"}`), 201)
	must(t, a.post("/api/v1/users", `{"id":"gone","user_type":"standard","user_name":"gone","primary_account_id":"acme"}`), 201)
	must(t, a.do(request{method: "DELETE", path: "/api/v1/users/gone"}), 204)
	must(t, a.post("/api/v1/tokens", `{"user_id":"jane","name":"second"}`), 201)
	must(t, a.patch("/api/v1/accounts/other", `{"friendly_identifier":"1"}`), 200)
	own := must(t, a.do(request{path: "/api/v1/tokens?user_id=me"}), 200)["items"].([]any)[0].(map[string]any)["id"].(string)
	for _, c := range []struct {
		path, body string
		status     int
		kind       string
		field      any
	}{
		{"accounts/acme", `null`, 400, "invalid", "body"},
		{"accounts/acme", `[]`, 400, "invalid", "body"},
		{"accounts/acme", `{"id":"x"}`, 400, "invalid", "id"},
		{"accounts/acme", `{"created_at":"2026-01-01"}`, 400, "invalid", "created_at"},
		{"accounts/acme", `{"name":"x","name":"y"}`, 400, "invalid", "name"},
		{"accounts/acme", `{"name":null}`, 400, "invalid", "name"},
		{"accounts/acme", `{"name":7}`, 400, "invalid", "name"},
		{"accounts/acme", `{"active":null}`, 400, "invalid", "active"},
		{"accounts/acme", `{"active":"false"}`, 400, "invalid", "active"},
		{"accounts/acme", `{"locale":null}`, 400, "invalid", "locale"},
		{"accounts/acme", `{"service_period":null}`, 400, "invalid", "service_period"},
		{"accounts/acme", `{"service_period":{}}`, 400, "invalid", "service_period"},
		{"accounts/acme", `{"service_period":{"too":"2030-01-01"}}`, 400, "invalid", "service_period.too"},
		{"accounts/acme", `{"service_period":{"to":"1999-01-01"}}`, 400, "invalid", "service_period.to"},
		{"accounts/acme", `{"auth_config":{"a":1,"a":2}}`, 400, "invalid", "auth_config.a"},
		{"accounts/acme", `{"auth_config":[]}`, 400, "invalid", "auth_config"},
		{"accounts/acme", `{"sign_in_methods":[{"signInMethod":"sso","colour":"red"}]}`, 400, "invalid", "sign_in_methods[0].colour"},
		{"accounts/acme", `{"friendly_identifier":"1"}`, 409, "conflict", "friendly_identifier"},
		{"accounts/nobody", `{}`, 404, "not-found", nil},
		{"divisions/emea", `{"account_id":"other"}`, 400, "invalid", "account_id"},
		{"divisions/emea", `{"name":""}`, 400, "invalid", "name"},
		{"divisions/apac", `{"name":"x"}`, 404, "not-found", nil},
		{"users/jane", `{"user_type":"service"}`, 400, "invalid", "user_type"},
		{"users/jane", `{"grants":[]}`, 400, "invalid", "grants"},
		{"users/jane", `{"status":"DELETED"}`, 400, "invalid", "status"},
		{"users/jane", `{"status":null}`, 400, "invalid", "status"},
		{"users/jane", `{"user_name":null}`, 400, "invalid", "user_name"},
		{"users/jane", `{"user_name":"JOE"}`, 409, "conflict", "user_name"},
		{"users/jane", `{"email":"nobody"}`, 400, "invalid", "email"},
		{"users/jane", `{"access_scope":null}`, 400, "invalid", "access_scope"},
		{"users/jane", `{"primary_account_id":null}`, 400, "invalid", "primary_account_id"},
		{"users/jane", `{"primary_account_id":"nobody"}`, 400, "invalid", "primary_account_id"},
		{"users/jane", `{"accounts":["nobody"]}`, 400, "invalid", "accounts[0]"},
		{"users/jane", `{"applications":[{"name":"x","id":"y","right":1}]}`, 400, "invalid", "applications[0].right"},
		{"users/bot", `{"user_name":"bot"}`, 400, "invalid", "user_name"},
		{"users/bot", `{"friendly_name":null}`, 400, "invalid", "friendly_name"},
		{"users/me", `{"status":"LOCKED"}`, 409, "conflict", "status"},
		{"users/gone", `{"status":"ACTIVE"}`, 409, "conflict", "id"},
		{"users/nobody", `{}`, 404, "not-found", nil},
		{"tokens/" + token, `{"user_id":"bot"}`, 400, "invalid", "user_id"},
		{"tokens/" + token, `{"enabled":null}`, 400, "invalid", "enabled"},
		{"tokens/" + token, `{"name":"a/b"}`, 400, "invalid", "name"},
		{"tokens/" + token, `{"name":"second"}`, 409, "conflict", "name"},
		{"tokens/" + token, `{"end_date":"1999-12-31"}`, 400, "invalid", "end_date"},
		{"tokens/" + token, `{"end_date":"soon"}`, 400, "invalid", "end_date"},
		{"tokens/" + own, `{"enabled":false}`, 409, "conflict", "enabled"},
		{"tokens/nobody", `{}`, 404, "not-found", nil},
	} {
		t.Run(c.path+" "+c.body, func(t *testing.T) {
			before := a.do(request{path: "/api/v1/" + c.path}).Body.String()
			wantProblem(t, a.in(t).patch("/api/v1/"+c.path, c.body), c.status, c.kind, map[string]any{"field": c.field})
			if after := a.do(request{path: "/api/v1/" + c.path}).Body.String(); after != before && c.status != 404 {
				t.Errorf("changed all the same:\n%s\n%s", before, after)
			}
		})
	}
	wantProblem(t, a.do(request{method: "PATCH", path: "/api/v1/accounts/acme", body: []byte(`{}`), header: map[string]string{"Content-Type": "text/plain"}}), 415, "unsupported-media-type", nil)
	wantProblem(t, a.patch("/api/v1/users/jane?account_id=acme", `{}`), 400, "invalid", map[string]any{"field": "account_id"})
}

// Whoever is signed in already is out with the next call.
func TestLocksAndSwitchesAreInForceWithTheNextCall(t *testing.T) {
	a := newAPI(t)
	token, secret := a.estate()
	signedIn := func() bool { return a.do(request{path: "/api/v1/users/me", token: secret}).Code == 200 }
	for _, c := range []struct {
		path, body string
		want       bool
	}{
		{"users/jane", `{"status":"LOCKED"}`, false}, {"users/jane", `{"status":"ACTIVE"}`, true},
		{"users/jane", `{"status":"PENDING"}`, false}, {"users/jane", `{"status":"ACTIVE"}`, true},
		{"tokens/" + token, `{"enabled":false}`, false}, {"tokens/" + token, `{"enabled":true}`, true},
	} {
		must(t, a.patch("/api/v1/"+c.path, c.body), 200)
		if signedIn() != c.want {
			t.Errorf("after %s %s: signed in %t", c.path, c.body, !c.want)
		}
	}
}

func TestRolesAreGivenListedAndTakenBack(t *testing.T) {
	a := newAPI(t)
	a.estate()
	w := a.post("/api/v1/roles", `{"user_id":"bot","role":"AUDITOR","account_id":"other","divisions":null}`)
	made := must(t, w, 201)
	if made["user_id"] != "bot" || made["role"] != "AUDITOR" || made["account_id"] != "other" || made["created_by"] == "" || made["created_at"] == nil {
		t.Errorf("made %v", made)
	}
	if read := must(t, a.do(request{path: w.Header().Get("Location")}), 200); read["total"] != 1.0 || fmt.Sprint(read["items"].([]any)[0]) != fmt.Sprint(made) {
		t.Errorf("at %s: %v", w.Header().Get("Location"), read)
	}
	w = a.post("/api/v1/roles", `{"user_id":"bot","role":"MONITOR","server":true}`)
	if m := must(t, w, 201); m["server"] != true || m["account_id"] != nil || w.Header().Get("Location") != "/api/v1/roles?role=MONITOR&server=true&user_id=bot" {
		t.Errorf("%v at %s", m, w.Header().Get("Location"))
	}
	must(t, a.post("/api/v1/roles", `{"user_id":"bot","role":"AM_VIEW_ONLY","account_id":"acme","divisions":["emea"]}`), 201)

	for query, want := range map[string]string{
		"user_id=bot":                     "MONITOR@ AM_VIEW_ONLY@acme AUDITOR@other ",
		"account_id=acme":                 "AM_VIEW_ONLY@acme AM_VIEW_ONLY@acme ", // jane's and bot's
		"account_id=acme&user_id=bot":     "AM_VIEW_ONLY@acme ",
		"user_id=bot&server=true":         "MONITOR@ ",
		"role=AUDITOR&account_id=other":   "AUDITOR@other ",
		"user_id=bot&limit=1&offset=1":    "AM_VIEW_ONLY@acme ",
		"account_id=nobody":               "",
		"user_id=bot&role=EVENT_WRITER":   "",
		"user_id=bot&server=false&role=":  "MONITOR@ AM_VIEW_ONLY@acme AUDITOR@other ",
		"user_id=me&role=SERVER_OPERATOR": "SERVER_OPERATOR@ ",
	} {
		got := ""
		for _, item := range must(t, a.do(request{path: "/api/v1/roles?" + query}), 200)["items"].([]any) {
			g := item.(map[string]any)
			account, _ := g["account_id"].(string)
			got += g["role"].(string) + "@" + account + " "
		}
		if got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}

	for _, c := range []struct {
		method, query, body string
		status              int
		kind                string
		field               any
	}{
		{"POST", "", `{"role":"AUDITOR","account_id":"acme"}`, 400, "invalid", "user_id"},
		{"POST", "", `{"user_id":"bot","role":"KING","account_id":"acme"}`, 400, "invalid", "role"},
		{"POST", "", `{"user_id":"bot","role":"AUDITOR"}`, 400, "invalid", "account_id"},
		{"POST", "", `{"user_id":"bot","role":"AUDITOR","account_id":"nobody"}`, 400, "invalid", "account_id"},
		{"POST", "", `{"user_id":"bot","role":"AUDITOR","account_id":"acme","divisions":["x"]}`, 400, "invalid", "divisions[0]"},
		{"POST", "", `{"user_id":"bot","role":"AUDITOR","account_id":"other"}`, 409, "conflict", "role"},
		{"POST", "", `{"user_id":"bot","role":"AUDITOR","account_id":"acme","until":"2030-01-01"}`, 400, "invalid", "until"},
		{"POST", "", `{"user_id":"nobody","role":"AUDITOR","account_id":"acme"}`, 404, "not-found", nil},
		{"GET", "role=KING", "", 400, "invalid", "role"},
		{"GET", "server=yes", "", 400, "invalid", "server"},
		{"GET", "user_id=nobody", "", 404, "not-found", nil},
		{"DELETE", "role=AUDITOR&account_id=other", "", 400, "invalid", "user_id"},
		{"DELETE", "user_id=bot&account_id=other", "", 400, "invalid", "role"},
		{"DELETE", "user_id=bot&role=AUDITOR", "", 400, "invalid", "account_id"},
		{"DELETE", "user_id=bot&role=AUDITOR&account_id=other&divisions=x", "", 400, "invalid", "divisions"},
		{"DELETE", "user_id=bot&role=AUDITOR&account_id=acme", "", 404, "not-found", nil},
		{"DELETE", "user_id=me&role=AM_ACCOUNT_ADMIN&server=true", "", 409, "conflict", "role"},
	} {
		w := a.do(request{method: c.method, path: "/api/v1/roles?" + c.query, body: []byte(c.body), header: map[string]string{"Content-Type": asJSON}})
		wantProblem(t, w, c.status, c.kind, map[string]any{"field": c.field})
	}

	for _, query := range []string{"user_id=bot&role=AUDITOR&account_id=other", "user_id=bot&role=MONITOR&server=true", "user_id=bot&role=AM_VIEW_ONLY&account_id=acme"} {
		must(t, a.do(request{method: "DELETE", path: "/api/v1/roles?" + query}), 204)
		wantProblem(t, a.do(request{method: "DELETE", path: "/api/v1/roles?" + query}), 404, "not-found", nil)
	}
	if m := must(t, a.do(request{path: "/api/v1/roles?user_id=bot"}), 200); m["total"] != 0.0 {
		t.Errorf("left %v", m)
	}
}

func TestCertificatesAreBoundAndSignTheirUserIn(t *testing.T) {
	a := newAPI(t)
	a.estate()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(255), Subject: pkix.Name{CommonName: "bot"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	if err != nil {
		t.Fatal(err)
	}
	me := func() *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/users/me", nil)
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: der}}}
		w := httptest.NewRecorder()
		w.Header().Set("X-Request-Id", "r-1")
		a.handler.ServeHTTP(w, r)
		return w
	}
	wantProblem(t, me(), 401, "unauthenticated", nil)
	w := a.post("/api/v1/certificates", fmt.Sprintf(`{"user_id":"bot","name":"rack 7","pem":%s,"accounts":["acme"]}`, text))
	made := must(t, w, 201)
	if made["subject"] != "CN=bot" || made["serial"] != "ff" || made["status"] != "valid" || made["name"] != "rack 7" || made["pem"] != nil {
		t.Errorf("made %v", made)
	}
	place := w.Header().Get("Location")
	if read := must(t, a.do(request{path: place}), 200); fmt.Sprint(read) != fmt.Sprint(made) {
		t.Errorf("read %v", read)
	}
	if m := must(t, me(), 200); m["id"] != "bot" {
		t.Errorf("signed in as %v", m)
	}
	if m := must(t, a.do(request{path: place}), 200); m["last_used_at"] == nil {
		t.Errorf("after a use: %v", m)
	}
	must(t, a.patch(place, `{"enabled":false}`), 200)
	wantProblem(t, me(), 401, "unauthenticated", nil)
	if m := must(t, a.patch(place, `{"enabled":true,"name":"rack 8"}`), 200); m["name"] != "rack 8" {
		t.Errorf("%v", m)
	}
	must(t, me(), 200)
	wantProblem(t, a.post("/api/v1/certificates", fmt.Sprintf(`{"user_id":"jane","name":"x","pem":%s}`, text)), 409, "conflict", map[string]any{"field": "pem"})
	wantProblem(t, a.post("/api/v1/certificates", `{"user_id":"jane","name":"x","pem":"-----BEGIN"}`), 400, "invalid", map[string]any{"field": "pem"})
	wantProblem(t, a.patch(place, `{"pem":""}`), 400, "invalid", map[string]any{"field": "pem"})
	if m := must(t, a.do(request{path: "/api/v1/certificates?user_id=bot"}), 200); m["total"] != 1.0 {
		t.Errorf("listed %v", m)
	}
	must(t, a.do(request{method: "DELETE", path: place}), 204)
	wantProblem(t, me(), 401, "unauthenticated", nil)
	wantProblem(t, a.do(request{path: place}), 404, "not-found", nil)
}

func TestUpdatesAreRefusedWithoutTheRight(t *testing.T) {
	a := newAPI(t)
	token, _ := a.estate()
	viewer := a.user("viewer", "acme", []identity.Grant{{Role: identity.ViewOnly, Account: "acme"}}, identity.NewToken{})
	admin := a.user("admin", "acme", []identity.Grant{{Role: identity.AccountAdmin, Account: "acme"}}, identity.NewToken{})
	stranger := a.user("stranger", "other", []identity.Grant{{Role: identity.AccountAdmin, Account: "other"}}, identity.NewToken{})
	header := map[string]string{"Content-Type": asJSON}
	do := func(as, method, path, body string) *httptest.ResponseRecorder {
		return a.do(request{method: method, path: "/api/v1/" + path, token: as, header: header, body: []byte(body)})
	}
	for _, c := range []struct{ method, path, body string }{
		{"PATCH", "accounts/acme", `{"name":"x"}`},
		{"PATCH", "divisions/emea?account_id=acme", `{"name":"x"}`},
		{"PATCH", "users/jane", `{"status":"LOCKED"}`},
		{"PATCH", "tokens/" + token, `{"enabled":false}`},
		{"POST", "roles", `{"user_id":"jane","role":"AUDITOR","account_id":"acme"}`},
		{"DELETE", "roles?" + url.Values{"user_id": {"jane"}, "role": {"AM_VIEW_ONLY"}, "account_id": {"acme"}}.Encode(), ""},
	} {
		if w := do(viewer, c.method, c.path, c.body); w.Code != 403 && !(c.path == "tokens/"+token && w.Code == 404) {
			t.Errorf("a viewer's %s %s: %d", c.method, c.path, w.Code)
		}
		if w := do(stranger, c.method, c.path, c.body); w.Code != 404 && !(c.method == "POST" && w.Code == 400) {
			t.Errorf("a stranger's %s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
		if w := do(admin, c.method, c.path, c.body); w.Code >= 300 {
			t.Errorf("the administrator's %s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
	}
	for field, body := range map[string]string{
		"active": `{"active":false}`, "service_period": `{"service_period":{"to":"2090-01-01"}}`, "friendly_identifier": `{"friendly_identifier":"9"}`,
	} {
		wantProblem(t, do(admin, "PATCH", "accounts/acme", body), 403, "denied", map[string]any{"field": field})
	}
}
