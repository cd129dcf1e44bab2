package segment

import (
	"encoding/binary"
	"sort"
)

// integers is an array of 64-bit numbers in pages of pageRows. A page holds the distances to its least number, in
// multiples of what divides them all, by runs of runLen: each run has its own base and number of bits.
type integers struct {
	count     int
	ascending bool
	low, high int64 // the least and the largest of all
	pages     table // records: ref, the least and the largest of the page
}

const (
	runLen         = 256
	runHead        = 8 + 4 // base, bit offset and width
	integersHead   = 8 + 8 // the least number, the divisor
	integersRecord = refBytes + 16
	wide           = 64 // the width of numbers too wide for packed's; each takes 8 whole bytes
)

// integerWriter writes an array of numbers that come in order.
type integerWriter struct {
	w         *writer
	page      []int64
	table     []byte
	last      int64
	low, high int64
}

func (w *integerWriter) add(v int64) {
	w.last = v
	if w.page = append(w.page, v); len(w.page) == pageRows {
		w.flush()
	}
}

func (w *integerWriter) flush() {
	if len(w.page) == 0 {
		return
	}
	low, high := w.page[0], w.page[0]
	for _, v := range w.page {
		low, high = min(low, v), max(high, v)
	}
	if len(w.table) == 0 {
		w.low, w.high = low, high
	}
	w.low, w.high = min(w.low, low), max(w.high, high)
	w.table = appendRef(w.table, w.w.block(integerPage(w.page, low)))
	w.table = binary.LittleEndian.AppendUint64(w.table, uint64(low))
	w.table = binary.LittleEndian.AppendUint64(w.table, uint64(high))
	w.page = w.page[:0]
}

// finish writes the table of the pages.
func (w *integerWriter) finish() ref {
	w.flush()
	w.page = nil
	return w.w.block(w.table)
}

// integerPage returns the bytes of a page.
func integerPage(values []int64, low int64) []byte {
	var scale uint64
	for _, v := range values {
		scale = gcd(scale, uint64(v)-uint64(low))
	}
	scale = max(scale, 1)
	runs := (len(values) + runLen - 1) / runLen
	b := make([]byte, integersHead+runs*runHead)
	binary.LittleEndian.PutUint64(b, uint64(low))
	binary.LittleEndian.PutUint64(b[8:], scale)
	bit := 0
	var data []byte
	scaled := make([]uint64, 0, runLen)
	for r := range runs {
		run := values[r*runLen : min(len(values), (r+1)*runLen)]
		scaled = scaled[:0]
		base, top := ^uint64(0), uint64(0)
		for _, v := range run {
			u := (uint64(v) - uint64(low)) / scale
			base, top = min(base, u), max(top, u)
			scaled = append(scaled, u)
		}
		width := widthOf(top - base)
		if width > maxPackedBits {
			width = wide
		}
		head := b[integersHead+r*runHead:]
		binary.LittleEndian.PutUint64(head, base)
		binary.LittleEndian.PutUint32(head[8:], uint32(bit)|uint32(width)<<24)
		data = appendRun(data, bit/8, scaled, base, width)
		bit += (len(run)*int(width) + 7) &^ 7 // the next run begins with a byte
	}
	return append(append(b, data[:bit/8]...), make([]byte, slack)...)
}

