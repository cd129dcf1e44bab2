package render_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/report"
	"countersign/report/render"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden holds bytes to a golden file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); d != "" {
		t.Errorf("%s: -want +got:\n%s", name, d)
	}
}

func htmlOf(t testing.TB, r *report.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := render.HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestHTMLOfASmallReport(t *testing.T) {
	golden(t, "small.golden.html", []byte(htmlOf(t, small())))
}

// The sample is kept as others may want to look at it: a report as a run would write it.
func TestTheSampleIsTheSameEachTime(t *testing.T) {
	b, err := sample().JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "sample.golden.json", b)
}

// reports are those that every check is made with.
func reports(t *testing.T) map[string]*report.Report {
	all := map[string]*report.Report{"small": small(), "sample": sample(), "hostile": hostile(), "empty": {Version: report.ReportVersion, Run: report.Run{At: "2026-01-05T06:07:08Z"}}}
	// What runs make, as package report keeps it.
	for _, name := range []string{"pci-dss", "soc-2", "before", "one-account"} {
		b, err := os.ReadFile(filepath.Join("..", "testdata", name+".golden.json"))
		if err != nil {
			t.Fatal(err)
		}
		r := &report.Report{}
		if err := json.Unmarshal(b, r); err != nil {
			t.Fatal(err)
		}
		all[name] = r
	}
	return all
}

// node is an element of a page.
type node struct {
	name     string
	attr     map[string]string
	children []*node
	parent   *node

	all      *strings.Builder // the texts of the page
	from, to int              // where those of this element and of what is in it are
}

// text returns what stands in an element.
func (n *node) text() string { return n.all.String()[n.from:n.to] }

func (n *node) each(f func(*node)) {
	f(n)
	for _, c := range n.children {
		c.each(f)
	}
}

// parse reads a page strictly: each element that is opened is closed.
func parse(t testing.TB, page string) *node {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(page, "<!doctype html>")))
	d.Strict = false
	d.AutoClose = append([]string{"wbr"}, xml.HTMLAutoClose...)
	d.Entity = xml.HTMLEntity
	var all strings.Builder
	root := &node{name: "document", all: &all}
	at := root
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the page is not well formed: %v", err)
		}
		switch k := token.(type) {
		case xml.StartElement:
			n := &node{name: k.Name.Local, attr: map[string]string{}, parent: at, all: &all, from: all.Len(), to: all.Len()}
			for _, a := range k.Attr {
				if _, twice := n.attr[a.Name.Local]; twice {
					t.Errorf("%s has %s twice", n.name, a.Name.Local)
				}
				n.attr[a.Name.Local] = a.Value
			}
			at.children = append(at.children, n)
			if !slices.Contains(d.AutoClose, n.name) {
				at = n
			}
		case xml.EndElement:
			if slices.Contains(d.AutoClose, k.Name.Local) {
				continue
			}
			if at.name != k.Name.Local {
				t.Fatalf("%s is closed within %s", k.Name.Local, at.name)
			}
			at.to = all.Len()
			at = at.parent
		case xml.CharData:
			all.Write(k)
		}
	}
	if at != root {
		t.Fatalf("%s is not closed", at.name)
	}
	root.to = all.Len()
	return root
}

func TestTheHTMLIsWellMade(t *testing.T) {
	for name, r := range reports(t) {
		t.Run(name, func(t *testing.T) {
			root := parse(t, htmlOf(t, r))
			ids := map[string]bool{}
			root.each(func(n *node) {
				if id, ok := n.attr["id"]; ok && (ids[id] || id == "") {
					t.Errorf("%q stands for two places", id)
				} else if ok {
					ids[id] = true
				}
			})
			landmarks := map[string]int{}
			heading := 0
			root.each(func(n *node) {
				wellMade(t, n, ids)
				landmarks[n.name]++
				if len(n.name) == 2 && n.name[0] == 'h' && n.name[1] >= '1' && n.name[1] <= '6' && !under(n, "nav") {
					level := int(n.name[1] - '0')
					if level > heading+1 {
						t.Errorf("%s %.40q comes after a heading of level %d", n.name, n.text(), heading)
					}
					heading = level
					if strings.TrimSpace(n.text()) == "" && name != "empty" {
						t.Errorf("%s is empty", n.name)
					}
				}
			})
			if landmarks["main"] != 1 || landmarks["nav"] != 1 || landmarks["h1"] != 1 || landmarks["title"] < 1 {
				t.Errorf("landmarks: %v", landmarks)
			}
		})
	}
}

