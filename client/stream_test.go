package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/client"
	"countersign/problem"
)

var errEnough = errors.New("enough")

// TestAStreamThatBreaksMissesAndRepeatsNothing cuts the connection after a random number of bytes, again and
// again, while events are being recorded, and holds what arrived to the trail.
func TestAStreamThatBreaksMissesAndRepeatsNothing(t *testing.T) {
	defer client.HurryStreams()()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 0))
	tr := newTrail(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if strings.HasSuffix(req.URL.Path, "/stream") {
				mu.Lock()
				left := r.IntN(3000)
				mu.Unlock()
				ctx, cancel := context.WithCancel(req.Context())
				defer cancel()
				w, req = &cut{ResponseWriter: w, left: left, cancel: cancel}, req.WithContext(ctx)
			}
			next.ServeHTTP(w, req)
		})
	})
	c := tr.client(t)
	const n = 200
	go func() {
		for i := range n / 5 {
			fill(t, c, "example/app", 5*i, 5)
		}
	}()
	var got []string
	breaks := 0
	err := c.Stream(t.Context(), client.StreamOptions{
		Text: "source:example/app", After: new(int64(-1)), Broken: func(error, time.Duration) { breaks++ },
	}, func(e client.Entry) error {
		if got = append(got, e.ID); len(got) == n {
			return errEnough
		}
		return nil
	})
	if err != errEnough || breaks == 0 {
		t.Fatalf("%v after %d breaks", err, breaks)
	}
	if diff := cmp.Diff(ids(t, c, "example/app"), got); diff != "" {
		t.Errorf("(-trail +stream):\n%s", diff)
	}
}

// cut is a connection that breaks after some bytes.
type cut struct {
	http.ResponseWriter
	left   int
	cancel func()
}

func (c *cut) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *cut) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		c.ResponseWriter.Write(p[:len(p)+c.left])
		http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(p)
}

func TestAStreamBeginsNowOrWhereItIsTold(t *testing.T) {
	tr := newTrail(t, nil)
	c := tr.client(t)
	fill(t, c, "example/app", 0, 3)
	now, err := c.Search(t.Context(), client.Query{}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	first := func(after *int64) string {
		var got string
		begun := make(chan struct{})
		go func() {
			select {
			case <-begun:
			case <-time.After(200 * time.Millisecond): // the stream waits for what is to come
				fill(t, c, "example/app", 10, 1)
			}
		}()
		if err := c.Stream(t.Context(), client.StreamOptions{Text: "source:=example/app", After: after}, func(e client.Entry) error {
			got = e.ID
			return errEnough
		}); err != errEnough {
			t.Error(err)
		}
		close(begun)
		return got
	}
	last := int64(now.TreeSize) - 1
	for _, x := range []struct {
		after *int64
		want  string
	}{{new(int64(-1)), "e0"}, {new(last - 3), "e0"}, {new(last - 1), "e2"}, {nil, "e10"}} {
		if got := first(x.after); got != x.want {
			t.Errorf("after %v comes %s, want %s", x.after, got, x.want)
		}
	}
}

func TestAStreamEndsWithItsCause(t *testing.T) {
	defer client.HurryStreams()()
	tr := newTrail(t, nil)
	c := tr.client(t)
	t.Run("ctx", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errEnough)
		if err := c.Stream(ctx, client.StreamOptions{}, nil); err != errEnough {
			t.Error(err)
		}
	})
	t.Run("a bad search text", func(t *testing.T) {
		err := c.Stream(t.Context(), client.StreamOptions{Text: "("}, nil)
		if r, ok := errors.AsType[*client.Refusal](err); !ok || r.Position != 1 {
			t.Error(err)
		}
	})
	t.Run("a trail that is shorter", func(t *testing.T) {
		err := c.Stream(t.Context(), client.StreamOptions{After: new(int64(1000))}, nil)
		if problem.KindOf(err) != problem.Invalid {
			t.Error(err)
		}
	})
	t.Run("the first connection", func(t *testing.T) {
		gone, err := client.New(client.Options{Server: "http://127.0.0.1:1", Token: token})
		if err != nil {
			t.Fatal(err)
		}
		if err := gone.Stream(t.Context(), client.StreamOptions{After: new(int64(0))}, nil); problem.KindOf(err) != problem.Unavailable {
			t.Error(err)
		}
	})
	t.Run("the token is revoked", func(t *testing.T) {
		n := 0
		cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if n++; n > 2 {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			io.WriteString(w, ": from seq 0 on\n\n")
		})
		if err := cl.Stream(t.Context(), client.StreamOptions{After: new(int64(-1))}, nil); problem.KindOf(err) != problem.Unauthenticated || n != 3 {
			t.Errorf("%d connections: %v", n, err)
		}
	})
}

