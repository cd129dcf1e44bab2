package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"time"

	"countersign/bodies"
	"countersign/event"
	"countersign/ids"
	"countersign/internal/durable"
	"countersign/problem"
	"countersign/segment"
)

const (
	// indexStep is how many open entries get an index in memory at a time; what is behind the last one is scanned.
	indexStep = 8192
	// indexPause, for each entry of a step, is how long after an index in memory the next one is made at the earliest: events
	// that come faster are indexed in larger parts, which costs less then and when they are sealed.
	indexPause = 30 * time.Microsecond
	// sealEntries and sealBytes are how much is sealed at a time. At most two such parts wait: then writers do.
	sealEntries = 131072
	sealBytes   = 64 << 20
	// keepRetry is how long the keeper waits after work that failed.
	keepRetry = 10 * time.Second
	// cacheBytes bounds the sets of rows that are kept for questions that come again, the scope of a caller above all.
	cacheBytes = 64 << 20
)

// keep is the goroutine that turns what was recorded into what is cheap to ask: indexes over open entries, and sealed
// files; beside it runs at most one merge. So they take two cores at most, and while sealing is behind, writers wait
// (mostUnsealed). What is made goes through the writer into the next snapshot.
func (s *Store) keep() {
	defer close(s.keeperDone)
	var merging chan merged
	defer func() {
		if merging != nil {
			(<-merging).discard()
		}
	}()
	var rest <-chan time.Time // after a merge that failed
	for {
		snap := s.snap.Load()
		more, err := s.keepOne(snap)
		s.unsealable.Store(s.unsealed(err))
		fan, busy := mergeFan, time.Duration(s.sealEntries)*mergePause-time.Since(s.lastSeal)
		if busy > 0 {
			fan = busyFan
			if more < 0 {
				more = busy
			}
		}
		if err == nil && merging == nil && rest == nil && !s.hasFailed() {
			merging = s.startMerge(snap, fan)
		}
		wait := snap.old
		var retry <-chan time.Time
		if err != nil {
			s.unkept("seal entries", err)
			s.lookAgain()
			wait, retry = nil, time.After(s.keepRetry)
		}
		if more >= 0 && err == nil {
			retry = time.After(more)
		}
		select {
		case m := <-merging:
			merging = nil
			if err := s.installMerged(m); err != nil {
				s.unkept("merge", err)
				rest = time.After(s.keepRetry)
			}
		case <-rest:
			rest = nil
		case hold := <-s.toHold:
			hold()
		case <-s.let:
			if err := s.removeCondemned(); err != nil {
				s.unkept("remove files that were held", err)
			}
		case <-wait:
		case <-retry:
		case <-s.stopping:
			return
		}
	}
}

// unkept tells of work that came to nothing and will be tried again.
func (s *Store) unkept(what string, err error) {
	if errors.Is(err, errStopping) {
		return
	}
	if _, final := errors.AsType[*durable.SyncError](err); final {
		s.fail(&problem.Error{Kind: problem.Unavailable, Detail: "the disk refused to sync a file of the trail: the server stops", Cause: err})
	}
	s.observer.Kept(Kept{Err: err})
	s.logger.Error(what, "error", err)
}

// unsealed is what writers are told while seals fail and no more may lie in memory.
func (s *Store) unsealed(err error) *problem.Error {
	if err == nil {
		return nil
	}
	p := &problem.Error{Kind: problem.Unavailable, Detail: "too many entries wait to be moved to their files, which cannot be written now", RetryAfter: s.keepRetry, Cause: err}
	if durable.IsNoSpace(err) {
		p.Detail = diskFull
	}
	return p
}

var errStopping = errors.New("the store is stopping")

// keepOne does the most urgent piece of work there is, and returns when to look for more, even if nothing has changed by
// then; never if that is negative.
func (s *Store) keepOne(snap *snapshot) (more time.Duration, err error) {
	if s.readOnly.Load() != nil || s.hasFailed() {
		return -1, nil
	}
	if end, due := s.sealDue(snap); due {
		err := s.seal(snap, end)
		s.lastSeal = time.Now()
		return 0, err
	}
	n := s.indexDue(snap)
	if n == 0 {
		return -1, nil
	}
	if early := time.Duration(s.indexStep)*indexPause - time.Since(s.indexed); early > 0 {
		return early, nil
	}
	s.indexed = time.Now()
	return 0, s.indexOpen(snap, n)
}

// indexDue returns how many open entries are to get an index now: all that are waiting, up to where the next seal ends. So
// one who is behind makes few large indexes, which costs less, and a seal that finds one only copies it.
func (s *Store) indexDue(snap *snapshot) uint64 {
	waiting := snap.size - snap.indexed
	step := s.indexStep
	if waiting < step && snap.openBytes(snap.size)-snap.openBytes(snap.indexed) >= s.sealBytes/4 {
		step = chunkLen // they are large
	}
	return min(waiting/step*step, s.sealEntries-(snap.indexed-snap.sealed.size)%s.sealEntries)
}

