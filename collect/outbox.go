package collect

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"countersign/event"
	"countersign/problem"
)

// The bounds of a batch.
const (
	maxBatchEvents = 1000
	maxBatchBytes  = 4 << 20
)

// How long one batch may wait in all: for a server that says when to come back, and for one that does not
// answer.
const (
	maxAsked    = 10 * time.Minute
	maxUnasked  = 30 * time.Second
	firstPause  = 500 * time.Millisecond
	longestStep = 8 * time.Second
)

// Wait tells why a batch is sent again, and after how long.
type Wait struct {
	For   time.Duration
	Cause error
}

// spot is where a record stands in its file.
type spot struct{ line, offset int64 }

// pending is a record whose event waits to be sent.
type pending struct {
	spot
	raw string
}

// outbox gathers events and sends them.
type outbox struct {
	o    *Options
	name string
	// size is how many events the next batch may have: a batch that was refused because of one event is
	// followed by smaller ones, so that many bad events in a row do not have everything sent over and over.
	size    int
	events  []event.Event
	records []pending // of the events
	bytes   int

	accepted, duplicates, aside int64
}

func (b *outbox) add(ctx context.Context, p pending, e event.Event) error {
	b.events, b.records = append(b.events, e), append(b.records, p)
	b.bytes += len(p.raw)
	if len(b.events) < maxBatchEvents && b.bytes < maxBatchBytes {
		return nil
	}
	return b.flush(ctx)
}

// flush sends what was gathered.
func (b *outbox) flush(ctx context.Context) error {
	var asked, unasked time.Duration // waited for this batch
	for len(b.events) > 0 {
		n := min(b.size, len(b.events))
		accepted, duplicates, err := b.o.Send(ctx, b.events[:n])
		if err == nil {
			b.accepted += int64(accepted)
			b.duplicates += int64(duplicates)
			b.remove(0, n)
			b.size = min(2*b.size, maxBatchEvents)
			asked, unasked = 0, 0
			continue
		}
		p, ok := errors.AsType[*problem.Error](err)
		if !ok {
			return b.sendError(0, n, err)
		}
		switch {
		case p.Kind == problem.Throttled || p.Kind == problem.Unavailable:
			if !b.wait(ctx, p, &asked, &unasked) {
				if ctx.Err() != nil {
					err = context.Cause(ctx)
				}
				return b.sendError(0, n, err)
			}
		case refusesOne(p, n):
			if err := b.refuse(p.Event-1, err); err != nil {
				return err
			}
			b.size = max(1, n/2)
		case p.Kind == problem.TooLarge && n > 1:
			b.size = n / 2
		case p.Kind == problem.TooLarge:
			if err := b.refuse(0, err); err != nil {
				return err
			}
		case p.Event > 0 && p.Event <= n:
			return b.sendError(p.Event-1, p.Event, err)
		default:
			return b.sendError(0, n, err)
		}
	}
	return nil
}

// refusesOne says whether the batch of n would be taken without the event that p names. A denied event is
// not one of these: the token is wrong for the input, and the next event would fare no better.
func refusesOne(p *problem.Error, n int) bool {
	switch p.Kind {
	case problem.Invalid, problem.Conflict, problem.TooLarge:
		return p.Event > 0 && p.Event <= n
	}
	return false
}

// refuse sets one event aside.
func (b *outbox) refuse(i int, reason error) error {
	r := b.records[i]
	b.remove(i, i+1)
	// The server's place for it is one in the batch, which means nothing in the file.
	if p, ok := errors.AsType[*problem.Error](reason); ok {
		plain := *p
		plain.Event = 0
		reason = &plain
		if p.Seq != nil {
			reason = fmt.Errorf("%w (recorded at seq %d)", &plain, *p.Seq)
		}
	}
	return b.setAside(r.spot, []byte(r.raw), reason)
}

func (b *outbox) remove(from, to int) {
	for i := from; i < to; i++ {
		b.bytes -= len(b.records[i].raw)
	}
	b.events = slices.Delete(b.events, from, to)
	b.records = slices.Delete(b.records, from, to)
}

// sendError says which records of the file were not sent.
func (b *outbox) sendError(from, to int, err error) error {
	first, last := b.records[from].line, b.records[to-1].line
	if first == last {
		return fmt.Errorf("send line %d: %w", first, err)
	}
	return fmt.Errorf("send lines %d to %d: %w", first, last, err)
}

// wait pauses as long as the server asks, or longer each time when it does not, and says whether to go on.
func (b *outbox) wait(ctx context.Context, p *problem.Error, asked, unasked *time.Duration) bool {
	pause := p.RetryAfter
	if pause > 0 {
		if *asked += pause; *asked > maxAsked {
			return false
		}
	} else {
		pause = min(max(firstPause, *unasked), longestStep)
		if *unasked += pause; *unasked > maxUnasked {
			return false
		}
	}
	if b.o.Waiting != nil {
		b.o.Waiting(Wait{For: pause, Cause: p})
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// setAside writes a record down with its place and the reason. Bytes that are not UTF-8 cannot stand in
// JSON, so they are written in base64.
func (b *outbox) setAside(at spot, raw []byte, reason error) error {
	b.aside++
	if b.o.Aside == nil {
		return nil
	}
	line := appendMember([]byte{'{'}, "file", b.name)
	line = append(line, `,"line":`...)
	line = strconv.AppendInt(line, at.line, 10)
	line = append(line, `,"offset":`...)
	line = strconv.AppendInt(line, at.offset, 10)
	line = appendMember(append(line, ','), "error", reason.Error())
	switch {
	case raw == nil:
	case utf8.Valid(raw):
		line = appendMember(append(line, ','), "record", string(raw))
	default:
		line = appendMember(append(line, ','), "record_base64", base64.StdEncoding.EncodeToString(raw))
	}
	if _, err := b.o.Aside.Write(append(line, '}', '\n')); err != nil {
		return fmt.Errorf("set aside line %d: %w", at.line, err)
	}
	return nil
}

// appendMember writes replacement characters for what is not UTF-8 in a value, a file's name say.
func appendMember(dst []byte, name, value string) []byte {
	dst = append(append(append(dst, '"'), name...), `":`...)
	dst, _ = jsontext.AppendQuote(dst, value)
	return dst
}
