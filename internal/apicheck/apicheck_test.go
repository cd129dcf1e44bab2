package apicheck_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"countersign/internal/apicheck"
)

// told is a test that only listens.
type told struct {
	testing.TB
	errors []string
}

func (t *told) Error(args ...any) { t.errors = append(t.errors, args[0].(string)) }
func (t *told) Helper()           {}

// page is a good answer to GET /api/v1/events.
const page = `{"total":0,"offset":0,"limit":50,"tree_size":7,"erasure_mark":0,"items":[]}`

func TestAnswersThatAreNotDescribedAreFound(t *testing.T) {
	answer := func(status int, body string, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Countersign-As-Of", "7")
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
				if header[i+1] == "" {
					w.Header().Del(header[i])
				}
			}
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	problem := `{"type":"urn:countersign:problem:not-found","title":"Not found","status":404,"detail":"there is nothing at this path"}`
	for _, c := range []struct {
		name    string
		target  string
		handler http.HandlerFunc
		want    string // part of what is told; "" for nothing
	}{
		{"good", "GET /api/v1/events", answer(200, page), ""},
		{"good, to HEAD", "HEAD /api/v1/events", answer(200, ""), ""},
		{"a parameter of a refused request", "GET /api/v1/events?wrong=1", answer(400, strings.ReplaceAll(problem, "not-found", "invalid"), "Content-Type", "application/problem+json", "X-Countersign-As-Of", ""), ""},
		{"a status", "GET /api/v1/events", answer(418, page), "the status is not among those"},
		{"a content type", "GET /api/v1/events", answer(200, page, "Content-Type", "text/plain"), `"text/plain" is not described`},
		{"a header field", "GET /api/v1/events", answer(200, page, "X-New", "1"), "X-New is not described"},
		{"the value of a header field", "GET /api/v1/events", answer(200, page, "X-Countersign-As-Of", "many"), "X-Countersign-As-Of"},
		{"a missing header field", "GET /api/v1/events", answer(200, page, "X-Countersign-As-Of", ""), "X-Countersign-As-Of is missing"},
		{"a member", "GET /api/v1/events", answer(200, strings.Replace(page, "{", `{"new":1,`, 1)), "'new' not allowed"},
		{"a missing member", "GET /api/v1/events", answer(200, strings.Replace(page, `"total":0,`, "", 1)), "'total'"},
		{"a type", "GET /api/v1/events", answer(200, strings.Replace(page, `"total":0`, `"total":"0"`, 1)), "got string, want integer"},
		{"no JSON", "GET /api/v1/events", answer(200, page+"x"), "no JSON"},
		{"a parameter", "GET /api/v1/events?wrong=1", answer(200, page), "the parameter wrong is not described"},
		{"the value of a parameter", "GET /api/v1/events?limit=1001", answer(200, page), "query parameter limit"},
		{"a missing parameter", "GET /api/v1/events/by-id?account=a&id=b", answer(404, problem, "Content-Type", "application/problem+json", "X-Countersign-As-Of", ""), ""},
		{"an operation", "GET /api/v1/nothing", answer(200, page), "no such operation"},
		{"a refusal of a path that is not there", "GET /api/v1/nothing", answer(404, problem), ""},
		{"a refusal in the wrong shape", "GET /account/nothing", answer(404, problem), "'errors'"},
		{"a method", "PUT /api/v1/events", answer(405, problem), "without Allow"},
		{"a line", "GET /api/v1/events/export", answer(200, "{\"seq\":1}\n", "Content-Type", "application/x-ndjson"), "line 1"},
		{"the data of an event", "GET /api/v1/events/stream", answer(200, ": hello\n\nid: 1\ndata: {}\n\n", "Content-Type", "text/event-stream", "X-Countersign-As-Of", ""), "missing properties"},
	} {
		t.Run(c.name, func(t *testing.T) {
			method, target, _ := strings.Cut(c.target, " ")
			want := func(heard *told) {
				t.Helper()
				if got := strings.Join(heard.errors, "\n"); c.want == "" && got != "" || !strings.Contains(got, c.want) {
					t.Errorf("told %q, want %q", got, c.want)
				}
			}
			heard := &told{TB: t}
			w := httptest.NewRecorder()
			apicheck.Handler(heard, c.handler).ServeHTTP(w, httptest.NewRequest(method, target, nil))
			want(heard)

			// The same from the other side of a connection.
			web := httptest.NewServer(c.handler)
			defer web.Close()
			heard = &told{TB: t}
			client := &http.Client{Transport: apicheck.Transport(heard, web.Client().Transport)}
			r, err := http.NewRequest(method, web.URL+target, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			want(heard)
		})
	}
}

func TestBodiesOfRequestsThatSucceedAreChecked(t *testing.T) {
	receipt := `{"accepted":1,"duplicates":0,"first_seq":0,"last_seq":0,"checkpoint":"a note"}`
	h := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, receipt)
	}
	good := `{"occurred_at":"2026-01-15T10:30:00Z","action":"LOGIN","resource":{"type":"USER"},"source":"example/app"}`
	for _, c := range []struct{ name, media, body, want string }{
		{"one", "application/json", good, ""},
		{"several", "application/json; charset=utf-8", "[" + good + "]", ""},
		{"lines", "application/x-ndjson", good + "\n\n" + good, ""},
		{"an unknown member", "application/json", strings.Replace(good, "{", `{"new":1,`, 1), "oneOf"},
		{"a bad line", "application/x-ndjson", good + "\n{}", "line 2"},
		{"another content type", "text/plain", good, `"text/plain" is not described`},
	} {
		t.Run(c.name, func(t *testing.T) {
			heard := &told{TB: t}
			r := httptest.NewRequest("POST", "/api/v1/events", strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.media)
			apicheck.Handler(heard, http.HandlerFunc(h)).ServeHTTP(httptest.NewRecorder(), r)
			if got := strings.Join(heard.errors, "\n"); c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("told %q, want %q", got, c.want)
			}
		})
	}
}

// What is broken off is not held to what a whole answer must be.
func TestABrokenAnswerIsCheckedAsFarAsItCame(t *testing.T) {
	heard := &told{TB: t}
	h := apicheck.Handler(heard, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Countersign-As-Of", "7")
		io.WriteString(w, page[:20])
		panic(http.ErrAbortHandler)
	}))
	func() {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				t.Errorf("recovered %v", v)
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/api/v1/events", nil))
	}()
	if len(heard.errors) > 0 {
		t.Error(heard.errors)
	}
}

func TestRoutesAndOperationsMustBeTheSame(t *testing.T) {
	d, err := apicheck.Read([]byte(`{"openapi":"3.1.0","tags":[],"paths":{"/a":{"get":{},"delete":{}},"/b/{id}":{"get":{}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Compare([]string{"GET /a", "DELETE /a", "GET /b/{id}"}); len(got) > 0 {
		t.Error(got)
	}
	got := strings.Join(d.Compare([]string{"GET /a", "GET /b/{id}", "GET /c"}), "\n")
	if want := "GET /c is routed, and web/openapi does not describe it\nweb/openapi describes DELETE /a, and nothing answers it"; got != want {
		t.Errorf("got %s", got)
	}
}
