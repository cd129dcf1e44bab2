package digicertone_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"countersign/dialect/digicertone"
	"countersign/dialect/refusal"
	"countersign/event"
	"countersign/problem"
	"countersign/query"
)

func micros(t *testing.T, s string) int64 {
	t.Helper()
	m, err := event.ParseTime(s)
	if err != nil {
		t.Fatal(err)
	}
	return int64(m)
}

func TestParametersDecodeToTheQueryTheyMean(t *testing.T) {
	none := query.And(nil)
	byTime := query.Sort{Field: query.OccurredAt}
	for _, c := range []struct {
		name, query string
		want        query.Query
	}{
		{"nothing", "", query.Query{Filter: none, Sort: byTime, Limit: 20}},
		{"only separators", "&&", query.Query{Filter: none, Sort: byTime, Limit: 20}},
		{"empty values are not given", "action=&from=&to&sort=&limit=&offset=&status=&resource_types=,", query.Query{Filter: none, Sort: byTime, Limit: 20}},
		{"unknown names, also in other case", "Action=CREATE&x=1&page=2&%00=y", query.Query{Filter: none, Sort: byTime, Limit: 20}},
		{"the first of several", "limit=1&limit=2&action=A&action=B", query.Query{Filter: query.And{query.Is(query.Action, "A")}, Sort: byTime, Limit: 1}},
		{"the first of several, though empty", "limit=&limit=2", query.Query{Filter: none, Sort: byTime, Limit: 20}},
		{"a list in parts", "resource_types=USER,+APIKEY&resource_types=ROLE%2C,", query.Query{
			Filter: query.And{query.Is(query.ResourceType, "USER", "APIKEY", "ROLE")}, Sort: byTime, Limit: 20}},
		{"a plus is a blank, a semicolon a character", "resource_id=a+b;c=d", query.Query{
			Filter: query.And{query.Is(query.ResourceID, "a b;c=d")}, Sort: byTime, Limit: 20}},
		{"limit zero", "limit=0", query.Query{Filter: none, Sort: byTime}},
		{"limit above the cap", "limit=1001", query.Query{Filter: none, Sort: byTime, Limit: 1000}},
		{"limit beyond any number", "limit=" + strings.Repeat("9", 100), query.Query{Filter: none, Sort: byTime, Limit: 1000}},
		{"leading zeros", "limit=007&offset=010", query.Query{Filter: none, Sort: byTime, Limit: 7, Offset: 10}},
		{"the largest offset", "offset=9223372036854775807", query.Query{Filter: none, Sort: byTime, Limit: 20, Offset: math.MaxInt64}},
		{"one day", "from=2024-02-29&to=2024-02-29", query.Query{Filter: query.And{query.Range{Field: query.OccurredAt,
			Min: micros(t, "2024-02-29T00:00:00Z"), Max: micros(t, "2024-02-29T23:59:59.999999Z")}}, Sort: byTime, Limit: 20}},
		{"open to the past", "to=2026-12-31", query.Query{Filter: query.And{query.Range{Field: query.OccurredAt,
			Min: query.NoMin, Max: micros(t, "2026-12-31T23:59:59.999999Z")}}, Sort: byTime, Limit: 20}},
		{"the first and last day there are", "from=0000-01-01&to=9999-12-31", query.Query{Filter: query.And{query.Range{Field: query.OccurredAt,
			Min: int64(event.MinMicros), Max: int64(event.MaxMicros)}}, Sort: byTime, Limit: 20}},
		{"sort by a field alone", "sort=timestamp", query.Query{Filter: none, Sort: byTime, Limit: 20}},
		{"sort descending", "sort=description:desc", query.Query{Filter: none, Sort: query.Sort{Field: query.Description, Desc: true}, Limit: 20}},
		{"sort, colon encoded", "sort=action%3Aasc", query.Query{Filter: none, Sort: query.Sort{Field: query.Action}, Limit: 20}},
		{"the member of a list that is too long is counted after trimming", "resource_types=" + strings.Repeat("A,,", digicertone.MaxTypes), query.Query{
			Filter: query.And{query.Is(query.ResourceType, strings.Split(strings.Repeat("A,", digicertone.MaxTypes-1)+"A", ",")...)}, Sort: byTime, Limit: 20}},
		{"as many parameters as may be", strings.Repeat("x=1&", digicertone.MaxParams), query.Query{Filter: none, Sort: byTime, Limit: 20}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := digicertone.DecodeSearch(c.query)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("unlike what it means (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWrongParametersAreNamed(t *testing.T) {
	long := strings.Repeat("ü", 150)
	for _, c := range []struct{ query, field, value string }{
		{"from=2026/01/01", "from", "2026/01/01"},
		{"from=2026-02-29", "from", "2026-02-29"},
		{"from=2026-1-1", "from", "2026-1-1"},
		{"from=+2026-01-01", "from", " 2026-01-01"},
		{"from=2026-01-01T00:00:00Z", "from", "2026-01-01T00:00:00Z"},
		{"from=10000-01-01", "from", "10000-01-01"},
		{"from=-001-01-01", "from", "-001-01-01"},
		{"to=2026-13-01", "to", "2026-13-01"},
		{"to=2026-00-10", "to", "2026-00-10"},
		{"to=today", "to", "today"},
		{"from=2026-01-02&to=2026-01-01", "from", "2026-01-02"},
		{"sort=user", "sort", "user"},
		{"sort=:desc", "sort", ":desc"},
		{"sort=timestamp:", "sort", "timestamp:"},
		{"sort=timestamp:DESC", "sort", "timestamp:DESC"},
		{"sort=Timestamp", "sort", "Timestamp"},
		{"sort=timestamp:desc:asc", "sort", "timestamp:desc:asc"},
		{"sort=timestamp,action", "sort", "timestamp,action"},
		{"offset=-1", "offset", "-1"},
		{"offset=%2B1", "offset", "+1"},
		{"offset=1.0", "offset", "1.0"},
		{"offset=1e3", "offset", "1e3"},
		{"offset=0x10", "offset", "0x10"},
		{"offset=%D9%A1", "offset", "١"},
		{"offset=9223372036854775808", "offset", "9223372036854775808"},
		{"offset=99999999999999999999999", "offset", "99999999999999999999999"},
		{"limit=-1", "limit", "-1"},
		{"limit=all", "limit", "all"},
		{"limit=%00", "limit", "\uFFFD"},
		{"limit=%1b[31m%E2%80%AE", "limit", "\uFFFD[31m\uFFFD"},
		{"include_self=yes", "include_self", "yes"},
		{"user_name=%zz", "user_name", "%zz"},
		{"user_name=%f", "user_name", "%f"},
		{"user_name=%ff", "user_name", "%ff"},
		{"user_name=\xff", "user_name", "\uFFFD"},
		{"user_name=%ED%A0%80", "user_name", "%ED%A0%80"},
		{"nobody_knows_me=%", "nobody_knows_me", "%"},
		{"%=x", "query", "%"},
		{"%ff=x", "query", "%ff"},
		{"=%", "query", "=%"},
		{"limit=" + url.QueryEscape(long), "limit", strings.Repeat("ü", 98) + "..."},
		{strings.Repeat("n", 300) + "=%", strings.Repeat("n", refusal.MaxShownBytes-3) + "...", "%"},
		{"resource_types=" + strings.Repeat("A,", digicertone.MaxTypes+1), "resource_types", strings.Repeat("A,", 98) + "A..."},
	} {
		t.Run(c.query[:min(len(c.query), 40)], func(t *testing.T) {
			_, _, err := digicertone.DecodeSearch(c.query)
			p, ok := err.(*problem.Error)
			if !ok {
				t.Fatalf("error %v, want one that names %s", err, c.field)
			}
			if p.Kind != problem.Invalid || p.Field != c.field || p.Value != c.value {
				t.Errorf("%v %s [%s], want %s [%s]", p.Kind, p.Field, p.Value, c.field, c.value)
			}
		})
	}
}

func TestOversizedQueriesAreRefused(t *testing.T) {
	for _, c := range []struct{ name, query, want string }{
		{"bytes", "user_name=" + strings.Repeat("x", digicertone.MaxQueryBytes), "invalid_request: Query is longer than 32768 bytes."},
		{"parameters", strings.Repeat("x&", digicertone.MaxParams+1), "invalid_request: Query has more than 256 parameters."},
	} {
		if _, _, err := digicertone.DecodeSearch(c.query); err == nil || err.Error() != c.want {
			t.Errorf("too many %s: %v, want %s", c.name, err, c.want)
		}
	}
}

// FuzzDecodeSearch: any query string gives a query that a store can answer, or an error that can be shown.
func FuzzDecodeSearch(f *testing.F) {
	f.Add("from=2026-01-01&to=2026-03-31&resource_types=USER,APIKEY&sort=timestamp:desc&offset=0&limit=1000")
	f.Add("user_name=%C3%9F&action=CREATE&status=FAILURE&account_id=a&resource_id=b&include_self=true")
	f.Add("from=2026/01/01&%zz;=&&=&limit=-1")
	f.Fuzz(func(t *testing.T, raw string) {
		q, _, err := digicertone.DecodeSearch(raw)
		if err != nil {
			checkShowable(t, err)
			return
		}
		if q.Limit < 0 || q.Limit > 1000 || q.Offset > math.MaxInt64 {
			t.Errorf("page %d+%d", q.Offset, q.Limit)
		}
		if _, err := query.Parse(query.Print(q.Filter)); err != nil {
			t.Errorf("the filter is not one that can be said: %v", err)
		}
		for _, part := range q.Filter.(query.And) {
			if r, ok := part.(query.Range); ok {
				checkDays(t, r)
			}
		}
		e := &event.Entry{}
		query.Matches(q.Filter, e)
		query.Compare(q.Sort, e, e)
	})
}

func checkShowable(t *testing.T, err error) {
	p, ok := err.(*problem.Error)
	if !ok {
		if !strings.HasPrefix(err.Error(), "invalid_request: Query ") {
			t.Errorf("error of no known form: %v", err)
		}
		return
	}
	if p.Kind != problem.Invalid || p.Field == "" {
		t.Errorf("%v names nothing", err)
	}
	message := fmt.Sprintf("%s%s", p.Field, p.Value)
	if len(p.Field) > refusal.MaxShownBytes || len(p.Value) > refusal.MaxShownBytes || !utf8.ValidString(message) ||
		strings.ContainsFunc(message, func(r rune) bool { return !unicode.IsGraphic(r) && r != utf8.RuneError }) {
		t.Errorf("cannot be shown: %q", message)
	}
}

func checkDays(t *testing.T, r query.Range) {
	if r.Min > r.Max {
		t.Errorf("empty period %v", r)
	}
	const day = int64(24 * time.Hour / time.Microsecond)
	if r.Min != query.NoMin && (r.Min%day != 0 || r.Min < int64(event.MinMicros)) ||
		r.Max != query.NoMax && ((r.Max+1)%day != 0 || r.Max > int64(event.MaxMicros)) {
		t.Errorf("not whole days: %v", r)
	}
}

func TestItemsAreJSONWhateverTheTextsHold(t *testing.T) {
	for _, text := range []string{"", "\x00\x1f\x7f", `"\/`, "\u2028\u2029", "<script>&", "\U0010FFFF", "a\r\nb\t", "\xff"} {
		e := &event.Entry{Event: event.Event{Account: event.Account{ID: text}, Description: event.TextOf(text)}}
		var got item
		if err := json.Unmarshal(digicertone.AppendItem(nil, e), &got); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if want := strings.ToValidUTF8(text, "\uFFFD"); got.Description != want || got.Account.ID != want {
			t.Errorf("%q came back as %q", text, got.Description)
		}
	}
}
