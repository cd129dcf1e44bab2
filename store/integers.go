package store

import (
	"strconv"
	"sync"

	"countersign/event"
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

// integers finds the entry that first names an id, from which the id's integer is made. An integer, once
// shown, never changes: the first entry stays the first, also when its values are erased.
type integers struct {
	mu    sync.RWMutex // guards first; held for map operations only
	first map[namedID]uint64
}

type namedID struct {
	kind IDKind
	id   string
}

// note remembers the ids of an entry that is durable. Entries come in seq order.
func (n *integers) note(entries []*event.Entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range entries {
		if e.Kind != event.KindEvent {
			continue
		}
		n.noteOne(AccountID, event.TextOf(e.Account.ID), e.Seq)
		n.noteOne(UserID, e.Actor.ID, e.Seq)
		n.noteOne(DivisionID, e.Division.ID, e.Seq)
	}
}

func (n *integers) noteOne(k IDKind, id event.Text, seq uint64) {
	if !id.Present {
		return
	}
	if _, own := event.IntegerID(id.Value); own {
		return
	}
	if _, known := n.first[namedID{k, id.Value}]; !known {
		n.first[namedID{k, id.Value}] = seq
	}
}

// IntegerID returns the integer that stands for an id where a vendor's API has integers: the id itself if it
// is one, else 10^12 and the seq of the entry that first names it. There is none for an id that no entry
// names (docs/compatibility.md, "Integer ids").
func (s *Store) IntegerID(k IDKind, id string) (int64, bool) {
	if n, own := event.IntegerID(id); own {
		return n, true
	}
	s.integers.mu.RLock()
	defer s.integers.mu.RUnlock()
	seq, known := s.integers.first[namedID{k, id}]
	return madeIntegers + int64(seq), known
}

// IDOfInteger is the inverse of IntegerID.
func (s *Store) IDOfInteger(k IDKind, n int64) (string, bool) {
	if n > 0 && n < 1<<31 {
		return strconv.FormatInt(n, 10), true
	}
	if n < madeIntegers {
		return "", false
	}
	e, ok := s.Entry(uint64(n - madeIntegers))
	if !ok {
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
