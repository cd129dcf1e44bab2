package render

import "countersign/report"

// cover draws the first page.
func (d *pdf) cover() {
	c := d.c
	d.y = 52
	d.f.SetFont(regular.family, "", 8)
	d.f.Bookmark(bmp(plain(c.Title)), 0, 0)
	d.paragraph([]piece{{text: c.Eyebrow, style: style{bold, 9.5, roleAccent}}}, leading)
	d.y += 4
	d.lines(balanced([]piece{{text: c.Title, style: style{bold, 22, roleInk}}}, d.width()), 27)
	d.y += 4
	d.paragraph([]piece{{text: c.Period, style: style{regular, 13, roleInk}}}, 17)
	d.paragraph([]piece{{text: c.Lead, style: softStyle}}, leading)
	d.y += 10
	for _, n := range c.Notice {
		d.paragraph([]piece{{text: n, style: style{regular, 8.5, roleInk}}}, 12)
		d.y += 3
	}
	d.y += 7
	d.facts(c.Facts)
	d.claim()
	d.coverGaps()
	d.states()
	d.marks()
}

func (d *pdf) coverHead(s string, with float64) {
	d.need(18 + with)
	d.lines(wrap([]piece{{text: s, style: style{bold, 10.5, roleInk}}}, d.width()), 16)
}

func (d *pdf) claim() {
	c := d.c
	d.coverHead("Claim level "+c.Level, 60)
	d.paragraph([]piece{{text: c.Claim, style: textStyle}}, 13)
	d.y += 4
	for _, l := range c.Levels {
		d.need(15)
		name, words := style{bold, 8, roleSheet}, smallStyle
		text := l.Word
		if l.Reached {
			d.fill(d.left(), d.y+1, 12, 12, roleAccent)
		} else {
			d.f.SetDrawColor(light(roleSoft))
			d.f.SetLineWidth(0.6)
			d.f.Rect(d.left()+0.3, d.y+1.3, 11.4, 11.4, "D")
			name.role, words.role = roleSoft, roleSoft
			text += ", not claimed"
		}
		d.textAt(d.left()+6, d.y+10, l.Name, name, "middle")
		d.textAt(d.left()+19, d.y+10, text, words, "start")
		d.y += 14
	}
	d.y += 8
}

// coverGaps sets the first gaps on ground of their own.
func (d *pdf) coverGaps() {
	c := d.c
	const pad, where = 10.0, 96.0
	type item struct{ left, right []line }
	var all []item
	height := 2*pad + 17
	for _, g := range c.Gaps.Items {
		i := item{wrap([]piece{{text: g.Where, style: style{regular, 9, roleGap}, link: g.Link}}, where-8), wrap([]piece{{text: g.What, style: style{regular, 9, roleInk}}}, d.width()-where-2*pad)}
		height += float64(max(len(i.left), len(i.right)))*12.5 + 4
		all = append(all, i)
	}
	var more []line
	if c.MoreGaps != "" {
		text := c.MoreGaps
		if p := d.pageOf(c.GapsID); p != "" {
			text += ": page " + p
		}
		more = wrap([]piece{{text: text, style: style{regular, 8.5, roleGap}, link: c.GapsID}}, d.width()-2*pad)
	} else {
		more = wrap([]piece{{text: c.Gaps.Label, style: textStyle}}, d.width()-2*pad)
	}
	height += float64(len(more)) * 12.5
	if height < (bodyBottom-bodyTop)*0.8 {
		d.need(height)
		d.fill(d.left(), d.y, d.width(), height, "gap-bg")
	}
	d.y += pad
	d.indent += pad
	d.lines(wrap([]piece{{text: c.GapsHead, style: style{bold, 10.5, roleGap}}}, d.width()-pad), 17)
	for _, i := range all {
		d.y += 2
		d.beside(i.left, i.right, where, 12.5)
		d.y += 2
	}
	d.lines(more, 12.5)
	d.indent -= pad
	d.y += pad + 14
}

// states draws how many requirements are in which state.
func (d *pdf) states() {
	c := d.c
	if len(c.States) == 0 {
		return
	}
	d.coverHead("Requirements", 40)
	d.y += 2
	x := d.left()
	for _, r := range share(c.States, d.width()) {
		d.fill(x+r.X, d.y, r.W, 7, r.Fill)
	}
	d.y += 13
	var pieces []piece
	for i, s := range c.States {
		if i > 0 {
			pieces = append(pieces, piece{text: "     ", style: textStyle})
		}
		pieces = append(pieces, piece{sign: "state-" + string(s.State), style: textStyle}, piece{text: count(s.Count), style: boldStyle}, piece{text: " " + s.Word, style: textStyle})
	}
	d.paragraph(pieces, leading)
	d.y += 12
}

// marks draws the numbers worth a place on the first page, three in a row.
func (d *pdf) marks() {
	if len(d.c.Marks) == 0 {
		return
	}
	d.coverHead("Numbers of the period", min(float64((len(d.c.Marks)+2)/3)*41, 300))
	d.y += 2
	const across, gap, height = 3, 18.0, 41.0
	w := (d.width() - gap*(across-1)) / across
	for i := 0; i < len(d.c.Marks); i += across {
		d.need(height)
		for k, m := range d.c.Marks[i:min(i+across, len(d.c.Marks))] {
			x := d.left() + float64(k)*(w+gap)
			d.rule(x, d.y, w, roleLine, 0.6)
			number := style{bold, 14, roleInk}
			var head []piece
			if m.Value.Tone != report.TonePlain {
				head = append(head, piece{sign: "tone-" + string(m.Value.Tone), style: style{bold, 10, roleInk}})
			}
			head = append(head, piece{text: m.Value.Text, style: number})
			d.first(wrap(head, w), x, d.y+18)
			d.first(wrap([]piece{{text: m.Label, style: style{regular, 8, roleSoft}, link: m.Link}}, w), x, d.y+31)
		}
		d.y += height
	}
	d.y += 4
}

// first draws the first line of a value that has room for one; where there are more it says so.
func (d *pdf) first(lines []line, x, y float64) {
	if len(lines) == 0 {
		return
	}
	l := lines[0]
	if n := len(l.glyphs); len(lines) > 1 && n > 1 {
		last := l.glyphs[n-1]
		last.c = '…'
		l.glyphs = append(l.glyphs[:n-1:n-1], last)
	}
	d.draw(l, x, y)
}
