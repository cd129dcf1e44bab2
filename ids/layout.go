package ids

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"
)

// The file header. All numbers are big-endian.
const (
	magic         = "CSIGNIDS"
	headFormat    = 8  // u32, the format number
	headFrom      = 12 // u64, first seq covered
	headTo        = 20 // u64, the seq after the last one covered
	headCount     = 28 // u64, entries
	headSum       = 36 // u32, CRC32C of the 36 bytes before
	headSize      = 40
	formatVersion = 1

	// blockSize is what one checksum covers: a page, which is what the kernel reads for a byte of it.
	blockSize = 4096
	sumSize   = 4
	startSize = 4
	headBytes = 2 // of a key's head
	// A bucket has 32 keys on average, or up to twice that. Its heads are one or two cache lines.
	bucketShift = 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// layout is where everything stands in a run. It follows from the range and the number of entries, so there is
// one layout for each.
type layout struct {
	from, to, count uint64

	bucketBits int
	buckets    uint64
	restBytes  int // of a key, its last ones
	seqBytes   int
	rowBytes   int // rest and seq

	starts, heads, rows, table, size int64
}

func newLayout(from, to, count uint64) (l layout, err error) {
	switch {
	case from >= to || to > math.MaxInt64 || to-from > MaxSpan:
		return l, fmt.Errorf("a run of seqs %d to %d", from, to)
	case count > to-from || count > MaxEntries:
		return l, fmt.Errorf("%d entries for %d seqs", count, to-from)
	}
	l = layout{from: from, to: to, count: count}
	l.bucketBits = max(0, bits.Len64(count)-1-bucketShift)
	l.buckets = 1 << l.bucketBits
	// What bucket and head say of a key is left out of its rest, in whole bytes.
	l.restBytes = len(Key{}) - (l.bucketBits+8*headBytes)/8
	l.seqBytes = max(1, (bits.Len64(to-from-1)+7)/8)
	l.rowBytes = l.restBytes + l.seqBytes

	l.starts = blockSize
	l.heads = l.starts + blocks(int64(l.buckets+1)*startSize)*blockSize
	l.rows = l.heads + blocks(int64(count)*headBytes)*blockSize
	l.table = l.rows + blocks(int64(count)*int64(l.rowBytes))*blockSize
	l.size = l.table + l.table/blockSize*sumSize + sumSize
	return l, nil
}

// blocks returns how many blocks n bytes take.
func blocks(n int64) int64 { return (n + blockSize - 1) / blockSize }

func (l *layout) header() [headSize]byte {
	var b [headSize]byte
	copy(b[:], magic)
	binary.BigEndian.PutUint32(b[headFormat:], formatVersion)
	binary.BigEndian.PutUint64(b[headFrom:], l.from)
	binary.BigEndian.PutUint64(b[headTo:], l.to)
	binary.BigEndian.PutUint64(b[headCount:], l.count)
	binary.BigEndian.PutUint32(b[headSum:], crc32.Checksum(b[:headSum], castagnoli))
	return b
}

// parseHeader reads a header. It returns a *CorruptError without a file for bytes that are none, and another error for
// the file of a newer program.
func parseHeader(b [headSize]byte) (l layout, err error) {
	if string(b[:len(magic)]) != magic {
		return l, &CorruptError{What: "this is no file of ids"}
	}
	if crc32.Checksum(b[:headSum], castagnoli) != binary.BigEndian.Uint32(b[headSum:]) {
		return l, &CorruptError{What: "the checksum of the header is wrong"}
	}
	if v := binary.BigEndian.Uint32(b[headFormat:]); v != formatVersion {
		return l, fmt.Errorf("format %d is not known here, only %d", v, formatVersion)
	}
	from, to := binary.BigEndian.Uint64(b[headFrom:]), binary.BigEndian.Uint64(b[headTo:])
	l, err = newLayout(from, to, binary.BigEndian.Uint64(b[headCount:]))
	if err != nil {
		return l, &CorruptError{Offset: headFrom, What: "the header says " + err.Error()}
	}
	return l, nil
}

// split returns what decides where a key stands: its bucket and its head.
func (l *layout) split(k *Key) (bucket uint64, head uint16) {
	hi := binary.BigEndian.Uint64(k[:8])
	// A shift by 64 gives 0, which is the bucket when there is one only.
	return hi >> (64 - l.bucketBits), uint16(hi >> (48 - l.bucketBits))
}

// join puts a key together. It reports whether the bits that the rest repeats are those of bucket and head.
func (l *layout) join(bucket uint64, head uint16, rest []byte) (k Key, ok bool) {
	hi := bucket<<(64-l.bucketBits) | uint64(head)<<(48-l.bucketBits)
	binary.BigEndian.PutUint64(k[:8], hi)
	copy(k[len(k)-l.restBytes:], rest)
	b, h := l.split(&k)
	return k, b == bucket && h == head
}

func (l *layout) appendRow(dst []byte, e *Entry) []byte {
	dst = append(dst, e.Key[len(e.Key)-l.restBytes:]...)
	seq := e.Seq - l.from
	for i := l.seqBytes - 1; i >= 0; i-- {
		dst = append(dst, byte(seq>>(8*i)))
	}
	return dst
}

// rowSeq returns the seq of a row. It may be one that the run does not cover.
func (l *layout) rowSeq(row []byte) uint64 {
	var seq uint64
	for _, b := range row[l.restBytes:l.rowBytes] {
		seq = seq<<8 | uint64(b)
	}
	return l.from + seq
}
