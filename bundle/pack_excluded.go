package bundle

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"countersign/event"
	"countersign/merkle"
)

// What a pack is complete over has entries that are no rows: outside the period, or system facts. Each is opened as
// far as it takes to see that, in the order of the trail, with a multiproof for all of them.

const (
	maxExcludedHeader = 128 << 10
	maxExcludedRecord = 16 << 10 // an account, a scope and a frame, or a statement
)

// Excluded is an entry that is no row.
type Excluded struct {
	Seq uint64
	// Account is whose chain it is said to be in; "" in a pack over a range.
	Account string
	// Fact is the bytes of a system fact, nil for an event.
	Fact []byte
	// Opening opens the frame of an event, and at the end of a chain the scope.
	Opening event.Opening
}

// Leaf returns the entry's hash in the tree.
func (x *Excluded) Leaf() (merkle.Hash, error) {
	if x.Fact != nil {
		return merkle.Hash(event.LeafHash(x.Fact)), nil
	}
	root, err := x.Opening.Root()
	if err != nil {
		return merkle.Hash{}, err
	}
	return merkle.Hash(event.LeafHash(event.EntryBytes(event.KindEvent, root, nil))), nil
}

func (x *Excluded) append(dst []byte) []byte {
	dst = strconv.AppendUint(append(dst, `{"seq":`...), x.Seq, 10)
	if x.Account != "" {
		dst = appendMember(dst, "account", x.Account)
	}
	if x.Fact != nil {
		dst = base64.StdEncoding.AppendEncode(append(dst, `,"entry":"`...), x.Fact)
	} else {
		dst = base64.StdEncoding.AppendEncode(append(dst, `,"opening":"`...), x.Opening.Append(nil))
	}
	return append(dst, "\"}\n"...)
}

func excludedHead(size uint64, c *merkle.Checkpoint) []byte {
	b := strconv.AppendUint([]byte(`{"countersign_excluded":1,"tree_size":`), size, 10)
	b = appendMember(b, "checkpoint", string(c.Note))
	return append(b, "}\n"...)
}

func excludedHashes(dst []byte, hashes []merkle.Hash) []byte {
	h := ExportHeader{Format: NDJSON}
	return h.appendHashes(dst, hashes)
}

func excludedEnd(count uint64, sum []byte) []byte {
	return fmt.Appendf(nil, `{"complete":true,"count":%d,"sha256":"%x"}`+"\n", count, sum)
}

// ExcludedWriter writes them.
type ExcludedWriter struct {
	w    io.Writer
	size uint64 // of the checkpoint
	b    []byte
	sum  hash.Hash
	rows ExportWriter // remembers which entries the multiproof must show
	n    uint64
}

// NewExcludedWriter begins the file.
func NewExcludedWriter(w io.Writer, treeSize uint64, c merkle.Checkpoint) *ExcludedWriter {
	return &ExcludedWriter{w: w, size: c.Size, b: excludedHead(treeSize, &c), sum: sha256.New()}
}

// Add adds the next entry.
func (x *ExcludedWriter) Add(e *Excluded) error {
	x.rows.note(e.Seq)
	x.b = e.append(x.b)
	x.n++
	if len(x.b) < flushBytes {
		return nil
	}
	return x.send()
}

// Count returns the number of entries so far.
func (x *ExcludedWriter) Count() uint64 { return x.n }

func (x *ExcludedWriter) send() error {
	x.sum.Write(x.b)
	_, err := x.w.Write(x.b)
	x.b = x.b[:0]
	return err
}

// Finish writes the multiproof and the last record.
func (x *ExcludedWriter) Finish(prove MultiProver) error {
	var hashes []merkle.Hash
	if x.n > 0 {
		err := prove(x.rows.seqs(), x.size, func(h merkle.Hash) error {
			if hashes = append(hashes, h); len(hashes) < lineHashes {
				return nil
			}
			x.b = excludedHashes(x.b, hashes)
			hashes = hashes[:0]
			return x.send()
		})
		if err != nil {
			return err
		}
	}
	if len(hashes) > 0 {
		x.b = excludedHashes(x.b, hashes)
	}
	if err := x.send(); err != nil {
		return err
	}
	x.b = excludedEnd(x.n, x.sum.Sum(nil))
	return x.send()
}

// ExcludedReader reads them, strictly and as a stream. A *FormatError is about the bytes.
type ExcludedReader struct {
	in     *bufio.Reader
	sum    hash.Hash
	record uint64
	held   []byte
	n      uint64
	short  bool
	hashes []merkle.Hash
}

