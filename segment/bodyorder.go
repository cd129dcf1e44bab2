package segment

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"countersign/event"
	"countersign/query"
)

// Orders by what no column knows read the bodies of all matches, more than once, and hold few of them: it takes long,
// and the answer is exact all the same.

// What a sample holds at most. Tests make it smaller.
var (
	sampleEntries = 1 << 18
	sampleBytes   = 64 << 20
)

// placedKey is where a match stands in an order.
type placedKey struct {
	key
	seq uint64
}

func comparePlaced(a, b placedKey) int {
	return cmp.Or(compareKeys(a.key, b.key), cmp.Compare(a.seq, b.seq))
}

// bounds are where matches are looked for: from low on, before high. nil means no bound.
type bounds struct{ low, high *placedKey }

func (b bounds) has(k placedKey) bool {
	return !b.before(k) && (b.high == nil || comparePlaced(k, *b.high) < 0)
}

// before tells whether k is before the bounds.
func (b bounds) before(k placedKey) bool { return b.low != nil && comparePlaced(k, *b.low) < 0 }

// sample is some of the matches within bounds: each with the same chance, one in 1<<skipped.
type sample struct {
	bounds
	of      func(*event.Entry) key
	mu      sync.Mutex // guards what follows
	random  *rand.Rand
	skipped uint
	keys    []placedKey
	bytes   int
	before  int // matches before the bounds
	within  int // matches within
}

func (s *sample) add(e *event.Entry) {
	k := placedKey{s.of(e), e.Seq}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.bounds.before(k):
		s.before++
		return
	case !s.has(k):
		return
	}
	s.within++
	if s.random.Uint64()&(1<<s.skipped-1) != 0 {
		return
	}
	k.text.Value = strings.Clone(k.text.Value) // the rest of the entry need not stay
	s.keys = append(s.keys, k)
	for s.bytes += len(k.text.Value); len(s.keys) > sampleEntries || s.bytes > sampleBytes && len(s.keys) > 1; {
		s.halve()
	}
}

// halve forgets every other key, by chance.
func (s *sample) halve() {
	s.skipped++
	s.bytes = 0
	s.keys = slices.DeleteFunc(s.keys, func(k placedKey) bool {
		if s.random.Uint64()&1 == 1 {
			return true
		}
		s.bytes += len(k.text.Value)
		return false
	})
}

// byBody returns the function that gives matches in the order o by reading their bodies.
func (m *matches) byBody(o query.Sort) func(from, n int) ([]uint64, error) {
	return func(from, n int) (out []uint64, err error) {
		// More than a sample holds is found in pieces.
		for len(out) < n {
			part, err := m.pageByBody(o, from+len(out), min(n-len(out), sampleEntries/4))
			if err != nil {
				return nil, err
			}
			out = append(out, part...)
		}
		return out, nil
	}
}

// pageByBody narrows bounds around the page until all that is within them can be held.
func (m *matches) pageByBody(o query.Sort, from, n int) ([]uint64, error) {
	known := bounds{}  // the page begins within these
	narrow := bounds{} // and is likely to be within these
	for try := uint64(0); ; try++ {
		s := &sample{bounds: narrow, of: keyOf(o), random: rand.New(rand.NewPCG(try, uint64(from)))}
		if err := m.eachBody(s.add); err != nil {
			return nil, err
		}
		slices.SortFunc(s.keys, comparePlaced)
		rank := from - s.before
		switch {
		case rank < 0:
			known.high = narrow.low
			narrow = known
		case rank >= s.within:
			known.low = narrow.high
			narrow = known
		case s.skipped == 0:
			var out []uint64
			for _, k := range s.keys[rank:min(rank+n, len(s.keys))] {
				out = append(out, k.seq)
			}
			return out, nil
		default:
			known = narrow
			narrow = s.around(rank, n)
		}
	}
}

// around returns narrower bounds, which are likely to hold the n matches from a rank on, of those within.
func (s *sample) around(rank, n int) bounds {
	out := s.bounds
	at := func(rank int) int { return int(float64(rank) / float64(s.within) * float64(len(s.keys))) }
	margin := 2 * int(math.Sqrt(float64(len(s.keys)))) // four times the likely error of a rank in the sample
	if i := at(rank) - margin; i > 0 {
		out.low = &s.keys[i]
	}
	if i := at(rank+n) + margin; i < len(s.keys) {
		out.high = &s.keys[i]
	}
	if out == s.bounds && len(s.keys) > 0 { // the sample is small, because its keys are long
		if k := &s.keys[len(s.keys)/2]; s.low == nil || comparePlaced(*k, *s.low) > 0 {
			out.high = k
		}
	}
	return out
}

// eachBody calls visit with all matches, from several goroutines and in no order.
func (m *matches) eachBody(visit func(*event.Entry)) error {
	err := inParallel(m.ctx, func(start func(func(context.Context) error)) {
		for i := range m.parts {
			p := &m.parts[i]
			for rank := 0; rank < p.n; rank += readAtOnce {
				seats := p.seats(p.matching.Take(rank, readAtOnce))
				start(func(ctx context.Context) error {
					return p.read(ctx, seats, m.view.Bodies, func(_ uint32, e *event.Entry) error {
						visit(e)
						return nil
					})
				})
			}
		}
	})
	if err != nil {
		return err
	}
	for _, e := range m.open {
		visit(e)
	}
	return nil
}
