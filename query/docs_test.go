package query_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"countersign/query"
)

// TestDocumentedTextsAreRead holds docs/search-text.md to the parser: its examples, the first column of its
// tables of terms and times, and its errors word for word.
func TestDocumentedTextsAreRead(t *testing.T) {
	doc, err := os.ReadFile("../docs/search-text.md")
	if err != nil {
		t.Fatal(err)
	}
	read, refused := 0, 0
	for _, block := range regexp.MustCompile("(?s)```search\n(.*?)```").FindAllStringSubmatch(string(doc), -1) {
		for line := range strings.Lines(block[1]) {
			read++
			if _, err := query.Parse(line); err != nil {
				t.Errorf("%s%v", line, err)
			}
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*) \\|$").FindAllStringSubmatch(string(doc), -1) {
		text := strings.ReplaceAll(row[1], `\|`, "|") // as a table has it
		_, err := query.Parse(text)
		switch want := row[2]; {
		case strings.HasPrefix(want, "at byte"):
			refused++
			if err == nil || err.Error() != want {
				t.Errorf("%s: got error %v, want %s", text, err, want)
			}
		default:
			read++
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	if read < 20 || refused < 5 {
		t.Errorf("found %d texts to read and %d to refuse: the page changed its form", read, refused)
	}
	for _, f := range query.Fields() {
		if !strings.Contains(string(doc), "`"+string(f)+"`") {
			t.Errorf("the page does not name the field %s", f)
		}
	}
}
