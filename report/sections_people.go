package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"countersign/event"
	"countersign/identity"
	"countersign/query"
)

// chartPeople is how many people a chart shows.
const chartPeople = 20

func (m *making) mfaSection() (Section, error) {
	s := Section{Title: "How people signed in", IPE: m.overRows()}
	s.Text = []string{
		"Sign-ins that succeeded, by how they were proven. A second factor is counted where the source names one. With single sign-on the identity provider may have asked for more than the source tells; a client certificate is something that one has, and whether a PIN protects it is not told.",
	}
	s.State, s.Gaps = m.usersCovered()
	signedIn := m.acts(func(p *act) bool { return p.signIns() > 0 }, func(a, b *act) int {
		return cmp.Or(cmp.Compare(b.logins[methodPassword], a.logins[methodPassword]), cmp.Compare(b.signIns(), a.signIns()))
	})
	var total [methodClasses]uint64
	var rows [][]Cell
	for _, p := range signedIn {
		row := []Cell{m.mention(p.key), cell(m.kindOf(p)), number(p.signIns())}
		for i, n := range p.logins {
			total[i] += n
			row = append(row, number(n))
		}
		row[3+int(methodPassword)].Tone = someTone(p.logins[methodPassword], ToneWarn)
		rows = append(rows, append(row, cell(percent(p.logins[methodMFA], p.signIns()))))
	}
	var all uint64
	for _, n := range total {
		all += n
	}
	if n := total[methodProvider]; n > 0 {
		s.State = joint(s.State, StatePartial)
		s.Gaps = append(s.Gaps, Gap{What: "Second factors asked for by an identity provider", Why: fmt.Sprintf("%d of %d sign-ins came through one.", n, all),
			Close: "Add the identity provider's policy and its sign-in log."})
	}
	methods := slices.SortedFunc(maps.Keys(m.tally.methods), func(a, b string) int {
		return cmp.Or(cmp.Compare(m.tally.methods[b], m.tally.methods[a]), strings.Compare(a, b))
	})
	c := Chart{ID: "methods", Title: "Sign-ins by method", Form: FormBars, Unit: "sign-ins", Axis: KindCode, Labels: notNil(methods),
		Series: []Series{{Name: "sign-ins", Values: []uint64{}}}}
	for _, method := range methods {
		c.Series[0].Values = append(c.Series[0].Values, m.tally.methods[method])
	}
	c.Summary = fmt.Sprintf("Of %d sign-ins %d had a second factor that the source names (%s %%), %d a password alone.", all, total[methodMFA],
		orNone(percent(total[methodMFA], all)), total[methodPassword])
	t, err := m.tables.add(Table{
		ID: "sign-ins", Title: "Sign-ins by person", Empty: "Nobody signed in.",
		Columns: []Column{{"Who", KindWho}, {"Type", KindText}, {"Sign-ins", KindCount}, {"With a second factor", KindCount}, {"Password alone", KindCount},
			{"Identity provider", KindCount}, {"Client certificate", KindCount}, {"Other", KindCount}, {"With a second factor, %", KindPercent}},
	}, rows)
	s.Charts, s.Tables = []Chart{c}, []Table{t}
	m.totals.signIns, m.totals.mfa = all, total[methodMFA]
	return s, err
}

