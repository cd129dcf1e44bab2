package store

import (
	"fmt"
	"runtime"
	"slices"
	"sync"

	"countersign/event"
	"countersign/internal/durable"
	"countersign/merkle"
)

// tree is the Merkle tree over the trail as its writer has it. It grows by what is durable and is never
// changed otherwise.
type tree struct {
	edge   merkle.Edge
	blocks merkle.Blocks
	// roots are R of the entries from kept on; those before are in the file.
	kept  uint64
	roots [][32]byte
	// facts are the system facts, by seq: their leaves are made of more than R.
	facts []*event.Entry
	file  durable.File // roots
}

// treeView is the tree as one reader sees it. It never changes.
type treeView struct {
	blocks merkle.Blocks
	size   uint64
	kept   uint64
	roots  [][32]byte
	facts  []*event.Entry
	file   durable.File
}

func (t *tree) view() *treeView {
	v := &treeView{blocks: *t.blocks.Snapshot(), size: t.edge.Size(), kept: t.kept, roots: t.roots, facts: t.facts, file: t.file}
	v.blocks.Leaves = v.leaves
	return v
}

// grow adds what a durable batch put on top.
func (t *tree) grow(edge merkle.Edge, blocks []merkle.Hash, roots [][32]byte) {
	t.edge = edge
	for _, b := range blocks {
		t.blocks.Append(b)
	}
	t.roots = append(t.roots, roots...)
}

// keptTo forgets roots that are in the file by now. Views that were made before keep theirs.
func (t *tree) keptTo(size uint64) {
	if size > t.kept {
		t.roots = slices.Clone(t.roots[size-t.kept:])
		t.kept = size
	}
}

// Hash makes a view a merkle.Reader.
func (v *treeView) Hash(level int, index uint64) (merkle.Hash, error) {
	return v.blocks.Hash(level, index)
}

// rootsOf returns R of n entries from seq first on.
func (v *treeView) rootsOf(first uint64, n int) ([][32]byte, error) {
	if first+uint64(n) > v.size {
		return nil, fmt.Errorf("entry %d is not in a tree of %d", first+uint64(n)-1, v.size)
	}
	roots := make([][32]byte, 0, n)
	if first < v.kept {
		b := make([]byte, 32*min(uint64(n), v.kept-first))
		if got, err := v.file.ReadAt(b, int64(first)*32); got < len(b) {
			return nil, fmt.Errorf("read %s at byte %d: %w", rootsName, first*32, err)
		}
		for ; len(b) > 0; b = b[32:] {
			roots = append(roots, [32]byte(b))
		}
	}
	if from := first + uint64(len(roots)); len(roots) < n {
		roots = append(roots, v.roots[from-v.kept:][:n-len(roots)]...)
	}
	return roots, nil
}

// leaves returns the leaf hashes of n entries from seq first on.
func (v *treeView) leaves(first uint64, n int) ([]merkle.Hash, error) {
	roots, err := v.rootsOf(first, n)
	if err != nil {
		return nil, err
	}
	facts := v.factsFrom(first)
	hashes := make([]merkle.Hash, n)
	for i := range roots {
		if len(facts) > 0 && facts[0].Seq == first+uint64(i) {
			hashes[i] = event.LeafHash(facts[0].Leaf(roots[i]))
			facts = facts[1:]
			continue
		}
		hashes[i] = event.LeafHash(event.EntryBytes(event.KindEvent, roots[i], nil))
	}
	return hashes, nil
}

// factsFrom returns the system facts at seq and behind it.
func (v *treeView) factsFrom(seq uint64) []*event.Entry {
	i, _ := slices.BinarySearchFunc(v.facts, seq, func(e *event.Entry, seq uint64) int {
		if e.Seq < seq {
			return -1
		}
		return 1
	})
	return v.facts[i:]
}

// entryBytes returns the entry as the tree holds it.
func (v *treeView) entryBytes(seq uint64) ([]byte, error) {
	roots, err := v.rootsOf(seq, 1)
	if err != nil {
		return nil, err
	}
	if facts := v.factsFrom(seq); len(facts) > 0 && facts[0].Seq == seq {
		return facts[0].Leaf(roots[0]), nil
	}
	return event.EntryBytes(event.KindEvent, roots[0], nil), nil
}

// serialEntries is how few entries one goroutine commits to faster than several.
const serialEntries = 64

// inParts calls do with parts of [0, n), side by side on as many cores as there are, and waits for all.
func inParts(n int, do func(part, from, to int)) (parts int) {
	parts = min(runtime.GOMAXPROCS(0), n/serialEntries)
	if parts <= 1 {
		do(0, 0, n)
		return 1
	}
	var wait sync.WaitGroup
	for p := range parts {
		wait.Go(func() { do(p, n*p/parts, n*(p+1)/parts) })
	}
	wait.Wait()
	return parts
}

// commitTo computes R of entries that have their numbers, on as many cores as there are.
func commitTo(entries []*event.Entry, seed func(block uint64) [32]byte) [][32]byte {
	roots := make([][32]byte, len(entries))
	inParts(len(entries), func(_, from, to int) {
		var seeder event.Seeder
		for i, e := range entries[from:to] {
			roots[from+i] = event.Root(seeder.Seed(seed(e.Seq>>8), e.Seq), e)
		}
	})
	return roots
}

// extend appends the leaves of entries to an edge and returns the blocks that they complete.
func extend(edge *merkle.Edge, entries []*event.Entry, roots [][32]byte) (blocks []merkle.Hash) {
	for i, e := range entries {
		if block, complete := edge.Append(event.LeafHash(e.Leaf(roots[i]))); complete {
			blocks = append(blocks, block)
		}
	}
	return blocks
}
