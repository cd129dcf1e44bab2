package bundle_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"countersign/bundle"
	"countersign/event"
	"countersign/merkle"
	"countersign/query"
)

// formats are the ways in which an export is written.
var formats = []struct {
	name   string
	format bundle.Format
	guard  bool
}{{"ndjson", bundle.NDJSON, false}, {"csv", bundle.CSV, false}, {"guarded csv", bundle.CSV, true}}

func TestExportIsReadAsItWasWritten(t *testing.T) {
	trail := newTrail(t, 1, 1000)
	r := rand.New(rand.NewPCG(2, 2))
	for _, f := range formats {
		for _, some := range []float64{0, 0.01, 0.5, 1} {
			h := bundle.ExportHeader{
				Format: f.format, Guard: f.guard, Query: mustParse(t, `action:=LOGIN "free, words" seq>=3`), Scope: mustParse(t, `account.id:=(a,"b \"c")`),
				Sort: query.Sort{Field: query.Seq}, TreeSize: 900, ErasureMark: 7, Checkpoint: checkpoint(t, trail, 1000),
			}
			var seqs []uint64
			for seq := range h.TreeSize {
				if r.Float64() < some {
					seqs = append(seqs, seq)
				}
			}
			r.Shuffle(len(seqs), func(i, j int) { seqs[i], seqs[j] = seqs[j], seqs[i] })
			b := export(t, trail, h, seqs)
			got, err := read(iotest.OneByteReader(bytes.NewReader(b)))
			if err != nil {
				t.Fatalf("%s: %v", f.name, err)
			}
			if d := cmp.Diff(h, got.Header); d != "" {
				t.Errorf("%s: header:\n%s", f.name, d)
			}
			for i, seq := range seqs {
				if d := cmp.Diff(row(trail, seq), got.Rows[i]); d != "" {
					t.Fatalf("%s: row %d:\n%s", f.name, i, d)
				}
			}
			checkRoot(t, got)
			last := bytes.LastIndexByte(b[:len(b)-1], '\n') + 1
			if want := (bundle.ExportEnd{Count: uint64(len(seqs)), TreeSize: 900, SHA256: sha256.Sum256(b[:last])}); got.End != want {
				t.Errorf("%s: end %+v, want %+v", f.name, got.End, want)
			}
		}
	}
}

// checkRoot holds the rows to the checkpoint.
func checkRoot(t *testing.T, c content) {
	t.Helper()
	slices.SortFunc(c.Rows, func(a, b bundle.Row) int { return int(a.Entry.Seq) - int(b.Entry.Seq) })
	next := 0
	root, err := merkle.CheckMulti(c.Header.Checkpoint.Size, func(yield func(uint64, merkle.Hash) bool) {
		for i := range c.Rows {
			if !yield(c.Rows[i].Entry.Seq, c.Rows[i].Leaf) {
				return
			}
		}
	}, func() (merkle.Hash, error) {
		if next++; next > len(c.Hashes) {
			return merkle.Hash{}, errors.New("the multiproof is too short")
		}
		return c.Hashes[next-1], nil
	})
	if err != nil || root != c.Header.Checkpoint.Root || next != len(c.Hashes) {
		t.Errorf("root %v, %v, with %d of %d hashes; want %v", root, err, next, len(c.Hashes), c.Header.Checkpoint.Root)
	}
}

// Whoever opens the file with what they have must get a table.
func TestCSVWithProofIsATable(t *testing.T) {
	trail := newTrail(t, 3, 300)
	h := bundle.ExportHeader{Format: bundle.CSV, Guard: true, TreeSize: 300, Checkpoint: checkpoint(t, trail, 300)}
	var seqs []uint64
	for seq := uint64(0); seq < 300; seq += 2 {
		seqs = append(seqs, seq)
	}
	b := export(t, trail, h, seqs)
	records, err := csv.NewReader(bytes.NewReader(b)).ReadAll() // as many fields in each as in the first
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(records[0][22:], ","); got != "attributes,raw,account_seq,account_prev,seed,leaf" {
		t.Errorf("the last columns are %s", got)
	}
	kinds := map[string]int{}
	for _, r := range records[1:] {
		if strings.Trim(r[0], "0123456789") == "" {
			r[0] = "row"
		}
		kinds[r[0]]++
	}
	if want := map[string]int{"export": 1, "row": 150, "hashes": (150 + 26) / 27, "complete": 1}; !cmp.Equal(kinds, want) {
		t.Errorf("records %v, want %v", kinds, want)
	}
}

