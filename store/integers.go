package store

import (
	"context"
	"strconv"
	"sync"

	"countersign/event"
	"countersign/query"
)

// IDKind is what an id is of.
type IDKind uint8

// The kinds of ids that some vendors' APIs show as integers.
const (
	UserID IDKind = iota
	AccountID
	DivisionID
)

// madeIntegers is where the integers begin that we make: above every id that a vendor gives.
const madeIntegers = 1_000_000_000_000

// integers remembers which entry first names an id, from which the id's integer is made. An integer, once shown, never
// changes: the first entry stays the first, also when its values are erased.
type integers struct {
	mu    sync.Mutex // guards first; held for map operations only
	first map[namedID]uint64
}

// knownIntegers bounds what is remembered; the rest is looked up again.
const knownIntegers = 1 << 16

type namedID struct {
	kind IDKind
	id   string
}

// IntegerID returns the integer that stands for an id where a vendor's API has integers: the id itself if it
// is one, else 10^12 and the seq of the entry that first names it. There is none for an id that no entry
// names (docs/compatibility.md, "Integer ids").
func (s *Store) IntegerID(k IDKind, id string) (int64, bool) {
	if n, own := event.IntegerID(id); own {
		return n, true
	}
	seq, found, err := s.firstNaming(namedID{k, id})
	if err != nil {
		s.logger.Error("the integer of an id cannot be looked up", "error", err)
	}
	return madeIntegers + int64(seq), found
}

// firstNaming returns the first entry that names an id.
func (s *Store) firstNaming(n namedID) (seq uint64, found bool, err error) {
	s.integers.mu.Lock()
	seq, found = s.integers.first[n]
	s.integers.mu.Unlock()
	if found {
		return seq, true, nil
	}
	q := query.Query{Filter: query.Is(idFields[n.kind], n.id), Limit: 1}
	err = s.again(func(snap *snapshot) error {
		view := snap.view()
		_, seqs, err := view.Search(context.Background(), q, snap.size)
		if found = len(seqs) > 0; found {
			seq = seqs[0]
		}
		return err
	})
	if err != nil || !found {
		return 0, false, err
	}
	s.integers.mu.Lock()
	defer s.integers.mu.Unlock()
	if len(s.integers.first) >= knownIntegers {
		clear(s.integers.first)
	}
	s.integers.first[n] = seq
	return seq, true, nil
}

// idFields are where the ids of a kind stand.
var idFields = [...]query.Field{UserID: query.ActorID, AccountID: query.AccountID, DivisionID: query.DivisionID}

// IDOfInteger is the inverse of IntegerID.
func (s *Store) IDOfInteger(k IDKind, n int64) (string, bool) {
	if n > 0 && n < 1<<31 {
		return strconv.FormatInt(n, 10), true
	}
	if n < madeIntegers {
		return "", false
	}
	e, err := s.Entry(uint64(n - madeIntegers))
	if err != nil {
		return "", false
	}
	id := event.TextOf(e.Account.ID)
	switch k {
	case UserID:
		id = e.Actor.ID
	case DivisionID:
		id = e.Division.ID
	}
	// Only the first entry that names an id makes its integer.
	if m, ok := s.IntegerID(k, id.Value); !id.Present || !ok || m != n {
		return "", false
	}
	return id.Value, true
}
