package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"countersign/internal/durable"
	"countersign/merkle"
	"countersign/wal"
)

const (
	notesSuffix = ".notes"
	// notesPerFile is how many checkpoints a file holds; the last file is copied at each start.
	notesPerFile = 4096
	// maxNotesBytes bounds what is read of one file.
	maxNotesBytes = notesPerFile*(64<<10) + 64
	// cachedNotes is how many files of checkpoints are kept in memory for look-ups.
	cachedNotes = 4
)

// published is the checkpoints that were published (docs/format/checkpoints.md). The publisher alone adds;
// looking up is for any goroutine.
type published struct {
	fsys durable.FS
	dir  string

	// The publisher's own.
	last  durable.File
	end   int64
	count int // in the last file

	mu     sync.Mutex // guards what follows; held for a few comparisons only
	files  []uint64   // the size of the first checkpoint of each file
	newest merkle.Checkpoint
	cache  []*notesFile // the last used one last
}

// notesFile is a file of checkpoints in memory.
type notesFile struct {
	first uint64
	bytes []byte
	sizes []uint64
	notes [][]byte
}

func notesName(first uint64) string { return fmt.Sprintf("%020d%s", first, notesSuffix) }

// openPublished reads what was published and makes the last file ready to be added to. As in the log, it
// goes on in a copy: after a failed sync the page cache may show what the disk never got.
func openPublished(fsys durable.FS, dir string) (*published, error) {
	p := &published{fsys: fsys, dir: dir}
	if err := fsys.MkdirAll(dir, durable.DirMode); err != nil {
		return nil, err
	}
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if durable.IsTemp(name) {
			continue // of a start that a crash broke off; it is written over
		}
		text, ok := strings.CutSuffix(name, notesSuffix)
		first, err := strconv.ParseUint(text, 10, 64)
		if !ok || err != nil || name != notesName(first) {
			return nil, &wal.CorruptError{File: filepath.Join(dir, name), What: "this is not the name of a file of checkpoints"}
		}
		p.files = append(p.files, first)
	}
	if len(p.files) == 0 {
		return p, nil
	}
	return p, p.resume()
}

// resume cuts off what follows the last whole record of the last file: nobody has seen it.
func (p *published) resume() error {
	first := p.files[len(p.files)-1]
	f, whole, err := p.read(first)
	if err != nil {
		return err
	}
	if len(f.notes) == 0 {
		return &wal.CorruptError{File: filepath.Join(p.dir, notesName(first)), What: "there is no whole checkpoint in it"}
	}
	if p.newest, err = merkle.ParseCheckpoint(slices.Clone(f.notes[len(f.notes)-1])); err != nil {
		return &wal.CorruptError{File: filepath.Join(p.dir, notesName(first)), What: err.Error()}
	}
	p.count, p.end = len(f.notes), int64(whole)
	p.last, err = durable.Replace(p.fsys, filepath.Join(p.dir, notesName(first)), func(file durable.File) error {
		_, err := file.WriteAt(f.bytes[:whole], 0)
		return err
	})
	return err
}

// read reads one file and tells how many of its bytes are whole records.
func (p *published) read(first uint64) (f *notesFile, whole int, err error) {
	name := filepath.Join(p.dir, notesName(first))
	f = &notesFile{first: first}
	if f.bytes, err = durable.ReadFile(p.fsys, name, maxNotesBytes); err != nil {
		return nil, 0, err
	}
	rest, ok := cutPrefix(f.bytes, merkle.RecordsHead)
	if !ok {
		return nil, 0, &wal.CorruptError{File: name, What: "this is no file of checkpoints"}
	}
	for len(rest) > 0 {
		note, behind, err := merkle.CutRecord(rest)
		if err != nil {
			break
		}
		c, err := merkle.ParseCheckpoint(note)
		if err != nil {
			return nil, 0, &wal.CorruptError{File: name, Offset: int64(len(f.bytes) - len(rest)), What: err.Error()}
		}
		if n := len(f.sizes); n == 0 && c.Size != first || n > 0 && c.Size <= f.sizes[n-1] {
			return nil, 0, &wal.CorruptError{File: name, Offset: int64(len(f.bytes) - len(rest)), What: fmt.Sprintf("a checkpoint of %d entries does not belong here", c.Size)}
		}
		f.sizes, f.notes = append(f.sizes, c.Size), append(f.notes, note)
		rest = behind
	}
	return f, len(f.bytes) - len(rest), nil
}

func cutPrefix(b []byte, prefix string) (rest []byte, ok bool) {
	if len(b) < len(prefix) || string(b[:len(prefix)]) != prefix {
		return b, false
	}
	return b[len(prefix):], true
}

