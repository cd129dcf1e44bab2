package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"countersign/bodies"
	"countersign/event"
	"countersign/ids"
	"countersign/internal/durable"
	"countersign/salts"
	"countersign/segment"
)

// What has left the log: body files and the file of salts hold what the log held, the rest is made from them.

// sealed is the files of sealed entries. It is nil while there are none.
type sealed struct {
	size   uint64
	bodies []*bodies.File
	salts  *salts.File
}

// missingError is that a file which the manifest names is not there.
type missingError struct{ name string }

func (e *missingError) Error() string { return e.name + " is missing" }

// gone makes a missing file of err, if it is one.
func gone(err error, name string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &missingError{name}
	}
	return err
}

func (s *sealed) close() {
	if s == nil {
		return
	}
	for _, f := range s.bodies {
		_ = f.Close() // read only: nothing to lose
	}
	if s.salts != nil {
		_ = s.salts.Close()
	}
}

// readSealed checks the sealed entries and what is made from them. Damage is a finding; what is left goes on being
// checked.
func (c *dataCheck) readSealed(ctx context.Context) error {
	files := c.manifest.Sealed
	if files == nil || files.Size == 0 {
		return nil
	}
	if files.Size%event.BlockEntries != 0 || !files.whole() {
		c.report.find(Malformed, manifestName, "the files that it names do not lie side by side")
		return &missingError{manifestName}
	}
	c.sealed = &sealed{size: files.Size}
	if err := c.openSealed(ctx); err != nil {
		return err
	}
	var stored int64
	for _, f := range c.sealed.bodies {
		stored += f.Size()
	}
	blocks := int64(files.Size / event.BlockEntries)
	err := c.sealed.each(ctx, func(bodies [][]byte) error {
		if err := c.pace(ctx, stored/blocks); err != nil {
			return err
		}
		first := c.edge.Size()
		return c.take(&part{first: first, bodies: bodies, file: bodiesName, where: entriesName(first, first+event.BlockEntries), seed: c.sealed.seed, block: true})
	})
	if err == nil {
		err = c.checkState()
	}
	if err == nil {
		err = c.checkIndexes(ctx)
	}
	if err == nil {
		err = c.checkIDs(ctx)
	}
	return err
}

// whole tells whether the files cover all that is sealed.
func (f *sealedFiles) whole() bool {
	for i, first := range f.Bodies {
		if i == 0 && first != 0 || i > 0 && first <= f.Bodies[i-1] || first >= f.Size || first%event.BlockEntries != 0 {
			return false
		}
	}
	return len(f.Bodies) > 0 && sideBySide(f.Indexes, f.Size) && sideBySide(f.IDs, f.Size)
}

// openSealed opens bodies and salts and holds every byte of them to its checksum.
func (c *dataCheck) openSealed(ctx context.Context) error {
	files, s := c.manifest.Sealed, c.sealed
	for i, first := range files.Bodies {
		name := filepath.Join(bodiesName, fmt.Sprintf("%020d.bodies", first))
		f, err := bodies.Open(c.opt.FS, filepath.Join(c.dir, name))
		if damage, ok := errors.AsType[*bodies.CorruptError](err); ok {
			c.report.find(Changed, name, "%s: nothing behind it was checked", damage.What)
			return &missingError{name}
		}
		if err != nil {
			return gone(err, name)
		}
		s.bodies = append(s.bodies, f)
		end := files.Size
		if i+1 < len(files.Bodies) {
			end = files.Bodies[i+1]
		}
		if from, to := f.Seqs(); from != first || to != end {
			c.report.find(Moved, name, "it has the entries %d to %d, and the manifest names it for %d to %d", from, to-1, first, end-1)
			return &missingError{name}
		}
		found, err := f.Check(ctx)
		for _, damage := range found {
			c.report.find(Changed, fmt.Sprintf("%s at byte %d", name, damage.Offset), "%s", damage.What)
		}
		if err != nil {
			return err
		}
	}
	return c.openSalts()
}

func (c *dataCheck) openSalts() error {
	name := filepath.Join(c.dir, saltsName)
	if _, err := fileSize(c.opt.FS, name); err != nil { // salts.Open would make it
		return gone(err, saltsName)
	}
	f, err := salts.Open(c.opt.FS, name, c.sealed.size/event.BlockEntries)
	if damage, ok := errors.AsType[*salts.CorruptError](err); ok {
		c.report.find(Changed, saltsName, "%s: nothing behind it was checked", damage.What)
		return &missingError{saltsName}
	}
	if err != nil {
		return err
	}
	c.sealed.salts = f
	found, err := f.Check()
	for _, damage := range found {
		c.report.find(Changed, fmt.Sprintf("%s at byte %d", saltsName, damage.Offset), "%s", damage.What)
	}
	return err
}

