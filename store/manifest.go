package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"countersign/internal/durable"
	"countersign/merkle"
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
	if what := m.wrong(b); what != "" {
		return manifest{}, &wal.CorruptError{File: name, What: what}
	}
	return m, nil
}

// wrong tells what is wrong with a manifest that was read from b, "" when nothing is. It has no checksum: a server writes
// it in one way only, and its parts fit together.
func (m *manifest) wrong(b []byte) string {
	if again, err := json.Marshal(m); err != nil || !bytes.Equal(append(again, '\n'), b) {
		return "it is not as a server writes it"
	}
	if (m.Origin == "") != (len(m.Keys) == 0) {
		return "it names a trail without a key, or a key without a trail"
	}
	for i, k := range m.Keys {
		if _, err := merkle.ParseKeys([]byte(k.VKey)); err != nil {
			return fmt.Sprintf("its key %.100q: %v", k.VKey, err)
		}
		if newest := i == len(m.Keys)-1; newest != (k.Until == nil) || newest && !strings.HasPrefix(k.VKey, m.Origin+"+") {
			return fmt.Sprintf("its newest key is none of the trail %.100q", m.Origin)
		}
	}
	return m.Sealed.clone().gap()
}

// gap tells where files do not lie side by side from seq 0 on, "" when all do.
func (f *sealedFiles) gap() string {
	if f.Size%chunkLen != 0 {
		return fmt.Sprintf("%d entries are sealed, which are no whole blocks", f.Size)
	}
	for i, first := range f.Bodies {
		if i == 0 && first != 0 || i > 0 && first <= f.Bodies[i-1] || first >= f.Size || first%chunkLen != 0 {
			return fmt.Sprintf("the bodies from seq %d on do not follow those before", first)
		}
	}
	if (len(f.Bodies) > 0) != (f.Size > 0) {
		return fmt.Sprintf("%d entries are sealed in %d files", f.Size, len(f.Bodies))
	}
	for what, parts := range map[string][]span{indexName: f.Indexes, idsName: f.IDs} {
		next := uint64(0)
		for _, p := range parts {
			if p.From != next || p.To <= p.From {
				return fmt.Sprintf("the files in %s from seq %d to %d do not follow those before", what, p.From, p.To)
			}
			next = p.To
		}
		if next != f.Size {
			return fmt.Sprintf("the files in %s end before seq %d, and %d entries are sealed", what, next, f.Size)
		}
	}
	return ""
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
	switch {
	case err == nil && m.Origin == "":
		// Whoever wrote it may have ended at the sync, and its name be in the page cache alone. What is now put beside it
		// could then outlive it, and the directory would be refused for ever. Once a trail is opened, each start writes it.
		return m, writeManifest(f, dir, m)
	case err == nil || !errors.Is(err, fs.ErrNotExist):
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
