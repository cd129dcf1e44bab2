package keyfactor

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"countersign/event"
	"countersign/query"
)

// The vendor's query language, as docs/compatibility.md describes it:
//
//	query      = or .
//	or         = and { "OR" and } .
//	and        = not { "AND" not } .
//	not        = { "NOT" } ( "(" or ")" | comparison ) .
//	comparison = field operator value .
//
// Words are read in any case, and the three that join also with a hyphen before them, as PowerShell has
// them. The parser recurses for parentheses only, so maxDepth bounds its stack.

// Limits of a query.
const (
	maxQueryStringBytes = 16 << 10
	maxDepth            = 64
)

// syntaxError says where a query is wrong. Position counts characters from 1.
type syntaxError struct {
	position int
	reason   string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("at character %d, %s", e.position, e.reason) }

// asker is what a query means something relative to: who asks, and when.
type asker struct {
	me  string
	now time.Time
}

// found is what a query asks for.
type found struct {
	filter query.Filter // nil for everything
	// named are the values that ImmutableIdentifier must equal, but for those that are turned round.
	named []string
}

// parseQuery reads a query; an empty one asks for everything. The error is a *syntaxError.
func parseQuery(text string, a asker) (found, error) {
	p := parser{text: text, asker: a}
	if len(text) > maxQueryStringBytes {
		return found{}, p.errorf(maxQueryStringBytes, "the query is longer than %d bytes", maxQueryStringBytes)
	}
	if p.blanks(); p.atEnd() {
		return found{}, nil
	}
	n, err := p.or()
	if err != nil {
		return found{}, err
	}
	if !p.atEnd() { // or stops only at the end or at a parenthesis
		return found{}, p.errorf(p.pos, "expected the end of the query: this ) closes nothing")
	}
	return found{query.Normalize(n.asFilter()), p.named}, nil
}

// node is a part of a query: a filter, or the union of classes, which many comparisons of one field join in
// so that they cost as much as one.
type node struct {
	filter  query.Filter
	classes []event.Class
	union   bool // of the classes
}

func (n node) asFilter() query.Filter {
	if n.union {
		return query.OfClasses(n.classes)
	}
	return n.filter
}

type parser struct {
	text    string
	pos     int // of the next unread byte
	depth   int
	negated bool // what is being read is turned round
	named   []string
	asker
}

func (p *parser) errorf(offset int, format string, args ...any) error {
	return &syntaxError{utf8.RuneCountInString(p.text[:min(offset, len(p.text))]) + 1, fmt.Sprintf(format, args...)}
}

func (p *parser) atEnd() bool { return p.pos == len(p.text) }

func (p *parser) next(c byte) bool { return !p.atEnd() && p.text[p.pos] == c }

func (p *parser) blanks() {
	p.pos = len(p.text) - len(strings.TrimLeftFunc(p.text[p.pos:], unicode.IsSpace))
}

// or reads terms joined by OR, up to the end or a closing parenthesis.
func (p *parser) or() (node, error) {
	var all query.Or
	var classes []event.Class
	for {
		n, err := p.and()
		switch {
		case err != nil:
			return node{}, err
		case n.union:
			classes = append(classes, n.classes...)
		default:
			all = append(all, n.filter)
		}
		if !p.keyword("OR") {
			break
		}
	}
	if len(all) == 0 {
		return node{classes: classes, union: true}, nil
	}
	if len(classes) > 0 {
		all = append(all, query.OfClasses(classes))
	}
	return node{filter: all}, nil
}

// and reads terms joined by AND.
func (p *parser) and() (node, error) {
	var all []node
	for {
		n, err := p.not()
		if err != nil {
			return node{}, err
		}
		all = append(all, n)
		p.blanks()
		if p.keyword("AND") {
			continue
		}
		if start := p.pos; !p.atEnd() && !p.next(')') && !p.keyword("OR") {
			return node{}, p.errorf(p.pos, "expected AND, OR or the end of the query, found %s", p.found(p.pos))
		} else {
			p.pos = start
		}
		break
	}
	if len(all) == 1 {
		return all[0], nil
	}
	var out query.And
	for _, n := range all {
		out = append(out, n.asFilter())
	}
	return node{filter: out}, nil
}

// not reads a term with the NOTs before it.
func (p *parser) not() (node, error) {
	outer := p.negated
	defer func() { p.negated = outer }()
	for p.blanks(); p.keyword("NOT"); p.blanks() {
		p.negated = !p.negated
	}
	n, err := p.term()
	if err != nil || p.negated == outer {
		return n, err
	}
	return node{filter: query.Not{Filter: n.asFilter()}}, nil
}

func (p *parser) term() (node, error) {
	if !p.next('(') {
		return p.comparison()
	}
	start := p.pos
	if p.depth++; p.depth > maxDepth {
		return node{}, p.errorf(start, "parentheses nest more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	p.pos++
	n, err := p.or()
	if err != nil {
		return node{}, err
	}
	if !p.next(')') {
		return node{}, p.errorf(p.pos, "expected ) for the ( at character %d, found %s", utf8.RuneCountInString(p.text[:start])+1, p.found(p.pos))
	}
	p.pos++
	return n, nil
}

// keyword passes a word that joins, when it is next.
func (p *parser) keyword(word string) bool {
	w := p.word()
	if !strings.EqualFold(strings.TrimPrefix(w, "-"), word) {
		return false
	}
	p.pos += len(w)
	return true
}

// word returns what stands before the next blank, quote or parenthesis.
func (p *parser) word() string {
	rest := p.text[p.pos:]
	if i := strings.IndexFunc(rest, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`"()`, r) }); i >= 0 {
		return rest[:i]
	}
	return rest
}

