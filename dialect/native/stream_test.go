package native_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"countersign/event"
	"countersign/problem"
	"countersign/store"
)

func TestExportStreamsEverythingAndSaysSo(t *testing.T) {
	a := newAPI(t)
	const n = 3000
	a.seed(n, func(i int) string {
		return strings.TrimSuffix(day(i), "}") + `,"detail":"` + strings.Repeat("x", i%200) + `"}`
	})
	for _, c := range []struct {
		query string
		first string
		count int
		size  int
	}{
		{"", "e0", n, n},
		{"?format=ndjson&sort=seq:desc", "e2999", n, n},
		{"?as_of=10&q=action:A1", "e1", 3, 10},
		{"?from=2026-01-02&to=2026-01-02&as_of=30", "e1", 2, 30},
		{"?q=action:NONE", "", 0, n},
	} {
		t.Run(c.query, func(t *testing.T) {
			w := a.do(request{path: "/api/v1/events/export" + c.query})
			lines := strings.Split(strings.TrimSuffix(must200(t, w), "\n"), "\n")
			if got := w.Header().Get("Content-Type"); got != "application/x-ndjson" {
				t.Errorf("content type %q", got)
			}
			if got := w.Header().Get("X-Countersign-As-Of"); got != fmt.Sprint(c.size) {
				t.Errorf("as of %q", got)
			}
			want := fmt.Sprintf(`{"complete":true,"count":%d,"tree_size":%d}`, c.count, c.size)
			if last := lines[len(lines)-1]; last != want || len(lines) != c.count+1 {
				t.Fatalf("%d lines, the last %s, want %s", len(lines), last, want)
			}
			if c.count == 0 {
				return
			}
			var first struct{ ID string }
			if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || first.ID != c.first {
				t.Errorf("first %q, %v", first.ID, err)
			}
		})
	}
}

func TestExportCanBeReadBackIn(t *testing.T) {
	a := newAPI(t)
	a.seed(20, day)
	body := must200(t, a.do(request{path: "/api/v1/events/export"}))
	lines := strings.SplitAfter(body, "\n")
	d := event.NewDecoder(strings.NewReader(strings.Join(lines[:20], "")), event.Lines)
	d.AllowServerFields = true
	for i := range 20 {
		if e, err := d.Next(); err != nil || e.ID != fmt.Sprintf("e%d", i) {
			t.Fatalf("line %d: %q, %v", i, e.ID, err)
		}
	}
	if _, err := d.Next(); err != io.EOF {
		t.Error(err)
	}
}

func TestExportRefusesBadParameters(t *testing.T) {
	a := newAPI(t)
	for query, field := range map[string]string{
		"format=xml": "format", "format=": "format", "limit=5": "limit", "offset=5": "offset", "as_of=1": "as_of", "q=(": "q",
		"guard=false": "guard", "format=csv&guard=no": "guard", "format=ndjson&guard=true": "guard",
		"after=-1": "after", "after=x": "after", "after=9223372036854775807": "after", "after=1&sort=seq:desc": "after", "after=1&sort=action": "after",
	} {
		w := a.do(request{path: "/api/v1/events/export?" + query})
		m := must(t, w, 400)
		wantProblem(t, w, 400, "invalid", map[string]any{"field": field, "position": m["position"]})
		if w.Header().Get("X-Countersign-As-Of") != "" || w.Header().Get("Trailer") != "" {
			t.Error("a refusal has a tree size")
		}
	}
}

func TestExportThatFailsAtOnceIsAProblem(t *testing.T) {
	f := &fakeTrail{each: func(context.Context, func(*event.Entry) error) (store.Page, error) {
		return store.Page{}, problem.New(problem.Unavailable, "no")
	}}
	w := faked(t, f, 0).do(request{path: "/api/v1/events/export"})
	wantProblem(t, w, 503, "unavailable", nil)
	if w.Header().Get("X-Countersign-As-Of") != "" {
		t.Error("a refusal has a tree size")
	}
}

// incompressible is a text that stays long.
var incompressible = func() string {
	b := make([]byte, 75<<10)
	rand.NewChaCha8([32]byte{}).Read(b)
	return base64.StdEncoding.EncodeToString(b)
}()

// aLot is an entry that fills more than one piece of an export.
func aLot() *event.Entry {
	e := &event.Entry{RecordedBy: event.TextOf("someone"), Event: event.Event{
		Action: "LOGIN", Resource: event.Resource{Type: "USER"}, Source: "example/app", Description: event.TextOf(incompressible),
	}}
	e.Normalize("acme")
	return e
}

func TestExportThatBreaksOffIsToldFromACompleteOne(t *testing.T) {
	f := &fakeTrail{each: func(_ context.Context, fn func(*event.Entry) error) (store.Page, error) {
		for range 3 {
			if err := fn(aLot()); err != nil {
				return store.Page{}, err
			}
		}
		return store.Page{}, errors.New("a block is damaged")
	}}
	a := faked(t, f, 0)
	web := httptest.NewServer(a.handler)
	defer web.Close()
	for _, coding := range []string{"identity", "gzip"} {
		resp := get(t, web, a.admin, coding)
		if resp.Header.Get("Content-Encoding") == "gzip" != (coding == "gzip") {
			t.Errorf("%s: content encoding %q", coding, resp.Header.Get("Content-Encoding"))
		}
		b, err := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 || err == nil {
			t.Errorf("%s: status %d and no error after %d bytes", coding, resp.StatusCode, len(b))
		}
		if resp.Trailer.Get("X-Countersign-Complete") != "" {
			t.Errorf("%s: the trailer says that the export is complete", coding)
		}
		if coding == "gzip" {
			gz, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if b, err = io.ReadAll(gz); err == nil {
				t.Error("gzip: the stream has its end")
			}
		}
		if strings.Contains(string(b), "complete") {
			t.Errorf("%s: the export says that it is complete", coding)
		}
		resp.Body.Close()
	}
}

func TestExportEndsWhenTheReaderLeaves(t *testing.T) {
	ended := make(chan error, 1)
	f := &fakeTrail{each: func(ctx context.Context, fn func(*event.Entry) error) (store.Page, error) {
		for {
			err := fn(aLot())
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				ended <- err
				return store.Page{}, err
			}
		}
	}}
	a := faked(t, f, 0)
	web := httptest.NewServer(a.handler)
	defer web.Close()
	resp := get(t, web, a.admin, "identity")
	if _, err := bufio.NewReader(resp.Body).ReadByte(); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the export goes on without a reader")
	}
}

func get(t *testing.T, web *httptest.Server, token, coding string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", web.URL+"/api/v1/events/export", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept-Encoding", coding)
	resp, err := web.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}
