package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"countersign/event"
	"countersign/identity"
	"countersign/problem"
	"countersign/store"
)

const (
	// auditWindow: what happens again and again is recorded at once the first time, and then at most once in
	// each window, with how often.
	auditWindow = time.Minute
	// auditLinger lets what happens at about one time share a sync.
	auditLinger = 100 * time.Millisecond
	// auditRetry is how long a disk is left alone after it took nothing.
	auditRetry = 5 * time.Second
	// auditPatience is how long a request waits for room before it goes on and is only counted.
	auditPatience = time.Second
	// maxTallies bounds the different things that wait to be recorded or happened within the window, and with
	// maxQueryBytes the memory: about 40 MiB at worst.
	maxTallies = 4096
	// auditBatch is the most that is recorded in one go.
	auditBatch = 2048
)

// recorder is what the auditor needs of the trail; *store.Store is one.
type recorder interface {
	Append(ctx context.Context, events []event.Event, recordedBy string) (store.Receipt, error)
}

// auditor records what this server does and who uses it. Requests only count; one goroutine writes. Nothing
// is dropped in silence: a request that finds no room waits a moment, and what still finds none, or happens
// while the trail cannot be written, is counted by action and the count recorded when it can be again.
type auditor struct {
	trail recorder
	who   people
	log   *slog.Logger

	wake chan struct{} // has room for one
	quit chan struct{}
	done chan struct{} // closed when run has returned

	mu      sync.Mutex // guards what follows; held for look-ups and small copies, never over disk or network
	tallies map[tallyKey]*tally
	once    []event.Event // of their own, not to be counted together
	room    chan struct{} // closed, and made anew, when room was made
	hurry   bool          // somebody waits for it
	stuck   bool          // the last that was tried could not be written
	trouble *trouble      // nil while all can be recorded
	pending []event.Event // no longer in tallies, not yet recorded; only run changes it
	last    *event.Event  // what is recorded at the very end
}

// tallyKey is what makes two occurrences the same thing.
type tallyKey struct {
	action string
	who    string // the id of a credential, or why there is none
	from   string // the peer's address
	what   string // the route or the question
	failed bool
}

// tally is how often a thing happened since it was last recorded.
type tally struct {
	event       event.Event // what is the same each time
	recorded    time.Time   // zero for never
	first, last time.Time
	count       uint64
	unchecked   uint64 // of count: sign-ins that were refused without being looked at
	reads       *seen  // for reads: the sum of rows, the rest as of the last
}

// trouble is a time in which the trail could not be written, or not as fast as things happened.
type trouble struct {
	since      time.Time
	reason     string
	refused    uint64            // requests to record events
	unrecorded map[string]uint64 // by action
}

// sighting is one occurrence.
type sighting struct {
	at        time.Time
	unchecked bool
	reads     *seen // nil for what is no read
}

func newAuditor(trail recorder, who people, log *slog.Logger) *auditor {
	a := &auditor{
		trail: trail, who: who, log: log,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		tallies: map[tallyKey]*tally{}, room: make(chan struct{}),
	}
	go a.run() // ends with quit; close waits for it
	return a
}

// close records all that is left, and what was set to come last. Nothing may be noted any more.
func (a *auditor) close() {
	close(a.quit)
	<-a.done
}

// endWith sets what is recorded at the very end.
func (a *auditor) endWith(e event.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = &e
}

// record records events at once. When that cannot be, they are kept for later.
func (a *auditor) record(events ...event.Event) {
	var good []event.Event
	for _, e := range events {
		e.Normalize(identity.OwnAccount)
		if a.valid(&e) {
			good = append(good, e)
		}
	}
	if _, err := a.trail.Append(context.Background(), slices.Clone(good), identity.OwnAccount); err != nil {
		a.failed(err)
		a.mu.Lock()
		a.once = append(a.once, good...)
		a.mu.Unlock()
		a.signal()
	}
}

// note counts an occurrence; describe makes the event when it is the first of its kind within the window.
func (a *auditor) note(k tallyKey, s sighting, describe func() event.Event) {
	if a.again(k, s) {
		return
	}
	e := describe()
	room := a.begin(k, s, e, true)
	a.signal()
	if room == nil {
		return
	}
	patience := time.NewTimer(auditPatience)
	defer patience.Stop()
	for room != nil {
		select {
		case <-room:
			room = a.begin(k, s, e, true)
		case <-patience.C:
			room = a.begin(k, s, e, false)
		}
		a.signal()
	}
}

