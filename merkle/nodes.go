package merkle

import (
	"sync"
	"sync/atomic"

	"golang.org/x/mod/sumdb/tlog"
)

// Nodes remembers the hashes within the blocks that were asked about last, 512 of them at most and 8 KiB each, for all
// snapshots of one tree: a complete subtree never changes. The zero value is ready; its methods may be called from any
// goroutine.
type Nodes struct {
	slots [512]atomic.Pointer[blockNodes]
}

// blockNodes is what is known of one block.
type blockNodes struct {
	block uint64

	mu    sync.Mutex // held while leaves are read
	known [256]bool
	// nodes has the root of subtree i at a level at 1<<(BlockLevel-level) + i, counted within the block.
	nodes [256]Hash
}

// hash returns the root of a complete subtree at a level from 1 to BlockLevel-1.
func (n *Nodes) hash(level int, index uint64, leaves func(first uint64, n int) ([]Hash, error)) (Hash, error) {
	block := index >> (BlockLevel - level)
	slot := &n.slots[block%uint64(len(n.slots))]
	b := slot.Load()
	if b == nil || b.block != block {
		b = &blockNodes{block: block}
		slot.Store(b)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hash(level, index, leaves)
}

func (b *blockNodes) hash(level int, index uint64, leaves func(first uint64, n int) ([]Hash, error)) (Hash, error) {
	at := place(level, index)
	if b.known[at] {
		return b.nodes[at], nil
	}
	left, right := index*2, index*2+1
	if level == 1 || !b.known[place(level-1, left)] && !b.known[place(level-1, right)] {
		below, err := leaves(index<<level, 1<<level)
		if err != nil {
			return Hash{}, err
		}
		return b.fold(level, index, below), nil
	}
	l, err := b.hash(level-1, left, leaves)
	if err != nil {
		return Hash{}, err
	}
	r, err := b.hash(level-1, right, leaves)
	if err != nil {
		return Hash{}, err
	}
	return b.keep(at, tlog.NodeHash(l, r)), nil
}

// fold remembers all that is above some leaves, up to the root of a subtree.
func (b *blockNodes) fold(level int, index uint64, leaves []Hash) Hash {
	if level == 0 {
		return leaves[0]
	}
	half := len(leaves) / 2
	return b.keep(place(level, index), tlog.NodeHash(b.fold(level-1, index*2, leaves[:half]), b.fold(level-1, index*2+1, leaves[half:])))
}

func (b *blockNodes) keep(at int, h Hash) Hash {
	b.known[at], b.nodes[at] = true, h
	return h
}

// place is where a block has the root of a subtree.
func place(level int, index uint64) int {
	first := uint64(1) << (BlockLevel - level)
	return int(first + index%first)
}
