package server

import (
	"context"
	"errors"

	"countersign/event"
	"countersign/query"
	"countersign/store"
)

// trail is the trail as the dialects get it.
type trail struct {
	store *store.Store
}

// Append records events that a caller sent.
func (t *trail) Append(ctx context.Context, events []event.Event, recordedBy string) (store.Receipt, error) {
	return t.store.Append(ctx, events, recordedBy)
}

// Search answers q.
func (t *trail) Search(ctx context.Context, q query.Query) (store.Page, error) {
	return t.store.Search(ctx, q)
}

// SearchPinned answers q at the tree size of the paging loop that it goes on with.
func (t *trail) SearchPinned(ctx context.Context, token string, q query.Query) (store.Page, error) {
	return t.store.SearchPinned(ctx, token, q)
}

// Each calls fn with every match of q.
func (t *trail) Each(ctx context.Context, q query.Query, fn func(*event.Entry) error) (store.Page, error) {
	return t.store.Each(ctx, q, fn)
}

var errEnough = errors.New("found")

// Find returns the first match of q that pick takes, nil when it takes none.
func (t *trail) Find(ctx context.Context, q query.Query, pick func(*event.Entry) bool) (found *event.Entry, size uint64, err error) {
	page, err := t.store.Each(ctx, q, func(e *event.Entry) error {
		if pick(e) {
			found = e
			return errEnough
		}
		return nil
	})
	if err != nil && err != errEnough {
		return nil, 0, err
	}
	return found, page.TreeSize, nil
}

// Size is the number of entries.
func (t *trail) Size() uint64 { return t.store.Size() }

// Ready tells whether events can be recorded.
func (t *trail) Ready() error { return t.store.Ready() }
