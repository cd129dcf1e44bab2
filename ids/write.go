package ids

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"

	"countersign/internal/durable"
)

// Write makes the run of the events with seqs from from up to but not including to: count entries, which come in
// strictly ascending order of their keys. After an error the name path holds what it held before, or after one of the
// last sync maybe the new run. An error that is a *durable.SyncError is final.
func Write(fsys durable.FS, path string, from, to, count uint64, entries iter.Seq2[Entry, error]) error {
	l, err := newLayout(from, to, count)
	if err != nil {
		return fmt.Errorf("write ids: %w", err)
	}
	f, err := durable.Replace(fsys, path, func(f durable.File) error { return newWriter(f, l).write(entries) })
	if err != nil {
		return fmt.Errorf("write ids: %w", err)
	}
	return f.Close()
}

// writer writes the three parts of a run side by side.
type writer struct {
	l                   layout
	f                   durable.File
	starts, heads, rows part

	written uint64
	// started is how many buckets have their beginning in starts.
	started uint64
	last    Entry
	row     []byte
}

func newWriter(f durable.File, l layout) *writer {
	return &writer{l: l, f: f, starts: part{f: f, at: l.starts}, heads: part{f: f, at: l.heads}, rows: part{f: f, at: l.rows}}
}

func (w *writer) write(entries iter.Seq2[Entry, error]) error {
	for e, err := range entries {
		if err != nil {
			return err
		}
		if err := w.add(&e); err != nil {
			return err
		}
	}
	if w.written != w.l.count {
		return fmt.Errorf("%d entries came, %d were announced", w.written, w.l.count)
	}
	if err := w.start(w.l.buckets); err != nil {
		return err
	}
	for _, p := range []*part{&w.starts, &w.heads, &w.rows} {
		if err := p.finish(); err != nil {
			return err
		}
	}
	return w.finish()
}

func (w *writer) add(e *Entry) error {
	switch {
	case w.written == w.l.count:
		return fmt.Errorf("more than the %d entries announced", w.l.count)
	case e.Seq < w.l.from || e.Seq >= w.l.to:
		return fmt.Errorf("seq %d is not one of %d to %d", e.Seq, w.l.from, w.l.to)
	case w.written > 0 && e.Key == w.last.Key:
		return fmt.Errorf("seq %d has the key of seq %d", e.Seq, w.last.Seq)
	case w.written > 0 && compare(w.last, *e) > 0:
		return fmt.Errorf("the key of seq %d is smaller than the one before", e.Seq)
	}
	bucket, head := w.l.split(&e.Key)
	if err := w.start(bucket); err != nil {
		return err
	}
	w.last = *e
	w.written++
	w.row = w.l.appendRow(w.row[:0], e)
	if err := w.heads.write([]byte{byte(head >> 8), byte(head)}); err != nil {
		return err
	}
	return w.rows.write(w.row)
}

// start notes that all buckets up to this one begin at the next entry, if they have not begun.
func (w *writer) start(bucket uint64) error {
	var b [startSize]byte
	binary.BigEndian.PutUint32(b[:], uint32(w.written))
	for ; w.started <= bucket; w.started++ {
		if err := w.starts.write(b[:]); err != nil {
			return err
		}
	}
	return nil
}

// finish writes the block of the header and the checksums of all blocks.
func (w *writer) finish() error {
	head := w.l.header()
	block := make([]byte, blockSize)
	copy(block, head[:])
	if _, err := w.f.WriteAt(block, 0); err != nil {
		return err
	}
	table := binary.BigEndian.AppendUint32(nil, crc32.Checksum(block, castagnoli))
	for _, p := range []*part{&w.starts, &w.heads, &w.rows} {
		table = append(table, p.sums...)
	}
	table = binary.BigEndian.AppendUint32(table, tableSum(head, table))
	_, err := w.f.WriteAt(table, w.l.table)
	return err
}

// tableSum is the checksum of the table of checksums. It covers the header too, so that the table of another run
// does not fit.
func tableSum(head [headSize]byte, table []byte) uint32 {
	return crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, table)
}

// part writes one part of a run and keeps the checksums of its blocks.
type part struct {
	f    durable.File
	at   int64
	buf  []byte
	sums []byte
}

// partBuffer is how much is written at once, in whole blocks.
const partBuffer = 64 * blockSize

func (p *part) write(b []byte) error {
	p.buf = append(p.buf, b...)
	if len(p.buf) < partBuffer {
		return nil
	}
	return p.flush(partBuffer)
}

// flush writes the first n bytes of the buffer.
func (p *part) flush(n int) error {
	for b := p.buf[:n]; len(b) > 0; b = b[blockSize:] {
		p.sums = binary.BigEndian.AppendUint32(p.sums, crc32.Checksum(b[:blockSize], castagnoli))
	}
	if _, err := p.f.WriteAt(p.buf[:n], p.at); err != nil {
		return err
	}
	p.at += int64(n)
	p.buf = append(p.buf[:0], p.buf[n:]...)
	return nil
}

// finish fills the last block with zeros and writes the rest.
func (p *part) finish() error {
	n := int(blocks(int64(len(p.buf)))) * blockSize
	p.buf = append(p.buf, make([]byte, n-len(p.buf))...)
	if n == 0 {
		return nil
	}
	return p.flush(n)
}