func under(n *node, name string) bool {
	for p := n.parent; p != nil; p = p.parent {
		if p.name == name {
			return true
		}
	}
	return false
}

// wellMade checks one element.
func wellMade(t *testing.T, n *node, ids map[string]bool) {
	t.Helper()
	known := []string{"html", "head", "meta", "title", "style", "body", "a", "svg", "symbol", "circle", "path", "use", "rect", "line", "text", "div", "nav", "main", "header", "section", "h1", "h2", "h3", "h4", "h5", "p", "ul", "ol", "li", "dl", "dt", "dd", "span", "b", "bdi", "br", "wbr", "code", "pre", "table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "details", "summary", "document"}
	if !slices.Contains(known, n.name) {
		t.Errorf("there is a %s, which is none of ours", n.name)
	}
	for name, value := range n.attr {
		if strings.HasPrefix(name, "on") || name == "style" || name == "src" || name == "action" || name == "srcset" || name == "data" {
			t.Errorf("%s has %s=%q", n.name, name, value)
		}
		switch name {
		case "href":
			if !strings.HasPrefix(value, "#") || !ids[value[1:]] {
				t.Errorf("%s leads to %q", n.name, value)
			}
		case "aria-labelledby":
			if !ids[value] {
				t.Errorf("%s is named by %q, which is not there", n.name, value)
			}
		}
	}
	switch n.name {
	case "table":
		if len(n.children) == 0 || n.children[0].name != "caption" || strings.TrimSpace(n.children[0].text()) == "" && n.children[0].attr["id"] == "" {
			t.Errorf("a table has no caption: %.60q", n.text())
		}
		table(t, n)
	case "th":
		if s := n.attr["scope"]; s != "col" && s != "row" {
			t.Errorf("a head has scope %q: %.40q", s, n.text())
		}
	case "svg":
		if n.attr["aria-hidden"] != "true" && (n.attr["role"] != "img" || n.attr["aria-label"] == "" && n.attr["aria-labelledby"] == "") {
			t.Errorf("a picture has no words: %v", n.attr)
		}
	case "section", "figure":
		if n.attr["aria-labelledby"] == "" {
			t.Errorf("a %s has no name", n.name)
		}
	}
}

// table checks that each row has a cell for each column, and a head.
func table(t *testing.T, n *node) {
	t.Helper()
	var columns int
	n.each(func(r *node) {
		switch {
		case r.name == "tr" && r.parent.name == "thead":
			columns = len(r.children)
		case r.name == "tr" && r.children[0].attr["colspan"] != "":
		case r.name == "tr" && (len(r.children) != columns || r.children[0].name != "th"):
			t.Errorf("a row has %d cells of %d, the first is a %s", len(r.children), columns, r.children[0].name)
		}
	})
}

func TestTheHTMLLoadsAndRunsNothing(t *testing.T) {
	for name, r := range reports(t) {
		page := htmlOf(t, r)
		style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(page)
		if style == nil {
			t.Fatalf("%s: there is no style sheet", name)
		}
		sum := sha256.Sum256([]byte(style[1]))
		want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
		got := ""
		parse(t, page).each(func(n *node) {
			if n.attr["http-equiv"] == "Content-Security-Policy" {
				got = n.attr["content"]
			}
		})
		if got != want {
			t.Errorf("%s: the policy is %q, want %q", name, got, want)
		}
		for _, outside := range []string{"url(", "@import", "@font-face", "expression("} {
			if strings.Contains(style[1], outside) {
				t.Errorf("%s: the style sheet has %q", name, outside)
			}
		}
		if strings.Contains(page, "://") {
			t.Errorf("%s: there is an address in the page", name)
		}
	}
}

func TestHostileTextsStayTexts(t *testing.T) {
	page := htmlOf(t, hostile())
	root := parse(t, page)
	for _, want := range []string{`<script>window.hit = 1</script>`, `"><img src=x onerror="window.hit = 1">`, "invoice‹U+202E›gpj.exe", "‹U+0000 0007 001B›[31mred‹U+009B›", "{nb} {{.}}", "田中 健二 שלום مرحبا हिन्दी 👩‹U+200D›💻"} {
		if !strings.Contains(root.text(), want) {
			t.Errorf("%q is not shown", want)
		}
	}
	for i, c := range page {
		if strings.ContainsRune("\u202e\u2066\u2069\u200b\ufeff\u00ad\u0000\u001b\u009b\r\t\u2028\u00a0\u3000", c) {
			t.Fatalf("U+%04X is in the page: %q", c, page[max(i-100, 0):i+10])
		}
	}
}

func TestNothingIsClaimedThatTheReportDoesNotClaim(t *testing.T) {
	for _, level := range []string{"A", "B", "C", "?", ""} {
		r := small()
		r.Run.ClaimLevel = level
		page := parse(t, htmlOf(t, r))
		body := strings.ToLower(page.text()[strings.Index(page.text(), "Skip to"):])
		for _, never := range []string{"complian", "complete", "certified", "endorsed", "partner"} {
			if strings.Contains(body, never) {
				t.Errorf("level %s: the report says %q", level, never)
			}
		}
		reached := 0
		page.each(func(n *node) {
			if n.attr["class"] == "reached" {
				reached++
			}
		})
		if want := strings.Index("ABC", level) + 1; level != "" && reached != want {
			t.Errorf("level %s: %d levels are shown as reached", level, reached)
		}
		if level == "" && reached != 0 {
			t.Errorf("no level: %d are shown as reached", reached)
		}
	}
}

func TestTheFirstPageSaysWhatAndWhoAndWhatIsMissing(t *testing.T) {
	page := htmlOf(t, small())
	cover := page[strings.Index(page, `<header class="cover">`):strings.Index(page, "</header>")]
	text := regexp.MustCompile(`<[^>]+>`).ReplaceAllString(cover, "")
	last := -1
	for _, want := range []string{"Own policy 3", "A small report", "1 January to 4 January 2026", "the period was not over", "This report states evidence.", "Example Bank; of them only 1 division", "auditor@example.com, 2026-01-05 06:07:08 UTC, on schedule monthly", "Countersign 1.2.3", "first 2,048 entries", sampleRoot, "2,000 entries of the period", hashOf("rows"), "Claim level A", "What the trail cannot show: 3 gaps", "Reads at the source", "What would close each", "Partial evidence", "400 days"} {
		i := strings.Index(strings.ReplaceAll(text, "&#43;", "+"), want)
		if i <= last {
			t.Errorf("%q is at %d, after %d", want, i, last)
		}
		last = max(last, i)
	}
}

func TestASampleIsShownOnce(t *testing.T) {
	page := htmlOf(t, small())
	if got := strings.Count(page, "Sample of 2"); got != 1 {
		t.Errorf("it is shown %d times", got)
	}
	if !strings.Contains(page, `Its sample is shown under <a href="#r-1-1-fail">1.1</a>.`) {
		t.Error("the second place does not say where it is")
	}
	// One that differs is shown again.
	r := small()
	r.Requirements[1].Evidence[0].Sample.Rows = r.Requirements[1].Evidence[0].Sample.Rows[:1]
	if got := strings.Count(htmlOf(t, r), "Sample of 2"); got != 2 {
		t.Errorf("another one is shown %d times", got)
	}
}

// long is a report with a table of so many rows.
func long(rows int) *report.Report {
	r := small()
	table := report.Table{ID: "long", Title: "A long table", Total: uint64(rows) + 5, Annex: "long.csv", Columns: []report.Column{{Label: "Seq", Kind: report.KindCount}, {Label: "Who", Kind: report.KindWho}, {Label: "When", Kind: report.KindMoment}, {Label: "What", Kind: report.KindText}}}
	for i := range rows {
		table.Rows = append(table.Rows, []report.Cell{{Value: fmt.Sprint(1_000_000 + i)}, {Value: "u-1"}, {Value: "2026-01-02T03:04:05Z"}, {Value: "Something happened"}})
	}
	r.Sections[0].Tables = append(r.Sections[0].Tables, table)
	return r
}

func TestLongTablesAreShownWhole(t *testing.T) {
	page := htmlOf(t, long(10_000))
	for i := range 10_000 {
		_, after, found := strings.Cut(page, fmt.Sprintf(">1,%03d,%03d<", i/1000, i%1000))
		if page = after; !found {
			t.Fatalf("row %d is not there", i)
		}
	}
	page = htmlOf(t, long(10))
	if !strings.Contains(page, "10 of 15 rows are shown; long.csv has them all.") {
		t.Error("the report does not say where the others are")
	}
}

// failing is a writer that has room for so many bytes.
type failing struct{ room int }

var errFull = errors.New("no space left")

func (f *failing) Write(b []byte) (int, error) {
	if len(b) > f.room {
		return 0, errFull
	}
	f.room -= len(b)
	return len(b), nil
}

func TestWhatCannotBeDrawnIsAnError(t *testing.T) {
	forms := map[string]func(io.Writer, *report.Report) error{"HTML": render.HTML, "PDF": render.PDF}
	for form, draw := range forms {
		for _, room := range []int{0, 70_000} {
			if err := draw(&failing{room}, sample()); !errors.Is(err, errFull) || !strings.HasPrefix(err.Error(), "draw report as "+form) {
				t.Errorf("%s on a full disk: %v", form, err)
			}
		}
		r := small()
		r.Version = 2
		if err := draw(io.Discard, r); err == nil || !strings.Contains(err.Error(), "report version 2") {
			t.Errorf("%s of another version: %v", form, err)
		}
	}
	r := small()
	r.Run.At = "yesterday"
	if err := render.PDF(io.Discard, r); err == nil || !strings.Contains(err.Error(), "time of the run") {
		t.Errorf("without a time: %v", err)
	}
}

func TestTheSameReportGivesTheSameBytes(t *testing.T) {
	r := sample()
	for form, draw := range map[string]func(io.Writer, *report.Report) error{"HTML": render.HTML, "PDF": render.PDF} {
		var all [4]bytes.Buffer
		var wait sync.WaitGroup
		for i := range all {
			wait.Go(func() {
				if err := draw(&all[i], r); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		for i := range all {
			if !bytes.Equal(all[i].Bytes(), all[0].Bytes()) || all[i].Len() == 0 {
				t.Errorf("%s %d differs", form, i)
			}
		}
	}
}

func FuzzTexts(f *testing.F) {
	for _, s := range hostileTexts {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		r := small()
		r.Title, r.Notice[0], r.Run.Query, r.Run.Software, r.Run.Origin = a, b, a, b, a
		r.People[0].ID, r.People[0].Name, r.People[1].Names = a, b, []string{a}
		r.Requirements[0].ID, r.Requirements[0].Group, r.Requirements[0].Asks, r.Requirements[0].Sections = b, a, b, []string{a, b}
		r.Requirements[0].Evidence[0].Sample.Rows[0] = []report.Cell{{Value: a}, {Value: b}, {Value: a}, {Value: b}, {Value: a}, {Value: b}, {Value: a}, {Value: b}}
		r.Requirements[0].Evidence[0].Sample.Columns[3].Label = a
		s := &r.Sections[0]
		s.ID, s.Title, s.Charts[0].Labels[0], s.Charts[1].Labels[0], s.Charts[2].Series[0].Name = a, b, a, b, a
		s.Charts[0].Series[0].Name, s.Charts[3].Series[0].Name = b, a
		parse(t, htmlOf(t, r))
		if err := render.PDF(io.Discard, r); err != nil {
			t.Error(err)
		}
	})
}
