package server_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/server"
)

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come", what)
		}
	}
}

// The server finds what was changed under it, stops recording and goes on answering.
func TestChangeUnderARunningServerIsFound(t *testing.T) {
	r := startWith(t, nil, func(s *server.Server) { s.SetChecks(50 * time.Millisecond) })
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() { // it is written to while it is checked, which must not look like a change
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				r.append(1 + i%3)
			}
		}
	}()
	eventually(t, "a few checks", func() bool { return sample(t, r.scrape(), "countersign_checks_total", "outcome=clean") >= 5 })
	close(stop)
	<-done
	if got := r.own("action:VERIFY resource.type:AUDIT_LOG"); len(got) == 0 || got[0].Attribute("entries").Value == "" {
		t.Errorf("recorded %v", got)
	}
	if err := r.server.Trail.ReadOnly(); err != nil {
		t.Fatalf("a false alarm: %v\n%s", err, r.log)
	}

	resp, body := r.do(r.request("POST", "/api/v1/events", strings.NewReader(eventJSON("tampered"))))
	if resp.StatusCode != http.StatusCreated {
		t.Fatal(body)
	}
	r.append(3)
	names, err := filepath.Glob(filepath.Join(server.DataOf(r.server), "wal", "*.log"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	log, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(log, []byte("tampered"))
	if at < 0 {
		t.Fatal("the event is not in the log")
	}
	f, err := os.OpenFile(names[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("Tampered"), int64(at)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the finding", func() bool { return r.server.Trail.ReadOnly() != nil })
	for path, want := range map[string]int{"/readyz": 503, "/api/v1/events?limit=1": 200, "/checkpoint": 200} {
		resp, body := r.do(r.request("GET", path, nil))
		if resp.StatusCode != want || want == 503 && !strings.Contains(body, "a check of the directory found that it is not as it was signed (changed") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	if resp, body := r.do(r.request("POST", "/api/v1/events", strings.NewReader(eventJSON("later")))); resp.StatusCode != 503 {
		t.Errorf("an event: %d %s", resp.StatusCode, body)
	}
	m := r.scrape()
	if sample(t, m, "countersign_checks_total", "outcome=findings") != 1 || sample(t, m, "countersign_read_only") != 1 {
		t.Error("the finding is not counted")
	}
	if log := r.log.String(); !strings.Contains(log, "the directory is not as it was signed") || strings.Contains(log, "ampered") {
		t.Error("the log does not say it, or says what the event was")
	}
}

func TestDirectoryIsNotCheckedWhenNobodyWantsIt(t *testing.T) {
	r := startWith(t, nil, func(s *server.Server) { s.SetChecks(0) })
	time.Sleep(100 * time.Millisecond)
	for _, outcome := range []string{"clean", "findings", "failed"} {
		if n := sample(t, r.scrape(), "countersign_checks_total", "outcome="+outcome); n != 0 {
			t.Errorf("%v checks were %s", n, outcome)
		}
	}
	_, err := server.Open(t.Context(), server.Config{Data: filepath.Join(t.TempDir(), "data"), CheckEvery: -time.Second})
	if err == nil || !strings.Contains(fmt.Sprint(err), "--check-every") {
		t.Errorf("a negative time: %v", err)
	}
}
