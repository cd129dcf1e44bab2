package store

import (
	"context"
	"math"
	"slices"
	"time"

	"countersign/event"
	"countersign/problem"
	"countersign/query"
)

// Page is the answer to a query: the exact number of matching entries among the first TreeSize of the
// trail, and the wanted range of them. ErasureMark counts the erasures that had been carried out, which can
// change what a filter finds. The entries are shared with other readers: nobody may change them.
type Page struct {
	Total       uint64
	TreeSize    uint64
	ErasureMark uint64
	Entries     []*event.Entry
}

// Search answers q at one tree size. A page past the end is empty and has the total.
func (s *Store) Search(ctx context.Context, q query.Query) (Page, error) {
	defer s.answered(Searched, time.Now())
	snap, size, err := s.view(q.AsOf)
	if err != nil {
		return Page{}, err
	}
	if q.AsOf != nil && q.Offset > 0 && q.Limit > 0 {
		return s.searchOn(ctx, snap, size, q)
	}
	matches, err := scan(ctx, snap, size, q.Filter)
	if err != nil {
		return Page{}, err
	}
	from, to := rows(q, len(matches))
	if bySeq(q.Sort) {
		inSeqOrder(matches, q.Sort)
	} else {
		window(matches, from, to, q.Sort.Compile())
	}
	return Page{Total: uint64(len(matches)), TreeSize: size, Entries: slices.Clone(matches[from:to])}, nil
}

// rows returns the range of n ordered matches that the page shows.
func rows(q query.Query, n int) (from, to int) {
	from = int(min(q.Offset, uint64(n)))
	return from, from + min(max(q.Limit, 0), n-from)
}

// searchOn answers a page that goes on at the tree size of an earlier one. Who asks for it will ask for the
// next, so all matches are put in order and kept.
func (s *Store) searchOn(ctx context.Context, snap *snapshot, size uint64, q query.Query) (Page, error) {
	key := at(keyOf(q), size)
	matches, known := s.ranks.find(key)
	if !known {
		var err error
		if matches, err = inOrder(ctx, snap, size, q); err != nil {
			return Page{}, err
		}
		s.ranks.keep(key, matches)
	}
	from, to := rows(q, len(matches))
	return Page{Total: uint64(len(matches)), TreeSize: size, Entries: slices.Clone(matches[from:to])}, nil
}

// inOrder returns all matches of q in its order.
func inOrder(ctx context.Context, snap *snapshot, size uint64, q query.Query) ([]*event.Entry, error) {
	matches, err := scan(ctx, snap, size, q.Filter)
	if err != nil {
		return nil, err
	}
	if bySeq(q.Sort) {
		inSeqOrder(matches, q.Sort)
	} else {
		slices.SortFunc(matches, q.Sort.Compile())
	}
	return matches, nil
}

// inSeqOrder turns what scan found into an order by seq.
func inSeqOrder(matches []*event.Entry, o query.Sort) {
	if o.Desc {
		slices.Reverse(matches)
	}
}

// Each calls fn with every match of q in order, whatever its Offset and Limit, and stops at the first
// error; Total then counts no further than that. All come from one tree size; what is recorded meanwhile does
// not disturb it. The order of the trail itself takes no memory, any other takes 8 bytes a match.
func (s *Store) Each(ctx context.Context, q query.Query, fn func(*event.Entry) error) (Page, error) {
	defer s.answered(Streamed, time.Now())
	snap, size, err := s.view(q.AsOf)
	if err != nil {
		return Page{}, err
	}
	p := Page{TreeSize: size}
	counted := func(e *event.Entry) error {
		if ctx.Err() != nil {
			return givenUp(ctx)
		}
		p.Total++
		return fn(e)
	}
	if bySeq(q.Sort) {
		err := walk(ctx, snap, size, q.Filter, q.Sort.Desc, counted)
		return p, err
	}
	matches, err := inOrder(ctx, snap, size, q)
	if err != nil {
		return Page{}, err
	}
	for _, e := range matches {
		if err := counted(e); err != nil {
			return p, err
		}
	}
	return p, nil
}

// Entry returns the entry with the given seq. It knows no caller: whoever shows the entry to one restricts
// a Search instead.
func (s *Store) Entry(seq uint64) (*event.Entry, bool) {
	snap := s.snap.Load()
	if seq >= snap.size {
		return nil, false
	}
	return snap.at(seq), true
}

