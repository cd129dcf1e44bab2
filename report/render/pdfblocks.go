package render

import (
	"fmt"
	"math"

	"countersign/report"
)

// The styles of paper.
var (
	textStyle  = style{regular, 9.5, roleInk}
	softStyle  = style{regular, 9.5, roleSoft}
	boldStyle  = style{bold, 9.5, roleInk}
	codeStyle  = style{mono, 8.3, roleInk}
	labelStyle = style{bold, 8, roleSoft}
	smallStyle = style{regular, 8, roleInk}
)

const (
	leading      = 14.0
	smallLeading = 11.0
)

// part draws a heading and what stands under it.
func (d *pdf) part(p *part) {
	switch p.Level {
	case 2:
		d.section = p.Title
		// What went over from the first page need not have a page of its own.
		if over := p == d.c.Parts[0] && d.f.PageNo() > 1 && d.y < bodyTop+250; over || p.Flows {
			d.space(30)
			d.need(220)
		} else {
			d.newPage()
		}
		d.heading(p, []piece{{text: p.Title, style: style{bold, 18, roleInk}}}, 24, 14)
	case 3:
		d.section = p.Title
		d.space(16)
		pieces := []piece{{text: p.Title, style: style{bold, 13, roleInk}}}
		if p.State != "" {
			pieces = append(pieces, piece{text: "  ", style: textStyle}, piece{sign: "state-" + string(p.State), style: stateStyle(p.State)}, piece{text: stateWord(p.State), style: stateStyle(p.State)})
		}
		d.heading(p, pieces, 18, 8)
		d.fresh = true
	case 4:
		d.section = p.Number + "  " + p.Title
		if !d.fresh {
			d.space(18)
		}
		d.need(110)
		if !d.fresh && d.y > bodyTop {
			d.rule(d.left(), d.y, d.width(), roleLine, 0.6)
			d.y += 10
		}
		d.heading(p, []piece{{text: p.Number + "  ", style: style{bold, 11.5, roleAccent}}, {text: p.Title, style: style{bold, 11.5, roleInk}}}, 16, 4)
	default:
		d.space(12)
		d.indent = 14
		d.heading(p, []piece{{text: p.Title + "  ", style: style{bold, 10, roleInk}}, {text: p.Code + "  ", style: style{mono, 8.5, roleSoft}}, {sign: "state-" + string(p.State), style: stateStyle(p.State)}, {text: stateWord(p.State), style: stateStyle(p.State)}}, 14, 4)
	}
	for _, b := range p.Blocks {
		d.fresh = false
		d.block(b)
	}
	for _, sub := range p.Parts {
		d.part(sub)
		d.fresh = false
	}
	d.indent = 0
}

// heading sets a title so that it never stands alone at the end of a page, and its bookmark.
func (d *pdf) heading(p *part, pieces []piece, leading, after float64) {
	lines := wrap(pieces, d.width())
	d.need(leading*float64(len(lines)) + after + d.beginning(p))
	d.target(p.ID)
	if p.Level <= 4 {
		title := p.Title
		if p.Number != "" {
			title = p.Number + " " + title
		}
		d.f.SetFont(regular.family, "", 8) // the library takes the bookmark's encoding from the font
		title, rest := clip(plain(title), 120)
		if rest != "" {
			title += "…"
		}
		d.f.Bookmark(bmp(title), p.Level-2, max(d.y-14, 0))
	}
	d.lines(lines, leading)
	d.y += after
}

// stateStyle is that of a state's word after a title.
func stateStyle(s report.State) style { return style{bold, 8.5, stateRole(s)} }

// beginning is how much of what stands under a heading must be on its page: a chart whole, else some lines.
func (d *pdf) beginning(p *part) float64 {
	const some = 60
	if len(p.Blocks) > 0 {
		if f, ok := p.Blocks[0].(figure); ok && f.Drawing != nil {
			return math.Min(f.Drawing.H+3*leading, (bodyBottom-bodyTop)*0.7)
		}
		return some
	}
	if len(p.Parts) > 0 {
		return 30 + d.beginning(p.Parts[0])
	}
	return some
}

// bmp leaves out what the library cannot write into bookmarks.
func bmp(s string) string {
	out := []rune(s)
	for i, c := range out {
		if c > 0xffff {
			out[i] = '\ufffd'
		}
	}
	return string(out)
}

// space leaves room, but none at the top of a page.
func (d *pdf) space(height float64) {
	if d.y > bodyTop {
		d.y += height
	}
}

