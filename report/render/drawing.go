package render

import (
	"math"
	"strings"
	"time"

	"countersign/report"
)

// drawing is a chart as shapes, in points of paper, which both forms draw alike.
type drawing struct {
	W, H  float64
	Lines []stroke // drawn first
	Rects []rect
	Texts []text
}

// rect is a filled rectangle; where Fill is "", an outline in Stroke.
type rect struct {
	X, Y, W, H   float64
	Fill, Stroke role
	Title        string // shown by a pointer that rests on it
}

type stroke struct {
	X1, Y1, X2, Y2 float64
	Role           role
	Wide           bool
}

type text struct {
	X, Y   float64 // of the base line
	Text   string
	Anchor string // start, middle or end
	Role   role
	Bold   bool
}

// Charts are as wide as the text on paper; the rest is in proportion to it.
const (
	chartWidth   = 499.0
	chartText    = 7.5 // font size
	legendHeight = 18.0
	plotHeight   = 120.0
	// loose is how much wider other fonts may be than ours: in HTML the reader's own are used.
	loose = 1.15
	// mostBars is how many bars or rows are drawn; the table beside the chart has them all.
	mostBars = 30
)

// seriesRoles colours series without a tone, in turn.
var seriesRoles = []role{"s1", "s2", "s3", "s4", "s5", "s6", "s7"}

// rolesOf are the colours of the series. Series of one tone take turns.
func rolesOf(all []report.Series) []role {
	names := map[report.Tone][]role{
		report.TonePlain: seriesRoles,
		report.ToneGood:  {"sgood", "sgood2"},
		report.ToneWarn:  {"swarn", "swarn2"},
		report.ToneBad:   {"sbad", "sbad2"},
	}
	seen := map[report.Tone]int{}
	var out []role
	for _, s := range all {
		of, known := names[s.Tone]
		if !known {
			of = seriesRoles
		}
		out = append(out, of[seen[s.Tone]%len(of)])
		seen[s.Tone]++
	}
	return out
}

// at returns the value of a series for a label, 0 where it has none.
func at(s *report.Series, i int) uint64 {
	if i < len(s.Values) {
		return s.Values[i]
	}
	return 0
}

// fit cuts a text to a width, loosely measured.
func fit(s string, width float64) string {
	s, _ = clip(s, chartWidth) // no more has room, and not all of a long text is to be measured
	s = plain(s)
	if textWidth(s, chartText)*loose <= width {
		return s
	}
	all := []rune(s)
	for n := min(len(all)-1, int(width)); n > 0; n-- {
		if cut := strings.TrimRight(string(all[:n]), " ") + "…"; textWidth(cut, chartText)*loose <= width {
			return cut
		}
	}
	return "…"
}

// plain returns a text with odd characters as their numbers: what charts and bookmarks show.
func plain(s string) string {
	var b strings.Builder
	for _, p := range spans(s, nil) {
		b.WriteString(p.Text)
	}
	return b.String()
}

// legend draws a key of swatches and returns the height it takes.
func (d *drawing) legend(names []string, roles []role, x, y float64) float64 {
	const swatch, gap = 7.0, 16.0
	start := x
	for i, name := range names {
		name = fit(name, 150)
		w := swatch + 4 + textWidth(name, chartText)*loose
		if x > start && x+w > chartWidth {
			x, y = start, y+12
		}
		d.Rects = append(d.Rects, rect{X: x, Y: y - swatch + 1, W: swatch, H: swatch, Fill: roles[i]})
		d.Texts = append(d.Texts, text{X: x + swatch + 4, Y: y, Text: name, Anchor: "start", Role: roleSoft})
		x += w + gap
	}
	return y
}

// ticks returns the steps of an axis from 0 to at least most: about five, at round numbers.
func ticks(most float64) []float64 {
	if most <= 0 {
		return []float64{0, 1}
	}
	raw := most / 5
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	step := unit
	for _, m := range []float64{1, 2, 5, 10} {
		if step = m * unit; step >= raw {
			break
		}
	}
	step = max(step, 1)
	out := []float64{0}
	for v := step; ; v += step {
		out = append(out, v)
		if v >= most {
			return out
		}
	}
}

// tick is a label of an axis at the place of a column.
type tick struct {
	column int
	text   string
}

// dayTicks returns labels for days: each day, week, month, quarter or year, as there is room for.
func dayTicks(labels []string, columnWidth float64) []tick {
	const room = 40
	days := make([]time.Time, len(labels))
	for i, l := range labels {
		t, err := time.Parse(time.DateOnly, l)
		if err != nil {
			return textTicks(labels, columnWidth)
		}
		days[i] = t
	}
	for _, rule := range []struct {
		days  float64
		first func(time.Time) bool
		form  string
	}{
		{1, func(time.Time) bool { return true }, "2 Jan"},
		{7, func(t time.Time) bool { return t.Weekday() == time.Monday }, "2 Jan"},
		{28, func(t time.Time) bool { return t.Day() == 1 }, "2 Jan"},
		{90, func(t time.Time) bool { return t.Day() == 1 && t.Month()%3 == 1 }, "Jan 2006"},
		{365, func(t time.Time) bool { return t.YearDay() == 1 }, "2006"},
	} {
		if rule.days*columnWidth < room {
			continue
		}
		var out []tick
		for i, t := range days {
			if rule.first(t) {
				out = append(out, tick{i, t.Format(rule.form)})
			}
		}
		return out
	}
	return textTicks(labels, columnWidth)
}

// textTicks labels every column, or every so many where there is no room.
func textTicks(labels []string, columnWidth float64) []tick {
	every := max(1, int(math.Ceil(36/max(columnWidth, 0.01))))
	var out []tick
	for i := 0; i < len(labels); i += every {
		out = append(out, tick{i, fit(labels[i], columnWidth*float64(every)-4)})
	}
	return out
}
