package client_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/client"
	"countersign/event"
	"countersign/problem"
)

// TestNothingIsLostOrDoubledWhateverTheConnectionDoes sends over connections that break before and after the
// events are recorded, and holds the trail to what was sent.
func TestNothingIsLostOrDoubledWhateverTheConnectionDoes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	f := &flaky{r: rand.New(rand.NewPCG(seed, 0)), calm: 3}
	tr := newTrail(t, func(next http.Handler) http.Handler { f.next = next; return f })
	var l ledger
	tries := 0
	w := newWriter(t, tr.client(t), l.options(client.WriterOptions{
		BatchEvents: 20, BufferEvents: 60, Linger: time.Millisecond, FirstWait: time.Millisecond, LongestWait: 4 * time.Millisecond,
		Waiting: func(error, time.Duration) { tries++ },
	}))
	const senders, each = 8, 100
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				if err := w.Add(t.Context(), one(fmt.Sprintf("%d-%d", s, i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.calm = 0
	if recorded, failed := l.counts(); recorded != senders*each || failed != 0 || tries == 0 {
		t.Fatalf("%d events are told of as recorded, %d as failed, after %d further tries", recorded, failed, tries)
	}
	c := tr.client(t)
	var told []string
	for _, d := range l.recorded {
		told = append(told, d.Event.ID)
		if d.ID != d.Event.ID || !strings.Contains(string(d.JSON), `"seq"`) || d.Receipt == nil {
			t.Fatalf("told of %s with the receipt of %s: %s", d.Event.ID, d.ID, d.JSON)
		}
	}
	if diff := cmp.Diff(told, ids(t, c, "example/app")); diff != "" {
		t.Errorf("the trail differs from what was told (-told +trail):\n%s", diff)
	}
	for s := range senders { // the order of each sender is kept
		last := -1
		for i, id := range told {
			var sender, n int
			if fmt.Sscanf(id, "%d-%d", &sender, &n); sender == s {
				if n != last+1 {
					t.Fatalf("entry %d is %s after %d-%d", i, id, s, last)
				}
				last = n
			}
		}
	}
}

// TestRefusedEventsAreTakenOutAndTheRestIsRecorded mixes events that a real server refuses into a batch.
func TestRefusedEventsAreTakenOutAndTheRestIsRecorded(t *testing.T) {
	tr := newTrail(t, nil)
	c := tr.client(t)
	if _, err := c.Append(t.Context(), []event.Event{one("taken")}); err != nil {
		t.Fatal(err)
	}
	var l ledger
	w := newWriter(t, c, l.options(client.WriterOptions{Linger: time.Hour}))
	conflicting, reserved := one("taken"), one("reserved")
	conflicting.Action = "DELETE"
	reserved.Source = "countersign/server" // which nobody but the server writes
	for _, e := range []event.Event{one("a"), conflicting, one("b"), one("taken"), reserved, one("c")} {
		if err := w.Add(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	err := w.Flush(t.Context())
	if err == nil || !strings.Contains(err.Error(), `2 events failed, the first: event "reserved" of countersign/server: source: `) {
		t.Errorf("flush: %v", err)
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Errorf("a failure is returned twice: %v", err)
	}
	var got []string
	for _, d := range l.recorded {
		got = append(got, fmt.Sprintf("%s %v", d.ID, d.Duplicate))
	}
	if diff := cmp.Diff([]string{"a false", "b false", "taken true", "c false"}, got); diff != "" {
		t.Error(diff)
	}
	if len(l.failed) != 2 || problem.KindOf(l.failed[1]) != problem.Conflict || l.failed[1].Event.Action != "DELETE" || problem.KindOf(l.failed[0]) != problem.Denied {
		t.Errorf("failed: %v", l.failed)
	}
	for _, e := range l.failed {
		if p, ok := errors.AsType[*problem.Error](e); !ok || p.Event != 0 {
			t.Errorf("the error has an index that means nothing: %#v", p)
		}
	}
	if diff := cmp.Diff([]string{"taken", "a", "b", "c"}, ids(t, c, "example/app")); diff != "" {
		t.Error(diff)
	}
}

func TestEventsThatCannotBeAreNotTaken(t *testing.T) {
	c, nw := wired(t, nil)
	w := newWriter(t, c, client.WriterOptions{})
	bad := one("x")
	bad.Action = "log in"
	err := w.Add(t.Context(), bad)
	if e, ok := errors.AsType[*client.EventError](err); !ok || e.Event.ID != "x" || !strings.HasPrefix(err.Error(), `event "x" of example/app: action must be `) {
		t.Errorf("error %v", err)
	}
	if err := w.Close(t.Context()); err != nil || nw.n != 0 {
		t.Errorf("close: %v, %d requests", err, nw.n)
	}
	if err := w.Add(t.Context(), one("late")); !errors.Is(err, client.ErrClosed) {
		t.Errorf("error %v", err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Errorf("close again: %v", err)
	}
}

func TestAnEventWithoutAccountIsLeftToTheServer(t *testing.T) {
	tr := newTrail(t, nil)
	var l ledger
	w := newWriter(t, tr.client(t), l.options(client.WriterOptions{}))
	e := one("")
	e.Account = event.Account{}
	e.Attributes = []event.Attribute{{Name: "b", Value: "1"}, {Name: "a", Value: "2"}}
	if err := w.Add(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if e.Attributes[0].Name != "b" {
		t.Error("the caller's attributes were put into another order")
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(l.recorded) != 1 || l.recorded[0].Event.ID == "" || l.recorded[0].ID != l.recorded[0].Event.ID {
		t.Fatalf("recorded: %+v", l.recorded)
	}
}

func TestBatches(t *testing.T) {
	size := len(event.AppendJSON(nil, normal("e000"))) + 1
	for _, c := range []struct {
		name string
		o    client.WriterOptions
		n    int
		want string // the number of events in each request and when it was sent
	}{
		{"by number", client.WriterOptions{BatchEvents: 4, Linger: time.Hour}, 8, "4@0s 4@0s"},
		{"by bytes", client.WriterOptions{BatchBytes: 3 * size, Linger: time.Hour}, 6, "3@0s 3@0s"},
		{"one that is larger than a batch", client.WriterOptions{BatchBytes: 1, Linger: time.Hour}, 2, "1@0s 1@0s"},
		{"after a while", client.WriterOptions{Linger: 2 * time.Second}, 3, "3@2s"},
		{"what is left lingers", client.WriterOptions{BatchEvents: 2, Linger: time.Second}, 3, "2@0s 1@1s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var got []string
				cl, _ := wired(t, func(_ int, sent []event.Event, _ *http.Request) *http.Response {
					got = append(got, fmt.Sprintf("%d@%s", len(sent), time.Since(start)))
					return accepted(sent)
				})
				w := newWriter(t, cl, c.o)
				for i := range c.n {
					if err := w.Add(t.Context(), one(fmt.Sprintf("e%03d", i))); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if s := strings.Join(got, " "); s != c.want {
					t.Errorf("requests %s, want %s", s, c.want)
				}
			})
		})
	}
}

func normal(id string) *event.Event {
	e := one(id)
	e.Normalize("")
	return &e
}

func TestFlushDoesNotLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c, nw := wired(t, func(_ int, sent []event.Event, _ *http.Request) *http.Response { return accepted(sent) })
		w := newWriter(t, c, client.WriterOptions{Linger: time.Hour})
		if err := errors.Join(w.Add(t.Context(), one("a")), w.Flush(t.Context())); err != nil || time.Since(start) != 0 || nw.n != 1 {
			t.Errorf("flushed after %s with %d requests: %v", time.Since(start), nw.n, err)
		}
		if err := errors.Join(w.Flush(t.Context()), w.Close(t.Context())); err != nil || nw.n != 1 {
			t.Errorf("nothing to do: %d requests, %v", nw.n, err)
		}
	})
}

func TestRetriesSendTheSameAndWaitLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		c, nw := wired(t, func(n int, sent []event.Event, _ *http.Request) *http.Response {
			at = append(at, time.Since(start))
			switch n {
			case 1, 2, 3:
				return problemAnswer(http.StatusInternalServerError, `{}`)
			case 4:
				return answered(http.StatusTooManyRequests, "", "Retry-After", "60")
			case 5:
				return answered(http.StatusServiceUnavailable, "")
			}
			return accepted(sent)
		})
		var waits []time.Duration
		w := newWriter(t, c, client.WriterOptions{FirstWait: time.Second, LongestWait: 3 * time.Second,
			Waiting: func(_ error, d time.Duration) { waits = append(waits, d) }})
		e := one("")
		if err := errors.Join(w.Add(t.Context(), e), w.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		for i, bounds := range [][2]time.Duration{{500, 1000}, {1000, 2000}, {1500, 3000}, {60_000, 66_000}, {1500, 3000}} {
			lo, hi := bounds[0]*time.Millisecond, bounds[1]*time.Millisecond
			if d := at[i+1] - at[i]; d < lo || d > hi || d != waits[i] {
				t.Errorf("try %d came after %s (told: %s), want %s to %s", i+2, d, waits[i], lo, hi)
			}
		}
		if slices.Sort(nw.bodies); nw.bodies[0] != nw.bodies[5] || !strings.HasPrefix(nw.bodies[0], `{"id":"0`) {
			t.Errorf("the tries differ:\n%s\n%s", nw.bodies[0], nw.bodies[5])
		}
	})
}

