package segment

import (
	"math/bits"
	"slices"
	"sort"

	"countersign/bitmap"
)

// Mostly rows are near their places: what happens first is recorded first, or not much later. Then the rows before a
// place are all those of the pages that end well before it, and of few others each has to be looked at. A page of
// matches in the order of seq is found so without putting all matches in that order.

// nearlyInOrder tells whether the pages of rows have places that are not spread out.
func (s *Segment) nearlyInOrder() bool {
	if !s.ordered {
		return false
	}
	spread := 0
	for i := range pagesOf(s.rows) {
		low, high := s.bounds(&s.order, i)
		spread += pageRows + int(high-low)
	}
	const most = 4 // pages that overlap a place, on average
	return spread < most*(s.entries+pageRows)
}

// selectPlaces returns the places of n rows, in ascending order, from a rank in that order on. There are as many.
func (s *Segment) selectPlaces(rows bitmap.Set, from, n int) []uint32 {
	near := nearby{Segment: s, words: rows.Dense(uint32(s.rows))}
	for i := range pagesOf(s.rows) + 1 {
		near.ranks = append(near.ranks, rows.Rank(uint32(i)<<pageBits))
	}
	first := s.placeOfRank(&near, from)
	out := make([]uint32, 0, n)
	for end := first; len(out) < n && int(end) < s.entries; {
		start := end
		end = uint32(min(s.entries, int(start)+2*(n-len(out))+runLen))
		out = near.appendPlaces(out, start, end)
	}
	if len(out) < n {
		s.fail(s.order.pages.block, "two rows have the same place")
	}
	return out[:n]
}

// placeOfRank returns the place of the row that has a rank by place.
func (s *Segment) placeOfRank(near *nearby, rank int) uint32 {
	return uint32(sort.Search(s.entries, func(place int) bool { return near.before(uint32(place)+1) > rank }))
}

// nearby is rows: a bit for each, and the rank of the first of each page.
type nearby struct {
	*Segment
	words []uint64
	ranks []int
}

// before returns how many of the rows have places before the given one.
func (r *nearby) before(place uint32) int {
	n := 0
	r.parts(0, place, func(from, to int) { n += r.count(from, to) }, func(int, uint32) { n++ })
	return n
}

// appendPlaces appends the places of rows from one up to another, which is not included, in ascending order.
func (r *nearby) appendPlaces(out []uint32, from, to uint32) []uint32 {
	start := len(out)
	r.parts(from, to, func(first, end int) {
		for row := first; row < end; row++ {
			if r.words[row/64]>>(row%64)&1 == 1 {
				out = append(out, r.place(uint32(row)))
			}
		}
	}, func(_ int, place uint32) { out = append(out, place) })
	slices.Sort(out[start:])
	return out
}

// count returns how many of the rows from one up to another there are.
func (r *nearby) count(from, to int) int {
	if from%pageRows == 0 && (to-from == pageRows || to == r.rows) {
		return r.ranks[from>>pageBits+1] - r.ranks[from>>pageBits]
	}
	n := 0
	for from < to {
		end := min(to, (from|63)+1)
		n += bits.OnesCount64(r.words[from/64] >> (from % 64) << (64 - (end - from)))
		from = end
	}
	return n
}

// parts calls all with ranges of rows that lie whole within places, and one with the other rows that do, of those in r.
func (r *nearby) parts(from, to uint32, all func(from, to int), one func(row int, place uint32)) {
	for i := range pagesOf(r.rows) {
		low, high := r.bounds(&r.order, i)
		first, last := i<<pageBits, min(r.rows, (i+1)<<pageBits)
		switch within(first, last, low, high, from, to) {
		case whole:
			all(first, last)
		case partly:
			r.partsOfPage(i, from, to, all, one)
		}
	}
}

func (r *nearby) partsOfPage(i int, from, to uint32, all func(from, to int), one func(row int, place uint32)) {
	p := r.integerPage(&r.order, i)
	for k := range p.runs {
		first := i<<pageBits + k*runLen
		last := first + min(runLen, p.n-k*runLen)
		low, high := p.runBounds(k)
		switch within(first, last, low, high, from, to) {
		case whole:
			all(first, last)
		case partly:
			for row := first; row < last; row++ {
				if r.words[row/64]>>(row%64)&1 == 0 {
					continue
				}
				if place := r.placed(uint32(row), p.at(row-i<<pageBits)); place >= from && place < to {
					one(row, place)
				}
			}
		}
	}
}

// How rows lie to a range of places.
const (
	outside = iota
	partly
	whole
)

// within tells how the rows from first up to last, to whose numbers low to high is added, lie to places.
func within(first, last int, low, high int64, from, to uint32) int {
	least, most := int64(first)+low, int64(last-1)+high
	switch {
	case most < int64(from) || least >= int64(to):
		return outside
	case least >= int64(from) && most < int64(to):
		return whole
	}
	return partly
}
