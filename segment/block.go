package segment

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"unsafe"

	"countersign/bitmap"
)

// ref says where a block is, how long, and its checksum.
type ref struct {
	offset uint64
	length uint32
	sum    uint32
}

const (
	refBytes   = 16
	blockAlign = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendRef(b []byte, r ref) []byte {
	b = binary.LittleEndian.AppendUint64(b, r.offset)
	b = binary.LittleEndian.AppendUint32(b, r.length)
	return binary.LittleEndian.AppendUint32(b, r.sum)
}

func readRef(b []byte) ref {
	return ref{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])}
}

// writer writes blocks one behind the other. After an error it writes no more.
type writer struct {
	to     io.Writer
	offset uint64
	sets   map[[sha256.Size]byte]ref
	err    error
}

func (w *writer) write(b []byte) {
	if w.err != nil {
		return
	}
	_, w.err = w.to.Write(b)
	w.offset += uint64(len(b))
}

func (w *writer) block(b []byte) ref {
	if gap := -w.offset % blockAlign; gap > 0 {
		var zeros [blockAlign]byte
		w.write(zeros[:gap])
	}
	if len(b) > maxBlockBytes && w.err == nil {
		w.err = fmt.Errorf("a block of %d bytes", len(b))
	}
	r := ref{w.offset, uint32(len(b)), crc32.Checksum(b, castagnoli)}
	w.write(b)
	return r
}

const maxBlockBytes = 1 << 31

// block is a block of an open segment. The number is its own in the segment.
type block struct {
	ref
	number int
}

// fail ends the question that met damage in the block.
func (s *Segment) fail(b block, format string, args ...any) {
	panic(&CorruptError{File: s.name, Offset: int64(b.offset), What: fmt.Sprintf(format, args...)})
}

// bytes returns the bytes of the block. When it is used for the first time its checksum is verified, then check is
// called: what it accepts need not be checked again.
func (s *Segment) bytes(b block, check func([]byte)) []byte {
	if b.offset > uint64(len(s.data)) || uint64(b.length) > uint64(len(s.data))-b.offset {
		s.fail(b, "a block that goes beyond the end of the file")
	}
	data := s.data[b.offset:][:b.length:b.length]
	word, bit := &s.checked[b.number/32], uint32(1)<<(b.number%32)
	if word.Load()&bit != 0 && !s.strict {
		return data
	}
	if s.strict {
		s.checkGap(b)
	}
	if sum := crc32.Checksum(data, castagnoli); sum != b.sum && !s.unsummed {
		s.fail(b, "%d bytes have the checksum %08x, written were %08x", len(data), sum, b.sum)
	}
	check(data)
	word.Or(bit)
	return data
}

// checkGap asks for zeros between the block and the next.
func (s *Segment) checkGap(b block) {
	end := b.offset + uint64(b.length)
	for i := end; i < uint64(len(s.data)) && i%blockAlign != 0; i++ {
		if s.data[i] != 0 {
			panic(&CorruptError{File: s.name, Offset: int64(i), What: "there are bytes where zeros should be"})
		}
	}
}

// set returns the set of rows that the block holds, empty for the zero ref.
func (s *Segment) set(b block) bitmap.Set {
	if b.length == 0 {
		return bitmap.Set{}
	}
	return bitmap.View(s.bytes(b, func(data []byte) {
		if _, err := bitmap.Decode(data, uint32(s.rows)); err != nil {
			s.fail(b, "a set of rows: %v", err)
		}
	}))
}

// set writes a set of rows, or finds where the same one was written: fields say the same of the same rows more often than
// not, such as the id and the name of an account.
func (w *writer) set(s bitmap.Set) ref {
	if s.Empty() {
		return ref{}
	}
	b := s.Append(nil)
	sum := sha256.Sum256(b)
	r, known := w.sets[sum]
	if !known {
		if r = w.block(b); w.sets == nil {
			w.sets = map[[sha256.Size]byte]ref{}
		}
		w.sets[sum] = r
	}
	return r
}

// table is a block of records that begin with a ref each, to blocks that have successive numbers.
type table struct {
	block
	count  int
	record int // bytes
	first  int // number of the first block that is referred to
}

func (s *Segment) record(t *table, i int) []byte {
	b := s.bytes(t.block, func(data []byte) {
		if len(data) != t.count*t.record {
			s.fail(t.block, "a table of %d records has %d bytes", t.count, len(data))
		}
	})
	return b[i*t.record:][:t.record]
}

// at returns the block that record i refers to.
func (s *Segment) at(t *table, i int) block {
	return block{readRef(s.record(t, i)), t.first + i}
}

// text returns b as a string without copying. It must not outlive the view, nor b's next use.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
