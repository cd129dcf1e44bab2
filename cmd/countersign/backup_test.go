package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/backup"
)

// backedUp is what the command prints as JSON.
type backedUp struct {
	Path      string `json:"path"`
	TreeSize  uint64 `json:"tree_size"`
	Bytes     int64  `json:"bytes"`
	SentBytes int64  `json:"sent_bytes"`
}

func (p *process) backUp(t *testing.T, to string) (b backedUp) {
	t.Helper()
	if err := json.Unmarshal([]byte(p.run(t, "backup", "--to", to, "--output", "json")), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// fill records so many events.
func (p *process) fill(t *testing.T, n int) {
	t.Helper()
	for from := 0; from < n; from += 10_000 {
		ids := make([]string, 10_000)
		for i := range ids {
			ids[i] = fmt.Sprintf("fill-%d", from+i)
		}
		if status, body, err := p.post(t.Context(), "/api/v1/events", "application/x-ndjson", lines(ids)); err != nil || status != http.StatusCreated {
			t.Fatalf("%d %s, %v", status, body, err)
		}
	}
}

// load records events until enough is called.
func (p *process) load(t *testing.T) (enough func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				status, body, err := p.post(ctx, "/api/v1/events", "application/x-ndjson", lines(batchOf(0, w, i)))
				if err == nil && status != http.StatusCreated {
					t.Errorf("%d %s", status, body)
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	return func() {
		cancel()
		writers.Wait()
	}
}

// A backup is taken of a server that is being written to. The next one brings little, each is a server by itself once it has
// the keys, and the first stays what it was.
func TestBackupsUnderLoadAreServers(t *testing.T) {
	data, to := t.TempDir(), filepath.Join(t.TempDir(), "backups")
	p := serve(t, data, "--no-preallocate")
	p.fill(t, 150_000) // beyond the first seal
	enough := p.load(t)
	var all []backedUp
	for range 4 {
		all = append(all, p.backUp(t, to))
	}
	enough()
	last := all[3]
	if last.TreeSize <= all[0].TreeSize || last.SentBytes > all[0].SentBytes/4 {
		t.Errorf("%d bytes were sent for what is new, %d for the whole", last.SentBytes, all[0].SentBytes)
	}
	p.stop(t)
	for _, b := range []backedUp{all[0], last} {
		k, err := backup.Newest(b.Path)
		if err != nil || k.Plan.TreeSize != b.TreeSize {
			t.Fatalf("%s: %v", b.Path, err)
		}
		dir := filepath.Join(t.TempDir(), "restored")
		if err := k.Restore(t.Context(), dir, nil); err != nil {
			t.Fatal(err)
		}
		copyKeys(t, data, dir)
		again := serve(t, dir, "--no-preallocate")
		var page struct{ Total uint64 }
		if status := again.get(t, "/api/v1/events?limit=0", &page); status != http.StatusOK || page.Total < b.TreeSize {
			t.Errorf("%d, %d entries of %d", status, page.Total, b.TreeSize)
		}
		again.stop(t)
	}
}

func copyKeys(t *testing.T, from, to string) {
	t.Helper()
	names, err := os.ReadDir(filepath.Join(from, "keys"))
	if err == nil {
		err = os.MkdirAll(filepath.Join(to, "keys"), 0o700)
	}
	for _, e := range names {
		var key []byte
		if key, err = os.ReadFile(filepath.Join(from, "keys", e.Name())); err == nil {
			err = os.WriteFile(filepath.Join(to, "keys", e.Name()), key, 0o600)
		}
		if err != nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A connection that breaks leaves no backup, and what came does not come again.
func TestABackupThatBreaksOffIsGoneOnWith(t *testing.T) {
	p := serve(t, t.TempDir(), "--no-preallocate")
	p.fill(t, 150_000)
	to := filepath.Join(t.TempDir(), "backups")
	whole := p.backUp(t, filepath.Join(t.TempDir(), "elsewhere"))
	cut := *p
	cut.url = cutAfter(t, p.url, whole.SentBytes*3/4)
	if out, stderr, err := cut.try("backup", "--to", to); exitCode(err) != 1 || !strings.Contains(stderr, "the same command goes on with what came of it") {
		t.Fatalf("%v: %s%s", err, out, stderr)
	}
	if _, err := backup.Newest(to); err == nil {
		t.Fatal("a half of a backup is one")
	}
	b := p.backUp(t, to)
	k, err := backup.Newest(to)
	if err != nil {
		t.Fatal(err)
	}
	came := int64(0)
	for _, f := range k.Plan.Files {
		if strings.HasPrefix(f.Name, "bodies/") || strings.HasPrefix(f.Name, "index/") {
			came += f.Size
		}
	}
	if came < 1<<20 || b.SentBytes > b.Bytes-came+1<<20 {
		t.Errorf("%d of %d bytes were sent, though %d were there", b.SentBytes, b.Bytes, came)
	}
	if err := k.Restore(t.Context(), filepath.Join(t.TempDir(), "restored"), nil); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(to)
	if err != nil || len(left) != 2 { // and the lock
		t.Errorf("the folder has %v, %v", left, err)
	}
}

// send records one event.
func (p *process) send(t *testing.T, id string) {
	t.Helper()
	if status, body, err := p.post(t.Context(), "/api/v1/events", "application/x-ndjson", lines([]string{id})); err != nil || status != http.StatusCreated {
		t.Fatalf("%d %s, %v", status, body, err)
	}
}

// exitCode is what a command ended with, 0 when it succeeded.
func exitCode(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return 0
}

// cutAfter passes on a server's connections, and cuts each after so many bytes of its answers.
func cutAfter(t *testing.T, url string, most int64) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	t.Cleanup(func() { l.Close(); open.Wait() })
	open.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				from.Close()
				return
			}
			open.Go(func() { io.Copy(to, from) })
			open.Go(func() {
				io.CopyN(from, to, most)
				from.Close()
				to.Close()
			})
		}
	})
	return "http://" + l.Addr().String()
}

// A server that was put back to an earlier state, or is another, does not go on from what is kept.
func TestABackupIsOfTheTrailThatItGoesOnFrom(t *testing.T) {
	data, to := t.TempDir(), filepath.Join(t.TempDir(), "backups")
	p := serve(t, data)
	p.backUp(t, to)
	early := filepath.Join(t.TempDir(), "early")
	k, err := backup.Newest(to)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Restore(t.Context(), early, nil); err != nil {
		t.Fatal(err)
	}
	copyKeys(t, data, early)
	for i := range 3 {
		p.send(t, fmt.Sprintf("a-%d", i))
	}
	kept := p.backUp(t, to)
	p.stop(t)

	back := serve(t, early)
	if out, stderr, err := back.try("backup", "--to", to); exitCode(err) != 3 || !strings.Contains(stderr, "was rolled back, or its tail was dropped") {
		t.Errorf("rolled back: %v: %s%s", err, out, stderr)
	}
	for i := range 20 { // another way from the same beginning
		back.send(t, fmt.Sprintf("b-%d", i))
	}
	if out, stderr, err := back.try("backup", "--to", to); exitCode(err) != 3 || !strings.Contains(stderr, "does not go on from the newest backup") {
		t.Errorf("another way: %v: %s%s", err, out, stderr)
	}
	if newest, err := backup.Newest(to); err != nil || newest.Plan.TreeSize != kept.TreeSize {
		t.Errorf("kept is %+v, %v", newest, err)
	}
}
