package query

import (
	"slices"
	"strings"

	"countersign/event"
)

// OfClasses returns the filter for the union of the classes, by which package event says which events show a
// value in a vendor's dialect. Classes that differ in one list of values become one member, so a filter for
// a thousand values looks each entry up once in place of comparing it a thousand times.
func OfClasses(classes []event.Class) Filter {
	union := make(Or, 0, len(classes))
	place := make(map[string]int, len(classes))
	for i := range classes {
		member := ofClass(&classes[i])
		at := slices.IndexFunc(member, func(part Filter) bool {
			_, ok := part.(Text)
			return ok
		})
		if at < 0 {
			union = append(union, member)
			continue
		}
		open := member[at].(Text)
		rest := allBut(member, at)
		if known, ok := place[rest]; ok {
			same := union[known].(And)
			merged := same[at].(Text)
			merged.Values = append(merged.Values, open.Values...)
			same[at] = merged
			continue
		}
		open.Values = slices.Clone(open.Values) // it may grow, and the class keeps its own
		member[at] = open
		place[rest] = len(union)
		union = append(union, member)
	}
	return union
}

// allBut returns a text that two members share when they differ at most in the values of part at.
func allBut(member And, at int) string {
	var b strings.Builder
	for i, part := range member {
		if t, ok := part.(Text); ok && i == at {
			b.WriteString(printField(t.Field) + opMark(t))
		} else {
			b.WriteString(Print(part))
		}
		b.WriteByte(' ')
	}
	return b.String()
}

func ofClass(c *event.Class) And {
	var all And
	for _, part := range [...]struct {
		field Field
		set   event.Set
	}{{Action, c.Actions}, {ResourceType, c.Types}, {Outcome, c.Outcomes}, {ActorType, c.ActorTypes}} {
		if len(part.set.Values) > 0 {
			all = append(all, negated(part.set.Not, Is(part.field, part.set.Values...)))
		}
	}
	for _, condition := range c.Conditions {
		all = append(all, negated(condition.Not, ofCondition(condition)))
	}
	return all
}

func negated(not bool, f Filter) Filter {
	if not {
		return Not{f}
	}
	return f
}

func ofCondition(c event.Condition) Filter {
	if c.Op == event.Absent {
		return Null{Field(c.Field)}
	}
	op := [...]TextOp{event.Equal: Equal, event.Contains: Contains, event.StartsWith: StartsWith, event.EndsWith: EndsWith}[c.Op]
	return Text{Field: Field(c.Field), Op: op, Values: []string{c.Value}, IgnoreBlanks: c.IgnoreBlanks}
}
