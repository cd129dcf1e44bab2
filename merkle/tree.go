package merkle

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"

	"golang.org/x/mod/sumdb/tlog"
)

var emptyRoot = Hash(sha256.Sum256(nil))

// maxSize is the largest tree that can be asked about: the arithmetic below is in int64.
const maxSize = 1 << 62

// Reader gives the root of a complete subtree: 2^level leaves, of which the first is leaf index<<level.
type Reader interface {
	Hash(level int, index uint64) (Hash, error)
}

// Root returns the hash of the tree of the first size leaves.
func Root(r Reader, size uint64) (Hash, error) {
	e, err := EdgeAt(r, size)
	if err != nil {
		return Hash{}, err
	}
	return e.Root(), nil
}

// Inclusion returns the path from leaf seq to the root of the tree of size leaves (RFC 6962, section 2.1.1).
func Inclusion(r Reader, seq, size uint64) ([]Hash, error) {
	if seq >= size || size > maxSize {
		return nil, fmt.Errorf("inclusion of %d in a tree of %d", seq, size)
	}
	return tlog.ProveRecord(int64(size), int64(seq), stored{r})
}

// Consistency returns the proof that the tree of the first to leaves begins with that of the first from (RFC
// 6962, section 2.1.2). From the empty tree, and from a tree to itself, it is empty.
func Consistency(r Reader, from, to uint64) ([]Hash, error) {
	if from > to || to > maxSize {
		return nil, fmt.Errorf("consistency of %d with %d", from, to)
	}
	if from == 0 || from == to {
		return nil, nil
	}
	return tlog.ProveTree(int64(to), int64(from), stored{r})
}

// CheckInclusion returns nil when path shows leaf at seq in the tree of that size and root.
func CheckInclusion(path []Hash, seq, size uint64, root, leaf Hash) error {
	if seq >= size || size > maxSize {
		return fmt.Errorf("inclusion of %d in a tree of %d", seq, size)
	}
	if tlog.CheckRecord(path, int64(size), root, int64(seq), leaf) != nil {
		return errors.New("the path does not lead from the entry to the root of the checkpoint")
	}
	return nil
}

// CheckConsistency returns nil when path shows that the larger tree begins with the smaller.
func CheckConsistency(path []Hash, from uint64, fromRoot Hash, to uint64, toRoot Hash) error {
	if from > to || to > maxSize {
		return fmt.Errorf("consistency of %d with %d", from, to)
	}
	switch {
	case from == 0 && fromRoot != emptyRoot, from == to && fromRoot != toRoot:
		return errors.New("the two trees are not the same")
	case from == 0 || from == to:
		if len(path) != 0 {
			return errors.New("a proof where none is needed")
		}
		return nil
	}
	if tlog.CheckTree(path, int64(to), toRoot, int64(from), fromRoot) != nil {
		return errors.New("the larger tree does not begin with the smaller one")
	}
	return nil
}

// stored lets the algorithms of tlog, which name hashes by their place in one long list, ask a Reader.
type stored struct{ r Reader }

func (s stored) ReadHashes(indexes []int64) ([]Hash, error) {
	hashes := make([]Hash, len(indexes))
	for i, x := range indexes {
		level, n := tlog.SplitStoredHashIndex(x)
		h, err := s.r.Hash(level, uint64(n))
		if err != nil {
			return nil, err
		}
		hashes[i] = h
	}
	return hashes, nil
}

// BlockLevel is the level of the subtrees that a Blocks keeps: 256 leaves each, one hash tile.
const BlockLevel = 8

// Blocks is a Reader over the hashes of the complete blocks of 256 leaves, which it keeps, and the leaves
// themselves, which it asks for: 32 bytes of memory for 256 leaves. Reading may go on in any number of
// goroutines beside one that appends, for what was appended when they began.
type Blocks struct {
	// Leaves reads n leaf hashes from leaf first on; they lie in one block.
	Leaves func(first uint64, n int) ([]Hash, error)
	// Nodes, if it is given, remembers what was made of leaves.
	Nodes *Nodes
	// levels[i] has the hashes at level (i+1)*BlockLevel.
	levels [7][]Hash
}

// Append adds the hash of the next block.
func (b *Blocks) Append(block Hash) {
	for i := range b.levels {
		b.levels[i] = append(b.levels[i], block)
		n := len(b.levels[i])
		if n%256 != 0 {
			return
		}
		block = fold(b.levels[i][n-256:])
	}
}

// Len returns the number of blocks.
func (b *Blocks) Len() uint64 { return uint64(len(b.levels[0])) }

// Block returns the hash of one block.
func (b *Blocks) Block(i uint64) Hash { return b.levels[0][i] }

// Hash returns the root of a complete subtree.
func (b *Blocks) Hash(level int, index uint64) (Hash, error) {
	if level < 0 || level > 62 || index > math.MaxInt64>>level {
		return Hash{}, fmt.Errorf("no subtree %d at level %d", index, level)
	}
	if level > 0 && level < BlockLevel && b.Nodes != nil {
		return b.Nodes.hash(level, index, b.Leaves)
	}
	if level < BlockLevel {
		leaves, err := b.Leaves(index<<level, 1<<level)
		if err != nil {
			return Hash{}, err
		}
		return fold(leaves), nil
	}
	kept := min(level/BlockLevel, len(b.levels)) - 1
	hashes := b.levels[kept]
	span := uint64(1) << (level - (kept+1)*BlockLevel)
	if (index+1)*span > uint64(len(hashes)) {
		return Hash{}, fmt.Errorf("subtree %d at level %d is not complete", index, level)
	}
	return fold(hashes[index*span : (index+1)*span]), nil
}

// Snapshot returns a Reader of what there is now, to which nothing is added.
func (b *Blocks) Snapshot() *Blocks {
	c := *b
	return &c
}

// fold returns the root of a complete subtree over the given hashes, a power of two of them.
func fold(hashes []Hash) Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	half := len(hashes) / 2
	return tlog.NodeHash(fold(hashes[:half]), fold(hashes[half:]))
}
