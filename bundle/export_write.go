package bundle

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"slices"

	"countersign/merkle"
)

// flushBytes is about how much is written at a time.
const flushBytes = 64 << 10

// ExportWriter writes an export with proof, row by row. After an error all later calls return it.
type ExportWriter struct {
	w     io.Writer
	head  ExportHeader
	b     []byte
	sum   hash.Hash
	count uint64
	runs  []run
	err   error
}

// run is rows that stand side by side in the trail: [from, to).
type run struct{ from, to uint64 }

// NewExportWriter begins an export. Nothing is written before the first rows fill a buffer, so what is wrong with
// the header can still be answered otherwise.
func NewExportWriter(w io.Writer, h ExportHeader) (*ExportWriter, error) {
	read, err := merkle.ParseCheckpoint(h.Checkpoint.Note)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	h.Checkpoint = read // the fields are what the note says
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return &ExportWriter{w: w, head: h, b: h.appendStart(make([]byte, 0, 2*flushBytes)), sum: sha256.New()}, nil
}

// Row adds the next row. The writer does not look whether it is what the query finds next; package verify does.
func (x *ExportWriter) Row(row *Row) error {
	if x.err != nil {
		return x.err
	}
	if row.Entry.Seq >= x.head.TreeSize {
		return x.fail(fmt.Errorf("export: entry %d is beyond the tree size %d", row.Entry.Seq, x.head.TreeSize))
	}
	x.note(row.Entry.Seq)
	x.b = x.head.appendRow(x.b, row)
	x.count++
	if len(x.b) < flushBytes {
		return nil
	}
	return x.send()
}

// Count returns the number of rows so far.
func (x *ExportWriter) Count() uint64 { return x.count }

// note remembers which entries the multiproof must show.
func (x *ExportWriter) note(seq uint64) {
	if n := len(x.runs); n > 0 {
		switch last := &x.runs[n-1]; {
		case seq == last.to:
			last.to++
			return
		case seq+1 == last.from: // the newest first
			last.from--
			return
		}
	}
	x.runs = append(x.runs, run{seq, seq + 1})
}

// seqs are the entries of all rows, ascending.
func (x *ExportWriter) seqs() iter.Seq[uint64] {
	slices.SortFunc(x.runs, func(a, b run) int { return cmp.Compare(a.from, b.from) })
	return func(yield func(uint64) bool) {
		for _, r := range x.runs {
			for seq := r.from; seq < r.to; seq++ {
				if !yield(seq) {
					return
				}
			}
		}
	}
}

// MultiProver makes the multiproof of the entries at seqs in the tree of size entries, as merkle.Multi does.
type MultiProver func(seqs iter.Seq[uint64], size uint64, emit func(merkle.Hash) error) error

// Finish writes the multiproof and the last record. The export is complete when it returned nil.
func (x *ExportWriter) Finish(prove MultiProver) error {
	if x.err != nil {
		return x.err
	}
	full := x.head.hashesPerRecord()
	hashes := make([]merkle.Hash, 0, full)
	record := func() error {
		x.b = x.head.appendHashes(x.b, hashes)
		hashes = hashes[:0]
		if len(x.b) < flushBytes {
			return nil
		}
		return x.send()
	}
	err := prove(x.seqs(), x.head.Checkpoint.Size, func(h merkle.Hash) error {
		if hashes = append(hashes, h); len(hashes) < full {
			return nil
		}
		return record()
	})
	if err == nil && len(hashes) > 0 {
		err = record()
	}
	if err == nil {
		err = x.send()
	}
	if err != nil {
		return x.fail(err)
	}
	x.b = x.head.appendEnd(x.b, ExportEnd{Count: x.count, TreeSize: x.head.TreeSize, SHA256: [32]byte(x.sum.Sum(nil))})
	if err := x.send(); err != nil {
		return err
	}
	x.err = errors.New("export: it is finished")
	return nil
}

func (x *ExportWriter) send() error {
	x.sum.Write(x.b)
	_, err := x.w.Write(x.b)
	x.b = x.b[:0]
	return x.fail(err)
}

func (x *ExportWriter) fail(err error) error {
	x.err = err
	return err
}
