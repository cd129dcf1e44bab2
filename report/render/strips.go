package render

import (
	"fmt"
	"math"

	"countersign/report"
)

// A strip is a row of cells, one for each label.
const (
	stripRow  = 15.0
	stripCell = 11.0
	stripName = 150.0
)

// rowName is the name of a row: that of a person where the row is of one.
func (c *composer) rowName(s *report.Series) value {
	if _, ok := c.people[s.Name]; ok {
		return c.who(s.Name)
	}
	return value{Text: s.Name, Look: lookText}
}

// strips draws the rows' names, what stands at their ends, and the axis, and returns where the cells are.
func (d *drawing) strips(c *composer, ch *report.Chart, labels, ends []string, y float64) (left, step float64) {
	n := min(len(ch.Series), mostBars)
	var rows []string
	for i := range n {
		rows = append(rows, c.rowName(&ch.Series[i]).Text)
	}
	names, left := c.rowNames(rows, stripName)
	right := 0.0
	for _, e := range ends[:n] {
		right = max(right, textWidth(e, chartText)*loose+6)
	}
	step = (chartWidth - left - right) / float64(len(labels))
	for i := range n {
		base := y + float64(i)*stripRow + stripCell - 2.5
		d.Texts = append(d.Texts,
			text{X: left - 6, Y: base, Text: names[i], Anchor: "end", Role: roleInk},
			text{X: chartWidth, Y: base, Text: ends[i], Anchor: "end", Role: roleInk})
	}
	bottom := y + float64(n)*stripRow - stripRow + stripCell + 2
	d.axis(ch, labels, left, bottom, step)
	d.H = d.rest(bottom+16, len(ch.Series), "rows") + 2
	return left, step
}

// heatSteps returns the least number of each step of a heat strip, from 1 up to most. They grow by a factor: one day of
// hundreds must not make all others look alike.
func heatSteps(most uint64) []uint64 {
	const steps = 5
	if most < steps {
		var all []uint64
		for v := uint64(1); v <= max(most, 1); v++ {
			all = append(all, v)
		}
		return all
	}
	all := []uint64{1}
	for i := 1; i < steps; i++ {
		v := uint64(math.Round(math.Pow(float64(most), float64(i)/steps)))
		all = append(all, max(v, all[i-1]+1))
	}
	return all
}

// heat draws a row for each series with a cell for each label, darker for more.
func (c *composer) heat(ch *report.Chart, labels []string) *drawing {
	d := &drawing{W: chartWidth}
	var most uint64
	ends := make([]string, len(ch.Series))
	for i := range ch.Series {
		sum := 0.0
		for j := range labels {
			v := at(&ch.Series[i], j)
			most, sum = max(most, v), sum+float64(v)
		}
		ends[i] = short(sum)
	}
	steps := heatSteps(most)
	names, roles := []string{"none"}, []role{"h0"}
	for i, least := range steps {
		name := count(least)
		if i == len(steps)-1 && most > least {
			name = fmt.Sprintf("%s to %s", name, count(most))
		} else if i < len(steps)-1 && steps[i+1]-1 > least {
			name = fmt.Sprintf("%s to %s", name, count(steps[i+1]-1))
		}
		names, roles = append(names, name), append(roles, heatRole(i, len(steps)))
	}
	names[len(names)-1] += " " + ch.Unit
	y := d.legend(names, roles, 0, 8) + 10
	left, step := d.strips(c, ch, labels, ends, y)
	gap := math.Min(step*0.12, 1)
	for i := range min(len(ch.Series), mostBars) {
		top := y + float64(i)*stripRow
		d.Rects = append(d.Rects, rect{X: left, Y: top, W: step * float64(len(labels)), H: stripCell, Fill: "h0"})
		name := c.rowName(&ch.Series[i]).Text
		for j, l := range labels {
			v := at(&ch.Series[i], j)
			if v == 0 {
				continue
			}
			k := 0
			for k+1 < len(steps) && v >= steps[k+1] {
				k++
			}
			d.Rects = append(d.Rects, rect{X: left + float64(j)*step + gap/2, Y: top, W: max(step-gap, 0.5), H: stripCell, Fill: heatRole(k, len(steps)), Title: name + ", " + l + ": " + count(v)})
		}
	}
	return d
}

