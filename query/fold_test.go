package query_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"countersign/query"
)

func TestFoldMapsEachOrbitToOneMember(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		got := query.Fold(string(r))
		if utf8.RuneCountInString(got) != 1 || len(got) > len(string(r)) {
			t.Fatalf("Fold(%U) = %q: not one character that is no longer", r, got)
		}
		if again := query.Fold(got); again != got {
			t.Fatalf("Fold(%U) = %q, folded again %q", r, got, again)
		}
		member, asciiLower := false, ""
		for next := unicode.SimpleFold(r); ; next = unicode.SimpleFold(next) {
			if other := query.Fold(string(next)); other != got {
				t.Fatalf("Fold(%U) = %q but Fold(%U) of the same orbit = %q", r, got, next, other)
			}
			member = member || string(next) == got
			if 'a' <= next && next <= 'z' {
				asciiLower = string(next)
			}
			if next == r {
				break
			}
		}
		if !member {
			t.Fatalf("Fold(%U) = %q is outside the orbit", r, got)
		}
		if asciiLower != "" && got != asciiLower {
			t.Fatalf("Fold(%U) = %q, want the ASCII letter %q", r, got, asciiLower)
		}
	}
}

func TestFoldAgreesWithEqualFold(t *testing.T) {
	r := newRand(t)
	equal := 0
	for range 200_000 {
		a := randomRunes(r)
		b := a
		if r.IntN(2) == 0 {
			b = strings.Map(func(c rune) rune {
				if r.IntN(2) == 0 {
					return unicode.SimpleFold(c)
				}
				return c
			}, a)
		}
		if r.IntN(2) == 0 {
			b = strings.Replace(b, string([]rune(b + "x")[0]), randomRunes(r), 1)
		}
		want := strings.EqualFold(a, b)
		if want {
			equal++
		}
		if got := query.Fold(a) == query.Fold(b); got != want {
			t.Fatalf("Fold(%q) = %q, Fold(%q) = %q, but EqualFold says %v", a, query.Fold(a), b, query.Fold(b), want)
		}
	}
	if equal < 10_000 {
		t.Fatalf("only %d pairs were equal: the test tests little", equal)
	}
}

func randomRunes(r *rand.Rand) string {
	alphabets := [][2]rune{{' ', '~'}, {'A', 'z'}, {0xc0, 0x250}, {0x370, 0x52f}, {0x1e00, 0x1fff}, {0x2100, 0x2190}, {0xa640, 0xa7ff}, {0x10400, 0x1044f}, {0, unicode.MaxRune}}
	var b strings.Builder
	for range r.IntN(6) {
		a := pick(r, alphabets)
		b.WriteRune(a[0] + r.Int32N(a[1]-a[0]+1)) // a surrogate becomes U+FFFD
	}
	return b.String()
}

func TestFoldKeepsBytesThatAreNotUTF8(t *testing.T) {
	for in, want := range map[string]string{
		"\xff":        "\xff",
		"A\xffB":      "a\xffb",
		"\xc3":        "\xc3",
		"É\xc3":       "É\xc3",
		"\xed\xa0Z":   "\xed\xa0z",
		"\ufffd\xffQ": "\ufffd\xffq",
	} {
		if got := query.Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFoldAllocatesNothingWhenNothingChanges(t *testing.T) {
	for _, s := range []string{"", "jane.smith@example.com", "login failed: wrong password", "世界 ∑ 12"} {
		if query.Fold(s) != s {
			t.Fatalf("Fold(%q) changes it", s)
		}
		if n := testing.AllocsPerRun(100, func() { query.Fold(s) }); n != 0 {
			t.Errorf("Fold(%q) allocates %v times", s, n)
		}
	}
}
