package segment

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"countersign/bitmap"
	"countersign/event"
	"countersign/query"
)

// What a column may take. Beyond that its rows are unknown, found by the hash of their values if at all. A small segment
// will be merged, which makes a dictionary smaller for each row, so it may take more for now.
const (
	mostBitmaps      = 256     // values that have a set each
	smallSegment     = 1 << 20 // rows
	freeDictionary   = 1 << 16 // bytes that any dictionary may have
	maxValueBytes    = 4096
	maxAttributeText = 256 // bytes of an attribute's value that is in a dictionary
)

// rule is what the column of a field may take.
type rule struct {
	valueBytes int // of one value
	rowBytes   int // of the dictionary, for each row of a segment that is not small; 0 for no dictionary
	hashed     bool
}

func ruleOf(f query.Field) rule {
	if _, ok := f.Attribute(); ok {
		return rule{maxAttributeText, 1, true}
	}
	switch f {
	case query.AccountID: // chains are told by its codes
		return rule{maxValueBytes, 1 << 20, false}
	case query.ID: // hardly ever the same twice
		return rule{0, 0, true}
	case query.Description, query.Detail: // are searched for words, not for equal texts
		return rule{maxValueBytes, 2, false}
	}
	return rule{maxValueBytes, 10, true}
}

// bytes returns how many bytes a dictionary may have.
func (r rule) bytes(rows int) int {
	n := r.rowBytes * rows
	if rows < smallSegment {
		n *= 2
	}
	if r.rowBytes == 0 {
		return 0
	}
	return n + freeDictionary
}

// numbering gives the values of a column numbers as they come, and at the end their codes.
type numbering struct {
	field  query.Field
	rule   rule
	rows   int
	codes  []uint32 // while it is made: the number plus one, or tooLong
	values distinct
	bytes  int
	hashes []uint64 // hash and row, of values that are in no dictionary
	has    int
	full   bool // the dictionary grew too large
}

const tooLong = 1<<32 - 1

func newNumbering(f query.Field, rows int) *numbering {
	r := ruleOf(f)
	return &numbering{field: f, rule: r, rows: rows, codes: make([]uint32, rows), full: r.rowBytes == 0}
}

func (n *numbering) add(row int, v event.Text) {
	if !v.Present {
		return
	}
	n.has++
	if n.full || len(v.Value) > n.rule.valueBytes {
		n.codes[row] = tooLong
		n.hash(row, v.Value)
		return
	}
	i, added := n.values.add(v.Value)
	if added {
		if n.bytes += entryBytes(v.Value); n.bytes > n.rule.bytes(n.rows) {
			n.give(row)
			n.codes[row] = tooLong
			n.hash(row, v.Value)
			return
		}
	}
	n.codes[row] = i + 1
}

// entryBytes returns about what a value takes in a dictionary.
func entryBytes(v string) int {
	if _, ok := nibbles(v); ok {
		return uuidDigits / 2
	}
	return len(v) + 2
}

// give gives the dictionary up, in whose place come hashes.
func (n *numbering) give(before int) {
	n.full = true
	for row, code := range n.codes[:before] {
		if code != absentCode && code != tooLong {
			n.hash(row, n.values.texts[code-1])
			n.codes[row] = tooLong
		}
	}
	n.values = distinct{}
}

func (n *numbering) hash(row int, v string) {
	if n.rule.hashed {
		n.hashes = append(n.hashes, uint64(hashOf(v))<<32|uint64(row))
	}
}

// finish sorts the values and returns the column.
func (n *numbering) finish() *columnData {
	type numbered struct {
		prefix uint64
		value  string
		number uint32
	}
	values := n.values.texts
	sorted := make([]numbered, len(values))
	for i, v := range values {
		sorted[i] = numbered{foldedPrefix(v), v, uint32(i)}
	}
	slices.SortFunc(sorted, func(a, b numbered) int {
		if c := cmp.Compare(a.prefix, b.prefix); c != 0 {
			return c
		}
		return query.CompareText(event.TextOf(a.value), event.TextOf(b.value))
	})
	code := make([]uint32, len(sorted))
	for i, v := range sorted {
		values[i], code[v.number] = v.value, uint32(i)+1
	}
	unknown := uint32(len(sorted)) + 1
	for row, c := range n.codes {
		switch c {
		case absentCode:
		case tooLong:
			n.codes[row] = unknown
		default:
			n.codes[row] = code[c-1]
		}
	}
	slices.Sort(n.hashes)
	return &columnData{
		field: n.field, codes: n.codes, has: n.has, count: len(sorted),
		values: slices.Values(values), hashed: len(n.hashes), hashes: slices.Values(n.hashes),
	}
}

// foldedPrefix returns a number that orders texts as their folded bytes do, but for those that begin alike.
func foldedPrefix(v string) (p uint64) {
	for i := range min(len(v), 8) {
		if v[i] >= utf8.RuneSelf {
			v = query.Fold(v) // as a whole: a cut may go through a character
			break
		}
	}
	head := query.Fold(v[:min(len(v), 8)])
	for i := range 8 {
		p <<= 8
		if i < len(head) {
			p |= uint64(head[i])
		}
	}
	return p
}

// setsOf returns the sets of rows by code, of codes from 0 to most.
func setsOf(codes []uint32, most uint32) []bitmap.Set {
	rows := make([][]uint32, most+1)
	counts := make([]int, most+1)
	for _, c := range codes {
		counts[c]++
	}
	for c, n := range counts {
		if c != absentCode {
			rows[c] = make([]uint32, 0, n)
		}
	}
	for row, c := range codes {
		if c != absentCode {
			rows[c] = append(rows[c], uint32(row))
		}
	}
	out := make([]bitmap.Set, most+1)
	for c := range out {
		out[c] = bitmap.Of(rows[c]...)
	}
	return out
}
