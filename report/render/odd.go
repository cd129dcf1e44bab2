package render

import (
	"fmt"
	"strings"
	"unicode"
)

// span is a stretch of text that is shown as it is, or, where it is odd, odd characters by their numbers.
type span struct {
	Text string
	Odd  bool
}

// marksAtOnce is how many combining marks on one letter are drawn. Some languages need three; a hundred paint over the
// lines above and below.
const marksAtOnce = 4

// odd tells whether a character is not seen, or changes how others are seen.
func odd(c rune) bool {
	switch {
	case c == ' ':
		return false
	case !unicode.IsGraphic(c), unicode.Is(unicode.Zs, c):
		return true // controls, formats with the controls of direction, private, not assigned; blanks that are not the blank
	case c == 0x034f, c >= 0xfe00 && c <= 0xfe0f, c >= 0xe0100 && c <= 0xe01ef:
		return true // joiners and variation selectors count as marks but show nothing
	case c == 0x115f, c == 0x1160, c == 0x17b4, c == 0x17b5, c == 0x2800, c == 0x3164, c == 0xffa0:
		return true // letters and signs that are blank
	}
	return false
}

// spans parts a text into what is shown as it is and what is shown by number. As it is shown what keep does not refuse
// and is not odd.
func spans(s string, keep func(rune) bool) []span {
	var out []span
	var plain strings.Builder
	var numbers []string
	flush := func() {
		if plain.Len() > 0 {
			out = append(out, span{Text: plain.String()})
			plain.Reset()
		}
		if len(numbers) > 0 {
			out = append(out, span{Text: "‹U+" + strings.Join(numbers, " ") + "›", Odd: true})
			numbers = nil
		}
	}
	marks := 0
	for _, c := range s {
		if unicode.Is(unicode.M, c) {
			marks++
		} else {
			marks = 0
		}
		if odd(c) || marks > marksAtOnce || keep != nil && !keep(c) {
			if plain.Len() > 0 {
				flush()
			}
			numbers = append(numbers, fmt.Sprintf("%04X", c))
			continue
		}
		if len(numbers) > 0 {
			flush()
		}
		plain.WriteRune(c)
	}
	flush()
	return out
}
