package report

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"countersign/event"
	"countersign/query"
)

// totals are numbers of sections that the first page has.
type totals struct {
	signIns, mfa, failed, bursts, grants, dormant, late, oldTokens uint64
}

// maxListedAccounts is how many accounts the report lists.
const maxListedAccounts = 200

// report puts the report together, once everything is counted.
func (m *making) report() (*Report, error) {
	if err := m.makeSections(); err != nil {
		return nil, err
	}
	for _, x := range m.searches {
		m.found[x.Name] = m.evidence(x)
	}
	r := &Report{
		Version:   ReportVersion,
		Title:     m.title(),
		Framework: FrameworkInfo{ID: m.framework.ID, Title: m.framework.Title, Version: m.framework.Version, About: m.framework.About, BuiltIn: m.framework.BuiltIn, SHA256: m.framework.SHA256()},
		Period:    Period{From: m.req.From, To: m.req.To, Days: m.w.days, Open: m.open},
		Notice:    notice,
		Sections:  m.sections,
	}
	accounts := m.accountsSeen()
	r.Scope = Scope{Whole: m.scope.whole(), Accounts: accounts[:min(len(accounts), maxListedAccounts)], Divisions: notNil(m.scope.divisions), Query: query.Print(m.scope.filter)}
	r.Gaps = []Gap{}
	for i := range m.framework.Requirements {
		q := m.requirement(&m.framework.Requirements[i])
		r.Requirements = append(r.Requirements, q)
	}
	r.Gaps = m.gaps(r.Requirements)
	var err error
	if r.People, err = m.people(); err != nil {
		return nil, err
	}
	r.Summary = m.summary(r)
	r.Run = m.run()
	r.Annexes = slices.SortedFunc(slices.Values(m.tables.annexes), func(a, b Annex) int { return strings.Compare(a.Name, b.Name) })
	return r, nil
}

// title is the framework's, with its version and what it covers.
func (m *making) title() string {
	title := m.framework.Title + " " + m.framework.Version
	if m.framework.Covers != "" {
		title += ": " + m.framework.Covers
	}
	return title
}

var notice = []string{
	"This report states evidence. Whether a requirement is met is for a person to judge.",
	"That a search found nothing counts as evidence only where the sources that could have shown something covered the whole period. Everything else that is missing is listed as a gap.",
	"Requirements are given by their numbers and in our own words. Read the standard for what it says.",
}

func (m *making) run() Run {
	level, text := m.claim()
	r := Run{
		ID: m.req.ID, At: event.MicrosOf(m.now).String(), ByID: m.req.Caller.UserID, ByName: m.req.Caller.Name, Schedule: m.req.Schedule,
		Software: m.maker.Software, Origin: m.checkpoint.Origin, TreeSize: m.size, Rows: m.tally.rows, RowsHash: m.rows.SHA256, RowsFile: m.rows.Name,
		Query: m.rowsQuery(), Seed: m.seed, Checked: m.checkpoint.Size, CheckRoot: base64.StdEncoding.EncodeToString(m.checkpoint.Root[:]),
		ClaimLevel: level, ClaimText: text,
	}
	if m.proof.whole != nil {
		r.FirstSeq = m.proof.whole.From
	}
	for i, c := range m.proof.chains {
		if i == 0 || c.From < r.FirstSeq {
			r.FirstSeq = c.From
		}
	}
	return r
}

// gaps are those of all sections and requirements, once each. A section's stand with the section.
func (m *making) gaps(requirements []Requirement) []Gap {
	out := []Gap{}
	for _, s := range m.sections {
		out = append(out, s.Gaps...)
	}
	for _, q := range requirements {
		for _, g := range q.Gaps {
			if g.Where == q.ID {
				out = append(out, g)
			}
		}
	}
	return out
}

func (m *making) summary(r *Report) Summary {
	count := map[State]uint64{}
	for _, q := range r.Requirements {
		count[q.State]++
	}
	s := Summary{States: []StateCount{}}
	for _, state := range []State{StateEvidence, StatePartial, StateGap, StateManual} {
		s.States = append(s.States, StateCount{state, count[state]})
	}
	covered, sources := 0, 0
	for _, name := range m.sources.names() {
		if own(name) {
			continue
		}
		sources++
		if m.covered(name).State == StateEvidence {
			covered++
		}
	}
	t := &m.totals
	n := func(label string, v uint64, tone Tone, section string) Highlight {
		return Highlight{Label: label, Value: number(v).Value, Kind: KindCount, Tone: someTone(v, tone), Section: section}
	}
	s.Highlights = []Highlight{
		n("Entries in the period", m.tally.rows, TonePlain, sectionCoverage),
		{Label: "Sources that covered the period", Value: fmt.Sprintf("%d of %d", covered, sources), Kind: KindText, Tone: cmp.Or(someTone(uint64(sources-covered), ToneWarn), TonePlain), Section: sectionCoverage},
		{Label: "Sign-ins with a second factor that the source names", Value: percent(t.mfa, t.signIns), Kind: KindPercent, Section: sectionMFA},
		n("Failed sign-ins", t.failed, TonePlain, sectionFailed),
		n("Bursts of failed sign-ins", t.bursts, ToneWarn, sectionFailed),
		n("Roles of administrators given", t.grants, ToneWarn, sectionPrivileged),
		n("Acts of deleted users", t.late, ToneBad, sectionAfterDeletion),
		n("Dormant users", t.dormant, ToneWarn, sectionDormant),
		n("Tokens in use, older than a year", t.oldTokens, ToneWarn, sectionTokens),
		n("Gaps", uint64(len(r.Gaps)), ToneWarn, ""),
	}
	return s
}
