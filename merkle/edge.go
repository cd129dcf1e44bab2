package merkle

import (
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Edge is the right edge of a tree: the roots of the complete subtrees that it is made of (RFC 6962, section
// 2.1). It is all that appending takes. An Edge is a value: a copy is a tree of its own. The zero Edge is the
// empty tree.
type Edge struct {
	size uint64
	// subtree[l] is the root of the complete subtree of 2^l leaves that the size has where its bit l is set.
	subtree [64]Hash
}

// EdgeAt reads the edge of the tree of the given size.
func EdgeAt(r Reader, size uint64) (Edge, error) {
	e := Edge{size: size}
	for left := size; left != 0; left &= left - 1 {
		level := bits.TrailingZeros64(left)
		h, err := r.Hash(level, left>>level-1)
		if err != nil {
			return Edge{}, err
		}
		e.subtree[level] = h
	}
	return e, nil
}

// Size returns the number of leaves.
func (e *Edge) Size() uint64 { return e.size }

// Append adds a leaf. When that completes a block (BlockLevel), it returns the block's hash.
func (e *Edge) Append(leaf Hash) (block Hash, complete bool) {
	level := 0
	for ; e.size>>level&1 == 1; level++ {
		leaf = tlog.NodeHash(e.subtree[level], leaf)
		if level+1 == BlockLevel {
			block, complete = leaf, true
		}
	}
	e.subtree[level] = leaf
	e.size++
	return block, complete
}

// Root returns the hash of the tree. That of the empty tree is the hash of nothing.
func (e *Edge) Root() Hash {
	if e.size == 0 {
		return emptyRoot
	}
	level := bits.TrailingZeros64(e.size)
	root := e.subtree[level]
	for level++; e.size>>level != 0; level++ {
		if e.size>>level&1 == 1 {
			root = tlog.NodeHash(e.subtree[level], root)
		}
	}
	return root
}
