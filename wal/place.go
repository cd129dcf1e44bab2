package wal

import (
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"countersign/internal/durable"
)

// Place is where a frame lies.
type Place struct {
	File   string // the name of the log file, without its folder
	Offset int64
	First  uint64 // the seq of the frame's first entry
}

// Next returns where the next frame goes. It is known after Reserve.
func (l *Log) Next() Place { return Place{File: l.end.File, Offset: l.end.Offset, First: l.end.Next} }

// ReadBatch reads the frame at a place from the disk, whatever memory holds of it. It may be called beside the
// Log that writes the folder, for a frame whose Sync returned. An error says that the frame is not there as it
// was written.
func ReadBatch(fsys durable.FS, dir string, at Place) (Batch, error) {
	f, err := fsys.OpenFile(filepath.Join(dir, at.File), os.O_RDONLY, 0)
	if err != nil {
		return Batch{}, err
	}
	defer f.Close()
	r := fileReader{fsys: fsys, dir: dir, at: Position{File: at.File}}
	if err := r.readHead(f); err != nil {
		return Batch{}, err
	}
	r.at.Offset = at.Offset
	room := r.size - at.Offset - frameHeadSize
	if at.Offset < fileHeadSize || room < 0 {
		return Batch{}, r.corrupt(at.Offset, "the file ends before this frame")
	}
	frames := io.NewSectionReader(f, at.Offset, r.size-at.Offset)
	head := make([]byte, frameHeadSize)
	if _, err := io.ReadFull(frames, head); err != nil {
		return Batch{}, r.readError(err)
	}
	h, reason := parseHead(head, r.head.tag, room)
	if reason != "" {
		return Batch{}, r.corrupt(at.Offset, "%s", reason)
	}
	payload := make([]byte, h.payload)
	if _, err := io.ReadFull(frames, payload); err != nil {
		return Batch{}, r.readError(err)
	}
	if crc32.Checksum(payload, castagnoli) != h.bodySum {
		return Batch{}, r.corrupt(at.Offset, "the checksum of the frame's payload is wrong")
	}
	if h.first != at.First {
		return Batch{}, r.corrupt(at.Offset, "the frame begins with seq %d, not %d", h.first, at.First)
	}
	var b Batch
	if err := decodePayload(&b, h.first, h.count, payload); err != nil {
		return Batch{}, fmt.Errorf("read %s at byte %d: %w", at.File, at.Offset, err)
	}
	b.At = at
	return b, nil
}
