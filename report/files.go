package report

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"countersign/bundle"
	"countersign/internal/durable"
)

// files are those of a pack while it is made: each deflated in a file of its own, since many grow side by side.
type files struct {
	fs   durable.FS
	dir  string
	all  []*packing
	done []bundle.PackedFile
}

// packing is one file.
type packing struct {
	*bundle.FileWriter
	name   string
	f      durable.File
	closed bool
}

const workingSuffix = ".deflated"

func (s *files) path(name string) string { return filepath.Join(s.dir, name+workingSuffix) }

// create begins a file of the pack.
func (s *files) create(name string) (*packing, error) {
	f, err := s.fs.OpenFile(s.path(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, durable.FileMode)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	p := &packing{FileWriter: bundle.NewFileWriter(&atEnd{f: f}), name: name, f: f}
	s.all = append(s.all, p)
	return p, nil
}

// atEnd writes one piece behind the other.
type atEnd struct {
	f  durable.File
	at int64
}

func (w *atEnd) Write(b []byte) (int, error) {
	n, err := w.f.WriteAt(b, w.at)
	w.at += int64(n)
	return n, err
}

// close ends a file and says what it is.
func (s *files) close(p *packing) (bundle.PackedFile, error) {
	p.closed = true
	packed, err := p.Close(p.name)
	if err = errors.Join(err, p.f.Close()); err != nil {
		return packed, fmt.Errorf("make %s: %w", p.name, err)
	}
	s.done = append(s.done, packed)
	return packed, nil
}

// write makes a whole file.
func (s *files) write(name string, fill func(w io.Writer) error) (bundle.PackedFile, error) {
	p, err := s.create(name)
	if err != nil {
		return bundle.PackedFile{}, err
	}
	if err := fill(p); err != nil {
		return bundle.PackedFile{}, fmt.Errorf("make %s: %w", name, err)
	}
	return s.close(p)
}

func (s *files) bytes(name string, b []byte) (bundle.PackedFile, error) {
	return s.write(name, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// list returns what is in the pack so far, in the order of names.
func (s *files) list() []bundle.PackFile {
	out := make([]bundle.PackFile, len(s.done))
	for i := range s.done {
		out[i] = s.done[i].PackFile
	}
	slices.SortFunc(out, func(a, b bundle.PackFile) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// pack writes all files into one archive: those in the order of their names, then the manifest, then the seal.
func (s *files) pack(w io.Writer) error {
	order := slices.Clone(s.done)
	rank := map[string]int{bundle.PackManifest: 1, bundle.PackSeal: 2}
	slices.SortFunc(order, func(a, b bundle.PackedFile) int {
		if d := rank[a.Name] - rank[b.Name]; d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	z := bundle.NewPackWriter(w)
	for i := range order {
		if err := s.into(z, &order[i]); err != nil {
			return err
		}
	}
	return z.Close()
}

func (s *files) into(z *bundle.PackWriter, p *bundle.PackedFile) error {
	f, err := s.fs.OpenFile(s.path(p.Name), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return z.Add(p, io.NewSectionReader(f, 0, int64(p.Packed)))
}

// remove takes the working files away. What is left behind by a crash is removed at the next start.
func (s *files) remove() error {
	var errs []error
	for _, p := range s.all {
		if !p.closed {
			errs = append(errs, p.f.Close())
		}
		errs = append(errs, s.fs.Remove(s.path(p.name)))
	}
	return errors.Join(errs...)
}
