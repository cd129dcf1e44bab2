package discovery_test

import (
	"bytes"
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
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"countersign/dialect/discovery"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/*.txtar")

// TestCases plays testdata/*.txtar. Each file has events.ndjson, recorded first, then requests, each with
// the answer that is wanted in the section after it. The first line of a request is its call, a blank and
// perhaps a query: "list", "filter ?include_self=true"; or a method and a whole target. Then come headers, of
// which a $name stands for a token of the estate, and directives:
//
//	> as NAME        sign in with this token in X-DC-DEVKEY; $admin when there is no other credential
//	> anonymous      do not sign in
//	> header NAME    show this header of the answer too
//	> rows MEMBER..  show the counts and these members of each row in place of the body
//	> values         show the values of a filter, one a line, in place of the body
//	> error          show code and message of a failure in place of the body
//
// The rest, from the first line that begins with no letter, is the body, in which {..., stands for an object
// that begins with the account acme and all its divisions.
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
	lines := strings.Split(strings.TrimSuffix(request, "\n"), "\n")
	n := slices.IndexFunc(lines, func(l string) bool { return l == "" || l[0] != '>' && (l[0]|0x20 < 'a' || l[0]|0x20 > 'z') })
	if n < 0 {
		n = len(lines)
	}
	body := strings.ReplaceAll(strings.Join(lines[n:], "\n"), "{...", `{"accountId":"acme","divisionIds":[]`)
	method, target, whole := strings.Cut(lines[0], " /")
	if !whole {
		call, query, _ := strings.Cut(lines[0], " ")
		method, target = http.MethodPost, discovery.Prefix[1:]+"auditlog/"+call+query
	}
	r := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(body))
	f.target(t, r, "/"+target)
	token, headers := "admin", []string(nil)
	show := func(body []byte) string { return string(body) + "\n" }
	for _, line := range lines[1:n] {
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
		case "rows":
			show = func(body []byte) string { return showRows(t, body, words[1:]) }
		case "values":
			show = func(body []byte) string { return showValues(t, body) }
		case "error":
			show = func(body []byte) string { return showError(t, body) }
		default:
			t.Fatalf("unknown directive %q", line)
		}
	}
	if token != "" {
		r.Header.Set("X-DC-DEVKEY", f.tokens[token])
	}
	w := httptest.NewRecorder()
	f.checked.ServeHTTP(w, r)
	out := fmt.Sprintf("%d\n", w.Code)
	for _, name := range headers {
		out += fmt.Sprintf("%s: %s\n", name, strings.Join(w.Result().Header.Values(name), " | "))
	}
	if w.Body.Len() > 0 {
		out += show(w.Body.Bytes())
	}
	return out
}

// target sets the URL as a server would read it from the request line, without repairing anything.
func (f *fixture) target(t *testing.T, r *http.Request, target string) {
	path, query, _ := strings.Cut(target, "?")
	u, err := r.URL.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery = query
	r.URL, r.RequestURI = u, target
}

// expand replaces $name by the token, and basic(user:$name) by its encoding.
func (f *fixture) expand(s string) string {
	for _, name := range slices.Sorted(maps.Keys(f.tokens)) {
		s = strings.ReplaceAll(s, "$"+name, f.tokens[name])
	}
	if before, rest, ok := strings.Cut(s, "basic("); ok {
		s = before + base64.StdEncoding.EncodeToString([]byte(strings.TrimSuffix(rest, ")")))
	}
	return s
}

func showRows(t *testing.T, body []byte, members []string) string {
	t.Helper()
	var answer struct {
		Error any
		Data  struct {
			TotalCount, CurrentCount int
			AuditLogs                []map[string]any
		}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&answer); err != nil || answer.Error != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if answer.Data.CurrentCount != len(answer.Data.AuditLogs) {
		t.Errorf("currentCount %d with %d rows", answer.Data.CurrentCount, len(answer.Data.AuditLogs))
	}
	out := fmt.Sprintf("total %d current %d\n", answer.Data.TotalCount, answer.Data.CurrentCount)
	if len(members) == 0 {
		return out
	}
	for _, row := range answer.Data.AuditLogs {
		var values []string
		for _, m := range members {
			switch v := row[m].(type) {
			case nil:
				values = append(values, "null")
			case string:
				values = append(values, strconv.Quote(v))
			default:
				values = append(values, fmt.Sprint(v))
			}
		}
		out += strings.Join(values, " | ") + "\n"
	}
	return out
}

func showValues(t *testing.T, body []byte) string {
	t.Helper()
	var answer struct {
		Data struct {
			FilterName, DisplayName string
			Values                  []string
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Data.Values == nil {
		t.Fatalf("%v: %s", err, body)
	}
	out := fmt.Sprintf("%s, shown as %s\n", answer.Data.FilterName, answer.Data.DisplayName)
	for _, v := range answer.Data.Values {
		out += fmt.Sprintf("%q\n", v)
	}
	return out
}

func showError(t *testing.T, body []byte) string {
	t.Helper()
	var answer struct {
		Error *struct{ Code, Message string }
		Data  *struct{}
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Error == nil || answer.Data != nil || !bytes.HasSuffix(body, []byte(`},"data":null}`)) {
		t.Fatalf("no error of this vendor's: %s", body)
	}
	return answer.Error.Code + ": " + answer.Error.Message + "\n"
}
