package digicertone_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/*.txtar")

// TestCases plays testdata/*.txtar. Each file has events.ndjson, recorded first, then requests, each with
// the answer that is wanted in the section after it. The first line of a request is its method and target;
// the others are headers, of which a $name stands for a token of the estate, and directives:
//
//	> as NAME        sign in with this token in x-api-key; $admin when there is no other credential
//	> anonymous      do not sign in
//	> header NAME    show this header of the answer too
//	> items MEMBER.. show the total and these members of each item in place of the body
//	> error          show code and message of a failure in place of the body
//	> quiet          do not show the body
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f := setUp(t)
			sections := archive.Files
			if sections[0].Name == "events.ndjson" {
				f.add(t, string(sections[0].Data))
				sections = sections[1:]
			}
			if len(sections)%2 != 0 {
				t.Fatal("a request has no answer")
			}
			for i := 0; i < len(sections); i += 2 {
				request, answer := sections[i], &sections[i+1]
				if answer.Name != "answer" {
					t.Fatalf("%q follows the request %q, want answer", answer.Name, request.Name)
				}
				t.Run(request.Name, func(t *testing.T) {
					got := f.play(t, string(request.Data))
					if *update {
						answer.Data = []byte(got)
					} else if want := string(answer.Data); got != want {
						t.Errorf("%sanswered\n%swant\n%s", request.Data, got, want)
					}
				})
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// play sends the request and returns the answer as the section has it.
func (f *fixture) play(t *testing.T, request string) string {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(request))
	lines.Scan()
	method, target, _ := strings.Cut(lines.Text(), " ")
	r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
	for name, id := range f.ids {
		target = strings.ReplaceAll(target, "$id_"+name, id)
	}
	if err := f.target(r, target); err != nil {
		t.Fatal(err)
	}
	token, headers := "admin", []string(nil)
	show := func(body []byte) string { return string(body) + "\n" }
	for lines.Scan() {
		line := lines.Text()
		directive, ok := strings.CutPrefix(line, "> ")
		if !ok {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.Add(name, f.expand(value))
			token = ""
			continue
		}
		words := strings.Fields(directive)
		switch words[0] {
		case "as":
			token = words[1]
		case "anonymous":
			token = ""
		case "header":
			headers = append(headers, words[1])
		case "items":
			show = func(body []byte) string { return showItems(t, body, words[1:]) }
		case "error":
			show = func(body []byte) string { return showError(t, body) }
		case "quiet":
			show = func([]byte) string { return "" }
		default:
			t.Fatalf("unknown directive %q", line)
		}
	}
	if token != "" {
		r.Header.Set("X-Api-Key", f.tokens[token])
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	out := fmt.Sprintf("%d\n", w.Code)
	for _, name := range headers {
		out += fmt.Sprintf("%s: %s\n", name, strings.Join(w.Result().Header.Values(name), " | "))
	}
	if w.Body.Len() > 0 {
		out += show(w.Body.Bytes())
	}
	// The ids that are made anew each time.
	for name, id := range f.ids {
		out = strings.ReplaceAll(out, id, "$id_"+name)
	}
	return strings.ReplaceAll(out, f.root.UserID, "$root")
}

// target sets the URL as a server would read it from the request line, without repairing anything.
func (f *fixture) target(r *http.Request, target string) error {
	path, query, _ := strings.Cut(target, "?")
	u, err := r.URL.Parse(path)
	if err != nil {
		return err
	}
	u.RawQuery = query
	r.URL, r.RequestURI = u, target
	return nil
}

// expand replaces $name by the token, $blank by a blank, and basic(user:$name) by its encoding.
func (f *fixture) expand(s string) string {
	s = strings.ReplaceAll(s, "$blank", " ")
	for _, name := range slices.Sorted(maps.Keys(f.tokens)) {
		s = strings.ReplaceAll(s, "$"+name, f.tokens[name])
	}
	if before, rest, ok := strings.Cut(s, "basic("); ok {
		s = before + base64.StdEncoding.EncodeToString([]byte(strings.TrimSuffix(rest, ")")))
	}
	return s
}

func showItems(t *testing.T, body []byte, members []string) string {
	t.Helper()
	var page struct {
		Total, Offset, Limit int
		Items                []map[string]any
	}
	if err := json.Unmarshal(body, &page); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	out := fmt.Sprintf("total %d offset %d limit %d\n", page.Total, page.Offset, page.Limit)
	for _, i := range page.Items {
		var values []string
		for _, m := range members {
			if i[m] == "" {
				values = append(values, `""`) // no blanks at the end of a line
				continue
			}
			values = append(values, fmt.Sprint(i[m]))
		}
		out += strings.Join(values, " ") + "\n"
	}
	return out
}

func showError(t *testing.T, body []byte) string {
	t.Helper()
	var answer struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Errors) != 1 {
		t.Fatalf("no error of this vendor's: %s", body)
	}
	return answer.Errors[0].Code + ": " + answer.Errors[0].Message + "\n"
}
