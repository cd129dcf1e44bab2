package verify

import (
	"bufio"
	"bytes"
	"context"
	"io"

	"countersign/bundle"
)

// File checks a file of evidence that is read from its beginning to its end: any but a pack. What kind it is, its first
// bytes tell.
func File(ctx context.Context, r io.Reader, o Options) (*Report, error) {
	in := bufio.NewReader(&counting{ctx: ctx, r: r, tell: o.Progress})
	start, err := in.Peek(1024)
	if err != nil && err != io.EOF {
		return nil, cannot(err)
	}
	if _, ok := proofForm(start); ok {
		b, err := io.ReadAll(io.LimitReader(in, bundle.MaxProofBytes+1)) // one more than a proof can have is refused
		if err != nil {
			return nil, cannot(err)
		}
		return Proof(b, o)
	}
	if _, _, ok := bundle.ExportKind(start); ok {
		o.Progress = nil // it is told already
		return Export(ctx, in, o)
	}
	switch {
	case len(start) == 0:
		return nil, notChecked("the file is empty")
	case bytes.HasPrefix(start, []byte(`{"from":`)):
		return nil, notChecked("this is a consistency proof, which connects two checkpoints: give these too (--from, --to)")
	case bytes.Contains(start, []byte("\n\n\u2014 ")):
		return nil, notChecked("this is a checkpoint; by itself it proves nothing: give it beside a data directory (--checkpoint) or another one (--from, --to)")
	case bytes.HasPrefix(start, []byte("PK\x03\x04")):
		return nil, notChecked("an evidence pack cannot be read from a pipe: name the file")
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return nil, notChecked("the file is compressed with gzip: unpack it")
	}
	return nil, notChecked("this is neither the proof of an entry, nor an export with proof, nor an evidence pack")
}
