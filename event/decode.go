package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// serverFields are the top-level members that the server adds when an entry is read. A sender may not set
// them; a reader of our own exports drops them (Decoder.AllowServerFields). Every member that
// AppendEntryJSON or the native API adds to an event must stand here.
var serverFields = []string{
	"account_prev", "account_seq", "checkpoint", "kind", "leaf", "proof", "received_at", "recorded_by", "seed", "seq", "statement",
}

// Decode reads one event from JSON, strictly: RFC 8259 without duplicate names, valid UTF-8 only, no
// unknown members, no wrong types, nothing but white space after the object. null stands for an absent
// optional member. Errors are *InvalidError. It neither fills defaults nor checks what Validate checks.
func Decode(b []byte) (Event, error) {
	if len(b) > MaxEventBytes {
		return Event{}, tooLarge()
	}
	p := parsers.Get().(*parser)
	defer parsers.Put(p)
	n, err := p.parse(b, false)
	if err != nil {
		return Event{}, invalidJSON(err, 0)
	}
	if rest := bytes.TrimLeft(b[n:], jsonSpace); len(rest) > 0 {
		return Event{}, trailing(rest, int64(len(b)-len(rest)))
	}
	return p.take(), nil
}

// jsonSpace is the white space of RFC 8259, section 2.
const jsonSpace = " \t\r\n"

func tooLarge() *InvalidError {
	return &InvalidError{Index: -1, Reason: fmt.Sprintf("must not be larger than %d bytes of JSON", MaxEventBytes), TooLarge: true}
}

func trailing(rest []byte, offset int64) *InvalidError {
	return &InvalidError{Index: -1, Value: shown(rest), Reason: fmt.Sprintf("unexpected data after the JSON value, at byte %d", offset)}
}

var parsers = sync.Pool{New: func() any { return newParser() }}

// A parser reads one event from one JSON value. Texts are collected unquoted in one buffer, and at the end
// cut from one string: an event costs one allocation for all its texts and pins nothing else of the input.
type parser struct {
	dec   *jsontext.Decoder
	src   bytes.Buffer
	event Event
	name  []byte // the member name that is being looked at, when it had escapes
	text  []byte
	cuts  []cut
	pairs []pair

	allowServer bool
}

// cut says which bytes of text go where.
type cut struct {
	to     *string
	lo, hi int
}

// pair is an attribute: name text[lo:mid], value text[mid:hi].
type pair struct{ lo, mid, hi int }

// maxKept is how large a text buffer a parser keeps for the next event.
const maxKept = 64 << 10

func newParser() *parser {
	p := &parser{}
	p.dec = jsontext.NewDecoder(&p.src)
	return p
}

// parse reads the event at the start of b and returns how many bytes it took. An error is an
// *InvalidError or one of jsontext's; io.ErrUnexpectedEOF is in it when b ends too early.
func (p *parser) parse(b []byte, allowServer bool) (int, error) {
	p.src = *bytes.NewBuffer(b)
	p.dec.Reset(&p.src)
	if cap(p.text) > maxKept {
		p.text = nil
	}
	p.event, p.text, p.cuts, p.pairs = Event{}, p.text[:0], p.cuts[:0], p.pairs[:0]
	p.allowServer = allowServer
	err := p.parseEvent()
	return int(p.dec.InputOffset()), err
}

// take returns the parsed event and forgets it.
func (p *parser) take() Event {
	s := string(p.text)
	for _, c := range p.cuts {
		*c.to = s[c.lo:c.hi]
	}
	if len(p.pairs) > 0 {
		p.event.Attributes = make([]Attribute, len(p.pairs))
		for i, a := range p.pairs {
			p.event.Attributes[i] = Attribute{Name: s[a.lo:a.mid], Value: s[a.mid:a.hi]}
		}
		sortAttributes(p.event.Attributes)
	}
	e := p.event
	p.event = Event{}
	return e
}

func sortAttributes(as []Attribute) {
	byName := func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(as, byName) {
		slices.SortStableFunc(as, byName)
	}
}

