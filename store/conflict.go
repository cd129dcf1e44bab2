package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	"countersign/event"
	"countersign/problem"
)

// SelfSource is the source of what the store itself has to say. Only the server writes it.
const SelfSource = "countersign/store"

// selfSender is who the store's own entries are recorded by.
const selfSender = "countersign"

// conflict is two events of one name and different content, the second of which was refused.
type conflict struct {
	index  int     // of the refused event in its request
	seq    *uint64 // where the first one is recorded; nil when it stands in the same request
	within int     // its index there then
}

func (c conflict) refusal(e *event.Entry) error {
	p := problem.New(problem.Conflict, "id %q of source %s %s", e.ID, e.Source, c.where())
	p.Event, p.Field, p.Value, p.Seq = c.index+1, "id", e.ID, c.seq
	return p
}

func (c conflict) where() string {
	if c.seq == nil {
		return fmt.Sprintf("stands in event %d of the same request with other content", c.within)
	}
	return fmt.Sprintf("is recorded with other content at seq %d", *c.seq)
}

// recordConflict adds the entry that tells of a refused request to the draft. Its id is made from the two
// contents that collide, so that a sender who tries the same again and again leaves one entry.
func (s *Store) recordConflict(d *draft, r *request, c conflict) {
	e := r.entries[c.index]
	refused := sha256.Sum256(event.AppendJSON(nil, &e.Event))
	id := sha256.New()
	attributes := []event.Attribute{{Name: "refused_sha256", Value: hex.EncodeToString(refused[:])}}
	if c.seq == nil {
		id.Write(event.AppendJSON(nil, &r.entries[c.within].Event))
	} else {
		first := strconv.FormatUint(*c.seq, 10)
		id.Write([]byte(first))
		attributes = append([]event.Attribute{{Name: "first_seq", Value: first}}, attributes...)
	}
	id.Write(refused[:])
	s.recordSelf(d, event.Event{
		ID:          "conflict-" + hex.EncodeToString(id.Sum(nil)[:16]),
		OccurredAt:  d.received,
		Account:     event.Account{ID: e.Account.ID},
		Division:    event.Division{ID: e.Division.ID},
		Actor:       event.Actor{ID: e.RecordedBy, Type: event.ActorService},
		Action:      "INGEST_CONFLICT",
		Resource:    event.Resource{Type: "SOURCE", ID: event.TextOf(e.Source), Name: event.TextOf(e.Source)},
		Outcome:     event.OutcomeFailure,
		Description: event.TextOf("An event was refused: its id " + c.where()),
		Source:      SelfSource,
		Attributes:  attributes,
	})
}

// recordSelf adds an event of the store's own to the draft, unless it is recorded already.
func (s *Store) recordSelf(d *draft, e event.Event) {
	k := event.DedupKey(s.dedup, e.Account.ID, e.Source, e.ID)
	if _, known := d.find(k); known {
		return
	}
	if _, known, err := s.snap.Load().sealed.ids.Find(k); known || err != nil {
		if err != nil {
			s.logger.Error("a conflict is not recorded: its id cannot be looked up", "error", err)
		}
		return
	}
	d.add(&event.Entry{Event: e, RecordedBy: event.TextOf(selfSender)}, k, s.newSeed)
}
