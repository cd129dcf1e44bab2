package native_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"countersign/dialect/native"
	"countersign/event"
	"countersign/identity"
	"countersign/query"
	"countersign/store"
)

// told is one event of a stream.
type told struct {
	id    string
	entry struct {
		Seq uint64
		ID  string
	}
}

// follower reads a stream by the rules of the WHATWG.
type follower struct {
	t        testing.TB
	resp     *http.Response
	lines    *bufio.Scanner
	comments int
	last     string // the last id
}

// follow opens a stream; header is names and values.
func follow(t testing.TB, web *httptest.Server, token, query string, header ...string) *follower {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", web.URL+"/api/v1/events/stream?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := web.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{t: t, resp: resp, lines: bufio.NewScanner(resp.Body)}
	f.lines.Buffer(nil, 4<<20)
	return f
}

func (f *follower) close() { f.resp.Body.Close() }

// next returns the next event, or false at the end of the stream, however it comes.
func (f *follower) next() (e told, ok bool) {
	f.t.Helper()
	var data strings.Builder
	for f.lines.Scan() {
		line := f.lines.Text()
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && data.Len() > 0:
			if err := json.Unmarshal([]byte(data.String()), &e.entry); err != nil {
				f.t.Errorf("%v: %s", err, data.String())
			}
			e.id = f.last
			if e.id != strconv.FormatUint(e.entry.Seq, 10) {
				f.t.Errorf("id %s of seq %d", e.id, e.entry.Seq)
			}
			return e, true
		case line == "":
		case name == "":
			f.comments++
		case name == "id":
			f.last = value
		case name == "data":
			data.WriteString(value)
		default:
			f.t.Errorf("line %q", line)
		}
	}
	return e, false
}

// opened waits for the comment that begins a stream.
func (f *follower) opened() {
	f.t.Helper()
	if f.resp.StatusCode != 200 || f.resp.Header.Get("Content-Type") != "text/event-stream" {
		f.t.Fatalf("status %d, content type %q", f.resp.StatusCode, f.resp.Header.Get("Content-Type"))
	}
	if !f.lines.Scan() || !strings.HasPrefix(f.lines.Text(), ": ") {
		f.t.Fatalf("the stream begins with %q", f.lines.Text())
	}
}

func (a *api) serve() *httptest.Server {
	web := httptest.NewServer(a.handler)
	a.t.Cleanup(func() {
		web.Client().CloseIdleConnections()
		web.Close()
	})
	return web
}

func TestStreamBringsEachEntryWithinASecond(t *testing.T) {
	a := newAPI(t)
	a.seed(5, day)
	web := a.serve()
	f := follow(t, web, a.admin, "q=action:A1")
	defer f.close()
	f.opened()
	for i := 5; i < 35; i++ {
		must(t, a.post("/api/v1/events", day(i)), 201)
		acknowledged := time.Now()
		if i%3 != 1 {
			continue
		}
		e, ok := f.next()
		if took := time.Since(acknowledged); !ok || e.entry.ID != fmt.Sprint("e", i) || took > time.Second {
			t.Fatalf("%+v after %v, want e%d", e, took, i)
		}
	}
}

func TestStreamStartsWhereItIsTold(t *testing.T) {
	a := newAPI(t)
	a.seed(9, day)
	web := a.serve()
	for _, c := range []struct {
		query  string
		header []string
		first  uint64
	}{
		{"", nil, 9},
		{"after=-1", nil, 0},
		{"after=3", nil, 4},
		{"after=8", nil, 9},
		{"", []string{"Last-Event-ID", "6"}, 7},
		{"after=3", []string{"Last-Event-ID", "6"}, 7}, // an EventSource that comes back
	} {
		f := follow(t, web, a.admin, c.query, c.header...)
		f.opened()
		if c.first == 9 {
			break
		}
		if e, ok := f.next(); !ok || e.entry.Seq != c.first {
			t.Errorf("%s %v starts at %d", c.query, c.header, e.entry.Seq)
		}
		f.close()
	}
	for _, c := range []struct{ query, header, field string }{
		{"after=9", "", "after"}, {"after=-2", "", "after"}, {"after=", "", "after"}, {"after=x", "", "after"}, {"after=9223372036854775807", "", "after"},
		{"", "9", "Last-Event-ID"}, {"after=1", "x", "Last-Event-ID"}, {"from=2026-01-01", "", "from"}, {"q=(", "", "q"},
	} {
		w := a.do(request{path: "/api/v1/events/stream?" + c.query, header: map[string]string{"Last-Event-ID": c.header}})
		m := must(t, w, 400)
		wantProblem(t, w, 400, "invalid", map[string]any{"field": c.field, "position": m["position"]})
	}
	wantProblem(t, a.do(request{path: "/api/v1/events/stream", token: "-"}), 401, "unauthenticated", nil)
	if w := a.do(request{method: "HEAD", path: "/api/v1/events/stream"}); w.Code != 200 || w.Body.Len() > 0 {
		t.Errorf("HEAD is answered %d with %d bytes", w.Code, w.Body.Len())
	}
}

