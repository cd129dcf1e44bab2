package digicertone_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"countersign/event"
	"countersign/query"
	"countersign/store"
)

// trail is a store in memory that answers by the oracle, entry by entry, and keeps the tree size of a
// paging loop in the plainest way: one loop a token and query.
type trail struct {
	mu      sync.Mutex // guards all below
	entries []*event.Entry
	loops   map[string]loop
	fail    error // what every search answers, when set
}

// loop is where the last page of a loop ended, and at which tree size it is read.
type loop struct{ end, size uint64 }

// add records events read from NDJSON, as a store would after the defaults are filled in.
func (tr *trail) add(t testing.TB, ndjson string) {
	t.Helper()
	d := event.NewDecoder(strings.NewReader(ndjson), event.Lines)
	for {
		e, err := d.Next()
		if err != nil {
			if err.Error() != "EOF" {
				t.Fatal(err)
			}
			return
		}
		e.Normalize("countersign")
		if err := e.Validate(); err != nil {
			t.Fatal(err)
		}
		tr.record(e)
	}
}

func (tr *trail) record(e event.Event) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.entries = append(tr.entries, &event.Entry{Event: e, Seq: uint64(len(tr.entries))})
}

func (tr *trail) SearchPinned(_ context.Context, token string, q query.Query) (store.Page, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.fail != nil {
		return store.Page{}, tr.fail
	}
	size := uint64(len(tr.entries))
	key := token + "\n" + query.PrintSort(q.Sort) + "\n" + query.Print(q.Filter)
	if l, ok := tr.loops[key]; ok && q.Offset > 0 && l.end == q.Offset {
		size = l.size
	}
	found := tr.find(q, size)
	p := store.Page{Total: uint64(len(found)), TreeSize: size}
	if q.Offset < p.Total {
		p.Entries = found[q.Offset:min(p.Total, q.Offset+uint64(q.Limit))]
	}
	if tr.loops == nil {
		tr.loops = map[string]loop{}
	}
	tr.loops[key] = loop{q.Offset + uint64(len(p.Entries)), size}
	return p, nil
}

func (tr *trail) Find(_ context.Context, q query.Query, pick func(*event.Entry) bool) (*event.Entry, uint64, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.fail != nil {
		return nil, 0, tr.fail
	}
	size := uint64(len(tr.entries))
	for _, e := range tr.find(q, size) {
		if pick(e) {
			return e, size, nil
		}
	}
	return nil, size, nil
}

// stored is a store as the API sees it.
type stored struct{ *store.Store }

func (s stored) Find(ctx context.Context, q query.Query, pick func(*event.Entry) bool) (found *event.Entry, size uint64, err error) {
	enough := errors.New("found")
	page, err := s.Each(ctx, q, func(e *event.Entry) error {
		if pick(e) {
			found = e
			return enough
		}
		return nil
	})
	if err == enough {
		err = nil
	}
	return found, page.TreeSize, err
}

func (tr *trail) find(q query.Query, size uint64) []*event.Entry {
	match := query.Compile(q.Filter)
	var found []*event.Entry
	for _, e := range tr.entries[:size] {
		if match(e) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, q.Sort.Compile())
	return found
}