func (s *Store) view(asOf *uint64) (*snapshot, uint64, error) {
	snap := s.snap.Load()
	if asOf == nil {
		return snap, snap.size, nil
	}
	if *asOf > snap.size {
		return nil, 0, problem.Bad("as_of", "", "the trail has %d entries, not yet %d", snap.size, *asOf)
	}
	return snap, *asOf, nil
}

// scan returns the matches of f among the first size entries in seq order.
func scan(ctx context.Context, snap *snapshot, size uint64, f query.Filter) (matches []*event.Entry, err error) {
	err = walk(ctx, snap, size, f, false, func(e *event.Entry) error {
		matches = append(matches, e)
		return nil
	})
	return matches, err
}

// walk calls visit with the matches of f among the first size entries in seq order, or from the last to the
// first, and stops at the first error.
func walk(ctx context.Context, snap *snapshot, size uint64, f query.Filter, desc bool, visit func(*event.Entry) error) error {
	match := query.Compile(f)
	for left := seqsOf(f, size); left.from < left.to; {
		if ctx.Err() != nil {
			return givenUp(ctx)
		}
		part := snap.take(&left, desc)
		for i, e := range part {
			if desc {
				e = part[len(part)-1-i]
			}
			if e.Kind != event.KindEvent || !match(e) {
				continue
			}
			if err := visit(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func givenUp(ctx context.Context) error {
	return &problem.Error{Kind: problem.Unavailable, Detail: "the request ended before it could be answered", Cause: ctx.Err()}
}

// seqs is the entries from one seq up to another, which is not included.
type seqs struct{ from, to uint64 }

// seqsOf returns a part of the first size entries outside of which f matches nothing: who asks for what comes
// after some entry, or for one, pays for no more than that.
func seqsOf(f query.Filter, size uint64) seqs {
	all := seqs{0, size}
	switch f := f.(type) {
	case query.Range:
		if f.Field != query.Seq {
			break
		}
		all.from = uint64(max(f.Min, 0))
		if f.Max < int64(size) {
			all.to = uint64(max(f.Max+1, 0))
		}
	case query.And:
		for _, term := range f {
			part := seqsOf(term, size)
			all = seqs{max(all.from, part.from), min(all.to, part.to)}
		}
	}
	return all
}

// bySeq tells whether the order is that of the trail itself, which needs no sorting.
func bySeq(o query.Sort) bool {
	return len(o.Classes) == 0 && len(o.Cases) == 0 && (o.Field == query.Seq || o.Field == "")
}

// window rearranges a so that a[from:to] holds what it would hold if a were sorted: quickselect at both
// ends, then a sort of what lies between. A page then costs one pass and not a sort of all matches.
func window(a []*event.Entry, from, to int, cmp func(a, b *event.Entry) int) {
	if from == to {
		return
	}
	lo, hi := 0, len(a)
	if from > 0 {
		lo = selectRank(a, lo, hi, from, cmp)
	}
	if to < hi {
		hi = selectRank(a, lo, hi, to, cmp)
	}
	slices.SortFunc(a[lo:hi], cmp)
}

// selectRank partitions a[lo:hi] so that nothing before rank k is greater than anything from k on, and
// returns k. Orders are total, so no two elements are equal.
func selectRank(a []*event.Entry, lo, hi, k int, cmp func(a, b *event.Entry) int) int {
	rounds := 4 * int(math.Log2(float64(hi-lo)+2))
	for ; hi-lo > 16 && rounds > 0; rounds-- {
		p := pivot(a, lo, hi, cmp)
		a[p], a[hi-1] = a[hi-1], a[p]
		mid := lo
		for i := lo; i < hi-1; i++ {
			if cmp(a[i], a[hi-1]) < 0 {
				a[i], a[mid] = a[mid], a[i]
				mid++
			}
		}
		a[mid], a[hi-1] = a[hi-1], a[mid]
		switch {
		case k < mid:
			hi = mid
		case k > mid+1:
			lo = mid + 1
		default:
			return k // mid is in its final place, and k borders on it
		}
	}
	// Few are left, or the pivots were unlucky: sorting bounds the worst case.
	slices.SortFunc(a[lo:hi], cmp)
	return k
}

// pivot returns the index of the median of three.
func pivot(a []*event.Entry, lo, hi int, cmp func(a, b *event.Entry) int) int {
	i, j, k := lo, lo+(hi-lo)/2, hi-1
	if cmp(a[j], a[i]) < 0 {
		i, j = j, i
	}
	if cmp(a[k], a[j]) < 0 {
		j = k
		if cmp(a[j], a[i]) < 0 {
			j = i
		}
	}
	return j
}
