// Package durable is the face that everything which must survive power loss shows to the disk: a small
// file system interface, its real form on the operating system, and the few sequences of calls that are
// easy to get wrong (replace a file whole, make a folder, lock a folder). Package crashfs is the other form:
// a disk in memory that fails and loses power.
//
// Terms. Synced: handed to the disk, and the disk has said that it holds it. A file's bytes and its name
// are two different things: File.Sync makes the bytes and the size durable, FS.SyncDir of the folder makes
// the name durable. A file whose folder was never synced may be gone after a crash, whatever was synced in it.
//
// Durability. An error of Sync or SyncDir is final for whoever gets it: the kernel may have marked the
// pages clean, so that a second Sync succeeds while the disk never got the bytes, and reading shows them
// until the next start. The only safe act is to stop and to copy, at the next start, what can still be
// read into a new file. Nothing here retries a sync.
//
// What it leaves to others: formats, recovery, and when to sync what.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Modes of what is created: an audit trail is nobody's business but its server's.
const (
	FileMode fs.FileMode = 0o600
	DirMode  fs.FileMode = 0o700
)

// tempSuffix is added to the name of a file that is being written to take the place of another.
const tempSuffix = ".tmp"

// FS is a file system. Names are paths as the operating system writes them. All methods may be called
// from any goroutine. A missing file is an error for which errors.Is(err, fs.ErrNotExist) holds.
type FS interface {
	// OpenFile is os.OpenFile for O_RDONLY, O_WRONLY, O_RDWR, O_CREATE, O_EXCL, O_TRUNC.
	// A created file's name is durable after SyncDir of its folder.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Rename replaces newname if it exists, and is durable after SyncDir of both folders.
	Rename(oldname, newname string) error
	// Remove removes a file or an empty folder, and is durable after SyncDir of the folder.
	Remove(name string) error
	// MkdirAll makes a folder and its missing parents, and makes their names durable itself.
	MkdirAll(name string, perm fs.FileMode) error
	// ReadDir returns the names in a folder, sorted.
	ReadDir(name string) ([]string, error)
	// SyncDir makes the names in a folder durable. Its error is final, as that of File.Sync.
	SyncDir(name string) error
	// Lock takes the lock that the file name stands for, creating it if need be. While it is held, every
	// other Lock of it, by this process or another, is refused with a *LockedError. Closing the lock, or
	// the end of the process however it comes, lets it go; the file stays.
	Lock(name string) (io.Closer, error)
}

// File is an open file. ReadAt may be called from any goroutine at any time; the others by one at a time.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Sync returns after the disk holds the bytes and the size of the file. It promises nothing about times
	// and other attributes, nor about the name.
	Sync() error
	// Truncate changes the size; bytes added read as zeros.
	Truncate(size int64) error
	// Allocate makes the file at least off+n bytes long, the added bytes reading as zeros, and asks the disk to
	// set aside room for [off, off+n), so that writing there does not run out of space. Bytes that the
	// file holds already are not changed. After an error the file may have become longer, never other.
	// File systems that copy on write may still run out of space at the write.
	Allocate(off, n int64) error
	// Size returns the present size.
	Size() (int64, error)
	Close() error
}

// LockedError says that somebody else holds a lock.
type LockedError struct {
	Name string
	// PID is the process that holds it, 0 when the file does not say.
	PID int
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("lock %s: held by another process", e.Name)
	}
	return fmt.Sprintf("lock %s: held by process %d", e.Name, e.PID)
}

// IsNoSpace reports whether err says that the disk, or the owner's share of it, is full. Such a call may be
// made again later, unless it was a sync.
func IsNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// ReadFile returns the whole of a file that is at most max bytes long; a longer one is refused unread.
func ReadFile(fsys FS, name string, max int64) ([]byte, error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > max {
		return nil, fmt.Errorf("read %s: %d bytes, the limit is %d", name, size, max)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, size), b); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return b, nil
}

// WriteFile makes name hold exactly data, or leaves it as it was: whatever happens, a later reader finds the
// old bytes or the new ones, never a mixture. When it returns nil the new ones are durable. After an error
// either may be found. A name is written by one caller at a time.
func WriteFile(fsys FS, name string, data []byte) error {
	f, err := Replace(fsys, name, func(f File) error {
		_, err := f.WriteAt(data, 0)
		return err
	})
	if err != nil {
		return err
	}
	return f.Close()
}

// Replace is WriteFile for contents that are not in memory: fill writes them into an empty file, which is then
// synced and takes the place of name. It returns that file, still open for reading and writing. An error that
// is a *SyncError came from a sync and is final.
func Replace(fsys FS, name string, fill func(File) error) (File, error) {
	temp := name + tempSuffix
	// A crash from here to the rename leaves name as it was, and a temporary file, whole or in part, that the
	// next Replace of the same name overwrites and that IsTemp knows.
	f, err := fsys.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, FileMode)
	if err != nil {
		return nil, fmt.Errorf("replace %s: %w", name, err)
	}
	if err := fillAndRename(fsys, name, temp, f, fill); err != nil {
		f.Close()
		// Only tidying: what stays behind is overwritten by the next Replace.
		_ = fsys.Remove(temp)
		return nil, fmt.Errorf("replace %s: %w", name, err)
	}
	// A crash before this sync ends leaves the old file or the new one, each whole.
	if err := fsys.SyncDir(filepath.Dir(name)); err != nil {
		f.Close()
		return nil, &SyncError{Name: filepath.Dir(name), Err: err}
	}
	return f, nil
}

func fillAndRename(fsys FS, name, temp string, f File, fill func(File) error) error {
	if err := fill(f); err != nil {
		return err
	}
	// The bytes are synced before the name points at them; else a crash can leave the name on an empty file.
	if err := f.Sync(); err != nil {
		return &SyncError{Name: temp, Err: err}
	}
	return fsys.Rename(temp, name)
}

// SyncError is an error of a sync, which is final (see the package comment).
type SyncError struct {
	Name string
	Err  error
}

func (e *SyncError) Error() string { return fmt.Sprintf("sync %s: %v", e.Name, e.Err) }

func (e *SyncError) Unwrap() error { return e.Err }

// IsTemp reports whether name is that of a file that was meant to take the place of another when a crash came.
// Nobody has been promised what it holds, and it may be removed.
func IsTemp(name string) bool { return filepath.Ext(name) == tempSuffix }
