package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"countersign/event"
	"countersign/internal/durable"
	"countersign/wal"
)

// ServerAccount is the account of entries that concern no customer.
const ServerAccount = "countersign"

// recover replays the log into memory and makes the tree over it. The frames go through the same numbering checks
// and the same publishing as new ones.
func (s *Store) recover(o Options) (err error) {
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
	if err := s.recoverLog(o); err != nil {
		s.published.close()
		s.files.close()
		return err
	}
	return nil
}

func (s *Store) recoverLog(o Options) error {
	newest, _ := s.published.latest()
	snap := (&snapshot{}).with(nil, proven{})
	var marks []batchMark
	log, rec, err := wal.Open(s.dir.fs, filepath.Join(s.dir.path, walName), wal.Options{
		AsideDir:      s.asideDir(),
		NoPreallocate: o.NoPreallocate,
		RollBytes:     o.LogFileBytes,
		AllocateBytes: o.LogStepBytes,
		Clean:         s.dir.manifest.Clean,
	}, func(b wal.Batch) error {
		entries, err := s.replay(&b)
		if err != nil {
			return err
		}
		s.integers.note(entries)
		snap = snap.with(entries, proven{})
		if s.tail.next > newest.Size {
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
	foreign, err := s.regrow(snap, marks)
	if err != nil {
		log.Abandon()
		return err
	}
	s.snap.Store(snap.with(nil, s.tail.proven()))
	s.keptRoots.Store(s.files.kept)
	if foreign != nil {
		s.distrust(foreign)
		return nil
	}
	if err := s.unmarkClean(); err != nil {
		log.Abandon()
		return err
	}
	return nil
}

// unmarkClean forgets that the log ends at a known place: from here on it may grow, and the next start would take
// what is recorded now for damage. It also names keys that the log has and the manifest has not.
func (s *Store) unmarkClean() error {
	m := s.dir.manifest
	if m.Clean == nil && len(m.Keys) == len(s.tail.ring.history) {
		return nil
	}
	m.Clean, m.Keys = nil, s.tail.ring.history
	return s.dir.writeManifest(m)
}

func (s *Store) replay(b *wal.Batch) ([]*event.Entry, error) {
	t := s.tail
	for _, seed := range b.Seeds {
		if seed.Block != uint64(len(t.seeds)) {
			return nil, &wal.CorruptError{What: fmt.Sprintf("seed of block %d where %d is due", seed.Block, len(t.seeds))}
		}
		t.seeds = append(t.seeds, seed.Bytes)
	}
	if b.FirstSeq != t.next {
		return nil, &wal.CorruptError{What: fmt.Sprintf("batch of seq %d where %d is due", b.FirstSeq, t.next)}
	}
	entries := make([]*event.Entry, len(b.Entries))
	for i, body := range b.Entries {
		e, err := event.DecodeBody(body)
		if err != nil {
			return nil, &wal.CorruptError{What: fmt.Sprintf("body of seq %d: %v", t.next, err)}
		}
		e.Seq = t.next
		if err := s.replayEntry(&e); err != nil {
			return nil, err
		}
		entries[i] = &e
	}
	t.frames = append(t.frames, b.At)
	return entries, nil
}

// replayEntry makes a recovered entry the last one of the tail.
func (s *Store) replayEntry(e *event.Entry) (err error) {
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
	if e.Kind == event.KindKey {
		if t.ring, err = t.ring.replay(s.dir, e); err != nil {
			return fmt.Errorf("seq %d: %w", e.Seq, err)
		}
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
		// Safe without the writer: it has nothing to do before Open returns.
		if _, known := s.tail.keys[event.DedupKey(s.dedup, e.Account.ID, e.Source, e.ID)]; !known {
			fresh = append(fresh, e)
		}
	}
	return s.Append(ctx, fresh, selfSender)
}
