package digicertone

import (
	"strings"

	"countersign/collect/records"
	"countersign/event"
)

// iot reads a record of GET /iot/api/v1/audit-log.
func iot(r *records.Object, givenAccount string) event.Event {
	var attributes records.Attributes
	how := r.Text("authentication_type")
	e := event.Event{
		ID:         r.RequiredID("id"),
		OccurredAt: r.Moment("created_at"),
		Account:    event.Account{ID: account(r, r.ID("account_id"), givenAccount, "account_id")},
		Division:   event.Division{ID: filled(r.ID("division_id"))},
		Actor: event.Actor{
			ID:   r.ID("authentication_id"),
			Name: r.Text("authentication"),
			Type: actorType(how.Value),
		},
		Action: r.Code("action"),
		Resource: event.Resource{
			Type: r.Code("resource_type"),
			ID:   r.ID("resource"),
			Name: r.Text("resource_name"),
		},
		Outcome:     outcome(r, &attributes),
		Description: r.Text("description"),
		Detail:      detail(r.Text("error_message"), r.Text("detailed_error_message")),
	}
	attributes.Add("digicert_one.authentication_type", how)
	attributes.Add("digicert_one.request", r.Plain("request"))
	properties(r, &attributes)
	e.Attributes = attributes.Sorted()
	return e
}

// actorType tells a kind of actor from the way it signed in. The vendor documents "user" only.
func actorType(authentication string) string {
	switch name := strings.ToLower(authentication); {
	case name == "system":
		return event.ActorSystem
	case strings.Contains(name, "service"):
		return event.ActorService
	}
	return event.ActorStandard
}

// detail joins the two messages of an error. The longer one usually has the shorter in it.
func detail(message, detailed event.Text) event.Text {
	switch {
	case !detailed.Present:
		return message
	case !message.Present || strings.Contains(detailed.Value, message.Value):
		return detailed
	}
	return event.TextOf(message.Value + "\n" + detailed.Value)
}

// properties adds the state before and after the act.
func properties(r *records.Object, attributes *records.Attributes) {
	var states []records.State
	for _, p := range r.Objects("properties") {
		states = append(states, records.State{
			Name:    p.Required("name"),
			Before:  p.Plain("value_before"),
			After:   p.Plain("value_after"),
			Changed: p.True("changed"),
		})
	}
	attributes.AddStates(states)
}
