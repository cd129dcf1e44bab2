package web_test

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"countersign/web"
)

func get(t *testing.T, pattern string) *httptest.ResponseRecorder {
	t.Helper()
	page, ok := web.Pages("/KeyfactorAPI")[pattern]
	if !ok {
		t.Fatalf("no page %s", pattern)
	}
	w := httptest.NewRecorder()
	method, path, _ := strings.Cut(pattern, " ")
	page(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestPagesRunUnderAStrictPolicy(t *testing.T) {
	for pattern := range web.Pages("/KeyfactorAPI") {
		if pattern == "GET /openapi.json" {
			continue
		}
		policy := get(t, pattern).Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s has the policy %q", pattern, policy)
		}
	}
}

// The page must work where only this server is in reach.
func TestPagesReferToNoOtherHost(t *testing.T) {
	allowed := map[string]bool{"http://www.w3.org/2000/svg": true} // a name, not a place
	for pattern := range web.Pages("/KeyfactorAPI") {
		if pattern == "GET /openapi.json" {
			continue
		}
		for _, url := range regexp.MustCompile(`(https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^"' )]*`).FindAllString(get(t, pattern).Body.String(), -1) {
			if !allowed[url] {
				t.Errorf("%s refers to %s", pattern, url)
			}
		}
	}
}

// The script's promise not to make markup of strings, for readers of the code; the policy holds it in browsers.
func TestTheScriptMakesNoMarkupOfStrings(t *testing.T) {
	script := get(t, "GET /docs/app.js").Body.String()
	for _, way := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "localStorage", "sessionStorage", "cookie"} {
		if strings.Contains(script, way) {
			t.Errorf("the script has %s", way)
		}
	}
}
