package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/client"
	"countersign/event"
	"countersign/problem"
)

func TestPagesAreOneAnswerWhileOthersWrite(t *testing.T) {
	tr := newTrail(t, nil)
	c := tr.client(t)
	fill(t, c, "example/app", 0, 25)
	n := 0
	for p, err := range c.Pages(t.Context(), client.Query{Text: "source:example/app", Sort: "seq:desc"}, 10) {
		if err != nil {
			t.Fatal(err)
		}
		fill(t, c, "example/app", 100*(n+1), 5)
		if p.Total != 25 || p.Limit != 10 || p.Offset != uint64(n) {
			t.Errorf("page %+v", p)
		}
		for _, e := range p.Items {
			if want := fmt.Sprintf("e%d", 24-n); e.ID != want {
				t.Errorf("row %d is %s, want %s", n, e.ID, want)
			}
			n++
		}
	}
	if n != 25 {
		t.Errorf("%d rows", n)
	}
	p, err := c.Search(t.Context(), client.Query{Text: "source:example/app", From: "2023-11-14", To: "2023-11-14T22:13:20Z", AsOf: new(uint64(12))}, 0, 0)
	if err != nil || p.Total == 0 || p.Total > 12 || p.TreeSize != 12 || len(p.Items) != 0 {
		t.Errorf("page %+v, %v", p, err)
	}
	for p, err := range c.Pages(t.Context(), client.Query{Text: "action:NONE"}, 0) {
		if err != nil || p.Total != 0 || len(p.Items) != 0 {
			t.Errorf("page %+v, %v", p, err)
		}
		n++
	}
	if n != 26 {
		t.Error("a search that finds nothing has no page")
	}
}

func TestEntriesAreReadAsTheyWereSent(t *testing.T) {
	tr := newTrail(t, nil)
	c := tr.client(t)
	full := one("full")
	full.OccurredAt++
	full.Outcome = event.OutcomeFailure
	full.Account.Name = event.TextOf("Example account")
	full.Division = event.Division{ID: event.TextOf("677793"), Name: event.TextOf("")}
	full.Actor = event.Actor{ID: event.TextOf("u"), Name: event.TextOf("jane\u0085\x1b[31m"), Type: event.ActorService}
	full.Client = event.Client{IP: event.TextOf("192.0.2.1"), Country: event.TextOf("US")}
	full.Description, full.Detail, full.Raw = event.TextOf("d"), event.TextOf("D\x00"), event.TextOf("{}")
	full.Attributes = []event.Attribute{{Name: "a", Value: "1"}, {Name: "b", Value: ""}}
	bare := one("bare")
	bare.Resource.Name = event.Text{}
	bare.Normalize("")
	if _, err := c.Append(t.Context(), []event.Event{full, bare}); err != nil {
		t.Fatal(err)
	}
	p, err := c.Search(t.Context(), client.Query{Text: "source:example/app", Sort: "seq:asc"}, 0, 10)
	if err != nil || len(p.Items) != 2 {
		t.Fatalf("%+v, %v", p, err)
	}
	if diff := cmp.Diff([]event.Event{full, bare}, []event.Event{p.Items[0].Event, p.Items[1].Event}); diff != "" {
		t.Errorf("(-sent +read):\n%s", diff)
	}
	for i, e := range p.Items {
		if e.ReceivedAt == 0 || !e.RecordedBy.Present || e.Seq+1 != p.TreeSize-1+uint64(i) || !strings.HasPrefix(string(e.JSON), `{"seq":`) {
			t.Errorf("entry %+v", e)
		}
	}
}

