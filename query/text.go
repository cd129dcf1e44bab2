package query

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a search text, so that a stranger's text costs little: its bytes, how deep its parentheses
// nest, and how many values and words it holds. docs/search-text.md describes the language.
const (
	MaxTextBytes = 16 << 10
	MaxDepth     = 64
	MaxValues    = 1000
)

// ParseError says where a search text or sort is wrong and what was expected there. Offset counts bytes.
type ParseError struct {
	Offset int
	Reason string
}

func (e *ParseError) Error() string { return fmt.Sprintf("at byte %d: %s", e.Offset, e.Reason) }

// The words and marks of the language that parser and printer share.
const (
	keywordAnd = "AND"
	keywordOr  = "OR"
	keywordNot = "NOT"
	wordNull   = "null"
	rangeMark  = ".."
	dateForm   = "2006-01-02"
)

// valueMarks are the marks that begin an operator, so a value that begins with one must be in quotes.
const valueMarks = "=|~^$<>"

// opMark returns what stands between the colon and the value.
func opMark(f Text) string {
	mark := [...]string{Equal: "", Contains: "~", StartsWith: "^", EndsWith: "$"}[f.Op]
	if f.IgnoreBlanks {
		mark = "|" + mark
	}
	if f.Exact {
		mark = "=" + mark
	}
	return mark
}

// isBlank reports whether r separates terms. No-break and ideographic blanks do too: they arrive with
// pasted text and nobody sees them.
func isBlank(r rune) bool { return unicode.IsSpace(r) }

// endsValue reports whether r ends a value that is not quoted; in a list a comma does too.
func endsValue(r rune) bool { return isBlank(r) || r == '"' || r == '(' || r == ')' }

// endsRun reports whether r ends a word or field name that is not quoted.
func endsRun(r rune) bool { return endsValue(r) || r == ':' || r == '<' || r == '>' }

// isPlain reports whether s may stand without quotes anywhere that the marks in extra may: it holds only
// letters, digits and a few marks without a meaning of their own.
func isPlain(s, extra string) bool {
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			return false
		case unicode.IsLetter(r), unicode.IsDigit(r):
		case strings.ContainsRune("_.@/\\", r), r == '-' && i > 0, strings.ContainsRune(extra, r):
		default:
			return false
		}
	}
	return s != ""
}

// printValue returns s as the value of a term.
func printValue(s string) string {
	if s != wordNull && isPlain(s, "-+:") {
		return s
	}
	return quote(s)
}

// printWords returns s as a term of its own.
func printWords(s string) string {
	if isPlain(s, "") && s != keywordAnd && s != keywordOr && s != keywordNot {
		return s
	}
	return quote(s)
}

// printField returns f as the name of a term or sort. A name that is no field comes quoted, so that it can
// be told from the fields; no parser takes it.
func printField(f Field) string {
	name, ok := f.Attribute()
	switch {
	case ok && isPlain(name, ""):
		return string(f)
	case ok:
		return attributePrefix + quote(name)
	case f.Kind() == NoKind:
		return quote(string(f))
	}
	return string(f)
}

// quote returns s between quotes with what cannot be seen or would end the quotes escaped. Bytes that are
// not UTF-8 become \xHH.
func quote(s string) string {
	b := make([]byte, 0, len(s)+2)
	b = append(b, '"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = fmt.Appendf(b, `\x%02x`, s[i])
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case !unicode.IsPrint(r):
			b = fmt.Appendf(b, `\u{%x}`, r)
		default:
			b = append(b, s[i:i+size]...)
		}
		i += size
	}
	return string(append(b, '"'))
}

// quoted reads the quoted text that starts at p.pos.
func (p *parser) quoted() (string, error) {
	start := p.pos
	var b []byte
	for i := start + 1; i < len(p.text); i++ {
		switch c := p.text[i]; c {
		case '"':
			p.pos = i + 1
			return string(b), nil
		case '\\':
			unescaped, n := unescape(p.text[i:])
			if n == 0 {
				return "", p.errorf(i, `unknown escape: in quotes, \ stands before " \ n r t xHH or u{HEX}; write \\ for \ itself`)
			}
			b = append(b, unescaped...)
			i += n - 1
		default:
			b = append(b, c)
		}
	}
	return "", p.errorf(start, "expected a closing quote before the end of the text")
}

// unescape reads the escape at the start of s and returns what it stands for and its length, 0 when it is
// none.
func unescape(s string) (string, int) {
	if len(s) < 2 {
		return "", 0
	}
	switch s[1] {
	case '"', '\\':
		return s[1:2], 2
	case 'n':
		return "\n", 2
	case 'r':
		return "\r", 2
	case 't':
		return "\t", 2
	case 'x':
		if len(s) < 4 {
			return "", 0
		}
		n, err := strconv.ParseUint(s[2:4], 16, 8)
		if err != nil {
			return "", 0
		}
		return string([]byte{byte(n)}), 4
	case 'u':
		hex, _, ok := strings.Cut(s[2:], "}")
		if !ok || len(hex) < 2 || len(hex) > 7 || hex[0] != '{' {
			return "", 0
		}
		n, err := strconv.ParseUint(hex[1:], 16, 32)
		if err != nil || !utf8.ValidRune(rune(n)) {
			return "", 0
		}
		return string(rune(n)), 2 + len(hex) + 1
	}
	return "", 0
}