func orNone(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// A burst is a run of failed sign-ins of one person in which no two neighbours are further apart than burstWindow, and
// in which there are at least burstSize within a burstWindow somewhere.
const (
	burstSize   = 10
	burstWindow = 10 * 60 * 1_000_000
)

type burst struct {
	who         string
	first, last event.Micros
	count       int
	success     event.Micros // of the first sign-in within burstWindow after the last failure
	succeeded   bool
}

// bursts finds them. It sorts the moments of p.
func (p *act) bursts() []burst {
	slices.Sort(p.failures)
	slices.Sort(p.successes)
	var out []burst
	for from := 0; from < len(p.failures); {
		to, dense := from+1, false
		for to < len(p.failures) && p.failures[to]-p.failures[to-1] <= burstWindow {
			to++
		}
		for i := from + burstSize - 1; i < to; i++ {
			dense = dense || p.failures[i]-p.failures[i-burstSize+1] <= burstWindow
		}
		if dense {
			b := burst{who: p.key, first: p.failures[from], last: p.failures[to-1], count: to - from}
			i, _ := slices.BinarySearch(p.successes, b.last)
			if i < len(p.successes) && p.successes[i]-b.last <= burstWindow {
				b.success, b.succeeded = p.successes[i], true
			}
			out = append(out, b)
		}
		from = to
	}
	return out
}

func (m *making) failedSection() (Section, error) {
	s := Section{Title: "Failed sign-ins", IPE: m.overRows()}
	s.Text = []string{fmt.Sprintf("Attempts to sign in that failed, by person and day. A burst is a run of failures of one person, each within ten minutes of the one before, with at least %d within some ten minutes.", burstSize)}
	s.State, s.Gaps = m.usersCovered()
	failing := m.acts(func(p *act) bool { return p.failed > 0 }, func(a, b *act) int { return 0 })
	var days [][]Cell
	var all []burst
	var total uint64
	for _, p := range failing {
		total += p.failed
		all = append(all, p.bursts()...)
		for _, d := range slices.Sorted(maps.Keys(p.failedOn)) {
			n := p.failedOn[d]
			tone := TonePlain
			if n >= burstSize {
				tone = ToneWarn
			}
			days = append(days, []Cell{m.mention(p.key), cell(m.w.text(d)), toned(number(n).Value, tone)})
		}
	}
	slices.SortStableFunc(days, func(a, b []Cell) int { return compareNumbers(b[2].Value, a[2].Value) })
	slices.SortFunc(all, func(a, b burst) int { return cmp.Or(cmp.Compare(a.first, b.first), strings.Compare(a.who, b.who)) })
	var bursts [][]Cell
	for _, b := range all {
		after := toned("no", TonePlain)
		if b.succeeded {
			after = toned(b.success.String(), ToneBad)
		}
		bursts = append(bursts, []Cell{m.mention(b.who), moment(b.first), moment(b.last), number(uint64(b.count)), after})
	}
	if m.tally.cut {
		s.Gaps = append(s.Gaps, Gap{What: "People or moments beyond the limits of a run", Why: "There were more than are told apart; the numbers by day are exact, those by person may be too low."})
	}
	c := Chart{ID: "failures", Title: "Failed sign-ins " + m.groupText(), Form: FormColumns, Unit: "failed sign-ins",
		Series: []Series{{Name: "failed sign-ins", Tone: ToneWarn, Values: m.grouped(m.tally.failures)}}}
	c.Labels, c.Axis = m.labels()
	most, on := uint64(0), 0
	for d, n := range m.tally.failures {
		if n > most {
			most, on = n, d
		}
	}
	c.Summary = fmt.Sprintf("%d failed sign-ins in %d days.", sum(m.tally.failures), m.w.days)
	if most > 0 {
		c.Summary += fmt.Sprintf(" The most were on %s: %d.", m.w.text(on), most)
	}
	byDay, err := m.tables.add(Table{ID: "failed-by-day", Title: "By person and day", Empty: "No sign-in failed.",
		Columns: []Column{{"Who", KindWho}, {"Day", KindDay}, {"Failed sign-ins", KindCount}}}, days)
	if err != nil {
		return s, err
	}
	inBursts, err := m.tables.add(Table{ID: "bursts", Title: "Bursts", Empty: "There was no burst.",
		Columns: []Column{{"Who", KindWho}, {"First", KindMoment}, {"Last", KindMoment}, {"Failed sign-ins", KindCount}, {"Then signed in", KindText}}}, bursts)
	s.Charts, s.Tables = []Chart{c}, []Table{byDay, inBursts}
	m.totals.failed, m.totals.bursts = sum(m.tally.failures), uint64(len(all))
	return s, err
}

func sum(of []uint64) (n uint64) {
	for _, v := range of {
		n += v
	}
	return n
}

// compareNumbers compares decimal numbers without leading zeros.
func compareNumbers(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func (m *making) privilegedSection() (Section, error) {
	s := Section{Title: "Users with administrative rights", IPE: m.overRows(), State: StateEvidence}
	s.Text = []string{"Counted are users who hold a role or permission to administer now, and those who were given one by an entry of the trail up to the end of the period and held it within it. Rights that were given elsewhere and before the trail begins are known only if they are still held."}
	s.IPE.Basis = "Counted over all entries of the period, for users picked by their roles (docs/reports.md)."
	privileged := m.acts(func(p *act) bool { return m.admins[p.key] }, func(a, b *act) int { return cmp.Compare(b.acts, a.acts) })
	var rows [][]Cell
	c := Chart{ID: "privileged", Title: "What they did, by person", Form: FormBars, Unit: "actions", Axis: KindWho, Labels: []string{},
		Series: []Series{{Name: "succeeded", Values: []uint64{}}, {Name: "failed", Tone: ToneWarn, Values: []uint64{}}}}
	var did uint64
	for i, p := range privileged {
		did += p.acts
		first, last := p.span.texts()
		rows = append(rows, []Cell{m.mention(p.key), cell(m.kindOf(p)), cell(strings.Join(m.rolesOf(p.key), ", ")), number(p.acts), tonedNumber(p.actsBad, ToneWarn),
			number(p.signIns()), cell(first), cell(last)})
		if i < chartPeople {
			c.Labels = append(c.Labels, p.key)
			c.Series[0].Values = append(c.Series[0].Values, p.acts-p.actsBad)
			c.Series[1].Values = append(c.Series[1].Values, p.actsBad)
		}
	}
	c.Summary = fmt.Sprintf("%d of %d users with administrative rights left a trace; they did %d things beside signing in.", len(privileged), len(m.admins), did)
	who, err := m.tables.add(Table{ID: "privileged", Title: "Users with administrative rights", Empty: "None of them left a trace.",
		Columns: []Column{{"Who", KindWho}, {"Type", KindText}, {"Roles now", KindText}, {"Actions", KindCount}, {"Failed", KindCount}, {"Sign-ins", KindCount},
			{"First", KindMoment}, {"Last", KindMoment}}}, rows)
	if err != nil {
		return s, err
	}
	var actions [][]Cell
	for _, a := range slices.SortedFunc(maps.Keys(m.tally.adminDid), func(a, b string) int {
		return cmp.Or(cmp.Compare(m.tally.adminDid[b], m.tally.adminDid[a]), strings.Compare(a, b))
	}) {
		actions = append(actions, []Cell{cell(a), number(m.tally.adminDid[a])})
	}
	what, err := m.tables.add(Table{ID: "privileged-actions", Title: "What they did", Empty: "Nothing but signing in.",
		Columns: []Column{{"Action", KindCode}, {"Entries", KindCount}}}, actions)
	if err != nil {
		return s, err
	}
	given, err := m.tables.add(m.grantsTable())
	s.Charts, s.Tables = []Chart{c}, []Table{who, what, given}
	if len(m.admins) == 0 {
		s.State = StateGap
		s.Gaps = []Gap{{What: "Users with administrative rights", Why: "None is known to this server.", Close: "Make the users known to the server, with their roles."}}
	}
	m.totals.grants = uint64(len(m.tally.grants))
	return s, err
}

func (m *making) grantsTable() (Table, [][]Cell) {
	slices.SortFunc(m.tally.grants, func(a, b grantRow) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq)) })
	var rows [][]Cell
	for _, g := range m.tally.grants {
		ticket := cell(g.ticket)
		if g.ticket == "" {
			ticket = toned("none", ToneWarn)
		}
		rows = append(rows, []Cell{moment(g.at), m.mention(g.by), m.mention(g.to), cell(g.role), ticket, number(g.seq)})
	}
	return Table{ID: "admin-grants", Title: "Roles of administrators that were given", Empty: "None was given.",
		Columns: []Column{{"When", KindMoment}, {"By", KindWho}, {"To", KindWho}, {"Role", KindCode}, {"Ticket", KindText}, {"Seq", KindCount}}}, rows
}

