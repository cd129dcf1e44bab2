package durable

import (
	"fmt"
	"io"
	"io/fs"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Mapping is a file's bytes as memory that the kernel fills when they are touched and takes back when it needs
// room. It is for files that are looked up at random, and that nobody writes any more.
type Mapping struct {
	name string
	data []byte
	// users is the owner, until Close, and each View that runs. The last one to go unmaps.
	users  atomic.Int64
	closed atomic.Bool
	unmap  func([]byte) error
}

// FaultError says that a byte of a mapped file could not be had: the file was cut off under the mapping, or the disk
// failed. The kernel does not say which.
type FaultError struct {
	Name   string
	Offset int64
}

func (e *FaultError) Error() string {
	return fmt.Sprintf("read %s at byte %d: the disk failed or the file was cut off", e.Name, e.Offset)
}

// Map maps the whole of f, which may be closed afterwards. A file that is not the operating system's is read into
// memory instead.
func Map(f File, name string) (*Mapping, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	m := &Mapping{name: name, unmap: func([]byte) error { return nil }}
	m.users.Store(1)
	osf, ok := f.(osFile)
	switch {
	case size != int64(int(size)):
		return nil, fmt.Errorf("map %s: %d bytes are more than memory has addresses", name, size)
	case size == 0:
		// mmap refuses to map nothing.
	case !ok:
		m.data = make([]byte, size)
		if _, err := io.ReadFull(io.NewSectionReader(f, 0, size), m.data); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	default:
		m.unmap = unix.Munmap
		if err := control(osf.File, func(fd int) error {
			m.data, err = unix.Mmap(fd, 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
			return err
		}); err != nil {
			return nil, &fs.PathError{Op: "mmap", Path: name, Err: err}
		}
	}
	return m, nil
}

// Size returns how many bytes are mapped: what the file had.
func (m *Mapping) Size() int64 { return int64(len(m.data)) }

// View calls fn with the bytes. They must not be written to, nor be used after fn has returned, nor by another
// goroutine than the one that fn runs on. A byte that cannot be had ends fn and is a *FaultError, where otherwise
// the process would end. After Close it is fs.ErrClosed.
func (m *Mapping) View(fn func(b []byte) error) (err error) {
	for {
		n := m.users.Load()
		if n == 0 || m.closed.Load() {
			return &fs.PathError{Op: "read", Path: m.name, Err: fs.ErrClosed}
		}
		if m.users.CompareAndSwap(n, n+1) {
			break
		}
	}
	defer func() { _ = m.leave() }()
	// SIGBUS becomes a panic of this goroutine, which is caught below if it was about these bytes.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		fault, ok := r.(interface{ Addr() uintptr })
		if !ok || len(m.data) == 0 {
			panic(r)
		}
		at := fault.Addr() - uintptr(unsafe.Pointer(unsafe.SliceData(m.data)))
		if at >= uintptr(len(m.data)) {
			panic(r)
		}
		err = &FaultError{Name: m.name, Offset: int64(at)}
	}()
	return fn(m.data)
}

// Close lets the bytes go when the last View has returned. It may be called once.
func (m *Mapping) Close() error {
	if m.closed.Swap(true) {
		return &fs.PathError{Op: "close", Path: m.name, Err: fs.ErrClosed}
	}
	return m.leave()
}

func (m *Mapping) leave() error {
	if m.users.Add(-1) > 0 {
		return nil
	}
	return m.unmap(m.data)
}
