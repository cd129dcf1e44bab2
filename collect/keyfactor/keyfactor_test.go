package keyfactor_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/collect/keyfactor"
	"countersign/collect/records"
	"countersign/event"
)

var given = records.Options{Account: "acc"}

func page(tb testing.TB) []string {
	tb.Helper()
	f, err := os.Open("testdata/audit.json")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var all []string
	if err := records.Each(f, keyfactor.Lists, func(r records.Record) error {
		all = append(all, string(r.Raw))
		return r.Err
	}); err != nil {
		tb.Fatal(err)
	}
	return all
}

func TestAnAnswerIsRead(t *testing.T) {
	text := event.TextOf
	want := []event.Event{
		{
			ID: "4711", OccurredAt: 1741101377_123456, Account: event.Account{ID: "acc"},
			Actor:    event.Actor{Name: text(`EXAMPLE\jsmith`), Type: event.ActorStandard},
			Action:   "UPDATE",
			Resource: event.Resource{Type: "TEMPLATE", ID: text("31"), Name: text("WebServer")},
			Outcome:  event.OutcomeSuccess, Source: "keyfactor/command",
			Attributes: []event.Attribute{
				{Name: "after.AllowedEnrollmentTypesDisplay", Value: "PFX Enrollment\nCSR & more"},
				{Name: "after.KeyRetention", Value: "3"},
				{Name: "after.KeyRetentionDays", Value: "7"},
				{Name: "before.KeyRetention", Value: "3"},
				{Name: "before.KeyRetentionDays", Value: "4"},
				{Name: "keyfactor.AuditIdentifier", Value: "WebServer"},
				{Name: "keyfactor.Category", Value: "2003"},
				{Name: "keyfactor.EntityType", Value: "Template"},
				{Name: "keyfactor.Id", Value: "4711"},
				{Name: "keyfactor.ImmutableIdentifier", Value: "31"},
				{Name: "keyfactor.Level", Value: "0"},
				{Name: "keyfactor.Message"}, // compared below
				{Name: "keyfactor.Operation", Value: "2"},
				{Name: "keyfactor.Signature", Value: "q83vEjRWeJA="},
				{Name: "keyfactor.Timestamp", Value: "2025-03-04T15:16:17.1234567Z"},
				{Name: "keyfactor.User", Value: `EXAMPLE\jsmith`},
			},
		},
		{
			ID: "4712", OccurredAt: 1741101378_000000, Account: event.Account{ID: "acc"},
			Actor:    event.Actor{Name: text(`EXAMPLE\mallory`), Type: event.ActorStandard},
			Action:   "DENY",
			Resource: event.Resource{Type: "AUTHORIZATION_FAILURE", Name: text("")},
			Outcome:  event.OutcomeFailure, Source: "keyfactor/command",
			Attributes: []event.Attribute{
				{Name: "keyfactor.AuditIdentifier", Value: ""},
				{Name: "keyfactor.Category", Value: "2012"},
				{Name: "keyfactor.EntityType", Value: "AuthorizationFailure"},
				{Name: "keyfactor.Id", Value: "4712"},
				{Name: "keyfactor.Level", Value: "1"},
				{Name: "keyfactor.Operation", Value: "5"},
				{Name: "keyfactor.User", Value: `EXAMPLE\mallory`},
			},
		},
		{
			ID: "4713", OccurredAt: 1741101378_000000, Account: event.Account{ID: "acc"},
			Actor:    event.Actor{Name: text("Timer Service"), Type: event.ActorSystem},
			Action:   "FAIL",
			Resource: event.Resource{Type: "CERTIFICATE_QUERY", ID: text("9"), Name: text("Revoked Certs")},
			Outcome:  event.OutcomeFailure, Source: "keyfactor/command",
			Attributes: []event.Attribute{
				{Name: "keyfactor.AuditIdentifier", Value: "Revoked Certs"},
				{Name: "keyfactor.Category", Value: "2004"},
				{Name: "keyfactor.EntityType", Value: "CertificateQuery"},
				{Name: "keyfactor.Id", Value: "4713"},
				{Name: "keyfactor.ImmutableIdentifier", Value: "9"},
				{Name: "keyfactor.Level", Value: "2"},
				{Name: "keyfactor.Message", Value: "no XML"},
				{Name: "keyfactor.Operation", Value: "23"},
				{Name: "keyfactor.Signature", Value: ""},
				{Name: "keyfactor.Timestamp", Value: "2025-03-04T16:16:18+01:00"},
				{Name: "keyfactor.User", Value: "Timer Service"},
			},
		},
	}
	for i, raw := range page(t) {
		got, err := keyfactor.Read([]byte(raw), given)
		if err != nil {
			t.Fatal(err)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("event %d: %v", i, err)
		}
		if i == 0 {
			message := got.Attribute("keyfactor.Message").Value
			if !strings.HasPrefix(message, "<AuditAction>\r\n  <ModelState>") || !strings.HasSuffix(message, "\r\n</AuditAction>") {
				t.Errorf("the message is not kept as it was: %q", message)
			}
			for j := range got.Attributes {
				if got.Attributes[j].Name == "keyfactor.Message" {
					got.Attributes[j].Value = ""
				}
			}
		}
		want[i].Raw = text(raw)
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Errorf("event %d (-want +got):\n%s", i, diff)
		}
	}
}

