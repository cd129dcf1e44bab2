package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"countersign/bodies"
	"countersign/event"
	"countersign/ids"
	"countersign/internal/durable"
	"countersign/problem"
	"countersign/salts"
	"countersign/segment"
)

// sealed is the part of the trail that lies in files. It never changes; sealing and merging make another. Files that
// another one has no use for are closed, and whoever reads them then starts over with it (fs.ErrClosed).
type sealed struct {
	size   uint64
	bodies []*bodies.File // ascending, without gaps
	runs   []*ids.Run
	ids    ids.Set
	salts  *salts.File
	// report is told of what cannot be read.
	report func(*bodies.UnreadableError)
}

// read calls visit with the entries at seqs, which are ascending. In place of an entry that cannot be read visit gets
// nil, and its block is told of.
func (s *sealed) read(ctx context.Context, seqs []uint64, visit func(*event.Entry) error) error {
	next := 0
	upTo := func(seq uint64) error { // what bodies.Read left out
		for ; next < len(seqs) && seqs[next] < seq; next++ {
			if err := visit(nil); err != nil {
				return err
			}
		}
		return nil
	}
	err := bodies.Read(ctx, s.bodies, seqs, func(seq uint64, body []byte) error {
		if err := upTo(seq); err != nil {
			return err
		}
		next++
		e, err := event.DecodeBody(body)
		if err != nil {
			s.report(&bodies.UnreadableError{Seqs: []uint64{seq}, Causes: []error{fmt.Errorf("body of seq %d: %w", seq, err)}})
			return visit(nil)
		}
		e.Seq = seq
		return visit(&e)
	})
	if lost, ok := errors.AsType[*bodies.UnreadableError](err); ok {
		s.report(lost)
		return upTo(math.MaxUint64)
	}
	return err
}

// Damaged is what the texts of an entry say that cannot be read, where its index does not know them.
const Damaged = segment.Damaged

// read calls visit with the entries at seqs, which are ascending, from files or memory. It is segment.Bodies.
func (s *snapshot) read(ctx context.Context, seqs []uint64, visit func(*event.Entry) error) error {
	n, _ := slices.BinarySearch(seqs, s.sealed.size)
	if n > 0 {
		if err := s.sealed.read(ctx, seqs[:n], visit); err != nil {
			return err
		}
	}
	for _, seq := range seqs[n:] {
		if err := visit(s.at(seq)); err != nil {
			return err
		}
	}
	return nil
}

// entry returns one entry as it was recorded, or an error.
func (s *snapshot) entry(seq uint64) (found *event.Entry, err error) {
	if seq >= s.sealed.size {
		return s.at(seq), nil
	}
	err = s.sealed.read(context.Background(), []uint64{seq}, func(e *event.Entry) error { found = e; return nil })
	if err == nil && found == nil {
		err = &segment.UnreadableError{Seq: seq}
	}
	return found, err
}

// unsealed returns how many entries lie in memory.
func (s *snapshot) unsealed() uint64 { return s.size - s.sealed.size }

// files of a seal: what the manifest names. Body files lie side by side from seq 0 on; so do indexes, and the runs of
// ids.
type sealedFiles struct {
	Size    uint64   `json:"size"`
	Bodies  []uint64 `json:"bodies"` // the first seq of each
	Indexes []span   `json:"indexes"`
	IDs     []span   `json:"ids"`
}

// span is a range of seqs, From to before To.
type span struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

func bodiesFile(first uint64) string { return fmt.Sprintf("%020d.bodies", first) }
func indexFile(s span) string        { return fmt.Sprintf("%020d-%020d.index", s.From, s.To) }
func idsFile(s span) string          { return fmt.Sprintf("%020d-%020d.ids", s.From, s.To) }

