package query_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"countersign/event"
	"countersign/query"
)

func randomSet(r *rand.Rand, codes ...string) event.Set {
	s := event.Set{Not: r.IntN(3) == 0}
	for _, c := range codes {
		if r.IntN(3) == 0 {
			s.Values = append(s.Values, c)
		}
	}
	return s
}

// randomClass returns a class over the fields that classes are about.
func randomClass(r *rand.Rand) event.Class {
	var c event.Class
	for _, part := range []struct {
		set   *event.Set
		codes []string
	}{
		{&c.Actions, []string{"LOGIN", "LOGIN_ERROR"}}, {&c.Types, []string{"USER", "ROLE"}},
		{&c.Outcomes, []string{"success", "failure"}}, {&c.ActorTypes, []string{"standard", "system"}},
	} {
		if r.IntN(3) == 0 {
			*part.set = randomSet(r, part.codes...)
		}
	}
	for range r.IntN(3) {
		field := pick(r, []string{"actor.name", "actor.id", "client.ip", "attributes.ticket"})
		c.Conditions = append(c.Conditions, event.Condition{
			Field: field, Not: r.IntN(4) == 0, IgnoreBlanks: r.IntN(3) == 0, Comparison: event.Comparison{Op: event.Op(r.IntN(5)), Value: pick(r, texts)},
		})
	}
	return c
}

func TestAFilterOfClassesFindsWhatTheClassesMatch(t *testing.T) {
	r := newRand(t)
	for range 20_000 {
		var classes []event.Class
		for range r.IntN(6) {
			classes = append(classes, randomClass(r))
		}
		before := fmt.Sprint(classes)
		f, e := query.OfClasses(classes), randomEntry(r)
		if got, want := query.Matches(f, e), event.MatchesAny(classes, &e.Event); got != want {
			t.Fatalf("%s: %t, want %t for %s", query.Print(f), got, want, event.AppendJSON(nil, &e.Event))
		}
		if after := fmt.Sprint(classes); after != before {
			t.Fatalf("the classes were %s and are %s", before, after)
		}
	}
}

func TestClassesOfManyValuesBecomeFewMembers(t *testing.T) {
	var classes []event.Class
	var names []string
	for n := range 1000 {
		name := fmt.Sprint("user ", n)
		names = append(names, name)
		classes = append(classes, event.DiscoveryUserNameClasses(event.Comparison{Value: name})...)
	}
	f := query.OfClasses(classes).(query.Or)
	if len(f) != 2 { // by name, and by id where there is no name
		t.Errorf("%d members", len(f))
	}
	if i := slices.IndexFunc(f[0].(query.And), func(part query.Filter) bool {
		p, ok := part.(query.Text)
		return ok && p.Field == query.ActorName && slices.Equal(p.Values, names)
	}); i < 0 {
		t.Errorf("the names are not in one list: %.200s", query.Print(f))
	}
}
