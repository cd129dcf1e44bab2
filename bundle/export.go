package bundle

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"countersign/event"
	"countersign/merkle"
	"countersign/query"
)

// An export with proof: every entry that a query found at one tree size, what opens each of them, and the
// multiproof that shows them all in the tree of one published checkpoint. docs/format/export.md is the format.

// Format is how an export is written.
type Format string

// The formats.
const (
	NDJSON Format = "ndjson" // an object a line
	CSV    Format = "csv"    // a record of RFC 4180 a row
)

const (
	exportVersion = 1

	// maxHeaderBytes holds the largest note and two of the longest search texts, however they are escaped.
	maxHeaderBytes = 1 << 20
	// maxRecordBytes holds the largest entry, in JSON or CSV, with what is added to it.
	maxRecordBytes = 4 << 20

	lineHashes = 64 // hashes in a line of NDJSON; all lines but the last have as many
	seedBytes  = 32
)

// ExportHeader says what an export is of.
type ExportHeader struct {
	Format Format
	// Guard says that in CSV a text that a spreadsheet might calculate has an apostrophe before it.
	Guard bool
	// Query is what was asked for, Scope what the rights of who asked left of it. nil is everything.
	Query, Scope query.Filter
	Sort         query.Sort
	// TreeSize is how many entries the query was answered over, at most as many as the checkpoint has.
	TreeSize uint64
	// ErasureMark is the erasure mark that the query was answered at.
	ErasureMark uint64
	// Checkpoint is the published checkpoint in whose tree the rows are shown. It names the origin.
	Checkpoint merkle.Checkpoint
}

// Range returns the entries [from, to) that the export must hold every one of, system facts included. ok is false
// when it is no export of a plain range of the trail in its order: such an export has events only, those found.
func (h *ExportHeader) Range() (from, to uint64, ok bool) {
	if len(h.Sort.Classes) > 0 || len(h.Sort.Cases) > 0 || h.Sort.Field != "" && h.Sort.Field != query.Seq {
		return 0, 0, false
	}
	asked := query.Normalize(query.And{h.Query, h.Scope})
	terms, several := asked.(query.And)
	if !several {
		terms = query.And{asked}
	}
	to = h.TreeSize
	for _, term := range terms {
		switch r := term.(type) {
		case nil:
		case query.Range:
			if r.Field != query.Seq {
				return 0, 0, false
			}
			from = max(from, uint64(max(r.Min, 0)))
			if r.Max != query.NoMax {
				to = min(to, uint64(max(r.Max+1, 0)))
			}
		default:
			return 0, 0, false
		}
	}
	return min(from, to), to, true
}

// headerJSON has the members in their order. Guard is there for CSV only.
type headerJSON struct {
	Version     int    `json:"countersign_export"`
	Format      Format `json:"format"`
	Guard       *bool  `json:"guard,omitempty"`
	Origin      string `json:"origin"`
	Query       string `json:"query"`
	Scope       string `json:"scope"`
	Sort        string `json:"sort"`
	TreeSize    uint64 `json:"tree_size"`
	ErasureMark uint64 `json:"erasure_mark"`
	Checkpoint  string `json:"checkpoint"`
}

