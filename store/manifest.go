package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"countersign/internal/durable"
	"countersign/wal"
)

// manifestFormat is the number of the directory layout this release writes and reads.
const manifestFormat = 2

const maxManifestBytes = 1 << 24

// manifest says what the directory holds. While a server runs, Clean is nil; a clean stop writes the place
// where the log then ends, so that at the next start a log that ends elsewhere is damage and not the torn
// frame of a power loss.
type manifest struct {
	Format int `json:"format"`
	// Origin names the trail in its checkpoints and Keys sign them; both are there from the first start on.
	Origin string     `json:"origin,omitempty"`
	Keys   []KeyRange `json:"keys,omitempty"`
	// Sealed is what lies in files; nil before the first seal.
	Sealed *sealedFiles  `json:"sealed,omitempty"`
	Clean  *wal.Position `json:"clean,omitempty"`
}

func readManifest(f durable.FS, dir string) (manifest, error) {
	name := filepath.Join(dir, manifestName)
	b, err := durable.ReadFile(f, name, maxManifestBytes)
	if err != nil {
		return manifest{}, err
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return manifest{}, &wal.CorruptError{File: name, What: "is not a manifest: " + err.Error()}
	}
	if m.Format != manifestFormat {
		return manifest{}, &formatError{name, m.Format}
	}
	return m, nil
}

// formatError says that a directory is of another release.
type formatError struct {
	name   string
	format int
}

func (e *formatError) Error() string {
	return fmt.Sprintf("%s has format %d and this release reads %d: use the release that wrote it", e.name, e.format, manifestFormat)
}

// changeManifest writes the manifest with a change. The keeper names files in it while a rotation names keys: each must
// find what the other wrote, or the files of a seal, whose log is gone, would be nobody's. So here a lock is held over
// the disk; nobody who reads or records waits for it.
func (d *Dir) changeManifest(change func(*manifest)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.manifest
	change(&m)
	if err := writeManifest(d.fs, d.path, m); err != nil {
		return err
	}
	d.manifest = m
	return nil
}

// sealedFiles returns what the manifest names, to be changed.
func (d *Dir) sealedFiles() *sealedFiles {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.manifest.Sealed.clone()
}

func writeManifest(f durable.FS, dir string, m manifest) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(f, filepath.Join(dir, manifestName), append(b, '\n')); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}

// initialise makes a missing or empty directory a data directory. A directory with other things in it is
// refused: it is somebody else's, or a data directory that lost its manifest, and both need a person.
func initialise(f durable.FS, dir string) (manifest, error) {
	m, err := readManifest(f, dir)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	names, err := f.ReadDir(dir)
	if err != nil {
		return m, fmt.Errorf("read data directory: %w", err)
	}
	for _, n := range names {
		// A crash between taking the lock and writing the first manifest leaves only these.
		if n != lockName && !durable.IsTemp(n) {
			return m, fmt.Errorf("%s is not empty and has no manifest: it is no data directory (found %q)", dir, n)
		}
	}
	m = manifest{Format: manifestFormat}
	return m, writeManifest(f, dir, m)
}
