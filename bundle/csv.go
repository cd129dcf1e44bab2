package bundle

import (
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"countersign/event"
)

// CSV is that of RFC 4180, as docs/api.md describes it: an absent value is an empty field and an empty one a pair of
// quotes. An export with proof has the same columns and adds to them.

// csvColumns are the columns of a CSV export: the paths of an entry's JSON in its order. docs/api.md promises
// them; a new one goes to the end.
var csvColumns = []string{
	"seq", "received_at", "recorded_by", "id", "occurred_at", "account.id", "account.name", "division.id", "division.name",
	"actor.id", "actor.name", "actor.type", "action", "resource.type", "resource.id", "resource.name", "outcome",
	"description", "detail", "client.ip", "client.country", "source", "attributes", "raw",
}

// csvComplete is the first field of the last record, where a row has its seq.
const csvComplete = "complete"

// csvRow appends fields to a record of RFC 4180. encoding/csv would not do: it changes the line ends inside of
// values.
type csvRow struct {
	b     []byte
	begun bool
	// guard puts an apostrophe before each text that a spreadsheet might take for a formula.
	guard bool
}

func (r *csvRow) comma() {
	if r.begun {
		r.b = append(r.b, ',')
	}
	r.begun = true
}

// plain appends what needs no quotes.
func (r *csvRow) plain(s string) {
	r.comma()
	r.b = append(r.b, s...)
}

func (r *csvRow) number(n uint64) {
	r.comma()
	r.b = strconv.AppendUint(r.b, n, 10)
}

func (r *csvRow) moment(m event.Micros) {
	r.comma()
	r.b = m.Append(r.b)
}

// text appends a value. An absent one is empty, an empty one is in quotes: most readers take both for the same,
// and who cares can tell.
func (r *csvRow) text(t event.Text) {
	r.comma()
	if !t.Present {
		return
	}
	guarded := r.guard && formulaLike(t.Value)
	if !guarded && !needsQuotes(t.Value) {
		r.b = append(r.b, t.Value...)
		return
	}
	r.b = append(r.b, '"')
	if guarded {
		r.b = append(r.b, '\'')
	}
	for i := range len(t.Value) {
		if t.Value[i] == '"' {
			r.b = append(r.b, '"')
		}
		r.b = append(r.b, t.Value[i])
	}
	r.b = append(r.b, '"')
}

// attributes appends all attributes as one JSON object.
func (r *csvRow) attributes(all []event.Attribute) {
	if len(all) == 0 {
		r.comma()
		return
	}
	object := []byte{'{'}
	for i := range all {
		if i > 0 {
			object = append(object, ',')
		}
		// Quoting fails on invalid UTF-8 only, which is not in any entry.
		object, _ = jsontext.AppendQuote(object, all[i].Name)
		object, _ = jsontext.AppendQuote(append(object, ':'), all[i].Value)
	}
	r.text(event.TextOf(string(append(object, '}'))))
}

// end ends the record (RFC 4180 section 2.1).
func (r *csvRow) end() []byte {
	r.begun = false
	return append(r.b, '\r', '\n')
}

func needsQuotes(s string) bool {
	if s == "" || s[0] == ' ' || s[len(s)-1] == ' ' {
		return true
	}
	for i := range len(s) {
		switch s[i] {
		case ',', '"', '\r', '\n':
			return true
		}
	}
	return false
}

// formulaLike tells whether a spreadsheet might calculate s instead of showing it, or whether s looks as if it
// had been guarded from that: the guard can be taken off again only if what begins with an apostrophe always
// gets another.
func formulaLike(s string) bool {
	switch first, _ := utf8.DecodeRuneInString(s); first {
	case '=', '+', '-', '@', '\t', '\r', '\n', '\'',
		'＝', '＋', '－', '＠': // full-width: a spreadsheet set to an East Asian language takes them for the narrow ones
		return true
	}
	return false
}

// AppendCSV appends an entry in the order of the columns. With guard, what a spreadsheet might calculate is made a
// text.
func AppendCSV(dst []byte, e *event.Entry, guard bool) []byte {
	r := csvRow{b: dst, guard: guard}
	r.entry(e)
	return r.end()
}

func (r *csvRow) entry(e *event.Entry) {
	r.number(e.Seq)
	r.moment(e.ReceivedAt)
	r.text(e.RecordedBy)
	r.text(event.TextOf(e.ID))
	r.moment(e.OccurredAt)
	r.text(event.TextOf(e.Account.ID))
	r.text(e.Account.Name)
	r.text(e.Division.ID)
	r.text(e.Division.Name)
	r.text(e.Actor.ID)
	r.text(e.Actor.Name)
	r.text(event.TextOf(e.Actor.Type))
	r.text(event.TextOf(e.Action))
	r.text(event.TextOf(e.Resource.Type))
	r.text(e.Resource.ID)
	r.text(e.Resource.Name)
	r.text(event.TextOf(e.Outcome))
	r.text(e.Description)
	r.text(e.Detail)
	r.text(e.Client.IP)
	r.text(e.Client.Country)
	r.text(event.TextOf(e.Source))
	r.attributes(e.Attributes)
	r.text(e.Raw)
}

// AppendCSVHeader appends the names of the columns.
func AppendCSVHeader(dst []byte) []byte { return appendNames(dst, csvColumns) }

func appendNames(dst []byte, names []string) []byte {
	r := csvRow{b: dst}
	for _, name := range names {
		r.plain(name)
	}
	return r.end()
}

// AppendCSVEnd appends the last record: the word complete where others have their seq, then how many entries
// there were, and the tree size. It has as many fields as the others.
func AppendCSVEnd(dst []byte, count, treeSize uint64) []byte {
	r := csvRow{b: dst}
	r.plain(csvComplete)
	r.number(count)
	r.number(treeSize)
	r.pad(len(csvColumns) - 3)
	return r.end()
}

// pad appends n empty fields: records have as many fields as there are columns.
func (r *csvRow) pad(n int) {
	for range n {
		r.comma()
	}
}

// AppendCSVTexts appends a record of texts, guarded against spreadsheets that might calculate them.
func AppendCSVTexts(dst []byte, texts ...string) []byte {
	r := csvRow{b: dst, guard: true}
	for _, s := range texts {
		r.text(event.TextOrAbsent(s))
	}
	return r.end()
}