// offer hands a change to the writer and waits until it is in place.
func (s *Store) offer(c *change) error {
	c.done = make(chan struct{})
	select {
	case s.changes <- c:
		<-c.done
		return nil
	case <-s.stopping:
		return errStopping
	}
}

// indexOpen gives the next n open entries an index in memory.
func (s *Store) indexOpen(snap *snapshot, n uint64) error {
	start := time.Now()
	index, err := s.buildIndex(snap, snap.indexed, snap.indexed+n)
	if err != nil {
		return err
	}
	s.observer.Kept(Kept{Work: Indexed, Entries: int(n), Took: time.Since(start)})
	return s.offer(&change{indexes: append(slices.Clone(snap.indexes), index)})
}

// buildIndex makes an index in memory over open entries.
func (s *Store) buildIndex(snap *snapshot, from, to uint64) (*segment.Segment, error) {
	var file bytes.Buffer
	if err := segment.Build(&file, snap.openSlice(from, to)); err != nil {
		return nil, fmt.Errorf("index seq %d to %d: %w", from, to, err)
	}
	index, err := segment.OpenBytes("memory", file.Bytes(), s.cache)
	if err == nil {
		s.inMemory[index] = file.Bytes()
	}
	return index, err
}

// sealDue tells whether open entries are to be sealed, and up to where: a multiple of what an index in memory covers, so
// that their indexes are merged and not built again.
func (s *Store) sealDue(snap *snapshot) (end uint64, due bool) {
	if end := s.sealing.Load(); end > snap.sealed.size {
		// One that failed is tried again with the same files: their names may be in a manifest that was written after all.
		return end, true
	}
	ready := snap.indexed - snap.sealed.size
	if ready == 0 {
		return 0, false
	}
	if ready < s.sealEntries && snap.openBytes(snap.indexed) < s.sealBytes {
		return 0, false
	}
	return snap.sealed.size + min(ready, s.sealEntries), true
}

// seal moves the open entries below end to files. The order of the steps is what makes it safe: everything is on the
// disk, with its names, before the manifest says so; the log goes after that. A crash before the manifest leaves files
// that nothing names and the next start removes; a crash after it, log files that are not needed.
func (s *Store) seal(snap *snapshot, end uint64) error {
	start := time.Now()
	from := snap.sealed.size
	s.sealing.Store(end)
	// Roots and blocks of what is sealed are in their files, and a published checkpoint covers it.
	if c, err := s.PublishNow(context.Background()); err != nil {
		return err
	} else if c.Size < end {
		return fmt.Errorf("the published checkpoint covers %d entries, not yet %d", c.Size, end)
	}
	made, err := s.writeSealed(snap, end)
	if err != nil {
		made.discard()
		return fmt.Errorf("seal seq %d to %d: %w", from, end, err)
	}
	next := *snap.sealed
	next.size, next.bodies, next.runs = end, append(slices.Clone(next.bodies), made.bodies), append(slices.Clone(next.runs), made.run)
	if next.ids, err = ids.NewSet(next.runs...); err == nil {
		err = s.name(made, end)
	}
	if err != nil {
		made.discard()
		return fmt.Errorf("seal seq %d to %d: %w", from, end, err)
	}
	s.sealedState = made.state
	old, kept := splitIndexes(snap.indexes, from, end)
	if err := s.offer(&change{sealed: &next, keys: made.keys, indexes: slices.Concat(kept[0], []*segment.Segment{made.index}, kept[1])}); err != nil {
		made.discard()
		return err
	}
	closeIndexes(old)
	for _, x := range old {
		delete(s.inMemory, x)
	}
	s.observer.Kept(Kept{Work: Sealed, Entries: int(end - from), Took: time.Since(start)})
	// What is below is in the files that the manifest names.
	return s.removeSealedLog(end)
}

// splitIndexes returns the indexes within [from, end), and those before and behind.
func splitIndexes(all []*segment.Segment, from, end uint64) (within []*segment.Segment, around [2][]*segment.Segment) {
	for _, x := range all {
		switch {
		case x.End() <= from:
			around[0] = append(around[0], x)
		case x.First() >= end:
			around[1] = append(around[1], x)
		default:
			within = append(within, x)
		}
	}
	return within, around
}

// made is the files of one seal.
type made struct {
	bodies *bodies.File
	index  *segment.Segment
	run    *ids.Run
	keys   []dedupKey
	state  *state
}

