package segment

import (
	"math/bits"
	"slices"

	"countersign/bitmap"
)

// place returns where the row's entry is in the segment, by seq.
func (s *Segment) place(row uint32) uint32 {
	if !s.ordered {
		return row
	}
	return s.placed(row, s.integerAt(&s.order, int(row)))
}

// placed returns the place of a row, given what is to be added to it.
func (s *Segment) placed(row uint32, more int64) uint32 {
	at := int64(row) + more
	if at < 0 || at >= int64(s.entries) {
		s.fail(s.order.pages.block, "row %d has the place %d of %d", row, at, s.entries)
	}
	return uint32(at)
}

// places returns the places of the rows.
func (s *Segment) places(rows bitmap.Set) bitmap.Set {
	const few = 1 << 12
	n := rows.Len()
	switch {
	case !s.ordered:
		return rows
	case n == s.rows && n == s.entries:
		return s.all()
	case n <= few:
		out := make([]uint32, 0, n)
		for row := range rows.All() {
			out = append(out, s.place(row))
		}
		slices.Sort(out)
		return s.distinct(bitmap.Of(out...), n)
	}
	in := rows.Dense(uint32(s.rows))
	out := make([]uint64, (s.entries+63)/64+1)
	for i := range pagesOf(s.rows) {
		s.placePage(i, in, out)
	}
	return s.distinct(bitmap.OfDense(out[:len(out)-1]), n)
}

// distinct returns the places of n rows, which must be as many.
func (s *Segment) distinct(places bitmap.Set, n int) bitmap.Set {
	if places.Len() != n {
		s.fail(s.order.pages.block, "two rows have the same place")
	}
	return places
}

// placePage moves the rows of one page from in to out, whose last word is room to write to.
func (s *Segment) placePage(i int, in, out []uint64) {
	const runWords = runLen / 64
	first := i << (pageBits - 6)
	words := in[first:min(len(in), first+pageRows/64)]
	var p page
	for r := 0; r*runWords < len(words); r++ {
		run := words[r*runWords : min(len(words), (r+1)*runWords)]
		if empty(run) {
			continue
		}
		if p.b == nil {
			p = s.integerPage(&s.order, i)
		}
		start := uint32(i<<pageBits + r*runLen)
		base, bit, width := p.run(r)
		if width == 0 {
			s.shift(start, p.value(base), run, out)
			continue
		}
		data := p.b[integersHead+p.runs*runHead+bit/8:]
		for j, w := range run {
			for ; w != 0; w &= w - 1 {
				k := j*64 + bits.TrailingZeros64(w)
				at := s.placed(start+uint32(k), p.value(base+getPacked(data, k, width)))
				out[at/64] |= 1 << (at % 64)
			}
		}
	}
}

func empty(words []uint64) bool {
	for _, w := range words {
		if w != 0 {
			return false
		}
	}
	return true
}

// shift moves rows from start on that have the same distance to their places.
func (s *Segment) shift(start uint32, more int64, run, out []uint64) {
	for j, w := range run {
		if w == 0 {
			continue
		}
		row := start + uint32(j*64)
		s.placed(row+uint32(bits.TrailingZeros64(w)), more)
		s.placed(row+uint32(63-bits.LeadingZeros64(w)), more)
		// The first row of the word may be before the first place; those that are set are not.
		at := int64(row) + more
		if at < 0 {
			out[0] |= w >> -at
			continue
		}
		out[at/64] |= w << (at % 64)
		if at%64 != 0 && int(at/64)+1 < len(out) {
			out[at/64+1] |= w >> (64 - at%64)
		}
	}
}

// between returns the rows whose places are from one up to another, which is not included.
func (s *Segment) between(from, to uint32) bitmap.Set {
	to = min(to, uint32(s.entries))
	switch {
	case from >= to:
		return bitmap.Set{}
	case from == 0 && to == uint32(s.entries):
		return s.all()
	case !s.ordered:
		return bitmap.Range(from, to)
	}
	out := make([]uint64, (s.rows+63)/64)
	for i := range pagesOf(s.rows) {
		low, high := s.bounds(&s.order, i)
		first, last := i<<pageBits, min(s.rows, (i+1)<<pageBits)
		switch within(first, last, low, high, from, to) {
		case whole:
			setBits(out, first, last)
		case partly:
			s.betweenPage(i, from, to, out)
		}
	}
	return bitmap.OfDense(out)
}

func (s *Segment) betweenPage(i int, from, to uint32, out []uint64) {
	p := s.integerPage(&s.order, i)
	var buf [runLen]int64
	for r := range p.runs {
		first := i<<pageBits + r*runLen
		n := min(runLen, p.n-r*runLen)
		low, high := p.runBounds(r)
		switch within(first, first+n, low, high, from, to) {
		case whole:
			setBits(out, first, first+n)
		case partly:
			for j, more := range p.runValues(r, buf[:n]) {
				row := first + j
				if at := int64(row) + more; at >= int64(from) && at < int64(to) {
					out[row/64] |= 1 << (row % 64)
				}
			}
		}
	}
}

// setBits sets the bits from one up to another.
func setBits(words []uint64, from, to int) {
	for from < to {
		end := min(to, (from|63)+1)
		words[from/64] |= (^uint64(0) >> (64 - (end - from))) << (from % 64)
		from = end
	}
}
