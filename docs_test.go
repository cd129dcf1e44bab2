package countersign

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// literals returns the texts that stand in the code outside of tests.
func literals(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, files := range packages(t) {
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				l, ok := n.(*ast.BasicLit)
				if !ok || l.Kind != token.STRING {
					return true
				}
				s, err := strconv.Unquote(l.Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, s)
				return true
			})
		}
	}
	return all
}

// inOne reports whether the parts of a quoted message stand, in order, in one text of the code.
func inOne(texts []string, message string) bool {
	for _, text := range texts {
		rest, ok := text, true
		for part := range strings.SplitSeq(message, "…") {
			// Blanks and colons at the ends may be of whatever the message is put together with.
			part = strings.Trim(part, " :")
			var found bool
			if _, rest, found = strings.Cut(rest, part); !found {
				ok = false
				break
			}
		}
		if ok {
			return true
		}
	}
	return false
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// Who looks for a message finds it as it is now, not as it was in an earlier release.
func TestTroubleshootingQuotesMessagesOfTheCode(t *testing.T) {
	b, err := os.ReadFile("docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := literals(t)
	quoted := 0
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.HasPrefix(cells[1], "---") {
			continue
		}
		cell := cells[1]
		if regexp.MustCompile(`^ \d{3} $`).MatchString(cell) {
			cell = cells[2]
		}
		if strings.Contains(cell, "(of ") { // messages of Go, curl or the system
			continue
		}
		for _, m := range codeSpan.FindAllStringSubmatch(cell, -1) {
			quoted++
			if strings.Trim(m[1], "… :") != "" && !inOne(texts, m[1]) {
				t.Errorf("no code says %q", m[1])
			}
		}
	}
	if quoted < 80 {
		t.Errorf("only %d messages were found in the page", quoted)
	}
}

// general are the calls that make messages which are not about one field: each is explained.
var general = regexp.MustCompile(`problem\.New\(problem\.\w+, "([^"]+)"|Detail:\s+(?:fmt\.Sprintf\()?"([^"]+)"|throttled\("([^"]+)"`)

func TestTroubleshootingExplainsWhatTheServerAnswers(t *testing.T) {
	b, err := os.ReadFile("docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	var quoted []string
	for _, m := range codeSpan.FindAllStringSubmatch(string(b), -1) {
		quoted = append(quoted, m[1])
	}
	verb := regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]`)
	for dir, files := range packages(t) {
		switch dir {
		case "server", "store", "identity", "dialect/native":
		default:
			continue
		}
		for _, name := range files {
			code, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range general.FindAllStringSubmatch(string(code), -1) {
				message := strings.Join(m[1:], "")
				if !explained(quoted, verb.ReplaceAllString(message, "…")) {
					t.Errorf("%s: docs/troubleshooting.md does not explain %q", name, message)
				}
			}
		}
	}
}

func explained(quoted []string, message string) bool {
	for _, q := range quoted {
		if strings.Contains(message, strings.Trim(q, "… :")) && strings.Trim(q, "… :") != "" {
			return true
		}
	}
	return false
}
