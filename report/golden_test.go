package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// passing are the parts of a report that differ from run to run: hashes over random salts and times of recording, ids
// that are made up, and the day on which the test runs.
var passing = []struct {
	form *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`"[0-9a-f]{64}"`), `"(sha256)"`},
	{regexp.MustCompile(`"[A-Za-z0-9+/]{43}="`), `"(root)"`},
	{regexp.MustCompile(`example\.com/trail\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+`), `(key)`},
	{regexp.MustCompile(`itself, from [0-9-]{10} on`), `itself, from (today) on`},
	{regexp.MustCompile(`"bytes": \d+`), `"bytes": 0`},
}

func TestReportsOfAFixedEstate(t *testing.T) {
	w := newWorld(t, 3000)
	for _, id := range []string{"pci-dss", "soc-2"} {
		t.Run(id, func(t *testing.T) {
			golden(t, id, w.make(w.request(id)).Report, w.admin.UserID)
		})
	}
	t.Run("one account", func(t *testing.T) {
		r := w.request("soc-2")
		r.Accounts = []string{w.estate.Accounts[2].ID}
		golden(t, "one-account", w.make(r).Report, w.admin.UserID)
	})
	t.Run("before the first event", func(t *testing.T) {
		r := w.request("soc-2")
		r.From, r.To = "2020-01-01", "2020-01-31"
		golden(t, "before", w.make(r).Report, w.admin.UserID)
	})
}

// golden holds a report to its golden file.
func golden(t *testing.T, name string, r *report.Report, admin string) {
	t.Helper()
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range passing {
		b = p.form.ReplaceAll(b, []byte(p.with))
	}
	// Its id is made up anew each time, and so is its place in a list.
	b = regexp.MustCompile(admin+",|,"+admin).ReplaceAll(b, nil)
	b = bytes.ReplaceAll(b, []byte(admin), []byte("(admin)"))
	file := filepath.Join("testdata", name+".golden.json")
	if *update {
		if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(b)+"\n"); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
