package native_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/dialect/native"
	"countersign/event"
	"countersign/identity"
	"countersign/internal/apicheck"
	"countersign/query"
	"countersign/store"
)

func (f *fakeTrail) Stats(context.Context, query.Query, store.Breakdown) (store.Stats, error) {
	return store.Stats{}, errors.New("nobody asked for statistics")
}

func (f *fakeTrail) Wait(ctx context.Context, _ uint64) error {
	<-ctx.Done()
	return ctx.Err()
}

// newAPIWith is newAPI with other settings.
func newAPIWith(t testing.TB, set func(*native.Deps)) *api {
	t.Helper()
	a := newAPI(t)
	d := native.Deps{Trail: a.trail, Identity: a.dir}
	set(&d)
	a.handler = apicheck.Handler(t, native.New(d))
	return a
}

func gunzip(t testing.TB, r io.Reader) string {
	t.Helper()
	gz, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(gz)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// counted is an answer of the statistics.
type counted struct {
	Total       uint64 `json:"total"`
	TreeSize    uint64 `json:"tree_size"`
	ErasureMark uint64 `json:"erasure_mark"`
	Interval    string `json:"interval"`
	Histogram   []struct {
		Start string `json:"start"`
		Count uint64 `json:"count"`
	} `json:"histogram"`
	Field *struct {
		Name     string  `json:"name"`
		Distinct uint64  `json:"distinct"`
		Null     uint64  `json:"null"`
		Top      []value `json:"top"`
	} `json:"field"`
}

type value struct {
	Value string `json:"value"`
	Count uint64 `json:"count"`
}

func (a *api) stats(query, token string) counted {
	a.t.Helper()
	w := a.do(request{path: "/api/v1/events/stats?" + query, token: token})
	var c counted
	d := json.NewDecoder(strings.NewReader(must200(a.t, w)))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		a.t.Fatalf("%v: %s", err, w.Body)
	}
	if got := w.Header().Get("X-Countersign-As-Of"); got != fmt.Sprint(c.TreeSize) {
		a.t.Errorf("as of %q, tree size %d", got, c.TreeSize)
	}
	return c
}

func TestStatsCountEachParameter(t *testing.T) {
	a := newAPI(t)
	a.seed(56, day)
	for _, c := range []struct {
		query    string
		total    uint64
		interval string
		buckets  int
		first    string
		count    uint64 // of the first bucket
	}{
		{"", 56, "12h", 55, "2026-01-01T12:00:00Z", 2},
		{"interval=1d", 56, "1d", 28, "2026-01-01T00:00:00Z", 2},
		{"interval=24h", 56, "1d", 28, "2026-01-01T00:00:00Z", 2},
		{"interval=7d", 56, "1w", 5, "2025-12-29T00:00:00Z", 8},
		{"interval=1M", 56, "1M", 1, "2026-01-01T00:00:00Z", 56},
		{"interval=1y", 56, "1y", 1, "2026-01-01T00:00:00Z", 56},
		{"interval=1d&from=2025-12-31&to=2026-01-31", 56, "1d", 32, "2025-12-31T00:00:00Z", 0},
		{"interval=1d&from=2026-01-10", 38, "1d", 19, "2026-01-10T00:00:00Z", 2},
		{"interval=1d&to=2026-01-02", 4, "1d", 2, "2026-01-01T00:00:00Z", 2},
		{"interval=1d&as_of=3", 3, "1d", 3, "2026-01-01T00:00:00Z", 1},
		{"interval=1d&q=action:A1", 19, "1d", 28, "2026-01-01T00:00:00Z", 1},
		{"q=action:NONE", 0, "1s", 0, "", 0},
		{"q=action:NONE&from=2026-01-01&to=2026-01-01", 0, "15m", 96, "2026-01-01T00:00:00Z", 0},
		{"as_of=0&interval=1M", 0, "1M", 0, "", 0},
	} {
		t.Run(c.query, func(t *testing.T) {
			got := a.in(t).stats(c.query, "")
			if got.Total != c.total || got.Interval != c.interval || len(got.Histogram) != c.buckets || got.Field != nil {
				t.Fatalf("%+v", got)
			}
			if c.buckets == 0 {
				return
			}
			if got.Histogram[0].Start != c.first || got.Histogram[0].Count != c.count {
				t.Errorf("the first bucket is %+v", got.Histogram[0])
			}
			var sum uint64
			for _, b := range got.Histogram {
				sum += b.Count
			}
			if sum != c.total {
				t.Errorf("%d in the buckets", sum)
			}
		})
	}
}

