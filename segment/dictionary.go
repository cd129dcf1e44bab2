package segment

import (
	"encoding/binary"
	"sort"
	"strings"

	"countersign/event"
	"countersign/query"
)

// dictionary is the values of a column, sorted as query.CompareText has it, in pages of pageValues. A page is groups of
// groupValues; the first value of a group is written whole and the others as what differs from the one before.
type dictionary struct {
	count int
	pages table
}

const (
	groupValues = 16
	pageGroups  = 64
	pageValues  = groupValues * pageGroups
)

// An entry begins with a number: what it shares with the value before, doubled, and one if the value is a UUID. Of
// a UUID half bytes are shared and follow, of any other value bytes.
const (
	plainEntry = 0
	uuidEntry  = 1
	uuidLen    = 36
	uuidDigits = 32
)

// nibbles returns the digits of a UUID in its usual form with small letters.
func nibbles(v string) (digits [uuidDigits]byte, ok bool) {
	if len(v) != uuidLen {
		return digits, false
	}
	n := 0
	for i := range len(v) {
		c := v[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return digits, false
			}
			continue
		case '0' <= c && c <= '9':
			digits[n] = c - '0'
		case 'a' <= c && c <= 'f':
			digits[n] = c - 'a' + 10
		default:
			return digits, false
		}
		n++
	}
	return digits, true
}

// appendUUID appends the UUID of the digits.
func appendUUID(b []byte, digits *[uuidDigits]byte) []byte {
	const hex = "0123456789abcdef"
	for i, d := range digits {
		switch i {
		case 8, 12, 16, 20:
			b = append(b, '-')
		}
		b = append(b, hex[d])
	}
	return b
}

// dictionaryWriter writes values that come in order.
type dictionaryWriter struct {
	w     *writer
	count int
	heads []byte // offsets of the groups of the page
	page  []byte
	table []byte

	last       string
	lastIsUUID bool
	lastDigits [uuidDigits]byte
}

func (d *dictionaryWriter) add(v string) {
	if d.count%pageValues == 0 {
		d.flush()
	}
	first := d.count%groupValues == 0
	if first {
		d.heads = binary.LittleEndian.AppendUint32(d.heads, uint32(len(d.page)))
	}
	digits, isUUID := nibbles(v)
	shared := 0
	switch {
	case isUUID:
		if !first && d.lastIsUUID {
			shared = sharedLen(string(digits[:]), string(d.lastDigits[:]))
		}
		d.page = binary.AppendUvarint(d.page, uint64(shared)<<1|uuidEntry)
		for i := shared; i < uuidDigits; i += 2 {
			b := digits[i] << 4
			if i+1 < uuidDigits {
				b |= digits[i+1]
			}
			d.page = append(d.page, b)
		}
	default:
		if !first {
			shared = sharedLen(v, d.last)
		}
		d.page = binary.AppendUvarint(d.page, uint64(shared)<<1|plainEntry)
		d.page = binary.AppendUvarint(d.page, uint64(len(v)-shared))
		d.page = append(d.page, v[shared:]...)
	}
	d.last, d.lastIsUUID, d.lastDigits = v, isUUID, digits
	d.count++
}

