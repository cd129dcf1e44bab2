package ids

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"

	"countersign/internal/durable"
)

// Merge makes one run of several that follow each other. pace, unless it is nil, is called every few thousand entries:
// it may sleep, and an error of it ends the merge. For the rest it is as Write.
func Merge(fsys durable.FS, path string, runs []*Run, pace func() error) error {
	if _, err := NewSet(runs...); err != nil || len(runs) == 0 {
		return fmt.Errorf("merge ids: %d runs: %w", len(runs), err)
	}
	var count uint64
	for _, r := range runs {
		count += r.l.count
	}
	return Write(fsys, path, runs[0].l.from, runs[len(runs)-1].l.to, count, merged(runs, pace))
}

// Due returns which of the runs with these numbers of entries, in the order of their seqs, are to be merged next: those
// from i on, up to but not including j. i equals j when there is nothing to do.
//
// A run belongs to the class of the largest power of 8 that is not above its size. When 8 of a class have come together
// at the end, they are merged, with what smaller ones stand among and after them. So there are about 7 of each class
// at most, and an entry is written once for each class that its run passes through.
func Due(counts []uint64) (i, j int) {
	const ratio = 8
	class := func(n uint64) (c int) {
		for ; n >= ratio; n /= ratio {
			c++
		}
		return c
	}
	for c := range class(1<<63) + 1 {
		same := 0
		for i := len(counts) - 1; i >= 0 && class(counts[i]) <= c; i-- {
			if class(counts[i]) == c {
				same++
			}
			if same == ratio {
				return i, len(counts)
			}
		}
	}
	return len(counts), len(counts)
}

// Entries yields all entries in the order of their keys. After an error it ends.
func (r *Run) Entries() iter.Seq2[Entry, error] { return merged([]*Run{r}, nil) }

// paceEntries is how many entries pass between two calls of pace.
const paceEntries = 8192

// merged yields the entries of all runs in the order of their keys.
func merged(runs []*Run, pace func() error) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var h heap
		for _, r := range runs {
			c := &cursor{run: r}
			switch more, err := c.next(); {
			case err != nil:
				yield(Entry{}, err)
				return
			case more:
				h = append(h, c)
			}
		}
		for i := len(h)/2 - 1; i >= 0; i-- {
			h.down(i)
		}
		for n := 1; len(h) > 0; n++ {
			if pace != nil && n%paceEntries == 0 {
				if err := pace(); err != nil {
					yield(Entry{}, err)
					return
				}
			}
			c := h[0]
			if !yield(c.entry, nil) {
				return
			}
			more, err := c.next()
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if !more {
				h[0] = h[len(h)-1]
				h = h[:len(h)-1]
			}
			h.down(0)
		}
	}
}

// heap has the cursor with the smallest key first.
type heap []*cursor

func (h heap) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child].less(h[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

// cursor goes through the entries of a run, some of them at a time, so that no view of the file stays open while
// others work with them.
type cursor struct {
	run   *Run
	entry Entry
	buf   []Entry
	used  int
	// at is the place of the next entry to be read, bucket the one that it is in.
	at     uint32
	bucket uint64
}

func (c *cursor) less(d *cursor) bool {
	a, b := binary.BigEndian.Uint64(c.entry.Key[:8]), binary.BigEndian.Uint64(d.entry.Key[:8])
	return a < b || a == b && bytes.Compare(c.entry.Key[8:], d.entry.Key[8:]) < 0
}

// next moves to the next entry and reports whether there is one.
func (c *cursor) next() (bool, error) {
	if c.used == len(c.buf) {
		if err := c.run.view(c.fill); err != nil {
			return false, err
		}
		if len(c.buf) == 0 {
			return false, nil
		}
	}
	c.entry = c.buf[c.used]
	c.used++
	return true, nil
}

func (c *cursor) fill(b []byte) error {
	const room = 512
	c.buf, c.used = c.buf[:0], 0
	for c.bucket < c.run.l.buckets && len(c.buf) < room {
		first, end, err := c.run.bucket(b, c.bucket)
		if err != nil {
			return err
		}
		if c.at < first || c.at > end {
			at := c.run.l.starts + int64(c.bucket)*startSize
			return c.run.corrupt(at, "bucket %d begins with entry %d, the one before ends at %d", c.bucket, first, c.at)
		}
		part := min(end, c.at+uint32(room-len(c.buf)))
		if c.buf, err = c.run.appendEntries(c.buf, b, c.bucket, c.at, part); err != nil {
			return err
		}
		if c.at = part; part == end {
			c.bucket++
		}
	}
	return nil
}

// appendEntries appends the entries from first to before end, which are in that bucket.
func (r *Run) appendEntries(dst []Entry, b []byte, bucket uint64, first, end uint32) ([]Entry, error) {
	n := int(end - first)
	heads, err := r.bytes(b, r.l.heads+int64(first)*headBytes, n*headBytes)
	if err != nil {
		return dst, err
	}
	rows, err := r.bytes(b, r.l.rows+int64(first)*int64(r.l.rowBytes), n*r.l.rowBytes)
	if err != nil {
		return dst, err
	}
	for i := range n {
		row := rows[i*r.l.rowBytes : (i+1)*r.l.rowBytes]
		key, ok := r.l.join(bucket, binary.BigEndian.Uint16(heads[i*headBytes:]), row[:r.l.restBytes])
		if !ok {
			at := r.l.rows + int64(int(first)+i)*int64(r.l.rowBytes)
			return dst, r.corrupt(at, "entry %d has another key than its place", int(first)+i)
		}
		seq, err := r.seq(row, int(first)+i)
		if err != nil {
			return dst, err
		}
		dst = append(dst, Entry{key, seq})
	}
	return dst, nil
}
