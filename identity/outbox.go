package identity

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"countersign/event"
	"countersign/problem"
)

// Recorder records events in the trail, all or none of them, and returns when they are durable. Events that
// the trail has already it records no second time. recordedBy is the user who made the change, OwnAccount for
// the server itself. It is called by one goroutine at a time and must not change the directory.
type Recorder func(ctx context.Context, events []event.Event, recordedBy string) error

// outbox is where changes wait for the trail. It belongs to the goroutine that owns the database.
type outbox struct {
	none    bool // see Options.Unrecorded
	waiting bool // there may be rows
	// record and ready are those of StartRecording; record is nil until then, ready never.
	record func(events []event.Event, recordedBy string) error
	ready  func() error
}

// redeliverEvery is how often the trail is tried again with what it did not take.
const redeliverEvery = 5 * time.Second

// StartRecording delivers to the trail what an earlier stop left in the outbox, in order, and from now on
// every change before it is answered. Where ready is not nil and returns an error the trail would refuse, and
// so a change is refused before it is made. A trail that refuses now is tried again later and is no error
// here; an outbox that cannot be read is.
func (d *Directory) StartRecording(ctx context.Context, record Recorder, ready func() error) error {
	ctx = context.WithoutCancel(ctx)
	if ready == nil {
		ready = func() error { return nil }
	}
	err := d.submit(ctx, func() error {
		d.outbox.ready = ready
		d.outbox.record = func(events []event.Event, recordedBy string) error { return record(ctx, events, recordedBy) }
		return d.redeliver()
	})
	if err != nil {
		return fmt.Errorf("identity: start recording: %w", err)
	}
	return nil
}

// errUnrecorded marks a change that is made but that the trail did not take.
var errUnrecorded = errors.New("the trail did not take it")

// redeliver delivers what waits. That the trail does not take it is logged and no error: it stays.
func (d *Directory) redeliver() error {
	err := d.deliver()
	if errors.Is(err, errUnrecorded) {
		d.log.Warn("identity: changes wait for the trail", "error", err)
		return nil
	}
	return err
}

// deliver has the trail record what waits in the outbox, oldest first, and takes it out. A crash after the
// trail has a change and before its row is gone delivers it once more, which the trail takes for the
// duplicate that it is: id and content stand in the row.
func (d *Directory) deliver() error {
	if d.outbox.record == nil {
		return nil
	}
	for d.outbox.waiting {
		var id int64
		var recordedBy string
		var raw []byte
		err := d.db.QueryRow(`SELECT id, recorded_by, events FROM outbox ORDER BY id LIMIT 1`).Scan(&id, &recordedBy, &raw)
		if errors.Is(err, sql.ErrNoRows) {
			d.outbox.waiting = false
			return nil
		}
		if err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
		events, err := decodeEvents(raw)
		if err != nil {
			return fmt.Errorf("it is damaged: row %d of the outbox: %w", id, err)
		}
		if err := d.outbox.record(events, recordedBy); err != nil {
			return fmt.Errorf("change %d: %w: %w", id, errUnrecorded, err)
		}
		if _, err := d.db.Exec(`DELETE FROM outbox WHERE id = ?`, id); err != nil {
			return fmt.Errorf("outbox: take out change %d: %w", id, err)
		}
	}
	return nil
}

// checkTrail returns why no change can be made now, nil when one can.
func (d *Directory) checkTrail() error {
	if d.outbox.record == nil {
		return nil
	}
	err := d.deliver()
	if err == nil {
		err = d.outbox.ready()
	}
	if err == nil {
		return nil
	}
	e := &problem.Error{Kind: problem.Unavailable, Detail: "nothing was changed, since changes cannot be recorded in the trail at present", Cause: err}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		e.RetryAfter = p.RetryAfter
	}
	return e
}

// put writes down what the change is to tell the trail, in the transaction that makes it.
func (d *Directory) put(ctx context.Context, t *change, next *state) (waiting bool, err error) {
	if d.outbox.none {
		return false, nil
	}
	events, err := t.events(ctx, next, d.clock())
	if err != nil || len(events) == 0 {
		return false, err
	}
	by := t.by.UserID
	if by == "" {
		by = OwnAccount
	}
	return true, t.exec(`INSERT INTO outbox (recorded_by, events) VALUES (?,?)`, by, string(encodeEvents(events)))
}

// settle delivers the change that was just made.
func (d *Directory) settle() error {
	err := d.deliver()
	if err == nil {
		return nil
	}
	if !errors.Is(err, errUnrecorded) {
		// The trail has it. What cannot be taken out of the outbox is delivered again, and is a duplicate then.
		d.log.Error("identity: a change stays in the outbox", "error", err)
		return nil
	}
	return &problem.Error{
		Kind:   problem.Unavailable,
		Detail: "the change is made and in force, but could not yet be recorded in the trail; the server will do that by itself",
		Cause:  err,
	}
}

func encodeEvents(events []event.Event) []byte {
	b := []byte{'['}
	for i := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = event.AppendJSON(b, &events[i])
	}
	return append(b, ']')
}

func decodeEvents(b []byte) ([]event.Event, error) {
	var events []event.Event
	for d := event.NewDecoder(bytes.NewReader(b), event.Array); ; {
		e, err := d.Next()
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
}

// clientKey is the key of the client in a context.
type clientKey struct{}

// WithClient returns a context whose changes are recorded with the address they were asked for from.
func WithClient(ctx context.Context, c event.Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

func clientOf(ctx context.Context) event.Client {
	c, _ := ctx.Value(clientKey{}).(event.Client)
	return c
}
