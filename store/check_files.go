package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"countersign/internal/durable"
	"countersign/merkle"
)

// checkManifest reads the manifest, which says what else there is. What it says is held to everything else.
func (c *check) checkManifest() (readable bool, err error) {
	m, err := readManifest(c.fsys, c.path)
	if err != nil {
		if _, other := errors.AsType[*formatError](err); other {
			return false, err
		}
		return false, c.note(manifestName, manifestName, err)
	}
	c.manifest, c.files = m, m.Sealed.clone()
	c.report.Sealed = c.files.Size
	c.ring = &keyring{origin: m.Origin, history: m.Keys}
	return true, c.part(manifestName, "", []string{manifestName}, false)
}

// measure notes what will be looked at.
func (c *check) measure() error {
	sealed := c.files
	var names [4][]string // of bodies, index, ids, and the rest by itself
	for _, first := range sealed.Bodies {
		names[0] = append(names[0], bodiesFile(first))
	}
	for _, p := range sealed.Indexes {
		names[1] = append(names[1], indexFile(p))
	}
	for _, p := range sealed.IDs {
		names[2] = append(names[2], idsFile(p))
	}
	for i, folder := range []string{bodiesName, indexName, idsName} {
		if err := c.part(folder, folder, names[i], i == 0); err != nil {
			return err
		}
	}
	if sealed.Size > 0 {
		if err := errors.Join(c.part(saltsName, "", []string{saltsName}, false), c.part(stateDirName, stateDirName, []string{stateName(sealed.Size)}, false)); err != nil {
			return err
		}
	}
	for _, folder := range []string{walName, checkpointsName, keysName, asideName} {
		all, err := c.fsys.ReadDir(filepath.Join(c.path, folder))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := c.part(folder, folder, all, false); err != nil {
			return err
		}
	}
	return errors.Join(c.part(rootsName, "", []string{rootsName}, false), c.part(tilesName, tilesName, []string{blocksName}, false),
		c.part(ControlName, "", []string{ControlName}, false))
}

// part adds files to the report. What is not there, or cannot be opened, shows when it is looked at.
func (c *check) part(name, folder string, files []string, twice bool) error {
	p := CheckedPart{Part: name}
	for _, file := range files {
		f, err := c.fsys.OpenFile(filepath.Join(c.path, folder, file), os.O_RDONLY, 0)
		if err != nil {
			continue
		}
		size, err := f.Size()
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		p.Files++
		p.Bytes += size
	}
	c.total += p.Bytes
	if twice {
		c.total += p.Bytes
	}
	if p.Files > 0 {
		c.report.Parts = append(c.report.Parts, p)
	}
	return nil
}

// checkControl has the control database checked, which must be there once there is a log.
func (c *check) checkControl() error {
	if c.o.Control == nil {
		return nil
	}
	d := &Dir{fs: c.fsys, path: c.path, manifest: c.manifest}
	f, err := c.fsys.OpenFile(filepath.Join(c.path, ControlName), os.O_RDONLY, 0)
	if err == nil {
		err = f.Close()
	} else if known, hasErr := d.HasLog(); hasErr == nil && !known && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return c.note(ControlName, ControlName, err)
	}
	key, damage, err := c.o.Control(c.ctx, filepath.Join(c.path, ControlName))
	for _, what := range damage {
		c.report.Add(Damage{Part: ControlName, File: ControlName, What: what})
	}
	if c.o.DedupKey == nil {
		c.o.DedupKey = key
	}
	return err
}

