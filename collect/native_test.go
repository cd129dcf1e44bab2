package collect_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/collect"
	"countersign/collect/records"
	"countersign/event"
)

const nativeLine = `{"id":"e1","occurred_at":"2026-01-15T10:30:00Z","action":"CREATE","resource":{"type":"USER"}`

func TestEventsAreReadAsTheAPIReadsThem(t *testing.T) {
	o := records.Options{Source: "example/given", Account: "given"}
	for _, c := range []struct{ name, raw, want string }{
		{"what it lacks is given", nativeLine + `}`,
			`{"id":"e1","occurred_at":"2026-01-15T10:30:00Z","account":{"id":"given"},"action":"CREATE","resource":{"type":"USER"},"source":"example/given"}`},
		{"what it has stays", nativeLine + `,"source":"example/own","account":{"id":"own"},"raw":""}`,
			`{"id":"e1","occurred_at":"2026-01-15T10:30:00Z","account":{"id":"own"},"action":"CREATE","resource":{"type":"USER"},"source":"example/own","raw":""}`},
		{"what the server added is dropped", nativeLine + `,"seq":1,"received_at":"x","recorded_by":{}}`,
			`{"id":"e1","occurred_at":"2026-01-15T10:30:00Z","account":{"id":"given"},"action":"CREATE","resource":{"type":"USER"},"source":"example/given"}`},
		{"an unknown field is an error", nativeLine + `,"severity":1}`, "! severity is not a field of an event"},
		{"a time too fine is an error", strings.Replace(nativeLine, "00Z", "00.1234567Z", 1) + `}`,
			"! occurred_at must not be finer than a microsecond [2026-01-15T10:30:00.1234567Z]"},
		{"a doubled name is an error", nativeLine + `,"id":"e2"}`, "! id appears more than once, at byte 93"},
	} {
		e, err := collect.ReadNative([]byte(c.raw), o)
		got := string(event.AppendJSON(nil, &e))
		if err != nil {
			got = "! " + err.Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestTheEndOfAnExportIsNoEvent(t *testing.T) {
	for raw, want := range map[string]int64{
		`{"complete":true,"count":12,"tree_size":40}`:      12,
		`{ "count": 0, "tree_size": 0, "complete": true }`: 0,
		`{"complete":false,"count":12}`:                    -1,
		`{"complete":true}`:                                -1,
		nativeLine + `,"description":"\"complete\""}`:      -1,
		`"complete"`: -1,
	} {
		n, ok := collect.EndOfExport([]byte(raw))
		if !ok {
			n = -1
		}
		if n != want {
			t.Errorf("%s: %d, want %d", raw, n, want)
		}
	}
}

func FuzzReadNative(f *testing.F) {
	f.Add(nativeLine + `,"source":"example/app","attributes":{"a":"b"},"seq":1}`)
	f.Add(`{"complete":true,"count":12,"tree_size":40}`)
	f.Fuzz(func(t *testing.T, raw string) {
		collect.EndOfExport([]byte(raw))
		e, err := collect.ReadNative([]byte(raw), records.Options{Account: "acc", Source: "example/app"})
		if err != nil {
			return
		}
		e.Normalize("")
		again, err := collect.ReadNative(event.AppendJSON(nil, &e), records.Options{})
		if err != nil {
			t.Fatalf("the event does not decode: %v", err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Errorf("the event decodes to another (-want +got):\n%s", diff)
		}
	})
}
