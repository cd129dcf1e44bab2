package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync/atomic"

	"countersign/query"
)

// A file is a header, blocks, the directory, and a trailer that says where the directory is.
const (
	magic        = "CSIGNIDX"
	formatNumber = 1
	headerBytes  = len(magic) + 4 + 4
	trailerMagic = "CSIXEND\n"
	trailerBytes = 8 + 8 + 4 + 4 + 4 + 8 // file, directory: offset, length, checksum; checksum of these; magic

	maxColumns   = 256
	maxNameBytes = 1 << 10
)

// directory is what the last block holds.
type directory struct {
	first   uint64 // seq
	entries int
	rows    int
	// order has what is to be added to each row to get its place; there is none when nothing is.
	ordered  bool
	order    integers
	occurred integers // by row, ascending
	received integers // by place
	chains   block
	chained  int   // records in chains
	unsure   block // the rows with attributes that have no column
	list     []*column
}

func appendHeader(b []byte) []byte {
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, formatNumber)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// finish writes the directory and the trailer.
func (w *writer) finish(directory []byte) error {
	r := w.block(directory)
	t := binary.LittleEndian.AppendUint64(nil, w.offset+trailerBytes)
	t = appendRef(t, r)
	t = binary.LittleEndian.AppendUint32(t, crc32.Checksum(t, castagnoli))
	w.write(append(t, trailerMagic...))
	return w.err
}

// encoder makes the bytes of a directory.
type encoder struct{ b []byte }

func (e *encoder) byte(v uint8) { e.b = append(e.b, v) }
func (e *encoder) bool(v bool) {
	var b uint8
	if v {
		b = 1
	}
	e.byte(b)
}
func (e *encoder) number(v int)  { e.b = binary.LittleEndian.AppendUint32(e.b, uint32(v)) }
func (e *encoder) long(v uint64) { e.b = binary.LittleEndian.AppendUint64(e.b, v) }
func (e *encoder) ref(r ref)     { e.b = appendRef(e.b, r) }
func (e *encoder) text(v string) { e.number(len(v)); e.b = append(e.b, v...) }
func (e *encoder) packed(p packed) {
	e.number(p.count)
	e.number(int(p.most))
	e.ref(p.pages.ref)
}

func (e *encoder) integers(a integers) {
	e.number(a.count)
	e.bool(a.ascending)
	e.long(uint64(a.low))
	e.long(uint64(a.high))
	e.ref(a.pages.ref)
}

func (d *directory) append(b []byte) []byte {
	e := encoder{b}
	e.long(d.first)
	e.number(d.entries)
	e.number(d.rows)
	e.bool(d.ordered)
	if d.ordered {
		e.integers(d.order)
	}
	e.integers(d.occurred)
	e.integers(d.received)
	e.number(d.chained)
	e.ref(d.chains.ref)
	e.ref(d.unsure.ref)
	e.number(len(d.list))
	for _, c := range d.list {
		c.append(&e)
	}
	return e.b
}

func (c *column) append(e *encoder) {
	e.text(string(c.field))
	e.byte(uint8(c.form))
	e.bool(c.everPresent)
	e.ref(c.present.ref)
	e.ref(c.unknown.ref)
	e.ref(c.unsure.ref)
	e.number(c.values.count)
	e.ref(c.values.pages.ref)
	switch c.form {
	case bitmaps:
		e.ref(c.sets.ref)
	case dense, sparse:
		e.packed(c.codes)
	}
	e.number(c.hashes.count)
	if c.hashes.count > 0 {
		e.byte(c.hashes.buckets)
		e.packed(c.hashes.starts)
		e.packed(c.hashes.low)
		e.packed(c.hashes.rows)
	}
}

