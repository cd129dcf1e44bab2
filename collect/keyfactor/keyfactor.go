// Package keyfactor reads the audit records of Keyfactor Command (arrays of entries).
//
// Every member that a record has is kept as an attribute named keyfactor.*, so that the same answer can be
// given back; a text is absent when it is null, and empty when it is empty. What the message says about the
// state before and after a change goes into before.* and after.*. The user "Timer Service" is the system.
// The record itself is kept byte for byte in raw.
package keyfactor

import (
	"strings"

	"countersign/collect/records"
	"countersign/event"
)

// Source is the source of the events.
const Source = "keyfactor/command"

// Lists is empty: an answer is an array of records.
var Lists []string

// systemUser is whom the vendor names when nobody did it.
const systemUser = "Timer Service"

// Numbers of the vendor that say more than the level.
const (
	operationFailed              = 23
	categoryAuthorizationFailure = 2012
)

// Read reads one record. It names no account: the options must.
func Read(raw []byte, o records.Options) (event.Event, error) {
	r, err := records.Parse(raw)
	if err != nil {
		return event.Event{}, err
	}
	if o.Account == "" {
		r.Refuse("account", "is in no record of this format, and no account was given")
	}
	e := event.Event{
		ID:         r.RequiredID("Id"),
		OccurredAt: moment(r),
		Account:    event.Account{ID: o.Account},
		Actor:      actor(r),
		Resource:   event.Resource{ID: r.ID("ImmutableIdentifier"), Name: r.Text("AuditIdentifier")},
		Source:     o.Source,
		Raw:        event.TextOf(string(raw)),
	}
	operation, category := number(r, "Operation"), number(r, "Category")
	e.Action = event.KeyfactorActionOf(operation)
	if e.Action == "" {
		r.Refuse("Operation", "is none that the vendor has")
	}
	e.Outcome = outcome(r, operation, category)
	e.Attributes = attributes(r)
	if err := r.Err(); err != nil {
		return event.Event{}, err
	}
	e.Resource.Type = event.KeyfactorTypeOf(category, r.Text("EntityType").Value)
	if e.Source == "" {
		e.Source = Source
	}
	return e, nil
}

// number reads a whole number that must be there.
func number(r *records.Object, name string) int {
	n, ok := r.Whole(name)
	if !ok {
		r.Refuse(name, "is missing")
	}
	return int(n)
}

// timeName returns the member that holds the time: the vendor's documentation spells it in another way
// than its server.
func timeName(r *records.Object) string {
	if r.Has("TimeStamp") && !r.Has("Timestamp") {
		return "TimeStamp"
	}
	return "Timestamp"
}

// moment reads the time, which is UTC where it names no zone.
func moment(r *records.Object) event.Micros {
	name := timeName(r)
	s := r.Required(name)
	if s == "" {
		return 0
	}
	m, err := records.ParseMoment(s)
	if err != nil {
		m, err = records.ParseMoment(s + "Z")
	}
	if err != nil {
		r.Refuse(name, err.Error())
	}
	return m
}

func actor(r *records.Object) event.Actor {
	user := r.Text("User")
	if strings.EqualFold(user.Value, systemUser) {
		return event.Actor{Name: user, Type: event.ActorSystem}
	}
	return event.Actor{Name: user, Type: event.ActorStandard}
}

// outcome tells it from the level, except where the operation or the category is a failure by itself.
func outcome(r *records.Object, operation, category int) string {
	level, known := r.Whole("Level")
	switch {
	case operation == operationFailed, category == categoryAuthorizationFailure, known && level == 2:
		return event.OutcomeFailure
	case known && level == 0:
		return event.OutcomeSuccess
	case known && level == 1:
		return event.OutcomeWarning
	}
	return event.OutcomeUnknown
}

func attributes(r *records.Object) []event.Attribute {
	var all records.Attributes
	message := r.Text("Message")
	all.Add(event.AttrKeyfactorID, r.ID("Id"))
	all.Add(event.AttrKeyfactorMessage, message)
	all.Add(event.AttrKeyfactorSignature, r.Text("Signature"))
	all.Add(event.AttrKeyfactorCategory, r.ID("Category"))
	all.Add(event.AttrKeyfactorOperation, r.ID("Operation"))
	all.Add(event.AttrKeyfactorLevel, r.ID("Level"))
	all.Add(event.AttrKeyfactorUser, r.Text("User"))
	all.Add(event.AttrKeyfactorEntityType, r.Text("EntityType"))
	all.Add(event.AttrKeyfactorAuditIdentifier, r.Text("AuditIdentifier"))
	all.Add(event.AttrKeyfactorImmutableIdentifier, r.ID("ImmutableIdentifier"))
	// A time without a zone is no value of the attribute: the server makes it from the event's.
	if t := r.Text(timeName(r)); t.Present {
		if _, err := records.ParseMoment(t.Value); err == nil {
			all.Add(event.AttrKeyfactorTimestamp, t)
		}
	}
	all.AddStates(states(message.Value))
	return all.Sorted()
}
