package ids

import (
	"fmt"
	"slices"
)

// Set is the runs of a trail: each covers the seqs after those of the one before. It is a value that does not change;
// the runs are closed by whoever opened them. The zero Set is empty.
type Set struct{ runs []*Run }

// NewSet returns the set of runs, in the order of their seqs.
func NewSet(runs ...*Run) (Set, error) {
	for i := 1; i < len(runs); i++ {
		if before, r := runs[i-1], runs[i]; before.l.to != r.l.from {
			return Set{}, fmt.Errorf("set of ids: %s begins with seq %d, %s ends before %d",
				r.path, r.l.from, before.path, before.l.to)
		}
	}
	return Set{slices.Clone(runs)}, nil
}

// Find returns the seq of the event with that key, if there is one.
func (s Set) Find(key Key) (seq uint64, found bool, err error) {
	for _, r := range slices.Backward(s.runs) {
		if seq, found, err = r.Find(key); found || err != nil {
			return seq, found, err
		}
	}
	return 0, false, nil
}

// FindAll looks for many keys, which costs less for each than Find. It calls found for those that are there, with
// their places in keys, in no order.
func (s Set) FindAll(keys []Key, found func(i int, seq uint64)) error {
	pending := make([]int32, len(keys))
	for i := range pending {
		pending[i] = int32(i)
	}
	// The newest first: what is sent again was mostly sent a moment ago.
	for _, r := range slices.Backward(s.runs) {
		if err := r.view(func(b []byte) error {
			r.fetch(b, keys, pending)
			left := pending[:0]
			for _, i := range pending {
				seq, ok, err := r.find(b, &keys[i])
				switch {
				case err != nil:
					return err
				case ok:
					found(int(i), seq)
				default:
					left = append(left, i)
				}
			}
			pending = left
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}
