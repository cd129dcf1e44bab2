package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"countersign/internal/durable"
	"countersign/wal"
)

// The layout of a data directory, as docs/format describes it. Package store has its own: a mistake in one of them
// shows.

const (
	layoutFormat = 2

	manifestName    = "manifest"
	walName         = "wal"
	rootsName       = "roots"
	tilesName       = "tiles"
	blocksName      = "1" // in tilesName
	checkpointsName = "checkpoints"
	notesSuffix     = ".notes"
	saltsName       = "salts"
	stateDirName    = "state"
	bodiesName      = "bodies"
	indexName       = "index"
	idsName         = "ids"

	maxManifestBytes = 1 << 24
)

// manifest says what a directory holds. Clean is where the log ended when the server stopped; nil while one runs, and
// after it was killed.
type manifest struct {
	Format int           `json:"format"`
	Origin string        `json:"origin,omitempty"`
	Keys   []manifestKey `json:"keys,omitempty"`
	// Sealed is what has left the log; nil while nothing has.
	Sealed *sealedFiles  `json:"sealed,omitempty"`
	Clean  *wal.Position `json:"clean,omitempty"`
}

// sealedFiles are the files that the first Size entries lie in. Those of a kind lie side by side from seq 0 on.
type sealedFiles struct {
	Size    uint64   `json:"size"`
	Bodies  []uint64 `json:"bodies"` // the first seq of each
	Indexes []span   `json:"indexes"`
	IDs     []span   `json:"ids"`
}

// sealedSize is how many entries have left the log.
func (m *manifest) sealedSize() uint64 {
	if m.Sealed == nil {
		return 0
	}
	return m.Sealed.Size
}

// span is the entries from From to before To.
type span struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

func (s span) file(suffix string) string { return fmt.Sprintf("%020d-%020d.%s", s.From, s.To, suffix) }

// sideBySide tells whether spans cover the first size entries, each once.
func sideBySide(spans []span, size uint64) bool {
	next := uint64(0)
	for _, s := range spans {
		if s.From != next || s.To <= s.From {
			return false
		}
		next = s.To
	}
	return next == size
}

type manifestKey struct {
	VKey  string  `json:"key"`
	From  uint64  `json:"from"`
	Until *uint64 `json:"until,omitempty"`
}

func readManifest(fsys durable.FS, dir string) (manifest, error) {
	b, err := durable.ReadFile(fsys, filepath.Join(dir, manifestName), maxManifestBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return manifest{}, notChecked("%s is no data directory: it has no manifest", dir)
	}
	if err != nil {
		return manifest{}, cannot(err)
	}
	var m manifest
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // what is not known here would go unchecked
	if err := d.Decode(&m); err != nil {
		return m, notChecked("the manifest of %s cannot be read: %v", dir, err)
	}
	if m.Format != layoutFormat {
		return m, notChecked("%s has format %d and this release checks %d", dir, m.Format, layoutFormat)
	}
	if again, err := json.Marshal(m); err != nil || !bytes.Equal(append(again, '\n'), b) {
		return m, notChecked("the manifest of %s is not as a server writes it", dir)
	}
	if len(m.Keys) == 0 {
		return m, notChecked("%s names no key: no trail was ever opened in it", dir)
	}
	return m, nil
}

// hashFile is a file of 32-byte hashes, as long as it was when it was opened.
type hashFile struct {
	file durable.File
	name string
	n    uint64 // whole hashes
	rest int64  // bytes behind them
}

const hashBytes = 32

// openHashes opens a file of hashes. One that is missing has none.
func openHashes(fsys durable.FS, dir, name string) (*hashFile, error) {
	f, err := fsys.OpenFile(filepath.Join(dir, name), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return &hashFile{name: name}, nil
	}
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &hashFile{file: f, name: name, n: uint64(size) / hashBytes, rest: size % hashBytes}, nil
}

// read returns up to n hashes from first on, as many as there are.
func (h *hashFile) read(first uint64, n int) ([][hashBytes]byte, error) {
	if first >= h.n {
		return nil, nil
	}
	b := make([]byte, hashBytes*min(uint64(n), h.n-first))
	if _, err := h.file.ReadAt(b, int64(first)*hashBytes); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read %s: %w", h.name, err)
	}
	hashes := make([][hashBytes]byte, 0, len(b)/hashBytes)
	for ; len(b) > 0; b = b[hashBytes:] {
		hashes = append(hashes, [hashBytes]byte(b))
	}
	return hashes, nil
}

func (h *hashFile) close() {
	if h != nil && h.file != nil {
		_ = h.file.Close() // it was only read
	}
}
