package store

import (
	"context"

	"countersign/event"
	"countersign/merkle"
)

// RecordPack records the statement of an evidence pack as a system fact and returns its seq. It is durable then.
func (s *Store) RecordPack(ctx context.Context, statement string) (seq uint64, err error) {
	fact, err := event.NewFact(event.KindPack, statement)
	if err != nil {
		return 0, err
	}
	r := &request{done: make(chan struct{}), fact: func(*draft) (event.Entry, error) { return fact, nil }}
	receipt, err := s.await(ctx, r)
	return receipt.FirstSeq, err
}

// SignText signs a text that is no checkpoint with the keys that sign the tree as large as it is now.
func (s *Store) SignText(text string) ([]byte, error) {
	snap := s.snap.Load()
	return merkle.SignText(text, snap.ring.signersAt(snap.size)...)
}