// appendJSON appends the header in its one rendering.
func (h *ExportHeader) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"countersign_export":`...)
	dst = strconv.AppendInt(dst, exportVersion, 10)
	dst = appendMember(dst, "format", string(h.Format))
	if h.Format == CSV {
		dst = strconv.AppendBool(append(dst, `,"guard":`...), h.Guard)
	}
	dst = appendMember(dst, "origin", h.Checkpoint.Origin)
	dst = appendMember(dst, "query", query.Print(h.Query))
	dst = appendMember(dst, "scope", query.Print(h.Scope))
	dst = appendMember(dst, "sort", query.PrintSort(h.Sort))
	dst = strconv.AppendUint(append(dst, `,"tree_size":`...), h.TreeSize, 10)
	dst = strconv.AppendUint(append(dst, `,"erasure_mark":`...), h.ErasureMark, 10)
	dst = appendMember(dst, "checkpoint", string(h.Checkpoint.Note))
	return append(dst, '}')
}

func appendMember(dst []byte, name, value string) []byte {
	dst = append(append(append(dst, `,"`...), name...), `":`...)
	// Quoting fails on invalid UTF-8 only, which no text here has.
	dst, _ = jsontext.AppendQuote(dst, value)
	return dst
}

// check tells why there can be no export of that header.
func (h *ExportHeader) check() error {
	switch {
	case h.Format != NDJSON && h.Format != CSV:
		return fmt.Errorf("format %q is not known", h.Format)
	case h.Guard && h.Format != CSV:
		return errors.New("guard goes with CSV")
	case h.TreeSize > h.Checkpoint.Size:
		return fmt.Errorf("the checkpoint has %d entries, fewer than the tree size %d", h.Checkpoint.Size, h.TreeSize)
	}
	// What cannot be read back, nobody could hold the rows to.
	for name, f := range map[string]query.Filter{"query": h.Query, "scope": h.Scope} {
		if _, err := query.Parse(query.Print(f)); err != nil {
			return fmt.Errorf("the %s is too large to be stated: %w", name, err)
		}
	}
	if _, err := query.ParseSort(query.PrintSort(h.Sort)); err != nil {
		return fmt.Errorf("the sort cannot be stated: %w", err)
	}
	return nil
}

// parseHeader reads a header in its one rendering.
func parseHeader(b []byte) (ExportHeader, error) {
	var in headerJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return ExportHeader{}, errors.New("the header is not the JSON object that it must be")
	}
	if in.Version != exportVersion {
		return ExportHeader{}, fmt.Errorf("version %d of an export is not known here, only %d", in.Version, exportVersion)
	}
	h := ExportHeader{Format: in.Format, TreeSize: in.TreeSize, ErasureMark: in.ErasureMark}
	if in.Guard != nil {
		h.Guard = *in.Guard
	}
	var err error
	if h.Query, err = query.Parse(in.Query); err != nil {
		return h, fmt.Errorf("the query of the header: %w", err)
	}
	if h.Scope, err = query.Parse(in.Scope); err != nil {
		return h, fmt.Errorf("the scope of the header: %w", err)
	}
	if h.Sort, err = query.ParseSort(in.Sort); err != nil {
		return h, fmt.Errorf("the sort of the header: %w", err)
	}
	if h.Checkpoint, err = merkle.ParseCheckpoint([]byte(in.Checkpoint)); err != nil {
		return h, fmt.Errorf("the header: %w", err)
	}
	if err := h.check(); err != nil {
		return h, fmt.Errorf("the header: %w", err)
	}
	if string(h.appendJSON(nil)) != string(b) {
		return h, errors.New("the header is not in its one rendering")
	}
	return h, nil
}

// Row is an entry of an export with what proves it.
type Row struct {
	Entry event.Entry
	// Seed opens the whole entry (docs/format/entry.md).
	Seed [seedBytes]byte
	// Leaf is the entry's hash in the tree, as the exporter states it. What Entry and Seed give must be the same;
	// where it is not, Leaf tells which row was changed.
	Leaf merkle.Hash
}

// The last members of a row, and the last columns.
const (
	memberAccountSeq  = "account_seq"
	memberAccountPrev = "account_prev"
	memberSeed        = "seed"
	memberLeaf        = "leaf"
)

// proofColumns are the columns of CSV with proof.
var proofColumns = append(append([]string{}, csvColumns...), memberAccountSeq, memberAccountPrev, memberSeed, memberLeaf)

// The first field of a record of CSV that is no event, where a row has its seq.
const (
	csvHeader = "export"
	csvFact   = "fact"
	csvHashes = "hashes"
)

func encode64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// appendRow appends a row in its one rendering.
func (h *ExportHeader) appendRow(dst []byte, row *Row) []byte {
	if h.Format == CSV {
		return appendCSVRow(dst, row, h.Guard)
	}
	e := &row.Entry
	dst = event.AppendEntryJSON(dst, e)
	dst = dst[:len(dst)-1] // the object goes on
	if e.Kind == event.KindEvent {
		dst = strconv.AppendUint(append(dst, `,"`+memberAccountSeq+`":`...), e.AccountSeq, 10)
		if e.AccountPrev != event.NoPrev {
			dst = strconv.AppendUint(append(dst, `,"`+memberAccountPrev+`":`...), e.AccountPrev, 10)
		}
	}
	dst = base64.StdEncoding.AppendEncode(append(dst, `,"`+memberSeed+`":"`...), row.Seed[:])
	dst = base64.StdEncoding.AppendEncode(append(dst, `","`+memberLeaf+`":"`...), row.Leaf[:])
	return append(dst, "\"}\n"...)
}

