package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/store/storetest"
)

// TestKillLosesNothingAcknowledged kills the server in the middle of concurrent writes, again and again on
// the same directory. Afterwards every acknowledged event is there once, at the seq that was said, and no
// event is there twice.
func TestKillLosesNothingAcknowledged(t *testing.T) {
	rounds := 10
	if os.Getenv("COUNTERSIGN_SOAK") != "" {
		rounds = 200
	}
	r := rand.New(rand.NewPCG(storetest.Seed(t), 0))
	dir := t.TempDir()
	acked := map[string]uint64{}
	for round := range rounds {
		p := serve(t, dir)
		checkTrail(t, p, acked)
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex // guards acked while the writers run
		var writers sync.WaitGroup
		for w := range 12 {
			writers.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					ids := batchOf(round, w, i)
					status, body, err := p.post(ctx, "/api/v1/events?proof=true", "application/x-ndjson", lines(ids))
					if err != nil || status != http.StatusCreated {
						continue // killed: what became of it is open
					}
					var answer struct {
						Entries []struct {
							ID  string `json:"id"`
							Seq uint64 `json:"seq"`
						} `json:"entries"`
					}
					if err := json.Unmarshal(body, &answer); err != nil || len(answer.Entries) != len(ids) {
						t.Errorf("answer %s: %v", body, err)
						return
					}
					mu.Lock()
					for _, e := range answer.Entries {
						acked[e.ID] = e.Seq
					}
					mu.Unlock()
				}
			})
		}
		time.Sleep(time.Duration(50+r.IntN(300)) * time.Millisecond)
		p.kill()
		cancel()
		writers.Wait()
	}
	p := serve(t, dir)
	checkTrail(t, p, acked)
	t.Logf("%d events acknowledged in %d rounds", len(acked), rounds)
	if len(acked) < rounds*10 {
		t.Fatalf("only %d events were acknowledged: the test did not test much", len(acked))
	}
	p.stop(t)
}

func batchOf(round, writer, i int) []string {
	ids := make([]string, 1+(writer*7+i)%40)
	for j := range ids {
		ids[j] = fmt.Sprintf("r%d-w%d-%d-%d", round, writer, i, j)
	}
	return ids
}

func lines(ids []string) *bytes.Buffer {
	var b bytes.Buffer
	for _, id := range ids {
		fmt.Fprintf(&b, `{"id":%q,"occurred_at":"2026-01-15T10:30:00Z","account":{"id":"a"},"action":"LOGIN","resource":{"type":"BASIC_AUTH"},"source":"example/portal"}`+"\n", id)
	}
	return &b
}

// export reads every entry that the search text finds, and fails the test unless the export is complete.
func (p *process) export(t *testing.T, q string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/api/v1/events/export?q="+url.QueryEscape(q), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bootstrap)
	resp, err := p.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !bytes.Contains(b, []byte(`"complete":true`)) {
		t.Fatalf("export: %d %v, ends with %q", resp.StatusCode, err, b[max(0, len(b)-200):])
	}
	return string(b)
}

func checkTrail(t *testing.T, p *process, acked map[string]uint64) {
	t.Helper()
	there := map[string]uint64{}
	for line := range strings.Lines(p.export(t, "source:=example/portal")) {
		var e struct {
			ID       string `json:"id"`
			Seq      uint64 `json:"seq"`
			Complete bool   `json:"complete"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Complete {
			continue
		}
		if first, twice := there[e.ID]; twice {
			t.Fatalf("event %s is at seq %d and %d", e.ID, first, e.Seq)
		}
		there[e.ID] = e.Seq
	}
	for id, seq := range acked {
		if got, ok := there[id]; !ok || got != seq {
			t.Fatalf("event %s was acknowledged at seq %d; there: %v at %d", id, seq, ok, got)
		}
	}
}
