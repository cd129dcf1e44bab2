package store

import (
	"countersign/event"
	"countersign/merkle"
	"countersign/wal"
)

const (
	chunkBits = 12
	chunkLen  = 1 << chunkBits
)

type chunk [chunkLen]*event.Entry

// snapshot is the open segment as one reader sees it: the first size entries of the trail in seq order.
// It never changes. Later snapshots share its chunks: the writer fills only slots at or past size, and
// publishing the next snapshot by an atomic swap orders those writes before any reader can look there.
type snapshot struct {
	chunks []*chunk
	size   uint64
	proven
	// old is closed when a later snapshot is there to be seen.
	old chan struct{}
}

// proven is what the entries of a snapshot are proven with. It never changes.
type proven struct {
	seeds      [][32]byte  // by seq>>8
	frames     []wal.Place // where the entries lie, ascending
	tree       *treeView
	ring       *keyring
	checkpoint merkle.Checkpoint // of the last batch; zero while there is none
}

func (s *snapshot) at(seq uint64) *event.Entry {
	return s.chunks[seq>>chunkBits][seq&(chunkLen-1)]
}

// take takes the entries of one chunk off the start of what is left, or off the end, and returns them in seq
// order.
func (s *snapshot) take(left *seqs, fromEnd bool) []*event.Entry {
	part := *left
	if fromEnd {
		part.from = max(part.from, (part.to-1)&^(chunkLen-1))
		left.to = part.from
	} else {
		part.to = min(part.to, (part.from|(chunkLen-1))+1)
		left.from = part.to
	}
	return s.chunks[part.from>>chunkBits][part.from&(chunkLen-1):][:part.to-part.from]
}

// with returns the snapshot that has entries behind those of s. Only the owner of the newest snapshot may
// call it, and only once for each: two would fill the same slots.
func (s *snapshot) with(entries []*event.Entry, p proven) *snapshot {
	n := &snapshot{chunks: s.chunks, size: s.size, proven: p, old: make(chan struct{})}
	for _, e := range entries {
		if n.size&(chunkLen-1) == 0 {
			n.chunks = append(n.chunks, new(chunk))
		}
		n.chunks[n.size>>chunkBits][n.size&(chunkLen-1)] = e
		n.size++
	}
	return n
}
