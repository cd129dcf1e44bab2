package wal

import (
	"path/filepath"

	"countersign/internal/durable"
)

// RemoveBelow removes the files whose entries all lie below seq; they are kept elsewhere by now, durably, and the
// next Open says so with Options.From. It may be called beside the Log that writes the folder: the last file is
// never removed. A crash can leave any of them, which Open then does not look at.
func RemoveBelow(fsys durable.FS, dir string, seq uint64) error {
	r := &fileReader{fsys: fsys, dir: dir}
	names, err := r.logFiles()
	if err != nil {
		return err
	}
	removed := false
	for i := 0; i+1 < len(names); i++ {
		if next, _ := parseFileName(names[i+1]); next > seq {
			break
		}
		if err := fsys.Remove(filepath.Join(dir, names[i])); err != nil {
			return err
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return fsys.SyncDir(dir)
}
