package discovery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"countersign/event"
)

// listing is a list answer as a client reads it.
type listing struct {
	Error any
	Data  struct {
		TotalCount, CurrentCount int
		AuditLogs                []row
	}
}

func (f *fixture) list(t testing.TB, token, body string) (listing, http.Header) {
	t.Helper()
	w := f.post(t, token, "list", body)
	var l listing
	if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil || w.Code != http.StatusOK || l.Error != nil || l.Data.CurrentCount != len(l.Data.AuditLogs) {
		t.Fatalf("%s: %d, %v: %s", body, w.Code, err, w.Body)
	}
	return l, w.Header()
}

// made returns a valid event of acme whose description is its number.
func made(n int, at time.Time) event.Event {
	return event.Event{
		ID: strconv.Itoa(n), OccurredAt: event.MicrosOf(at), Account: event.Account{ID: "acme"},
		Actor:  event.Actor{Name: event.TextOf(fmt.Sprint("user ", n%97)), Type: event.ActorStandard},
		Action: "CREATE", Resource: event.Resource{Type: "USER", ID: event.TextOf("u")},
		Outcome: event.OutcomeSuccess, Description: event.TextOf(strconv.Itoa(n)), Source: "example",
	}
}

// writing records events, one after another, anywhere in the year, until the returned function is called.
func (f *fixture) writing(t testing.TB, first int) (stop func() int) {
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	n := 0
	done.Go(func() {
		r := rand.New(rand.NewPCG(uint64(first), 0))
		for ; ctx.Err() == nil; n++ {
			at := time.Date(2026, 1, 1, 0, 0, r.IntN(365*24*60*60), 0, time.UTC)
			if _, err := f.trail.Append(context.WithoutCancel(ctx), []event.Event{made(first+n, at)}, "test"); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Millisecond) // the loop being read is what is tested, not the disk
		}
	})
	stop = func() int {
		cancel()
		done.Wait()
		return n
	}
	t.Cleanup(func() { stop() }) // before the store closes, though the test has failed
	return stop
}

// A script of this vendor's counts from 1 and goes on by what the last answer held, until it is past the
// total. It must get each row once, the same total on each page, and no row that was written meanwhile.
func TestAPagingLoopSeesEachEntryOnceWhileOthersAreWritten(t *testing.T) {
	entries := 10_007
	if testing.Short() {
		entries = 1_007
	}
	f := setUp(t)
	r := rand.New(rand.NewPCG(3, 4))
	var batch []event.Event
	for n := range entries {
		batch = append(batch, made(n, time.Date(2026, 1, 1, 0, r.IntN(365*24*60), 0, 0, time.UTC)))
	}
	f.record(t, batch...)
	next := entries
	for _, c := range []struct {
		size    int
		sort    string
		writing bool
	}{
		{512, `"sortedColumnId":"createdDate","sortOrder":"ASC"`, false},
		{7, `"sortedColumnId":"userName"`, false},
		{1, `"sortOrder":"DESC"`, false},
		{512, `"sortOrder":"DESC"`, true},
		{7, `"sortedColumnId":"userName","sortOrder":"ASC"`, true},
		{1, `"sortedColumnId":"createdDate","sortOrder":"ASC"`, true},
	} {
		t.Run(fmt.Sprintf("pages of %d, writing %t", c.size, c.writing), func(t *testing.T) {
			stop := func() int { return 0 }
			there := int(f.trail.Size())
			if c.writing {
				stop = f.writing(t, next)
			}
			seen := map[int64]bool{}
			total, asOf := -1, ""
			for start := 1; total < 0 || start <= total; {
				page, h := f.list(t, "viewer", fmt.Sprintf(`{"accountId":"acme","divisionIds":[],"startIndex":%d,"pageSize":%d,%s}`, start, c.size, c.sort))
				if total < 0 {
					total, asOf = page.Data.TotalCount, h.Get("X-Countersign-As-Of")
				}
				if page.Data.TotalCount != total || page.Data.CurrentCount != min(c.size, total-start+1) || h.Get("X-Countersign-As-Of") != asOf {
					t.Fatalf("at %d: total %d of %d, %d rows, as of %s, the first page %s", start,
						page.Data.TotalCount, total, page.Data.CurrentCount, h.Get("X-Countersign-As-Of"), asOf)
				}
				for _, row := range page.Data.AuditLogs {
					if seen[row.ID] {
						t.Fatalf("entry %d (%s) came twice", row.ID, row.Message)
					}
					seen[row.ID] = true
				}
				start += page.Data.CurrentCount
			}
			written := stop()
			next += written
			if len(seen) != total || total < there {
				t.Errorf("saw %d entries, total was %d, %d were there before the first page", len(seen), total, there)
			}
			if c.writing && written == 0 {
				t.Error("nothing was written meanwhile")
			}
			if after, _ := f.list(t, "viewer", `{"accountId":"acme","divisionIds":[],"pageSize":0}`); after.Data.TotalCount != there+written {
				t.Errorf("a new loop sees %d, want %d", after.Data.TotalCount, there+written)
			}
		})
	}
}
