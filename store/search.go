package store

import (
	"context"
	"crypto/sha256"
	"time"

	"countersign/event"
	"countersign/problem"
	"countersign/query"
	"countersign/segment"
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
	var p Page
	err := s.again(func(snap *snapshot) (err error) {
		p, err = snap.search(ctx, q)
		return err
	})
	return p, err
}

func (s *snapshot) search(ctx context.Context, q query.Query) (Page, error) {
	size, err := s.sizeAt(q.AsOf)
	if err != nil {
		return Page{}, err
	}
	view := s.view()
	total, seqs, err := view.Search(ctx, q, size)
	if err != nil {
		return Page{}, asked(ctx, err)
	}
	p := Page{Total: total, TreeSize: size}
	p.Entries, err = view.Read(ctx, seqs)
	return p, asked(ctx, err)
}

// Each calls fn with every match of q in order, whatever its Offset and Limit, and stops at the first
// error; Total then counts no further than that. All come from one tree size; what is recorded meanwhile does
// not disturb it. It holds a few thousand entries at a time.
func (s *Store) Each(ctx context.Context, q query.Query, fn func(*event.Entry) error) (Page, error) {
	defer s.answered(Streamed, time.Now())
	var p Page
	var stop error // fn's, which is passed on as it is
	err := s.again(func(snap *snapshot) error {
		size, err := snap.sizeAt(q.AsOf)
		if err != nil {
			return err
		}
		p = Page{TreeSize: size}
		view := snap.view()
		// The files stay open until it is over, whatever is merged meanwhile.
		return view.Each(ctx, q.Filter, q.Sort, size, func(e *event.Entry) error {
			if ctx.Err() != nil {
				return givenUp(ctx)
			}
			p.Total++
			stop = fn(e)
			return stop
		})
	})
	if stop != nil {
		return p, stop
	}
	return p, asked(ctx, err)
}

// Texts calls visit with the texts by which q.Sort orders the matches of q, whatever its Offset and Limit: with each at least
// once, in no order, and not where there is none. A text is good until visit returns. The Page has no entries.
func (s *Store) Texts(ctx context.Context, q query.Query, visit func(string)) (Page, error) {
	defer s.answered(Stated, time.Now())
	var p Page
	err := s.again(func(snap *snapshot) error {
		size, err := snap.sizeAt(q.AsOf)
		if err != nil {
			return err
		}
		view := snap.view()
		p = Page{TreeSize: size}
		p.Total, err = view.Texts(ctx, q.Filter, q.Sort, size, visit)
		return err
	})
	return p, asked(ctx, err)
}

// Entry returns the entry with the given seq, a NotFound when there is none. It knows no caller: whoever shows the
// entry to one restricts a Search instead. One that cannot be read is an error.
func (s *Store) Entry(seq uint64) (e *event.Entry, err error) {
	err = s.again(func(snap *snapshot) error {
		if seq >= snap.size {
			return problem.New(problem.NotFound, "there is no entry %d", seq)
		}
		e, err = snap.entry(seq)
		return err
	})
	return e, err
}

// sizeAt returns the tree size that is asked for.
func (s *snapshot) sizeAt(asOf *uint64) (uint64, error) {
	if asOf == nil {
		return s.size, nil
	}
	if *asOf > s.size {
		return 0, problem.Bad("as_of", "", "the trail has %d entries, not yet %d", s.size, *asOf)
	}
	return *asOf, nil
}

// view returns the snapshot as package segment searches it.
func (s *snapshot) view() segment.View {
	return segment.View{Segments: s.indexes, Open: openEntries{s}, End: s.size, Bodies: s.read}
}

type openEntries struct{ snap *snapshot }

func (o openEntries) At(seq uint64) *event.Entry { return o.snap.at(seq) }

// asked passes on what a question came to; when its caller has left, that is the reason.
func asked(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return givenUp(ctx)
	}
	return err
}

func givenUp(ctx context.Context) error {
	return &problem.Error{Kind: problem.Unavailable, Detail: "the request ended before it could be answered", Cause: ctx.Err()}
}

// queryKey is the hash of a query's filter and sort in canonical text.
type queryKey = [sha256.Size]byte

func keyOf(q query.Query) queryKey {
	return sha256.Sum256([]byte(query.PrintSort(q.Sort) + "\n" + query.Print(q.Filter)))
}

// openSlice returns the open entries from one seq up to another.
func (s *snapshot) openSlice(from, to uint64) []*event.Entry {
	out := make([]*event.Entry, 0, to-from)
	for from < to {
		at := from & (chunkLen - 1)
		n := min(chunkLen-at, to-from)
		out = append(out, s.chunks[(from-s.sealed.size)>>chunkBits][at:at+n]...)
		from += n
	}
	return out
}
