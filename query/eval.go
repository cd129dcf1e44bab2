package query

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"countersign/event"
)

// Matches reports whether e is among the entries that f asks for.
//
// A node that has no meaning on its field matches nothing, so its negation matches everything: a Text over
// a number, a Range over a text, a Text with an unknown Op, Null over a number (which is never absent),
// anything over a name that is no field. Parse refuses such filters. A value that is not UTF-8 is compared
// by its bytes with the bytes of the folded text.
func Matches(f Filter, e *event.Entry) bool { return Compile(f)(e) }

// setAbove is the number of values from which looking one up in a set beats comparing with each.
const setAbove = 8

// Compile returns a function with the answers of Matches(f, e) for many entries. What depends on f alone
// is done once. The function may be called by several goroutines at once.
func Compile(f Filter) func(*event.Entry) bool {
	switch f := f.(type) {
	case nil:
		return everything
	case And:
		all := compileAll(f)
		return func(e *event.Entry) bool {
			for _, match := range all {
				if !match(e) {
					return false
				}
			}
			return true
		}
	case Or:
		all := compileAll(f)
		return func(e *event.Entry) bool {
			for _, match := range all {
				if match(e) {
					return true
				}
			}
			return false
		}
	case Not:
		match := Compile(f.Filter)
		return func(e *event.Entry) bool { return !match(e) }
	case Text:
		return compileText(f)
	case Null:
		value := TextOf(f.Field)
		if value == nil {
			return nothing
		}
		return func(e *event.Entry) bool { return !value(e).Present }
	case Range:
		value := NumberOf(f.Field)
		if value == nil {
			return nothing
		}
		return func(e *event.Entry) bool {
			n := value(e)
			return f.Min <= n && n <= f.Max
		}
	case Words:
		match := comparison(Text{Op: Contains, Values: []string{f.Text}})
		return func(e *event.Entry) bool {
			return e.Description.Present && match(e.Description.Value) || e.Detail.Present && match(e.Detail.Value)
		}
	}
	panic(fmt.Sprintf("query: filter of unknown type %T", f))
}

func everything(*event.Entry) bool { return true }
func nothing(*event.Entry) bool    { return false }

func compileAll(fs []Filter) []func(*event.Entry) bool {
	out := make([]func(*event.Entry) bool, len(fs))
	for i, f := range fs {
		out[i] = Compile(f)
	}
	return out
}

func compileText(f Text) func(*event.Entry) bool {
	value, match := TextOf(f.Field), comparison(f)
	if value == nil || match == nil {
		return nothing
	}
	return func(e *event.Entry) bool {
		t := value(e)
		return t.Present && match(t.Value)
	}
}

// comparison returns the test whether a text stands in the relation of f to one of its values, nil for an
// unknown one.
func comparison(f Text) func(string) bool {
	wanted := make([]string, len(f.Values))
	for i, v := range f.Values {
		wanted[i] = string(f.appendSide(nil, v))
	}
	switch {
	case f.Op > EndsWith:
		return nil
	case f.Op == Equal && len(wanted) > setAbove:
		return inSet(f, wanted)
	case f.Exact && !f.IgnoreBlanks:
		return exactly(f.Op, wanted)
	case f.Op == Equal && !f.IgnoreBlanks:
		return func(s string) bool {
			for _, w := range wanted {
				if foldsTo(s, w) {
					return true
				}
			}
			return false
		}
	}
	return sideBySide(f, wanted)
}

// appendSide appends what of s is compared: both sides of a relation go through it.
func (f Text) appendSide(dst []byte, s string) []byte {
	start := len(dst)
	if f.Exact {
		dst = append(dst, s...)
	} else {
		dst = appendFold(dst, s)
	}
	if !f.IgnoreBlanks {
		return dst
	}
	kept := dst[:start]
	for _, c := range dst[start:] {
		if c != ' ' {
			kept = append(kept, c)
		}
	}
	return kept
}

func inSet(f Text, wanted []string) func(string) bool {
	set := make(map[string]struct{}, len(wanted))
	for _, w := range wanted {
		set[w] = struct{}{}
	}
	if f.Exact && !f.IgnoreBlanks {
		return func(s string) bool {
			_, ok := set[s]
			return ok
		}
	}
	return func(s string) bool {
		var buf [128]byte
		_, ok := set[string(f.appendSide(buf[:0], s))]
		return ok
	}
}

func exactly(op TextOp, wanted []string) func(string) bool {
	relation := [...]func(s, w string) bool{
		Equal:      func(s, w string) bool { return s == w },
		Contains:   strings.Contains,
		StartsWith: strings.HasPrefix,
		EndsWith:   strings.HasSuffix,
	}[op]
	return func(s string) bool {
		for _, w := range wanted {
			if relation(s, w) {
				return true
			}
		}
		return false
	}
}

// sideBySide compares with values that have gone through appendSide already.
func sideBySide(f Text, wanted []string) func(string) bool {
	ws := make([][]byte, len(wanted))
	for i, w := range wanted {
		ws[i] = []byte(w)
	}
	return func(s string) bool {
		// The relation is not a function value: buf would then move to the heap.
		var buf [256]byte
		b := f.appendSide(buf[:0], s)
		for _, w := range ws {
			switch {
			case f.Op == Equal && bytes.Equal(b, w),
				f.Op == Contains && bytes.Contains(b, w),
				f.Op == StartsWith && bytes.HasPrefix(b, w),
				f.Op == EndsWith && bytes.HasSuffix(b, w):
				return true
			}
		}
		return false
	}
}

// foldsTo reports Fold(s) == w.
func foldsTo(s, w string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			var buf [128]byte
			return string(appendFold(buf[:0], s[i:])) == w[i:]
		}
		if i >= len(w) || lower(c) != w[i] {
			return false
		}
	}
	return len(s) == len(w)
}
