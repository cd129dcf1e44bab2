package store

// The names of everything in a data directory. Index segments join them with the part that writes them.
const (
	lockName     = "LOCK"
	manifestName = "manifest"
	walName      = "wal"
	asideName    = "aside"
	keysName     = "keys"
	saltsName    = "salts"
	stateDirName = "state"
	bodiesName   = "bodies"
	indexName    = "index"
	idsName      = "ids"

	// The tree: R of every entry, its blocks, and what was published of it.
	rootsName       = "roots"
	tilesName       = "tiles"
	blocksName      = "1" // in tilesName
	checkpointsName = "checkpoints"

	// ControlName is the SQLite database of package identity: it lies in the data directory so that one
	// lock and one backup cover both.
	ControlName = "control.db"
)
