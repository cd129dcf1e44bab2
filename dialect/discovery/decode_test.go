package discovery_test

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"countersign/dialect/discovery"
	"countersign/dialect/refusal"
	"countersign/event"
	"countersign/problem"
	"countersign/query"
)

// body returns a request with members after those that are required.
func body(members string) string { return `{"accountId":"acme","divisionIds":[]` + members + `}` }

func criterion(key string, values ...string) string {
	return fmt.Sprintf(`{"key":%q,"operation":"EQUALS","value":["%s"]}`, key, strings.Join(values, `","`))
}

func criteria(all ...string) string {
	return body(`,"searchCriteriaList":[` + strings.Join(all, ",") + `]`)
}

func repeat(n int, one func(i int) string) []string {
	var all []string
	for i := range n {
		all = append(all, one(i))
	}
	return all
}

func TestTheSampleRequestDecodesToTheQueryItMeans(t *testing.T) {
	got, err := discovery.Decode(readFile(t, "list-request.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := discovery.Asked{
		Account: "5153184",
		Criteria: query.And{query.Or{
			query.And{
				query.Is(query.Action, "ABORT"), query.Is(query.ResourceType, "SCAN"), query.Null{Field: "attributes.discovery.function"},
			},
			query.And{query.Text{Field: "attributes.discovery.function", Values: []string{"Abort scan"}}},
		}},
		Sort:  query.Sort{Field: query.OccurredAt, Desc: true},
		Limit: 50,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unlike what it means (-want +got):\n%s", diff)
	}
}

func TestRequestsAreBounded(t *testing.T) {
	short := func(i int) string { return fmt.Sprintf("%x", i) }
	for _, c := range []struct{ name, body, want string }{
		{"as many criteria as may be", criteria(repeat(discovery.MaxCriteria, func(int) string { return criterion("userName", "a") })...), ""},
		{"one more", criteria(repeat(discovery.MaxCriteria+1, func(int) string { return criterion("userName", "a") })...),
			"searchCriteriaList: has more than 100 members"},
		{"as many values as may be", criteria(criterion("userName", repeat(discovery.MaxValues, short)...)), ""},
		{"one more value", criteria(criterion("userName", "a"), criterion("userName", repeat(discovery.MaxValues+1, short)...)),
			"searchCriteriaList[1].value: has more than 1000 members"},
		{"as many ranges as may be", criteria(`{"key":"dateRange","operation":"EQUALS","value":[` +
			strings.Join(repeat(discovery.MaxValues, func(int) string { return `{"dateFrom":1,"dateTo":2}` }), ",") + `]}`), ""},
		{"one more range", criteria(`{"key":"dateRange","operation":"EQUALS","value":[` +
			strings.Join(repeat(discovery.MaxValues+1, func(int) string { return `{"dateFrom":1,"dateTo":2}` }), ",") + `]}`),
			"searchCriteriaList[0].value: has more than 1000 members"},
		{"as much of everything as may be", criteria(repeat(discovery.MaxCriteria, func(int) string {
			return criterion("function", repeat(discovery.MaxValues, func(i int) string { return fmt.Sprintf("%x a", i) })...)
		})...), ""},
		{"many divisions", `{"accountId":1,"divisionIds":[` + strings.Join(repeat(100_000, strconv.Itoa), ",") + `]}`, ""},
		{"functions of many words", criteria(repeat(10, func(int) string {
			return criterion("function", repeat(discovery.MaxValues, func(int) string { return strings.Repeat("a ", 40) })...)
		})...), "searchCriteriaList[7].value[692]: has too many words"},
		{"functions that are long", criteria(criterion("function", strings.Repeat("a ", 500_000))), ""},
		{"deep nesting", body(`,"x":` + strings.Repeat("[", 20_000)), "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if len(c.body) > discovery.MaxBodyBytes {
				t.Fatalf("%d bytes", len(c.body))
			}
			_, err := discovery.Decode([]byte(c.body))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestWhatIsRepeatedOfARequestCanBeShown(t *testing.T) {
	long := strings.Repeat("ü", 150)
	for _, c := range []struct{ body, field, value string }{
		{body(`,"sortOrder":"` + long + `"`), "sortOrder", strings.Repeat("ü", 98) + "..."},
		{body(`,"sortOrder":"\u001b[31m\u202e"`), "sortOrder", "\uFFFD[31m\uFFFD"},
		{body(`,"` + long + `":1,"` + long + `":1`), strings.Repeat("ü", 98) + "...", ""},
		{body(`,"a\nb":1,"a\nb":1`), "a\uFFFDb", ""},
		{body(`,"pageSize":` + strings.Repeat("9", 300)), "pageSize", strings.Repeat("9", 197) + "..."},
		{body(`,"pageSize":{"a":"` + long + `"}`), "pageSize", `{"a":"` + strings.Repeat("ü", 95) + "..."},
		{"{\"accountId\":\"\xff\"}", "accountId", ""},
		{"{\"accountId\":\"a\",\"divisionIds\":[\"\xed\xa0\x80\"]}", "divisionIds[0]", ""},
		{"{\"\xc3\x28\":1}", "body", ""},
		{"\xef\xbb\xbf" + body(""), "body", ""},
		{"\x00", "body", ""},
	} {
		t.Run(c.body[:min(len(c.body), 60)], func(t *testing.T) {
			_, err := discovery.Decode([]byte(c.body))
			p, ok := errors.AsType[*problem.Error](err)
			if !ok || p.Kind != problem.Invalid || p.Field != c.field || p.Value != c.value {
				t.Errorf("%#v, want %s [%s]", err, c.field, c.value)
			}
		})
	}
}

// FuzzDecode: any body gives a query that a store can answer, or an error that can be shown.
func FuzzDecode(f *testing.F) {
	f.Add(readFile(f, "list-request.json"))
	f.Add([]byte(body(`,"searchCriteriaList":[{"key":"dateRange","operation":"EQUALS","value":["dateFrom:2026-01-01","dateTo:1767225600000"]},` +
		`{"value":[{"dateFrom":1,"dateTo":"2026-01-01T00:00:00.1234567+01:00"}],"key":"dateRange","operation":"EQUALS"}]`)))
	f.Add([]byte(body(`,"startIndex":7,"pageSize":512,"sortedColumnId":"userName","sortOrder":"ASC","x":[{"y":null}]`)))
	f.Add([]byte(`{"accountId":5,"divisionIds":[1,"a",-7],"searchCriteriaList":[` + criterion("function", "a b c", "ſ", "") + `]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		asked, err := discovery.Decode(b)
		if err != nil {
			p, ok := errors.AsType[*problem.Error](err)
			if !ok || p.Kind != problem.Invalid || p.Field == "" {
				t.Fatalf("%v names nothing", err)
			}
			message := p.Field + p.Value + p.Detail
			if len(p.Field) > refusal.MaxShownBytes || len(p.Value) > refusal.MaxShownBytes || !utf8.ValidString(message) ||
				strings.ContainsFunc(message, func(r rune) bool { return !unicode.IsGraphic(r) && r != utf8.RuneError }) {
				t.Errorf("cannot be shown: %q", message)
			}
			return
		}
		if asked.Account == "" || asked.Limit < 0 || asked.Limit > 512 || asked.Offset > math.MaxInt64 {
			t.Errorf("asked %+v", asked)
		}
		if text := query.Print(asked.Criteria); len(text) < 10_000 {
			if _, err := query.Parse(text); err != nil {
				t.Errorf("the filter is not one that can be said: %v", err)
			}
		}
		e := &event.Entry{}
		query.Matches(asked.Criteria, e)
		query.Compare(asked.Sort, e, e)
	})
}
