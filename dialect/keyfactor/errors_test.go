package keyfactor_test

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
	"countersign/dialect/keyfactor"
	"countersign/event"
	"countersign/internal/dialecttest"
	"countersign/merkle"
	"countersign/problem"
	"countersign/query"
	"countersign/store"
)

// reading are one request of each kind that reads the trail.
var reading = []string{"/Audit", "/Audit/1", "/Audit/1/Validate", "/Audit/Download", "/Audit/Download?ReturnLimit=1", "/Audit/RelatedEntities"}

func TestFailuresBelowAreAnsweredInTheVendorsShape(t *testing.T) {
	f := setUp(t)
	for _, c := range []struct {
		name       string
		err        error
		status     int
		retryAfter string
		body       string
	}{
		{"throttled", &problem.Error{Kind: problem.Throttled, Detail: "secret", RetryAfter: 7 * time.Second}, 429, "7",
			`{"ErrorCode":"0xA0140029","Message":"Too many requests. Try again later."}`},
		{"unavailable", &problem.Error{Kind: problem.Unavailable, Detail: "secret", RetryAfter: time.Minute, Cause: errors.New("secret")}, 503, "60",
			`{"ErrorCode":"0xA0100503","Message":"The service is unavailable. Try again later."}`},
		{"out of time", context.DeadlineExceeded, 503, "30", `{"ErrorCode":"0xA0100503","Message":"The service is unavailable. Try again later."}`},
		{"invalid by a layer below", problem.Bad("as_of", "9", "is too large"), 400, "",
			`{"ErrorCode":"0xA0110002","Message":"Invalid as_of [9]: is too large."}`},
		{"invalid, and no field is named", problem.New(problem.Invalid, "it is too hard"), 400, "",
			`{"ErrorCode":"0xA0110002","Message":"Invalid request: it is too hard."}`},
		{"denied", problem.New(problem.Denied, "secret"), 403, "",
			`{"ErrorCode":"0xA0140002","Message":"User viewer service does not have the required permissions: /auditing/read/."}`},
		{"not found", problem.New(problem.NotFound, "secret"), 404, "", `{"ErrorCode":"0xA0110004","Message":"There is no audit log entry with this id."}`},
		{"too large", problem.New(problem.TooLarge, "secret"), 413, "", `{"ErrorCode":"0xA0110002","Message":"The request is too large."}`},
		{"internal", &problem.Error{Detail: "secret", Cause: errors.New("secret")}, 500, "",
			`{"ErrorCode":"0xA0100500","Message":"Internal error. Request id req-1."}`},
		{"of no kind", errors.New("secret"), 500, "", `{"ErrorCode":"0xA0100500","Message":"Internal error. Request id req-1."}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, target := range reading {
				h := keyfactor.New(keyfactor.Deps{Trail: failing{f.trail, new(int), c.err}, Identity: f.Directory})
				w := httptest.NewRecorder()
				w.Header().Set("X-Request-Id", "req-1") // as package server does
				h.ServeHTTP(w, f.request(t, "viewer", target))
				head := w.Header()
				if w.Code != c.status || head.Get("Retry-After") != c.retryAfter || w.Body.String() != c.body ||
					head.Get("X-Countersign-As-Of") != "" || head.Get("X-Total-Count") != "" || head.Get("Content-Type") != "application/json; charset=utf-8" {
					t.Errorf("%s: %d, %v, %s\nwant %d, %q, %s", target, w.Code, head, w.Body, c.status, c.retryAfter, c.body)
				}
			}
		})
	}
}

// A refusal that the server itself makes has the vendor's shape, also before anybody has signed in.
func TestRefusalsOfTheServerHaveTheVendorsShape(t *testing.T) {
	f := setUp(t)
	w := httptest.NewRecorder()
	f.handler.Refuse(w, httptest.NewRequest("GET", "/KeyfactorAPI/Audit", nil), problem.New(problem.Denied, "x"))
	if w.Code != 403 || w.Body.String() != `{"ErrorCode":"0xA0140002","Message":"User unknown does not have the required permissions: /auditing/read/."}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestTheLogSaysWhatTheAnswerHides(t *testing.T) {
	f := setUp(t)
	var log bytes.Buffer
	h := keyfactor.New(keyfactor.Deps{
		Trail: failing{f.trail, new(int), errors.New("disk on fire")}, Identity: f.Directory, Logger: slog.New(slog.NewJSONHandler(&log, nil)),
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, f.request(t, "viewer", "/audit?QueryString=User+-eq+jane"))
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
	if line.Error != "disk on fire" || line.Route != "/KeyfactorAPI/Audit" {
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
	for _, target := range reading {
		h := keyfactor.New(keyfactor.Deps{Trail: failing{f.trail, new(int), ctx.Err()}, Identity: f.Directory})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, f.request(t, "viewer", target).WithContext(ctx))
		if w.Body.Len() > 0 {
			t.Errorf("%s is answered %s", target, w.Body)
		}
	}
}

// An answer that has begun cannot become a refusal: its connection breaks off.
func TestAnAnswerThatFailsInTheMiddleBreaksOff(t *testing.T) {
	f := setUp(t)
	f.fill(t, 3*keyfactor.ChunkRows)
	for _, c := range []struct {
		target string
		after  int // questions that are answered
	}{{"/Audit?ReturnLimit=3000", 2}, {"/Audit/Download?ReturnLimit=3000", 2}} {
		var log bytes.Buffer
		after := c.after
		h := keyfactor.New(keyfactor.Deps{
			Trail: failing{f.trail, &after, errors.New("disk on fire")}, Identity: f.Directory, Logger: slog.New(slog.NewJSONHandler(&log, nil)),
		})
		s := httptest.NewServer(h)
		defer s.Close()
		r := f.request(t, "viewer", c.target)
		r.RequestURI = ""
		u := *r.URL
		u.Scheme, u.Host = "http", s.Listener.Addr().String()
		r.URL, r.Host = &u, ""
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || err == nil || len(b) < answer.FlushBytes {
			t.Errorf("%s: %d, %d bytes, %v", c.target, resp.StatusCode, len(b), err)
		}
		if !strings.Contains(log.String(), "disk on fire") || !strings.Contains(log.String(), "broke off") {
			t.Errorf("the log says %s", &log)
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

// limited is a trail that holds how many rows were asked for at a time.
type limited struct {
	keyfactor.Trail
	most *int
}

func (l limited) SearchPinned(ctx context.Context, token string, q query.Query) (store.Page, error) {
	*l.most = max(*l.most, q.Limit)
	return l.Trail.SearchPinned(ctx, token, q)
}

func TestLongAnswersAreSearchedForAndHandedOnInParts(t *testing.T) {
	f := setUp(t)
	const entries, text = 300, 100 << 10
	var batch []event.Event
	for n := range entries {
		e := made(n, time.Unix(int64(n), 0))
		e.Resource.Name = event.TextOf(strings.Repeat("x", text))
		batch = append(batch, e)
	}
	dialecttest.Record(t, f.trail, batch...)
	most := 0
	f.over(t, limited{f.trail, &most})
	for _, target := range []string{"/Audit?ReturnLimit=1000000", "/Audit/Download", "/Audit/RelatedEntities?ReturnLimit=100000"} {
		w := &parts{ResponseRecorder: httptest.NewRecorder()}
		f.handler.ServeHTTP(w, f.request(t, "viewer", target))
		// A name is in a row and in its message, and in the sentence of the CSV too.
		if limit := answer.FlushBytes + 3*text + 4000; w.largest > limit {
			t.Errorf("%s: a part of %d bytes, want at most %d", target, w.largest, limit)
		}
		if got := bytes.Count(w.Body.Bytes(), bytes.Repeat([]byte("x"), text)); got < 2*entries {
			t.Errorf("%s: %d long texts", target, got)
		}
	}
	if most != keyfactor.ChunkRows {
		t.Errorf("%d rows are searched for at a time, want %d", most, keyfactor.ChunkRows)
	}
}

// beyond is a trail whose only entry has a number that the vendor's clients cannot hold.
type beyond struct {
	keyfactor.Trail
	seq uint64
}

func (b beyond) page() store.Page {
	e := made(1, time.Unix(0, 0))
	return store.Page{Total: 1, TreeSize: b.seq + 1, Entries: []*event.Entry{{Event: e, Seq: b.seq}}}
}

func (b beyond) Search(context.Context, query.Query) (store.Page, error) { return b.page(), nil }

func (b beyond) SearchPinned(context.Context, string, query.Query) (store.Page, error) {
	return b.page(), nil
}

func (b beyond) Each(_ context.Context, _ query.Query, fn func(*event.Entry) error) (store.Page, error) {
	return b.page(), fn(b.page().Entries[0])
}

func (beyond) PublishedFor(uint64) (merkle.Checkpoint, bool, error) {
	return merkle.Checkpoint{}, false, nil
}

func TestIdsThatClientsCannotHoldAreRefused(t *testing.T) {
	f := setUp(t)
	for _, target := range []string{"/Audit", "/Audit/Download", "/Audit/Download?ReturnLimit=1"} {
		f.over(t, beyond{f.trail, 1<<31 - 2})
		if w := f.get(t, "viewer", target); w.Code != 200 || !strings.Contains(w.Body.String(), "2147483647") {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
		f.over(t, beyond{f.trail, 1<<31 - 1})
		w := f.get(t, "viewer", target)
		if w.Code != 400 || !strings.Contains(showError(t, w.Body.Bytes(), nil), "Narrow the query with Id -le 2147483647") || w.Header().Get("X-Total-Count") != "" {
			t.Errorf("%s: %d %v %s", target, w.Code, w.Header(), w.Body)
		}
	}
}

// TestOverRealHTTP holds what only a connection shows: bodies of HEAD, lengths, the request line as sent.
func TestOverRealHTTP(t *testing.T) {
	f := setUp(t)
	f.fill(t, 2)
	s := httptest.NewServer(f.handler) // the document cannot describe every spelling of a path
	defer s.Close()
	for _, c := range []struct {
		method, target string
		status         int
	}{
		{"GET", "/KeyfactorAPI/Audit", 200},
		{"GET", "//keyfactorapi///audit//", 200},
		{"GET", "/KEYFACTORAPI/AUDIT/1", 200},
		{"GET", "/KeyfactorAPI/Audit/2/validate/", 200},
		{"GET", "/KeyfactorAPI/%41udit", 200},
		{"HEAD", "/KeyfactorAPI/Audit", 200},
		{"HEAD", "/KeyfactorAPI/Audit/1", 200},
		{"HEAD", "/KeyfactorAPI/Audit/Download", 200},
		{"HEAD", "/KeyfactorAPI/Audit/9", 404},
		{"GET", "/KeyfactorAPI/Status/HealthCheck", 200},
		{"DELETE", "/KeyfactorAPI/Audit/1", 405},
		{"OPTIONS", "/KeyfactorAPI/Audit", 405},
		{"GET", "/KeyfactorAPI/x/../Audit", 404},
		{"GET", "/KeyfactorAPI/Audit/%7Bid%7D", 400},
		{"GET", "/KeyfactorAPI", 404},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+c.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(`EXAMPLE\jane`, f.Tokens["viewer"])
		r.Header.Set("x-keyfactor-requested-with", "XMLHttpRequest")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		name := c.method + " " + c.target
		if err != nil || resp.StatusCode != c.status {
			t.Errorf("%s: %d %v %s, want %d", name, resp.StatusCode, err, got, c.status)
		}
		if resp.Header.Get("x-keyfactor-product-version") != "25.1.1.0" {
			t.Errorf("%s: no version", name)
		}
		if empty := c.method == "HEAD" || strings.HasSuffix(c.target, "HealthCheck"); empty == (len(got) > 0) || !empty && !json.Valid(got) {
			t.Errorf("%s: body %q", name, got)
		}
	}
}
