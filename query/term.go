package query

import (
	"math"
	"strconv"
	"strings"
	"time"

	"countersign/event"
)

// term reads a group, a phrase, a word, or a field with its relation.
func (p *parser) term() (Filter, error) {
	switch {
	case p.next('('):
		return p.group()
	case p.next('"'):
		return p.phrase()
	}
	word := p.until(endsRun)
	end := p.pos + len(word)
	switch {
	case end < len(p.text) && strings.IndexByte(":<>", p.text[end]) >= 0, strings.HasPrefix(p.text[p.pos:], attributePrefix+`"`):
		return p.relation()
	case word == "", word == keywordAnd, word == keywordOr:
		reason := "expected a word, a phrase in quotes or a term such as action:LOGIN, found %s"
		if word != "" {
			reason += "; to search for the word, put it in quotes"
		}
		return nil, p.errorf(p.pos, reason, p.found(p.pos))
	}
	// action=LOGIN would otherwise be looked for in the descriptions, and an empty answer taken for true.
	if i := strings.IndexAny(word, "=~!^$"); i > 0 && Field(word[:i]).Kind() != NoKind {
		return nil, p.errorf(p.pos+i, "expected : < <= > or >= after the field %s; to search for the word, put it in quotes", word[:i])
	}
	start := p.pos
	p.pos = end
	return p.words(start, word)
}

// phrase reads a quoted text that is a term of its own.
func (p *parser) phrase() (Filter, error) {
	start := p.pos
	text, err := p.quoted()
	if err != nil {
		return nil, err
	}
	return p.words(start, text)
}

func (p *parser) words(start int, text string) (Filter, error) {
	if !p.boundary() {
		return nil, p.errorf(p.pos, "expected a blank before the next term, found %s", p.found(p.pos))
	}
	return Words{text}, p.count(start)
}

// count adds a value that starts at offset.
func (p *parser) count(offset int) error {
	if p.values++; p.values > MaxValues {
		return p.errorf(offset, "the text holds more than %d values and words", MaxValues)
	}
	return nil
}

func (p *parser) group() (Filter, error) {
	start := p.pos
	p.pos++
	if p.depth++; p.depth > MaxDepth {
		return nil, p.errorf(start, "parentheses nest more than %d deep", MaxDepth)
	}
	defer func() { p.depth-- }()
	if p.blanks(); p.take(')') {
		return And{}, nil
	}
	f, err := p.or()
	if err != nil {
		return nil, err
	}
	if !p.take(')') {
		return nil, p.errorf(p.pos, "expected ) for the ( at byte %d, found %s", start, p.found(p.pos))
	}
	return f, nil
}

// field reads the name of a field. The hint ends the message about an unknown one.
func (p *parser) field(hint string) (Field, Kind, error) {
	start := p.pos
	word := p.until(endsRun)
	p.pos += len(word)
	f := Field(word)
	switch name, ok := f.Attribute(); {
	case word == "":
		return "", NoKind, p.errorf(start, "expected the name of a field, found %s", p.found(start))
	case ok && name == "" && p.next('"'):
		name, err := p.quoted()
		if err != nil {
			return "", NoKind, err
		}
		f = AttributeField(name)
	case ok && name == "":
		return "", NoKind, p.errorf(p.pos, `expected the name of an attribute, in quotes when it is odd, found %s`, p.found(p.pos))
	case f.Kind() == NoKind:
		return "", NoKind, p.errorf(start, "%s%s", unknownField(word), hint)
	}
	return f, f.Kind(), nil
}

// relation reads a field, its operator and its values.
func (p *parser) relation() (Filter, error) {
	f, kind, err := p.field("; to search for the text itself, put it in quotes")
	if err != nil {
		return nil, err
	}
	if kind == TextKind {
		return p.textRelation(f)
	}
	return p.spanRelation(f, kind)
}

func (p *parser) textRelation(f Field) (Filter, error) {
	if !p.take(':') {
		return nil, p.errorf(p.pos, "expected : := :~ :^ :$ or :| after %s, which is text, found %s", f, p.found(p.pos))
	}
	out := Text{Field: f, Exact: p.take('=')}
	out.IgnoreBlanks = p.take('|')
	switch {
	case p.take('~'):
		out.Op = Contains
	case p.take('^'):
		out.Op = StartsWith
	case p.take('$'):
		out.Op = EndsWith
	}
	values, err := p.valuesOf()
	if err != nil {
		return nil, err
	}
	for _, v := range values {
		if v.text == wordNull && !v.quoted {
			if opMark(out) == "" && !v.listed {
				return Null{f}, nil
			}
			return nil, p.errorf(v.offset, `expected a value: the word itself is "null" in quotes, and absence is %s:null, a term of its own`, f)
		}
		out.Values = append(out.Values, v.text)
	}
	return out, nil
}

// A value as it stands in the text.
type value struct {
	text   string
	offset int
	quoted bool
	listed bool
}

// valuesOf reads one value or a list of them.
func (p *parser) valuesOf() ([]value, error) {
	if !p.next('(') {
		v, err := p.value(false)
		return []value{v}, err
	}
	start := p.pos
	p.pos++
	var out []value
	for {
		p.blanks()
		v, err := p.value(true)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		p.blanks()
		if p.take(')') {
			break
		}
		if !p.take(',') {
			return nil, p.errorf(p.pos, "expected , or ) in the list at byte %d, found %s", start, p.found(p.pos))
		}
	}
	if !p.boundary() {
		return nil, p.errorf(p.pos, "expected a blank after the list, found %s", p.found(p.pos))
	}
	return out, nil
}

