package identity

import (
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Optional is a member of an update: the zero value leaves what is there as it is. In JSON, as in a merge
// patch (RFC 7396), a member that is absent is not changed, and null empties it where that means anything.
type Optional[T any] struct {
	Given bool
	Value T
}

// To is a member that changes to v.
func To[T any](v T) Optional[T] { return Optional[T]{true, v} }

// or returns the value when there is one, else what is there.
func (o Optional[T]) or(there T) T {
	if o.Given {
		return o.Value
	}
	return there
}

var errNullFlag = errors.New("must be true or false")

// UnmarshalJSONFrom reads a member that is there. It reads with the decoder it is given, so that unknown
// members below are refused as they are everywhere.
func (o *Optional[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	o.Given = true
	if d.PeekKind() != 'n' {
		return json.UnmarshalDecode(d, &o.Value)
	}
	// Nothing that is off or on has an empty form, and false would be a guess.
	if _, flag := any(o.Value).(bool); flag {
		return errNullFlag
	}
	var zero T
	o.Value = zero
	return d.SkipValue()
}
