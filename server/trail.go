package server

import (
	"context"
	"errors"
	"iter"

	"countersign/event"
	"countersign/identity"
	"countersign/merkle"
	"countersign/query"
	"countersign/store"
)

// trail is the trail as the dialects get it: every way to read it notes on the request what was read, so that
// no dialect can read without being recorded. A read outside the request of a caller who signed in is an
// error for the same reason.
type trail struct {
	store *store.Store
	audit *auditor
}

// Append records events that a caller sent.
func (t *trail) Append(ctx context.Context, events []event.Event, recordedBy string) (store.Receipt, error) {
	receipt, err := t.store.Append(ctx, events, recordedBy)
	if err != nil && ctx.Err() == nil {
		t.audit.refused(err)
	}
	return receipt, err
}

// Search answers q.
func (t *trail) Search(ctx context.Context, q query.Query) (store.Page, error) {
	return t.page(ctx, q, func() (store.Page, error) { return t.store.Search(ctx, q) })
}

// SearchPinned answers q at the tree size of the paging loop that it goes on with.
func (t *trail) SearchPinned(ctx context.Context, token string, q query.Query) (store.Page, error) {
	return t.page(ctx, q, func() (store.Page, error) { return t.store.SearchPinned(ctx, token, q) })
}

func (t *trail) page(ctx context.Context, q query.Query, search func() (store.Page, error)) (store.Page, error) {
	a, err := accessOf(ctx)
	if err != nil {
		return store.Page{}, err
	}
	page, err := search()
	if err == nil {
		a.read(q, seen{rows: uint64(len(page.Entries)), total: page.Total, counted: true, size: page.TreeSize})
	}
	return page, err
}

// Each calls fn with every match of q.
func (t *trail) Each(ctx context.Context, q query.Query, fn func(*event.Entry) error) (store.Page, error) {
	a, err := accessOf(ctx)
	if err != nil {
		return store.Page{}, err
	}
	var rows uint64
	page, err := t.store.Each(ctx, q, func(e *event.Entry) error {
		if !a.waited || !a.recordOf(e) {
			rows++ // also one that cannot be sent: part of it may be with the reader
		}
		return fn(e)
	})
	if err == nil || rows > 0 {
		a.read(q, seen{rows: rows, total: page.Total, counted: err == nil, size: page.TreeSize})
	}
	return page, err
}

// errEnough ends a search at its first match.
var errEnough = errors.New("found")

// Find returns the first match of q that pick takes, nil when it takes none, and the tree size.
func (t *trail) Find(ctx context.Context, q query.Query, pick func(*event.Entry) bool) (found *event.Entry, size uint64, err error) {
	a, err := accessOf(ctx)
	if err != nil {
		return nil, 0, err
	}
	page, err := t.store.Each(ctx, q, func(e *event.Entry) error {
		if pick(e) {
			found = e
			return errEnough
		}
		return nil
	})
	if err != nil && err != errEnough {
		return nil, 0, err
	}
	// What was passed over is not shown to anybody.
	one := seen{size: page.TreeSize}
	if found != nil {
		one.rows = 1
	}
	a.read(q, one)
	return found, page.TreeSize, nil
}

// Stats counts the matches of q and breaks the number down.
func (t *trail) Stats(ctx context.Context, q query.Query, b store.Breakdown) (store.Stats, error) {
	a, err := accessOf(ctx)
	if err != nil {
		return store.Stats{}, err
	}
	stats, err := t.store.Stats(ctx, q, b)
	if err == nil {
		a.read(q, seen{total: stats.Total, counted: true, size: stats.TreeSize})
		a.reads.field = string(b.Field)
	}
	return stats, err
}

// Texts calls visit with the texts by which the matches of q are ordered.
func (t *trail) Texts(ctx context.Context, q query.Query, visit func(string)) (store.Page, error) {
	a, err := accessOf(ctx)
	if err != nil {
		return store.Page{}, err
	}
	page, err := t.store.Texts(ctx, q, visit)
	if err == nil {
		a.read(q, seen{total: page.Total, counted: true, size: page.TreeSize})
		a.reads.field = string(q.Sort.Field)
	}
	return page, err
}

// Wait returns when the trail has more than size entries. A request that waits goes on for long, so what it
// has read is recorded now; of the many times that it wakes up and finds nothing, only the first. The record
// of its reading is nothing: one who follows it would for ever be woken by having read it.
func (t *trail) Wait(ctx context.Context, size uint64) error {
	a, err := accessOf(ctx)
	if err != nil {
		return err
	}
	if a.toRecord() {
		t.audit.read(a, a.request, false)
	}
	a.reads, a.waited = nil, true
	return t.store.Wait(ctx, size)
}

// PublishedFor returns the first published checkpoint that holds the entry. Like all that proves an entry it
// tells nothing of its values, so whoever proves what was read is recorded by the reading.
func (t *trail) PublishedFor(seq uint64) (merkle.Checkpoint, bool, error) {
	return t.store.PublishedFor(seq)
}

// Inclusion returns the path from an entry to the root.
func (t *trail) Inclusion(seq, size uint64) ([]merkle.Hash, error) {
	return t.store.Inclusion(seq, size)
}

