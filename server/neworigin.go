package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"countersign/event"
	"countersign/identity"
	"countersign/store"
)

// NewOrigin lets the trail in the directory of a stopped server go on under another name, with a key of its own; see
// store.Dir.NewOrigin. The change is a system fact, and an event that can be searched for. It returns the new key and how
// many entries the trail had under the name before. With an error the change may be made all the same; it may be asked for
// again.
func NewOrigin(ctx context.Context, cfg Config, origin string) (key store.KeyRange, size uint64, err error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := store.Claim(cfg.Data)
	if err != nil {
		return key, 0, err
	}
	trail, err := openTrail(ctx, dir, cfg, func(o store.Options) (*store.Store, error) { return dir.NewOrigin(ctx, o, origin) })
	if err != nil {
		return key, 0, errors.Join(err, dir.Release())
	}
	keys := trail.Keys()
	was, key := keys[len(keys)-2], keys[len(keys)-1]
	return key, key.From - 1, errors.Join(recordOrigin(ctx, trail, was, key), trail.Close())
}

// recordOrigin records the change where people look.
func recordOrigin(ctx context.Context, trail *store.Store, was, is store.KeyRange) error {
	e := serverEvent(actionConfig, event.OutcomeSuccess, "The trail goes on under a new name")
	e.Attributes = []event.Attribute{
		{Name: "before.origin", Value: was.Origin()},
		{Name: "after.origin", Value: is.Origin()},
		{Name: "before.signing_key", Value: was.VKey},
		{Name: "after.signing_key", Value: is.VKey},
		{Name: "valid_from", Value: strconv.FormatUint(is.From, 10)},
	}
	e.Normalize(identity.OwnAccount)
	if _, err := trail.Append(ctx, []event.Event{e}, identity.OwnAccount); err != nil {
		return fmt.Errorf("the trail has its new name, but that is not recorded as an event: %w", err)
	}
	return nil
}
