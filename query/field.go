package query

import (
	"math"

	"countersign/event"
)

// Kind says what the values of a field are, and with it which filters have a meaning on it: Text and Null
// on text, Range on numbers and times.
type Kind uint8

// The kinds of field.
const (
	NoKind     Kind = iota // not a field
	TextKind               // may be absent
	NumberKind             // always there
	TimeKind               // microseconds since 1970-01-01T00:00:00Z, always there
)

type fieldDef struct {
	field  Field
	kind   Kind
	text   func(*event.Entry) event.Text
	number func(*event.Entry) int64
}

// fieldDefs is in the order in which fields are listed to people. What every valid event has (its id,
// account, actor type, action, resource type, outcome, source) is never absent, also when it is empty.
var fieldDefs = [...]fieldDef{
	{field: Seq, kind: NumberKind, number: func(e *event.Entry) int64 { return clamp(e.Seq) }},
	{field: AccountSeq, kind: NumberKind, number: func(e *event.Entry) int64 { return clamp(e.AccountSeq) }},
	{field: OccurredAt, kind: TimeKind, number: func(e *event.Entry) int64 { return int64(e.OccurredAt) }},
	{field: ReceivedAt, kind: TimeKind, number: func(e *event.Entry) int64 { return int64(e.ReceivedAt) }},
	{field: ID, kind: TextKind, text: func(e *event.Entry) event.Text { return event.TextOf(e.ID) }},
	{field: AccountID, kind: TextKind, text: func(e *event.Entry) event.Text { return event.TextOf(e.Account.ID) }},
	{field: AccountName, kind: TextKind, text: func(e *event.Entry) event.Text { return e.Account.Name }},
	{field: DivisionID, kind: TextKind, text: func(e *event.Entry) event.Text { return e.Division.ID }},
	{field: DivisionName, kind: TextKind, text: func(e *event.Entry) event.Text { return e.Division.Name }},
	{field: ActorID, kind: TextKind, text: func(e *event.Entry) event.Text { return e.Actor.ID }},
	{field: ActorName, kind: TextKind, text: func(e *event.Entry) event.Text { return e.Actor.Name }},
	{field: ActorType, kind: TextKind, text: func(e *event.Entry) event.Text { return event.TextOf(e.Actor.Type) }},
	{field: Action, kind: TextKind, text: func(e *event.Entry) event.Text { return event.TextOf(e.Action) }},
	{field: ResourceType, kind: TextKind, text: func(e *event.Entry) event.Text { return event.TextOf(e.Resource.Type) }},
	{field: ResourceID, kind: TextKind, text: func(e *event.Entry) event.Text { return e.Resource.ID }},
	{field: ResourceName, kind: TextKind, text: func(e *event.Entry) event.Text { return e.Resource.Name }},
	{field: Outcome, kind: TextKind, text: func(e *event.Entry) event.Text { return event.TextOf(e.Outcome) }},
	{field: Description, kind: TextKind, text: func(e *event.Entry) event.Text { return e.Description }},
	{field: Detail, kind: TextKind, text: func(e *event.Entry) event.Text { return e.Detail }},
	{field: ClientIP, kind: TextKind, text: func(e *event.Entry) event.Text { return e.Client.IP }},
	{field: Country, kind: TextKind, text: func(e *event.Entry) event.Text { return e.Client.Country }},
	{field: Source, kind: TextKind, text: func(e *event.Entry) event.Text { return event.TextOf(e.Source) }},
	{field: RecordedBy, kind: TextKind, text: func(e *event.Entry) event.Text { return e.RecordedBy }},
}

func lookUp(f Field) fieldDef {
	if name, ok := f.Attribute(); ok {
		return fieldDef{field: f, kind: TextKind, text: func(e *event.Entry) event.Text { return e.Attribute(name) }}
	}
	for _, d := range fieldDefs {
		if d.field == f {
			return d
		}
	}
	return fieldDef{}
}

// Kind returns what the values of f are, NoKind when f is not a field. Every attribute is a field.
func (f Field) Kind() Kind { return lookUp(f).kind }

// Fields returns the fields that are not attributes, in the order in which they are listed to people.
func Fields() []Field {
	out := make([]Field, len(fieldDefs))
	for i, d := range fieldDefs {
		out[i] = d.field
	}
	return out
}

// TextOf returns the function that reads the text field f of an entry, nil when f is none.
func TextOf(f Field) func(*event.Entry) event.Text { return lookUp(f).text }

// NumberOf returns the function that reads the number or time field f of an entry, nil when f is none.
func NumberOf(f Field) func(*event.Entry) int64 { return lookUp(f).number }

// clamp keeps the order of sequence numbers in int64, the type of a Range's ends. No trail grows so long
// that it merges two of them.
func clamp(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
