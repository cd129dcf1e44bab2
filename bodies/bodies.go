// Package bodies keeps the stored bodies of entries once they have left the log. docs/format/bodies.md is the format,
// byte by byte; what is in a body is opaque here.
//
// Terms. A body file holds the bodies of a range of seqs, in their order; it begins with a multiple of 256. A block is
// up to 64 of them, compressed together: what is read and what is lost at once. The head says what the file holds; it
// stands at its beginning and again at its end. The directory says where the blocks are, and has what they are
// compressed against: the dictionary, which is made of some of the bodies, and the UUIDs that many bodies have. There
// are two copies of it.
//
// Promises. A file is whole under its name or not there, and a body comes out as it went in. A byte is used after its
// checksum was compared. One damaged place costs the bodies of one block at most: they are named, all others are read.
// An open file takes about 4 bytes of memory for a block; what a reader takes for one block is bounded before it is
// taken.
//
// Durability. Write syncs the file before it gets its name, and the folder after it (durable.Replace). The file is
// not changed afterwards; an erasure writes it anew.
//
// Trust. The checksums find accidents. Whoever can write the file can make bodies up; that is found by the tree of
// hashes over the entries, not here. Bytes made up so neither panic nor take more memory than the limits say.
//
// It leaves to others: names of files, which range a file covers, what bodies mean, and what is shown for one that
// cannot be read.
package bodies

import (
	"fmt"
	"hash/crc32"
)

// The limits of a file, from its format.
const (
	// MaxBodies is the largest number of bodies in a file.
	MaxBodies = 1 << 24
	// MaxBodyBytes is the size of the largest body: that of the largest event, with room to spare.
	MaxBodyBytes = 4 << 20
	// Alignment divides the first seq of each file: so a block of key material, which covers 256 entries, is about the
	// bodies of one file.
	Alignment = 256
)

// blockBodies is the most bodies in a block. No block crosses a multiple of it.
const blockBodies = 64

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CorruptError says where a file is damaged.
type CorruptError struct {
	File   string
	Offset int64
	What   string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s", e.File, e.Offset, e.What)
}

// UnreadableError says which bodies could not be read. All others that were asked for were visited.
type UnreadableError struct {
	// Seqs are those of the bodies, ascending.
	Seqs []uint64
	// Causes has an error for each block: a *CorruptError or that of the disk.
	Causes []error
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("%d bodies cannot be read, the first is that of seq %d: %v", len(e.Seqs), e.Seqs[0], e.Causes[0])
}

func (e *UnreadableError) Unwrap() []error { return e.Causes }
