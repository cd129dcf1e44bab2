package ids

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync/atomic"

	"countersign/internal/durable"
)

// Run is an open run. Its methods may be called from any goroutine.
type Run struct {
	path string
	l    layout
	m    *durable.Mapping
	// checked has a bit for each block that has been compared with its checksum.
	checked []atomic.Uint64
}

// Open opens a run. Of its entries nothing is read yet.
func Open(fsys durable.FS, path string) (*Run, error) {
	r := &Run{path: path}
	if err := r.open(fsys); err != nil {
		return nil, fmt.Errorf("open ids: %w", err)
	}
	return r, nil
}

func (r *Run) open(fsys durable.FS) error {
	f, err := fsys.OpenFile(r.path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	var head [headSize]byte
	if size < headSize {
		return r.corrupt(0, "the file ends within its header")
	}
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, headSize), head[:]); err != nil {
		return fmt.Errorf("read %s: %w", r.path, err)
	}
	if r.l, err = parseHeader(head); err != nil {
		if damage, ok := errors.AsType[*CorruptError](err); ok {
			damage.File = r.path
			return damage
		}
		return fmt.Errorf("%s: %w", r.path, err)
	}
	// All memory that is taken below is in proportion to the size, which the file really has.
	if size != r.l.size {
		return r.corrupt(min(size, r.l.size), "the file has %d bytes, a run of %d entries has %d", size, r.l.count, r.l.size)
	}
	if r.m, err = durable.Map(f, r.path); err != nil {
		return err
	}
	r.checked = make([]atomic.Uint64, (r.l.table/blockSize+63)/64)
	if err := r.view(func(b []byte) error { return r.checkTable(b, head) }); err != nil {
		_ = r.m.Close()
		return err
	}
	return nil
}

func (r *Run) checkTable(b []byte, head [headSize]byte) error {
	if int64(len(b)) != r.l.size || [headSize]byte(b) != head {
		return r.corrupt(0, "the file changed while it was opened")
	}
	table := b[r.l.table : r.l.size-sumSize]
	if tableSum(head, table) != binary.BigEndian.Uint32(b[r.l.size-sumSize:]) {
		return r.corrupt(r.l.table, "the checksum of the table of checksums is wrong")
	}
	return nil
}

// Close lets the file go when the last call that uses it has returned. Calls after it fail.
func (r *Run) Close() error { return r.m.Close() }

// Seqs returns the first seq that the run covers and the one after the last.
func (r *Run) Seqs() (from, to uint64) { return r.l.from, r.l.to }

// Len returns how many entries there are.
func (r *Run) Len() uint64 { return r.l.count }

// Size returns the size of the file in bytes.
func (r *Run) Size() int64 { return r.l.size }

func (r *Run) corrupt(at int64, format string, args ...any) error {
	return &CorruptError{File: r.path, Offset: at, What: fmt.Sprintf(format, args...)}
}

// Find returns the seq of the event with that key, if there is one.
func (r *Run) Find(key Key) (seq uint64, found bool, err error) {
	err = r.view(func(b []byte) error {
		seq, found, err = r.find(b, &key)
		return err
	})
	return seq, found, err
}

func (r *Run) find(b []byte, key *Key) (seq uint64, found bool, err error) {
	bucket, head := r.l.split(key)
	first, end, err := r.bucket(b, bucket)
	if err != nil || first == end {
		return 0, false, err
	}
	heads, err := r.bytes(b, r.l.heads+int64(first)*headBytes, int(end-first)*headBytes)
	if err != nil {
		return 0, false, err
	}
	// Heads are spread evenly, so the place of one is nearly known.
	i := len(heads) / headBytes * int(head) >> 16 * headBytes
	for i > 0 && binary.BigEndian.Uint16(heads[i-headBytes:]) >= head {
		i -= headBytes
	}
	for i < len(heads) && binary.BigEndian.Uint16(heads[i:]) < head {
		i += headBytes
	}
	rest := key[len(key)-r.l.restBytes:]
	for ; i < len(heads) && binary.BigEndian.Uint16(heads[i:]) == head; i += headBytes {
		row, err := r.bytes(b, r.l.rows+int64(int(first)+i/headBytes)*int64(r.l.rowBytes), r.l.rowBytes)
		if err != nil {
			return 0, false, err
		}
		if bytes.Equal(row[:r.l.restBytes], rest) {
			seq, err := r.seq(row, int(first)+i/headBytes)
			return seq, err == nil, err
		}
	}
	return 0, false, nil
}

// view is Mapping.View. What cannot be read is damage like any other.
// fetch reads a byte of what find will read for each of the keys, and returns something of them. None waits for another, so
// the processor gets many at a time from memory, where find would wait for each.
//
//go:noinline
func (r *Run) fetch(b []byte, keys []Key, which []int32) (sum byte) {
	for _, i := range which {
		bucket, head := r.l.split(&keys[i])
		at := r.l.starts + int64(bucket)*startSize
		if at+2*startSize > int64(len(b)) {
			return sum // damaged, which find will say
		}
		first, end := binary.BigEndian.Uint32(b[at:]), binary.BigEndian.Uint32(b[at+startSize:])
		at = r.l.heads + (int64(first)+int64(end-first)*int64(head)>>16)*headBytes
		if at >= 0 && at < int64(len(b)) {
			sum += b[at]
		}
	}
	return sum
}

func (r *Run) view(fn func(b []byte) error) error {
	err := r.m.View(fn)
	if fault, ok := errors.AsType[*durable.FaultError](err); ok {
		return r.corrupt(fault.Offset, "the disk failed or the file was cut off")
	}
	return err
}

// bucket returns the first entry of a bucket and the one after its last.
func (r *Run) bucket(b []byte, bucket uint64) (first, end uint32, err error) {
	at := r.l.starts + int64(bucket)*startSize
	s, err := r.bytes(b, at, 2*startSize)
	if err != nil {
		return 0, 0, err
	}
	first, end = binary.BigEndian.Uint32(s), binary.BigEndian.Uint32(s[startSize:])
	if first > end || uint64(end) > r.l.count {
		return 0, 0, r.corrupt(at, "bucket %d has entries %d to %d of %d", bucket, first, end, r.l.count)
	}
	return first, end, nil
}

func (r *Run) seq(row []byte, i int) (uint64, error) {
	seq := r.l.rowSeq(row)
	if seq >= r.l.to {
		at := r.l.rows + int64(i)*int64(r.l.rowBytes)
		return 0, r.corrupt(at, "entry %d has seq %d, the run ends before %d", i, seq, r.l.to)
	}
	return seq, nil
}

// bytes returns n bytes of b once they have been compared with their checksums.
func (r *Run) bytes(b []byte, at int64, n int) ([]byte, error) {
	for block := at / blockSize; block*blockSize < at+int64(n); block++ {
		if r.checked[block/64].Load()>>(block%64)&1 == 1 {
			continue
		}
		if err := r.checkBlock(b, block); err != nil {
			return nil, err
		}
		r.checked[block/64].Or(1 << (block % 64))
	}
	return b[at : at+int64(n)], nil
}

func (r *Run) checkBlock(b []byte, block int64) error {
	want := binary.BigEndian.Uint32(b[r.l.table+block*sumSize:])
	if crc32.Checksum(b[block*blockSize:(block+1)*blockSize], castagnoli) != want {
		return r.corrupt(block*blockSize, "the checksum of the block is wrong")
	}
	return nil
}
