package store

import (
	"context"
	"errors"
	"fmt"

	"countersign/event"
	"countersign/merkle"
	"countersign/problem"
)

// regrowEntries is how many entries are committed to at a time when the tree is made from their bodies.
const regrowEntries = 16384

// batchMark is the checkpoint of a batch that no published one covers.
type batchMark struct {
	size uint64
	note []byte
}

// regrow makes the tree of a recovered trail and compares it with what was signed before. What the newest published
// checkpoint covers comes from the tree's files, if they give its root; the rest is computed from the entries. It
// returns why nothing may be recorded on top of what is there.
func (s *Store) regrow(snap *snapshot, marks []batchMark) (*problem.Error, error) {
	t := &s.tail.tree
	t.file = s.files.roots
	newest, known := s.published.latest()
	if known && newest.Size <= snap.size {
		ok, err := s.trustFiles(newest)
		if err != nil {
			return nil, err
		}
		if !ok {
			s.logger.Warn("the files of the tree are not those of the newest published checkpoint: they are made again from the entries",
				"tree_size", newest.Size)
		}
	}
	fromFiles := t.edge.Size()
	if known && newest.Size <= snap.size {
		if err := s.computeTo(snap, newest.Size); err != nil {
			return nil, err
		}
		if t.edge.Root() != newest.Root {
			return unlike(newest, "one of its own published checkpoints"), nil
		}
	}
	for _, m := range marks {
		if err := s.computeTo(snap, m.size); err != nil {
			return nil, err
		}
		c, err := merkle.ParseCheckpoint(m.note)
		if err == nil {
			err = s.tail.ring.verifies(c)
		}
		if err != nil {
			return differs("the checkpoint of the batch that ends with entry %d is none of this trail: %v", m.size-1, err), nil
		}
		s.tail.checkpoint = c
		if c.Size != m.size || c.Root != t.edge.Root() {
			return unlike(c, "the checkpoint signed with its last batch"), nil
		}
	}
	if err := s.computeTo(snap, snap.size); err != nil {
		return nil, err
	}
	s.logger.Debug("the tree is grown", "tree_size", snap.size, "from_files", fromFiles)
	if known && newest.Size > snap.size {
		return differs("the directory holds %d entries, but published a checkpoint of %d: it was rolled back, or its tail was dropped", snap.size, newest.Size), nil
	}
	if s.tail.checkpoint.Note == nil {
		s.tail.checkpoint = newest
	}
	return s.checkKept(snap)
}

// trustFiles takes the blocks of the tree from their file, if with them the tree has the root of the checkpoint.
func (s *Store) trustFiles(c merkle.Checkpoint) (bool, error) {
	t := &s.tail.tree
	blocks, size := c.Size>>merkle.BlockLevel, int64(c.Size)
	if n, err := s.files.blocks.Size(); err != nil || n < int64(blocks)*32 {
		return false, err
	}
	if n, err := s.files.roots.Size(); err != nil || n < size*32 {
		return false, err
	}
	trusted := tree{file: t.file, kept: c.Size, facts: t.facts}
	trusted.blocks.Nodes = new(merkle.Nodes) // its own: what is read now may turn out to be wrong
	b := make([]byte, 32*4096)
	for at := uint64(0); at < blocks; {
		part := b[:32*min(blocks-at, 4096)]
		if _, err := s.files.blocks.ReadAt(part, int64(at)*32); err != nil {
			return false, fmt.Errorf("read %s: %w", tilesName, err)
		}
		for ; len(part) > 0; part = part[32:] {
			trusted.blocks.Append(merkle.Hash(part))
			at++
		}
	}
	view := trusted.view()
	view.size = c.Size
	edge, err := merkle.EdgeAt(view, c.Size)
	if err != nil || edge.Root() != c.Root {
		return false, err
	}
	trusted.edge = edge
	*t = trusted
	s.files.kept = c.Size
	return true, nil
}

// computeTo adds the leaves of the entries up to size.
func (s *Store) computeTo(snap *snapshot, size uint64) error {
	t := &s.tail.tree
	for t.edge.Size() < size {
		from := t.edge.Size()
		seqs := make([]uint64, min(size-from, regrowEntries))
		for i := range seqs {
			seqs[i] = from + uint64(i)
		}
		entries := make([]*event.Entry, 0, len(seqs))
		if err := snap.read(context.Background(), seqs, func(e *event.Entry) error {
			if e == nil {
				return fmt.Errorf("the tree cannot be made again: entry %d cannot be read", from+uint64(len(entries)))
			}
			entries = append(entries, e)
			return nil
		}); err != nil {
			return err
		}
		roots, err := snap.rootsOf(entries)
		if err != nil {
			return err
		}
		edge := t.edge
		blocks := extend(&edge, entries, roots)
		t.grow(edge, blocks, roots)
	}
	return nil
}

// rootsOf computes R of entries from their values, on as many cores as there are.
func (s *snapshot) rootsOf(entries []*event.Entry) ([][32]byte, error) {
	roots := make([][32]byte, len(entries))
	errs := make([]error, len(entries))
	inParts(len(entries), func(_, from, to int) {
		for i, e := range entries[from:to] {
			seed, err := s.seed(e.Seq)
			roots[from+i], errs[from+i] = event.Root(seed, e), err
		}
	})
	return roots, errors.Join(errs...)
}

// checkKept compares the tree with the checkpoint that was kept on another volume.
func (s *Store) checkKept(snap *snapshot) (*problem.Error, error) {
	if s.checkpointFile == "" {
		return nil, nil
	}
	c, found, err := readCheckpointFile(s.dir.fs, s.checkpointFile)
	if err != nil || !found {
		return nil, err
	}
	if err := s.tail.ring.verifies(c); err != nil {
		return differs("the checkpoint in --checkpoint-file is none of this trail: %v", err), nil
	}
	if c.Size > snap.size {
		return differs("the directory holds %d entries, but --checkpoint-file has a checkpoint of %d: it was rolled back, or its tail was dropped", snap.size, c.Size), nil
	}
	root, err := merkle.Root(s.tail.tree.view(), c.Size)
	if err != nil {
		return nil, err
	}
	if root != c.Root {
		return unlike(c, "the checkpoint in --checkpoint-file"), nil
	}
	return nil, nil
}

// Distrust makes the trail read-only, for one who checked the directory while it is open and found that it is not what
// it says it is. Events that are already on their way to the disk are still recorded; checkpoints are no longer
// published. The first reason stays.
func (s *Store) Distrust(reason string) { s.distrust(differs("%s", reason)) }

func (s *Store) distrust(p *problem.Error) {
	if s.readOnly.CompareAndSwap(nil, p) {
		s.logger.Error(p.Detail)
		s.lookAgain()
	}
}

func unlike(c merkle.Checkpoint, which string) *problem.Error {
	return differs("the first %d entries are not those of %s", c.Size, which)
}

// differs makes the refusal of everything that would be recorded. Anybody may read it (/readyz), so it names no path.
func differs(format string, args ...any) *problem.Error {
	return problem.New(problem.Unavailable, "the trail is read-only: %s; see what countersign verify --data says of the directory (docs/troubleshooting.md)",
		fmt.Sprintf(format, args...))
}
