package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/backup"
	"countersign/dialect/native"
	"countersign/identity"
	"countersign/server"
)

// backUp asks for a backup as a token's user.
func (r *running) backUp(ctx context.Context, token string, have []backup.Held) *http.Response {
	r.t.Helper()
	body, err := json.Marshal(map[string]any{"have": have})
	if err != nil {
		r.t.Fatal(err)
	}
	req := r.request("POST", "/api/v1/backups", bytes.NewReader(body), "Authorization", "Bearer "+token, "Content-Type", "application/json")
	resp, err := r.plain.Do(req.WithContext(ctx))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// made lists the backups once none is running.
func (r *running) made() []native.BackupMade {
	r.t.Helper()
	for range 1000 {
		var page struct{ Items []native.BackupMade }
		if _, body := r.do(r.request("GET", "/api/v1/backups", nil)); json.Unmarshal([]byte(body), &page) != nil {
			r.t.Fatal(body)
		}
		if !slices.ContainsFunc(page.Items, func(m native.BackupMade) bool { return m.State == native.BackupRunning }) {
			return page.Items
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatal("a backup does not end")
	return nil
}

func keep(t *testing.T, folder string, read func(have []backup.Held) io.Reader) *backup.Kept {
	t.Helper()
	f, err := backup.OpenFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	have := f.Have()
	k, err := f.Receive(t.Context(), read(have), have, func(*backup.Plan) error { return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A server that is put back from a backup has the entries and the identities of one moment, and goes on with them where it has
// the keys. Nothing that signs is in the backup.
func TestABackupIsAServerWithoutItsKeys(t *testing.T) {
	var data string
	r := startWith(t, func(c *server.Config) { data = c.Data }, nil)
	r.append(3000)
	token := r.reader("operator-to-be", identity.Auditor)
	folder := t.TempDir()
	var k *backup.Kept
	for i := range 2 {
		r.append(3100 + i*100) // but for the last ones they are there
		k = keep(t, folder, func(have []backup.Held) io.Reader { return r.backUp(t.Context(), bootstrapToken, have).Body })
	}
	made := r.made()
	if len(made) != 2 || made[0].State != native.BackupComplete || made[0].TreeSize != k.Plan.TreeSize || made[0].UserID != r.root.UserID || made[0].SentBytes >= made[1].SentBytes {
		t.Errorf("listed are %+v", made)
	}
	for i, e := range r.own("action:=EXPORT attributes.route:=/api/v1/backups") {
		m := made[len(made)-1-i]
		if e.Outcome != "success" || e.Actor.ID.Value != r.root.UserID || number(t, &e.Event, "tree_size") != int(m.TreeSize) ||
			number(t, &e.Event, "bytes") != int(m.Bytes) || number(t, &e.Event, "sent_bytes") != int(m.SentBytes) {
			t.Errorf("recorded is %+v", e)
		}
	}
	restored := filepath.Join(t.TempDir(), "restored")
	if err := k.Restore(t.Context(), restored, nil); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"keys", "tls"} {
		if _, err := os.Stat(filepath.Join(restored, secret)); err == nil {
			t.Errorf("the backup has %s", secret)
		}
	}
	if err := os.CopyFS(filepath.Join(restored, "keys"), os.DirFS(filepath.Join(data, "keys"))); err != nil {
		t.Fatal(err)
	}
	keys, err := filepath.Glob(filepath.Join(restored, "keys", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range keys {
		if err := os.Chmod(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := startWith(t, func(c *server.Config) { c.Data = restored }, func(s *server.Server) {
		if err := s.Trail.ReadOnly(); err != nil {
			t.Fatal(err)
		}
	})
	if n := again.total(); n != 3200 {
		t.Errorf("%d events are there again", n)
	}
	if status, body := again.as(token, "/api/v1/events?limit=1"); status != http.StatusOK {
		t.Errorf("the token of a user: %d %s", status, body)
	}
}

func TestBackupsAreForOperatorsOnlyAndFewAtATime(t *testing.T) {
	r := start(t, nil)
	r.append(60_000) // more than a connection takes in one go
	resp := r.backUp(t.Context(), r.reader("auditor", identity.Auditor), nil)
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusForbidden || !strings.Contains(string(body), `"the caller may not operate the server"`) {
		t.Errorf("an auditor: %d %s", resp.StatusCode, body)
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for range 2 {
		if resp := r.backUp(ctx, bootstrapToken, nil); resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
	}
	if resp := r.backUp(t.Context(), bootstrapToken, nil); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a third one: %s", resp.Status)
	}
	leave()
	for _, m := range r.made() {
		if m.State != native.BackupBrokenOff || m.EndedAt == nil || m.SentBytes >= m.Bytes {
			t.Errorf("listed is %+v", m)
		}
	}
	broken := r.own("action:=EXPORT outcome:failure attributes.route:=/api/v1/backups")
	if len(broken) != 2 {
		t.Errorf("%d backups that broke off are recorded", len(broken))
	}
	for range 1000 { // there is room again
		if resp = r.backUp(t.Context(), bootstrapToken, nil); resp.StatusCode == http.StatusOK {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK || n < 1<<20 {
		t.Errorf("%s, %d bytes, %v", resp.Status, n, err)
	}
	if len(r.made()) != 3 {
		t.Errorf("listed are %+v", r.made())
	}
	if v := sample(t, r.scrape(), "countersign_backups_total", "outcome="+native.BackupBrokenOff); v != 2 {
		t.Errorf("%v broke off", v)
	}
}

func TestABackupIsRefusedWhatItIsAskedForWrongly(t *testing.T) {
	r := start(t, nil)
	for _, body := range []string{`{"have":[{"name":"roots","size":-1}]}`, `{"has":[]}`, `[]`} {
		resp, text := r.do(r.request("POST", "/api/v1/backups", strings.NewReader(body), "Content-Type", "application/json"))
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d %s", body, resp.StatusCode, text)
		}
	}
	r.server.Trail.Distrust("a test says so")
	resp, text := r.do(r.request("POST", "/api/v1/backups", strings.NewReader("{}"), "Content-Type", "application/json"))
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a trail that is not trusted: %d %s", resp.StatusCode, text)
	}
	if len(r.made()) != 0 {
		t.Error("a backup that was never begun is listed")
	}
}
