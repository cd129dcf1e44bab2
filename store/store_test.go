package store_test

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"countersign/event"
	"countersign/internal/durable"
	"countersign/internal/testkit"
	"countersign/query"
	"countersign/store"
	"countersign/store/storetest"
	"countersign/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(tb testing.TB, dir string) *store.Store {
	tb.Helper()
	s, err := store.Open(dir, store.Options{DedupKey: []byte("key")})
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	return s
}

func TestSuite(t *testing.T) {
	storetest.Run(t, func(tb testing.TB, dir string) storetest.Store { return open(tb, dir) })
}

func TestSecondProcessIsRefusedWithThePidOfTheFirst(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	_, err := store.Open(dir, store.Options{DedupKey: []byte("key")})
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Fatalf("second open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Close(); err != nil {
		t.Fatalf("after the first closed: %v", err)
	}
}

func TestForeignDirectoryIsRefused(t *testing.T) {
	tests := []struct{ name, file, content, want string }{
		{"somebody else's", "thesis.txt", "chapter 1", "not empty"},
		{"a manifest of a later format", "manifest", `{"format":99}`, "format 99"},
		{"a manifest that is none", "manifest", `garbage`, "not a manifest"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, tt.file), []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := store.Open(dir, store.Options{DedupKey: []byte("key")})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("opened with %v, want an error about %q", err, tt.want)
			}
			if b, err := os.ReadFile(filepath.Join(dir, tt.file)); err != nil || string(b) != tt.content {
				t.Fatalf("the file is now %q, %v", b, err)
			}
		})
	}
}

func TestReceivedAtNeverGoesBackwards(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 0))
	now := time.Unix(1_800_000_000, 0)
	clock := func() time.Time { return now }
	dir := t.TempDir()
	var last event.Micros
	for range 3 {
		s, err := store.Open(dir, store.Options{DedupKey: []byte("key"), Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []time.Duration{time.Second, -time.Hour, time.Minute} {
			now = now.Add(step)
			if _, err := s.Append(t.Context(), []event.Event{testkit.Random(r)}, "w"); err != nil {
				t.Fatal(err)
			}
			e, _ := s.Entry(s.Size() - 1)
			if e.ReceivedAt < last {
				t.Fatalf("seq %d received at %v after %v", e.Seq, e.ReceivedAt, last)
			}
			last = e.ReceivedAt
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// crashed copies the directory of a running store, as a crash would leave it.
func crashed(t *testing.T, dir string) string {
	t.Helper()
	return copyDir(t, dir)
}

func lastLog(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "wal", "*.log"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no log files: %v", err)
	}
	return names[len(names)-1]
}

// grow puts bytes behind the last frame: what a write that the power ended may leave.
func grow(t *testing.T, dir string, b []byte) {
	t.Helper()
	rec, err := wal.Check(durable.OS(), filepath.Join(dir, "wal"), wal.Options{}, func(wal.Batch) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "wal", rec.End.File), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, rec.End.Offset); err != nil {
		t.Fatal(err)
	}
}

func TestTornTailIsKeptAsideReportedAndRecordedOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 0))
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.Append(t.Context(), []event.Event{testkit.Random(r)}, "w"); err != nil {
		t.Fatal(err)
	}
	torn := crashed(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	grow(t, torn, bytes.Repeat([]byte("torn"), 50))

	var logged bytes.Buffer
	for i := range 2 {
		s, err := store.Open(torn, store.Options{DedupKey: []byte("key"), Logger: slog.New(slog.NewTextHandler(&logged, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Recovery().Torn; got != 200 && i == 0 || got != 0 && i == 1 {
			t.Fatalf("open %d: %d bytes torn", i, got)
		}
		p, err := s.Search(t.Context(), query.Query{Filter: query.Is(query.Source, store.SelfSource), Limit: 10})
		if err != nil || p.Total != 1 || p.TreeSize != 2 {
			t.Fatalf("open %d: %d reports in %d entries, %v", i, p.Total, p.TreeSize, err)
		}
		e := p.Entries[0]
		name := e.Attribute("aside_file").Value
		b, err := os.ReadFile(filepath.Join(torn, "aside", name))
		if err != nil || !bytes.Equal(b, bytes.Repeat([]byte("torn"), 50)) {
			t.Fatalf("kept aside: %q, %v", b, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(logged.String(), "aside") {
		t.Fatalf("the operator was not told: %q", logged.String())
	}
}

func TestDamageIsRefusedAndNothingIsChanged(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 0))
	dir := t.TempDir()
	s := open(t, dir)
	for range 3 {
		if _, err := s.Append(t.Context(), []event.Event{testkit.Random(r)}, "w"); err != nil {
			t.Fatal(err)
		}
	}
	running := crashed(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		from   string
		damage func(log []byte) []byte
	}{
		{"a flipped bit in an early frame", running, func(b []byte) []byte { b[200] ^= 1; return b }},
		{"a missing last frame after a clean stop", dir, func(b []byte) []byte { return b[:len(b)-1] }},
		{"bytes behind the end after a clean stop", dir, func(b []byte) []byte { return append(b, 1) }},
		{"an empty log after a clean stop", dir, func([]byte) []byte { return nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := crashed(t, tt.from)
			name := lastLog(t, d)
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			b = tt.damage(b)
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the first try must not have made the second one work
				if s, err := store.Open(d, store.Options{DedupKey: []byte("key")}); err == nil {
					s.Close()
					t.Fatal("opened")
				} else if !strings.Contains(err.Error(), filepath.Base(name)) {
					t.Fatalf("the error does not name the file: %v", err)
				}
				if after, err := os.ReadFile(name); err != nil || !bytes.Equal(after, b) {
					t.Fatalf("the log was changed: %v", err)
				}
			}
		})
	}
}

func TestAppendAfterCloseIsRefused(t *testing.T) {
	s := open(t, t.TempDir())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(context.Background(), []event.Event{{}}, "w"); err == nil {
		t.Fatal("recorded after Close")
	}
	if s.Close() == nil {
		t.Fatal("closed twice")
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 1))
			s := open(b, b.TempDir())
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				es := make([]event.Event, n)
				for i := range es {
					es[i] = testkit.Random(r)
				}
				b.StartTimer()
				if _, err := s.Append(b.Context(), es, "w"); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "events/s")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
