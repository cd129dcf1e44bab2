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
func statusIs(v string) query.Filter { return query.OfClasses(event.DigiCertOneStatusClasses(v)) }

// sortByStatus orders by the status that is shown, so that a warning stands among the failures.
func sortByStatus() query.Sort {
	return query.Sort{Field: query.Outcome, Classes: []query.Filter{statusIs("FAILURE"), statusIs("SUCCESS"), statusIs("UNKNOWN")}}
}

// userNameContains returns the filter for the user_name parameter. A system actor may have a name, yet its
// user is shown as null, which contains nothing.
func userNameContains(v string) query.Filter {
	return query.OfClasses(event.DigiCertOneUserNameClasses(event.Comparison{Op: event.Contains, Value: v}))
}