// again counts an occurrence of what is known.
func (a *auditor) again(k tallyKey, s sighting) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, known := a.tallies[k]
	if known {
		t.add(s)
	}
	return known
}

// begin counts the first occurrence. If there is no room, it returns what to wait for, or when that is not
// wanted or makes no sense counts it as unrecorded.
func (a *auditor) begin(k tallyKey, s sighting, e event.Event, wait bool) (room <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, known := a.tallies[k]
	if !known {
		if len(a.tallies) >= maxTallies {
			maps.DeleteFunc(a.tallies, func(_ tallyKey, t *tally) bool { return t.count == 0 })
		}
		if len(a.tallies) >= maxTallies {
			if wait && !a.stuck {
				a.hurry = true
				return a.room
			}
			a.troubled(s.at, "more happened than could be recorded").unrecorded[k.action]++
			return nil
		}
		t = &tally{event: e}
		a.tallies[k] = t
	}
	t.add(s)
	return nil
}

func (t *tally) add(s sighting) {
	if t.count == 0 {
		t.first = s.at
	}
	t.count++
	t.last = s.at
	if s.unchecked {
		t.unchecked++
	}
	if s.reads == nil {
		return
	}
	sum := *s.reads
	if t.reads != nil {
		sum.rows += t.reads.rows
	}
	t.reads = &sum
}

// take makes the event of what happened since the last time.
func (t *tally) take(now time.Time) event.Event {
	e := t.event
	e.OccurredAt = event.MicrosOf(t.first)
	e.Attributes = slices.Clone(e.Attributes)
	add := func(name string, n uint64) {
		e.Attributes = append(e.Attributes, event.Attribute{Name: name, Value: strconv.FormatUint(n, 10)})
	}
	add("count", t.count)
	if t.count > 1 {
		e.Attributes = append(e.Attributes, event.Attribute{Name: "until", Value: event.MicrosOf(t.last).String()})
	}
	if t.unchecked > 0 {
		add("unchecked", t.unchecked)
	}
	if t.reads != nil {
		add("rows", t.reads.rows)
		add("tree_size", t.reads.size)
		if t.reads.counted {
			add("total", t.reads.total)
		}
	}
	e.Normalize(identity.OwnAccount)
	t.recorded, t.count, t.unchecked, t.reads = now, 0, 0, nil
	return e
}

func (a *auditor) signal() {
	select {
	case a.wake <- struct{}{}:
	default: // it is awake already
	}
}

// run owns the writing. It ends with quit.
func (a *auditor) run() {
	defer close(a.done)
	again := time.NewTimer(auditWindow)
	defer again.Stop()
	var rest time.Time // until when a disk that took nothing is left alone
	for {
		select {
		case <-a.wake:
			linger := time.NewTimer(auditLinger)
			select {
			case <-linger.C:
			case <-a.quit:
			}
			linger.Stop()
		case <-again.C:
		case <-a.quit:
			a.finish()
			return
		}
		if left := time.Until(rest); left > 0 {
			again.Reset(left)
			continue
		}
		after, err := a.work(false)
		if err != nil {
			rest = time.Now().Add(after)
		}
		again.Reset(after)
	}
}

// work records what is due, all of it at the end, and tells when to come again.
func (a *auditor) work(all bool) (after time.Duration, err error) {
	for {
		batch, bad, after := a.collect(time.Now(), all)
		if len(batch) == 0 {
			return after, nil
		}
		if _, err := a.trail.Append(context.Background(), batch, identity.OwnAccount); err != nil {
			if problem.KindOf(err) == problem.Throttled {
				return 0, err // the writer is behind, and Append has waited for it
			}
			a.failed(err)
			return auditRetry, err
		}
		a.recovered(bad)
	}
}

// collect returns what is to be recorded next. What is taken out of the tallies stays pending until it is
// recorded.
func (a *auditor) collect(now time.Time, all bool) (batch []event.Event, bad trouble, after time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	after = auditWindow
	if len(a.pending) == 0 {
		a.pending, after = a.due(now, all)
	}
	if a.trouble != nil {
		bad = *a.trouble
		bad.unrecorded = maps.Clone(bad.unrecorded)
		batch = bad.events(now)
	}
	// A copy: the store keeps what it records.
	return append(batch, a.pending...), bad, after
}

