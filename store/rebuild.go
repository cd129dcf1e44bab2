package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"countersign/bodies"
	"countersign/event"
	"countersign/ids"
	"countersign/internal/durable"
	"countersign/merkle"
	"countersign/segment"
	"countersign/wal"
)

// RebuildIndexes makes again what is made from the entries of a stopped directory: the indexes, the runs of ids, the
// state and the files of the tree. Bodies, salts and log are only read. It begins with a check: when anything
// is damaged that it cannot make again, it changes nothing and returns that report. Otherwise it
// returns what a check finds afterwards.
//
// A crash leaves the files from before, or new ones, each whole; what it may leave undone, doing it again does.
func RebuildIndexes(ctx context.Context, path string, o CheckOptions) (*CheckReport, error) {
	return rebuildOn(ctx, durable.OS(), path, o)
}

func rebuildOn(ctx context.Context, fsys durable.FS, path string, o CheckOptions) (report *CheckReport, err error) {
	lock, err := lockStopped(fsys, path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if o.DedupKey == nil && o.Control != nil {
		if o.DedupKey, _, err = o.Control(ctx, filepath.Join(path, ControlName)); err != nil {
			return nil, err
		}
	}
	report, err = checkLocked(ctx, fsys, path, o)
	if err != nil || !report.derivedOnly() {
		return report, err
	}
	if o.DedupKey == nil {
		return nil, errors.New("rebuild indexes: the duplicate-detection key is needed for the ids")
	}
	if err := rebuildLocked(ctx, fsys, path, o); err != nil {
		return nil, fmt.Errorf("rebuild indexes of %s: %w", path, err)
	}
	return checkLocked(ctx, fsys, path, o)
}

// derivedOnly tells whether all that is damaged can be made again.
func (r *CheckReport) derivedOnly() bool {
	for _, d := range r.Damage {
		if !d.Derived {
			return false
		}
	}
	return r.More == 0
}

// rebuild is the state of one RebuildIndexes.
type rebuild struct {
	*check
	ctx   context.Context
	dedup *event.Deduper
	files *sealedFiles // with the new names
	state *state

	edge   merkle.Edge
	blocks []byte // hashes of blocks
	roots  *bufio.Writer
}

func rebuildLocked(ctx context.Context, fsys durable.FS, path string, o CheckOptions) error {
	c := newCheck(ctx, fsys, path, o)
	defer c.close()
	for _, step := range []func() error{func() error { _, err := c.checkManifest(); return err }, c.measure, c.checkPublished, c.openSealed} {
		if err := step(); err != nil {
			return err
		}
	}
	r := &rebuild{check: c, ctx: ctx, dedup: event.NewDeduper(o.DedupKey), files: &sealedFiles{Size: c.files.Size, Bodies: c.files.Bodies},
		state: &state{size: c.files.Size, heads: map[string]head{}}}
	// The tree comes with everything else, in one run over the entries; it takes the place of the old one only when it
	// has the root that was signed.
	f, err := durable.Replace(fsys, filepath.Join(path, rootsName), func(f durable.File) error {
		r.roots = bufio.NewWriterSize(io.NewOffsetWriter(f, 0), 1<<18)
		return errors.Join(r.run(), r.roots.Flush())
	})
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return r.install()
}

// run goes through all entries once.
func (r *rebuild) run() error {
	for _, f := range r.bodies {
		if err := r.bodyFile(f); err != nil {
			return err
		}
	}
	if err := r.log(); err != nil {
		return err
	}
	if r.edge.Size() != r.newest.Size || r.newest.Note != nil && r.edge.Root() != r.newest.Root {
		return fmt.Errorf("the first %d entries do not make the tree of the newest published checkpoint, which has %d", r.edge.Size(), r.newest.Size)
	}
	return nil
}

// bodyFile makes the index and the run of ids of a body file. Larger ones than that, the server merges by itself.
func (r *rebuild) bodyFile(f *bodies.File) error {
	from, to := f.Seqs()
	part := span{from, to}
	var entries []*event.Entry
	var keys []ids.Entry
	for at := from; at < to; at += checkChunk {
		chunk, err := r.readChunk(f, at, min(to, at+checkChunk))
		if err != nil {
			return err
		}
		if r.unread.n > 0 {
			return fmt.Errorf("entry %d cannot be read any more", r.unread.parts[0].From)
		}
		if err := r.grow(chunk, r.sealedSeed); err != nil {
			return err
		}
		entries = append(entries, chunk...)
	}
	for _, e := range entries {
		r.state.note(e)
		if e.Kind == event.KindEvent {
			keys = append(keys, ids.Entry{Key: r.dedup.Key(e.Account.ID, e.Source, e.ID), Seq: e.Seq})
		}
	}
	ids.Sort(keys)
	if err := ids.Write(r.fsys, filepath.Join(r.path, idsName, idsFile(part)), from, to, uint64(len(keys)), infallible(keys)); err != nil {
		return err
	}
	index, err := durable.Replace(r.fsys, filepath.Join(r.path, indexName, indexFile(part)), func(f durable.File) error {
		out := bufio.NewWriterSize(io.NewOffsetWriter(f, 0), 1<<18)
		return errors.Join(segment.Build(out, entries), out.Flush())
	})
	if err != nil {
		return err
	}
	r.files.Indexes, r.files.IDs = append(r.files.Indexes, part), append(r.files.IDs, part)
	return errors.Join(index.Close(), r.looked(f.Size()))
}

// grow adds entries to the tree and their roots to the file.
func (r *rebuild) grow(entries []*event.Entry, seed func(uint64) ([32]byte, bool)) error {
	roots := make([][32]byte, len(entries))
	seeded := make([]bool, len(entries))
	inParts(len(entries), func(_, from, to int) {
		for i, e := range entries[from:to] {
			var s [32]byte
			if s, seeded[from+i] = seed(e.Seq); seeded[from+i] {
				roots[from+i] = event.Root(s, e)
			}
		}
	})
	for i, e := range entries {
		if r.edge.Size() == r.newest.Size {
			return nil // what follows is made again by the next start
		}
		if !seeded[i] {
			return fmt.Errorf("the seed of entry %d cannot be read", e.Seq)
		}
		if block, complete := r.edge.Append(event.LeafHash(e.Leaf(roots[i]))); complete {
			r.blocks = append(r.blocks, block[:]...)
		}
		if _, err := r.roots.Write(roots[i][:]); err != nil {
			return err
		}
	}
	return nil
}

// log goes through the entries that are in the log only.
func (r *rebuild) log() error {
	l := newLogReader(r.check)
	_, err := l.each(func(entries []*event.Entry, _ *wal.Batch) error { return r.grow(entries, l.seed) })
	return err
}

// install writes what is left and then has the manifest name all of it. Until then the old files are in force.
func (r *rebuild) install() error {
	if err := durable.WriteFile(r.fsys, filepath.Join(r.path, tilesName, blocksName), r.blocks); err != nil {
		return err
	}
	if r.files.Size == 0 {
		return nil
	}
	d := &Dir{fs: r.fsys, path: r.path, manifest: r.manifest}
	if err := d.writeState(r.state); err != nil {
		return err
	}
	if err := d.changeManifest(func(m *manifest) { m.Sealed = r.files }); err != nil {
		return err
	}
	return d.tidy(r.files)
}
