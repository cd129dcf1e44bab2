package discovery_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"countersign/dialect/answer"
	"countersign/dialect/discovery"
	"countersign/event"
	"countersign/problem"
	"countersign/query"
	"countersign/store"
)

// failing is a trail that answers every question with an error.
type failing struct {
	discovery.Trail
	err error
}

func (f failing) Search(context.Context, query.Query) (store.Page, error) { return store.Page{}, f.err }

func (f failing) SearchPinned(context.Context, string, query.Query) (store.Page, error) {
	return store.Page{}, f.err
}

func (f failing) Each(context.Context, query.Query, func(*event.Entry) error) (store.Page, error) {
	return store.Page{}, f.err
}

func (f failing) Texts(context.Context, query.Query, func(string)) (store.Page, error) {
	return store.Page{}, f.err
}

// requests are one of each kind that reads the trail.
var requests = []struct{ call, body string }{
	{"list", body("")}, {"filter", body(`,"filterSelected":"userName"`)}, {"filter", body(`,"filterSelected":"function"`)},
	{"filter", body(`,"filterSelected":"dateRange"`)},
}

func TestFailuresBelowAreAnsweredInTheVendorsShape(t *testing.T) {
	for _, c := range []struct {
		name       string
		err        error
		status     int
		retryAfter string
		body       string
	}{
		{"throttled", &problem.Error{Kind: problem.Throttled, Detail: "secret", RetryAfter: 7 * time.Second}, 429, "7",
			`{"error":{"code":"request_limit_exceeded","message":"Service unavailable, please limit request volume"},"data":null}`},
		{"throttled for part of a second", &problem.Error{Kind: problem.Throttled, RetryAfter: 1100 * time.Millisecond}, 429, "2",
			`{"error":{"code":"request_limit_exceeded","message":"Service unavailable, please limit request volume"},"data":null}`},
		{"throttled for nobody knows how long", problem.New(problem.Throttled, "x"), 429, "30",
			`{"error":{"code":"request_limit_exceeded","message":"Service unavailable, please limit request volume"},"data":null}`},
		{"unavailable", &problem.Error{Kind: problem.Unavailable, Detail: "secret", RetryAfter: time.Minute, Cause: errors.New("secret")}, 503, "60",
			`{"error":{"code":"service_unavailable","message":"Service unavailable, please try again later."},"data":null}`},
		{"out of time", context.DeadlineExceeded, 503, "30",
			`{"error":{"code":"service_unavailable","message":"Service unavailable, please try again later."},"data":null}`},
		{"invalid by a layer below", problem.Bad("as_of", "9", "is too large"), 400, "",
			`{"error":{"code":"invalid_input_field","message":"Invalid as_of [9]: is too large."},"data":null}`},
		{"invalid, and no field is named", problem.New(problem.Invalid, "it is too hard"), 400, "",
			`{"error":{"code":"bad_request_format","message":"Invalid request: it is too hard."},"data":null}`},
		{"denied", problem.New(problem.Denied, "secret"), 403, "",
			`{"error":{"code":"access_denied|missing_permission","message":"Forbidden"},"data":null}`},
		{"not found", problem.New(problem.NotFound, "secret"), 404, "",
			`{"error":{"code":"not_found|route","message":"The specified route was not found."},"data":null}`},
		{"internal", &problem.Error{Detail: "secret", Cause: errors.New("secret")}, 500, "",
			`{"error":{"code":"internal_error","message":"Internal error. Request id req-1."},"data":null}`},
		{"of no kind", errors.New("secret"), 500, "",
			`{"error":{"code":"internal_error","message":"Internal error. Request id req-1."},"data":null}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := setUp(t)
			h := discovery.New(discovery.Deps{Trail: failing{f.trail, c.err}, Identity: f.Directory})
			for _, q := range requests {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, discovery.Prefix+"auditlog/"+q.call, strings.NewReader(q.body))
				r.Header.Set("X-DC-DEVKEY", f.Tokens["viewer"])
				w := httptest.NewRecorder()
				w.Header().Set("X-Request-Id", "req-1") // as package server does
				h.ServeHTTP(w, r)
				if w.Code != c.status || w.Header().Get("Retry-After") != c.retryAfter || w.Body.String() != c.body || w.Header().Get("X-Countersign-As-Of") != "" {
					t.Errorf("%s %s: %d, Retry-After %q, %s\nwant %d, %q, %s", q.call, q.body,
						w.Code, w.Header().Get("Retry-After"), w.Body, c.status, c.retryAfter, c.body)
				}
			}
		})
	}
}

func TestTheLogSaysWhatTheAnswerHides(t *testing.T) {
	f := setUp(t)
	var log bytes.Buffer
	h := discovery.New(discovery.Deps{
		Trail: failing{f.trail, errors.New("disk on fire")}, Identity: f.Directory, Logger: slog.New(slog.NewJSONHandler(&log, nil)),
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, discovery.Prefix+"auditlog/list", strings.NewReader(criteria(criterion("userName", "jane"))))
	r.Header.Set("X-DC-DEVKEY", f.Tokens["viewer"])
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var line struct {
		ID    string `json:"request_id"`
		Route string
		Error string
	}
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, &log)
	}
	if line.ID == "" || line.ID != w.Header().Get("X-Request-Id") || !strings.Contains(w.Body.String(), line.ID) {
		t.Errorf("the answer %s and the log %s do not share an id", w.Body, &log)
	}
	if line.Error != "disk on fire" || line.Route != "/apicontroller/v1/auditlog/list" {
		t.Errorf("log has %s", &log)
	}
	if s := log.String(); strings.Contains(s, "jane") || strings.Contains(s, f.Tokens["viewer"]) {
		t.Errorf("the log holds a value or a token: %s", s)
	}
}

func TestARequestThatIsGivenUpIsNotAnswered(t *testing.T) {
	f := setUp(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := discovery.New(discovery.Deps{Trail: failing{f.trail, ctx.Err()}, Identity: f.Directory})
	for _, q := range requests {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, discovery.Prefix+"auditlog/"+q.call, strings.NewReader(q.body))
		r.Header.Set("X-DC-DEVKEY", f.Tokens["viewer"])
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Body.Len() > 0 {
			t.Errorf("answered %s", w.Body)
		}
	}
}

func TestABodyThatIsTooLargeOrBreaksOffIsRefused(t *testing.T) {
	f := setUp(t)
	padded := func(n int) string { return body("") + strings.Repeat(" ", n-len(body(""))) }
	for _, c := range []struct {
		name    string
		body    io.Reader
		length  int64
		status  int
		message string
	}{
		{"as large as may be", strings.NewReader(padded(discovery.MaxBodyBytes)), discovery.MaxBodyBytes, 200, ""},
		{"as large as may be, of unknown length", strings.NewReader(padded(discovery.MaxBodyBytes)), -1, 200, ""},
		{"too large", strings.NewReader(padded(discovery.MaxBodyBytes + 1)), discovery.MaxBodyBytes + 1, 413, "The body is larger than 1048576 bytes."},
		{"too large, of unknown length", strings.NewReader(padded(discovery.MaxBodyBytes + 1)), -1, 413, "The body is larger than 1048576 bytes."},
		{"too large, and not read", iotest.ErrReader(errors.New("read")), 1 << 40, 413, "The body is larger than 1048576 bytes."},
		{"broken off", io.MultiReader(strings.NewReader(`{"accountId":`), iotest.ErrReader(io.ErrUnexpectedEOF)), 100, 400,
			"Invalid body: ended before it was complete."},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, discovery.Prefix+"auditlog/list", c.body)
			r.ContentLength = c.length
			r.Header.Set("X-DC-DEVKEY", f.Tokens["viewer"])
			w := httptest.NewRecorder()
			f.checked.ServeHTTP(w, r)
			if w.Code != c.status || c.message != "" && !strings.Contains(showError(t, w.Body.Bytes(), nil), c.message) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, c.status, c.message)
			}
		})
	}
}

// TestOverRealHTTP holds what only a connection shows: bodies of HEAD, lengths, the request line as sent.
func TestOverRealHTTP(t *testing.T) {
	f := setUp(t)
	f.add(t, `{"id":"1","occurred_at":"2026-01-01T00:00:00Z","account":{"id":"acme"},"action":"A","resource":{"type":"B"},"source":"example"}`)
	s := httptest.NewServer(f.checked)
	defer s.Close()
	for _, c := range []struct {
		method, target, body string
		status               int
	}{
		{http.MethodPost, "/apicontroller/v1/auditlog/list", body(""), 200},
		{http.MethodPost, "/apicontroller/v1/auditlog/filter", body(`,"filterSelected":"function"`), 200},
		{http.MethodPost, "/apicontroller/v1/auditlog/list", "", 400},
		{http.MethodPost, "/apicontroller/v1/auditlog/list", body("") + strings.Repeat(" ", 2<<20), 413},
		{http.MethodHead, "/apicontroller/v1/auditlog/list", "", 405},
		{http.MethodOptions, "/apicontroller/v1/auditlog/filter", "", 405},
		{http.MethodPost, "/apicontroller/v1/x/../auditlog/list", body(""), 404},
		{http.MethodPost, "/apicontroller/v1/auditlog/li%73t", body(""), 404},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+c.target, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-DC-DEVKEY", f.Tokens["viewer"])
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		name := c.method + " " + c.target
		if err != nil || resp.StatusCode != c.status {
			t.Errorf("%s: %d %v, want %d", name, resp.StatusCode, err, c.status)
		}
		if head := c.method == http.MethodHead; head == (len(got) > 0) || !head && !json.Valid(got) {
			t.Errorf("%s: body %q", name, got)
		}
		if ct := resp.Header.Get("Content-Type"); ct != "application/json" {
			t.Errorf("%s: Content-Type %q", name, ct)
		}
	}
}

// parts counts what a handler writes.
type parts struct {
	*httptest.ResponseRecorder
	largest int
}

func (p *parts) Write(b []byte) (int, error) {
	p.largest = max(p.largest, len(b))
	return p.ResponseRecorder.Write(b)
}

func TestLongAnswersAreHandedOnInParts(t *testing.T) {
	f := setUp(t)
	const entries, text = 300, 100 << 10
	var batch []event.Event
	for n := range entries {
		e := made(n, time.Unix(int64(n), 0))
		e.Description = event.TextOf(strings.Repeat("x", text))
		e.Actor.Name = event.TextOf(strings.Repeat("x", text) + e.Actor.Name.Value)
		batch = append(batch, e)
	}
	f.record(t, batch...)
	for _, q := range []struct {
		call, body string
		long       int // texts in a row
		want       int // of them in the answer
	}{{"list", body(`,"pageSize":512`), 2, 2 * entries}, {"filter", body(`,"filterSelected":"userName"`), 1, 97}} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, discovery.Prefix+"auditlog/"+q.call, strings.NewReader(q.body))
		r.Header.Set("X-DC-DEVKEY", f.Tokens["viewer"])
		w := &parts{ResponseRecorder: httptest.NewRecorder()}
		f.checked.ServeHTTP(w, r)
		if limit := answer.FlushBytes + q.long*text + 1000; w.largest > limit {
			t.Errorf("%s: a part of %d bytes, want at most %d", q.call, w.largest, limit)
		}
		if got := bytes.Count(w.Body.Bytes(), bytes.Repeat([]byte("x"), text)); got != q.want || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d long texts, want %d", q.call, got, q.want)
		}
	}
}
