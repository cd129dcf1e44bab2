package event_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"countersign/event"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeReadsEveryField(t *testing.T) {
	got, err := event.Decode([]byte(strings.TrimSuffix(example, "}") + `,"raw":"<a>\r\n</a>"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := event.Event{
		ID:          "01J8Z3K4M5N6P7Q8R9S0T1V2W3",
		OccurredAt:  1768473000_123000,
		Account:     event.Account{ID: "ad65390a-0380-4522-bab6-f007c447757a", Name: text("Example account")},
		Division:    event.Division{ID: text("677793"), Name: text("EMEA")},
		Actor:       event.Actor{ID: text("f7e866c9-768c-4442-adc9-abe2ba4b69d1"), Name: text("jane@example.com"), Type: "standard"},
		Action:      "LOGIN_ERROR",
		Resource:    event.Resource{Type: "BASIC_AUTH", ID: text("6792e182"), Name: text("jane")},
		Outcome:     "failure",
		Description: text("Wrong password"),
		Detail:      text("Attempt 3 of 5"),
		Client:      event.Client{IP: text("172.16.0.83"), Country: text("US")},
		Source:      "digicert-one/account-manager",
		Attributes:  []event.Attribute{{Name: "ticket", Value: "CHG-1042"}},
		Raw:         text("<a>\r\n</a>"),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestDecodeTellsAbsentNullAndEmptyApart(t *testing.T) {
	got, err := event.Decode([]byte(` {"occurred_at":"2026-01-15T10:30:00+01:00","division":null,"attributes":null,"id":null,
		"resource":{"id":"","name":null},"client":{},"description":"","detail":null} `))
	if err != nil {
		t.Fatal(err)
	}
	want := event.Event{OccurredAt: 1768469400_000000, Resource: event.Resource{ID: text("")}, Description: text("")}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestDecodeKeepsTextByteForByte(t *testing.T) {
	got, err := event.Decode([]byte(`{"occurred_at":"2026-01-15T10:30:00Z","attributes":{"b\u0062":"\u00e9\ud83d\ude00","a":"\u0000\/\r\n"},"description":"e\u0301"}`))
	if err != nil {
		t.Fatal(err)
	}
	wantAttributes := []event.Attribute{{Name: "a", Value: "\x00/\r\n"}, {Name: "bb", Value: "é😀"}}
	if d := cmp.Diff(wantAttributes, got.Attributes); d != "" {
		t.Errorf("attributes (-want +got)\n%s", d)
	}
	if got.Description != text("e\u0301") {
		t.Errorf("description %q was normalized", got.Description.Value)
	}
}

// refused is what is asked of one refused event.
type refused struct{ name, json, field, reason string }

var refusedByDecode = []refused{
	{"empty", ``, "", "ends too early, at byte 0"},
	{"no object", `[]`, "", "must be a JSON object"},
	{"null", `null`, "", "must be a JSON object"},
	{"broken", `{"occurred_at":}`, "occurred_at", "at byte 15"},
	{"cut", `{"action":"CREATE"`, "", "ends too early, at byte 18"},
	{"cut in a name", `{"act`, "", "ends too early, at byte 5"},
	{"comma at the end", `{"action":"A",}`, "", "at byte 13"},
	{"trailing bytes", `{"occurred_at":"2026-01-15T10:30:00Z"} {}`, "", "unexpected data after the JSON value, at byte 39"},
	{"no time", `{"action":"CREATE"}`, "occurred_at", "is required"},
	{"null time", `{"occurred_at":null}`, "occurred_at", "is required"},
	{"impossible date", `{"occurred_at":"2026-02-30T10:30:00Z"}`, "occurred_at", "must be an RFC 3339 date-time"},
	{"nanoseconds", `{"occurred_at":"2026-01-15T10:30:00.1234567Z"}`, "occurred_at", "must not be finer than a microsecond"},
	{"number for a time", `{"occurred_at":1768473000}`, "occurred_at", "must be a string"},
	{"unknown", `{"actoin":"CREATE"}`, "actoin", "is not a field of an event"},
	{"unknown inside", `{"actor":{"nmae":"jane"}}`, "actor.nmae", "is not a field of an event"},
	{"unknown account", `{"account":{"x":1}}`, "account.x", "is not a field of an event"},
	{"unknown division", `{"division":{"x":1}}`, "division.x", "is not a field of an event"},
	{"unknown resource", `{"resource":{"x":1}}`, "resource.x", "is not a field of an event"},
	{"unknown client", `{"client":{"x":1}}`, "client.x", "is not a field of an event"},
	{"names differ by case", `{"Action":"CREATE"}`, "Action", "is not a field of an event"},
	{"seq", `{"seq":1}`, "seq", "is set by the server"},
	{"received_at", `{"received_at":"2026-01-15T10:30:00Z"}`, "received_at", "is set by the server"},
	{"recorded_by", `{"recorded_by":"x"}`, "recorded_by", "is set by the server"},
	{"account_seq", `{"account_seq":1}`, "account_seq", "is set by the server"},
	{"duplicate", `{"action":"A","action":"A"}`, "action", "appears more than once, at byte 14"},
	{"duplicate by escape", `{"action":"A","\u0061ction":"A"}`, "action", "appears more than once, at byte 14"},
	{"duplicate inside", `{"actor":{"id":"1","id":"1"}}`, "actor.id", "appears more than once"},
	{"duplicate attribute", `{"attributes":{"a":"1","a":"2"}}`, "attributes.a", "appears more than once"},
	{"text as number", `{"description":7}`, "description", "must be a string"},
	{"text as object", `{"description":{"a":"b"}}`, "description", "must be a string"},
	{"code as array", `{"action":["A"]}`, "action", "must be a string"},
	{"account as text", `{"account":"a"}`, "account", "must be a JSON object"},
	{"attributes as array", `{"attributes":[]}`, "attributes", "must be a JSON object"},
	{"attribute null", `{"attributes":{"a":null}}`, "attributes.a", "must be a string"},
	{"attribute number", `{"attributes":{"a":1}}`, "attributes.a", "must be a string"},
	{"empty id", `{"id":""}`, "id", "must not be empty"},
	{"empty account", `{"account":{"id":""}}`, "account.id", "must not be empty"},
	{"empty actor type", `{"actor":{"type":""}}`, "actor.type", "must not be empty"},
	{"empty outcome", `{"outcome":""}`, "outcome", "must not be empty"},
	{"invalid UTF-8", "{\"description\":\"a\xffb\"}", "description", "at byte 17: invalid UTF-8"},
	{"invalid UTF-8 in a name", "{\"attributes\":{\"a\xff\":\"b\"}}", "attributes", "invalid UTF-8"},
	{"lone surrogate", `{"description":"\ud800"}`, "description", "surrogate"},
	{"control character", "{\"description\":\"a\nb\"}", "description", "invalid character"},
	{"deep nesting", `{"description":` + strings.Repeat("[", 100_000), "", "depth"},
	{"too large", `{"raw":"` + strings.Repeat("x", event.MaxEventBytes) + `"}`, "", "must not be larger than 1048576 bytes"},
}

func TestDecodeRefuses(t *testing.T) {
	for _, tt := range refusedByDecode {
		t.Run(tt.name, func(t *testing.T) {
			_, err := event.Decode([]byte(tt.json))
			checkRefused(t, err, -1, tt.field, tt.reason)
		})
	}
}

func checkRefused(t *testing.T, err error, index int, field, reason string) {
	t.Helper()
	bad, ok := errors.AsType[*event.InvalidError](err)
	if !ok {
		t.Fatalf("error %v is no *InvalidError", err)
	}
	if field != "" && bad.Field != field {
		t.Errorf("field %q, want %q (%v)", bad.Field, field, err)
	}
	if !strings.Contains(bad.Reason, reason) {
		t.Errorf("reason %q, want %q in it", bad.Reason, reason)
	}
	if bad.Index != index {
		t.Errorf("index %d, want %d", bad.Index, index)
	}
	if want := strings.Contains(reason, "larger than") || strings.HasSuffix(reason, " events") || strings.HasSuffix(reason, "0 bytes") && strings.Contains(reason, "more than"); bad.TooLarge != want {
		t.Errorf("TooLarge is %v (%v)", bad.TooLarge, err)
	}
}

func TestInvalidErrorShowsAtMost200BytesOfUTF8(t *testing.T) {
	_, err := event.Decode([]byte(`{"occurred_at":"` + strings.Repeat("é", 150) + `x"}`))
	bad, _ := errors.AsType[*event.InvalidError](err)
	if bad == nil || bad.Value != strings.Repeat("é", 100) {
		t.Fatalf("%#v", bad)
	}
	_, err = event.Decode([]byte(`{"occurred_at":"` + "x" + strings.Repeat("é", 150) + `"}`))
	bad, _ = errors.AsType[*event.InvalidError](err)
	if bad == nil || bad.Value != "x"+strings.Repeat("é", 99) {
		t.Fatalf("%#v", bad)
	}
}

func TestInvalidErrorReadsAsASentence(t *testing.T) {
	for _, tt := range []struct {
		err  event.InvalidError
		want string
	}{
		{event.InvalidError{Index: 3, Field: "outcome", Value: "ok", Reason: "must be success"}, "event 3: outcome must be success [ok]"},
		{event.InvalidError{Index: -1, Field: "seq", Reason: "is set by the server"}, "seq is set by the server"},
		{event.InvalidError{Index: 0, Reason: "must be a JSON object"}, "event 0: must be a JSON object"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestDecodeUndoesAppendJSON(t *testing.T) {
	r := seeded(t)
	for range 20_000 {
		e := randomEvent(r)
		b := event.AppendJSON(nil, &e)
		got, err := event.Decode(b)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		if d := cmp.Diff(e, got); d != "" {
			t.Fatalf("(-want +got)\n%s\n%s", d, b)
		}
	}
}

func TestAppendJSONIsTheDocumentedForm(t *testing.T) {
	e, err := event.Decode([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(event.AppendJSON([]byte("x"), &e)); got != "x"+example {
		t.Errorf("%s\nwant\n%s", got, example)
	}
	n := event.Entry{Event: e, Seq: 1<<64 - 1, ReceivedAt: 1768473000_500000, RecordedBy: text("collector")}
	want := `{"seq":18446744073709551615,"received_at":"2026-01-15T10:30:00.5Z","recorded_by":"collector",` + example[1:]
	if got := string(event.AppendEntryJSON(nil, &n)); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestAppendJSONLeavesOutWhatIsAbsent(t *testing.T) {
	e := event.Event{Action: "A", Resource: event.Resource{Type: "T"}, Source: "s", Description: text("")}
	e.Normalize("a")
	e.ID = "1"
	want := `{"id":"1","occurred_at":"1970-01-01T00:00:00Z","account":{"id":"a"},"actor":{"type":"standard"},` +
		`"action":"A","resource":{"type":"T"},"outcome":"unknown","description":"","source":"s"}`
	if got := string(event.AppendJSON(nil, &e)); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestAppendJSONNeverWritesInvalidUTF8(t *testing.T) {
	e := event.Event{ID: "\xff", Description: text("a\xc3"), Attributes: []event.Attribute{{Name: "\xed\xa0\x80", Value: "\xff"}}}
	got := event.AppendJSON(nil, &e)
	if !strings.Contains(string(got), `"id":"`+"\uFFFD"+`"`) || strings.ToValidUTF8(string(got), "") != string(got) {
		t.Errorf("%q", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(example))
	for _, tt := range refusedByDecode {
		if len(tt.json) < 1000 {
			f.Add([]byte(tt.json))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := event.Decode(b)
		if err != nil {
			if _, ok := errors.AsType[*event.InvalidError](err); !ok {
				t.Fatalf("error %v is no *InvalidError", err)
			}
			return
		}
		again, err := event.Decode(event.AppendJSON(nil, &e))
		if err != nil {
			t.Fatalf("refused what it wrote: %v", err)
		}
		if d := cmp.Diff(e, again); d != "" {
			t.Fatalf("(-first +again)\n%s", d)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	in := []byte(example)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Decode(in); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b, 1, "events/s")
}

func BenchmarkAppendJSON(b *testing.B) {
	e, err := event.Decode([]byte(example))
	if err != nil {
		b.Fatal(err)
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = event.AppendJSON(dst[:0], &e)
	}
	b.SetBytes(int64(len(dst)))
	perSecond(b, 1, "events/s")
}

func perSecond(b *testing.B, n int, unit string) {
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), unit)
}

func ExampleDecode() {
	e, err := event.Decode([]byte(`{"occurred_at":"2026-01-15T10:30:00+01:00","action":"CREATE",
		"resource":{"type":"USER","name":"jane"},"source":"my-ca/audit"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	e.Normalize("my-account")
	fmt.Println(e.Validate(), e.OccurredAt, e.Action, e.Resource.Name.Value, e.Outcome)
	// Output: <nil> 2026-01-15T09:30:00Z CREATE jane unknown
}
