package bitmap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/RoaringBitmap/roaring/v2"
)

// Append appends the bytes of the set to dst, in the smallest containers.
func (s Set) Append(dst []byte) []byte {
	b := s.roaring().Clone()
	b.RunOptimize()
	bytes, err := b.ToBytes()
	if err != nil {
		panic("bitmap: write to memory: " + err.Error())
	}
	return append(dst, bytes...)
}

// Decode reads the bytes of a set of rows below n and checks all of them. The set keeps b.
func Decode(b []byte, n uint32) (Set, error) {
	if err := check(b, n); err != nil {
		return Set{}, err
	}
	return View(b), nil
}

// View returns the set whose bytes are b, which Decode must have accepted before. The set keeps b.
func View(b []byte) Set {
	s := roaring.New()
	if _, err := s.FromBuffer(b); err != nil {
		panic("bitmap: bytes that were accepted: " + err.Error())
	}
	return Set{s}
}

// What the format has: two forms of header, and three of containers of 2^16 rows each.
const (
	cookieRuns   = 12347 // in the low half, the number of containers less one in the high half
	cookieNoRuns = 12346 // the number of containers follows
	arrayMost    = 4096  // rows; a container of more rows is a bitmap or runs
	offsetsFrom  = 4     // containers; fewer have no offsets when there are runs
	bitmapBytes  = 1 << 13
)

// check reports what is wrong with the bytes of a set of rows below n.
func check(b []byte, n uint32) error {
	c := checker{b: b, n: n}
	count, hasRuns, err := c.head()
	if err != nil {
		return err
	}
	isRun := func(int) bool { return false }
	if hasRuns {
		flags, err := c.take((count + 7) / 8)
		if err != nil {
			return err
		}
		isRun = func(i int) bool { return flags[i/8]>>(i%8)&1 == 1 }
	}
	heads, err := c.take(4 * count)
	if err != nil {
		return err
	}
	var offsets []byte
	if !hasRuns || count >= offsetsFrom {
		if offsets, err = c.take(4 * count); err != nil {
			return err
		}
	}
	last := -1
	for i := range count {
		key, size := int(binary.LittleEndian.Uint16(heads[4*i:])), int(binary.LittleEndian.Uint16(heads[4*i+2:]))+1
		if key <= last {
			return errors.New("containers out of order")
		}
		last = key
		if offsets != nil && int(binary.LittleEndian.Uint32(offsets[4*i:])) != c.at {
			return errors.New("a container is not where it should be")
		}
		if err := c.container(uint32(key)<<16, size, isRun(i)); err != nil {
			return err
		}
	}
	if c.at != len(b) {
		return fmt.Errorf("%d bytes after the end", len(b)-c.at)
	}
	return nil
}

type checker struct {
	b  []byte
	at int
	n  uint32
}

func (c *checker) take(n int) ([]byte, error) {
	if n > len(c.b)-c.at {
		return nil, errors.New("cut off")
	}
	c.at += n
	return c.b[c.at-n : c.at], nil
}

// head returns the number of containers and whether some may be runs.
func (c *checker) head() (count int, hasRuns bool, err error) {
	b, err := c.take(4)
	if err != nil {
		return 0, false, err
	}
	cookie := binary.LittleEndian.Uint32(b)
	switch {
	case cookie&0xffff == cookieRuns:
		return int(cookie>>16) + 1, true, nil
	case cookie != cookieNoRuns:
		return 0, false, fmt.Errorf("cookie %d", cookie)
	}
	if b, err = c.take(4); err != nil {
		return 0, false, err
	}
	if n := binary.LittleEndian.Uint32(b); n <= MaxRows>>16 {
		return int(n), false, nil
	}
	return 0, false, errors.New("more containers than there can be")
}

// container checks the next one, which holds size rows from first on.
func (c *checker) container(first uint32, size int, run bool) error {
	if first >= c.n {
		return errors.New("a row past the last")
	}
	most := min(c.n-first, 1<<16) // rows that there are
	switch {
	case run:
		return c.runs(size, most)
	case size > arrayMost:
		return c.bits(size, most)
	}
	b, err := c.take(2 * size)
	if err != nil {
		return err
	}
	last := -1
	for i := 0; i < len(b); i += 2 {
		row := int(binary.LittleEndian.Uint16(b[i:]))
		if row <= last {
			return errors.New("rows out of order")
		}
		last = row
	}
	if last >= int(most) {
		return errors.New("a row past the last")
	}
	return nil
}

func (c *checker) bits(size int, most uint32) error {
	b, err := c.take(bitmapBytes)
	if err != nil {
		return err
	}
	rows, end := 0, 0
	for i := 0; i < len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		rows += bits.OnesCount64(w)
		if w != 0 {
			end = 8*i + bits.Len64(w)
		}
	}
	if rows != size {
		return fmt.Errorf("%d rows in a container of %d", rows, size)
	}
	if end > int(most) {
		return errors.New("a row past the last")
	}
	return nil
}

func (c *checker) runs(size int, most uint32) error {
	b, err := c.take(2)
	if err != nil {
		return err
	}
	count := int(binary.LittleEndian.Uint16(b))
	if b, err = c.take(4 * count); err != nil {
		return err
	}
	rows, end := 0, -1
	for i := 0; i < len(b); i += 4 {
		start, more := int(binary.LittleEndian.Uint16(b[i:])), int(binary.LittleEndian.Uint16(b[i+2:]))
		if start <= end { // runs that touch would be one
			return errors.New("runs out of order")
		}
		end = start + more + 1
		rows += more + 1
	}
	if rows != size {
		return fmt.Errorf("%d rows in a container of %d", rows, size)
	}
	if end > int(most) {
		return errors.New("a row past the last")
	}
	return nil
}
