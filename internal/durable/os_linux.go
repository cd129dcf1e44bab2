package durable

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// Sync is fdatasync: it leaves out the times, which nobody here reads, and with them often a write to the file
// system's journal. What is needed to find the bytes again, the size and the place of newly allocated
// blocks, it does cover (fdatasync(2), and POSIX "synchronized I/O data integrity completion").
func (f osFile) Sync() error {
	if err := control(f.File, unix.Fdatasync); err != nil {
		return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

// allocate is fallocate with mode 0: the size grows and the added bytes read as zeros.
func allocate(fd int, off, n int64) error { return unix.Fallocate(fd, 0, off, n) }