const record = `{"Id":1,"Timestamp":"2025-03-04T15:16:17Z","Category":2003,"Operation":2,"Level":0`

func TestBadRecordsAreRefusedByName(t *testing.T) {
	for _, c := range []struct{ name, raw, want string }{
		{"no id", strings.Replace(record, `"Id"`, `"id"`, 1) + `}`, "Id is missing"},
		{"no time", strings.Replace(record, `"Timestamp"`, `"T"`, 1) + `}`, "Timestamp is missing"},
		{"a time that is none", strings.Replace(record, `04T15`, `32T15`, 1) + `}`, "Timestamp must be an RFC 3339 date-time such as 2026-01-15T10:30:00Z [2025-03-32T15:16:17Z]"},
		{"no category", strings.Replace(record, `"Category"`, `"C"`, 1) + `}`, "Category is missing"},
		{"a category that is a word", strings.Replace(record, `2003`, `"Template"`, 1) + `}`, "Category must be a whole number [Template]"},
		{"no operation", strings.Replace(record, `"Operation"`, `"O"`, 1) + `}`, "Operation is missing"},
		{"an operation that is none", strings.Replace(record, `"Operation":2`, `"Operation":26`, 1) + `}`, "Operation is none that the vendor has [26]"},
		{"a user of another type", record + `,"User":7}`, "User must be a text [7]"},
		{"a message of another type", record + `,"Message":{}}`, "Message must be a text [{}]"},
		{"an array", `[]`, "must be an object"},
	} {
		_, err := keyfactor.Read([]byte(c.raw), given)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		}
	}
	if _, err := keyfactor.Read([]byte(record+"}"), records.Options{}); err == nil || err.Error() != "account is in no record of this format, and no account was given" {
		t.Errorf("no account: error %v", err)
	}
	// The numbers that the vendor does not have are refused when the event is checked.
	for _, raw := range []string{strings.Replace(record, `"Level":0`, `"Level":3`, 1),
		strings.Replace(record, `"Id":1`, `"Id":2147483648`, 1)} {
		e, err := keyfactor.Read([]byte(raw+"}"), given)
		if err == nil {
			e.Normalize("")
			err = e.Validate()
		}
		if err == nil || !strings.HasPrefix(err.Error(), "attributes.keyfactor.") {
			t.Errorf("%s: error %v", raw, err)
		}
	}
}

