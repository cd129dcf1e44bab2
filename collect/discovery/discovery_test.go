package discovery_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/collect/discovery"
	"countersign/collect/records"
	"countersign/event"
)

var given = records.Options{Account: "5153184"}

func sample(tb testing.TB) []string {
	tb.Helper()
	f, err := os.Open("testdata/list-response.json")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var all []string
	if err := records.Each(f, discovery.Lists, func(r records.Record) error {
		all = append(all, string(r.Raw))
		return r.Err
	}); err != nil {
		tb.Fatal(err)
	}
	return all
}

func TestTheSampleAnswerIsRead(t *testing.T) {
	text := event.TextOf
	download := func(id string, at event.Micros) event.Event {
		return event.Event{
			ID: id, OccurredAt: at, Account: event.Account{ID: "5153184"},
			Actor:  event.Actor{ID: text("7286246"), Name: text("CertCentral Admin"), Type: event.ActorStandard},
			Action: "DOWNLOAD", Resource: event.Resource{Type: "SENSOR"}, Outcome: event.OutcomeUnknown,
			Description: text("Sensor downloaded\n Type: windows"), Client: event.Client{IP: text("172.16.0.83")},
			Source: "discovery/certcentral",
			Attributes: []event.Attribute{
				{Name: "discovery.function", Value: "Download sensor"}, {Name: "discovery.id", Value: id},
				{Name: "discovery.module", Value: "Sensors"}, {Name: "discovery.userId", Value: "7286246"},
			},
		}
	}
	want := []event.Event{
		download("1254615", 1649144970189_000),
		download("1254614", 1649144965032_000),
		{
			ID: "1254566", OccurredAt: 1649144701423_000, Account: event.Account{ID: "5153184"},
			Division: event.Division{ID: text("677793")}, Actor: event.Actor{Type: event.ActorSystem},
			Action: "CERTIFICATES_EXPIRING_IN_90_DAYS", Resource: event.Resource{Type: "CERTIFICATE"}, Outcome: event.OutcomeUnknown,
			Description: text("90-day expiration notice sent"),
			Detail:      text("Sent to:\nmo@digicert.com,daas@digicert.com\nFor certificates:\nlogistics.amazon.com"),
			Source:      "discovery/certcentral",
			Attributes: []event.Attribute{
				{Name: "discovery.divisionId", Value: "677793"},
				{Name: "discovery.function", Value: "Certificates expiring in 90 days"}, {Name: "discovery.id", Value: "1254566"},
				{Name: "discovery.module", Value: "Certificates"}, {Name: "discovery.userId", Value: "-1"},
			},
		},
	}
	for i, raw := range sample(t) {
		got, err := discovery.Read([]byte(raw), given)
		if err != nil {
			t.Fatal(err)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("event %d: %v", i, err)
		}
		want[i].Raw = text(raw)
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Errorf("event %d (-want +got):\n%s", i, diff)
		}
	}
}

const record = `{"id":1,"userId":7,"userName":"Jane","module":"Scans","function":"Abort scan","createdDate":1649144970189}`

func set(old, new string) string {
	if !strings.Contains(record, old) {
		panic("not in the record: " + old)
	}
	return strings.Replace(record, old, new, 1)
}

func TestBadRecordsAreRefusedByName(t *testing.T) {
	for _, c := range []struct{ name, raw, want string }{
		{"no id", set(`"id":1`, `"id":null`), "id is missing [null]"},
		{"no time", set(`"createdDate"`, `"created"`), "createdDate is missing"},
		{"a time with a fraction", set(`1649144970189`, `1649144970189.5`), "createdDate must be a text or a whole number [1649144970189.5]"},
		{"a time that is a date", set(`1649144970189`, `"2022-04-05"`), "createdDate must be a whole number [2022-04-05]"},
		{"a time beyond all years", set(`1649144970189`, `253402300800000`), "createdDate must be milliseconds since 1970 in the years 0000 to 9999 [253402300800000]"},
		{"no module", set(`"Scans"`, `null`), "module is missing [null]"},
		{"an empty function", set(`"Abort scan"`, `""`), "function is empty"},
		{"a user id of another type", set(`7`, `true`), "userId must be a text or a whole number [true]"},
		{"a user name of another type", set(`"Jane"`, `7`), "userName must be a text [7]"},
	} {
		_, err := discovery.Read([]byte(c.raw), given)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		}
	}
	if _, err := discovery.Read([]byte(record), records.Options{}); err == nil || err.Error() != "accountId is in no record of this format, and no account was given" {
		t.Errorf("no account: error %v", err)
	}
	e, err := discovery.Read([]byte(set(`"id":1`, `"id":"x1"`)), given)
	if err == nil {
		err = e.Validate()
	}
	if want := "attributes.discovery.id must be an integer from -9007199254740991 to 9007199254740991 [x1]"; err == nil || err.Error() != want {
		t.Errorf("an id that is no number: error %v", err)
	}
}

func TestTheSystemIsNoActor(t *testing.T) {
	text := event.TextOf
	for _, c := range []struct {
		name, user string
		want       event.Actor
	}{
		{"the system", `"userId":-1,"userName":"System"`, event.Actor{Type: "system"}},
		{"without a name", `"userId":-1,"userName":""`, event.Actor{Type: "system"}},
		{"with another name", `"userId":-1,"userName":"Scheduler"`, event.Actor{Name: text("Scheduler"), Type: "system"}},
		{"by name only", `"userName":"System"`, event.Actor{Type: "system"}},
		{"a person of that name", `"userId":8,"userName":"System"`, event.Actor{ID: text("8"), Name: text("System"), Type: "standard"}},
		{"a person without a name", `"userId":"8","userName":""`, event.Actor{ID: text("8"), Type: "standard"}},
		{"nobody", `"userId":null,"userName":null`, event.Actor{Type: "standard"}},
	} {
		e, err := discovery.Read([]byte(set(`"userId":7,"userName":"Jane"`, c.user)), given)
		if err != nil || e.Actor != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, e.Actor, err, c.want)
		}
	}
}

func TestEmptyTextsAreAbsent(t *testing.T) {
	raw := set(`"id":1`, `"id":1,"divisionId":null,"divisionName":"","message":"","detailMessage":"","ipAddress":"","ipCountry":""`)
	e, err := discovery.Read([]byte(raw), records.Options{Account: "a", Source: "discovery/east"})
	if err != nil {
		t.Fatal(err)
	}
	if e.Division != (event.Division{}) || e.Description.Present || e.Detail.Present || e.Client != (event.Client{}) || e.Source != "discovery/east" {
		t.Errorf("event %+v", e)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(record)
	for _, raw := range sample(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		e, err := discovery.Read([]byte(raw), given)
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