// openSealed opens the files that the manifest names.
func (s *Store) openSealed() (*sealed, []*segment.Segment, error) {
	d := s.dir
	files := d.manifest.Sealed
	if files == nil {
		files = &sealedFiles{}
	}
	for _, name := range []string{bodiesName, indexName, idsName, stateDirName} {
		if err := d.fs.MkdirAll(filepath.Join(d.path, name), durable.DirMode); err != nil {
			return nil, nil, err
		}
	}
	out := &sealed{size: files.Size, report: s.unreadable}
	var err error
	if out.salts, err = salts.Open(d.fs, filepath.Join(d.path, saltsName), files.Size>>blockBits); err != nil {
		return nil, nil, err
	}
	for i, first := range files.Bodies {
		f, err := bodies.Open(d.fs, filepath.Join(d.path, bodiesName, bodiesFile(first)))
		if err != nil {
			return nil, nil, errors.Join(err, out.close())
		}
		out.bodies = append(out.bodies, f)
		end := files.Size
		if i+1 < len(files.Bodies) {
			end = files.Bodies[i+1]
		}
		if from, to := f.Seqs(); from != first || to != end {
			return nil, nil, errors.Join(fmt.Errorf("%s has seq %d to %d, and the manifest says %d to %d", bodiesFile(first), from, to, first, end), out.close())
		}
	}
	for _, part := range files.IDs {
		run, err := ids.Open(d.fs, filepath.Join(d.path, idsName, idsFile(part)))
		if err != nil {
			return nil, nil, errors.Join(err, out.close())
		}
		out.runs = append(out.runs, run)
	}
	if out.ids, err = ids.NewSet(out.runs...); err != nil {
		return nil, nil, errors.Join(err, out.close())
	}
	indexes, err := s.openIndexes(files)
	if err != nil {
		return nil, nil, errors.Join(err, out.close())
	}
	return out, indexes, nil
}

func (s *Store) openIndexes(files *sealedFiles) (indexes []*segment.Segment, err error) {
	for _, part := range files.Indexes {
		index, err := s.openIndex(part)
		if err != nil {
			closeIndexes(indexes)
			return nil, err
		}
		indexes = append(indexes, index)
	}
	return indexes, nil
}

func (s *Store) openIndex(part span) (*segment.Segment, error) {
	return openIndexOn(s.dir.fs, s.dir.path, part, s.cache)
}

func openIndexOn(fsys durable.FS, dir string, part span, cache *segment.Cache) (*segment.Segment, error) {
	name := filepath.Join(dir, indexName, indexFile(part))
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := durable.Map(f, name)
	if err != nil {
		return nil, err
	}
	index, err := segment.Open(name, m, cache)
	if err != nil {
		return nil, err
	}
	if index.First() != part.From || index.End() != part.To {
		return nil, errors.Join(fmt.Errorf("%s covers seq %d to %d", name, index.First(), index.End()), index.Close())
	}
	return index, nil
}

func closeIndexes(indexes []*segment.Segment) {
	for _, x := range indexes {
		_ = x.Close() // read only: nothing to lose
	}
}

// close lets every file go.
func (s *sealed) close() error {
	for _, f := range s.bodies {
		_ = f.Close() // read only: nothing to lose
	}
	for _, r := range s.runs {
		_ = r.Close()
	}
	return s.salts.Close()
}

// leftovers returns the files that the manifest does not name: what a crash broke off, and what was merged into others.
func (d *Dir) leftovers(files *sealedFiles) (left []string, err error) {
	wanted := map[string]bool{filepath.Join(stateDirName, stateName(files.Size)): true}
	for _, first := range files.Bodies {
		wanted[filepath.Join(bodiesName, bodiesFile(first))] = true
	}
	for _, part := range files.Indexes {
		wanted[filepath.Join(indexName, indexFile(part))] = true
	}
	for _, part := range files.IDs {
		wanted[filepath.Join(idsName, idsFile(part))] = true
	}
	for _, folder := range []string{bodiesName, indexName, idsName, stateDirName} {
		names, err := d.fs.ReadDir(filepath.Join(d.path, folder))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if name := filepath.Join(folder, name); !wanted[name] {
				left = append(left, name)
			}
		}
	}
	return left, nil
}

// tidy removes the leftovers.
func (d *Dir) tidy(files *sealedFiles) error {
	left, err := d.leftovers(files)
	for _, name := range left {
		err = errors.Join(err, d.fs.Remove(filepath.Join(d.path, name)))
	}
	return err
}

// unreadable stops the writing: what else is damaged nobody knows.
func (s *Store) unreadable(lost *bodies.UnreadableError) {
	s.Distrust(fmt.Sprintf("the stored bytes of %d entries cannot be read, the first is seq %d: %v", len(lost.Seqs), lost.Seqs[0], lost.Causes[0]))
}

// again runs a question on the newest snapshot, and once more on a newer one if files were merged away under it.
func (s *Store) again(ask func(*snapshot) error) error {
	for {
		snap := s.snap.Load()
		err := ask(snap)
		if !errors.Is(err, fs.ErrClosed) || s.snap.Load() == snap {
			return damaged(err)
		}
	}
}

// damaged passes on what a question came to. What cannot be read is internal: it is for the log, not for callers.
func damaged(err error) error {
	if err == nil {
		return nil
	}
	if _, known := errors.AsType[*problem.Error](err); known {
		return err
	}
	return &problem.Error{Kind: problem.Internal, Detail: "a file of the trail cannot be read", Cause: err}
}
