package report

import (
	"cmp"
	"fmt"
	"slices"

	"countersign/event"
	"countersign/query"
)

// The sections, in the order in which they are shown.
const (
	sectionCoverage      = "coverage"
	sectionFields        = "fields"
	sectionMFA           = "mfa"
	sectionFailed        = "failed-sign-ins"
	sectionPrivileged    = "privileged"
	sectionServices      = "services"
	sectionTokens        = "tokens"
	sectionDormant       = "dormant"
	sectionAfterDeletion = "after-deletion"
	sectionReaders       = "readers"
	sectionReviews       = "reviews"
	sectionDelay         = "delay"
	sectionRetention     = "retention"
	sectionIntegrity     = "integrity"
)

// SectionIDs returns the ids of the sections that a requirement may name.
func SectionIDs() []string {
	return []string{
		sectionCoverage, sectionFields, sectionMFA, sectionFailed, sectionPrivileged, sectionServices, sectionTokens,
		sectionDormant, sectionAfterDeletion, sectionReaders, sectionReviews, sectionDelay, sectionRetention, sectionIntegrity,
	}
}

// makeSections makes all of them.
func (m *making) makeSections() error {
	makers := map[string]func() (Section, error){
		sectionCoverage: m.coverageSection, sectionFields: m.fieldsSection, sectionMFA: m.mfaSection, sectionFailed: m.failedSection,
		sectionPrivileged: m.privilegedSection, sectionServices: m.servicesSection, sectionTokens: m.tokensSection,
		sectionDormant: m.dormantSection, sectionAfterDeletion: m.afterDeletionSection, sectionReaders: m.readersSection,
		sectionReviews: m.reviewsSection, sectionDelay: m.delaySection, sectionRetention: m.retentionSection,
		sectionIntegrity: m.integritySection,
	}
	for _, id := range SectionIDs() {
		s, err := makers[id]()
		if err != nil {
			return fmt.Errorf("section %s: %w", id, err)
		}
		s.ID = id
		s.Text, s.Charts, s.Tables, s.Gaps = notNil(s.Text), notNil(s.Charts), notNil(s.Tables), notNil(s.Gaps)
		for i := range s.Gaps {
			s.Gaps[i].Where = id
		}
		if s.IPE.Files == nil {
			s.IPE.Files = []string{}
		}
		s.IPE.TreeSize = m.size
		m.sections = append(m.sections, s)
	}
	return nil
}

// section returns a section that was made.
func (m *making) section(id string) *Section {
	i := slices.IndexFunc(m.sections, func(s Section) bool { return s.ID == id })
	return &m.sections[i]
}

// overRows is where numbers come from that are counted over all rows of the period.
func (m *making) overRows() IPE {
	return IPE{
		Query: m.rowsQuery(), Rows: m.tally.rows, SHA256: m.rows.SHA256, Files: []string{m.rows.Name},
		Basis: "Counted over all entries of the period.",
	}
}

func (m *making) rowsQuery() string { return query.Print(query.And{m.w.filter(), m.scope.filter}) }

// mention makes sure that a person is among those of the report, and returns the cell that names them.
func (m *making) mention(key string) Cell {
	if key != "" {
		m.mentioned[key] = true
	}
	return cell(key)
}

// acts returns the people for whom wanted, in an order.
func (m *making) acts(wanted func(p *act) bool, order func(a, b *act) int) []*act {
	var out []*act
	for _, p := range m.tally.people {
		if wanted(p) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *act) int { return cmp.Or(order(a, b), byKey(a, b)) })
	return out
}

// signInSources are the sources whose coverage decides whether an absence means something where sign-ins, users and
// tokens are counted.
func (m *making) usersCovered() (State, []Gap) {
	briefs := []CoverageBrief{}
	for _, name := range m.sources.names() {
		if !own(name) {
			briefs = append(briefs, m.covered(name))
		}
	}
	if len(briefs) == 0 {
		return StateGap, []Gap{{What: "Everything", Why: "No source but the server itself delivers to this trail.", Close: closeCoverage}}
	}
	state := coverageState(briefs)
	if state == StateEvidence {
		return state, nil
	}
	return state, []Gap{{What: "What the sources did not deliver", Why: worst(briefs) + ".", Close: closeCoverage}}
}

