package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"countersign/event"
	"countersign/merkle"
	"countersign/wal"
)

// logReader reads the entries that are in the log only.
type logReader struct {
	*check
	seeds map[uint64][32]byte // by block
}

func newLogReader(c *check) *logReader { return &logReader{c, map[uint64][32]byte{}} }

// seed returns the seed of an entry of the log that was read.
func (l *logReader) seed(seq uint64) ([32]byte, bool) {
	b, ok := l.seeds[seq>>blockBits]
	return event.EntrySeed(b, seq), ok
}

// each calls visit with the entries of each batch that are not sealed.
func (l *logReader) each(visit func(entries []*event.Entry, b *wal.Batch) error) (wal.Recovery, error) {
	return wal.Check(l.fsys, filepath.Join(l.path, walName), wal.Options{Clean: l.manifest.Clean, From: l.check.files.Size}, func(b wal.Batch) error {
		for _, s := range b.Seeds {
			l.seeds[s.Block] = s.Bytes
		}
		if err := l.looked(wal.FrameBytes(&b)); err != nil {
			return err
		}
		// The log keeps whole files, so its first frames may hold sealed entries.
		skip := min(uint64(len(b.Entries)), max(b.FirstSeq, l.check.files.Size)-b.FirstSeq)
		var entries []*event.Entry
		for i, body := range b.Entries[skip:] {
			e, err := event.DecodeBody(body)
			e.Seq = b.FirstSeq + skip + uint64(i)
			if err != nil {
				return &wal.CorruptError{File: b.At.File, Offset: b.At.Offset, What: fmt.Sprintf("body of seq %d: %v", e.Seq, err)}
			}
			entries = append(entries, &e)
		}
		if len(entries) == 0 {
			return nil
		}
		return visit(entries, &b)
	})
}

// compareLog goes through the entries that are in the log only. It tells whether all of it could be read.
func (c *check) compareLog(g *grown) (whole bool, err error) {
	l := newLogReader(c)
	rec, err := l.each(func(entries []*event.Entry, b *wal.Batch) error {
		if err := c.compare(g, entries[0].Seq, entries, l.seed); err != nil {
			return err
		}
		c.checkBatch(g, b)
		return nil
	})
	if damage, ok := errors.AsType[*wal.CorruptError](err); ok {
		if damage.Ended {
			c.report.Add(Damage{Part: manifestName, File: manifestName, What: "it says that the log was closed where the log does not end: one of the two is wrong"})
		}
		return false, c.note(walName, filepath.Join(walName, filepath.Base(damage.File)), err)
	}
	if err != nil {
		return false, c.note(walName, walName, err)
	}
	if rec.Torn > 0 {
		c.report.Notes = append(c.report.Notes, fmt.Sprintf("%s has %d bytes behind its last batch (%s): the server was killed; nobody was promised anything of them, and the next start keeps them aside",
			filepath.Join(walName, rec.End.File), rec.Torn, rec.TornReason))
	}
	return true, nil
}

// checkBatch holds the checkpoint of a batch to the trees.
func (c *check) checkBatch(g *grown, b *wal.Batch) {
	signed, err := merkle.ParseCheckpoint(slices.Clone(b.Checkpoint))
	if err == nil && c.ring.verifies(signed) != nil { // a crash can leave a manifest without the newest key
		err = g.keys.verifies(signed)
	}
	switch {
	case err != nil:
	case signed.Size != g.byBodies.Size():
		err = fmt.Errorf("it is of %d entries, and the batch ends with %d", signed.Size, g.byBodies.Size())
	case signed.Root != g.byBodies.Root() && signed.Root != g.byRoots.Root():
		err = errors.New("the entries up to it are not those that it was signed for")
	}
	if err != nil {
		c.report.Add(Damage{Part: walName, File: filepath.Join(walName, b.At.File), Offset: &b.At.Offset, First: b.FirstSeq, Entries: uint64(len(b.Entries)),
			What: "the checkpoint of the batch: " + err.Error()})
	}
}
