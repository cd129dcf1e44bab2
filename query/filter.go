// Package query holds what can be asked of a trail: the filter tree, the total orders, the page, our
// search text, and the evaluation of a filter over one entry.
//
// Terms. A filter says which entries; a sort says in which total order; a page is a range of ranks of that
// order at one tree size. Dialects compile a vendor's parameters to a Query and a store answers it.
//
// Law. Evaluation here (Matches, Compare) is the oracle: every store answers as if it had evaluated each
// entry by it. Logic is two-valued: a comparison with an absent value is false, its negation true, and only
// Null finds absence. Every order is total, ties break by seq in the direction of the sort.
//
// It knows no dialect, no store and no HTTP.
package query

import (
	"math"
	"strings"
)

// Field names a part of an entry, spelled as in the search text: "actor.name", "attributes.ticket".
type Field string

// The fields. Attributes have one field each: AttributeField(name).
const (
	Seq          Field = "seq"
	AccountSeq   Field = "account_seq"
	OccurredAt   Field = "occurred_at"
	ReceivedAt   Field = "received_at"
	ID           Field = "id"
	AccountID    Field = "account.id"
	AccountName  Field = "account.name"
	DivisionID   Field = "division.id"
	DivisionName Field = "division.name"
	ActorID      Field = "actor.id"
	ActorName    Field = "actor.name"
	ActorType    Field = "actor.type"
	Action       Field = "action"
	ResourceType Field = "resource.type"
	ResourceID   Field = "resource.id"
	ResourceName Field = "resource.name"
	Outcome      Field = "outcome"
	Description  Field = "description"
	Detail       Field = "detail"
	ClientIP     Field = "client.ip"
	Country      Field = "client.country"
	Source       Field = "source"
	RecordedBy   Field = "recorded_by"
)

const attributePrefix = "attributes."

// AttributeField returns the field of the named attribute.
func AttributeField(name string) Field { return Field(attributePrefix + name) }

// Attribute returns the attribute's name when f is the field of one.
func (f Field) Attribute() (name string, ok bool) {
	return strings.CutPrefix(string(f), attributePrefix)
}

// Filter is one node of a filter tree: And, Or, Not, Text, Null, Range or Words. A nil Filter matches all.
type Filter interface{ node() }

// And matches what all its filters match; an empty And matches everything.
type And []Filter

// Or matches what at least one of its filters matches; an empty Or matches nothing.
type Or []Filter

// Not matches what its filter does not.
type Not struct{ Filter Filter }

// TextOp is how a text is compared.
type TextOp uint8

// The comparisons of text.
const (
	Equal TextOp = iota
	Contains
	StartsWith
	EndsWith
)

// Text matches entries whose field is present and stands in relation Op to at least one of Values. Unless
// Exact, both sides are case-folded first (Fold). With IgnoreBlanks the blanks are then taken out of both:
// the character U+0020 and no other, as package event's Condition does.
type Text struct {
	Field        Field
	Op           TextOp
	Values       []string
	Exact        bool
	IgnoreBlanks bool
}

// Null matches entries whose field is absent.
type Null struct{ Field Field }

// Range matches entries whose time (microseconds) or number lies in [Min, Max].
type Range struct {
	Field    Field
	Min, Max int64
}

// The open ends of a Range.
const (
	NoMin = math.MinInt64
	NoMax = math.MaxInt64
)

// Words matches entries whose description or detail contains the text, ignoring case.
type Words struct{ Text string }

func (And) node()   {}
func (Or) node()    {}
func (Not) node()   {}
func (Text) node()  {}
func (Null) node()  {}
func (Range) node() {}
func (Words) node() {}

// Is returns the filter for f equal to one of values, byte for byte.
func Is(f Field, values ...string) Text {
	return Text{Field: f, Op: Equal, Values: values, Exact: true}
}

// Sort is a total order of entries. Texts order by case-folded bytes, then bytes; absent values come first
// ascending; ties break by seq in the same direction. The zero Sort is seq ascending.
type Sort struct {
	Field Field
	// Classes, when not empty, orders by a derived value in place of Field: an entry's key is the index of
	// the first class that it matches, len(Classes) when none does. Field then only names the order.
	Classes []Filter
	// Cases, when not empty and Classes is, orders by a derived text in place of Field: an entry's is that of
	// the first case that matches, absent when none does. Field then only names the order.
	Cases []Case
	Desc  bool
}

// Case is one way in which a derived text comes about: of the entries that When matches it is the text in
// Field, or Value itself where Field is empty.
type Case struct {
	When  Filter
	Field Field
	Value string
}

// Query is a question with the page of the answer that is wanted.
type Query struct {
	Filter Filter
	Sort   Sort
	Offset uint64
	Limit  int
	// AsOf answers over the first *AsOf entries of the trail; nil means all there are now.
	AsOf *uint64
}
