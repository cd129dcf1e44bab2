package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/testkit"
	"countersign/store/storetest"
)

const (
	killedBatch = 1000
	// killedEvents are as many as the store seals three times over by its own settings.
	killedEvents = 400_000
)

// flood is what the outside knows of a server that is killed under full load.
type flood struct {
	mu sync.Mutex // guards what follows
	// acked are the seqs of the first events of the batches that were acknowledged, lost the batches without an answer.
	acked map[string]uint64
	lost  []string
}

// write sends batch after batch until the server is gone.
func (f *flood) write(ctx context.Context, t *testing.T, p *process, name string) {
	for i := 0; ctx.Err() == nil; i++ {
		f.send(ctx, t, p, fmt.Sprintf("%s-%d", name, i))
	}
}

// send sends one batch. It is recorded whole or not at all, and once.
func (f *flood) send(ctx context.Context, t *testing.T, p *process, batch string) {
	var body bytes.Buffer
	for i := range killedBatch {
		fmt.Fprintf(&body, `{"id":"%s/%d","occurred_at":"2026-01-15T10:%02d:%02dZ","account":{"id":"a%d"},"actor":{"id":"%d"},"action":"LOGIN","resource":{"type":"BASIC_AUTH"},"source":"example/portal"}`+"\n",
			batch, i, i/60%60, i%60, i%7, i%113)
	}
	status, answer, err := p.post(ctx, "/api/v1/events", "application/x-ndjson", &body)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil || status != http.StatusCreated {
		if status != 0 && status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
			t.Errorf("batch %s: %d %s", batch, status, answer)
		}
		f.lost = append(f.lost, batch)
		return
	}
	var a struct {
		Accepted   int     `json:"accepted"`
		Duplicates int     `json:"duplicates"`
		First      *uint64 `json:"first_seq"`
	}
	if err := json.Unmarshal(answer, &a); err != nil || a.Accepted+a.Duplicates != killedBatch || a.Accepted != 0 && a.Duplicates != 0 {
		t.Errorf("batch %s: %s, %v", batch, answer, err)
		return
	}
	if a.First != nil {
		f.acked[batch] = *a.First
	}
}

// check holds a server to every batch that was acknowledged: each event is there once, where it was said to be.
func (f *flood) check(t *testing.T, p *process) (entries int) {
	t.Helper()
	there := map[string]int{} // batch -> how many of its events
	for line := range strings.Lines(p.export(t, "source:=example/portal")) {
		var e struct {
			ID  string `json:"id"`
			Seq uint64 `json:"seq"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.ID == "" { // the last line
			continue
		}
		entries++
		batch, place, _ := strings.Cut(e.ID, "/")
		if place != fmt.Sprint(there[batch]) {
			t.Fatalf("event %s at %d comes after %d of its batch", e.ID, e.Seq, there[batch])
		}
		if first, acked := f.acked[batch]; acked && e.Seq != first+uint64(there[batch]) {
			t.Fatalf("event %s is at %d, and its batch was acknowledged from %d on", e.ID, e.Seq, first)
		}
		there[batch]++
	}
	for batch := range f.acked {
		if there[batch] != killedBatch {
			t.Fatalf("%d events of batch %s are there", there[batch], batch)
		}
	}
	for batch, n := range there {
		if n != killedBatch {
			t.Fatalf("%d events of batch %s are there", n, batch)
		}
	}
	var list struct {
		Total int `json:"total"`
	}
	if status := p.get(t, "/api/v1/events?limit=1&q="+url.QueryEscape("source:=example/portal"), &list); status != http.StatusOK || list.Total != entries {
		t.Fatalf("the total is %d (%d), %d are there", list.Total, status, entries)
	}
	return entries
}

// TestKillWhileSealingLosesNothing kills the server under full load, again and again on the same directory, until it has
// sealed several times by its own settings.
func TestKillWhileSealingLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes 400,000 events")
	}
	seed := storetest.Seed(t)
	end := time.Now().Add(testkit.SoakFor(t))
	kills, events := 0, 0
	for trail := uint64(0); trail == 0 || time.Now().Before(end); trail++ {
		k, e := killed(t, rand.New(rand.NewPCG(seed+trail, 41)))
		kills, events = kills+k, events+e
	}
	testkit.Counted(t, kills, "kills of the server under full load")
	testkit.Counted(t, events, "events recorded in them")
}

// killed runs one trail and returns how often its server was killed and what is recorded.
func killed(t *testing.T, r *rand.Rand) (kills, events int) {
	dir := t.TempDir()
	f := &flood{acked: map[string]uint64{}}
	for len(f.acked) < killedEvents/killedBatch {
		p := serve(t, dir)
		p.client = &http.Client{} // at full speed
		ctx, cancel := context.WithCancel(t.Context())
		again := f.lost
		f.lost = nil
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() {
				for i := w; i < len(again) && ctx.Err() == nil; i += 4 { // what the last kill left open
					f.send(ctx, t, p, again[i])
				}
				f.write(ctx, t, p, fmt.Sprintf("r%d-w%d", kills, w))
			})
		}
		time.Sleep(time.Duration(200+r.IntN(2500)) * time.Millisecond)
		p.kill()
		cancel()
		writers.Wait()
		kills++ // the writers read it
		if t.Failed() {
			return kills, 0
		}
	}
	p := serve(t, dir)
	p.client = &http.Client{}
	events = f.check(t, p)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(p.run(t, "key", "show", "--data", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	p.stop(t)
	p.run(t, "verify", "--key", key, "--data", dir)
	if sealed, _ := filepath.Glob(filepath.Join(dir, "bodies", "*")); len(sealed) < 2 {
		t.Errorf("%d body files after %d events: nothing was sealed", len(sealed), events)
	}
	return kills, events
}
