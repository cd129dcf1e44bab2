package digicertone

import (
	"countersign/event"
	"countersign/query"
)

// What this vendor shows for an event, and which events show a value, is the mapping of package event: every
// filter here finds an entry exactly when the value that render.go writes for it stands in the parameter's
// relation to the parameter's value (the mapping law of docs/compatibility.md).

// statusIs returns the filter for the status parameter, which is in upper case where the answer is in lower.
// Any other value, one in lower case included, finds nothing, as the vendor's guide has it.
func statusIs(v string) query.Filter { return anyClass(event.DigiCertOneStatusClasses(v)) }

// sortByStatus orders by the status that is shown, so that a warning stands among the failures.
func sortByStatus() query.Sort {
	return query.Sort{Field: query.Outcome, Classes: []query.Filter{statusIs("FAILURE"), statusIs("SUCCESS"), statusIs("UNKNOWN")}}
}

// userNameContains returns the filter for the user_name parameter. A system actor may have a name, yet its
// user is shown as null, which contains nothing.
func userNameContains(v string) query.Filter {
	return anyClass(event.DigiCertOneUserNameClasses(event.Comparison{Op: event.Contains, Value: v}))
}

// anyClass returns the filter for the union of the classes.
func anyClass(classes []event.Class) query.Filter {
	union := make(query.Or, 0, len(classes))
	for _, c := range classes {
		var all query.And
		for _, part := range []struct {
			field query.Field
			set   event.Set
		}{{query.Action, c.Actions}, {query.ResourceType, c.Types}, {query.Outcome, c.Outcomes}, {query.ActorType, c.ActorTypes}} {
			if len(part.set.Values) > 0 {
				all = append(all, negated(part.set.Not, query.Is(part.field, part.set.Values...)))
			}
		}
		for _, condition := range c.Conditions {
			all = append(all, negated(condition.Not, comparison(condition)))
		}
		union = append(union, all)
	}
	return union
}

func negated(not bool, f query.Filter) query.Filter {
	if not {
		return query.Not{Filter: f}
	}
	return f
}

func comparison(c event.Condition) query.Filter {
	if c.IgnoreBlanks {
		panic("digicertone: a class of this vendor ignores blanks, which no filter can say")
	}
	field := query.Field(c.Field)
	if c.Op == event.Absent {
		return query.Null{Field: field}
	}
	op := [...]query.TextOp{
		event.Equal: query.Equal, event.Contains: query.Contains, event.StartsWith: query.StartsWith, event.EndsWith: query.EndsWith,
	}[c.Op]
	return query.Text{Field: field, Op: op, Values: []string{c.Value}}
}
