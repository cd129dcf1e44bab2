package store

import (
	"crypto/rand"
	"errors"
	"time"

	"countersign/event"
	"countersign/internal/durable"
	"countersign/problem"
	"countersign/wal"
)

// probeBytes is the least that a request without events asks the disk for.
const probeBytes = 4096

// written is what became of a draft that was given to the committer.
type written struct {
	draft *draft
	err   error
}

// write is the one goroutine that owns the tail. It numbers the waiting requests while the batch before
// them is being synced, so at most one batch is on its way to the disk and at most one is ready behind it:
// a frame is written only after the sync of the frame before it succeeded, which is why only the last
// frame of the log can ever be torn.
func (s *Store) write() {
	defer close(s.writerDone)
	toDisk := make(chan *draft)
	fromDisk := make(chan written)
	go s.commit(toDisk, fromDisk) // ends with toDisk, waited for below
	defer func() {
		close(toDisk)
		for range fromDisk {
		}
	}()

	var busy, ready *draft // on its way to the disk; numbered on top of it
	requests := s.requests
	for requests != nil || busy != nil || ready != nil {
		if busy == nil && ready != nil {
			busy, ready = ready, nil
			toDisk <- busy
		}
		in := requests
		if ready != nil || s.mustWait() {
			in = nil // the batch behind is complete, or too much is open: let the disk catch up
		}
		select {
		case <-s.wake:
		case c := <-s.changes:
			s.apply(c)
		case r, open := <-in:
			if !open {
				requests = nil
				continue
			}
			batch, open := s.drain(r)
			if !open {
				requests = nil
			}
			ready = s.prepare(batch, busy)
		case w := <-fromDisk:
			busy = nil
			s.finish(w)
			if ready != nil && w.err != nil {
				// The batch behind was numbered on top of one that is not there.
				ready = s.prepare(ready.requests, nil)
			} else if ready != nil {
				ready.below = nil
			}
		}
	}
}

// full tells whether as many entries lie in memory as may.
func (s *Store) full() bool { return s.behind() }

// mustWait tells whether requests wait until more is sealed. They do not when that will not come soon: prepare refuses
// them then, and a store that stops takes what it has accepted.
func (s *Store) mustWait() bool {
	return s.full() && s.unsealable.Load() == nil && s.readOnly.Load() == nil && !s.hasFailed() && !s.closing.Load()
}

// lookAgain is for whoever changes what mustWait looks at.
func (s *Store) lookAgain() {
	select {
	case s.wake <- struct{}{}:
	default: // it will anyway
	}
}

// behind tells whether so much is open that writers must wait for the keeper.
func (s *Store) behind() bool {
	snap := s.snap.Load()
	return snap.unsealed() > s.mostUnsealed || snap.openBytes(snap.size) > 6*s.sealBytes
}

// apply puts the work of the keeper in place.
func (s *Store) apply(c *change) {
	if c.sealed != nil {
		s.tail.seal(c.sealed.size, c.keys)
	}
	before := s.snap.Load()
	s.snap.Store(before.after(c, s.tail.proven()))
	close(before.old)
	close(c.done)
}

// drain takes what waits behind r, up to a batch.
func (s *Store) drain(r *request) (batch []*request, open bool) {
	batch = append(batch, r)
	for n, bytes := len(r.entries), r.bytes; n < batchEntries && bytes < batchBytes; {
		select {
		case r, open := <-s.requests:
			if !open {
				return batch, false
			}
			batch = append(batch, r)
			n, bytes = n+len(r.entries), bytes+r.bytes
		default:
			return batch, true
		}
	}
	return batch, true
}

