package store

import (
	"context"
	"fmt"

	"countersign/event"
	"countersign/problem"
)

// Acknowledged returns the entry that the i-th element of a receipt tells of, for the answer to whoever sent the
// event.
func (s *Store) Acknowledged(_ context.Context, r *Receipt, i int) (*event.Entry, error) {
	e, err := s.Entry(r.Entries[i].Seq)
	if err != nil {
		return nil, err
	}
	if e.Kind != event.KindEvent || e.ID != r.Entries[i].ID {
		return nil, fmt.Errorf("the receipt names entry %d, which is not there", r.Entries[i].Seq)
	}
	return e, nil
}

// Fact returns the system fact at seq, nil when there is none: queries do not find facts.
func (s *Store) Fact(_ context.Context, seq uint64) (*event.Entry, error) {
	e, err := s.Entry(seq)
	if problem.KindOf(err) == problem.NotFound {
		return nil, nil
	}
	if err != nil || e.Kind == event.KindEvent {
		return nil, err
	}
	return e, nil
}
