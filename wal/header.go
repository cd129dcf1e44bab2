package wal

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
)

// The file header. All numbers are big-endian.
const (
	fileMagic    = "CSIGNWAL"
	fileFormat   = 8  // u32, the format number
	fileChain    = 12 // u32, header checksum of the last frame of the file before
	fileNonce    = 16 // 16 random bytes
	fileFirst    = 32 // u64, seq of the first entry
	fileSum      = 40 // u32, CRC32C of the 40 bytes before
	fileHeadSize = 44

	formatVersion = 1
)

// fileHead is the header of a log file with the tag that its frames carry.
type fileHead struct {
	bytes  [fileHeadSize]byte
	tag    [tagBytes]byte
	format uint32
	first  uint64
	chain  uint32
}

func newFileHead(first uint64, chain uint32) fileHead {
	var b [fileHeadSize]byte
	copy(b[:], fileMagic)
	binary.BigEndian.PutUint32(b[fileFormat:], formatVersion)
	binary.BigEndian.PutUint32(b[fileChain:], chain)
	rand.Read(b[fileNonce:fileFirst])
	binary.BigEndian.PutUint64(b[fileFirst:], first)
	binary.BigEndian.PutUint32(b[fileSum:], crc32.Checksum(b[:fileSum], castagnoli))
	return fileHead{bytes: b, tag: frameTagOf(b), format: formatVersion, first: first, chain: chain}
}

// frameTagOf hashes the whole header, so that a frame fits no file with another nonce, another beginning or
// another file before it. The nonce itself is not the tag: it stands where any copy of the file begins.
func frameTagOf(b [fileHeadSize]byte) [tagBytes]byte {
	sum := sha256.Sum256(append([]byte("countersign wal frame/1"), b[:fileSum]...))
	return [tagBytes]byte(sum[:])
}

// parseFileHead reads the header of a log file. A reason is given when the bytes are not one.
func parseFileHead(b [fileHeadSize]byte) (h fileHead, reason string) {
	if !bytes.Equal(b[:len(fileMagic)], []byte(fileMagic)) {
		return h, "this is no log file"
	}
	if crc32.Checksum(b[:fileSum], castagnoli) != binary.BigEndian.Uint32(b[fileSum:]) {
		return h, "the checksum of the file header is wrong"
	}
	return fileHead{
		bytes:  b,
		tag:    frameTagOf(b),
		format: binary.BigEndian.Uint32(b[fileFormat:]),
		first:  binary.BigEndian.Uint64(b[fileFirst:]),
		chain:  binary.BigEndian.Uint32(b[fileChain:]),
	}, ""
}
