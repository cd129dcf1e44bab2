// Package merkle is the trail's tree: hashes, proofs, the signed notes that state its size and root, and the
// paths of its tiles. The tree is RFC 6962's over the entries' bytes (docs/format/entry.md), so whoever knows
// that RFC, C2SP signed-note, tlog-checkpoint and tlog-tiles can check ours.
//
// Terms. A leaf is the hash of an entry. The size of a tree is its number of leaves. A checkpoint is a note that
// states origin, size and root, signed by the origin's keys; the origin is the trail's name. A key is
// known to others by its vkey: the name, which is the origin, a short id, and the public key. A tile is up to
// 256 neighbouring hashes of every eighth level.
//
// Promises. Parsing takes one rendering of each thing and refuses every other byte, so that two files that differ
// never say the same. A checkpoint is good only if a key that the caller gave signed it and no signature of a
// given key is bad. An error never holds key material.
//
// Trust. Notes, key files, tile paths and proofs are foreign bytes; each has a bound on its length that is
// checked before memory is taken for it. A Checkpoint's fields are what somebody claims until Verify returned nil.
//
// It leaves to others: where hashes and keys are stored, when to sign (a note that is signed before what it states
// is durable is a promise that a crash breaks), which keys to trust, and what an entry says.
package merkle

import "golang.org/x/mod/sumdb/tlog"

// Hash is a SHA-256 hash of the tree.
type Hash = tlog.Hash
