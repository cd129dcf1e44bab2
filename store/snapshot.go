package store

import (
	"fmt"
	"slices"
	"sort"

	"countersign/event"
	"countersign/merkle"
	"countersign/segment"
	"countersign/wal"
)

const (
	blockBits = 8 // event.BlockEntries

	// A chunk is what is kept and dropped at a time; entries are sealed in whole blocks.
	chunkBits = blockBits
	chunkLen  = 1 << chunkBits
)

type chunk [chunkLen]*event.Entry

// snapshot is the trail as one reader sees it: sealed entries in files, and the open ones behind them in memory, size
// entries in all. It never changes. Later snapshots share its chunks: the writer fills only slots at or past size, and
// publishing the next snapshot by an atomic swap orders those writes before any reader can look there.
type snapshot struct {
	sealed *sealed
	chunks []*chunk // of the entries from sealed.size on, which is where a chunk begins
	size   uint64
	// indexes cover the entries up to indexed: those of what is sealed, then some in memory. What is behind is
	// scanned.
	indexes []*segment.Segment
	indexed uint64
	proven
	// old is closed when a later snapshot is there to be seen.
	old chan struct{}
}

// proven is what the entries of a snapshot are proven with. It never changes.
type proven struct {
	seeds      [][32]byte // of the blocks from the first open one on
	frames     []frame    // where the open entries lie, ascending
	tree       *treeView
	ring       *keyring
	checkpoint merkle.Checkpoint // of the last batch; zero while there is none
}

// frame is where a batch lies in the log, and how many bytes the log had grown by, since the start, behind it.
type frame struct {
	wal.Place
	grown int64
}

// openBytes returns about how many bytes of log the open entries below seq take.
func (s *snapshot) openBytes(seq uint64) int64 {
	n := sort.Search(len(s.frames), func(i int) bool { return s.frames[i].First >= seq })
	if n == 0 {
		return 0
	}
	return s.frames[n-1].grown - s.frames[0].grown
}

// at returns an open entry.
func (s *snapshot) at(seq uint64) *event.Entry {
	return s.chunks[(seq-s.sealed.size)>>chunkBits][seq&(chunkLen-1)]
}

// seed returns what opens the entry at seq.
func (s *snapshot) seed(seq uint64) (seed [32]byte, err error) {
	block := seq >> blockBits
	if open := s.sealed.size >> blockBits; block >= open {
		return event.EntrySeed(s.seeds[block-open], seq), nil
	}
	if s.sealed.salts == nil {
		return seed, s.sealed.damage
	}
	b, err := s.sealed.salts.Block(block)
	if err != nil {
		return seed, err
	}
	seed, ok := b.Seed(byte(seq))
	if !ok {
		return seed, fmt.Errorf("the seed of entry %d is gone", seq)
	}
	return seed, nil
}

// with returns the snapshot that has entries behind those of s. Only the owner of the newest snapshot may
// call it, and only once for each: two would fill the same slots.
func (s *snapshot) with(entries []*event.Entry, p proven) *snapshot {
	n := *s
	n.proven, n.old = p, make(chan struct{})
	for _, e := range entries {
		if n.size&(chunkLen-1) == 0 {
			n.chunks = append(n.chunks, new(chunk))
		}
		n.chunks[(n.size-n.sealed.size)>>chunkBits][n.size&(chunkLen-1)] = e
		n.size++
	}
	return &n
}

// change is what background work made of entries that are there already: a snapshot with the same answers that costs less.
// The writer, who owns the newest snapshot, puts it in place.
type change struct {
	// indexes are those of the snapshot from now on.
	indexes []*segment.Segment
	// sealed, when it is not nil, is what lies in files from now on, and keys are those of the entries that were open
	// before.
	sealed *sealed
	keys   []dedupKey
	done   chan struct{}
}

// after returns the snapshot after a change. p is the tail's.
func (s *snapshot) after(c *change, p proven) *snapshot {
	n := *s
	n.proven, n.old = p, make(chan struct{})
	n.indexes, n.indexed = c.indexes, 0
	if len(c.indexes) > 0 {
		n.indexed = c.indexes[len(c.indexes)-1].End()
	}
	if c.sealed != nil {
		n.chunks = slices.Clone(s.chunks[(c.sealed.size-s.sealed.size)>>chunkBits:])
		n.sealed = c.sealed
	}
	return &n
}
