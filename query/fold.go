package query

import (
	"unicode"
	"unicode/utf8"
)

// Fold maps every character of s to one fixed member of its case-folding orbit (unicode.SimpleFold), so
// that for valid UTF-8 Fold(a) == Fold(b) exactly when strings.EqualFold(a, b). Bytes that are not UTF-8
// stay as they are.
//
// The member is the lower-case ASCII letter where the orbit has one (k stands for the Kelvin sign too, s
// for the long s), else the smallest character. The smallest also has the shortest encoding, so folding
// never lengthens a text. Characters are mapped one to one: a text contains another after folding exactly
// when some run of its characters equals the other ignoring case.
//
// It returns s itself, without allocating, when nothing changes.
func Fold(s string) string {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if isUpper(c) {
				return foldFrom(s, i)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if foldRune(r) != r {
			return foldFrom(s, i)
		}
		i += size
	}
	return s
}

// foldFrom folds s, whose first i bytes are known to stay.
func foldFrom(s string, i int) string {
	dst := make([]byte, i, len(s))
	copy(dst, s)
	return string(appendFold(dst, s[i:]))
}

// appendFold appends Fold(s) to dst. With a dst on the stack, short texts are folded without allocating.
func appendFold(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			dst = append(dst, lower(c))
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, c)
		} else {
			dst = utf8.AppendRune(dst, foldRune(r))
		}
		i += size
	}
	return dst
}

// foldRune returns the member of r's orbit that stands for all of them.
func foldRune(r rune) rune {
	// SimpleFold steps to the next larger member and from the largest to the smallest.
	next := unicode.SimpleFold(r)
	for next > r {
		r, next = next, unicode.SimpleFold(next)
	}
	if next < utf8.RuneSelf {
		return rune(lower(byte(next)))
	}
	return next
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

func lower(c byte) byte {
	if isUpper(c) {
		c += 'a' - 'A'
	}
	return c
}
