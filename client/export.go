package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/url"
	"strconv"
	"strings"
)

// Formats of an export.
const (
	NDJSON = "ndjson" // one entry a line
	CSV    = "csv"    // one entry a record of RFC 4180, after a record with the names of the columns
)

// ErrIncomplete is that an export ended without the record that completes it.
var ErrIncomplete = errors.New("the export is not complete")

const (
	asOfHeader = "X-Countersign-As-Of"
	// maxRecordBytes holds the largest entry, however it is escaped.
	maxRecordBytes = 16 << 20
	readBytes      = 128 << 10
)

// ExportOptions says what to export, and where to begin.
type ExportOptions struct {
	Query
	Format string // NDJSON, the one meant when it is empty, or CSV
	// Proof asks for what proves the entries, so that the export can be verified offline. It cannot be gone on with.
	Proof bool
	// From is how far an export with the same Query and Format has come before it broke off. What is written
	// then, put after the From.Bytes that there are, makes what one unbroken export would have written. nil
	// begins anew. With From there must be no Query.Sort.
	From *Progress
	// Advanced is told how far it has come after each Write. It may be nil.
	Advanced func(Progress)
}

// Progress says how far an export has come.
type Progress struct {
	Rows     uint64 `json:"rows"`
	Last     uint64 `json:"last"`      // seq of the last row, if there is one
	Bytes    int64  `json:"bytes"`     // written; whole rows only
	TreeSize uint64 `json:"tree_size"` // what all of it was made at
	Columns  string `json:"columns"`   // of CSV: its first record
	Complete bool   `json:"complete"`  // the last record is written
}

// Export writes everything that the query finds, in the order of the trail unless it has a sort, without a
// limit and at one tree size. w gets whole rows and at the end the record that completes them, after it was
// held to what was received. Progress is how far it came, also when there is an error; ErrIncomplete is in
// every error that is about an answer that ended early.
func (c *Client) Export(ctx context.Context, o ExportOptions, w io.Writer) (Progress, error) {
	x := exporter{w: w, csv: o.Format == CSV, proof: o.Proof, advanced: o.Advanced}
	v := o.Query.values()
	if o.Proof {
		v.Set("proof", "true")
	}
	switch o.Format {
	case "", NDJSON, CSV:
		if o.Format != "" {
			v.Set("format", o.Format)
		}
	default:
		return Progress{}, fmt.Errorf("export: format %q is not known: it must be %s or %s", o.Format, NDJSON, CSV)
	}
	if o.From != nil {
		if o.Sort != "" || o.From.Complete || o.Proof && o.From.Bytes > 0 {
			return *o.From, errors.New("export: only an incomplete export without a sort and without proof can be gone on with")
		}
		x.at = *o.From
		v.Set("as_of", strconv.FormatUint(x.at.TreeSize, 10))
		if x.at.Rows > 0 {
			v.Set("after", strconv.FormatUint(x.at.Last, 10))
		}
	}
	err := x.run(ctx, c, v, o.From != nil)
	return x.at, err
}

// exporter passes an export on.
type exporter struct {
	w        io.Writer
	csv      bool
	proof    bool
	advanced func(Progress)
	at       Progress // what w has
	b        []byte   // received, not yet written: whole records, then a part of one
	seen     int      // bytes of that part that recordEnd has looked at
	quoted   bool     // it ends inside of quotes
	received uint64   // rows of this answer
	header   bool     // the record with the names of the columns is behind us
}

