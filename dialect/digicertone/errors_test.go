package digicertone_test

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
	"time"

	"countersign/dialect/answer"
	"countersign/dialect/digicertone"
	"countersign/event"
	"countersign/problem"
)

func TestFailuresBelowAreAnsweredInTheVendorsShape(t *testing.T) {
	for _, c := range []struct {
		name       string
		err        error
		status     int
		retryAfter string
		body       string
	}{
		{"throttled", &problem.Error{Kind: problem.Throttled, Detail: "secret", RetryAfter: 7 * time.Second}, 429, "7",
			`{"errors":[{"code":"request_limit_exceeded","message":"Service unavailable, please limit request volume"}]}`},
		{"throttled for part of a second", &problem.Error{Kind: problem.Throttled, RetryAfter: 1100 * time.Millisecond}, 429, "2",
			`{"errors":[{"code":"request_limit_exceeded","message":"Service unavailable, please limit request volume"}]}`},
		{"throttled for nobody knows how long", problem.New(problem.Throttled, "x"), 429, "30",
			`{"errors":[{"code":"request_limit_exceeded","message":"Service unavailable, please limit request volume"}]}`},
		{"unavailable", &problem.Error{Kind: problem.Unavailable, Detail: "secret", RetryAfter: time.Minute, Cause: errors.New("secret")}, 503, "60",
			`{"errors":[{"code":"service_unavailable","message":"Service unavailable, please try again later."}]}`},
		{"out of time", context.DeadlineExceeded, 503, "30",
			`{"errors":[{"code":"service_unavailable","message":"Service unavailable, please try again later."}]}`},
		{"invalid by a layer below", problem.Bad("as_of", "9", "x"), 400, "",
			`{"errors":[{"code":"invalid_input_field","message":"Invalid as_of [9]."}]}`},
		{"too large", problem.New(problem.TooLarge, "secret"), 413, "",
			`{"errors":[{"code":"invalid_request","message":"Payload failed validation"}]}`},
		{"internal", &problem.Error{Detail: "secret", Cause: errors.New("secret")}, 500, "",
			`{"errors":[{"code":"internal_error","message":"Internal error. Request id req-1."}]}`},
		{"of no kind", errors.New("secret"), 500, "",
			`{"errors":[{"code":"internal_error","message":"Internal error. Request id req-1."}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := setUp(t)
			f.fail = c.err
			if c.status == http.StatusRequestEntityTooLarge {
				f.handler = f.bare // nothing below says so of any request today
			}
			for _, target := range []string{"/account/api/v1/audit-log", "/account/api/v1/audit-log/8d1cbe0e-5c1b-5a54-9d0f-6f3a5ad0c1e2"} {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
				r.Header.Set("x-api-key", f.Tokens["viewer"])
				w := httptest.NewRecorder()
				w.Header().Set("X-Request-Id", "req-1") // as package server does
				f.handler.ServeHTTP(w, r)
				if w.Code != c.status || w.Header().Get("Retry-After") != c.retryAfter || w.Body.String() != c.body {
					t.Errorf("%s: %d, Retry-After %q, %s\nwant %d, %q, %s", target,
						w.Code, w.Header().Get("Retry-After"), w.Body, c.status, c.retryAfter, c.body)
				}
			}
		})
	}
}

func TestTheLogSaysWhatTheAnswerHides(t *testing.T) {
	f := setUp(t)
	f.fail = errors.New("disk on fire")
	var log bytes.Buffer
	h := digicertone.New(digicertone.Deps{Trail: f.trail, Identity: f.Directory, Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/account/api/v1/audit-log?user_name=jane", nil)
	r.Header.Set("x-api-key", f.Tokens["viewer"])
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
	if line.Error != "disk on fire" || line.Route != "/account/api/v1/audit-log" {
		t.Errorf("log has %s", &log)
	}
	if s := log.String(); strings.Contains(s, "jane") || strings.Contains(s, f.Tokens["viewer"]) {
		t.Errorf("the log holds a parameter or a token: %s", s)
	}
}

func TestARequestThatIsGivenUpIsNotAnswered(t *testing.T) {
	f := setUp(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.fail = ctx.Err()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/account/api/v1/audit-log", nil)
	r.Header.Set("x-api-key", f.Tokens["viewer"])
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	if w.Body.Len() > 0 {
		t.Errorf("answered %s", w.Body)
	}
}

// TestOverRealHTTP holds what only a connection shows: bodies of HEAD, lengths, the request line as sent.
func TestOverRealHTTP(t *testing.T) {
	f := setUp(t)
	f.add(t, `{"id":"1","occurred_at":"2026-01-01T00:00:00Z","account":{"id":"acme"},"action":"A","resource":{"type":"B"},"source":"example"}`)
	s := httptest.NewServer(f.handler)
	defer s.Close()
	for _, c := range []struct {
		method, target string
		status         int
	}{
		{http.MethodGet, "/account/api/v1/audit-log", 200},
		{http.MethodHead, "/account/api/v1/audit-log", 200},
		{http.MethodHead, "/account/api/v1/user/me", 200},
		{http.MethodHead, "/account/api/v1/user/nobody", 404},
		{http.MethodHead, "/account/api/v1/audit-log?limit=x", 400},
		{http.MethodOptions, "/account/api/v1/audit-log", 405},
		{http.MethodGet, "/account/api/v1/audit-log?" + strings.Repeat("a=1&", digicertone.MaxParams+1), 400},
		{http.MethodGet, "/account/api/v1/audit-log?user_name=" + strings.Repeat("a", digicertone.MaxQueryBytes), 414},
		{http.MethodGet, "/account/api/v1/user/../audit-log", 404},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+c.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-API-Key", f.Tokens["viewer"])
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		name := c.method + " " + c.target[:min(len(c.target), 50)]
		if err != nil || resp.StatusCode != c.status {
			t.Errorf("%s: %d %v, want %d", name, resp.StatusCode, err, c.status)
		}
		if head := c.method == http.MethodHead; head == (len(body) > 0) {
			t.Errorf("%s: body of %d bytes", name, len(body))
		}
		if ct := resp.Header.Get("Content-Type"); ct != "application/json" {
			t.Errorf("%s: Content-Type %q", name, ct)
		}
		if !strings.HasPrefix(string(body), "{") && len(body) > 0 || len(body) > 0 && !json.Valid(body) {
			t.Errorf("%s: %s", name, body)
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

func TestALongPageIsHandedOnInParts(t *testing.T) {
	f := setUp(t)
	const entries, text = 300, 100 << 10
	for range entries {
		f.record(event.Event{Account: event.Account{ID: "acme"}, Description: event.TextOf(strings.Repeat("x", text))})
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/account/api/v1/audit-log?limit=1000", nil)
	r.Header.Set("x-api-key", f.Tokens["viewer"])
	w := &parts{ResponseRecorder: httptest.NewRecorder()}
	f.handler.ServeHTTP(w, r)
	if limit := answer.FlushBytes + text + 1000; w.largest > limit {
		t.Errorf("a part of %d bytes, want at most %d", w.largest, limit)
	}
	var page struct {
		Total int
		Items []item
	}
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || page.Total != entries || len(page.Items) != entries {
		t.Errorf("total %d, %d items, %v", page.Total, len(page.Items), err)
	}
}
