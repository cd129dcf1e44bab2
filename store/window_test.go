package store_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"countersign/event"
	"countersign/store"
	"countersign/store/storetest"
)

func TestWindowHoldsWhatASortWouldPutThere(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 0))
	order := func(a, b *event.Entry) int {
		return cmp.Or(cmp.Compare(a.OccurredAt, b.OccurredAt), cmp.Compare(a.Seq, b.Seq))
	}
	shapes := map[string]func(i, n int) event.Micros{
		"random":    func(int, int) event.Micros { return event.Micros(r.IntN(1000)) },
		"ascending": func(i, _ int) event.Micros { return event.Micros(i) },
		"falling":   func(i, n int) event.Micros { return event.Micros(n - i) },
		"all equal": func(int, int) event.Micros { return 7 },
		"sawtooth":  func(i, _ int) event.Micros { return event.Micros(i % 17) },
	}
	for name, at := range shapes {
		t.Run(name, func(t *testing.T) {
			for range 300 {
				n := 1 + r.IntN(500)
				a := make([]*event.Entry, n)
				for i := range a {
					a[i] = &event.Entry{Seq: uint64(i), Event: event.Event{OccurredAt: at(i, n)}}
				}
				r.Shuffle(n, func(i, j int) { a[i], a[j] = a[j], a[i] })
				want := slices.Clone(a)
				slices.SortFunc(want, order)
				from := r.IntN(n)
				to := from + r.IntN(n-from+1)
				store.Window(a, from, to, order)
				if !slices.Equal(a[from:to], want[from:to]) {
					t.Fatalf("n %d window [%d,%d) differs", n, from, to)
				}
			}
		})
	}
}
