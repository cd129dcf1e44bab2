package bundle

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"countersign/merkle"
)

// ExportKind tells from the first bytes of a file whether it is an export, in which format, and whether it was made
// with proof.
func ExportKind(start []byte) (f Format, proof, ok bool) {
	has := func(prefix string) bool { return bytes.HasPrefix(start, []byte(prefix)) }
	switch {
	case has(`{"countersign_export":`):
		return NDJSON, true, true
	case has(`{"seq":`), has(`{"complete":true,`):
		return NDJSON, false, true
	case has(strings.Join(proofColumns, ",") + "\r\n"):
		return CSV, true, true
	case has(strings.Join(csvColumns, ",") + "\r\n"):
		return CSV, false, true
	}
	return "", false, false
}

// FormatError says which record of an export is not as it must be.
type FormatError struct {
	// Record counts the records from 1, the header's too. In NDJSON it is the line.
	Record uint64
	What   string
}

func (e *FormatError) Error() string { return fmt.Sprintf("record %d: %s", e.Record, e.What) }

// ExportReader reads an export with proof, strictly and as a stream: the header, the bytes of each row, the hashes,
// the end. A *FormatError is about the bytes, any other error about reading them.
type ExportReader struct {
	head   ExportHeader
	in     *bufio.Reader
	sum    hash.Hash
	record uint64 // the last one read
	held   []byte // a record that was read and not yet given out
	buf    []byte
	hashes []merkle.Hash // of the record that is being given out
	short  bool          // a record of hashes was not full: no other may follow
}

