package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"countersign/event"
	"countersign/merkle"
)

// ring is the keys of a trail, each with the tree sizes that it may sign, as the entries of the trail state them.
// It begins with a key that the manifest names; that is a claim until a given key has signed a tree which holds the
// entries that lead from the one to the other.
type ring struct {
	keys    []ringKey
	origins []newOrigin // the changes of name among them

	// The keys of the sizes [from, until].
	cached      merkle.Keys
	from, until uint64
}

type ringKey struct {
	vkey        string
	from, until uint64
}

// name returns the origin that the key signs for.
func (k *ringKey) name() string { return nameOf(k.vkey) }

func nameOf(vkey string) string {
	name, _, _ := strings.Cut(vkey, "+")
	return name
}

// newOrigin is a change of name: the trail was old up to size entries, and the entry at size says that it is new.
type newOrigin struct {
	old, new string
	size     uint64
}

func newRing(first string) *ring {
	return &ring{keys: []ringKey{{vkey: first, until: math.MaxUint64}}, from: 1}
}

// newest returns the newest key whose time has come at a size, as its place.
func (r *ring) newest(size uint64) int {
	i := len(r.keys) - 1
	for i > 0 && r.keys[i].from > size {
		i--
	}
	return i
}

// name returns the origin of the checkpoints of a size. It is that of the newest key: a checkpoint that still has the
// name before is another continuation of what was signed under it, whoever signed it.
func (r *ring) name(size uint64) string { return r.keys[r.newest(size)].name() }

// had tells whether the trail ever had a name.
func (r *ring) had(origin string) bool {
	return slices.ContainsFunc(r.keys, func(k ringKey) bool { return k.name() == origin })
}

// at returns the keys that may sign a checkpoint of that size: those of its name.
func (r *ring) at(size uint64) (merkle.Keys, error) {
	if r.from <= size && size <= r.until {
		return r.cached, nil
	}
	var lines strings.Builder
	i := r.newest(size)
	from, until := r.keys[i].from, uint64(math.MaxUint64)
	if i+1 < len(r.keys) {
		until = r.keys[i+1].from - 1
	}
	for name := r.keys[i].name(); i >= 0 && r.keys[i].name() == name; i-- {
		if k := r.keys[i]; size > k.until {
			from = max(from, k.until+1)
		} else {
			until = min(until, k.until)
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
	old, name := last.name(), nameOf(c.Key)
	switch {
	case c.Previous != last.vkey:
		return fmt.Errorf("it replaces the key %s, and the key was %s", c.Previous, last.vkey)
	case c.From != e.Seq+1:
		return fmt.Errorf("the new key is valid from %d on, and the entry after this one is %d", c.From, e.Seq+1)
	case name == old && c.PreviousUntil < c.From:
		return fmt.Errorf("the old key ends at %d, before the new one begins at %d", c.PreviousUntil, c.From)
	case name != old && c.PreviousUntil != e.Seq:
		return fmt.Errorf("the key of the name %s ends at %d, and the trail has another name from %d on", old, c.PreviousUntil, c.From)
	case name != old && r.had(name):
		return fmt.Errorf("the trail had the name %s before", name)
	}
	for _, k := range r.keys {
		if k.vkey == c.Key {
			return errors.New("the new key was a key of this trail before")
		}
	}
	if _, err := merkle.ParseKeys([]byte(c.Key)); err != nil {
		return err
	}
	if name != old {
		r.origins = append(r.origins, newOrigin{old, name, e.Seq})
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
