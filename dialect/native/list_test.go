package native_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"countersign/identity"
	"countersign/query"
	"countersign/store"
)

// day is an event of the i-th day of January 2026 at a time of that day.
func day(i int) string {
	return fmt.Sprintf(`{"id":"e%d","occurred_at":"2026-01-%02dT12:00:00Z","action":"A%d","resource":{"type":"USER"},"source":"example/app","account":{"id":"%s"}}`,
		i, i%28+1, i%3, []string{"acme", "other"}[i%2])
}

func seqs(t testing.TB, w *httptest.ResponseRecorder) []int {
	t.Helper()
	var page struct {
		Items []struct {
			Seq int `json:"seq"`
		} `json:"items"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	found := []int{}
	for _, item := range page.Items {
		found = append(found, item.Seq)
	}
	return found
}

func TestListAnswersEachParameter(t *testing.T) {
	a := newAPI(t)
	a.seed(12, day)
	all := []int{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}
	for _, c := range []struct {
		query         string
		total, offset int
		limit         int
		size          string
		want          []int
	}{
		{"", 12, 0, 50, "12", all},
		{"q=", 12, 0, 50, "12", all},
		{"limit=3", 12, 0, 3, "12", all[:3]},
		{"limit=3&offset=10", 12, 10, 3, "12", all[10:]},
		{"limit=0", 12, 0, 0, "12", []int{}},
		{"limit=1000&offset=12", 12, 12, 1000, "12", []int{}},
		{"sort=seq", 12, 0, 50, "12", []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
		{"sort=action:desc&limit=4", 12, 0, 4, "12", []int{11, 8, 5, 2}},
		{"q=action:A1", 4, 0, 50, "12", []int{10, 7, 4, 1}},
		{"q=action%3Aa1+account.id%3Aacme", 2, 0, 50, "12", []int{10, 4}},
		{"from=2026-01-03&to=2026-01-05", 3, 0, 50, "12", []int{4, 3, 2}},
		{"from=2026-01-03T12:00:00Z&to=2026-01-04T12:00:00Z", 2, 0, 50, "12", []int{3, 2}},
		{"from=2026-01-03T12:00:00.000001Z&to=2026-01-04T11:59:59.999999Z", 0, 0, 50, "12", []int{}},
		{"from=2026-01-03T14:00:00%2B02:00&to=2026-01-03", 1, 0, 50, "12", []int{2}},
		{"to=2026-01-01", 1, 0, 50, "12", []int{0}},
		{"from=2026-01-12", 1, 0, 50, "12", []int{11}},
		{"as_of=5", 5, 0, 50, "5", []int{4, 3, 2, 1, 0}},
		{"as_of=0", 0, 0, 50, "0", []int{}},
		{"as_of=12&q=action:A0", 4, 0, 50, "12", []int{9, 6, 3, 0}},
		{"&limit=1&&", 12, 0, 1, "12", all[:1]},
	} {
		t.Run(c.query, func(t *testing.T) {
			w := a.do(request{path: "/api/v1/events?" + c.query})
			m := must(t, w, 200)
			if m["total"] != float64(c.total) || m["offset"] != float64(c.offset) || m["limit"] != float64(c.limit) || m["erasure_mark"] != 0.0 {
				t.Errorf("page %v", m)
			}
			if fmt.Sprint(m["tree_size"]) != c.size || w.Header().Get("X-Countersign-As-Of") != c.size {
				t.Errorf("tree size %v, header %q, want %s", m["tree_size"], w.Header().Get("X-Countersign-As-Of"), c.size)
			}
			if got := seqs(t, w); !slices.Equal(got, c.want) {
				t.Errorf("rows %v, want %v", got, c.want)
			}
		})
	}
}

func TestListRefusesBadParametersByName(t *testing.T) {
	a := newAPI(t)
	a.seed(3, day)
	huge := "99999999999999999999999"
	for _, c := range []struct {
		query    string
		field    string
		position any
	}{
		{"limit=1001", "limit", nil},
		{"limit=-1", "limit", nil},
		{"limit=ten", "limit", nil},
		{"limit=", "limit", nil},
		{"limit=1.5", "limit", nil},
		{"limit=%2B1", "limit", nil},
		{"limit=" + huge, "limit", nil},
		{"offset=-1", "offset", nil},
		{"offset=" + huge, "offset", nil},
		{"offset=0x10", "offset", nil},
		{"as_of=4", "as_of", nil},
		{"as_of=-1", "as_of", nil},
		{"as_of=" + huge, "as_of", nil},
		{"from=2026-02-30", "from", nil},
		{"from=2026-1-1", "from", nil},
		{"from=yesterday", "from", nil},
		{"from=", "from", nil},
		{"to=2026-01-01T00:00", "to", nil},
		{"to=2026-01-01T00:00:00.0000001Z", "to", nil},
		{"from=2026-01-02&to=2026-01-01", "to", nil},
		{"q=action:", "q", 7},
		{"q=colour:red", "q", 0},
		{"q=%22a", "q", nil},
		{"q=a%FF", "q", nil},
		{"q=%zz", "q", nil},
		{"sort=colour", "sort", 0},
		{"sort=seq:up", "sort", 4},
		{"sort=", "sort", 0},
		{"colour=red", "colour", nil},
		{"Limit=5", "Limit", nil},
		{"limit=5&limit=6", "limit", nil},
		{"%zz=1", "%zz", nil},
		{"a%FFb=1", "a\uFFFDb", nil},
		{"limit=5;offset=2", "limit", nil},
		{"=1", "query", nil},
	} {
		t.Run(c.query, func(t *testing.T) {
			w := a.do(request{path: "/api/v1/events?" + c.query})
			m := must(t, w, 400)
			members := map[string]any{"field": c.field, "position": c.position}
			if c.position == nil {
				members["position"] = m["position"] // set or not: the parser's business
			}
			wantProblem(t, w, 400, "invalid", members)
		})
	}
}

func TestThousandsOfParametersAreRefusedAtTheFirst(t *testing.T) {
	a := newAPI(t)
	var q strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&q, "p%d=%d&", i, i)
	}
	wantProblem(t, a.do(request{path: "/api/v1/events?" + q.String()}), 400, "invalid", map[string]any{"field": "p0"})
	same := strings.Repeat("q=x&", 20_000)
	wantProblem(t, a.do(request{path: "/api/v1/events?" + same}), 400, "invalid", map[string]any{"field": "q"})
	long := "/api/v1/events?" + strings.Repeat("x", 50_000) + "=1"
	w := a.do(request{path: long})
	if w.Code != 400 || w.Body.Len() > 1000 {
		t.Errorf("status %d, %d bytes", w.Code, w.Body.Len())
	}
}

func TestHugeOffsetIsAnEmptyPageWithTheTotal(t *testing.T) {
	a := newAPI(t)
	a.seed(3, day)
	w := a.do(request{path: "/api/v1/events?offset=18446744073709551615"})
	if !strings.HasPrefix(w.Body.String(), `{"total":3,"offset":18446744073709551615,"limit":50,"tree_size":3,"erasure_mark":0,"items":[]}`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestReaderSeesItsAccountsOnly(t *testing.T) {
	a := newAPI(t)
	a.account("acme", "other")
	a.seed(12, day) // even seqs are acme's
	acme := a.user("reader", "acme", []identity.Grant{{Role: identity.ViewOnly, Account: "acme"}}, identity.NewToken{})
	auditor := a.user("auditor", "other", []identity.Grant{{Role: identity.Auditor, Account: "other"}}, identity.NewToken{})
	writer := a.user("writer", "acme", []identity.Grant{{Role: identity.EventWriter, Account: "acme"}}, identity.NewToken{})

	w := a.do(request{path: "/api/v1/events?sort=seq", token: acme})
	if m := must(t, w, 200); m["total"] != 6.0 || !slices.Equal(seqs(t, w), []int{0, 2, 4, 6, 8, 10}) {
		t.Errorf("%v", m)
	}
	must(t, a.do(request{path: "/api/v1/events/2", token: acme}), 200)
	wantProblem(t, a.do(request{path: "/api/v1/events/1", token: acme}), 404, "not-found", nil)
	wantProblem(t, a.do(request{path: "/api/v1/events/99", token: acme}), 404, "not-found", nil)
	byID := func(account, id string) string {
		return "/api/v1/events/by-id?" + url.Values{"account": {account}, "source": {"example/app"}, "id": {id}}.Encode()
	}
	must(t, a.do(request{path: byID("acme", "e2"), token: acme}), 200)
	wantProblem(t, a.do(request{path: byID("other", "e1"), token: acme}), 404, "not-found", nil)
	wantProblem(t, a.do(request{path: byID("acme", "e1"), token: acme}), 404, "not-found", nil)

	for _, path := range []string{"/api/v1/events", "/api/v1/events/0", byID("acme", "e2"), "/api/v1/events/export"} {
		wantProblem(t, a.do(request{path: path, token: writer}), 403, "denied", nil)
	}
	wantProblem(t, a.do(request{path: "/api/v1/events/export", token: acme}), 403, "denied", nil)
	lines := strings.Split(strings.TrimSpace(must200(t, a.do(request{path: "/api/v1/events/export", token: auditor}))), "\n")
	if len(lines) != 7 || lines[6] != `{"complete":true,"count":6,"tree_size":12}` {
		t.Errorf("export of %d lines ends with %s", len(lines), lines[len(lines)-1])
	}
	for _, line := range lines[:6] {
		if !strings.Contains(line, `"other"`) {
			t.Errorf("exported %s", line)
		}
	}
}

func must200(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestOneEntryIsReadBySeqAndByID(t *testing.T) {
	a := newAPI(t)
	a.seed(3, day)
	bySeq := must200(t, a.do(request{path: "/api/v1/events/2"}))
	byID := must200(t, a.do(request{path: "/api/v1/events/by-id?account=acme&source=example/app&id=e2"}))
	if bySeq != byID || !strings.Contains(bySeq, `"id":"e2"`) {
		t.Errorf("%s and %s", bySeq, byID)
	}
	for path, field := range map[string]string{
		"/api/v1/events/x":                                "seq",
		"/api/v1/events/-1":                               "seq",
		"/api/v1/events/18446744073709551616":             "seq",
		"/api/v1/events/2?as_of=1":                        "as_of",
		"/api/v1/events/by-id":                            "account",
		"/api/v1/events/by-id?account=acme":               "source",
		"/api/v1/events/by-id?account=acme&source=s":      "id",
		"/api/v1/events/by-id?account=acme&source=s&id=":  "id",
		"/api/v1/events/by-id?account=acme&source=s&di=1": "di",
	} {
		wantProblem(t, a.do(request{path: path}), 400, "invalid", map[string]any{"field": field})
	}
	for _, seq := range []string{"3", "9223372036854775808", "18446744073709551615"} {
		wantProblem(t, a.do(request{path: "/api/v1/events/" + seq}), 404, "not-found", nil)
	}
}

// FuzzList claims that no query string makes the list fail other than by a problem that names a field.
func FuzzList(f *testing.F) {
	trail := &fakeTrail{size: 7, search: func(_ context.Context, q query.Query) (store.Page, error) {
		if q.Limit < 0 || q.Limit > 1000 || q.AsOf == nil || *q.AsOf > 7 {
			return store.Page{}, fmt.Errorf("query %+v", q)
		}
		return store.Page{TreeSize: *q.AsOf}, nil
	}}
	a := faked(f, trail, 0)
	for _, q := range []string{"", "q=a&from=2026-01-01&to=2026-01-02&sort=seq:desc&offset=1&limit=2&as_of=3", "limit=1001", "%zz", "a=%FF",
		"q=action%3ALOGIN+-outcome%3Asuccess", "from=0000-01-01&to=9999-12-31", "offset=" + strconv.Itoa(1<<62)} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r := httptest.NewRequest("GET", "/api/v1/events", nil)
		r.URL.RawQuery = raw
		r.Header.Set("Authorization", "Bearer "+a.admin)
		w := httptest.NewRecorder()
		a.handler.ServeHTTP(w, r)
		m := must(t, w, w.Code)
		if w.Code != 200 && (w.Code != 400 || m["field"] == nil) {
			t.Errorf("%q: %d %s", raw, w.Code, w.Body)
		}
	})
}