// appendRun puts the distances to base into data, which begins at byte at and may end with slack.
func appendRun(data []byte, at int, values []uint64, base uint64, width uint8) []byte {
	data = append(data[:at], make([]byte, packedBytes(len(values), width))...)
	run := data[at:]
	for i, v := range values {
		putPacked(run, i, width, v-base)
	}
	return data
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// page is a page of numbers that can be read.
type page struct {
	b    []byte
	n    int
	runs int
}

func (s *Segment) integerPage(a *integers, i int) page {
	n := min(pageRows, a.count-i<<pageBits)
	p := page{n: n, runs: (n + runLen - 1) / runLen}
	at := s.at(&a.pages, i)
	p.b = s.bytes(at, func(data []byte) {
		p.b = data
		if what := p.check(); what != "" {
			s.fail(at, "a page of numbers: %s", what)
		}
		low, high := s.bounds(a, i)
		for j, v := range p.values(make([]int64, pageRows)) {
			if v < low || v > high {
				s.fail(at, "number %d is %d, not in %d to %d", i<<pageBits+j, v, low, high)
			}
			if a.ascending {
				low = v
			}
		}
	})
	return p
}

// check reports what is wrong with the form of the page.
func (p page) check() string {
	body := len(p.b) - integersHead - p.runs*runHead - slack
	if body < 0 {
		return "too short"
	}
	for r := range p.runs {
		_, bit, width := p.run(r)
		n := min(runLen, p.n-r*runLen)
		switch {
		case width > maxPackedBits && width != wide, bit%8 != 0:
			return "a run of a strange form"
		case bit/8+(n*int(width)+7)/8 > body:
			return "a run that goes beyond the end"
		}
	}
	return ""
}

func (p page) run(r int) (base uint64, bit int, width uint8) {
	head := p.b[integersHead+r*runHead:][:runHead]
	where := binary.LittleEndian.Uint32(head[8:])
	return binary.LittleEndian.Uint64(head), int(where & (1<<24 - 1)), uint8(where >> 24)
}

func (p page) at(i int) int64 {
	base, bit, width := p.run(i / runLen)
	data := p.b[integersHead+p.runs*runHead+bit/8:]
	return p.value(base + getPacked(data, i%runLen, width))
}

// value returns the number that is stored as a multiple of the page's divisor.
func (p page) value(scaled uint64) int64 {
	low, scale := binary.LittleEndian.Uint64(p.b), binary.LittleEndian.Uint64(p.b[8:])
	return int64(low + scaled*scale)
}

// runBounds returns numbers between which those of a run are.
func (p page) runBounds(r int) (low, high int64) {
	base, _, width := p.run(r)
	return p.value(base), p.value(base + (1<<width - 1))
}

// runValues returns the numbers of a run in out, which has as many.
func (p page) runValues(r int, out []int64) []int64 {
	low, scale := binary.LittleEndian.Uint64(p.b), binary.LittleEndian.Uint64(p.b[8:])
	base, bit, width := p.run(r)
	data := p.b[integersHead+p.runs*runHead+bit/8:]
	first := low + base*scale
	for i := range out {
		out[i] = int64(first + getPacked(data, i, width)*scale)
	}
	return out
}

// values returns all numbers of the page in buf, which has room for pageRows.
func (p page) values(buf []int64) []int64 {
	for r := range p.runs {
		p.runValues(r, buf[r*runLen:min(p.n, (r+1)*runLen)])
	}
	return buf[:p.n]
}

// bounds returns the least and the largest number of a page without reading it.
func (s *Segment) bounds(a *integers, page int) (low, high int64) {
	r := s.record(&a.pages, page)
	return int64(binary.LittleEndian.Uint64(r[refBytes:])), int64(binary.LittleEndian.Uint64(r[refBytes+8:]))
}

func (s *Segment) integerAt(a *integers, i int) int64 {
	return s.integerPage(a, i>>pageBits).at(i & (pageRows - 1))
}

// firstFrom returns the place of the first number that is v or more, in an array that ascends.
func (s *Segment) firstFrom(a *integers, v int64) int {
	switch {
	case a.count == 0 || v <= a.low:
		return 0
	case v > a.high:
		return a.count
	}
	i := sort.Search(pagesOf(a.count)-1, func(i int) bool {
		_, high := s.bounds(a, i)
		return high >= v
	})
	p := s.integerPage(a, i)
	r := sort.Search(p.runs, func(r int) bool {
		base, _, _ := p.run(r)
		return p.value(base) >= v
	})
	// Run r begins at v or later; the first such number may still be in the run before.
	from, to := max(r-1, 0)*runLen, min(p.n, r*runLen)
	return i<<pageBits + from + sort.Search(to-from, func(j int) bool { return p.at(from+j) >= v })
}