func TestStatsCountValues(t *testing.T) {
	a := newAPI(t)
	a.seed(10, func(i int) string {
		e := strings.TrimSuffix(day(i), "}")
		if i%5 > 0 {
			e += fmt.Sprintf(`,"attributes":{"cost centre":"<%d>"}`, i%5)
		}
		return e + "}"
	})
	two := func(values ...string) (all []value) {
		for _, v := range values {
			all = append(all, value{v, 2})
		}
		return all
	}
	for query, want := range map[string]struct {
		name           string
		distinct, null uint64
		top            []value
	}{
		"field=action":                                  {"action", 3, 0, []value{{"A0", 4}, {"A1", 3}, {"A2", 3}}},
		"field=action&top=1":                            {"action", 3, 0, []value{{"A0", 4}}},
		"field=action&top=0":                            {"action", 3, 0, []value{}},
		"field=division.id":                             {"division.id", 0, 10, []value{}},
		"field=account.id":                              {"account.id", 2, 0, []value{{"acme", 5}, {"other", 5}}},
		"field=attributes.x":                            {"attributes.x", 0, 10, []value{}},
		"field=attributes.%22":                          {}, // see below
		"field=attributes.%22cost%20centre%22&top=1000": {`attributes."cost centre"`, 4, 2, two("<1>", "<2>", "<3>", "<4>")},
		"field=action&as_of=0":                          {"action", 0, 0, []value{}},
		"field=action&q=account.id:acme":                {"action", 3, 0, []value{{"A0", 2}, {"A2", 2}, {"A1", 1}}},
	} {
		if want.name == "" {
			m := must(t, a.do(request{path: "/api/v1/events/stats?" + query}), 400)
			if m["field"] != "field" || m["position"] == nil {
				t.Errorf("%s: %v", query, m)
			}
			continue
		}
		got := a.stats(query, "").Field
		if got == nil || got.Name != want.name || got.Distinct != want.distinct || got.Null != want.null || !cmp.Equal(got.Top, want.top) {
			t.Errorf("%s: %+v", query, got)
		}
	}
}

func TestStatsTellOnlyWhatTheCallerMaySee(t *testing.T) {
	a := newAPI(t)
	a.account("acme", "other")
	a.seed(20, day) // e0, e2, ... are acme's
	reader := a.user("reader", "acme", []identity.Grant{{Role: identity.ViewOnly, Account: "acme"}}, identity.NewToken{})
	got := a.stats("field=account.id&interval=1d", reader)
	if got.Total != 10 || got.Field.Distinct != 1 || !cmp.Equal(got.Field.Top, []value{{"acme", 10}}) || len(got.Histogram) != 19 {
		t.Errorf("%+v", got)
	}
	if got := a.stats("q=account.id:other&field=account.id", reader); got.Total != 0 || got.Field.Distinct != 0 || len(got.Histogram) != 0 {
		t.Errorf("asked for what is hidden: %+v", got)
	}
	writer := a.user("writer", "acme", []identity.Grant{{Role: identity.EventWriter, Account: "acme"}}, identity.NewToken{})
	wantProblem(t, a.do(request{path: "/api/v1/events/stats", token: writer}), 403, "denied", nil)
	wantProblem(t, a.do(request{path: "/api/v1/events/stats", token: "-"}), 401, "unauthenticated", nil)
}

func TestStatsRefuseBadParameters(t *testing.T) {
	a := newAPI(t)
	a.seed(5, day)
	for query, field := range map[string]string{
		"interval=1": "interval", "interval=": "interval", "interval=0s": "interval", "interval=1D": "interval", "interval=200000y": "interval",
		"interval=1s": "interval", "interval=1m&from=2026-01-01&to=2026-01-02": "interval", "interval=1s&from=0000-01-01&to=9999-12-31": "interval",
		"field=": "field", "field=seq": "field", "field=occurred_at": "field", "field=nothing": "field", "field=action:asc": "field", "field=action:desc": "field", "field=actor.name%20": "field",
		"top=3": "top", "field=action&top=1001": "top", "field=action&top=-1": "top",
		"sort=action": "sort", "limit=1": "limit", "offset=1": "offset", "as_of=6": "as_of", "q=(": "q", "from=x": "from", "from=2026-01-02&to=2026-01-01": "to",
	} {
		w := a.do(request{path: "/api/v1/events/stats?" + query})
		m := must(t, w, 400)
		wantProblem(t, w, 400, "invalid", map[string]any{"field": field, "position": m["position"]})
	}
	// 1000 buckets are not too many.
	got := a.stats("interval=1m&from=2026-01-01T00:00:00Z&to=2026-01-01T16:39:59Z", "")
	if len(got.Histogram) != 1000 {
		t.Errorf("%d buckets", len(got.Histogram))
	}
}

