package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"countersign/event"
	"countersign/internal/durable"
	"countersign/merkle"
	"countersign/wal"
)

// dataCheck is the state of one check of a directory.
type dataCheck struct {
	report   *Report
	opt      Options
	dir      string
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
	sealed     *sealed // nil while nothing is
	unreadable bool    // the body of an entry could not be read
	seeds      seeds
	chains     *chains
	lastOf     map[string]merkle.Checkpoint // the last checkpoint of each name of the trail
	names      *names                       // nil when memory is bounded
	facts      []event.Entry
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

// Data checks a data directory: every body and seed against the tree, sealed or in the log, the checkpoint of every
// batch that is in the log and every published one, the files of the tree, the keys, the chains of the accounts, that
// no event is recorded twice, indexes and state against the entries; and that all of it goes on from the checkpoints
// that somebody kept. It changes nothing and takes no lock, so a server may run: then it checks what was there when it
// began. Memory is 8 bytes an entry, some for each account, and what one index takes.
func Data(ctx context.Context, dir string, o Options) (*Report, error) {
	if o.FS == nil {
		o.FS = durable.OS()
	}
	o.FS = readOnly{o.FS}
	for range 5 {
		r, err := checkData(ctx, dir, o)
		if !errors.Is(err, errMovedOn) {
			return r, err
		}
	}
	return nil, notChecked("the server that runs on %s seals entries faster than they can be read: try again when it has less to do", dir)
}

// errMovedOn says that a server that runs has put other files in the place of those that were to be read.
var errMovedOn = errors.New("the directory has moved on")

func checkData(ctx context.Context, dir string, o Options) (*Report, error) {
	r := newReport("a data directory")
	m, err := readManifest(o.FS, dir)
	if err != nil {
		return nil, err
	}
	c, err := openData(dir, m, r, o)
	defer c.close()
	if err == nil {
		err = c.readSealed(ctx)
	}
	var rec wal.Recovery
	if err == nil {
		rec, err = wal.Check(o.FS, filepath.Join(dir, walName), wal.Options{Clean: m.Clean, From: m.sealedSize()}, func(b wal.Batch) error {
			return c.frame(ctx, &b)
		})
	}
	c.sigs.stop()
	if err != nil && m.Clean == nil {
		switch moved, again := movedOn(o.FS, dir, m); {
		case again != nil:
			return nil, again
		case moved:
			return nil, errMovedOn
		case beingWritten(ctx, o.FS, dir, m, err):
			rec, err = wal.Recovery{}, nil
		}
	}
	damage, broken := errors.AsType[*wal.CorruptError](err)
	if broken {
		err = nil
		r.find(Changed, fmt.Sprintf("%s/%s at byte %d", walName, damage.File, damage.Offset), "%s: what is behind it was not checked", damage.What)
	}
	if gone, missing := errors.AsType[*missingError](err); missing {
		r.find(Missing, gone.name, "the manifest names this file, and it is not there: nothing behind it was checked")
		return r.done(), nil
	}
	if err == nil {
		err = c.finish(rec, broken)
	}
	if err == nil && c.names.seemTwice() {
		err = c.lookAgain(ctx)
	}
	if err != nil {
		return nil, cannot(err)
	}
	return r.done(), nil
}

// movedOn tells whether the manifest is another than it was.
func movedOn(fsys durable.FS, dir string, m manifest) (bool, error) {
	now, err := readManifest(fsys, dir)
	if err != nil {
		return false, err
	}
	return !reflect.DeepEqual(now, m), nil
}

// beingWritten tells whether a log that seems damaged was only looked at while a server was writing: then it soon
// looks otherwise. Everything that was durable before is in what was read.
func beingWritten(ctx context.Context, fsys durable.FS, dir string, m manifest, err error) bool {
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
		_, err := wal.Check(fsys, filepath.Join(dir, walName), wal.Options{From: m.sealedSize()}, func(wal.Batch) error { return nil })
		now, damaged := errors.AsType[*wal.CorruptError](err)
		if err == nil || damaged && (now.File != before.File || now.Offset != before.Offset) || errors.Is(err, io.ErrUnexpectedEOF) {
			return true
		}
	}
	return false
}

// DataBytes returns how many bytes Data will read at most, as its progress counts them: log files that are sealed by
// now are not read.
func DataBytes(dir string) (int64, error) {
	fsys := durable.OS()
	var sum int64
	for _, folder := range []string{bodiesName, walName} {
		names, err := fsys.ReadDir(filepath.Join(dir, folder))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		for _, name := range names {
			size, err := fileSize(fsys, filepath.Join(dir, folder, name))
			if err != nil {
				return 0, err
			}
			sum += size
		}
	}
	return sum, nil
}

// openData opens what is beside the log. It comes before the log is read: a server that runs makes entries durable
// first, then what speaks of them. What it returns is to be closed, also with an error.
func openData(dir string, m manifest, r *Report, o Options) (*dataCheck, error) {
	c := &dataCheck{
		report: r, opt: o, dir: dir, manifest: m, ring: newRing(m.Keys[0].VKey), seeds: seeds{},
		lastOf: map[string]merkle.Checkpoint{},
		chains: newChains(r, chainBounds{plain: true}), kept: slices.Clone(o.Kept), began: time.Now(), sigs: newSignatures(),
	}
	if !o.Bounded {
		c.names = newNames()
	}
	slices.SortFunc(c.kept, func(a, b merkle.Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
	c.checkKept()
	var err error
	if c.published, err = listNotes(o.FS, dir, r, m.Clean != nil); err != nil {
		return c, err
	}
	if c.roots, err = openHashes(o.FS, dir, rootsName); err != nil {
		return c, err
	}
	if c.blocks, err = openHashes(o.FS, dir, filepath.Join(tilesName, blocksName)); err != nil {
		return c, err
	}
	return c, c.nextPublished()
}

func (c *dataCheck) close() {
	c.roots.close()
	c.blocks.close()
	c.sealed.close()
}

// checkKept takes out the kept checkpoints that are not of this trail, by the names that the manifest knows. Which name
// it had at which size the entries tell.
func (c *dataCheck) checkKept() {
	c.kept = slices.DeleteFunc(c.kept, func(k merkle.Checkpoint) bool {
		named := slices.ContainsFunc(c.manifest.Keys, func(m manifestKey) bool { return nameOf(m.VKey) == k.Origin })
		if !named && c.manifest.Clean != nil { // a crash can leave a manifest without the newest key
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
func (c *dataCheck) pace(ctx context.Context, bytes int64) error {
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	c.bytes += bytes
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

// lookAgain reads all entries a second time, for events that seem to be recorded twice.
func (c *dataCheck) lookAgain(ctx context.Context) error {
	next := uint64(0)
	look := func(bodies [][]byte) error {
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		for _, body := range bodies {
			if e, err := decodeBody(body, next); err == nil && next < c.edge.Size() && !e.fact() {
				c.names.again(c.report, &e.Entry)
			}
			next++
		}
		return nil
	}
	if c.sealed != nil {
		if err := c.sealed.each(ctx, look); err != nil {
			return err
		}
	}
	_, err := wal.Check(c.opt.FS, filepath.Join(c.dir, walName), wal.Options{From: next}, func(b wal.Batch) error {
		return look(b.Entries[min(next-b.FirstSeq, uint64(len(b.Entries))):])
	})
	if _, ok := errors.AsType[*wal.CorruptError](err); ok {
		return nil // it was reported
	}
	return err
}
