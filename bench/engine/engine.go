// Package engine runs what is measured: the countersign binary, PostgreSQL and SQLite, each in a directory of
// its own, loaded with the same events.
//
// Terms. An engine is one of the three. A table is the one that PostgreSQL and SQLite hold the events in, with
// the indexes that a good administrator would add for the questions. Places are the seqs that Countersign gave
// to the events, which the tables take over, so that ties break the same way everywhere.
//
// Promises. Every process is started in a process group of its own, is ended by its own id, and ends with this
// one, whatever ends this one. Memory does not grow with the number of events but for 8 bytes a block. An error
// carries the last lines of what the process wrote.
//
// It knows no question and prints nothing.
package engine

import (
	"context"
	"time"

	"countersign/bench/made"
	"countersign/event"
)

// Load is what loading the events cost.
type Load struct {
	Events  int           `json:"events"`
	Took    time.Duration `json:"took_ns"`
	Indexes time.Duration `json:"indexes_ns"` // making indexes and statistics afterwards
	// Best10s is the most events that were acknowledged in ten consecutive seconds, 0 when it took less.
	Best10s int           `json:"best_10s,omitempty"`
	CPU     time.Duration `json:"cpu_ns"`        // of the engine
	Client  time.Duration `json:"client_cpu_ns"` // of the load generator
	// PeakAnonBytes is the most anonymous memory of the engine meanwhile.
	PeakAnonBytes int64 `json:"peak_anon_bytes"`
}

// PerSecond is the events a second, with the indexes in place.
func (l Load) PerSecond() float64 {
	if l.Took == 0 {
		return 0
	}
	return float64(l.Events) / (l.Took + l.Indexes).Seconds()
}

// Table is an SQL engine with the events in it.
type Table interface {
	Name() string
	Version() string
	// Load puts all events into the table, each at its place.
	Load(ctx context.Context, t made.Trail, at *Places) (Load, error)
	// Insert adds entries that are not there yet.
	Insert(ctx context.Context, entries []event.Entry) error
	// Reopen begins anew, as after a restart of the engine.
	Reopen(ctx context.Context) error
	// Fold and Contains return the expressions for a text without regard to case, and for one that contains
	// another, which is folded already and has no % or _ in it.
	Fold(column string) string
	Contains(column, needle string) string
	// Page returns the exact number of rows for which where holds and those of the page.
	Page(ctx context.Context, where, order string, offset uint64, limit int) (uint64, []event.Entry, error)
	// Strings returns the answer of any query as texts.
	Strings(ctx context.Context, query string) ([][]string, error)
	// Bytes returns the size on the disk by kind of file.
	Bytes(ctx context.Context) (map[string]int64, error)
	// AnonBytes returns the anonymous memory of the engine's processes, with the shared one once.
	AnonBytes() int64
	Close() error
}

// Places are the seqs of the events: those of a block follow each other, the last ones were sent alone.
type Places struct {
	first  []uint64 // of each block, or of the part of it that was sent whole
	whole  int      // events before this one were sent in blocks
	single []uint64 // of the events from whole on
}

// InOrder returns the places of n events whose seqs are their numbers.
func InOrder(n int) *Places {
	p := &Places{whole: n}
	for first := 0; first < n; first += made.BlockLen {
		p.first = append(p.first, uint64(first))
	}
	return p
}

// Seq returns the seq of the event with a number.
func (p *Places) Seq(i int) uint64 {
	if i >= p.whole {
		return p.single[i-p.whole]
	}
	return p.first[i/made.BlockLen] + uint64(i%made.BlockLen)
}
