package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"countersign/bodies"
	"countersign/event"
	"countersign/ids"
	"countersign/salts"
	"countersign/segment"
)

// checkedRun is a run of ids, and how many of the events of its range were found in it.
type checkedRun struct {
	run    *ids.Run
	set    ids.Set
	file   string
	span   span
	events uint64 // in the bodies of its range
	found  uint64 // of them, with their seqs
}

// openSealed opens what lies in files. What cannot be opened is damage, and what is in it is missing from here on.
func (c *check) openSealed() error {
	if c.files.Size == 0 {
		return nil
	}
	var err error
	if c.salts, err = salts.Open(c.fsys, filepath.Join(c.path, saltsName), c.files.Size>>blockBits); err != nil {
		c.salts = nil
		if err := c.note(saltsName, saltsName, err); err != nil {
			return err
		}
	}
	for i, first := range c.files.Bodies {
		if err := c.openBodies(span{first, c.files.bodiesEnd(i)}); err != nil {
			return err
		}
	}
	for _, part := range c.files.IDs {
		if err := c.openRun(part); err != nil {
			return err
		}
	}
	return nil
}

// bodiesEnd returns the seq after the last one of a body file.
func (f *sealedFiles) bodiesEnd(i int) uint64 {
	if i+1 < len(f.Bodies) {
		return f.Bodies[i+1]
	}
	return f.Size
}

func (c *check) openBodies(part span) error {
	file := filepath.Join(bodiesName, bodiesFile(part.From))
	f, err := bodies.Open(c.fsys, filepath.Join(c.path, file))
	if err == nil {
		if from, to := f.Seqs(); from != part.From || to != part.To {
			err = errors.Join(fmt.Errorf("it has the bodies of seq %d to %d, and the manifest says %d to %d", from, to, part.From, part.To), f.Close())
		}
	}
	if err != nil {
		before := len(c.report.Damage)
		err = c.note(bodiesName, file, err)
		if len(c.report.Damage) > before {
			d := &c.report.Damage[before]
			d.First, d.Entries = part.From, part.To-part.From
		}
		return err
	}
	c.bodies = append(c.bodies, f)
	return nil
}

func (c *check) openRun(part span) error {
	file := filepath.Join(idsName, idsFile(part))
	run, err := ids.Open(c.fsys, filepath.Join(c.path, file))
	if err != nil {
		return c.note(idsName, file, err)
	}
	set, err := ids.NewSet(run)
	if err == nil {
		if from, to := run.Seqs(); (span{from, to}) != part {
			err = fmt.Errorf("it has the ids of seq %d to %d", from, to)
		}
	}
	if err != nil {
		return errors.Join(c.note(idsName, file, err), run.Close())
	}
	c.runs = append(c.runs, &checkedRun{run: run, set: set, file: file, span: part})
	return nil
}

// checkSealed holds every byte of what lies in files to its checksum, and the indexes to the bodies.
func (c *check) checkSealed() error {
	for _, f := range c.bodies {
		if err := c.checkBodies(f); err != nil {
			return err
		}
	}
	if c.salts != nil {
		found, err := c.salts.Check()
		for _, damage := range found {
			if err := c.note(saltsName, saltsName, damage); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
	for _, r := range c.runs {
		if err := c.checkRun(r); err != nil {
			return err
		}
	}
	for _, part := range c.files.Indexes {
		if err := c.checkIndex(part); err != nil {
			return err
		}
	}
	return nil
}

// checkBodies looks at all bytes of a body file.
func (c *check) checkBodies(f *bodies.File) error {
	from, _ := f.Seqs()
	file := filepath.Join(bodiesName, bodiesFile(from))
	found, err := f.Check(c.ctx)
	for _, damage := range found {
		before := len(c.report.Damage)
		if err := c.note(bodiesName, file, damage); err != nil {
			return err
		}
		if from, to, in := f.SeqsAt(damage.Offset); in && len(c.report.Damage) > before {
			d := &c.report.Damage[before]
			d.First, d.Entries = from, to-from
		}
	}
	if err != nil {
		return err
	}
	return c.looked(f.Size())
}

func (c *check) checkRun(r *checkedRun) error {
	found, err := r.run.Check(func() error { return c.ctx.Err() })
	for _, damage := range found {
		if err := c.note(idsName, r.file, damage); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if len(found) == 0 && c.o.DedupKey != nil && !c.unreadWithin(r.span) && (r.found != r.events || r.run.Len() != r.events) {
		c.report.Add(Damage{Part: idsName, File: r.file, First: r.span.From, Entries: r.events - r.found,
			What: fmt.Sprintf("it has %d ids, and %d of the %d events of its range with their seqs", r.run.Len(), r.found, r.events)})
	}
	return c.looked(r.run.Size())
}

func (c *check) checkIndex(part span) error {
	file := filepath.Join(indexName, indexFile(part))
	index, err := openIndexOn(c.fsys, c.path, part, nil)
	if err != nil {
		return c.note(indexName, file, err)
	}
	read := segment.Bodies(c.readBodies)
	if c.unreadWithin(part) {
		// What the index says of entries that cannot be read is all that is left of them.
		read = nil
	}
	err = index.Check(c.ctx, read)
	size := index.SizeBytes()
	if err := errors.Join(c.note(indexName, file, err), index.Close()); err != nil {
		return err
	}
	return c.looked(size)
}

// unreadWithin tells whether some of the entries cannot be read.
func (c *check) unreadWithin(part span) bool {
	return slices.ContainsFunc(c.unread.parts, func(s span) bool { return s.From < part.To && part.From < s.To })
}

// readBodies is segment.Bodies.
func (c *check) readBodies(ctx context.Context, seqs []uint64, visit func(*event.Entry) error) error {
	return bodies.Read(ctx, c.bodies, seqs, func(seq uint64, body []byte) error {
		e, err := event.DecodeBody(body)
		if err != nil {
			return err // of none that could be read before
		}
		e.Seq = seq
		return visit(&e)
	})
}
