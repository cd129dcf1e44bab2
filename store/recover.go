package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"countersign/event"
	"countersign/internal/durable"
	"countersign/segment"
	"countersign/wal"
)

// ServerAccount is the account of entries that concern no customer.
const ServerAccount = "countersign"

// recover replays the log into memory and makes the tree over it. The frames go through the same numbering checks
// and the same publishing as new ones.
func (s *Store) recover(o Options, newOrigin string) (err error) {
	s.tail = newTail()
	if s.tail.ring, err = s.dir.loadKeys(o.Origin); err != nil {
		return err
	}
	if s.published, err = openPublished(s.dir.fs, filepath.Join(s.dir.path, checkpointsName)); err != nil {
		return fmt.Errorf("published checkpoints: %w", err)
	}
	if s.files, err = openTreeFiles(s.dir.fs, s.dir.path); err != nil {
		s.published.close()
		return fmt.Errorf("tree: %w", err)
	}
	if err := s.recoverEntries(o, newOrigin); err != nil {
		s.published.close()
		s.files.close()
		return err
	}
	return nil
}

// recoverEntries opens what is sealed and replays what is not.
func (s *Store) recoverEntries(o Options, newOrigin string) error {
	sealed, indexes, err := s.openSealed()
	if err != nil {
		return fmt.Errorf("sealed entries: %w", err)
	}
	if err := s.recoverLog(o, newOrigin, sealed, indexes); err != nil {
		closeIndexes(indexes)
		return errors.Join(err, sealed.close())
	}
	return nil
}