// Consistency returns the proof that the trail only grew.
func (t *trail) Consistency(from, to uint64) ([]merkle.Hash, error) {
	return t.store.Consistency(from, to)
}

// HashTile returns a tile of the published tree. Tiles tell how many entries there are and nothing of what they say, so
// they are counted and not recorded.
func (t *trail) HashTile(level uint8, index uint64, width uint16) ([]byte, error) {
	return t.store.HashTile(level, index, width)
}

// EntriesTile returns entries as the tree holds them, which are hashes too.
func (t *trail) EntriesTile(index uint64, width uint16) ([]byte, error) {
	return t.store.EntriesTile(index, width)
}

// Acknowledged returns the entry of an event that the request itself sent, so it reads nothing.
func (t *trail) Acknowledged(ctx context.Context, r *store.Receipt, i int) (*event.Entry, error) {
	if _, err := accessOf(ctx); err != nil {
		return nil, err
	}
	return t.store.Acknowledged(ctx, r, i)
}

// Published returns the newest published checkpoint.
func (t *trail) Published() (merkle.Checkpoint, bool) { return t.store.Published() }

// PublishNow publishes a checkpoint over everything that is recorded.
func (t *trail) PublishNow(ctx context.Context) (merkle.Checkpoint, error) {
	return t.store.PublishNow(ctx)
}

// Multi shows many entries in one tree.
func (t *trail) Multi(seqs iter.Seq[uint64], size uint64, emit func(merkle.Hash) error) error {
	return t.store.Multi(seqs, size, emit)
}

// Fact returns a system fact, which holds no value of anybody's.
func (t *trail) Fact(ctx context.Context, seq uint64) (*event.Entry, error) {
	if _, err := accessOf(ctx); err != nil {
		return nil, err
	}
	return t.store.Fact(ctx, seq)
}

// EntryBytes returns what the tree holds of an entry.
func (t *trail) EntryBytes(seq uint64) ([]byte, error) { return t.store.EntryBytes(seq) }

// Seed returns what opens an entry, for the dialect that shows all of it or makes hashes of it.
func (t *trail) Seed(seq uint64) ([32]byte, bool) { return t.store.Seed(seq) }

// Intact tells whether an entry is stored as it was recorded.
func (t *trail) Intact(ctx context.Context, seq uint64) (bool, error) {
	if _, err := accessOf(ctx); err != nil {
		return false, err
	}
	return t.store.Intact(ctx, seq)
}

// IntegerID returns the integer that stands for an id. It tells nothing but what a row shows.
func (t *trail) IntegerID(k store.IDKind, id string) (int64, bool) { return t.store.IntegerID(k, id) }

// IDOfInteger returns the id that an integer stands for. What is found by it is a read of its own.
func (t *trail) IDOfInteger(k store.IDKind, n int64) (string, bool) { return t.store.IDOfInteger(k, n) }

// Size is the number of entries.
func (t *trail) Size() uint64 { return t.store.Size() }

// Ready tells whether events can be recorded.
func (t *trail) Ready() error { return t.store.Ready() }

// read is what a request asked the trail, and what it saw.
type read struct {
	// filter and sort are canonical text. The filter is the one that was answered: with what the caller's
	// rights put into it.
	filter, sort string
	// own: the server's own records of being read and run were not left out.
	own   bool
	field string // whose values were counted, "" for none
	seen
}

// seen is what was handed out.
type seen struct {
	rows, total uint64
	counted     bool // total is known
	size        uint64
}

// read notes what was read. A request that looks again, for one thing that may be of two kinds or for what
// is new since, asks the same: its first question is what was asked.
func (a *access) read(q query.Query, s seen) {
	if a.waited {
		s.counted = false // of what is new only
	}
	switch {
	case a.reads != nil:
		s.rows += a.reads.rows
		if s.counted {
			s.rows = min(s.rows, s.total) // the same ones again
		}
		a.reads.seen = s
	case a.asked != nil:
		again := *a.asked
		again.seen = s
		a.reads = &again
	default:
		filter, left := leaveOwn(q.Filter)
		a.reads = &read{filter: query.Print(filter), sort: query.PrintSort(q.Sort), own: !left, seen: s}
		a.asked = a.reads
	}
}

// toRecord tells whether something was read that is not recorded yet.
func (a *access) toRecord() bool { return a.reads != nil && (a.reads.rows > 0 || !a.waited) }

// recordOf tells whether e records a read with the credential of this request.
func (a *access) recordOf(e *event.Entry) bool {
	return e.Source == ownSource && e.Action == actionRead && e.Attribute(attrCredential).Value == a.caller.CredentialID()
}

var ownLeftOut = query.Print(query.Not{Filter: identity.OwnRecords()})

// leaveOwn takes the term that leaves the server's own records out of f: it is longer than most questions and
// says one thing.
func leaveOwn(f query.Filter) (rest query.Filter, left bool) {
	switch f := f.(type) {
	case query.Not:
		if query.Print(f) == ownLeftOut {
			return nil, true
		}
	case query.And:
		var terms query.And
		for _, term := range f {
			term, here := leaveOwn(term)
			left = left || here
			if term != nil {
				terms = append(terms, term)
			}
		}
		return terms, left
	}
	return f, false
}
