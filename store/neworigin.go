package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"countersign/merkle"
)

// NewOrigin opens the trail in a claimed directory and lets it go on under another name, with a key of its own: for a
// directory that is older than what was signed under the name that it has, or whose signing key is gone
// (docs/design/0007). What was recorded stays as it is, under the keys of its time; the entry that tells of the change
// is the first that the new key signs for, and the old one signs nothing from there on. A change that a crash broke off
// is gone on with when the same name is given again. As with Open, the directory stays claimed on an error.
//
// No checkpoint file is looked at or written: it may hold a checkpoint of what this directory never had.
func (d *Dir) NewOrigin(ctx context.Context, o Options, origin string) (*Store, error) {
	if err := merkle.CheckOrigin(origin); err != nil {
		return nil, err
	}
	o.Origin, o.CheckpointFile = "", ""
	return d.open(ctx, o, origin)
}

// checkNewOrigin tells why the trail cannot go on under that name. One that it had before would be a second
// continuation of what was signed under it.
func (k *keyring) checkNewOrigin(origin string) error {
	if k.origin == origin && k.history[0].Origin() != origin && k.signers[k.newest().VKey] != nil {
		return nil // the change is made already, as far as the log knows
	}
	if slices.ContainsFunc(k.history, func(r KeyRange) bool { return r.Origin() == origin }) {
		return fmt.Errorf("this trail was signed as %q before: a new origin is a name that it never had", origin)
	}
	return nil
}

// takeOrigin records the change, before anything else is signed.
func (s *Store) takeOrigin(ctx context.Context, origin string) error {
	if err := s.ReadOnly(); err != nil {
		return err
	}
	if s.Origin() == origin {
		return nil
	}
	if _, err := s.changeKey(ctx, origin, func(from uint64) uint64 { return from - 1 }); err != nil {
		return fmt.Errorf("record the new origin: %w", err)
	}
	return nil
}

// begin starts what works behind the writer. A trail that is to have a new origin gets it before anything is published:
// until then there may be nothing to sign with.
func (s *Store) begin(ctx context.Context, o Options, newOrigin string) error {
	if s.ReadOnly() != nil {
		close(s.publisherDone)
		close(s.keeperDone)
		if newOrigin != "" {
			return s.ReadOnly()
		}
		return nil
	}
	go s.keep() // ends with s.stopping; Close waits for it
	if newOrigin != "" {
		if err := s.takeOrigin(ctx, newOrigin); err != nil {
			close(s.publisherDone)
			return err
		}
	}
	go s.publisher(o.PublishEvery) // ends with s.stopping; Close waits for it
	return s.recordAside()
}

// giveUp ends a store that cannot be used after all.
func (s *Store) giveUp(err error) error {
	err = errors.Join(err, s.stop())
	s.abandon()
	return err
}