func (d *pdf) block(b block) {
	switch b := b.(type) {
	case prose:
		s := textStyle
		if b.Soft {
			s = softStyle
		}
		for _, p := range b.Paras {
			d.paragraph([]piece{{text: p, style: s}}, leading)
			d.y += 5
		}
	case labelled:
		d.label(b.Label)
		d.paragraph([]piece{{text: b.Text, style: textStyle}}, leading)
		d.y += 6
	case stated:
		s := style{bold, 9.5, stateRole(b.State)}
		d.paragraph([]piece{{sign: "state-" + string(b.State), style: s}, {text: b.Word + ".  ", style: s}, {text: b.Reason, style: textStyle}}, leading)
		d.y += 6
	case facts:
		d.facts(b)
	case links:
		d.linksTo(b)
	case items:
		d.label(b.Label)
		for _, item := range b.Items {
			d.paragraph([]piece{{text: "–  ", style: softStyle}, {text: item, style: textStyle}}, leading)
		}
		d.y += 6
	case coverage:
		d.coverage(b)
	case gapList:
		d.gaps(b)
	case pointer:
		d.paragraph([]piece{{text: b.Before, style: softStyle}, {text: b.Text, style: style{regular, 9.5, roleAccent}, link: b.Link}, {text: b.After, style: softStyle}}, leading)
		d.y += 5
	case grid:
		d.grid(b)
	case figure:
		d.figure(b)
	case codeLines:
		for _, l := range b.Lines {
			d.paragraph([]piece{{text: l, style: codeStyle}}, leading)
		}
		d.y += 6
	case blanks:
		for _, l := range b.Labels {
			d.need(34)
			d.y += 34
			d.textAt(d.left(), d.y-3, l, softStyle, "start")
			d.rule(d.left()+90, d.y, 260, roleSoft, 0.5)
		}
	}
}

func (d *pdf) linksTo(b links) {
	d.label(b.Label)
	var pieces []piece
	for i, v := range b.To {
		if i > 0 {
			pieces = append(pieces, piece{text: ", ", style: textStyle})
		}
		pieces = append(pieces, piece{text: v.Text, style: style{regular, 9.5, roleAccent}, link: v.Link})
	}
	d.paragraph(pieces, leading)
	d.y += 6
}

func (d *pdf) coverage(b coverage) {
	d.label(b.Label)
	for _, item := range b.Items {
		text := " " + item.Word
		if item.Why != "" {
			text += ": " + item.Why
		}
		d.paragraph([]piece{{sign: "state-" + string(item.State), style: smallStyle}, {text: item.Source, style: style{mono, 7.5, roleInk}}, {text: text, style: style{regular, 8.5, roleInk}}}, 12.5)
	}
	d.y += 6
}

// label sets the name over a text and stays with it.
func (d *pdf) label(s string) {
	if s == "" {
		return
	}
	d.need(smallLeading + 2*leading)
	d.lines(wrap([]piece{{text: s, style: labelStyle}}, d.width()), smallLeading+1)
}

// pieces are the parts of a value.
func pieces(v value, s style) []piece {
	if v.Look == lookCode {
		s.face, s.size = mono, s.size*0.88
	}
	var out []piece
	switch v.Tone {
	case report.ToneGood, report.ToneWarn, report.ToneBad:
		if s.face == regular {
			s.face = bold
		}
		mark := s
		out = append(out, piece{sign: "tone-" + string(v.Tone), style: mark})
	}
	if v.State != "" {
		out = append(out, piece{sign: "state-" + string(v.State), style: s})
	}
	t := s
	if v.Link != "" {
		t.role = roleAccent
	}
	out = append(out, piece{text: v.Text, style: t, link: v.Link})
	soft := style{regular, s.size * 0.9, roleSoft}
	if v.Rest != "" {
		out = append(out, piece{text: " " + v.Rest, style: soft})
	}
	if v.Mark != "" {
		out = append(out, piece{text: " [" + v.Mark + "]", style: soft})
	}
	return out
}

// subStyle is that of a value's second line.
func subStyle(s style) style { return style{mono, s.size * 0.8, roleSoft} }

// valueLines are the lines of a value in a width.
func valueLines(v value, s style, width float64) []line {
	out := wrap(pieces(v, s), width)
	if v.Sub != "" {
		out = append(out, wrap([]piece{{text: v.Sub, style: subStyle(s)}}, width)...)
	}
	return out
}

func (d *pdf) facts(b facts) {
	switch b.Form {
	case "row":
		d.factsRow(b)
		return
	case "source":
		d.source(b)
		return
	}
	const labels = 118.0
	for _, row := range b.Rows {
		var right []line
		for _, v := range row.Values {
			right = append(right, valueLines(v, textStyle, d.width()-labels)...)
		}
		left := wrap([]piece{{text: row.Label, style: softStyle}}, labels-10)
		d.need(float64(min(max(len(left), len(right)), 20))*leading + 6)
		d.rule(d.left(), d.y, d.width(), roleLine, 0.5)
		d.y += 3
		d.beside(left, right, labels, leading)
		d.y += 3
	}
	d.rule(d.left(), d.y, d.width(), roleLine, 0.5)
	d.y += 12
}

// beside sets two columns of lines side by side; they may go on over pages.
func (d *pdf) beside(left, right []line, at, leading float64) {
	for i := range max(len(left), len(right)) {
		d.need(leading)
		if i < len(left) {
			d.draw(left[i], d.left(), d.y+leading*0.76)
		}
		if i < len(right) {
			d.draw(right[i], d.left()+at, d.y+leading*0.76)
		}
		d.y += leading
	}
}

