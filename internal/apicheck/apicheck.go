// Package apicheck holds the requests and answers of tests to the OpenAPI document of package web. It is
// imported by tests only.
//
// Terms. An exchange is a request and its answer. A stray exchange is one whose path or method is in no part of
// the document.
//
// Promises. Every answer that passes through Handler or Transport must be described: its status, each header
// field, its content type and its body, of which no member may be undocumented; a stray one must be a refusal
// in the shape of the API that owns the path. A request that succeeded must be described too: parameters,
// content type and body. One that was refused may be as wrong as its test likes. Routes must be the document's
// operations, no more and no fewer.
//
// What it does not look at: bodies of more than 4 MiB, the rest of a body that was broken off or not read to
// its end, and whatever a benchmark or a fuzz target does.
package apicheck

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
)

// Handler returns h with every exchange checked. Findings are errors of the test.
func Handler(tb testing.TB, h http.Handler) http.Handler {
	if unwatched(tb) {
		return h
	}
	c := newChecker(tb)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchange{request: r, sent: &captured{}}
		if r.Body != nil && r.Body != http.NoBody {
			unwatched := r.Body
			r.Body = &watchedBody{ReadCloser: unwatched, seen: x.sent}
			defer func() { r.Body = unwatched }()
		}
		answer := &watchedResponse{ResponseWriter: w}
		defer func() {
			v := recover()
			// A request that was given up has nobody to answer.
			silent := answer.status == 0 && (v != nil || r.Context().Err() != nil)
			if !silent && (v == nil || v == http.ErrAbortHandler) {
				x.status, x.header, x.got = answer.seen(v == nil)
				c.check(&x)
			}
			if v != nil {
				panic(v)
			}
		}()
		h.ServeHTTP(answer, r)
	})
}

// Transport returns base with every exchange checked once the body of its answer is read or closed; nil stands
// for http.DefaultTransport. Findings are errors of the test.
func Transport(tb testing.TB, base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	if unwatched(tb) {
		return base
	}
	return &transport{base, newChecker(tb)}
}

// unwatched tells of benchmarks, which measure, and of fuzz targets, whose requests need not be ones that a
// document can describe.
func unwatched(tb testing.TB) bool {
	switch tb.(type) {
	case *testing.B, *testing.F:
		return true
	}
	return false
}

type transport struct {
	base http.RoundTripper
	*checker
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	x := &exchange{request: r, sent: &captured{}}
	if r.Body != nil && r.Body != http.NoBody {
		watched := r.Clone(r.Context())
		watched.Body = &watchedBody{ReadCloser: r.Body, seen: x.sent}
		if again := r.GetBody; again != nil {
			watched.GetBody = func() (_ reader, err error) {
				x.sent.again()
				b, err := again()
				return &watchedBody{ReadCloser: b, seen: x.sent}, err
			}
		}
		r = watched
	}
	resp, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	x.status, x.header, x.got = resp.StatusCode, resp.Header.Clone(), &captured{}
	resp.Body = &watchedBody{ReadCloser: resp.Body, seen: x.got, done: sync.OnceFunc(func() { t.check(x) })}
	return resp, nil
}

// CloseIdleConnections is how http.Client reaches the base.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// exchange is a request and its answer.
type exchange struct {
	request *http.Request
	sent    *captured
	status  int
	header  http.Header
	got     *captured
}

// checker reports what it finds to a test, until that ends.
type checker struct {
	document *document
	tb       testing.TB

	mu    sync.Mutex // held while the test is told something, so that it does not end meanwhile
	ended bool
}

func newChecker(tb testing.TB) *checker {
	tb.Helper()
	d, err := load()
	if err != nil {
		tb.Fatal(err)
	}
	c := &checker{document: d, tb: tb}
	tb.Cleanup(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended = true
	})
	return c
}

func (c *checker) check(x *exchange) {
	err := c.document.check(&exchange{request: x.request, sent: x.sent.copy(), status: x.status, header: x.header, got: x.got.copy()})
	if err == nil {
		return
	}
	told := fmt.Sprintf("%s %s was answered %d, and the OpenAPI document (web/openapi) does not describe it: %v",
		x.request.Method, x.request.URL, x.status, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.tb.Error(told)
	}
}