func TestPagesThatDoNotAddUpAreRefused(t *testing.T) {
	page := func(total, offset, size, mark int, seqs ...int) string {
		items := make([]string, len(seqs))
		for i, s := range seqs {
			items[i] = fmt.Sprintf(`{"seq":%d,"new":"member"}`, s)
		}
		return fmt.Sprintf(`{"total":%d,"offset":%d,"limit":2,"tree_size":%d,"erasure_mark":%d,"items":[%s]}`, total, offset, size, mark, strings.Join(items, ","))
	}
	for _, c := range []struct {
		name         string
		first, other string
		want         string
	}{
		{"whole", page(3, 0, 9, 0, 1, 2), page(3, 2, 9, 0, 3), ""},
		{"another total", page(3, 0, 9, 0, 1, 2), page(4, 2, 9, 0, 3), "follows one"},
		{"another tree", page(3, 0, 9, 0, 1, 2), page(3, 2, 10, 0, 3), "follows one"},
		{"something was erased", page(3, 0, 9, 0, 1, 2), page(3, 2, 9, 1, 3), "erased"},
		{"a row is missing", page(3, 0, 9, 0, 1, 2), page(3, 2, 9, 0), "counts 3 rows and returns 2"},
		{"a row too many", page(3, 0, 9, 0, 1, 2), page(3, 2, 9, 0, 3, 4), "counts 3 rows and returns 4"},
		{"another offset", page(3, 0, 9, 0, 1, 2), page(3, 1, 9, 0, 2, 3), "2 rows from 1"},
		{"more than was asked for", page(3, 0, 9, 0, 1, 2, 3), "", "3 rows from 0 where 2"},
		{"an entry without seq", strings.Replace(page(3, 0, 9, 0, 1, 2), `"seq":1`, `"sec":1`, 1), "", "without seq"},
		{"no JSON", "<html>", "", "not understood"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.FormValue("offset") == "0" {
					io.WriteString(w, c.first)
					return
				}
				if r.FormValue("as_of") != "9" {
					t.Errorf("a page of another tree is asked for: %s", r.URL)
				}
				io.WriteString(w, c.other)
			})
			rows, failure := 0, error(nil)
			for p, err := range cl.Pages(t.Context(), client.Query{}, 2) {
				rows += len(p.Items)
				failure = err
			}
			if c.want == "" && (failure != nil || rows != 3) || c.want != "" && (failure == nil || !strings.Contains(failure.Error(), c.want)) {
				t.Errorf("%d rows, error %v, want %q", rows, failure, c.want)
			}
		})
	}
}

func TestRefusedSearchTextNamesThePlace(t *testing.T) {
	tr := newTrail(t, nil)
	_, err := tr.client(t).Search(t.Context(), client.Query{Text: "action:LOGIN seq:~5"}, 0, 10)
	r, ok := errors.AsType[*client.Refusal](err)
	if !ok || r.Status != 400 || r.Position != 17 || r.RequestID == "" || r.Problem.Field != "q" || problem.KindOf(err) != problem.Invalid {
		t.Errorf("%#v", err)
	}
}

// TestLargePagesAreReadInParts has entries of which a page of a thousand would not fit.
func TestLargePagesAreReadInParts(t *testing.T) {
	big := strings.Repeat("x", 1<<10)
	const total = 150
	limits := ""
	cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var offset, limit int
		fmt.Sscan(r.FormValue("offset"), &offset)
		fmt.Sscan(r.FormValue("limit"), &limit)
		limits += fmt.Sprint(limit, " ")
		fmt.Fprintf(w, `{"total":%d,"offset":%d,"limit":%d,"tree_size":200,"erasure_mark":0,"items":[`, total, offset, limit)
		for i := offset; i < min(total, offset+limit); i++ {
			if i > offset {
				io.WriteString(w, ",")
			}
			fmt.Fprintf(w, `{"seq":%d,"raw":"%s"}`, i, big)
		}
		io.WriteString(w, "]}")
	})
	cl.SetPageBytes(128 << 10)
	next := uint64(0)
	for p, err := range cl.Pages(t.Context(), client.Query{}, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Items {
			if e.Seq != next {
				t.Fatalf("seq %d, want %d", e.Seq, next)
			}
			next++
		}
	}
	if next != total || limits != "1000 500 250 125 125 " {
		t.Errorf("%d rows, asked for %s", next, limits)
	}
}
