package store

import "countersign/event"

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
}

func (s *snapshot) at(seq uint64) *event.Entry {
	return s.chunks[seq>>chunkBits][seq&(chunkLen-1)]
}

// with returns the snapshot that has entries behind those of s. Only the owner of the newest snapshot may
// call it, and only once for each: two would fill the same slots.
func (s *snapshot) with(entries []*event.Entry) *snapshot {
	n := &snapshot{chunks: s.chunks, size: s.size}
	for _, e := range entries {
		if n.size&(chunkLen-1) == 0 {
			n.chunks = append(n.chunks, new(chunk))
		}
		n.chunks[n.size>>chunkBits][n.size&(chunkLen-1)] = e
		n.size++
	}
	return n
}
