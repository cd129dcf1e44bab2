package merkle

import (
	"errors"
	"fmt"
	"iter"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// A multiproof shows many leaves in one tree. It is the list of the hashes that are missing to compute the
// root from those leaves, in the order in which a walk from the root meets them: a tree is split where RFC
// 6962 splits it, the left part comes first, a part without any of the leaves is one hash, and a wanted leaf
// itself is none. For one leaf these are the hashes of its inclusion proof; for many they are few.

// Multi makes the multiproof of the leaves at seqs, which are ascending and distinct, in the tree of size
// leaves.
func Multi(r Reader, seqs iter.Seq[uint64], size uint64, emit func(Hash) error) error {
	if size > maxSize {
		return fmt.Errorf("multiproof in a tree of %d", size)
	}
	next, stop := iter.Pull(seqs)
	defer stop()
	m := multi{r: r, emit: emit, next: next}
	if err := m.advance(); err != nil {
		return err
	}
	if size == 0 {
		return m.over(size)
	}
	if err := m.prove(0, size); err != nil {
		return err
	}
	return m.over(size)
}

type multi struct {
	r    Reader
	emit func(Hash) error
	next func() (uint64, bool)
	seq  uint64 // the next wanted leaf
	more bool   // there is one
	any  bool   // there was one before
}

func (m *multi) advance() error {
	seq, more := m.next()
	if more && m.any && seq <= m.seq {
		return fmt.Errorf("multiproof of leaf %d after %d", seq, m.seq)
	}
	m.seq, m.more, m.any = seq, more, true
	return nil
}

func (m *multi) over(size uint64) error {
	if m.more {
		return fmt.Errorf("multiproof of leaf %d in a tree of %d", m.seq, size)
	}
	return nil
}

func (m *multi) prove(from, to uint64) error {
	if !m.more || m.seq >= to {
		h, err := subtree(m.r, from, to)
		if err != nil {
			return err
		}
		return m.emit(h)
	}
	if to-from == 1 {
		return m.advance()
	}
	mid := from + split(to-from)
	if err := m.prove(from, mid); err != nil {
		return err
	}
	return m.prove(mid, to)
}

// CheckMulti computes the root of the tree of size leaves from some leaves, ascending by seq, and their
// multiproof, of which next gives the hashes one by one. Whoever calls it checks that none is left over.
func CheckMulti(size uint64, leaves iter.Seq2[uint64, Hash], next func() (Hash, error)) (Hash, error) {
	if size == 0 || size > maxSize {
		return Hash{}, fmt.Errorf("multiproof in a tree of %d", size)
	}
	pull, stop := iter.Pull2(leaves)
	defer stop()
	c := check{next: pull, hash: next}
	if err := c.advance(); err != nil {
		return Hash{}, err
	}
	root, err := c.compute(0, size)
	if err != nil {
		return Hash{}, err
	}
	if c.more {
		return Hash{}, fmt.Errorf("entry %d is beyond a tree of %d", c.seq, size)
	}
	return root, nil
}

type check struct {
	next func() (uint64, Hash, bool)
	hash func() (Hash, error)
	seq  uint64
	leaf Hash
	more bool
	any  bool
}

func (c *check) advance() error {
	seq, leaf, more := c.next()
	if more && c.any && seq <= c.seq {
		return errors.New("the entries of a multiproof are out of order")
	}
	c.seq, c.leaf, c.more, c.any = seq, leaf, more, true
	return nil
}

func (c *check) compute(from, to uint64) (Hash, error) {
	if !c.more || c.seq >= to {
		return c.hash()
	}
	if to-from == 1 {
		leaf := c.leaf
		return leaf, c.advance()
	}
	mid := from + split(to-from)
	left, err := c.compute(from, mid)
	if err != nil {
		return Hash{}, err
	}
	right, err := c.compute(mid, to)
	if err != nil {
		return Hash{}, err
	}
	return tlog.NodeHash(left, right), nil
}

// split returns the largest power of two smaller than n.
func split(n uint64) uint64 { return 1 << (bits.Len64(n-1) - 1) }

// subtree returns the hash of the leaves [from, to) of a tree that was split at from.
func subtree(r Reader, from, to uint64) (Hash, error) {
	n := to - from
	if n&(n-1) == 0 {
		level := bits.TrailingZeros64(n)
		return r.Hash(level, from>>level)
	}
	mid := from + split(n)
	left, err := subtree(r, from, mid)
	if err != nil {
		return Hash{}, err
	}
	right, err := subtree(r, mid, to)
	if err != nil {
		return Hash{}, err
	}
	return tlog.NodeHash(left, right), nil
}