// prepare numbers the requests on top of the tail and the draft that is being written. Requests that are
// refused, and a batch that adds nothing and waits for nothing, are answered here; the result is nil when
// nothing is left to write.
func (s *Store) prepare(batch []*request, busy *draft) *draft {
	select {
	case <-s.failed:
		if s.final == nil { // the publisher's sync failed
			s.final = s.fault.Load()
		}
	default:
	}
	if p := s.readOnly.Load(); p != nil && s.final == nil {
		s.final = p
	}
	refusal := s.final
	if refusal == nil && s.full() {
		refusal = s.unsealable.Load()
	}
	if refusal != nil {
		for _, r := range batch {
			r.fail(refusal)
		}
		return nil
	}
	d := newDraft(s.tail, busy, event.MicrosOf(s.now()))
	for _, r := range batch {
		r.err = nil
		if r.fact != nil {
			r.err = s.stageFact(d, r)
		} else if c, err := s.stage(d, r); err != nil {
			r.receipt, r.err = Receipt{}, err
		} else if c != nil {
			r.receipt, r.err = Receipt{}, c.refusal(r.entries[c.index])
			s.recordConflict(d, r, *c)
		}
		// Even a refusal waits for the draft: it names a first seq that may not be durable yet.
		d.requests = append(d.requests, r)
	}
	if len(d.entries) == 0 && busy == nil && !probing(batch) {
		for _, r := range batch {
			r.receipt.Checkpoint = d.checkpoint
			close(r.done)
		}
		return nil
	}
	if err := d.complete(); err != nil {
		p := &problem.Error{Kind: problem.TooLarge, Detail: "the events are too large to be recorded together", Cause: err}
		for _, r := range batch {
			r.fail(p)
		}
		return nil
	}
	d.room = int64(len(d.frame))
	if d.room == 0 {
		d.room = s.wanted
	}
	return d
}

// probing tells whether a request of the batch asks only whether the disk can be written.
func probing(batch []*request) bool {
	for _, r := range batch {
		if len(r.entries) == 0 && r.fact == nil {
			return true
		}
	}
	return false
}

// commit writes and syncs one draft after the other.
func (s *Store) commit(drafts <-chan *draft, results chan<- written) {
	defer close(results)
	for d := range drafts {
		b := BatchWritten{Requests: len(d.requests), Entries: len(d.entries), Bytes: len(d.frame)}
		start := time.Now()
		b.Sync, b.Err = s.toDisk(d)
		b.Took = time.Since(start)
		s.observer.Written(b)
		results <- written{draft: d, err: b.Err}
	}
}

// toDisk makes the draft durable and tells how long the sync took.
func (s *Store) toDisk(d *draft) (sync time.Duration, err error) {
	// Room is made sure of before anything is written, so that a full disk shows here and not in half a frame.
	if err := s.log.Reserve(d.room); err != nil {
		return 0, err
	}
	if len(d.frame) == 0 {
		return 0, nil
	}
	d.place = s.log.Next()
	if err := s.log.Write(d.frame); err != nil {
		return 0, err
	}
	start := time.Now()
	err = s.log.Sync()
	return time.Since(start), err
}

// finish publishes a durable draft, or drops one that could not be written, and answers its requests. The
// snapshot is swapped first: who has an answer finds the entries.
func (s *Store) finish(w written) {
	if w.err != nil {
		p := s.refusal(w)
		for _, r := range w.draft.requests {
			r.fail(p)
		}
		return
	}
	s.fault.Store(nil)
	s.wanted = probeBytes
	s.tail.tree.keptTo(s.keptRoots.Load())
	s.tail.settle(w.draft)
	s.show(w.draft.entries)
	for _, r := range w.draft.requests {
		r.receipt.Checkpoint = w.draft.checkpoint
		close(r.done)
	}
}

// show shows durable entries to readers, and wakes those who wait for them.
func (s *Store) show(entries []*event.Entry) {
	before := s.snap.Load()
	s.snap.Store(before.with(entries, s.tail.proven()))
	close(before.old)
}

const diskFull = "the disk is full: nothing is recorded until there is space again"

// refusal turns a disk error into what the waiting callers are told, and remembers it for Ready.
func (s *Store) refusal(w written) *problem.Error {
	p := &problem.Error{Kind: problem.Unavailable, Detail: "the log cannot be written now", RetryAfter: 5 * time.Second, Cause: w.err}
	if durable.IsNoSpace(w.err) {
		p.Detail = diskFull
	}
	final := errors.Is(w.err, wal.ErrFailed)
	if final {
		p.Detail, p.RetryAfter = "the disk refused to sync the log: the server stops", 0
		s.final = p
		s.fail(p)
	}
	s.fault.Store(p)
	s.wanted = max(s.wanted, w.draft.room)
	s.logger.Error("write the log", "error", w.err, "final", final)
	return p
}

// fail tells the owner that the process must end.
func (s *Store) fail(p *problem.Error) {
	s.fault.Store(p)
	s.failOnce.Do(func() { close(s.failed) })
	s.lookAgain()
}

func (r *request) fail(p *problem.Error) {
	r.receipt, r.err = Receipt{}, p
	close(r.done)
}

func (s *Store) newSeed() [32]byte {
	var b [32]byte
	rand.Read(b[:]) // never fails: the runtime ends the process when the system has no randomness
	return b
}
