// Package wal is the write-ahead log: the place where an entry is first made durable, and until it is sealed
// the only one. docs/format/wal.md is its format, byte by byte.
//
// Terms. A batch is what one durable write holds: entries with consecutive seq, the key material (seeds) first
// needed by them, and room for a checkpoint. A frame is a batch as bytes; bodies of entries are opaque here. A
// log is a folder of files, each a header and frames, named by the seq of its first entry; the last file is
// the one being written. The end is where the last whole frame ends; what follows it is nothing or zeros
// (room set aside), or a torn tail: what is left of a frame whose sync never returned.
//
// Promises. Open gives back every batch whose Sync returned nil, once, in order, and at most one batch more
// than that: the last one written. A damaged byte, a missing, repeated, foreign or misplaced frame or file
// is a *CorruptError, and nothing on disk is changed then; only a torn tail is set aside, whole, and reported.
// After a clean stop there is no torn tail, so then that is damage too.
//
// Durability. What is in a file is never overwritten there, except the remains of a write that failed. A file
// gets its name only after its header was synced, and the file before it is synced and trimmed by then, so
// only the last file can be torn. Frames are written one at a time, each synced before the next, so only the
// last frame can be torn. An error of a sync is final for the Log (ErrFailed). Open copies the last file to a
// new one before anything is added to it: after a failed sync the page cache can show bytes the disk never
// got, and without the copy they would be built upon. It is assumed that a disk which loses power while
// writing a sector does not change the bytes of that sector that were written the same before.
//
// Trust. The checksums find accidents. Whoever can write to the folder can forge a log; that is found by
// the tree of hashes over the entries, not here. A sender cannot: frames carry a tag made from random
// bytes of the file, so that nothing inside an event passes for a frame. Lengths are checked before memory is
// taken for them: reading takes a small buffer and the largest frame.
//
// It leaves to others: what is in the bodies, when to sync, what to do when there is no space, which files are
// no longer needed, and keeping a second process out of the folder.
package wal

import (
	"errors"
	"fmt"
)

// MaxFrameBytes bounds a frame. A request is at most 64 MiB; its entries, with what the server adds
// to them, stay below twice that.
const MaxFrameBytes = 128 << 20

var (
	// ErrFailed is wrapped by the error of a sync and by every later error of the same Log: what memory holds
	// may not be on the disk, and only a new Open can tell.
	ErrFailed = errors.New("the log has failed")
	// ErrTooLarge is wrapped when a batch makes a frame of more than MaxFrameBytes.
	ErrTooLarge = errors.New("the batch is too large for one frame")
)

// Seed is the key material of one block of entries (docs/format/entry.md).
type Seed struct {
	Block uint64
	Bytes [32]byte
}

// Batch is what one frame holds. Entry i has the seq FirstSeq+i.
type Batch struct {
	FirstSeq uint64
	Seeds    []Seed
	Entries  [][]byte
	// Checkpoint is the signed checkpoint of the tree that ends with the batch, opaque here.
	Checkpoint []byte
	// At is where the frame lies; it is set by reading.
	At Place
}

// Position is the end of a log.
type Position struct {
	// File is the name of the last file, without its folder; empty when there is none.
	File string `json:"file"`
	// Offset is the size of that file without what follows the last frame.
	Offset int64 `json:"offset"`
	// Next is the seq of the entry that will be written next.
	Next uint64 `json:"next"`
	// Chain is the checksum that the next frame will name as the one before.
	Chain uint32 `json:"chain"`
}

// CorruptError says where a log is damaged. The log was not changed.
type CorruptError struct {
	File   string
	Offset int64
	What   string
	// Ended tells that the log is whole by itself and does not end at Options.Clean, which may be what is wrong.
	Ended bool
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s", e.File, e.Offset, e.What)
}
