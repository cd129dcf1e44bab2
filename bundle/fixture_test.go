package bundle_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"countersign/bundle"
	"countersign/event"
	"countersign/internal/testkit"
	"countersign/merkle"
	"countersign/query"
)

const origin = "example.com/trail"

// newTrail returns a trail of n entries, odd ones, every 50th a system fact.
func newTrail(t testing.TB, seed uint64, n int) *testkit.Trail {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, seed))
	trail, err := testkit.NewTrail(origin)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if i%50 == 49 {
			if err := trail.AppendFact(event.KindPack, `{"pack":"q1, \"2026\""}`); err != nil {
				t.Fatal(err)
			}
			continue
		}
		trail.Append(testkit.Random(r))
	}
	return trail
}

func checkpoint(t testing.TB, trail *testkit.Trail, size uint64) merkle.Checkpoint {
	t.Helper()
	c, err := trail.Checkpoint(size)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func row(trail *testkit.Trail, seq uint64) bundle.Row {
	return bundle.Row{Entry: trail.Entries[seq], Seed: trail.Seed(seq), Leaf: trail.Leaf(seq)}
}

// export writes the entries at seqs.
func export(t testing.TB, trail *testkit.Trail, h bundle.ExportHeader, seqs []uint64) []byte {
	t.Helper()
	var out bytes.Buffer
	x, err := bundle.NewExportWriter(&out, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, seq := range seqs {
		r := row(trail, seq)
		if err := x.Row(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Finish(trail.Multi); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// content is all that an export says.
type content struct {
	Header bundle.ExportHeader
	Rows   []bundle.Row
	Hashes []merkle.Hash
	End    bundle.ExportEnd
}

// read reads a whole export.
func read(b io.Reader) (c content, err error) {
	x, err := bundle.OpenExport(b)
	if err != nil {
		return c, err
	}
	c.Header = x.Header()
	d := x.Decoder()
	for {
		raw, err := x.Row(nil)
		if err == io.EOF {
			break
		}
		if err != nil {
			return c, err
		}
		row, err := d.Decode(raw)
		if err != nil {
			return c, err
		}
		c.Rows = append(c.Rows, row)
	}
	for {
		h, err := x.Hash()
		if err == io.EOF {
			break
		}
		if err != nil {
			return c, err
		}
		c.Hashes = append(c.Hashes, h)
	}
	c.End, err = x.End()
	return c, err
}

func mustParse(t testing.TB, text string) query.Filter {
	t.Helper()
	f, err := query.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
