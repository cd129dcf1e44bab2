package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"countersign/query"
)

const (
	pinIdle      = 15 * time.Minute
	pinsPerToken = 16
	pinRuns      = 64
)

// pins remembers at which tree size a caller that cannot send as_of is paging, so that an unchanged script
// gets each entry once while others are being written. A page that starts where an earlier page of the same
// token and query ended goes on at that page's size; any other offset, and always offset 0, takes the
// newest size.
//
// Two loops of one token over the very same query and page size cannot be told apart by anything they
// send; each then gets the size of the loop that last ended at its offset.
type pins struct {
	now func() time.Time

	mu      sync.Mutex // guards byToken; held for a few comparisons only
	byToken map[string][]*pin
}

type pin struct {
	key  queryKey
	size uint64
	ends []run
	last uint64 // the end of the newest page
	used time.Time
}

// run is the offsets first, first+step, ... first+(n-1)*step: a loop's page ends are one run however long
// it is.
type run struct{ first, step, n uint64 }

func (r run) has(offset uint64) bool {
	if offset < r.first || r.n == 1 {
		return offset == r.first
	}
	d := offset - r.first
	return d%r.step == 0 && d/r.step < r.n
}

func newPins(now func() time.Time) *pins {
	return &pins{now: now, byToken: map[string][]*pin{}}
}

// size returns the tree size to go on with, if the offset continues an earlier page.
func (p *pins) size(token string, key queryKey, offset uint64) (size uint64, pinned bool) {
	if offset == 0 {
		return 0, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if best := p.find(token, key, offset); best != nil {
		best.used = p.now()
		return best.size, true
	}
	return 0, false
}

// find returns the pin whose newest page ended at offset, else one of whose earlier pages did; among
// several the last used.
func (p *pins) find(token string, key queryKey, offset uint64) *pin {
	p.expire(token)
	var best *pin
	for _, c := range p.byToken[token] {
		if c.key != key || !slices.ContainsFunc(c.ends, func(r run) bool { return r.has(offset) }) {
			continue
		}
		if best == nil || (c.last == offset) != (best.last == offset) && c.last == offset ||
			(c.last == offset) == (best.last == offset) && c.used.After(best.used) {
			best = c
		}
	}
	return best
}

// ended notes that a page of the query, at the given size, began at offset and ended at end.
func (p *pins) ended(token string, key queryKey, size, offset, end uint64) {
	if end == offset {
		return // nothing was shown, so nothing goes on from here
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(token)
	list := p.byToken[token]
	i := slices.IndexFunc(list, func(c *pin) bool { return c.key == key && c.size == size })
	if i < 0 {
		if len(list) == pinsPerToken {
			oldest := slices.IndexFunc(list, func(c *pin) bool {
				return !slices.ContainsFunc(list, func(o *pin) bool { return o.used.Before(c.used) })
			})
			list = slices.Delete(list, oldest, oldest+1)
		}
		list = append(list, &pin{key: key, size: size})
		p.byToken[token] = list
		i = len(list) - 1
	}
	list[i].add(end)
	list[i].used = p.now()
}

func (c *pin) add(end uint64) {
	c.last = end
	if slices.ContainsFunc(c.ends, func(r run) bool { return r.has(end) }) {
		return
	}
	if n := len(c.ends); n > 0 {
		r := &c.ends[n-1]
		if r.n == 1 && end > r.first {
			r.step, r.n = end-r.first, 2
			return
		}
		if r.n > 1 && end == r.first+r.step*r.n {
			r.n++
			return
		}
		if n == pinRuns {
			c.ends = slices.Delete(c.ends, 0, 1)
		}
	}
	c.ends = append(c.ends, run{first: end, step: 1, n: 1})
}

// expire forgets what the token has not used for pinIdle, and the token when nothing is left.
func (p *pins) expire(token string) {
	limit := p.now().Add(-pinIdle)
	list := slices.DeleteFunc(p.byToken[token], func(c *pin) bool { return c.used.Before(limit) })
	if len(list) == 0 {
		delete(p.byToken, token)
		return
	}
	p.byToken[token] = list
}

// SearchPinned is Search for a caller that cannot send as_of (docs/compatibility.md, "Paging a live
// trail"): token names the caller, and q has no AsOf.
func (s *Store) SearchPinned(ctx context.Context, token string, q query.Query) (Page, error) {
	key := keyOf(q)
	if size, ok := s.pins.size(token, key, q.Offset); ok {
		q.AsOf = &size
	}
	p, err := s.Search(ctx, q)
	if err == nil {
		s.pins.ended(token, key, p.TreeSize, q.Offset, q.Offset+uint64(len(p.Entries)))
	}
	return p, err
}
