package segment

import (
	"hash/crc32"
	"sort"

	"countersign/bitmap"
	"countersign/event"
	"countersign/query"
)

// form says how a column holds the codes of its rows.
type form uint8

const (
	// unindexed holds none: all that are there are unknown.
	unindexed form = iota
	// bitmaps holds a set of rows for each value, and the set of unknown rows.
	bitmaps
	// dense holds an array of the codes of all rows.
	dense
	// sparse holds an array of the codes of those rows that have one.
	sparse
)

// column is what is known of one text field. A field without a column is absent in all rows, but for an attribute
// in the rows that the segment is unsure of.
type column struct {
	seg   *Segment
	field query.Field
	form  form
	// present is the rows that have a value, everPresent that all have one. The form dense tells it by itself.
	present     block
	everPresent bool
	unknown     block // of the form bitmaps
	unsure      block
	values      dictionary
	sets        table // of the form bitmaps: a set for each value
	codes       packed
	hashes      hashes
}

// absentCode is the code of absent values. The first value has the next one, unknown values that after the last.
const absentCode = 0

func (c *column) unknownCode() uint32 { return uint32(c.values.count) + 1 }

// all returns all rows of the segment.
func (s *Segment) all() bitmap.Set { return bitmap.Range(0, uint32(s.rows)) }

// presentRows returns those of the rows that have a value, known or not.
func (c *column) presentRows(within bitmap.Set) bitmap.Set {
	switch {
	case c.everPresent:
		return within
	case c.form == dense:
		return c.scan(codes{{absentCode + 1, c.unknownCode() + 1}}, within)
	}
	return c.seg.set(c.present).And(within)
}

// unknownRows returns the rows that have a value which the column does not know.
func (c *column) unknownRows() bitmap.Set {
	switch c.form {
	case unindexed:
		return c.presentRows(c.seg.all())
	case bitmaps:
		return c.seg.set(c.unknown)
	}
	if c.codes.most < c.unknownCode() {
		return bitmap.Set{}
	}
	return c.scan(codes{{c.unknownCode(), c.unknownCode() + 1}}, c.seg.all())
}

// codes is ranges of codes, each from one up to another that is not included, in ascending order and apart.
type codes [][2]uint32

// add adds the codes from lo up to hi, which must not be before those of the last call.
func (c codes) add(lo, hi uint32) codes {
	if lo >= hi {
		return c
	}
	if n := len(c); n > 0 && lo <= c[n-1][1] {
		c[n-1][1] = max(c[n-1][1], hi)
		return c
	}
	return append(c, [2]uint32{lo, hi})
}

// rowsOf returns those of the given rows that have one of the codes, none of which may be absent or unknown.
func (c *column) rowsOf(wanted codes, within bitmap.Set) bitmap.Set {
	switch {
	case len(wanted) == 0:
		return bitmap.Set{}
	case c.form == bitmaps:
		var sets []bitmap.Set
		for _, r := range wanted {
			for code := r[0]; code < r[1]; code++ {
				sets = append(sets, c.seg.set(c.seg.at(&c.sets, int(code-1))))
			}
		}
		return bitmap.Union(sets...).And(within)
	case c.form == unindexed:
		return bitmap.Set{}
	}
	return c.scan(wanted, within)
}

// value returns the value of a code.
func (c *column) value(code uint32) string { return c.seg.value(&c.values, int(code-1)) }

// key returns the text that a code stands for, which must not be unknown.
func (c *column) key(code uint32) event.Text {
	if code == absentCode {
		return event.Text{}
	}
	return event.TextOf(c.value(code))
}

// hashes finds rows by the hash of their values, of those rows whose value the column does not know. They are sorted by
// hash. The high bits of a hash are the number of its bucket, the low bits are stored.
type hashes struct {
	count   int
	buckets uint8  // bits
	starts  packed // where each bucket begins, and at last the count
	low     packed
	rows    packed
}