func TestOnlyWhatMayPassIsTriedAgain(t *testing.T) {
	const half = `{"accepted":2,"duplicates":0,"entries":[{"id":"a","seq":1}]}`
	for _, c := range []struct {
		name   string
		answer func([]event.Event) *http.Response
		again  bool
	}{
		{"bad credentials", func([]event.Event) *http.Response { return problemAnswer(401, `{}`) }, false},
		{"denied", func([]event.Event) *http.Response { return problemAnswer(403, `{}`) }, false},
		{"no such path", func([]event.Event) *http.Response { return problemAnswer(404, `{}`) }, false},
		{"another method", func([]event.Event) *http.Response { return problemAnswer(405, `{}`) }, false},
		{"a redirect", func([]event.Event) *http.Response { return answered(302, "") }, false},
		{"a success that is none", func([]event.Event) *http.Response { return answered(200, "{}") }, false},
		{"a receipt of fewer events", func([]event.Event) *http.Response { return answered(201, `{"accepted":1,"duplicates":0}`) }, false},
		{"a receipt with fewer entries", func([]event.Event) *http.Response { return answered(201, half) }, false},
		{"a receipt of other events", func(s []event.Event) *http.Response { return accepted([]event.Event{s[1], s[0]}) }, false},
		{"a receipt that is none", func([]event.Event) *http.Response { return answered(201, "<html>") }, false},
		{"the sender was too slow", func([]event.Event) *http.Response { return answered(408, "") }, true},
		{"too many requests", func([]event.Event) *http.Response { return answered(429, "") }, true},
		{"an internal error", func([]event.Event) *http.Response { return answered(500, "") }, true},
		{"not implemented", func([]event.Event) *http.Response { return answered(501, "") }, true},
		{"a bad gateway", func([]event.Event) *http.Response { return answered(502, "") }, true},
		{"no answer", func([]event.Event) *http.Response { return nil }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl, nw := wired(t, func(n int, sent []event.Event, _ *http.Request) *http.Response {
					if n > 1 {
						return accepted(sent)
					}
					return c.answer(sent)
				})
				var l ledger
				w := newWriter(t, cl, l.options(client.WriterOptions{}))
				for _, id := range []string{"a", "b"} {
					if err := w.Add(t.Context(), one(id)); err != nil {
						t.Fatal(err)
					}
				}
				err := w.Close(t.Context())
				recorded, failed := l.counts()
				switch {
				case c.again && (err != nil || nw.n != 2 || recorded != 2 || failed != 0):
					t.Errorf("%d requests, %d recorded, %d failed: %v", nw.n, recorded, failed, err)
				case !c.again && (err == nil || nw.n != 1 || recorded != 0 || failed != 2 || strings.Contains(err.Error(), token)):
					t.Errorf("%d requests, %d recorded, %d failed: %v", nw.n, recorded, failed, err)
				}
			})
		})
	}
}

