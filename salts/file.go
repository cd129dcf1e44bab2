package salts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"sync/atomic"

	"countersign/internal/durable"
)

// The file. All numbers are big-endian. Two heads, what is left of cut blocks, then a slot for each block.
const (
	magic         = "CSIGNSLT"
	headFormat    = 8  // u32, the format number
	headCuts      = 12 // u64, bytes of what is left of cut blocks
	headSum       = 20 // u32, CRC32C of the 20 bytes before
	headSize      = 24
	formatVersion = 1

	secondHead = 2048
	cutsStart  = 4096

	slotKind  = 0  // u8
	slotSeed  = 1  // 32 bytes: the seed, or of a cut block the following and zeros
	slotAt    = 1  // u64, where its record begins, from the first one on
	slotNodes = 9  // u16, its nodes
	slotZeros = 11 // 22 bytes
	slotSum   = 33 // u32, CRC32C of the number of the block as u64 and of the 33 bytes before
	slotSize  = 37

	kindWhole = 0
	// A cut block has a record: 32 bytes of bits of the entries that are gone, 32 bytes for each node, and the u32
	// CRC32C of the number of the block as u64 and of all that.
	kindCut    = 1
	recordHead = blockEntries / 8
)

// File is the open file. Append is for one goroutine at a time, everything else for any.
type File struct {
	path   string
	f      durable.File
	slots  int64 // where the first one is
	blocks atomic.Uint64
	damage []*CorruptError
}

// Open opens the file for a trail of which that many blocks were appended before. A missing one is made when that is
// none, and one without any is made again: after a sync that failed it may have a name that the disk never got. What
// stands after the blocks was promised to nobody. A damaged head that the other makes good is no error; Damage
// tells of it.
func Open(fsys durable.FS, path string, blocks uint64) (*File, error) {
	f := &File{path: path}
	var err error
	f.f, err = fsys.OpenFile(path, os.O_RDWR, 0)
	if blocks == 0 && f.mustBeMade(err) {
		f.f, err = durable.Replace(fsys, path, func(file durable.File) error { return write(file, 0, nil) })
	}
	if err != nil {
		return nil, fmt.Errorf("open salts: %w", err)
	}
	if err := f.open(blocks); err != nil {
		f.f.Close()
		return nil, fmt.Errorf("open salts: %w", err)
	}
	return f, nil
}

// mustBeMade tells, after opening came to err, whether the file is missing or has nothing but its head. Then it is closed.
func (f *File) mustBeMade(err error) bool {
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	if size, err := f.f.Size(); err != nil || size != cutsStart {
		return false
	}
	_ = f.f.Close() // nothing was written to it
	return true
}

func newHead(cuts uint64) [headSize]byte {
	var b [headSize]byte
	copy(b[:], magic)
	binary.BigEndian.PutUint32(b[headFormat:], formatVersion)
	binary.BigEndian.PutUint64(b[headCuts:], cuts)
	binary.BigEndian.PutUint32(b[headSum:], crc32.Checksum(b[:headSum], castagnoli))
	return b
}

func (f *File) open(blocks uint64) error {
	size, err := f.f.Size()
	if err != nil {
		return err
	}
	cuts, err := f.readHeads(size)
	if err != nil {
		return err
	}
	f.slots = cutsStart + int64(cuts)
	if blocks > math.MaxInt64/blockEntries || uint64(size-f.slots)/slotSize < blocks {
		return f.corrupt(size, "the file ends within its %d blocks", blocks)
	}
	f.blocks.Store(blocks)
	return nil
}

// readHeads returns what the first head that is good says.
func (f *File) readHeads(size int64) (cuts uint64, err error) {
	var first error
	found := false
	for _, at := range []int64{0, secondHead} {
		other, err := f.readHead(at, size)
		damage, ok := errors.AsType[*CorruptError](err)
		switch {
		case err != nil && !ok:
			return 0, err
		case ok:
			f.damage = append(f.damage, damage)
			if first == nil {
				first = err
			}
		case !found:
			cuts, found = other, true
		case cuts != other:
			f.damage = append(f.damage, f.corrupt(at, "the second head is another than the first"))
		}
	}
	if !found {
		return 0, first
	}
	return cuts, nil
}

