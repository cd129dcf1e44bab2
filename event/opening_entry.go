package event

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Entry returns the shown fields as an entry; whatever is hidden is absent or zero. Of a field 15 there is only the
// hash (RawHash). Kind and Statement stand in the entry's bytes and not in an opening. A value that no server
// records is refused and its field named.
func (o *Opening) Entry() (Entry, error) {
	if err := o.check(); err != nil {
		return Entry{}, err
	}
	var e Entry
	for i := range o.Items {
		item := &o.Items[i]
		if !item.Shown {
			continue
		}
		if err := o.setField(&e, item); err != nil {
			return Entry{}, fmt.Errorf("opening: field %d: %w", item.Field, err)
		}
	}
	return e, nil
}

// RawHash returns the SHA-256 of the vendor's record as received, and whether o shows it.
func (o *Opening) RawHash() (hash [32]byte, shown bool) {
	item := o.item(FieldRaw)
	if item == nil || !item.Shown || len(item.Value) != len(hash) {
		return hash, false
	}
	return [32]byte(item.Value), true
}

func (o *Opening) setField(e *Entry, item *OpeningItem) error {
	switch item.Field {
	case FieldScope:
		return e.setScope(item.Value, o.fact())
	case FieldFrame:
		return e.setFrame(item.Value, o.fact())
	case FieldRaw:
		if len(item.Value) != 32 {
			return fmt.Errorf("a hash of %d bytes", len(item.Value))
		}
		return nil
	}
	if !utf8.Valid(item.Value) && item.Field < FieldAttribute {
		return errors.New("a text that is not UTF-8")
	}
	t := TextOf(string(item.Value))
	switch item.Field {
	case FieldID:
		if t.Value == "" || len(t.Value) > MaxIDBytes {
			return fmt.Errorf("an id of %d bytes", len(t.Value))
		}
		e.ID = t.Value
	case FieldAccountName:
		e.Account.Name = t
	case FieldDivisionName:
		e.Division.Name = t
	case FieldActorID:
		e.Actor.ID = t
	case FieldActorName:
		e.Actor.Name = t
	case FieldActorType:
		if actorTypeCode(t.Value) <= 0 {
			return errors.New("an actor type that is not known")
		}
		e.Actor.Type = t.Value
	case FieldResourceID:
		e.Resource.ID = t
	case FieldResourceName:
		e.Resource.Name = t
	case FieldDescription:
		e.Description = t
	case FieldDetail:
		e.Detail = t
	case FieldClientIP:
		e.Client.IP = t
	case FieldCountry:
		e.Client.Country = t
	case FieldRecordedBy:
		e.RecordedBy = t
	default:
		return e.addAttribute(item.Value)
	}
	return nil
}

func (e *Entry) setScope(v []byte, fact bool) error {
	r := openingReader{b: v}
	e.Account.ID = r.sized()
	if r.err == nil && bytes.Equal(r.b, []byte{0xff, 0xff}) {
		r.b = nil
	} else {
		e.Division.ID = TextOf(r.sized())
	}
	d := e.Division.ID
	switch {
	case r.end() != nil:
		return r.err
	case fact && (e.Account.ID != "" || d.Present):
		return errors.New("a system fact that belongs to an account")
	case fact:
		return nil
	case e.Account.ID == "" || len(e.Account.ID) > MaxScopeIDBytes:
		return fmt.Errorf("an account id of %d bytes", len(e.Account.ID))
	case d.Present && (d.Value == "" || len(d.Value) > MaxScopeIDBytes):
		return fmt.Errorf("a division id of %d bytes", len(d.Value))
	}
	return nil
}

func (e *Entry) setFrame(v []byte, fact bool) error {
	r := openingReader{b: v}
	e.Seq = r.uint64()
	e.ReceivedAt = Micros(r.uint64())
	e.OccurredAt = Micros(r.uint64())
	e.AccountSeq = r.uint64()
	e.AccountPrev = r.uint64()
	for _, s := range [...]*string{&e.Action, &e.Resource.Type, &e.Outcome, &e.Source} {
		*s = r.sized()
	}
	if r.end() != nil {
		return r.err
	}
	for _, m := range [...]Micros{e.ReceivedAt, e.OccurredAt} {
		if m < MinMicros || m > MaxMicros {
			return errors.New("a time outside the years 0000 to 9999")
		}
	}
	if fact {
		if e.ReceivedAt != e.OccurredAt || e.AccountSeq != NoPrev || e.AccountPrev != NoPrev || e.Action+e.Resource.Type+e.Outcome+e.Source != "" {
			return errors.New("a system fact with the frame of an event")
		}
		return nil
	}
	switch {
	case !isCode(e.Action):
		return errors.New("an action that is not 1 to 64 of A-Z, 0-9 and _")
	case !isCode(e.Resource.Type):
		return errors.New("a resource type that is not 1 to 64 of A-Z, 0-9 and _")
	case outcomeCode(e.Outcome) <= 0:
		return errors.New("an outcome that is not known")
	case !isSource(e.Source):
		return errors.New("a source that is not 1 to 64 of a-z, 0-9, '.', '/', '_' and '-'")
	}
	return nil
}

func (e *Entry) addAttribute(v []byte) error {
	r := openingReader{b: v}
	name := r.sized()
	value := string(r.b)
	switch {
	case r.err != nil:
		return r.err
	case name == "" || len(name) > MaxAttributeNameBytes:
		return fmt.Errorf("an attribute name of %d bytes", len(name))
	case !utf8.ValidString(value):
		return errors.New("a text that is not UTF-8")
	case len(e.Attributes) > 0 && e.Attributes[len(e.Attributes)-1].Name >= name:
		return errors.New("attributes out of order")
	}
	e.Attributes = append(e.Attributes, Attribute{Name: name, Value: value})
	return nil
}

func (r *openingReader) uint64() uint64 { return binary.BigEndian.Uint64(r.bytes(8)) }

// sized reads what appendSized wrote.
func (r *openingReader) sized() string {
	s := r.bytes(int(binary.BigEndian.Uint16(r.bytes(2))))
	if r.err == nil && !utf8.Valid(s) {
		r.err = errors.New("a text that is not UTF-8")
	}
	if r.err != nil {
		return ""
	}
	return string(s)
}

// end returns the error of what was read, which bytes left over are too.
func (r *openingReader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.err = errors.New("bytes after the end")
	}
	return r.err
}

// DecodeEntryBytes is the inverse of EntryBytes; statement is part of b. A statement that is not canonical JSON is
// refused.
func DecodeEntryBytes(b []byte) (kind byte, root [32]byte, statement []byte, err error) {
	rest, ok := bytes.CutPrefix(b, []byte(entryTag))
	if !ok || len(rest) < 1+len(root) {
		return 0, root, nil, errors.New("entry: not an entry of version 1, or cut")
	}
	kind, root, statement = rest[0], [32]byte(rest[1:]), rest[1+len(root):]
	if kind == KindEvent {
		if len(statement) > 0 {
			return 0, root, nil, errors.New("entry: bytes after the end of an event")
		}
		return kind, root, nil, nil
	}
	if _, err := NewFact(kind, string(statement)); err != nil {
		return 0, root, nil, fmt.Errorf("entry: %w", err)
	}
	return kind, root, statement, nil
}