func (p *parser) parseEvent() error {
	present, err := p.open("")
	if err != nil {
		return err
	}
	if !present {
		return invalid("", "null", "must be a JSON object")
	}
	e, hasTime := &p.event, false
	for {
		name, err := p.member()
		if name == nil || err != nil {
			if err == nil && !hasTime {
				err = invalid("occurred_at", "", "is required")
			}
			return err
		}
		switch string(name) {
		case "id":
			err = p.filled(&e.ID, "id")
		case "occurred_at":
			hasTime, err = p.time(&e.OccurredAt, "occurred_at")
		case "account":
			err = p.object("account", (*parser).account)
		case "division":
			err = p.object("division", (*parser).division)
		case "actor":
			err = p.object("actor", (*parser).actor)
		case "action":
			err = p.filled(&e.Action, "action")
		case "resource":
			err = p.object("resource", (*parser).resource)
		case "outcome":
			err = p.filled(&e.Outcome, "outcome")
		case "description":
			err = p.optional(&e.Description, "description")
		case "detail":
			err = p.optional(&e.Detail, "detail")
		case "client":
			err = p.object("client", (*parser).client)
		case "source":
			err = p.filled(&e.Source, "source")
		case "attributes":
			err = p.object("attributes", (*parser).attribute)
		case "raw":
			err = p.optional(&e.Raw, "raw")
		default:
			err = p.other(string(name))
		}
		if err != nil {
			return err
		}
	}
}

// other handles a top-level member that no event has.
func (p *parser) other(name string) error {
	switch {
	case !slices.Contains(serverFields, name):
		return unknown(name)
	case !p.allowServer:
		return invalid(name, "", "is set by the server")
	}
	return p.dec.SkipValue()
}

func unknown(path string) error { return invalid(path, "", "is not a field of an event") }

func (p *parser) account(name []byte) error {
	switch string(name) {
	case "id":
		return p.filled(&p.event.Account.ID, "account.id")
	case "name":
		return p.optional(&p.event.Account.Name, "account.name")
	}
	return unknown("account." + string(name))
}

func (p *parser) division(name []byte) error {
	switch string(name) {
	case "id":
		return p.optional(&p.event.Division.ID, "division.id")
	case "name":
		return p.optional(&p.event.Division.Name, "division.name")
	}
	return unknown("division." + string(name))
}

func (p *parser) actor(name []byte) error {
	switch string(name) {
	case "id":
		return p.optional(&p.event.Actor.ID, "actor.id")
	case "name":
		return p.optional(&p.event.Actor.Name, "actor.name")
	case "type":
		return p.filled(&p.event.Actor.Type, "actor.type")
	}
	return unknown("actor." + string(name))
}

func (p *parser) resource(name []byte) error {
	switch string(name) {
	case "type":
		return p.filled(&p.event.Resource.Type, "resource.type")
	case "id":
		return p.optional(&p.event.Resource.ID, "resource.id")
	case "name":
		return p.optional(&p.event.Resource.Name, "resource.name")
	}
	return unknown("resource." + string(name))
}

func (p *parser) client(name []byte) error {
	switch string(name) {
	case "ip":
		return p.optional(&p.event.Client.IP, "client.ip")
	case "country":
		return p.optional(&p.event.Client.Country, "client.country")
	}
	return unknown("client." + string(name))
}

func (p *parser) attribute(name []byte) error {
	lo := len(p.text)
	p.text = append(p.text, name...)
	mid := len(p.text)
	switch p.dec.PeekKind() {
	case jsontext.KindString:
		hi, err := p.unquote()
		p.pairs = append(p.pairs, pair{lo, mid, hi})
		return err
	default:
		return p.wrongType("attributes."+string(p.text[lo:mid]), "must be a string")
	}
}

// open reads the start of an object and returns false for null.
func (p *parser) open(field string) (bool, error) {
	switch p.dec.PeekKind() {
	case jsontext.KindBeginObject:
		_, err := p.dec.ReadToken()
		return true, err
	case jsontext.KindNull:
		_, err := p.dec.ReadToken()
		return false, err
	}
	return false, p.wrongType(field, "must be a JSON object")
}

