package client

import (
	"encoding/json"
	"fmt"
)

// Receipt is what the server says of events that it recorded.
type Receipt struct {
	Accepted   int
	Duplicates int
	// FirstSeq and LastSeq are nil when all events were duplicates.
	FirstSeq *uint64
	LastSeq  *uint64
	// Checkpoint is the signed checkpoint of a tree that holds all the events. Whoever keeps it can show later that
	// nothing before them was changed.
	Checkpoint string
	// Entries says of each event, in the order in which they were sent, where it stands. It is there for one
	// event, and for all events that a Writer sent.
	Entries []Recorded
	// JSON is the answer as the server wrote it, with what a later release of the server adds to it.
	JSON json.RawMessage
}

// Recorded says where one event stands in the trail.
type Recorded struct {
	ID        string
	Seq       uint64
	Duplicate bool // the same event was recorded before
	// Proof is the proof of the event, byte for byte as countersign verify and bundle.ParseProofJSON take it; nil
	// when there is none. One event is proven unless its Writer sent it, a Writer's events with WriterOptions.Proofs.
	Proof json.RawMessage
	// JSON is this entry of the answer as the server wrote it.
	JSON json.RawMessage
}

// UnmarshalJSON reads the answer to POST /api/v1/events.
func (r *Receipt) UnmarshalJSON(b []byte) error {
	var v struct {
		Accepted   int        `json:"accepted"`
		Duplicates int        `json:"duplicates"`
		FirstSeq   *uint64    `json:"first_seq"`
		LastSeq    *uint64    `json:"last_seq"`
		Checkpoint string     `json:"checkpoint"`
		Entries    []Recorded `json:"entries"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*r = Receipt{v.Accepted, v.Duplicates, v.FirstSeq, v.LastSeq, v.Checkpoint, v.Entries, append(json.RawMessage(nil), b...)}
	return nil
}

// UnmarshalJSON reads an element of the answer's entries.
func (r *Recorded) UnmarshalJSON(b []byte) error {
	var v struct {
		ID        string          `json:"id"`
		Seq       uint64          `json:"seq"`
		Duplicate bool            `json:"duplicate"`
		Proof     json.RawMessage `json:"proof"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	if string(v.Proof) == "null" {
		v.Proof = nil
	}
	*r = Recorded{v.ID, v.Seq, v.Duplicate, v.Proof, append(json.RawMessage(nil), b...)}
	return nil
}

// check refuses a receipt that does not add up to n events: it is then not known what was recorded.
func (r *Receipt) check(n int) error {
	if r.Accepted < 0 || r.Duplicates < 0 || r.Accepted+r.Duplicates != n {
		return fmt.Errorf("send events: the server counts %d accepted and %d duplicates of %d events", r.Accepted, r.Duplicates, n)
	}
	return nil
}
