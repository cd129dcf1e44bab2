package render

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"countersign/report"
)

// none stands where there is no value.
const none = "–"

// stateWords are what the states are called, and what they mean.
var stateWords = []struct {
	state         report.State
	word, meaning string
}{
	{report.StateEvidence, "Evidence", "The trail shows what is asked for. Whether it is enough is for the reader to judge."},
	{report.StatePartial, "Partial evidence", "The trail shows some of what is asked for, or shows it for some of the period."},
	{report.StateGap, "Gap", "The trail shows nothing of it, and nothing follows from that."},
	{report.StateNone, "No entry", "The search found no entry, and its sources covered the whole period."},
	{report.StateAbsent, "No such source", "The search asks for records of a product that does not deliver to this trail."},
	{report.StateManual, "By document", "It has to be shown by documents that are not in the trail."},
}

func stateWord(s report.State) string {
	for _, w := range stateWords {
		if w.state == s {
			return w.word
		}
	}
	return string(s)
}

// toneWord says a tone to those who do not see it.
func toneWord(t report.Tone) string {
	switch t {
	case report.ToneGood:
		return "good"
	case report.ToneWarn:
		return "attention"
	case report.ToneBad:
		return "exception"
	}
	return ""
}

// levelWords are what the claim levels say, from the least to the most.
var levelWords = []struct{ level, word string }{
	{"A", "the rows are genuine"},
	{"B", "rows, queries and counts are fixed in the trail"},
	{"C", "no row is missing from the population"},
}

// count groups the digits of a number.
func count(n uint64) string { return grouped(fmt.Sprint(n)) }

// grouped groups the digits of a decimal number in threes, and returns anything else as it is.
func grouped(s string) string {
	whole, fraction, _ := strings.Cut(s, ".")
	if whole == "" || strings.Trim(whole, "0123456789") != "" || strings.Trim(fraction, "0123456789") != "" {
		return s
	}
	var b strings.Builder
	for i, c := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String() + s[len(whole):]
}

// plural returns the number and the word with an s where there is not one.
func plural(n uint64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return count(n) + " " + word + "s"
}

// moment is an RFC 3339 time in UTC as it is read. All times of a report are UTC, which the first page says.
func moment(s string) string {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC().Format("2006-01-02 15:04:05.999999")
	}
	return s
}

// longDay is a day as it is read in a title.
func longDay(s string) string {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t.Format("2 January 2006")
	}
	return s
}

// period is the report's period as it is read in a title.
func period(p report.Period) string {
	if p.From == p.To {
		return longDay(p.From)
	}
	from, to := longDay(p.From), longDay(p.To)
	if len(p.From) == 10 && len(p.To) == 10 && p.From[:4] == p.To[:4] {
		from = strings.TrimSuffix(from, " "+p.From[:4])
	}
	return from + " to " + to
}

// cellLimit is how many characters of a value are shown in a table.
const cellLimit = 1000

// clip cuts a value to so many characters, and says that it did.
func clip(s string, limit int) (shown, rest string) {
	if len(s) <= limit {
		return s, ""
	}
	n := utf8.RuneCountInString(s)
	if n <= limit {
		return s, ""
	}
	end := 0
	for i := range s {
		if end == limit {
			return s[:i], fmt.Sprintf("… and %s more", plural(uint64(n-limit), "character"))
		}
		end++
	}
	return s, ""
}
