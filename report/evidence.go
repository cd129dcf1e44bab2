package report

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"countersign/bundle"
	"countersign/event"
	"countersign/query"
)

// searching is one search while the rows go by.
type searching struct {
	*Search
	// where is what it asks for beside period and scope, refused why it could not be asked.
	where   query.Filter
	text    string // where in its canonical form
	refused string
	match   func(*event.Entry) bool

	count  uint64
	span   span
	csv    *packing
	ndjson *packing
	packed [2]bundle.PackedFile
	sample []sampled // ascending by key
}

// sampled is what is shown of an entry, with the place that the seed gives it.
type sampled struct {
	key [32]byte
	seq uint64
	row []Cell
	who string
}

// maxPrivileged bounds the users that a search can be narrowed to: their ids stand in its text.
const maxPrivileged = 250

// begin makes the search ready for its first row.
func (m *making) begin(s *Search) (*searching, error) {
	x := &searching{Search: s, where: query.Normalize(s.Filter())}
	if s.Who == WhoPrivileged {
		ids := make([]string, 0, len(m.admins))
		for id := range m.admins {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		switch {
		case len(ids) == 0:
			x.refused = "no user with administrative rights is known"
		case len(ids) > maxPrivileged:
			x.refused = fmt.Sprintf("%d users have administrative rights, more than a search can name", len(ids))
		}
		x.where = query.Normalize(query.And{s.Filter(), query.Is(query.ActorID, ids...)})
	}
	x.text = query.Print(x.where)
	if _, err := query.Parse(query.Print(query.And{m.w.filter(), m.scope.filter, x.where})); err != nil && x.refused == "" {
		x.refused = "the search text is too long to be stated"
	}
	if x.refused != "" {
		return x, nil
	}
	x.match = query.Compile(x.where)
	var err error
	if x.csv, err = m.files.create(s.Name + ".csv"); err != nil {
		return nil, err
	}
	if x.ndjson, err = m.files.create(s.Name + ".ndjson"); err != nil {
		return nil, err
	}
	_, err = x.csv.Write(bundle.AppendCSVHeader(nil))
	return x, err
}

// rendered is an entry as the annexes have it, made when the first search wants it.
type rendered struct{ csv, ndjson []byte }

// add takes a row that the search finds.
func (x *searching) add(e *event.Entry, r *rendered, seed string) error {
	x.count++
	x.span.add(e.OccurredAt)
	x.draw(e, seed)
	if len(r.csv) == 0 {
		r.csv = bundle.AppendCSV(r.csv, e, true)
		r.ndjson = append(event.AppendEntryJSON(r.ndjson, e), '\n')
	}
	if _, err := x.csv.Write(r.csv); err != nil {
		return err
	}
	_, err := x.ndjson.Write(r.ndjson)
	return err
}

// draw keeps the entry if it belongs to the sample so far.
func (x *searching) draw(e *event.Entry, seed string) {
	if x.Sample == 0 {
		return
	}
	key := bundle.SampleKey(seed, x.Name, e.Seq)
	n := len(x.sample)
	if n == x.Sample && bytes.Compare(key[:], x.sample[n-1].key[:]) > 0 {
		return
	}
	at, _ := slices.BinarySearchFunc(x.sample, key, func(s sampled, k [32]byte) int { return bytes.Compare(s.key[:], k[:]) })
	if n == x.Sample {
		x.sample = x.sample[:n-1]
	}
	x.sample = slices.Insert(x.sample, at, sampled{key, e.Seq, sampleRow(e), strings.Clone(personKey(e))})
}

var sampleColumns = []Column{{"Seq", KindCount}, {"When", KindMoment}, {"Who", KindWho}, {"Action", KindCode}, {"On", KindCode}, {"Name", KindText},
	{"Outcome", KindText}, {"Ticket", KindText}}

// sampleRow is an entry as samples show it. It shares nothing with it.
func sampleRow(e *event.Entry) []Cell {
	tone := TonePlain
	if e.Outcome == event.OutcomeFailure {
		tone = ToneWarn
	}
	row := []Cell{number(e.Seq), moment(e.OccurredAt)}
	for _, text := range []string{personKey(e), e.Action, e.Resource.Type, e.Resource.Name.Value, e.Outcome, e.Attribute("ticket").Value} {
		row = append(row, cell(strings.Clone(text)))
	}
	row[6].Tone = tone
	return row
}

// end closes the annexes.
func (x *searching) end(m *making) error {
	if x.refused != "" {
		return nil
	}
	slices.SortFunc(x.sample, func(a, b sampled) int { return cmp.Compare(a.seq, b.seq) })
	var err error
	for i, p := range []*packing{x.ndjson, x.csv} {
		if x.packed[i], err = m.files.close(p); err != nil {
			return err
		}
		m.tables.annex(x.packed[i].PackFile, x.Title, x.count)
	}
	return nil
}

// manifest is the search as the manifest has it.
func (x *searching) manifest() bundle.PackSearch {
	s := bundle.PackSearch{
		Name: x.Name, Where: x.text, Count: x.count, Of: x.Sample, Sample: make([]uint64, len(x.sample)),
		CSV: x.csv.name, NDJSON: x.ndjson.name,
	}
	for i := range x.sample {
		s.Sample[i] = x.sample[i].seq
	}
	return s
}

// evidence says what the search found.
func (m *making) evidence(x *searching) Evidence {
	e := Evidence{Search: x.Name, Title: x.Title, Count: x.count, Coverage: m.coverage(x.Search)}
	e.First, e.Last = x.span.texts()
	e.State, e.Says = m.judge(x, e.Coverage)
	e.Sample = m.sampleTable(x)
	e.IPE = IPE{TreeSize: m.size, Rows: x.count, Files: []string{}}
	if x.refused == "" {
		e.IPE.Query = query.Print(query.And{m.w.filter(), m.scope.filter, x.where})
		e.IPE.SHA256 = x.packed[0].SHA256
		e.IPE.Files = []string{x.ndjson.name, x.csv.name}
	} else {
		e.IPE.Basis = "The search was not asked: " + x.refused + "."
	}
	return e
}

// judge finds out what a count means. That nothing was found is evidence only where the sources covered the period.
func (m *making) judge(x *searching, coverage []CoverageBrief) (State, string) {
	over := coverageState(coverage)
	switch {
	case len(coverage) == 0 && x.Optional:
		return StateAbsent, "No source of this kind (" + strings.Join(x.Sources, ", ") + ") delivers to this trail."
	case len(coverage) == 0:
		return StateGap, "No source that could show this (" + strings.Join(x.Sources, ", ") + ") delivers to this trail."
	case x.refused != "":
		return StateGap, "Not asked: " + x.refused + "."
	case x.count == 0 && x.Expected:
		return StateGap, x.zero() + " That they are there is what was to be shown."
	case x.count == 0 && over == StateEvidence:
		return StateNone, x.zero() + " The sources that could show it covered the whole period."
	case x.count == 0:
		return StateGap, "No entry was found, and nothing follows from that: " + worst(coverage) + "."
	case over == StateEvidence:
		return StateEvidence, entries(x.count) + " found, and the sources covered the whole period."
	}
	return StatePartial, entries(x.count) + " found. There may be more that never came here: " + worst(coverage) + "."
}

func (x *searching) zero() string {
	if x.Zero != "" {
		return x.Zero
	}
	return "No entry was found."
}

func entries(n uint64) string {
	if n == 1 {
		return "1 entry was"
	}
	return fmt.Sprintf("%d entries were", n)
}

// worst says what is wrong with the coverage.
func worst(coverage []CoverageBrief) string {
	var parts []string
	for _, b := range coverage {
		if b.State != StateEvidence {
			parts = append(parts, b.Source+": "+b.Why)
		}
	}
	return strings.Join(parts, "; ")
}

func (m *making) sampleTable(x *searching) Table {
	t := Table{
		ID: "sample." + x.Name, Title: fmt.Sprintf("Sample of %d", x.Sample), Total: uint64(len(x.sample)), Rows: [][]Cell{},
		Columns: sampleColumns,
		Empty:   "There is nothing to show a sample of.",
	}
	if uint64(len(x.sample)) == x.count {
		t.Title = "All entries"
	} else {
		t.Note = fmt.Sprintf("Drawn from %d entries by the seed of this report: the %d with the smallest SHA-256 of seed, search and seq (docs/reports.md).", x.count, len(x.sample))
	}
	for _, s := range x.sample {
		m.mention(s.who)
		t.Rows = append(t.Rows, s.row)
	}
	return t
}

// requirement puts together what a rule asks for.
func (m *making) requirement(r *Rule) Requirement {
	q := Requirement{
		ID: r.ID, Group: r.Group, Title: r.Title, Asks: r.Asks, Judge: r.Judge, Evidence: []Evidence{}, Sections: notNil(r.Sections),
		Attach: notNil(r.Attach), Gaps: []Gap{},
	}
	var states []State
	for _, name := range r.Evidence {
		e := m.found[name]
		q.Evidence = append(q.Evidence, e)
		if e.State == StateAbsent {
			continue
		}
		states = append(states, e.State)
		if e.State == StateGap || e.State == StatePartial {
			q.Gaps = append(q.Gaps, Gap{Where: r.ID, What: e.Title + " (" + name + ")", Why: e.Says, Close: closeCoverage})
		}
	}
	for _, id := range r.Sections {
		states = append(states, m.section(id).State)
		q.Gaps = append(q.Gaps, m.section(id).Gaps...)
	}
	if r.Cannot != "" {
		q.Gaps = append(q.Gaps, Gap{Where: r.ID, What: "What the trail cannot show", Why: r.Cannot})
	}
	q.State, q.Reason = conclude(r, states)
	return q
}

const closeCoverage = "Have the sources deliver the whole period, or show it by other records."

// conclude finds the state of a requirement out of those of its parts.
func conclude(r *Rule, states []State) (State, string) {
	state := joint(states...)
	switch {
	case len(states) == 0 && len(r.Attach) > 0:
		return StateManual, "This is shown by documents that are not in the trail."
	case len(states) == 0:
		return StateGap, "None of the products that could show this delivers to this trail."
	case state == StateGap:
		return StateGap, "The trail shows nothing of this for the period; that proves neither that it was done nor that it was not."
	case state == StatePartial:
		return StatePartial, "The trail shows some of this, or some of the period."
	case r.Cannot != "":
		return StatePartial, "The trail shows what it can of this, and part of it is out of its reach."
	}
	return StateEvidence, "The trail shows this for the whole period. Whether it is enough is to be judged."
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
