package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"countersign/merkle"
	"countersign/problem"
	"countersign/wal"
)

// Backup is what a directory takes to be put together elsewhere, as it was when a checkpoint was published. Its
// files stay as they are until Close, whatever is recorded, sealed and merged meanwhile. Signing keys are not part of it,
// nor is what lies beside the trail.
type Backup struct {
	// Checkpoint is over all entries of the backup.
	Checkpoint merkle.Checkpoint
	Files      []BackupFile

	store *Store
}

// BackupFile is a file of a backup.
type BackupFile struct {
	// Name is its path within the directory, with slashes, and Size how much of it belongs to the backup.
	Name string
	Size int64
	// Version changes with the bytes: of two backups, a file of one name and version is the same. It is empty where
	// that cannot be told.
	Version string
	// Grows tells that the file of a later backup begins with this one's bytes, if it has the same version.
	Grows bool
	bytes []byte // what it has when it is made for the backup
}

// Open opens a file of the backup at an offset.
func (b *Backup) Open(f *BackupFile, offset int64) (io.ReadCloser, error) {
	if f.bytes != nil {
		return io.NopCloser(bytes.NewReader(f.bytes[offset:])), nil
	}
	file, err := b.store.dir.fs.OpenFile(filepath.Join(b.store.dir.path, filepath.FromSlash(f.Name)), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return sectionOf{io.NewSectionReader(file, offset, f.Size-offset), file}, nil
}

// sectionOf is a part of a file that is closed with it.
type sectionOf struct {
	*io.SectionReader
	io.Closer
}

// Close lets the store remove files again.
func (b *Backup) Close() {
	b.store.held.Add(-1)
	select {
	case b.store.let <- struct{}{}:
	default: // the keeper will look anyway
	}
}

// Backup publishes a checkpoint and holds everything that it covers. While the disk is full the newest published
// one must do.
func (s *Store) Backup(ctx context.Context) (*Backup, error) {
	b := &Backup{store: s}
	done := make(chan error, 1)
	select {
	case s.toHold <- func() { done <- s.hold(ctx, b) }:
	case <-s.keeperDone:
		if err := s.ReadOnly(); err != nil {
			return nil, err
		}
		return nil, problem.New(problem.Unavailable, "the server is stopping")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := <-done; err != nil {
		return nil, err
	}
	return b, nil
}

// hold fills in a backup. The keeper calls it, so nothing is sealed and no file is removed until it returns; after that
// none is while anything is held.
func (s *Store) hold(ctx context.Context, b *Backup) error {
	if err := s.ReadOnly(); err != nil {
		return err
	}
	c, err := s.PublishNow(ctx)
	if err != nil {
		var published bool
		if c, published = s.published.latest(); !published {
			return err
		}
	}
	b.Checkpoint = c
	if b.Files, err = s.backupFiles(s.snap.Load(), c.Size); err != nil {
		return &problem.Error{Kind: problem.Internal, Detail: "a file of the trail cannot be read", Cause: fmt.Errorf("backup: %w", err)}
	}
	s.held.Add(1)
	return nil
}

// backupFiles returns the files of the first size entries. The manifest is the last: what it names comes before it.
func (s *Store) backupFiles(snap *snapshot, size uint64) (files []BackupFile, err error) {
	sealed := s.dir.sealedFiles()
	for _, first := range sealed.Bodies {
		files = append(files, BackupFile{Name: bodiesName + "/" + bodiesFile(first)})
	}
	for _, part := range sealed.Indexes {
		files = append(files, BackupFile{Name: indexName + "/" + indexFile(part)})
	}
	for _, part := range sealed.IDs {
		files = append(files, BackupFile{Name: idsName + "/" + idsFile(part)})
	}
	if sealed.Size > 0 {
		files = append(files, BackupFile{Name: stateDirName + "/" + stateName(sealed.Size)})
	}
	for i := range files {
		if err := s.wholeFile(&files[i]); err != nil {
			return nil, err
		}
	}
	if sealed.Size > 0 {
		files = append(files, BackupFile{Name: saltsName, Size: snap.sealed.salts.SizeOf(sealed.Size >> blockBits)})
	}
	files = append(files, BackupFile{Name: rootsName, Size: int64(size) * 32, Grows: true},
		BackupFile{Name: tilesName + "/" + blocksName, Size: int64(size>>merkle.BlockLevel) * 32, Grows: true})
	log, err := s.backupLog(snap, size)
	if err != nil {
		return nil, err
	}
	notes, err := s.backupNotes(size)
	if err != nil {
		return nil, err
	}
	keys := snap.ring.until(size)
	m := manifest{Format: manifestFormat, Origin: keys[len(keys)-1].Origin(), Keys: keys, Sealed: sealed}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	text = append(text, '\n')
	return append(slices.Concat(files, log, notes), BackupFile{Name: manifestName, Size: int64(len(text)), bytes: text}), nil
}

// wholeFile fills in a file that is not changed any more.
func (s *Store) wholeFile(f *BackupFile) error {
	name := filepath.Join(s.dir.path, filepath.FromSlash(f.Name))
	file, err := s.dir.fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if f.Size, err = file.Size(); err != nil {
		return err
	}
	// A file that is written anew, by an erasure or a repair, has its name again but not its time.
	if info, err := os.Stat(name); err == nil {
		f.Version = fmt.Sprintf("%x", info.ModTime().UnixNano())
	}
	return nil
}

// backupLog returns the part of the log that has the entries behind the sealed ones, up to size.
func (s *Store) backupLog(snap *snapshot, size uint64) (files []BackupFile, err error) {
	if size <= snap.sealed.size {
		return nil, nil // a published checkpoint is over all that is sealed
	}
	frames := snap.frames
	i, _ := slices.BinarySearchFunc(frames, size, func(f frame, size uint64) int {
		if f.First < size {
			return -1
		}
		return 1
	})
	last := frames[i-1].Place
	dir := filepath.Join(s.dir.path, walName)
	batch, err := wal.ReadBatch(s.dir.fs, dir, last)
	if err != nil {
		return nil, err
	}
	names, err := wal.Files(s.dir.fs, dir, snap.sealed.size)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		f := BackupFile{Name: walName + "/" + name}
		nonce, err := wal.Nonce(s.dir.fs, dir, name)
		if err != nil {
			return nil, err
		}
		if name == last.File {
			// Checkpoints are published over whole batches.
			f.Size, f.Version, f.Grows = last.Offset+wal.FrameBytes(&batch), hex.EncodeToString(nonce), true
			return append(files, f), nil
		}
		if err := s.wholeFile(&f); err != nil {
			return nil, err
		}
		f.Version, f.Grows = hex.EncodeToString(nonce), true
		files = append(files, f)
	}
	return nil, fmt.Errorf("the log has no file %s", last.File)
}

// backupNotes returns the published checkpoints up to size. Only the last of the files is read: they are many, and nothing is
// sealed meanwhile.
func (s *Store) backupNotes(size uint64) (files []BackupFile, err error) {
	firsts := s.published.filesUpTo(size)
	for i, first := range firsts {
		f := BackupFile{Name: checkpointsName + "/" + notesName(first)}
		if i < len(firsts)-1 {
			err = s.wholeFile(&f)
		} else {
			err = s.lastNotes(&f, first, size)
		}
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// lastNotes fills in the file of checkpoints that has the one of size.
func (s *Store) lastNotes(f *BackupFile, first, size uint64) error {
	notes, whole, err := s.published.read(first)
	if err != nil {
		return err
	}
	n := len(notes.sizes)
	f.Size = int64(whole)
	for ; n > 0 && notes.sizes[n-1] > size; n-- {
		f.Size -= int64(len(merkle.AppendRecord(nil, notes.notes[n-1])))
	}
	if n == notesPerFile {
		return s.wholeFile(f)
	}
	return nil
}

// until returns the keys that a tree of that size names.
func (k *keyring) until(size uint64) []KeyRange {
	keys := slices.Clone(k.history)
	for len(keys) > 1 && keys[len(keys)-1].From > size {
		keys = keys[:len(keys)-1]
		keys[len(keys)-1].Until = nil
	}
	return keys
}

// removeFile removes a file that nothing names any more, when no backup holds it.
func (s *Store) removeFile(name string) error {
	if s.held.Load() > 0 {
		s.condemned = append(s.condemned, name)
		return nil
	}
	return s.dir.fs.Remove(name)
}

// removeCondemned removes what could not be removed while it was held.
func (s *Store) removeCondemned() error {
	if len(s.condemned) == 0 && !s.logCondemned || s.held.Load() > 0 {
		return nil
	}
	var errs []error
	for _, name := range s.condemned {
		errs = append(errs, s.dir.fs.Remove(name))
	}
	s.condemned = nil
	if s.logCondemned {
		errs = append(errs, s.removeSealedLog(s.dir.sealedFiles().Size))
	}
	return errors.Join(errs...)
}

// removeSealedLog removes the log files and the states of what is sealed up to size by now.
func (s *Store) removeSealedLog(size uint64) error {
	if s.logCondemned = s.held.Load() > 0; s.logCondemned {
		return nil
	}
	if err := wal.RemoveBelow(s.dir.fs, filepath.Join(s.dir.path, walName), size); err != nil {
		return fmt.Errorf("remove sealed log files: %w", err)
	}
	return s.dir.removeStates(size)
}
