package bitmap_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"countersign/bitmap"
)

// random returns a generator whose seed is printed; COUNTERSIGN_SEED repeats a run.
func random(tb testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("COUNTERSIGN_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			tb.Fatalf("COUNTERSIGN_SEED: %v", err)
		}
		seed = n
	}
	tb.Logf("COUNTERSIGN_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// model is a set as a plain slice of flags.
type model []bool

func (m model) rows() (rows []uint32) {
	for row, in := range m {
		if in {
			rows = append(rows, uint32(row))
		}
	}
	return rows
}

// draw makes a set that has sparse, dense and long-running parts.
func draw(r *rand.Rand, n int) model {
	m := make(model, n)
	for at := 0; at < n; {
		end := min(n, at+1+r.IntN(n))
		switch r.IntN(5) {
		case 0: // nothing
		case 1:
			for i := at; i < end; i++ {
				m[i] = true
			}
		default:
			one := 1 + r.IntN(1<<r.IntN(12))
			for i := at; i < end; i++ {
				m[i] = r.IntN(one) == 0
			}
		}
		at = end
	}
	return m
}

func both(a, b model, in func(a, b bool) bool) model {
	m := make(model, len(a))
	for i := range a {
		m[i] = in(a[i], b[i])
	}
	return m
}

func check(t *testing.T, what string, got bitmap.Set, want model) {
	t.Helper()
	if rows := slices.Collect(got.All()); !slices.Equal(rows, want.rows()) {
		t.Fatalf("%s: %d rows, want %d", what, len(rows), len(want.rows()))
	}
}

func TestSetsAgreeWithAModel(t *testing.T) {
	r := random(t)
	for range 60 {
		n := 1 + r.IntN(1<<(1+r.IntN(18)))
		x, y := draw(r, n), draw(r, n)
		a, b := bitmap.Of(x.rows()...), bitmap.Of(y.rows()...)
		check(t, "and", a.And(b), both(x, y, func(a, b bool) bool { return a && b }))
		check(t, "or", a.Or(b), both(x, y, func(a, b bool) bool { return a || b }))
		check(t, "union", bitmap.Union(a, b, bitmap.Set{}), both(x, y, func(a, b bool) bool { return a || b }))
		check(t, "and not", a.AndNot(b), both(x, y, func(a, b bool) bool { return a && !b }))
		check(t, "not", a.Not(uint32(n)), both(x, y, func(a, b bool) bool { return !a }))
		check(t, "dense and back", bitmap.OfDense(a.Dense(uint32(n))), x)
		if words := a.Dense(uint32(n)); len(words) != (n+63)/64 {
			t.Fatalf("%d words for %d rows", len(words), n)
		}
		both := a.And(b)
		if a.AndLen(b) != both.Len() || a.Meets(b) == both.Empty() {
			t.Fatalf("%d and %t, want %d", a.AndLen(b), a.Meets(b), both.Len())
		}
		decoded, err := bitmap.Decode(a.Append(nil), uint32(n))
		if err != nil {
			t.Fatal(err)
		}
		check(t, "bytes and back", decoded, x)
		checkOrder(t, r, decoded, x)
	}
	check(t, "zero", bitmap.Set{}, nil)
}

func checkOrder(t *testing.T, r *rand.Rand, got bitmap.Set, m model) {
	t.Helper()
	rows := m.rows()
	if got.Len() != len(rows) || got.Empty() != (len(rows) == 0) {
		t.Fatalf("%d rows, want %d", got.Len(), len(rows))
	}
	if len(rows) > 0 && (got.Min() != rows[0] || got.Max() != rows[len(rows)-1]) {
		t.Fatalf("from %d to %d", got.Min(), got.Max())
	}
	for range 50 {
		row := uint32(r.IntN(len(m)))
		rank, in := slices.BinarySearch(rows, row)
		if got.Rank(row) != rank || got.Has(row) != in {
			t.Fatalf("row %d has rank %d, want %d", row, got.Rank(row), rank)
		}
		if in && got.Select(rank) != row {
			t.Fatalf("rank %d is row %d, want %d", rank, got.Select(rank), row)
		}
		n := r.IntN(len(rows) + 2)
		if part, want := got.Take(rank, n), rows[rank:min(len(rows), rank+n)]; !slices.Equal(part, want) {
			t.Fatalf("%d rows from rank %d on, want %d", len(part), rank, len(want))
		}
	}
	var all []uint32
	for part := range got.Batches() {
		all = append(all, part...)
	}
	if !slices.Equal(all, rows) {
		t.Fatalf("%d rows in batches, want %d", len(all), len(rows))
	}
}

func TestDecodeRefusesWhatIsNotASet(t *testing.T) {
	runs := bitmap.Range(10, 200_000).Append(nil)
	array := bitmap.Of(1, 5, 70_000).Append(nil)
	var evens []uint32
	for row := uint32(0); row < 100_000; row += 2 {
		evens = append(evens, row)
	}
	dense := bitmap.Of(evens...).Append(nil)
	for name, b := range map[string][]byte{
		"nothing": nil, "a strange cookie": {1, 2, 3, 4, 0, 0, 0, 0}, "too many containers": {0x3a, 0x30, 0, 0, 0xff, 0xff, 0xff, 0xff},
		"an array cut off": array[:len(array)-1], "runs cut off": runs[:len(runs)-2], "a bitmap cut off": dense[:len(dense)-8],
		"bytes after an array": append(slices.Clone(array), 0), "bytes after runs": append(slices.Clone(runs), 0),
	} {
		if _, err := bitmap.Decode(b, 1<<20); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	for name, b := range map[string][]byte{"an array": array, "runs": runs, "a bitmap": dense} {
		if _, err := bitmap.Decode(b, 70_000); err == nil {
			t.Errorf("%s with a row past the last is taken", name)
		}
	}
}

// Whatever bytes are taken are a set of rows below n, which comes back through its own bytes.
func FuzzDecode(f *testing.F) {
	f.Add(bitmap.Of(1, 5, 70_000).Append(nil), uint32(100_000))
	f.Add(bitmap.Range(10, 200_000).Append(nil), uint32(200_000))
	r := rand.New(rand.NewPCG(1, 1))
	for range 8 {
		f.Add(bitmap.Of(draw(r, 200_000).rows()...).Append(nil), uint32(200_000))
	}
	f.Fuzz(func(t *testing.T, b []byte, n uint32) {
		n %= bitmap.MaxRows + 1
		s, err := bitmap.Decode(b, n)
		if err != nil {
			return
		}
		rows := slices.Collect(s.All())
		if !slices.IsSorted(rows) || len(slices.Compact(slices.Clone(rows))) != s.Len() || len(rows) > 0 && rows[len(rows)-1] >= n {
			t.Fatalf("%d rows up to %d of %d", s.Len(), rows[len(rows)-1], n)
		}
		again, err := bitmap.Decode(s.Append(nil), n)
		if err != nil || !slices.Equal(slices.Collect(again.All()), rows) {
			t.Fatalf("not the same set: %v", err)
		}
	})
}
