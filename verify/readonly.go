package verify

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"countersign/internal/durable"
)

// readOnly is a file system that cannot be changed: what is checked may lie on one, and packages that read files
// for a server open some of them to be written.
type readOnly struct{ durable.FS }

var errReadOnly = errors.New("verify changes nothing")

func (r readOnly) OpenFile(name string, _ int, _ fs.FileMode) (durable.File, error) {
	return r.FS.OpenFile(name, os.O_RDONLY, 0)
}

func (readOnly) Rename(string, string) error        { return errReadOnly }
func (readOnly) Remove(string) error                { return errReadOnly }
func (readOnly) MkdirAll(string, fs.FileMode) error { return errReadOnly }
func (readOnly) SyncDir(string) error               { return errReadOnly }
func (readOnly) Lock(string) (io.Closer, error)     { return nil, errReadOnly }
