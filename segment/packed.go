package segment

import (
	"encoding/binary"
	"math/bits"
)

// pageRows is how many values a page of an array has, which is also how many rows a container of a bitmap has.
const (
	pageBits = 16
	pageRows = 1 << pageBits
)

// slack is added to bit-packed bytes, so that a value is read as 8 bytes wherever it ends.
const slack = 8

// maxPackedBits is the widest value that can be read as 8 bytes whatever bit it begins at.
const maxPackedBits = 56

// packed is an array of values of the same number of bits, in pages.
type packed struct {
	width uint8 // 0 to 32
	count int
	most  uint32 // the largest value there may be
	pages table
}

func widthOf(most uint64) uint8 { return uint8(bits.Len64(most)) }

func pagesOf(count int) int { return (count + pageRows - 1) >> pageBits }

func packedBytes(n int, width uint8) int { return (n*int(width)+7)/8 + slack }

// putPacked puts value i of an array, whose bits are zero, into b.
func putPacked(b []byte, i int, width uint8, value uint64) {
	bit := i * int(width)
	at := b[bit>>3:][:8]
	binary.LittleEndian.PutUint64(at, binary.LittleEndian.Uint64(at)|value<<(bit&7))
}

func getPacked(b []byte, i int, width uint8) uint64 {
	bit := i * int(width)
	return binary.LittleEndian.Uint64(b[bit>>3:]) >> (bit & 7) & (1<<width - 1)
}

// packer writes an array of values that come in order.
type packer struct {
	w     *writer
	width uint8
	n     int // values in the page
	page  []byte
	table []byte
}

func newPacker(w *writer, most uint32) *packer {
	width := widthOf(uint64(most))
	return &packer{w: w, width: width, page: make([]byte, packedBytes(pageRows, width))}
}

func (p *packer) add(v uint32) {
	putPacked(p.page, p.n, p.width, uint64(v))
	if p.n++; p.n == pageRows {
		p.flush()
	}
}

func (p *packer) flush() {
	if p.n == 0 {
		return
	}
	p.table = appendRef(p.table, p.w.block(p.page[:packedBytes(p.n, p.width)]))
	clear(p.page)
	p.n = 0
}

// finish writes the table of the pages.
func (p *packer) finish() ref {
	p.flush()
	return p.w.block(p.table)
}

// page returns the bytes of a page and how many values it has.
func (s *Segment) packedPage(p *packed, page int) (b []byte, n int) {
	n = min(pageRows, p.count-page<<pageBits)
	at := s.at(&p.pages, page)
	return s.bytes(at, func(data []byte) {
		if len(data) != packedBytes(n, p.width) {
			s.fail(at, "a page of %d values of %d bits has %d bytes", n, p.width, len(data))
		}
		for i := range n {
			if v := getPacked(data, i, p.width); v > uint64(p.most) {
				s.fail(at, "value %d is %d, the largest can be %d", page<<pageBits+i, v, p.most)
			}
		}
	}), n
}

func (s *Segment) packedAt(p *packed, i int) uint32 {
	b, _ := s.packedPage(p, i>>pageBits)
	return uint32(getPacked(b, i&(pageRows-1), p.width))
}

// pageReader reads values of an array that are asked for in order, a page at a time: a strict segment checks a page again each
// time that it is looked at.
type pageReader struct {
	seg  *Segment
	of   *packed
	page int
	b    []byte
}

func (s *Segment) inOrder(p *packed) pageReader { return pageReader{seg: s, of: p, page: -1} }

func (r *pageReader) at(i int) uint32 {
	if page := i >> pageBits; page != r.page {
		r.b, _ = r.seg.packedPage(r.of, page)
		r.page = page
	}
	return uint32(getPacked(r.b, i&(pageRows-1), r.of.width))
}
