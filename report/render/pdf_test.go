package render_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"countersign/report"
	"countersign/report/render"
)

// poppler runs one of the programs that read PDFs. Tests that need them are skipped, and say so, where there are none.
func poppler(t *testing.T, program string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("WARNING: PDFs are not read back: there is no %s here (scripts/deps.sh installs it)", program)
	}
	var out, wrong bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdout, cmd.Stderr = &out, &wrong
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, wrong.String())
	}
	if wrong.Len() > 0 {
		t.Errorf("%s: %s", program, wrong.String())
	}
	return out.String()
}

// pdfOf draws a report and returns its file and the text of each page.
func pdfOf(t *testing.T, r *report.Report) (file string, pages []string) {
	t.Helper()
	var b bytes.Buffer
	if err := render.PDF(&b, r); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "report.pdf")
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	text := poppler(t, "pdftotext", "-layout", file, "-")
	return file, strings.Split(strings.TrimSuffix(text, "\f"), "\f")
}

// squeezed is a text without blanks: where lines end is of no matter.
func squeezed(s string) string { return strings.Join(strings.Fields(s), "") }

func TestThePDFSaysWhatTheReportSays(t *testing.T) {
	for name, r := range reports(t) {
		if name == "hostile" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			_, pages := pdfOf(t, r)
			// Cells of a row are side by side in the text: what is looked for among tables is one word.
			words := map[string]bool{}
			for _, page := range pages {
				for _, w := range strings.Fields(page) {
					words[w] = true
				}
			}
			text := squeezed(strings.Join(pages, "\n"))
			want := func(what, s string) {
				if !strings.Contains(text, squeezed(s)) {
					t.Errorf("%s %q is not in the PDF", what, s)
				}
			}
			for _, q := range r.Requirements {
				want("requirement", q.ID+" "+q.Title)
				want("paraphrase", q.Asks)
				want("how to judge", q.Judge)
				for _, g := range q.Gaps {
					want("gap", g.Why)
				}
				for _, e := range q.Evidence {
					want("search", e.Title+" "+e.Search)
					want("sentence", e.Says)
				}
			}
			for _, s := range r.Sections {
				want("section", s.Title)
				for _, c := range s.Charts {
					want("chart", c.Title)
					want("summary", c.Summary)
				}
				for _, table := range s.Tables {
					want("table", table.Title)
					for _, row := range table.Rows {
						for i, cell := range row {
							if n := grouped(cell.Value); table.Columns[i].Kind == report.KindCount && n != "" && !words[n] {
								t.Errorf("%s: %s is not in the PDF", table.ID, n)
							}
						}
					}
				}
			}
		})
	}
}

// grouped groups digits another way than the code does.
func grouped(s string) string {
	var parts []string
	for len(s) > 3 {
		parts = append([]string{s[len(s)-3:]}, parts...)
		s = s[:len(s)-3]
	}
	return strings.Join(append([]string{s}, parts...), ",")
}

func TestEachPageOfThePDFSaysWhereItsNumbersComeFrom(t *testing.T) {
	for name, r := range map[string]*report.Report{"small": small(), "sample": sample(), "hostile": hostile()} {
		b, err := r.JSON()
		if err != nil {
			t.Fatal(err)
		}
		file, pages := pdfOf(t, r)
		for i, page := range pages {
			wants := []string{fmt.Sprintf("Page %d of %d", i+1, len(pages))}
			if name != "hostile" {
				wants = append(wants, "Run "+r.Run.ID+" by "+r.Run.ByName, r.Run.Software, grouped(fmt.Sprint(r.Run.TreeSize))+" entries, root "+r.Run.CheckRoot[:12], r.Run.RowsHash[:12], "report.json, SHA-256 "+hashOf(string(b))[:12], "Query "+r.Run.Query)
			}
			for _, want := range wants {
				if !strings.Contains(page, want) {
					t.Errorf("%s: page %d does not say %q", name, i+1, want)
				}
			}
		}
		if info := poppler(t, "pdfinfo", file); !strings.Contains(info, fmt.Sprintf("Pages:           %d\n", len(pages))) || name != "hostile" && !strings.Contains(info, "Title:           "+r.Title+"\n") || !strings.Contains(info, "A4") {
			t.Errorf("%s: %s", name, info)
		}
	}
}

func TestThePDFTellsThePageOfEachRequirement(t *testing.T) {
	r := sample()
	_, pages := pdfOf(t, r)
	glance := pages[1] + pages[2]
	for _, q := range r.Requirements {
		found := false
		for i, page := range pages[3:] {
			if !strings.Contains(squeezed(page), squeezed(q.Asks)) {
				continue
			}
			for line := range strings.Lines(glance) {
				f := strings.Fields(line)
				found = found || len(f) > 2 && f[0] == q.ID && f[len(f)-1] == fmt.Sprint(i+4)
			}
		}
		if !found {
			t.Errorf("%s: its page is not the one that the first pages tell", q.ID)
		}
	}
}

func TestThePDFHasBookmarksAndLinks(t *testing.T) {
	r := sample()
	file, _ := pdfOf(t, r)
	out := poppler(t, "pdftohtml", "-xml", "-i", "-stdout", file)
	outline := out[strings.Index(out, "<outline>"):]
	for _, q := range r.Requirements {
		if !strings.Contains(outline, ">"+q.ID+" "+q.Title+"<") {
			t.Errorf("%s has no bookmark", q.ID)
		}
		if !strings.Contains(out, ">"+q.ID+"</a>") {
			t.Errorf("nothing leads to %s", q.ID)
		}
	}
}

func TestLongTablesGoOverPagesWithTheirHeads(t *testing.T) {
	_, pages := pdfOf(t, long(10_000))
	rows := 0
	for i, page := range pages {
		n := strings.Count(page, "Something happened")
		if rows += n; n > 0 && !strings.Contains(page, "When") {
			t.Errorf("page %d has %d rows and no head", i+1, n)
		}
	}
	if rows != 10_000 {
		t.Errorf("%d rows are in the PDF", rows)
	}
}

func TestThePagesOfThePDFAreDrawn(t *testing.T) {
	dir := t.TempDir()
	if pictures() != "" {
		dir = pictures()
	}
	for name, r := range map[string]*report.Report{"small": small(), "sample": sample(), "hostile": hostile()} {
		file, pages := pdfOf(t, r)
		last := min(len(pages), 40)
		poppler(t, "pdftoppm", "-r", "50", "-l", fmt.Sprint(last), "-png", file, filepath.Join(dir, "page-"+name))
		drawn, err := filepath.Glob(filepath.Join(dir, "page-"+name+"-*.png"))
		if err != nil || len(drawn) != last {
			t.Errorf("%s: %d of %d pages were drawn, %v", name, len(drawn), last, err)
		}
	}
}