func (m *making) rolesOf(id string) []string {
	u := m.roster.Users[id]
	out := make([]string, len(u.Grants))
	for i := range u.Grants {
		out[i] = u.Grants[i].Text()
	}
	return out
}

func (m *making) servicesSection() (Section, error) {
	s := Section{Title: "Service users", IPE: m.overRows()}
	s.Text = []string{"Programs that act under a user of their own. A sign-in with a password or through an identity provider is what people do; for a program it is an exception."}
	s.State, s.Gaps = m.usersCovered()
	var rows [][]Cell
	for _, p := range m.acts(func(p *act) bool { return m.kindOf(p) == event.ActorService }, func(a, b *act) int { return cmp.Compare(b.entries, a.entries) }) {
		interactive := p.logins[methodPassword] + p.logins[methodProvider] + p.logins[methodMFA]
		first, last := p.span.texts()
		rows = append(rows, []Cell{m.mention(p.key), number(p.entries), number(p.acts), tonedNumber(p.actsBad, ToneWarn), tonedNumber(interactive, ToneWarn),
			number(p.failed), cell(first), cell(last)})
	}
	t, err := m.tables.add(Table{ID: "services", Title: "Service users", Empty: "No service user did anything.",
		Columns: []Column{{"Who", KindWho}, {"Entries", KindCount}, {"Actions", KindCount}, {"Failed", KindCount}, {"Interactive sign-ins", KindCount},
			{"Failed sign-ins", KindCount}, {"First", KindMoment}, {"Last", KindMoment}}}, rows)
	s.Tables = []Table{t}
	return s, err
}

