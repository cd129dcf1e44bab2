package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// PutKeysBack copies the signing keys that the manifest names from a folder that is a copy of keys/, for a directory that
// was put together from a backup. The newest one must be there; one whose time is over may be gone. The directory is one
// that can be written to when the newest has its place, so that comes last.
func (d *Dir) PutKeysBack(from string) error {
	if len(d.manifest.Keys) == 0 {
		return fmt.Errorf("%s has no key yet", d.path)
	}
	for i, k := range d.manifest.Keys {
		signer, err := readKeyFile(d.fs, filepath.Join(from, filepath.Base(d.keyFile(k.VKey))), k.VKey)
		if errors.Is(err, fs.ErrNotExist) && i < len(d.manifest.Keys)-1 {
			continue
		}
		if err != nil {
			return fmt.Errorf("signing key of %s: %w", d.manifest.Origin, err)
		}
		if err := d.putKey(signer); err != nil {
			return err
		}
	}
	return nil
}
