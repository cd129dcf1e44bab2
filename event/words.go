package event

import "strings"

// Codes and words: BUSINESS_UNIT and "Business units".

// words spells a code with blanks.
func words(code string) string { return strings.ReplaceAll(code, "_", " ") }

// codeOfWords is the inverse of words for text in any case. false means that no code is spelled so.
func codeOfWords(text string) (string, bool) {
	b := []byte(fold(text))
	for i, c := range b {
		switch {
		case c >= 'a' && c <= 'z':
			b[i] = c - 'a' + 'A'
		case c == ' ':
			b[i] = '_'
		case c < '0' || c > '9':
			return "", false
		}
	}
	return string(b), true
}

// codeOf makes a code of any text. A code stays as it is. Of other texts the words are put in upper case and
// joined by underscores, up to 64 letters; words written together with capitals inside ("AgentSchedule")
// are taken apart. It is empty when the text has no letter or digit of ASCII.
func codeOf(text string) string {
	if isCode(text) {
		return text
	}
	var b []byte
	gap, lower := false, false
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'a' && c <= 'z':
			lower = true
			b = appendCode(b, c-'a'+'A', gap)
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			gap = gap || lower && c >= 'A'
			lower = false
			b = appendCode(b, c, gap)
		default:
			gap = true
			continue
		}
		gap = false
	}
	if len(b) > MaxCodeBytes {
		b = b[:MaxCodeBytes]
	}
	return strings.TrimRight(string(b), "_")
}

func appendCode(b []byte, c byte, gap bool) []byte {
	if gap && len(b) > 0 {
		b = append(b, '_')
	}
	return append(b, c)
}

// plural returns the plural of a code: -Y after a consonant becomes -IES; -S, -X, -CH and -SH take -ES, all
// others -S.
func plural(code string) string {
	switch n := len(code); {
	case n >= 2 && code[n-1] == 'Y' && isConsonant(code[n-2]):
		return code[:n-1] + "IES"
	case endsIn(code, "S", "X", "CH", "SH"):
		return code + "ES"
	}
	return code + "S"
}

func isConsonant(c byte) bool { return c >= 'A' && c <= 'Z' && strings.IndexByte("AEIOU", c) < 0 }

func endsIn(s string, suffixes ...string) bool {
	for _, suffix := range suffixes {
		if strings.HasSuffix(s, suffix) {
			return true
		}
	}
	return false
}

// singulars returns every code whose plural is the given one. There can be two: CACHES is the plural of
// CACHE and of CACH.
func singulars(code string) []string {
	var out []string
	for _, ending := range [...]struct{ plural, singular string }{{"IES", "Y"}, {"ES", ""}, {"S", ""}} {
		stem, ok := strings.CutSuffix(code, ending.plural)
		if one := stem + ending.singular; ok && one != "" && plural(one) == code {
			out = append(out, one)
		}
	}
	return out
}

// singular returns the likeliest of singulars: a known type, else the first. A code that is no plural
// stays.
func singular(code string) string {
	all := singulars(code)
	for _, one := range all {
		if IsKnownType(one) {
			return one
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return code
}
