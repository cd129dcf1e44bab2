//go:build !race

// Nothing in it is a question of concurrency, and under the race detector it takes minutes.

package store_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/event"
	"countersign/internal/testkit"
	"countersign/store"
)

// TestASealedEventTakesLessThan180Bytes seals the events of an estate by the store's own settings and weighs the files by
// kind. What is not sealed yet does not count: the log and the last checkpoints are the same size whatever the trail is.
func TestASealedEventTakesLessThan180Bytes(t *testing.T) {
	if testing.Short() {
		t.Skip("it seals 262,144 events")
	}
	const n = 2 * 131072
	dir := t.TempDir()
	s, err := store.Open(dir, store.Options{DedupKey: []byte("key"), PublishEvery: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	from, to := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	batch := make([]event.Event, 0, 4096)
	for e := range testkit.NewEstate(7, to).Events(7, n, from, to) {
		if batch = append(batch, e); len(batch) == cap(batch) {
			if _, err := s.Append(t.Context(), batch, "writer-1"); err != nil {
				t.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	s.WaitKept(never)
	if open, _ := s.Unsealed(); s.Size() != n || open != 0 {
		t.Fatalf("%d of %d entries are not sealed", open, s.Size())
	}
	closeTrail(t, s)

	sizes := map[string]int64{}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		kind, _, _ := strings.Cut(strings.TrimPrefix(path, dir+"/"), "/")
		sizes[kind] += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, kind := range []string{"bodies", "index", "ids", "roots", "tiles", "salts", "checkpoints", "state"} {
		if sizes[kind] == 0 {
			t.Errorf("there is nothing of %s", kind)
		}
		t.Logf("%8.2f bytes an event: %s", float64(sizes[kind])/n, kind)
		sum += sizes[kind]
	}
	t.Logf("%8.2f bytes an event", float64(sum)/n)
	if sum > 180*n {
		t.Errorf("%.2f bytes an event, more than 180", float64(sum)/n)
	}
}
