package server_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"countersign/event"
	"countersign/server"
)

// TestAFullDiskPausesAndGoesOnOnTheRecord fills a small file system under a running server.
func TestAFullDiskPausesAndGoesOnOnTheRecord(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("no file system of its own can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	r := startWith(t, func(c *server.Config) { c.Data = filepath.Join(disk, "data") }, nil)
	post := func(id string, size int) int {
		large := strings.Replace(eventJSON(id), `"USER"`, `"USER","name":"`+strings.Repeat("x", size)+`"`, 1)
		resp, _ := r.do(r.request("POST", "/api/v1/events", strings.NewReader(large)))
		return resp.StatusCode
	}
	if got := post("before", 1); got != http.StatusCreated {
		t.Fatal(got)
	}
	r.server.Recorded()
	stuffing := filepath.Join(disk, "stuffing")
	fill(t, stuffing)
	refused := 0
	for size := 600 << 10; size > 0; size /= 4 { // until what the log has reserved is used up
		full := false
		for i := 0; i < 50 && !full; i++ {
			full = post(fmt.Sprint("while-", size, "-", i), size) == http.StatusServiceUnavailable
		}
		if !full {
			t.Fatal("a full disk takes events")
		}
		refused++
	}
	for range 5 {
		if resp, body := r.do(r.request("GET", "/api/v1/events?limit=0&q=source:example/app", nil)); resp.StatusCode != http.StatusOK {
			t.Errorf("a read on a full disk: %d %s", resp.StatusCode, body)
		}
	}
	if err := os.Remove(stuffing); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); post("after", 600<<10) != http.StatusCreated; time.Sleep(50 * time.Millisecond) {
		refused++
		if time.Now().After(deadline) {
			t.Fatal("nothing can be recorded though there is space")
		}
	}
	entries := r.own("action:(INGEST_PAUSED,INGEST_RESUMED)")
	// While there was room for little more than that, it may have been full several times.
	told := 0
	for i := 0; i < len(entries)-1; i += 2 {
		paused, resumed := entries[i], entries[i+1]
		if got := actions(entries[i : i+2]); !slices.Equal(got, []string{"INGEST_PAUSED warning", "INGEST_RESUMED success"}) {
			t.Errorf("recorded %q", got)
		}
		if !strings.Contains(paused.Attribute("reason").Value, "full") || resumed.Attribute("paused_at").Value != paused.OccurredAt.String() ||
			paused.OccurredAt >= resumed.OccurredAt {
			t.Errorf("paused %+v, resumed %+v", paused, resumed)
		}
		told += number(t, &resumed.Event, "refused_requests")
	}
	if len(entries) < 2 || len(entries)%2 != 0 || told != refused {
		t.Errorf("%d entries tell of %d refused requests, there were %d", len(entries), told, refused)
	}
	reads := 0
	for _, e := range r.own("action:=READ") {
		reads += number(t, &e.Event, "count")
	}
	if reads != 5 {
		t.Errorf("%d of 5 reads in the meantime are recorded", reads)
	}
	if e := r.own("action:=START"); len(e) != 1 || e[0].Outcome != event.OutcomeSuccess {
		t.Errorf("starts: %+v", e)
	}
}

// fill writes to a file until the disk takes no more.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for b := make([]byte, size); err == nil; {
			_, err = f.Write(b)
		}
		err = nil
	}
}
