package wal

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"countersign/internal/durable"
)

// Open reads the log in dir as Check does, sets a torn tail aside, and makes the log ready to be written. A folder
// that is missing or empty is an empty log. When it returns a *CorruptError, or any error before all has been
// read, nothing on disk has been changed; an error after that leaves the log with the same batches.
func Open(fsys durable.FS, dir string, o Options, fn func(Batch) error) (*Log, Recovery, error) {
	if o.RollBytes <= 0 {
		o.RollBytes = 64 << 20
	}
	if o.AllocateBytes <= 0 {
		o.AllocateBytes = 8 << 20
	}
	r := &fileReader{fsys: fsys, dir: dir}
	rec, err := r.walk(o, fn)
	if err != nil {
		return nil, rec, fmt.Errorf("open log: %w", err)
	}
	if rec.Torn > 0 {
		// The torn bytes are safe elsewhere before the file that holds them is replaced. A crash in between leaves
		// both, and the next Open writes the same bytes under the same name again.
		if rec.AsideFile, err = r.setAside(o.AsideDir, rec); err != nil {
			return nil, rec, fmt.Errorf("open log: set torn bytes aside: %w", err)
		}
	}
	l := &Log{fsys: fsys, dir: dir, o: o}
	if err := l.begin(r, rec.End); err != nil {
		return nil, rec, fmt.Errorf("open log: %w", err)
	}
	rec.End = l.end
	return l, rec, nil
}

// begin makes the file that is written on: the first one of an empty log, else a copy of the last one. Not
// the file itself is written on, for the reason that the package comment gives. The copy keeps the header, and
// with it the tag and every byte of every frame: so a crash anywhere in here leaves one of two files that
// mean the same, the end stays the Position that a clean stop noted, and a copy can be compared with its
// original. A new nonce would gain nothing, since the torn tail with the old tag is not copied.
func (l *Log) begin(r *fileReader, end Position) error {
	if err := l.fsys.MkdirAll(l.dir, durable.DirMode); err != nil {
		return err
	}
	if err := l.removeTemps(); err != nil {
		return err
	}
	if end.File == "" {
		return l.create(newFileHead(end.Next, 0))
	}
	// A crash up to the end of Replace leaves the old last file, with its torn tail if it had one, or the copy.
	f, err := durable.Replace(l.fsys, filepath.Join(l.dir, end.File), func(f durable.File) error {
		return r.copyTo(f, end)
	})
	if err != nil {
		return err
	}
	l.use(f, r.head, end)
	return nil
}

// removeTemps removes files that were to become log files when a crash came. A crash before their removal is
// durable brings them back for the next Open.
func (l *Log) removeTemps() error {
	names, err := l.fsys.ReadDir(l.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !durable.IsTemp(name) {
			continue
		}
		if err := l.fsys.Remove(filepath.Join(l.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// copyTo copies the file that ends at end. It reads frame by frame with every check, so that what memory was
// built from and what the copy holds are the same.
func (r *fileReader) copyTo(dst durable.File, end Position) error {
	if err := r.open(end.File); err != nil {
		return err
	}
	defer r.file.Close()
	out := bufio.NewWriterSize(io.NewOffsetWriter(dst, 0), 4*readBufferBytes)
	if _, err := out.Write(r.head.bytes[:]); err != nil {
		return err
	}
	for r.at.Offset < end.Offset {
		if err := r.next(); err != nil {
			return fmt.Errorf("copy %s: %w", end.File, err)
		}
		if _, err := out.Write(r.frame); err != nil {
			return err
		}
	}
	if r.at != end {
		return fmt.Errorf("copy %s: it has changed since it was read", end.File)
	}
	return out.Flush()
}

// setAside copies the torn tail to a file of its own and returns its name.
func (r *fileReader) setAside(dir string, rec Recovery) (string, error) {
	if dir == "" {
		return "", fmt.Errorf("no folder is set for them")
	}
	if err := r.fsys.MkdirAll(dir, durable.DirMode); err != nil {
		return "", err
	}
	src, err := r.fsys.OpenFile(filepath.Join(r.dir, rec.End.File), os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer src.Close()
	torn := io.NewSectionReader(src, rec.End.Offset, rec.Torn)
	sum := sha256.New()
	if _, err := io.Copy(sum, torn); err != nil {
		return "", err
	}
	name := filepath.Join(dir, tornName(rec.End.File, rec.End.Offset, sum.Sum(nil)))
	f, err := durable.Replace(r.fsys, name, func(f durable.File) error {
		if _, err := torn.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err := io.Copy(io.NewOffsetWriter(f, 0), torn)
		return err
	})
	if err != nil {
		return "", err
	}
	return name, f.Close()
}
