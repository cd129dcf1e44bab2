package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/backup"
	"countersign/identity"
	"countersign/store"
)

// keep makes a kept backup of the directory of a stopped server.
func keep(t *testing.T, dir, folder string) *backup.Kept {
	t.Helper()
	control := filepath.Join(dir, store.ControlName)
	d, err := identity.Open(t.Context(), control, identity.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	dedup := d.DedupKey()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	people, err := os.ReadFile(control)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(dir, store.Options{DedupKey: dedup, NoPreallocate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b, err := s.Backup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	files := []backup.File{{Name: store.ControlName, Size: int64(len(people))}}
	for _, f := range b.Files {
		files = append(files, backup.File{Name: f.Name, Size: f.Size, Version: f.Version, Grows: f.Grows})
	}
	plan := backup.NewPlan(b.Checkpoint, "test", time.Now(), files)
	to, err := backup.OpenFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	var archive bytes.Buffer
	have := to.Have()
	if err := backup.Write(&archive, &plan, have, func(i int, offset int64) (io.ReadCloser, error) {
		if i == 0 {
			return io.NopCloser(bytes.NewReader(people[offset:])), nil
		}
		return b.Open(&b.Files[i-1], offset)
	}); err != nil {
		t.Fatal(err)
	}
	k, err := to.Receive(t.Context(), &archive, have, func(*backup.Plan) error { return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// estate is a trail that was backed up and went on after it.
type estate struct {
	folder string // of backups
	keys   string // a copy of the keys
	vkeys  string // file of the public ones
	early  string // a checkpoint of what is in the backup
	late   string // one of what is not
	kept   *backup.Kept
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	root := t.TempDir()
	e := &estate{folder: filepath.Join(root, "backups"), keys: filepath.Join(root, "keys"), vkeys: filepath.Join(root, "trail.vkey"),
		early: filepath.Join(root, "early"), late: filepath.Join(root, "late")}
	dir := filepath.Join(root, "data")
	p := serve(t, dir, "--origin", "log.example.com/trail")
	recordIDs(t, p, "one", "two", "three")
	p.stop(t)
	e.kept = keep(t, dir, e.folder)
	write(t, e.early, e.kept.Plan.Checkpoint)
	if err := os.CopyFS(e.keys, os.DirFS(filepath.Join(dir, "keys"))); err != nil {
		t.Fatal(err)
	}
	write(t, e.vkeys, p.run(t, "key", "show", "--data", dir))
	p = serve(t, dir, "--checkpoint-file", e.late)
	recordIDs(t, p, "lost")
	p.stop(t)
	return e
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func recordIDs(t *testing.T, p *process, ids ...string) {
	t.Helper()
	status, body, err := p.post(t.Context(), "/api/v1/events", "application/x-ndjson", lines(ids))
	if err != nil || status != http.StatusCreated {
		t.Fatalf("%d %s %v", status, body, err)
	}
}

// command runs the binary and returns its exit code and all that it printed.
func command(t *testing.T, args ...string) (code int, stdout, all string) {
	t.Helper()
	stdout, stderr, err := (&process{}).try(args...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return code, stdout, stdout + stderr
}

// goesOn serves a restored directory: what was in the backup is there, new events are recorded, and a proof of an old one
// and one of a new one verify with the keys, as does the directory.
func (e *estate) goesOn(t *testing.T, dir string, keys ...string) {
	t.Helper()
	p := serve(t, dir)
	for _, id := range []string{"one", "two", "three"} {
		if got := totalOf(t, p, id); got != 1 {
			t.Errorf("%s is there %d times", id, got)
		}
	}
	if got := totalOf(t, p, "lost"); got != 0 {
		t.Errorf("what was recorded after the backup is there %d times", got)
	}
	recordIDs(t, p, "one", "lost", "new")
	if a, b := totalOf(t, p, "one"), totalOf(t, p, "lost"); a != 1 || b != 1 {
		t.Errorf("after they were sent again, one is there %d times and lost %d times", a, b)
	}
	var proofs []string
	for _, id := range []string{"one", "new"} {
		var page struct{ Items []struct{ Seq uint64 } }
		if code := p.get(t, "/api/v1/events?q=id:="+id, &page); code != http.StatusOK || len(page.Items) != 1 {
			t.Fatalf("%s: %d %+v", id, code, page)
		}
		proofs = append(proofs, fmt.Sprintf("/api/v1/events/%d/proof", page.Items[0].Seq))
	}
	p.stop(t) // which publishes a checkpoint
	trusted := []string{"--key", e.vkeys}
	for _, k := range keys {
		trusted = append(trusted, "--key", k)
	}
	p = serve(t, dir)
	// A proof keeps the first checkpoint that was published over its entry: what is older than the change has the old name.
	enough := [][]string{trusted[:2], trusted[len(trusted)-2:]}
	for i, path := range proofs {
		var proof json.RawMessage
		if code := p.get(t, path, &proof); code != http.StatusOK {
			t.Fatalf("%s: %d", path, code)
		}
		name := filepath.Join(t.TempDir(), "proof.json")
		write(t, name, string(proof))
		if code, _, out := command(t, append([]string{"verify", name}, enough[i]...)...); code != 0 {
			t.Errorf("proof %d: exit %d: %s", i, code, out)
		}
	}
	p.stop(t)
	if code, _, out := command(t, append([]string{"verify", "--data", dir, "--checkpoint", e.early}, trusted...)...); code != 0 {
		t.Errorf("verify: exit %d: %s", code, out)
	}
}

// fetch reads a path as it is.
func (p *process) fetch(t *testing.T, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("x-api-key", bootstrap)
	resp, err := p.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d %s %v", path, resp.StatusCode, b, err)
	}
	return string(b)
}

func totalOf(t *testing.T, p *process, id string) (total int) {
	t.Helper()
	var page struct{ Total int }
	if code := p.get(t, "/api/v1/events?q=id:="+id, &page); code != http.StatusOK {
		t.Fatalf("%s: %d", id, code)
	}
	return page.Total
}

func TestABackupIsRestoredUnderItsName(t *testing.T) {
	e := newEstate(t)
	dir := filepath.Join(t.TempDir(), "restored")
	args := []string{"restore", "--from", e.folder, "--data", dir, "--keys", e.keys, "--key", e.vkeys, "--checkpoint", e.early}
	// Not when more was signed under it: that is known from the late checkpoint.
	if code, _, out := command(t, append(args, "--checkpoint", e.late)...); code != 1 || !strings.Contains(out, "could prove the fork") || !strings.Contains(out, "--new-origin") {
		t.Fatalf("exit %d: %s", code, out)
	}
	leftNothing(t, dir)
	if code, stdout, out := command(t, args...); code != 0 || !strings.Contains(stdout, "goes on as log.example.com/trail.") || !strings.Contains(stdout, "Next: countersign serve --data "+dir) {
		t.Fatalf("exit %d: %s", code, out)
	}
	e.goesOn(t, dir)
	if code, _, out := command(t, args...); code != 1 || !strings.Contains(out, "is not empty") {
		t.Errorf("into a directory that is in use: exit %d: %s", code, out)
	}
}

func TestABackupIsRestoredUnderANewName(t *testing.T) {
	e := newEstate(t)
	dir := filepath.Join(t.TempDir(), "restored")
	code, stdout, out := command(t, "restore", "--from", e.kept.Path, "--data", dir, "--new-origin", "log.example.com/second", "--key", e.vkeys,
		"--checkpoint", e.early, "--checkpoint", e.late, "--output", "json")
	var done struct {
		TreeSize uint64   `json:"tree_size"`
		Origin   string   `json:"origin"`
		Before   string   `json:"origin_before"`
		Key      string   `json:"key"`
		Ends     uint64   `json:"origin_before_ends"`
		Beyond   []uint64 `json:"checkpoints_beyond"`
	}
	if err := json.Unmarshal([]byte(stdout), &done); code != 0 || err != nil {
		t.Fatalf("exit %d, %v: %s", code, err, out)
	}
	if done.TreeSize != e.kept.Plan.TreeSize || done.Ends != done.TreeSize || done.Origin != "log.example.com/second" || done.Before != "log.example.com/trail" || len(done.Beyond) != 1 {
		t.Errorf("%+v", done)
	}
	second := filepath.Join(t.TempDir(), "second.vkey")
	write(t, second, done.Key+"\n")
	e.goesOn(t, dir, second)

	// The old checkpoint and a new one are joined by what the server says of the two sizes.
	p := serve(t, dir)
	var step struct {
		From uint64
		To   uint64
	}
	note, proof := filepath.Join(t.TempDir(), "newest"), filepath.Join(t.TempDir(), "proof.json")
	newest := p.fetch(t, "/checkpoint")
	size := strings.Split(newest, "\n")[1]
	answer := p.fetch(t, fmt.Sprintf("/api/v1/consistency?from=%d&to=%s", done.TreeSize, size))
	if err := json.Unmarshal([]byte(answer), &step); err != nil || step.From != done.TreeSize {
		t.Fatalf("%v: %s", err, answer)
	}
	p.stop(t)
	write(t, note, newest)
	write(t, proof, answer)
	if code, stdout, out := command(t, "verify", "--from", e.early, "--to", note, "--proof", proof, "--key", e.vkeys, "--key", second); code != 0 || !strings.Contains(stdout, "The trail log.example.com/second goes on from log.example.com/trail") {
		t.Errorf("exit %d: %s", code, out)
	}
	_, shown, _ := command(t, "key", "show", "--data", dir)
	old, err := os.ReadFile(e.vkeys)
	if err != nil || shown != string(old)+done.Key+"\n" {
		t.Errorf("the keys are\n%s", shown)
	}
	// Who holds what was lost is told so; who has the old key alone is told that it does not sign this any more.
	if code, _, out := command(t, "verify", "--data", dir, "--key", e.vkeys, "--key", second, "--checkpoint", e.late); code != 3 || !strings.Contains(out, "rolled-back") || !strings.Contains(out, "is not in it") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, _, out := command(t, "verify", "--data", dir, "--key", e.vkeys); code != 3 || !strings.Contains(out, "wrong-key") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, _, out := command(t, "verify", "--data", dir, "--key", second); code != 0 || !strings.Contains(out, "no key of that name was given") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// A directory that lost its key says what can be done, and that works.
func TestADirectoryWithoutItsKeyGoesOnUnderANewName(t *testing.T) {
	e := newEstate(t)
	dir := filepath.Join(t.TempDir(), "restored")
	if err := e.kept.Restore(t.Context(), dir, nil); err != nil { // as a restore that was killed behind the copying leaves it
		t.Fatal(err)
	}
	if code, _, out := command(t, "serve", "--data", dir, "--listen", "127.0.0.1:0"); code != 1 || !strings.Contains(out, "put the file back") || !strings.Contains(out, "countersign restore --new-origin NAME --data "+dir) {
		t.Fatalf("exit %d: %s", code, out)
	}
	args := []string{"restore", "--new-origin", "log.example.com/second", "--data", dir, "--key", e.vkeys}
	if code, _, out := command(t, append(args, "--checkpoint", e.early, "--checkpoint", e.late)...); code != 0 || !strings.Contains(out, "of them are lost") {
		t.Fatalf("exit %d: %s", code, out)
	}
	code, keys, out := command(t, "key", "show", "--data", dir)
	if code != 0 {
		t.Fatal(out)
	}
	second := filepath.Join(t.TempDir(), "second.vkey")
	write(t, second, keys)
	if code, _, out := command(t, args...); code != 1 || !strings.Contains(out, "goes on as log.example.com/second already") {
		t.Errorf("once more: exit %d: %s", code, out)
	}
	e.goesOn(t, dir, second)
}

func TestARestoreThatFailsLeavesNothing(t *testing.T) {
	e := newEstate(t)
	other := newEstate(t)
	nowhere := t.TempDir()
	dir := filepath.Join(t.TempDir(), "restored")
	for name, c := range map[string]struct {
		code int
		says string
		args []string
	}{
		"no way to go on":                  {2, "a backup has no signing keys", nil},
		"two ways":                         {2, "exclude each other", []string{"--keys", e.keys, "--new-origin", "x"}},
		"no name":                          {2, "cannot name a trail", []string{"--new-origin", "a b"}},
		"keys that are not there":          {1, "signing key of log.example.com/trail", []string{"--keys", nowhere}},
		"keys of another trail":            {1, "signing key of log.example.com/trail", []string{"--keys", other.keys}},
		"the same name":                    {1, "a name that it never had", []string{"--new-origin", "log.example.com/trail"}},
		"another trail's key":              {3, "wrong-key", []string{"--new-origin", "x", "--key", other.vkeys}},
		"another trail's checkpoint":       {3, "evidence", []string{"--new-origin", "x", "--key", e.vkeys, "--checkpoint", other.early}},
		"another trail's later checkpoint": {3, "evidence", []string{"--new-origin", "x", "--key", e.vkeys, "--checkpoint", other.late}},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, out := command(t, append([]string{"restore", "--from", e.folder, "--data", dir}, c.args...)...)
			if code != c.code || !strings.Contains(out, c.says) {
				t.Errorf("exit %d: %s", code, out)
			}
			leftNothing(t, dir)
		})
	}
	for _, file := range e.kept.Plan.Files {
		name := filepath.Join(e.kept.Path, filepath.FromSlash(file.Name))
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(whole) == 0 {
			continue
		}
		flipped := bytes.Clone(whole)
		flipped[len(flipped)/2] ^= 1
		write(t, name, string(flipped))
		code, _, out := command(t, "restore", "--from", e.folder, "--data", dir, "--new-origin", "log.example.com/second", "--key", e.vkeys)
		if code != 3 || !strings.Contains(out, name) {
			t.Errorf("%s: exit %d: %s", file.Name, code, out)
		}
		leftNothing(t, dir)
		write(t, name, string(whole))
	}
	if code, _, out := command(t, "restore", "--from", nowhere, "--data", dir, "--new-origin", "x"); code != 1 || !strings.Contains(out, "there is no backup in") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, _, out := command(t, "restore", "--data", dir, "--keys", e.keys); code != 2 || !strings.Contains(out, "go back into") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func leftNothing(t *testing.T, dir string) {
	t.Helper()
	if names, err := os.ReadDir(dir); err == nil && len(names) > 0 {
		t.Errorf("%v are left in %s", names, dir)
	}
}
