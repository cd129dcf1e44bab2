package store_test

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"countersign/merkle"
	"countersign/query"
	"countersign/store"
	"countersign/store/storetest"
	"countersign/verify"
)

// putTogether copies a backup to a directory, but for files that are there in the same version, and tells which it
// copied.
func putTogether(t *testing.T, b *store.Backup, dir string, have map[string]string) (copied []string) {
	t.Helper()
	for i := range b.Files {
		f := &b.Files[i]
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		v, had := have[f.Name]
		if had && v == f.Version && v != "" && !f.Grows {
			continue
		}
		have[f.Name] = f.Version
		copied = append(copied, f.Name)
		flag, offset := os.O_CREATE|os.O_WRONLY|os.O_TRUNC, int64(0)
		if info, err := os.Stat(name); err == nil && f.Grows && had && v == f.Version {
			flag, offset = os.O_WRONLY|os.O_APPEND, info.Size()
		}
		in, err := b.Open(f, offset)
		if err != nil {
			t.Fatal(err)
		}
		out, err := os.OpenFile(name, flag, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(out, in)
		if err != nil || n != f.Size-offset {
			t.Fatalf("%s: %d of %d bytes, %v", f.Name, n, f.Size-offset, err)
		}
		in.Close()
		out.Close()
	}
	// A later backup may do without some.
	named := map[string]bool{}
	for _, f := range b.Files {
		named[f.Name] = true
	}
	for name := range have {
		if !named[name] {
			delete(have, name)
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return copied
}

// TestABackupIsTheTrailAtAPublishedCheckpoint takes backups while events are recorded, sealed and merged, and keys
// change. Each holds exactly what its checkpoint covers, and brings of what is there already only what grew.
// Nothing is recorded while one is checked: a trail that grows as fast as it can meanwhile is several times as
// long at the next check, and the test never ends.
func TestABackupIsTheTrailAtAPublishedCheckpoint(t *testing.T) {
	seed := storetest.Seed(t)
	dir, copied := t.TempDir(), t.TempDir()
	o := small
	o.SealEntries = 256
	s := openTrail(t, dir, o)
	ctx, cancel := context.WithCancel(t.Context())
	writing := make(chan error, 1)
	var turn sync.Mutex // held by who records, and by who checks
	go func() {
		defer cancel() // nobody waits for entries that do not come
		r := rand.New(rand.NewPCG(seed, 71))
		for i := 0; ctx.Err() == nil; i++ {
			turn.Lock()
			_, err := s.Append(context.Background(), batch(r, 1+r.IntN(80)), "w")
			if err == nil && i%40 == 20 {
				_, err = s.RotateKey(context.Background(), 5)
			}
			turn.Unlock()
			if err != nil {
				writing <- err
				return
			}
		}
		writing <- nil
	}()
	have := map[string]string{}
	once := map[string]bool{}
	sizes := uint64(0)
	for i := range 5 {
		waitFor(ctx, t, s, sizes+400)
		b, err := s.Backup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sizes = b.Checkpoint.Size
		if i%3 == 1 { // long after: what it holds is sealed and merged by then
			waitFor(ctx, t, s, sizes+1500)
		}
		names := putTogether(t, b, copied, have)
		b.Close()
		for _, name := range names {
			if strings.HasPrefix(name, "bodies/") && once[name] {
				t.Errorf("backup %d: %s is copied again", i, name)
			}
			once[name] = true
		}
		turn.Lock()
		checkBackup(t, copied, b, s)
		turn.Unlock()
	}
	cancel()
	if err := <-writing; err != nil {
		t.Fatal(err)
	}
	s.WaitKept(never)
	m := modelOf(t, s)
	b, err := s.Backup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	putTogether(t, b, copied, have)
	b.Close()
	closeTrail(t, s)
	r, err := store.Check(t.Context(), dir, checkKey)
	if err != nil || !r.OK() {
		t.Fatalf("%+v, %v", r, err)
	}
	// The keys come from elsewhere.
	if err := os.Rename(filepath.Join(dir, "keys"), filepath.Join(copied, "keys")); err != nil {
		t.Fatal(err)
	}
	again := openTrail(t, copied, o)
	defer closeTrail(t, again)
	if err := again.ReadOnly(); err != nil {
		t.Fatal(err)
	}
	rs := rand.New(rand.NewPCG(seed, 72))
	for range 30 {
		m.CheckSearch(t, again, storetest.Query(rs, m.Entries))
	}
}

// waitFor waits until a trail has so many entries.
func waitFor(ctx context.Context, t *testing.T, s *store.Store, size uint64) {
	t.Helper()
	for s.Size() < size {
		if err := s.Wait(ctx, s.Size()); err != nil {
			t.Fatal(err)
		}
	}
}

// checkBackup holds what was put together to its checkpoint.
func checkBackup(t *testing.T, dir string, b *store.Backup, s *store.Store) {
	t.Helper()
	report, err := store.Check(t.Context(), dir, checkKey)
	if err != nil || !report.OK() || report.Entries != b.Checkpoint.Size {
		t.Fatalf("of %d entries: %+v, %v", b.Checkpoint.Size, report, err)
	}
	var lines strings.Builder
	for _, k := range s.Keys() {
		lines.WriteString(k.VKey + "\n")
	}
	keys, err := merkle.ParseKeys([]byte(lines.String()))
	if err != nil {
		t.Fatal(err)
	}
	v, err := verify.Data(t.Context(), dir, verify.Options{Keys: keys, Kept: []merkle.Checkpoint{b.Checkpoint}})
	if err != nil || !v.OK() {
		t.Fatalf("of %d entries: %+v, %v", b.Checkpoint.Size, v, err)
	}
}

// What was held is removed when it is no longer, and a trail that is read-only has no backup that could be trusted.
func TestBackupsLetGoOfFiles(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 73))
	dir := t.TempDir()
	o := small
	o.SealEntries = 256
	s := openTrail(t, dir, o)
	record(t, s, r, 600)
	first, err := s.Backup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Backup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		record(t, s, r, 300)
	}
	s.WaitKept(never)
	first.Close()
	for i := range second.Files {
		f, err := second.Open(&second.Files[i], 0)
		if err != nil {
			t.Errorf("%s: %v", second.Files[i].Name, err)
			continue
		}
		f.Close()
	}
	second.Close()
	within(t, "letting go", func() {
		for {
			logs, _ := filepath.Glob(filepath.Join(dir, "wal", "*"))
			states, _ := filepath.Glob(filepath.Join(dir, "state", "*"))
			indexes, _ := filepath.Glob(filepath.Join(dir, "index", "*"))
			bodies, _ := filepath.Glob(filepath.Join(dir, "bodies", "*"))
			if len(states) == 1 && len(logs) < 4 && len(indexes) < len(bodies) {
				return
			}
		}
	})
	if _, err := s.Search(t.Context(), query.Query{Limit: 10}); err != nil {
		t.Error(err)
	}
	s.Distrust("a test says so")
	if _, err := s.Backup(t.Context()); err == nil {
		t.Error("a backup of a trail that is not trusted")
	}
	closeTrail(t, s)
	if _, err := s.Backup(t.Context()); err == nil {
		t.Error("a backup of a closed store")
	}
}
