package server

import (
	"io"
	"net/http"
	"time"
)

// pace is how slow a client may be. A whole-request timeout would cut off honest large requests on slow
// lines, and without any a client that sends a byte a minute holds a connection for ever.
type pace struct {
	// header bounds the time for a request's header, idle that between two requests.
	header, idle time.Duration
	// A body may take grace, and a second more for each bytesPerSecond received.
	grace          time.Duration
	bytesPerSecond int64
	// write bounds the time in which the client must take one piece of an answer. It is longer than grace:
	// net/http reads on in a body that the handler refused unread, before it sends the answer.
	write time.Duration
	// stop bounds the time that requests under way get at shutdown.
	stop time.Duration
}

var defaultPace = pace{
	header:         10 * time.Second,
	idle:           2 * time.Minute,
	grace:          20 * time.Second,
	bytesPerSecond: 16 << 10,
	write:          30 * time.Second,
	stop:           30 * time.Second,
}

// deadlineStep is how far a deadline must move before the connection is told.
const deadlineStep = time.Second

// pacedBody is a request body whose read deadline grows with what was received.
type pacedBody struct {
	io.ReadCloser
	conn     *http.ResponseController
	pace     *pace
	start    time.Time
	deadline time.Time
	read     int64
}

// paceBody puts the deadline on the connection at once: a handler that refuses a request without reading
// its body leaves the reading to net/http, which has no deadline of its own there.
func paceBody(r *http.Request, conn *http.ResponseController, p *pace) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	now := time.Now()
	b := &pacedBody{ReadCloser: r.Body, conn: conn, pace: p, start: now, deadline: now.Add(p.grace)}
	conn.SetReadDeadline(b.deadline)
	r.Body = b
}

func (b *pacedBody) Read(p []byte) (int, error) {
	earned := time.Duration(b.read / b.pace.bytesPerSecond * int64(time.Second))
	if d := b.start.Add(b.pace.grace + earned); d.Sub(b.deadline) >= deadlineStep {
		b.deadline = d
		b.conn.SetReadDeadline(d)
	}
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if err == io.EOF {
		// From here on net/http watches the connection for the client's leaving; the deadline passing in the
		// meantime would look like that.
		b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}

// response is a ResponseWriter that knows what was answered and gives the client a bounded time for each
// piece.
type response struct {
	http.ResponseWriter
	conn     *http.ResponseController
	pace     *pace
	deadline time.Time
	status   int // 0 until the header is written
}

// Unwrap is how http.ResponseController finds the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.extend()
	return w.ResponseWriter.Write(b)
}

func (w *response) extend() {
	if d := time.Now().Add(w.pace.write); d.Sub(w.deadline) >= deadlineStep {
		w.deadline = d
		w.conn.SetWriteDeadline(d)
	}
}
