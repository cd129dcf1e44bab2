package render

import "math"

const (
	cellPad     = 7.0 // on the right of each cell
	cellAbove   = 3.0
	measureRows = 500 // how many rows say how wide columns are
	headLines   = 8
	// splitRow is how much of a page a row may take before it is set over several.
	splitRow = 0.5
)

// grid draws a table: its head again on each page, rows never parted but where one is taller than half a page.
func (d *pdf) grid(g grid) {
	columns := g.Columns
	rows := g.Rows
	if g.Pages {
		columns = append(columns[:len(columns):len(columns)], column{"Page", lookNumber})
		rows = make([][]value, len(g.Rows))
		for i, row := range g.Rows {
			rows[i] = append(row[:len(row):len(row)], value{Text: d.pageOf(row[0].Link), Look: lookNumber})
		}
	}
	caption := wrap([]piece{{text: g.Title, style: style{bold, 9, roleInk}}}, d.width())
	var notes []line
	for _, n := range nonEmpty(g.More, g.Note) {
		notes = append(notes, wrap([]piece{{text: n, style: style{regular, 8, roleSoft}}}, d.width())...)
	}
	d.space(4)
	d.need(float64(len(caption))*12 + float64(len(notes))*11 + 60)
	d.lines(caption, 12)
	d.lines(notes, 11)
	d.y += 3
	if len(columns) == 0 {
		return
	}
	size := 8.0
	if len(columns) > 7 {
		size = 7.2
	}
	t := &pdfTable{d: d, columns: columns, title: g.Title, text: style{regular, size, roleInk}, leading: size * 1.34}
	t.measure(rows)
	t.head()
	if len(rows) == 0 {
		d.paragraph([]piece{{text: g.Empty, style: style{regular, size, roleSoft}}}, leading)
	}
	for _, row := range rows {
		t.row(row)
	}
	d.y += 12
}

type pdfTable struct {
	d       *pdf
	columns []column
	title   string
	widths  []float64
	text    style
	leading float64
}

// measure gives each column what its values ask for, and takes from the wide ones where that is more than there is.
func (t *pdfTable) measure(rows [][]value) {
	n := len(t.columns)
	want, least := make([]float64, n), make([]float64, n)
	for i, c := range t.columns {
		least[i] = longestWord([]piece{{text: c.Label, style: style{bold, t.text.size * 0.94, roleSoft}}}, 70)
		want[i] = least[i]
	}
	for _, row := range rows[:min(len(rows), measureRows)] {
		for i, v := range row {
			if i >= n {
				break
			}
			want[i] = math.Max(want[i], wide(pieces(v, t.text)))
			if v.Sub != "" {
				want[i] = math.Max(want[i], wide([]piece{{text: v.Sub, style: subStyle(t.text)}}))
			}
			switch t.columns[i].Look {
			case lookNumber:
				least[i] = math.Max(least[i], math.Min(want[i], 90))
			case lookTime:
				least[i] = math.Max(least[i], longestWord(pieces(v, t.text), 60))
			default:
				least[i] = math.Max(least[i], longestWord(pieces(v, t.text), 48))
			}
		}
	}
	room := t.d.width() - cellPad*float64(n-1)
	t.widths = share2(want, least, room)
}

// share2 divides room among columns: each at least what it cannot do without, then what it wants as far as that goes.
func share2(want, least []float64, room float64) []float64 {
	wanted, needed := 0.0, 0.0
	for i := range want {
		wanted += want[i]
		needed += least[i]
	}
	out := make([]float64, len(want))
	for i := range want {
		switch {
		case wanted <= room:
			out[i] = want[i] + (room-wanted)*want[i]/wanted
		case needed <= room:
			out[i] = least[i] + (room-needed)*(want[i]-least[i])/(wanted-needed)
		default:
			out[i] = least[i] * room / needed
		}
	}
	return out
}

// wide is how wide pieces are in one line.
func wide(pieces []piece) (w float64) {
	for _, g := range glyphs(pieces) {
		w += g.w
	}
	return w
}

// longestWord is the width of the longest word, at most so much. A sign belongs to the word after it.
func longestWord(pieces []piece, most float64) float64 {
	longest, w := 0.0, 0.0
	for _, g := range glyphs(pieces) {
		if g.c == ' ' {
			w = 0
			continue
		}
		if w += g.w; w > most {
			return most
		}
		longest = math.Max(longest, w)
	}
	return longest
}

func (t *pdfTable) head() {
	d := t.d
	var cells [][]line
	most := 1
	for i, c := range t.columns {
		label := wrap([]piece{{text: c.Label, style: style{bold, t.text.size * 0.94, roleSoft}}}, t.widths[i])
		// A head without end would leave no room for rows on any page.
		cells = append(cells, label[:min(len(label), headLines)])
		most = max(most, len(cells[i]))
	}
	d.need(float64(most)*t.leading + 3*t.leading)
	for i := range cells { // they stand on the line
		pad := make([]line, most-len(cells[i]))
		cells[i] = append(pad, cells[i]...)
	}
	t.lines(cells, 0, most)
	d.y += 2
	d.rule(d.left(), d.y, d.width(), roleSoft, 0.8)
}

// row draws a row. One that does not fit on the page goes to the next; one that is too tall for that is parted.
func (t *pdfTable) row(values []value) {
	d := t.d
	cells := make([][]line, len(t.columns))
	most := 1
	for i := range t.columns {
		if i < len(values) {
			cells[i] = valueLines(values[i], t.text, t.widths[i])
		}
		most = max(most, len(cells[i]))
	}
	height := float64(most)*t.leading + 2*cellAbove
	fits := d.y+height <= bodyBottom
	if !fits && height <= (bodyBottom-bodyTop)*splitRow {
		t.next()
	}
	if len(values) > 0 {
		for _, v := range values {
			d.target(v.ID)
		}
	}
	d.y += cellAbove
	for from := 0; from < most; {
		n := min(most-from, max(int((bodyBottom-d.y)/t.leading), 0))
		if n == 0 {
			t.next()
			d.y += cellAbove
			continue
		}
		t.lines(cells, from, from+n)
		from += n
	}
	d.y += cellAbove - 1
	d.rule(d.left(), d.y, d.width(), roleLine, 0.4)
}

// next goes on on another page, under the head.
func (t *pdfTable) next() {
	t.d.newPage()
	caption := style{regular, 8, roleSoft}
	t.d.textAt(t.d.left(), t.d.y+8, fitted(t.title, caption, t.d.width()-60)+", continued", caption, "start")
	t.d.y += 15
	t.head()
}

// lines draws the lines of cells from one to before another.
func (t *pdfTable) lines(cells [][]line, from, to int) {
	d := t.d
	for k := from; k < to; k++ {
		x := d.left()
		for i := range t.columns {
			if k < len(cells[i]) {
				at := x
				if t.columns[i].Look == lookNumber {
					at = x + t.widths[i] - cells[i][k].width
				}
				d.draw(cells[i][k], at, d.y+t.leading*0.76)
			}
			x += t.widths[i] + cellPad
		}
		d.y += t.leading
	}
}
