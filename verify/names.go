package verify

import (
	"hash/maphash"
	"slices"

	"countersign/event"
)

// names remembers which (account, source, id) there were, in 8 bytes each: a hash under a key of the run's own, so
// nobody can make two that are the same. What seems to be there twice is looked up in a second run over the entries. A nil
// one remembers nothing.
type names struct {
	seed   maphash.Seed
	hashes []uint64
	twice  map[uint64][]named // in the second run: what seems to be there twice
}

type named struct {
	account, source, id string
	seq                 uint64
}

func newNames() *names { return &names{seed: maphash.MakeSeed()} }

func (n *names) hash(e *event.Entry) uint64 {
	var h maphash.Hash
	h.SetSeed(n.seed)
	for _, s := range [...]string{e.Account.ID, e.Source, e.ID} {
		maphash.WriteComparable(&h, len(s))
		h.WriteString(s)
	}
	return h.Sum64()
}

// add takes an entry in the first run.
func (n *names) add(e *event.Entry) {
	if n != nil {
		n.hashes = append(n.hashes, n.hash(e))
	}
}

// seemTwice tells, after the first run, whether there is a need for the second.
func (n *names) seemTwice() bool {
	if n == nil {
		return false
	}
	slices.Sort(n.hashes)
	for i := 1; i < len(n.hashes); i++ {
		if n.hashes[i] == n.hashes[i-1] {
			if n.twice == nil {
				n.twice = map[uint64][]named{}
			}
			if len(n.twice) < MaxFindings {
				n.twice[n.hashes[i]] = nil
			}
		}
	}
	n.hashes = nil
	return n.twice != nil
}

// again takes an entry in the second run, and reports it if its name was there before.
func (n *names) again(r *Report, e *event.Entry) {
	h := n.hash(e)
	before, looked := n.twice[h]
	if !looked {
		return
	}
	for _, b := range before {
		if b.account == e.Account.ID && b.source == e.Source && b.id == e.ID {
			r.findEntry(Repeated, "", e.Seq, "the event %q of source %s in account %q is recorded twice, first as entry %d", e.ID, e.Source, e.Account.ID, b.seq)
			return
		}
	}
	n.twice[h] = append(before, named{e.Account.ID, e.Source, e.ID, e.Seq})
}
