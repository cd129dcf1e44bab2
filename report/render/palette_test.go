package render

import (
	"fmt"
	"math"
	"strconv"
	"testing"
)

// luminance of a colour (WCAG 2).
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	v, err := strconv.ParseUint(hex[1:], 16, 32)
	if err != nil || len(hex) != 7 {
		t.Fatalf("%q is not a colour", hex)
	}
	channel := func(c uint64) float64 {
		x := float64(c) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(v>>16) + 0.7152*channel(v>>8&0xff) + 0.0722*channel(v&0xff)
}

func TestColoursStandOutFromWhatIsBehindThem(t *testing.T) {
	const text, mark = 4.5, 3.0 // WCAG 2: 1.4.3 and 1.4.11
	type pair struct {
		front, behind role
		least         float64
	}
	var pairs []pair
	for _, front := range []role{roleInk, roleSoft, roleAccent} {
		for _, behind := range []role{roleSheet, rolePage, roleFaint, "h0"} {
			pairs = append(pairs, pair{front, behind, text})
		}
	}
	for _, front := range []role{rolePartial, roleGap, roleManual, roleGood} {
		for _, behind := range []role{roleSheet, roleFaint} {
			pairs = append(pairs, pair{front, behind, text})
		}
	}
	pairs = append(pairs,
		pair{roleAccent, "evidence-bg", text}, pair{rolePartial, "partial-bg", text}, pair{roleGap, "gap-bg", text}, pair{roleManual, "manual-bg", text},
		pair{roleInk, "gap-bg", text}, pair{roleAccent, "gap-bg", text}, pair{roleSheet, roleAccent, text})
	series := append([]role{"sgood", "swarn", "sbad", "sgood2", "swarn2", "sbad2", "h4", "h5"}, seriesRoles...)
	for _, front := range series {
		pairs = append(pairs, pair{front, roleSheet, mark})
	}
	of := func(r role, dark bool) string {
		for _, c := range palette {
			if c.role == r && dark {
				return c.dark
			} else if c.role == r {
				return c.light
			}
		}
		t.Fatalf("no colour %s", r)
		return ""
	}
	for _, dark := range []bool{false, true} {
		for _, p := range pairs {
			a, b := luminance(t, of(p.front, dark)), luminance(t, of(p.behind, dark))
			if ratio := (math.Max(a, b) + 0.05) / (math.Min(a, b) + 0.05); ratio < p.least {
				t.Errorf("%s on %s, dark %t: %.2f, want %.1f", p.front, p.behind, dark, ratio, p.least)
			}
		}
		// The steps of a heat strip are told apart by lightness alone, from the least to the most.
		last := 0.0
		for i := range 6 {
			l := luminance(t, of(role(fmt.Sprintf("h%d", i)), dark))
			if i > 0 && (dark && l <= last*1.25 || !dark && l >= last/1.25) {
				t.Errorf("step %d of the heat strip, dark %t: %.3f after %.3f", i, dark, l, last)
			}
			last = l
		}
	}
}
