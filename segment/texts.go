package segment

import (
	"context"
	"sync"

	"countersign/event"
	"countersign/query"
)

// Texts calls visit with the texts by which o orders the matches of f among the first size entries: with each at least
// once, in no order. Where there is none, as in an order by a number, it is not called. A text is good until visit
// returns. It returns the number of matches.
func (v *View) Texts(ctx context.Context, f query.Filter, o query.Sort, size uint64, visit func(string)) (total uint64, err error) {
	err = viewAll(v.Segments, func() error {
		m, err := v.find(ctx, newPlan(f), size)
		if err != nil {
			return err
		}
		if total = uint64(m.total); !o.ByText() {
			return nil
		}
		runs, known, err := m.runs(o)
		switch {
		case err != nil:
			return err
		case !known:
			return m.textsOfBodies(o, visit)
		}
		for _, r := range runs {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.texts(visit)
		}
		return nil
	})
	return total, err
}

func (m *matches) textsOfBodies(o query.Sort, visit func(string)) error {
	of := keyOf(o)
	var mu sync.Mutex // held while visit runs
	return m.eachBody(func(e *event.Entry) {
		if t := of(e).text; t.Present {
			mu.Lock()
			defer mu.Unlock()
			visit(t.Value)
		}
	})
}

func (r *fixedRun) texts(visit func(string)) {
	for _, k := range r.keys {
		if k.text.Present {
			visit(k.text.Value)
		}
	}
}

func (r *columnRun) texts(visit func(string)) {
	values := newValueReader(r.seg, &r.values)
	for _, code := range r.codes {
		if code != absentCode {
			visit(text(values.read(int(code - 1))))
		}
	}
}

func (r *openRun) texts(visit func(string)) {
	for i, k := range r.keys {
		if k.text.Present && (i == 0 || k.text != r.keys[i-1].text) {
			visit(k.text.Value)
		}
	}
}
