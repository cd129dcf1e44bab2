package bodies

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// UUIDs are half of what an event takes when it is compressed: 36 characters of which the compressor makes 20 bytes,
// where there are 16. So a text of a body that is a UUID, its length before it, is replaced by an escape and a number:
// of the file's UUIDs, or of those of the block, which stand apart and uncompressed.
//
//	escape 0        the byte escape itself
//	escape 1        the next UUID of the block
//	escape 2+i      UUID i of the file, or where the file has n, UUID i-n of those of the block before
const (
	// escape is no byte of UTF-8, and rare in the numbers of a body.
	escape = 0xff

	escapedByte = 0
	escapedNext = 1
	escapedSeen = 2

	uuidBytes = 16
	uuidText  = 36 // characters, and the length that stands before them

	// maxFresh is how many UUIDs the head of a block can count.
	maxFresh = 1<<16 - 1
)

type uuid [uuidBytes]byte

// nibbles has the value of each lower-case hexadecimal digit, and bad for every other byte.
var nibbles = func() (t [256]byte) {
	for i := range t {
		t[i] = bad
	}
	for i, c := range []byte("0123456789abcdef") {
		t[c] = byte(i)
	}
	return t
}()

const bad = 0x80

// parseUUID reads the one rendering of a UUID that is replaced: in lower case, with hyphens.
func parseUUID(s []byte) (u uuid, ok bool) {
	if len(s) < uuidText || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, false
	}
	var seen byte
	at := 0
	for i := range u {
		switch i {
		case 4, 6, 8, 10:
			at++
		}
		hi, lo := nibbles[s[at]], nibbles[s[at+1]]
		seen |= hi | lo
		u[i] = hi<<4 | lo
		at += 2
	}
	return u, seen&bad == 0
}

func appendUUID(dst []byte, u []byte) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, uuidText)
	for i, b := range u {
		switch i {
		case 4, 6, 8, 10:
			dst = append(dst, '-')
		}
		dst = append(dst, digits[b>>4], digits[b&15])
	}
	return dst
}

// packer replaces the UUIDs of the bodies of one block after the other.
type packer struct {
	// file are the UUIDs of the file by their numbers.
	file map[uuid]int
	// seen are those of the block, fresh are the same in the order of their numbers.
	seen  map[uuid]int
	fresh []byte
	// keep leaves in place what is not one of the file's, for the dictionary.
	keep bool
}

// reset begins a block.
func (p *packer) reset() {
	clear(p.seen)
	p.fresh = p.fresh[:0]
}

// appendPacked appends body with its UUIDs replaced.
func (p *packer) appendPacked(dst, body []byte) []byte {
	for {
		// What looks like the length of a UUID.
		i := bytes.IndexByte(body, uuidText)
		if i < 0 {
			return appendEscaped(dst, body)
		}
		u, ok := parseUUID(body[i+1:])
		number := 0
		if ok {
			number, ok = p.number(u)
		}
		if !ok {
			dst = appendEscaped(dst, body[:i+1])
			body = body[i+1:]
			continue
		}
		dst = append(appendEscaped(dst, body[:i]), escape)
		dst = binary.AppendUvarint(dst, uint64(number))
		body = body[i+1+uuidText:]
	}
}

// number returns what follows the escape for u.
func (p *packer) number(u uuid) (number int, ok bool) {
	if i, ok := p.file[u]; ok {
		return escapedSeen + i, true
	}
	if i, ok := p.seen[u]; ok {
		return escapedSeen + len(p.file) + i, true
	}
	if p.keep || len(p.seen) == maxFresh {
		return 0, false
	}
	p.seen[u] = len(p.seen)
	p.fresh = append(p.fresh, u[:]...)
	return escapedNext, true
}

func appendEscaped(dst, b []byte) []byte {
	for {
		i := bytes.IndexByte(b, escape)
		if i < 0 {
			return append(dst, b...)
		}
		dst = append(append(dst, b[:i]...), escape, escapedByte)
		b = b[i+1:]
	}
}

// unpacker puts the UUIDs back into the bodies of one block, from the first on.
type unpacker struct {
	file, block []byte
	// next is the number of UUIDs of the block that have come.
	next int
}

var (
	errEscape   = errors.New("a UUID that is none of the file and the block")
	errTooLarge = errors.New("a body that is larger than the limit")
)

// skip passes over the text of a body.
func (u *unpacker) skip(text []byte) error {
	for {
		i := bytes.IndexByte(text, escape)
		if i < 0 {
			return nil
		}
		number, rest, err := cutNumber(text[i+1:])
		if err != nil {
			return err
		}
		if number == escapedNext {
			u.next++
		}
		text = rest
	}
}

// appendBody appends the body whose text is given.
func (u *unpacker) appendBody(dst, text []byte) ([]byte, error) {
	start := len(dst)
	for {
		i := bytes.IndexByte(text, escape)
		if i < 0 {
			i = len(text)
		}
		if len(dst)-start+i > MaxBodyBytes {
			return dst, errTooLarge
		}
		dst = append(dst, text[:i]...)
		if i == len(text) {
			return dst, nil
		}
		number, rest, err := cutNumber(text[i+1:])
		if err != nil {
			return dst, err
		}
		text = rest
		if number == escapedByte {
			dst = append(dst, escape)
			continue
		}
		id, err := u.uuid(number)
		if err != nil {
			return dst, err
		}
		dst = appendUUID(dst, id)
	}
}

func (u *unpacker) uuid(number uint64) ([]byte, error) {
	from, i := u.block, uint64(u.next)
	if number == escapedNext {
		u.next++
	} else if i = number - escapedSeen; i < uint64(len(u.file)/uuidBytes) {
		from = u.file
	} else if i -= uint64(len(u.file) / uuidBytes); i >= uint64(u.next) {
		return nil, errEscape
	}
	if i >= uint64(len(from)/uuidBytes) {
		return nil, errEscape
	}
	return from[i*uuidBytes : (i+1)*uuidBytes], nil
}

func cutNumber(b []byte) (uint64, []byte, error) {
	number, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, errEscape
	}
	return number, b[n:], nil
}