func TestWhatARecordSaysIsKept(t *testing.T) {
	read := func(members string, o records.Options) event.Event {
		t.Helper()
		e, err := keyfactor.Read([]byte(record+members+"}"), o)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	if e := read(`,"New":[1]`, records.Options{Account: "acc", Source: "keyfactor/east"}); e.Source != "keyfactor/east" || e.Raw.Value != record+`,"New":[1]}` {
		t.Errorf("event %+v", e)
	}
	if e := read(`,"User":null`, given); e.Actor != (event.Actor{Type: event.ActorStandard}) || e.Attribute("keyfactor.User").Present {
		t.Errorf("a null user: %+v", e)
	}
	if e := read(`,"User":""`, given); e.Actor.Name != event.TextOf("") || e.Attribute("keyfactor.User") != event.TextOf("") {
		t.Errorf("an empty user: %+v", e)
	}
	old := strings.Replace(record, "Timestamp", "TimeStamp", 1)
	if e, err := keyfactor.Read([]byte(old+"}"), given); err != nil || e.OccurredAt.String() != "2025-03-04T15:16:17Z" || e.Attribute("keyfactor.Timestamp").Value != "2025-03-04T15:16:17Z" {
		t.Errorf("the documented spelling of the time: %+v, %v", e, err)
	}
}

func TestLevelBecomesOutcome(t *testing.T) {
	for _, c := range []struct {
		category, operation int
		level, want         string
	}{
		{2003, 2, "0", "success"},
		{2003, 2, "1", "warning"},
		{2003, 2, "2", "failure"},
		{2003, 2, "null", "unknown"},
		{2003, 23, "0", "failure"},
		{2012, 5, "1", "failure"},
		{2003, 5, "0", "success"},
	} {
		raw := fmt.Sprintf(`{"Id":1,"Timestamp":"2025-03-04T15:16:17Z","Category":%d,"Operation":%d,"Level":%s}`, c.category, c.operation, c.level)
		if e, err := keyfactor.Read([]byte(raw), given); err != nil || e.Outcome != c.want {
			t.Errorf("%s: %s, %v, want %s", raw, e.Outcome, err, c.want)
		}
	}
}

func TestStatesAreReadFromWhatMessagesThereAre(t *testing.T) {
	for _, c := range []struct{ name, message, want string }{
		{"no message", "", ""},
		{"no XML", "updated", ""},
		{"broken XML", "<AuditAction><ModelState><T><A>1</A></T></ModelState>", ""},
		{"an unknown encoding", `<?xml version="1.0" encoding="koi8-r"?><AuditAction><ModelState><T><A>1</A></T></ModelState></AuditAction>`, ""},
		{"a creation", "<AuditAction><ModelState><T><A>1</A><B/></T></ModelState></AuditAction>", "after.A=1 after.B="},
		{"a deletion", "<AuditAction><PreviousModelState><T><A>1</A></T></PreviousModelState></AuditAction>", "before.A=1"},
		{"other elements", "<AuditAction><Other><T><A>1</A></T></Other><ModelState><T>x<A> 1 </A></T></ModelState></AuditAction>", "after.A= 1 "},
		{"namespaces", `<a:AuditAction xmlns:a="urn:x"><a:ModelState><a:T><a:A>1</a:A></a:T></a:ModelState></a:AuditAction>`, "after.A=1"},
		{"nested objects", "<AuditAction><ModelState><T><A><X><Y>1</Y></X><Z>2</Z></A></T></ModelState></AuditAction>", "after.A=1\n2"},
	} {
		raw := fmt.Sprintf("%s,\"Message\":%q}", record, c.message)
		e, err := keyfactor.Read([]byte(raw), given)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var got []string
		for _, a := range e.Attributes {
			if !strings.HasPrefix(a.Name, "keyfactor.") {
				got = append(got, a.Name+"="+a.Value)
			}
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, "<P%d>x</P%d>", i, i)
	}
	raw := fmt.Sprintf("%s,\"Message\":\"<AuditAction><ModelState><T>%s</T></ModelState></AuditAction>\"}", record, many.String())
	e, err := keyfactor.Read([]byte(raw), given)
	if err != nil {
		t.Fatal(err)
	}
	e.Normalize("")
	if err := e.Validate(); err != nil || len(e.Attributes) != event.MaxAttributes || e.Attribute("state.left_out").Value != "43" {
		t.Errorf("%d attributes, %s left out, %v", len(e.Attributes), e.Attribute("state.left_out").Value, err)
	}
}

func FuzzRead(f *testing.F) {
	for _, raw := range page(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		e, err := keyfactor.Read([]byte(raw), given)
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
