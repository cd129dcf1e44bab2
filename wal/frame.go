package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// The frame header. All numbers are big-endian.
const (
	frameTag      = 0  // 16 bytes, the tag of the file
	framePayload  = 16 // u32, bytes of payload
	frameCount    = 20 // u32, entries
	frameFirst    = 24 // u64, seq of the first entry
	frameChain    = 32 // u32, header checksum of the frame before
	frameBodySum  = 36 // u32, CRC32C of the payload
	frameHeadSum  = 40 // u32, CRC32C of the 40 bytes before
	frameHeadSize = 44

	tagBytes  = 16
	seedBytes = 8 + 32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// FrameBytes returns the size of the frame that b makes.
func FrameBytes(b *Batch) int64 {
	n := int64(frameHeadSize) + 4 + seedBytes*int64(len(b.Seeds)) + 4*int64(len(b.Entries)) + 4 + int64(len(b.Checkpoint))
	for _, e := range b.Entries {
		n += int64(len(e))
	}
	return n
}

// AppendFrame appends the frame of b to dst. It needs no Log and may be called while one is syncing: what depends
// on the place of the frame is filled in by Write.
func AppendFrame(dst []byte, b *Batch) ([]byte, error) {
	if len(b.Entries) == 0 {
		return dst, fmt.Errorf("frame of seq %d: no entries", b.FirstSeq)
	}
	if b.FirstSeq > math.MaxInt64 {
		return dst, fmt.Errorf("frame of seq %d: beyond the last seq", b.FirstSeq)
	}
	size := FrameBytes(b)
	if size > MaxFrameBytes {
		return dst, fmt.Errorf("frame of seq %d: %d bytes, the limit is %d: %w", b.FirstSeq, size, MaxFrameBytes, ErrTooLarge)
	}
	start := len(dst)
	dst = append(dst, make([]byte, frameHeadSize)...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(b.Seeds)))
	for i := range b.Seeds {
		dst = binary.BigEndian.AppendUint64(dst, b.Seeds[i].Block)
		dst = append(dst, b.Seeds[i].Bytes[:]...)
	}
	for _, e := range b.Entries {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(e)))
		dst = append(dst, e...)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(b.Checkpoint)))
	dst = append(dst, b.Checkpoint...)

	head, payload := dst[start:start+frameHeadSize], dst[start+frameHeadSize:]
	binary.BigEndian.PutUint32(head[framePayload:], uint32(len(payload)))
	binary.BigEndian.PutUint32(head[frameCount:], uint32(len(b.Entries)))
	binary.BigEndian.PutUint64(head[frameFirst:], b.FirstSeq)
	binary.BigEndian.PutUint32(head[frameBodySum:], crc32.Checksum(payload, castagnoli))
	return dst, nil
}

// stamp fills in what makes a frame one of a certain file at a certain place, and returns its header checksum.
// That one checksum stands for the whole frame in the chain, since it covers the payload's.
func stamp(frame []byte, tag [tagBytes]byte, chain uint32) uint32 {
	copy(frame[frameTag:], tag[:])
	binary.BigEndian.PutUint32(frame[frameChain:], chain)
	sum := crc32.Checksum(frame[:frameHeadSum], castagnoli)
	binary.BigEndian.PutUint32(frame[frameHeadSum:], sum)
	return sum
}

// frameHead is a frame header whose tag and checksum are right.
type frameHead struct {
	payload int64
	count   uint32
	first   uint64
	chain   uint32
	bodySum uint32
	headSum uint32
}

// parseHead reads a frame header. room is how many bytes the file has after it. A reason is given when the bytes
// are not a header of the file with that tag.
func parseHead(b []byte, tag [tagBytes]byte, room int64) (h frameHead, reason string) {
	if !bytes.Equal(b[:tagBytes], tag[:]) {
		return h, "no frame of this file begins here"
	}
	h.headSum = binary.BigEndian.Uint32(b[frameHeadSum:])
	if crc32.Checksum(b[:frameHeadSum], castagnoli) != h.headSum {
		return h, "the checksum of the frame header is wrong"
	}
	h.payload = int64(binary.BigEndian.Uint32(b[framePayload:]))
	h.count = binary.BigEndian.Uint32(b[frameCount:])
	h.first = binary.BigEndian.Uint64(b[frameFirst:])
	h.chain = binary.BigEndian.Uint32(b[frameChain:])
	h.bodySum = binary.BigEndian.Uint32(b[frameBodySum:])
	if h.payload > MaxFrameBytes-frameHeadSize {
		return h, fmt.Sprintf("the frame says %d bytes, the limit is %d", h.payload, MaxFrameBytes)
	}
	if h.payload > room {
		return h, fmt.Sprintf("the frame says %d bytes and the file has %d more", h.payload, room)
	}
	return h, ""
}

// decodePayload reads a payload into b, reusing b's slices. What it sets in b points into p.
func decodePayload(b *Batch, first uint64, count uint32, p []byte) error {
	// An entry takes 4 bytes at least, so that a wrong count cannot ask for memory that the payload does not back.
	if count == 0 || uint64(count)*4 > uint64(len(p)) || first > math.MaxInt64 {
		return fmt.Errorf("%d entries from seq %d on in %d bytes", count, first, len(p))
	}
	b.FirstSeq = first
	seeds, p, ok := cutUint32(p)
	if !ok || uint64(seeds)*seedBytes > uint64(len(p)) {
		return fmt.Errorf("%d seeds in %d bytes", seeds, len(p))
	}
	b.Seeds = b.Seeds[:0]
	for range seeds {
		b.Seeds = append(b.Seeds, Seed{Block: binary.BigEndian.Uint64(p), Bytes: [32]byte(p[8:seedBytes])})
		p = p[seedBytes:]
	}
	b.Entries = b.Entries[:0]
	for i := range count {
		var body []byte
		if body, p, ok = cutBytes(p); !ok {
			return fmt.Errorf("entry %d runs over the end", i)
		}
		b.Entries = append(b.Entries, body)
	}
	if b.Checkpoint, p, ok = cutBytes(p); !ok {
		return fmt.Errorf("the checkpoint runs over the end")
	}
	if len(p) != 0 {
		return fmt.Errorf("%d bytes after the checkpoint", len(p))
	}
	return nil
}

func cutUint32(p []byte) (n uint32, rest []byte, ok bool) {
	if len(p) < 4 {
		return 0, p, false
	}
	return binary.BigEndian.Uint32(p), p[4:], true
}

// cutBytes takes a length and that many bytes off p. Their capacity ends with them, so that appending to a body
// cannot write into the next one.
func cutBytes(p []byte) (b, rest []byte, ok bool) {
	n, p, ok := cutUint32(p)
	if !ok || uint64(n) > uint64(len(p)) {
		return nil, p, false
	}
	return p[:n:n], p[n:], true
}
