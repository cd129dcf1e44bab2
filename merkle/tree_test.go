package merkle_test

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"countersign/merkle"
)

func leafOf(seq uint64) merkle.Hash {
	return tlog.RecordHash(binary.BigEndian.AppendUint64(nil, seq))
}

// naive is RFC 6962, section 2.1, word by word.
func naive(from, to uint64) merkle.Hash {
	switch to - from {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leafOf(from)
	}
	k := uint64(1)
	for k*2 < to-from {
		k *= 2
	}
	return tlog.NodeHash(naive(from, from+k), naive(from+k, to))
}

// grown returns a tree of size leaves with its edge.
func grown(size uint64) (*merkle.Blocks, merkle.Edge) {
	var edge merkle.Edge
	blocks := &merkle.Blocks{Leaves: func(first uint64, n int) ([]merkle.Hash, error) {
		if first>>8 != (first+uint64(n)-1)>>8 {
			return nil, fmt.Errorf("leaves %d to %d lie in two blocks", first, first+uint64(n))
		}
		leaves := make([]merkle.Hash, n)
		for i := range leaves {
			leaves[i] = leafOf(first + uint64(i))
		}
		return leaves, nil
	}}
	for seq := range size {
		if block, complete := edge.Append(leafOf(seq)); complete {
			blocks.Append(block)
		}
	}
	return blocks, edge
}

func TestEdgeAndBlocksHaveTheRootOfTheDefinition(t *testing.T) {
	blocks, edge := grown(70_000)
	if got, want := edge.Root(), naive(0, 70_000); got != want {
		t.Fatalf("edge of 70000: %v, want %v", got, want)
	}
	for _, size := range []uint64{0, 1, 2, 3, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, 69_999, 70_000} {
		got, err := merkle.Root(blocks, size)
		if err != nil {
			t.Fatal(err)
		}
		if want := naive(0, size); got != want {
			t.Errorf("root of %d: %v, want %v", size, got, want)
		}
	}
	if _, err := blocks.Hash(8, 70_000>>8); err == nil {
		t.Error("a block that is not complete has a hash")
	}
}

// TestRememberedNodesAreThoseOfTheTree asks for subtrees of a tree of more blocks than are remembered, many at a time, again
// and again, and counts the leaves that are read for one that is known.
func TestRememberedNodesAreThoseOfTheTree(t *testing.T) {
	const size = 600 * 256
	plain, _ := grown(0)
	var reads atomic.Int64
	b := &merkle.Blocks{Nodes: new(merkle.Nodes), Leaves: func(first uint64, n int) ([]merkle.Hash, error) {
		reads.Add(int64(n))
		return plain.Leaves(first, n)
	}}
	var wait sync.WaitGroup
	for g := range uint64(4) {
		wait.Go(func() {
			r := rand.New(rand.NewPCG(1, g))
			block := r.Uint64N(size >> 8)
			for range 2000 {
				if r.IntN(20) == 0 {
					block = r.Uint64N(size >> 8)
				}
				level := r.IntN(8)
				index := block<<(8-level) + r.Uint64N(1<<(8-level))
				got, err := b.Hash(level, index)
				if want := naive(index<<level, (index+1)<<level); err != nil || got != want {
					t.Errorf("subtree %d at level %d: %x, %v", index, level, got, err)
				}
			}
		})
	}
	wait.Wait()
	for level := 1; level < 8; level++ {
		before := reads.Load()
		first, err := b.Hash(level, 7)
		again, err2 := b.Hash(level, 7)
		if err != nil || err2 != nil || first != again || reads.Load()-before > 1<<level {
			t.Errorf("level %d: %d leaves were read: %v, %v", level, reads.Load()-before, err, err2)
		}
	}
}

func TestLeavesThatCannotBeReadAreNotRemembered(t *testing.T) {
	b, _ := grown(0)
	b.Nodes = new(merkle.Nodes)
	leaves, broken := b.Leaves, errors.New("the disk is gone")
	b.Leaves = func(uint64, int) ([]merkle.Hash, error) { return nil, broken }
	if _, err := b.Hash(3, 5); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	b.Leaves = leaves
	if got, err := b.Hash(3, 5); err != nil || got != naive(40, 48) {
		t.Errorf("afterwards: %x, %v", got, err)
	}
}

func TestEdgeIsAValue(t *testing.T) {
	_, edge := grown(300)
	before := edge.Root()
	fork := edge
	fork.Append(leafOf(300))
	if edge.Root() != before || edge.Size() != 300 || fork.Root() != naive(0, 301) {
		t.Error("appending to a copy changed the tree")
	}
}