func (p *parser) value(listed bool) (value, error) {
	v := value{offset: p.pos, listed: listed}
	if err := p.count(v.offset); err != nil {
		return v, err
	}
	switch {
	case p.next('"'):
		text, err := p.quoted()
		if err != nil {
			return v, err
		}
		v.text, v.quoted = text, true
	default:
		v.text = p.until(func(r rune) bool { return endsValue(r) || listed && r == ',' })
		if v.text == "" {
			return v, p.errorf(p.pos, "expected a value, found %s", p.found(p.pos))
		}
		if strings.IndexByte(valueMarks, v.text[0]) >= 0 {
			return v, p.errorf(p.pos, "expected a value: one that begins with %c must be in quotes", v.text[0])
		}
		p.pos += len(v.text)
	}
	if !p.boundary() && !(listed && p.next(',')) {
		return v, p.errorf(p.pos, "expected the end of the value, found %s: a value with blanks, quotes or parentheses in it must be in quotes as a whole", p.found(p.pos))
	}
	return v, nil
}

// spanRelation reads what stands after a number or a time.
func (p *parser) spanRelation(f Field, kind Kind) (Filter, error) {
	mark, orEqual := byte(':'), false
	switch {
	case p.take('<'):
		mark, orEqual = '<', p.take('=')
	case p.take('>'):
		mark, orEqual = '>', p.take('=')
	default:
		p.pos++ // the colon: relation is entered only before an operator
		if !p.atEnd() && strings.IndexByte(valueMarks, p.text[p.pos]) >= 0 {
			return nil, p.errorf(p.pos, "expected a value: %s is %s and takes : < <= > and >=", f, kindName(kind))
		}
	}
	if mark == ':' {
		values, err := p.valuesOf()
		if err != nil {
			return nil, err
		}
		var out Or
		for _, v := range values {
			span, err := p.span(f, kind, v)
			if err != nil {
				return nil, err
			}
			out = append(out, span)
		}
		return out, nil
	}
	v, err := p.value(false)
	if err != nil {
		return nil, err
	}
	point, err := p.point(f, kind, v.offset, v.text)
	if err != nil {
		return nil, err
	}
	return beside(point, mark, orEqual), nil
}

// beside returns the range on one side of a point or day, with or without it.
func beside(point Range, mark byte, orEqual bool) Filter {
	out := Range{Field: point.Field, Min: NoMin, Max: NoMax}
	switch {
	case mark == '<' && orEqual:
		out.Max = point.Max
	case mark == '<':
		if point.Min == math.MinInt64 {
			return Or{}
		}
		out.Max = point.Min - 1
	case orEqual:
		out.Min = point.Min
	default:
		if point.Max == math.MaxInt64 {
			return Or{}
		}
		out.Min = point.Max + 1
	}
	return out
}

// span reads a value that is a point, a day, or two of them with the range mark between.
func (p *parser) span(f Field, kind Kind, v value) (Filter, error) {
	first, last, ok := strings.Cut(v.text, rangeMark)
	from, err := p.point(f, kind, v.offset, first)
	if err != nil || !ok {
		return from, err
	}
	lastOffset := v.offset
	if !v.quoted { // escapes make places inside quotes uncertain
		lastOffset += len(first) + len(rangeMark)
	}
	to, err := p.point(f, kind, lastOffset, last)
	if err != nil {
		return nil, err
	}
	if from.Min > to.Max {
		return nil, p.errorf(v.offset, "the range ends before it starts")
	}
	return Range{Field: f, Min: from.Min, Max: to.Max}, nil
}

// point reads a number, a time or a day.
func (p *parser) point(f Field, kind Kind, offset int, text string) (Range, error) {
	var lo, hi int64
	var err error
	switch {
	case kind == NumberKind:
		if lo, err = strconv.ParseInt(text, 10, 64); err != nil {
			return Range{}, p.errorf(offset, "expected a whole number such as 42, or two with %s between, found %s", rangeMark, quote(cut(text)))
		}
		hi = lo
	default:
		if lo, hi, err = parseDayOrTime(text); err != nil {
			return Range{}, p.errorf(offset, "expected a date such as 2026-01-15 or an RFC 3339 time, at most to the microsecond, such as 2026-01-15T10:30:00Z, or two with %s between, found %s", rangeMark, quote(cut(text)))
		}
	}
	return Range{Field: f, Min: lo, Max: hi}, nil
}

const dayMicros = int64(24 * time.Hour / time.Microsecond)

// parseDayOrTime returns the first and last microsecond of a UTC day, or of a time that one microsecond.
func parseDayOrTime(text string) (lo, hi int64, err error) {
	if len(text) == len(dateForm) {
		m, err := event.ParseTime(text + "T00:00:00Z")
		return int64(m), int64(m) + dayMicros - 1, err
	}
	m, err := event.ParseTime(text)
	return int64(m), int64(m), err
}

func kindName(k Kind) string {
	if k == NumberKind {
		return "a number"
	}
	return "a time"
}
