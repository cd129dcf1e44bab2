package native_test

import (
	"context"
	"errors"

	"countersign/query"
	"countersign/store"
)

func (f *fakeTrail) Stats(context.Context, query.Query, store.Breakdown) (store.Stats, error) {
	return store.Stats{}, errors.New("nobody asked for statistics")
}

func (f *fakeTrail) Wait(ctx context.Context, _ uint64) error {
	<-ctx.Done()
	return ctx.Err()
}
