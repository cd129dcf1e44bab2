package render

import (
	"strings"

	"codeberg.org/go-pdf/fpdf"

	"countersign/report"
)

// sign draws the sign of a state or a tone before text of a size, as the HTML has it.
func (d *pdf) sign(name string, x, base, size float64) {
	s := size * 0.82 // of its box
	top := base - s*0.92
	at := func(px, py float64) fpdf.PointType { return fpdf.PointType{X: x + px/16*s, Y: top + py/16*s} }
	kind, what, _ := strings.Cut(name, "-")
	if kind == "tone" {
		switch report.Tone(what) {
		case report.ToneGood:
			d.f.SetDrawColor(light(roleGood))
			d.f.SetLineWidth(s * 0.14)
			a, b, c := at(3, 8.6), at(6.4, 12), at(13, 4.4)
			d.f.Line(a.X, a.Y, b.X, b.Y)
			d.f.Line(b.X, b.Y, c.X, c.Y)
		case report.ToneWarn:
			d.f.SetFillColor(light(rolePartial))
			d.f.Polygon([]fpdf.PointType{at(8, 2.5), at(14.5, 13.5), at(1.5, 13.5)}, "F")
		case report.ToneBad:
			d.f.SetFillColor(light(roleGap))
			d.f.Polygon([]fpdf.PointType{at(8, 1.5), at(14.5, 8), at(8, 14.5), at(1.5, 8)}, "F")
		}
		return
	}
	colour := stateRole(report.State(what))
	d.f.SetFillColor(light(colour))
	d.f.SetDrawColor(light(colour))
	d.f.SetLineWidth(s * 0.1)
	centre, r := at(8, 8), s*5.75/16
	switch report.State(what) {
	case report.StateEvidence:
		d.f.Circle(centre.X, centre.Y, s*6.5/16, "F")
	case report.StatePartial:
		d.f.Circle(centre.X, centre.Y, r, "D")
		d.f.ClipRect(centre.X, centre.Y-s, s, 2*s, false)
		d.f.Circle(centre.X, centre.Y, r, "F")
		d.f.ClipEnd()
	case report.StateGap:
		d.f.Polygon([]fpdf.PointType{at(8, 2.2), at(14.4, 13.4), at(1.6, 13.4)}, "D")
		a := at(7.25, 6)
		d.f.Rect(a.X, a.Y, s*1.5/16, s*3.8/16, "F")
		b := at(7.25, 10.7)
		d.f.Rect(b.X, b.Y, s*1.5/16, s*1.4/16, "F")
	case report.StateManual:
		d.f.Polygon([]fpdf.PointType{at(3.5, 1.75), at(9.5, 1.75), at(12.5, 4.75), at(12.5, 14.25), at(3.5, 14.25)}, "D")
		for _, y := range []float64{7.25, 10} {
			a := at(5.5, y)
			d.f.Rect(a.X, a.Y, s*5/16, s*1.3/16, "F")
		}
	case report.StateAbsent:
		d.f.SetDashPattern([]float64{s * 0.13, s * 0.1}, 0)
		d.f.Circle(centre.X, centre.Y, r, "D")
		d.f.SetDashPattern(nil, 0)
	default:
		d.f.Circle(centre.X, centre.Y, r, "D")
		a := at(5, 7.25)
		d.f.Rect(a.X, a.Y, s*6/16, s*1.5/16, "F")
	}
}
