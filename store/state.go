package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"slices"
	"strings"

	"countersign/event"
	"countersign/internal/durable"
	"countersign/wal"
)

// The state of a trail at a size is what numbering and proving go on with and no entry alone tells: where the chain of
// each account stands, and the system facts. It is written at each seal (docs/format/state.md).
type state struct {
	size     uint64
	received event.Micros // of the last entry
	heads    map[string]head
	facts    []*event.Entry
}

const (
	stateMagic    = "CSIGNSTA\x00\x00\x00\x01"
	stateSuffix   = ".state"
	maxStateBytes = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func stateName(size uint64) string { return fmt.Sprintf("%020d%s", size, stateSuffix) }

// append appends the state as its file has it. Accounts are in byte order, so one state has one file.
func (s *state) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, stateMagic...)
	dst = binary.BigEndian.AppendUint64(dst, s.size)
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.received))
	accounts := make([]string, 0, len(s.heads))
	for a := range s.heads {
		accounts = append(accounts, a)
	}
	slices.Sort(accounts)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(accounts)))
	for _, a := range accounts {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(a)))
		dst = append(dst, a...)
		dst = binary.BigEndian.AppendUint64(dst, s.heads[a].count)
		dst = binary.BigEndian.AppendUint64(dst, s.heads[a].last)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s.facts)))
	for _, e := range s.facts {
		body := event.AppendBody(nil, e)
		dst = binary.BigEndian.AppendUint64(dst, e.Seq)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(body)))
		dst = append(dst, body...)
	}
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// parseState reads what append wrote.
func parseState(b []byte) (*state, error) {
	r := stateReader{b: b}
	if string(r.take(len(stateMagic))) != stateMagic {
		return nil, fmt.Errorf("this is no state of a trail")
	}
	if len(b) < 4 || crc32.Checksum(b[:len(b)-4], castagnoli) != binary.BigEndian.Uint32(b[len(b)-4:]) {
		return nil, fmt.Errorf("the checksum is wrong")
	}
	s := &state{size: r.uint64(), received: event.Micros(r.uint64()), heads: map[string]head{}}
	before := ""
	for i := range r.uint32() {
		account := string(r.take(int(r.uint16())))
		if i > 0 && account <= before {
			return nil, fmt.Errorf("the accounts are out of order")
		}
		s.heads[account] = head{count: r.uint64(), last: r.uint64()}
		if r.short {
			break
		}
		before = account
	}
	for i := uint32(r.uint32()); i > 0 && !r.short; i-- {
		seq := r.uint64()
		e, err := event.DecodeBody(r.take(int(r.uint32())))
		if err != nil {
			return nil, err
		}
		if n := len(s.facts); e.Kind == event.KindEvent || seq >= s.size || n > 0 && seq <= s.facts[n-1].Seq {
			return nil, fmt.Errorf("system fact %d does not belong here", seq)
		}
		e.Seq = seq
		s.facts = append(s.facts, &e)
	}
	if r.short || len(r.b) != 4 {
		return nil, fmt.Errorf("it ends too early or too late")
	}
	return s, nil
}

// stateReader takes numbers and bytes off a state; when there are too few it says so and reads zeroes.
type stateReader struct {
	b     []byte
	short bool
}

func (r *stateReader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.short = true
		r.b = nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *stateReader) number(n int) (v uint64) {
	for _, c := range r.take(n) {
		v = v<<8 | uint64(c)
	}
	return v
}

func (r *stateReader) uint16() uint64 { return r.number(2) }
func (r *stateReader) uint32() uint64 { return r.number(4) }
func (r *stateReader) uint64() uint64 { return r.number(8) }

// writeState keeps a state. The manifest names it afterwards; until then nobody looks at it.
func (d *Dir) writeState(s *state) error {
	dir := filepath.Join(d.path, stateDirName)
	if err := d.fs.MkdirAll(dir, durable.DirMode); err != nil {
		return err
	}
	return durable.WriteFile(d.fs, filepath.Join(dir, stateName(s.size)), s.append(nil))
}

func (d *Dir) readState(size uint64) (*state, error) {
	name := filepath.Join(d.path, stateDirName, stateName(size))
	b, err := durable.ReadFile(d.fs, name, maxStateBytes)
	if err != nil {
		return nil, err
	}
	s, err := parseState(b)
	if err == nil && s.size != size {
		err = fmt.Errorf("it is the state at %d entries", s.size)
	}
	if err != nil {
		return nil, &wal.CorruptError{File: name, What: err.Error()}
	}
	return s, nil
}

// removeStates removes the states that the manifest does not name.
func (d *Dir) removeStates(keep uint64) error {
	dir := filepath.Join(d.path, stateDirName)
	names, err := d.fs.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == stateName(keep) || !strings.HasSuffix(name, stateSuffix) && !durable.IsTemp(name) {
			continue
		}
		if err := d.fs.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
