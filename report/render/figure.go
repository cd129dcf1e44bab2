package render

import (
	"fmt"
	"math"

	"countersign/report"
)

// figure composes a chart: the drawing, and the numbers behind it as a table.
func (c *composer) figure(ch *report.Chart) figure {
	f := figure{ID: c.anchor("c-" + ch.ID), Title: ch.Title, Summary: ch.Summary}
	labels := make([]string, len(ch.Labels))
	for i, l := range ch.Labels {
		labels[i] = c.show(ch.Axis, l, "").Text
	}
	if len(labels) == 0 || len(ch.Series) == 0 {
		f.Empty = "There is nothing to draw."
		return f
	}
	switch ch.Form {
	case report.FormBars:
		f.Drawing = c.bars(ch, labels)
		f.Data = labelRows(ch, labels)
	case report.FormHeat:
		f.Drawing = c.heat(ch, labels)
		f.Data = c.cellRows(ch, labels)
	case report.FormCoverage:
		f.Drawing = c.covered(ch, labels)
		f.Data = c.runRows(ch, labels)
	default:
		f.Drawing = columns(ch, labels)
		f.Data = labelRows(ch, labels)
	}
	f.Data.ID = c.anchor("d-" + ch.ID)
	f.Data.Title = "Numbers: " + ch.Title
	f.Data.Empty = "All are 0."
	return f
}

// sums returns the sum of all series for each label, and the greatest.
func sums(ch *report.Chart) (all []float64, most float64) {
	all = make([]float64, len(ch.Labels))
	for i := range all {
		for s := range ch.Series {
			all[i] += float64(at(&ch.Series[s], i))
		}
		most = max(most, all[i])
	}
	return all, most
}

func short(v float64) string {
	if v >= 1e15 {
		return fmt.Sprintf("%.1e", v)
	}
	return count(uint64(v))
}

// legendOf draws the key where there is more than one series, and returns where the plot begins.
func (d *drawing) legendOf(ch *report.Chart) float64 {
	if len(ch.Series) < 2 {
		return 4
	}
	var names []string
	for i := range ch.Series {
		names = append(names, ch.Series[i].Name)
	}
	return d.legend(names, rolesOf(ch.Series), 0, 8) + 10
}

// columns draws a column for each label, series stacked.
func columns(ch *report.Chart, labels []string) *drawing {
	d := &drawing{W: chartWidth}
	all, most := sums(ch)
	steps := ticks(most)
	top := steps[len(steps)-1]
	left := 0.0
	for _, s := range steps {
		left = max(left, textWidth(short(s), chartText)*loose)
	}
	left += 6
	y0 := d.legendOf(ch) + chartText + 4
	d.Texts = append(d.Texts, text{X: 0, Y: y0 - 5, Text: fit(ch.Unit, 200), Anchor: "start", Role: roleSoft})
	bottom := y0 + plotHeight
	height := func(v float64) float64 { return v / top * plotHeight }
	for i, s := range steps {
		y := bottom - height(s)
		d.Lines = append(d.Lines, stroke{left, y, chartWidth, y, roleLine, false})
		if i > 0 && height(s) > plotHeight-6 {
			y += 1 // not into the unit above
		}
		d.Texts = append(d.Texts, text{X: left - 5, Y: y + 2.5, Text: short(s), Anchor: "end", Role: roleSoft})
	}
	step := (chartWidth - left) / float64(len(labels))
	roles := rolesOf(ch.Series)
	gap := math.Min(step*0.2, 3)
	width := math.Min(step-gap, 48)
	for i := range labels {
		x, y := left+float64(i)*step+(step-width)/2, bottom
		for s := range ch.Series {
			v := at(&ch.Series[s], i)
			if v == 0 {
				continue
			}
			h := height(float64(v))
			// What is not nothing is seen, however little it is beside the rest.
			h = max(h, 0.75)
			d.Rects = append(d.Rects, rect{X: x, Y: y - h, W: width, H: h, Fill: roles[s], Title: labels[i] + ", " + ch.Series[s].Name + ": " + count(v)})
			y -= h
		}
		if len(labels) <= 12 && all[i] > 0 {
			d.Texts = append(d.Texts, text{X: x + width/2, Y: y - 3, Text: short(all[i]), Anchor: "middle", Role: roleInk})
		}
	}
	d.Lines = append(d.Lines, stroke{left, bottom, chartWidth, bottom, roleSoft, false})
	d.axis(ch, labels, left, bottom, step)
	d.H = bottom + 16
	return d
}