// OpenExport reads the header.
func OpenExport(r io.Reader) (*ExportReader, error) {
	x := &ExportReader{in: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	// The format is known after the first record; it has no quotes in CSV, so its end is that of a line.
	if err := x.read(maxHeaderBytes); err != nil {
		return nil, err
	}
	f, proof, ok := ExportKind(x.held)
	switch {
	case !ok:
		return nil, x.bad("this is no export")
	case !proof:
		return nil, x.bad("the export was made without proof")
	}
	header, ok := bytes.CutSuffix(x.held, []byte("\n"))
	if x.head.Format = f; f == CSV {
		var err error
		if header, err = x.csvHeader(); err != nil {
			return nil, err
		}
	}
	h, err := parseHeader(header)
	if err == nil && h.Format != f {
		err = errors.New("the header is that of another format")
	}
	if err == nil && (!ok || string(h.appendStart(nil)) != string(x.buf)) {
		err = errors.New("the header is not in its one rendering")
	}
	if err != nil {
		return nil, x.bad("%v", err)
	}
	x.sum.Write(x.buf)
	x.head, x.held, x.buf = h, nil, nil
	return x, nil
}

// csvHeader reads the second record, which has the header in its second field.
func (x *ExportReader) csvHeader() ([]byte, error) {
	x.held = nil
	if err := x.read(maxHeaderBytes); err != nil {
		return nil, err
	}
	// The header is JSON, and begins with a brace: guarded or not, it is the same.
	fields, err := splitCSV(nil, x.held, false)
	if err != nil || len(fields) != len(proofColumns) || fields[0].Value != csvHeader {
		return nil, x.bad("there is no header where it must be")
	}
	return []byte(fields[1].Value), nil
}

// Header returns the header.
func (x *ExportReader) Header() ExportHeader { return x.head }

// Record returns the number of the record that was read last.
func (x *ExportReader) Record() uint64 { return x.record }

// read reads the next record into held, and appends it to buf. A file that ends within a record is cut.
func (x *ExportReader) read(most int) error {
	from := len(x.buf)
	quoted := false
	for {
		part, err := x.in.ReadSlice('\n')
		x.buf = append(x.buf, part...)
		if len(x.buf)-from > most {
			return &FormatError{x.record + 1, fmt.Sprintf("it has more than %d bytes", most)}
		}
		quoted = quoted != (x.head.Format == CSV && bytes.Count(part, []byte{'"'})%2 == 1)
		switch {
		case err == nil && !quoted:
			x.record++
			x.held = x.buf[from:]
			return nil
		case err == nil, err == bufio.ErrBufferFull:
		case err == io.EOF && len(x.buf) == from:
			return &FormatError{x.record + 1, "the export ends here, before its last record"}
		case err == io.EOF:
			return &FormatError{x.record + 1, "the export ends within this record"}
		default:
			return fmt.Errorf("read export: %w", err)
		}
	}
}

func (x *ExportReader) bad(format string, args ...any) error {
	return &FormatError{max(x.record, 1), fmt.Sprintf(format, args...)}
}

// next makes sure that a record is held.
func (x *ExportReader) next() error {
	if x.held != nil {
		return nil
	}
	x.buf = x.buf[:0]
	return x.read(maxRecordBytes)
}

// is tells whether the record that is held begins like that in its format.
func (x *ExportReader) is(json, csv string) bool {
	if x.head.Format == CSV {
		return bytes.HasPrefix(x.held, []byte(csv+","))
	}
	return bytes.HasPrefix(x.held, []byte(json))
}

func (x *ExportReader) isHashes() bool { return x.is(`{"hashes":`, csvHashes) }
func (x *ExportReader) isEnd() bool    { return x.is(`{"complete":`, csvComplete) }

// Row appends the bytes of the next row to dst, for a RowDecoder. After the last row it returns io.EOF.
func (x *ExportReader) Row(dst []byte) ([]byte, error) {
	if err := x.next(); err != nil {
		return dst, err
	}
	if x.isHashes() || x.isEnd() {
		return dst, io.EOF
	}
	return append(dst, x.take()...), nil
}

// take gives out the record that is held.
func (x *ExportReader) take() []byte {
	b := x.held
	x.sum.Write(b)
	x.held = nil
	return b
}

// Hash returns the next hash of the multiproof, and io.EOF after the last. The rows must have been read.
func (x *ExportReader) Hash() (merkle.Hash, error) {
	if len(x.hashes) == 0 {
		if err := x.hashRecord(); err != nil {
			return merkle.Hash{}, err
		}
	}
	h := x.hashes[0]
	x.hashes = x.hashes[1:]
	return h, nil
}

func (x *ExportReader) hashRecord() error {
	if err := x.next(); err != nil {
		return err
	}
	if x.isEnd() {
		return io.EOF
	}
	hashes, ok := x.parseHashes(x.held)
	switch {
	case !ok || string(x.head.appendHashes(nil, hashes)) != string(x.held):
		return x.bad("it is no record of hashes, in its one rendering, where one must be")
	case x.short:
		return x.bad("more hashes after a record that was not full")
	}
	x.short = len(hashes) < x.head.hashesPerRecord()
	x.hashes = hashes
	x.take()
	return nil
}

func (x *ExportReader) parseHashes(record []byte) (hashes []merkle.Hash, ok bool) {
	var cells []string
	if x.head.Format == CSV {
		fields, err := splitCSV(nil, record, x.head.Guard)
		if err != nil {
			return nil, false
		}
		for _, f := range fields[1:] {
			if f.Present {
				cells = append(cells, f.Value)
			}
		}
	} else {
		list, _ := strings.CutPrefix(string(record), `{"hashes":[`)
		list, _ = strings.CutSuffix(list, "]}\n")
		for cell := range strings.SplitSeq(list, ",") {
			cells = append(cells, strings.Trim(cell, `"`))
		}
	}
	if len(cells) == 0 || len(cells) > x.head.hashesPerRecord() {
		return nil, false
	}
	for _, cell := range cells {
		var h merkle.Hash
		if !decode32((*[32]byte)(&h), cell) {
			return nil, false
		}
		hashes = append(hashes, h)
	}
	return hashes, true
}

// decode32 decodes 32 bytes of base64; whether it is canonical shows when it is rendered again.
func decode32[S string | []byte](to *[32]byte, s S) bool {
	var b [33]byte
	if base64.StdEncoding.DecodedLen(len(s)) > len(b) {
		return false
	}
	n, err := base64.StdEncoding.Decode(b[:], []byte(s))
	copy(to[:], b[:])
	return err == nil && n == len(to)
}

// End reads the last record and makes sure that it is the last, and that the SHA-256 in it is that of all before.
// The hashes must have been read. Whether the counts are right is left to the caller.
func (x *ExportReader) End() (ExportEnd, error) {
	if err := x.next(); err != nil {
		return ExportEnd{}, err
	}
	sum := [32]byte(x.sum.Sum(nil))
	end, ok := x.parseEnd(x.held)
	if !ok || string(x.head.appendEnd(nil, end)) != string(x.held) {
		return end, x.bad("it is not the last record in its one rendering")
	}
	x.take()
	if end.SHA256 != sum {
		return end, x.bad("the SHA-256 of all bytes before it is %x, and it says %x", sum, end.SHA256)
	}
	switch _, err := x.in.ReadByte(); {
	case err == nil:
		return end, &FormatError{x.record + 1, "something follows the last record"}
	case err != io.EOF:
		return end, fmt.Errorf("read export: %w", err)
	}
	return end, nil
}

func (x *ExportReader) parseEnd(record []byte) (end ExportEnd, ok bool) {
	var count, size, sum string
	if x.head.Format == CSV {
		fields, err := splitCSV(nil, record, false)
		if err != nil || len(fields) < 4 {
			return end, false
		}
		count, size, sum = fields[1].Value, fields[2].Value, fields[3].Value
	} else {
		rest, _ := strings.CutPrefix(string(record), `{"complete":true,"count":`)
		count, rest, _ = strings.Cut(rest, `,"tree_size":`)
		size, rest, _ = strings.Cut(rest, `,"sha256":"`)
		sum, _, _ = strings.Cut(rest, `"`)
	}
	n, countErr := strconv.ParseUint(count, 10, 64)
	m, sizeErr := strconv.ParseUint(size, 10, 64)
	b, hexErr := hex.DecodeString(sum)
	if countErr != nil || sizeErr != nil || hexErr != nil || len(b) != len(end.SHA256) {
		return end, false
	}
	return ExportEnd{Count: n, TreeSize: m, SHA256: [32]byte(b)}, true
}