func (m *making) coverageSection() (Section, error) {
	s := Section{Title: "Coverage of the sources", IPE: m.overRows()}
	s.Text = []string{
		"A source covers the period if it delivered from the first day to the last and was never silent for longer than " +
			fmt.Sprint(m.framework.SilenceDays) + " days. Nothing but its entries shows that: a source that lost entries without falling silent would not be noticed.",
	}
	var rows [][]Cell
	var states []State
	for _, name := range m.sources.names() {
		facts, b := m.sources[name], m.covered(name)
		var entries, days uint64
		silence := m.w.days
		if t := m.tally.sources[name]; t != nil {
			entries = t.entries
			_, silence = longestSilence(t.days)
			for _, n := range t.days {
				if n > 0 {
					days++
				}
			}
		}
		if !own(name) {
			states = append(states, b.State)
			if b.State != StateEvidence {
				s.Gaps = append(s.Gaps, Gap{What: "Source " + name, Why: b.Why + ".", Close: closeCoverage})
			}
		}
		rows = append(rows, []Cell{cell(name), toned(string(b.State), stateTone(b.State)), number(entries), number(days), number(uint64(silence)),
			moment(facts.first), moment(facts.last), cell(b.Why)})
	}
	if m.sourcesCut {
		s.Gaps = append(s.Gaps, Gap{What: "Further sources", Why: fmt.Sprintf("There are more than %d; the rest is counted, not told apart.", maxSources)})
	}
	s.State = joint(states...)
	if len(states) == 0 {
		s.State = StateGap
		s.Gaps = append(s.Gaps, Gap{What: "Coverage", Why: "No source but the server itself delivers to this trail.", Close: closeCoverage})
	}
	t, err := m.tables.add(Table{
		ID: "coverage", Title: "Sources", Empty: "No source delivered anything.",
		Columns: []Column{{"Source", KindCode}, {"Period", KindText}, {"Entries", KindCount}, {"Days with entries", KindCount},
			{"Longest silence, days", KindAge}, {"First ever", KindMoment}, {"Last ever", KindMoment}, {"Why", KindText}},
	}, rows)
	s.Tables = []Table{t}
	s.Charts = []Chart{m.entriesChart()}
	return s, err
}

func stateTone(s State) Tone {
	switch s {
	case StateEvidence, StateNone:
		return ToneGood
	case StatePartial:
		return ToneWarn
	case StateGap:
		return ToneBad
	}
	return TonePlain
}

// chartSources is how many sources a chart tells apart.
const chartSources = 5

// entriesChart has the entries by time and source.
func (m *making) entriesChart() Chart {
	names := m.sources.names()
	entries := func(name string) uint64 {
		if t := m.tally.sources[name]; t != nil {
			return t.entries
		}
		return 0
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(entries(b), entries(a)) })
	c := Chart{ID: "entries", Title: "Entries by source", Form: FormColumns, Unit: "entries"}
	c.Labels, c.Axis = m.labels()
	var rest Series
	for i, name := range names {
		t := m.tally.sources[name]
		if t == nil {
			continue
		}
		series := Series{Name: name, Values: m.grouped(t.days)}
		if i < chartSources {
			c.Series = append(c.Series, series)
			continue
		}
		if rest.Values == nil {
			rest = Series{Name: "others", Values: make([]uint64, len(c.Labels))}
		}
		for j, n := range series.Values {
			rest.Values[j] += n
		}
	}
	if rest.Values != nil {
		c.Series = append(c.Series, rest)
	}
	c.Series = notNil(c.Series)
	c.Summary = fmt.Sprintf("%d entries in %d days, of %d sources.", m.tally.rows, m.w.days, len(m.tally.sources))
	if len(names) > 0 && m.tally.rows > 0 {
		c.Summary += fmt.Sprintf(" The most are of %s: %d.", names[0], entries(names[0]))
	}
	return c
}

// maxColumns is how many columns a chart has at most: longer periods are drawn by week or month.
const maxColumns = 100

// group is how many days a column stands for.
func (m *making) group() int {
	for _, days := range []int{1, 7, 28} {
		if (m.w.days+days-1)/days <= maxColumns {
			return days
		}
	}
	return (m.w.days + maxColumns - 1) / maxColumns
}

// labels are the first days of the columns.
func (m *making) labels() ([]string, Kind) {
	var out []string
	for i := 0; i < m.w.days; i += m.group() {
		out = append(out, m.w.text(i))
	}
	return out, KindDay
}

// grouped adds up days to columns.
func (m *making) grouped(days []uint64) []uint64 {
	n := m.group()
	out := make([]uint64, (len(days)+n-1)/n)
	for i, v := range days {
		out[i/n] += v
	}
	return out
}

// groupText says what a column is.
func (m *making) groupText() string {
	if n := m.group(); n > 1 {
		return fmt.Sprintf("per %d days", n)
	}
	return "per day"
}

var fieldNames = [fieldCount]string{"Who", "What", "When", "Outcome", "From where", "On what"}