func (f *File) readHead(at, size int64) (cuts uint64, err error) {
	var b [headSize]byte
	if err := f.readAt(b[:], at); err != nil {
		return 0, err
	}
	if string(b[:len(magic)]) != magic {
		return 0, f.corrupt(at, "this is no file of salts")
	}
	if crc32.Checksum(b[:headSum], castagnoli) != binary.BigEndian.Uint32(b[headSum:]) {
		return 0, f.corrupt(at, "the checksum of the head is wrong")
	}
	if v := binary.BigEndian.Uint32(b[headFormat:]); v != formatVersion {
		return 0, fmt.Errorf("%s: format %d is not known here, only %d", f.path, v, formatVersion)
	}
	cuts = binary.BigEndian.Uint64(b[headCuts:])
	if size < cutsStart || cuts > uint64(size-cutsStart) {
		return 0, f.corrupt(at+headCuts, "the file ends within the cut blocks")
	}
	return cuts, nil
}

// Append adds the next blocks and syncs them. An error that is a *durable.SyncError is final; after any other the same
// blocks may be appended again.
func (f *File) Append(seeds []Seed) error {
	n := f.blocks.Load()
	end := f.slots + int64(n)*slotSize
	if err := f.cut(end); err != nil {
		return fmt.Errorf("append salts: %w", err)
	}
	b := make([]byte, 0, len(seeds)*slotSize)
	for i := range seeds {
		b = appendSlot(b, n+uint64(i), kindWhole, seeds[i][:])
	}
	if _, err := f.f.WriteAt(b, end); err != nil {
		return fmt.Errorf("append salts: %w", err)
	}
	if err := f.f.Sync(); err != nil {
		return fmt.Errorf("append salts: %w", &durable.SyncError{Name: f.path, Err: err})
	}
	f.blocks.Store(n + uint64(len(seeds)))
	return nil
}

// cut takes away what an append left that was broken off. If its sync failed, those bytes and the size can be read and are
// not on the disk; writing the same over them would change neither.
func (f *File) cut(end int64) error {
	size, err := f.f.Size()
	if err != nil || size == end {
		return err
	}
	return f.f.Truncate(end)
}

// appendSlot appends the slot of a block, with zeros after what it says.
func appendSlot(dst []byte, block uint64, kind byte, says []byte) []byte {
	var b [slotSum]byte
	b[slotKind] = kind
	copy(b[slotSeed:], says)
	return binary.BigEndian.AppendUint32(append(dst, b[:]...), checksum(block, b[:]))
}

// checksum covers the number of the block, so that a slot of another block is not taken for this one's.
func checksum(block uint64, b []byte) uint32 {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], block)
	return crc32.Update(crc32.Checksum(n[:], castagnoli), castagnoli, b)
}

// Rewrite makes the file anew, with that many blocks as block gives them. It is for erasures: take the blocks from the
// open file, cut. For the rest it is as durable.Replace: after a *durable.SyncError the file that is read may be one that
// the disk has no name for, so nothing may be appended to it before another Rewrite.
func Rewrite(fsys durable.FS, path string, blocks uint64, block func(n uint64) (Block, error)) error {
	f, err := durable.Replace(fsys, path, func(f durable.File) error { return write(f, blocks, block) })
	if err != nil {
		return fmt.Errorf("rewrite salts: %w", err)
	}
	return f.Close()
}

