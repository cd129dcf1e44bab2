package merkle

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Published checkpoints are kept for ever in files that only grow (docs/format/checkpoints.md): a head, then for
// each checkpoint, sizes ascending, its length, the CRC32C of the note, and the note.

const (
	// RecordsHead begins every file of published checkpoints: a magic number and the format.
	RecordsHead = "CSIGNCKP\x00\x00\x00\x01"

	recordHeadBytes = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendRecord appends a published checkpoint as its file has it.
func AppendRecord(dst, note []byte) []byte {
	if len(note) == 0 || len(note) > maxNoteBytes {
		panic(fmt.Sprintf("merkle: a note of %d bytes", len(note)))
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(note)))
	dst = binary.BigEndian.AppendUint32(dst, crc32.Checksum(note, castagnoli))
	return append(dst, note...)
}

// CutRecord takes the first record off b, which begins behind the head of a file. The note points into b. When b
// does not begin with a whole record it says why.
func CutRecord(b []byte) (note, rest []byte, err error) {
	if len(b) < recordHeadBytes {
		return nil, b, fmt.Errorf("the file ends within the head of a checkpoint")
	}
	n := binary.BigEndian.Uint32(b)
	if n == 0 || n > maxNoteBytes {
		return nil, b, fmt.Errorf("a checkpoint of %d bytes", n)
	}
	if uint64(n) > uint64(len(b)-recordHeadBytes) {
		return nil, b, fmt.Errorf("the file ends within a checkpoint")
	}
	note, rest = b[recordHeadBytes:recordHeadBytes+n:recordHeadBytes+n], b[recordHeadBytes+n:]
	if crc32.Checksum(note, castagnoli) != binary.BigEndian.Uint32(b[4:]) {
		return nil, b, fmt.Errorf("the checksum of a checkpoint is wrong")
	}
	return note, rest, nil
}
