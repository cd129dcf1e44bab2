// Package crashfs is a disk in memory that loses power, fails, and fills up: the other form of durable.FS, for
// tests. The same seed always gives the same crash.
//
// What it models, as badly as POSIX allows:
//   - Bytes written and not synced may be on the disk or not after Crash, each 512-byte sector for itself: as it
//     was at the last sync, or as any write since left it. So may the size, apart from the bytes.
//   - A name made, renamed or removed is durable after SyncDir of its folder. Before that each such act may
//     have reached the disk or not, whichever came first; a rename within a folder reaches it whole or not
//     at all, one between folders is two acts. Syncing a file does not make its name durable.
//   - A Sync that fails marks the pages clean: reading shows the bytes still, a later Sync that succeeds does
//     not write them, and after a crash they are gone. A SyncDir that fails does the same to names of
//     files; folders made stay to be synced.
//   - A call that fails has done nothing, half of it, or all of it (Fault).
//   - A disk that is full (SetSpace): what still fits of a Write or Allocate is done.
//   - The end of a process without loss of power (Kill): what was written stays readable, synced or not.
//
// What it does not model: sectors torn within, damage to bytes at rest (write it with WriteAt), bytes of other
// files showing up, permissions, hard and symbolic links, times. Space is counted as the sum of file sizes.
package crashfs

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"countersign/internal/durable"
)

// ErrKilled is what files and locks opened before Kill answer.
var ErrKilled = errors.New("the process that opened it was killed")

// FS is a disk with its page cache. Its methods may be called from any goroutine.
type FS struct {
	mu    sync.Mutex
	root  *node
	locks map[string]*lock
	// space is how many bytes files may take in all, -1 for no limit.
	space int64
	calls int64
	fault Fault
	// life counts the kills, so that a handle knows whether its process is still alive.
	life int
}

// New returns an empty disk.
func New() *FS {
	return &FS{root: newFolder(), locks: map[string]*lock{}, space: -1}
}

// Mode says how much of a failing call was done.
type Mode int

// The modes. Partly is half of a write, a read or a sync, and nothing of other calls.
const (
	NotDone Mode = iota
	Done
	Partly
)

func (m Mode) String() string { return [...]string{"not done", "done", "partly done"}[m] }

// Fault is a call that fails. Every method of FS and File counts as a call but Size and Close; MkdirAll counts as
// the calls it is made of.
type Fault struct {
	// Call is the number of the call, from 1 on; 0 is none.
	Call int64
	Mode Mode
	// Times is how many calls in a row fail; 0 is one.
	Times int64
	// Sticky makes all later calls fail too.
	Sticky bool
	// Err is what the call answers, EIO if nil.
	Err error
}

// SetFault sets the one fault that there is.
func (f *FS) SetFault(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// SetSpace sets how many bytes files may take in all, no limit if it is negative.
func (f *FS) SetSpace(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.space = bytes
}

// Calls returns how many calls have been made.
func (f *FS) Calls() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Kill ends the process: its locks are let go and its open files are of no more use, but the disk and the page
// cache are as they were. The fault is taken back.
func (f *FS) Kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.life++
	f.locks = map[string]*lock{}
	f.fault = Fault{}
}

// Crash returns the disk as a machine finds it that lost power now. This one goes on as it was, so that one
// moment can be crashed with many seeds.
func (f *FS) Crash(seed uint64) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	after := New()
	after.root = f.root.crash(rand.New(rand.NewPCG(seed, 0)), map[*node]*node{})
	return after
}

// call counts a call and returns its fault, if it has one.
func (f *FS) call(op, name string) (Mode, error) {
	f.calls++
	if f.fault.Call == 0 || f.calls < f.fault.Call || f.calls >= f.fault.Call+max(f.fault.Times, 1) && !f.fault.Sticky {
		return Done, nil
	}
	err := f.fault.Err
	if err == nil {
		err = syscall.EIO
	}
	return f.fault.Mode, &fs.PathError{Op: op, Path: name, Err: err}
}

func split(name string) []string {
	return strings.FieldsFunc(filepath.ToSlash(filepath.Clean("/"+name)), func(r rune) bool { return r == '/' })
}

// find returns the node of a name, or nil.
func (f *FS) find(name string) *node {
	n := f.root
	for _, part := range split(name) {
		if n == nil || !n.folder() {
			return nil
		}
		n = n.names[part]
	}
	return n
}

// parent returns the folder that holds name, and the last part of name.
func (f *FS) parent(op, name string) (*node, string, error) {
	parts := split(name)
	if len(parts) == 0 {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: syscall.EINVAL}
	}
	dir := f.find(strings.Join(parts[:len(parts)-1], "/"))
	switch {
	case dir == nil:
		return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	case !dir.folder():
		return nil, "", &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	}
	return dir, parts[len(parts)-1], nil
}