func write(f durable.File, blocks uint64, block func(n uint64) (Block, error)) error {
	var slots, cuts []byte
	for n := range blocks {
		b, err := block(n)
		if err != nil {
			return err
		}
		if b.whole() {
			slots = appendSlot(slots, n, kindWhole, b.nodes[0][:])
			continue
		}
		says := binary.BigEndian.AppendUint64(nil, uint64(len(cuts)))
		slots = appendSlot(slots, n, kindCut, binary.BigEndian.AppendUint16(says, uint16(len(b.nodes))))
		cuts = b.appendRecord(cuts, n)
	}
	start, head := make([]byte, cutsStart), newHead(uint64(len(cuts)))
	copy(start, head[:])
	copy(start[secondHead:], head[:])
	_, err := f.WriteAt(append(append(start, cuts...), slots...), 0)
	return err
}

func (b *Block) appendRecord(dst []byte, block uint64) []byte {
	start := len(dst)
	dst = append(dst, b.gone[:]...)
	for i := range b.nodes {
		dst = append(dst, b.nodes[i][:]...)
	}
	return binary.BigEndian.AppendUint32(dst, checksum(block, dst[start:]))
}

// SizeOf returns how many bytes of the file the first so many blocks take.
func (f *File) SizeOf(blocks uint64) int64 { return f.slots + int64(blocks)*slotSize }

// Len returns how many blocks there are.
func (f *File) Len() uint64 { return f.blocks.Load() }

// Damage returns what was found wrong when the file was opened, and made good by another part of it.
func (f *File) Damage() []*CorruptError { return f.damage }

// Block returns a block.
func (f *File) Block(n uint64) (Block, error) {
	if n >= f.blocks.Load() {
		return Block{}, fmt.Errorf("read salts: block %d of %d", n, f.blocks.Load())
	}
	b, _, err := f.block(n)
	if err != nil {
		return Block{}, fmt.Errorf("read salts: %w", err)
	}
	return b, nil
}

// block returns a block, and how many bytes its record has.
func (f *File) block(n uint64) (b Block, record int64, err error) {
	var slot [slotSize]byte
	at := f.slots + int64(n)*slotSize
	if err := f.readAt(slot[:], at); err != nil {
		return b, 0, err
	}
	if checksum(n, slot[:slotSum]) != binary.BigEndian.Uint32(slot[slotSum:]) {
		return b, 0, f.corrupt(at, "the checksum of block %d is wrong", n)
	}
	switch slot[slotKind] {
	case kindWhole:
		return Whole(Seed(slot[slotSeed:])), 0, nil
	case kindCut:
		if [slotSum - slotZeros]byte(slot[slotZeros:]) != [slotSum - slotZeros]byte{} {
			return b, 0, f.corrupt(at, "block %d is cut and has a seed", n)
		}
		return f.cutBlock(n, &slot)
	}
	return b, 0, f.corrupt(at, "kind %d of block %d is not known", slot[slotKind], n)
}

func (f *File) cutBlock(n uint64, slot *[slotSize]byte) (block Block, size int64, err error) {
	at := binary.BigEndian.Uint64(slot[slotAt:])
	size = recordHead + int64(binary.BigEndian.Uint16(slot[slotNodes:]))*seedBytes + 4
	if room := uint64(f.slots - cutsStart); at > room || uint64(size) > room-at {
		return block, 0, f.corrupt(f.slots+int64(n)*slotSize, "block %d has its record where there are none", n)
	}
	b := make([]byte, size)
	begin := cutsStart + int64(at)
	if err := f.readAt(b, begin); err != nil {
		return block, 0, err
	}
	sum := len(b) - 4
	if checksum(n, b[:sum]) != binary.BigEndian.Uint32(b[sum:]) {
		return block, 0, f.corrupt(begin, "the checksum of what is left of block %d is wrong", n)
	}
	block.gone = [blockEntries / 8]byte(b)
	for nodes := b[recordHead:sum]; len(nodes) > 0; nodes = nodes[seedBytes:] {
		block.nodes = append(block.nodes, Seed(nodes))
	}
	if want := block.count(); block.whole() || want != len(block.nodes) {
		return Block{}, 0, f.corrupt(begin, "what is left of block %d has %d nodes, not %d", n, len(block.nodes), want)
	}
	return block, size, nil
}

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }

// readAt fills b. A file that ends before that was cut off.
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
