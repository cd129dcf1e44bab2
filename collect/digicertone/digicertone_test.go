package digicertone_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/collect/digicertone"
	"countersign/collect/records"
	"countersign/event"
)

// show returns the event without its record as JSON, an error as "! " and its text. It checks what every
// event must be: valid, and with the record as it was received.
func show(tb testing.TB, raw []byte, o records.Options) string {
	tb.Helper()
	e, err := digicertone.Read(raw, o)
	if err != nil {
		return "! " + err.Error()
	}
	if e.Raw != event.TextOf(string(raw)) {
		tb.Errorf("raw is %q, the record %q", e.Raw.Value, raw)
	}
	e.Normalize("")
	if err := e.Validate(); err != nil {
		tb.Errorf("event of %s: %v", raw, err)
	}
	e.Raw = event.Text{}
	return string(event.AppendJSON(nil, &e))
}

func TestPagesOfEachManagerAreRead(t *testing.T) {
	const (
		account = `"account":{"id":"6792e182-4b96-4a2e-9061-14741be4234e"`
		admin   = `"actor":{"id":"f7e866c9-768c-4442-adc9-abe2ba4b69d1","name":"admin@example.com","type":"standard"}`
		iot     = `"account":{"id":"6ff62c42-e64d-4370-a706-2dadb35611c5"},"division":{"id":"18e7d40e-5b46-409a-9e4f-7d697e8e30e8"},` +
			`"actor":{"id":"00000000-0000-0000-0000-000000000000","name":"local.admin","type":"standard"},` +
			`"action":"UPDATE","resource":{"type":"DIVISION","id":"18e7d40e-5b46-409a-9e4f-7d697e8e30e8","name":"New division"}`
	)
	for file, want := range map[string][]string{
		"account-manager-page.json": {
			`{"id":"5b1f0a4e-3f0c-4c55-8a27-0f6f1f8f0b01","occurred_at":"2026-01-15T10:30:00Z",` + account + `,"name":"Example account"},` + admin +
				`,"action":"CREATE","resource":{"type":"USER","id":"d1a4b6d2-54a0-4f5b-9d3d-1c2b3a4d5e6f","name":"jane.doe"},` +
				`"outcome":"success","description":"User jane.doe created","source":"digicert-one/account-manager"}`,
			`{"id":"5b1f0a4e-3f0c-4c55-8a27-0f6f1f8f0b02","occurred_at":"2026-01-15T10:00:00.123456Z",` + account + `,"name":"Example account"},` +
				`"actor":{"id":"d1a4b6d2-54a0-4f5b-9d3d-1c2b3a4d5e6f","name":"jane.doe","type":"standard"},` +
				`"action":"LOGIN_ERROR","resource":{"type":"BASIC_AUTH","id":"","name":"jane.doe"},` +
				`"outcome":"failure","description":"Wrong password","client":{"ip":"192.0.2.7"},"source":"digicert-one/account-manager"}`,
			`{"id":"5b1f0a4e-3f0c-4c55-8a27-0f6f1f8f0b03","occurred_at":"2026-01-16T00:00:00Z",` + account + `,"name":"Example account"},"actor":{"type":"standard"},` +
				`"action":"API_ACCESS_TOKEN_EXPIRY_EMAIL_SENT","resource":{"type":"APIKEY","id":"77","name":"nightly"},` +
				`"outcome":"success","source":"digicert-one/account-manager"}`,
			`{"id":"5b1f0a4e-3f0c-4c55-8a27-0f6f1f8f0b04","occurred_at":"2026-01-16T00:00:01Z",` + account + `},"actor":{"type":"standard"},` +
				`"action":"UPDATE","resource":{"type":"ROLE"},"outcome":"success","source":"digicert-one/account-manager"}`,
		},
		"trust-lifecycle-page.json": {
			`{"id":"0c8e8c3e-6f57-4a55-a7c2-5d3c1b2a0001","occurred_at":"2026-02-01T08:00:00Z",` + account + `},"division":{"id":"a3d1b6a0-1c1c-4f7b-9d65-3b1c9e5c0001"},` + admin +
				`,"action":"REVOKE","resource":{"type":"END_ENTITY_CERTIFICATE","id":"51:9A:02"},"outcome":"success","description":"Certificate revoked",` +
				`"source":"digicert-one/trust-lifecycle","attributes":{"digicert_one.data":"{\"reason\":\"key_compromise\"}"}}`,
			`{"id":"0c8e8c3e-6f57-4a55-a7c2-5d3c1b2a0002","occurred_at":"2026-02-01T08:00:01.5Z",` + account + `},"actor":{"type":"standard"},` +
				`"action":"IMPORT","resource":{"type":"SEAT","id":"seat-1"},"outcome":"warning","description":"","source":"digicert-one/trust-lifecycle"}`,
		},
		"iot-page.json": {
			`{"id":"8bb7b9a0-b23c-4cb3-bfcf-91b75e0eae55","occurred_at":"2020-11-05T08:36:50Z",` + iot +
				`,"outcome":"failure","description":"Failed to update new division",` +
				`"detail":"com.digicert.snowbird.iot.exception.InvalidInputException: Please provide a unique name for division\n` +
				`\tat com.digicert.snowbird.iot.service.core.DivisionService.validateUniqueDivisionName(DivisionService.java:155",` +
				`"source":"digicert-one/iot","attributes":{"digicert_one.authentication_type":"user",` +
				`"digicert_one.request":"{\"name\":\"IoT Account\",\"description\":\"Description updated\",\"account_id\":\"6ff62c42-e64d-4370-a706-2dadb35611c5\"}"}}`,
			`! created_at is missing`,
		},
	} {
		t.Run(file, func(t *testing.T) {
			f, err := os.Open("testdata/" + file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var got []string
			err = records.Each(f, digicertone.Lists, func(r records.Record) error {
				got = append(got, show(t, r.Raw, records.Options{List: r.List}))
				return r.Err
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheSecondIoTRecordNeedsOnlyItsTime(t *testing.T) {
	b, err := os.ReadFile("testdata/iot-page.json")
	if err != nil {
		t.Fatal(err)
	}
	at := strings.LastIndex(string(b), `{"id"`)
	record := strings.TrimSuffix(strings.TrimSpace(string(b[at:])), "]}")
	record = strings.TrimSuffix(record, "}") + `,"created_at":"2020-11-05T08:36:50Z"}`
	e, err := digicertone.Read([]byte(record), records.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []event.Attribute{
		{Name: "after.account.id", Value: "6ff62c42-e64d-4370-a706-2dadb35611c5"},
		{Name: "after.account.name", Value: "IoT Account"},
		{Name: "digicert_one.authentication_type", Value: "user"},
	}
	if diff := cmp.Diff(want, e.Attributes); diff != "" || e.Outcome != event.OutcomeSuccess {
		t.Errorf("outcome %s, attributes (-want +got):\n%s", e.Outcome, diff)
	}
}

// set returns a record with one member changed, "" taking it out.
func set(base, member, value string) string {
	o, found := strings.CutPrefix(base, "{")
	if !found {
		panic("no object: " + base)
	}
	var parts []string
	for part := range strings.SplitSeq(strings.TrimSuffix(o, "}"), ", ") {
		if !strings.HasPrefix(part, `"`+member+`":`) {
			parts = append(parts, part)
		}
	}
	if value != "" {
		parts = append(parts, `"`+member+`":`+value)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

const (
	item   = `{"id":"a1", "account":{"id":"acc"}, "resource_type":"USER", "action":"CREATE", "timestamp":"2026-01-15T10:30:00Z", "status":"success"}`
	record = `{"id":"r1", "account_id":"acc", "resource_type":"device", "action":"create", "created_at":"2026-01-15T10:30:00Z", "status":"success"}`
)

func TestBadRecordsAreRefusedByName(t *testing.T) {
	for _, c := range []struct{ name, base, member, value, want string }{
		{"no id", item, "id", "", "id is missing"},
		{"a null id", item, "id", "null", "id is missing [null]"},
		{"an empty id", item, "id", `""`, "id is empty"},
		{"an id of another type", item, "id", "true", "id must be a text or a whole number [true]"},
		{"an id that is no whole number", item, "id", "1.5", "id must be a text or a whole number [1.5]"},
		{"no time", item, "timestamp", "", "timestamp is missing"},
		{"a date that is none", item, "timestamp", `"2026-02-30T00:00:00Z"`, "timestamp must be an RFC 3339 date-time such as 2026-01-15T10:30:00Z [2026-02-30T00:00:00Z]"},
		{"a time without a zone", item, "timestamp", `"2026-02-03T00:00:00"`, "timestamp must be an RFC 3339 date-time such as 2026-01-15T10:30:00Z [2026-02-03T00:00:00]"},
		{"a time that is a number", item, "timestamp", "1649144970189", "timestamp must be a text [1649144970189]"},
		{"no action", item, "action", "", "action is missing"},
		{"no type", item, "resource_type", "null", "resource_type is missing [null]"},
		{"no account", item, "account", "", "account.id is missing, and no account was given for records without one"},
		{"an account without id", item, "account", `{"id":""}`, "account.id is missing, and no account was given for records without one []"},
		{"an account that is a text", item, "account", `"acc"`, "account must be an object [acc]"},
		{"a user that is an array", item, "user", `[]`, "user must be an object [[]]"},
		{"a user with a wrong name", item, "user", `{"id":"u","name":7}`, "user.name must be a text [7]"},
		{"a description of another type", item, "description", `{}`, "description must be a text [{}]"},
		{"a status of another type", item, "status", `1`, "status must be a text [1]"},
		{"no time in IoT", record, "created_at", "", "created_at is missing"},
		{"no account in IoT", record, "account_id", "", "account_id is missing, and no account was given for records without one"},
		{"properties that are no array", record, "properties", `{}`, "properties must be an array of objects [{}]"},
		{"a property that is no object", record, "properties", `[{"name":"a"},7]`, "properties must be an array of objects [[{\"name\":\"a\"},7]]"},
		{"a property without a name", record, "properties", `[{"name":"a"},{}]`, "properties[1].name is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := digicertone.Read([]byte(set(c.base, c.member, c.value)), records.Options{})
			if err == nil || err.Error() != strings.TrimSuffix(c.want, " []") {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
	for _, raw := range []string{``, `7`, `{"id":1`, `{"id":1,"id":2}`, `{"user":{"id":1,"id":2}}`, "{\"id\":\"\xff\"}", `{"id":"\ud800"}`, `{} {}`} {
		if e, err := digicertone.Read([]byte(raw), records.Options{}); err == nil {
			t.Errorf("%q was read as %+v", raw, e)
		}
	}
}

func TestWhatARecordSaysIsKept(t *testing.T) {
	read := func(raw string, o records.Options) event.Event {
		t.Helper()
		e, err := digicertone.Read([]byte(raw), o)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		return e
	}
	text := event.TextOf

	t.Run("empty texts stay empty and null ones absent", func(t *testing.T) {
		e := read(set(set(set(item, "description", `""`), "resource_name", "null"), "user", `{"id":"","name":""}`), records.Options{})
		if e.Description != text("") || e.Resource.Name.Present || e.Resource.ID.Present || e.Actor.ID != text("") || e.Actor.Name != text("") {
			t.Errorf("event %+v", e)
		}
	})
	t.Run("an empty division is none", func(t *testing.T) {
		if e := read(set(record, "division_id", `""`), records.Options{}); e.Division != (event.Division{}) {
			t.Errorf("division %+v", e.Division)
		}
	})
	t.Run("numbers are ids", func(t *testing.T) {
		e := read(set(set(item, "id", "4711"), "resource_id", "-1"), records.Options{})
		if e.ID != "4711" || e.Resource.ID != text("-1") {
			t.Errorf("event %+v", e)
		}
	})
	t.Run("texts of any kind stay byte for byte", func(t *testing.T) {
		e := read(set(item, "description", `"\u0000 a\r\n<é>\u00e9 \ud83d\ude00"`), records.Options{})
		if want := "\x00 a\r\n<é>é 😀"; e.Description.Value != want {
			t.Errorf("description %q, want %q", e.Description.Value, want)
		}
	})
	t.Run("members that nobody knows are no error", func(t *testing.T) {
		raw := set(set(item, "new_member", `{"a":[1,2]}`), "ip_address", `7`)
		if e := read(raw, records.Options{}); e.Raw.Value != raw || e.Client.IP != text("7") {
			t.Errorf("event %+v", e)
		}
	})
	t.Run("the record's account goes before the given one", func(t *testing.T) {
		o := records.Options{Account: "given"}
		if e := read(item, o); e.Account.ID != "acc" {
			t.Errorf("account %+v", e.Account)
		}
		if e := read(set(item, "account", `{"name":"Only a name"}`), o); e.Account != (event.Account{ID: "given", Name: text("Only a name")}) {
			t.Errorf("account %+v", e.Account)
		}
		if e := read(set(record, "account_id", "null"), records.Options{Account: "given", List: "records"}); e.Account.ID != "given" {
			t.Errorf("account %+v", e.Account)
		}
	})
	t.Run("codes are put in upper case", func(t *testing.T) {
		e := read(set(set(item, "action", `"Generate csr"`), "resource_type", `"end-entity_Certificate"`), records.Options{})
		if e.Action != "GENERATE_CSR" || e.Resource.Type != "END_ENTITY_CERTIFICATE" {
			t.Errorf("action %s, type %s", e.Action, e.Resource.Type)
		}
	})
}

func TestStatusBecomesOutcome(t *testing.T) {
	for status, want := range map[string]string{
		`"success"`: "success", `"SUCCESS"`: "success", `"failure"`: "failure", `"failed"`: "failure", `"warning"`: "warning",
		`"unknown"`: "unknown", `""`: "unknown", `null`: "unknown", `"pending"`: "unknown pending",
	} {
		e, err := digicertone.Read([]byte(set(item, "status", status)), records.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := strings.TrimSpace(e.Outcome + " " + e.Attribute("digicert_one.status").Value)
		if got != want {
			t.Errorf("status %s: %s, want %s", status, got, want)
		}
	}
}

func TestTheManagerIsToldBySourceThenByRecord(t *testing.T) {
	for _, c := range []struct {
		name, raw string
		o         records.Options
		want      string
	}{
		{"an item", item, records.Options{}, "digicert-one/account-manager"},
		{"an item with a business unit", set(item, "business_unit", "null"), records.Options{}, "digicert-one/trust-lifecycle"},
		{"an item with data", set(item, "data", `"x"`), records.Options{}, "digicert-one/trust-lifecycle"},
		{"a record by its members", record, records.Options{}, "digicert-one/iot"},
		{"a record by its list", set(set(record, "account_id", ""), "created_at", ""), records.Options{List: "records"}, "! created_at is missing"},
		{"a given manager", set(item, "data", `"x"`), records.Options{Source: "digicert-one/account-manager"}, "digicert-one/account-manager"},
		{"a given manager that does not fit", item, records.Options{Source: "digicert-one/iot"}, "! created_at is missing"},
		{"another given source", record, records.Options{Source: "digicert-one/device-trust"}, "digicert-one/device-trust"},
	} {
		e, err := digicertone.Read([]byte(c.raw), c.o)
		got := e.Source
		if err != nil {
			got = "! " + err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestIoTRecordsKeepWhatOnlyTheyHave(t *testing.T) {
	for _, c := range []struct{ name, member, value, want string }{
		{"a request that is an object", "request", `{"a": 1}`, `"attributes":{"digicert_one.request":"{\"a\": 1}"}`},
		{"states before and after, of any type", "properties",
			`[{"name":"a.b","changed":true,"value_before":"1","value_after":2},{"name":"c","value_before":null,"value_after":{"x":[1]}}]`,
			`"attributes":{"after.a.b":"2","after.c":"{\"x\":[1]}","before.a.b":"1"}`},
		{"an error message alone", "error_message", `"no"`, `"detail":"no"`},
		{"a service user", "authentication_type", `"SERVICE_USER"`, `"actor":{"type":"service"}`},
		{"the system", "authentication_type", `"system"`, `"actor":{"type":"system"}`},
	} {
		if got := show(t, []byte(set(record, c.member, c.value)), records.Options{}); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	both := set(set(record, "error_message", `"no"`), "detailed_error_message", `"because"`)
	if got := show(t, []byte(both), records.Options{}); !strings.Contains(got, `"detail":"no\nbecause"`) {
		t.Errorf("two messages: %s", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(item, "items")
	f.Add(record, "records")
	f.Add(set(record, "properties", `[{"name":"a","changed":true,"value_before":"1","value_after":2}]`), "")
	f.Fuzz(func(t *testing.T, raw, list string) {
		e, err := digicertone.Read([]byte(raw), records.Options{List: list, Account: "acc"})
		if err != nil {
			return
		}
		if e.Raw.Value != raw {
			t.Errorf("raw is %q, the record %q", e.Raw.Value, raw)
		}
		e.Normalize("")
		if e.Validate() != nil {
			return
		}
		again, err := event.Decode(event.AppendJSON(nil, &e))
		if err != nil {
			t.Fatalf("the event does not decode: %v", err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Errorf("the event decodes to another (-want +got):\n%s", diff)
		}
	})
}
