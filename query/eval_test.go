package query_test

import (
	"testing"

	"countersign/event"
	"countersign/query"
)

// smith is an entry with some fields there, some empty and some absent.
func smith() *event.Entry {
	return &event.Entry{
		Event: event.Event{
			ID:          "e-1",
			OccurredAt:  1767225600_000_000,
			Account:     event.Account{ID: "acc-1"},
			Actor:       event.Actor{ID: event.TextOf("u-1"), Name: event.TextOf("Jane Smith"), Type: event.ActorStandard},
			Action:      "LOGIN_ERROR",
			Resource:    event.Resource{Type: "BASIC_AUTH", Name: event.TextOf("")},
			Outcome:     event.OutcomeFailure,
			Description: event.TextOf("Wrong password"),
			Detail:      event.TextOf("third attempt\r\nof 5"),
			Source:      "digicert-one/account-manager",
			Attributes:  []event.Attribute{{Name: "before.role", Value: ""}, {Name: "ticket", Value: "CHG-1042"}},
		},
		Seq: 7, AccountSeq: 3, ReceivedAt: 1767225600_500_000,
	}
}

func TestMatches(t *testing.T) {
	text := func(f query.Field, op query.TextOp, values ...string) query.Text {
		return query.Text{Field: f, Op: op, Values: values}
	}
	exact := func(f query.Field, op query.TextOp, values ...string) query.Text {
		return query.Text{Field: f, Op: op, Values: values, Exact: true}
	}
	many := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "jane smith"}
	tests := []struct {
		name   string
		filter query.Filter
		want   bool
	}{
		{"nil matches all", nil, true},
		{"empty And matches all", query.And{}, true},
		{"empty Or matches none", query.Or{}, false},
		{"And holding nil", query.And{nil}, true},
		{"And needs every member", query.And{query.Is(query.Action, "LOGIN_ERROR"), query.Is(query.Action, "LOGIN")}, false},
		{"Or needs one member", query.Or{query.Is(query.Action, "LOGIN_ERROR"), query.Is(query.Action, "LOGIN")}, true},
		{"Not", query.Not{Filter: query.Is(query.Action, "LOGIN")}, true},
		{"Not of nil", query.Not{}, false},

		{"equal ignores case", text(query.ActorName, query.Equal, "jane smith"), true},
		{"equal is the whole text", text(query.ActorName, query.Equal, "jane"), false},
		{"equal, longer than the text", text(query.ActorName, query.Equal, "jane smith2"), false},
		{"exact equal minds case", exact(query.ActorName, query.Equal, "jane smith"), false},
		{"exact equal", exact(query.ActorName, query.Equal, "Jane Smith"), true},
		{"equal to one of many", text(query.ActorName, query.Equal, many...), true},
		{"exact equal to one of many minds case", exact(query.ActorName, query.Equal, many...), false},
		{"contains", text(query.ActorName, query.Contains, "E S"), true},
		{"exact contains", exact(query.ActorName, query.Contains, "E S"), false},
		{"contains the empty text", text(query.ActorName, query.Contains, ""), true},
		{"contains one of two", text(query.ActorName, query.Contains, "zoe", "SMI"), true},
		{"starts with", text(query.ActorName, query.StartsWith, "JANE"), true},
		{"starts with, in the middle", text(query.ActorName, query.StartsWith, "Smith"), false},
		{"ends with", text(query.ActorName, query.EndsWith, "SMITH"), true},
		{"ends with, at the start", text(query.ActorName, query.EndsWith, "Jane"), false},
		{"ignoring blanks on both sides", query.Text{Field: query.ActorName, IgnoreBlanks: true, Values: []string{" JANES mith "}}, true},
		{"exact and ignoring blanks minds case", query.Text{Field: query.ActorName, Exact: true, IgnoreBlanks: true, Values: []string{"janesmith"}}, false},
		{"contains over a blank that is ignored", query.Text{Field: query.ActorName, Op: query.Contains, IgnoreBlanks: true, Values: []string{"esm"}}, true},
		{"only U+0020 is a blank", query.Text{Field: query.Detail, Op: query.Contains, IgnoreBlanks: true, Values: []string{"attemptof"}}, false},
		{"equal ignoring blanks to one of many", query.Text{Field: query.ActorName, IgnoreBlanks: true, Values: append(many, "janesmith")}, true},
		{"an absent text has no blanks to ignore", query.Text{Field: query.Country, IgnoreBlanks: true, Values: []string{" "}}, false},
		{"no values match none", text(query.ActorName, query.Equal), false},

		{"absent equals nothing", text(query.Country, query.Equal, ""), false},
		{"absent contains nothing, not even the empty text", text(query.Country, query.Contains, ""), false},
		{"negation of a comparison with an absent value", query.Not{Filter: text(query.Country, query.Equal, "US")}, true},
		{"empty equals the empty text", text(query.ResourceName, query.Equal, ""), true},
		{"empty is not absent", query.Null{Field: query.ResourceName}, false},
		{"absent", query.Null{Field: query.Country}, true},
		{"what every event has is never absent", query.Null{Field: query.Outcome}, false},

		{"attribute", text(query.AttributeField("ticket"), query.StartsWith, "chg-"), true},
		{"empty attribute", text(query.AttributeField("before.role"), query.Equal, ""), true},
		{"attribute names mind case", text(query.AttributeField("Ticket"), query.Contains, ""), false},
		{"absent attribute", query.Null{Field: query.AttributeField("after.role")}, true},

		{"words in the description", query.Words{Text: "WRONG"}, true},
		{"words in the detail, over a line end", query.Words{Text: "attempt\r\nOF"}, true},
		{"words do not span description and detail", query.Words{Text: "password third"}, false},
		{"words elsewhere", query.Words{Text: "smith"}, false},

		{"range with both ends", query.Range{Field: query.Seq, Min: 7, Max: 7}, true},
		{"range below", query.Range{Field: query.Seq, Min: query.NoMin, Max: 6}, false},
		{"range above", query.Range{Field: query.AccountSeq, Min: 4, Max: query.NoMax}, false},
		{"time range", query.Range{Field: query.OccurredAt, Min: 1767225600_000_000, Max: 1767225600_000_000}, true},
		{"received is another clock", query.Range{Field: query.ReceivedAt, Min: query.NoMin, Max: 1767225600_000_000}, false},
		{"range that ends before it starts", query.Range{Field: query.Seq, Min: 8, Max: 6}, false},

		{"range over text matches none", query.Range{Field: query.Action, Min: query.NoMin, Max: query.NoMax}, false},
		{"text over a number matches none", text(query.Seq, query.Contains, ""), false},
		{"a number is never absent", query.Null{Field: query.Seq}, false},
		{"no such field", text("actor", query.Contains, ""), false},
		{"no such field is not absent", query.Null{Field: "actor"}, false},
		{"no such operation", text(query.ActorName, query.EndsWith+1, "Jane Smith"), false},
		{"negation of what has no meaning", query.Not{Filter: query.Range{Field: query.Action}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := query.Matches(tt.filter, smith()); got != tt.want {
				t.Errorf("Matches(%#v) = %v, want %v", tt.filter, got, tt.want)
			}
			if got := query.Matches(query.Normalize(tt.filter), smith()); got != tt.want {
				t.Errorf("after Normalize: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestMatchesAgreesWithNaiveEvaluation(t *testing.T) {
	r := newRand(t)
	entries := make([]*event.Entry, 200)
	for i := range entries {
		entries[i] = randomEntry(r)
	}
	matched, total := 0, 0
	for range 5000 {
		f := randomFilter(r, 3)
		match := query.Compile(f)
		for range 5 {
			e := pick(r, entries)
			want := naive(f, e)
			if got := match(e); got != want {
				t.Fatalf("%#v\nover %+v\nmatches: %v, naive: %v", f, e, got, want)
			}
			total++
			if want {
				matched++
			}
		}
	}
	if matched < total/10 || matched > total*9/10 {
		t.Fatalf("%d of %d matched: the test tests little", matched, total)
	}
}

// TestEachFieldReadsItsOwnValue catches two fields that were swapped: every value of the entry differs.
func TestEachFieldReadsItsOwnValue(t *testing.T) {
	e := &event.Entry{
		Event: event.Event{
			ID: "id", OccurredAt: 1,
			Account:     event.Account{ID: "account.id", Name: event.TextOf("account.name")},
			Division:    event.Division{ID: event.TextOf("division.id"), Name: event.TextOf("division.name")},
			Actor:       event.Actor{ID: event.TextOf("actor.id"), Name: event.TextOf("actor.name"), Type: "actor.type"},
			Action:      "action",
			Resource:    event.Resource{Type: "resource.type", ID: event.TextOf("resource.id"), Name: event.TextOf("resource.name")},
			Outcome:     "outcome",
			Description: event.TextOf("description"), Detail: event.TextOf("detail"),
			Client:     event.Client{IP: event.TextOf("client.ip"), Country: event.TextOf("client.country")},
			Source:     "source",
			Attributes: []event.Attribute{{Name: "x", Value: "attributes.x"}},
		},
		ReceivedAt: 2, Seq: 3, AccountSeq: 4, RecordedBy: event.TextOf("recorded_by"),
	}
	numbers := map[query.Field]int64{query.OccurredAt: 1, query.ReceivedAt: 2, query.Seq: 3, query.AccountSeq: 4}
	for _, f := range append(query.Fields(), query.AttributeField("x")) {
		switch f.Kind() {
		case query.TextKind:
			if got := query.TextOf(f)(e); got != event.TextOf(string(f)) {
				t.Errorf("%s reads %+v", f, got)
			}
		default:
			if got := query.NumberOf(f)(e); got != numbers[f] {
				t.Errorf("%s reads %d", f, got)
			}
		}
	}
}

func TestCompiledMatchAllocatesNothing(t *testing.T) {
	e := smith()
	for _, text := range []string{
		"action:login_error", "actor.name:~SMITH", "actor.name:^jane actor.name:$smith", "actor.name:(a,b,c,d,e,f,g,h,i,j)",
		"actor.name:|~nesm", "actor.name:|(a,b,c,d,e,f,g,h,i,j)",
		"password", "occurred_at:2026-01-01 -client.country:US", "attributes.ticket:chg-1042",
	} {
		f, err := query.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		match := query.Compile(f)
		if n := testing.AllocsPerRun(100, func() { match(e) }); n != 0 {
			t.Errorf("%s: %v allocations a match", text, n)
		}
	}
}