// Readers break off and come back while writers write. Each has every entry once, in order.
func TestResumedStreamsMissAndRepeatNothing(t *testing.T) {
	a := newAPI(t)
	web := a.serve()
	const writers, each, readers = 4, 60, 8
	const total = writers * each
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				body := strings.Replace(day(i), `"e`, fmt.Sprintf(`"w%d-`, w), 1)
				if w := a.post("/api/v1/events", body); w.Code != 201 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
	for r := range readers {
		all.Go(func() {
			seen := map[string]bool{}
			last := "-1"
			for breaks := 0; len(seen) < total; breaks++ {
				f := follow(t, web, a.admin, "after=-1", "Last-Event-ID", last)
				for range 1 + (r*7+breaks*3)%40 {
					e, ok := f.next()
					if !ok {
						t.Errorf("reader %d: the stream ended", r)
						return
					}
					if last != "-1" && e.entry.Seq != parse(t, last)+1 || seen[e.entry.ID] {
						t.Errorf("reader %d: seq %d after %s", r, e.entry.Seq, last)
						return
					}
					seen[e.entry.ID], last = true, e.id
					if len(seen) == total {
						break
					}
				}
				f.close()
			}
		})
	}
	all.Wait()
}

func parse(t testing.TB, s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Error(err)
	}
	return n
}

// Streams whose readers take nothing hold up neither writers nor other readers, however much is written.
func TestSlowReaderNeverBlocksAWriter(t *testing.T) {
	a := newAPI(t)
	web := a.serve()
	const slow = 12
	var stuck []*follower
	for range slow {
		f := follow(t, web, a.admin, "")
		f.opened()
		stuck = append(stuck, f)
	}
	quick := follow(t, web, a.admin, "")
	quick.opened()
	var seen atomic.Uint64
	var reading sync.WaitGroup
	const batches, batch = 60, 20
	reading.Go(func() {
		for seen.Load() < batches*batch {
			if _, ok := quick.next(); !ok {
				t.Error("the quick reader's stream ended")
				return
			}
			seen.Add(1)
		}
	})
	var slowest time.Duration
	for i := range batches { // 24 MiB, more than sockets hold for all of them
		start := time.Now()
		a.seed(batch, func(j int) string {
			return strings.TrimSuffix(strings.Replace(day(j), `"e`, fmt.Sprintf(`"b%d-`, i), 1), "}") + `,"detail":"` + strings.Repeat("x", 20<<10) + `"}`
		})
		slowest = max(slowest, time.Since(start))
	}
	if slowest > 5*time.Second {
		t.Errorf("a writer waited %v", slowest)
	}
	reading.Wait()
	quick.close()
	// The slow ones get all of it when they read on.
	for n := range batches * batch {
		if e, ok := stuck[0].next(); !ok || e.entry.Seq != uint64(n) {
			t.Fatalf("the slow reader has %d at %d", e.entry.Seq, n)
		}
	}
	for _, f := range stuck {
		f.close()
	}
}

