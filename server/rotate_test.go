package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"countersign/bundle"
	"countersign/merkle"
	"countersign/server"
	"countersign/store"
)

// Whoever knows either key can check what was recorded while both sign; the change itself is proven, and found by
// those who search.
func TestRotationIsRecordedAndProven(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	record(t, dir, "", "before")
	key, err := server.RotateKey(t.Context(), server.Config{Data: dir}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	_, keys, err := store.Keys(dir)
	if err != nil || len(keys) != 2 || keys[1].VKey != key.VKey {
		t.Fatalf("keys %+v, %v", keys, err)
	}
	r := startWith(t, func(c *server.Config) { c.Data = dir }, nil)
	if _, err := r.server.Trail.PublishNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, body := r.do(r.request("GET", "/api/v1/events?q=action:CONFIG_CHANGED&sort=seq:asc", nil))
	var page struct {
		Items []struct{ Attributes map[string]string }
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil || len(page.Items) == 0 {
		t.Fatalf("%v: %s", err, body)
	}
	if a := page.Items[0].Attributes; a["before.signing_key"] != keys[0].VKey || a["after.signing_key"] != key.VKey || a["previous_valid_until"] != fmt.Sprint(*keys[0].Until) {
		t.Errorf("recorded %v", a)
	}
	fact := fmt.Sprintf("/api/v1/events/%d", key.From-1)
	if resp, body := r.do(r.request("GET", fact, nil)); resp.StatusCode != http.StatusOK || !strings.Contains(body, `"kind":"key","statement":{"key":"`+key.VKey+`"`) {
		t.Errorf("%s: %d %s", fact, resp.StatusCode, body)
	}
	for _, path := range []string{fact, "/api/v1/events/0"} {
		_, body := r.do(r.request("GET", path+"/proof", nil))
		p, err := bundle.ParseProofJSON([]byte(body))
		if err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		for i, k := range keys {
			known, err := merkle.ParseKeys([]byte(k.VKey))
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Verify(known); (err == nil) != (i == 0 || path == fact) {
				t.Errorf("%s with key %d: %v", path, i, err)
			}
		}
	}
	if _, err := server.RotateKey(t.Context(), server.Config{Data: dir}, 10); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("under a running server: %v", err)
	}
}

func TestRotationNeedsATrail(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := server.RotateKey(t.Context(), server.Config{Data: dir}, 10); err == nil || !strings.Contains(err.Error(), "has no trail yet") {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err := server.RotateKey(t.Context(), server.Config{}, 10); err == nil {
		t.Error("no directory")
	}
}
