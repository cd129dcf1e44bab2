package apicheck

import (
	"io"
	"net/http"
	"sync"
)

// maxCaptured bounds what is kept of a body.
const maxCaptured = 4 << 20

// reader is what a body is.
type reader = io.ReadCloser

// captured is what was seen of a body. An HTTP client may still be reading a request's body while its answer
// is looked at.
type captured struct {
	mu    sync.Mutex // guards what follows; whoever looks takes a copy
	bytes []byte
	cut   bool // there was more than is kept
	whole bool // the end was reached
}

// copy returns what was seen so far.
func (c *captured) copy() *captured {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &captured{bytes: c.bytes[:len(c.bytes):len(c.bytes)], cut: c.cut, whole: c.whole}
}

// again forgets what was seen: the body is sent anew.
func (c *captured) again() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes, c.cut, c.whole = nil, false, false
}

func (c *captured) add(b []byte, end bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.whole = c.whole || end
	if room := maxCaptured - len(c.bytes); len(b) > room {
		b, c.cut = b[:room], true
	}
	c.bytes = append(c.bytes, b...)
}

// complete tells whether all of the body is here.
func (c *captured) complete() bool { return c.whole && !c.cut }

// watchedBody is a body that is captured as it is read. done, unless nil, is called at its end.
type watchedBody struct {
	io.ReadCloser
	seen *captured
	done func()
}

func (w *watchedBody) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.seen.add(p[:n], err == io.EOF)
	if err != nil && w.done != nil {
		w.done()
	}
	return n, err
}

func (w *watchedBody) Close() error {
	if w.done != nil {
		w.done()
	}
	return w.ReadCloser.Close()
}

// watchedResponse is a ResponseWriter that keeps what was answered.
type watchedResponse struct {
	http.ResponseWriter
	status int
	header http.Header
	body   captured
}

// Unwrap is how http.ResponseController finds what is below.
func (w *watchedResponse) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *watchedResponse) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status, w.header = status, w.Header().Clone()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watchedResponse) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status, w.header = http.StatusOK, w.Header().Clone()
	}
	w.body.add(b, false)
	return w.ResponseWriter.Write(b)
}

// seen returns what was answered; whole tells that the handler came to its end.
func (w *watchedResponse) seen(whole bool) (status int, header http.Header, body *captured) {
	if w.status == 0 {
		w.status, w.header = http.StatusOK, w.Header().Clone()
	}
	w.body.whole = whole
	return w.status, w.header, &w.body
}
