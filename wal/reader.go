package wal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"countersign/internal/durable"
)

// readBufferBytes is what is read ahead; frames larger than it are read straight into their own memory.
const readBufferBytes = 64 << 10

// fileReader reads the frames of one file in order, then those of another if it is opened again.
type fileReader struct {
	fsys durable.FS
	dir  string

	file durable.File
	size int64
	head fileHead
	// at is the end so far: where the next frame begins, and what it must follow.
	at Position

	in    *bufio.Reader
	frame []byte
	batch Batch
}

// badFrame says that no frame of the file begins at its end so far: it may be the end, a torn tail or damage.
type badFrame struct{ reason string }

func (e *badFrame) Error() string { return e.reason }

// open opens a log file and reads its header.
func (r *fileReader) open(name string) error {
	r.at = Position{File: name}
	f, err := r.fsys.OpenFile(filepath.Join(r.dir, name), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	if err := r.readHead(f); err != nil {
		f.Close()
		return err
	}
	r.file = f
	return nil
}

func (r *fileReader) readHead(f durable.File) error {
	var err error
	if r.size, err = f.Size(); err != nil {
		return r.readError(err)
	}
	var b [fileHeadSize]byte
	if r.size < fileHeadSize {
		return r.corrupt(0, "the file ends within its header")
	}
	if err := readAt(f, b[:], 0); err != nil {
		return r.readError(err)
	}
	var reason string
	if r.head, reason = parseFileHead(b); reason != "" {
		return r.corrupt(0, "%s", reason)
	}
	// The checksum was right, so this is no damage but the work of a newer program, which knows what it means.
	if r.head.format != formatVersion {
		return fmt.Errorf("read %s: format %d is not known here, only %d", r.at.File, r.head.format, formatVersion)
	}
	if r.at.File != fileName(r.head.first) {
		return r.corrupt(0, "the header is that of %s", fileName(r.head.first))
	}
	r.at = Position{File: r.at.File, Offset: fileHeadSize, Next: r.head.first, Chain: r.head.chain}
	body := io.NewSectionReader(f, fileHeadSize, r.size-fileHeadSize)
	if r.in == nil {
		r.in = bufio.NewReaderSize(body, readBufferBytes)
	} else {
		r.in.Reset(body)
	}
	return nil
}

func (r *fileReader) corrupt(at int64, format string, args ...any) error {
	return &CorruptError{File: r.at.File, Offset: at, What: fmt.Sprintf(format, args...)}
}

// next reads the next frame into r.batch and r.frame and moves the end behind it. It returns a *badFrame where
// there is none, and a *CorruptError for a frame of this file that is whole and does not belong here.
func (r *fileReader) next() error {
	room := r.size - r.at.Offset
	if room < frameHeadSize {
		return &badFrame{"the file ends within a frame header"}
	}
	r.frame = append(r.frame[:0], make([]byte, frameHeadSize)...)
	if _, err := io.ReadFull(r.in, r.frame); err != nil {
		return r.readError(err)
	}
	h, reason := parseHead(r.frame, r.head.tag, room-frameHeadSize)
	if reason != "" {
		return &badFrame{reason}
	}
	r.frame = append(r.frame, make([]byte, h.payload)...)
	payload := r.frame[frameHeadSize:]
	if _, err := io.ReadFull(r.in, payload); err != nil {
		return r.readError(err)
	}
	if crc32.Checksum(payload, castagnoli) != h.bodySum {
		return &badFrame{"the checksum of the frame's payload is wrong"}
	}
	if h.first != r.at.Next {
		return r.corrupt(r.at.Offset, "a frame that begins with seq %d stands where seq %d is next", h.first, r.at.Next)
	}
	if h.chain != r.at.Chain {
		return r.corrupt(r.at.Offset, "the frame follows a frame with checksum %08x, the one before has %08x", h.chain, r.at.Chain)
	}
	if err := decodePayload(&r.batch, h.first, h.count, payload); err != nil {
		return r.corrupt(r.at.Offset, "the frame has good checksums and bad contents: %v", err)
	}
	r.batch.At = Place{File: r.at.File, Offset: r.at.Offset, First: h.first}
	r.at.Offset += int64(len(r.frame))
	r.at.Next += uint64(h.count)
	r.at.Chain = h.headSum
	return nil
}

func (r *fileReader) readError(err error) error {
	return fmt.Errorf("read %s at byte %d: %w", r.at.File, r.at.Offset, err)
}

// tail returns how many bytes there are after the end up to the last one that is not zero.
func (r *fileReader) tail() (int64, error) {
	var last int64
	buf := make([]byte, readBufferBytes)
	for off := r.at.Offset; off < r.size; off += int64(len(buf)) {
		b := buf[:min(int64(len(buf)), r.size-off)]
		if err := readAt(r.file, b, off); err != nil {
			return 0, r.readError(err)
		}
		if n := len(bytes.TrimRight(b, "\x00")); n > 0 {
			last = off + int64(n) - r.at.Offset
		}
	}
	return last, nil
}

// findFrame looks for a whole frame of this file anywhere after the end, and returns where the first one
// begins, or -1. It does not rely on lengths in between, since a damaged one is what it is there for.
func (r *fileReader) findFrame() (int64, error) {
	buf := make([]byte, readBufferBytes)
	for off := r.at.Offset + 1; off+frameHeadSize <= r.size; {
		b := buf[:min(int64(len(buf)), r.size-off)]
		if err := readAt(r.file, b, off); err != nil {
			return 0, r.readError(err)
		}
		i := bytes.Index(b, r.head.tag[:])
		if i < 0 {
			// A tag may lie across the end of this piece.
			off += int64(len(b) - tagBytes + 1)
			continue
		}
		whole, err := r.isFrame(off + int64(i))
		if err != nil {
			return 0, err
		}
		if whole {
			return off + int64(i), nil
		}
		off += int64(i) + 1
	}
	return -1, nil
}

// isFrame reports whether a frame of this file with good checksums begins at off.
func (r *fileReader) isFrame(off int64) (bool, error) {
	room := r.size - off - frameHeadSize
	if room < 0 {
		return false, nil
	}
	var head [frameHeadSize]byte
	if err := readAt(r.file, head[:], off); err != nil {
		return false, r.readError(err)
	}
	h, reason := parseHead(head[:], r.head.tag, room)
	if reason != "" {
		return false, nil
	}
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, io.NewSectionReader(r.file, off+frameHeadSize, h.payload)); err != nil {
		return false, r.readError(err)
	}
	return sum.Sum32() == h.bodySum, nil
}

// readAt fills b. A file that ends before that has shrunk under us.
func readAt(f io.ReaderAt, b []byte, off int64) error {
	n, err := f.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
