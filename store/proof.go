package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"sort"

	"countersign/event"
	"countersign/merkle"
	"countersign/problem"
	"countersign/wal"
)

// Published returns the newest published checkpoint; there is none while the trail is empty, and for a moment after
// its first entry.
func (s *Store) Published() (merkle.Checkpoint, bool) { return s.published.latest() }

// PublishedFor returns the first published checkpoint that holds the entry at seq, so the same one for ever. There is
// none yet for the newest entries.
func (s *Store) PublishedFor(seq uint64) (merkle.Checkpoint, bool, error) {
	return s.published.firstWith(seq)
}

// Inclusion returns the path from the entry at seq to the root of the tree of size entries.
func (s *Store) Inclusion(seq, size uint64) ([]merkle.Hash, error) {
	tree, err := s.treeOf(size)
	if err != nil {
		return nil, err
	}
	if seq >= size {
		return nil, problem.Bad("seq", fmt.Sprint(seq), "the tree of %d entries does not hold it", size)
	}
	return merkle.Inclusion(tree, seq, size)
}

// Consistency returns the proof that the tree of to entries begins with that of from.
func (s *Store) Consistency(from, to uint64) ([]merkle.Hash, error) {
	tree, err := s.treeOf(to)
	if err != nil {
		return nil, err
	}
	if from > to {
		return nil, problem.Bad("from", fmt.Sprint(from), "is larger than to, %d", to)
	}
	return merkle.Consistency(tree, from, to)
}

// Multi gives emit the multiproof of the entries at seqs, ascending, in the tree of size entries.
func (s *Store) Multi(seqs iter.Seq[uint64], size uint64, emit func(merkle.Hash) error) error {
	tree, err := s.treeOf(size)
	if err != nil {
		return err
	}
	return merkle.Multi(tree, seqs, size, emit)
}

func (s *Store) treeOf(size uint64) (*treeView, error) {
	tree := s.snap.Load().tree
	if size > tree.size {
		return nil, problem.Bad("tree_size", fmt.Sprint(size), "the trail has %d entries", tree.size)
	}
	return tree, nil
}

// Seed returns what opens the whole entry at seq, for those who may see all of it. There is none for an entry that is
// not there, or whose seed cannot be read, which the log then tells.
func (s *Store) Seed(seq uint64) (seed [32]byte, ok bool) {
	snap := s.snap.Load()
	if seq >= snap.size {
		return seed, false
	}
	seed, err := snap.seed(seq)
	if err != nil {
		s.logger.Error("the seed of an entry cannot be read", "seq", seq, "error", err)
	}
	return seed, err == nil
}

// EntryBytes returns the entry at seq as the tree holds it.
func (s *Store) EntryBytes(seq uint64) ([]byte, error) {
	snap := s.snap.Load()
	if seq >= snap.size {
		return nil, problem.New(problem.NotFound, "there is no entry %d", seq)
	}
	return snap.tree.entryBytes(seq)
}

// Intact reads the entry at seq from the disk again, whatever memory holds, and tells whether what is stored is what
// the tree has. An entry that cannot be read is not intact.
func (s *Store) Intact(ctx context.Context, seq uint64) (bool, error) {
	snap := s.snap.Load()
	if seq >= snap.size {
		return false, problem.New(problem.NotFound, "there is no entry %d", seq)
	}
	if ctx.Err() != nil {
		return false, givenUp(ctx)
	}
	e, err := s.stored(snap, seq)
	if err != nil {
		s.logger.Error("an entry cannot be read from the disk", "seq", seq, "error", err)
		return false, nil
	}
	seed, err := snap.seed(seq)
	if err != nil {
		s.logger.Error("the seed of an entry cannot be read", "seq", seq, "error", err)
		return false, nil
	}
	root := event.Root(seed, e)
	path, err := merkle.Inclusion(snap.tree, seq, snap.size)
	if err != nil {
		s.logger.Error("an entry cannot be proven", "seq", seq, "error", err)
		return false, nil
	}
	if err := merkle.CheckInclusion(path, seq, snap.size, snap.checkpoint.Root, event.LeafHash(e.Leaf(root))); err != nil {
		s.logger.Error("an entry was changed on the disk", "seq", seq, "error", err)
		return false, nil
	}
	return true, nil
}

// stored reads an entry from its body file, or from its frame while it is open.
func (s *Store) stored(snap *snapshot, seq uint64) (*event.Entry, error) {
	if seq < snap.sealed.size {
		return snap.entry(seq)
	}
	i := sort.Search(len(snap.frames), func(i int) bool { return snap.frames[i].First > seq }) - 1
	b, err := wal.ReadBatch(s.dir.fs, filepath.Join(s.dir.path, walName), snap.frames[i].Place)
	if err != nil {
		return nil, err
	}
	at := seq - b.FirstSeq
	if at >= uint64(len(b.Entries)) {
		return nil, fmt.Errorf("the frame of seq %d ends before it", seq)
	}
	e, err := event.DecodeBody(slices.Clone(b.Entries[at]))
	e.Seq = seq
	return &e, err
}

// HashTile returns a tile of hashes, or so many of them as width says (C2SP tlog-tiles). What is beyond the newest
// published checkpoint is not there yet.
func (s *Store) HashTile(level uint8, index uint64, width uint16) ([]byte, error) {
	view, size, err := s.publishedTree()
	if err != nil {
		return nil, err
	}
	shift := uint(level) * merkle.BlockLevel
	if shift > 62 || !inTile(size>>shift, index, width) {
		return nil, errNoTile
	}
	b := make([]byte, 0, 32*int(width))
	if level == 0 {
		leaves, err := view.leaves(index*merkle.TileWidth, int(width))
		for _, h := range leaves {
			b = append(b, h[:]...)
		}
		return b, err
	}
	for i := range uint64(width) {
		h, err := view.Hash(int(shift), index*merkle.TileWidth+i)
		if err != nil {
			return nil, err
		}
		b = append(b, h[:]...)
	}
	return b, nil
}

// EntriesTile returns the entries of a tile as the tree holds them, each after its length.
func (s *Store) EntriesTile(index uint64, width uint16) ([]byte, error) {
	view, size, err := s.publishedTree()
	if err != nil {
		return nil, err
	}
	if !inTile(size, index, width) {
		return nil, errNoTile
	}
	var b []byte
	for i := range uint64(width) {
		entry, err := view.entryBytes(index*merkle.TileWidth + i)
		if err != nil {
			return nil, err
		}
		b = binary.BigEndian.AppendUint16(b, uint16(len(entry)))
		b = append(b, entry...)
	}
	return b, nil
}

var errNoTile = problem.New(problem.NotFound, "there is no such tile in the published tree")

// inTile tells whether of size hashes the first width of a tile are there.
func inTile(size, index uint64, width uint16) bool {
	return width > 0 && width <= merkle.TileWidth && index < 1<<54 && index*merkle.TileWidth+uint64(width) <= size
}

func (s *Store) publishedTree() (*treeView, uint64, error) {
	c, published := s.published.latest()
	if !published {
		return nil, 0, errNoTile
	}
	return s.snap.Load().tree, c.Size, nil
}
