package event

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Validate reports the first thing that keeps a normalized event from being recorded, as an *InvalidError
// that names the field. It checks everything, since a Go caller may have built the event by hand: UTF-8,
// lengths, the forms of codes, the known enums, the attributes that speak for a vendor, the whole size.
// Who may write which account and source is not asked here.
func (e *Event) Validate() error {
	if err := e.validateFields(); err != nil {
		return err
	}
	for i := range e.Attributes {
		if err := e.validateAttribute(i); err != nil {
			return err
		}
	}
	if e.jsonBytes() > MaxEventBytes {
		return tooLarge()
	}
	return nil
}

func (e *Event) validateFields() error {
	if e.OccurredAt < MinMicros || e.OccurredAt > MaxMicros {
		return invalid("occurred_at", "", "must lie in the years 0000 to 9999")
	}
	texts := [...]struct {
		field    string
		value    Text
		min, max int
	}{
		{"id", TextOf(e.ID), 1, MaxIDBytes},
		{"account.id", TextOf(e.Account.ID), 1, MaxScopeIDBytes},
		{"account.name", e.Account.Name, 0, MaxEventBytes},
		{"division.id", e.Division.ID, 1, MaxScopeIDBytes},
		{"division.name", e.Division.Name, 0, MaxEventBytes},
		{"actor.id", e.Actor.ID, 0, MaxEventBytes},
		{"actor.name", e.Actor.Name, 0, MaxEventBytes},
		{"resource.id", e.Resource.ID, 0, MaxEventBytes},
		{"resource.name", e.Resource.Name, 0, MaxEventBytes},
		{"description", e.Description, 0, MaxEventBytes},
		{"detail", e.Detail, 0, MaxEventBytes},
		{"client.ip", e.Client.IP, 0, MaxEventBytes},
		{"client.country", e.Client.Country, 0, MaxEventBytes},
		{"raw", e.Raw, 0, MaxEventBytes},
	}
	for i := range texts {
		t := &texts[i]
		if err := validateText(t.field, t.value, t.min, t.max); err != nil {
			return err
		}
	}
	if len(e.Attributes) > MaxAttributes {
		return invalid("attributes", fmt.Sprint(len(e.Attributes)), fmt.Sprintf("must not be more than %d", MaxAttributes))
	}
	return e.validateCodes()
}

func (e *Event) validateCodes() error {
	const code, source = "must be 1 to 64 of A-Z, 0-9 and _", "must be 1 to 64 of a-z, 0-9, '.', '/', '_' and '-'"
	switch {
	case e.Action == "":
		return invalid("action", "", "is required")
	case !isCode(e.Action):
		return invalid("action", e.Action, code)
	case e.Resource.Type == "":
		return invalid("resource.type", "", "is required")
	case !isCode(e.Resource.Type):
		return invalid("resource.type", e.Resource.Type, code)
	case e.Source == "":
		return invalid("source", "", "is required")
	case !isSource(e.Source):
		return invalid("source", e.Source, source)
	case actorTypeCode(e.Actor.Type) <= 0:
		return invalid("actor.type", e.Actor.Type, "must be standard, service or system")
	case outcomeCode(e.Outcome) <= 0:
		return invalid("outcome", e.Outcome, "must be success, failure, warning or unknown")
	}
	return nil
}

func validateText(field string, t Text, minBytes, maxBytes int) error {
	switch {
	case !t.Present && t.Value != "":
		return invalid(field, t.Value, "has a value and is marked absent")
	case !t.Present:
	case len(t.Value) < minBytes:
		return invalid(field, "", "must not be empty")
	case len(t.Value) > maxBytes:
		err := invalid(field, t.Value, fmt.Sprintf("must not be longer than %d bytes", maxBytes))
		err.TooLarge = maxBytes == MaxEventBytes
		return err
	case !utf8.ValidString(t.Value):
		return invalid(field, t.Value, "must be valid UTF-8")
	}
	return nil
}

func (e *Event) validateAttribute(i int) error {
	a := &e.Attributes[i]
	field := "attributes." + a.Name
	switch {
	case a.Name == "":
		return invalid("attributes", "", "must not have an empty name")
	case len(a.Name) > MaxAttributeNameBytes:
		return invalid(field, "", fmt.Sprintf("must not have a name longer than %d bytes", MaxAttributeNameBytes))
	case !utf8.ValidString(a.Name):
		return invalid(field, "", "must have a name of valid UTF-8")
	case i > 0 && e.Attributes[i-1].Name == a.Name:
		return invalid(field, a.Value, "appears more than once")
	case i > 0 && e.Attributes[i-1].Name > a.Name:
		return invalid(field, "", "must stand in the byte order of names")
	}
	if err := validateText(field, TextOf(a.Value), 0, MaxEventBytes); err != nil {
		return err
	}
	return e.validateOverride(a)
}

// jsonBytes is the length of AppendJSON, exact when it is near the limit.
func (e *Event) jsonBytes() int {
	// No byte takes more than six in JSON, and names, punctuation and times take less than 1 KiB, each
	// attribute six more.
	n := len(e.ID) + len(e.Account.ID) + len(e.Account.Name.Value) + len(e.Division.ID.Value) + len(e.Division.Name.Value) +
		len(e.Actor.ID.Value) + len(e.Actor.Name.Value) + len(e.Resource.ID.Value) + len(e.Resource.Name.Value) +
		len(e.Description.Value) + len(e.Detail.Value) + len(e.Client.IP.Value) + len(e.Client.Country.Value) + len(e.Raw.Value)
	for i := range e.Attributes {
		n += len(e.Attributes[i].Name) + len(e.Attributes[i].Value) + 1
	}
	if most := 6*n + 1<<10; most <= MaxEventBytes {
		return most
	}
	return len(AppendJSON(nil, e))
}

func isCode(s string) bool {
	if s == "" || len(s) > MaxCodeBytes {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_') {
			return false
		}
	}
	return true
}

func isSource(s string) bool {
	if s == "" || len(s) > MaxCodeBytes {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("._/-", c) >= 0) {
			return false
		}
	}
	return true
}