func joins(word string) bool {
	switch strings.ToUpper(strings.TrimPrefix(word, "-")) {
	case "AND", "OR", "NOT":
		return true
	}
	return false
}

// found describes what stands at offset, for error messages.
func (p *parser) found(offset int) string {
	rest := p.text[offset:]
	if rest == "" {
		return "the end of the query"
	}
	if word := (&parser{text: rest}).word(); word != "" {
		return quote(word)
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return quote(string(r))
}

// comparison reads a field, an operator and a value.
func (p *parser) comparison() (node, error) {
	start := p.pos
	word := p.word()
	if word == "" || joins(word) || word[0] == '-' {
		return node{}, p.errorf(start, "expected a comparison such as Level -eq 1, found %s", p.found(start))
	}
	f, err := fieldOf(word)
	if err != nil {
		return node{}, p.errorf(start, "%s", err)
	}
	p.pos += len(word)
	p.blanks()
	start = p.pos
	word = p.word()
	op, known := operators[strings.ToLower(word)]
	if !known || !f.takes(op) {
		return node{}, p.errorf(start, "expected an operator, found %s: %s takes %s", p.found(start), f.name, f.operators())
	}
	p.pos += len(word)
	p.blanks()
	start = p.pos
	v, err := p.value()
	if err != nil {
		return node{}, err
	}
	n, err := f.compare(p, op, v)
	if err != nil {
		return node{}, p.errorf(start, "%s", err)
	}
	return n, nil
}

// value is the right side of a comparison.
type value struct {
	text   string
	quoted bool
}

// isNull tells of the word that stands for absence.
func (v value) isNull() bool { return !v.quoted && strings.EqualFold(v.text, "NULL") }

func (p *parser) value() (value, error) {
	start := p.pos
	var v value
	switch {
	case p.next('"'), p.next('\''):
		text, ok := p.quoted()
		if !ok {
			return value{}, p.errorf(start, "expected a closing %c before the end of the query", p.text[start])
		}
		v = value{text, true}
	case p.next('%'):
		v.text = p.token()
	default:
		v.text = p.word()
		p.pos += len(v.text)
	}
	switch {
	case !v.quoted && (joins(v.text) || isOperator(v.text)):
		return value{}, p.errorf(start, "expected a value, found %s; to compare with the word itself, put it in quotes", p.found(start))
	case v.text == "" && !v.quoted:
		return value{}, p.errorf(start, "expected a value, found %s", p.found(start))
	case !p.boundary(p.pos):
		return value{}, p.errorf(p.pos, "expected the end of the value, found %s; a value with blanks, quotes or parentheses in it must be in quotes as a whole", p.found(p.pos))
	}
	return v, nil
}

func isOperator(word string) bool {
	_, known := operators[strings.ToLower(word)]
	return known
}

// token reads a value that begins with a percent sign, up to the next, since there may be blanks in %TODAY - 7%.
func (p *parser) token() string {
	rest := p.text[p.pos:]
	end := len(p.word())
	if i := strings.IndexByte(rest[1:], '%'); i >= 0 && isToday(rest[:i+2]) {
		end = max(end, i+2)
	}
	p.pos += end
	return rest[:end]
}

// boundary reports whether a value may end at offset.
func (p *parser) boundary(offset int) bool {
	r, _ := utf8.DecodeRuneInString(p.text[offset:])
	return offset == len(p.text) || r == ')' || unicode.IsSpace(r)
}

// quoted reads the text between two quotes of a kind. A quote in it is written twice or after a backslash. A
// backslash is otherwise itself, also at the end, where accounts such as EXAMPLE\ have it: so a quote after a
// backslash ends the value when what follows can only follow a value.
func (p *parser) quoted() (string, bool) {
	mark := p.text[p.pos]
	var b strings.Builder
	for i := p.pos + 1; i < len(p.text); i++ {
		c := p.text[i]
		switch {
		case c == '\\' && i+1 < len(p.text) && p.text[i+1] == mark && !p.valueEnds(i+2):
			i++
			b.WriteByte(mark)
		case c == mark && i+1 < len(p.text) && p.text[i+1] == mark:
			i++
			b.WriteByte(mark)
		case c == mark:
			p.pos = i + 1
			return b.String(), true
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// valueEnds reports whether what stands at offset is the end, a closing parenthesis, or a word that joins
// after a blank.
func (p *parser) valueEnds(offset int) bool {
	rest := parser{text: p.text, pos: offset}
	rest.blanks()
	return rest.atEnd() || rest.next(')') || rest.pos > offset && joins(rest.word())
}

// quote returns s between quotes, cut where it is long, with what cannot be seen escaped: the message ends up
// in terminals and logs.
func quote(s string) string {
	const most = 40
	if n := utf8.RuneCountInString(s); n > most {
		s = string([]rune(s)[:most]) + "..."
	}
	return strconv.Quote(s)
}
