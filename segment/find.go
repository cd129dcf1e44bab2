package segment

import (
	"context"
	"slices"
	"strconv"
	"time"

	"countersign/bitmap"
	"countersign/event"
)

// matches is the entries that match a filter.
type matches struct {
	ctx   context.Context
	view  *View
	plan  *plan
	size  uint64         // of the trail that was searched
	parts []part         // of the segments
	open  []*event.Entry // in the order of seq
	total int
}

// part is the matches in one segment. n is how many.
type part struct {
	*Segment
	matching bitmap.Set
	n        int
	// places of the matching rows, once somebody asked for them.
	places bitmap.Set
	placed bool
}

// find returns the matches of a plan among the first size entries.
func (v *View) find(ctx context.Context, p *plan, size uint64) (*matches, error) {
	m := &matches{ctx: ctx, view: v, plan: p, size: size}
	sealed := v.Segments
	for len(sealed) > 0 && sealed[len(sealed)-1].first >= size {
		sealed = sealed[:len(sealed)-1]
	}
	workers := 1
	if slices.ContainsFunc(sealed, func(s *Segment) bool { return s.cost(p.filter) > byBitmaps }) {
		workers = len(sealed)
	}
	parts := make([]part, len(sealed))
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	parallel(sealed, 0, len(sealed), workers, func(i int) {
		if within.Err() != nil {
			return
		}
		var err error
		if parts[i], err = sealed[i].part(within, p, size, v.Bodies); err != nil {
			cancel(err)
		}
	})
	if err := context.Cause(within); err != nil {
		return nil, err
	}
	for _, part := range parts {
		if part.n > 0 {
			m.parts = append(m.parts, part)
			m.total += part.n
		}
	}
	for seq, to := v.open(size); seq < to; seq++ {
		if seq%4096 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if e := v.Open.At(seq); e.Kind == event.KindEvent && p.match(e) {
			m.open = append(m.open, e)
		}
	}
	m.total += len(m.open)
	return m, nil
}

// part returns the matches among the entries before size.
func (s *Segment) part(ctx context.Context, p *plan, size uint64, bodies Bodies) (part, error) {
	rows, err := s.matching(ctx, p, bodies)
	if err != nil {
		return part{}, err
	}
	if size < s.End() {
		rows = rows.And(s.recordedBefore(uint32(size - s.first)))
	}
	return part{Segment: s, matching: rows, n: rows.Len()}, nil
}

// recordedBefore returns the rows whose places are below the given one.
func (s *Segment) recordedBefore(place uint32) bitmap.Set {
	if !s.ordered {
		return s.between(0, place)
	}
	key := cacheKey{s, ofRecorded, strconv.Itoa(int(place))}
	rows, known := s.cache.find(key).(bitmap.Set)
	if !known {
		rows = s.between(0, place)
		s.cache.keep(key, rows)
	}
	return rows
}

// matching returns the rows that match a plan.
func (s *Segment) matching(ctx context.Context, p *plan, bodies Bodies) (bitmap.Set, error) {
	if p.filter == nil {
		return s.all(), nil
	}
	key := cacheKey{s, ofFilter, p.text}
	if rows, known := s.cache.find(key).(bitmap.Set); known {
		return rows, nil
	}
	start := time.Now()
	a := s.evalPlan(p)
	rows := a.yes
	if undecided := a.maybe.AndNot(a.yes); !undecided.Empty() {
		decided, err := s.decide(ctx, undecided, p.match, bodies)
		if err != nil {
			return bitmap.Set{}, err
		}
		rows = rows.Or(decided)
	}
	s.cache.keepSince(start, key, rows)
	return rows, nil
}
