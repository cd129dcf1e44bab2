package store

// The names of everything in a data directory. Index segments, tiles and keys join them with the parts
// that write them.
const (
	lockName     = "LOCK"
	manifestName = "manifest"
	walName      = "wal"
	asideName    = "aside"

	// ControlName is the SQLite database of package identity: it lies in the data directory so that one
	// lock and one backup cover both.
	ControlName = "control.db"
)
