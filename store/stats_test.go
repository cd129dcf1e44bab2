package store_test

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"countersign/event"
	"countersign/internal/testkit"
	"countersign/query"
	"countersign/store"
)

// measured is an Observer that keeps what it is told.
type measured struct {
	mu       sync.Mutex // guards what follows
	appended []error
	written  []store.BatchWritten
	answered []store.QueryKind

	published []store.Publication
}

func (m *measured) Appended(_ time.Duration, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.appended = append(m.appended, err)
}

func (m *measured) Written(b store.BatchWritten) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.written = append(m.written, b)
}

func (m *measured) Kept(store.Kept) {}

func (m *measured) Published(p store.Publication) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.published = append(m.published, p)
}

func (m *measured) Answered(k store.QueryKind, _ time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answered = append(m.answered, k)
}

func TestObserverIsToldOfEveryBatchAndQuery(t *testing.T) {
	m := &measured{}
	s, err := store.Open(t.TempDir(), store.Options{
		DedupKey: make([]byte, 32), NoPreallocate: true, Observer: m, PublishEvery: -1, CheckpointFile: filepath.Join(t.TempDir(), "missing", "kept"),
	})
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.LogBytes()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	es := []event.Event{testkit.Random(r), testkit.Random(r), testkit.Random(r)}
	if _, err := s.Append(t.Context(), slices.Clone(es), "w"); err != nil {
		t.Fatal(err)
	}
	changed := es[0]
	changed.Action = "CHANGED"
	if _, err := s.Append(t.Context(), []event.Event{changed}, "w"); err == nil {
		t.Fatal("no conflict")
	}
	if len(m.appended) != 2 || m.appended[0] != nil || m.appended[1] == nil {
		t.Errorf("appended %v", m.appended)
	}
	var entries, bytes int
	for _, b := range m.written {
		if b.Requests != 1 || b.Took < b.Sync || b.Err != nil {
			t.Errorf("batch %+v", b)
		}
		entries += b.Entries
		bytes += b.Bytes
	}
	if entries != int(s.Size()) {
		t.Errorf("%d entries in batches, %d in the trail", entries, s.Size())
	}
	after, err := s.LogBytes()
	if err != nil || after-before != int64(bytes) {
		t.Errorf("the log grew by %d bytes for frames of %d, %v", after-before, bytes, err)
	}
	if now, most := s.Queued(); now != 0 || most == 0 {
		t.Errorf("%d of %d wait", now, most)
	}
	s.Search(t.Context(), query.Query{})
	s.Each(t.Context(), query.Query{}, func(*event.Entry) error { return nil })
	s.Stats(t.Context(), query.Query{}, store.Breakdown{})
	if !slices.Equal(m.answered, []store.QueryKind{store.Searched, store.Streamed, store.Stated}) {
		t.Errorf("answered %v", m.answered)
	}
	if c, err := s.PublishNow(t.Context()); err != nil || len(m.published) != 1 || m.published[0].Size != c.Size || m.published[0].Err != nil || m.published[0].FileErr == nil {
		t.Errorf("published %+v, %v", m.published, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
