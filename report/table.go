package report

import (
	"fmt"
	"io"
	"strconv"

	"countersign/bundle"
	"countersign/event"
)

// shownRows is how many rows of a table stand in the report; all of them are in its annex.
const shownRows = 50

func cell(text string) Cell          { return Cell{Value: text} }
func toned(text string, t Tone) Cell { return Cell{Value: text, Tone: t} }
func number(n uint64) Cell           { return Cell{Value: strconv.FormatUint(n, 10)} }
func tonedNumber(n uint64, some Tone) Cell {
	return Cell{Value: strconv.FormatUint(n, 10), Tone: someTone(n, some)}
}
func moment(at event.Micros) Cell { return Cell{Value: at.String()} }
func momentIf(some bool, at event.Micros) Cell {
	if !some {
		return Cell{}
	}
	return moment(at)
}

func someTone(n uint64, t Tone) Tone {
	if n == 0 {
		return TonePlain
	}
	return t
}

// percent writes n of d with one decimal. Only all of d is 100.0 and only none of it 0.0.
func percent(n, d uint64) string {
	if d == 0 {
		return ""
	}
	tenths := (n*1000 + d/2) / d
	switch {
	case tenths == 1000 && n < d:
		tenths = 999
	case tenths == 0 && n > 0:
		tenths = 1
	}
	return fmt.Sprintf("%d.%d", tenths/10, tenths%10)
}

// tables makes the tables of a report and their annexes.
type tables struct {
	files   *files
	annexes []Annex
}

// add fills in t with rows, the first of them, and writes all to the annex.
func (b *tables) add(t Table, rows [][]Cell) (Table, error) {
	t.Total = uint64(len(rows))
	t.Rows = rows[:min(len(rows), shownRows)]
	if t.Rows == nil {
		t.Rows = [][]Cell{}
	}
	if len(rows) == 0 {
		return t, nil
	}
	t.Annex = "table." + t.ID + ".csv"
	packed, err := b.files.write(t.Annex, func(w io.Writer) error {
		var line []byte
		texts := make([]string, len(t.Columns))
		for i, c := range t.Columns {
			texts[i] = c.Label
		}
		line = bundle.AppendCSVTexts(line, texts...)
		for _, row := range rows {
			for i, c := range row {
				texts[i] = c.Value
			}
			if line = bundle.AppendCSVTexts(line, texts...); len(line) < 32<<10 {
				continue
			}
			if _, err := w.Write(line); err != nil {
				return err
			}
			line = line[:0]
		}
		_, err := w.Write(line)
		return err
	})
	if err == nil {
		b.annex(packed.PackFile, t.Title, uint64(len(rows)))
	}
	return t, err
}

func (b *tables) annex(f bundle.PackFile, title string, rows uint64) {
	b.annexes = append(b.annexes, Annex{Name: f.Name, Title: title, Rows: rows, Bytes: f.Bytes, SHA256: f.SHA256})
}
