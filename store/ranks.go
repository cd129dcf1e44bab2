package store

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"

	"countersign/event"
	"countersign/query"
)

const (
	rankedQueries = 16
	rankedEntries = 8 << 20 // 64 MiB of pointers
)

// ranks keeps the matches of the last few queries that were paged through, in order, so that a loop over
// pages scans and sorts once and not once a page. A query at one tree size always has the same matches, so
// nothing here is ever out of date.
type ranks struct {
	mu    sync.Mutex // guards lists; held for a few comparisons only
	lists []ranked   // the last used one last
}

type ranked struct {
	key     queryKey
	matches []*event.Entry
}

// queryKey is the hash of a query's filter and sort in canonical text, and of a tree size where one is meant.
type queryKey = [sha256.Size]byte

func keyOf(q query.Query) queryKey {
	return sha256.Sum256([]byte(query.PrintSort(q.Sort) + "\n" + query.Print(q.Filter)))
}

// at returns the key of the query at a tree size.
func at(k queryKey, size uint64) queryKey {
	return sha256.Sum256(binary.BigEndian.AppendUint64(k[:], size))
}

func (r *ranks) find(k queryKey) ([]*event.Entry, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.lists, func(l ranked) bool { return l.key == k })
	if i < 0 {
		return nil, false
	}
	l := r.lists[i]
	r.lists = append(slices.Delete(r.lists, i, i+1), l)
	return l.matches, true
}

func (r *ranks) keep(k queryKey, matches []*event.Entry) {
	if len(matches) > rankedEntries {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lists = append(slices.DeleteFunc(r.lists, func(l ranked) bool { return l.key == k }), ranked{k, slices.Clip(matches)})
	total := 0
	for _, l := range r.lists {
		total += len(l.matches)
	}
	for len(r.lists) > rankedQueries || total > rankedEntries {
		total -= len(r.lists[0].matches)
		r.lists = slices.Delete(r.lists, 0, 1)
	}
}
