package dialecttest

import (
	"encoding/base64"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/*.txtar")

// Show renders the body of an answer for people; words are what follows its name in a case.
type Show func(t *testing.T, body []byte, words []string) string

// API is one dialect over an estate of its own.
type API struct {
	*Estate
	Handler http.Handler
	Record  func(t testing.TB, ndjson string)
	// TokenHeader is where tokens go that a case does not put anywhere.
	TokenHeader string
	// Prefix comes before the token in it.
	Prefix string
	// Header are the fields that every request has unless it sets them itself; an empty value leaves one out.
	Header map[string]string
	Shows  map[string]Show
	// Request reads the first line of a case; nil takes it as a method and a target.
	Request func(line string) (method, target string)
	// Body turns what a case has for a body into one; nil leaves it.
	Body func(string) string
	// Hide replaces what differs from run to run; nil leaves the answer.
	Hide func(string) string
}

// Cases plays testdata/*.txtar. Each file has events.ndjson, recorded first, then requests, each with the
// answer that is wanted in the section after it. The first line of a request is its method and target; then
// come headers, of which a $name stands for a token of the estate, and directives:
//
//	> as NAME        sign in with this token; $admin when there is no other credential
//	> anonymous      do not sign in
//	> without NAME   leave this header out
//	> header NAME    show this header of the answer too
//	> NAME WORDS     show the body as the dialect's tests show NAME
//
// The rest, from the first line that begins with no letter, is the body.
func Cases(t *testing.T, setUp func(t *testing.T) API) {
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
			api := setUp(t)
			sections := archive.Files
			if sections[0].Name == "events.ndjson" {
				api.Record(t, string(sections[0].Data))
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
					got := api.play(t, string(request.Data))
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
func (a *API) play(t *testing.T, request string) string {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(request, "\n"), "\n")
	n := 1
	for n < len(lines) && beginsWithLetter(strings.TrimPrefix(lines[n], "> ")) {
		n++
	}
	body := strings.Join(lines[n:], "\n")
	if a.Body != nil {
		body = a.Body(body)
	}
	method, target, _ := strings.Cut(lines[0], " ")
	if a.Request != nil {
		method, target = a.Request(lines[0])
	}
	r := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(body))
	setTarget(t, r, target)
	for name, value := range a.Header {
		r.Header.Set(name, value)
	}
	show, headers := a.direct(t, r, lines[1:n])
	w := httptest.NewRecorder()
	a.Handler.ServeHTTP(w, r)
	out := fmt.Sprintf("%d\n", w.Code)
	for _, name := range headers {
		out += fmt.Sprintf("%s: %s\n", name, strings.Join(w.Result().Header.Values(name), " | "))
	}
	if w.Body.Len() > 0 {
		out += show(w.Body.Bytes())
	}
	if a.Hide != nil {
		out = a.Hide(out)
	}
	return out
}

func beginsWithLetter(s string) bool { return s != "" && s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z' }

// credentials are the header fields that a token can be in.
var credentials = []string{"Authorization", "X-Api-Key", "X-Dc-Devkey"}

// direct carries out the headers and directives of a case.
func (a *API) direct(t *testing.T, r *http.Request, lines []string) (show func([]byte) string, headers []string) {
	t.Helper()
	token := "admin"
	show = func(body []byte) string { return string(body) + "\n" }
	for _, line := range lines {
		directive, ok := strings.CutPrefix(line, "> ")
		if !ok {
			name, value, _ := strings.Cut(line, ": ")
			if _, preset := a.Header[name]; preset {
				r.Header.Set(name, value)
				continue
			}
			r.Header.Add(name, a.expand(value))
			if slices.Contains(credentials, http.CanonicalHeaderKey(name)) {
				token = ""
			}
			continue
		}
		words := strings.Fields(directive)
		switch words[0] {
		case "as":
			token = words[1]
		case "anonymous":
			token = ""
		case "without":
			r.Header.Del(words[1])
		case "header":
			headers = append(headers, words[1])
		case "quiet":
			show = func([]byte) string { return "" }
		default:
			named := a.Shows[words[0]]
			if named == nil {
				t.Fatalf("unknown directive %q", line)
			}
			show = func(body []byte) string { return named(t, body, words[1:]) }
		}
	}
	if token != "" {
		r.Header.Set(a.TokenHeader, a.Prefix+a.Tokens[token])
	}
	return show, headers
}

// setTarget sets the URL as a server would read it from the request line, without repairing anything.
func setTarget(t *testing.T, r *http.Request, target string) {
	t.Helper()
	path, query, _ := strings.Cut(target, "?")
	u, err := url.ParseRequestURI(path)
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery = query
	r.URL, r.RequestURI = u, target
}

// expand replaces $name by the token, $blank by a blank, and basic(user:$name) by its encoding.
func (a *API) expand(s string) string {
	s = strings.ReplaceAll(s, "$blank", " ")
	for _, name := range slices.Sorted(maps.Keys(a.Tokens)) {
		s = strings.ReplaceAll(s, "$"+name, a.Tokens[name])
	}
	if before, rest, ok := strings.Cut(s, "basic("); ok {
		s = before + base64.StdEncoding.EncodeToString([]byte(strings.TrimSuffix(rest, ")")))
	}
	return s
}
