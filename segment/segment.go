// Package segment holds the index over a range of entries: one immutable file that answers filters, orders and
// counts without touching bodies, and a View over several of them that answers a query.
//
// Terms. A segment covers the entries of one contiguous seq range, at most MaxEntries. Its rows are the events among
// them, in the order of (occurred_at, seq), so a row number is a time rank; system facts have no row. The place of an
// entry is its seq less the segment's first; the order maps rows to places. A column is what a segment knows of one
// text field: the code of each row, 0 for absent, else one more than the place of the value in the column's dictionary,
// which is sorted as query.CompareText has it. Of some rows a column does not know the value (unknown: too long, or one
// of very many), of some not even whether there is one (unsure: an attribute that was too rare to have a column when
// the row was indexed). docs/format/index.md has the bytes.
//
// Promises. The answers are those of package query over each event: what no column knows is read from the bodies, by
// the callback of the View. A total is exact. A page costs about the same at any offset.
//
// Trust. A segment is derived and can be built again from the bodies. Its bytes are foreign all the same: every block
// has a checksum, verified with the block's structure before its first use, and what is wrong is a *CorruptError that
// names the file and the place. A mapped file that is cut off is one too.
//
// Durability. None: whoever builds a file syncs it. A segment that was not closed loses nothing.
//
// It knows no folder, no body file and no tree.
package segment

import (
	"errors"
	"fmt"
	"sync/atomic"

	"countersign/event"
	"countersign/internal/durable"
	"countersign/query"
)

// MaxEntries is the largest number of entries that a segment covers.
const MaxEntries = 1 << 24

// CorruptError says that the bytes of a segment are not what was written, or that they are and contradict the bodies or
// each other. The Offset is -1 where it is not known, the File empty where it may be any of the view.
type CorruptError struct {
	File   string
	Offset int64
	What   string
}

func (e *CorruptError) Error() string {
	switch {
	case e.File == "":
		return "indexes: " + e.What
	case e.Offset < 0:
		return fmt.Sprintf("index %s: %s", e.File, e.What)
	}
	return fmt.Sprintf("index %s, at byte %d: %s", e.File, e.Offset, e.What)
}

// Segment is an open segment. Its methods may be called from any goroutine.
type Segment struct {
	name    string
	data    []byte
	mapping *durable.Mapping // nil when data is ordinary memory
	cache   *Cache
	checked []atomic.Uint32 // a bit for each block, set when it was verified
	// unsummed leaves checksums out, so that fuzzing gets past them.
	unsummed bool
	// strict looks at each block again, and at what stands between it and the next: a check of everything.
	strict bool

	directory
	columns map[query.Field]*column
}

// Open opens the segment that is mapped and takes the mapping over, also when it fails. Only the directory is
// read. What is worth keeping goes into the cache, which may be nil and may be shared.
func Open(name string, m *durable.Mapping, c *Cache) (*Segment, error) {
	s := &Segment{name: name, mapping: m, cache: c}
	err := m.View(func(b []byte) error {
		s.data = b // touched inside a view only
		return s.open()
	})
	if err != nil {
		return nil, errors.Join(s.damage(err), m.Close())
	}
	return s, nil
}

// OpenBytes opens the segment whose file is b, which must not change any more.
func OpenBytes(name string, b []byte, c *Cache) (*Segment, error) {
	s := &Segment{name: name, data: b, cache: c}
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close lets the file go when the last question to it is answered. Questions after that are refused.
func (s *Segment) Close() error {
	s.cache.drop(s)
	if s.mapping == nil {
		return nil
	}
	return s.mapping.Close()
}

// First returns the seq of the first entry.
func (s *Segment) First() uint64 { return s.first }

// End returns the seq after that of the last entry.
func (s *Segment) End() uint64 { return s.first + uint64(s.entries) }

// Rows returns the number of events, which is that of the entries without system facts.
func (s *Segment) Rows() int { return s.rows }

// Span returns the moments at which the first and the last row occurred. It has a meaning when there are rows.
func (s *Segment) Span() (from, to event.Micros) {
	return event.Micros(s.occurred.low), event.Micros(s.occurred.high)
}

// SizeBytes returns the length of the file.
func (s *Segment) SizeBytes() int64 { return int64(len(s.data)) }

// viewAll runs fn, which touches the bytes of the segments. Inside the package what is wrong with bytes is a panic with
// a *CorruptError, which ends here: there are hundreds of places that look at bytes, and each answer needs all of
// them.
func viewAll(segments []*Segment, fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			bad, ok := r.(*CorruptError)
			if !ok {
				panic(r)
			}
			err = bad
		}
	}()
	return nest(segments, fn)
}

func nest(segments []*Segment, fn func() error) error {
	if len(segments) == 0 {
		return fn()
	}
	s := segments[0]
	if s.mapping == nil {
		return nest(segments[1:], fn)
	}
	return s.damage(s.mapping.View(func([]byte) error { return nest(segments[1:], fn) }))
}

const faultText = "the file was cut off or the disk failed"

// damage makes a fault of the mapping a *CorruptError.
func (s *Segment) damage(err error) error {
	if f, ok := errors.AsType[*durable.FaultError](err); ok && f.Name == s.name {
		return &CorruptError{File: s.name, Offset: f.Offset, What: faultText}
	}
	return err
}
