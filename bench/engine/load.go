package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"countersign/bench/made"
	"countersign/event"
)

// Singles is how many of n events are sent alone, after all others.
func Singles(n int) int { return min(max(n/50, 256), 20_000, n) }

// Ingest is what it took to send all events to Countersign.
type Ingest struct {
	Load
	Connections int             `json:"connections"`
	JSONBytes   int64           `json:"json_bytes"`
	Throttled   int64           `json:"throttled"` // answers that said to come later
	Acks        []time.Duration `json:"-"`         // of requests of a thousand events
	Singles     Load            `json:"singles"`
	Writers     int             `json:"writers"`
	SingleAcks  []time.Duration `json:"-"`
	// Batches is how many durable writes there were, and Syncs how long their syncs took together.
	Batches int           `json:"batches"`
	Syncs   time.Duration `json:"syncs_ns"`
	// Backlog is how long the server was busy after its last answer.
	Backlog   time.Duration `json:"backlog_ns"`
	AnonBytes int64         `json:"anon_bytes"` // after that
}

// LoadBlocks sends the events, a thousand in a request over several connections, but for the last ones.
func (c *Countersign) LoadBlocks(ctx context.Context, t made.Trail, connections int) (*Ingest, *Places, error) {
	in, at := &Ingest{Connections: connections}, &Places{whole: t.N - Singles(t.N)}
	at.first = make([]uint64, (at.whole+made.BlockLen-1)/made.BlockLen)
	in.Acks = make([]time.Duration, len(at.first))
	s := sender{server: c, trail: t, at: at, in: in}
	finished := make([]time.Duration, len(at.first)) // after the beginning
	m := newMeter(c.usage)
	err := inParallel(ctx, connections, len(at.first), func(ctx context.Context, b *buffers, i int) error {
		err := s.block(ctx, b, i)
		finished[i] = time.Since(m.began)
		return err
	})
	in.Load = m.load(at.whole)
	if err != nil {
		return nil, nil, err
	}
	s.done()
	metrics, err := c.metrics(ctx)
	if err != nil {
		return nil, nil, err
	}
	in.Batches = int(metrics["countersign_batch_entries_count"])
	in.Syncs = time.Duration(metrics["countersign_sync_duration_seconds_sum"] * float64(time.Second))
	in.Best10s = bestOf(finished, 10*time.Second)
	in.Backlog = c.Settle(ctx, 2*time.Minute)
	return in, at, ctx.Err()
}

// LoadSingles sends the last events alone, each of many writers waiting for its answer.
func (c *Countersign) LoadSingles(ctx context.Context, t made.Trail, writers int, in *Ingest, at *Places) error {
	at.single = make([]uint64, t.N-at.whole)
	in.Writers, in.SingleAcks = writers, make([]time.Duration, len(at.single))
	s := sender{server: c, trail: t, at: at, in: in}
	bodies := s.singles()
	m := newMeter(c.usage)
	err := inParallel(ctx, writers, len(at.single), func(ctx context.Context, _ *buffers, i int) (err error) {
		at.single[i], in.SingleAcks[i], err = s.send(ctx, bodies[i], "application/json", 1)
		return err
	})
	in.Singles = m.load(len(at.single))
	if err != nil {
		return err
	}
	s.done()
	in.AnonBytes = c.AtRest(ctx, t.N)
	return ctx.Err()
}

func (c *Countersign) usage() usage { return usageOf(c.process.pid()) }

// buffers are what a worker keeps from one request to the next.
type buffers struct {
	events []event.Event
	body   []byte
}

