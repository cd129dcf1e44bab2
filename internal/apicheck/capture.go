package apicheck

import (
	"io"
	"net/http"
)

// maxCaptured bounds what is kept of a body.
const maxCaptured = 4 << 20

// reader is what a body is.
type reader = io.ReadCloser

// captured is what was seen of a body.
type captured struct {
	bytes []byte
	cut   bool // there was more than is kept
	whole bool // the end was reached
}

func (c *captured) add(b []byte) {
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
	w.seen.add(p[:n])
	if err == io.EOF {
		w.seen.whole = true
	}
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
	w.body.add(b)
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
