package render

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"codeberg.org/go-pdf/fpdf"

	"countersign/report"
)

// Paper is A4, in points.
const (
	paperWidth, paperHeight = 595.28, 841.89
	marginLeft              = 48.0
	marginRight             = 48.14
	bodyTop                 = 70.0
	bodyBottom              = 768.0
	bodyWidth               = paperWidth - marginLeft - marginRight // that of charts
)

// pdf is a PDF while it is laid out, from the top of the first page to the bottom of the last.
type pdf struct {
	f *fpdf.Fpdf
	c *composed

	y       float64
	indent  float64 // from the left margin
	fresh   bool    // nothing was drawn since a heading
	section string  // what the page's head says on its right

	// A report is laid out twice: the first time says on which pages things stand and how many there are, the second
	// time writes that down.
	pages map[string]int // of anchors, from the first time
	total int            // pages, from the first time
	found map[string]int // of anchors, of this time
	links map[string]int // of anchors, as the library numbers them
}

// PDF draws a report as a PDF: the same content as the HTML, in the same order. The whole file is in memory until it is
// written.
func PDF(w io.Writer, r *report.Report) error {
	c, err := compose(r)
	if err != nil {
		return fmt.Errorf("draw report as PDF: %w", err)
	}
	first, err := layOut(c, nil, 0)
	if err != nil {
		return fmt.Errorf("draw report as PDF: %w", err)
	}
	d, err := layOut(c, first.found, first.f.PageNo())
	if err != nil {
		return fmt.Errorf("draw report as PDF: %w", err)
	}
	var out bytes.Buffer
	if err := d.f.Output(&out); err != nil {
		return fmt.Errorf("draw report as PDF: %w", err)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("draw report as PDF: %w", err)
	}
	return nil
}

func layOut(c *composed, pages map[string]int, total int) (*pdf, error) {
	d := &pdf{c: c, pages: pages, total: total, found: map[string]int{}, links: map[string]int{}}
	d.f = fpdf.NewCustom(&fpdf.InitType{UnitStr: "pt", Size: fpdf.SizeType{Wd: paperWidth, Ht: paperHeight}})
	d.f.SetMargins(0, 0, 0)
	d.f.SetAutoPageBreak(false, 0)
	d.f.SetCellMargin(0)
	// The library would else write its maps in another order each time.
	d.f.SetCatalogSort(true)
	at, err := time.Parse(time.RFC3339, c.Report.Run.At)
	if err != nil {
		return nil, fmt.Errorf("time of the run: %w", err)
	}
	d.f.SetCreationDate(at.UTC())
	d.f.SetModificationDate(at.UTC())
	d.f.SetLang("en")
	d.f.SetTitle(plain(c.Title), true)
	d.f.SetSubject(plain(c.Running), true)
	d.f.SetAuthor(plain(c.Report.Run.ByName), true)
	d.f.SetCreator(plain(c.Report.Run.Software), true)
	d.f.SetProducer("Countersign", true)
	for _, face := range []*face{regular, bold, mono} {
		face.read()
		// The library writes into what it is given, where it pads tables.
		d.f.AddUTF8FontFromBytes(face.family, face.style, bytes.Clone(face.data))
	}
	d.compose()
	if err := d.f.Error(); err != nil {
		return nil, err
	}
	return d, nil
}

// compose draws everything.
func (d *pdf) compose() {
	d.newPage()
	d.cover()
	for _, p := range d.c.Parts {
		d.part(p)
	}
}

// newPage begins a page with its head and foot.
func (d *pdf) newPage() {
	d.f.AddPage()
	d.y = bodyTop
	n := d.f.PageNo()
	small := style{regular, 7, roleSoft}
	if n > 1 {
		d.textAt(marginLeft, 40, fitted(d.c.Running, small, bodyWidth*0.62), small, "start")
		d.textAt(marginLeft+bodyWidth, 40, fitted(d.section, small, bodyWidth*0.35), small, "end")
		d.rule(marginLeft, 47, bodyWidth, roleLine, 0.5)
	}
	d.rule(marginLeft, 784, bodyWidth, roleLine, 0.5)
	tiny := style{regular, 6, roleSoft}
	for i, line := range d.c.Foot {
		d.textAt(marginLeft, 793+8.2*float64(i), fitted(line, tiny, bodyWidth-70), tiny, "start")
	}
	d.textAt(marginLeft+bodyWidth, 793, fmt.Sprintf("Page %d of %d", n, d.total), small, "end")
}

// need begins a page where there is not so much room left on this one.
func (d *pdf) need(height float64) {
	if d.y+height > bodyBottom && d.y > bodyTop {
		d.newPage()
	}
}

// left is where text begins, width how much of it there is in a line.
func (d *pdf) left() float64  { return marginLeft + d.indent }
func (d *pdf) width() float64 { return bodyWidth - d.indent }

// target notes that something stands here.
func (d *pdf) target(anchor string) {
	if anchor == "" {
		return
	}
	d.found[anchor] = d.f.PageNo()
	d.f.SetLink(d.link(anchor), max(d.y-14, 0), d.f.PageNo())
}

// link returns the library's number of an anchor.
func (d *pdf) link(anchor string) int {
	n, ok := d.links[anchor]
	if !ok {
		n = d.f.AddLink()
		d.links[anchor] = n
	}
	return n
}

// leads makes a place on the page lead to an anchor, which the first layout has found to be there.
func (d *pdf) leads(anchor string, x, y, w, h float64) {
	if d.pages[anchor] > 0 {
		d.f.Link(x, y, w, h, d.link(anchor))
	}
}

func (d *pdf) rule(x, y, width float64, r role, thick float64) {
	d.f.SetDrawColor(light(r))
	d.f.SetLineWidth(thick)
	d.f.Line(x, y, x+width, y)
}

func (d *pdf) fill(x, y, w, h float64, r role) {
	d.f.SetFillColor(light(r))
	d.f.Rect(x, y, w, h, "F")
}
