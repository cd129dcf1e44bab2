package server_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"countersign/identity"
)

// scrape reads /metrics as Prometheus does.
func (r *running) scrape() map[string]*dto.MetricFamily {
	r.t.Helper()
	resp, body := r.do(r.request("GET", "/metrics", nil))
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		r.t.Fatalf("status %d, %s: %s", resp.StatusCode, resp.Header.Get("Content-Type"), body)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	return families
}

// sample is the value of the one series that has the labels, name=value; of a histogram its count. No series is 0.
func sample(t testing.TB, families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	f := families[name]
	if f == nil {
		return 0
	}
	var found []float64
	for _, m := range f.Metric {
		have := map[string]bool{}
		for _, l := range m.Label {
			have[l.GetName()+"="+l.GetValue()] = true
		}
		if slices.ContainsFunc(labels, func(l string) bool { return !have[l] }) {
			continue
		}
		switch {
		case m.Counter != nil:
			found = append(found, m.Counter.GetValue())
		case m.Gauge != nil:
			found = append(found, m.Gauge.GetValue())
		case m.Histogram != nil:
			found = append(found, float64(m.Histogram.GetSampleCount()))
		}
	}
	if len(found) > 1 {
		t.Fatalf("%s %v: %d series", name, labels, len(found))
	}
	if len(found) == 0 {
		return 0
	}
	return found[0]
}

