package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"countersign/event"
)

// WriterOptions says how a Writer collects events and whom it tells. The zero value works.
type WriterOptions struct {
	// A request is sent when so many events or bytes are waiting, or when the first of them has waited for
	// Linger. 0 means 1,000 events, 1 MiB and 50 ms. While one request is under way the next one fills up.
	BatchEvents int
	BatchBytes  int
	Linger      time.Duration

	// So many events and bytes are held at most, those under way included; 0 means 20,000 and 64 MiB. One
	// event that is larger by itself is held alone.
	BufferEvents int
	BufferBytes  int
	// Full says what Add does when they are reached.
	Full Full

	// The wait before the second try, twice as long before each further one, up to LongestWait; 0 means
	// 100 ms and 30 s. A longer wait that the server asks for is kept to.
	FirstWait   time.Duration
	LongestWait time.Duration
	// GiveUpAfter ends the tries for an event once they have gone on for so long; 0 means that only Close
	// ends them.
	GiveUpAfter time.Duration

	// Proofs asks for the proof of each event, Delivery.Proof: some two kilobytes beside its values. BatchEvents and
	// BatchBytes are then 2,000 and 4 MiB at most.
	Proofs bool

	// Recorded is told of each event that is in the trail, and Failed of each that is not or may not be: of
	// every event that Add took one of them, once. Waiting is told before each wait for another try; nil logs
	// a warning to slog's default logger. All are called by one goroutine, so that what they do holds up
	// what is sent; they must not call the Writer.
	Recorded func(Delivery)
	Failed   func(*EventError)
	Waiting  func(cause error, wait time.Duration)
}

// Full says what to do with an event for which there is no room.
type Full int

// What Add does while the buffer is full.
const (
	Block  Full = iota // wait for room
	Refuse             // return ErrFull
)

// Errors of Add, inside an *EventError.
var (
	ErrFull   = errors.New("the buffer is full")
	ErrClosed = errors.New("the writer is closed")
)

// maxBatchEvents keeps the answer, which says something of each event, within what a client reads.
const maxBatchEvents = 10_000

// With proofs the same takes smaller batches.
const (
	maxProvenEvents = 2000
	maxProvenBytes  = 4 << 20
)

// Delivery is an event that is in the trail, with what the server said of it.
type Delivery struct {
	Event event.Event // with the id that it was sent under
	Recorded
	// Receipt is the answer to the whole request that the event was part of.
	Receipt *Receipt
}

// EventError is why one event was not recorded, or is not known to be.
type EventError struct {
	Event event.Event // with the id that it was sent under
	Err   error
}

func (e *EventError) Error() string {
	return fmt.Sprintf("event %q of %s: %v", e.Event.ID, cmp.Or(e.Event.Source, "no source"), e.Err)
}

func (e *EventError) Unwrap() error { return e.Err }

// Writer collects events and sends them in batches, in the order of the calls of Add, until the server has
// acknowledged each. It may be used by many goroutines at once.
//
// An event without an id gets one before it is first sent, and keeps it, so that however often a request is
// repeated the event is recorded once. What the server refuses (an event that cannot be recorded, an id that is
// known with other content) is taken out and told of, and the rest of the batch is sent again. Requests that
// are answered 429 or 5xx, or not at all, are repeated. Any other answer, such as 401, fails all events of
// its request.
//
// An event that failed may have been recorded all the same, when an answer was lost and no later try got
// one. Sending it again with the id that it has is safe.
type Writer struct {
	c       *Client
	o       WriterOptions
	backoff backoff
	ctx     context.Context // ends what is under way
	cancel  context.CancelCauseFunc
	wake    chan struct{} // holds one note that something changed for the sender
	stopped chan struct{} // closed when the sender has ended

	// mu guards what follows. added counts events in the order in which they entered queue; those up to done
	// have been told of. held counts those that take room: in queue, or under way.
	mu          sync.Mutex
	queue       []pending
	queuedBytes int
	held        int
	heldBytes   int
	added, done uint64
	flushTo     uint64        // events up to here are not lingered over
	changed     chan struct{} // closed and replaced when there is more room, more is done, or the end is near
	closed      bool
	failed      int // since failures were last returned
	firstFailed *EventError
}

// pending is an event that waits, as it will be sent.
type pending struct {
	event event.Event
	line  []byte
	since time.Time
}

