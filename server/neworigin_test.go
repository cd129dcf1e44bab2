package server_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/server"
	"countersign/store"
)

// A trail whose key is lost goes on under a new name; those who search find who it was before.
func TestANewOriginIsRecorded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	record(t, dir, "", "before")
	origin, old, err := store.Keys(dir)
	if err == nil {
		err = os.RemoveAll(filepath.Join(dir, "keys"))
	}
	if err != nil {
		t.Fatal(err)
	}
	key, size, err := server.NewOrigin(t.Context(), server.Config{Data: dir}, "example.com/second")
	if err != nil || key.Origin() != "example.com/second" || key.From != size+1 {
		t.Fatalf("%+v from %d on, %v", key, size, err)
	}
	r := startWith(t, func(c *server.Config) { c.Data = dir }, nil)
	_, body := r.do(r.request("GET", "/api/v1/events?q=action:CONFIG_CHANGED&sort=seq:asc", nil))
	var page struct {
		Items []struct{ Attributes map[string]string }
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil || len(page.Items) == 0 {
		t.Fatalf("%v: %s", err, body)
	}
	if a := page.Items[0].Attributes; a["before.origin"] != origin || a["after.origin"] != "example.com/second" || a["before.signing_key"] != old[0].VKey || a["after.signing_key"] != key.VKey {
		t.Errorf("recorded %v", a)
	}
	if resp, note := r.do(r.request("GET", "/checkpoint", nil)); resp.StatusCode != http.StatusOK || !strings.HasPrefix(note, "example.com/second\n") {
		t.Errorf("/checkpoint: %d %s", resp.StatusCode, note)
	}
	if _, _, err := server.NewOrigin(t.Context(), server.Config{Data: dir}, "example.com/third"); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("under a running server: %v", err)
	}
	if _, _, err := server.NewOrigin(t.Context(), server.Config{Data: t.TempDir()}, "example.com/third"); err == nil || !strings.Contains(err.Error(), "has no trail yet") {
		t.Errorf("an empty directory: %v", err)
	}
}
