package query

import (
	"fmt"
	"strconv"
	"strings"

	"countersign/event"
)

// Print returns the canonical text of f. For every tree whose text keeps within the limits of Parse,
// Parse(Print(f)) equals Normalize(f); so trees with the same normal form have the same text, and printing
// what was parsed from it changes nothing. The text of everything is empty, that of nothing NOT ().
func Print(f Filter) string {
	f = Normalize(f)
	if f == nil {
		return ""
	}
	var b strings.Builder
	if and, ok := f.(And); ok {
		printMembers(&b, and, " ")
	} else {
		printTerm(&b, f, true)
	}
	return b.String()
}

// printTerm writes a filter in normal form. A top-level Or needs no parentheses; an And beside OR does not
// need them either but gets them, because few readers know what binds tighter.
func printTerm(b *strings.Builder, f Filter, top bool) {
	switch f := f.(type) {
	case And:
		b.WriteByte('(')
		printMembers(b, f, " ")
		b.WriteByte(')')
	case Or:
		switch {
		case isNothing(f):
			b.WriteString(keywordNot + " ()")
		case top:
			printMembers(b, f, " "+keywordOr+" ")
		default:
			b.WriteByte('(')
			printMembers(b, f, " "+keywordOr+" ")
			b.WriteByte(')')
		}
	case Not:
		switch f.Filter.(type) {
		case And, Or:
			b.WriteString(keywordNot + " ")
		default:
			b.WriteByte('-')
		}
		printTerm(b, f.Filter, false)
	case Text:
		printText(b, f)
	case Null:
		b.WriteString(printField(f.Field) + ":" + wordNull)
	case Range:
		b.WriteString(printRange(f))
	case Words:
		b.WriteString(printWords(f.Text))
	default:
		panic(fmt.Sprintf("query: filter of unknown type %T", f))
	}
}

func printMembers(b *strings.Builder, members []Filter, between string) {
	for i, m := range members {
		if i > 0 {
			b.WriteString(between)
		}
		printTerm(b, m, false)
	}
}

func printText(b *strings.Builder, f Text) {
	b.WriteString(printField(f.Field) + ":" + opMark(f))
	if len(f.Values) == 1 {
		b.WriteString(printValue(f.Values[0]))
		return
	}
	between := "("
	for _, v := range f.Values {
		b.WriteString(between + printValue(v))
		between = ","
	}
	b.WriteByte(')')
}

func printRange(f Range) string {
	from, to := printNumber, printNumber
	switch {
	case f.Field.Kind() == NumberKind:
	case f.Min == f.Max:
		from, to = printMicros, printMicros
	default:
		// Whole days print as dates: Parse reads the start of the first and the end of the last.
		from, to = printDayFrom, printDayTo
	}
	name := string(f.Field)
	switch {
	case f.Min == NoMin && f.Max != NoMin:
		return name + "<=" + to(f.Max)
	case f.Max == NoMax && f.Min != NoMax:
		return name + ">=" + from(f.Min)
	case from(f.Min) == to(f.Max):
		return name + ":" + from(f.Min)
	}
	return name + ":" + from(f.Min) + rangeMark + to(f.Max)
}

func printNumber(n int64) string { return strconv.FormatInt(n, 10) }
func printMicros(m int64) string { return event.Micros(m).String() }
func printDay(m int64) string    { return event.Micros(m).Time().Format(dateForm) }

func printDayFrom(m int64) string {
	if startsDay(m) {
		return printDay(m)
	}
	return printMicros(m)
}

func printDayTo(m int64) string {
	if startsDay(m + 1) {
		return printDay(m)
	}
	return printMicros(m)
}

func startsDay(m int64) bool { return m%dayMicros == 0 }