const hashBits = 24

// hashOf returns the hash of a value, the same for all that are equal when case is ignored.
func hashOf(v string) uint32 {
	return crc32.Checksum([]byte(query.Fold(v)), castagnoli) >> (32 - hashBits)
}

// bucketBits keeps about 8 to 16 entries in a bucket.
func bucketBits(count int) uint8 {
	return uint8(min(max(int(widthOf(uint64(count)))-4, 0), hashBits))
}

// candidates returns the rows whose values may be equal to v when case is ignored, of those that are hashed.
func (c *column) candidates(v string) []uint32 {
	h := &c.hashes
	if h.count == 0 {
		return nil
	}
	s, hash, lowBits := c.seg, hashOf(v), hashBits-h.buckets
	bucket := int(hash >> lowBits)
	low := hash & (1<<lowBits - 1)
	from, to := int(s.packedAt(&h.starts, bucket)), int(s.packedAt(&h.starts, bucket+1))
	if from > to {
		s.fail(h.starts.pages.block, "bucket %d of hashes ends before it begins", bucket)
	}
	var rows []uint32
	i := from + sort.Search(to-from, func(i int) bool { return s.packedAt(&h.low, from+i) >= low })
	for ; i < to && s.packedAt(&h.low, i) == low; i++ {
		rows = append(rows, s.packedAt(&h.rows, i))
	}
	return rows
}

// allHashes calls visit with each hash and row, in order.
func (c *column) allHashes(visit func(hash, row uint32)) {
	h := &c.hashes
	lowBits := hashBits - h.buckets
	bucket, end := -1, 0
	starts, low, rows := c.seg.inOrder(&h.starts), c.seg.inOrder(&h.low), c.seg.inOrder(&h.rows)
	for i := range h.count {
		for i >= end {
			if bucket++; bucket == 1<<h.buckets {
				c.seg.fail(h.starts.pages.block, "the buckets of hashes end before the hashes do")
			}
			end = int(starts.at(bucket + 1))
		}
		visit(uint32(bucket)<<lowBits|low.at(i), rows.at(i))
	}
}

// hashWriter writes hashes that come in order.
type hashWriter struct {
	count     int
	lowBits   uint8
	starts    []uint32
	low, rows *packer
	most      uint32 // row
	n         int
}

// newHashWriter expects count hashes of rows below the given number.
func newHashWriter(w *writer, count, rows int) *hashWriter {
	buckets := bucketBits(count)
	h := &hashWriter{count: count, lowBits: hashBits - buckets, starts: make([]uint32, 1, 2+1<<buckets), most: uint32(rows - 1)}
	h.low = newPacker(w, 1<<h.lowBits-1)
	h.rows = newPacker(w, h.most)
	return h
}

func (h *hashWriter) add(hash, row uint32) {
	h.endBefore(int(hash >> h.lowBits))
	h.low.add(hash & (1<<h.lowBits - 1))
	h.rows.add(row)
	h.n++
}

// endBefore ends the buckets before the given one.
func (h *hashWriter) endBefore(bucket int) {
	for len(h.starts) <= bucket {
		h.starts = append(h.starts, uint32(h.n))
	}
}

// finish writes the tables and returns what there is.
func (h *hashWriter) finish(w *writer) hashes {
	buckets := uint8(hashBits - h.lowBits)
	h.endBefore(1 << buckets)
	starts := newPacker(w, uint32(h.count))
	for _, v := range h.starts {
		starts.add(v)
	}
	array := func(p *packer, count int, most uint32) packed {
		a := packed{count: count, most: most}
		a.pages.ref = p.finish()
		return a
	}
	return hashes{
		count: h.count, buckets: buckets, starts: array(starts, len(h.starts), uint32(h.count)),
		low: array(h.low, h.count, 1<<h.lowBits-1), rows: array(h.rows, h.count, h.most),
	}
}
