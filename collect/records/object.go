package records

import (
	"bytes"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign/event"
)

// Options is what is known about a record besides what it says itself.
type Options struct {
	// Source is the source of the event; empty means the usual one of the format.
	Source string
	// Account is the id of the account of a record that names none.
	Account string
	// List is the member of the page that held the record (Record.List), where the format has several.
	List string
}

// Reader turns one record into the event that it tells of. The event holds no part of raw. Members that
// the reader does not know are no error: the event keeps the whole record. It is neither normalized nor
// validated.
type Reader func(raw []byte, o Options) (event.Event, error)

// Object is a parsed record or an object inside one. Its methods read members by name; a member that is
// missing and one that is null read as absent, on a nil Object too. The first member of another type than
// asked for, or required and absent, is kept for Err.
type Object struct {
	path    string
	members []member
	err     *error
}

type member struct {
	name  string
	value jsontext.Value
}

// Parse reads one JSON object. Doubled names and invalid UTF-8 are refused anywhere in it. The Object
// refers to raw and is valid as long as raw is.
func Parse(raw []byte) (*Object, error) {
	// The options of the decoder are the strict ones of RFC 7493 (I-JSON).
	d := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if d.PeekKind() != '{' {
		if _, err := d.ReadValue(); err != nil {
			return nil, malformed(err)
		}
		return nil, &event.InvalidError{Index: -1, Reason: "must be an object"}
	}
	o := &Object{err: new(error)}
	if err := o.fill(d); err != nil {
		return nil, malformed(err)
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, &event.InvalidError{Index: -1, Reason: "must be one object and nothing after it"}
	}
	return o, nil
}

func (o *Object) fill(d *jsontext.Decoder) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		value, err := d.ReadValue()
		if err != nil {
			return err
		}
		o.members = append(o.members, member{name, value})
	}
	_, err := d.ReadToken()
	return err
}

func malformed(err error) error {
	reason := "is not valid JSON: " + strings.TrimPrefix(err.Error(), "jsontext: ")
	if err == io.EOF {
		reason = "is empty"
	}
	return &event.InvalidError{Index: -1, Reason: reason}
}

// Err returns the first thing that was wrong with a member read so far, as an *event.InvalidError that
// names the member.
func (o *Object) Err() error {
	if o == nil {
		return nil
	}
	return *o.err
}

// Refuse makes reason what is wrong with a member, unless something was wrong before.
func (o *Object) Refuse(name, reason string) {
	if *o.err == nil {
		value, _ := o.find(name)
		*o.err = &event.InvalidError{Index: -1, Field: o.path + name, Value: clip(value), Reason: reason}
	}
}

// clip keeps the value in an error to what a line can show.
func clip(value jsontext.Value) string {
	text := string(value)
	if value.Kind() == '"' {
		if plain, err := jsontext.AppendUnquote(nil, value); err == nil {
			text = string(plain)
		}
	}
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "")
	}
	return text
}

// find returns a member that is there and not null.
func (o *Object) find(name string) (jsontext.Value, bool) {
	if o == nil {
		return nil, false
	}
	for i := range o.members {
		if m := &o.members[i]; m.name == name {
			return m.value, m.value.Kind() != 'n'
		}
	}
	return nil, false
}

// Has says whether there is a member of this name, null or not.
func (o *Object) Has(name string) bool {
	value, _ := o.find(name)
	return value != nil
}

// Text returns a text.
func (o *Object) Text(name string) event.Text {
	value, ok := o.find(name)
	if !ok {
		return event.Text{}
	}
	if value.Kind() != '"' {
		o.Refuse(name, "must be a text")
		return event.Text{}
	}
	return event.TextOf(unquote(value))
}

// unquote returns what a valid JSON string says.
func unquote(value jsontext.Value) string {
	b, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		panic("records: a string of a parsed object does not read: " + err.Error())
	}
	return string(b)
}

// Required returns a text that must be there and not be empty.
func (o *Object) Required(name string) string { return o.require(name, o.Text(name)) }

func (o *Object) require(name string, t event.Text) string {
	switch {
	case !t.Present:
		o.Refuse(name, "is missing")
	case t.Value == "":
		o.Refuse(name, "is empty")
	}
	return t.Value
}

