package client_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"countersign/client"
	"countersign/event"
	"countersign/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// trail is a real server.
type trail struct {
	*server.Server
	url string
}

// newTrail starts a server whose answers go through wrap, unless that is nil.
func newTrail(tb testing.TB, wrap func(http.Handler) http.Handler) trail {
	tb.Helper()
	s, err := server.Open(tb.Context(), server.Config{Data: filepath.Join(tb.TempDir(), "data"), NoPreallocate: true})
	if err != nil {
		tb.Fatal(err)
	}
	if _, _, err := s.Identity.Bootstrap(tb.Context(), token); err != nil {
		tb.Fatal(err)
	}
	var h http.Handler = s
	if wrap != nil {
		h = wrap(s)
	}
	hs := httptest.NewServer(h)
	tb.Cleanup(func() {
		hs.CloseClientConnections()
		hs.Close()
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return trail{s, hs.URL}
}

func (tr trail) client(tb testing.TB) *client.Client {
	tb.Helper()
	c, err := client.New(client.Options{Server: tr.url, Token: token})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// fill records n events with the ids e0, e1, ... of the source.
func fill(tb testing.TB, c *client.Client, source string, from, n int) {
	tb.Helper()
	batch := make([]event.Event, n)
	for i := range batch {
		batch[i] = one(fmt.Sprintf("e%d", from+i))
		batch[i].Source = source
		batch[i].Normalize("acc")
	}
	if _, err := c.Append(tb.Context(), batch); err != nil {
		tb.Fatal(err)
	}
}

// one is an event that can be recorded.
func one(id string) event.Event {
	return event.Event{
		ID: id, OccurredAt: 1_700_000_000_000_000, Account: event.Account{ID: "acc"}, Action: "CREATE",
		Resource: event.Resource{Type: "USER", Name: event.TextOf("a \"b\",\r\nc")}, Source: "example/app",
	}
}

// ids returns the ids of the source's entries in the order of the trail.
func ids(tb testing.TB, c *client.Client, source string) []string {
	tb.Helper()
	var all []string
	for p, err := range c.Pages(tb.Context(), client.Query{Text: "source:=" + source, Sort: "seq:asc"}, 0) {
		if err != nil {
			tb.Fatal(err)
		}
		for i := range p.Items {
			all = append(all, p.Items[i].ID)
		}
	}
	return all
}

// flaky lets requests fail in every way, before and after they have been served, by chance.
type flaky struct {
	next http.Handler
	mu   sync.Mutex
	r    *rand.Rand
	// calm is one in how many requests that go well; 0 lets all go well.
	calm int
}

func (f *flaky) draw() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calm == 0 || f.r.IntN(f.calm) == 0 {
		return -1
	}
	return f.r.IntN(8)
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	served := func() *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		f.next.ServeHTTP(rec, r)
		return rec
	}
	switch f.draw() {
	case 0: // gone before anything is read
		panic(http.ErrAbortHandler)
	case 1: // gone in the middle of the request
		io.CopyN(io.Discard, r.Body, 10)
		panic(http.ErrAbortHandler)
	case 2: // recorded, and the answer is lost
		served()
		panic(http.ErrAbortHandler)
	case 3: // recorded, and a proxy says that it waited too long
		served()
		w.WriteHeader(http.StatusGatewayTimeout)
	case 4: // recorded, and the answer breaks off
		rec := served()
		w.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()))
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
		panic(http.ErrAbortHandler)
	case 5: // recorded, and then a failure
		served()
		w.WriteHeader(http.StatusInternalServerError)
	case 6:
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusTooManyRequests)
	case 7:
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		f.next.ServeHTTP(w, r)
	}
}

// wire answers requests without a network, so that a test can have a clock of its own.
type wire func(n int, sent []event.Event, r *http.Request) *http.Response

// network counts the requests of a wire.
type network struct {
	mu     sync.Mutex
	answer wire
	n      int
	bodies []string
}

func (nw *network) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []event.Event
	var body []byte
	if r.Body != nil {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		if body, err = io.ReadAll(z); err != nil {
			return nil, err
		}
		for d := event.NewDecoder(bytes.NewReader(body), event.Lines); ; {
			e, err := d.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, err
			}
			sent = append(sent, e)
		}
	}
	nw.mu.Lock()
	nw.n++
	n := nw.n
	nw.bodies = append(nw.bodies, string(body))
	nw.mu.Unlock()
	resp := nw.answer(n, sent, r)
	if resp == nil {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	resp.Request = r
	return resp, nil
}

// wired returns a client that nothing but answer hears.
func wired(t *testing.T, answer wire) (*client.Client, *network) {
	t.Helper()
	c, err := client.New(client.Options{Server: "https://audit.example.com", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	nw := &network{answer: answer}
	c.SetTransport(nw)
	return c, nw
}

func answered(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// accepted is the server's answer when it records everything.
func accepted(sent []event.Event) *http.Response {
	entries := []map[string]any{}
	for i := range sent {
		entries = append(entries, map[string]any{"id": sent[i].ID, "seq": i, "duplicate": false})
	}
	b, err := json.Marshal(map[string]any{"accepted": len(sent), "duplicates": 0, "first_seq": 0, "last_seq": len(sent) - 1, "entries": entries})
	if err != nil {
		panic(err)
	}
	return answered(http.StatusCreated, string(b))
}

func problemAnswer(status int, body string) *http.Response {
	return answered(status, body, "Content-Type", "application/problem+json")
}

// ledger keeps what a writer tells.
type ledger struct {
	mu       sync.Mutex
	recorded []client.Delivery
	failed   []*client.EventError
}

func (l *ledger) options(o client.WriterOptions) client.WriterOptions {
	o.Recorded = func(d client.Delivery) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.recorded = append(l.recorded, d)
	}
	o.Failed = func(e *client.EventError) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed = append(l.failed, e)
	}
	return o
}

func (l *ledger) counts() (recorded, failed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.recorded), len(l.failed)
}

func newWriter(t *testing.T, c *client.Client, o client.WriterOptions) *client.Writer {
	t.Helper()
	if o.Waiting == nil {
		o.Waiting = func(cause error, wait time.Duration) { t.Logf("waiting %s: %v", wait, cause) }
	}
	w, err := c.NewWriter(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		w.Close(gone)
	})
	return w
}
