//go:build !linux

package durable

import "golang.org/x/sys/unix"

// Sync of the embedded os.File is used as it is: on macOS it asks the drive itself to flush, which the
// fsync there does not.

// allocate reports that there is none, so that zeros are written instead.
func allocate(fd int, off, n int64) error { return unix.ENOTSUP }
