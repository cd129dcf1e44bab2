package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"countersign/problem"
)

// backoff says how long to wait before something is tried again.
type backoff struct{ first, longest time.Duration }

// wait returns the wait after the failure of the n-th try, counted from 1: twice as long each time, of which
// the second half is up to chance, so that the senders that one failure stopped do not all come back at one
// time. A server that says when to come back is not asked before that.
func (b backoff) wait(n int, cause error) time.Duration {
	d := b.longest
	if shift := n - 1; shift < 32 && b.first<<shift < b.longest && b.first<<shift > 0 {
		d = b.first << shift
	}
	d -= rand.N(d/2 + 1)
	if p, ok := errors.AsType[*problem.Error](cause); ok && p.RetryAfter > 0 {
		return max(d, p.RetryAfter+rand.N(p.RetryAfter/10+1))
	}
	return d
}

// passing tells whether a failure may pass: the server is busy or ill, or it was not reached, or its answer
// did not arrive. A server that is not known by name or not trusted counts as not reached, since somebody
// may put that right too.
func passing(err error) bool {
	switch problem.KindOf(err) {
	case problem.Throttled, problem.Unavailable:
		return true
	}
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Status >= http.StatusInternalServerError
	}
	_, unreached := errors.AsType[*url.Error](err)
	return unreached
}

// sleep waits, and returns the cause when ctx ends before that.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
