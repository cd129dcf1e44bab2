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
	bodies []*bodies.File // ascending, without gaps but those in lost
	runs   []*ids.Run
	ids    ids.Set
	salts  *salts.File // nil when the file cannot be used
	// lost are the ranges whose body files cannot be used, damage is why, and why salts cannot. The trail is read-only then.
	lost   []span
	damage error
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
	err := bodies.Read(ctx, s.bodies, s.there(seqs), func(seq uint64, body []byte) error {
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
		err = nil
	}
	if err != nil {
		return err
	}
	return upTo(math.MaxUint64)
}

// there returns those of the seqs whose files can be used.
func (s *sealed) there(seqs []uint64) []uint64 {
	if len(s.lost) == 0 {
		return seqs
	}
	return slices.DeleteFunc(slices.Clone(seqs), func(seq uint64) bool {
		return slices.ContainsFunc(s.lost, func(p span) bool { return seq >= p.From && seq < p.To })
	})
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
		out.salts = nil
		if files.Size > 0 {
			err = out.lose(saltsName, span{}, err)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	for i, first := range files.Bodies {
		if err := out.openBodies(d, span{first, files.bodiesEnd(i)}); err != nil {
			return nil, nil, errors.Join(err, out.close())
		}
	}
	for _, part := range files.IDs {
		run, err := ids.Open(d.fs, filepath.Join(d.path, idsName, idsFile(part)))
		if err != nil {
			return nil, nil, errors.Join(derivedFile(err), out.close())
		}
		out.runs = append(out.runs, run)
	}
	if out.ids, err = ids.NewSet(out.runs...); err != nil {
		return nil, nil, errors.Join(err, out.close())
	}
	indexes, err := s.openIndexes(files)
	if err != nil {
		return nil, nil, errors.Join(derivedFile(err), out.close())
	}
	return out, indexes, nil
}

// derivedFile adds what to do about a file that is made from the entries.
func derivedFile(err error) error {
	return fmt.Errorf("%w; countersign fsck --rebuild-indexes makes it again from the entries", err)
}

// openBodies opens a body file. Without it the trail is read-only, and all other entries are there.
func (s *sealed) openBodies(d *Dir, part span) error {
	name := bodiesFile(part.From)
	f, err := bodies.Open(d.fs, filepath.Join(d.path, bodiesName, name))
	if err != nil {
		return s.lose(name, part, err)
	}
	if from, to := f.Seqs(); from != part.From || to != part.To {
		_ = f.Close() // read only: nothing to lose
		return s.lose(name, part, fmt.Errorf("it has seq %d to %d, and the manifest says %d to %d", from, to, part.From, part.To))
	}
	s.bodies = append(s.bodies, f)
	return nil
}

// lose notes a file of what was recorded that cannot be opened. What says nothing about the file is returned.
func (s *sealed) lose(name string, part span, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return err
	}
	if part.To > 0 {
		s.lost = append(s.lost, part)
	}
	if s.damage == nil {
		s.damage = fmt.Errorf("%s cannot be used: %w", name, err)
	}
	return nil
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
	if s.salts == nil {
		return nil
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
