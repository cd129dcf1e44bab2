package event_test

import (
	"fmt"
	"strings"
	"testing"

	"countersign/event"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func validEvent() event.Event {
	e := event.Event{ID: "1", OccurredAt: 1, Action: "CREATE", Resource: event.Resource{Type: "USER"}, Source: "my-ca/audit"}
	e.Normalize("account")
	return e
}

func TestNormalizeFillsOnlyWhatIsMissing(t *testing.T) {
	e := event.Event{Attributes: []event.Attribute{{Name: "b"}, {Name: "a"}, {Name: "é"}, {Name: "Z"}}}
	e.Normalize("mine")
	id, err := uuid.Parse(e.ID)
	if err != nil || id.Version() != 7 {
		t.Errorf("id %q is no UUIDv7: %v", e.ID, err)
	}
	want := event.Event{
		ID: e.ID, Account: event.Account{ID: "mine"}, Actor: event.Actor{Type: "standard"}, Outcome: "unknown",
		Attributes: []event.Attribute{{Name: "Z"}, {Name: "a"}, {Name: "b"}, {Name: "é"}},
	}
	if d := cmp.Diff(want, e); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	given, err := event.Decode([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	same := given
	same.Attributes = append([]event.Attribute{}, given.Attributes...)
	same.Normalize("mine")
	if d := cmp.Diff(given, same); d != "" {
		t.Errorf("a whole event changed (-before +after)\n%s", d)
	}
	empty := event.Event{Attributes: []event.Attribute{}}
	if empty.Normalize("mine"); empty.Attributes != nil {
		t.Error("no attributes have two forms")
	}
}

func TestNormalizeGivesEachEventItsOwnID(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		e := event.Event{}
		e.Normalize("a")
		seen[e.ID] = true
	}
	if len(seen) != 10_000 {
		t.Errorf("%d ids for 10000 events", len(seen))
	}
}

func TestValidateTakesTheLimits(t *testing.T) {
	for name, change := range map[string]func(*event.Event){
		"nothing":         func(*event.Event) {},
		"longest ids":     func(e *event.Event) { e.ID, e.Account.ID, e.Division.ID = long(512), long(256), text(long(256)) },
		"longest codes":   func(e *event.Event) { e.Action, e.Resource.Type, e.Source = code(64), code(64), long(64) },
		"all of a source": func(e *event.Event) { e.Source = "abcdefghijklmnopqrstuvwxyz0123456789./_-" },
		"all of a code":   func(e *event.Event) { e.Action = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_" },
		"empty texts":     func(e *event.Event) { e.Actor.ID, e.Detail, e.Account.Name = text(""), text(""), text("") },
		"any characters":  func(e *event.Event) { e.ID, e.Detail = "\x00\u2028\U0010FFFF", text("\r\n\x00\x7f") },
		"first moment":    func(e *event.Event) { e.OccurredAt = event.MinMicros },
		"last moment":     func(e *event.Event) { e.OccurredAt = event.MaxMicros },
		"64 attributes":   func(e *event.Event) { e.Attributes = attributes(64) },
		"longest name":    func(e *event.Event) { e.Attributes = []event.Attribute{{Name: long(256)}} },
		"largest":         func(e *event.Event) { fill(e, event.MaxEventBytes) },
		"our own source":  func(e *event.Event) { e.Source = "countersign/server" },
	} {
		e := validEvent()
		change(&e)
		if err := e.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*event.Event)
		field  string
		reason string
	}{
		{"no id", func(e *event.Event) { e.ID = "" }, "id", "must not be empty"},
		{"long id", func(e *event.Event) { e.ID = long(513) }, "id", "must not be longer than 512 bytes"},
		{"no account", func(e *event.Event) { e.Account.ID = "" }, "account.id", "must not be empty"},
		{"long account", func(e *event.Event) { e.Account.ID = long(257) }, "account.id", "must not be longer than 256 bytes"},
		{"empty division", func(e *event.Event) { e.Division.ID = text("") }, "division.id", "must not be empty"},
		{"long division", func(e *event.Event) { e.Division.ID = text(long(257)) }, "division.id", "must not be longer than 256 bytes"},
		{"too early", func(e *event.Event) { e.OccurredAt = event.MinMicros - 1 }, "occurred_at", "years 0000 to 9999"},
		{"too late", func(e *event.Event) { e.OccurredAt = event.MaxMicros + 1 }, "occurred_at", "years 0000 to 9999"},
		{"no action", func(e *event.Event) { e.Action = "" }, "action", "is required"},
		{"lower-case action", func(e *event.Event) { e.Action = "create" }, "action", "A-Z, 0-9 and _"},
		{"long action", func(e *event.Event) { e.Action = code(65) }, "action", "A-Z, 0-9 and _"},
		{"no type", func(e *event.Event) { e.Resource.Type = "" }, "resource.type", "is required"},
		{"type with a dash", func(e *event.Event) { e.Resource.Type = "A-B" }, "resource.type", "A-Z, 0-9 and _"},
		{"no source", func(e *event.Event) { e.Source = "" }, "source", "is required"},
		{"upper-case source", func(e *event.Event) { e.Source = "My-CA" }, "source", "a-z, 0-9"},
		{"long source", func(e *event.Event) { e.Source = long(65) }, "source", "a-z, 0-9"},
		{"actor type", func(e *event.Event) { e.Actor.Type = "robot" }, "actor.type", "must be standard, service or system"},
		{"no actor type", func(e *event.Event) { e.Actor.Type = "" }, "actor.type", "must be standard, service or system"},
		{"outcome", func(e *event.Event) { e.Outcome = "SUCCESS" }, "outcome", "must be success, failure, warning or unknown"},
		{"no outcome", func(e *event.Event) { e.Outcome = "" }, "outcome", "must be success, failure, warning or unknown"},
		{"65 attributes", func(e *event.Event) { e.Attributes = attributes(65) }, "attributes", "must not be more than 64"},
		{"empty name", func(e *event.Event) { e.Attributes = []event.Attribute{{}} }, "attributes", "must not have an empty name"},
		{"long name", func(e *event.Event) { e.Attributes = []event.Attribute{{Name: long(257)}} }, "", "a name longer than 256 bytes"},
		{"same name", func(e *event.Event) { e.Attributes = []event.Attribute{{Name: "a"}, {Name: "a"}} }, "attributes.a", "appears more than once"},
		{"out of order", func(e *event.Event) { e.Attributes = []event.Attribute{{Name: "b"}, {Name: "a"}} }, "attributes.a", "byte order"},
		{"absent with a value", func(e *event.Event) { e.Detail.Value = "x" }, "detail", "marked absent"},
		{"too large", func(e *event.Event) { fill(e, event.MaxEventBytes+1) }, "", "must not be larger than 1048576 bytes"},
		{"too large once escaped", func(e *event.Event) { e.Raw = text(strings.Repeat("\x00", 180_000)) }, "", "must not be larger than 1048576 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := validEvent()
			tt.change(&e)
			checkRefused(t, e.Validate(), -1, tt.field, tt.reason)
		})
	}
}

func TestValidateRefusesInvalidUTF8Anywhere(t *testing.T) {
	const bad = "a\xffb"
	for field, change := range map[string]func(*event.Event){
		"id":             func(e *event.Event) { e.ID = bad },
		"account.id":     func(e *event.Event) { e.Account.ID = bad },
		"account.name":   func(e *event.Event) { e.Account.Name = text(bad) },
		"division.id":    func(e *event.Event) { e.Division.ID = text(bad) },
		"division.name":  func(e *event.Event) { e.Division.Name = text(bad) },
		"actor.id":       func(e *event.Event) { e.Actor.ID = text(bad) },
		"actor.name":     func(e *event.Event) { e.Actor.Name = text(bad) },
		"actor.type":     func(e *event.Event) { e.Actor.Type = bad },
		"action":         func(e *event.Event) { e.Action = bad },
		"resource.type":  func(e *event.Event) { e.Resource.Type = bad },
		"resource.id":    func(e *event.Event) { e.Resource.ID = text(bad) },
		"resource.name":  func(e *event.Event) { e.Resource.Name = text(bad) },
		"outcome":        func(e *event.Event) { e.Outcome = bad },
		"description":    func(e *event.Event) { e.Description = text(bad) },
		"detail":         func(e *event.Event) { e.Detail = text(bad) },
		"client.ip":      func(e *event.Event) { e.Client.IP = text(bad) },
		"client.country": func(e *event.Event) { e.Client.Country = text(bad) },
		"source":         func(e *event.Event) { e.Source = bad },
		"raw":            func(e *event.Event) { e.Raw = text(bad) },
		"attributes.k":   func(e *event.Event) { e.Attributes = []event.Attribute{{Name: "k", Value: bad}} },
		"attributes.ab":  func(e *event.Event) { e.Attributes = []event.Attribute{{Name: bad}} },
	} {
		e := validEvent()
		change(&e)
		checkRefused(t, e.Validate(), -1, field, "")
	}
}

func TestOnlyTheVendorsOwnSourcesSpeakForIt(t *testing.T) {
	for _, tt := range []struct {
		source, name, value string
		reason              string
	}{
		{"keyfactor/command", "keyfactor.Operation", "25", ""},
		{"keyfactor/command", "keyfactor.Operation", "26", "must be an integer from 1 to 25"},
		{"keyfactor/command", "keyfactor.Operation", "0", "must be an integer from 1 to 25"},
		{"keyfactor/command", "keyfactor.Operation", "01", "must be an integer from 1 to 25"},
		{"keyfactor/command", "keyfactor.Operation", "+1", "must be an integer from 1 to 25"},
		{"keyfactor/command", "keyfactor.Operation", "", "must be an integer from 1 to 25"},
		{"keyfactor/command", "keyfactor.Level", "2", ""},
		{"keyfactor/command", "keyfactor.Level", "3", "must be 0, 1 or 2"},
		{"keyfactor/command", "keyfactor.Category", "2036", ""},
		{"keyfactor/command", "keyfactor.Category", "2147483648", "must be an integer from 1 to 2147483647"},
		{"keyfactor/command", "keyfactor.Category", "Template", "must be an integer"},
		{"keyfactor/command", "keyfactor.Id", "0", ""},
		{"keyfactor/command", "keyfactor.Id", "-1", "must be an integer from 0"},
		{"keyfactor/command", "keyfactor.Timestamp", "1970-01-01T00:00:00.000001Z", ""},
		{"keyfactor/command", "keyfactor.Timestamp", "1970-01-01T00:00:00.0000019Z", ""},
		{"keyfactor/command", "keyfactor.Timestamp", "1970-01-01T01:00:00.000001999+01:00", ""},
		{"keyfactor/command", "keyfactor.Timestamp", "1970-01-01T00:00:00.00000123456789Z", ""},
		{"keyfactor/command", "keyfactor.Timestamp", "1970-01-01T00:00:00.000001", "RFC 3339"},
		{"keyfactor/command", "keyfactor.Timestamp", "1970-01-01T00:00:00.000002Z", "must be the moment of occurred_at"},
		{"keyfactor/command", "keyfactor.Timestamp", "yesterday", "RFC 3339"},
		{"keyfactor/command", "keyfactor.User", `DOMAIN\jane`, ""},
		{"keyfactor/command", "keyfactor.Unheard", "of", ""},
		{"keyfactor/command", "discovery.id", "1", "may be set only by sources that begin with discovery/"},
		{"keyfactor", "keyfactor.User", "x", "may be set only by sources that begin with keyfactor/"},
		{"keyfactors/x", "keyfactor.User", "x", "may be set only by sources that begin with keyfactor/"},
		{"my-ca", "keyfactor.Unheard", "of", "may be set only by sources that begin with keyfactor/"},
		{"my-ca", "keyfactor", "x", ""},
		{"my-ca", "Keyfactor.User", "x", ""},
		{"my-ca", "digicert_one.status", "x", ""},
		{"discovery/certcentral", "discovery.id", "1254615", ""},
		{"discovery/certcentral", "discovery.userId", "-1", ""},
		{"discovery/certcentral", "discovery.userId", "9007199254740992", "must be an integer"},
		{"discovery/certcentral", "discovery.userId", "-0", "must be an integer"},
		{"discovery/certcentral", "discovery.divisionId", "null", "must be an integer"},
		{"discovery/certcentral", "discovery.module", "", ""},
		{"discovery/certcentral", "discovery.function", "Abort scan", ""},
		{"digicert-one/account-manager", "discovery.function", "x", "may be set only by sources that begin with discovery/"},
	} {
		e := validEvent()
		e.Source = tt.source
		e.Attributes = []event.Attribute{{Name: tt.name, Value: tt.value}}
		err := e.Validate()
		if tt.reason == "" {
			if err != nil {
				t.Errorf("%s %s=%q: %v", tt.source, tt.name, tt.value, err)
			}
			continue
		}
		checkRefused(t, err, -1, "attributes."+tt.name, tt.reason)
	}
}

func TestRandomEventsAreValid(t *testing.T) {
	r := seeded(t)
	for range 20_000 {
		e := randomEvent(r)
		if err := e.Validate(); err != nil {
			t.Fatalf("%v\n%+v", err, e)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	n := exampleEntry(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := n.Validate(); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b, 1, "events/s")
}

func BenchmarkNormalize(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		e := event.Event{}
		e.Normalize("account")
	}
	perSecond(b, 1, "events/s")
}

func long(n int) string { return strings.Repeat("x", n) }
func code(n int) string { return strings.Repeat("X", n) }

func attributes(n int) []event.Attribute {
	var out []event.Attribute
	for i := range n {
		out = append(out, event.Attribute{Name: fmt.Sprintf("%03d", i)})
	}
	return out
}

// fill makes e exactly size bytes of JSON.
func fill(e *event.Event, size int) {
	e.Raw = text("")
	e.Raw = text(long(size - len(event.AppendJSON(nil, e))))
}
