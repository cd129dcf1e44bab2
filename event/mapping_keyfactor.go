package event

import (
	"slices"
	"strconv"
	"strings"
)

// Keyfactor Command's words for an event: Operation, Level, User and the two identifiers. Its Category is
// in mapping_keyfactor_category.go. A value that the vendor's own event brought (the attributes
// keyfactor.*) wins over the derived one.

// keyfactorOperations holds the action of each Operation, one to one.
var keyfactorOperations = [...]string{
	1: "CREATE", 2: "UPDATE", 3: "DELETE", 4: "APPROVE", 5: "DENY", 6: "REVOKE", 7: "DOWNLOAD", 8: "DELETE_PRIVATE_KEY",
	9: "RENEW", 10: "ENCOUNTER", 11: "SCHEDULE_REPLACEMENT", 12: "RECOVER", 13: "IMPORT", 14: "RELEASE_HOLD",
	15: "SCHEDULE_ADD", 16: "SCHEDULE_REMOVE", 17: "DOWNLOAD_PRIVATE_KEY", 18: "SCHEDULE", 19: "RESET", 20: "DISAPPROVE",
	21: "RESTART", 22: "SEND", 23: "FAIL", 24: "COMPLETE", 25: "REJECT",
}

// Operations that stand for more than their own action.
const (
	operationCreated   = 1
	operationUpdated   = 2
	operationApproved  = 4
	operationSent      = 22
	operationFailed    = 23
	operationCompleted = 24

	maxKeyfactorOperation = len(keyfactorOperations) - 1
)

// keyfactorOperationOf holds the Operation of every action that has a fixed one. Actions that end in
// emailSent are operationSent, all others go by the outcome.
var keyfactorOperationOf = func() map[string]int {
	m := map[string]int{
		"UPDATE_PASSWORD": operationUpdated, "UPDATE_TOTP": operationUpdated, "DISABLED": operationUpdated, "ENABLED": operationUpdated,
		"FEATURE_ENABLED": operationUpdated, "FEATURE_DISABLED": operationUpdated, "LICENSE_REGISTERED": operationCreated,
		"TERMS_AND_CONDITIONS": operationApproved, "SEND_RESET_PASSWORD": operationSent, "LOW_LICENSE_WARNING_SENT": operationSent,
		"LOGIN": operationCompleted, "LOGOUT": operationCompleted, "LOGIN_ERROR": operationFailed,
	}
	for op, action := range keyfactorOperations {
		if action != "" {
			m[action] = op
		}
	}
	return m
}()

const emailSent = "_EMAIL_SENT"

// KeyfactorActionOf returns the action of an Operation, "" for one that Keyfactor does not have.
func KeyfactorActionOf(operation int) string {
	if operation < 1 || operation > maxKeyfactorOperation {
		return ""
	}
	return keyfactorOperations[operation]
}

// KeyfactorOperation returns the Operation of e, 1 to 25.
func KeyfactorOperation(e *Event) int {
	if n, ok := overrideNumber(e, AttrKeyfactorOperation); ok {
		return n
	}
	op, fixed := keyfactorOperationOf[e.Action]
	switch {
	case fixed:
		return op
	case strings.HasSuffix(e.Action, emailSent):
		return operationSent
	case e.Outcome == OutcomeFailure:
		return operationFailed
	}
	return operationCompleted
}

// KeyfactorOperationClasses returns the classes of the events with the given Operation.
func KeyfactorOperationClasses(operation int) []Class {
	var fixed, all []string
	for action, op := range keyfactorOperationOf {
		all = append(all, action)
		if op == operation {
			fixed = append(fixed, action)
		}
	}
	if len(fixed) == 0 {
		return nil
	}
	slices.Sort(all)
	slices.Sort(fixed)
	mail := Condition{Field: fieldAction, Comparison: Comparison{EndsWith, emailSent}}
	noMail := mail
	noMail.Not = true
	classes := []Class{{Actions: In(fixed...)}}
	switch operation {
	case operationSent:
		classes = append(classes, Class{Conditions: []Condition{mail}})
	case operationFailed:
		classes = append(classes, Class{Actions: NotIn(all...), Outcomes: In(OutcomeFailure), Conditions: []Condition{noMail}})
	case operationCompleted:
		classes = append(classes, Class{Actions: NotIn(all...), Outcomes: NotIn(OutcomeFailure), Conditions: []Condition{noMail}})
	}
	return overridden(classes, AttrKeyfactorOperation, operation)
}

