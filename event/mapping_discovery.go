package event

import (
	"strconv"
	"strings"
)

// CertCentral Discovery's words for an event: module, function, userName and the texts. A value that the
// vendor's own event brought (the attributes discovery.*) wins over the derived one.

// systemUser is the userName, and systemUserID the userId, of what nobody did.
const (
	systemUser   = "System"
	systemUserID = -1
)

// DiscoveryFunction returns the function of e: "Download sensor".
func DiscoveryFunction(e *Event) string {
	if t := e.Attribute(AttrDiscoveryFunction); t.Present {
		return t.Value
	}
	action := words(e.Action)
	if action != "" {
		action = action[:1] + strings.ToLower(action[1:])
	}
	return action + " " + strings.ToLower(words(e.Resource.Type))
}

// DiscoveryFunctionClasses returns the classes of the events whose function is the given one, ignoring
// case. A blank of the function may stand between action and type or for an underscore in one of them, so
// there is a class for each that leaves codes of a length that an event can have. Every event has a type, so
// the whole function is never an action alone.
func DiscoveryFunctionClasses(function string) []Class {
	code, ok := codeOfWords(function)
	var classes []Class
	if ok && len(code) <= 2*MaxCodeBytes+1 {
		for i := range len(code) {
			if action, resourceType := code[:i], code[i+1:]; code[i] == '_' && isCode(action) && isCode(resourceType) {
				classes = append(classes, Class{Actions: In(action), Types: In(resourceType)})
			}
		}
	}
	return overriddenText(classes, AttrDiscoveryFunction, Comparison{Equal, function})
}

// DiscoveryModule returns the module of e: "Sensors".
func DiscoveryModule(e *Event) string {
	if t := e.Attribute(AttrDiscoveryModule); t.Present {
		return t.Value
	}
	var b strings.Builder
	for i, word := range strings.Split(plural(e.Resource.Type), "_") {
		if i > 0 {
			b.WriteByte(' ')
		}
		if word != "" {
			b.WriteString(word[:1] + strings.ToLower(word[1:]))
		}
	}
	return b.String()
}

// DiscoveryModuleClasses returns the classes of the events whose module is the given one, ignoring case.
func DiscoveryModuleClasses(module string) []Class {
	var classes []Class
	if code, ok := codeOfWords(module); ok {
		if types := singulars(code); len(types) > 0 {
			classes = []Class{{Types: In(types...)}}
		}
	}
	return overriddenText(classes, AttrDiscoveryModule, Comparison{Equal, module})
}

// DiscoveryAction reads Discovery's own words: the action and resource type of a module and function.
// "<Verb> <noun>" of known words is those; anything else is the function as an action, done to the singular
// of the module.
func DiscoveryAction(module, function string) (action, resourceType string) {
	moduleCode := codeOf(module)
	resourceType = singular(moduleCode)
	if code, ok := codeOfWords(function); ok {
		found := ""
		for i := range len(code) {
			if code[i] != '_' || !IsKnownAction(code[:i]) || !IsKnownType(code[i+1:]) {
				continue
			}
			action, found = code[:i], code[i+1:]
			if found == resourceType {
				break
			}
		}
		if found != "" {
			return action, found
		}
	}
	action = codeOf(function)
	if action == "" {
		action = "UNKNOWN"
	}
	if resourceType == "" {
		resourceType = "UNKNOWN"
	}
	return action, resourceType
}

// DiscoveryUserName returns the userName of e.
func DiscoveryUserName(e *Event) string { return actorName(e, systemUser) }

// DiscoveryUserNameClasses returns the classes of the events whose userName stands in relation c.
func DiscoveryUserNameClasses(c Comparison) []Class { return actorClasses(c, systemUser) }

// DiscoveryUserID returns the userId of e: the vendor's own, -1 for no actor, or the actor's id when it is
// a number. false means that the actor has another id, whose number the caller must look up.
func DiscoveryUserID(e *Event) (int64, bool) {
	if n, ok := overrideInteger(e, AttrDiscoveryUserID); ok {
		return n, true
	}
	if !HasActor(e) {
		return systemUserID, true
	}
	return IntegerID(e.Actor.ID.Value)
}

// DiscoveryDivisionID returns the divisionId of e: the vendor's own, or the division's id when it is a
// number. false means that it is null without a division, else that the caller must look the number up.
func DiscoveryDivisionID(e *Event) (int64, bool) {
	if n, ok := overrideInteger(e, AttrDiscoveryDivisionID); ok {
		return n, true
	}
	return IntegerID(e.Division.ID.Value)
}

func overrideInteger(e *Event, attribute string) (int64, bool) {
	t := e.Attribute(attribute)
	if !t.Present {
		return 0, false
	}
	n, err := strconv.ParseInt(t.Value, 10, 64)
	return n, err == nil
}

// DiscoveryDivisionNameClasses returns the classes of the events whose divisionName, which is "" without
// one, stands in relation c.
func DiscoveryDivisionNameClasses(c Comparison) []Class { return emptyWhenAbsent(fieldDivisionName, c) }

// DiscoveryIPAddressClasses returns the classes of the events whose ipAddress, which is "" without one,
// stands in relation c.
func DiscoveryIPAddressClasses(c Comparison) []Class { return emptyWhenAbsent(fieldClientIP, c) }

// emptyWhenAbsent returns the classes of a text that is shown as "" where it is absent.
func emptyWhenAbsent(field string, c Comparison) []Class {
	if c.Op == Absent {
		return nil
	}
	classes := []Class{{Conditions: []Condition{{Field: field, Comparison: c}}}}
	if c.holds(TextOf(""), false) {
		classes = append(classes, Class{Conditions: []Condition{absent(field)}})
	}
	return classes
}