// OpenExcluded reads the header, which must be that of the manifest.
func OpenExcluded(r io.Reader, m *Manifest) (*ExcludedReader, error) {
	x := &ExcludedReader{in: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	if err := x.next(maxExcludedHeader); err != nil {
		return nil, err
	}
	if !bytes.Equal(x.held, excludedHead(m.TreeSize, &m.Checkpoint)) {
		return nil, x.bad("the header is not that of the manifest")
	}
	x.take()
	return x, nil
}

func (x *ExcludedReader) bad(format string, args ...any) error {
	return &FormatError{x.record, fmt.Sprintf(format, args...)}
}

// next makes sure that a record is held.
func (x *ExcludedReader) next(most int) error {
	if x.held != nil {
		return nil
	}
	var line []byte
	for {
		part, err := x.in.ReadSlice('\n')
		if line = append(line, part...); len(line) > most {
			return &FormatError{x.record + 1, fmt.Sprintf("it has more than %d bytes", most)}
		}
		switch {
		case err == nil:
			x.held = line
			x.record++
			return nil
		case err == io.EOF:
			return &FormatError{x.record + 1, "the file ends here, before its last record"}
		case !errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("read excluded entries: %w", err)
		}
	}
}

func (x *ExcludedReader) take() {
	x.sum.Write(x.held)
	x.held = nil
}

// Record returns the number of the record that was read last.
func (x *ExcludedReader) Record() uint64 { return x.record }

// Next returns the next entry, io.EOF after the last one.
func (x *ExcludedReader) Next() (*Excluded, error) {
	if err := x.next(maxExcludedRecord); err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(x.held, []byte(`{"seq":`)) {
		return nil, io.EOF
	}
	e, err := parseExcluded(x.held)
	if err != nil {
		return nil, x.bad("%v", err)
	}
	if !bytes.Equal(e.append(nil), x.held) {
		return nil, x.bad("it is not in its one rendering")
	}
	x.n++
	x.take()
	return e, nil
}

func parseExcluded(line []byte) (*Excluded, error) {
	var in struct {
		Seq     uint64 `json:"seq"`
		Account string `json:"account"`
		Entry   []byte `json:"entry"`
		Opening []byte `json:"opening"`
	}
	if err := json.Unmarshal(line, &in); err != nil {
		return nil, errors.New("it is not the JSON object that it must be")
	}
	e := &Excluded{Seq: in.Seq, Account: in.Account}
	if len(in.Entry) > 0 {
		kind, _, _, err := event.DecodeEntryBytes(in.Entry)
		if err != nil || kind == event.KindEvent {
			return nil, errors.New("its entry is no system fact")
		}
		e.Fact = in.Entry
		return e, nil
	}
	var err error
	e.Opening, err = event.DecodeOpening(in.Opening)
	return e, err
}

// Hash returns the next hash of the multiproof, io.EOF after the last. The entries must have been read.
func (x *ExcludedReader) Hash() (merkle.Hash, error) {
	for len(x.hashes) == 0 {
		if err := x.next(maxExcludedRecord); err != nil {
			return merkle.Hash{}, err
		}
		if !bytes.HasPrefix(x.held, []byte(`{"hashes":`)) {
			return merkle.Hash{}, io.EOF
		}
		hashes, ok := parseHashLine(x.held)
		if !ok || x.short || !bytes.Equal(excludedHashes(nil, hashes), x.held) {
			return merkle.Hash{}, x.bad("it is no record of hashes, in its one rendering, where one must be")
		}
		x.short = len(hashes) < lineHashes
		x.hashes = hashes
		x.take()
	}
	h := x.hashes[0]
	x.hashes = x.hashes[1:]
	return h, nil
}

func parseHashLine(line []byte) (hashes []merkle.Hash, ok bool) {
	list := strings.TrimSuffix(strings.TrimPrefix(string(line), `{"hashes":[`), "]}\n")
	for cell := range strings.SplitSeq(list, ",") {
		var h merkle.Hash
		if len(hashes) == lineHashes || !decode32((*[32]byte)(&h), strings.Trim(cell, `"`)) {
			return nil, false
		}
		hashes = append(hashes, h)
	}
	return hashes, true
}

// End reads the last record and makes sure that nothing follows it.
func (x *ExcludedReader) End() error {
	if err := x.next(maxExcludedRecord); err != nil {
		return err
	}
	if !bytes.Equal(x.held, excludedEnd(x.n, x.sum.Sum(nil))) {
		return x.bad("it is not the last record of what is before it")
	}
	if _, err := x.in.ReadByte(); err != io.EOF {
		return x.bad("something follows the last record")
	}
	return nil
}