// each calls fn with the bodies of one block after the other; they are good until it returns, and nil where they cannot
// be read.
func (s *sealed) each(ctx context.Context, fn func([][]byte) error) error {
	block := make([][]byte, event.BlockEntries)
	var all []byte // of the block
	next := uint64(0)
	pass := func(to uint64) error { // goes on to the entry to
		for next < to {
			if next++; next%event.BlockEntries != 0 {
				continue
			}
			if err := fn(block); err != nil {
				return err
			}
			clear(block)
			all = all[:0]
		}
		return nil
	}
	for _, f := range s.bodies {
		from, to := f.Seqs()
		err := f.Each(ctx, from, to, func(seq uint64, body []byte) error {
			if err := pass(seq); err != nil { // over those that cannot be read
				return err
			}
			start := len(all)
			all = append(all, body...)
			block[seq%event.BlockEntries] = all[start:len(all):len(all)]
			return pass(seq + 1)
		})
		if _, unreadable := errors.AsType[*bodies.UnreadableError](err); err != nil && !unreadable {
			return err
		}
		if err := pass(to); err != nil {
			return err
		}
	}
	return nil
}

// seed returns the seed of a sealed entry.
func (s *sealed) seed(_ *event.Seeder, seq uint64) ([32]byte, error) {
	if s.salts == nil || seq >= s.size {
		return [32]byte{}, errNoSeed
	}
	block, err := s.salts.Block(seq / event.BlockEntries)
	if err != nil {
		return [32]byte{}, errNoSeed // what is wrong there was reported
	}
	seed, ok := block.Seed(byte(seq))
	if !ok {
		return seed, errSeedGone
	}
	return seed, nil
}

// checkIndexes holds the indexes to the bodies, if these can be read; else to their checksums.
func (c *dataCheck) checkIndexes(ctx context.Context) error {
	entries := segment.Bodies(c.sealed.entries)
	if c.unreadable {
		entries = nil
	}
	for _, part := range c.manifest.Sealed.Indexes {
		name := filepath.Join(indexName, part.file("index"))
		index, err := c.openIndex(name)
		if err == nil {
			if index.First() != part.From || index.End() != part.To {
				c.report.find(Moved, name, "it covers the entries %d to %d", index.First(), index.End()-1)
			}
			err = index.Check(ctx, entries)
			_ = index.Close() // read only: nothing to lose
		}
		if damage, ok := errors.AsType[*segment.CorruptError](err); ok {
			c.report.find(Disagrees, name, "%s", damage.What)
			continue
		}
		if err != nil {
			return gone(err, name)
		}
	}
	return nil
}

func (c *dataCheck) openIndex(name string) (*segment.Segment, error) {
	f, err := c.opt.FS.OpenFile(filepath.Join(c.dir, name), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := durable.Map(f, name)
	if err != nil {
		return nil, err
	}
	return segment.Open(name, m, nil)
}

// entries reads sealed entries for the check of an index.
func (s *sealed) entries(ctx context.Context, seqs []uint64, visit func(*event.Entry) error) error {
	return bodies.Read(ctx, s.bodies, seqs, func(seq uint64, body []byte) error {
		e, err := event.DecodeBody(body)
		if err != nil {
			return err
		}
		e.Seq = seq
		return visit(&e)
	})
}

// checkIDs holds the hashes of ids to their checksums and their form; the key that they are made with is the server's.
func (c *dataCheck) checkIDs(ctx context.Context) error {
	for _, part := range c.manifest.Sealed.IDs {
		name := filepath.Join(idsName, part.file("ids"))
		run, err := ids.Open(c.opt.FS, filepath.Join(c.dir, name))
		if damage, ok := errors.AsType[*ids.CorruptError](err); ok {
			c.report.find(Disagrees, name, "%s", damage.What)
			continue
		}
		if err != nil {
			return gone(err, name)
		}
		found, err := run.Check(func() error { return context.Cause(ctx) })
		for _, damage := range found {
			c.report.find(Disagrees, fmt.Sprintf("%s at byte %d", name, damage.Offset), "%s", damage.What)
		}
		if err = errors.Join(err, run.Close()); err != nil {
			return err
		}
	}
	return nil
}
