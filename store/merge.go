package store

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"countersign/ids"
	"countersign/segment"
)

const (
	// mergeFan is how many indexes of about one size become one. While events come so fast that one seal follows another it is
	// busyFan: that is less work for each, and more indexes to look into.
	mergeFan = 8
	busyFan  = 16
	// mergePause, for each entry of a seal, is how long after a seal that one counts as followed by another.
	mergePause = 20 * time.Microsecond
)

// merged is a file that was made of several: an index or a run of ids. What it was made of is still in use until it is
// installed.
type merged struct {
	index *segment.Segment
	run   *ids.Run
	parts []span // what it takes the place of
	took  time.Duration
	err   error
}

// discard lets go of what is not installed. Its file is not named by the manifest, so the next start removes it.
func (m merged) discard() {
	if m.index != nil {
		_ = m.index.Close()
	}
	if m.run != nil {
		_ = m.run.Close()
	}
}

// startMerge begins the most useful merge there is and returns where its result will come, nil when there is none to do. fan
// is how many indexes it takes.
func (s *Store) startMerge(snap *snapshot, fan int) chan merged {
	var work func() merged
	if parts := dueIndexes(snap, fan); len(parts) > 0 {
		work = func() merged {
			index, err := s.writeIndex(parts, func(out io.Writer) error { return segment.Merge(out, parts) })
			return merged{index: index, parts: spansOf(parts), err: err}
		}
	} else if runs := dueRuns(snap); len(runs) > 0 {
		work = func() merged {
			run, err := s.mergeRuns(runs)
			m := merged{run: run, err: err}
			for _, r := range runs {
				from, to := r.Seqs()
				m.parts = append(m.parts, span{from, to})
			}
			return m
		}
	} else {
		return nil
	}
	result := make(chan merged, 1)
	go func() { // the keeper waits for its result
		start := time.Now()
		m := work()
		m.took = time.Since(start)
		result <- m
	}()
	return result
}

// filedIndexes returns how many of the snapshot's indexes are over sealed entries.
func (s *snapshot) filedIndexes() int {
	n := 0
	for n < len(s.indexes) && s.indexes[n].End() <= s.sealed.size {
		n++
	}
	return n
}

func dueIndexes(snap *snapshot, fan int) []*segment.Segment {
	filed := snap.indexes[:snap.filedIndexes()]
	counts := make([]uint64, len(filed))
	for i, x := range filed {
		counts[i] = x.End() - x.First()
	}
	i, j := mergeDue(counts, segment.MaxEntries, fan)
	return filed[i:j]
}

// mergeDue returns a range of neighbours that are to become one: fan or more, or mergeFan if no more may be together; none
// of them mergeFan times as large as another, not more than most together.
func mergeDue(counts []uint64, most uint64, fan int) (from, to int) {
	for i := range counts {
		sum, low, high := uint64(0), counts[i], counts[i]
		full := false
		j := i
		for ; j < len(counts); j++ {
			l, h := min(low, counts[j]), max(high, counts[j])
			full = sum+counts[j] > most
			if full || h >= l*mergeFan {
				break
			}
			sum, low, high = sum+counts[j], l, h
		}
		if j-i >= fan || full && j-i >= mergeFan {
			return i, j
		}
	}
	return 0, 0
}

func spansOf(indexes []*segment.Segment) (all []span) {
	for _, x := range indexes {
		all = append(all, span{x.First(), x.End()})
	}
	return all
}

func dueRuns(snap *snapshot) []*ids.Run {
	runs := snap.sealed.runs
	counts := make([]uint64, len(runs))
	for i, r := range runs {
		counts[i] = r.Len()
	}
	i, j := ids.Due(counts)
	return runs[i:j]
}

func (s *Store) mergeRuns(runs []*ids.Run) (*ids.Run, error) {
	from, _ := runs[0].Seqs()
	_, to := runs[len(runs)-1].Seqs()
	name := filepath.Join(s.dir.path, idsName, idsFile(span{from, to}))
	if err := ids.Merge(s.dir.fs, name, runs, s.pause); err != nil {
		return nil, fmt.Errorf("merge ids: %w", err)
	}
	return ids.Open(s.dir.fs, name)
}

// installMerged puts a merged file in the place of what it was made of, first in the manifest and then before readers, and
// removes the old files.
func (s *Store) installMerged(m merged) error {
	if m.err != nil {
		return m.err
	}
	snap := s.snap.Load()
	files := s.dir.sealedFiles()
	whole := span{m.parts[0].From, m.parts[len(m.parts)-1].To}
	if m.index != nil {
		return s.installIndex(snap, files, m, whole)
	}
	return s.installRun(snap, files, m, whole)
}

func (s *Store) installIndex(snap *snapshot, files *sealedFiles, m merged, whole span) error {
	i := slices.Index(files.Indexes, m.parts[0]) // the snapshot's first indexes are those of the manifest
	files.Indexes = slices.Replace(files.Indexes, i, i+len(m.parts), whole)
	if err := s.nameFiles(files); err != nil {
		m.discard()
		return err
	}
	old := slices.Clone(snap.indexes[i : i+len(m.parts)])
	if err := s.offer(&change{indexes: slices.Replace(slices.Clone(snap.indexes), i, i+len(m.parts), m.index)}); err != nil {
		m.discard()
		return err
	}
	s.observer.Kept(Kept{Work: MergedIndexes, Entries: int(whole.To - whole.From), Took: m.took})
	closeIndexes(old)
	var errs []error
	for _, part := range m.parts {
		errs = append(errs, s.removeFile(filepath.Join(s.dir.path, indexName, indexFile(part))))
	}
	return errors.Join(errs...)
}

func (s *Store) installRun(snap *snapshot, files *sealedFiles, m merged, whole span) (err error) {
	i := slices.Index(files.IDs, m.parts[0])
	files.IDs = slices.Replace(files.IDs, i, i+len(m.parts), whole)
	if err := s.nameFiles(files); err != nil {
		m.discard()
		return err
	}
	next := *snap.sealed
	next.runs = slices.Replace(slices.Clone(next.runs), i, i+len(m.parts), m.run)
	if next.ids, err = ids.NewSet(next.runs...); err != nil {
		m.discard()
		return err
	}
	old := snap.sealed.runs[i : i+len(m.parts)]
	if err := s.offer(&change{sealed: &next, indexes: snap.indexes}); err != nil {
		m.discard()
		return err
	}
	s.observer.Kept(Kept{Work: MergedIDs, Entries: int(m.run.Len()), Took: m.took})
	var errs []error
	for k, part := range m.parts {
		_ = old[k].Close() // read only: nothing to lose
		errs = append(errs, s.removeFile(filepath.Join(s.dir.path, idsName, idsFile(part))))
	}
	return errors.Join(errs...)
}

// pause ends long work when the store stops.
func (s *Store) pause() error {
	select {
	case <-s.stopping:
		return errStopping
	default:
		return nil
	}
}
