package native_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign/event"
	"countersign/identity"
	"countersign/problem"
	"countersign/store"
)

const (
	asJSON   = "application/json"
	asNDJSON = "application/x-ndjson"
)

var errFull = &problem.Error{Kind: problem.Unavailable, Detail: "the disk is full", RetryAfter: 6500 * time.Millisecond}

func TestEveryFormOfEventsIsRecorded(t *testing.T) {
	a := newAPI(t)
	for _, c := range []struct {
		name, path, contentType, coding string
		body                            []byte
		want                            string
	}{
		{"one", "/api/v1/events", asJSON, "", []byte(eventJSON("a")),
			`{"accepted":1,"duplicates":0,"first_seq":0,"last_seq":0,"entries":[{"id":"a","seq":0,"duplicate":false}]}`},
		{"one again", "/api/v1/events", asJSON + "; charset=UTF-8", "", []byte(eventJSON("a")),
			`{"accepted":0,"duplicates":1,"first_seq":null,"last_seq":null,"entries":[{"id":"a","seq":0,"duplicate":true}]}`},
		{"array", "/api/v1/events", asJSON, "", []byte(" [" + eventJSON("b") + "," + eventJSON("c") + "]\n"),
			`{"accepted":2,"duplicates":0,"first_seq":1,"last_seq":2}`},
		{"array of one", "/api/v1/events", asJSON, "identity", []byte("[" + eventJSON("d") + "]"),
			`{"accepted":1,"duplicates":0,"first_seq":3,"last_seq":3,"entries":[{"id":"d","seq":3,"duplicate":false}]}`},
		{"lines with repeats", "/api/v1/events?proof=true", asNDJSON, "", []byte(eventJSON("e") + "\n\n" + eventJSON("e") + "\r\n" + eventJSON("b")),
			`{"accepted":1,"duplicates":2,"first_seq":4,"last_seq":4,"entries":[{"id":"e","seq":4,"duplicate":false},{"id":"e","seq":4,"duplicate":true},{"id":"b","seq":1,"duplicate":true}]}`},
		{"one without proof", "/api/v1/events?proof=false", asJSON, "", []byte(eventJSON("e")),
			`{"accepted":0,"duplicates":1,"first_seq":null,"last_seq":null,"entries":[{"id":"e","seq":4,"duplicate":true}]}`},
		{"array of which is told", "/api/v1/events?entries=true", asJSON, "", []byte("[" + eventJSON("d") + "," + eventJSON("e") + "]"),
			`{"accepted":0,"duplicates":2,"first_seq":null,"last_seq":null,"entries":[{"id":"d","seq":3,"duplicate":true},{"id":"e","seq":4,"duplicate":true}]}`},
		{"gzip", "/api/v1/events?proof=false&entries=false", asNDJSON, "gzip", gzipped(t, []byte(eventJSON("f")+"\n"+eventJSON("g")+"\n")),
			`{"accepted":2,"duplicates":0,"first_seq":5,"last_seq":6}`},
		{"gzip in two members", "/api/v1/events", asNDJSON, "X-GZIP", append(gzipped(t, []byte(eventJSON("h")+"\n")), gzipped(t, []byte(eventJSON("i")))...),
			`{"accepted":2,"duplicates":0,"first_seq":7,"last_seq":8}`},
		{"id with quotes", "/api/v1/events", asJSON, "", []byte(eventJSON("j\"\u2028<é>")),
			`{"accepted":1,"duplicates":0,"first_seq":9,"last_seq":9,"entries":[{"id":"j\"` + "\u2028" + `<é>","seq":9,"duplicate":false}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := a.do(request{method: "POST", path: c.path, body: c.body, header: map[string]string{"Content-Type": c.contentType, "Content-Encoding": c.coding}})
			must(t, w, http.StatusCreated)
			if got := a.in(t).unproven(w); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	if got := a.trail.Size(); got != 10 {
		t.Errorf("%d entries", got)
	}
}

func TestSenderIsRecordedAndDefaultsAreFilled(t *testing.T) {
	a := newAPI(t)
	a.account("acme")
	token := a.user("portal", "acme", []identity.Grant{{Role: identity.EventWriter, Account: "acme"}}, identity.NewToken{})
	body := `{"occurred_at":"2026-01-15T12:30:00.5+02:00","action":"LOGIN","resource":{"type":"USER"},"source":"example/app","account":null}`
	w := a.do(request{method: "POST", path: "/api/v1/events", token: token, body: []byte(body), header: map[string]string{"Content-Type": asJSON}})
	must(t, w, 201)
	m := must(t, a.do(request{path: "/api/v1/events/0"}), 200)
	id, _ := m["id"].(string)
	if len(id) != 36 || id[14] != '7' {
		t.Errorf("id %q is no UUIDv7", id)
	}
	for name, want := range map[string]any{"occurred_at": "2026-01-15T10:30:00.5Z", "outcome": "unknown", "recorded_by": "portal", "seq": 0.0} {
		if m[name] != want {
			t.Errorf("%s is %v, want %v", name, m[name], want)
		}
	}
	if got := m["account"].(map[string]any)["id"]; got != "acme" {
		t.Errorf("account %v", got)
	}
}

// refused is a request of which nothing may be recorded, and how it is answered.
type refused struct {
	contentType, coding string
	body                []byte
	status              int
	kind                string
	members             map[string]any
}

func refusedBodies(t testing.TB) map[string]refused {
	good := eventJSON("good")
	with := func(member string) []byte { return []byte(strings.TrimSuffix(good, "}") + "," + member + "}") }
	bad := func(form string, body []byte, field any, index any) refused {
		m := map[string]any{}
		if field != nil {
			m["field"] = field
		}
		if index != nil {
			m["event"] = index
		}
		return refused{form, "", body, 400, "invalid", m}
	}
	coded := func(coding string, body []byte, status int, kind string, field any) refused {
		m := map[string]any{}
		if field != nil {
			m["field"] = field
		}
		return refused{asNDJSON, coding, body, status, kind, m}
	}
	whole := gzipped(t, []byte(good+"\n"+eventJSON("second")+"\n"))
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	return map[string]refused{
		"nothing":                 bad(asJSON, []byte{}, nil, nil),
		"blanks":                  bad(asJSON, []byte(" \n"), nil, nil),
		"no line":                 bad(asNDJSON, []byte("\n\n"), "body", nil),
		"empty array":             bad(asJSON, []byte("[]"), "body", nil),
		"null":                    bad(asJSON, []byte("null"), nil, 0),
		"number":                  bad(asJSON, []byte("7"), nil, 0),
		"broken JSON":             bad(asJSON, []byte(`{"id":`), "id", 0),
		"second of an array":      bad(asJSON, []byte("["+good+`,{"id":}]`), "id", 1),
		"array without end":       bad(asJSON, []byte("["+good), nil, nil),
		"something after":         bad(asJSON, []byte(good+"{}"), nil, nil),
		"something after array":   bad(asJSON, []byte("["+good+"] x"), nil, nil),
		"array as lines":          bad(asNDJSON, []byte("["+good+"]"), nil, 0),
		"third line":              bad(asNDJSON, []byte(good+"\n"+eventJSON("2")+"\n{\n"), nil, 2),
		"duplicate key":           bad(asJSON, with(`"action":"LOGOUT"`), "action", 0),
		"duplicate key deep":      bad(asJSON, with(`"actor":{"id":"a","id":"b"}`), "actor.id", 0),
		"unknown member":          bad(asJSON, with(`"colour":"red"`), "colour", 0),
		"unknown member deep":     bad(asJSON, with(`"client":{"port":"1"}`), "client.port", 0),
		"member of the server":    bad(asJSON, with(`"recorded_by":"me"`), "recorded_by", 0),
		"wrong type":              bad(asJSON, with(`"outcome":1`), "outcome", 0),
		"wrong type of attribute": bad(asJSON, with(`"attributes":{"n":1}`), "attributes.n", 0),
		"invalid UTF-8":           bad(asJSON, with("\"detail\":\"a\xff\""), "detail", 0),
		"half a surrogate":        bad(asJSON, with(`"detail":"\ud800"`), "detail", 0),
		"unknown outcome":         bad(asJSON, with(`"outcome":"maybe"`), "outcome", 0),
		"impossible date":         bad(asJSON, []byte(strings.Replace(good, "2026-01-15", "2026-02-30", 1)), "occurred_at", 0),
		"date without time":       bad(asJSON, []byte(strings.Replace(good, "2026-01-15T10:30:00Z", "2026-01-15", 1)), "occurred_at", 0),
		"too fine a time":         bad(asJSON, []byte(strings.Replace(good, "00Z", "00.0000001Z", 1)), "occurred_at", 0),
		"no time":                 bad(asJSON, []byte(`{"action":"LOGIN","resource":{"type":"USER"},"source":"s"}`), "occurred_at", 0),
		"no source":               bad(asJSON, []byte(`{"occurred_at":"2026-01-15T10:30:00Z","action":"LOGIN","resource":{"type":"USER"}}`), "source", 0),
		"lower-case action":       bad(asJSON, []byte(strings.Replace(good, "LOGIN", "login", 1)), "action", 0),
		"over-long id":            bad(asJSON, []byte(eventJSON(strings.Repeat("x", 513))), "id", 0),
		"no content type":         {"", "", []byte(good), 415, "unsupported-media-type", nil},
		"text":                    {"text/plain", "", []byte(good), 415, "unsupported-media-type", nil},
		"form":                    {"application/x-www-form-urlencoded", "", []byte("a=b"), 415, "unsupported-media-type", nil},
		"broken content type":     {"application/json; charset", "", []byte(good), 415, "unsupported-media-type", nil},
		"other charset":           {"application/json; charset=iso-8859-1", "", []byte(good), 415, "unsupported-media-type", nil},
		"unknown coding":          coded("br", []byte(good), 415, "unsupported-media-type", nil),
		"two codings":             coded("gzip, gzip", gzipped(t, whole), 415, "unsupported-media-type", nil),
		"no gzip at all":          coded("gzip", []byte(good), 400, "invalid", "body"),
		"gzip of nothing":         coded("gzip", []byte{}, 400, "invalid", "body"),
		"gzip header cut":         coded("gzip", whole[:5], 400, "invalid", "body"),
		"gzip cut":                coded("gzip", whole[:len(whole)/2], 400, "invalid", "body"),
		"gzip without trailer":    coded("gzip", whole[:len(whole)-8], 400, "invalid", "body"),
		"gzip checksum wrong":     coded("gzip", flipped, 400, "invalid", "body"),
		"gzip, then other bytes":  coded("gzip", append(bytes.Clone(whole), "junk"...), 400, "invalid", "body"),
	}
}

// hugeBodies are the refused ones that pass a limit.
func hugeBodies(t testing.TB) map[string]refused {
	large := strings.TrimSuffix(eventJSON("large"), "}") + `,"raw":"` + strings.Repeat("x", event.MaxEventBytes) + `"}`
	return map[string]refused{
		"gzip bomb":               {asNDJSON, "gzip", gzipped(t, make([]byte, event.MaxRequestBytes+1<<20)), 413, "too-large", map[string]any{"event": 0}},
		"gzip bomb of lines":      {asNDJSON, "gzip", gzipped(t, bytes.Repeat([]byte("\n"), event.MaxRequestBytes+1)), 413, "too-large", nil},
		"too large an event":      {asJSON, "", []byte(large), 413, "too-large", map[string]any{"event": 0}},
		"too large a second line": {asNDJSON, "", []byte(eventJSON("good") + "\n" + large), 413, "too-large", map[string]any{"event": 1}},
	}
}

func TestRefusedRequestRecordsNothing(t *testing.T) {
	a := newAPI(t)
	bodies := refusedBodies(t)
	maps.Copy(bodies, hugeBodies(t))
	for name, c := range bodies {
		t.Run(name, func(t *testing.T) {
			w := a.do(request{method: "POST", path: "/api/v1/events", body: c.body, header: map[string]string{"Content-Type": c.contentType, "Content-Encoding": c.coding}})
			if c.members["event"] == 0 && w.Code == 413 {
				c.members["field"] = must(t, w, 413)["field"] // the member or the whole event
			}
			wantProblem(t, w, c.status, c.kind, c.members)
		})
	}
	for name, path := range map[string]string{
		"proof":   "/api/v1/events?proof=yes",
		"entries": "/api/v1/events?entries=1",
		"colour":  "/api/v1/events?colour=red",
		"proof=2": "/api/v1/events?proof=true&proof=true",
	} {
		field, _, _ := strings.Cut(name, "=")
		wantProblem(t, a.post(path, eventJSON("x")), 400, "invalid", map[string]any{"field": field})
	}
	if got := a.trail.Size(); got != 0 {
		t.Errorf("%d entries are recorded", got)
	}
}

func TestTooManyEventsAreRefused(t *testing.T) {
	a := newAPI(t)
	var b bytes.Buffer
	for i := range event.MaxRequestEvents + 1 {
		b.WriteString(eventJSON(fmt.Sprint(i)))
		b.WriteByte('\n')
	}
	r := request{method: "POST", path: "/api/v1/events", body: b.Bytes(), header: map[string]string{"Content-Type": asNDJSON}}
	wantProblem(t, a.do(r), 413, "too-large", nil)
	if a.trail.Size() != 0 {
		t.Errorf("%d entries are recorded", a.trail.Size())
	}
	last := bytes.LastIndexByte(b.Bytes()[:b.Len()-1], '\n')
	r.body = b.Bytes()[:last]
	if m := must(t, a.do(r), 201); m["accepted"] != float64(event.MaxRequestEvents) || m["entries"] != nil {
		t.Errorf("accepted %v", m["accepted"])
	}
}

func TestLongBodyIsRefusedByItsLengthAndWithoutOne(t *testing.T) {
	a := newAPI(t)
	for _, known := range []bool{true, false} {
		r := httptest.NewRequest("POST", "/api/v1/events", io.LimitReader(blanks{}, event.MaxRequestBytes+1))
		if known {
			r.ContentLength = event.MaxRequestBytes + 1
			r.Body = io.NopCloser(explode{t})
		}
		r.Header.Set("Authorization", "Bearer "+a.admin)
		r.Header.Set("Content-Type", asNDJSON)
		w := httptest.NewRecorder()
		w.Header().Set("X-Request-Id", "r-1")
		a.handler.ServeHTTP(w, r)
		wantProblem(t, w, 413, "too-large", nil)
	}
}

// blanks is an endless body.
type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '\n'
	}
	return len(p), nil
}

// explode is a body that must not be read.
type explode struct{ t *testing.T }

func (e explode) Read([]byte) (int, error) {
	e.t.Error("the body was read")
	return 0, io.EOF
}

func TestWriterReachesItsAccountsAndSourcesOnly(t *testing.T) {
	a := newAPI(t)
	a.account("acme", "other")
	writer := []identity.Grant{{Role: identity.EventWriter, Account: "acme"}}
	bound := a.user("bound", "acme", writer, identity.NewToken{Sources: []string{"example/app"}})
	reader := a.user("reader", "acme", []identity.Grant{{Role: identity.Auditor, Account: "acme"}}, identity.NewToken{})
	from := func(account, source string) string {
		return fmt.Sprintf(`{"occurred_at":"2026-01-15T10:30:00Z","action":"A","resource":{"type":"B"},"source":%q,"account":{"id":%q}}`, source, account)
	}
	good := from("acme", "example/app")
	for _, c := range []struct {
		name, token string
		lines       []string
		field       any
		index       any
	}{
		{"other account", bound, []string{good, good, from("other", "example/app")}, "account.id", 2},
		{"account nobody knows", bound, []string{from("nobody", "example/app")}, "account.id", 0},
		{"other source", bound, []string{good, from("acme", "example/other")}, "source", 1},
		{"the server's source", a.admin, []string{from("countersign", "countersign/store")}, "source", 0},
		{"no writer", reader, []string{good}, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := a.do(request{method: "POST", path: "/api/v1/events", token: c.token, body: []byte(strings.Join(c.lines, "\n")),
				header: map[string]string{"Content-Type": asNDJSON}})
			wantProblem(t, w, 403, "denied", map[string]any{"field": c.field, "event": c.index})
		})
	}
	if a.trail.Size() != 0 {
		t.Errorf("%d entries are recorded", a.trail.Size())
	}
}

func TestConflictNamesTheEventAndTheFirst(t *testing.T) {
	a := newAPI(t)
	a.seed(3, func(i int) string { return eventJSON(fmt.Sprint(i)) })
	other := strings.Replace(eventJSON("1"), "LOGIN", "LOGOUT", 1)
	w := a.post("/api/v1/events", "["+eventJSON("new")+","+other+"]")
	wantProblem(t, w, 409, "conflict", map[string]any{"field": "id", "event": 1, "seq": 1})
	// The conflict itself is recorded, the new event beside it is not.
	m := must(t, a.do(request{path: "/api/v1/events?q=id:=new"}), 200)
	if m["total"] != 0.0 {
		t.Errorf("an event of the refused request is recorded: %v", m)
	}
	w = a.post("/api/v1/events", "["+eventJSON("twice")+","+strings.Replace(eventJSON("twice"), "LOGIN", "LOGOUT", 1)+"]")
	wantProblem(t, w, 409, "conflict", map[string]any{"field": "id", "event": 1})
	if strings.Contains(w.Body.String(), `"seq"`) {
		t.Errorf("a seq is told for an event that is not recorded: %s", w.Body)
	}
}

func TestFailuresBelowBecomeTheirStatus(t *testing.T) {
	f := &fakeTrail{}
	a := faked(t, f, 0)
	for _, c := range []struct {
		name   string
		err    error
		status int
		kind   string
		retry  string
	}{
		{"full disk", errFull, 503, "unavailable", "7"},
		{"stopping", problem.New(problem.Unavailable, "the server is stopping"), 503, "unavailable", "5"},
		{"behind", &problem.Error{Kind: problem.Throttled, Detail: "too many", RetryAfter: 2 * time.Second}, 429, "throttled", "2"},
		{"wrapped", fmt.Errorf("append: %w", problem.New(problem.Throttled, "too many")), 429, "throttled", "1"},
		{"unknown", errors.New("secret detail"), 500, "internal", ""},
		{"internal", &problem.Error{Detail: "secret detail"}, 500, "internal", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.append = func(context.Context, []event.Event) (store.Receipt, error) { return store.Receipt{}, c.err }
			w := a.post("/api/v1/events", eventJSON("x"))
			wantProblem(t, w, c.status, c.kind, nil)
			if got := w.Header().Get("Retry-After"); got != c.retry {
				t.Errorf("Retry-After %q, want %q", got, c.retry)
			}
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("the answer shows internals: %s", w.Body)
			}
		})
	}
}

func TestBodiesTogetherStayWithinTheirMemory(t *testing.T) {
	var calls atomic.Int32
	entered, leave := make(chan struct{}), make(chan struct{})
	f := &fakeTrail{append: func(_ context.Context, events []event.Event) (store.Receipt, error) {
		if calls.Add(1) == 1 {
			close(entered)
			<-leave
		}
		return store.Receipt{Accepted: len(events), Entries: make([]store.Recorded, len(events))}, nil
	}}
	a := faked(t, f, 512<<10)
	body := strings.TrimSuffix(eventJSON("large"), "}") + `,"raw":"` + strings.Repeat("x", 300<<10) + `"}`

	first := make(chan int)
	go func() { first <- a.post("/api/v1/events", body).Code }()
	<-entered
	w := a.post("/api/v1/events", body)
	wantProblem(t, w, 429, "throttled", nil)
	if w.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
	}
	must(t, a.post("/api/v1/events", eventJSON("small")), 201)
	close(leave)
	if code := <-first; code != 201 {
		t.Errorf("the first request got %d", code)
	}
	must(t, a.post("/api/v1/events", body), 201)

	// Many small events cost more than their text.
	var many bytes.Buffer
	for i := range 1000 {
		fmt.Fprintln(&many, eventJSON(fmt.Sprint(i)))
	}
	r := request{method: "POST", path: "/api/v1/events", body: many.Bytes(), header: map[string]string{"Content-Type": asNDJSON}}
	wantProblem(t, a.do(r), 429, "throttled", nil)
	for range 20 { // refused requests give back what they took
		must(t, a.post("/api/v1/events", body), 201)
	}
}

// FuzzRecord claims that no body makes the API fail or record a part: it answers 201 with as many events
// as it hands on, or a client error and hands on none.
func FuzzRecord(f *testing.F) {
	handed := -1
	trail := &fakeTrail{append: func(_ context.Context, events []event.Event) (store.Receipt, error) {
		handed = len(events)
		r := store.Receipt{Accepted: len(events), Entries: make([]store.Recorded, len(events))}
		return r, nil
	}}
	a := faked(f, trail, 0)
	for _, c := range refusedBodies(f) {
		f.Add(c.body, c.contentType == asNDJSON, c.coding == "gzip")
	}
	f.Add([]byte("["+eventJSON("a")+","+eventJSON("b")+"]"), false, false)
	f.Add(gzipped(f, []byte(eventJSON("a"))), true, true)
	f.Fuzz(func(t *testing.T, body []byte, lines, gz bool) {
		handed = -1
		header := map[string]string{"Content-Type": asJSON}
		if lines {
			header["Content-Type"] = asNDJSON
		}
		if gz {
			header["Content-Encoding"] = "gzip"
		}
		w := a.in(t).do(request{method: "POST", path: "/api/v1/events", body: body, header: header})
		switch w.Code {
		case 201:
			if m := must(t, w, 201); m["accepted"] != float64(handed) || handed < 1 {
				t.Errorf("%d events handed on, answer %s", handed, w.Body)
			}
		case 400, 403, 413:
			if handed >= 0 {
				t.Errorf("refused with %s after handing on %d events", w.Body, handed)
			}
			must(t, w, w.Code)
		default:
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}
