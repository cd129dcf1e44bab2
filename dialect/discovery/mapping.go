package discovery

import (
	"strconv"

	"countersign/event"
	"countersign/identity"
	"countersign/query"
	"countersign/store"
)

// What this vendor shows for an event, and which events show a value, is the mapping of package event: every
// filter here finds an entry exactly when what render.go writes for it agrees (the mapping law of
// docs/compatibility.md).

// showing returns the classes of the events whose row shows v under the key, ignoring case.
func showing(key, v string) []event.Class {
	equal := event.Comparison{Op: event.Equal, Value: v}
	switch key {
	case "userName":
		return event.DiscoveryUserNameClasses(equal)
	case "function":
		return event.DiscoveryFunctionClasses(v)
	case "ipAddress":
		return event.DiscoveryIPAddressClasses(equal)
	case "divisionName":
		return event.DiscoveryDivisionNameClasses(equal)
	}
	panic("discovery: no criterion has the key " + key)
}

// sortBy returns the order by a column, ascending. A text that is absent is shown as "", and comes first as
// "" does.
func sortBy(column string) query.Sort {
	switch column {
	case "createdDate":
		return query.Sort{Field: query.OccurredAt}
	case "userName":
		return query.Sort{Field: query.ActorName, Cases: userNameCases}
	case "ipAddress":
		return query.Sort{Field: query.ClientIP}
	case "divisionName":
		return query.Sort{Field: query.DivisionName}
	case "ipCountry":
		return query.Sort{Field: query.Country}
	}
	panic("discovery: no order by the column " + column)
}

// nobody is the userName of what no one did.
var nobody = event.DiscoveryUserName(&event.Event{})

// userNameCases is event.DiscoveryUserName as an order.
var userNameCases = []query.Case{
	{When: query.Is(query.ActorType, event.ActorSystem), Value: nobody},
	{When: query.Not{Filter: query.Null{Field: query.ActorName}}, Field: query.ActorName},
	{When: query.Not{Filter: query.Null{Field: query.ActorID}}, Field: query.ActorID},
	{Value: nobody},
}

// ofAccount returns the filter for the account that the caller calls name: by its id, else by its friendly
// identifier. Entries may be of an account that identity does not know; it has an id only.
func (h *Handler) ofAccount(c identity.Caller, name string) query.Filter {
	if id, ok := h.identity.ReadableAccount(c, name); ok {
		name = id
	}
	return query.Is(query.AccountID, name)
}

// ofDivisions returns the filter for the entries of one of the divisions, each given by its id or by the
// number that rows show for it. The id alone does not ask for the number that was made of it: that would be
// another question, and so the end of a loop over pages, once an entry first names the division.
func ofDivisions(n integers, divisions []scalar) query.Filter {
	var shown, ids []string
	for _, d := range divisions {
		if !d.number {
			ids = append(ids, d.text)
		}
		number, err := strconv.ParseInt(d.text, 10, 64)
		if err != nil || strconv.FormatInt(number, 10) != d.text {
			continue
		}
		shown = append(shown, d.text)
		if id, ok := n.IDOfInteger(store.DivisionID, number); ok {
			ids = append(ids, id)
		}
	}
	own := query.AttributeField(event.AttrDiscoveryDivisionID)
	return query.Or{query.Is(own, shown...), query.And{query.Null{Field: own}, query.Is(query.DivisionID, ids...)}}
}
