package native_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"countersign/dialect/native"
	"countersign/event"
	"countersign/identity"
	"countersign/internal/apicheck"
	"countersign/merkle"
	"countersign/query"
	"countersign/store"
)

// api is the handler over a real directory and a real trail.
type api struct {
	t       testing.TB
	handler http.Handler
	trail   *store.Store
	dir     *identity.Directory
	admin   string // the token of the administrator
}

func newAPI(t testing.TB) *api {
	t.Helper()
	data, err := store.Claim(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir, admin := newDirectory(t, filepath.Join(data.Path(), store.ControlName))
	trail, err := data.Open(store.Options{DedupKey: dir.DedupKey(), NoPreallocate: true, PublishEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := trail.Close(); err != nil {
			t.Error(err)
		}
	})
	return &api{t, apicheck.Handler(t, native.New(native.Deps{Trail: trail, Identity: dir})), trail, dir, admin}
}

func newDirectory(t testing.TB, path string) (d *identity.Directory, admin string) {
	t.Helper()
	d, err := identity.Open(t.Context(), path, identity.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	admin = strings.Repeat("administrator.", 3)
	if _, _, err := d.Bootstrap(t.Context(), admin); err != nil {
		t.Fatal(err)
	}
	return d, admin
}

// faked is the handler over a real directory and a trail that does as it is told.
func faked(t testing.TB, f *fakeTrail, ingestBytes int64) *api {
	t.Helper()
	dir, admin := newDirectory(t, filepath.Join(t.TempDir(), "control.db"))
	h := native.New(native.Deps{Trail: f, Identity: dir, IngestBytes: ingestBytes})
	return &api{t, apicheck.Handler(t, h), nil, dir, admin}
}

type fakeTrail struct {
	native.Trail // what a test does not need it to do
	append       func(ctx context.Context, events []event.Event) (store.Receipt, error)
	search       func(ctx context.Context, q query.Query) (store.Page, error)
	each         func(ctx context.Context, fn func(*event.Entry) error) (store.Page, error)
	size         uint64
	ready        error
}

func (f *fakeTrail) Append(ctx context.Context, events []event.Event, _ string) (store.Receipt, error) {
	r, err := f.append(ctx, events)
	r.Checkpoint.Note = []byte("a checkpoint\n")
	return r, err
}

func (f *fakeTrail) Search(ctx context.Context, q query.Query) (store.Page, error) {
	return f.search(ctx, q)
}

func (f *fakeTrail) Each(ctx context.Context, _ query.Query, fn func(*event.Entry) error) (store.Page, error) {
	return f.each(ctx, fn)
}

func (f *fakeTrail) Published() (merkle.Checkpoint, bool) { return merkle.Checkpoint{}, false }

// Acknowledged has nothing to prove anything with.
func (f *fakeTrail) Acknowledged(context.Context, *store.Receipt, int) (*event.Entry, error) {
	return nil, errors.New("there is no entry")
}

func (f *fakeTrail) Size() uint64 { return f.size }
func (f *fakeTrail) Ready() error { return f.ready }

// in is the same API in another test: a fuzz target's.
func (a *api) in(t testing.TB) *api {
	b := *a
	b.t = t
	return &b
}

// request is one call; its zero parts are left out.
type request struct {
	method string // GET
	path   string
	token  string // the administrator's; "-" for none
	header map[string]string
	body   []byte
}

func (a *api) do(r request) *httptest.ResponseRecorder {
	a.t.Helper()
	if r.method == "" {
		r.method = http.MethodGet
	}
	req := httptest.NewRequest(r.method, r.path, bytes.NewReader(r.body))
	if r.body == nil {
		req.Body = http.NoBody
	}
	switch r.token {
	case "":
		req.Header.Set("Authorization", "Bearer "+a.admin)
	case "-":
	default:
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	for name, v := range r.header {
		if v == "" {
			req.Header.Del(name)
			continue
		}
		req.Header.Set(name, v)
	}
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "r-1")
	a.handler.ServeHTTP(w, req)
	return w
}

func (a *api) post(path, body string) *httptest.ResponseRecorder {
	a.t.Helper()
	return a.do(request{method: "POST", path: path, body: []byte(body), header: map[string]string{"Content-Type": "application/json"}})
}

// must returns the JSON object of an answer that has the status.
func must(t testing.TB, w *httptest.ResponseRecorder, status int) map[string]any {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	if w.Body.Len() == 0 {
		return nil
	}
	var m map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return m
}

// wantProblem checks the whole of an error answer that does not depend on its wording.
func wantProblem(t testing.TB, w *httptest.ResponseRecorder, status int, kind string, members map[string]any) {
	t.Helper()
	m := must(t, w, status)
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	if m["type"] != "urn:countersign:problem:"+kind || m["status"] != float64(status) || m["title"] == "" || m["detail"] == "" {
		t.Errorf("problem %s", w.Body)
	}
	if m["request_id"] != "r-1" {
		t.Errorf("request_id %v", m["request_id"])
	}
	for _, name := range []string{"field", "event", "seq", "position"} {
		want, got := members[name], m[name]
		if n, ok := want.(int); ok {
			want = float64(n)
		}
		if want != got {
			t.Errorf("%s is %v, want %v: %s", name, got, want, w.Body)
		}
	}
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// eventJSON is a good event with the given id.
func eventJSON(id string) string {
	return fmt.Sprintf(`{"id":%q,"occurred_at":"2026-01-15T10:30:00Z","action":"LOGIN","resource":{"type":"USER"},"source":"example/app"}`, id)
}

// seed records n events i = 0.. whose text is made by line.
func (a *api) seed(n int, line func(i int) string) {
	a.t.Helper()
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintln(&b, line(i))
	}
	w := a.do(request{method: "POST", path: "/api/v1/events", body: b.Bytes(), header: map[string]string{"Content-Type": "application/x-ndjson"}})
	must(a.t, w, http.StatusCreated)
}

// user makes a service user with the grants and returns a token of it.
func (a *api) user(id, account string, grants []identity.Grant, bound identity.NewToken) string {
	a.t.Helper()
	admin, err := a.dir.Authenticate(a.t.Context(), identity.Credential{Token: a.admin})
	if err != nil {
		a.t.Fatal(err)
	}
	_, err = a.dir.CreateUser(a.t.Context(), admin, identity.NewUser{
		ID: id, Type: identity.Service, FriendlyName: id, PrimaryAccountID: account, Grants: grants,
	})
	if err != nil {
		a.t.Fatal(err)
	}
	bound.UserID, bound.Name = id, "token"
	_, secret, err := a.dir.CreateToken(a.t.Context(), admin, bound)
	if err != nil {
		a.t.Fatal(err)
	}
	return secret
}

func (a *api) account(ids ...string) {
	a.t.Helper()
	for _, id := range ids {
		must(a.t, a.post("/api/v1/accounts", fmt.Sprintf(`{"id":%q,"name":%q}`, id, "Account "+id)), http.StatusCreated)
	}
}

func TestCredentialIsTakenFromEachHeaderInOrder(t *testing.T) {
	a := newAPI(t)
	basic := func(password string) string {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth("anybody", password)
		return r.Header.Get("Authorization")
	}
	for _, c := range []struct {
		name   string
		header map[string]string
		status int
	}{
		{"bearer", map[string]string{"Authorization": "Bearer " + a.admin}, 200},
		{"bearer in any case", map[string]string{"Authorization": "bearer  " + a.admin}, 200},
		{"x-api-key", map[string]string{"x-api-key": a.admin}, 200},
		{"X-DC-DEVKEY", map[string]string{"X-DC-DEVKEY": a.admin}, 200},
		{"basic password", map[string]string{"Authorization": basic(a.admin)}, 200},
		{"bearer before x-api-key", map[string]string{"Authorization": "Bearer wrong", "x-api-key": a.admin}, 401},
		{"x-api-key before X-DC-DEVKEY", map[string]string{"x-api-key": "wrong", "X-DC-DEVKEY": a.admin}, 401},
		{"x-api-key before basic", map[string]string{"x-api-key": a.admin, "Authorization": basic("wrong")}, 200},
		{"empty bearer is none", map[string]string{"Authorization": "Bearer ", "x-api-key": a.admin}, 200},
		{"unknown scheme is none", map[string]string{"Authorization": "Digest " + a.admin}, 401},
		{"none", nil, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := a.do(request{path: "/api/v1/events", token: "-", header: c.header})
			if w.Code != c.status {
				t.Fatalf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			if c.status == 401 {
				wantProblem(t, w, 401, "unauthenticated", nil)
				if got := w.Header().Get("WWW-Authenticate"); got != `Bearer realm="countersign"` {
					t.Errorf("WWW-Authenticate %q", got)
				}
			}
		})
	}
}

func TestUnknownPathsAndMethodsAreProblems(t *testing.T) {
	a := newAPI(t)
	for _, c := range []struct {
		method, path string
		status       int
		kind, allow  string
	}{
		{"GET", "/", 404, "not-found", ""},
		{"GET", "/api/v1/event", 404, "not-found", ""},
		{"GET", "/api/v1/events/1/2", 404, "not-found", ""},
		{"GET", "/api/v2/events", 404, "not-found", ""},
		{"DELETE", "/api/v1/events", 405, "method-not-allowed", "GET, HEAD, POST"},
		{"POST", "/api/v1/events/7", 405, "method-not-allowed", "GET, HEAD"},
		{"PUT", "/api/v1/users/u", 405, "method-not-allowed", "DELETE, GET, HEAD, PATCH"},
		{"POST", "/healthz", 405, "method-not-allowed", "GET, HEAD"},
		{"BREW\u00fc", "/healthz", 405, "method-not-allowed", "GET, HEAD"},
	} {
		t.Run(c.method+c.path, func(t *testing.T) {
			r := httptest.NewRequest("GET", c.path, nil)
			r.Method = c.method
			w := httptest.NewRecorder()
			w.Header().Set("X-Request-Id", "r-1")
			a.handler.ServeHTTP(w, r)
			wantProblem(t, w, c.status, c.kind, nil)
			if got := w.Header().Get("Allow"); got != c.allow {
				t.Errorf("Allow %q, want %q", got, c.allow)
			}
		})
	}
}

func TestEveryManagedPathNeedsAToken(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{"/api/v1/events", "/api/v1/events/0", "/api/v1/events/by-id", "/api/v1/events/export",
		"/api/v1/accounts", "/api/v1/accounts/x", "/api/v1/divisions", "/api/v1/users", "/api/v1/users/me", "/api/v1/tokens"} {
		wantProblem(t, a.do(request{path: path, token: "-"}), 401, "unauthenticated", nil)
	}
	for _, path := range []string{"/api/v1/events", "/api/v1/accounts", "/api/v1/divisions", "/api/v1/users", "/api/v1/tokens"} {
		wantProblem(t, a.do(request{method: "POST", path: path, token: "-", body: []byte("{")}), 401, "unauthenticated", nil)
	}
}

func TestHealthNeedsNoToken(t *testing.T) {
	f := &fakeTrail{}
	a := faked(t, f, 0)
	if got := a.do(request{path: "/healthz", token: "-"}); got.Code != 200 || got.Body.String() != `{"status":"ok"}`+"\n" {
		t.Errorf("healthz: %d %s", got.Code, got.Body)
	}
	if got := a.do(request{path: "/readyz", token: "-"}); got.Code != 200 || got.Body.String() != `{"status":"ready"}`+"\n" {
		t.Errorf("readyz: %d %s", got.Code, got.Body)
	}
	f.ready = errFull
	got := a.do(request{path: "/readyz", token: "-"})
	wantProblem(t, got, 503, "unavailable", nil)
	if got.Header().Get("Retry-After") != "7" {
		t.Errorf("Retry-After %q", got.Header().Get("Retry-After"))
	}
	if got := a.do(request{path: "/healthz", token: "-"}); got.Code != 200 {
		t.Errorf("healthz while the disk is full: %d", got.Code)
	}
}
