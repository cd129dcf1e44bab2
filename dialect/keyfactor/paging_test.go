package keyfactor_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/dialect/keyfactor"
	"countersign/event"
	"countersign/internal/dialecttest"
)

func (f *fixture) list(t testing.TB, token, query string) ([]row, http.Header) {
	t.Helper()
	w := f.get(t, token, "/Audit?"+query)
	var rows []row
	if err := json.Unmarshal(w.Body.Bytes(), &rows); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s: %d, %v: %.2000s", query, w.Code, err, w.Body)
	}
	return rows, w.Header()
}

// made returns a valid event of acme whose resource has its number.
func made(n int, at time.Time) event.Event {
	return event.Event{
		ID: strconv.Itoa(n), OccurredAt: event.MicrosOf(at), Account: event.Account{ID: "acme"},
		Actor:  event.Actor{Name: event.TextOf(fmt.Sprint("user ", n%97)), Type: event.ActorStandard},
		Action: "CREATE", Resource: event.Resource{Type: "TEMPLATE", ID: event.TextOf(strconv.Itoa(n))},
		Outcome: event.OutcomeSuccess, Source: "example",
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

// fill records events all over the year.
func (f *fixture) fill(t testing.TB, entries int) {
	r := rand.New(rand.NewPCG(3, 4))
	var batch []event.Event
	for n := range entries {
		batch = append(batch, made(n, time.Date(2026, 1, 1, 0, r.IntN(365*24*60), 0, 0, time.UTC)))
	}
	dialecttest.Record(t, f.trail, batch...)
}

// A script of this vendor's counts pages from 1 and goes on until one is not full. It must get each row once,
// the same total on each page, and no row that was written meanwhile, also when its pages are searched for in
// parts.
func TestAPagingLoopSeesEachEntryOnceWhileOthersAreWritten(t *testing.T) {
	entries := 4_007
	if testing.Short() {
		entries = 2_107
	}
	f := setUp(t)
	f.fill(t, entries)
	next := entries
	for _, c := range []struct {
		size    int
		query   string
		writing bool
	}{
		{50, "SortField=Timestamp", false},
		{2400, "SortField=Timestamp&SortAscending=1", false},
		{97, "SortField=ImmutableIdentifier&QueryString=Level+-eq+0", true},
		{2000, "SortField=Timestamp&SortAscending=1", true},
		{keyfactor.ChunkRows, "SortField=Timestamp", true},
		{2400, "SortField=ImmutableIdentifier", true},
		{1 << 30, "SortField=Timestamp&SortAscending=1", true},
	} {
		t.Run(fmt.Sprintf("pages of %d, writing %t", c.size, c.writing), func(t *testing.T) {
			stop := func() int { return 0 }
			there := int(f.trail.Size())
			if c.writing {
				stop = f.writing(t, next)
			}
			seen := map[int64]bool{}
			total, asOf := "", ""
			for page := 1; ; page++ {
				rows, h := f.list(t, "viewer", fmt.Sprintf("PageReturned=%d&ReturnLimit=%d&%s", page, c.size, c.query))
				if page == 1 {
					total, asOf = h.Get("X-Total-Count"), h.Get("X-Countersign-As-Of")
				}
				if h.Get("X-Total-Count") != total || h.Get("X-Countersign-As-Of") != asOf {
					t.Fatalf("page %d: total %s of %s, as of %s, the first page %s", page, h.Get("X-Total-Count"), total, h.Get("X-Countersign-As-Of"), asOf)
				}
				for _, row := range rows {
					if seen[row.ID] {
						t.Fatalf("entry %d came twice", row.ID)
					}
					seen[row.ID] = true
				}
				if len(rows) < c.size {
					break
				}
			}
			written := stop()
			next += written
			if fmt.Sprint(len(seen)) != total || len(seen) < there {
				t.Errorf("saw %d entries, total was %s, %d were there before the first page", len(seen), total, there)
			}
			if c.writing && written == 0 {
				t.Error("nothing was written meanwhile")
			}
			if _, h := f.list(t, "viewer", "ReturnLimit=1"); h.Get("X-Total-Count") != fmt.Sprint(there+written) {
				t.Errorf("a new loop sees %s, want %d", h.Get("X-Total-Count"), there+written)
			}
		})
	}
}

// The download has every row at one tree size, however many are written meanwhile, in both of its forms.
func TestADownloadHasEveryRowOnceWhileOthersAreWritten(t *testing.T) {
	f := setUp(t)
	f.fill(t, 3_001)
	stop := f.writing(t, 3_001)
	for _, accept := range []string{"", "application/json"} {
		r := f.request(t, "viewer", "/Audit/Download?SortField=Timestamp&SortAscending=1")
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		f.checked.ServeHTTP(w, r)
		text := w.Body.String()
		if accept != "" {
			if err := json.Unmarshal(w.Body.Bytes(), &text); err != nil {
				t.Fatal(err)
			}
		}
		records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		seen, last := map[string]bool{}, "9"
		for _, record := range records[1:] {
			if seen[record[0]] || record[1] > last {
				t.Fatalf("%v after %s", record, last)
			}
			seen[record[0]], last = true, record[1]
		}
		if fmt.Sprint(len(seen)) != w.Header().Get("X-Total-Count") || len(seen) < 3_001 {
			t.Errorf("%d rows, the total is %s", len(seen), w.Header().Get("X-Total-Count"))
		}
	}
	if stop() == 0 {
		t.Error("nothing was written meanwhile")
	}
}
