package segment

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"countersign/bitmap"
	"countersign/event"
)

// readAtOnce is how many bodies are asked for by one call of Bodies.
const readAtOnce = 1 << 13

// seat is a row and its place.
type seat struct{ place, row uint32 }

// seats returns the rows in the order of their places.
func (s *Segment) seats(rows []uint32) []seat {
	out := make([]seat, len(rows))
	for i, row := range rows {
		out[i] = seat{s.place(row), row}
	}
	slices.SortFunc(out, func(a, b seat) int { return cmp.Compare(a.place, b.place) })
	return out
}

// read calls visit with each row and its entry, in the order of seq. It touches no bytes of the segment.
func (s *Segment) read(ctx context.Context, seats []seat, bodies Bodies, visit func(row uint32, e *event.Entry) error) error {
	seqs := make([]uint64, len(seats))
	for i, at := range seats {
		seqs[i] = s.first + uint64(at.place)
	}
	i := 0
	err := bodies(ctx, seqs, func(e *event.Entry) error {
		switch {
		case i == len(seqs) || e != nil && e.Seq != seqs[i]:
			return fmt.Errorf("index %s: %d bodies were asked for, and others came", s.name, len(seqs))
		case e == nil:
			return &UnreadableError{seqs[i]}
		}
		i++
		return visit(seats[i-1].row, e)
	})
	if err == nil && i < len(seqs) {
		err = fmt.Errorf("index %s: the body of entry %d is missing", s.name, seqs[i])
	}
	return err
}

// decide returns those of the rows whose bodies match.
func (s *Segment) decide(ctx context.Context, rows bitmap.Set, match func(*event.Entry) bool, bodies Bodies) (bitmap.Set, error) {
	var (
		mu    sync.Mutex // guards found
		found []uint32
	)
	err := inParallel(ctx, func(start func(func(context.Context) error)) {
		for rank := 0; rank < rows.Len(); rank += readAtOnce {
			seats := s.seats(rows.Take(rank, readAtOnce))
			start(func(ctx context.Context) error {
				var matching []uint32
				err := s.read(ctx, seats, bodies, func(row uint32, e *event.Entry) error {
					if match(e) {
						matching = append(matching, row)
					}
					return nil
				})
				mu.Lock()
				defer mu.Unlock()
				found = append(found, matching...)
				return err
			})
		}
	})
	slices.Sort(found)
	return bitmap.Of(found...), err
}

// inParallel calls produce, which starts pieces of work. As many run at one time as there are processors; after an error
// no more are begun. It returns when all have ended, with the first error.
func inParallel(ctx context.Context, produce func(start func(func(context.Context) error))) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	defer work.Wait() // also when produce panics
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	produce(func(piece func(context.Context) error) {
		slots <- struct{}{}
		if ctx.Err() != nil {
			<-slots
			return
		}
		work.Go(func() {
			defer func() { <-slots }()
			if err := piece(ctx); err != nil {
				cancel(err)
			}
		})
	})
	work.Wait()
	return context.Cause(ctx)
}
