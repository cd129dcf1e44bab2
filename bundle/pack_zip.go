package bundle

import (
	"archive/zip"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// The zip archive that a pack is. The same files give the same bytes: nothing in it tells of a time, a system or a
// user, and the files stand in the order of their names, then the manifest, then the seal.

const (
	dosEpoch   = 1<<5 | 1 // 1980-01-01, the first date that zip can say
	zipVersion = 20
	zipFlags   = 0x8 // lengths and checksum stand behind the file
)

// PackedFile is a file as it stands in the archive: deflated, with what is to be known of it.
type PackedFile struct {
	PackFile
	Packed uint64 // bytes, deflated
	CRC32  uint32
}

// FileWriter deflates a file that is to go into a pack. It is written to somewhere else first, since many files of a
// pack grow side by side and an archive takes one after the other.
type FileWriter struct {
	out     *bufio.Writer
	deflate *flate.Writer
	sum     hash.Hash
	crc     hash.Hash32
	n       uint64
	packed  uint64
	closed  bool
}

// NewFileWriter deflates to w.
func NewFileWriter(w io.Writer) *FileWriter {
	f := &FileWriter{out: bufio.NewWriterSize(w, flushBytes), sum: sha256.New(), crc: crc32.NewIEEE()}
	// The level is a valid one.
	f.deflate, _ = flate.NewWriter(&countingWriter{f.out, &f.packed}, flate.BestSpeed)
	return f
}

type countingWriter struct {
	w io.Writer
	n *uint64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	*c.n += uint64(n)
	return n, err
}

// Write adds to the file.
func (f *FileWriter) Write(b []byte) (int, error) {
	f.sum.Write(b)
	f.crc.Write(b)
	f.n += uint64(len(b))
	return f.deflate.Write(b)
}

// Close ends the file and says what it is.
func (f *FileWriter) Close(name string) (PackedFile, error) {
	if f.closed {
		return PackedFile{}, errors.New("pack: the file is closed")
	}
	f.closed = true
	if err := errors.Join(f.deflate.Close(), f.out.Flush()); err != nil {
		return PackedFile{}, err
	}
	return PackedFile{
		PackFile: PackFile{Name: name, Bytes: f.n, SHA256: hex.EncodeToString(f.sum.Sum(nil))},
		Packed:   f.packed, CRC32: f.crc.Sum32(),
	}, nil
}

// PackWriter writes the archive.
type PackWriter struct{ zip *zip.Writer }

// NewPackWriter begins an archive.
func NewPackWriter(w io.Writer) *PackWriter { return &PackWriter{zip.NewWriter(w)} }

// Add adds a file that a FileWriter deflated. The caller adds them in the order of their names, then the manifest, then
// the seal.
func (p *PackWriter) Add(f *PackedFile, deflated io.Reader) error {
	h := &zip.FileHeader{
		Name: f.Name, Method: zip.Deflate, Flags: zipFlags, CRC32: f.CRC32,
		CompressedSize64: f.Packed, UncompressedSize64: f.Bytes, CreatorVersion: zipVersion, ReaderVersion: zipVersion,
	}
	h.ModifiedDate = dosEpoch //lint:ignore SA1019 Modified would add the time once more, with a zone
	w, err := p.zip.CreateRaw(h)
	if err == nil {
		var n int64
		if n, err = io.Copy(w, deflated); err == nil && uint64(n) != f.Packed {
			err = fmt.Errorf("%d deflated bytes, not %d", n, f.Packed)
		}
	}
	if err != nil {
		return fmt.Errorf("pack %s: %w", f.Name, err)
	}
	return nil
}

// Close writes the directory of the archive.
func (p *PackWriter) Close() error { return p.zip.Close() }
