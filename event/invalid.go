package event

import (
	"fmt"
	"strings"
)

// InvalidError says why an event was refused. Nothing of a refused event is kept.
type InvalidError struct {
	// Index counts the events of a request from 0; -1 means that no one event is at fault or that the
	// caller knows which (Decode and Validate see one event and not its place).
	Index int
	// Field is the path of the wrong member as the sender spells it: "actor.id", "attributes.ticket".
	// It is empty when the whole event is wrong.
	Field string
	// Value is what was refused, cut to 200 bytes and always valid UTF-8.
	Value string
	// Reason is a clause that goes on from the field's name: "must be a string".
	Reason string
	// TooLarge tells a passed size or count limit (HTTP 413) from a wrong value (HTTP 400).
	TooLarge bool
}

func (e *InvalidError) Error() string {
	var b strings.Builder
	if e.Index >= 0 {
		fmt.Fprintf(&b, "event %d: ", e.Index)
	}
	if e.Field != "" {
		b.WriteString(e.Field)
		b.WriteByte(' ')
	}
	b.WriteString(e.Reason)
	if e.Value != "" {
		fmt.Fprintf(&b, " [%s]", e.Value)
	}
	return b.String()
}

// maxShown bounds how much of a refused value goes into errors.
const maxShown = 200

// shown cuts a refused value for an error. A character cut in half, or bytes that never were UTF-8, would
// make the answer that shows it invalid.
func shown[T ~string | ~[]byte](v T) string {
	return strings.ToValidUTF8(string(v[:min(len(v), maxShown)]), "")
}

func invalid(field, value, reason string) *InvalidError {
	return &InvalidError{Index: -1, Field: shown(field), Value: shown(value), Reason: reason}
}
