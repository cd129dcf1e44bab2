package keyfactor

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"countersign/event"
	"countersign/query"
)

// operator is one of the vendor's comparisons.
type operator uint8

const (
	opEqual operator = iota
	opNotEqual
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opContains
	opNotContains
	opStartsWith
	opEndsWith
)

var operators = map[string]operator{
	"-eq": opEqual, "-ne": opNotEqual, "-lt": opLess, "-le": opLessEqual, "-gt": opGreater, "-ge": opGreaterEqual,
	"-contains": opContains, "-notcontains": opNotContains, "-startswith": opStartsWith, "-endswith": opEndsWith,
}

// The operators of texts, of numbers and times, and of what is both a number and a name.
const (
	textOperators  = "-eq -ne -contains -notcontains -startswith -endswith"
	orderOperators = "-eq -ne -lt -le -gt -ge"
	allOperators   = orderOperators + " -contains -notcontains -startswith -endswith"
)

// turned returns the operator that op is the negation of, if it is one.
func (op operator) turned() (operator, bool) {
	switch op {
	case opNotEqual:
		return opEqual, true
	case opNotContains:
		return opContains, true
	}
	return op, false
}

// textual is how package event says the operator, for those that texts have and that are no negation.
func (op operator) textual() event.Op {
	switch op {
	case opContains:
		return event.Contains
	case opStartsWith:
		return event.StartsWith
	case opEndsWith:
		return event.EndsWith
	}
	return event.Equal
}

// holds tells whether a number stands in the relation to another.
func (op operator) holds(n, to int64) bool {
	switch op {
	case opLess:
		return n < to
	case opLessEqual:
		return n <= to
	case opGreater:
		return n > to
	case opGreaterEqual:
		return n >= to
	}
	return n == to
}

// field is what can be searched. match compares with an operator that is no negation; its error says what a
// value must be.
type field struct {
	name  string
	marks string
	match func(p *parser, op operator, v value) (node, error)
}

func (f *field) takes(op operator) bool {
	return slices.ContainsFunc(strings.Fields(f.marks), func(mark string) bool { return operators[mark] == op })
}

func (f *field) operators() string { return strings.ReplaceAll(f.marks, " ", ", ") }

// compare returns what the comparison finds. A negation finds all the rest, rows without a value too.
func (f *field) compare(p *parser, op operator, v value) (node, error) {
	op, turned := op.turned()
	if v.isNull() && op != opEqual {
		return node{}, errors.New("expected a value: NULL goes with -eq and -ne; the word itself must be in quotes")
	}
	if turned {
		p.negated = !p.negated
		defer func() { p.negated = !p.negated }()
	}
	n, err := f.match(p, op, v)
	if turned {
		n = node{filter: query.Not{Filter: n.asFilter()}}
	}
	return n, err
}

// fields are all that can be searched, with every name that the vendor's releases and its portal have for
// them, in lower case.
var fields = func() map[string]*field {
	timestamp := &field{"Timestamp", orderOperators, matchTimestamp}
	id := &field{"Id", orderOperators, matchID}
	category := &field{"Category", textOperators, matchCategory}
	level := &field{"Level", allOperators, levels.match}
	operation := &field{"Operation", allOperators, operations.match}
	user := &field{"User", textOperators, matchUser}
	entityType := &field{"EntityType", textOperators, matchText(event.KeyfactorEntityTypeClasses)}
	name := &field{"AuditIdentifier", textOperators, matchText(event.KeyfactorAuditIdentifierClasses)}
	immutable := &field{"ImmutableIdentifier", textOperators, matchImmutableIdentifier}
	return map[string]*field{
		"id": id, "timestamp": timestamp, "category": category, "level": level, "operation": operation, "operations": operation,
		"user": user, "username": user, "actinguser": user,
		"entitytype": entityType, "auditidentifier": name, "name": name, "immutableidentifier": immutable,
	}
}()

// fieldNames are those that people are told.
const fieldNames = "Id, Timestamp, Category, Level, Operation, User, EntityType, AuditIdentifier or ImmutableIdentifier"

func fieldOf(word string) (*field, error) {
	switch f := fields[strings.ToLower(word)]; {
	case f != nil:
		return f, nil
	case strings.EqualFold(word, "Message"), strings.EqualFold(word, "Signature"):
		return nil, fmt.Errorf("%s cannot be searched: expected %s", quote(word), fieldNames)
	case strings.Contains(word, "-"):
		return nil, fmt.Errorf("there is no field %s: expected a blank between a field and its operator, as in Level -eq 1", quote(word))
	default:
		return nil, fmt.Errorf("there is no field %s: expected %s", quote(word), fieldNames)
	}
}

func classes(all []event.Class) node { return node{classes: all, union: true} }

// comparisonOf is a comparison of texts as package event has it.
func comparisonOf(op operator, v value) event.Comparison {
	if v.isNull() {
		return event.Comparison{Op: event.Absent}
	}
	return event.Comparison{Op: op.textual(), Value: v.text}
}

