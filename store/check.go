package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"countersign/bodies"
	"countersign/ids"
	"countersign/internal/durable"
	"countersign/merkle"
	"countersign/salts"
	"countersign/segment"
	"countersign/wal"
)

// MaxDamage is how many places of damage a check lists; the rest are counted.
const MaxDamage = 100

// CheckOptions are the circumstances of a check. The zero value is good.
type CheckOptions struct {
	// DedupKey is that of the trail. Without it the runs of ids are not compared with the bodies.
	DedupKey []byte
	// Control checks the control database at a path, and gives the key that is kept there; it may be nil.
	Control func(ctx context.Context, path string) (dedupKey []byte, damage []string, err error)
	// Progress is told how many bytes of how many were looked at; it may be nil.
	Progress func(done, total int64)
}

// CheckReport is what a check looked at and what it found.
type CheckReport struct {
	// Entries is how many entries the directory holds, Sealed how many of them lie in files.
	Entries uint64 `json:"entries"`
	Sealed  uint64 `json:"sealed"`
	// Parts are what was looked at.
	Parts []CheckedPart `json:"checked"`
	// Notes are what is no damage and yet worth knowing.
	Notes []string `json:"notes,omitempty"`
	// Damage is the first MaxDamage places of damage, More how many there are beside.
	Damage []Damage `json:"damage"`
	More   uint64   `json:"more_damage,omitempty"`
}

// CheckedPart is one kind of files of a directory.
type CheckedPart struct {
	Part  string `json:"part"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

// Damage is something that is not as it was written, or not as something else of the directory says.
type Damage struct {
	Part string `json:"part"`
	// File is its path within the directory, Offset the place in it, nil where that is not known.
	File   string `json:"file"`
	Offset *int64 `json:"offset,omitempty"`
	// First is the seq of the first entry that it is about and Entries their number; 0 for none in particular.
	First   uint64 `json:"first_seq"`
	Entries uint64 `json:"entries"`
	What    string `json:"what"`
	// Derived tells that RebuildIndexes makes it again from what is not damaged.
	Derived bool `json:"derived"`
}

// OK tells that there is no damage.
func (r *CheckReport) OK() bool { return len(r.Damage) == 0 }

// Add adds a place of damage.
func (r *CheckReport) Add(d Damage) {
	d.Derived = derivedParts[d.Part]
	if len(r.Damage) == MaxDamage {
		r.More++
		return
	}
	r.Damage = append(r.Damage, d)
}

// check is the state of one Check.
type check struct {
	ctx      context.Context
	fsys     durable.FS
	path     string
	o        CheckOptions
	report   *CheckReport
	manifest manifest
	files    *sealedFiles
	ring     *keyring
	newest   merkle.Checkpoint // the newest published one; without a note while there is none

	bodies []*bodies.File // those that could be opened
	unread seqSpans       // sealed entries that cannot be read
	runs   []*checkedRun
	salts  *salts.File

	done, total int64
}

// Check looks at every byte of a directory whose server is stopped, and compares what is made from the entries with
// them. It changes nothing. Damage is in the report; an error means that the directory could not be checked. Nobody
// needs to be trusted for it and nobody's signature: whether the entries are those that were recorded, package
// verify tells.
func Check(ctx context.Context, path string, o CheckOptions) (*CheckReport, error) {
	return checkOn(ctx, durable.OS(), path, o)
}

func checkOn(ctx context.Context, fsys durable.FS, path string, o CheckOptions) (report *CheckReport, err error) {
	lock, err := lockStopped(fsys, path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	return checkLocked(ctx, fsys, path, o)
}

func checkLocked(ctx context.Context, fsys durable.FS, path string, o CheckOptions) (*CheckReport, error) {
	c := newCheck(ctx, fsys, path, o)
	defer c.close()
	if err := c.run(); err != nil {
		return nil, fmt.Errorf("check %s: %w", path, err)
	}
	return c.report, nil
}

func newCheck(ctx context.Context, fsys durable.FS, path string, o CheckOptions) *check {
	return &check{ctx: ctx, fsys: fsys, path: path, o: o, report: &CheckReport{Parts: []CheckedPart{}, Damage: []Damage{}}}
}

// lockStopped takes the lock of a directory that is there.
func lockStopped(fsys durable.FS, path string) (io.Closer, error) {
	if f, err := fsys.OpenFile(filepath.Join(path, manifestName), os.O_RDONLY, 0); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no data directory: it has no manifest", path)
	} else if err == nil {
		_ = f.Close() // it was not even read
	}
	return lockDir(fsys, path)
}

func (c *check) run() error {
	readable, err := c.checkManifest()
	if err != nil || !readable {
		return err
	}
	if err := c.measure(); err != nil {
		return err
	}
	for _, step := range []func() error{c.checkControl, c.checkKeys, c.checkPublished, c.openSealed, c.checkEntries, c.checkSealed, c.checkAside, c.findLeftovers} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (c *check) close() {
	for _, f := range c.bodies {
		_ = f.Close() // read only: nothing to lose
	}
	for _, r := range c.runs {
		_ = r.run.Close()
	}
	if c.salts != nil {
		_ = c.salts.Close()
	}
}

// note makes damage of an error that a file has. What says nothing about the file is returned.
func (c *check) note(part, file string, err error) error {
	d := Damage{Part: part, File: file}
	at := func(offset int64, what string) error {
		if offset >= 0 && part != manifestName { // which is looked at as a whole
			d.Offset = &offset
		}
		d.What = what
		c.report.Add(d)
		return nil
	}
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*bodies.CorruptError](err); ok {
		return at(e.Offset, e.What)
	}
	if e, ok := errors.AsType[*ids.CorruptError](err); ok {
		return at(e.Offset, e.What)
	}
	if e, ok := errors.AsType[*salts.CorruptError](err); ok {
		return at(e.Offset, e.What)
	}
	if e, ok := errors.AsType[*segment.CorruptError](err); ok {
		return at(e.Offset, e.What)
	}
	if e, ok := errors.AsType[*wal.CorruptError](err); ok {
		return at(e.Offset, e.What)
	}
	switch {
	case c.ctx.Err() != nil:
		return c.ctx.Err()
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrClosed):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return at(-1, "the file is missing")
	}
	return at(-1, "it cannot be read: "+err.Error())
}

// derivedParts are what RebuildIndexes makes.
var derivedParts = map[string]bool{indexName: true, idsName: true, stateDirName: true, rootsName: true, tilesName: true}

// looked tells of so many bytes that were looked at.
func (c *check) looked(bytes int64) error {
	c.done += bytes
	if c.o.Progress != nil {
		c.o.Progress(min(c.done, c.total), c.total)
	}
	return c.ctx.Err()
}
