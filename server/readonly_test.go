package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"countersign/server"
)

// record runs a server on the directory that records n events and stops.
func record(t *testing.T, dir, checkpointFile, id string) {
	t.Helper()
	r := startWith(t, func(c *server.Config) { c.Data, c.CheckpointFile = dir, checkpointFile }, nil)
	if resp, body := r.do(r.request("POST", "/api/v1/events", strings.NewReader(eventJSON(id)))); resp.StatusCode != http.StatusCreated {
		t.Fatal(resp.StatusCode, body)
	}
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	r.close()
}

// A directory that is not what was signed is shown and not added to, and nobody can overlook it.
func TestDirectoryOfAnotherTimeIsReadOnly(t *testing.T) {
	dir, kept := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "checkpoint")
	record(t, dir, kept, "early")
	old := copyDir(t, dir)
	record(t, dir, kept, "late")
	for name, c := range map[string]struct {
		make func(t *testing.T) server.Config
		want string
	}{
		"an old copy beside a kept checkpoint": {func(t *testing.T) server.Config {
			return server.Config{Data: copyDir(t, old), CheckpointFile: kept}
		}, "but --checkpoint-file has a checkpoint of"},
		"the log of an old copy": {func(t *testing.T) server.Config {
			to := copyDir(t, dir)
			for _, name := range []string{"wal", "manifest"} {
				if err := os.RemoveAll(filepath.Join(to, name)); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(filepath.Join(copyDir(t, old), name), filepath.Join(to, name)); err != nil {
					t.Fatal(err)
				}
			}
			return server.Config{Data: to}
		}, "but published a checkpoint of"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := c.make(t)
			before := treeOf(t, cfg.Data)
			r := startWith(t, func(c *server.Config) { c.Data, c.CheckpointFile = cfg.Data, cfg.CheckpointFile }, nil)
			for _, call := range []struct {
				method, path, body string
				status             int
			}{
				{"GET", "/healthz", "", 200},
				{"GET", "/readyz", "", 503},
				{"GET", "/checkpoint", "", 200},
				{"GET", "/api/v1/events", "", 200},
				{"GET", "/api/v1/events/export", "", 200},
				{"GET", "/api/v1/events/0/proof", "", 200},
				{"GET", "/account/api/v1/audit-log", "", 200},
				{"POST", "/api/v1/events", eventJSON("new"), 503},
				{"POST", "/api/v1/accounts", `{"id":"new","name":"New"}`, 503},
			} {
				var resp *http.Response
				var body string
				if call.body == "" {
					resp, body = r.do(r.request(call.method, call.path, nil))
				} else {
					resp, body = r.do(r.request(call.method, call.path, strings.NewReader(call.body), "Content-Type", "application/json"))
				}
				if resp.StatusCode != call.status {
					t.Errorf("%s %s: %d %s", call.method, call.path, resp.StatusCode, body)
				}
				if call.status == 503 && call.path != "/api/v1/accounts" &&
					(!strings.Contains(body, "the trail is read-only") || !strings.Contains(body, c.want)) {
					t.Errorf("%s %s does not say why: %s", call.method, call.path, body)
				}
				if strings.Contains(body, `"id":"late"`) {
					t.Errorf("%s %s shows what is not there: %s", call.method, call.path, body)
				}
			}
			if got := sample(t, r.scrape(), "countersign_read_only"); got != 1 {
				t.Errorf("countersign_read_only is %v", got)
			}
			r.stop()
			if err := r.wait(); err != nil {
				t.Error(err)
			}
			r.close()
			if log := r.log.String(); !strings.Contains(log, "the trail is read-only") {
				t.Errorf("the log does not say so: %s", log)
			}
			if after := treeOf(t, cfg.Data); !slices.Equal(before, after) {
				t.Errorf("the checkpoints or keys were %q and are %q", before, after)
			}
		})
	}
}

// treeOf is what of a directory the world has been shown.
func treeOf(t *testing.T, dir string) (all []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*", "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if parent := filepath.Base(filepath.Dir(name)); parent != "checkpoints" && parent != "keys" {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, filepath.Base(name)+" "+string(b))
	}
	return all
}

func TestCheckpointFileMustBeElsewhere(t *testing.T) {
	dir := t.TempDir()
	for file, want := range map[string]string{
		filepath.Join(dir, "data", "checkpoint"):              "lies in the data directory",
		filepath.Join(dir, "data", "..", "data", "c", "file"): "lies in the data directory",
		filepath.Join(dir, "missing", "checkpoint"):           "is its volume mounted?",
	} {
		_, err := server.Open(t.Context(), server.Config{Data: filepath.Join(dir, "data"), CheckpointFile: file})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
	for origin, want := range map[string]string{"two words": "cannot name a trail", "a+b": "cannot name a trail", strings.Repeat("x", 256): "the limit is 255"} {
		_, err := server.Open(t.Context(), server.Config{Data: filepath.Join(dir, "data"), Origin: origin})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", origin, err)
		}
	}
}
