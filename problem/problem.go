// Package problem holds the few kinds of failure that cross layers. A layer that knows why a request
// cannot be served returns an *Error; each dialect turns its Kind into the vendor's answer in one place.
// Detail is always safe to show to the caller; what is not goes into Cause and only into the log.
package problem

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says what sort of failure it is. The zero Kind is Internal.
type Kind int

// The kinds. Anything that is no *Error counts as Internal.
const (
	Internal Kind = iota
	Unauthenticated
	Denied
	NotFound
	Invalid
	Conflict
	TooLarge
	Throttled
	Unavailable
)

var kindNames = [...]string{"internal", "unauthenticated", "denied", "not found", "invalid", "conflict", "too large", "throttled", "unavailable"}

func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind(%d)", int(k))
	}
	return kindNames[k]
}

// Error is a failure that a caller may be told of.
type Error struct {
	Kind Kind
	// Detail is one sentence for the caller, lower case, without a full stop.
	Detail string
	// Field names the parameter or the event field that is wrong ("actor.id", "limit"), when one is.
	Field string
	// Value is the refused value of Field, cut to 200 bytes by Bad.
	Value string
	// Event is the index of the refused event in its request plus one; 0 when no event is meant.
	Event int
	// Seq is the first place of the event that a Conflict collides with, nil when that is not recorded but
	// stands in the same request.
	Seq *uint64
	// RetryAfter says when to try again (Throttled, Unavailable); 0 when unknown.
	RetryAfter time.Duration
	// Cause is for the log only.
	Cause error
}

func (e *Error) Error() string {
	s := e.Detail
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	if e.Event > 0 {
		s = fmt.Sprintf("event %d: %s", e.Event-1, s)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Cause }

// New returns an error of kind k with a detail made by fmt.Sprintf.
func New(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Detail: fmt.Sprintf(format, args...)}
}

// Bad returns an Invalid error that names a field and its value.
func Bad(field, value, format string, args ...any) *Error {
	if len(value) > 200 {
		// A rune cut in half would make the answer invalid UTF-8.
		value = strings.ToValidUTF8(value[:200], "")
	}
	return &Error{Kind: Invalid, Field: field, Value: value, Detail: fmt.Sprintf(format, args...)}
}

// KindOf returns the kind of err, Internal when it has none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}
