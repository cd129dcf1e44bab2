package refusal

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"countersign/problem"
)

// MaxShownBytes bounds what a refusal repeats of a refused value.
const MaxShownBytes = 200

// Bad returns the refusal of a value that a caller sent under a name.
func Bad(name, value, reason string) *problem.Error {
	return problem.Bad(Shown(name), Shown(value), "%s", reason)
}

// Shown returns s to be repeated to whoever sent it: cut where it is long, with what cannot be seen (control
// characters, direction marks, broken UTF-8) as U+FFFD, since messages end up in terminals and logs.
func Shown(s string) string {
	const mark = "..."
	long := len(s) > MaxShownBytes
	if long {
		s = s[:MaxShownBytes] // the mapping below must not cost what the request does
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return utf8.RuneError
		}
		return r
	}, s)
	if long || len(s) > MaxShownBytes {
		n := min(len(s), MaxShownBytes-len(mark))
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n] + mark
	}
	return s
}
