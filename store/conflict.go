package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"

	"countersign/event"
	"countersign/problem"
)

// SelfSource is the source of what the store itself has to say. Only the server writes it.
const SelfSource = "countersign/store"

// selfSender is who the store's own entries are recorded by.
const selfSender = "countersign"

func conflictWith(index int, seq uint64, e *event.Entry) error {
	p := problem.New(problem.Conflict, "id %q of source %s is recorded with other content at seq %d", e.ID, e.Source, seq)
	p.Event, p.Field, p.Value, p.Seq = index+1, "id", e.ID, seq
	return p
}

func conflictWithin(index, first int, e *event.Entry) error {
	p := problem.New(problem.Invalid, "id %q of source %s stands in event %d of the same request with other content", e.ID, e.Source, first)
	p.Event, p.Field, p.Value = index+1, "id", e.ID
	return p
}

// recordConflict adds the entry that tells of a refused request to the draft. Its id is made from the two
// contents that collide, so that a sender who tries the same again and again leaves one entry.
func (s *Store) recordConflict(d *draft, r *request, err error) {
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Kind != problem.Conflict {
		return
	}
	e := r.entries[p.Event-1]
	content := sha256.Sum256(event.AppendJSON(nil, &e.Event))
	c := event.Event{
		ID:          "conflict-" + strconv.FormatUint(p.Seq, 10) + "-" + hex.EncodeToString(content[:16]),
		OccurredAt:  d.received,
		Account:     event.Account{ID: e.Account.ID},
		Division:    event.Division{ID: e.Division.ID},
		Actor:       event.Actor{ID: e.RecordedBy, Type: event.ActorService},
		Action:      "INGEST_CONFLICT",
		Resource:    event.Resource{Type: "SOURCE", ID: event.TextOf(e.Source), Name: event.TextOf(e.Source)},
		Outcome:     event.OutcomeFailure,
		Description: event.TextOf("An event was refused: its id is recorded with other content at seq " + strconv.FormatUint(p.Seq, 10)),
		Source:      SelfSource,
		Attributes: []event.Attribute{
			{Name: "first_seq", Value: strconv.FormatUint(p.Seq, 10)},
			{Name: "refused_sha256", Value: hex.EncodeToString(content[:])},
		},
	}
	s.recordSelf(d, c)
}

// recordSelf adds an event of the store's own to the draft, unless it is recorded already.
func (s *Store) recordSelf(d *draft, e event.Event) {
	k := event.DedupKey(s.dedup, e.Account.ID, e.Source, e.ID)
	if _, known := d.find(k); known {
		return
	}
	d.add(&event.Entry{Event: e, RecordedBy: event.TextOf(selfSender)}, k, s.newSeed)
}
