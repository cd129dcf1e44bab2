package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"

	"countersign/event"
	"countersign/identity"
	"countersign/store"
)

// RotateKey gives the trail in the directory of a stopped server a new signing key. The old one signs beside it for
// overlap further entries. The change is a system fact, and an event that can be searched for. With an error the key may be
// in force all the same: it is then returned too.
func RotateKey(ctx context.Context, cfg Config, overlap uint64) (key store.KeyRange, err error) {
	if err := cfg.check(); err != nil {
		return key, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := store.Claim(cfg.Data)
	if err != nil {
		return key, err
	}
	trail, err := openTrail(ctx, dir, cfg, dir.Open)
	if err != nil {
		return key, errors.Join(err, dir.Release())
	}
	before := trail.Keys()
	if key, err = trail.RotateKey(ctx, overlap); err == nil {
		err = recordRotation(ctx, trail, before[len(before)-1], key, overlap)
	}
	return key, errors.Join(err, trail.Close())
}

// openTrail opens a trail that is there already, for a command that adds to it. open is how.
func openTrail(ctx context.Context, dir *store.Dir, cfg Config, open func(store.Options) (*store.Store, error)) (*store.Store, error) {
	known, err := dir.HasLog()
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, fmt.Errorf("%s has no trail yet: start the server once, or run key generate", dir.Path())
	}
	// Only the key by which repeated events are known is of use here.
	d, err := identity.Open(ctx, filepath.Join(dir.Path(), store.ControlName), identity.Options{Logger: cfg.Logger, MustExist: true})
	if err != nil {
		return nil, err
	}
	dedup := d.DedupKey()
	if err := d.Close(); err != nil {
		return nil, err
	}
	trail, err := open(store.Options{DedupKey: dedup, Logger: cfg.Logger, CheckpointFile: cfg.CheckpointFile, NoPreallocate: true})
	if err != nil {
		return nil, err
	}
	if err := trail.ReadOnly(); err != nil {
		return nil, errors.Join(err, trail.Close())
	}
	return trail, nil
}

// recordRotation records the change where people look.
func recordRotation(ctx context.Context, trail *store.Store, was, is store.KeyRange, overlap uint64) error {
	e := serverEvent(actionConfig, event.OutcomeSuccess, "The trail has a new signing key")
	e.Attributes = []event.Attribute{
		{Name: "before.signing_key", Value: was.VKey},
		{Name: "after.signing_key", Value: is.VKey},
		{Name: "valid_from", Value: strconv.FormatUint(is.From, 10)},
		{Name: "previous_valid_until", Value: strconv.FormatUint(is.From+overlap, 10)},
	}
	e.Normalize(identity.OwnAccount)
	if _, err := trail.Append(ctx, []event.Event{e}, identity.OwnAccount); err != nil {
		return fmt.Errorf("the key is changed, but not recorded as an event: %w", err)
	}
	return nil
}
