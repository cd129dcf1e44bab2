// Package bitmap holds sets of row numbers: the algebra of filters, rank and select, and their bytes.
//
// Terms. A row is a number below the row count n of its index segment, n at most MaxRows. The rank of a row in a set
// is the number of members before it; select is the inverse: the member of a rank.
//
// Promises. A Set never changes, so it may be shared by goroutines. What is appended to bytes is decoded as the same
// set. View keeps the bytes it is given instead of copying them: they must not change while the set, or one that was
// made of it, is in use.
//
// Trust. Decode takes foreign bytes. It reads them once, allocates nothing for what they claim, and refuses what Append
// would not have written but for the choice of containers. Bytes have no checksum of their own: it stands where they
// are referred to.
//
// It is a thin layer over Roaring bitmaps (https://github.com/RoaringBitmap/RoaringFormatSpec), whose types do not show.
package bitmap

import (
	"iter"

	"github.com/RoaringBitmap/roaring/v2"
)

// MaxRows is the largest row count: all rows are below it.
const MaxRows = 1 << 24

// Set is a set of rows. The zero Set is empty.
type Set struct{ b *roaring.Bitmap }

var none = roaring.New()

func (s Set) roaring() *roaring.Bitmap {
	if s.b == nil {
		return none
	}
	return s.b
}

// Of returns the set of the given rows, quickest when they ascend.
func Of(rows ...uint32) Set { return Set{roaring.BitmapOf(rows...)} }

// Range returns the rows from one up to another, which is not included.
func Range(from, to uint32) Set {
	b := roaring.New()
	b.AddRange(uint64(from), uint64(to))
	return Set{b}
}

// OfDense returns the set whose row r is bit r&63 of words[r>>6]. It keeps words.
func OfDense(words []uint64) Set {
	b := roaring.New()
	b.FromDense(words, false)
	return Set{b}
}

// Dense returns the set in the form that OfDense takes, with room for n rows. All rows must be below n.
func (s Set) Dense(n uint32) []uint64 {
	// The container of the last rows is written whole.
	const container = 1 << 16 / 64
	words := make([]uint64, (int(n)+63)/64, (int(n)+1<<16-1)>>16*container)
	s.roaring().WriteDenseTo(words[:cap(words)])
	return words
}

// And returns the rows that are in both.
func (s Set) And(t Set) Set { return Set{roaring.And(s.roaring(), t.roaring())} }

// Or returns the rows that are in one or both.
func (s Set) Or(t Set) Set { return Set{roaring.Or(s.roaring(), t.roaring())} }

// AndNot returns the rows of s that are not in t.
func (s Set) AndNot(t Set) Set { return Set{roaring.AndNot(s.roaring(), t.roaring())} }

// Not returns the rows below n that are not in s.
func (s Set) Not(n uint32) Set { return Range(0, n).AndNot(s) }

// Union returns the rows that are in at least one of the sets.
func Union(sets ...Set) Set {
	switch len(sets) {
	case 0:
		return Set{}
	case 1:
		return sets[0]
	}
	all := make([]*roaring.Bitmap, len(sets))
	for i, s := range sets {
		all[i] = s.roaring()
	}
	return Set{roaring.FastOr(all...)}
}

// Len returns the number of rows.
func (s Set) Len() int { return int(s.roaring().GetCardinality()) }

// Empty reports whether there are no rows.
func (s Set) Empty() bool { return s.roaring().IsEmpty() }

// AndLen returns the number of rows that are in both.
func (s Set) AndLen(t Set) int { return int(s.roaring().AndCardinality(t.roaring())) }

// Meets reports whether a row is in both.
func (s Set) Meets(t Set) bool { return s.roaring().Intersects(t.roaring()) }

// Has reports whether the row is in the set.
func (s Set) Has(row uint32) bool { return s.roaring().Contains(row) }

// Rank returns the number of rows before the given one.
func (s Set) Rank(row uint32) int {
	if row == 0 {
		return 0
	}
	return int(s.roaring().Rank(row - 1))
}

// Select returns the row that has the given rank, which must be below Len.
func (s Set) Select(rank int) uint32 {
	row, err := s.roaring().Select(uint32(rank))
	if err != nil {
		panic("bitmap: select beyond the end: " + err.Error())
	}
	return row
}

// Min returns the first row of a set that is not empty.
func (s Set) Min() uint32 { return s.roaring().Minimum() }

// Max returns the last row of a set that is not empty.
func (s Set) Max() uint32 { return s.roaring().Maximum() }

// All yields the rows in ascending order.
func (s Set) All() iter.Seq[uint32] {
	return func(yield func(uint32) bool) { s.roaring().Iterate(yield) }
}

// Batches yields the rows in ascending order, many at a time, in a slice that is used again.
func (s Set) Batches() iter.Seq[[]uint32] {
	return func(yield func([]uint32) bool) {
		rows := s.roaring().ManyIterator()
		buf := make([]uint32, min(s.Len(), 4096))
		for n := rows.NextMany(buf); n > 0; n = rows.NextMany(buf) {
			if !yield(buf[:n]) {
				return
			}
		}
	}
}

// Take returns the rows that have the given rank and the next ones, at most n.
func (s Set) Take(rank, n int) []uint32 {
	n = min(n, s.Len()-rank)
	if n <= 0 {
		return nil
	}
	rows := s.roaring().Iterator()
	rows.AdvanceIfNeeded(s.Select(rank))
	out := make([]uint32, n)
	for i := range out {
		out[i] = rows.Next()
	}
	return out
}

// MemoryBytes returns about how much memory the set takes.
func (s Set) MemoryBytes() int {
	const header = 64 // of each container, as measured
	b := s.roaring()
	return int(b.GetSizeInBytes()) + header*(1+int(b.Stats().Containers))
}
