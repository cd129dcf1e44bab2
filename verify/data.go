package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"countersign/internal/durable"
	"countersign/merkle"
	"countersign/wal"
)

// dataCheck is the state of one check of a directory.
type dataCheck struct {
	report   *Report
	opt      Options
	manifest manifest

	roots, blocks *hashFile
	published     *notes
	due           *due // the next published checkpoint, nil after the last
	newest        *due // the last published one that was seen
	kept          []merkle.Checkpoint

	edge       merkle.Edge
	agreed     uint64 // the tree of so many entries is that of a signed checkpoint
	diverged   bool   // the tree is not what was signed: what follows differs too
	batch      merkle.Checkpoint
	ring       *ring
	sigs       *signatures
	seeds      seeds
	chains     *chains
	names      *names
	facts      uint64
	frames     uint64
	publishedN uint64

	began time.Time
	bytes int64
}

// due is a published checkpoint with its place.
type due struct {
	merkle.Checkpoint
	where string
}

// Data checks a data directory: the log frame by frame, every body and seed against the tree, every batch and every
// published checkpoint, the files of the tree, the keys, the chains of the accounts, that no event is recorded twice;
// and that all of it goes on from the checkpoints that somebody kept. It changes nothing and takes no lock, so
// a server may run: then it checks what was there when it began. Memory is 8 bytes an entry, and some for each
// account.
func Data(ctx context.Context, dir string, o Options) (*Report, error) {
	fsys := o.FS
	if fsys == nil {
		fsys = durable.OS()
	}
	r := newReport("a data directory")
	m, err := readManifest(fsys, dir)
	if err != nil {
		return nil, err
	}
	c, err := openData(fsys, dir, m, r, o)
	if err != nil {
		return nil, cannot(err)
	}
	defer c.roots.close()
	defer c.blocks.close()
	rec, err := wal.Check(fsys, filepath.Join(dir, walName), wal.Options{Clean: m.Clean}, func(b wal.Batch) error {
		return c.frame(ctx, &b)
	})
	c.sigs.stop()
	if err != nil && m.Clean == nil && beingWritten(ctx, fsys, dir, err) {
		rec, err = wal.Recovery{}, nil
	}
	damage, broken := errors.AsType[*wal.CorruptError](err)
	if broken {
		err = nil
		r.find(Changed, fmt.Sprintf("%s/%s at byte %d", walName, damage.File, damage.Offset), "%s: what is behind it was not checked", damage.What)
	}
	if err == nil {
		err = c.finish(rec, broken)
	}
	if err == nil && c.names.seemTwice() {
		err = c.lookAgain(ctx, fsys, dir)
	}
	if err != nil {
		return nil, cannot(err)
	}
	return r.done(), nil
}

// beingWritten tells whether a log that seems damaged was only looked at while a server was writing: then it soon
// looks otherwise. Everything that was durable before is in what was read.
func beingWritten(ctx context.Context, fsys durable.FS, dir string, err error) bool {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return true // it took back room from the file that it had set aside: nothing else makes a file shorter
	}
	before, ok := errors.AsType[*wal.CorruptError](err)
	if !ok {
		return false
	}
	for range 3 {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(50 * time.Millisecond): // longer than a frame takes to be written
		}
		_, err := wal.Check(fsys, filepath.Join(dir, walName), wal.Options{}, func(wal.Batch) error { return nil })
		now, damaged := errors.AsType[*wal.CorruptError](err)
		if err == nil || damaged && (now.File != before.File || now.Offset != before.Offset) || errors.Is(err, io.ErrUnexpectedEOF) {
			return true
		}
	}
	return false
}

// LogBytes returns how many bytes Data will read, as its progress counts them.
func LogBytes(dir string) (int64, error) {
	fsys := durable.OS()
	names, err := fsys.ReadDir(filepath.Join(dir, walName))
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, name := range names {
		if filepath.Ext(name) != ".log" {
			continue
		}
		size, err := fileSize(fsys, filepath.Join(dir, walName, name))
		if err != nil {
			return 0, err
		}
		sum += size
	}
	return sum, nil
}

// openData opens what is beside the log. It comes before the log is read: a server that runs makes entries durable
// first, then what speaks of them.
func openData(fsys durable.FS, dir string, m manifest, r *Report, o Options) (*dataCheck, error) {
	c := &dataCheck{
		report: r, opt: o, manifest: m, ring: newRing(m.Origin, m.Keys[0].VKey), names: newNames(),
		chains: newChains(r, chainBounds{plain: true}), kept: slices.Clone(o.Kept), began: time.Now(),
	}
	slices.SortFunc(c.kept, func(a, b merkle.Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
	c.checkKept()
	var err error
	if c.published, err = listNotes(fsys, dir, r, m.Clean != nil); err != nil {
		return nil, err
	}
	if c.roots, err = openHashes(fsys, dir, rootsName); err != nil {
		return nil, err
	}
	if c.blocks, err = openHashes(fsys, dir, filepath.Join(tilesName, blocksName)); err != nil {
		c.roots.close()
		return nil, err
	}
	c.sigs = newSignatures()
	if err = c.nextPublished(); err != nil {
		c.sigs.stop()
		c.roots.close()
		c.blocks.close()
	}
	return c, err
}

// checkKept takes out the kept checkpoints that are not of this trail.
func (c *dataCheck) checkKept() {
	c.kept = slices.DeleteFunc(c.kept, func(k merkle.Checkpoint) bool {
		if k.Origin != c.manifest.Origin {
			c.report.find(Forked, keptName(k), "it is of the trail %s, and the directory is that of %s", k.Origin, c.manifest.Origin)
			return true
		}
		if err := k.Verify(c.opt.Keys); err != nil {
			c.report.find(WrongKey, keptName(k), "%v", err)
			return true
		}
		return k.Size == 0 // every trail goes on from nothing
	})
}

func keptName(k merkle.Checkpoint) string {
	return fmt.Sprintf("the kept checkpoint of %d entries", k.Size)
}

// nextPublished moves on to the next published checkpoint.
func (c *dataCheck) nextPublished() error {
	next, where, ok, err := c.published.next()
	c.due = nil
	if ok {
		c.due = &due{next, where}
		c.publishedN++
	}
	return err
}

// pace tells how far it is, and waits if that is faster than it may be.
func (c *dataCheck) pace(ctx context.Context, b *wal.Batch) error {
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	c.bytes += wal.FrameBytes(b)
	if c.opt.Progress != nil {
		c.opt.Progress(c.bytes)
	}
	if c.opt.BytesPerSecond <= 0 {
		return nil
	}
	ahead := time.Duration(float64(c.bytes)/float64(c.opt.BytesPerSecond)*float64(time.Second)) - time.Since(c.began)
	if ahead < 10*time.Millisecond {
		return nil
	}
	select {
	case <-ctx.Done():
		return stopped(ctx)
	case <-time.After(ahead):
		return nil
	}
}

// lookAgain reads the log a second time, for events that seem to be recorded twice.
func (c *dataCheck) lookAgain(ctx context.Context, fsys durable.FS, dir string) error {
	next := uint64(0)
	_, err := wal.Check(fsys, filepath.Join(dir, walName), wal.Options{}, func(b wal.Batch) error {
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		for _, body := range b.Entries {
			if e, err := decodeBody(body, next); err == nil && next < c.edge.Size() && !e.fact() {
				c.names.again(c.report, &e.Entry)
			}
			next++
		}
		return nil
	})
	if _, ok := errors.AsType[*wal.CorruptError](err); ok {
		return nil // it was reported
	}
	return err
}
