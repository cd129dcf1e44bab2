package bodies

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// A block. All numbers are big-endian.
const (
	blockSum    = 0  // u32, CRC32C of the seq of the first body as u64 and of all bytes that follow here
	blockText   = 4  // u32, bytes of the text
	blockUUIDs  = 8  // u16, UUIDs of the block
	blockCount  = 10 // u8, bodies
	blockForm   = 11 // u8, plain or compressed
	blockHead   = 12 // then the UUIDs, 16 bytes each, then the text
	formPlain   = 0
	formZstd    = 1
	maxLength   = binary.MaxVarintLen32
	maxTextSize = 2*(blockBytes+MaxBodyBytes) + blockBodies*maxLength
	// blockBytes is how much is gathered at most before a block is ended, a single body aside.
	blockBytes = 256 << 10
)

// dictionaryID is the same in all files: a dictionary is never used for another file than its own.
const dictionaryID = 1

// The text of a block is, before it is compressed,
//
//	for each body a uvarint, the length of its text
//	the texts: the bodies with their UUIDs replaced (uuid.go)

// blockWriter makes blocks of bodies.
type blockWriter struct {
	enc    *zstd.Encoder
	packer packer

	bodies  int
	size    int // of the bodies, as they came
	lengths []byte
	texts   []byte
	joined  []byte
}

func newBlockWriter(d *directory) (*blockWriter, error) {
	// The checksum of a block is our own, and its length stands in its head.
	options := []zstd.EOption{
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithSingleSegment(true), zstd.WithLowerEncoderMem(true),
	}
	if len(d.dictionary) > 0 {
		options = append(options, zstd.WithEncoderDictRaw(dictionaryID, d.dictionary))
	}
	enc, err := zstd.NewWriter(nil, options...)
	if err != nil {
		return nil, err
	}
	w := &blockWriter{enc: enc, packer: packer{file: map[uuid]int{}, seen: map[uuid]int{}}}
	for i := 0; i < len(d.uuids); i += uuidBytes {
		w.packer.file[uuid(d.uuids[i:])] = i / uuidBytes
	}
	return w, nil
}

// full reports whether the block must be ended before the body of that row, which has n bytes.
func (w *blockWriter) full(row uint32, n int) bool {
	return w.bodies > 0 && (row%blockBodies == 0 || w.size+n > blockBytes)
}

func (w *blockWriter) add(body []byte) {
	before := len(w.texts)
	w.texts = w.packer.appendPacked(w.texts, body)
	w.lengths = binary.AppendUvarint(w.lengths, uint64(len(w.texts)-before))
	w.size += len(body)
	w.bodies++
}

// appendBlock appends the block of the bodies that were added, and begins the next one.
func (w *blockWriter) appendBlock(dst []byte, first uint64) []byte {
	start := len(dst)
	w.joined = append(append(w.joined[:0], w.lengths...), w.texts...)
	dst = append(dst, make([]byte, blockHead)...)
	head := dst[start:]
	binary.BigEndian.PutUint32(head[blockText:], uint32(len(w.joined)))
	binary.BigEndian.PutUint16(head[blockUUIDs:], uint16(len(w.packer.fresh)/uuidBytes))
	head[blockCount], head[blockForm] = byte(w.bodies), formZstd
	dst = append(dst, w.packer.fresh...)
	text := len(dst)
	if dst = w.enc.EncodeAll(w.joined, dst); len(dst)-text >= len(w.joined) {
		dst[start+blockForm] = formPlain
		dst = append(dst[:text], w.joined...)
	}
	binary.BigEndian.PutUint32(dst[start:], blockChecksum(dst[start:], first))

	w.packer.reset()
	w.bodies, w.size, w.lengths, w.texts = 0, 0, w.lengths[:0], w.texts[:0]
	return dst
}

// blockChecksum covers the place of the block too, so that a block of another place is not taken for this one.
func blockChecksum(b []byte, first uint64) uint32 {
	var seq [8]byte
	binary.BigEndian.PutUint64(seq[:], first)
	return crc32.Update(crc32.Checksum(seq[:], castagnoli), castagnoli, b[blockText:])
}

// block is one that was read.
type block struct {
	lengths  []byte
	texts    []byte
	unpacker unpacker
}

var errText = errors.New("the texts do not fill the block")

// parseBlock reads the block of the bodies from first on, which the directory says are so many. Its text is put into
// buf, which is returned.
func parseBlock(b, buf []byte, first uint64, bodies int, d *decoder) (bl block, _ []byte, err error) {
	if blockChecksum(b, first) != binary.BigEndian.Uint32(b[blockSum:]) {
		return bl, buf, errors.New("the checksum of the block is wrong")
	}
	size := int(binary.BigEndian.Uint32(b[blockText:]))
	uuids := int(binary.BigEndian.Uint16(b[blockUUIDs:])) * uuidBytes
	form := b[blockForm]
	switch {
	case int(b[blockCount]) != bodies:
		return bl, buf, fmt.Errorf("the block has %d bodies, the directory says %d", b[blockCount], bodies)
	case size > maxTextSize:
		return bl, buf, fmt.Errorf("the block says %d bytes of text, the limit is %d", size, maxTextSize)
	case uuids > len(b)-blockHead:
		return bl, buf, errors.New("the UUIDs run over the end of the block")
	}
	bl.unpacker = unpacker{file: d.uuids, block: b[blockHead : blockHead+uuids]}
	text := b[blockHead+uuids:]
	switch form {
	case formPlain:
	case formZstd:
		if buf, err = d.decompress(text, buf, size); err != nil {
			return bl, buf, err
		}
		text = buf
	default:
		return bl, buf, fmt.Errorf("form %d of the text is not known", form)
	}
	if len(text) != size {
		return bl, buf, fmt.Errorf("the text has %d bytes, the block says %d", len(text), size)
	}
	n := 0
	for range bodies {
		_, used := binary.Uvarint(text[n:])
		if used <= 0 {
			return bl, buf, errText
		}
		n += used
	}
	bl.lengths, bl.texts = text[:n], text[n:]
	return bl, buf, nil
}

// next returns the text of the next body.
func (bl *block) next() ([]byte, error) {
	length, n := binary.Uvarint(bl.lengths)
	if n <= 0 || length > uint64(len(bl.texts)) {
		return nil, errText
	}
	text := bl.texts[:length]
	bl.lengths, bl.texts = bl.lengths[n:], bl.texts[length:]
	return text, nil
}

// ended says whether the bodies that were read are all that the block has, and have used all of it.
func (bl *block) ended() error {
	if len(bl.texts) > 0 || bl.unpacker.next*uuidBytes != len(bl.unpacker.block) {
		return errText
	}
	return nil
}