// NewWriter starts a writer, which must be closed.
func (c *Client) NewWriter(o WriterOptions) (*Writer, error) {
	mostEvents, mostBytes := maxBatchEvents, event.MaxRequestBytes
	if o.Proofs {
		mostEvents, mostBytes = maxProvenEvents, maxProvenBytes
	}
	for _, n := range []struct {
		name string
		v    *int
		zero int
		most int
	}{
		{"BatchEvents", &o.BatchEvents, 1000, mostEvents},
		{"BatchBytes", &o.BatchBytes, 1 << 20, mostBytes},
		{"BufferEvents", &o.BufferEvents, 20_000, 1 << 30},
		{"BufferBytes", &o.BufferBytes, 64 << 20, 1 << 40},
	} {
		if *n.v = cmp.Or(*n.v, n.zero); *n.v < 1 || *n.v > n.most {
			return nil, fmt.Errorf("writer: %s is %d: must be from 1 to %d, or 0 for %d", n.name, *n.v, n.most, n.zero)
		}
	}
	o.Linger, o.FirstWait, o.LongestWait = cmp.Or(o.Linger, 50*time.Millisecond), cmp.Or(o.FirstWait, 100*time.Millisecond), cmp.Or(o.LongestWait, 30*time.Second)
	if o.Linger < 0 || o.FirstWait < 0 || o.LongestWait < o.FirstWait || o.GiveUpAfter < 0 {
		return nil, errors.New("writer: a wait is negative, or LongestWait is shorter than FirstWait")
	}
	if o.Full != Block && o.Full != Refuse {
		return nil, fmt.Errorf("writer: Full is %d: must be Block or Refuse", o.Full)
	}
	if o.Waiting == nil {
		o.Waiting = func(cause error, wait time.Duration) {
			slog.Warn("events wait to be sent again", "server", c.base, "wait", wait, "error", cause)
		}
	}
	w := &Writer{
		c: c, o: o, backoff: backoff{o.FirstWait, o.LongestWait},
		wake: make(chan struct{}, 1), stopped: make(chan struct{}), changed: make(chan struct{}),
	}
	w.ctx, w.cancel = context.WithCancelCause(context.Background())
	go w.run() // Close waits for it
	return w, nil
}

// Add takes an event, to be sent soon. It keeps no reference to e's attributes. An error is an *EventError
// and means that the event was not taken: it cannot be recorded, there is no room, ctx ended while waiting
// for room, or the writer is closed.
func (w *Writer) Add(ctx context.Context, e event.Event) error {
	p, err := prepare(e)
	if err != nil {
		return &EventError{p.event, err}
	}
	for {
		changed, err := w.take(p)
		if err == nil {
			w.signal()
			return nil
		}
		if !errors.Is(err, ErrFull) || w.o.Full == Refuse {
			return &EventError{p.event, err}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return &EventError{p.event, context.Cause(ctx)}
		}
	}
}

// prepare fixes everything of an event that the sender settles, so that each try sends the same.
func prepare(e event.Event) (pending, error) {
	e.Attributes = slices.Clone(e.Attributes)
	e.Normalize("")
	checked := e
	if checked.Account.ID == "" {
		checked.Account.ID = "the token's" // left to the server
	}
	if err := checked.Validate(); err != nil {
		return pending{event: e}, err
	}
	return pending{event: e, line: append(event.AppendJSON(nil, &e), '\n')}, nil
}

// take puts p into the queue. With ErrFull it returns what tells that it may be worth to try again.
func (w *Writer) take(p pending) (changed <-chan struct{}, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return nil, ErrClosed
	case w.held > 0 && (w.held >= w.o.BufferEvents || w.heldBytes+len(p.line) > w.o.BufferBytes):
		return w.changed, ErrFull
	}
	p.since = time.Now()
	w.queue = append(w.queue, p)
	w.queuedBytes += len(p.line)
	w.held++
	w.heldBytes += len(p.line)
	w.added++
	return nil, nil
}

// Flush sends what was added before without lingering, and returns when all of it has been told of, or ctx
// ends. The error then names the first of the events that failed since Flush last returned.
func (w *Writer) Flush(ctx context.Context) error {
	w.mu.Lock()
	target := w.added
	w.flushTo = target
	w.mu.Unlock()
	w.signal()
	for {
		w.mu.Lock()
		done, changed := w.done >= target, w.changed
		w.mu.Unlock()
		if done {
			return w.failures()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("flush: %w", context.Cause(ctx))
		}
	}
}

// Close takes no further events, sends what is there, and returns when everything has been told of. When ctx
// ends before that, what is under way is broken off and all that is left fails. No goroutine of the writer is
// left when it returns. The error is as Flush's.
func (w *Writer) Close(ctx context.Context) error {
	w.mu.Lock()
	w.closed = true
	w.tellLocked()
	w.mu.Unlock()
	w.signal()
	select {
	case <-w.stopped:
	case <-ctx.Done():
		w.cancel(fmt.Errorf("the writer was closed before it was acknowledged: %w", context.Cause(ctx)))
		<-w.stopped
	}
	w.cancel(ErrClosed)
	return w.failures()
}

// failures returns what failed since the last call.
func (w *Writer) failures() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, first := w.failed, w.firstFailed
	w.failed, w.firstFailed = 0, nil
	switch n {
	case 0:
		return nil
	case 1:
		return first
	}
	return fmt.Errorf("%d events failed, the first: %w", n, first)
}

// signal wakes the sender.
func (w *Writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// tellLocked wakes everyone who waits for room or for the end of a flush.
func (w *Writer) tellLocked() {
	close(w.changed)
	w.changed = make(chan struct{})
}
