// Package discovery reads the audit records of CertCentral Discovery (data.auditLogs).
//
// The vendor writes "" for a text that it does not have and null for a division that is none: both are
// absent. The user -1 is the system and no actor. The vendor has no outcome: it is unknown. Its ids,
// module and function are kept as attributes named discovery.*, the record itself byte for byte in raw.
package discovery

import (
	"strconv"

	"countersign/collect/records"
	"countersign/event"
)

// Source is the source of the events.
const Source = "discovery/certcentral"

// Lists are the members of a page that hold records.
var Lists = []string{"data.auditLogs"}

// The user that the vendor names when nobody did it.
const (
	systemID   = -1
	systemName = "System"
)

// Read reads one record. It names no account: the options must.
func Read(raw []byte, o records.Options) (event.Event, error) {
	r, err := records.Parse(raw)
	if err != nil {
		return event.Event{}, err
	}
	module, function := r.Required("module"), r.Required("function")
	if o.Account == "" {
		r.Refuse("accountId", "is in no record of this format, and no account was given")
	}
	e := event.Event{
		ID:          r.RequiredID("id"),
		OccurredAt:  created(r),
		Account:     event.Account{ID: o.Account},
		Division:    event.Division{ID: filled(r.ID("divisionId")), Name: filled(r.Text("divisionName"))},
		Actor:       actor(r),
		Outcome:     event.OutcomeUnknown,
		Description: filled(r.Text("message")),
		Detail:      filled(r.Text("detailMessage")),
		Client:      event.Client{IP: filled(r.Text("ipAddress")), Country: filled(r.Text("ipCountry"))},
		Source:      o.Source,
		Attributes:  attributes(r),
		Raw:         event.TextOf(string(raw)),
	}
	if err := r.Err(); err != nil {
		return event.Event{}, err
	}
	e.Action, e.Resource.Type = event.DiscoveryAction(module, function)
	if e.Source == "" {
		e.Source = Source
	}
	return e, nil
}

func filled(t event.Text) event.Text { return event.TextOrAbsent(t.Value) }

// created reads the vendor's time: milliseconds since 1970.
func created(r *records.Object) event.Micros {
	ms, ok := r.Whole("createdDate")
	switch {
	case !ok:
		r.Refuse("createdDate", "is missing")
	case ms < int64(event.MinMicros)/1000 || ms > int64(event.MaxMicros)/1000:
		r.Refuse("createdDate", "must be milliseconds since 1970 in the years 0000 to 9999")
		return 0
	}
	return event.Micros(ms * 1000)
}

// actor returns no one for the system. A system user with a name of its own keeps it.
func actor(r *records.Object) event.Actor {
	id, name := filled(r.ID("userId")), filled(r.Text("userName"))
	system := id.Value == strconv.Itoa(systemID)
	switch {
	case !system && id.Present, !system && name.Value != systemName:
		return event.Actor{ID: id, Name: name, Type: event.ActorStandard}
	case name.Value == systemName:
		name = event.Text{}
	}
	return event.Actor{Name: name, Type: event.ActorSystem}
}

func attributes(r *records.Object) []event.Attribute {
	var all records.Attributes
	all.Add(event.AttrDiscoveryID, r.ID("id"))
	all.Add(event.AttrDiscoveryUserID, filled(r.ID("userId")))
	all.Add(event.AttrDiscoveryDivisionID, filled(r.ID("divisionId")))
	all.Add(event.AttrDiscoveryModule, r.Text("module"))
	all.Add(event.AttrDiscoveryFunction, r.Text("function"))
	return all.Sorted()
}
