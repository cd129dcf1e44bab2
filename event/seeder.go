package event

import (
	"crypto/sha256"
	"math/bits"
)

// Seeder derives what EntrySeed does for many entries. For entries in seq order it goes on from where the paths
// part, which costs two hashes an entry and not eight. It is for one goroutine; the zero value is ready.
type Seeder struct {
	seq   uint64
	path  [9][32]byte // path[0] is the block's seed, path[8] that of the entry seq
	valid bool
}

// Seed returns the seed of the entry at seq, which lies in the block b.
func (s *Seeder) Seed(b Block, seq uint64) [32]byte {
	const tag = "cs/ggm/1"
	depth := 0
	if s.valid && s.seq>>8 == seq>>8 && s.path[0] == [32]byte(b) {
		depth = bits.LeadingZeros8(uint8(s.seq ^ seq)) // the bits that both paths begin with
	}
	s.path[0] = [32]byte(b)
	var msg [len(tag) + 1 + sha256.Size]byte
	copy(msg[:], tag)
	for ; depth < 8; depth++ {
		msg[len(tag)] = byte(seq >> (7 - depth) & 1)
		copy(msg[len(tag)+1:], s.path[depth][:])
		s.path[depth+1] = sha256.Sum256(msg[:])
	}
	s.seq, s.valid = seq, true
	return s.path[8]
}