// discard lets go of files that are not installed. Those that the manifest does not name are written over when the seal is
// tried again, or removed by the next start.
func (m *made) discard() {
	if m.bodies != nil {
		_ = m.bodies.Close() // read only: nothing to lose
	}
	if m.run != nil {
		_ = m.run.Close()
	}
	if m.index != nil {
		_ = m.index.Close()
	}
}

func (s *Store) writeSealed(snap *snapshot, end uint64) (m made, err error) {
	from, d := snap.sealed.size, s.dir
	part := span{from, end}
	// A seal that was broken off may have left some of them.
	if kept := snap.sealed.salts.Len() - from>>blockBits; kept < (end-from)>>blockBits {
		if err := snap.sealed.salts.Append(snap.seeds[kept : (end-from)>>blockBits]); err != nil {
			return m, err
		}
	}
	m.state = stateAt(snap, end, s.sealedState)
	if err := d.writeState(m.state); err != nil {
		return m, err
	}
	name := filepath.Join(d.path, bodiesName, bodiesFile(from))
	if err := bodies.Write(d.fs, name, from, int(end-from), func(dst []byte, seq uint64) ([]byte, error) {
		return event.AppendBody(dst, snap.at(seq)), nil
	}); err != nil {
		return m, err
	}
	if m.bodies, err = bodies.Open(d.fs, name); err != nil {
		return m, err
	}
	dedup := event.NewDeduper(s.dedup)
	entries := make([]ids.Entry, 0, end-from)
	for seq := from; seq < end; seq++ {
		if e := snap.at(seq); e.Kind == event.KindEvent {
			k := dedup.Key(e.Account.ID, e.Source, e.ID)
			entries, m.keys = append(entries, ids.Entry{Key: k, Seq: seq}), append(m.keys, k)
		}
	}
	ids.Sort(entries)
	name = filepath.Join(d.path, idsName, idsFile(part))
	if err := ids.Write(d.fs, name, from, end, uint64(len(entries)), infallible(entries)); err != nil {
		return m, err
	}
	if m.run, err = ids.Open(d.fs, name); err != nil {
		return m, err
	}
	within, _ := splitIndexes(snap.indexes, from, end)
	m.index, err = s.writeIndex(within, func(out io.Writer) error {
		if len(within) == 1 {
			_, err := out.Write(s.inMemory[within[0]])
			return err
		}
		return segment.Merge(out, within)
	})
	return m, err
}

func infallible[T any](all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// stateAt returns the state at end from that at the last seal.
func stateAt(snap *snapshot, end uint64, before *state) *state {
	n := &state{size: end, received: before.received, heads: map[string]head{}, facts: before.facts}
	for a, h := range before.heads {
		n.heads[a] = h
	}
	for seq := before.size; seq < end; seq++ {
		e := snap.at(seq)
		n.received = e.ReceivedAt
		if e.Kind != event.KindEvent {
			n.facts = append(slices.Clip(n.facts), e)
			continue
		}
		n.heads[e.Account.ID] = head{count: e.AccountSeq + 1, last: e.Seq}
	}
	return n
}

// writeIndex writes the index over all of what several indexes cover and opens it.
func (s *Store) writeIndex(parts []*segment.Segment, write func(io.Writer) error) (*segment.Segment, error) {
	to := span{parts[0].First(), parts[len(parts)-1].End()}
	f, err := durable.Replace(s.dir.fs, filepath.Join(s.dir.path, indexName, indexFile(to)), func(f durable.File) error {
		out := bufio.NewWriterSize(&pausedWriter{to: io.NewOffsetWriter(f, 0), pause: s.pause}, 1<<18)
		return errors.Join(write(out), out.Flush())
	})
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return s.openIndex(to)
}

// pausedWriter ends long work when the store stops.
type pausedWriter struct {
	to    io.Writer
	pause func() error
}

func (w *pausedWriter) Write(b []byte) (int, error) {
	if err := w.pause(); err != nil {
		return 0, err
	}
	return w.to.Write(b)
}

// name makes the manifest name the files of a seal.
func (s *Store) name(m made, end uint64) error {
	files := s.dir.sealedFiles()
	from := files.Size
	files.Size = end
	files.Bodies = append(files.Bodies, from)
	files.Indexes = append(files.Indexes, span{m.index.First(), m.index.End()})
	files.IDs = append(files.IDs, span{from, end})
	return s.nameFiles(files)
}

func (s *Store) nameFiles(files *sealedFiles) error {
	return s.dir.changeManifest(func(m *manifest) { m.Sealed = files })
}

func (f *sealedFiles) clone() *sealedFiles {
	if f == nil {
		return &sealedFiles{}
	}
	return &sealedFiles{Size: f.Size, Bodies: slices.Clone(f.Bodies), Indexes: slices.Clone(f.Indexes), IDs: slices.Clone(f.IDs)}
}
