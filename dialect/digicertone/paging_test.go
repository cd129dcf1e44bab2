package digicertone_test

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
	"countersign/store"
)

// envelope is a list answer as a client reads it.
type envelope struct {
	Total, Offset, Limit int
	Items                []item
}

func (f *fixture) list(t testing.TB, token, query string) (envelope, http.Header) {
	t.Helper()
	w := f.get(t, token, "/account/api/v1/audit-log?"+query)
	var e envelope
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s: %d, %v: %s", query, w.Code, err, w.Body)
	}
	return e, w.Header()
}

// made returns a valid event of acme whose description is its number.
func made(n int, at time.Time) event.Event {
	e := event.Event{
		ID: strconv.Itoa(n), OccurredAt: event.MicrosOf(at), Account: event.Account{ID: "acme"}, Action: "CREATE",
		Resource: event.Resource{Type: "USER", ID: event.TextOf("u")}, Description: event.TextOf(strconv.Itoa(n)), Source: "example",
	}
	e.Normalize("acme")
	return e
}

// writing records events, one after another, anywhere in the year, until the returned function is called.
// They are new at each start.
func writing(t testing.TB, s *store.Store, first int) (stop func() int) {
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	n := 0
	done.Go(func() {
		r := rand.New(rand.NewPCG(uint64(first), 0))
		for ; ctx.Err() == nil; n++ {
			at := time.Date(2026, 1, 1, 0, 0, r.IntN(365*24*60*60), 0, time.UTC)
			if _, err := s.Append(context.WithoutCancel(ctx), []event.Event{made(first+n, at)}, "test"); err != nil {
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

func TestAPagingLoopSeesEachEntryOnceWhileOthersAreWritten(t *testing.T) {
	entries := 10_007
	if testing.Short() {
		entries = 1_007
	}
	f := setUp(t)
	s := f.overStore(t)
	r := rand.New(rand.NewPCG(3, 4))
	var batch []event.Event
	for n := range entries {
		batch = append(batch, made(n, time.Date(2026, 1, 1, 0, r.IntN(365*24*60), 0, 0, time.UTC)))
	}
	if _, err := s.Append(t.Context(), batch, "test"); err != nil {
		t.Fatal(err)
	}
	next := entries
	for _, c := range []struct {
		size int
		sort string
	}{{1000, "timestamp:desc"}, {7, "timestamp"}, {1, "timestamp:desc"}} {
		t.Run(fmt.Sprint("pages of ", c.size), func(t *testing.T) {
			there := int(s.Size())
			stop := writing(t, s, next)
			first, header := f.list(t, "viewer", fmt.Sprintf("sort=%s&limit=%d&offset=0", c.sort, c.size))
			seen := map[string]bool{}
			take := func(items []item) {
				for _, i := range items {
					if seen[i.ID] {
						t.Fatalf("entry %s (%s) came twice", i.ID, i.Description)
					}
					seen[i.ID] = true
				}
			}
			take(first.Items)
			for offset := c.size; offset < first.Total; offset += c.size {
				page, h := f.list(t, "viewer", fmt.Sprintf("sort=%s&limit=%d&offset=%d", c.sort, c.size, offset))
				if page.Total != first.Total || page.Offset != offset || page.Limit != c.size {
					t.Fatalf("total %d offset %d limit %d, want %d %d %d", page.Total, page.Offset, page.Limit, first.Total, offset, c.size)
				}
				if got, want := h.Get("X-Countersign-As-Of"), header.Get("X-Countersign-As-Of"); got != want {
					t.Fatalf("as of %s, the first page as of %s", got, want)
				}
				take(page.Items)
			}
			written := stop()
			next += written
			if len(seen) != first.Total || first.Total < there {
				t.Errorf("saw %d entries, total was %d, %d were there before the first page", len(seen), first.Total, there)
			}
			if written == 0 {
				t.Error("nothing was written meanwhile")
			}
			if after, _ := f.list(t, "viewer", "limit=0"); after.Total != there+written {
				t.Errorf("a new loop sees %d, want %d", after.Total, there+written)
			}
		})
	}
}

func TestEveryItemIsFoundByItsID(t *testing.T) {
	f := setUp(t)
	s := f.overStore(t)
	var batch []event.Event
	for n, source := range []string{"digicert-one/iot", "digicert-one/account-manager", "keyfactor/command", "example"} {
		for _, id := range []string{"8d1cbe0e-5c1b-4a54-9d0f-6f3a5ad0c1e2", "8d1cbe0e-5c1b-5a54-9d0f-6f3a5ad0c1e2", "8D1CBE0E-5C1B-4A54-9D0F-6F3A5AD0C1E2", "7"} {
			e := made(n, time.Unix(int64(n), 0))
			e.ID, e.Source = id, source
			if n == 1 && id[0] == '8' {
				e.ID = "9" + id[1:]
			}
			batch = append(batch, e)
		}
	}
	if _, err := s.Append(t.Context(), batch, "test"); err != nil {
		t.Fatal(err)
	}
	all, _ := f.list(t, "viewer", "limit=1000")
	if len(all.Items) != len(batch) {
		t.Fatalf("%d items of %d", len(all.Items), len(batch))
	}
	for _, i := range all.Items {
		w := f.get(t, "viewer", "/account/api/v1/audit-log/"+i.ID)
		var got item
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.ID != i.ID || got.Description != i.Description {
			t.Errorf("%s: %d %s", i.ID, w.Code, w.Body)
		}
		if w := f.get(t, "stranger", "/account/api/v1/audit-log/"+i.ID); w.Code != http.StatusNotFound {
			t.Errorf("a stranger gets %d %s", w.Code, w.Body)
		}
	}
}