// checkKeys holds the signing keys that are there to the manifest.
func (c *check) checkKeys() error {
	names, err := c.fsys.ReadDir(filepath.Join(c.path, keysName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	d := &Dir{fs: c.fsys, path: c.path}
	known := map[string]bool{}
	for i, k := range c.manifest.Keys {
		file := filepath.Base(d.keyFile(k.VKey))
		known[file] = true
		_, err := d.readKey(k.VKey)
		if errors.Is(err, fs.ErrNotExist) && (i+1 < len(c.manifest.Keys) || len(names) == 0) {
			continue // it may be destroyed once its time is over; and a backup has none
		}
		if err := c.noteText(keysName, filepath.Join(keysName, file), err); err != nil {
			return err
		}
	}
	for _, name := range names {
		if !known[name] && !durable.IsTemp(name) {
			c.report.Notes = append(c.report.Notes, filepath.Join(keysName, name)+" is a signing key that the manifest does not name")
		}
	}
	return nil
}

// noteText is note for errors that name no place and say all that there is to say.
func (c *check) noteText(part, file string, err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return c.note(part, file, err)
	}
	c.report.Add(Damage{Part: part, File: file, What: err.Error()})
	return nil
}

// checkPublished reads all published checkpoints and keeps the newest.
func (c *check) checkPublished() error {
	p := &published{fsys: c.fsys, dir: filepath.Join(c.path, checkpointsName)}
	names, err := c.fsys.ReadDir(p.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, durable.IsTemp)
	for i, name := range names {
		file := filepath.Join(checkpointsName, name)
		wrong := func(offset int64, format string, args ...any) {
			c.report.Add(Damage{Part: checkpointsName, File: file, Offset: &offset, What: fmt.Sprintf(format, args...)})
		}
		text, ok := strings.CutSuffix(name, notesSuffix)
		first, err := strconv.ParseUint(text, 10, 64)
		if !ok || err != nil || name != notesName(first) {
			wrong(0, "this is not the name of a file of checkpoints")
			continue
		}
		f, whole, err := p.read(first)
		if err != nil {
			if err := c.note(checkpointsName, file, err); err != nil {
				return err
			}
			continue
		}
		if err := c.looked(int64(len(f.bytes))); err != nil {
			return err
		}
		switch last := i == len(names)-1; {
		case whole < len(f.bytes) && (!last || c.manifest.Clean != nil):
			wrong(int64(whole), "what stands here is no whole checkpoint, or not the one that was written")
		case len(f.notes) == 0:
			wrong(0, "there is no whole checkpoint in it")
		case first <= c.newest.Size && c.newest.Note != nil:
			wrong(0, "it begins with a checkpoint of %d entries, after one of %d", first, c.newest.Size)
		}
		if n := len(f.notes); n > 0 {
			newest, err := merkle.ParseCheckpoint(slices.Clone(f.notes[n-1]))
			if err == nil {
				err = c.ring.verifies(newest)
			}
			if err != nil {
				wrong(int64(whole), "the checkpoint that ends here: %v", err)
			}
			c.newest = newest
		}
	}
	return nil
}

// checkAside holds torn bytes that were kept to the hash in their names.
func (c *check) checkAside() error {
	names, err := c.fsys.ReadDir(filepath.Join(c.path, asideName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if durable.IsTemp(name) {
			continue
		}
		file := filepath.Join(asideName, name)
		sum, err := c.hash(file)
		if err != nil {
			if err := c.note(asideName, file, err); err != nil {
				return err
			}
			continue
		}
		// wal names them by place and content.
		if !strings.Contains(name, fmt.Sprintf("-%x.", sum[:8])) {
			c.report.Add(Damage{Part: asideName, File: file, What: "its bytes are not those that were kept under this name"})
		}
	}
	return nil
}

func (c *check) hash(file string) (sum [sha256.Size]byte, err error) {
	f, err := c.fsys.OpenFile(filepath.Join(c.path, file), os.O_RDONLY, 0)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return sum, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, size)); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), c.looked(size)
}

// findLeftovers notes files that nothing names.
func (c *check) findLeftovers() error {
	d := &Dir{fs: c.fsys, path: c.path}
	left, err := d.leftovers(c.files)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, name := range left {
		c.report.Notes = append(c.report.Notes, name+" is named by nothing: the next start removes it")
	}
	return err
}