// factsRow sets values side by side under their names.
func (d *pdf) factsRow(b facts) {
	d.need(30)
	x := 0.0
	for _, row := range b.Rows {
		name := wrap([]piece{{text: row.Label, style: style{regular, 7.5, roleSoft}}}, 200)
		var val []line
		for _, v := range row.Values {
			val = append(val, wrap(pieces(v, boldStyle), d.width())...)
		}
		w := max(name[0].width, val[0].width)
		if x > 0 && x+w > d.width() {
			x = 0
			d.y += 28
			d.need(30)
		}
		d.draw(name[0], d.left()+x, d.y+8)
		d.draw(val[0], d.left()+x, d.y+21)
		x += w + 26
	}
	d.y += 33
}

// source sets where numbers come from, on ground of its own.
func (d *pdf) source(b facts) {
	const labels, pad = 52.0, 8.0
	small := style{regular, 7.5, roleInk}
	type entry struct{ left, right []line }
	var all []entry
	height := 2*pad + smallLeading
	for _, row := range b.Rows {
		e := entry{left: wrap([]piece{{text: row.Label, style: style{regular, 7.5, roleSoft}}}, labels)}
		for _, v := range row.Values {
			e.right = append(e.right, valueLines(v, small, d.width()-labels-2*pad)...)
		}
		height += float64(max(len(e.left), len(e.right)))*smallLeading + 1
		all = append(all, e)
	}
	if height < (bodyBottom-bodyTop)*0.6 {
		d.need(height + 4)
		d.fill(d.left(), d.y, d.width(), height, roleFaint)
	}
	d.y += pad
	d.indent += pad
	d.lines(wrap([]piece{{text: b.Label, style: style{bold, 7.5, roleSoft}}}, d.width()-pad), smallLeading)
	for _, e := range all {
		d.beside(e.left, e.right, labels, smallLeading)
		d.y++
	}
	d.indent -= pad
	d.y += pad + 4
}

func (d *pdf) gaps(b gapList) {
	if b.Label != "" {
		d.need(60)
		d.paragraph([]piece{{sign: "state-gap", style: style{bold, 9.5, roleGap}}, {text: b.Label, style: style{bold, 9.5, roleGap}}}, leading)
	}
	for _, g := range b.Items {
		d.need(3*leading + 8)
		if b.Label == "" {
			d.rule(d.left(), d.y, d.width(), roleLine, 0.5)
			d.y += 6
		} else {
			d.indent += 13
		}
		if g.Where != "" {
			d.paragraph([]piece{{text: g.Where, style: style{regular, 8.5, roleAccent}, link: g.Link}}, 12)
		}
		d.paragraph([]piece{{text: g.What, style: boldStyle}}, leading)
		if g.Why != "" {
			d.paragraph([]piece{{text: g.Why, style: textStyle}}, leading)
		}
		if g.Close != "" {
			d.paragraph([]piece{{text: "To close it  ", style: labelStyle}, {text: g.Close, style: textStyle}}, leading)
		}
		if b.Label != "" {
			d.indent -= 13
			d.y += 3
		} else {
			d.y += 6
		}
	}
	d.y += 4
}

// figure draws a chart under its title.
func (d *pdf) figure(b figure) {
	title := wrap([]piece{{text: b.Title, style: boldStyle}}, d.width())
	summary := wrap([]piece{{text: b.Summary, style: style{regular, 8.5, roleInk}}}, d.width())
	height := float64(len(title))*leading + float64(len(summary))*12 + 26
	if b.Drawing != nil {
		height += b.Drawing.H
	}
	d.need(min(height, bodyBottom-bodyTop))
	d.lines(title, leading)
	d.lines(summary, 12)
	d.y += 8
	if b.Drawing == nil {
		d.paragraph([]piece{{text: b.Empty, style: softStyle}}, leading)
		d.y += 8
		return
	}
	d.need(b.Drawing.H)
	d.drawing(b.Drawing, d.left(), d.y)
	d.y += b.Drawing.H + 16
}

func (d *pdf) drawing(g *drawing, x, y float64) {
	for _, l := range g.Lines {
		d.f.SetDrawColor(light(l.Role))
		d.f.SetLineWidth(0.5)
		d.f.Line(x+l.X1, y+l.Y1, x+l.X2, y+l.Y2)
	}
	for _, r := range g.Rects {
		if r.Fill != "" {
			d.fill(x+r.X, y+r.Y, r.W, r.H, r.Fill)
			continue
		}
		d.f.SetDrawColor(light(r.Stroke))
		d.f.SetLineWidth(0.6)
		d.f.Rect(x+r.X, y+r.Y, r.W, r.H, "D")
	}
	for _, t := range g.Texts {
		d.textAt(x+t.X, y+t.Y, t.Text, style{regular, chartText, t.Role}, t.Anchor)
	}
}

// pageOf is the page of an anchor as a table of contents says it.
func (d *pdf) pageOf(anchor string) string {
	if n := d.pages[anchor]; n > 0 {
		return fmt.Sprint(n)
	}
	return ""
}
