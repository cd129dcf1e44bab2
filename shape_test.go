// Package countersign holds no code. Its tests keep the shape of the tree: every package says what it is
// for, and the layers call each other in one direction only.
package countersign

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers says which of our packages each package may import; tests may import more. A new package or a new
// arrow is a decision: it goes into this table and into a design note.
var layers = map[string][]string{
	"backup":               {"internal/durable", "merkle"},
	"bitmap":               {},
	"bodies":               {"internal/durable"},
	"bundle":               {"event", "merkle", "query"},
	"cmd/countersign":      {"backup", "bundle", "client", "collect", "event", "identity", "internal/testkit", "merkle", "problem", "query", "report", "server", "store", "verify"},
	"client":               {"event", "problem"},
	"collect":              {"collect/digicertone", "collect/discovery", "collect/keyfactor", "collect/records", "event", "problem"},
	"collect/digicertone":  {"collect/records", "event"},
	"collect/discovery":    {"collect/records", "event"},
	"collect/keyfactor":    {"collect/records", "event"},
	"collect/records":      {"event"},
	"dialect/answer":       {"identity"},
	"dialect/digicertone":  {"dialect/answer", "dialect/refusal", "event", "identity", "problem", "query", "store"},
	"dialect/discovery":    {"dialect/answer", "dialect/refusal", "event", "identity", "problem", "query", "store"},
	"dialect/keyfactor":    {"bundle", "dialect/answer", "dialect/refusal", "event", "identity", "merkle", "problem", "query", "store"},
	"dialect/native":       {"backup", "bundle", "event", "identity", "merkle", "problem", "query", "report", "store"},
	"dialect/refusal":      {"problem"},
	"event":                {},
	"examples/go/send":     {"client", "event"},
	"examples/go/tutorial": {},
	"ids":                  {"internal/durable"},
	"identity":             {"event", "internal/durable", "problem", "query"},
	"internal/apicheck":    {"web"},
	"internal/crashfs":     {"internal/durable"},
	"internal/dialecttest": {"event", "identity", "store"},
	"internal/durable":     {},
	"internal/testkit":     {"event", "merkle"},
	"merkle":               {},
	"problem":              {},
	"query":                {"event"},
	"report":               {"bundle", "event", "identity", "internal/durable", "merkle", "problem", "query", "store"},
	"report/render":        {"report"},
	"salts":                {"internal/durable"},
	"segment":              {"bitmap", "event", "internal/durable", "query"},
	"server":               {"backup", "dialect/digicertone", "dialect/discovery", "dialect/keyfactor", "dialect/native", "event", "identity", "internal/durable", "merkle", "problem", "query", "report", "report/render", "store", "verify", "web"},
	"store":                {"bodies", "event", "ids", "internal/durable", "merkle", "problem", "query", "salts", "segment", "wal"},
	"store/storetest":      {"event", "internal/testkit", "problem", "query", "store"},
	"verify":               {"bodies", "bundle", "event", "ids", "internal/durable", "merkle", "query", "salts", "segment", "wal"},
	"wal":                  {"internal/durable"},
	"web":                  {},
}

func TestPackagesImportOnlyTheLayersBelowThem(t *testing.T) {
	for dir, files := range packages(t) {
		allowed, known := layers[dir]
		if !known {
			t.Errorf("package %s is not in the import table", dir)
			continue
		}
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range f.Imports {
				path, err := strconv.Unquote(i.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if own, ok := strings.CutPrefix(path, "countersign/"); ok && !slices.Contains(allowed, own) {
					t.Errorf("%s imports %s: %s may import only %v", name, own, dir, allowed)
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	const shortest = 80 // bytes; less is a name, not an explanation
	for dir, files := range packages(t) {
		var doc string
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc == nil {
				continue
			}
			if doc != "" {
				t.Errorf("%s has a second package comment in %s", dir, name)
			}
			doc = f.Doc.Text()
		}
		if len(doc) < shortest {
			t.Errorf("%s has no package comment that says what it holds and promises", dir)
		}
	}
}

// packages returns the non-test Go files of the tree by folder.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() && path != "." {
			// A module of its own (test-only dependencies) has its own rules.
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
				return filepath.SkipDir
			}
		}
		if dir := filepath.ToSlash(filepath.Dir(path)); strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			found[dir] = append(found[dir], path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
