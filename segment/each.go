package segment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"countersign/event"
	"countersign/query"
)

const (
	rankedAtOnce = 1 << 16 // seqs
	heldEntries  = 1 << 9
	heldBytes    = 32 << 20
)

// Each calls visit with every match of f among the first size entries in the order o, and stops at the first error. It
// holds a few entries at a time. An entry must not be changed; visit may keep it. Entries whose bodies cannot be read are
// as those of Read.
func (v *View) Each(ctx context.Context, f query.Filter, o query.Sort, size uint64, visit func(*event.Entry) error) error {
	return viewAll(v.Segments, func() error {
		r, err := v.rank(ctx, f, o, size)
		if err != nil {
			return err
		}
		room := heldEntries / 16 // entries; their size is not known yet
		for from := 0; from < r.total; {
			seqs, err := r.page(from, min(rankedAtOnce, r.total-from))
			if err != nil {
				return err
			}
			from += len(seqs)
			for len(seqs) > 0 {
				n := min(room, len(seqs))
				entries, err := v.read(ctx, seqs[:n])
				if err != nil {
					return err
				}
				seqs = seqs[n:]
				bytes := 0
				for _, e := range entries {
					bytes += sizeOf(e)
					if err := visit(e); err != nil {
						return err
					}
				}
				room = max(1, min(heldEntries, 2*room, heldBytes/(bytes/n+1)))
			}
		}
		return nil
	})
}

// Read returns the entries of the given seqs, in their order. Of one whose body cannot be read it returns what the index
// knows, with texts that say Damaged.
func (v *View) Read(ctx context.Context, seqs []uint64) (entries []*event.Entry, err error) {
	err = viewAll(v.Segments, func() error {
		entries, err = v.read(ctx, seqs)
		return err
	})
	return entries, err
}

func (v *View) read(ctx context.Context, seqs []uint64) ([]*event.Entry, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	out := make([]*event.Entry, len(seqs))
	var sealed []int // places in seqs
	openFrom, _ := v.open(v.End)
	for i, seq := range seqs {
		switch {
		case seq >= v.End:
			return nil, fmt.Errorf("index: entry %d is not in the view", seq)
		case seq >= openFrom:
			out[i] = v.Open.At(seq)
		default:
			sealed = append(sealed, i)
		}
	}
	if len(sealed) == 0 {
		return out, nil
	}
	slices.SortFunc(sealed, func(a, b int) int {
		if seqs[a] < seqs[b] {
			return -1
		}
		return 1
	})
	ascending := make([]uint64, len(sealed))
	for j, i := range sealed {
		ascending[j] = seqs[i]
	}
	j := 0
	err := v.Bodies(ctx, ascending, func(e *event.Entry) (err error) {
		if j == len(sealed) || e != nil && e.Seq != ascending[j] {
			return fmt.Errorf("index: %d bodies were asked for, and others came", len(sealed))
		}
		if e == nil {
			if e, err = v.fromIndex(ascending[j]); err != nil {
				return err
			}
		}
		out[sealed[j]] = e
		j++
		return nil
	})
	if err == nil && j < len(sealed) {
		err = errors.New("index: bodies are missing")
	}
	return out, err
}

// sizeOf returns about how much memory the long parts of an entry take.
func sizeOf(e *event.Entry) int {
	n := 512 + len(e.Raw.Value) + len(e.Description.Value) + len(e.Detail.Value)
	for _, a := range e.Attributes {
		n += len(a.Name) + len(a.Value)
	}
	for _, t := range [...]event.Text{e.Account.Name, e.Division.Name, e.Actor.ID, e.Actor.Name, e.Resource.ID, e.Resource.Name, e.Client.IP, e.Client.Country} {
		n += len(t.Value)
	}
	return n
}
