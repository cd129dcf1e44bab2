package crashfs

import (
	"io"
	"io/fs"
	"os"
	"syscall"
)

// file is an open file.
type file struct {
	fs     *FS
	node   *node
	name   string
	life   int
	access int
	closed bool
}

// enter counts a call and returns its fault, or another reason for which it cannot be made.
func (f *file) enter(op string, access int) (mode Mode, fault, refused error) {
	switch {
	case f.life != f.fs.life:
		return 0, nil, &fs.PathError{Op: op, Path: f.name, Err: ErrKilled}
	case f.closed:
		return 0, nil, &fs.PathError{Op: op, Path: f.name, Err: fs.ErrClosed}
	case f.access != os.O_RDWR && f.access != access:
		return 0, nil, &fs.PathError{Op: op, Path: f.name, Err: syscall.EBADF}
	}
	mode, fault = f.fs.call(op, f.name)
	return mode, fault, nil
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	mode, fault, err := f.enter("read", os.O_RDONLY)
	if err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: syscall.EINVAL}
	}
	var n int
	if off < int64(len(f.node.bytes)) {
		n = copy(p, f.node.bytes[off:])
	}
	switch {
	case fault != nil && mode == Partly:
		return n / 2, fault
	case fault != nil:
		return 0, fault
	case n < len(p):
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	mode, fault, err := f.enter("write", os.O_WRONLY)
	if err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: syscall.EINVAL}
	}
	if fault != nil {
		n := map[Mode]int{NotDone: 0, Partly: len(p) / 2, Done: len(p)}[mode]
		f.node.write(p[:n], off)
		// How much was written is not to be relied on after an error, so the least is said.
		return 0, fault
	}
	fits := max(0, min(int64(len(p)), f.room()-off))
	f.node.write(p[:fits], off)
	if fits < int64(len(p)) {
		return int(fits), &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
	}
	return len(p), nil
}

func (f *file) Allocate(off, n int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	mode, fault, err := f.enter("allocate", os.O_WRONLY)
	if err != nil {
		return err
	}
	if off < 0 || n <= 0 {
		return &fs.PathError{Op: "allocate", Path: f.name, Err: syscall.EINVAL}
	}
	size := int64(len(f.node.bytes))
	want := off + n
	if fault != nil {
		want = map[Mode]int64{NotDone: size, Partly: (size + want) / 2, Done: want}[mode]
	}
	fits := min(want, f.room())
	if fits > size {
		f.node.truncate(fits)
	}
	if fault == nil && fits < want {
		return &fs.PathError{Op: "allocate", Path: f.name, Err: syscall.ENOSPC}
	}
	return fault
}

// room returns how large the file can become.
func (f *file) room() int64 {
	if f.fs.space < 0 {
		return 1 << 62
	}
	size := int64(len(f.node.bytes))
	return max(size, size+f.fs.space-f.fs.root.used(map[*node]bool{}))
}

// used returns the sizes of all files below n.
func (n *node) used(seen map[*node]bool) int64 {
	if seen[n] {
		return 0
	}
	seen[n] = true
	sum := int64(len(n.bytes))
	for _, below := range n.names {
		sum += below.used(seen)
	}
	return sum
}

func (f *file) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	mode, fault, err := f.enter("sync", f.access)
	if err != nil {
		return err
	}
	f.node.sync(mode)
	return fault
}

func (f *file) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	mode, fault, err := f.enter("truncate", os.O_WRONLY)
	if err != nil {
		return err
	}
	if size < 0 {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: syscall.EINVAL}
	}
	if fault == nil || mode == Done {
		f.node.truncate(size)
	}
	return fault
}

func (f *file) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.life != f.fs.life {
		return 0, &fs.PathError{Op: "stat", Path: f.name, Err: ErrKilled}
	}
	if f.closed {
		return 0, &fs.PathError{Op: "stat", Path: f.name, Err: fs.ErrClosed}
	}
	return int64(len(f.node.bytes)), nil
}

func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return &fs.PathError{Op: "close", Path: f.name, Err: fs.ErrClosed}
	}
	f.closed = true
	return nil
}
