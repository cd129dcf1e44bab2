// Package ids keeps the identities of recorded events, so that an event that is sent again is known at once, and an
// event is found by its id. docs/format/ids.md is the format, byte by byte.
//
// Terms. A key is the 16-byte hash of an event's identity (event.DedupKey). It is the output of a keyed hash, so keys
// are spread evenly over all values: speed relies on that, answers on nothing but all 16 bytes being the same. An
// entry is a key and the seq of the event. A run is a file of entries sorted by key, for the events of one range of
// seqs; it is written once. A set is the runs of a trail, each beginning where the one before ends. Runs are merged
// into larger ones, so that there are few to ask.
//
// A run has the keys in three parts. Buckets split them by their first bits, and a table tells where each begins. The
// next two bytes of a key are its head, and heads stand together. A question for a key that is not there reads one
// place of the table and one or two lines of heads, and ends there but for once in a thousand: the heads are the
// filter, and cost nothing, as the rest of a key is stored without them. The rest and the seq stand apart.
//
// Promises. An answer is exact: no key is taken for another, and none is missed. A file is whole under its name or not
// there. Every byte is checked against its checksum before it is first used; what does not hold is a *CorruptError.
// Memory is one bit for 4 KiB of a run; the runs are mapped, so that what is asked for stays in the page cache.
//
// Durability. Write and Merge sync the file before it gets its name, and the folder after it (durable.Replace).
//
// Trust. The checksums find accidents. A file in which all of them are right may still have been made up: it
// can make answers wrong, but neither panic nor take memory. Check finds what can be found without the events.
//
// It leaves to others: making keys, names of files, when to merge (Due says what), and when a run is no longer needed.
// After the erasure of an event its id is nowhere but here: a damaged run cannot be made again from the bodies alone.
package ids

import (
	"bytes"
	"fmt"
)

// Key is the hash of an event's identity.
type Key = [16]byte

// Entry says that the event with that key has that seq.
type Entry struct {
	Key Key
	Seq uint64
}

// The limits of a run, from its format.
const (
	// MaxSpan is the largest number of seqs that a run covers.
	MaxSpan = 1 << 40
	// MaxEntries is the largest number of entries in a run.
	MaxEntries = 1<<32 - 1
)

// CorruptError says where a run is damaged.
type CorruptError struct {
	File   string
	Offset int64
	What   string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s", e.File, e.Offset, e.What)
}

func compare(a, b Entry) int { return bytes.Compare(a.Key[:], b.Key[:]) }
