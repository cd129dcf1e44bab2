package ids

import (
	"bytes"
	"errors"
	"slices"
)

// Check reads the whole run and returns what does not hold: every block that differs from its checksum or cannot be
// read; if there is none, the first entry that is out of order, has another key than its place, or a seq outside the
// range or of another entry. A run without findings is byte for byte the one that Write makes of its entries. Memory
// is one bit a seq that the run covers, or 8 bytes an entry where that is less. pace is that of Merge.
func (r *Run) Check(pace func() error) (findings []*CorruptError, err error) {
	for block := range r.l.table / blockSize {
		if pace != nil && block%64 == 0 {
			if err := pace(); err != nil {
				return findings, err
			}
		}
		// A view for each, so that a page that cannot be read does not hide the ones after it.
		err := r.view(func(b []byte) error { return r.checkBlock(b, block) })
		if findings, err = found(findings, err); err != nil {
			return findings, err
		}
	}
	if len(findings) > 0 {
		return findings, nil
	}
	return found(findings, r.checkEntries(pace))
}

// found adds err to the findings if it is one.
func found(findings []*CorruptError, err error) ([]*CorruptError, error) {
	if damage, ok := errors.AsType[*CorruptError](err); ok {
		return append(findings, damage), nil
	}
	return findings, err
}

// checkEntries stops at the first finding: one entry out of place makes all after it look wrong.
func (r *Run) checkEntries(pace func() error) error {
	seen := newSeqSet(r.l)
	var last Entry
	var n uint64
	for e, err := range merged([]*Run{r}, pace) {
		if err != nil {
			return err
		}
		at := r.l.rows + int64(n)*int64(r.l.rowBytes)
		if n > 0 && compare(last, e) >= 0 {
			return r.corrupt(at, "entry %d is not greater than the one before", n)
		}
		if !seen.add(e.Seq - r.l.from) {
			return r.corrupt(at, "entry %d has seq %d, which another has too", n, e.Seq)
		}
		last = e
		n++
	}
	if seq, twice := seen.twice(); twice {
		return r.corrupt(r.l.rows, "two entries have seq %d", r.l.from+seq)
	}
	if n != r.l.count {
		return r.corrupt(r.l.starts, "the buckets have %d entries, the header says %d", n, r.l.count)
	}
	return r.view(r.checkPadding)
}

// checkPadding asks for zeros where nothing is said. The table of buckets was compared with its entries by then.
func (r *Run) checkPadding(b []byte) error {
	for _, gap := range [][2]int64{
		{headSize, r.l.starts},
		{r.l.starts + int64(r.l.buckets+1)*startSize, r.l.heads},
		{r.l.heads + int64(r.l.count)*headBytes, r.l.rows},
		{r.l.rows + int64(r.l.count)*int64(r.l.rowBytes), r.l.table},
	} {
		if rest := bytes.TrimLeft(b[gap[0]:gap[1]], "\x00"); len(rest) > 0 {
			return r.corrupt(gap[1]-int64(len(rest)), "there are bytes where zeros should be")
		}
	}
	return nil
}

// seqSet finds seqs that come twice: at once by a bit for each, or where entries are few for the range that they are said
// to be from, at the end by sorting them.
type seqSet struct {
	bits []uint64
	few  []uint64
}

func newSeqSet(l layout) seqSet {
	if words := (l.to - l.from + 63) / 64; words <= l.count {
		return seqSet{bits: make([]uint64, words)}
	}
	return seqSet{few: make([]uint64, 0, l.count)}
}

func (s *seqSet) add(seq uint64) (fresh bool) {
	if s.bits == nil {
		s.few = append(s.few, seq)
		return true
	}
	word, bit := &s.bits[seq/64], uint64(1)<<(seq%64)
	fresh = *word&bit == 0
	*word |= bit
	return fresh
}

func (s *seqSet) twice() (seq uint64, twice bool) {
	slices.Sort(s.few)
	for i := 1; i < len(s.few); i++ {
		if s.few[i] == s.few[i-1] {
			return s.few[i], true
		}
	}
	return 0, false
}