func (m *making) dormantSection() (Section, error) {
	days := m.framework.DormantDays
	s := Section{Title: "Dormant users"}
	from := dayOf(m.dormantFrom())
	s.Text = []string{fmt.Sprintf("Users whom this server knows as active and who left no trace in the %d days up to %s, by any action that did not fail. Users made after the period are left out.", days, m.req.To)}
	s.IPE.Query = query.Print(query.And{query.Range{Field: query.OccurredAt, Min: int64(m.dormantFrom()), Max: int64(m.w.to)}, m.scope.filter})
	s.IPE.Basis = "The users that the server knew when the report was made, less those who act in the entries of the query."
	s.State, s.Gaps = m.usersCovered()
	for _, name := range m.sources.names() {
		if f := m.sources[name]; !own(name) && dayOf(f.first) > from {
			s.State = joint(s.State, StatePartial)
			s.Gaps = append(s.Gaps, Gap{What: "Traces before " + dayOf(f.first), Why: name + " delivers only since then, and the " + fmt.Sprint(days) + " days begin on " + from + ".", Close: closeCoverage})
		}
	}
	var rows [][]Cell
	active := 0
	for _, id := range slices.Sorted(maps.Keys(m.roster.Users)) {
		u := m.roster.Users[id]
		if u.Status != identity.Active || event.MicrosOf(u.CreatedAt) > m.w.to {
			continue
		}
		active++
		last, some := m.lastTrace(id)
		if some && last >= m.dormantFrom() {
			continue
		}
		rows = append(rows, []Cell{m.mention(id), cell(u.Name), cell(string(u.Type)), momentIf(some, last), cell(u.CreatedAt.UTC().Format("2006-01-02"))})
	}
	if active == 0 {
		s.State = StateGap
		s.Gaps = append(s.Gaps, Gap{What: "Users", Why: "This server knows no active user of the scope.", Close: "Make the users known to the server."})
	}
	s.IPE.Rows = uint64(len(rows))
	t, err := m.tables.add(Table{ID: "dormant", Title: fmt.Sprintf("%d of %d active users", len(rows), active), Empty: "Every active user left a trace.",
		Columns: []Column{{"Who", KindWho}, {"Name", KindText}, {"Type", KindText}, {"Last trace", KindMoment}, {"Made", KindDay}}}, rows)
	s.Tables = []Table{t}
	m.totals.dormant = uint64(len(rows))
	return s, err
}

// lastTrace is when a user last did something that did not fail, as far as the run has read.
func (m *making) lastTrace(id string) (event.Micros, bool) {
	last, some := m.lookback[id]
	if p := m.tally.people[id]; p != nil && p.active > event.MinMicros && (!some || p.active > last) {
		last, some = p.active, true
	}
	return last, some
}

