// Package bundle holds the formats in which proof leaves the house: the proof of one entry, an export of many with
// what proves them, and the evidence pack that a report comes in. It encodes and strictly decodes; it has no policy.
//
// Terms are those of packages event and merkle. An opening shows an entry's fields so that the hash in the tree can
// be recomputed from them. A multiproof shows many leaves in one tree at once.
//
// Promises. Each thing has one rendering and readers refuse every other byte: members that are not known, twice or
// in another order, base64 that is not canonical, upper-case hex, a blank too many. So two bundles that differ never
// say the same, and a bundle that was decoded says what its bytes say. Writing and reading an export takes memory
// for one row; writing also 16 bytes for each row that does not stand next to the one before it in the trail.
//
// Trust. Everything that is read is foreign bytes, bounded before memory is taken for it. What a bundle says is a
// claim until package verify, or the Verify of what was read, has held it to the checkpoint, and that to a key that
// was obtained elsewhere.
//
// It leaves to others: which keys to trust, what the rows must be like to answer the query, and what is told to
// people (package verify); where hashes and seeds come from (package store).
package bundle
