package keyfactor_test

import (
	"context"

	"countersign/dialect/keyfactor"
	"countersign/event"
	"countersign/merkle"
	"countersign/query"
	"countersign/store"
)

// unpublished is a trail of which nothing is published yet, and nothing else is asked.
type unpublished struct{ keyfactor.Trail }

func (unpublished) PublishedFor(uint64) (merkle.Checkpoint, bool, error) {
	return merkle.Checkpoint{}, false, nil
}

// failing is a trail that answers questions with an error, after so many that it does not.
type failing struct {
	keyfactor.Trail
	after *int
	err   error
}

func (f failing) fail() error {
	if *f.after--; *f.after >= 0 {
		return nil
	}
	return f.err
}

func (f failing) Search(ctx context.Context, q query.Query) (store.Page, error) {
	if err := f.fail(); err != nil {
		return store.Page{}, err
	}
	return f.Trail.Search(ctx, q)
}

func (f failing) SearchPinned(ctx context.Context, token string, q query.Query) (store.Page, error) {
	if err := f.fail(); err != nil {
		return store.Page{}, err
	}
	return f.Trail.SearchPinned(ctx, token, q)
}

func (f failing) Each(ctx context.Context, q query.Query, fn func(*event.Entry) error) (store.Page, error) {
	if err := f.fail(); err != nil {
		return store.Page{}, err
	}
	return f.Trail.Each(ctx, q, fn)
}

func (f failing) Intact(ctx context.Context, seq uint64) (bool, error) {
	if err := f.fail(); err != nil {
		return false, err
	}
	return f.Trail.Intact(ctx, seq)
}
