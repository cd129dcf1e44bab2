package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"countersign/problem"
)

// run is the sender: one goroutine, so that events arrive in the order in which they were added.
func (w *Writer) run() {
	defer close(w.stopped)
	for {
		batch, linger, more := w.next(time.Now())
		if len(batch) > 0 {
			w.deliver(batch)
			w.mu.Lock()
			w.done += uint64(len(batch))
			w.tellLocked()
			w.mu.Unlock()
			continue
		}
		if !more {
			return
		}
		var due <-chan time.Time // nil: nothing waits
		if linger > 0 {
			due = time.After(linger)
		}
		select {
		case <-w.wake:
		case <-due:
		}
	}
}

// next takes the events of the next request off the queue when they are due. Else it says how long they
// will linger, and whether there may be more.
func (w *Writer) next(now time.Time) (batch []pending, linger time.Duration, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return nil, 0, !w.closed
	}
	full := len(w.queue) >= w.o.BatchEvents || w.queuedBytes >= w.o.BatchBytes
	if left := w.o.Linger - now.Sub(w.queue[0].since); !full && !w.closed && w.flushTo <= w.done && left > 0 {
		return nil, left, true
	}
	n, bytes := 0, 0
	for n < len(w.queue) && n < w.o.BatchEvents && (n == 0 || bytes+len(w.queue[n].line) <= w.o.BatchBytes) {
		bytes += len(w.queue[n].line)
		n++
	}
	batch = slices.Clone(w.queue[:n])
	w.queue = slices.Delete(w.queue, 0, n)
	w.queuedBytes -= bytes
	return batch, 0, true
}

// deliver sends the batch until each of its events is told of.
func (w *Writer) deliver(batch []pending) {
	for parts := [][]pending{batch}; len(parts) > 0; {
		part, rest := parts[0], parts[1:]
		receipt, err := w.sendPart(part)
		if err == nil {
			w.recorded(part, receipt)
			parts = rest
			continue
		}
		p, isProblem := errors.AsType[*problem.Error](err)
		switch {
		case isProblem && p.Event > 0 && p.Event <= len(part):
			// Nothing of the request is recorded. The index means nothing to the application.
			plain := *p
			plain.Event = 0
			w.failAll(part[p.Event-1:p.Event], &plain)
			if part = slices.Concat(part[:p.Event-1], part[p.Event:]); len(part) > 0 {
				rest = append([][]pending{part}, rest...)
			}
			parts = rest
		case isProblem && len(part) > 1 && (p.Kind == problem.TooLarge || p.Kind == problem.Invalid):
			// It lies in the events, but not in one that is named: a proxy's limit of a request, say.
			half := len(part) / 2
			parts = append([][]pending{part[:half], part[half:]}, rest...)
		default:
			w.failAll(part, err)
			parts = rest
		}
	}
}

// sendPart sends the events of one request until there is an answer that will not change.
func (w *Writer) sendPart(part []pending) (*Receipt, error) {
	lines := make([][]byte, len(part))
	for i := range part {
		lines[i] = part[i].line
	}
	body, err := compress(lines)
	if err != nil {
		return nil, err
	}
	told := toldPlaces
	if w.o.Proofs {
		told = toldProofs
	}
	for start, n := time.Now(), 1; ; n++ {
		if w.ctx.Err() != nil {
			return nil, context.Cause(w.ctx)
		}
		receipt, err := w.c.send(w.ctx, body, len(part), told)
		if err == nil {
			err = sameEvents(part, &receipt)
		}
		if err == nil || w.ctx.Err() != nil || !passing(err) {
			return &receipt, err
		}
		wait := w.backoff.wait(n, err)
		if limit := w.o.GiveUpAfter; limit > 0 && time.Since(start)+wait > limit {
			return nil, fmt.Errorf("given up after %d tries: %w", n, err)
		}
		w.o.Waiting(err, wait)
		if err := sleep(w.ctx, wait); err != nil {
			return nil, err
		}
	}
}

// sameEvents holds the receipt to what was sent: a proof must be of the event that it is kept with.
func sameEvents(part []pending, r *Receipt) error {
	if len(r.Entries) != len(part) {
		return fmt.Errorf("send events: the server tells of %d events out of %d", len(r.Entries), len(part))
	}
	for i := range part {
		if r.Entries[i].ID != part[i].event.ID {
			return fmt.Errorf("send events: the server tells of event %q where %q was sent", r.Entries[i].ID, part[i].event.ID)
		}
	}
	return nil
}

func (w *Writer) recorded(part []pending, r *Receipt) {
	if tell := w.o.Recorded; tell != nil {
		for i := range part {
			tell(Delivery{Event: part[i].event, Recorded: r.Entries[i], Receipt: r})
		}
	}
	w.release(part)
}

func (w *Writer) failAll(part []pending, err error) {
	for i := range part {
		e := &EventError{part[i].event, err}
		w.mu.Lock()
		if w.failed++; w.firstFailed == nil {
			w.firstFailed = e
		}
		w.mu.Unlock()
		if w.o.Failed != nil {
			w.o.Failed(e)
		}
	}
	w.release(part)
}

// release makes room.
func (w *Writer) release(part []pending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held -= len(part)
	for i := range part {
		w.heldBytes -= len(part[i].line)
	}
	w.tellLocked()
}
