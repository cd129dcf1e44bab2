package salts

import (
	"encoding/binary"
	"errors"
	"io/fs"
)

// Check reads everything and returns what does not hold.
func (f *File) Check() (findings []*CorruptError, err error) {
	note := func(at int64, err error) error {
		damage, ok := errors.AsType[*CorruptError](err)
		switch {
		case err == nil:
		case ok:
			findings = append(findings, damage)
		case errors.Is(err, fs.ErrClosed):
			return err
		default:
			findings = append(findings, f.corrupt(at, "%v", err))
		}
		return nil
	}
	if err := note(0, f.checkStart()); err != nil {
		return findings, err
	}
	// The records follow each other in the order of their blocks, and there is nothing else.
	next := int64(0)
	for n := range f.blocks.Load() {
		_, record, err := f.block(n)
		at := f.slots + int64(n)*slotSize
		if err == nil && record > 0 && len(findings) == 0 {
			err = f.checkRecord(n, next)
			next += record
		}
		if err := note(at, err); err != nil {
			return findings, err
		}
	}
	if len(findings) == 0 && next != f.slots-cutsStart {
		findings = append(findings, f.corrupt(cutsStart+next, "there are bytes of no block"))
	}
	return findings, nil
}

// checkRecord says whether the record of a block that was read is where the one before ends.
func (f *File) checkRecord(n uint64, want int64) error {
	var b [8]byte
	at := f.slots + int64(n)*slotSize + slotAt
	if err := f.readAt(b[:], at); err != nil {
		return err
	}
	if got := binary.BigEndian.Uint64(b[:]); got != uint64(want) {
		return f.corrupt(at, "block %d has its record at %d, not %d", n, got, want)
	}
	return nil
}

// checkStart compares all that stands before the cuts with what it must be.
func (f *File) checkStart() error {
	head := newHead(uint64(f.slots - cutsStart))
	want := make([]byte, cutsStart)
	copy(want, head[:])
	copy(want[secondHead:], head[:])
	got := make([]byte, cutsStart)
	if err := f.readAt(got, 0); err != nil {
		return err
	}
	for i := range got {
		if got[i] != want[i] {
			return f.corrupt(int64(i), "byte %02x stands where %02x must", got[i], want[i])
		}
	}
	return nil
}
