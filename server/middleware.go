package server

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"countersign/problem"
)

// dialect is one API: it answers the requests of its subtree, and those that were refused or broke before
// it could answer, in the shape its callers know.
type dialect interface {
	http.Handler
	Refuse(w http.ResponseWriter, r *http.Request, err error)
	// Routes returns every pattern that is answered, METHOD and path.
	Routes() []string
}

// mounted is a dialect with the name that the trail calls it by and the paths that it owns.
type mounted struct {
	name string
	owns func(path string) bool
	dialect
}

// under is all paths that begin with the prefix.
func under(prefix string) func(path string) bool {
	return func(path string) bool { return strings.HasPrefix(path, prefix) }
}

// dialectOf returns the owner of a path.
func (s *Server) dialectOf(path string) mounted {
	for _, d := range s.dialects {
		if d.owns(path) {
			return d
		}
	}
	return s.dialects[len(s.dialects)-1] // "*" of OPTIONS is no path
}

// ServeHTTP answers one request of any dialect.
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	start := time.Now()
	w := &response{ResponseWriter: rw, conn: http.NewResponseController(rw), pace: &s.pace}
	if r.ProtoMajor == 1 {
		// The deadline of the connection's last answer may have passed; the "100 Continue" that net/http
		// writes by itself would meet it.
		w.conn.SetWriteDeadline(time.Time{})
	}
	paceBody(r, w.conn, &s.pace)
	setHeaders(w.Header(), r.Header.Get(requestIDHeader))
	d := s.dialectOf(r.URL.Path)
	a, r := newAccess(r, d.name)

	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.stopped {
		w.Header().Set("Connection", "close")
		d.Refuse(w, r, problem.New(problem.Unavailable, "the server is stopping"))
		return
	}
	defer s.finish(w, r, d, a, start)
	d.ServeHTTP(w, r)
}

// finish turns a panic of the handler into an answer, or where that is too late into a broken connection,
// logs the request and has what it did recorded. The log has the route's pattern and never the path or the parameters: those hold
// names.
func (s *Server) finish(w *response, r *http.Request, d mounted, a *access, start time.Time) {
	v := recover()
	if v != nil && v != http.ErrAbortHandler {
		s.log.Error("panic", "request_id", w.Header().Get(requestIDHeader), "panic", v, "stack", string(debug.Stack()))
		if w.status == 0 {
			d.Refuse(w, r, fmt.Errorf("panic: %v", v))
			v = nil
		}
	}
	if w.status == 0 && v == nil {
		w.status = http.StatusOK // what net/http answers for a handler that wrote nothing
	}
	took := time.Since(start)
	s.metrics.answered(d.name, r, w.status, took, v != nil)
	s.log.LogAttrs(r.Context(), slog.LevelDebug, "request",
		slog.String("method", r.Method),
		slog.String("route", r.Pattern),
		slog.Int("status", w.status),
		slog.Bool("aborted", v != nil),
		slog.Duration("duration", took),
		slog.String("request_id", w.Header().Get(requestIDHeader)))
	s.audit.ended(a, r, w.status, v != nil)
	if v != nil {
		panic(http.ErrAbortHandler)
	}
}

const (
	requestIDHeader = "X-Request-Id"
	maxRequestID    = 64
)

// setHeaders sets what every answer has. The dialects read the request id from the answer's header.
func setHeaders(header http.Header, clientsID string) {
	id := clientsID
	if !validRequestID(id) {
		id = rand.Text()
	}
	header.Set(requestIDHeader, id)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("Referrer-Policy", "no-referrer")
}

// validRequestID tells whether a client's own id is taken: it goes into the log, so it must not be able to
// break a line or to be long.
func validRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
