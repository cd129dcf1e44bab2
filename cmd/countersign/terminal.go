package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/term"
)

// invisible tells of a character that a terminal obeys instead of showing it, or that changes how others look:
// control characters of both sets, marks that turn the direction of writing, line ends of Unicode. What joins
// letters and emoji is let through.
func invisible(r rune) bool {
	const zeroWidthNonJoiner, zeroWidthJoiner = '\u200c', '\u200d'
	switch {
	case r == zeroWidthNonJoiner || r == zeroWidthJoiner:
		return false
	case r < utf8.RuneSelf:
		return r < ' ' || r == 0x7f
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// visible returns s for the eyes: what somebody else wrote into an event must not rewrite the terminal.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if invisible(r) {
			return '·'
		}
		return r
	}, s)
}

// visibleJSON returns the same JSON with escapes in place of what is invisible. Such characters stand inside
// of strings only.
func visibleJSON(b []byte) []byte {
	plain := true
	for _, r := range string(b) {
		if invisible(r) {
			plain = false
			break
		}
	}
	if plain {
		return b
	}
	out := make([]byte, 0, len(b)+16)
	for _, r := range string(b) {
		if !invisible(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			out = append(out, `\u`...)
			out = append(out, "0000"[:4-len(strconv.FormatUint(uint64(unit), 16))]...)
			out = strconv.AppendUint(out, uint64(unit), 16)
		}
	}
	return out
}

// screen is what is known of the terminal that w is, the zero value when it is none.
type screen struct {
	width  int // 0 is without a limit
	colour bool
}

func screenOf(w io.Writer) screen {
	if !isTerminal(w) {
		return screen{}
	}
	s := screen{width: 80, colour: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
	if width, _, err := term.GetSize(int(w.(*os.File).Fd())); err == nil && width > 0 {
		s.width = width
	} else if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		s.width = n
	}
	return s
}

// Colours and the like (ECMA-48, 8.3.117).
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint returns s in the colour, if there are any.
func (s screen) paint(colour, text string) string {
	if !s.colour || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// fit returns s in exactly width cells of the terminal, cut with a mark where it is longer.
func fit(s string, width int) string {
	have := uniseg.StringWidth(s)
	if have <= width {
		return s + strings.Repeat(" ", width-have)
	}
	var b strings.Builder
	used := 0
	for state := -1; len(s) > 0; {
		var cluster string
		var w int
		cluster, s, w, state = uniseg.FirstGraphemeClusterInString(s, state)
		if used+w > width-1 {
			break
		}
		b.WriteString(cluster)
		used += w
	}
	return b.String() + "…" + strings.Repeat(" ", width-1-used)
}