func TestEventStreams(t *testing.T) {
	defer client.HurryStreams()()
	long := strings.Repeat("x", 200_000)
	for _, c := range []struct {
		name, body string
		want       string
		err        string
	}{
		{"plain", "id: 1\ndata: {\"seq\":1}\n\n", "1", ""},
		{"CR LF", "id: 1\r\ndata: {\"seq\":1}\r\n\r\n", "1", ""},
		{"no blank after the colon", "id:1\ndata:{\"seq\":1}\n\n", "1", ""},
		{"in several lines", "data: {\ndata: \"seq\":1\ndata: }\n\n", "1", ""},
		{"a long line", "data: {\"seq\":1,\"raw\":\"" + long + "\"}\n\n", "1", ""},
		{"comments and fields that are not known", ": hello\n\nretry: 5\n\nfoo\n\ndata: {\"seq\":1}\n\n", "1", ""},
		{"messages of other kinds", "event: notice\ndata: hello\n\nevent: message\ndata: {\"seq\":1}\n\n", "1", ""},
		{"what was there before", "data: {\"seq\":1}\n\ndata: {\"seq\":1}\n\ndata: {\"seq\":0}\n\ndata: {\"seq\":2}\n\n", "1 2", ""},
		{"a message that is not ended", "data: {\"seq\":1}\n\ndata: {\"seq\":2}\n", "1", ""},
		{"no JSON", "data: hello\n\n", "", "not understood"},
		{"no entry", "data: {}\n\n", "", "not understood"},
		{"a line without an end", "data: " + strings.Repeat("x", 17<<20), "", "more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 0
			cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if n++; n > 1 {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				io.WriteString(w, c.body)
			})
			var got []string
			err := cl.Stream(t.Context(), client.StreamOptions{After: new(int64(-1))}, func(e client.Entry) error {
				got = append(got, fmt.Sprint(e.Seq))
				return nil
			})
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("entries %s, want %s", s, c.want)
			}
			if c.err == "" && problem.KindOf(err) != problem.Denied || !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

// TestASilentStreamIsGivenUp has a server that is gone without a word, and one that shows signs of life.
func TestASilentStreamIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var breaks []string
		n := 0
		cl, _ := wired(t, nil)
		cl.SetTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
			if n++; n > 2 {
				return answered(http.StatusForbidden, ""), nil
			}
			resp := answered(200, "")
			resp.Body = io.NopCloser(&pulse{ctx: r.Context(), beats: 10 * (n - 1)})
			return resp, nil
		}))
		err := cl.Stream(t.Context(), client.StreamOptions{After: new(int64(-1)), Broken: func(err error, _ time.Duration) {
			breaks = append(breaks, fmt.Sprint(time.Since(start).Round(10*time.Second), " ", err))
			start = time.Now()
		}}, nil)
		if len(breaks) != 2 || !strings.HasPrefix(breaks[0], "1m0s nothing arrived for 1m0s") || !strings.HasPrefix(breaks[1], "6m0s nothing arrived") || problem.KindOf(err) != problem.Denied {
			t.Errorf("%q, %v", breaks, err)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// pulse is a body with a comment every 30 s, and then nothing.
type pulse struct {
	ctx   context.Context
	beats int
}

func (p *pulse) Read(b []byte) (int, error) {
	var beat <-chan time.Time
	if p.beats > 0 {
		beat = time.After(30 * time.Second)
	}
	select {
	case <-beat:
		p.beats--
		return copy(b, ":\n\n"), nil
	case <-p.ctx.Done():
		return 0, p.ctx.Err()
	}
}

// FuzzStream: whatever a server sends, entries come in rising order and nothing panics.
func FuzzStream(f *testing.F) {
	defer client.HurryStreams()()
	f.Add([]byte("id: 1\ndata: {\"seq\":1,\"occurred_at\":\"2026-01-15T10:30:00Z\",\"attributes\":{\"a\":\"b\"}}\n\n"))
	f.Add([]byte(": c\r\n\r\nevent: x\ndata\n\ndata: {\"seq\":18446744073709551615}\n\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		n := 0
		cl, err := client.New(client.Options{Server: "https://audit.example.com", Token: token})
		if err != nil {
			t.Fatal(err)
		}
		cl.SetTransport(roundTrip(func(*http.Request) (*http.Response, error) {
			if n++; n > 1 {
				return answered(http.StatusForbidden, ""), nil
			}
			resp := answered(200, "")
			resp.Body = io.NopCloser(bytes.NewReader(body))
			return resp, nil
		}))
		last := int64(-1)
		_ = cl.Stream(t.Context(), client.StreamOptions{After: &last}, func(e client.Entry) error {
			if int64(e.Seq) <= last {
				t.Errorf("seq %d after %d", e.Seq, last)
			}
			last = int64(e.Seq)
			return nil
		})
	})
}
