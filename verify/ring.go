package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"countersign/event"
	"countersign/merkle"
)

// ring is the keys of a trail, each with the tree sizes that it may sign, as the entries of the trail state them.
// It begins with a key that the manifest names; that is a claim until a given key has signed a tree which holds the
// entries that lead from the one to the other.
type ring struct {
	origin string
	keys   []ringKey

	// The keys of the sizes [from, until].
	cached      merkle.Keys
	from, until uint64
}

type ringKey struct {
	vkey        string
	from, until uint64
}

func newRing(origin, first string) *ring {
	return &ring{origin: origin, keys: []ringKey{{vkey: first, until: math.MaxUint64}}, from: 1}
}

// at returns the keys that may sign a checkpoint of that size.
func (r *ring) at(size uint64) (merkle.Keys, error) {
	if r.from <= size && size <= r.until {
		return r.cached, nil
	}
	var lines strings.Builder
	from, until := uint64(0), uint64(math.MaxUint64)
	for _, k := range r.keys {
		switch {
		case size < k.from:
			until = min(until, k.from-1)
		case size > k.until:
			from = max(from, k.until+1)
		default:
			from, until = max(from, k.from), min(until, k.until)
			lines.WriteString(k.vkey + "\n")
		}
	}
	keys, err := merkle.ParseKeys([]byte(lines.String()))
	if err != nil {
		return keys, err
	}
	r.cached, r.from, r.until = keys, from, until
	return keys, nil
}

// keyChange is the statement of a system fact of KindKey.
type keyChange struct {
	Key           string `json:"key"`
	Previous      string `json:"previous"`
	PreviousUntil uint64 `json:"previous_valid_until"`
	From          uint64 `json:"valid_from"`
}

// change takes a key change of an entry.
func (r *ring) change(e *event.Entry) error {
	var c keyChange
	d := json.NewDecoder(strings.NewReader(e.Statement))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return errors.New("its statement is not that of a key change")
	}
	last := &r.keys[len(r.keys)-1]
	switch {
	case c.Previous != last.vkey:
		return fmt.Errorf("it replaces the key %s, and the key was %s", c.Previous, last.vkey)
	case c.From != e.Seq+1:
		return fmt.Errorf("the new key is valid from %d on, and the entry after this one is %d", c.From, e.Seq+1)
	case c.PreviousUntil < c.From:
		return fmt.Errorf("the old key ends at %d, before the new one begins at %d", c.PreviousUntil, c.From)
	}
	for _, k := range r.keys {
		if k.vkey == c.Key {
			return errors.New("the new key was a key of this trail before")
		}
	}
	if name, _, ok := strings.Cut(c.Key, "+"); !ok || name != r.origin {
		return fmt.Errorf("the new key is none of %s", r.origin)
	}
	if _, err := merkle.ParseKeys([]byte(c.Key)); err != nil {
		return err
	}
	last.until = c.PreviousUntil
	r.keys = append(r.keys, ringKey{vkey: c.Key, from: c.From, until: math.MaxUint64})
	r.from, r.until = 1, 0 // what is cached may have ended
	return nil
}

// is tells whether the manifest names the same keys. The last one may be missing there: a crash came between the
// entry and the manifest.
func (r *ring) is(keys []manifestKey, clean bool) bool {
	if len(keys) != len(r.keys) && (clean || len(keys) != len(r.keys)-1) {
		return false
	}
	for i, k := range keys {
		until := uint64(math.MaxUint64)
		if k.Until != nil {
			until = *k.Until
		}
		mine := r.keys[i]
		if i == len(keys)-1 && len(keys) < len(r.keys) {
			mine.until = math.MaxUint64
		}
		if k.VKey != mine.vkey || k.From != mine.from || until != mine.until {
			return false
		}
	}
	return true
}
