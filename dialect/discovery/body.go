package discovery

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign/dialect/refusal"
	"countersign/problem"
)

// maxBodyBytes bounds a request. The vendor's sample has under 400 bytes.
const maxBodyBytes = 1 << 20

// wholeBody is the field that errors name when the body as such is wrong.
const wholeBody = "body"

// readBody reads the body without looking at its media type: scripts that send JSON under curl's default
// type work with the vendor.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := problem.New(problem.TooLarge, "the body is larger than %d bytes", maxBodyBytes)
	if r.ContentLength > maxBodyBytes {
		return nil, tooLarge
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge
	}
	if err != nil {
		p := problem.Bad(wholeBody, "", "ended before it was complete")
		p.Cause = err
		return nil, p
	}
	return b, nil
}

// parser reads JSON member by member, so that bounds hold while it is read and an error names the member
// where it was met. Members that are there twice and text that is not UTF-8 are refused everywhere, also in
// what is ignored: such a body was damaged, and what is missing could be a filter.
type parser struct {
	d *jsontext.Decoder
	// at names the place of a value that was cut out of a body.
	at string
}

func newParser(b []byte, at string) parser {
	return parser{jsontext.NewDecoder(bytes.NewReader(b)), at}
}

// field names the value that was read last, or begun.
func (p parser) field() string { return fieldName(p.at, p.d.StackPointer()) }

// next returns the kind of the next value.
func (p parser) next() jsontext.Kind { return p.d.PeekKind() }

func (p parser) token() (jsontext.Token, error) {
	t, err := p.d.ReadToken()
	return t, p.syntax(err)
}

// raw reads a whole value as it was written.
func (p parser) raw() (jsontext.Value, error) {
	v, err := p.d.ReadValue()
	return v.Clone(), p.syntax(err)
}

func (p parser) skip() error { return p.syntax(p.d.SkipValue()) }

// object calls member for each member of an object; it must read or skip the value.
func (p parser) object(member func(name string) error) error {
	if p.next() != '{' {
		return p.refuse("must be a JSON object")
	}
	if _, err := p.token(); err != nil {
		return err
	}
	for p.next() != '}' {
		name, err := p.token()
		if err != nil {
			return err
		}
		if err := member(name.String()); err != nil {
			return err
		}
	}
	_, err := p.token()
	return err
}

// array calls element for each element of an array of at most limit.
func (p parser) array(limit int, element func() error) error {
	if p.next() != '[' {
		return p.refuse("must be an array")
	}
	_, err := p.token()
	if err != nil {
		return err
	}
	name := p.field()
	for n := 1; p.next() != ']'; n++ {
		if n > limit {
			return problem.Bad(name, "", "has more than %d members", limit)
		}
		if err := element(); err != nil {
			return err
		}
	}
	_, err = p.token()
	return err
}

// end checks that nothing follows.
func (p parser) end() error {
	switch _, err := p.d.ReadToken(); err {
	case io.EOF:
		return nil
	case nil:
		return problem.Bad(wholeBody, "", "has something after the JSON object")
	default:
		return p.syntax(err)
	}
}

func (p parser) text() (string, error) {
	if p.next() != '"' {
		return "", p.refuse("must be a text")
	}
	t, err := p.token()
	if err != nil {
		return "", err
	}
	return t.String(), nil
}

func (p parser) oneOf(values ...string) (string, error) {
	s, err := p.text()
	if err != nil {
		return "", err
	}
	for _, v := range values {
		if s == v {
			return s, nil
		}
	}
	return "", bad(p.field(), s, "must be "+strings.Join(values, " or "))
}

// integer reads a number from lo to hi that is written without fraction and exponent.
func (p parser) integer(lo, hi int64, want string) (int64, error) {
	if p.next() != '0' {
		return 0, p.refuse(want)
	}
	t, err := p.token()
	if err != nil {
		return 0, err
	}
	s := t.String()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < lo || n > hi {
		return 0, bad(p.field(), s, want)
	}
	return n, nil
}

// scalar reads a text, or a number that is written without fraction and exponent.
func (p parser) scalar() (scalar, error) {
	const want = "must be a text or a whole number"
	kind := p.next()
	if kind != '"' && kind != '0' {
		return scalar{}, p.refuse(want)
	}
	t, err := p.token()
	if err != nil {
		return scalar{}, err
	}
	v := scalar{text: t.String(), number: kind == '0'}
	if v.number && strings.Trim(v.text, "-0123456789") != "" {
		return scalar{}, bad(p.field(), v.text, want)
	}
	return v, nil
}

// scalar is a text or a whole number, as it was written.
type scalar struct {
	text   string
	number bool
}

// refuse reads the next value and returns the error that it is not what is wanted, or the one that it is no
// JSON at all.
func (p parser) refuse(want string) error {
	v, err := p.raw()
	if err != nil {
		return err
	}
	return bad(p.field(), string(v), want)
}

// syntax says what is wrong with JSON that is broken.
func (p parser) syntax(err error) error {
	if err == nil {
		return nil
	}
	field, reason := wholeBody, "is empty"
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		field = fieldName(p.at, e.JSONPointer)
		switch {
		case e.Err == jsontext.ErrDuplicateName:
			reason = "appears more than once"
		case errors.Is(e, io.ErrUnexpectedEOF):
			reason = "is no valid JSON: it ends too early"
		default:
			reason = fmt.Sprintf("is no valid JSON in UTF-8 at byte %d of the body", e.ByteOffset)
		}
	}
	bad := problem.Bad(field, "", "%s", reason)
	bad.Cause = err
	return bad
}

// fieldName writes a JSON pointer below a field as errors name fields: searchCriteriaList[0].value[2].
func fieldName(at string, pointer jsontext.Pointer) string {
	var name strings.Builder
	name.WriteString(at)
	for token := range pointer.Tokens() {
		switch {
		case token != "" && strings.Trim(token, "0123456789") == "":
			name.WriteString("[" + token + "]")
		case name.Len() > 0:
			name.WriteString("." + token)
		default:
			name.WriteString(token)
		}
	}
	if name.Len() == 0 {
		return wholeBody
	}
	return refusal.Shown(name.String())
}

// bad returns the refusal of a value.
func bad(field, value, reason string) error { return refusal.Bad(field, value, reason) }
