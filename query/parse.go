package query

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Parse reads a search text (docs/search-text.md) and returns its filter in normal form; the empty text
// asks for everything. Errors are *ParseError.
func Parse(text string) (Filter, error) {
	p := parser{text: text}
	if err := p.checkText(); err != nil {
		return nil, err
	}
	if p.blanks(); p.atEnd() {
		return nil, nil
	}
	f, err := p.or()
	if err != nil {
		return nil, err
	}
	if !p.atEnd() { // or stops only at the end or at a parenthesis
		return nil, p.errorf(p.pos, "expected the end of the text: this ) closes nothing")
	}
	return Normalize(f), nil
}

// parser reads by recursive descent. Only groups recurse, so MaxDepth bounds the stack.
type parser struct {
	text   string
	pos    int // of the next unread byte
	depth  int
	values int
}

func (p *parser) errorf(offset int, format string, args ...any) *ParseError {
	return &ParseError{Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

// checkText refuses what the rest of the parser need not think about.
func (p *parser) checkText() error {
	if len(p.text) > MaxTextBytes {
		return p.errorf(MaxTextBytes, "the text is longer than %d bytes", MaxTextBytes)
	}
	for i := 0; i < len(p.text); {
		r, size := utf8.DecodeRuneInString(p.text[i:])
		if r == utf8.RuneError && size == 1 {
			return p.errorf(i, "the text is not valid UTF-8")
		}
		i += size
	}
	return nil
}

func (p *parser) atEnd() bool { return p.pos == len(p.text) }

// next reports whether the next byte is c. Every mark of the language is one ASCII byte.
func (p *parser) next(c byte) bool { return !p.atEnd() && p.text[p.pos] == c }

// take passes c when it is next.
func (p *parser) take(c byte) bool {
	if !p.next(c) {
		return false
	}
	p.pos++
	return true
}

// boundary reports whether a term may end here.
func (p *parser) boundary() bool {
	if p.atEnd() || p.next(')') {
		return true
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.pos:])
	return isBlank(r)
}

func (p *parser) blanks() {
	p.pos = len(p.text) - len(strings.TrimLeftFunc(p.text[p.pos:], isBlank))
}

// until returns the text from p.pos to the first character for which stop is true.
func (p *parser) until(stop func(rune) bool) string {
	rest := p.text[p.pos:]
	if i := strings.IndexFunc(rest, stop); i >= 0 {
		return rest[:i]
	}
	return rest
}

// keyword passes the keyword when it is next. Followed by an operator it would be a field name.
func (p *parser) keyword(word string) bool {
	if p.until(endsRun) != word {
		return false
	}
	end := p.pos + len(word)
	if end < len(p.text) && strings.IndexByte(":<>", p.text[end]) >= 0 {
		return false
	}
	p.pos = end
	return true
}

// found describes what stands at offset, for error messages.
func (p *parser) found(offset int) string {
	rest := p.text[offset:]
	if rest == "" {
		return "the end of the text"
	}
	r, size := utf8.DecodeRuneInString(rest)
	if isBlank(r) {
		return "a blank"
	}
	if word := (&parser{text: rest}).until(endsRun); word != "" {
		const longest = 24
		if n := utf8.RuneCountInString(word); n > longest {
			word = string([]rune(word)[:longest]) + "..."
		}
		return quote(word)
	}
	return rest[:size]
}

// or reads terms joined by OR, up to the end or a closing parenthesis.
func (p *parser) or() (Filter, error) {
	var out Or
	for {
		f, err := p.and()
		if err != nil {
			return nil, err
		}
		out = append(out, f)
		if !p.keyword(keywordOr) {
			return out, nil
		}
	}
}

// and reads terms that stand side by side or are joined by AND, at least one.
func (p *parser) and() (Filter, error) {
	var out And
	for {
		f, err := p.not()
		if err != nil {
			return nil, err
		}
		out = append(out, f)
		p.blanks()
		if p.keyword(keywordAnd) {
			continue
		}
		if p.atEnd() || p.next(')') {
			return out, nil
		}
		if start := p.pos; p.keyword(keywordOr) {
			p.pos = start // or's to pass
			return out, nil
		}
	}
}

// not reads a term with the NOTs before it. An even number of them is none.
func (p *parser) not() (Filter, error) {
	negated := false
	for {
		p.blanks()
		if p.keyword(keywordNot) {
			negated = !negated
			continue
		}
		if !p.take('-') {
			break
		}
		negated = !negated
		if p.boundary() {
			return nil, p.errorf(p.pos, "expected a term right after -, found %s; to search for the mark itself, put it in quotes", p.found(p.pos))
		}
	}
	f, err := p.term()
	if err != nil || !negated {
		return f, err
	}
	return Not{f}, nil
}
