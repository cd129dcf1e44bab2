package segment

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"countersign/bitmap"
)

// probeBelow is the share of rows, as a divisor, below which rows are looked up one by one: a scan costs about a
// nanosecond a row, a look-up about thirty.
const probeBelow = 32

// pagesEach is how many pages make a goroutine worth its start.
const pagesEach = 16

// scan returns those of the given rows that have one of the codes, for the forms dense and sparse.
func (c *column) scan(wanted codes, within bitmap.Set) bitmap.Set {
	n := within.Len()
	switch {
	case n == 0 || len(wanted) == 0 || c.codes.count == 0:
		return bitmap.Set{}
	case c.form == sparse:
		return c.scanSparse(wanted, within)
	case n < c.codes.count/probeBelow:
		return c.probe(wanted, within)
	}
	test := newTester(wanted, c.codes.most)
	words := make([]uint64, pagesOf(c.codes.count)*(pageRows/64))
	from, to := int(within.Min()>>pageBits), int(within.Max()>>pageBits)+1
	parallel([]*Segment{c.seg}, from, to, (to-from)/pagesEach, func(i int) {
		b, n := c.seg.packedPage(&c.codes, i)
		test.page(b, n, c.codes.width, words[i*(pageRows/64):])
	})
	found := bitmap.OfDense(words)
	if n == c.seg.rows {
		return found
	}
	return found.And(within)
}

// probe looks the rows up one by one.
func (c *column) probe(wanted codes, within bitmap.Set) bitmap.Set {
	var rows []uint32
	for part := range within.Batches() {
		for _, row := range part {
			if wanted.has(c.seg.packedAt(&c.codes, int(row))) {
				rows = append(rows, row)
			}
		}
	}
	return bitmap.Of(rows...)
}

func (c codes) has(code uint32) bool {
	_, in := slices.BinarySearchFunc(c, code, func(r [2]uint32, code uint32) int {
		switch {
		case r[1] <= code:
			return -1
		case r[0] > code:
			return 1
		}
		return 0
	})
	return in
}

// scanSparse goes along the rows that have a value.
func (c *column) scanSparse(wanted codes, within bitmap.Set) bitmap.Set {
	test := newTester(wanted, c.codes.most)
	var found []uint32
	c.eachSparse(within, func(row, code uint32) {
		if test.has(code) {
			found = append(found, row)
		}
	})
	return bitmap.Of(found...)
}

// eachSparse calls visit with the rows that have a value, of those given, and their codes.
func (c *column) eachSparse(within bitmap.Set, visit func(row, code uint32)) {
	s := c.seg
	present := s.set(c.present)
	if present.Len() != c.codes.count {
		s.fail(c.present, "%d rows have a value, and %d a code", present.Len(), c.codes.count)
	}
	if n := within.Len(); n < c.codes.count/probeBelow {
		for row := range within.And(present).All() {
			visit(row, s.packedAt(&c.codes, present.Rank(row)))
		}
		return
	} else if n < s.rows {
		words := within.Dense(uint32(s.rows))
		all := visit
		visit = func(row, code uint32) {
			if words[row/64]>>(row%64)&1 == 1 {
				all(row, code)
			}
		}
	}
	i := 0
	var page []byte
	for part := range present.Batches() {
		for _, row := range part {
			if i&(pageRows-1) == 0 {
				page, _ = s.packedPage(&c.codes, i>>pageBits)
			}
			visit(row, uint32(getPacked(page, i&(pageRows-1), c.codes.width)))
			i++
		}
	}
}

// each calls visit with each of the given rows and its code. The form is dense or sparse; of the form sparse only the
// rows that have a value come.
func (c *column) each(within bitmap.Set, visit func(row, code uint32)) {
	if c.form == sparse {
		c.eachSparse(within, visit)
		return
	}
	at := -1
	var page []byte
	for part := range within.Batches() {
		for _, row := range part {
			if i := int(row >> pageBits); i != at {
				page, _ = c.seg.packedPage(&c.codes, i)
				at = i
			}
			visit(row, uint32(getPacked(page, int(row&(pageRows-1)), c.codes.width)))
		}
	}
}

// tester tells whether a code is among those wanted.
type tester struct {
	lo, n uint32   // when bits is nil: the codes from lo on, n of them
	bits  []uint64 // a bit for each code
}

func newTester(wanted codes, most uint32) tester {
	if len(wanted) == 1 {
		return tester{lo: wanted[0][0], n: wanted[0][1] - wanted[0][0]}
	}
	t := tester{bits: make([]uint64, most/64+1)}
	for _, r := range wanted {
		setBits(t.bits, int(r[0]), int(r[1]))
	}
	return t
}

func (t *tester) has(code uint32) bool {
	if t.bits == nil {
		return code-t.lo < t.n
	}
	return t.bits[code/64]>>(code%64)&1 == 1
}

// page sets bit i of out when value i of a page of n packed values is wanted.
func (t *tester) page(b []byte, n int, width uint8, out []uint64) {
	for g := range (n + 63) / 64 {
		rows := min(64, n-g*64)
		// 64 values end with a byte.
		at := b[g*8*int(width):]
		if t.bits == nil {
			out[g] = inRange(at, rows, width, uint64(t.lo), uint64(t.n))
		} else {
			out[g] = inBits(at, rows, width, t.bits)
		}
	}
}

// inRange and inBits take about a nanosecond a value: these two loops are what a scan costs.
func inRange(b []byte, n int, width uint8, lo, count uint64) (word uint64) {
	mask := uint64(1)<<width - 1
	bit := 0
	for j := range n {
		v := binary.LittleEndian.Uint64(b[bit>>3:])>>(bit&7)&mask - lo
		_, less := bits.Sub64(v, count, 0)
		word |= less << j
		bit += int(width)
	}
	return word
}

func inBits(b []byte, n int, width uint8, wanted []uint64) (word uint64) {
	mask := uint64(1)<<width - 1
	bit := 0
	for j := range n {
		v := binary.LittleEndian.Uint64(b[bit>>3:]) >> (bit & 7) & mask
		word |= wanted[v>>6] >> (v & 63) & 1 << j
		bit += int(width)
	}
	return word
}