func sharedLen(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func (d *dictionaryWriter) flush() {
	if len(d.heads) == 0 {
		return
	}
	d.table = appendRef(d.table, d.w.block(append(d.heads, d.page...)))
	d.heads, d.page = d.heads[:0], d.page[:0]
}

func (d *dictionaryWriter) finish() ref {
	d.flush()
	return d.w.block(d.table)
}

// cursor reads the values of a page one after the other.
type cursor struct {
	b      []byte // what is left of the page
	value  []byte // the value that was read last, to be overwritten by the next one
	isUUID bool
	digits [uuidDigits]byte
}

// next reads a value. It reports what is wrong with the bytes, "" for nothing.
func (c *cursor) next(first bool) string {
	tag, n := binary.Uvarint(c.b)
	if n <= 0 {
		return "an entry that is cut off"
	}
	c.b = c.b[n:]
	shared := tag >> 1
	if tag&1 == uuidEntry {
		return c.uuid(shared, first)
	}
	more, n := binary.Uvarint(c.b)
	if n <= 0 || more > uint64(len(c.b)-n) {
		return "a value that is cut off"
	}
	if shared > uint64(len(c.value)) || first && shared > 0 {
		return "a value that shares more than there is"
	}
	c.value = append(c.value[:shared], c.b[n:n+int(more)]...)
	c.b = c.b[n+int(more):]
	c.isUUID = false
	return ""
}

func (c *cursor) uuid(shared uint64, first bool) string {
	if shared > uuidDigits || shared > 0 && (first || !c.isUUID) {
		return "a value that shares more than there is"
	}
	n := (uuidDigits - int(shared) + 1) / 2
	if n > len(c.b) {
		return "a value that is cut off"
	}
	for i := int(shared); i < uuidDigits; i += 2 {
		b := c.b[(i-int(shared))/2]
		c.digits[i] = b >> 4
		if i+1 < uuidDigits {
			c.digits[i+1] = b & 0xf
		}
	}
	c.b = c.b[n:]
	c.value = appendUUID(c.value[:0], &c.digits)
	c.isUUID = true
	return ""
}

// dictionaryPage returns a page and how many values it has.
func (s *Segment) dictionaryPage(d *dictionary, page int) (b []byte, n int) {
	n = min(pageValues, d.count-page*pageValues)
	at := s.at(&d.pages, page)
	return s.bytes(at, func(data []byte) {
		groups := (n + groupValues - 1) / groupValues
		if len(data) < 4*groups {
			s.fail(at, "a page of a dictionary that is cut off")
		}
		c := cursor{b: data[4*groups:]}
		end := len(data)
		var last []byte
		for i := range n {
			if i%groupValues == 0 && int(binary.LittleEndian.Uint32(data[4*(i/groupValues):])) != end-len(c.b)-4*groups {
				s.fail(at, "a group of values that is not where it should be")
			}
			if what := c.next(i%groupValues == 0); what != "" {
				s.fail(at, "value %d: %s", page*pageValues+i, what)
			}
			if i > 0 && query.CompareText(event.TextOf(text(last)), event.TextOf(text(c.value))) >= 0 {
				s.fail(at, "value %d is out of order", page*pageValues+i)
			}
			last = append(last[:0], c.value...)
		}
		if len(c.b) > 0 {
			s.fail(at, "%d bytes after the last value", len(c.b))
		}
	}), n
}

// cursorAt returns a cursor before the first value of a group of a page of n values.
func cursorAt(b []byte, n, g int) cursor {
	groups := (n + groupValues - 1) / groupValues
	return cursor{b: b[4*groups+int(binary.LittleEndian.Uint32(b[4*g:])):]}
}

// value returns value i of the dictionary.
func (s *Segment) value(d *dictionary, i int) string {
	b, n := s.dictionaryPage(d, i/pageValues)
	at := i % pageValues
	c := cursorAt(b, n, at/groupValues)
	for j := range at%groupValues + 1 {
		c.next(j == 0)
	}
	return string(c.value)
}

// values calls visit with each value from the given one on, in order, until it returns false. The bytes are good until
// visit returns.
func (s *Segment) values(d *dictionary, from int, visit func(i int, v []byte) bool) {
	var c cursor
	for i := from / groupValues * groupValues; i < d.count; i++ {
		if i%pageValues == 0 || c.b == nil {
			b, n := s.dictionaryPage(d, i/pageValues)
			c = cursorAt(b, n, i%pageValues/groupValues)
		}
		c.next(i%groupValues == 0)
		if i >= from && !visit(i, c.value) {
			return
		}
	}
}

// search returns the place of the first value for which reached is true, of those in [from, to), or to. reached must be
// false for all values before a place and true from there on. It must not keep its argument.
func (s *Segment) search(d *dictionary, from, to int, reached func(v string) bool) int {
	// Groups, by their first values; then along one group.
	first, last := from/groupValues, (to+groupValues-1)/groupValues
	g := first + sort.Search(last-first, func(i int) bool {
		at := (first + i) * groupValues
		if at < from {
			return false
		}
		b, n := s.dictionaryPage(d, at/pageValues)
		c := cursorAt(b, n, at%pageValues/groupValues)
		c.next(true)
		return reached(text(c.value))
	})
	if g == first {
		return from
	}
	found := min(to, g*groupValues)
	s.values(d, max(from, (g-1)*groupValues), func(i int, v []byte) bool {
		if i >= found {
			return false
		}
		if reached(text(v)) {
			found = i
		}
		return i < found
	})
	return found
}

// find returns the place of the first value that is not before v, of those in [from, to), or to.
func (s *Segment) find(d *dictionary, from, to int, v string) int {
	return s.search(d, from, to, func(have string) bool { return query.CompareText(event.TextOf(have), event.TextOf(v)) >= 0 })
}

// findFolded returns the places of the values that begin with the folded text, or that are it.
func (s *Segment) findFolded(d *dictionary, folded string, whole bool) (from, to int) {
	from = s.search(d, 0, d.count, func(have string) bool { return strings.Compare(query.Fold(have), folded) >= 0 })
	to = s.search(d, from, d.count, func(have string) bool {
		have = query.Fold(have)
		return have > folded && (whole || !strings.HasPrefix(have, folded))
	})
	return from, to
}
