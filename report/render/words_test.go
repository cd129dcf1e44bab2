package render

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestValuesAreWrittenForReading(t *testing.T) {
	for _, c := range []struct{ name, got, want string }{
		{"a small number", grouped("999"), "999"},
		{"thousands", grouped("1234567"), "1,234,567"},
		{"the greatest number", count(1<<64 - 1), "18,446,744,073,709,551,615"},
		{"a fraction", grouped("12345.5"), "12,345.5"},
		{"what is no number", grouped("12 345"), "12 345"},
		{"nothing", grouped(""), ""},
		{"one", plural(1, "row"), "1 row"},
		{"none", plural(0, "row"), "0 rows"},
		{"a moment", moment("2026-01-15T10:30:00.12Z"), "2026-01-15 10:30:00.12"},
		{"a moment on the second", moment("2026-01-15T10:30:00Z"), "2026-01-15 10:30:00"},
		{"what is no moment", moment("yesterday"), "yesterday"},
		{"all rows", more(3, 3, "a.csv"), ""},
		{"some rows", more(3, 1000, "a.csv"), "3 of 1,000 rows are shown; a.csv has them all."},
		{"some rows without an annex", more(3, 4, ""), "3 of 4 rows are shown."},
		{"a hash in short", abbreviated("0123456789abcdef"), "0123456789ab…"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
	if shown, rest := clip(strings.Repeat("ü", 1002), 1000); shown != strings.Repeat("ü", 1000) || rest != "… and 2 characters more" {
		t.Errorf("clipped to %d bytes and %q", len(shown), rest)
	}
}

func TestOddCharactersAreShownByNumber(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []span
	}{
		{"plain", "Zoë Łukasz Ивaн Ώ", []span{{"Zoë Łukasz Ивaн Ώ", false}}},
		{"a control of direction", "a\u202eb", []span{{"a", false}, {"‹U+202E›", true}, {"b", false}}},
		{"line ends together", "a\r\nb", []span{{"a", false}, {"‹U+000D 000A›", true}, {"b", false}}},
		{"nothing to see", "\u200b", []span{{"‹U+200B›", true}}},
		{"blanks that are not the blank", "a\u00a0b", []span{{"a", false}, {"‹U+00A0›", true}, {"b", false}}},
		{"a letter that is blank", "\u3164", []span{{"‹U+3164›", true}}},
		{"some marks", "e\u0301", []span{{"e\u0301", false}}},
		{"too many marks", "e\u0301\u0301\u0301\u0301\u0301", []span{{"e\u0301\u0301\u0301\u0301", false}, {"‹U+0301›", true}}},
		{"other scripts", "田中 שלום", []span{{"田中 שלום", false}}},
		{"beyond the basic plane", "\U000e0041", []span{{"‹U+E0041›", true}}},
		{"nothing", "", nil},
	} {
		if d := cmp.Diff(c.want, spans(c.text, nil)); d != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, d)
		}
	}
}

func TestThePDFShowsByNumberWhatItsFontsCannotSet(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"Zoë Łukasz Иван Ώ – ‹›", "Zoë Łukasz Иван Ώ – ‹›"},
		{"≥ → ●", "≥ → ●"}, // of the other face
		{"田中", "‹U+7530 4E2D›"},
		{"שלום", "‹U+05E9 05DC 05D5 05DD›"}, // would be set from the wrong side
		{"हि", "‹U+0939 093F›"},             // would be set without joining
		{"👩", "‹U+1F469›"},
	} {
		var b strings.Builder
		for _, g := range glyphs([]piece{{text: c.text, style: textStyle}}) {
			b.WriteRune(g.c)
			if !g.style.face.has(g.c) {
				t.Errorf("%q is set in a face that does not have it", g.c)
			}
		}
		if b.String() != c.want {
			t.Errorf("%q is set as %q, want %q", c.text, b.String(), c.want)
		}
	}
}

func TestLinesAreNoWiderThanTheyMayBe(t *testing.T) {
	for _, text := range []string{"", " ", "   ", "a b", strings.Repeat("word ", 60), strings.Repeat("w", 300), strings.Repeat("a/b-c.d", 60), "short " + strings.Repeat("x", 90), "e" + strings.Repeat("\u0301", 4) + strings.Repeat("e\u0301", 60)} {
		for _, width := range []float64{1, 20, 77.3, 400} {
			var b strings.Builder
			for _, l := range wrap([]piece{{text: text, style: textStyle}}, width) {
				if l.width > width && len(l.glyphs) > 1 {
					t.Errorf("%.20q in %.1f: a line is %.1f wide", text, width, l.width)
				}
				for _, g := range l.glyphs {
					b.WriteRune(g.c)
				}
			}
			// Nothing but blanks at the ends of lines is left out.
			if got, want := strings.ReplaceAll(b.String(), " ", ""), strings.ReplaceAll(text, " ", ""); got != want {
				t.Errorf("%.20q in %.1f: %q", text, width, got)
			}
		}
	}
}

func TestAxesBeginAtNothingAndEndAboveTheMost(t *testing.T) {
	for _, most := range []float64{0, 1, 3, 9, 10, 205, 12345, 1.8e19} {
		all := ticks(most)
		if all[0] != 0 || all[len(all)-1] < most || len(all) > 7 {
			t.Errorf("%v: %v", most, all)
		}
	}
}

func TestStepsOfAHeatStripGrow(t *testing.T) {
	for most, want := range map[uint64][]uint64{0: {1}, 1: {1}, 3: {1, 2, 3}, 24: {1, 2, 4, 7, 13}, 1000: {1, 4, 16, 63, 251}} {
		if d := cmp.Diff(want, heatSteps(most)); d != "" {
			t.Errorf("%d: -want +got:\n%s", most, d)
		}
	}
}
