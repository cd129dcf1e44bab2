package ids

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Sort orders entries by their keys, as Write wants them. It relies on keys that are spread evenly, and takes as
// much memory as the entries once more.
func Sort(entries []Entry) {
	const few = 64
	if len(entries) < few {
		slices.SortFunc(entries, compare)
		return
	}
	// Each entry goes where its first bits say, among about four others, and then only a few steps further.
	shift := 64 - (bits.Len(uint(len(entries))) - 2)
	starts := make([]uint32, 1<<(64-shift)+1)
	first := func(e *Entry) uint64 { return binary.BigEndian.Uint64(e.Key[:8]) >> shift }
	for i := range entries {
		starts[first(&entries[i])+1]++
	}
	for i := 1; i < len(starts); i++ {
		starts[i] += starts[i-1]
	}
	sorted := make([]Entry, len(entries))
	for i := range entries {
		at := &starts[first(&entries[i])]
		sorted[*at] = entries[i]
		*at++
	}
	// By now each start is the end of its group.
	begin := uint32(0)
	for _, end := range starts[:len(starts)-1] {
		slices.SortFunc(sorted[begin:end], compare)
		begin = end
	}
	copy(entries, sorted)
}
