package bodies

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// The head. All numbers are big-endian.
const (
	magic         = "CSIGNBDY"
	headFormat    = 8  // u32, the format number
	headCount     = 12 // u32, bodies
	headFirst     = 16 // u64, seq of the first
	headDirectory = 24 // u64, where the first copy of the directory begins
	headLength    = 32 // u32, bytes of the directory
	headInner     = 36 // u32, CRC32C of the directory
	headSum       = 40 // u32, CRC32C of the 40 bytes before
	headSize      = 44
	formatVersion = 1
)

// head says what a file holds and where. A file with this head has one size.
type head struct {
	first     uint64
	count     uint32
	directory int64
	length    uint32
	sum       uint32
}

func (h *head) bytes() [headSize]byte {
	var b [headSize]byte
	copy(b[:], magic)
	binary.BigEndian.PutUint32(b[headFormat:], formatVersion)
	binary.BigEndian.PutUint32(b[headCount:], h.count)
	binary.BigEndian.PutUint64(b[headFirst:], h.first)
	binary.BigEndian.PutUint64(b[headDirectory:], uint64(h.directory))
	binary.BigEndian.PutUint32(b[headLength:], h.length)
	binary.BigEndian.PutUint32(b[headInner:], h.sum)
	binary.BigEndian.PutUint32(b[headSum:], crc32.Checksum(b[:headSum], castagnoli))
	return b
}

// size is that of the file: head, blocks, directory twice, head.
func (h *head) size() int64 { return h.directory + 2*int64(h.length) + headSize }

// parseHead reads a head. It returns a *CorruptError without a file for bytes that are none, and another error for
// the file of a newer program.
func parseHead(b [headSize]byte) (h head, err error) {
	if string(b[:len(magic)]) != magic {
		return h, &CorruptError{What: "this is no body file"}
	}
	if crc32.Checksum(b[:headSum], castagnoli) != binary.BigEndian.Uint32(b[headSum:]) {
		return h, &CorruptError{What: "the checksum of the head is wrong"}
	}
	if v := binary.BigEndian.Uint32(b[headFormat:]); v != formatVersion {
		return h, fmt.Errorf("format %d is not known here, only %d", v, formatVersion)
	}
	h = head{
		count:     binary.BigEndian.Uint32(b[headCount:]),
		first:     binary.BigEndian.Uint64(b[headFirst:]),
		directory: int64(binary.BigEndian.Uint64(b[headDirectory:])),
		length:    binary.BigEndian.Uint32(b[headLength:]),
		sum:       binary.BigEndian.Uint32(b[headInner:]),
	}
	if err := checkRange(h.first, uint64(h.count)); err != nil {
		return h, &CorruptError{Offset: headCount, What: "the head says " + err.Error()}
	}
	if h.directory < headSize || h.directory > math.MaxInt64/2 {
		return h, &CorruptError{Offset: headDirectory, What: "the head says that the directory begins where it cannot"}
	}
	if h.length > maxDirectory {
		what := fmt.Sprintf("the head says that the directory has %d bytes, the limit is %d", h.length, maxDirectory)
		return h, &CorruptError{Offset: headLength, What: what}
	}
	return h, nil
}

// checkRange says what is wrong with a range of seqs for one file.
func checkRange(first, count uint64) error {
	switch {
	case first%Alignment != 0:
		return fmt.Errorf("bodies from seq %d on, which is no multiple of %d", first, Alignment)
	case count == 0 || count > MaxBodies || first > math.MaxInt64-MaxBodies:
		return fmt.Errorf("%d bodies from seq %d on", count, first)
	}
	return nil
}

// The directory is
//
//	u32 length, dictionary
//	u32 count, UUIDs of the file, 16 bytes each
//	for each block: u8 bodies, u24 bytes
//
// up to its end.
const (
	maxDictionary = 64 << 10
	maxUUIDs      = 4096
	placeSize     = 4
	maxBlockBytes = 1<<24 - 1
	// In the worst case each body is larger than half a block and has one of its own.
	maxDirectory = 4 + maxDictionary + 4 + maxUUIDs*uuidBytes + placeSize*MaxBodies
)

// directory is a directory in its parts. They point into the bytes it was read from.
type directory struct {
	dictionary []byte
	uuids      []byte
	places     []byte
}

func (d *directory) bytes() []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(d.dictionary)))
	b = append(b, d.dictionary...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(d.uuids)/uuidBytes))
	b = append(b, d.uuids...)
	return append(b, d.places...)
}

// parseDirectory reads the directory of the file with that head. A reason is given when the bytes are not one.
func parseDirectory(b []byte, h *head) (d directory, reason string) {
	n, b, ok := cutUint32(b)
	if !ok || n > maxDictionary || uint64(n) > uint64(len(b)) {
		return d, "the dictionary is longer than it can be"
	}
	d.dictionary, b = b[:n:n], b[n:]
	n, b, ok = cutUint32(b)
	if !ok || n > maxUUIDs || uint64(n)*uuidBytes > uint64(len(b)) {
		return d, "there are more UUIDs than there can be"
	}
	d.uuids, d.places = b[:n*uuidBytes:n*uuidBytes], b[n*uuidBytes:]
	row, at := uint32(0), int64(headSize)
	for p := d.places; len(p) > 0; p = p[placeSize:] {
		if len(p) < placeSize {
			return d, "it ends within a place"
		}
		bodies, bytes := place(p)
		// All of a block are bodies of one group of 64, counted from the beginning of the file.
		if bodies == 0 || row%blockBodies+bodies > blockBodies || bytes <= blockHead {
			return d, fmt.Sprintf("the block at byte %d has %d bodies from the %dth on in %d bytes", at, bodies, row, bytes)
		}
		row += bodies
		at += int64(bytes)
	}
	if row != h.count || at != h.directory {
		return d, fmt.Sprintf("it has %d bodies up to byte %d, the head says %d up to %d", row, at, h.count, h.directory)
	}
	return d, ""
}

func place(p []byte) (bodies, bytes uint32) {
	v := binary.BigEndian.Uint32(p)
	return v >> 24, v & maxBlockBytes
}

func appendPlace(dst []byte, bodies, bytes int) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(bodies)<<24|uint32(bytes))
}

func cutUint32(b []byte) (n uint32, rest []byte, ok bool) {
	if len(b) < 4 {
		return 0, b, false
	}
	return binary.BigEndian.Uint32(b), b[4:], true
}
