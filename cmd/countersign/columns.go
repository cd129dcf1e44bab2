package main

import (
	"strconv"
	"strings"

	"countersign/client"
	"countersign/event"
	"countersign/query"
)

// column is a part of an entry that is shown.
type entryColumn struct {
	name  string // as in search text
	value func(*event.Entry) event.Text
}

// exportColumns are those of a CSV export, in its order.
var exportColumns = []string{
	"seq", "received_at", "recorded_by", "id", "occurred_at", "account.id", "account.name", "division.id", "division.name",
	"actor.id", "actor.name", "actor.type", "action", "resource.type", "resource.id", "resource.name", "outcome",
	"description", "detail", "client.ip", "client.country", "source", "attributes", "raw",
}

// tableColumns are what a table shows unless it is told otherwise.
var tableColumns = []string{"seq", "occurred_at", "action", "outcome", "actor.name", "resource.type", "resource.name", "description"}

// columnsOf returns the columns with these names. Besides those of an export, each attribute has one.
func columnsOf(names []string) ([]entryColumn, error) {
	columns := make([]entryColumn, len(names))
	for i, name := range names {
		value := valueOf(strings.TrimSpace(name))
		if value == nil {
			return nil, misused("--columns: there is no column %q; there are %s and attributes.NAME", name, strings.Join(exportColumns, ", "))
		}
		columns[i] = entryColumn{strings.TrimSpace(name), value}
	}
	return columns, nil
}

func valueOf(name string) func(*event.Entry) event.Text {
	field := query.Field(name)
	switch {
	case name == "attributes":
		return func(e *event.Entry) event.Text { return allAttributes(&e.Event) }
	case name == "raw":
		return func(e *event.Entry) event.Text { return e.Raw }
	case field == query.AccountSeq || name == string(query.AttributeField("")):
		return nil // not in what the server shows; no attribute
	case field.Kind() == query.TextKind:
		return query.TextOf(field)
	case field.Kind() == query.NumberKind:
		number := query.NumberOf(field)
		return func(e *event.Entry) event.Text { return event.TextOf(strconv.FormatInt(number(e), 10)) }
	case field.Kind() == query.TimeKind:
		number := query.NumberOf(field)
		return func(e *event.Entry) event.Text { return event.TextOf(event.Micros(number(e)).String()) }
	}
	return nil
}

// allAttributes returns the attributes as one JSON object, cut out of the event's JSON.
func allAttributes(e *event.Event) event.Text {
	if len(e.Attributes) == 0 {
		return event.Text{}
	}
	b := event.AppendJSON(nil, &event.Event{Attributes: e.Attributes})
	const name = `"attributes":`
	i := strings.Index(string(b), name)
	return event.TextOf(string(b[i+len(name) : len(b)-1]))
}

// values returns what the columns show of an entry.
func values(columns []entryColumn, e *client.Entry) []event.Text {
	full := event.Entry{Event: e.Event, Seq: e.Seq, ReceivedAt: e.ReceivedAt, RecordedBy: e.RecordedBy}
	all := make([]event.Text, len(columns))
	for i, c := range columns {
		all[i] = c.value(&full)
	}
	return all
}
