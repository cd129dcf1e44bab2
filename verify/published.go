package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"countersign/internal/durable"
	"countersign/merkle"
)

// maxNotesBytes bounds what is read of one file of checkpoints: as many notes as one holds, each as long as a note
// can be.
const maxNotesBytes = 4096*(64<<10) + 64

// notes are the published checkpoints of a directory, in their order, as they were when they were listed: a server
// that runs goes on publishing.
type notes struct {
	fsys   durable.FS
	report *Report
	clean  bool // the server was stopped, so nothing may be torn
	files  []notesFile

	rest  []byte // of the file that is being read
	where string
	last  bool   // it is the last file
	size  uint64 // of the checkpoint before
	any   bool
	first uint64 // that the file must begin with
	begun bool   // its first checkpoint was read
}

type notesFile struct {
	name  string
	first uint64
	bytes int64
}

// listNotes lists the files of checkpoints. What is none is a finding.
func listNotes(fsys durable.FS, dir string, r *Report, clean bool) (*notes, error) {
	n := &notes{fsys: fsys, report: r, clean: clean}
	folder := filepath.Join(dir, checkpointsName)
	names, err := fsys.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if durable.IsTemp(name) {
			continue // of a start that a crash broke off
		}
		digits, ok := strings.CutSuffix(name, notesSuffix)
		first, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil || name != fmt.Sprintf("%020d%s", first, notesSuffix) {
			r.find(Malformed, checkpointsName+"/"+name, "this is not the name of a file of checkpoints")
			continue
		}
		size, err := fileSize(fsys, filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		n.files = append(n.files, notesFile{filepath.Join(folder, name), first, size})
	}
	return n, nil
}

func fileSize(fsys durable.FS, name string) (int64, error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Size()
}

// next returns the next checkpoint whose size is larger than that of the one before, and false after the last.
// What is not as it must be is a finding, and passed over.
func (n *notes) next() (c merkle.Checkpoint, where string, ok bool, err error) {
	for {
		for len(n.rest) == 0 {
			if len(n.files) == 0 {
				return c, "", false, nil
			}
			if err := n.open(); err != nil {
				return c, "", false, err
			}
		}
		note, rest, err := merkle.CutRecord(n.rest)
		if err != nil {
			if !n.last || n.clean {
				n.report.find(Malformed, n.where, "%v", err)
			}
			n.rest = nil // nobody has seen what was being written when the power went
			continue
		}
		n.rest = rest
		c, err := merkle.ParseCheckpoint(note)
		switch {
		case err != nil:
			n.report.find(Malformed, n.where, "%v", err)
			continue
		case n.any && c.Size <= n.size:
			n.report.find(Moved, n.where, "a checkpoint of %d entries stands behind one of %d", c.Size, n.size)
			continue
		case !n.begun && c.Size != n.first:
			n.report.find(Moved, n.where, "the file begins with a checkpoint of %d entries, and its name says %d", c.Size, n.first)
		}
		n.begun, n.any, n.size = true, true, c.Size
		return c, n.where, true, nil
	}
}

func (n *notes) open() error {
	f := n.files[0]
	n.files = n.files[1:]
	n.where, n.last, n.first, n.begun = checkpointsName+"/"+filepath.Base(f.name), len(n.files) == 0, f.first, false
	b, err := durable.ReadFile(n.fsys, f.name, maxNotesBytes)
	if err != nil {
		return err
	}
	b = b[:min(int64(len(b)), f.bytes)]
	rest, ok := strings.CutPrefix(string(b), merkle.RecordsHead)
	if !ok {
		n.report.find(Malformed, n.where, "this is no file of checkpoints")
		return nil
	}
	if rest == "" && !(n.last && !n.clean) {
		n.report.find(Missing, n.where, "there is no checkpoint in it")
	}
	n.rest = []byte(rest)
	return nil
}
