package server_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/event"
	"countersign/problem"
	"countersign/server"
	"countersign/store"
)

// notebook is a trail that only takes down.
type notebook struct {
	mu     sync.Mutex
	events []event.Event
	slow   time.Duration // what an Append takes
	err    error         // what it answers, when set
	tried  int
}

func (n *notebook) Append(_ context.Context, events []event.Event, _ string) (store.Receipt, error) {
	time.Sleep(n.slow)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tried++
	if n.err != nil {
		return store.Receipt{}, n.err
	}
	n.events = append(n.events, events...)
	return store.Receipt{Accepted: len(events)}, nil
}

func (n *notebook) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err = err
}

// of returns the events of an action.
func (n *notebook) of(action string) (found []event.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.events {
		if e.Action == action {
			found = append(found, e)
		}
	}
	return found
}

func number(t testing.TB, e *event.Event, attribute string) int {
	t.Helper()
	v := e.Attribute(attribute)
	if !v.Present {
		return 0
	}
	n, err := strconv.Atoi(v.Value)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// sum adds up an attribute of all events of an action.
func (n *notebook) sum(t testing.TB, action, attribute string) (total int) {
	t.Helper()
	for _, e := range n.of(action) {
		total += number(t, &e, attribute)
	}
	return total
}

var errFull = &problem.Error{Kind: problem.Unavailable, Detail: "the disk is full: nothing is recorded until there is space again"}

func TestTheFirstIsRecordedAtOnceAndWhatRepeatsOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trail := &notebook{}
		a := server.NewAuditor(trail)
		began := time.Now()
		a.Note("READ", "jane", 7)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := trail.of("READ"); len(got) != 1 || number(t, &got[0], "count") != 1 || number(t, &got[0], "rows") != 7 {
			t.Fatalf("after a second: %+v", got)
		}
		for range 100 { // over five minutes
			time.Sleep(3 * time.Second)
			a.Note("READ", "jane", 2)
		}
		a.Note("READ", "joe", 1)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		var jane []event.Event
		for _, e := range trail.of("READ") {
			if e.Description.Value == "jane" {
				jane = append(jane, e)
			}
		}
		if len(jane) < 6 || len(jane) > 7 {
			t.Errorf("%d entries for 101 reads in five minutes", len(jane))
		}
		if got := trail.sum(t, "READ", "count"); got != 102 {
			t.Errorf("%d occurrences are recorded, want 102", got)
		}
		if got := trail.sum(t, "READ", "rows"); got != 7+200+1 {
			t.Errorf("%d rows are recorded", got)
		}
		// Each says from when to when.
		if first := jane[1].OccurredAt.Time(); first.Before(began) || jane[1].Attribute("until").Value <= jane[1].OccurredAt.String() {
			t.Errorf("from %s until %s", first, jane[1].Attribute("until").Value)
		}
		a.Close()
	})
}

func TestWhatCannotBeRecordedIsCountedAndTheCountRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trail := &notebook{err: errFull}
		a := server.NewAuditor(trail)
		began := time.Now()
		const more = 100
		a.Refused(errFull)
		synctest.Wait()
		for i := range server.MaxTallies + more {
			a.Note("READ", "reader "+strconv.Itoa(i), 1)
			a.Note("READ", "everybody", 1)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("requests waited %s for a disk that is full", took)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if trail.tried > 10*60/5+2 {
			t.Errorf("the disk was tried %d times in ten minutes", trail.tried)
		}
		trail.fail(nil)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		paused, resumed := trail.of("INGEST_PAUSED"), trail.of("INGEST_RESUMED")
		if len(paused) != 1 || len(resumed) != 1 || !paused[0].OccurredAt.Time().Equal(began) || paused[0].Attribute("reason").Value != errFull.Detail {
			t.Fatalf("paused %+v, resumed %+v", paused, resumed)
		}
		if number(t, &resumed[0], "refused_requests") != 1 || resumed[0].Outcome != event.OutcomeWarning {
			t.Errorf("resumed %+v", resumed[0])
		}
		lost := number(t, &resumed[0], "unrecorded.READ")
		if got := trail.sum(t, "READ", "count"); lost == 0 || got+lost != 2*(server.MaxTallies+more) {
			t.Errorf("%d recorded and %d said to be lost of %d", got, lost, 2*(server.MaxTallies+more))
		}
		a.Close()
	})
}

func TestARequestWaitsForRoomRatherThanBeForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trail := &notebook{slow: 50 * time.Millisecond}
		a := server.NewAuditor(trail)
		const readers, each = 50, 4 * server.MaxTallies / 50
		var wg sync.WaitGroup
		for r := range readers {
			wg.Go(func() {
				for i := range each {
					a.Note("READ", fmt.Sprint(r, i), 1)
				}
			})
		}
		wg.Wait()
		a.Close()
		if got := trail.sum(t, "READ", "count"); got != readers*each || len(trail.of("INGEST_RESUMED")) != 0 {
			t.Errorf("%d of %d are recorded; %+v", got, readers*each, trail.of("INGEST_RESUMED"))
		}
	})
}

func TestAStopRecordsAllThatIsLeftAndThenItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trail := &notebook{slow: time.Second}
		a := server.NewAuditor(trail)
		a.EndWith("STOP")
		for i := range 3000 {
			a.Note("READ", strconv.Itoa(i), 1)
			a.Note("READ", "again", 1)
		}
		a.Close()
		if got := trail.sum(t, "READ", "count"); got != 6000 {
			t.Errorf("%d of 6000 are recorded", got)
		}
		if last := trail.events[len(trail.events)-1]; last.Action != "STOP" || len(trail.of("STOP")) != 1 {
			t.Errorf("the last entry is %+v", last)
		}
	})
}

func TestAStopDoesNotWaitForADiskThatIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trail := &notebook{err: errFull}
		a := server.NewAuditor(trail)
		a.EndWith("STOP")
		a.Note("READ", "jane", 1)
		began := time.Now()
		a.Close()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestAWriterThatIsBehindIsNoTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trail := &notebook{slow: 5 * time.Second, err: &problem.Error{Kind: problem.Throttled}}
		a := server.NewAuditor(trail)
		a.Note("READ", "jane", 1)
		time.Sleep(time.Minute)
		trail.fail(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := trail.of("READ"); len(got) != 1 || len(trail.of("INGEST_PAUSED")) != 0 {
			t.Errorf("recorded %+v", trail.events)
		}
		a.Close()
	})
}

// TestEveryOccurrenceIsRecordedOrCounted runs random occurrences against a trail that fails and recovers at
// random: what is recorded and what is said to be lost is together what happened.
func TestEveryOccurrenceIsRecordedOrCounted(t *testing.T) {
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			trail := &notebook{slow: time.Duration(r.IntN(20)) * time.Millisecond}
			a := server.NewAuditor(trail)
			happened := map[string]int{}
			for range 200 {
				switch r.IntN(10) {
				case 0:
					trail.fail(errFull)
				case 1:
					trail.fail(errors.New("anything else"))
				case 2, 3:
					trail.fail(nil)
				case 4:
					time.Sleep(time.Duration(r.IntN(120)) * time.Second)
				}
				action := []string{"READ", "EXPORT", "DENY"}[r.IntN(3)]
				for range r.IntN(200) {
					a.Note(action, strconv.Itoa(r.IntN(6000)), 1)
					happened[action]++
				}
			}
			trail.fail(nil)
			time.Sleep(10 * time.Second)
			a.Close()
			for action, n := range happened {
				got, lost := trail.sum(t, action, "count"), trail.sum(t, "INGEST_RESUMED", "unrecorded."+action)
				if got+lost != n {
					t.Errorf("seed %d: %s: %d recorded and %d counted of %d", seed, action, got, lost, n)
				}
			}
			if p, q := len(trail.of("INGEST_PAUSED")), len(trail.of("INGEST_RESUMED")); p != q {
				t.Errorf("seed %d: %d pauses and %d ends", seed, p, q)
			}
		})
	}
}

// BenchmarkNote is what recording adds to a request: to one that asks what was asked before, and to one that asks
// something new.
func BenchmarkNote(b *testing.B) {
	b.Run("again", func(b *testing.B) {
		a := server.NewAuditor(&notebook{})
		defer a.Close()
		b.ReportAllocs()
		for b.Loop() {
			a.Note("READ", "jane", 1)
		}
	})
	b.Run("new", func(b *testing.B) {
		a := server.NewAuditor(&notebook{})
		defer a.Close()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			a.Note("READ", strconv.Itoa(i), 1)
		}
	})
}