// inParallel calls fn for each number below n from several goroutines, until one of them fails.
func inParallel(ctx context.Context, workers, n int, fn func(context.Context, *buffers, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			b := &buffers{}
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := fn(ctx, b, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

type sender struct {
	server    *Countersign
	trail     made.Trail
	at        *Places
	in        *Ingest
	throttled atomic.Int64
	bytes     atomic.Int64
}

// done adds what was counted by several writers at once.
func (s *sender) done() {
	s.in.Throttled += s.throttled.Load()
	s.in.JSONBytes += s.bytes.Load()
}

// block sends block i, or the part of it that is sent whole.
func (s *sender) block(ctx context.Context, b *buffers, i int) error {
	b.events = s.trail.Append(b.events[:0], i)
	events := b.events[:min(len(b.events), s.at.whole-i*made.BlockLen)]
	b.body = b.body[:0]
	for j := range events {
		b.body = append(event.AppendJSON(b.body, &events[j]), '\n')
	}
	first, took, err := s.send(ctx, b.body, "application/x-ndjson", len(events))
	s.at.first[i], s.in.Acks[i] = first, took
	return err
}

// singles makes the events that are sent alone. If each writer made a block of events when it comes to it, all of them would,
// and the answers of that moment would wait for the processors.
func (s *sender) singles() [][]byte {
	bodies := make([][]byte, 0, len(s.at.single))
	var events []event.Event
	for n := s.at.whole; n < s.trail.N; n++ {
		if i := n % made.BlockLen; i == 0 || events == nil {
			events = s.trail.Append(events[:0], n/made.BlockLen)
		}
		bodies = append(bodies, event.AppendJSON(nil, &events[n%made.BlockLen]))
	}
	return bodies
}

// send sends events until they are recorded, and returns the seq of the first and how long the answer took
// that said so. A server that is busy is asked again when it says.
func (s *sender) send(ctx context.Context, body []byte, contentType string, n int) (uint64, time.Duration, error) {
	s.bytes.Add(int64(len(body)))
	for {
		r, err := s.server.Request(ctx, http.MethodPost, "/api/v1/events", Root, bytes.NewReader(body))
		if err != nil {
			return 0, 0, err
		}
		r.Header.Set("Content-Type", contentType)
		got, err := s.server.Do(r)
		if err != nil {
			return 0, 0, err
		}
		switch got.Status {
		case http.StatusCreated:
			first, err := placeOf(got.Body, n)
			return first, got.Took, err
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			s.throttled.Add(1)
			after, _ := strconv.Atoi(got.Header.Get("Retry-After"))
			select {
			case <-time.After(time.Duration(after) * time.Second):
			case <-ctx.Done():
				return 0, 0, context.Cause(ctx)
			}
		default:
			return 0, 0, fmt.Errorf("send events: %d %s", got.Status, got.Body)
		}
	}
}

// placeOf returns the seq of the first event of a receipt. The others must follow it, all of them new.
func placeOf(receipt []byte, n int) (uint64, error) {
	var r struct {
		Accepted int     `json:"accepted"`
		First    *uint64 `json:"first_seq"`
		Last     *uint64 `json:"last_seq"`
	}
	if err := json.Unmarshal(receipt, &r); err != nil {
		return 0, fmt.Errorf("read a receipt: %w", err)
	}
	if r.First == nil || r.Last == nil || r.Accepted != n || *r.Last-*r.First != uint64(n-1) {
		return 0, errors.New("the receipt is not one of " + strconv.Itoa(n) + " new events that follow each other: " + string(receipt[:min(len(receipt), 300)]))
	}
	return *r.First, nil
}

// bestOf returns the most events of whole blocks that were acknowledged within a time, 0 when all of it took
// less.
func bestOf(finished []time.Duration, within time.Duration) int {
	const steps = 10 // of within
	step := within / steps
	var counts []int
	for _, at := range finished {
		i := int(at / step)
		for len(counts) <= i {
			counts = append(counts, 0)
		}
		counts[i]++
	}
	best := 0
	for i := steps; i < len(counts); i++ { // the last step is not a whole one
		sum := 0
		for _, n := range counts[i-steps : i] {
			sum += n
		}
		best = max(best, sum)
	}
	return best * made.BlockLen
}