func (m *making) fieldsSection() (Section, error) {
	s := Section{Title: "Completeness of the records", IPE: m.overRows(), State: StateEvidence}
	s.Text = []string{"How many of a source's entries name who did it, what was done, when, with what outcome, from which address and on what. A system that acts by itself counts as named; an outcome that the source calls unknown does not count."}
	var rows [][]Cell
	columns := []Column{{"Source", KindCode}, {"Entries", KindCount}}
	for _, name := range fieldNames {
		columns = append(columns, Column{name, KindPercent})
	}
	for _, name := range m.sources.names() {
		t := m.tally.sources[name]
		if t == nil {
			continue
		}
		row := []Cell{cell(name), number(t.entries)}
		for i, n := range t.fields {
			tone := TonePlain
			if n < t.entries {
				tone = ToneWarn
				s.State = StatePartial
				s.Gaps = append(s.Gaps, Gap{What: fieldNames[i] + ", of " + name, Why: fmt.Sprintf("%d of %d entries have it.", n, t.entries),
					Close: "Take it from another record of the source, where there is one."})
			}
			row = append(row, toned(percent(n, t.entries), tone))
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		s.State = StateGap
		s.Gaps = append(s.Gaps, Gap{What: "Completeness of the records", Why: "There is no entry in the period.", Close: closeCoverage})
	}
	t, err := m.tables.add(Table{ID: "fields", Title: "Filled fields by source, in percent", Columns: columns, Empty: "There is no entry in the period."}, rows)
	s.Tables = []Table{t}
	return s, err
}

var delayNames = [delayClasses]string{"before it occurred", "within a minute", "within an hour", "within a day", "within a week", "later"}

func (m *making) delaySection() (Section, error) {
	s := Section{Title: "Delay from the source to the trail", IPE: m.overRows(), State: StateEvidence}
	s.Text = []string{"From the source's clock to the server's when it recorded the entry. An entry that was recorded before it occurred shows that one of the two clocks was wrong. What was imported from older records is late by nature."}
	c := Chart{ID: "delay", Title: "Delay by source", Form: FormBars, Unit: "entries", Axis: KindCode, Labels: []string{}}
	for i, name := range delayNames {
		c.Series = append(c.Series, Series{Name: name, Values: []uint64{}, Tone: [...]Tone{ToneBad, ToneGood, ToneGood, TonePlain, ToneWarn, ToneWarn}[i]})
	}
	columns := []Column{{"Source", KindCode}}
	for _, name := range delayNames {
		columns = append(columns, Column{name, KindCount})
	}
	var rows [][]Cell
	var prompt, early uint64
	for _, name := range m.sources.names() {
		t := m.tally.sources[name]
		if t == nil {
			continue
		}
		row := []Cell{cell(name)}
		c.Labels = append(c.Labels, name)
		for i, n := range t.delays {
			row = append(row, number(n))
			c.Series[i].Values = append(c.Series[i].Values, n)
		}
		row[1].Tone = someTone(t.delays[0], ToneBad)
		early += t.delays[0]
		prompt += t.delays[1] + t.delays[2]
		rows = append(rows, row)
	}
	c.Summary = fmt.Sprintf("%d of %d entries were recorded within an hour, %d before they occurred.", prompt, m.tally.rows, early)
	if len(rows) == 0 {
		s.State = StateGap
		s.Gaps = []Gap{{What: "Delay", Why: "There is no entry in the period.", Close: closeCoverage}}
	}
	t, err := m.tables.add(Table{ID: "delay", Title: "Entries by delay", Columns: columns, Empty: "There is no entry in the period."}, rows)
	s.Charts, s.Tables = []Chart{c}, []Table{t}
	return s, err
}

func (m *making) retentionSection() (Section, error) {
	s := Section{Title: "How far back the trail reaches", State: StateEvidence}
	s.IPE.Basis = "Counted over all entries of the scope, whatever the period."
	s.IPE.Query = query.Print(m.scope.filter)
	s.Text = []string{
		"The oldest and the newest entry of each source, by the source's clock. Everything that is listed can be searched at once; nothing is on slower storage.",
		"No entry is ever taken out of the trail. Erasures and disposals of values, if there were any, are entries themselves (SELF.RETAIN).",
	}
	var rows [][]Cell
	for _, name := range m.sources.names() {
		f := m.sources[name]
		s.IPE.Rows += f.entries
		age := int64(event.MicrosOf(m.now)-f.first) / dayMicros
		rows = append(rows, []Cell{cell(name), number(f.entries), moment(f.first), moment(f.last), number(uint64(max(age, 0)))})
	}
	if len(rows) == 0 {
		s.State = StateGap
		s.Gaps = []Gap{{What: "Retention", Why: "The scope has no entry.", Close: closeCoverage}}
	}
	t, err := m.tables.add(Table{ID: "retention", Title: "Oldest and newest entries", Empty: "The scope has no entry.",
		Columns: []Column{{"Source", KindCode}, {"Entries", KindCount}, {"Oldest", KindMoment}, {"Newest", KindMoment}, {"Oldest, days ago", KindAge}}}, rows)
	s.Tables = []Table{t}
	return s, err
}
