package digicertone

import (
	"countersign/collect/records"
	"countersign/event"
)

// accountManager reads an item of GET /account/api/v1/audit-log. The vendor does not document the name of
// the address that its console shows, so the two names that its managers use are taken.
func accountManager(r *records.Object, givenAccount string) event.Event {
	var attributes records.Attributes
	e := item(r, givenAccount, &attributes)
	e.Attributes = attributes.Sorted()
	return e
}

// trustLifecycle reads an item of GET /mpki/api/v1/audit-log. A business unit is a division.
func trustLifecycle(r *records.Object, givenAccount string) event.Event {
	var attributes records.Attributes
	e := item(r, givenAccount, &attributes)
	unit := r.Object("business_unit")
	e.Division = event.Division{ID: filled(unit.ID("id")), Name: unit.Text("name")}
	attributes.Add("digicert_one.data", r.Plain("data"))
	e.Attributes = attributes.Sorted()
	return e
}

// item reads what the items of both managers have.
func item(r *records.Object, givenAccount string, attributes *records.Attributes) event.Event {
	acc, user := r.Object("account"), r.Object("user")
	return event.Event{
		ID:         r.RequiredID("id"),
		OccurredAt: r.Moment("timestamp"),
		Account: event.Account{
			ID:   account(r, acc.ID("id"), givenAccount, "account.id"),
			Name: acc.Text("name"),
		},
		Actor: event.Actor{
			ID:   user.ID("id"),
			Name: user.Text("name"),
			Type: event.ActorStandard,
		},
		Action: r.Code("action"),
		Resource: event.Resource{
			Type: r.Code("resource_type"),
			ID:   r.ID("resource_id"),
			Name: r.Text("resource_name"),
		},
		Outcome:     outcome(r, attributes),
		Description: r.Text("description"),
		Client:      event.Client{IP: address(r)},
	}
}

// filled returns an identifier that may not be empty in an event: "" says that there is none.
func filled(id event.Text) event.Text { return event.TextOrAbsent(id.Value) }

// address returns the client's address. The members are undocumented, so another type is no error.
func address(r *records.Object) event.Text {
	for _, name := range [...]string{"ip_address", "client_ip"} {
		if ip := r.Plain(name); ip.Value != "" {
			return ip
		}
	}
	return event.Text{}
}
