package native

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"countersign/event"
	"countersign/identity"
	"countersign/problem"
	"countersign/query"
)

const (
	defaultStreams = 16
	// heartbeat is the longest silence of a stream. It is shorter than what proxies and package server wait
	// before they take a connection for dead.
	heartbeat = 15 * time.Second
	// gather is how long a stream waits for more when something has come: with many small batches it would
	// otherwise look and send hundreds of times a second.
	gather = 25 * time.Millisecond
	// lookTime is how long a stream that catches up goes on with the rights that it once had.
	lookTime = 10 * time.Second

	// lastWrite is how long a reader may take over what is under way at a stop.
	lastWrite = time.Second

	lastEventID = "Last-Event-ID"
)

// streams counts the open streams of each credential.
type streams struct {
	mu   sync.Mutex // guards what follows; held for a look-up
	open map[string]int
	all  int
}

func (s *streams) begin(credential string, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[credential] >= most {
		return false
	}
	if s.open == nil {
		s.open = map[string]int{}
	}
	s.open[credential]++
	s.all++
	return true
}

func (s *streams) end(credential string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.open[credential]--; s.open[credential] == 0 {
		delete(s.open, credential)
	}
}

// Streams returns how many streams are open.
func (h *Handler) Streams() int {
	h.streams.mu.Lock()
	defer h.streams.mu.Unlock()
	return h.streams.all
}

// stream answers GET /api/v1/events/stream: server-sent events (the WHATWG HTML standard, section 9.2), one for
// each match in the order of the trail, from the present or an earlier entry on, for as long as the client
// stays. It pulls what is new from the trail when the trail has grown; nothing is kept for it meanwhile, so a
// client that reads slowly is late and holds up nobody.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
	ps, err := parseParams(r.URL.RawQuery, "q", "after")
	if err != nil {
		return err
	}
	s := &eventStream{h: h, w: w, conn: http.NewResponseController(w), caller: c}
	if s.wanted, err = ps.filter(); err != nil {
		return err
	}
	if s.next, err = ps.position(r.Header, h.trail.Size()); err != nil {
		return err
	}
	if err := s.renew(); err != nil {
		return err
	}
	if !h.streams.begin(c.CredentialID(), h.maxStreams) {
		return &problem.Error{Kind: problem.Throttled, Detail: fmt.Sprintf("the credential has %d streams open, which is the limit", h.maxStreams), RetryAfter: heartbeat}
	}
	defer h.streams.end(c.CredentialID())
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // else nginx keeps events back
	if r.Method == http.MethodHead {
		return nil
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer s.endWith(h.stopping, cancel)()
	if err := s.run(ctx); ctx.Err() == nil {
		h.log.Info("stream ended", "request_id", w.Header().Get("X-Request-Id"), "error", err)
	}
	return nil // the status is sent; the client comes back with the last id it has
}

// endWith has the stream end with stopping, also when its reader takes nothing and a write waits for it. The
// result undoes it; it must be called before the handler returns, when conn is no longer the stream's.
func (s *eventStream) endWith(stopping context.Context, cancel context.CancelFunc) (undo func()) {
	if stopping == nil {
		return func() {}
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(stopping, func() {
		defer close(ended)
		cancel()
		// What cannot set a deadline is no connection, and does not wait for a reader.
		_ = s.conn.SetWriteDeadline(time.Now().Add(lastWrite))
	})
	return func() {
		if !stop() {
			<-ended
		}
	}
}

// position reads Last-Event-ID or after: the seq of the last entry that the client has, -1 for none. Without
// either the stream starts with what comes after the first size entries. A client that was cut off sends the
// header beside the URL that it first asked for, so the header counts.
func (ps params) position(header http.Header, size uint64) (next uint64, err error) {
	name, text := "after", ps["after"]
	if _, ok := ps["after"]; !ok {
		if text = header.Get(lastEventID); text == "" {
			return size, nil
		}
	}
	if last := header.Get(lastEventID); last != "" {
		name, text = lastEventID, last
	}
	after, err := strconv.ParseInt(text, 10, 64)
	if err != nil || after < -1 || after == math.MaxInt64 || strconv.FormatInt(after, 10) != text {
		return 0, problem.Bad(name, text, "must be a seq, or -1 to start with the first entry")
	}
	// A client that has seen more than there is has followed another trail, or this one was put back to an
	// earlier state. To wait in silence until it has grown past that would hide what is recorded meanwhile.
	if next = uint64(after + 1); next > size {
		return 0, problem.Bad(name, text, "is not in the trail, which has %d entries", size)
	}
	return next, nil
}

// eventStream is one stream. It belongs to its request's goroutine.
type eventStream struct {
	h      *Handler
	w      http.ResponseWriter
	conn   *http.ResponseController
	caller identity.Caller
	wanted query.Filter // what the client asked for
	filter query.Filter // what of it the caller may see
	next   uint64       // the seq from which on nothing was looked at yet
	b      []byte
}

// errRenew ends a look that takes long.
var errRenew = errors.New("rights are to be renewed")

// run streams until ctx ends, the client leaves or the caller's rights do, and returns which.
func (s *eventStream) run(ctx context.Context) error {
	s.b = fmt.Appendf(s.b, ": from seq %d on\n\n", s.next)
	for {
		if err := s.look(ctx); err != nil {
			return err
		}
		if err := s.wait(ctx); err != nil {
			return err
		}
		// What the caller may see now decides, not what it was at the start.
		if err := s.renew(); err != nil {
			return err
		}
	}
}

func (s *eventStream) renew() (err error) {
	if s.caller, err = s.h.identity.Renew(s.caller); err != nil {
		return err
	}
	s.filter, err = s.caller.Restrict(identity.ReadTrail, s.wanted)
	return err
}

// look sends all that is new.
func (s *eventStream) look(ctx context.Context) error {
	start := time.Now()
	part := query.Range{Field: query.Seq, Min: int64(s.next), Max: query.NoMax}
	page, err := s.h.trail.Each(ctx, query.Query{Filter: query.And{s.filter, part}}, func(e *event.Entry) error {
		s.b = append(strconv.AppendUint(append(s.b, "id: "...), e.Seq, 10), "\ndata: "...)
		s.b = append(event.AppendEntryJSON(s.b, e), "\n\n"...) // one line: JSON has no line ends outside of white space
		s.next = e.Seq + 1
		if len(s.b) >= flushBytes {
			if err := s.send(); err != nil {
				return err
			}
		}
		if time.Since(start) >= lookTime {
			return errRenew
		}
		return nil
	})
	switch {
	case err == nil:
		s.next = page.TreeSize
	case err != errRenew:
		return err
	}
	return s.send()
}

// wait returns when there is more to look at, and keeps the connection alive until then.
func (s *eventStream) wait(ctx context.Context) error {
	quiet, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	if err := s.h.trail.Wait(quiet, s.next); err == nil {
		return pause(ctx, gather)
	} else if ctx.Err() != nil || quiet.Err() == nil {
		return err
	}
	s.b = append(s.b, ":\n\n"...)
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send hands what is rendered to the client, and waits until the connection has taken it.
func (s *eventStream) send() error {
	if len(s.b) == 0 {
		return nil
	}
	_, err := s.w.Write(s.b)
	s.b = s.b[:0]
	if err == nil {
		err = s.conn.Flush()
	}
	return err
}