// open reads the directory.
func (s *Segment) open() (err error) {
	defer func() {
		if r := recover(); r != nil {
			bad, ok := r.(*CorruptError)
			if !ok {
				panic(r)
			}
			err = bad
		}
	}()
	bad := func(offset int, format string, args ...any) error {
		return &CorruptError{File: s.name, Offset: int64(offset), What: fmt.Sprintf(format, args...)}
	}
	if len(s.data) < headerBytes+trailerBytes {
		return bad(len(s.data), "%d bytes are no segment", len(s.data))
	}
	head := s.data[:headerBytes]
	if string(head[:len(magic)]) != magic {
		return bad(0, "not an index segment")
	}
	if sum := binary.LittleEndian.Uint32(head[headerBytes-4:]); sum != crc32.Checksum(head[:headerBytes-4], castagnoli) && !s.unsummed {
		return bad(0, "the header's checksum is wrong")
	}
	if f := binary.LittleEndian.Uint32(head[len(magic):]); f != formatNumber {
		return bad(len(magic), "format %d is not known, this program knows %d", f, formatNumber)
	}
	at := len(s.data) - trailerBytes
	t := s.data[at:]
	if string(t[trailerBytes-len(trailerMagic):]) != trailerMagic {
		return bad(at, "the trailer is missing: the file was cut off or more was written to it")
	}
	if sum := binary.LittleEndian.Uint32(t[24:]); sum != crc32.Checksum(t[:24], castagnoli) && !s.unsummed {
		return bad(at, "the trailer's checksum is wrong")
	}
	if n := binary.LittleEndian.Uint64(t); n != uint64(len(s.data)) {
		return bad(at, "the file has %d bytes, written were %d", len(s.data), n)
	}
	s.checked = make([]atomic.Uint32, 1)
	where := block{ref: readRef(t[8:])}
	d := decoder{b: s.bytes(where, func([]byte) {}), seg: s, blocks: 1}
	d.directory()
	if d.err == nil && len(d.b) > 0 {
		d.fail("bytes after the end")
	}
	if d.err != nil {
		return bad(int(where.offset), "directory: %v", d.err)
	}
	s.checked = make([]atomic.Uint32, (d.blocks+31)/32)
	s.columns = make(map[query.Field]*column, len(s.list))
	for _, c := range s.list {
		s.columns[c.field] = c
	}
	return nil
}

// decoder reads the bytes of a directory.
type decoder struct {
	b      []byte
	seg    *Segment
	blocks int // numbers that were given to blocks
	err    error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = errors.New(what)
	}
}

