package render

import (
	"strings"
	"unicode"
)

// style is how text is set.
type style struct {
	face *face
	size float64
	role role
}

// piece is text in one style that may lead somewhere.
type piece struct {
	text  string
	style style
	link  string
	sign  string // instead of text: state-evidence, tone-warn
}

// A glyph is one character as it is set. A sign has none.
type glyph struct {
	c     rune
	style style
	link  string
	sign  string
	w     float64
}

// line is what stands in one line, and how wide that is.
type line struct {
	glyphs []glyph
	width  float64
}

// glyphs returns the characters of pieces in faces that have them. What none has, and what is odd, is set by number.
func glyphs(pieces []piece) []glyph {
	var out []glyph
	add := func(c rune, s style, link string) {
		out = append(out, glyph{c: c, style: s, link: link, w: s.face.width(string(c), s.size)})
	}
	for _, p := range pieces {
		if p.sign != "" {
			out = append(out, glyph{style: p.style, sign: p.sign, w: p.style.size * 1.25})
			continue
		}
		for _, sp := range spans(p.text, func(c rune) bool { return p.style.face.has(c) || mono.has(c) }) {
			for _, c := range sp.Text {
				s := p.style
				if sp.Odd {
					s.role, s.size = roleSoft, s.size*0.88
				}
				if !s.face.has(c) {
					s.face = mono
				}
				add(c, s, p.link)
			}
		}
	}
	return out
}

// wrap breaks pieces into lines: at blanks, else after a sign within a word, else anywhere.
func wrap(pieces []piece, width float64) []line {
	all := glyphs(pieces)
	var lines []line
	for start := 0; start < len(all); {
		end, blank, sign := start, -1, -1
		w := 0.0
		for end < len(all) && (w+all[end].w <= width || end == start) {
			w += all[end].w
			switch c := all[end].c; {
			case c == ' ':
				blank = end
			case end > start+3 && strings.ContainsRune("-/_.,:;=@&?)", c):
				sign = end
			}
			end++
		}
		next := end
		switch {
		case end == len(all):
		case all[end].c == ' ':
			next = end + 1
		case blank >= start && wordEnd(all, blank+1, width):
			end, next = blank, blank+1
		case sign > start:
			end, next = sign+1, sign+1
		case blank > start:
			end, next = blank, blank+1
		default:
			// Marks stay with the letter that they stand on.
			for end > start+1 && unicode.Is(unicode.M, all[end].c) {
				end--
			}
			next = end
		}
		for end > start && all[end-1].c == ' ' {
			end--
		}
		l := line{glyphs: all[start:end]}
		for _, g := range l.glyphs {
			l.width += g.w
		}
		lines = append(lines, l)
		start = next
	}
	return lines
}

// balanced breaks pieces into as few lines as wrap does, of about the same width.
func balanced(pieces []piece, width float64) []line {
	lines := wrap(pieces, width)
	if len(lines) < 2 {
		return lines
	}
	low, high := width/2, width
	for high-low > 1 {
		if middle := (low + high) / 2; len(wrap(pieces, middle)) > len(lines) {
			low = middle
		} else {
			high = middle
		}
	}
	return wrap(pieces, high)
}

// wordEnd tells whether the word that begins there fits into a line of its own.
func wordEnd(all []glyph, from int, width float64) bool {
	w := 0.0
	for _, g := range all[from:] {
		if g.c == ' ' {
			break
		}
		if w += g.w; w > width {
			return false
		}
	}
	return true
}

// draw sets a line with its base line at y.
func (d *pdf) draw(l line, x, y float64) {
	for i := 0; i < len(l.glyphs); {
		g := l.glyphs[i]
		if g.sign != "" {
			d.sign(g.sign, x, y, g.style.size)
			x += g.w
			i++
			continue
		}
		var b strings.Builder
		w := 0.0
		for ; i < len(l.glyphs) && l.glyphs[i].sign == "" && l.glyphs[i].style == g.style && l.glyphs[i].link == g.link; i++ {
			b.WriteRune(l.glyphs[i].c)
			w += l.glyphs[i].w
		}
		d.set(g.style)
		d.f.Text(x, y, b.String())
		if g.link != "" {
			d.leads(g.link, x, y-g.style.size, w, g.style.size*1.3)
		}
		x += w
	}
}

func (d *pdf) set(s style) {
	d.f.SetFont(s.face.family, s.face.style, s.size)
	d.f.SetTextColor(light(s.role))
}

// textAt sets one line of our own making.
func (d *pdf) textAt(x, y float64, s string, st style, anchor string) {
	lines := wrap([]piece{{text: s, style: st}}, 1e9)
	if len(lines) == 0 {
		return
	}
	switch anchor {
	case "end":
		x -= lines[0].width
	case "middle":
		x -= lines[0].width / 2
	}
	d.draw(lines[0], x, y)
}

// fitted cuts a text to a width.
func fitted(s string, st style, width float64) string {
	const most = 300 // no line holds more, and a text may be long and on each page
	s, _ = clip(s, most)
	all := glyphs([]piece{{text: s, style: st}})
	w := 0.0
	var b strings.Builder
	dots := st.face.width("…", st.size)
	for i, g := range all {
		if w+g.w+dots > width && i < len(all)-1 {
			return b.String() + "…"
		}
		b.WriteRune(g.c)
		w += g.w
	}
	return b.String()
}

// paragraph sets pieces as lines from here down.
func (d *pdf) paragraph(pieces []piece, leading float64) {
	d.lines(wrap(pieces, d.width()), leading)
}

// lines sets lines from here down, the first and last two of them never alone on a page.
func (d *pdf) lines(all []line, leading float64) {
	for i, l := range all {
		switch {
		case i == 0:
			d.need(leading * float64(min(len(all), 2)))
		case i == len(all)-2:
			d.need(leading * 2)
		default:
			d.need(leading)
		}
		d.draw(l, d.left(), d.y+leading*0.76)
		d.y += leading
	}
}