func TestProofsHoldAndNoOthersDo(t *testing.T) {
	const size = 1500
	blocks, edge := grown(size)
	root := edge.Root()
	for seq := uint64(0); seq < size; seq += 37 {
		path, err := merkle.Inclusion(blocks, seq, size)
		if err != nil {
			t.Fatal(err)
		}
		if err := merkle.CheckInclusion(path, seq, size, root, leafOf(seq)); err != nil {
			t.Errorf("inclusion of %d: %v", seq, err)
		}
		if merkle.CheckInclusion(path, seq, size, root, leafOf(seq+1)) == nil || merkle.CheckInclusion(path, (seq+1)%size, size, root, leafOf(seq)) == nil {
			t.Errorf("inclusion of %d holds for another leaf or place", seq)
		}
	}
	for from := uint64(0); from <= size; from += 31 {
		path, err := merkle.Consistency(blocks, from, size)
		if err != nil {
			t.Fatal(err)
		}
		if err := merkle.CheckConsistency(path, from, naive(0, from), size, root); err != nil {
			t.Errorf("consistency from %d: %v", from, err)
		}
		if merkle.CheckConsistency(path, from, leafOf(1), size, root) == nil {
			t.Errorf("consistency from %d holds for another tree", from)
		}
	}
	for name, err := range map[string]error{
		"leaf beyond the tree": second(merkle.Inclusion(blocks, size, size)),
		"smaller than from":    second(merkle.Consistency(blocks, 2, 1)),
		"check beyond":         merkle.CheckInclusion(nil, 1, 1, root, root),
		"check backwards":      merkle.CheckConsistency(nil, 2, root, 1, root),
		"proof of nothing":     merkle.CheckConsistency([]merkle.Hash{{}}, 0, sha256.Sum256(nil), 1, root),
		"no path":              merkle.CheckInclusion(nil, 1, size, root, leafOf(1)),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func second(_ []merkle.Hash, err error) error { return err }

func TestMultiproofHoldsForAnyLeaves(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 300 {
		size := 1 + rnd.Uint64N(3000)
		blocks, edge := grown(size)
		var seqs []uint64
		density := rnd.Float64()
		for seq := range size {
			if rnd.Float64() < density*density {
				seqs = append(seqs, seq)
			}
		}
		var proof []merkle.Hash
		if err := merkle.Multi(blocks, slices.Values(seqs), size, func(h merkle.Hash) error { proof = append(proof, h); return nil }); err != nil {
			t.Fatal(err)
		}
		root, left, err := checkMulti(size, seqs, leafOf, proof)
		if err != nil || left != 0 || root != edge.Root() {
			t.Fatalf("%d of %d leaves: root %v with %d hashes left over, want %v: %v", len(seqs), size, root, left, edge.Root(), err)
		}
		if len(seqs) == 0 {
			continue
		}
		at := seqs[rnd.IntN(len(seqs))]
		changed := func(seq uint64) merkle.Hash {
			if seq == at {
				return leafOf(seq + 1)
			}
			return leafOf(seq)
		}
		if root, _, err := checkMulti(size, seqs, changed, proof); err == nil && root == edge.Root() {
			t.Fatalf("leaf %d of %d was changed and the root is the same", at, size)
		}
	}
}

// checkMulti computes the root and tells how many hashes were not asked for.
func checkMulti(size uint64, seqs []uint64, leaf func(uint64) merkle.Hash, proof []merkle.Hash) (root merkle.Hash, left int, err error) {
	leaves := iter.Seq2[uint64, merkle.Hash](func(yield func(uint64, merkle.Hash) bool) {
		for _, seq := range seqs {
			if !yield(seq, leaf(seq)) {
				return
			}
		}
	})
	root, err = merkle.CheckMulti(size, leaves, func() (merkle.Hash, error) {
		if len(proof) == 0 {
			return merkle.Hash{}, fmt.Errorf("the proof is too short")
		}
		h := proof[0]
		proof = proof[1:]
		return h, nil
	})
	return root, len(proof), err
}

func TestMultiproofIsRefusedForLeavesThatAreNot(t *testing.T) {
	blocks, _ := grown(10)
	drop := func(merkle.Hash) error { return nil }
	for name, seqs := range map[string][]uint64{"beyond": {10}, "twice": {3, 3}, "out of order": {4, 3}} {
		if merkle.Multi(blocks, slices.Values(seqs), 10, drop) == nil {
			t.Errorf("made for leaves %s", name)
		}
		if _, _, err := checkMulti(10, seqs, leafOf, make([]merkle.Hash, 20)); err == nil {
			t.Errorf("checked for leaves %s", name)
		}
	}
	if _, _, err := checkMulti(0, nil, leafOf, nil); err == nil {
		t.Error("checked for the empty tree")
	}
}