// TestARequestThatIsTooLargeForSomebodyIsHalved has a proxy that takes three events at most, and none named x.
func TestARequestThatIsTooLargeForSomebodyIsHalved(t *testing.T) {
	c, _ := wired(t, func(_ int, sent []event.Event, _ *http.Request) *http.Response {
		if len(sent) > 3 || slices.ContainsFunc(sent, func(e event.Event) bool { return e.ID == "x" }) {
			return answered(http.StatusRequestEntityTooLarge, "")
		}
		return accepted(sent)
	})
	var l ledger
	w := newWriter(t, c, l.options(client.WriterOptions{Linger: time.Hour}))
	want := strings.Split("abcdxefghij", "")
	for _, id := range want {
		if err := w.Add(t.Context(), one(id)); err != nil {
			t.Fatal(err)
		}
	}
	err := w.Close(t.Context())
	var got []string
	for _, d := range l.recorded {
		got = append(got, d.ID)
	}
	if diff := cmp.Diff(slices.DeleteFunc(want, func(id string) bool { return id == "x" }), got); diff != "" {
		t.Error(diff)
	}
	if len(l.failed) != 1 || l.failed[0].Event.ID != "x" || problem.KindOf(err) != problem.TooLarge {
		t.Errorf("failed %v: %v", l.failed, err)
	}
}