func TestLargeAnswersAreCompressedForWhoTakesIt(t *testing.T) {
	a := newAPI(t)
	a.seed(300, day)
	for _, path := range []string{
		"/api/v1/events?limit=300", "/api/v1/events/stats?interval=1h", "/api/v1/events/export", "/api/v1/events/export?format=csv",
	} {
		plain := a.do(request{path: path, header: map[string]string{"Accept-Encoding": "br, gzip;q=0"}})
		if got := plain.Header().Get("Content-Encoding"); got != "" || !strings.Contains(strings.Join(plain.Header().Values("Vary"), ", "), "Accept-Encoding") {
			t.Errorf("%s: coding %q, vary %q", path, got, plain.Header().Values("Vary"))
		}
		small := a.do(request{path: path, header: map[string]string{"Accept-Encoding": "br;q=1, GZip;q=0.5"}})
		if small.Header().Get("Content-Encoding") != "gzip" || small.Body.Len() >= plain.Body.Len()/2 {
			t.Errorf("%s: coding %q, %d bytes of %d", path, small.Header().Get("Content-Encoding"), small.Body.Len(), plain.Body.Len())
		}
		if got := gunzip(t, small.Body); got != plain.Body.String() {
			t.Errorf("%s: another answer when it is compressed", path)
		}
	}
	for _, path := range []string{"/api/v1/events?limit=1", "/api/v1/events?limit=x", "/api/v1/events/0"} {
		w := a.do(request{path: path, header: map[string]string{"Accept-Encoding": "gzip"}})
		if w.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s is compressed for %d bytes", path, w.Body.Len())
		}
	}
}

func TestListIsAnsweredAsLinesToWhoAsksForThem(t *testing.T) {
	a := newAPI(t)
	a.seed(12, day)
	for accept, lines := range map[string]bool{
		"": false, "*/*": false, "application/json": false, "application/x-ndjson": true, "Application/X-NDJSON;charset=utf-8": true,
		"application/x-ndjson, application/json;q=0.5": true, "application/x-ndjson;q=0.5, application/json": false,
		"application/x-ndjson;q=0": false, "application/json, application/x-ndjson": true, "text/html, */*;q=0.8": false,
	} {
		w := a.do(request{path: "/api/v1/events?limit=5&offset=2&sort=seq", header: map[string]string{"Accept": accept}})
		if got := w.Header().Get("Content-Type") == "application/x-ndjson"; got != lines {
			t.Errorf("%q is answered %q", accept, w.Header().Get("Content-Type"))
			continue
		}
		if !lines {
			must(t, w, 200)
			continue
		}
		if w.Header().Get("X-Countersign-Total") != "12" || w.Header().Get("X-Countersign-As-Of") != "12" {
			t.Errorf("header %v", w.Header())
		}
		d := event.NewDecoder(strings.NewReader(must200(t, w)), event.Lines)
		d.AllowServerFields = true
		for i := range 5 {
			if e, err := d.Next(); err != nil || e.ID != fmt.Sprint("e", i+2) {
				t.Errorf("line %d: %q, %v", i, e.ID, err)
			}
		}
		if _, err := d.Next(); err != io.EOF {
			t.Error(err)
		}
	}
}

func TestIngestIsToldOfEachRequest(t *testing.T) {
	var told []native.Ingest
	a := newAPIWith(t, func(d *native.Deps) { d.Ingested = func(in native.Ingest) { told = append(told, in) } })
	a.seed(3, day)
	a.seed(3, day)
	a.post("/api/v1/events", "["+day(7)+","+strings.Replace(day(0), "A0", "A9", 1)+"]")
	a.post("/api/v1/events", "["+day(8)+",{}]")
	a.do(request{method: "POST", path: "/api/v1/events?x=1", body: []byte(day(9)), header: map[string]string{"Content-Type": "application/json"}})
	a.do(request{method: "POST", path: "/api/v1/events", token: "-", body: []byte(day(9)), header: map[string]string{"Content-Type": "application/json"}})
	a.do(request{method: "POST", path: "/api/v1/events", body: []byte(day(9)), header: map[string]string{"Content-Type": "text/plain"}})
	want := []struct {
		events, accepted, duplicates int
		problem                      string
	}{{3, 3, 0, ""}, {3, 0, 3, ""}, {2, 0, 0, "conflict"}, {1, 0, 0, "invalid"}, {0, 0, 0, "invalid"}, {0, 0, 0, "unsupported-media-type"}}
	if len(told) != len(want) {
		t.Fatalf("told of %d requests", len(told))
	}
	for i, in := range told {
		w := want[i]
		if in.Events != w.events || in.Accepted != w.accepted || in.Duplicates != w.duplicates || in.Problem != w.problem || (in.Bytes > 0) != (w.events > 0) {
			t.Errorf("request %d: %+v", i, in)
		}
	}
}