// take returns the next n bytes, zeros after an error.
func (d *decoder) take(n int) []byte {
	if n > len(d.b) {
		d.fail("cut off")
	}
	if d.err != nil {
		return make([]byte, n)
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) byte() uint8  { return d.take(1)[0] }
func (d *decoder) long() uint64 { return binary.LittleEndian.Uint64(d.take(8)) }

func (d *decoder) bool() bool {
	v := d.byte()
	if v > 1 {
		d.fail("a flag that is neither 0 nor 1")
	}
	return v == 1
}

// number reads a number of things that there may be up to most of.
func (d *decoder) number(most int) int {
	v := int(binary.LittleEndian.Uint32(d.take(4)))
	if v > most {
		d.fail("a number that is too large")
		return 0
	}
	return v
}

// block reads a ref and gives the block a number.
func (d *decoder) block() block {
	b := block{readRef(d.take(refBytes)), d.blocks}
	size := uint64(len(d.seg.data))
	if b.length > maxBlockBytes || b.offset > size || uint64(b.length) > size-b.offset {
		d.fail("a block that goes beyond the end of the file")
	}
	d.blocks++
	return b
}

func (d *decoder) table(count, record int) table {
	t := table{block: d.block(), count: count, record: record}
	t.first = d.blocks
	// The table must be there before its records are given numbers: else few bytes could claim much memory.
	if uint64(t.length) != uint64(count)*uint64(record) {
		d.fail("a table of another length than its records")
		return t
	}
	d.blocks += count
	return t
}

func (d *decoder) packed(count int, most uint32) packed {
	p := packed{count: d.number(MaxEntries), most: binary.LittleEndian.Uint32(d.take(4))}
	p.width = widthOf(uint64(p.most))
	if p.count != count || p.most != most {
		d.fail("an array of another length or width")
	}
	p.pages = d.table(pagesOf(p.count), refBytes)
	return p
}

func (d *decoder) integers(count int) integers {
	a := integers{count: d.number(MaxEntries), ascending: d.bool(), low: int64(d.long()), high: int64(d.long())}
	if a.count != count {
		d.fail("an array of another length")
	}
	a.pages = d.table(pagesOf(a.count), integersRecord)
	return a
}

func (d *decoder) directory() {
	s := d.seg
	s.first = d.long()
	s.entries = d.number(MaxEntries)
	s.rows = d.number(s.entries)
	if s.first > 1<<63-1-MaxEntries || s.entries == 0 {
		d.fail("a range of entries that cannot be")
	}
	if s.ordered = d.bool(); s.ordered {
		s.order = d.integers(s.rows)
		if s.order.low < -int64(s.rows) || s.order.high >= int64(s.entries) {
			d.fail("an order with places that are not there")
		}
	} else if s.rows != s.entries {
		d.fail("fewer rows than entries and no order")
	}
	s.occurred = d.integers(s.rows)
	s.received = d.integers(s.entries)
	if !s.occurred.ascending {
		d.fail("times that do not ascend")
	}
	s.chained = d.number(s.rows)
	s.chains = d.block()
	if uint64(s.chains.length) != uint64(s.chained)*chainBytes {
		d.fail("account chains of another length")
	}
	s.unsure = d.block()
	s.list = make([]*column, d.number(maxColumns))
	var last query.Field
	for i := range s.list {
		s.list[i] = d.column()
		if d.err != nil {
			return
		}
		if f := s.list[i].field; i > 0 && f <= last {
			d.fail("columns out of order")
		}
		last = s.list[i].field
	}
}

func (d *decoder) column() *column {
	s := d.seg
	c := &column{seg: s}
	c.field = query.Field(d.take(d.number(maxNameBytes)))
	if c.field.Kind() != query.TextKind {
		d.fail("a column of no text field")
	}
	c.form = form(d.byte())
	c.everPresent = d.bool()
	c.present, c.unknown, c.unsure = d.block(), d.block(), d.block()
	c.values.count = d.number(s.rows)
	c.values.pages = d.table((c.values.count+pageValues-1)/pageValues, refBytes)
	switch c.form {
	case unindexed:
	case bitmaps:
		c.sets = d.table(c.values.count, refBytes)
	case dense:
		c.codes = d.codes(c, s.rows)
	case sparse:
		c.codes = d.codes(c, -1)
	default:
		d.fail("a column of an unknown form")
	}
	if c.hashes.count = d.number(s.rows); c.hashes.count > 0 {
		d.hashes(&c.hashes)
	}
	return c
}

// codes reads the codes of a column, of which there are count, or as many as there are.
func (d *decoder) codes(c *column, count int) packed {
	if len(d.b) < 8 {
		d.fail("cut off")
		return packed{}
	}
	have, most := int(binary.LittleEndian.Uint32(d.b)), binary.LittleEndian.Uint32(d.b[4:])
	if count < 0 && have <= d.seg.rows {
		count = have
	}
	if known := uint32(c.values.count); most != known && most != known+1 {
		d.fail("codes of another width than the dictionary")
	}
	return d.packed(count, most)
}

func (d *decoder) hashes(h *hashes) {
	if h.buckets = d.byte(); h.buckets != bucketBits(h.count) {
		d.fail("a strange number of buckets of hashes")
		return
	}
	h.starts = d.packed(1<<h.buckets+1, uint32(h.count))
	h.low = d.packed(h.count, 1<<(hashBits-h.buckets)-1)
	h.rows = d.packed(h.count, uint32(d.seg.rows-1))
}