// member reads the next member name of the open object, nil at its end. The bytes are good until the
// next read.
func (p *parser) member() ([]byte, error) {
	if p.dec.PeekKind() != jsontext.KindString {
		// Either the end of the object or a syntax error, which the read finds.
		_, err := p.dec.ReadToken()
		return nil, err
	}
	v, err := p.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1], nil
	}
	p.name, err = jsontext.AppendUnquote(p.name[:0], v)
	return p.name, err
}

// object reads an object or null, handing each member to f.
func (p *parser) object(field string, f func(p *parser, name []byte) error) error {
	present, err := p.open(field)
	if !present || err != nil {
		return err
	}
	for {
		name, err := p.member()
		if name == nil || err != nil {
			return err
		}
		if err := f(p, name); err != nil {
			return err
		}
	}
}

// unquote reads a string, appends it to text and returns where it ends there.
func (p *parser) unquote() (int, error) {
	v, err := p.dec.ReadValue()
	if err != nil {
		return 0, err
	}
	if bytes.IndexByte(v, '\\') < 0 {
		p.text = append(p.text, v[1:len(v)-1]...)
	} else {
		p.text, err = jsontext.AppendUnquote(p.text, v)
	}
	return len(p.text), err
}

// str reads a string or null and returns where it begins in text; it ends at the end of text.
func (p *parser) str(field string) (lo int, present bool, err error) {
	switch p.dec.PeekKind() {
	case jsontext.KindString:
		lo = len(p.text)
		_, err = p.unquote()
		return lo, true, err
	case jsontext.KindNull:
		_, err = p.dec.ReadToken()
		return 0, false, err
	}
	return 0, false, p.wrongType(field, "must be a string")
}

// optional reads a text that may be absent.
func (p *parser) optional(to *Text, field string) error {
	lo, present, err := p.str(field)
	if present {
		to.Present = true
		p.cuts = append(p.cuts, cut{&to.Value, lo, len(p.text)})
	}
	return err
}

// filled reads a text that an event cannot hold empty. "" is refused here because afterwards it could not
// be told from an absent one, which gets a default.
func (p *parser) filled(to *string, field string) error {
	lo, present, err := p.str(field)
	switch {
	case err != nil || !present:
		return err
	case lo == len(p.text):
		return invalid(field, "", "must not be empty")
	}
	p.cuts = append(p.cuts, cut{to, lo, len(p.text)})
	return nil
}

func (p *parser) time(to *Micros, field string) (present bool, err error) {
	lo, present, err := p.str(field)
	if err != nil || !present {
		return false, err
	}
	s := string(p.text[lo:])
	p.text = p.text[:lo]
	if *to, err = ParseTime(s); err != nil {
		return false, invalid(field, s, err.Error())
	}
	return true, nil
}

// wrongType reads the value that stands where another type belongs. When it is no JSON, that is the error.
func (p *parser) wrongType(field, reason string) error {
	v, err := p.dec.ReadValue()
	if err != nil {
		return err
	}
	return invalid(field, string(v[:min(len(v), maxShown)]), reason)
}

// invalidJSON turns an error of parse into an *InvalidError; the value that was parsed began at byte base.
func invalidJSON(err error, base int64) *InvalidError {
	if e, ok := errors.AsType[*InvalidError](err); ok {
		return e
	}
	out := &InvalidError{Index: -1}
	offset, cause := base, err
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		offset, cause = base+e.ByteOffset, e.Err
		out.Field = shown(dotted(e.JSONPointer))
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		out.Reason = fmt.Sprintf("appears more than once, at byte %d", offset)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		out.Reason = fmt.Sprintf("is not valid JSON: it ends too early, at byte %d", offset)
	default:
		out.Reason = fmt.Sprintf("is not valid JSON at byte %d: %s", offset, strings.TrimPrefix(shown(cause.Error()), "jsontext: "))
	}
	return out
}

// dotted spells a JSON pointer (RFC 6901) as our field paths are.
func dotted(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(token)
	}
	return b.String()
}
