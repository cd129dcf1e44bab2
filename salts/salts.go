// Package salts keeps the seeds that the salts of entries are derived from, once the log that they were first written
// to is gone. docs/format/salts.md is the format, byte by byte; docs/format/entry.md says what a seed is for.
//
// Terms. A block is 256 entries with the same seq>>8. Its seed is the root of a binary tree of hashes 8 levels deep, at
// the bottom of which are the seeds of its entries, by the 8 low bits of seq. An entry is gone when its seed has been
// destroyed; a block with such entries is cut: in place of its seed it has the nodes of the tree that derive the seeds
// of the others and nothing above them.
//
// Promises. What was appended is there when Append returned nil. A seed that is given was compared with its checksum.
// One damaged place costs one block at most. What is gone cannot be derived from the file.
//
// Durability. Append syncs; how many blocks count is said by whoever opens the file, so what a crash left behind them
// is overwritten. An erasure writes the file anew (durable.Replace); the old one is the disk's to forget.
//
// Trust. The checksums find accidents. The file is secret: with it, and the bodies, each hidden value of every proof can
// be tried.
//
// It leaves to others: making seeds, when to append, and the erasure of what the salts were for.
package salts

import (
	"crypto/sha256"
	"fmt"
	"hash/crc32"
)

const (
	seedBytes    = 32
	blockEntries = 256
	treeDepth    = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CorruptError says where the file is damaged.
type CorruptError struct {
	File   string
	Offset int64
	What   string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s", e.File, e.Offset, e.What)
}

// Seed derives the salts of an entry, or those of all entries below it in the tree.
type Seed = [seedBytes]byte

// Block is what there is of the seeds of 256 entries.
type Block struct {
	// gone has a bit for each entry, the first one the highest of the first byte.
	gone [blockEntries / 8]byte
	// nodes are the roots of the largest subtrees without an entry that is gone, from the left.
	nodes []Seed
}

// Whole returns the block with that seed, of which no entry is gone.
func Whole(seed Seed) Block { return Block{nodes: []Seed{seed}} }

// Seed returns the seed of the entry whose seq ends with the byte low, unless it is gone.
func (b *Block) Seed(low byte) (seed Seed, ok bool) {
	i := 0
	for level, first := range b.subtrees {
		if low >= first && int(low) < int(first)+blockEntries>>level {
			return descend(b.nodes[i], level, low), true
		}
		i++
	}
	return Seed{}, false
}

// Erase returns the block without the seed of the entry whose seq ends with the byte low.
func (b *Block) Erase(low byte) Block {
	less := Block{gone: b.gone}
	less.gone[low/8] |= 0x80 >> (low % 8)
	for level, first := range less.subtrees {
		// A subtree that is left is one that there was or lies in one.
		less.nodes = append(less.nodes, b.inner(level, first))
	}
	return less
}

// whole reports whether no entry is gone.
func (b *Block) whole() bool { return b.gone == [blockEntries / 8]byte{} }

// count returns how many subtrees there are.
func (b *Block) count() int {
	n := 0
	for range b.subtrees {
		n++
	}
	return n
}

// inner returns the root of a subtree without an entry that is gone.
func (b *Block) inner(level int, first byte) Seed {
	i := 0
	for l, f := range b.subtrees {
		if l <= level && first >= f && int(first) < int(f)+blockEntries>>l {
			n := b.nodes[i]
			for ; l < level; l++ {
				n = child(n, first>>(treeDepth-1-l)&1)
			}
			return n
		}
		i++
	}
	panic("salts: a subtree that is left is in none that there was")
}

// subtrees yields the level and the first entry of each subtree that nodes has the root of.
func (b *Block) subtrees(yield func(level int, first byte) bool) {
	b.walk(0, 0, yield)
}

func (b *Block) walk(level int, first byte, yield func(level int, first byte) bool) bool {
	size := blockEntries >> level
	lost := 0
	for i := int(first); i < int(first)+size; i++ {
		lost += int(b.gone[i/8] >> (7 - i%8) & 1)
	}
	switch lost {
	case 0:
		return yield(level, first)
	case size:
		return true
	}
	return b.walk(level+1, first, yield) && b.walk(level+1, first+byte(size/2), yield)
}

// descend returns the seed of an entry below a node of that level.
func descend(n Seed, level int, low byte) Seed {
	for ; level < treeDepth; level++ {
		n = child(n, low>>(treeDepth-1-level)&1)
	}
	return n
}

// child is the step down the tree of docs/format/entry.md, section 1.
func child(parent Seed, bit byte) Seed {
	const tag = "cs/ggm/1"
	var msg [len(tag) + 1 + seedBytes]byte
	copy(msg[:], tag)
	msg[len(tag)] = bit
	copy(msg[len(tag)+1:], parent[:])
	return sha256.Sum256(msg[:])
}