// due takes out of the tallies what was never recorded or not within the window.
func (a *auditor) due(now time.Time, all bool) (events []event.Event, after time.Duration) {
	events, a.once = a.once, nil
	all = all || a.hurry
	a.hurry = false
	after = auditWindow
	for k, t := range a.tallies {
		open := auditWindow - now.Sub(t.recorded)
		switch {
		case t.count == 0 && open <= 0:
			delete(a.tallies, k)
		case t.count == 0:
		case len(events) >= auditBatch:
			after = 0 // the next round has it
		case open <= 0 || all:
			if e := t.take(now); a.validLocked(&e) {
				events = append(events, e)
			}
		default:
			after = min(after, open)
		}
	}
	slices.SortStableFunc(events, func(x, y event.Event) int { return cmp.Compare(x.OccurredAt, y.OccurredAt) })
	if len(events) > 0 {
		close(a.room)
		a.room = make(chan struct{})
	}
	return events, after
}

// valid keeps back what the trail would refuse for ever, and everything behind it.
func (a *auditor) valid(e *event.Event) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.validLocked(e)
}

func (a *auditor) validLocked(e *event.Event) bool {
	err := e.Validate()
	if err != nil {
		a.log.Error("an event of the server's own is not valid", "action", e.Action, "error", err)
		a.troubled(time.Now(), "an event of the server's own was not valid").unrecorded[e.Action]++
	}
	return err == nil
}

// troubled returns the trouble there is, or begins one. The mutex is held.
func (a *auditor) troubled(since time.Time, reason string) *trouble {
	if a.trouble == nil {
		a.trouble = &trouble{since: since, reason: reason, unrecorded: map[string]uint64{}}
	}
	return a.trouble
}

// failed notes that the trail took nothing.
func (a *auditor) failed(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.trouble == nil {
		a.log.Warn("what the server does cannot be recorded now", "error", err)
	}
	a.stuck = true
	a.troubled(time.Now(), reasonOf(err))
}

// refused notes that events of a caller could not be recorded.
func (a *auditor) refused(err error) {
	if problem.KindOf(err) != problem.Unavailable {
		return
	}
	a.mu.Lock()
	a.stuck = true
	a.troubled(time.Now(), reasonOf(err)).refused++
	a.mu.Unlock()
	a.signal()
}

func reasonOf(err error) string {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p.Detail
	}
	return "the trail could not be written"
}

// recovered notes that what was pending is recorded, and ends the trouble that is recorded with it, or what
// of it is.
func (a *auditor) recovered(recorded trouble) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending, a.stuck = nil, false
	if a.trouble == nil || recorded.since.IsZero() {
		return
	}
	rest := trouble{since: time.Now(), reason: a.trouble.reason, unrecorded: map[string]uint64{}}
	rest.refused = a.trouble.refused - recorded.refused
	for action, n := range a.trouble.unrecorded {
		if n -= recorded.unrecorded[action]; n > 0 {
			rest.unrecorded[action] = n
		}
	}
	a.trouble = nil
	if rest.refused > 0 || len(rest.unrecorded) > 0 {
		a.trouble = &rest
	}
}

// finish records all that is left. A disk that takes nothing now is not waited for.
func (a *auditor) finish() {
	const tries = 3 // of a writer that is behind
	var err error
	for range tries {
		if _, err = a.work(true); problem.KindOf(err) != problem.Throttled {
			break
		}
	}
	a.mu.Lock()
	last := a.last
	a.mu.Unlock()
	if err == nil && last != nil {
		last.OccurredAt = event.MicrosOf(time.Now())
		last.Normalize(identity.OwnAccount)
		_, err = a.trail.Append(context.Background(), []event.Event{*last}, identity.OwnAccount)
	}
	if err != nil {
		a.log.Error("the last of what the server did is not recorded", "error", err, "events", len(a.pending), "unrecorded", a.unrecorded())
	}
}

// unrecorded tells what is lost with the process, for the log.
func (a *auditor) unrecorded() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	lost := map[string]uint64{}
	if a.trouble != nil {
		maps.Copy(lost, a.trouble.unrecorded)
	}
	for k, t := range a.tallies {
		lost[k.action] += t.count
	}
	for _, e := range a.pending {
		lost[e.Action]++
	}
	return fmt.Sprint(lost)
}
