package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"countersign/internal/durable"
	"countersign/merkle"
	"countersign/problem"
)

// publishEvery is how old a published checkpoint may be while the tree grows.
const publishEvery = 10 * time.Second

// treeFiles are what can be made again from the entries: R of each, and the blocks of the tree. The publisher
// alone writes them.
type treeFiles struct {
	fsys   durable.FS
	roots  durable.File
	blocks durable.File
	kept   uint64 // entries whose R is in the file
}

func openTreeFiles(fsys durable.FS, dir string) (*treeFiles, error) {
	if err := fsys.MkdirAll(filepath.Join(dir, tilesName), durable.DirMode); err != nil {
		return nil, err
	}
	t := &treeFiles{fsys: fsys}
	var err error
	if t.roots, err = fsys.OpenFile(filepath.Join(dir, rootsName), os.O_RDWR|os.O_CREATE, durable.FileMode); err != nil {
		return nil, err
	}
	if t.blocks, err = fsys.OpenFile(filepath.Join(dir, tilesName, blocksName), os.O_RDWR|os.O_CREATE, durable.FileMode); err != nil {
		t.roots.Close()
		return nil, err
	}
	// The names must last before a checkpoint does that is proven with these files.
	if err := errors.Join(fsys.SyncDir(dir), fsys.SyncDir(filepath.Join(dir, tilesName))); err != nil {
		t.close()
		return nil, &durable.SyncError{Name: dir, Err: err}
	}
	return t, nil
}

// keep writes what a view has and the files have not, and syncs it.
func (t *treeFiles) keep(v *treeView) error {
	if v.size == t.kept {
		return nil
	}
	from := max(t.kept, v.kept)
	b := make([]byte, 0, 32*(v.size-from))
	for _, r := range v.roots[from-v.kept:] {
		b = append(b, r[:]...)
	}
	if err := write(t.roots, rootsName, b, int64(from)*32); err != nil {
		return err
	}
	block := from >> merkle.BlockLevel
	b = b[:0]
	for i := block; i < v.size>>merkle.BlockLevel; i++ {
		h := v.blocks.Block(i)
		b = append(b, h[:]...)
	}
	if err := write(t.blocks, tilesName, b, int64(block)*32); err != nil {
		return err
	}
	t.kept = v.size
	return nil
}

func write(f durable.File, name string, b []byte, at int64) error {
	if len(b) == 0 {
		return nil
	}
	if _, err := f.WriteAt(b, at); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := f.Sync(); err != nil {
		return &durable.SyncError{Name: name, Err: err}
	}
	return nil
}

// close is for files that were synced as far as anybody relies on them.
func (t *treeFiles) close() {
	_ = t.roots.Close()
	_ = t.blocks.Close()
}

// publisher is the goroutine that publishes checkpoints: one when the tree has grown and the last is as old as every
// (never by itself when that is negative), and one when somebody asks. It ends when the trail becomes read-only.
func (s *Store) publisher(every time.Duration) {
	defer close(s.publisherDone)
	var last time.Time
	for s.ReadOnly() == nil {
		snap := s.snap.Load()
		newest, _ := s.published.latest()
		var grown <-chan struct{}
		var due <-chan time.Time
		if snap.size == newest.Size {
			grown = snap.old
		} else if every >= 0 {
			due = time.After(every - time.Since(last))
		}
		select {
		case <-grown:
			continue
		case answer := <-s.publish:
			answer <- s.publishNow()
		case <-due:
			if err := s.publishNow(); err != nil {
				s.logger.Error("publish a checkpoint", "error", err)
			}
		case <-s.stopping:
			return
		}
		last = time.Now()
	}
}

// publishNow publishes a checkpoint over everything durable, unless the newest one is that. The order of its
// steps is what makes it safe: what proofs are made of, then the checkpoint, then the eyes of others.
func (s *Store) publishNow() error {
	snap := s.snap.Load()
	if newest, _ := s.published.latest(); snap.size == newest.Size {
		return nil
	}
	// What is not trusted is not signed for.
	if err := s.ReadOnly(); err != nil {
		return err
	}
	if s.hasFailed() {
		return s.fault.Load()
	}
	p := Publication{Size: snap.size}
	p.Err = s.publishOver(snap, &p)
	s.observer.Published(p)
	return p.Err
}

// publishOver publishes a checkpoint over a snapshot.
func (s *Store) publishOver(snap *snapshot, p *Publication) error {
	// A crash from here on leaves files that hold more than was published; the next start computes that part anew.
	if err := s.files.keep(snap.tree); err != nil {
		return s.unpublished(err)
	}
	s.keptRoots.Store(snap.size)
	root, err := merkle.Root(snap.tree, snap.size)
	if err != nil {
		return s.unpublished(err)
	}
	c, err := snap.ring.sign(snap.size, root)
	if err != nil {
		return s.unpublished(err)
	}
	// A crash from here on leaves a checkpoint that nobody has seen, or a part of it.
	if err := s.published.add(c); err != nil {
		return s.unpublished(err)
	}
	if s.checkpointFile != "" {
		if p.FileErr = durable.WriteFile(s.dir.fs, s.checkpointFile, c.Note); p.FileErr != nil {
			// It is a second witness, not the trail: the server goes on without it, and says so.
			s.logger.Error("write the checkpoint file", "file", s.checkpointFile, "error", p.FileErr)
		}
	}
	return nil
}

// unpublished passes on why a checkpoint was not published. After a failed sync nothing may be built on what
// was written.
func (s *Store) unpublished(err error) error {
	if _, final := errors.AsType[*durable.SyncError](err); final {
		s.fail(&problem.Error{Kind: problem.Unavailable, Detail: "the disk refused to sync the tree: the server stops", Cause: err})
	}
	return err
}

// PublishNow publishes a checkpoint over everything that is durable now and returns the newest one.
func (s *Store) PublishNow(ctx context.Context) (merkle.Checkpoint, error) {
	answer := make(chan error, 1)
	select {
	case <-ctx.Done():
		return merkle.Checkpoint{}, ctx.Err()
	case <-s.publisherDone:
		return merkle.Checkpoint{}, problem.New(problem.Unavailable, "no checkpoints are published")
	case s.publish <- answer:
	}
	if err := <-answer; err != nil {
		return merkle.Checkpoint{}, &problem.Error{Kind: problem.Unavailable, Detail: "no checkpoint can be published now", RetryAfter: publishEvery, Cause: err}
	}
	c, published := s.published.latest()
	if !published {
		return c, problem.New(problem.NotFound, "the trail is empty: there is no checkpoint yet")
	}
	return c, nil
}
