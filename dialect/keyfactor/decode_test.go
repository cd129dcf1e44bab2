package keyfactor_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"countersign/dialect/keyfactor"
	"countersign/dialect/refusal"
	"countersign/event"
	"countersign/problem"
	"countersign/query"
)

func TestPagesAreCountedFromOne(t *testing.T) {
	for raw, want := range map[string][2]uint64{
		"":                                   {0, 50},
		"PageReturned=1":                     {0, 50},
		"PageReturned=3":                     {100, 50},
		"ReturnLimit=7&PageReturned=4":       {21, 7},
		"RETURNLIMIT=7&pagereturned=4":       {21, 7},
		"pq.ReturnLimit=7&Pq.pageReturned=4": {21, 7},
		"ReturnLimit=007":                    {0, 7},
		"ReturnLimit=2147483647&PageReturned=2147483647": {2147483646 * 2147483647, 2147483647},
		"ReturnLimit=&ReturnLimit=7":                     {0, 50},
		"ReturnLimit=7&ReturnLimit=8":                    {0, 7},
		"returnLimit=7&x=%20&&=&y":                       {0, 7},
	} {
		_, _, offset, limit, err := keyfactor.Decode(raw)
		if err != nil || offset != want[0] || limit != want[1] {
			t.Errorf("%s: %d+%d, %v, want %d+%d", raw, offset, limit, err, want[0], want[1])
		}
	}
}

func TestOversizedQueriesAreRefused(t *testing.T) {
	long := "QueryString=" + url.QueryEscape(strings.Repeat(`"`, keyfactor.MaxQueryStringBytes))
	if _, _, _, _, err := keyfactor.Decode(long); err == nil || strings.Contains(err.Error(), "longer") {
		t.Errorf("the longest QueryString with every byte escaped is refused: %v", err)
	}
	for _, c := range []struct {
		name, raw string
		status    int
		want      string
	}{
		{"bytes", "QueryString=" + strings.Repeat("x", keyfactor.MaxURLQueryBytes), http.StatusRequestURITooLong, "The query is longer than 57344 bytes."},
		{"parameters", strings.Repeat("x&", keyfactor.MaxParams+1), http.StatusBadRequest, "The query has more than 256 parameters."},
	} {
		_, _, _, _, err := keyfactor.Decode(c.raw)
		if r, ok := errors.AsType[*refusal.Refusal](err); !ok || r.Status != c.status || r.Message != c.want {
			t.Errorf("too many %s: %v, want %s", c.name, err, c.want)
		}
	}
	if _, _, _, _, err := keyfactor.Decode(strings.Repeat("x&", keyfactor.MaxParams)); err != nil {
		t.Error(err)
	}
}

// FuzzDecode: any URL's query is a question that a store can answer, or an error that can be shown.
func FuzzDecode(f *testing.F) {
	f.Add("QueryString=Category+-contains+%22Agent%22&PageReturned=2&ReturnLimit=50&SortField=Timestamp&SortAscending=1")
	f.Add("pq.queryString=User%20-eq%20%25ME%25&pq.returnLimit=1&include_self=true&guard=false")
	f.Add("SortField=x&%zz;=&&=&ReturnLimit=-1&PageReturned=\xff")
	f.Fuzz(func(t *testing.T, raw string) {
		filter, sort, offset, limit, err := keyfactor.Decode(raw)
		if err != nil {
			checkShowable(t, err)
			return
		}
		if limit < 1 || limit > 1<<31-1 || offset%limit != 0 {
			t.Errorf("page %d+%d", offset, limit)
		}
		e := &event.Entry{}
		query.Matches(filter, e)
		query.Compare(sort, e, e)
	})
}

func checkShowable(t *testing.T, err error) {
	var message string
	switch e := err.(type) {
	case *problem.Error:
		message = fmt.Sprint(e.Field, e.Value, e.Detail)
		if e.Kind != problem.Invalid || e.Field == "" || len(e.Field) > refusal.MaxShownBytes || len(e.Value) > refusal.MaxShownBytes {
			t.Errorf("%v names nothing, or too much", err)
		}
	case *refusal.Refusal:
		message = e.Message
	default:
		t.Errorf("error of no known form: %v", err)
	}
	if len(message) > 1200 || !utf8.ValidString(message) || strings.ContainsFunc(message, func(r rune) bool { return !unicode.IsGraphic(r) && r != utf8.RuneError }) {
		t.Errorf("cannot be shown: %q", message)
	}
}
