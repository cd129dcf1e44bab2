package server_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"countersign/server"
)

// command sends a request of Keyfactor's to the running server.
func (r *running) command(path string) (*http.Response, string) {
	r.t.Helper()
	return r.do(r.request("GET", path, nil, "x-keyfactor-requested-with", "APIClient"))
}

func TestKeyfactorPathIsWhereTheOperatorPutsIt(t *testing.T) {
	r := startWith(t, func(c *server.Config) { c.KeyfactorPath = "/Command/api" }, nil)
	r.client = r.plain // the document in the source has the usual path
	for path, want := range map[string]int{
		"/Command/api/Audit": 200, "/command//API/audit/": 200, "//Command/api/Audit": 200, "/Command/api/Status/Endpoints": 200,
		"/KeyfactorAPI/Audit": 404, "/Command/Audit": 404, "/Command/api": 404,
	} {
		resp, body := r.command(path)
		if resp.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", path, resp.StatusCode, body, want)
		}
		ours := strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json")
		if resp.StatusCode == 404 && ours == strings.HasPrefix(path, "/Command/api") {
			t.Errorf("%s is refused by the wrong API: %s", path, body)
		}
	}
	_, document := r.command("/openapi.json")
	if !strings.Contains(document, `"/Command/api/Audit/{id}/Validate":`) || strings.Contains(document, `"/KeyfactorAPI/`) {
		t.Error("the document has another path")
	}
}

func TestKeyfactorPathMustNotHideAnotherAPI(t *testing.T) {
	r := start(t, nil)
	paths := map[string]string{
		"KeyfactorAPI": "must begin with a slash", "/": "must have something", "//": "must have something", "/a//b": "must have something", "/a/": "must have something",
		"/a b": "must be of letters", "/a/../b": "must be of letters", "/ä": "must be of letters", "/{id}": "must be of letters",
		"/API/v1/keyfactor": "lies under /API, where another API is", "/tile/x": "lies under /tile", "/checkpoint": "lies under /checkpoint",
	}
	for _, route := range r.server.Routes() {
		_, path, _ := strings.Cut(route, " ")
		first := strings.Split(path, "/")[1]
		if first != "KeyfactorAPI" {
			paths["/"+first] = "lies under /" + first
		}
	}
	for path, want := range paths {
		cfg := config(t, &output{})
		cfg.KeyfactorPath = path
		s, err := server.Open(t.Context(), cfg)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", path, err, want)
		}
		if _, err := os.Stat(cfg.Data); err == nil {
			t.Errorf("%q: the directory was made", path)
		}
	}
}

// What is changed under the running server is found when it is asked for, and nothing else is disturbed.
func TestValidateFindsAChangedByteWhileListsGoOn(t *testing.T) {
	var dir string
	r := startWith(t, func(c *server.Config) { dir = c.Data }, nil)
	for n := range 3 {
		resp, body := r.do(r.request("POST", "/api/v1/events", strings.NewReader(fmt.Sprintf(`{"id":"%d","occurred_at":"2026-01-15T10:30:00Z","action":"UPDATE","resource":{"type":"TEMPLATE","id":"marked-%[1]d"},"source":"example/app"}`, n)), "Content-Type", "application/json"))
		if resp.StatusCode != http.StatusCreated {
			t.Fatal(resp.StatusCode, body)
		}
	}
	_, list := r.command("/KeyfactorAPI/Audit?QueryString=Category+-eq+Template")
	ids := idsOf(t, list)
	valid := func() (answers []string) {
		for _, id := range ids {
			resp, body := r.command("/KeyfactorAPI/Audit/" + id + "/Validate")
			answers = append(answers, fmt.Sprint(resp.StatusCode, " ", body))
		}
		return answers
	}
	if got := valid(); !slices.Equal(got, []string{"200 true", "200 true", "200 true"}) {
		t.Fatalf("before: %q", got)
	}
	flip(t, dir, "marked-1")
	if got := valid(); !slices.Equal(got, []string{"200 true", "200 false", "200 true"}) {
		t.Errorf("a byte of the second is another: %q", got)
	}
	if _, again := r.command("/KeyfactorAPI/Audit?QueryString=Category+-eq+Template"); again != list {
		t.Errorf("the list is another:\n%s\n%s", list, again)
	}
	if log := r.log.String(); !strings.Contains(log, "read from the disk") && !strings.Contains(log, "changed on the disk") {
		t.Errorf("the log says nothing: %s", log)
	}
}

// idsOf are the Ids of a list.
func idsOf(t *testing.T, list string) (ids []string) {
	t.Helper()
	for part := range strings.SplitSeq(list, `{"Id":`) {
		if id, _, ok := strings.Cut(part, ","); ok && id != "[" {
			ids = append(ids, id)
		}
	}
	return ids
}

// flip changes a byte of the text wherever it is stored in the directory.
func flip(t *testing.T, dir, text string) {
	t.Helper()
	found := 0
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		at := bytes.Index(b, []byte(text))
		if at < 0 {
			return nil
		}
		found++
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt([]byte{b[at] ^ 1}, int64(at))
		return cmpErr(err, f.Close())
	})
	if err != nil || found == 0 {
		t.Fatalf("%q was found in %d files: %v", text, found, err)
	}
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