func (m *making) afterDeletionSection() (Section, error) {
	s := Section{Title: "Acts of deleted users", IPE: m.overRows()}
	s.Text = []string{"Entries whose user was deleted before they occurred, as the trail tells of the deletion. Each is an exception that needs an explanation, also where the outcome is failure."}
	s.State, s.Gaps = m.usersCovered()
	slices.SortFunc(m.tally.late, func(a, b lateRow) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq)) })
	var rows [][]Cell
	for _, l := range m.tally.late {
		rows = append(rows, []Cell{moment(l.at), m.mention(l.who), moment(l.gone), cell(l.action), cell(l.kind), cell(l.name), toned(l.outcome, ToneBad), number(l.seq)})
	}
	if m.tally.lateAll > uint64(len(rows)) {
		s.Gaps = append(s.Gaps, Gap{What: "Further acts of deleted users", Why: fmt.Sprintf("There are %d; the first %d of the trail are listed.", m.tally.lateAll, len(rows))})
	}
	t, err := m.tables.add(Table{ID: "after-deletion", Title: "Acts of deleted users", Empty: "There was none.",
		Columns: []Column{{"When", KindMoment}, {"Who", KindWho}, {"Deleted", KindMoment}, {"Action", KindCode}, {"On", KindCode}, {"Name", KindText},
			{"Outcome", KindText}, {"Seq", KindCount}}}, rows)
	s.Tables = []Table{t}
	m.totals.late = m.tally.lateAll
	return s, err
}

func (m *making) readersSection() (Section, error) {
	s := Section{Title: "Who read the audit trail", IPE: m.overRows()}
	s.Text = []string{"As the server records it: reading, exporting, and having reports made. One entry can stand for several reads of the same question within a minute; they are counted as what they stand for."}
	b := m.covered(ownSources[1])
	if s.State = b.State; !m.scope.whole() && s.State == StateEvidence {
		s.State, b.Why = StatePartial, "what users of other accounts read stands in theirs"
	}
	if s.State != StateEvidence {
		s.Gaps = []Gap{{What: "Reads of the trail", Why: b.Why + "."}}
	}
	var rows [][]Cell
	for _, p := range m.acts(func(p *act) bool { return p.reads[0]+p.reads[1]+p.reads[2] > 0 }, func(a, b *act) int { return cmp.Compare(b.readRows, a.readRows) }) {
		rows = append(rows, []Cell{m.mention(p.key), cell(m.kindOf(p)), cell(strings.Join(m.rolesOf(p.key), ", ")), number(p.reads[0]), number(p.reads[1]), number(p.reads[2]), number(p.readRows)})
	}
	t, err := m.tables.add(Table{ID: "readers", Title: "Readers", Empty: "Nobody read it.",
		Columns: []Column{{"Who", KindWho}, {"Type", KindText}, {"Roles now", KindText}, {"Reads", KindCount}, {"Exports", KindCount}, {"Reports", KindCount}, {"Rows seen", KindCount}}}, rows)
	s.Tables = []Table{t}
	return s, err
}

func (m *making) reviewsSection() (Section, error) {
	s := Section{Title: "Days with a review", IPE: m.overRows(), State: StateEvidence}
	s.Text = []string{"Reviews of the trail that were recorded in it, by the day on which they were done."}
	var done uint64
	for _, n := range m.tally.reviews {
		if n > 0 {
			done++
		}
	}
	from, longest := longestSilence(m.tally.reviews)
	switch {
	case done == 0:
		s.State = StateGap
		s.Gaps = []Gap{{What: "Reviews", Why: "No review was recorded in the period.", Close: "Add the records of reviews that were done elsewhere."}}
	case done < uint64(m.w.days):
		s.State = StatePartial
		s.Gaps = []Gap{{What: "Days without a review", Why: fmt.Sprintf("%d of %d; the longest run has %d days, from %s on.", uint64(m.w.days)-done, m.w.days, longest, m.w.text(from)),
			Close: "Add the records of reviews that were done elsewhere."}}
	}
	c := Chart{ID: "reviews", Title: "Reviews " + m.groupText(), Form: FormColumns, Unit: "reviews",
		Series: []Series{{Name: "reviews", Tone: ToneGood, Values: m.grouped(m.tally.reviews)}}}
	c.Labels, c.Axis = m.labels()
	c.Summary = fmt.Sprintf("%d of %d days have a review.", done, m.w.days)
	s.Charts = []Chart{c}
	return s, nil
}
