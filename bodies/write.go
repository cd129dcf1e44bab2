package bodies

import (
	"errors"
	"fmt"
	"hash/crc32"

	"countersign/internal/durable"
)

// Source appends the body of seq to dst. Write asks it for all of them in order, and before that for some, so it must
// say the same twice. Who wants to write slowly lets it take its time.
type Source func(dst []byte, seq uint64) ([]byte, error)

// Write makes the file of count bodies from seq first on, which is a multiple of Alignment. After an error the name
// path holds what it held before, or after one of the last sync maybe the new file. An error that is a
// *durable.SyncError is final.
func Write(fsys durable.FS, path string, first uint64, count int, body Source) error {
	if count < 0 {
		count = 0
	}
	if err := checkRange(first, uint64(count)); err != nil {
		return fmt.Errorf("write bodies: %w", err)
	}
	f, err := durable.Replace(fsys, path, func(f durable.File) error {
		w := &writer{f: f, head: head{first: first, count: uint32(count)}, source: body}
		return w.write()
	})
	if err != nil {
		return fmt.Errorf("write bodies: %w", err)
	}
	return f.Close()
}

// writeBuffer is how much is gathered before it is written.
const writeBuffer = 1 << 20

type writer struct {
	f      durable.File
	head   head
	dir    directory
	source Source

	blocks *blockWriter
	row    uint32 // of the first body in the block that is being made
	at     int64
	buf    []byte
	body   []byte
}

func (w *writer) write() error {
	var err error
	if w.dir, err = gather(w.head.first, int(w.head.count), w.next); err != nil {
		return err
	}
	if w.blocks, err = newBlockWriter(&w.dir); err != nil {
		return err
	}
	w.at = headSize
	for row := range w.head.count {
		body, err := w.next(w.head.first + uint64(row))
		if err != nil {
			return err
		}
		if w.blocks.full(row, len(body)) {
			if err := w.endBlock(); err != nil {
				return err
			}
		}
		w.blocks.add(body)
	}
	if err := w.endBlock(); err != nil {
		return err
	}
	return w.finish()
}

// next returns a body, which is good until the next one is asked for.
func (w *writer) next(seq uint64) ([]byte, error) {
	var err error
	if w.body, err = w.source(w.body[:0], seq); err != nil {
		return nil, fmt.Errorf("body of seq %d: %w", seq, err)
	}
	if len(w.body) > MaxBodyBytes {
		return nil, fmt.Errorf("body of seq %d: %d bytes, the limit is %d", seq, len(w.body), MaxBodyBytes)
	}
	return w.body, nil
}

func (w *writer) endBlock() error {
	before, bodies := len(w.buf), w.blocks.bodies
	w.buf = w.blocks.appendBlock(w.buf, w.head.first+uint64(w.row))
	n := len(w.buf) - before
	if n > maxBlockBytes {
		return errors.New("a block is larger than its place can say")
	}
	w.dir.places = appendPlace(w.dir.places, bodies, n)
	w.row += uint32(bodies)
	if len(w.buf) < writeBuffer {
		return nil
	}
	return w.flush()
}

func (w *writer) flush() error {
	_, err := w.f.WriteAt(w.buf, w.at)
	w.at += int64(len(w.buf))
	w.buf = w.buf[:0]
	return err
}

// finish writes the directory twice and the head behind it, and then the head before everything.
func (w *writer) finish() error {
	d := w.dir.bytes()
	w.head.directory = w.at + int64(len(w.buf))
	w.head.length = uint32(len(d))
	w.head.sum = crc32.Checksum(d, castagnoli)
	head := w.head.bytes()
	w.buf = append(append(append(w.buf, d...), d...), head[:]...)
	if err := w.flush(); err != nil {
		return err
	}
	_, err := w.f.WriteAt(head[:], 0)
	return err
}