// sumInEnd finds the SHA-256 in the last record.
var sumInEnd = regexp.MustCompile(`[0-9a-f]{64}`)

// reseal puts the right SHA-256 into the last record, as whoever changes a file would.
func reseal(b []byte) []byte {
	last := bytes.LastIndexByte(b[:max(len(b)-1, 0)], '\n') + 1
	return append(bytes.Clone(b[:last]), sumInEnd.ReplaceAllString(string(b[last:]), fmt.Sprintf("%x", sha256.Sum256(b[:last])))...)
}

// TestExportHasOneRendering changes a small export in every place, and the checksum with it: what is still read
// says something else.
func TestExportHasOneRendering(t *testing.T) {
	trail := newTrail(t, 4, 60)
	for _, f := range formats {
		h := bundle.ExportHeader{Format: f.format, Guard: f.guard, Query: mustParse(t, "action:LOGIN"), TreeSize: 60, Checkpoint: checkpoint(t, trail, 60)}
		b := export(t, trail, h, []uint64{5, 49, 50})
		want, err := read(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		readAnyway := 0
		try := func(at int, what string, changed []byte) {
			t.Helper()
			for _, changed := range [][]byte{changed, reseal(changed)} {
				got, err := read(bytes.NewReader(changed))
				if err != nil || bytes.Equal(changed, b) {
					continue
				}
				readAnyway++
				if got.End.SHA256 = want.End.SHA256; cmp.Equal(got, want) {
					t.Fatalf("%s: byte %d %s: it says the same:\n%s", f.name, at, what, changed)
				}
			}
		}
		step := 1
		if raceDetector {
			step = 17 // the tests run once more without it
		}
		for at := 0; at < len(b); at += step {
			for _, bit := range []int{5, at % 8} { // upper to lower case, and any
				changed := bytes.Clone(b)
				changed[at] ^= 1 << bit
				try(at, fmt.Sprintf("with bit %d flipped", bit), changed)
			}
			try(at, "dropped", slices.Delete(bytes.Clone(b), at, at+1))
			try(at, "doubled", slices.Insert(bytes.Clone(b), at, b[at]))
			try(at, "with a blank before it", slices.Insert(bytes.Clone(b), at, ' '))
			try(at, "cut off", b[:at])
		}
		try(len(b), "with more behind it", append(bytes.Clone(b), '\n'))
		if readAnyway == 0 {
			t.Errorf("%s: no change of a value was read: the checksum is in the way", f.name)
		}
	}
}

func TestExportIsRefusedWithItsRecord(t *testing.T) {
	trail := newTrail(t, 5, 300)
	h := bundle.ExportHeader{Format: bundle.NDJSON, TreeSize: 300, Checkpoint: checkpoint(t, trail, 300)}
	var seqs []uint64
	for seq := uint64(0); seq < 300; seq += 3 {
		seqs = append(seqs, seq)
	}
	whole := strings.SplitAfter(string(export(t, trail, h, seqs)), "\n")
	whole = whole[:len(whole)-1]
	at := slices.IndexFunc(whole, func(s string) bool { return strings.HasPrefix(s, `{"hashes"`) })
	swapped := slices.Clone(whole)
	swapped[at], swapped[len(whole)-2] = swapped[len(whole)-2], swapped[at]
	tests := []struct {
		name, text, want string
	}{
		{"empty", "", "record 1: the export ends here, before its last record"},
		{"something else", "{}\n", "record 1: this is no export"},
		{"without proof", `{"seq":1,"received_at":"2026-01-01T00:00:00Z"}` + "\n", "record 1: the export was made without proof"},
		{"another version", strings.Replace(whole[0], `_export":1`, `_export":2`, 1), "record 1: version 2 of an export is not known here, only 1"},
		{"header alone", whole[0], "record 2: the export ends here, before its last record"},
		{"row cut", whole[0] + whole[1][:50], "record 2: the export ends within this record"},
		{"row not of an export", whole[0] + "{}\n", "it is no row of an export in its one rendering"},
		{"no end", strings.Join(whole[:len(whole)-1], ""), "before its last record"},
		{"row after the hashes", strings.Join(slices.Insert(slices.Clone(whole), at+1, whole[5]), ""), "it is no record of hashes"},
		{"short record of hashes before a full one", string(reseal([]byte(strings.Join(swapped, "")))), "more hashes after a record that was not full"},
		{"two ends", strings.Join(append(slices.Clone(whole), whole[len(whole)-1]), ""), "something follows the last record"},
		{"wrong sum", strings.Join(slices.Delete(slices.Clone(whole), 3, 4), ""), "the SHA-256 of all bytes before it is"},
		{"giant row", whole[0] + `{"seq":` + strings.Repeat("1", 5<<20), "record 2: it has more than 4194304 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := read(strings.NewReader(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestRangeIsOfPlainRangesOnly(t *testing.T) {
	tests := []struct {
		query, scope, sort string
		from, to           uint64
		ok                 bool
	}{
		{"", "", "seq:asc", 0, 1000, true},
		{"", "", "seq:desc", 0, 1000, true},
		{"seq:10..19", "", "seq:asc", 10, 20, true},
		{"seq>=10 seq<=4000", "", "seq:asc", 10, 1000, true},
		{"seq:999", "seq:999", "seq:asc", 999, 1000, true},
		{"seq>=2000", "", "seq:asc", 1000, 1000, true},
		{"seq<=-1", "", "seq:asc", 0, 0, true},
		{"seq>=5 seq<=3", "", "seq:asc", 4, 4, true},
		{"", "account.id:=a", "seq:asc", 0, 0, false},
		{"action:LOGIN", "", "seq:asc", 0, 0, false},
		{"seq:1 OR seq:2", "", "seq:asc", 0, 0, false},
		{"account_seq:1..3", "", "seq:asc", 0, 0, false},
		{"occurred_at:2026-01-01", "", "seq:asc", 0, 0, false},
		{"", "", "occurred_at:asc", 0, 0, false},
	}
	for _, tt := range tests {
		sort, err := query.ParseSort(tt.sort)
		if err != nil {
			t.Fatal(err)
		}
		h := bundle.ExportHeader{Query: mustParse(t, tt.query), Scope: mustParse(t, tt.scope), Sort: sort, TreeSize: 1000}
		if from, to, ok := h.Range(); from != tt.from || to != tt.to || ok != tt.ok {
			t.Errorf("%q within %q by %s: [%d, %d) %v, want [%d, %d) %v", tt.query, tt.scope, tt.sort, from, to, ok, tt.from, tt.to, tt.ok)
		}
	}
}

func TestWriterRefusesWhatNoReaderWouldTake(t *testing.T) {
	trail := newTrail(t, 6, 10)
	good := bundle.ExportHeader{Format: bundle.NDJSON, TreeSize: 10, Checkpoint: checkpoint(t, trail, 10)}
	many := make([]string, 2000)
	for i := range many {
		many[i] = fmt.Sprintf("account-%d", i)
	}
	tests := map[string]func(h *bundle.ExportHeader){
		"format":     func(h *bundle.ExportHeader) { h.Format = "xml" },
		"guard":      func(h *bundle.ExportHeader) { h.Guard = true },
		"tree size":  func(h *bundle.ExportHeader) { h.TreeSize = 11 },
		"scope":      func(h *bundle.ExportHeader) { h.Scope = query.Is(query.AccountID, many...) },
		"sort":       func(h *bundle.ExportHeader) { h.Sort = query.Sort{Classes: []query.Filter{query.Words{Text: "x"}}} },
		"checkpoint": func(h *bundle.ExportHeader) { h.Checkpoint = merkle.Checkpoint{Size: 10} },
	}
	for name, change := range tests {
		h := good
		change(&h)
		if _, err := bundle.NewExportWriter(&bytes.Buffer{}, h); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	x, err := bundle.NewExportWriter(&bytes.Buffer{}, good)
	if err != nil {
		t.Fatal(err)
	}
	beyond := row(trail, 9)
	beyond.Entry.Seq = 10
	if err := x.Row(&beyond); err == nil {
		t.Error("a row beyond the tree size is taken")
	}
	if err := x.Finish(trail.Multi); err == nil {
		t.Error("finished after an error")
	}
}

func TestWriterPassesOnWhatFails(t *testing.T) {
	trail := newTrail(t, 7, 10)
	h := bundle.ExportHeader{Format: bundle.NDJSON, TreeSize: 10, Checkpoint: checkpoint(t, trail, 10)}
	broken := errors.New("disk on fire")
	x, err := bundle.NewExportWriter(failing{broken}, h)
	if err != nil {
		t.Fatal(err)
	}
	r := row(trail, 3)
	for range 1000 {
		if err = x.Row(&r); err != nil {
			break
		}
	}
	if !errors.Is(err, broken) || !errors.Is(x.Finish(trail.Multi), broken) {
		t.Errorf("%v", err)
	}
	var out bytes.Buffer
	x, _ = bundle.NewExportWriter(&out, h)
	if err := x.Finish(func(iter.Seq[uint64], uint64, func(merkle.Hash) error) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if strings.Contains(out.String(), "complete") {
		t.Error("an export without its proof says that it is complete")
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestExportKind(t *testing.T) {
	trail := newTrail(t, 8, 3)
	e := &trail.Entries[0]
	c := checkpoint(t, trail, 3)
	tests := []struct {
		name      string
		start     []byte
		format    bundle.Format
		proof, ok bool
	}{
		{"nothing", nil, "", false, false},
		{"a proof", []byte("c2sp.org/tlog-proof@v1\n"), "", false, false},
		{"ndjson", append(event.AppendEntryJSON(nil, e), '\n'), bundle.NDJSON, false, true},
		{"ndjson of nothing", []byte(`{"complete":true,"count":0,"tree_size":0}`), bundle.NDJSON, false, true},
		{"csv", bundle.AppendCSVHeader(nil), bundle.CSV, false, true},
		{"ndjson with proof", export(t, trail, bundle.ExportHeader{Format: bundle.NDJSON, Checkpoint: c}, nil), bundle.NDJSON, true, true},
		{"csv with proof", export(t, trail, bundle.ExportHeader{Format: bundle.CSV, Checkpoint: c}, nil), bundle.CSV, true, true},
	}
	for _, tt := range tests {
		if f, proof, ok := bundle.ExportKind(tt.start); f != tt.format || proof != tt.proof || ok != tt.ok {
			t.Errorf("%s: %s %v %v", tt.name, f, proof, ok)
		}
	}
}

// FuzzExport claims that reading does not panic, and that what was read is written the same again.
func FuzzExport(f *testing.F) {
	trail := newTrail(f, 9, 60)
	for _, x := range formats {
		h := bundle.ExportHeader{Format: x.format, Guard: x.guard, Query: mustParse(f, "seq:40..49"), TreeSize: 60, Checkpoint: checkpoint(f, trail, 60)}
		f.Add(export(f, trail, h, []uint64{40, 49, 41}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := read(bytes.NewReader(reseal(b)))
		if err != nil {
			return
		}
		var out bytes.Buffer
		x, err := bundle.NewExportWriter(&out, got.Header)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got.Rows {
			if err := x.Row(&got.Rows[i]); err != nil {
				return // an entry beyond the tree, which package verify finds
			}
		}
		err = x.Finish(func(_ iter.Seq[uint64], _ uint64, emit func(merkle.Hash) error) error {
			for _, h := range got.Hashes {
				if err := emit(h); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		again, err := read(bytes.NewReader(out.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if again.End = got.End; !cmp.Equal(again, got) {
			t.Error(cmp.Diff(got, again))
		}
	})
}
