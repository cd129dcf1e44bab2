package main_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/identity"
	"countersign/internal/testkit"
	"countersign/store"
)

// formats holds a folder for each format of the data directory that a release wrote: the directory as it was left in data,
// and the answers that it gave then. What was written once is read for ever, so a folder is made once and never again.
const formats = "../../testdata/formats"

// known is a question and the answer to it.
type known struct {
	Path   string          `json:"path"`
	Answer json.RawMessage `json:"answer"`
}

// questions are asked of every format. as_of leaves out what is recorded by opening and asking.
var questions = []string{
	"/api/v1/events?as_of=2400&limit=3",
	"/api/v1/events?as_of=2400&limit=2&offset=2000&sort=occurred_at:desc",
	"/api/v1/events?as_of=2400&limit=5&q=outcome:failure+actor.name:~smith&sort=actor.name",
	"/api/v1/events?as_of=2400&limit=1&q=action:(LOGIN,LOGOUT)+-actor.type:service",
	"/api/v1/events?as_of=2100&limit=1&q=%22was%22",
	"/api/v1/events/stats?as_of=2400&field=action&top=5&interval=1d",
	"/api/v1/events/17",
	"/api/v1/events/2399",
}

func TestEveryFormatOpensAnswersAndVerifies(t *testing.T) {
	if name := os.Getenv("COUNTERSIGN_MAKE_FORMAT"); name != "" {
		makeFormat(t, filepath.Join(formats, name))
	}
	folders, err := os.ReadDir(formats)
	if err != nil || len(folders) == 0 {
		t.Fatalf("%d formats: %v", len(folders), err)
	}
	folders = slices.DeleteFunc(folders, func(f os.DirEntry) bool { return !f.IsDir() }) // the README
	for _, folder := range folders {
		t.Run(folder.Name(), func(t *testing.T) {
			kept := filepath.Join(formats, folder.Name())
			if size := sizeOf(t, kept); size > 1<<20 {
				t.Errorf("%d bytes, more than 1 MiB", size)
			}
			dir := t.TempDir()
			copyData(t, filepath.Join(kept, "data"), dir)
			b, err := os.ReadFile(filepath.Join(kept, "answers.json"))
			if err != nil {
				t.Fatal(err)
			}
			var answers []known
			if err := json.Unmarshal(b, &answers); err != nil || len(answers) == 0 {
				t.Fatal(err)
			}
			for _, when := range []string{"as it was left", "opened again"} {
				p := serve(t, dir)
				for _, k := range answers {
					var got any
					if status := p.get(t, k.Path, &got); status != http.StatusOK {
						t.Fatalf("%s: %s: %d", when, k.Path, status)
					}
					var want any
					if err := json.Unmarshal(k.Answer, &want); err != nil {
						t.Fatal(err)
					}
					if d := cmp.Diff(want, got); d != "" {
						t.Errorf("%s: %s: %s", when, k.Path, d)
					}
				}
				proveAndVerify(t, p, dir, filepath.Join(kept, "checkpoint"))
			}
		})
	}
}

// proveAndVerify has an old entry proven and the whole directory verified, with the keys that the directory names.
// The checkpoint that somebody kept then is still one of it.
func proveAndVerify(t *testing.T, p *process, dir, kept string) {
	t.Helper()
	out := t.TempDir()
	key := p.run(t, "key", "show", "--data", dir)
	var proof json.RawMessage
	if status := p.get(t, "/api/v1/events/100/proof", &proof); status != http.StatusOK {
		t.Fatalf("proof: %d", status)
	}
	p.stop(t)
	for name, text := range map[string]string{"key": key, "proof": string(proof)} {
		if err := os.WriteFile(filepath.Join(out, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.run(t, "verify", "--key", filepath.Join(out, "key"), filepath.Join(out, "proof"))
	p.run(t, "verify", "--key", filepath.Join(out, "key"), "--data", dir, "--checkpoint", kept)
}

// makeFormat makes a folder with what this release writes: sealed files, some of them merged, two keys, and a tail of the
// log.
func makeFormat(t *testing.T, folder string) {
	t.Helper()
	if _, err := os.Stat(folder); err == nil {
		t.Fatalf("%s is there: what a release wrote is kept as it is", folder)
	}
	dir := filepath.Join(folder, "data")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	data, err := store.Claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	who, err := identity.Open(t.Context(), filepath.Join(dir, store.ControlName), identity.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := who.Bootstrap(t.Context(), bootstrap); err != nil {
		t.Fatal(err)
	}
	s, err := data.Open(store.Options{
		DedupKey: who.DedupKey(), Origin: "audit.example.com/format", PublishEvery: -1, NoPreallocate: true, IndexStep: 256, SealEntries: 256,
		LogFileBytes: 64 << 10, LogStepBytes: 4 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	from, to := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	events := slices.Collect(testkit.NewEstate(7, to).Events(7, 2399, from, to))
	for len(events) > 0 {
		n := min(100, len(events))
		if _, err := s.Append(t.Context(), events[:n:n], "writer-1"); err != nil {
			t.Fatal(err)
		}
		events = events[n:]
		if len(events) == 1199 {
			if _, err := s.RotateKey(t.Context(), 500); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.PublishNow(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		indexes, _ := filepath.Glob(filepath.Join(dir, "index", "*"))
		runs, _ := filepath.Glob(filepath.Join(dir, "ids", "*"))
		if now, _ := s.Unsealed(); now == s.Size()%256 && len(indexes) < 8 && len(runs) < 8 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not sealed and merged: %d indexes, %d runs of ids", len(indexes), len(runs))
		}
	}
	newest, _ := s.Published()
	if err := os.WriteFile(filepath.Join(folder, "checkpoint"), newest.Note, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := who.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "LOCK")); err != nil {
		t.Fatal(err)
	}
	keepAnswers(t, folder)
}

func keepAnswers(t *testing.T, folder string) {
	t.Helper()
	dir := t.TempDir()
	copyData(t, filepath.Join(folder, "data"), dir)
	p := serve(t, dir)
	var answers []known
	for _, path := range questions {
		k := known{Path: path}
		if status := p.get(t, path, &k.Answer); status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, status, k.Answer)
		}
		answers = append(answers, k)
	}
	p.stop(t)
	b, err := json.MarshalIndent(answers, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "answers.json"), append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// copyData copies a data directory; version control does not keep the modes that the server insists on.
func copyData(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func sizeOf(t *testing.T, folder string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		size += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}