// Levels.
const (
	levelInformation = 0
	levelWarning     = 1
	levelFailure     = 2
)

// KeyfactorLevel returns the Level of e, 0 to 2.
func KeyfactorLevel(e *Event) int {
	if n, ok := overrideNumber(e, AttrKeyfactorLevel); ok {
		return n
	}
	switch number, _ := KeyfactorCategory(e); {
	case number == categoryAuthorizationFailure, e.Outcome == OutcomeWarning:
		return levelWarning
	case e.Outcome == OutcomeFailure:
		return levelFailure
	}
	return levelInformation
}

// KeyfactorLevelClasses returns the classes of the events with the given Level.
func KeyfactorLevelClasses(level int) []Class {
	var classes []Class
	switch level {
	case levelInformation:
		classes = notAuthorizationFailure(OutcomeSuccess, OutcomeUnknown)
	case levelWarning:
		classes = append(KeyfactorCategoryClasses(categoryAuthorizationFailure), Class{Outcomes: In(OutcomeWarning)})
	case levelFailure:
		classes = notAuthorizationFailure(OutcomeFailure)
	default:
		return nil
	}
	return overridden(classes, AttrKeyfactorLevel, level)
}

// timerService is the User of what nobody did.
const timerService = "Timer Service"

// KeyfactorUser returns the User of e.
func KeyfactorUser(e *Event) string {
	if t := e.Attribute(AttrKeyfactorUser); t.Present {
		return t.Value
	}
	return actorName(e, timerService)
}

// KeyfactorUserClasses returns the classes of the events whose User stands in relation c.
func KeyfactorUserClasses(c Comparison) []Class {
	return overriddenText(actorClasses(c, timerService), AttrKeyfactorUser, c)
}

// KeyfactorAuditIdentifier returns the AuditIdentifier of e, the name of what it was done to.
func KeyfactorAuditIdentifier(e *Event) Text {
	if t := e.Attribute(AttrKeyfactorAuditIdentifier); t.Present {
		return t
	}
	return e.Resource.Name
}

// KeyfactorAuditIdentifierClasses returns the classes of the events whose AuditIdentifier stands in
// relation c.
func KeyfactorAuditIdentifierClasses(c Comparison) []Class {
	return overriddenText([]Class{{Conditions: []Condition{{Field: fieldResourceName, Comparison: c}}}}, AttrKeyfactorAuditIdentifier, c)
}

// KeyfactorImmutableIdentifier returns the ImmutableIdentifier of e, the id of what it was done to.
func KeyfactorImmutableIdentifier(e *Event) Text {
	if t := e.Attribute(AttrKeyfactorImmutableIdentifier); t.Present {
		return t
	}
	return e.Resource.ID
}

// KeyfactorImmutableIdentifierClasses returns the classes of the events whose ImmutableIdentifier stands in
// relation c.
func KeyfactorImmutableIdentifierClasses(c Comparison) []Class {
	return overriddenText([]Class{{Conditions: []Condition{{Field: fieldResourceID, Comparison: c}}}}, AttrKeyfactorImmutableIdentifier, c)
}

// KeyfactorTimestamp returns the Timestamp of e in RFC 3339 with a zone. It is the moment of OccurredAt,
// perhaps with the vendor's finer fraction, so filters and orders over time go by occurred_at.
func KeyfactorTimestamp(e *Event) string {
	if t := e.Attribute(AttrKeyfactorTimestamp); t.Present {
		return t.Value
	}
	return e.OccurredAt.String()
}

// overrideNumber returns the number that an attribute of the vendor's holds. Validate has made sure that
// it is one.
func overrideNumber(e *Event, attribute string) (int, bool) {
	t := e.Attribute(attribute)
	if !t.Present {
		return 0, false
	}
	n, err := strconv.Atoi(t.Value)
	return n, err == nil
}

// overridden returns the classes of a number that an attribute can override.
func overridden(classes []Class, attribute string, number int) []Class {
	own := Class{Conditions: []Condition{is(attributePrefix+attribute, strconv.Itoa(number))}}
	return append(with(classes, absent(attributePrefix+attribute)), own)
}

// overriddenText returns the classes of a text that an attribute can override.
func overriddenText(classes []Class, attribute string, c Comparison) []Class {
	field := attributePrefix + attribute
	classes = with(classes, absent(field))
	if c.Op == Absent {
		return classes
	}
	return append(classes, Class{Conditions: []Condition{{Field: field, Comparison: c}}})
}
