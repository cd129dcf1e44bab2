package discovery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/dialect/discovery"
	"countersign/event"
	"countersign/query"
	"countersign/store"
)

// columnsShown says what rows show in a column.
var columnsShown = map[string]func(r *row) string{
	"userName":     func(r *row) string { return r.UserName },
	"function":     func(r *row) string { return r.Function },
	"ipAddress":    func(r *row) string { return r.IPAddress },
	"divisionName": func(r *row) string { return r.DivisionName },
}

func (f *fixture) valuesOf(t testing.TB, token, body string) []string {
	t.Helper()
	w := f.post(t, token, "filter", body)
	var answer struct{ Data struct{ Values []string } }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s: %d, %v: %s", body, w.Code, err, w.Body)
	}
	return answer.Data.Values
}

// However little is held at a time, the values are those of all rows.
func TestTheValuesAreThoseOfTheRows(t *testing.T) {
	f := setUp(t)
	r := seeded(t)
	want := map[string]map[string]bool{"userName": {}, "function": {}, "ipAddress": {}, "divisionName": {}}
	n := newNumbers()
	var batch []event.Event
	for seq := range uint64(2000) {
		e := randomEntry(r, seq)
		e.Account.ID = "acme"
		batch = append(batch, e.Event)
		n.note(e)
		var shown row
		if err := json.Unmarshal(discovery.AppendRow(nil, n, e), &shown); err != nil {
			t.Fatal(err)
		}
		for name, of := range columnsShown {
			if v := of(&shown); v != "" {
				want[name][v] = true
			}
		}
	}
	f.record(t, batch...)
	for _, held := range []int{8 << 20, 3000, 300, 1} {
		f.handler.SetHeld(held)
		for name := range columnsShown {
			got := f.valuesOf(t, "viewer", body(`,"filterSelected":"`+name+`"`))
			if diff := cmp.Diff(slices.SortedFunc(maps.Keys(want[name]), compareShown), got); diff != "" {
				t.Errorf("%s, holding %d bytes (-rows +values)\n%s", name, held, diff)
			}
		}
	}
}

// readings counts how often the matches were read, and at which sizes.
type readings struct {
	discovery.Trail
	mu    sync.Mutex // guards sizes
	sizes []uint64
	// meanwhile is called after the first reading, and fail fails the second.
	meanwhile func()
	fail      error
}

func (r *readings) Texts(ctx context.Context, q query.Query, visit func(string)) (store.Page, error) {
	r.mu.Lock()
	again := len(r.sizes) > 0
	r.mu.Unlock()
	if again && r.fail != nil {
		return store.Page{}, r.fail
	}
	p, err := r.Trail.Texts(ctx, q, visit)
	r.mu.Lock()
	r.sizes = append(r.sizes, p.TreeSize)
	r.mu.Unlock()
	if !again && r.meanwhile != nil {
		r.meanwhile()
	}
	return p, err
}

func many(n int) []event.Event {
	var batch []event.Event
	for i := range n {
		e := made(i, time.Unix(int64(i), 0))
		e.Actor.Name = event.TextOf(fmt.Sprintf("user %06d", i))
		batch = append(batch, e)
	}
	rand.Shuffle(n, func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
	return batch
}

func TestManyValuesTakeSeveralReadingsOfOneTrail(t *testing.T) {
	f := setUp(t)
	f.record(t, many(3000)...)
	trail := &readings{Trail: f.trail, meanwhile: func() {
		late := made(1_000_000, time.Unix(0, 0))
		late.Actor.Name = event.TextOf("user 002999a")
		if _, err := f.trail.Append(context.Background(), []event.Event{late}, "test"); err != nil {
			t.Error(err)
		}
	}}
	f.handler = discovery.New(discovery.Deps{Trail: trail, Identity: f.Directory})
	f.handler.SetHeld(100_000)
	got := f.valuesOf(t, "viewer", body(`,"filterSelected":"userName"`))
	if len(got) != 3000 || !slices.IsSorted(got) || got[2999] != "user 002999" {
		t.Errorf("%d values, the last %s", len(got), got[len(got)-1])
	}
	if n := len(trail.sizes); n < 3 || n > 10 || len(slices.Compact(trail.sizes)) != 1 {
		t.Errorf("readings at %d", trail.sizes)
	}
}

func TestAListOfValuesThatCannotGoOnBreaksOff(t *testing.T) {
	f := setUp(t)
	f.record(t, many(20_000)...)
	for _, c := range []struct {
		name string
		held int
		part bool // of the answer is sent before the failure
	}{{"before anything is sent", 10_000, false}, {"after a part is sent", 1 << 20, true}} {
		t.Run(c.name, func(t *testing.T) {
			trail := &readings{Trail: f.trail, fail: errors.New("disk on fire")}
			h := discovery.New(discovery.Deps{Trail: trail, Identity: f.Directory})
			h.SetHeld(c.held)
			s := httptest.NewServer(h)
			defer s.Close()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/apicontroller/v1/auditlog/filter", strings.NewReader(body(`,"filterSelected":"userName"`)))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-DC-DEVKEY", f.Tokens["viewer"])
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				if !c.part {
					t.Fatal(err)
				}
				return // not even the header came: as good
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if c.part && (err == nil || json.Valid(got)) {
				t.Errorf("the answer looks complete: %d bytes, %v", len(got), err)
			}
			if !c.part && (resp.StatusCode != http.StatusInternalServerError || err != nil) {
				t.Errorf("%d %s %v", resp.StatusCode, got, err)
			}
		})
	}
}

func TestOneRequestAtATimeReadsThroughTheTrail(t *testing.T) {
	f := setUp(t)
	f.record(t, many(100)...)
	reading, goOn := make(chan struct{}), make(chan struct{})
	trail := &readings{Trail: f.trail, meanwhile: func() {
		close(reading)
		<-goOn
	}}
	f.handler = discovery.New(discovery.Deps{Trail: trail, Identity: f.Directory})
	asked := body(`,"filterSelected":"userName"`)
	var first sync.WaitGroup
	first.Go(func() {
		if got := f.valuesOf(t, "viewer", asked); len(got) != 100 {
			t.Errorf("%d values", len(got))
		}
	})
	<-reading
	// The second waits, and leaves when its caller does.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/apicontroller/v1/auditlog/filter", strings.NewReader(asked))
	r.Header.Set("X-DC-DEVKEY", f.Tokens["viewer"])
	w := httptest.NewRecorder()
	f.checked.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	close(goOn)
	first.Wait()
}
