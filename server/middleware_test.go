package server_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"countersign/server"
)

func TestEveryAnswerHasARequestIDAndSecurityHeaders(t *testing.T) {
	r := start(t, nil)
	long := strings.Repeat("x", 65)
	for _, path := range []string{"/healthz", "/api/v1/events", "/api/v1/nothing", "/account/api/v1/user/me", "/account/nothing", "/apicontroller/nothing", "/"} {
		for _, sent := range []string{"", "abc-1.2_3", long[:64], long, "a b", "a;b", `{"a":1}`} {
			resp, _ := r.do(r.request("GET", path, nil, "X-Request-Id", sent))
			got := resp.Header.Get("X-Request-Id")
			taken := sent == "abc-1.2_3" || sent == long[:64]
			if taken != (got == sent) || got == "" {
				t.Errorf("%s: sent %q, got %q", path, sent, got)
			}
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
				"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
			} {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: %s is %q", path, name, got)
				}
			}
		}
	}
	_, first := r.do(r.request("GET", "/nothing", nil))
	_, second := r.do(r.request("GET", "/nothing", nil))
	if first == second {
		t.Errorf("two requests have the same id: %s", first)
	}
}

func TestPanicIsAnsweredInTheShapeOfItsAPI(t *testing.T) {
	r := start(t, func(s *server.Server) {
		s.SetHandler(func(http.ResponseWriter, *http.Request) { panic("secret state") })
	})
	for path, shape := range map[string]string{
		"/api/v1/events":             `"type":"urn:countersign:problem:internal"`,
		"/account/api/v1/audit-log":  `{"errors":[{"code":"internal_error"`,
		"/apicontroller/v1/auditlog": `{"error":{"code":"internal_error"`,
	} {
		resp, body := r.do(r.request("GET", path, nil))
		if resp.StatusCode != 500 || !strings.Contains(body, shape) || strings.Contains(body, "secret") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
		if id := resp.Header.Get("X-Request-Id"); !strings.Contains(body, id) || !strings.Contains(r.log.String(), id) {
			t.Errorf("%s: the id %s does not tie the answer to the log", path, id)
		}
	}
	if !strings.Contains(r.log.String(), "secret state") {
		t.Error("the log does not say what panicked")
	}
}

func TestPanicInTheMiddleOfAnAnswerBreaksTheConnection(t *testing.T) {
	r := start(t, func(s *server.Server) {
		s.SetHandler(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Repeat("x", 100_000))
			panic("too late")
		})
	})
	resp, err := r.plain.Do(r.request("GET", "/api/v1/events", nil))
	if err != nil {
		return // not even the header came: as good
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Error("the answer looks complete")
	}
}

func TestLogHasOneLineARequestWithoutValuesOrSecrets(t *testing.T) {
	r := start(t, nil)
	r.do(r.request("POST", "/api/v1/events", strings.NewReader(strings.Replace(eventJSON("e"), `"USER"`, `"USER","name":"jane.doe"`, 1))))
	r.do(r.request("GET", "/api/v1/events?q=jane.doe", nil))
	r.do(r.request("GET", "/api/v1/users/jane.doe", nil))
	r.do(r.request("GET", "/account/api/v1/audit-log?user_name=jane.doe", nil))
	r.do(r.request("GET", "/api/v1/events", nil, "Authorization", "Bearer "+strings.Repeat("wrong-token.", 3)))
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	log := r.log.String()
	for _, value := range []string{bootstrapToken, "wrong-token", "jane.doe"} {
		if strings.Contains(log, value) {
			t.Errorf("the log holds %s:\n%s", value, log)
		}
	}
	for _, want := range []string{`route="POST /api/v1/events" status=201`, `route="GET /api/v1/events" status=200`,
		`route="GET /api/v1/users/{id}" status=404`, `route="GET /api/v1/events" status=401`} {
		if strings.Count(log, want) != 1 {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
}

func TestOverlongHeadersAreRefused(t *testing.T) {
	r := start(t, nil)
	resp, _ := r.do(r.request("GET", "/healthz", nil, "X-Long", strings.Repeat("x", 80<<10)))
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}
