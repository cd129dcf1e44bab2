package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"countersign/bundle"
	"countersign/event"
	"countersign/internal/testkit"
	"countersign/merkle"
	"countersign/verify"
)

func sortRows(rows []bundle.Row, compare func(a, b *bundle.Row) int) {
	slices.SortFunc(rows, func(a, b bundle.Row) int { return compare(&a, &b) })
}

const firstAccount = "ad65390a-0380-4522-bab6-f007c447757a" // one of testkit.Random's

func TestGenuineExportsHaveNoFinding(t *testing.T) {
	trail := newTrail(t, 1, 2000)
	keys := keysOf(t, trail)
	tests := []struct {
		asked  asked
		levels string
	}{
		{asked{}, "AC"},
		{asked{sort: "seq:desc"}, "AC"},
		{asked{query: "seq:100..1533", size: 1700}, "AC"},
		{asked{query: "seq:39"}, "AC"}, // a fact
		{asked{query: "seq>=1990", scope: "seq<=1995"}, "AC"},
		{asked{query: "seq>=3000"}, "C"},
		{asked{query: "account.id:=" + firstAccount}, "AC"},
		{asked{query: "seq>=700", scope: "account.id:=" + firstAccount}, "AC"},
		{asked{query: "account_seq:20..30 account.id:=" + firstAccount, sort: "seq:desc"}, "AC"},
		{asked{query: "-account.id:=" + firstAccount}, "ACCC"},
		{asked{query: "account.id:=" + firstAccount, sort: "occurred_at:asc"}, "A"},
		{asked{query: "account.id:=nobody"}, ""},
		{asked{query: "action:LOGIN"}, "A"},
		{asked{query: "action:LOGIN", sort: "actor.name:desc", size: 1234}, "A"},
		{asked{scope: "division.id:=677793", sort: "resource.name:asc"}, "A"},
	}
	for _, tt := range tests {
		for _, format := range []bundle.Format{bundle.NDJSON, bundle.CSV} {
			tt.asked.format = format
			name := fmt.Sprintf("%+v", tt.asked)
			r := check(t, tt.asked.export(t, trail), keys)
			if !r.OK() || levels(r) != tt.levels {
				t.Errorf("%s: levels %q, want %q; %+v", name, levels(r), tt.levels, r.Findings)
			}
			if r.TreeSize != 2000 || r.Origin != origin || len(r.SignedBy) != 1 {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

func TestAnExportOfAnEmptyTrailIsGenuine(t *testing.T) {
	trail := newTrail(t, 1, 0)
	r := check(t, asked{}.export(t, trail), keysOf(t, trail))
	if !r.OK() || levels(r) != "C" {
		t.Errorf("%+v", r)
	}
}

// forgery is what somebody makes of the rows of an export before writing it with good counts, hashes and checksum.
type forgery struct {
	name  string
	asked asked
	forge func(h *bundle.ExportHeader, rows []bundle.Row) []bundle.Row
	kind  verify.Kind
	seq   int64 // -1 when the finding is about no entry
	what  string
}

func TestForgedExportsAreFoundAndNamed(t *testing.T) {
	trail := newTrail(t, 2, 1000)
	keys := keysOf(t, trail)
	all, some := asked{}, asked{query: "outcome:success"}
	account := asked{query: "account.id:=" + firstAccount}
	found := some.rows(t, trail)
	other := uint64(0)
	for slices.Contains(seqsOf(found), other) || trail.Entries[other].Kind != event.KindEvent {
		other++
	}
	chain := account.rows(t, trail)
	firstGap := uint64(0)
	for slices.Contains(seqsOf(found), firstGap) {
		firstGap++
	}
	tests := []forgery{
		{"value changed", all, func(_ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			rows[17].Entry.Detail = event.TextOf("nothing happened")
			return rows
		}, verify.Changed, 17, "the log holds another entry there"},
		{"back-dated", some, func(_ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			rows[3].Entry.OccurredAt--
			return rows
		}, verify.Changed, int64(found[3].Entry.Seq), "the other rows are genuine"},
		{"seed of another", all, func(_ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			rows[5].Seed = rows[6].Seed
			return rows
		}, verify.Changed, 5, "a value or the seed"},
		{"leaf changed", all, func(_ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			rows[5].Leaf[3]++
			return rows
		}, verify.Changed, 5, "its values are genuine"},
		{"value and leaf changed", all, func(_ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			reLeaf(&rows[5], func(e *event.Entry) { e.Detail = event.TextOf("x") })
			return rows
		}, verify.WrongProof, -1, "which, this file cannot tell"},
		{"row dropped from a range", all, func(_ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			return slices.Delete(rows, 500, 501)
		}, verify.Missing, 500, "the range has it"},
		{"last rows dropped from a range", all, func(_ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			return rows[:990]
		}, verify.Missing, 990, "the range has the entries 990 to 999"},
		{"row dropped from a chain", account, func(_ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			return slices.Delete(rows, 4, 5)
		}, verify.Missing, int64(chain[4].Entry.Seq), "1 entries of account"},
		{"first row dropped from a chain", account, func(_ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			return rows[1:]
		}, verify.Missing, int64(chain[0].Entry.Seq), "names it as the one before"},
		{"row that the query does not find", some, func(_ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			rows = append(rows, rowOf(trail, other))
			sortRows(rows, func(a, b *bundle.Row) int { return int(a.Entry.Seq) - int(b.Entry.Seq) })
			return rows
		}, verify.Added, int64(other), "the query does not find it"},
		{"system fact among events", some, func(_ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			rows = append(rows, rowOf(trail, 39))
			sortRows(rows, func(a, b *bundle.Row) int { return int(a.Entry.Seq) - int(b.Entry.Seq) })
			return rows
		}, verify.Added, 39, "a system fact"},
		{"rows swapped", some, func(_ *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			rows[8], rows[9] = rows[9], rows[8]
			return rows
		}, verify.Moved, int64(found[8].Entry.Seq), "stands behind entry"},
		{"query changed", some, func(h *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			h.Query = asked{query: "outcome:failure"}.header(t, trail).Query
			return rows
		}, verify.Added, int64(found[0].Entry.Seq), "the query does not find it"},
		{"query of part passed for everything", some, func(h *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			h.Query = nil
			return rows
		}, verify.Missing, int64(firstGap), "the range has"},
		{"order changed", some, func(h *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			h.Sort.Desc = true
			return rows
		}, verify.Moved, int64(found[1].Entry.Seq), "in the order seq:desc"},
		{"another checkpoint of the trail", some, func(h *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			h.Checkpoint.Root = merkle.Hash{1}
			signed, err := merkle.Sign(origin, 1000, merkle.Hash{1}, trail.Signer)
			if err != nil {
				t.Fatal(err)
			}
			h.Checkpoint = signed
			return rows
		}, verify.WrongProof, -1, "lead to the root"},
		{"signed with another key of the name", some, func(h *bundle.ExportHeader, rows []bundle.Row) []bundle.Row {
			h.Checkpoint = checkpoint(t, newTrail(t, 2, 1000), 1000)
			return rows
		}, verify.WrongKey, -1, "no given key has signed it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, format := range []bundle.Format{bundle.NDJSON, bundle.CSV} {
				tt.asked.format = format
				h := tt.asked.header(t, trail)
				rows := tt.forge(&h, tt.asked.rows(t, trail))
				r := check(t, write(t, trail, h, rows), keys)
				if r.OK() || len(r.Claims) > 0 {
					t.Fatalf("%s: missed: %+v", format, r)
				}
				if !slices.ContainsFunc(r.Findings, func(f verify.Finding) bool {
					return f.Kind == tt.kind && strings.Contains(f.What, tt.what) && (f.Seq == nil && tt.seq < 0 || f.Seq != nil && int64(*f.Seq) == tt.seq)
				}) {
					t.Errorf("%s: %+v", format, r.Findings)
				}
			}
		})
	}
}

func seqsOf(rows []bundle.Row) []uint64 {
	seqs := make([]uint64, len(rows))
	for i := range rows {
		seqs[i] = rows[i].Entry.Seq
	}
	return seqs
}

// reLeaf changes an entry and states the leaf that it then has.
func reLeaf(r *bundle.Row, change func(*event.Entry)) {
	change(&r.Entry)
	r.Leaf = event.LeafHash(r.Entry.Leaf(event.Root(r.Seed, &r.Entry)))
}

// A dishonest server can sign what breaks the numbering rule; the rows give it away.
func TestDishonestNumberingIsFound(t *testing.T) {
	tests := []struct {
		name   string
		change func(trail *testkit.Trail)
		what   string
	}{
		{"account_seq given twice", func(x *testkit.Trail) { last(x).AccountSeq--; last(x).AccountPrev = prevOf(x) }, "was given to account"},
		{"chain leads past an entry", func(x *testkit.Trail) { last(x).AccountPrev = 0 }, "is the one before"},
		{"chain leads to another account", func(x *testkit.Trail) { last(x).AccountPrev = other(x) }, "is the one before"},
		{"a number left out", func(x *testkit.Trail) { last(x).AccountSeq++ }, "must stand between"},
		{"the first has a number", func(x *testkit.Trail) { last(x).Account.ID = "new"; last(x).AccountPrev = event.NoPrev }, "cannot both be right"},
		{"the first names one before", func(x *testkit.Trail) { last(x).Account.ID = "new" }, "is none of account"},
		{"the clock goes back", func(x *testkit.Trail) { last(x).ReceivedAt -= 2_000_000 }, "was received at"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			trail := newTrail(t, 3, 100)
			tt.change(trail)
			trail, err := trail.Again()
			if err != nil {
				t.Fatal(err)
			}
			for _, order := range []string{"seq:asc", "seq:desc", "actor.name:asc"} {
				r := check(t, asked{sort: order}.export(t, trail), keysOf(t, trail))
				plain := order != "actor.name:asc"
				if plain && (len(r.Findings) == 0 || r.Findings[0].Kind != verify.Misnumbered || !strings.Contains(r.Findings[0].What, tt.what)) {
					t.Errorf("%s: %+v", order, r.Findings)
				}
			}
		})
	}
}

func last(x *testkit.Trail) *event.Entry { return &x.Entries[len(x.Entries)-1] }

// prevOf returns the account_prev of the entry before the last one of its account.
func prevOf(x *testkit.Trail) uint64 { return x.Entries[last(x).AccountPrev].AccountPrev }

// other returns an entry of another account than the last one's.
func other(x *testkit.Trail) uint64 {
	for seq := range x.Entries {
		if e := &x.Entries[len(x.Entries)-2-seq]; e.Kind == event.KindEvent && e.Account.ID != last(x).Account.ID {
			return e.Seq
		}
	}
	panic("all are of one account")
}

func TestWhatIsNoExportWithProofIsNotChecked(t *testing.T) {
	trail := newTrail(t, 4, 10)
	plain := event.AppendEntryJSON(nil, &trail.Entries[0])
	tests := []struct {
		name, text, want string
	}{
		{"nothing", "", "this is no export"},
		{"something", "hello", "this is no export"},
		{"an export without proof", string(plain) + "\n", "made without proof"},
		{"a table without proof", string(bundle.AppendCSVHeader(nil)), "made without proof"},
	}
	for _, tt := range tests {
		_, err := verify.Export(t.Context(), strings.NewReader(tt.text), verify.Options{Keys: keysOf(t, trail)})
		if !errors.Is(err, verify.ErrNotChecked) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	whole := asked{}.export(t, trail)
	broken := errors.New("disk on fire")
	_, err := verify.Export(t.Context(), iotest.DataErrReader(&twoPart{whole[:2000], broken}), verify.Options{Keys: keysOf(t, trail)})
	if !errors.Is(err, verify.ErrNotChecked) || !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	_, err = verify.Export(ctx, bytes.NewReader(whole), verify.Options{Keys: keysOf(t, trail)})
	if !errors.Is(err, verify.ErrNotChecked) || !strings.Contains(err.Error(), "enough") {
		t.Errorf("%v", err)
	}
}

// twoPart reads b and then fails.
type twoPart struct {
	b   []byte
	err error
}

func (r *twoPart) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, r.err
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

func TestFindingsAreBounded(t *testing.T) {
	trail := newTrail(t, 5, 1000)
	rows := asked{}.rows(t, trail)
	for i := range rows {
		rows[i].Seed[0]++
	}
	r := check(t, write(t, trail, asked{}.header(t, trail), rows), keysOf(t, trail))
	if len(r.Findings) != verify.MaxFindings || r.More != 1000-verify.MaxFindings {
		t.Errorf("%d findings and %d more", len(r.Findings), r.More)
	}
}

func TestProgressIsToldInBytes(t *testing.T) {
	trail := newTrail(t, 6, 1000)
	b := asked{}.export(t, trail)
	var last int64
	_, err := verify.Export(t.Context(), bytes.NewReader(b), verify.Options{Keys: keysOf(t, trail), Progress: func(n int64) {
		if n < last {
			t.Errorf("%d after %d", n, last)
		}
		last = n
	}})
	if err != nil || last != int64(len(b)) {
		t.Errorf("%d of %d bytes, %v", last, len(b), err)
	}
}