// add makes a checkpoint durable. When it returns nil the checkpoint may leave the server.
func (p *published) add(c merkle.Checkpoint) error {
	if p.last == nil || p.count == notesPerFile {
		return p.begin(c)
	}
	record := merkle.AppendRecord(nil, c.Note)
	// A crash up to the end of the sync leaves a record that is whole or cut; either way nobody has seen it.
	if _, err := p.last.WriteAt(record, p.end); err != nil {
		return fmt.Errorf("keep checkpoint: %w", err)
	}
	if err := p.last.Sync(); err != nil {
		return &durable.SyncError{Name: notesName(p.files[len(p.files)-1]), Err: err}
	}
	p.end += int64(len(record))
	p.count++
	p.mu.Lock()
	defer p.mu.Unlock()
	p.newest = c
	return nil
}

// begin makes a new file with one checkpoint.
func (p *published) begin(c merkle.Checkpoint) error {
	content := merkle.AppendRecord([]byte(merkle.RecordsHead), c.Note)
	f, err := durable.Replace(p.fsys, filepath.Join(p.dir, notesName(c.Size)), func(f durable.File) error {
		_, err := f.WriteAt(content, 0)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep checkpoint: %w", err)
	}
	if p.last != nil {
		_ = p.last.Close() // all of it is synced
	}
	p.last, p.end, p.count = f, int64(len(content)), 1
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files = append(p.files, c.Size)
	p.newest = c
	return nil
}

// latest returns the newest published checkpoint.
func (p *published) latest() (merkle.Checkpoint, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.newest, p.newest.Note != nil
}

// filesUpTo returns the files that have checkpoints of up to so many entries.
func (p *published) filesUpTo(size uint64) []uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, found := slices.BinarySearch(p.files, size)
	if found {
		n++
	}
	return slices.Clone(p.files[:n])
}

// firstWith returns the first published checkpoint that holds the entry at seq.
func (p *published) firstWith(seq uint64) (c merkle.Checkpoint, found bool, err error) {
	p.mu.Lock()
	newest, files := p.newest, p.files // only ever added to
	p.mu.Unlock()
	if newest.Note == nil || seq >= newest.Size {
		return c, false, nil
	}
	// The last file that begins with a checkpoint without the entry may have one with it; else the next file begins
	// with it.
	i := sort.Search(len(files), func(i int) bool { return files[i] > seq })
	for _, at := range []int{i - 1, i} {
		if at < 0 || at == len(files) {
			continue
		}
		f, err := p.file(files[at], seq, at == len(files)-1)
		if err != nil {
			return c, false, err
		}
		if n := sort.Search(len(f.sizes), func(n int) bool { return f.sizes[n] > seq }); n < len(f.sizes) {
			c, err = merkle.ParseCheckpoint(slices.Clone(f.notes[n]))
			return c, err == nil, err
		}
	}
	return c, false, errors.New("the published checkpoints end before the newest one")
}

// file returns a file: from memory, if what is there reaches beyond seq or nothing is added to it any more.
func (p *published) file(first, seq uint64, growing bool) (*notesFile, error) {
	same := func(f *notesFile) bool { return f.first == first }
	p.mu.Lock()
	i := slices.IndexFunc(p.cache, same)
	if i >= 0 {
		f := p.cache[i]
		if !growing && len(f.sizes) == notesPerFile || f.sizes[len(f.sizes)-1] > seq {
			p.cache = append(slices.Delete(p.cache, i, i+1), f)
			p.mu.Unlock()
			return f, nil
		}
	}
	p.mu.Unlock()

	f, _, err := p.read(first)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cache = slices.DeleteFunc(p.cache, same)
	if len(p.cache) == cachedNotes {
		p.cache = slices.Delete(p.cache, 0, 1)
	}
	p.cache = append(p.cache, f)
	return f, nil
}

func (p *published) close() {
	if p.last != nil {
		_ = p.last.Close() // what was promised is synced
	}
}

// readCheckpointFile reads a checkpoint that was kept on another volume; there is none before the first is.
func readCheckpointFile(fsys durable.FS, name string) (c merkle.Checkpoint, found bool, err error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return c, false, nil
	}
	if err != nil {
		return c, false, fmt.Errorf("checkpoint file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 64<<10))
	if err != nil {
		return c, false, fmt.Errorf("checkpoint file %s: %w", name, err)
	}
	if c, err = merkle.ParseCheckpoint(text); err != nil {
		return c, false, fmt.Errorf("checkpoint file %s: %w", name, err)
	}
	return c, true, nil
}
