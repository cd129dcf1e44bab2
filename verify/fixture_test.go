package verify_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"countersign/bundle"
	"countersign/event"
	"countersign/internal/testkit"
	"countersign/merkle"
	"countersign/query"
	"countersign/verify"
)

const origin = "example.com/trail"

// newTrail returns a trail of n odd entries of a few accounts, every 40th a system fact.
func newTrail(t testing.TB, seed uint64, n int) *testkit.Trail {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, seed))
	trail, err := testkit.NewTrail(origin)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if i%40 == 39 {
			if err := trail.AppendFact(event.KindPack, fmt.Sprintf(`{"pack":"%d"}`, i)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		trail.Append(testkit.Random(r))
	}
	return trail
}

func keysOf(t testing.TB, trail *testkit.Trail) merkle.Keys {
	t.Helper()
	keys, err := trail.Keys()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func checkpoint(t testing.TB, trail *testkit.Trail, size uint64) merkle.Checkpoint {
	t.Helper()
	c, err := trail.Checkpoint(size)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func rowOf(trail *testkit.Trail, seq uint64) bundle.Row {
	return bundle.Row{Entry: trail.Entries[seq], Seed: trail.Seed(seq), Leaf: trail.Leaf(seq)}
}

// asked is an export as it is asked for.
type asked struct {
	format             bundle.Format
	query, scope, sort string
	size               uint64 // 0 is all
}

func (a asked) header(t testing.TB, trail *testkit.Trail) bundle.ExportHeader {
	t.Helper()
	h := bundle.ExportHeader{Format: a.format, Guard: a.format == bundle.CSV, TreeSize: a.size, Checkpoint: checkpoint(t, trail, trail.Size())}
	if h.Format == "" {
		h.Format = bundle.NDJSON
	}
	if h.TreeSize == 0 {
		h.TreeSize = trail.Size()
	}
	if a.sort == "" {
		a.sort = "seq:asc"
	}
	var err error
	if h.Query, err = query.Parse(a.query); err == nil {
		h.Scope, err = query.Parse(a.scope)
	}
	if err == nil {
		h.Sort, err = query.ParseSort(a.sort)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// rows returns what the export must have.
func (a asked) rows(t testing.TB, trail *testkit.Trail) []bundle.Row {
	t.Helper()
	h := a.header(t, trail)
	_, _, plain := h.Range()
	match := query.Compile(query.And{h.Query, h.Scope})
	var rows []bundle.Row
	for seq := range h.TreeSize {
		if e := &trail.Entries[seq]; match(e) && (plain || e.Kind == event.KindEvent) {
			rows = append(rows, rowOf(trail, seq))
		}
	}
	compare := h.Sort.Compile()
	sortRows(rows, func(a, b *bundle.Row) int { return compare(&a.Entry, &b.Entry) })
	return rows
}

// write writes rows as an export, whatever they are.
func write(t testing.TB, trail *testkit.Trail, h bundle.ExportHeader, rows []bundle.Row) []byte {
	t.Helper()
	var out bytes.Buffer
	x, err := bundle.NewExportWriter(&out, h)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := x.Row(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Finish(trail.Multi); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (a asked) export(t testing.TB, trail *testkit.Trail) []byte {
	t.Helper()
	return write(t, trail, a.header(t, trail), a.rows(t, trail))
}

func check(t testing.TB, b []byte, keys merkle.Keys) *verify.Report {
	t.Helper()
	r, err := verify.Export(t.Context(), bytes.NewReader(b), verify.Options{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// levels returns the levels that a report claims.
func levels(r *verify.Report) string {
	s := ""
	for _, c := range r.Claims {
		s += c.Level
	}
	return s
}
