package event

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// The stored body: every field of an entry but its Seq, which is where the body lies. The layout, and what
// a reader must refuse, is docs/format/body.md.

const bodyVersion = 1

// Bits 0 to 12 of the presence word are the texts of bodyTexts in their order, 13 to 15 the actor's type and
// 16 to 18 the outcome as in enums.go.
const (
	actorTypeShift = 13
	outcomeShift   = 16
	bodyBits       = 19
	enumMask       = 7
)

// maxBodyAttributes is what entry v1 can number (docs/format/entry.md); events have at most MaxAttributes.
const maxBodyAttributes = 128

// AppendBody appends the stored body of e, which must be valid. An actor type or outcome that is none is a
// mistake of the caller and panics: written down, it could never be read again.
func AppendBody(dst []byte, e *Entry) []byte {
	if e.Kind != KindEvent {
		return appendFactBody(dst, e)
	}
	dst = append(dst, bodyVersion)
	bits := e.bodyWord()
	dst = append(dst, byte(bits), byte(bits>>8), byte(bits>>16))
	dst = binary.AppendVarint(dst, int64(e.ReceivedAt))
	dst = binary.AppendVarint(dst, int64(e.OccurredAt-e.ReceivedAt))
	dst = binary.AppendUvarint(dst, e.AccountSeq)
	dst = binary.AppendUvarint(dst, e.AccountPrev+1) // NoPrev is 0
	for _, s := range [...]string{e.ID, e.Account.ID, e.Action, e.Resource.Type, e.Source} {
		dst = appendCounted(dst, s)
	}
	for _, t := range e.bodyTexts() {
		if t.Present {
			dst = appendCounted(dst, t.Value)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Attributes)))
	for i := range e.Attributes {
		dst = appendCounted(dst, e.Attributes[i].Name)
		dst = appendCounted(dst, e.Attributes[i].Value)
	}
	return dst
}

// bodyTexts returns the texts that may be absent in the order of their presence bits.
func (e *Entry) bodyTexts() [13]*Text {
	return [...]*Text{
		&e.Account.Name, &e.Division.ID, &e.Division.Name, &e.Actor.ID, &e.Actor.Name, &e.Resource.ID, &e.Resource.Name,
		&e.Description, &e.Detail, &e.Client.IP, &e.Client.Country, &e.RecordedBy, &e.Raw,
	}
}

func (e *Entry) bodyWord() uint32 {
	actor, outcome := actorTypeCode(e.Actor.Type), outcomeCode(e.Outcome)
	if actor < 0 || outcome < 0 {
		panic(fmt.Sprintf("event: body of an entry with actor type %q and outcome %q", e.Actor.Type, e.Outcome))
	}
	bits := uint32(actor)<<actorTypeShift | uint32(outcome)<<outcomeShift
	for i, t := range e.bodyTexts() {
		if t.Present {
			bits |= 1 << i
		}
	}
	return bits
}

func appendCounted(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// DecodeBody reads what AppendBody wrote. Seq is 0. Each entry has one valid body, and everything else is
// refused, so that a stored byte cannot change without a change of what it says. The texts of the entry
// share one allocation with each other and none with b.
func DecodeBody(b []byte) (Entry, error) {
	if len(b) > 0 && b[0] == factVersion {
		e, err := decodeFactBody(b)
		if err != nil {
			return Entry{}, fmt.Errorf("body of a system fact: %w", err)
		}
		return e, nil
	}
	r := bodyReader{b: b}
	var e Entry
	r.head(&e)
	if r.err == nil {
		// Texts are cut from one copy of the rest; b and r.s advance together.
		r.s = string(r.b)
		r.fields(&e)
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("bytes after the end")
	}
	if r.err != nil {
		return Entry{}, fmt.Errorf("event body: byte %d: %w", len(b)-len(r.b), r.err)
	}
	return e, nil
}

// bodyReader reads a body from its front. After the first error it reads zeroes.
type bodyReader struct {
	b    []byte
	s    string // the same bytes as b, once the texts begin
	bits uint32
	err  error
}

func (r *bodyReader) fail(what string) {
	if r.err == nil {
		r.err = errors.New(what)
	}
}

func (r *bodyReader) head(e *Entry) {
	const fixed = 4
	switch {
	case len(r.b) == 0:
		r.fail("no bytes")
		return
	case r.b[0] != bodyVersion:
		r.fail(fmt.Sprintf("version %d is not known", r.b[0]))
		return
	case len(r.b) < fixed:
		r.fail("too short")
		return
	}
	r.bits = uint32(r.b[1]) | uint32(r.b[2])<<8 | uint32(r.b[3])<<16
	actor, outcome := r.bits>>actorTypeShift&enumMask, r.bits>>outcomeShift&enumMask
	switch {
	case r.bits>>bodyBits != 0:
		r.fail("unknown presence bits")
		return
	case actor >= uint32(len(actorTypes)):
		r.fail("unknown actor type")
		return
	case outcome >= uint32(len(outcomes)):
		r.fail("unknown outcome")
		return
	}
	e.Actor.Type, e.Outcome = actorTypes[actor], outcomes[outcome]
	r.b = r.b[fixed:]

	e.ReceivedAt = r.time(0)
	e.OccurredAt = r.time(e.ReceivedAt)
	e.AccountSeq = r.uvarint()
	e.AccountPrev = r.uvarint() - 1
}

func (r *bodyReader) fields(e *Entry) {
	for _, s := range [...]*string{&e.ID, &e.Account.ID, &e.Action, &e.Resource.Type, &e.Source} {
		*s = r.text()
	}
	for i, t := range e.bodyTexts() {
		if r.bits>>i&1 == 1 {
			*t = Text{Value: r.text(), Present: true}
		}
	}
	n := r.uvarint()
	// An attribute takes two bytes or more: a count cannot make us allocate more than the body's own size.
	if n > maxBodyAttributes || n > uint64(len(r.b)/2) {
		r.fail("more attributes than there can be")
	}
	if n == 0 || r.err != nil {
		return
	}
	e.Attributes = make([]Attribute, n)
	for i := range e.Attributes {
		e.Attributes[i] = Attribute{Name: r.text(), Value: r.text()}
		if i > 0 && e.Attributes[i-1].Name >= e.Attributes[i].Name {
			r.fail("attributes out of order")
		}
	}
}

func (r *bodyReader) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.b)
	switch {
	case n <= 0:
		r.fail("a number that is cut or too large")
		return 0
	case n > 1 && r.b[n-1] == 0:
		r.fail("a number in more bytes than it needs")
		return 0
	}
	r.skip(n)
	return v
}

// time reads a moment as its distance from base.
func (r *bodyReader) time(base Micros) Micros {
	u := r.uvarint()
	// Zigzag, as binary.AppendVarint writes it.
	m := base + Micros(int64(u>>1)^-int64(u&1))
	// The sum may wrap, yet modulo 2^64 each moment is at one distance only.
	if m < MinMicros || m > MaxMicros {
		r.fail("a time outside the years 0000 to 9999")
	}
	return m
}

func (r *bodyReader) text() string {
	n := r.uvarint()
	if r.err != nil {
		return ""
	}
	if n > uint64(len(r.b)) {
		r.fail("a text that goes beyond the end")
		return ""
	}
	s := r.s[:n]
	if !utf8.ValidString(s) {
		r.fail("a text that is not UTF-8")
		return ""
	}
	r.skip(int(n))
	return s
}

func (r *bodyReader) skip(n int) {
	r.b = r.b[n:]
	if r.s != "" {
		r.s = r.s[n:]
	}
}