func (s *Store) recoverLog(o Options, newOrigin string, sealed *sealed, indexes []*segment.Segment) error {
	newest, _ := s.published.latest()
	if err := s.resumeState(sealed.size); err != nil {
		return err
	}
	snap := &snapshot{sealed: sealed, size: sealed.size, indexes: indexes, indexed: sealed.size}
	var marks []batchMark
	log, rec, err := wal.Open(s.dir.fs, filepath.Join(s.dir.path, walName), wal.Options{
		AsideDir:      s.asideDir(),
		NoPreallocate: o.NoPreallocate,
		RollBytes:     o.LogFileBytes,
		AllocateBytes: o.LogStepBytes,
		Clean:         s.dir.manifest.Clean,
		From:          sealed.size,
	}, func(b wal.Batch) error {
		entries, err := s.replay(&b)
		if err != nil {
			return err
		}
		snap = snap.with(entries, proven{})
		if len(entries) > 0 && s.tail.next > newest.Size {
			marks = append(marks, batchMark{size: s.tail.next, note: slices.Clone(b.Checkpoint)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.log, s.recovery = log, rec
	if rec.Torn > 0 {
		s.logger.Warn("the last stop was not clean: torn bytes at the end of the log are kept aside",
			"bytes", rec.Torn, "reason", rec.TornReason, "aside", rec.AsideFile)
	}
	snap = snap.with(nil, proven{seeds: s.tail.seeds})
	foreign, err := s.regrow(snap, marks)
	if err != nil {
		log.Abandon()
		return err
	}
	if err := s.checkKeys(o.Origin, newOrigin); err != nil {
		log.Abandon()
		return err
	}
	s.snap.Store(snap.with(nil, s.tail.proven()))
	s.keptRoots.Store(s.files.kept)
	if sealed.damage != nil && foreign == nil {
		s.logger.Error("a file of sealed entries cannot be used", "error", sealed.damage)
		foreign = differs("a file of sealed entries is damaged or missing; the log has its name")
	}
	if foreign != nil {
		s.distrust(foreign)
		return nil
	}
	// Only now: the log is known to have whatever a file that is removed here had.
	if err := errors.Join(s.unmarkClean(), s.dir.tidy(s.dir.manifest.Sealed.clone()), wal.RemoveBelow(s.dir.fs, filepath.Join(s.dir.path, walName), sealed.size)); err != nil {
		log.Abandon()
		return err
	}
	return nil
}

// checkKeys tells whether there is what it takes to go on, before the directory is changed. A trail that is to have a
// new origin needs no key of the old one.
func (s *Store) checkKeys(origin, newOrigin string) error {
	if newOrigin != "" {
		return s.tail.ring.checkNewOrigin(newOrigin)
	}
	if err := s.tail.ring.checkOrigin(origin); err != nil {
		return err
	}
	return s.tail.ring.checkSigner(s.dir)
}

// resumeState goes on with what the last seal left.
func (s *Store) resumeState(size uint64) error {
	s.sealedState = &state{heads: map[string]head{}}
	if size == 0 {
		return nil
	}
	st, err := s.dir.readState(size)
	if err != nil {
		return derivedFile(err)
	}
	s.sealedState = st
	t := s.tail
	t.next, t.sealed, t.received, t.tree.facts = size, size, st.received, slices.Clip(st.facts)
	t.heads = maps.Clone(st.heads)
	for _, e := range st.facts {
		if err := s.replayFact(e); err != nil {
			return err
		}
	}
	return nil
}

// unmarkClean forgets that the log ends at a known place: from here on it may grow, and the next start would take
// what is recorded now for damage. It also names keys that the log has and the manifest has not. It is written even if
// nothing changes: after a sync that failed the manifest that was read may be one that the disk never got, and what the
// one before it names is about to be removed.
func (s *Store) unmarkClean() error {
	return s.dir.changeManifest(func(m *manifest) { m.Clean, m.Origin, m.Keys = nil, s.tail.ring.origin, s.tail.ring.history })
}

func (s *Store) replay(b *wal.Batch) ([]*event.Entry, error) {
	t := s.tail
	for _, seed := range b.Seeds {
		due := t.sealed>>blockBits + uint64(len(t.seeds))
		if seed.Block < due && len(t.seeds) == 0 {
			continue // of sealed entries
		}
		if seed.Block != due {
			return nil, &wal.CorruptError{What: fmt.Sprintf("seed of block %d where %d is due", seed.Block, due)}
		}
		t.seeds = append(t.seeds, seed.Bytes)
	}
	// The log keeps whole files, so its first frames may hold sealed entries.
	skip := uint64(0)
	if b.FirstSeq < t.sealed {
		skip = min(t.sealed-b.FirstSeq, uint64(len(b.Entries)))
	}
	if skip == uint64(len(b.Entries)) {
		return nil, nil
	}
	if b.FirstSeq+skip != t.next {
		return nil, &wal.CorruptError{What: fmt.Sprintf("batch of seq %d where %d is due", b.FirstSeq, t.next)}
	}
	entries := make([]*event.Entry, 0, len(b.Entries))
	for _, body := range b.Entries[skip:] {
		e, err := event.DecodeBody(body)
		if err != nil {
			return nil, &wal.CorruptError{What: fmt.Sprintf("body of seq %d: %v", t.next, err)}
		}
		e.Seq = t.next
		if err := s.replayEntry(&e); err != nil {
			return nil, err
		}
		entries = append(entries, &e)
	}
	t.addFrame(b.At, wal.FrameBytes(b))
	return entries, nil
}

// replayEntry makes a recovered entry the last one of the tail.
func (s *Store) replayEntry(e *event.Entry) error {
	t := s.tail
	if what := t.checkEntry(e); what != "" {
		return &wal.CorruptError{What: fmt.Sprintf("seq %d: %s", e.Seq, what)}
	}
	t.received = e.ReceivedAt
	t.next++
	if e.Kind == event.KindEvent {
		t.heads[e.Account.ID] = head{count: e.AccountSeq + 1, last: e.Seq}
		t.keys[event.DedupKey(s.dedup, e.Account.ID, e.Source, e.ID)] = e.Seq
		return nil
	}
	t.tree.facts = append(t.tree.facts, e)
	return s.replayFact(e)
}

// replayFact draws the consequences of a system fact.
func (s *Store) replayFact(e *event.Entry) (err error) {
	if e.Kind != event.KindKey {
		return nil
	}
	if s.tail.ring, err = s.tail.ring.replay(s.dir, e); err != nil {
		return fmt.Errorf("seq %d: %w", e.Seq, err)
	}
	return nil
}

// recordAside records each file of torn bytes that is kept aside. A crash before this came through is made
// up for at the next open: the id is the file's name, so each file is recorded once.
func (s *Store) recordAside() error {
	names, err := s.dir.fs.ReadDir(s.asideDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read what is kept aside: %w", err)
	}
	var events []event.Event
	for _, name := range names {
		if durable.IsTemp(name) {
			continue // a copy that a crash broke off; the whole one was made by a later open
		}
		size, err := s.sizeAside(name)
		if err != nil {
			return fmt.Errorf("read what is kept aside: %w", err)
		}
		events = append(events, event.Event{
			ID:          "torn-" + name,
			OccurredAt:  event.MicrosOf(s.now()),
			Account:     event.Account{ID: ServerAccount},
			Actor:       event.Actor{Type: event.ActorSystem},
			Action:      "START",
			Resource:    event.Resource{Type: "SERVER", ID: event.TextOf(ServerAccount), Name: event.TextOf(ServerAccount)},
			Outcome:     event.OutcomeWarning,
			Description: event.TextOf("The last frame of the log was torn when the server stopped; its bytes are kept aside"),
			Source:      SelfSource,
			Attributes: []event.Attribute{
				{Name: "aside_bytes", Value: strconv.FormatInt(size, 10)},
				{Name: "aside_file", Value: name},
			},
		})
	}
	_, err = s.appendNew(context.Background(), events)
	return err
}

func (s *Store) sizeAside(name string) (int64, error) {
	f, err := s.dir.fs.OpenFile(filepath.Join(s.asideDir(), name), os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Size()
}

// appendNew records those of the store's own events that are not recorded yet, whatever else they say now.
func (s *Store) appendNew(ctx context.Context, events []event.Event) (Receipt, error) {
	var fresh []event.Event
	for _, e := range events {
		k := event.DedupKey(s.dedup, e.Account.ID, e.Source, e.ID)
		// Safe without the writer: it has nothing to do before Open returns.
		_, open := s.tail.keys[k]
		_, filed, err := s.snap.Load().sealed.ids.Find(k)
		if err != nil {
			return Receipt{}, err
		}
		if !open && !filed {
			fresh = append(fresh, e)
		}
	}
	return s.Append(ctx, fresh, selfSender)
}