func TestMetricsCountWhatWasDone(t *testing.T) {
	r := start(t, nil)
	before := r.scrape()
	post := func(want int, lines ...string) {
		t.Helper()
		if resp, body := r.do(r.request("POST", "/api/v1/events", strings.NewReader(strings.Join(lines, "\n")))); resp.StatusCode != want {
			t.Fatalf("%d %s", resp.StatusCode, body)
		}
	}
	a, b := eventJSON("a"), eventJSON("b")
	post(201, a, b)
	post(201, a)
	post(409, strings.Replace(a, `"action":"`, `"action":"X`, 1))
	post(400, eventJSON("c"), "{}")
	for _, path := range []string{"/api/v1/events?limit=1", "/api/v1/events?limit=x", "/api/v1/events/stats", "/api/v1/events/export", "/account/api/v1/audit-log", "/nothing/here"} {
		r.do(r.request("GET", path, nil))
	}
	r.do(r.request("GET", "/api/v1/events", nil, "Authorization", "Bearer wrong"))
	s := r.stream("", "")
	defer s.resp.Body.Close()
	after := r.scrape()
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"countersign_ingest_requests_total", []string{"outcome=recorded"}, 2},
		{"countersign_ingest_requests_total", []string{"outcome=conflict"}, 1},
		{"countersign_ingest_requests_total", []string{"outcome=invalid"}, 1},
		{"countersign_ingest_events_total", []string{"outcome=recorded"}, 2},
		{"countersign_ingest_events_total", []string{"outcome=duplicate"}, 1},
		{"countersign_ingest_events_total", []string{"outcome=refused"}, 2},
		{"countersign_ingest_bytes_total", []string{"outcome=recorded"}, float64(2*len(a) + len(b) + 1)},
		{"countersign_http_requests_total", []string{"dialect=native", "method=POST", "route=/api/v1/events", "status=201"}, 2},
		{"countersign_http_requests_total", []string{"dialect=native", "method=POST", "route=/api/v1/events", "status=409"}, 1},
		{"countersign_http_requests_total", []string{"dialect=native", "method=GET", "route=/api/v1/events", "status=200"}, 1},
		{"countersign_http_requests_total", []string{"dialect=native", "method=none", "route=none", "status=404"}, 1},
		{"countersign_http_requests_total", []string{"dialect=digicert-one", "status=200"}, 1},
		{"countersign_http_request_duration_seconds", []string{"dialect=native", "route=/api/v1/events"}, 7},
		{"countersign_http_refused_total", []string{"dialect=native", "kind=unauthenticated"}, 1},
		{"countersign_http_refused_total", []string{"dialect=native", "kind=invalid"}, 2},
		{"countersign_http_refused_total", []string{"dialect=native", "kind=conflict"}, 1},
		{"countersign_http_refused_total", []string{"dialect=native", "kind=not-found"}, 1},
		{"countersign_query_duration_seconds", []string{"kind=stats"}, 1},
		{"countersign_streams_open", nil, 1},
	} {
		if got := sample(t, after, c.name, c.labels...) - sample(t, before, c.name, c.labels...); got != c.want {
			t.Errorf("%s %v grew by %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	for _, name := range []string{
		"countersign_append_duration_seconds", "countersign_sync_duration_seconds", "countersign_batch_entries", "countersign_batch_bytes",
		"countersign_tree_entries", "countersign_queue_limit_requests", "countersign_log_bytes", "countersign_disk_free_bytes",
		"countersign_disk_size_bytes", "go_goroutines", "process_resident_memory_bytes",
	} {
		if got := sample(t, after, name); got <= 0 {
			t.Errorf("%s is %v", name, got)
		}
	}
	if got := sample(t, after, "countersign_tree_entries"); got > float64(r.server.Trail.Size()) {
		t.Errorf("%v entries", got)
	}
}

// What stands in docs/api.md and what is measured are the same, and named as Prometheus wants it.
func TestMetricsAreThoseOfTheDocument(t *testing.T) {
	r := start(t, nil)
	r.do(r.request("POST", "/api/v1/events", strings.NewReader(eventJSON("a"))))
	r.do(r.request("POST", "/api/v1/events", strings.NewReader("{}")))
	if _, err := r.server.Trail.PublishNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.do(r.request("POST", "/api/v1/backups", strings.NewReader("{}"), "Content-Type", "application/json"))
	families := r.scrape()
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if name, ok := strings.CutPrefix(strings.TrimSpace(cells[min(1, len(cells)-1)]), "`countersign_"); ok && len(cells) > 3 {
			name, _, _ := strings.Cut(name, "`")
			documented["countersign_"+name] = cells[2]
		}
	}
	for name, f := range families {
		if !strings.HasPrefix(name, "countersign_") {
			continue
		}
		labels, known := documented[name]
		if !known {
			t.Errorf("%s is not in docs/api.md", name)
			continue
		}
		for _, l := range f.Metric[0].Label {
			if !strings.Contains(labels, "`"+l.GetName()+"`") {
				t.Errorf("docs/api.md does not name the label %s of %s", l.GetName(), name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if families[name] == nil && name != "countersign_http_aborted_total" { // none has
			t.Errorf("%s is in docs/api.md and is not measured", name)
		}
	}
	problems, err := promlint.NewWithMetricFamilies(slices.Collect(maps.Values(families))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "countersign_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestMetricsAreForOperatorsOnly(t *testing.T) {
	r := start(t, nil)
	status := func(token string) int {
		resp, err := r.client.Do(r.request("GET", "/metrics", nil, "Authorization", "Bearer "+token))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp.StatusCode
	}
	for role, want := range map[identity.Role]int{identity.ServerOperator: 200, identity.Auditor: 403, identity.AccountAdmin: 403, identity.Monitor: 403} {
		id := strings.ToLower(string(role))
		g := identity.Grant{Role: role, Account: identity.OwnAccount}
		if role == identity.ServerOperator || role == identity.Monitor {
			g = identity.Grant{Role: role, Server: true}
		}
		if _, err := r.server.Identity.CreateUser(t.Context(), r.root, identity.NewUser{
			ID: id, Type: identity.Service, FriendlyName: id, PrimaryAccountID: identity.OwnAccount, Grants: []identity.Grant{g},
		}); err != nil {
			t.Fatal(err)
		}
		if got := status(r.newToken(identity.NewToken{UserID: id, Name: id})); got != want {
			t.Errorf("%s: %d, want %d", role, got, want)
		}
		bound := r.newToken(identity.NewToken{UserID: id, Name: "bound", Accounts: []string{identity.OwnAccount}})
		if got := status(bound); got != http.StatusForbidden {
			t.Errorf("%s with a bound token: %d", role, got)
		}
	}
	if got := status("wrong"); got != http.StatusUnauthorized {
		t.Errorf("nobody: %d", got)
	}
}

// A scrape shows no more than there is to measure, whoever calls what.
func TestRequestsMakeNoLabels(t *testing.T) {
	r := start(t, nil)
	for i := range 50 {
		r.do(r.request("GET", fmt.Sprintf("/api/v1/events/%d", i), nil))
		resp, err := r.plain.Do(r.request(fmt.Sprintf("M%d", i), fmt.Sprintf("/made/up/%d", i), nil))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		families := r.scrape()
		if n := len(families["countersign_http_requests_total"].Metric); n > 10 {
			t.Fatalf("%d series", n)
		}
		if sample(t, families, "countersign_http_requests_total", "route=none") == 50 {
			return
		}
	}
	t.Error("50 requests are not counted")
}
