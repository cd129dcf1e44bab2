package bodies

import (
	"context"
	"errors"
	"io/fs"
)

// Check reads the whole file and returns what does not hold, all of it: both heads, both copies of the directory, and
// every block with all of its bodies. What the disk does not give is damage too.
func (f *File) Check(ctx context.Context) ([]*CorruptError, error) {
	var findings []*CorruptError
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
	want := f.head.bytes()
	for _, at := range []int64{0, f.head.size() - headSize} {
		if err := note(at, f.checkHead(at, want)); err != nil {
			return findings, err
		}
	}
	for copy := range int64(2) {
		_, _, err := f.readDirectory(nil, copy)
		if err := note(f.head.directory+copy*int64(f.head.length), err); err != nil {
			return findings, err
		}
	}
	for i, p := 0, f.block(0); ; i, p = i+1, f.after(p) {
		if err := ctx.Err(); err != nil {
			return findings, err
		}
		if err := note(p.at, f.checkBlock(p)); err != nil {
			return findings, err
		}
		if i+1 == f.blocks() {
			return findings, nil
		}
	}
}

func (f *File) checkHead(at int64, want [headSize]byte) error {
	var b [headSize]byte
	if err := f.readAt(b[:], at); err != nil {
		return err
	}
	for i := range b {
		if b[i] != want[i] {
			return f.corrupt(at+int64(i), "the head is another than when the file was opened")
		}
	}
	return nil
}

// checkBlock reads all bodies of a block, and asks whether there is anything else in it.
func (f *File) checkBlock(p placed) error {
	d, err := decoders.get(f)
	if err != nil {
		return err
	}
	defer decoders.put(d)
	if d.stored, err = f.stored(p, d.stored); err != nil {
		return err
	}
	var bl block
	if bl, d.text, err = parseBlock(d.stored, d.text, f.seq(p.row), int(p.bodies), d); err != nil {
		return f.corrupt(p.at, "%v", err)
	}
	var body []byte
	for range p.bodies {
		text, err := bl.next()
		if err == nil {
			body, err = bl.unpacker.appendBody(body[:0], text)
		}
		if err != nil {
			return f.corrupt(p.at, "%v", err)
		}
	}
	if err := bl.ended(); err != nil {
		return f.corrupt(p.at, "%v", err)
	}
	return nil
}

// SeqsAt returns the seqs of the bodies whose block has the byte at offset, from the first up to but not including to;
// in is false where no bodies are stored.
func (f *File) SeqsAt(offset int64) (from, to uint64, in bool) {
	if offset < headSize || offset >= f.head.directory {
		return 0, 0, false
	}
	p := f.block(0)
	for offset >= p.at+int64(p.bytes) {
		p = f.after(p)
	}
	return f.seq(p.row), f.seq(p.row + p.bodies), true
}