func appendCSVRow(dst []byte, row *Row, guard bool) []byte {
	e, r := &row.Entry, csvRow{b: dst, guard: guard}
	if e.Kind != event.KindEvent {
		r.plain(csvFact)
		r.number(e.Seq)
		r.moment(e.ReceivedAt)
		r.plain(event.KindName(e.Kind))
		r.text(event.TextOf(e.Statement))
		r.pad(len(proofColumns) - 7)
	} else {
		r.entry(e)
		r.number(e.AccountSeq)
		if r.comma(); e.AccountPrev != event.NoPrev {
			r.b = strconv.AppendUint(r.b, e.AccountPrev, 10)
		}
	}
	r.text(event.TextOf(encode64(row.Seed[:])))
	r.text(event.TextOf(encode64(row.Leaf[:])))
	return r.end()
}

// hashesPerRecord is how many hashes of the multiproof a record has; only the last may have fewer.
func (h *ExportHeader) hashesPerRecord() int {
	if h.Format == CSV {
		return len(proofColumns) - 1
	}
	return lineHashes
}

// appendHashes appends a record of the multiproof.
func (h *ExportHeader) appendHashes(dst []byte, hashes []merkle.Hash) []byte {
	if h.Format == CSV {
		r := csvRow{b: dst, guard: h.Guard}
		r.plain(csvHashes)
		for i := range hashes {
			r.text(event.TextOf(encode64(hashes[i][:])))
		}
		r.pad(len(proofColumns) - 1 - len(hashes))
		return r.end()
	}
	dst = append(dst, `{"hashes":[`...)
	for i := range hashes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), hashes[i][:])
		dst = append(dst, '"')
	}
	return append(dst, "]}\n"...)
}

// ExportEnd is what the last record says.
type ExportEnd struct {
	Count, TreeSize uint64
	SHA256          [32]byte // of all bytes before the record
}

func (h *ExportHeader) appendEnd(dst []byte, end ExportEnd) []byte {
	if h.Format == CSV {
		r := csvRow{b: dst}
		r.plain(csvComplete)
		r.number(end.Count)
		r.number(end.TreeSize)
		r.plain(fmt.Sprintf("%x", end.SHA256))
		r.pad(len(proofColumns) - 4)
		return r.end()
	}
	return fmt.Appendf(dst, `{"complete":true,"count":%d,"tree_size":%d,"sha256":"%x"}`+"\n", end.Count, end.TreeSize, end.SHA256)
}

// appendStart appends what comes before the rows.
func (h *ExportHeader) appendStart(dst []byte) []byte {
	if h.Format == NDJSON {
		return append(h.appendJSON(dst), '\n')
	}
	r := csvRow{b: appendNames(dst, proofColumns), guard: h.Guard}
	r.plain(csvHeader)
	r.text(event.TextOf(string(h.appendJSON(nil))))
	r.pad(len(proofColumns) - 2)
	return r.end()
}
