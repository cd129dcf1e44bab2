package query

import (
	"cmp"
	"strings"
	"unicode/utf8"

	"countersign/event"
)

// Compare returns -1, 0 or 1 as a stands before, at or after b in the order s. It is 0 only for entries of
// the same Seq. A Field that is none orders by seq alone.
func Compare(s Sort, a, b *event.Entry) int { return s.Compile()(a, b) }

// Compile returns a function with the answers of Compare(s, a, b) for many entries.
func (s Sort) Compile() func(a, b *event.Entry) int {
	key := s.compileKey()
	if s.Desc {
		return func(a, b *event.Entry) int { return cmp.Or(key(b, a), cmp.Compare(b.Seq, a.Seq)) }
	}
	return func(a, b *event.Entry) int { return cmp.Or(key(a, b), cmp.Compare(a.Seq, b.Seq)) }
}

// CompileText returns the function that reads the text by which s orders an entry, which is absent in an order by a
// number.
func (s Sort) CompileText() func(*event.Entry) event.Text {
	if of := s.text(); of != nil {
		return of
	}
	return func(*event.Entry) event.Text { return event.Text{} }
}

// ByText tells whether s orders by a text.
func (s Sort) ByText() bool { return s.text() != nil }

// text is CompileText, nil for an order by a number.
func (s Sort) text() func(*event.Entry) event.Text {
	switch {
	case len(s.Classes) > 0:
		return nil
	case len(s.Cases) > 0:
		return compileCases(s.Cases)
	}
	return TextOf(s.Field)
}

// compileKey returns the ascending comparison without its tie-break.
func (s Sort) compileKey() func(a, b *event.Entry) int {
	if len(s.Classes) > 0 {
		classes := compileAll(s.Classes)
		return func(a, b *event.Entry) int { return cmp.Compare(firstMatch(classes, a), firstMatch(classes, b)) }
	}
	if value := s.text(); value != nil {
		return func(a, b *event.Entry) int { return CompareText(value(a), value(b)) }
	}
	if value := NumberOf(s.Field); value != nil {
		return func(a, b *event.Entry) int { return cmp.Compare(value(a), value(b)) }
	}
	return func(a, b *event.Entry) int { return 0 }
}

func firstMatch(classes []func(*event.Entry) bool, e *event.Entry) int {
	for i, match := range classes {
		if match(e) {
			return i
		}
	}
	return len(classes)
}

// compileCases returns the function that reads the derived text of an entry.
func compileCases(cases []Case) func(*event.Entry) event.Text {
	match := make([]func(*event.Entry) bool, len(cases))
	value := make([]func(*event.Entry) event.Text, len(cases))
	for i, c := range cases {
		match[i], value[i] = Compile(c.When), TextOf(c.Field)
		if c.Field == "" {
			value[i] = func(*event.Entry) event.Text { return event.TextOf(c.Value) }
		}
	}
	return func(e *event.Entry) event.Text {
		i := firstMatch(match, e)
		if i == len(cases) || value[i] == nil {
			return event.Text{}
		}
		return value[i](e)
	}
}

// CompareText is the ascending order of text: absent first, then by case-folded bytes, then by bytes.
func CompareText(a, b event.Text) int {
	if !a.Present || !b.Present {
		switch {
		case a.Present:
			return 1
		case b.Present:
			return -1
		}
		return 0
	}
	return cmp.Or(compareFolded(a.Value, b.Value), strings.Compare(a.Value, b.Value))
}

// compareFolded returns strings.Compare(Fold(a), Fold(b)).
func compareFolded(a, b string) int {
	for i := range min(len(a), len(b)) {
		ca, cb := a[i], b[i]
		if ca >= utf8.RuneSelf || cb >= utf8.RuneSelf {
			return strings.Compare(Fold(a[i:]), Fold(b[i:]))
		}
		if c := cmp.Compare(lower(ca), lower(cb)); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

const (
	ascending  = "asc"
	descending = "desc"
)

// ParseSort reads FIELD, FIELD:asc or FIELD:desc, with field names as in the search text. Without a
// direction the order is ascending. Errors are *ParseError.
func ParseSort(text string) (Sort, error) {
	p := parser{text: text}
	if err := p.checkText(); err != nil {
		return Sort{}, err
	}
	f, _, err := p.field("")
	if err != nil {
		return Sort{}, err
	}
	s := Sort{Field: f}
	if p.pos == len(text) {
		return s, nil
	}
	if text[p.pos] != ':' {
		return Sort{}, p.errorf(p.pos, "expected :asc, :desc or the end of the sort, found %s", p.found(p.pos))
	}
	switch direction := text[p.pos+1:]; direction {
	case ascending:
	case descending:
		s.Desc = true
	default:
		return Sort{}, p.errorf(p.pos+1, "unknown direction %s: expected asc or desc", quote(direction))
	}
	return s, nil
}

// PrintSort returns text by which an order can be recognised: two sorts with the same text are the same
// order. For a sort by a field, ParseSort reads it back. Classes or cases follow in braces, which ParseSort
// refuses: no user can name them.
func PrintSort(s Sort) string {
	var b strings.Builder
	f := s.Field
	derived := len(s.Classes) > 0 || len(s.Cases) > 0
	if !derived && f == "" {
		f = Seq
	}
	b.WriteString(printField(f))
	if s.Desc {
		b.WriteString(":" + descending)
	} else {
		b.WriteString(":" + ascending)
	}
	if !derived {
		return b.String()
	}
	b.WriteByte('{')
	for i, c := range s.Classes {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(Print(c)))
	}
	if len(s.Classes) == 0 {
		printCases(&b, s.Cases)
	}
	b.WriteByte('}')
	return b.String()
}

// printCases writes what tells cases apart, and from classes: a field, or a value after an equals sign.
func printCases(b *strings.Builder, cases []Case) {
	for i, c := range cases {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(Print(c.When)) + ":")
		if c.Field == "" {
			b.WriteString("=" + quote(c.Value))
		} else {
			b.WriteString(printField(c.Field))
		}
	}
}
