package segment

import (
	"context"
	"fmt"

	"countersign/event"
	"countersign/query"
)

// Bodies reads the entries of the given seqs, which ascend, and calls visit with each of them in that order. It may be
// called from several goroutines at once. An entry must not be changed; visit may keep it. In place of an entry that cannot
// be read visit gets nil.
type Bodies func(ctx context.Context, seqs []uint64, visit func(*event.Entry) error) error

// Entries are entries in memory, by seq.
type Entries interface {
	At(seq uint64) *event.Entry
}

// View is a trail, or the part of it from the first segment on, at one moment: segments that follow each other without
// a gap, then open entries. It never changes; the segments must stay open while it is used.
type View struct {
	Segments []*Segment
	// Open are the entries from the end of the last segment up to End. They are looked at one by one.
	Open Entries
	End  uint64
	// Bodies reads the entries of segments.
	Bodies Bodies
}

// open returns the seqs of the open entries among the first size of the trail.
func (v *View) open(size uint64) (from, to uint64) {
	if n := len(v.Segments); n > 0 {
		from = v.Segments[n-1].End()
	}
	return from, max(from, min(size, v.End))
}

// Search answers q over the first size entries of the trail, whatever q.AsOf says: the number of matches and the seqs
// of those that the page shows, in order.
func (v *View) Search(ctx context.Context, q query.Query, size uint64) (total uint64, page []uint64, err error) {
	err = viewAll(v.Segments, func() error {
		r, err := v.rank(ctx, q.Filter, q.Sort, size)
		if err != nil {
			return err
		}
		total = uint64(r.total)
		from := min(q.Offset, total)
		page, err = r.page(int(from), min(max(q.Limit, 0), int(total-from)))
		return err
	})
	return total, page, err
}

// Count returns the number of matches of f among the first size entries of the trail.
func (v *View) Count(ctx context.Context, f query.Filter, size uint64) (total uint64, err error) {
	err = viewAll(v.Segments, func() error {
		m, err := v.find(ctx, newPlan(f), size)
		if err == nil {
			total = uint64(m.total)
		}
		return err
	})
	return total, err
}

// ranking is the matches of a query in its order.
type ranking struct {
	total int
	desc  bool
	// ascending returns the seqs of n matches from a rank on, which are there.
	ascending func(from, n int) ([]uint64, error)
}

// page returns the seqs of n matches from a rank on.
func (r *ranking) page(from, n int) ([]uint64, error) {
	if n == 0 {
		return nil, nil
	}
	if r.desc {
		from = r.total - from - n
	}
	seqs, err := r.ascending(from, n)
	if err != nil {
		return nil, err
	}
	if len(seqs) != n { // every block is as it was written, and yet they contradict each other
		return nil, &CorruptError{Offset: -1, What: fmt.Sprintf("a page of %d matches has %d", n, len(seqs))}
	}
	if r.desc {
		for i, j := 0, n-1; i < j; i, j = i+1, j-1 {
			seqs[i], seqs[j] = seqs[j], seqs[i]
		}
	}
	return seqs, nil
}

// rank finds the matches of f and prepares their order.
func (v *View) rank(ctx context.Context, f query.Filter, o query.Sort, size uint64) (*ranking, error) {
	m, err := v.find(ctx, newPlan(f), size)
	if err != nil {
		return nil, err
	}
	r := &ranking{total: m.total, desc: o.Desc}
	r.ascending, err = m.order(o)
	return r, err
}

// order returns the function that gives the matches in the ascending form of o.
func (m *matches) order(o query.Sort) (func(from, n int) ([]uint64, error), error) {
	derived := len(o.Classes) > 0 || len(o.Cases) > 0
	switch {
	case !derived && o.Field == query.OccurredAt:
		return m.byTime(), nil
	case !derived && o.Field == query.ReceivedAt:
		if m.receivedInOrder() {
			return m.bySeq, nil
		}
		return m.byBody(o), nil
	case !derived && o.Field == query.AccountSeq:
		return m.byBody(o), nil
	case !derived && o.Field.Kind() != query.TextKind:
		return m.bySeq, nil
	}
	runs, known, err := m.runs(o)
	switch {
	case err != nil:
		return nil, err
	case !known:
		return m.byBody(o), nil
	}
	return func(from, n int) ([]uint64, error) { return byKey(runs, from, n), nil }, nil
}
