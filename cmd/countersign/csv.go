package main

import (
	"strings"

	"countersign/event"
)

// csvRecord returns a record of RFC 4180 as an export of the server has it: an absent value is empty, an empty
// one is in quotes, and what a spreadsheet might calculate has an apostrophe before it (docs/api.md,
// "Exporting"). encoding/csv can do neither.
func csvRecord(cells []event.Text) string {
	out := make([]string, len(cells))
	for i, c := range cells {
		out[i] = csvCell(c)
	}
	return strings.Join(out, ",") + "\r\n"
}

func csvCell(t event.Text) string {
	s := t.Value
	if !t.Present {
		return ""
	}
	guarded := strings.IndexFunc(s, func(r rune) bool { return strings.ContainsRune("=+-@\t\r\n'＝＋－＠", r) }) == 0
	if guarded {
		s = "'" + s
	}
	if guarded || s == "" || s[0] == ' ' || s[len(s)-1] == ' ' || strings.ContainsAny(s, ",\"\r\n") {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}