// OpenFile opens or makes a file.
func (f *FS) OpenFile(name string, flag int, _ fs.FileMode) (durable.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	mode, fault := f.call("open", name)
	if fault != nil && mode != Done {
		return nil, fault
	}
	dir, base, err := f.parent("open", name)
	if err != nil {
		return nil, err
	}
	n := dir.names[base]
	switch {
	case n == nil && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case n != nil && flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case n != nil && n.folder():
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	case n == nil:
		n = &node{}
		dir.change(map[string]*node{base: n})
	}
	if flag&os.O_TRUNC != 0 {
		n.truncate(0)
	}
	if fault != nil {
		return nil, fault
	}
	access := flag & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)
	return &file{fs: f, node: n, name: name, life: f.life, access: access}, nil
}

// Rename gives a file or folder another name.
func (f *FS) Rename(oldname, newname string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	mode, fault := f.call("rename", oldname)
	if fault != nil && mode != Done {
		return fault
	}
	from, oldBase, err := f.parent("rename", oldname)
	if err != nil {
		return err
	}
	to, newBase, err := f.parent("rename", newname)
	if err != nil {
		return err
	}
	n := from.names[oldBase]
	if n == nil {
		return &fs.PathError{Op: "rename", Path: oldname, Err: fs.ErrNotExist}
	}
	switch {
	case from == to && oldBase == newBase:
	case from == to:
		from.change(map[string]*node{oldBase: nil, newBase: n})
	default:
		to.change(map[string]*node{newBase: n})
		from.change(map[string]*node{oldBase: nil})
	}
	return fault
}

// Remove removes a file or an empty folder.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	mode, fault := f.call("remove", name)
	if fault != nil && mode != Done {
		return fault
	}
	dir, base, err := f.parent("remove", name)
	if err != nil {
		return err
	}
	n := dir.names[base]
	switch {
	case n == nil:
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	case len(n.names) > 0:
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	dir.change(map[string]*node{base: nil})
	return fault
}

// MkdirAll makes a folder and its missing parents, with the calls that the operating system's form makes.
func (f *FS) MkdirAll(name string, perm fs.FileMode) error {
	parts := split(name)
	if len(parts) == 0 {
		return nil
	}
	above := "/" + strings.Join(parts[:len(parts)-1], "/")
	f.mu.Lock()
	n := f.find(name)
	f.mu.Unlock()
	if n == nil || !n.folder() {
		if err := f.MkdirAll(above, perm); err != nil {
			return err
		}
		if err := f.mkdir(name); err != nil {
			return err
		}
	}
	return f.SyncDir(above)
}

func (f *FS) mkdir(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	mode, fault := f.call("mkdir", name)
	if fault != nil && mode != Done {
		return fault
	}
	dir, base, err := f.parent("mkdir", name)
	if err != nil {
		return err
	}
	if dir.names[base] != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
	}
	dir.change(map[string]*node{base: newFolder()})
	return fault
}

// ReadDir returns the names in a folder, sorted.
func (f *FS) ReadDir(name string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, fault := f.call("readdir", name); fault != nil {
		return nil, fault
	}
	n, err := f.folder("readdir", name)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(n.names))
	for base := range n.names {
		names = append(names, base)
	}
	slices.Sort(names)
	return names, nil
}

// SyncDir makes the names in a folder durable.
func (f *FS) SyncDir(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	mode, fault := f.call("syncdir", name)
	n, err := f.folder("syncdir", name)
	if err != nil {
		return err
	}
	n.syncNames(mode)
	return fault
}

func (f *FS) folder(op, name string) (*node, error) {
	n := f.find(name)
	switch {
	case n == nil:
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	case !n.folder():
		return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	}
	return n, nil
}

// Lock takes the lock of a name.
func (f *FS) Lock(name string) (io.Closer, error) {
	g, err := f.OpenFile(name, os.O_RDWR|os.O_CREATE, durable.FileMode)
	if err != nil {
		return nil, err
	}
	g.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	key := strings.Join(split(name), "/")
	if f.locks[key] != nil {
		return nil, &durable.LockedError{Name: name, PID: os.Getpid()}
	}
	l := &lock{fs: f, key: key}
	f.locks[key] = l
	return l, nil
}

type lock struct {
	fs  *FS
	key string
}

func (l *lock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	if l.fs.locks[l.key] != l {
		return ErrKilled
	}
	delete(l.fs.locks, l.key)
	return nil
}
