package native_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"countersign/bundle"
	"countersign/dialect/native"
	"countersign/internal/apicheck"
	"countersign/report"
)

// withReports gives the API a desk.
func withReports(t *testing.T) *api {
	t.Helper()
	a := newAPI(t)
	d, err := report.OpenDesk(t.TempDir(), &report.Maker{Trail: a.trail, People: a.dir, Software: "test"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	a.handler = apicheck.Handler(t, native.New(native.Deps{Trail: a.trail, Identity: a.dir, Reports: d}))
	return a
}

// ended waits until a report has ended.
func (a *api) ended(path string) (job report.Job) {
	a.t.Helper()
	for range 500 {
		resp := a.do(request{path: path})
		if err := json.Unmarshal(resp.Body.Bytes(), &job); err != nil || resp.Code != http.StatusOK {
			a.t.Fatalf("%d %s", resp.Code, resp.Body)
		}
		if job.EndedAt != nil {
			return job
		}
		time.Sleep(10 * time.Millisecond)
	}
	a.t.Fatal("the report does not end")
	return job
}

func TestReportIsOrderedWatchedTakenAndRemoved(t *testing.T) {
	a := withReports(t)
	resp := a.post("/api/v1/reports", `{"framework":"soc-2","from":"2026-01-01","to":"2026-03-31"}`)
	place := resp.Header().Get("Location")
	if resp.Code != http.StatusCreated || !strings.HasPrefix(place, "/api/v1/reports/") {
		t.Fatalf("%d %s", resp.Code, resp.Body)
	}
	job := a.ended(place)
	if job.State != report.JobFinished || job.Made == nil {
		t.Fatalf("ended as %+v", job)
	}
	list := a.do(request{path: "/api/v1/reports?limit=1"})
	if list.Code != http.StatusOK || !strings.Contains(list.Body.String(), `"total":1`) || !strings.Contains(list.Body.String(), job.ID) {
		t.Errorf("listed: %d %s", list.Code, list.Body)
	}
	pack := a.do(request{path: place + "/evidence.zip"})
	if int64(pack.Body.Len()) != job.Made.Bytes || pack.Header().Get("Content-Disposition") != `attachment; filename=evidence-soc-2-2026-01-01-2026-03-31.zip` {
		t.Errorf("%d bytes, %v", pack.Body.Len(), pack.Header())
	}
	if _, err := bundle.OpenPack(bytes.NewReader(pack.Body.Bytes()), int64(pack.Body.Len())); err != nil {
		t.Error(err)
	}
	if head := a.do(request{method: "HEAD", path: place + "/evidence.zip"}); head.Code != http.StatusOK || head.Body.Len() != 0 {
		t.Errorf("HEAD: %d, %d bytes", head.Code, head.Body.Len())
	}
	if gone := a.do(request{method: "DELETE", path: place}); gone.Code != http.StatusNoContent {
		t.Errorf("removed: %d %s", gone.Code, gone.Body)
	}
	for _, path := range []string{place, place + "/evidence.zip"} {
		if gone := a.do(request{path: path}); gone.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, gone.Code, gone.Body)
		}
	}
}

func TestFrameworksAreListed(t *testing.T) {
	a := withReports(t)
	resp := a.do(request{path: "/api/v1/reports/frameworks"})
	if resp.Code != http.StatusOK || !strings.Contains(resp.Body.String(), `"pci-dss"`) || !strings.Contains(resp.Body.String(), `"soc-2"`) {
		t.Errorf("%d %s", resp.Code, resp.Body)
	}
}

func TestOrdersThatCannotBeAreRefused(t *testing.T) {
	a := withReports(t)
	for _, c := range []struct{ name, body, want string }{
		{"nothing", `{}`, `"field":"framework"`},
		{"unknown framework", `{"framework":"iso-9000","from":"2026-01-01","to":"2026-03-31"}`, "there are pci-dss, soc-2"},
		{"both", `{"framework":"soc-2","framework_file":"id: x","from":"2026-01-01","to":"2026-03-31"}`, `"field":"framework_file"`},
		{"a bad file", `{"framework_file":"id: house\ntitel: x","from":"2026-01-01","to":"2026-03-31"}`, `line 2: unknown key`},
		{"from after to", `{"framework":"soc-2","from":"2026-04-01","to":"2026-03-31"}`, `"field":"to"`},
		{"no from", `{"framework":"soc-2","to":"2026-03-31"}`, `"field":"from"`},
		{"unknown member", `{"framework":"soc-2","form":"2026-01-01"}`, `"field":"form"`},
	} {
		resp := a.post("/api/v1/reports", c.body)
		if resp.Code != http.StatusBadRequest || !strings.Contains(resp.Body.String(), c.want) {
			t.Errorf("%s: %d %s", c.name, resp.Code, resp.Body)
		}
	}
}
