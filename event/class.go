package event

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A vendor's dialect shows values that are derived from an event, and lets callers filter by them. For each
// value that can be shown there is a union of Classes over the fields that are stored: an event has the
// value exactly when one of them matches it. That law is what the mapping files are tested for; a dialect
// turns classes to the filters of its store and adds nothing.

// Class is a conjunction: an event belongs to it when every part matches.
type Class struct {
	Actions    Set
	Types      Set // of the resource
	Outcomes   Set
	ActorTypes Set
	Conditions []Condition
}

// Set is a set of codes, compared byte for byte. The zero Set holds everything.
type Set struct {
	Values []string
	Not    bool // all but Values
}

// In returns the set of the given values.
func In(values ...string) Set { return Set{Values: values} }

// NotIn returns the set of everything but the given values.
func NotIn(values ...string) Set { return Set{Values: values, Not: true} }

// Has reports whether v is in the set.
func (s Set) Has(v string) bool {
	return len(s.Values) == 0 || slices.Contains(s.Values, v) != s.Not
}

// Op is how a text is compared.
type Op uint8

// The comparisons. All but Absent are false for an absent text.
const (
	Equal Op = iota
	Contains
	StartsWith
	EndsWith
	Absent
)

// Comparison is what a filter asks of a text, ignoring case.
type Comparison struct {
	Op    Op
	Value string
}

// Condition compares one field of an event. Field is spelled as in JSON: "actor.name",
// "attributes.keyfactor.User".
type Condition struct {
	Field string
	Comparison
	// IgnoreBlanks takes the blanks out of both sides before they are compared.
	IgnoreBlanks bool
	Not          bool
}

// Matches reports whether e belongs to the class.
func (c *Class) Matches(e *Event) bool {
	if !c.Actions.Has(e.Action) || !c.Types.Has(e.Resource.Type) || !c.Outcomes.Has(e.Outcome) || !c.ActorTypes.Has(e.Actor.Type) {
		return false
	}
	for i := range c.Conditions {
		if !c.Conditions[i].matches(e) {
			return false
		}
	}
	return true
}

// MatchesAny reports whether e belongs to one of the classes.
func MatchesAny(classes []Class, e *Event) bool {
	return slices.ContainsFunc(classes, func(c Class) bool { return c.Matches(e) })
}

func (c *Condition) matches(e *Event) bool {
	return c.holds(textField(e, c.Field), c.IgnoreBlanks) != c.Not
}

// holds reports whether t stands in the relation.
func (c Comparison) holds(t Text, ignoreBlanks bool) bool {
	if c.Op == Absent || !t.Present {
		return c.Op == Absent && !t.Present
	}
	have, want := fold(t.Value), fold(c.Value)
	if ignoreBlanks {
		have, want = strings.ReplaceAll(have, " ", ""), strings.ReplaceAll(want, " ", "")
	}
	switch c.Op {
	case Contains:
		return strings.Contains(have, want)
	case StartsWith:
		return strings.HasPrefix(have, want)
	case EndsWith:
		return strings.HasSuffix(have, want)
	}
	return have == want
}

// The fields that conditions of the mappings are about.
const (
	fieldAction       = "action"
	fieldSource       = "source"
	fieldType         = "resource.type"
	fieldResourceID   = "resource.id"
	fieldResourceName = "resource.name"
	fieldActorID      = "actor.id"
	fieldActorName    = "actor.name"
	fieldDivisionName = "division.name"
	fieldClientIP     = "client.ip"
	attributePrefix   = "attributes."
)

func textField(e *Event, field string) Text {
	switch field {
	case fieldAction:
		return TextOf(e.Action)
	case fieldSource:
		return TextOf(e.Source)
	case fieldType:
		return TextOf(e.Resource.Type)
	case fieldResourceID:
		return e.Resource.ID
	case fieldResourceName:
		return e.Resource.Name
	case fieldActorID:
		return e.Actor.ID
	case fieldActorName:
		return e.Actor.Name
	case fieldDivisionName:
		return e.Division.Name
	case fieldClientIP:
		return e.Client.IP
	}
	name, ok := strings.CutPrefix(field, attributePrefix)
	if !ok {
		panic("event: condition on the unknown field " + field)
	}
	return e.Attribute(name)
}

func absent(field string) Condition {
	return Condition{Field: field, Comparison: Comparison{Op: Absent}}
}

func present(field string) Condition {
	return Condition{Field: field, Comparison: Comparison{Op: Absent}, Not: true}
}

func is(field, value string) Condition {
	return Condition{Field: field, Comparison: Comparison{Value: value}}
}

func isNot(field, value string) Condition {
	return Condition{Field: field, Comparison: Comparison{Value: value}, Not: true}
}

// with returns the classes narrowed by further conditions.
func with(classes []Class, more ...Condition) []Class {
	out := slices.Clone(classes)
	for i := range out {
		out[i].Conditions = slices.Concat(out[i].Conditions, more)
	}
	return out
}

// fold maps each character to one fixed member of its case-folding orbit: its lower-case ASCII letter where
// it has one, else the smallest, as the search does.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			return unicode.ToLower(r)
		}
		next := unicode.SimpleFold(r)
		for next > r {
			r, next = next, unicode.SimpleFold(next)
		}
		if next < utf8.RuneSelf {
			return unicode.ToLower(next)
		}
		return next
	}, s)
}
