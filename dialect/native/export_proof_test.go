package native_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"countersign/identity"
	"countersign/merkle"
	"countersign/query"
	"countersign/verify"
)

// proven exports with proof and checks what comes, as its reader does.
func (a *api) proven(path, token string) (body string, r *verify.Report) {
	a.t.Helper()
	w := a.do(request{path: path, token: token})
	body = must200(a.t, w)
	keys := make([]string, 0, 1)
	for _, k := range a.trail.Keys() {
		keys = append(keys, k.VKey)
	}
	trusted, err := merkle.ParseKeys([]byte(strings.Join(keys, "\n")))
	if err != nil {
		a.t.Fatal(err)
	}
	r, err = verify.Export(a.t.Context(), strings.NewReader(body), verify.Options{Keys: trusted})
	if err != nil {
		a.t.Fatal(err)
	}
	if trailer := w.Result().Trailer.Get("X-Countersign-Complete"); !strings.HasPrefix(trailer, "count=") {
		a.t.Errorf("%s: trailer %q", path, trailer)
	}
	return body, r
}

func TestExportWithProofIsVerified(t *testing.T) {
	a := newAPI(t)
	a.account("acme")
	a.seed(1000, day)
	if _, err := a.trail.RotateKey(t.Context(), 5); err != nil { // a system fact in the middle
		t.Fatal(err)
	}
	a.seed(1000, func(i int) string { return strings.Replace(day(i), `"id":"e`, `"id":"f`, 1) })
	auditor := a.user("auditor", "acme", []identity.Grant{{Role: identity.Auditor, Account: "acme"}}, identity.NewToken{})
	size := a.trail.Size()
	tests := []struct {
		name, params, token string
		level               string
		rows                uint64
	}{
		{"everything", "", "", "AC", size},
		{"everything, newest first", "sort=seq:desc", "", "AC", size},
		{"a range with the fact", "q=seq:990..1010", "", "AC", 21},
		{"the fact", "q=seq:1000", "", "AC", 1},
		{"the end, at an earlier size", fmt.Sprintf("q=seq>%%3D1990&as_of=%d", size-3), "", "AC", size - 3 - 1990},
		{"found by a query", "q=" + url.QueryEscape("-outcome:success"), "", "A", a.count("-outcome:success")},
		{"in another order", "sort=occurred_at:desc", "", "A", size - 1},
		{"a period", "from=2026-01-01&to=2026-01-02", "", "A", a.count("occurred_at:2026-01-01..2026-01-02")},
		{"what an auditor sees", "", auditor, "AC", a.count("account.id:=acme")},
		{"nothing", "q=id:nobody", "", "", 0},
	}
	for _, tt := range tests {
		for _, format := range []string{"ndjson", "csv", "csv&guard=false"} {
			t.Run(tt.name+" "+format, func(t *testing.T) {
				body, r := a.in(t).proven("/api/v1/events/export?proof=true&format="+format+"&"+tt.params, tt.token)
				levels := ""
				for _, c := range r.Claims {
					levels += c.Level
				}
				if !r.OK() || levels != tt.level {
					t.Errorf("levels %q, want %q; %+v\n%.2000s", levels, tt.level, r.Findings, body)
				}
				last := body[strings.LastIndexByte(body[:len(body)-1], '\n')+1:]
				if want := fmt.Sprintf(`"count":%d,`, tt.rows); format == "ndjson" && !strings.Contains(last, want) {
					t.Errorf("the last record is %s, want %s", last, want)
				}
			})
		}
	}
}

// count is how many entries the query finds now.
func (a *api) count(q string) uint64 {
	a.t.Helper()
	f, err := query.Parse(q)
	if err != nil {
		a.t.Fatal(err)
	}
	page, err := a.trail.Search(a.t.Context(), query.Query{Filter: f})
	if err != nil {
		a.t.Fatal(err)
	}
	return page.Total
}

func TestExportWithProofRefusesWhatItCannotState(t *testing.T) {
	a := newAPI(t)
	for params, want := range map[string]string{
		"":                  "there is no checkpoint of an empty trail",
		"&after=3":          "goes without proof",
		"&proof=true":       "is given more than once",
		"&format=xml":       "must be ndjson or csv",
		"&as_of=1":          "is larger than the trail",
		"&proof_of=nothing": "is not a parameter",
	} {
		w := a.do(request{path: "/api/v1/events/export?proof=true" + params})
		if w.Code == 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q: %d %s, want %q", params, w.Code, w.Body, want)
		}
		if got := w.Header().Get("Trailer"); got != "" {
			t.Errorf("%q: a refusal announces the trailer %q", params, got)
		}
	}
}
