package bodies

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"sort"

	"countersign/internal/durable"
)

// File is an open body file. Its methods may be called from any goroutine.
type File struct {
	path string
	f    durable.File
	head head
	// places is what the directory says of each block, 4 bytes each; marks say where every markEvery-th stands.
	places []byte
	marks  []mark
	damage []*CorruptError
}

// mark is where a block stands: the row of its first body, and its first byte.
type mark struct {
	row uint32
	at  int64
}

const markEvery = 64

// Open opens a file. Of its bodies nothing is read yet. Damage of the head or of the directory that the other copy makes
// good is no error; Damage tells of it.
func Open(fsys durable.FS, path string) (*File, error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("open bodies: %w", err)
	}
	file := &File{path: path, f: f}
	if err := file.open(); err != nil {
		f.Close()
		return nil, fmt.Errorf("open bodies: %w", err)
	}
	return file, nil
}

func (f *File) open() error {
	size, err := f.f.Size()
	if err != nil {
		return err
	}
	if err := f.readHead(size); err != nil {
		return err
	}
	_, dir, err := f.readDirectory(nil, 0)
	if damage, ok := errors.AsType[*CorruptError](err); ok {
		f.damage = append(f.damage, damage)
		if _, dir, err = f.readDirectory(nil, 1); err != nil {
			return damage
		}
	}
	if err != nil {
		return err
	}
	// The directory is let go with the dictionary; what stays is a few bytes for each block.
	f.places = slices.Clone(dir.places)
	next := mark{at: headSize}
	for i := 0; i < len(f.places)/placeSize; i++ {
		if i%markEvery == 0 {
			f.marks = append(f.marks, next)
		}
		bodies, bytes := place(f.places[i*placeSize:])
		next.row += bodies
		next.at += int64(bytes)
	}
	return nil
}

// readHead reads both copies of the head, of which one must be good and fit the size.
func (f *File) readHead(size int64) error {
	if size < 2*headSize {
		return f.corrupt(size, "the file has %d bytes", size)
	}
	var first error
	for _, at := range []int64{0, size - headSize} {
		h, err := f.parseHeadAt(at, size)
		damage, ok := errors.AsType[*CorruptError](err)
		switch {
		case err != nil && !ok:
			return err
		case ok:
			f.damage = append(f.damage, damage)
			if first == nil {
				first = err
			}
		case f.head.count == 0:
			f.head = h
		case f.head != h:
			f.damage = append(f.damage, f.corrupt(at, "the head at the end is another than the one at the beginning"))
		}
	}
	if f.head.count == 0 {
		return first
	}
	return nil
}

func (f *File) parseHeadAt(at, size int64) (head, error) {
	var b [headSize]byte
	if err := f.readAt(b[:], at); err != nil {
		return head{}, err
	}
	h, err := parseHead(b)
	if damage, ok := errors.AsType[*CorruptError](err); ok {
		return h, f.corrupt(at+damage.Offset, "%s", damage.What)
	}
	if err != nil {
		return h, fmt.Errorf("%s: %w", f.path, err)
	}
	if h.size() != size {
		return h, f.corrupt(min(size, h.size()), "the file has %d bytes, its head says %d", size, h.size())
	}
	return h, nil
}

// readDirectory reads a copy of the directory into buf, which is returned.
func (f *File) readDirectory(buf []byte, copy int64) ([]byte, directory, error) {
	buf = slices.Grow(buf[:0], int(f.head.length))[:f.head.length]
	at := f.head.directory + copy*int64(f.head.length)
	if err := f.readAt(buf, at); err != nil {
		return buf, directory{}, err
	}
	if crc32.Checksum(buf, castagnoli) != f.head.sum {
		return buf, directory{}, f.corrupt(at, "the checksum of the directory is wrong")
	}
	dir, reason := parseDirectory(buf, &f.head)
	if reason != "" {
		return buf, dir, f.corrupt(at, "the directory has a good checksum and bad contents: %s", reason)
	}
	return buf, dir, nil
}

// readAt fills b. A file that ends before that was cut off under us.
func (f *File) readAt(b []byte, at int64) error {
	n, err := f.f.ReadAt(b, at)
	switch {
	case n == len(b):
		return nil
	case err == nil, errors.Is(err, io.EOF):
		return f.corrupt(at+int64(n), "the file ends here")
	}
	return fmt.Errorf("read %s at byte %d: %w", f.path, at, err)
}

func (f *File) corrupt(at int64, format string, args ...any) *CorruptError {
	return &CorruptError{File: f.path, Offset: at, What: fmt.Sprintf(format, args...)}
}

// Close closes the file. Who reads it then gets an error.
func (f *File) Close() error {
	decoders.forget(f)
	return f.f.Close()
}

// Seqs returns the seq of the first body and the one after the last.
func (f *File) Seqs() (from, to uint64) { return f.head.first, f.head.first + uint64(f.head.count) }

// Size returns the size of the file in bytes.
func (f *File) Size() int64 { return f.head.size() }

// Damage returns what was found wrong when the file was opened. All bodies could be read all the same.
func (f *File) Damage() []*CorruptError { return f.damage }

// placed is a block and where it is.
type placed struct {
	index  int
	row    uint32
	bodies uint32
	at     int64
	bytes  uint32
}

// block returns the block of that index.
func (f *File) block(index int) placed {
	m := f.marks[index/markEvery]
	for i := index / markEvery * markEvery; ; i++ {
		bodies, bytes := place(f.places[i*placeSize:])
		if i == index {
			return placed{index, m.row, bodies, m.at, bytes}
		}
		m.row += bodies
		m.at += int64(bytes)
	}
}

// blockOf returns the block that has the body of that row.
func (f *File) blockOf(row uint32) placed {
	m := sort.Search(len(f.marks), func(i int) bool { return f.marks[i].row > row }) - 1
	p := f.block(m * markEvery)
	for p.row+p.bodies <= row {
		p = f.after(p)
	}
	return p
}

// after returns the block that follows p.
func (f *File) after(p placed) placed {
	next := placed{index: p.index + 1, row: p.row + p.bodies, at: p.at + int64(p.bytes)}
	next.bodies, next.bytes = place(f.places[next.index*placeSize:])
	return next
}

func (f *File) blocks() int { return len(f.places) / placeSize }

// seq returns the seq of the body of that row.
func (f *File) seq(row uint32) uint64 { return f.head.first + uint64(row) }

// stored reads the bytes of a block into buf, which is returned.
func (f *File) stored(p placed, buf []byte) ([]byte, error) {
	buf = slices.Grow(buf[:0], int(p.bytes))[:p.bytes]
	return buf, f.readAt(buf, p.at)
}
