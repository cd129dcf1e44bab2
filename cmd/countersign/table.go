package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/rivo/uniseg"

	"countersign/client"
	"countersign/event"
	"countersign/query"
)

const (
	columnGap = 2
	// narrowest is what a column that can be cut keeps.
	narrowest = 8
)

// table prints entries in columns. The first rows settle how wide they are; on a terminal no line is longer
// than it, and what is cut ends in a mark.
type table struct {
	w       io.Writer
	screen  screen
	columns []entryColumn
	least   map[string]int // how wide columns are at least
	widths  []int          // settled by the first rows
	left    []string       // columns that there is no room for
}

// firm tells of columns that are of no use when they are cut.
func firm(name string) bool { return name == "seq" || name == "outcome" || isTime(name) }

func isTime(name string) bool { return query.Field(name).Kind() == query.TimeKind }

// toSeconds leaves the fraction out of a time: a terminal has better uses for the room.
func toSeconds(s string) string {
	if whole, _, ok := strings.Cut(s, "."); ok {
		return whole + "Z"
	}
	return s
}

func (c entryColumn) title() string {
	return strings.ToUpper(strings.NewReplacer("attributes.", "", ".", " ", "_", " ").Replace(c.name))
}

// rows prints a line for each entry, after the titles when it is the first time.
func (t *table) rows(entries []client.Entry) error {
	lines := make([][]string, len(entries))
	for i := range entries {
		for n, v := range values(t.columns, &entries[i]) {
			if t.screen.width > 0 && isTime(t.columns[n].name) {
				v.Value = toSeconds(v.Value)
			}
			lines[i] = append(lines[i], visible(v.Value))
		}
	}
	if t.widths == nil {
		if err := t.begin(lines); err != nil {
			return err
		}
	}
	for _, line := range lines {
		if err := t.line(line, false); err != nil {
			return err
		}
	}
	return nil
}

// begin settles the columns and prints their titles.
func (t *table) begin(lines [][]string) error {
	t.widths = make([]int, len(t.columns))
	titles := make([]string, len(t.columns))
	for i, c := range t.columns {
		titles[i] = c.title()
		t.widths[i] = max(uniseg.StringWidth(titles[i]), t.least[c.name])
		for _, line := range lines {
			t.widths[i] = max(t.widths[i], uniseg.StringWidth(line[i]))
		}
	}
	t.shrink()
	return t.line(titles, true)
}

// shrink makes the columns fit the terminal: the widest is cut, again and again; when none is left to be cut the
// last column goes.
func (t *table) shrink() {
	if t.screen.width == 0 {
		return
	}
	total := -columnGap
	for _, w := range t.widths {
		total += w + columnGap
	}
	for total > t.screen.width {
		widest := -1
		for i, w := range t.widths {
			if w > narrowest && !firm(t.columns[i].name) && (widest < 0 || w >= t.widths[widest]) {
				widest = i
			}
		}
		if widest >= 0 {
			t.widths[widest]--
			total--
			continue
		}
		n := len(t.widths) - 1
		if n == 0 {
			return // a terminal as narrow as that wraps
		}
		total -= t.widths[n] + columnGap
		t.left = append(t.left, t.columns[n].name)
		t.columns, t.widths = t.columns[:n], t.widths[:n]
	}
}

// line prints one line.
func (t *table) line(cells []string, titles bool) error {
	var b strings.Builder
	for i, c := range t.columns {
		cell := cells[i]
		if t.screen.width > 0 || uniseg.StringWidth(cell) < t.widths[i] {
			cell = fit(cell, t.widths[i])
		}
		switch {
		case titles:
			cell = t.screen.paint(bold, cell)
		case c.name == "outcome":
			cell = t.screen.paint(outcomeColours[cells[i]], cell)
		}
		b.WriteString(cell)
		b.WriteString(strings.Repeat(" ", columnGap))
	}
	_, err := fmt.Fprintln(t.w, strings.TrimRight(b.String(), " "))
	return err
}

var outcomeColours = map[string]string{event.OutcomeSuccess: green, event.OutcomeFailure: red, event.OutcomeWarning: yellow}