func TestAFullBuffer(t *testing.T) {
	size := len(event.AppendJSON(nil, normal("a"))) + 1
	for _, c := range []struct {
		name string
		o    client.WriterOptions
	}{
		{"by number", client.WriterOptions{BufferEvents: 2}},
		{"by bytes", client.WriterOptions{BufferBytes: 2*size + 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hold := make(chan struct{})
				cl, _ := wired(t, func(_ int, sent []event.Event, _ *http.Request) *http.Response {
					<-hold
					return accepted(sent)
				})
				o := c.o
				o.Full = client.Refuse
				refusing := newWriter(t, cl, o)
				blocking := newWriter(t, cl, c.o)
				for _, id := range []string{"a", "b"} {
					if err := errors.Join(refusing.Add(t.Context(), one(id)), blocking.Add(t.Context(), one(id))); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait() // one is under way, and takes room all the same
				if err := refusing.Add(t.Context(), one("c")); !errors.Is(err, client.ErrFull) || !strings.Contains(err.Error(), `event "c"`) {
					t.Errorf("error %v", err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := blocking.Add(ctx, one("c")); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
				added := make(chan error, 1)
				go func() { added <- blocking.Add(t.Context(), one("d")) }()
				synctest.Wait()
				select {
				case err := <-added:
					t.Fatalf("added although there is no room: %v", err)
				default:
				}
				close(hold)
				if err := errors.Join(<-added, blocking.Close(t.Context()), refusing.Close(t.Context())); err != nil {
					t.Error(err)
				}
			})
		})
	}
	t.Run("an event that is larger than the buffer", func(t *testing.T) {
		c, _ := wired(t, func(_ int, sent []event.Event, _ *http.Request) *http.Response { return accepted(sent) })
		w := newWriter(t, c, client.WriterOptions{BufferBytes: 1})
		if err := errors.Join(w.Add(t.Context(), one("a")), w.Add(t.Context(), one("b")), w.Close(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseGivesUpWhenItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := wired(t, func(n int, sent []event.Event, _ *http.Request) *http.Response {
			if n == 1 {
				return accepted(sent)
			}
			return nil // for ever
		})
		var l ledger
		w := newWriter(t, c, l.options(client.WriterOptions{BatchEvents: 2, BufferEvents: 5}))
		for i := range 6 {
			if err := w.Add(t.Context(), one(fmt.Sprintf("e%d", i))); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		blocked := make(chan error, 1)
		go func() {
			var err error
			for i := 6; err == nil; i++ {
				err = w.Add(t.Context(), one(fmt.Sprintf("e%d", i)))
			}
			blocked <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		flushed := make(chan error, 1)
		go func() { flushed <- w.Flush(ctx) }()
		err := w.Close(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "5 events failed") {
			t.Errorf("close: %v", err)
		}
		if err := <-blocked; !errors.Is(err, client.ErrClosed) {
			t.Errorf("an Add that waited: %v", err)
		}
		<-flushed
		if recorded, failed := l.counts(); recorded != 2 || failed != 5 {
			t.Errorf("%d recorded, %d failed", recorded, failed)
		}
	})
}

func TestTriesEndAfterALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c, nw := wired(t, func(int, []event.Event, *http.Request) *http.Response { return answered(503, "") })
		w := newWriter(t, c, client.WriterOptions{FirstWait: time.Second, LongestWait: time.Second, GiveUpAfter: 10 * time.Second})
		err := errors.Join(w.Add(t.Context(), one("a")), w.Close(t.Context()))
		if d := time.Since(start); problem.KindOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "given up after") || d > 10*time.Second || d < 8*time.Second || nw.n < 9 {
			t.Errorf("%d tries in %s: %v", nw.n, d, err)
		}
	})
}

func TestWriterOptionsAreChecked(t *testing.T) {
	c, _ := wired(t, nil)
	for _, o := range []client.WriterOptions{
		{BatchEvents: -1}, {BatchEvents: 10_001}, {BatchBytes: event.MaxRequestBytes + 1}, {BufferEvents: -1}, {BufferBytes: -1},
		{Linger: -1}, {FirstWait: time.Minute}, {GiveUpAfter: -1}, {Full: 7},
	} {
		if _, err := c.NewWriter(o); err == nil || !strings.HasPrefix(err.Error(), "writer: ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