func matchText(of func(event.Comparison) []event.Class) func(*parser, operator, value) (node, error) {
	return func(_ *parser, op operator, v value) (node, error) { return classes(of(comparisonOf(op, v))), nil }
}

// me stands for the caller.
const me = "%ME%"

func matchUser(p *parser, op operator, v value) (node, error) {
	if strings.EqualFold(v.text, me) {
		v = value{p.me, true}
	}
	return classes(event.KeyfactorUserClasses(comparisonOf(op, v))), nil
}

func matchImmutableIdentifier(p *parser, op operator, v value) (node, error) {
	if op == opEqual && !v.isNull() && !p.negated {
		p.named = append(p.named, v.text)
	}
	return classes(event.KeyfactorImmutableIdentifierClasses(comparisonOf(op, v))), nil
}

// matchCategory takes a whole number for the Category and anything else for the name of a subcategory, which
// is the EntityType.
func matchCategory(_ *parser, op operator, v value) (node, error) {
	n, err := strconv.ParseInt(v.text, 10, 64)
	switch {
	case err != nil || op != opEqual:
		return classes(event.KeyfactorEntityTypeClasses(comparisonOf(op, v))), nil
	case n < 1 || n > math.MaxInt32:
		return classes(nil), nil
	}
	return classes(event.KeyfactorCategoryClasses(int(n))), nil
}

func matchID(_ *parser, op operator, v value) (node, error) {
	n, err := strconv.ParseInt(v.text, 10, 64)
	switch {
	case v.isNull():
		return classes(nil), nil
	case err != nil:
		return node{}, fmt.Errorf("expected a whole number, found %s", quote(v.text))
	}
	// An Id counts from 1, a seq from 0.
	n = max(n, math.MinInt64+2) - 1
	return node{filter: span(query.Seq, op, n, n)}, nil
}

// span is the filter for a number or time that stands in the relation to what lies from lo to hi: equal
// within, less before, greater after.
func span(f query.Field, op operator, lo, hi int64) query.Filter {
	r := query.Range{Field: f, Min: query.NoMin, Max: query.NoMax}
	switch op {
	case opLess:
		r.Max = lo - 1
	case opLessEqual:
		r.Max = hi
	case opGreater:
		if hi == math.MaxInt64 {
			return query.Or{}
		}
		r.Min = hi + 1
	case opGreaterEqual:
		r.Min = lo
	default:
		r.Min, r.Max = lo, hi
	}
	return r
}

// choice is a field of a few numbers that have names.
type choice struct {
	name    string
	first   int
	names   []string // of the numbers from first on
	classes func(int) []event.Class
}

var levels = choice{"Level", 0, []string{"Information", "Warning", "Failure"}, event.KeyfactorLevelClasses}

var operations = choice{"Operation", 1, []string{
	"Created", "Updated", "Deleted", "Approved", "Denied", "Revoked", "Downloaded", "Deleted Private Key", "Renewed", "Encountered",
	"Scheduled Replacement", "Recovered", "Imported", "Removed from Hold", "Scheduled Add", "Scheduled Removal",
	"Download with Private Key", "Scheduled", "Reset", "Disapproved", "Restarted", "Sent", "Failed", "Completed", "Rejected",
}, event.KeyfactorOperationClasses}

// nameOf returns the name of one of the numbers.
func (c *choice) nameOf(n int) string { return c.names[n-c.first] }

// match compares the number, which a name stands for too, or with the operators that only texts have the name.
func (c *choice) match(_ *parser, op operator, v value) (node, error) {
	if v.isNull() {
		return classes(nil), nil
	}
	var all []event.Class
	matches := func(n int) bool { return textMatches(op, c.nameOf(n), v.text) }
	if op < opContains {
		wanted, ok := c.number(v.text)
		if !ok {
			return node{}, fmt.Errorf("expected a whole number or a name, found %s: the names of %s are %s", quote(v.text), c.name, strings.Join(c.names, ", "))
		}
		matches = func(n int) bool { return op.holds(int64(n), wanted) }
	}
	for n := c.first; n < c.first+len(c.names); n++ {
		if matches(n) {
			all = append(all, c.classes(n)...)
		}
	}
	return classes(all), nil
}

// number reads a number or a name.
func (c *choice) number(text string) (int64, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	i := slices.IndexFunc(c.names, func(name string) bool { return textMatches(opEqual, name, text) })
	return int64(i + c.first), i >= 0
}

// textMatches compares ignoring case and blanks.
func textMatches(op operator, have, want string) bool {
	have, want = strings.ReplaceAll(query.Fold(have), " ", ""), strings.ReplaceAll(query.Fold(want), " ", "")
	switch op {
	case opContains:
		return strings.Contains(have, want)
	case opStartsWith:
		return strings.HasPrefix(have, want)
	case opEndsWith:
		return strings.HasSuffix(have, want)
	}
	return have == want
}