func (x *exporter) run(ctx context.Context, c *Client, v url.Values, resumed bool) error {
	media := "application/x-ndjson"
	if x.csv {
		media = "text/csv"
	}
	resp, err := c.open(ctx, eventsPath+"/export", v, media, c.idle)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if got, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || got != media {
		return fmt.Errorf("export: the server sends %q, not %s", resp.Header.Get("Content-Type"), media)
	}
	size, err := strconv.ParseUint(resp.Header.Get(asOfHeader), 10, 64)
	if err != nil || resumed && size != x.at.TreeSize {
		return fmt.Errorf("export: the server says that it is of a trail of %q", resp.Header.Get(asOfHeader))
	}
	x.at.TreeSize = size
	for !x.at.Complete {
		if err := x.fill(resp.Body); err != nil {
			return x.brokenOff(err)
		}
		if err := x.pass(resp.Body); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) brokenOff(err error) error {
	if err == io.EOF {
		return fmt.Errorf("%w: it ended after %d rows without saying that these are all", ErrIncomplete, x.at.Rows)
	}
	return fmt.Errorf("%w: it broke off after %d rows: %w", ErrIncomplete, x.at.Rows, err)
}

// fill receives a piece.
func (x *exporter) fill(r io.Reader) error {
	if len(x.b) > maxRecordBytes {
		return fmt.Errorf("a row has more than %d bytes", maxRecordBytes)
	}
	n := len(x.b)
	if cap(x.b)-n < readBytes {
		grown := make([]byte, n, 2*n+2*readBytes)
		copy(grown, x.b)
		x.b = grown
	}
	got, err := r.Read(x.b[n : n+readBytes])
	x.b = x.b[:n+got]
	if got > 0 {
		return nil // the error comes again
	}
	return err
}

// pass writes what is whole of what was received from r.
func (x *exporter) pass(r io.Reader) error {
	next := x.at
	done, last := 0, []byte(nil)
	for {
		n := x.recordEnd(done)
		if n == 0 {
			break
		}
		record := x.b[done : done+n]
		if x.completes(record) {
			if err := x.write(done, last, next); err != nil {
				return err
			}
			return x.finish(n, r)
		}
		done += n
		if x.csv && !x.header {
			x.header = true
			switch columns := strings.TrimRight(string(record), "\r\n"); {
			case x.at.Bytes == 0:
				next.Columns = columns
			case columns != x.at.Columns:
				return errors.New("export: the server has other columns than before; it must begin anew")
			default: // they are written already
				x.b, done = x.b[n:], 0
			}
			continue
		}
		if x.proves(record) {
			continue
		}
		x.received++
		next.Rows++
		if !x.proof { // else nothing goes on from it
			last = record
		}
	}
	return x.write(done, last, next)
}

// proves tells whether the record is no entry but part of the proof: its header, or hashes. No entry begins so.
func (x *exporter) proves(record []byte) bool {
	first, second := `{"countersign_export":`, `{"hashes":`
	if x.csv {
		first, second = "export,", "hashes,"
	}
	return x.proof && (bytes.HasPrefix(record, []byte(first)) || bytes.HasPrefix(record, []byte(second)))
}

// write writes the first n bytes received, the last row of which is given, and remembers that.
func (x *exporter) write(n int, last []byte, next Progress) error {
	if n == 0 {
		return nil
	}
	if last != nil {
		seq, err := seqOf(last, x.csv)
		if err != nil {
			return err
		}
		next.Last = seq
	}
	if _, err := x.w.Write(x.b[:n]); err != nil {
		return err
	}
	x.b = append(x.b[:0], x.b[n:]...)
	next.Bytes += int64(n)
	x.at = next
	if x.advanced != nil {
		x.advanced(x.at)
	}
	return nil
}

// completes tells whether the record is the one that completes the export. No entry begins like it.
func (x *exporter) completes(record []byte) bool {
	if x.csv {
		return x.header && strings.HasPrefix(string(record[:min(len(record), 9)]), "complete,")
	}
	return strings.HasPrefix(string(record[:min(len(record), 12)]), `{"complete":`)
}

// finish writes the record that completes the export, the n bytes in hand, with the count of all rows.
func (x *exporter) finish(n int, r io.Reader) error {
	record := x.b[:n]
	count, size, err := readEnd(record, x.csv)
	if err != nil {
		return err
	}
	if count != x.received || size != x.at.TreeSize {
		return fmt.Errorf("%w: the server counts %d rows of a trail of %d, %d of %d were received", ErrIncomplete, count, size, x.received, x.at.TreeSize)
	}
	// The answer must end here, and so must its compression, the checksum of which stands at the end.
	more, err := io.Copy(io.Discard, io.LimitReader(r, 1))
	if err != nil {
		return x.brokenOff(err)
	}
	if more > 0 || len(x.b) > n {
		return errors.New("export: the server sends more after the record that completes it")
	}
	if x.at.Rows != count { // there were rows before a break
		record = writeEnd(record, x.csv, x.at.Rows)
	}
	if _, err := x.w.Write(record); err != nil {
		return err
	}
	x.at.Bytes += int64(len(record))
	x.at.Complete = true
	if x.advanced != nil {
		x.advanced(x.at)
	}
	return nil
}

// recordEnd returns the length of the record that begins at from, 0 when it is not whole. Then it goes on where
// it stopped when it is asked again.
func (x *exporter) recordEnd(from int) int {
	for i := from + x.seen; i < len(x.b); i++ {
		switch c := x.b[i]; {
		case c == '"' && x.csv:
			x.quoted = !x.quoted // twice for a quote inside of quotes
		case c == '\n' && !x.quoted:
			x.seen = 0
			return i + 1 - from
		}
	}
	x.seen = len(x.b) - from
	return 0
}

// seqOf reads the seq of a row.
func seqOf(row []byte, csv bool) (uint64, error) {
	if csv {
		first, _, _ := strings.Cut(string(row[:min(len(row), 21)]), ",")
		seq, err := strconv.ParseUint(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("export: a row without seq: %w", err)
		}
		return seq, nil
	}
	var v struct {
		Seq *uint64 `json:"seq"`
	}
	if err := json.Unmarshal(row, &v); err != nil {
		return 0, fmt.Errorf("export: a row that is no JSON: %w", err)
	}
	if v.Seq == nil {
		return 0, errors.New("export: a row without seq")
	}
	return *v.Seq, nil
}

// readEnd reads the record that completes an export.
func readEnd(record []byte, csv bool) (count, size uint64, err error) {
	if csv {
		fields := strings.Split(string(record), ",")
		if len(fields) < 3 {
			return 0, 0, fmt.Errorf("export: the last record is %q", record)
		}
		count, countErr := strconv.ParseUint(fields[1], 10, 64)
		size, sizeErr := strconv.ParseUint(strings.TrimRight(fields[2], "\r\n"), 10, 64)
		return count, size, errors.Join(countErr, sizeErr)
	}
	var v struct {
		Complete bool    `json:"complete"`
		Count    *uint64 `json:"count"`
		TreeSize *uint64 `json:"tree_size"`
	}
	if err := json.Unmarshal(record, &v); err != nil || !v.Complete || v.Count == nil || v.TreeSize == nil {
		return 0, 0, fmt.Errorf("export: the last record is %q", record)
	}
	return *v.Count, *v.TreeSize, nil
}

// writeEnd returns the record that completes an export with another count.
func writeEnd(record []byte, csv bool, count uint64) []byte {
	text := strconv.FormatUint(count, 10)
	before, rest, _ := strings.Cut(string(record), map[bool]string{true: ",", false: `"count":`}[csv])
	sep := string(record[len(before) : len(record)-len(rest)])
	return []byte(before + sep + text + strings.TrimLeft(rest, "0123456789"))
}