// ID returns an identifier as text: a text as it is, a whole number by its digits.
func (o *Object) ID(name string) event.Text {
	value, ok := o.find(name)
	if !ok {
		return event.Text{}
	}
	switch value.Kind() {
	case '"':
		return event.TextOf(unquote(value))
	case '0':
		if _, err := strconv.ParseInt(string(value), 10, 64); err == nil {
			return event.TextOf(string(value))
		}
	}
	o.Refuse(name, "must be a text or a whole number")
	return event.Text{}
}

// RequiredID returns an identifier that must be there and not be empty.
func (o *Object) RequiredID(name string) string { return o.require(name, o.ID(name)) }

// Whole returns a whole number, also when it is written as a text of digits.
func (o *Object) Whole(name string) (n int64, ok bool) {
	id := o.ID(name)
	if !id.Present {
		return 0, false
	}
	n, err := strconv.ParseInt(id.Value, 10, 64)
	if err != nil {
		o.Refuse(name, "must be a whole number")
		return 0, false
	}
	return n, true
}

// Plain returns any value as text: a text as it is, everything else as the JSON that was received.
func (o *Object) Plain(name string) event.Text {
	value, ok := o.find(name)
	switch {
	case !ok:
		return event.Text{}
	case value.Kind() == '"':
		return event.TextOf(unquote(value))
	}
	return event.TextOf(string(value))
}

// True says whether a member is true.
func (o *Object) True(name string) bool {
	value, _ := o.find(name)
	return value.Kind() == 't'
}

// Object returns an object, nil when it is absent.
func (o *Object) Object(name string) *Object {
	value, ok := o.find(name)
	if !ok {
		return nil
	}
	if value.Kind() != '{' {
		o.Refuse(name, "must be an object")
		return nil
	}
	return o.child(o.path+name+".", value)
}

// Objects returns an array of objects.
func (o *Object) Objects(name string) []*Object {
	value, ok := o.find(name)
	if !ok {
		return nil
	}
	if value.Kind() != '[' {
		o.Refuse(name, "must be an array of objects")
		return nil
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(value))
	d.ReadToken()
	var all []*Object
	for d.PeekKind() != ']' {
		item, err := d.ReadValue()
		if err != nil {
			panic("records: an array of a parsed object does not read: " + err.Error())
		}
		if item.Kind() != '{' {
			o.Refuse(name, "must be an array of objects")
			return nil
		}
		all = append(all, o.child(o.path+name+"["+strconv.Itoa(len(all))+"].", item))
	}
	return all
}

func (o *Object) child(path string, value jsontext.Value) *Object {
	c := &Object{path: path, err: o.err}
	if err := c.fill(jsontext.NewDecoder(bytes.NewBuffer(value))); err != nil {
		panic("records: an object of a parsed object does not read: " + err.Error())
	}
	return c
}

// Code returns a code in the letters of events: upper case, with "_" for blanks and hyphens. It must be
// there and not be empty.
func (o *Object) Code(name string) string { return Code(o.Required(name)) }

// Code returns s in the letters of the codes of events. Letters outside ASCII stay and are refused later,
// when the event is checked.
func Code(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r == ' ' || r == '-':
			return '_'
		}
		return r
	}, s)
}

// Moment returns an RFC 3339 date-time that must be there.
func (o *Object) Moment(name string) event.Micros {
	s := o.Required(name)
	if s == "" {
		return 0
	}
	m, err := ParseMoment(s)
	if err != nil {
		o.Refuse(name, err.Error())
	}
	return m
}

// ParseMoment reads an RFC 3339 date-time. Vendors write fractions finer than a microsecond; events hold
// none, so they are cut. The record keeps what was written.
func ParseMoment(s string) (event.Micros, error) {
	const seconds = len("0000-00-00T00:00:00")
	if len(s) > seconds && s[seconds] == '.' {
		end := seconds + 1
		for end < len(s) && s[end] >= '0' && s[end] <= '9' {
			end++
		}
		if keep := seconds + 1 + 6; end > keep {
			s = s[:keep] + s[end:]
		}
	}
	return event.ParseTime(s)
}