func TestStreamShowsOnlyWhatTheCallerMaySeeNow(t *testing.T) {
	a := newAPI(t)
	a.account("acme", "other")
	web := a.serve()
	token := a.user("reader", "acme", []identity.Grant{{Role: identity.ViewOnly, Account: "acme"}}, identity.NewToken{})
	f := follow(t, web, token, "")
	defer f.close()
	f.opened()
	a.seed(10, day) // e0, e2, ... are acme's
	for i := 0; i < 10; i += 2 {
		if e, ok := f.next(); !ok || e.entry.ID != fmt.Sprint("e", i) {
			t.Fatalf("%+v, want e%d", e, i)
		}
	}
	admin, err := a.dir.Authenticate(t.Context(), identity.Credential{Token: a.admin})
	if err != nil {
		t.Fatal(err)
	}
	reader, err := a.dir.Authenticate(t.Context(), identity.Credential{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.dir.DeleteToken(t.Context(), admin, reader.TokenID); err != nil {
		t.Fatal(err)
	}
	a.post("/api/v1/events", day(12)) // acme's
	if e, ok := f.next(); ok {
		t.Errorf("a deleted token is shown %+v", e)
	}
	again := follow(t, web, token, "", "Last-Event-ID", f.last)
	defer again.close()
	if again.resp.StatusCode != 401 {
		t.Errorf("it comes back with %d", again.resp.StatusCode)
	}
}

func TestOpenStreamsAreBounded(t *testing.T) {
	var h *native.Handler
	a := newAPI(t)
	h = native.New(native.Deps{Trail: a.trail, Identity: a.dir})
	a.handler = h
	web := a.serve()
	var open []*follower
	for range 16 {
		f := follow(t, web, a.admin, "")
		f.opened()
		open = append(open, f)
	}
	wantProblem(t, a.do(request{path: "/api/v1/events/stream"}), 429, "throttled", nil)
	if h.Streams() != 16 {
		t.Errorf("%d streams are open", h.Streams())
	}
	a.account("acme")
	token := a.user("reader", "acme", []identity.Grant{{Role: identity.ViewOnly, Account: "acme"}}, identity.NewToken{})
	other := follow(t, web, token, "")
	other.opened() // a limit for each credential
	other.close()
	for _, f := range open {
		f.close()
	}
	for deadline := time.Now().Add(10 * time.Second); h.Streams() > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if h.Streams() != 0 {
		t.Fatalf("%d streams are open after all were left", h.Streams())
	}
	f := follow(t, web, a.admin, "")
	f.opened()
	f.close()
}

func TestStreamsEndWhenTheServerStops(t *testing.T) {
	stopping, stop := context.WithCancel(t.Context())
	a := newAPIWith(t, func(d *native.Deps) { d.Stopping = stopping })
	web := a.serve()
	idle, busy := follow(t, web, a.admin, ""), follow(t, web, a.admin, "")
	idle.opened()
	busy.opened()
	a.seed(3, day)
	for range 3 {
		busy.next()
	}
	start := time.Now()
	stop()
	for _, f := range []*follower{idle, busy} {
		for {
			if _, ok := f.next(); !ok {
				break
			}
		}
		if err := f.lines.Err(); err != nil {
			t.Errorf("the stream breaks instead of ending: %v", err)
		}
		f.close()
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// sentBody is an answer whose bytes are seen as soon as they are flushed.
type sentBody struct {
	*httptest.ResponseRecorder
	mu sync.Mutex // guards the recorder
}

func (s *sentBody) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ResponseRecorder.Write(b)
}

func (s *sentBody) Flush() {}

func (s *sentBody) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Body.String()
}

// slowTrail is a trail that takes a second to show each entry, and never grows.
type slowTrail struct {
	fakeTrail
	looks atomic.Int32
}

func (s *slowTrail) Each(ctx context.Context, q query.Query, fn func(*event.Entry) error) (store.Page, error) {
	s.looks.Add(1)
	for seq := range s.size {
		e := &event.Entry{Seq: seq}
		if query.Matches(q.Filter, e) {
			time.Sleep(time.Second)
			if err := fn(e); err != nil {
				return store.Page{}, err
			}
		}
	}
	return store.Page{TreeSize: s.size}, nil
}

func (s *slowTrail) Wait(ctx context.Context, size uint64) error {
	if s.size > size {
		return nil
	}
	return s.fakeTrail.Wait(ctx, size)
}

func TestStreamBeatsAndRenewsItsRights(t *testing.T) {
	dir, token := newDirectory(t, t.TempDir()+"/control.db")
	admin, err := dir.Authenticate(t.Context(), identity.Credential{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		trail := &slowTrail{fakeTrail: fakeTrail{size: 25}}
		signIn := func(*http.Request, string) (identity.Caller, error) { return admin, nil }
		h := native.New(native.Deps{Trail: trail, Identity: dir, SignIn: signIn})
		ctx, cancel := context.WithCancel(t.Context())
		w := &sentBody{ResponseRecorder: httptest.NewRecorder()}
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/api/v1/events/stream?after=-1", nil))
		}()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if got := strings.Count(w.text(), "\ndata: "); got != 25 {
			t.Errorf("%d entries", got)
		}
		// It looked anew, with the rights of then, before ten seconds and a bit were over each time.
		if n := trail.looks.Load(); n != 3 {
			t.Errorf("%d looks", n)
		}
		beats := strings.Count(w.text(), ":\n\n")
		time.Sleep(10 * native.Heartbeat)
		synctest.Wait()
		if got := strings.Count(w.text(), ":\n\n") - beats; got != 10 {
			t.Errorf("%d heartbeats in the time of 10", got)
		}
		cancel()
		<-done
	})
}

func TestStreamEndsQuietlyWhenItsReaderLeaves(t *testing.T) {
	a := newAPI(t)
	web := a.serve()
	f := follow(t, web, a.admin, "")
	f.opened()
	f.close()
	if _, err := io.Copy(io.Discard, f.resp.Body); err == nil {
		t.Error("a closed body reads on")
	}
	a.seed(100, day) // nobody is there to be told
}