// heatRole spreads few steps over the five colours, the last always the darkest.
func heatRole(i, n int) role {
	return role(fmt.Sprintf("h%d", 5-(n-1-i)*5/max(n, 1)))
}

// run is a stretch of labels with the same value.
type run struct {
	from, to int // to is the last one
	v        uint64
}

func runs(s *report.Series, n int) []run {
	var all []run
	for i := range n {
		v := min(at(s, i), 2)
		if k := len(all) - 1; k >= 0 && all[k].v == v {
			all[k].to = i
		} else {
			all = append(all, run{i, i, v})
		}
	}
	return all
}

var coverWords = []string{"not covered", "in part", "covered"}

// covered draws a row for each series: what is covered as a band, in part as a band of half the height, nothing as an
// outline.
func (c *composer) covered(ch *report.Chart, labels []string) *drawing {
	d := &drawing{W: chartWidth}
	ends := make([]string, len(ch.Series))
	for i := range ch.Series {
		whole := 0
		for j := range labels {
			if at(&ch.Series[i], j) >= 2 {
				whole++
			}
		}
		ends[i] = fmt.Sprintf("%s of %s", count(uint64(whole)), count(uint64(len(labels))))
	}
	y := d.legend(coverWords, []role{roleSheet, "swarn", "s1"}, 0, 8) + 10
	// The first swatch is drawn as the strips are.
	d.Rects[0].Fill, d.Rects[0].Stroke = "", roleGap
	left, step := d.strips(c, ch, labels, ends, y)
	for i := range min(len(ch.Series), mostBars) {
		top := y + float64(i)*stripRow
		name := c.rowName(&ch.Series[i]).Text
		for _, r := range runs(&ch.Series[i], len(labels)) {
			box := rect{X: left + float64(r.from)*step, Y: top, W: step * float64(r.to-r.from+1), H: stripCell, Title: name + ", " + stretch(labels, r) + ": " + coverWords[r.v]}
			switch r.v {
			case 2:
				box.Fill = "s1"
			case 1:
				box.Fill, box.Y, box.H = "swarn", top+stripCell/2, stripCell/2
			default:
				box.Stroke = roleGap
				box.X, box.Y, box.W, box.H = box.X+0.4, top+0.4, max(box.W-0.8, 0.4), stripCell-0.8
			}
			d.Rects = append(d.Rects, box)
		}
	}
	return d
}

func stretch(labels []string, r run) string {
	if r.from == r.to {
		return labels[r.from]
	}
	return labels[r.from] + " to " + labels[r.to]
}

// cellRows are the numbers of a heat strip: those that are not 0.
func (c *composer) cellRows(ch *report.Chart, labels []string) grid {
	g := grid{Columns: []column{{"Who", lookWho}, {axisName(ch.Axis), lookOf(ch.Axis)}, {ch.Unit, lookNumber}}}
	for i := range ch.Series {
		for j, l := range labels {
			if v := at(&ch.Series[i], j); v > 0 {
				g.Rows = append(g.Rows, []value{c.rowName(&ch.Series[i]), {Text: l, Look: lookOf(ch.Axis)}, {Text: count(v), Look: lookNumber}})
			}
		}
	}
	return g
}

// runRows are the stretches of a coverage strip.
func (c *composer) runRows(ch *report.Chart, labels []string) grid {
	g := grid{Columns: []column{{"Of", lookText}, {"From", lookOf(ch.Axis)}, {"To", lookOf(ch.Axis)}, {"State", lookText}}}
	for i := range ch.Series {
		for _, r := range runs(&ch.Series[i], len(labels)) {
			g.Rows = append(g.Rows, []value{c.rowName(&ch.Series[i]), {Text: labels[r.from], Look: lookOf(ch.Axis)}, {Text: labels[r.to], Look: lookOf(ch.Axis)}, {Text: coverWords[r.v], Look: lookText}})
		}
	}
	return g
}