// axis labels the columns.
func (d *drawing) axis(ch *report.Chart, labels []string, left, y, step float64) {
	all := textTicks(labels, step)
	if ch.Axis == report.KindDay {
		all = dayTicks(labels, step)
	}
	for _, t := range all {
		if ch.Axis == report.KindDay {
			x := left + float64(t.column)*step
			d.Lines = append(d.Lines, stroke{x, y, x, y + 4, roleSoft, false})
			anchor := "start"
			if x > chartWidth-28 {
				anchor, x = "end", chartWidth-2
			}
			d.Texts = append(d.Texts, text{X: x + 2, Y: y + 11, Text: t.text, Anchor: anchor, Role: roleSoft})
			continue
		}
		d.Texts = append(d.Texts, text{X: left + (float64(t.column)+0.5)*step, Y: y + 11, Text: t.text, Anchor: "middle", Role: roleSoft})
	}
}

// bars draws a horizontal bar for each label, series stacked.
func (c *composer) bars(ch *report.Chart, labels []string) *drawing {
	const row, bar = 17.0, 10.0
	d := &drawing{W: chartWidth}
	all, most := sums(ch)
	most = max(most, 1)
	roles := rolesOf(ch.Series)
	n := min(len(labels), mostBars)
	names, left := c.rowNames(labels[:n], 190)
	right := 0.0
	for _, v := range all[:n] {
		right = max(right, textWidth(short(v), chartText)*loose)
	}
	top := d.legendOf(ch)
	y := top
	scale := (chartWidth - left - right - 8) / most
	for i := range n {
		d.Texts = append(d.Texts, text{X: left - 6, Y: y + bar - 2, Text: names[i], Anchor: "end", Role: roleInk})
		x := left
		for s := range ch.Series {
			v := at(&ch.Series[s], i)
			if v == 0 {
				continue
			}
			w := max(float64(v)*scale, 0.75)
			d.Rects = append(d.Rects, rect{X: x, Y: y, W: w, H: bar, Fill: roles[s], Title: labels[i] + ", " + ch.Series[s].Name + ": " + count(v)})
			x += w
		}
		d.Texts = append(d.Texts, text{X: x + 5, Y: y + bar - 2, Text: short(all[i]), Anchor: "start", Role: roleInk})
		y += row
	}
	d.Lines = append(d.Lines, stroke{left, top - 3, left, y - row + bar + 3, roleSoft, false})
	d.H = d.rest(y, len(labels), "bars") + 2
	return d
}

// rowNames fits the names of rows and returns how much room they take.
func (c *composer) rowNames(labels []string, most float64) (names []string, width float64) {
	for _, l := range labels {
		name := fit(l, most-8)
		names = append(names, name)
		width = max(width, textWidth(name, chartText)*loose+8)
	}
	return names, min(width, most)
}

// rest says how many rows are not drawn, and returns where the drawing then ends.
func (d *drawing) rest(y float64, n int, what string) float64 {
	if n <= mostBars {
		return y
	}
	d.Texts = append(d.Texts, text{X: 0, Y: y + 6, Text: fmt.Sprintf("The first %d of %s %s; the table has the others.", mostBars, count(uint64(n)), what), Anchor: "start", Role: roleSoft})
	return y + 12
}

// labelRows are the numbers of a chart, a row for each label.
func labelRows(ch *report.Chart, labels []string) grid {
	g := grid{Columns: []column{{axisName(ch.Axis), lookOf(ch.Axis)}}}
	for _, s := range ch.Series {
		g.Columns = append(g.Columns, column{s.Name, lookNumber})
	}
	for i, l := range labels {
		row := []value{{Text: l, Look: lookOf(ch.Axis)}}
		for s := range ch.Series {
			row = append(row, value{Text: count(at(&ch.Series[s], i)), Look: lookNumber})
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

func axisName(k report.Kind) string {
	switch k {
	case report.KindDay:
		return "Day"
	case report.KindWho:
		return "Who"
	}
	return "Of"
}
