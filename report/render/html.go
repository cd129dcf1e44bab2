package render

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"

	"countersign/report"
)

//go:embed report.tmpl
var templateText string

//go:embed style.css
var styleText string

var htmlTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"visible":  visible,
	"n2":       func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) },
	"plain":    plain,
	"unbroken": unbroken,
	"toneWord": toneWord,
	"state":    stateWord,
	"share":    share,
}).Parse(templateText))

// HTML draws a report as one HTML file that loads nothing.
func HTML(w io.Writer, r *report.Report) error {
	c, err := compose(r)
	if err != nil {
		return fmt.Errorf("draw report as HTML: %w", err)
	}
	css := variables() + styleText + printed(c)
	// The template's text is written in many small pieces.
	b := bufio.NewWriterSize(w, 64<<10)
	err = htmlTemplate.ExecuteTemplate(b, "report", map[string]any{"C": c, "CSS": template.CSS(css), "Policy": policy(css)})
	if err == nil {
		err = b.Flush()
	}
	if err != nil {
		return fmt.Errorf("draw report as HTML: %w", err)
	}
	return nil
}

// policy lets the file use its own style sheet and nothing else: no script, no picture, no address, no form.
func policy(css string) string {
	sum := sha256.Sum256([]byte(css))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
}

// printed is what paper has on each page. A style sheet cannot be given texts of the report without being open to what
// they hold, so these are numbers and hashes only.
func printed(c *composed) string {
	run := &c.Report.Run
	foot := "Tree size " + strconv.FormatUint(run.TreeSize, 10)
	if isHash(run.RowsHash) {
		foot += " · data " + abbreviated(run.RowsHash)
	}
	foot += " · report " + abbreviated(c.Hash)
	return `@page{@bottom-left{content:"` + foot + `"}}` + "\n"
}

// visible returns a text for HTML: escaped, and odd characters by their numbers.
func visible(s string) template.HTML {
	var b strings.Builder
	for _, p := range spans(s, nil) {
		if p.Odd {
			b.WriteString(`<span class="odd">` + p.Text + `</span>`)
			continue
		}
		for i, word := range strings.Split(p.Text, " ") {
			if i > 0 {
				b.WriteByte(' ')
			}
			breakable(&b, word)
		}
	}
	return template.HTML(b.String())
}

// unbroken returns a time that is broken between its words only: a day never after its year.
func unbroken(s string) template.HTML {
	var b strings.Builder
	for i, word := range strings.Split(s, " ") {
		if i > 0 {
			b.WriteByte(' ')
		}
		if len(word) > len("15:04:05.999999") || strings.Trim(word, "0123456789:.-") != "" {
			b.WriteString(string(visible(word)))
			continue
		}
		b.WriteString(`<span class="nb">` + word + `</span>`)
	}
	return template.HTML(b.String())
}

// breakable writes a word. A long one may be broken after its signs, so that addresses and paths do not break anywhere.
func breakable(b *strings.Builder, word string) {
	const long = 16
	for len(word) > long {
		signs := "./_:,="
		if strings.Contains(word, "@") {
			signs = "@_"
		}
		i := strings.IndexAny(word[:len(word)-1], signs)
		if i < 0 {
			break
		}
		template.HTMLEscape(b, []byte(word[:i+1]))
		b.WriteString("<wbr>")
		word = word[i+1:]
	}
	template.HTMLEscape(b, []byte(word))
}

// share returns the width of each state's part of a bar, and where it begins.
func share(states []stateCount, width float64) []rect {
	sum := 0.0
	for _, s := range states {
		sum += float64(s.Count)
	}
	var out []rect
	x := 0.0
	for _, s := range states {
		if s.Count == 0 {
			continue
		}
		w := float64(s.Count) / sum * width
		out = append(out, rect{X: x, W: max(w-1.5, 0.5), Fill: stateRole(s.State), Title: s.Word + ": " + count(s.Count)})
		x += w
	}
	return out
}

// stateRole is the colour of a state's sign.
func stateRole(s report.State) role {
	switch s {
	case report.StateEvidence:
		return roleAccent
	case report.StatePartial:
		return rolePartial
	case report.StateGap:
		return roleGap
	case report.StateManual:
		return roleManual
	}
	return roleSoft
}
