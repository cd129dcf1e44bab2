package web_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"countersign/web"
)

// A name that stands twice in a YAML file would silently hide what it named first.
func TestDocumentHasNoNameTwice(t *testing.T) {
	dec := jsontext.NewDecoder(bytes.NewReader(web.Document()))
	if _, err := dec.ReadValue(); err != nil {
		t.Fatal(err)
	}
}

// parts are the parts of the document that these tests look at.
type parts struct {
	Tags  []struct{ Name, Description string }
	Paths map[string]map[string]json.RawMessage
}

func document(t testing.TB) parts {
	t.Helper()
	var d parts
	if err := json.Unmarshal(web.Document(), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// operations calls fn with each operation of the document as plain JSON.
func operations(t testing.TB, fn func(name string, o map[string]any)) {
	t.Helper()
	var d struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(web.Document(), &d); err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			if method == "parameters" {
				continue
			}
			var o map[string]any
			if err := json.Unmarshal(d.Paths[path][method], &o); err != nil {
				t.Fatal(err)
			}
			fn(strings.ToUpper(method)+" "+path, o)
		}
	}
}

func TestEveryOperationSaysWhatItIsAndHowItFails(t *testing.T) {
	d := document(t)
	known := map[string]bool{}
	for _, tag := range d.Tags {
		known[tag.Name] = true
		if tag.Description == "" {
			t.Errorf("the tag %s has no description", tag.Name)
		}
	}
	ids := map[string]string{}
	operations(t, func(name string, o map[string]any) {
		id, _ := o["operationId"].(string)
		if id == "" || ids[id] != "" {
			t.Errorf("%s has the id %q, like %q", name, id, ids[id])
		}
		ids[id] = name
		if summary, _ := o["summary"].(string); summary == "" || strings.HasSuffix(summary, ".") {
			t.Errorf("%s has the summary %q", name, summary)
		}
		if tags, _ := o["tags"].([]any); len(tags) != 1 || !known[tags[0].(string)] {
			t.Errorf("%s has the tags %v", name, o["tags"])
		}
		want := []string{"500", "503"}
		if security, ok := o["security"].([]any); !ok || len(security) > 0 {
			want = append(want, "401", "429")
		}
		responses := o["responses"].(map[string]any)
		for _, status := range want {
			if responses[status] == nil {
				t.Errorf("%s does not say how it answers %s", name, status)
			}
		}
	})
}
