package render

import (
	"fmt"
	"strings"

	"countersign/report"
)

// cover composes the first page.
func (c *composer) cover(gapsID string) cover {
	r := c.r
	out := cover{
		Lead:   fmt.Sprintf("%s, all days in UTC", plural(uint64(r.Period.Days), "day")),
		Level:  r.Run.ClaimLevel,
		Claim:  r.Run.ClaimText,
		Notice: r.Notice,
		GapsID: gapsID,
		Facts:  facts{Rows: c.coverFacts()},
	}
	if r.Period.Open {
		out.Lead += "; the period was not over when the report was made"
	}
	reached := false
	for _, l := range levelWords {
		reached = reached || l.level == r.Run.ClaimLevel
	}
	for _, l := range levelWords {
		out.Levels = append(out.Levels, level{l.level, l.word, reached && l.level <= r.Run.ClaimLevel})
	}
	all := c.gapItems(r.Gaps, true)
	out.Gaps.Items = all[:min(len(all), coverGaps)]
	switch {
	case len(all) == 0:
		out.GapsHead = "The trail shows all that was asked of it"
		out.Gaps.Label = "No gap was found. What has to be shown by documents stands with its requirement."
	case len(all) == 1:
		out.GapsHead = "What the trail cannot show: 1 gap"
	default:
		out.GapsHead = fmt.Sprintf("What the trail cannot show: %s gaps", count(uint64(len(all))))
	}
	if rest := len(all) - len(out.Gaps.Items); rest > 0 {
		out.MoreGaps = fmt.Sprintf("%s more, and what would close each", count(uint64(rest)))
	} else if len(all) > 0 {
		out.MoreGaps = "What would close each"
	}
	var words []string
	for _, s := range r.Summary.States {
		out.States = append(out.States, stateCount{s.State, stateWord(s.State), s.Count})
		words = append(words, count(s.Count)+" "+strings.ToLower(stateWord(s.State)))
	}
	out.StatesIn = plural(uint64(len(r.Requirements)), "requirement") + ": " + strings.Join(words, ", ")
	for _, h := range r.Summary.Highlights {
		v := c.show(h.Kind, h.Value, h.Tone)
		if h.Kind == report.KindAge && h.Value != "" {
			v.Text += " days"
		}
		v.Link = ""
		out.Marks = append(out.Marks, mark{h.Label, v, c.places[h.Section].anchor})
	}
	return out
}

func (c *composer) coverFacts() []fact {
	r := c.r
	one := func(label, text string) fact {
		return fact{label, []value{{Text: text, Look: lookText}}}
	}
	scope := c.scopeWords()
	tree := fact{"Trail", []value{{Text: r.Run.Origin + ", first " + entries(r.Run.TreeSize), Look: lookText}}}
	if r.Run.CheckRoot != "" {
		tree.Values = append(tree.Values, value{Text: "root " + r.Run.CheckRoot, Look: lookCode})
	}
	rows := fact{"Data", []value{{Text: entries(r.Run.Rows) + " of the period in scope", Look: lookText}}}
	if r.Run.RowsHash != "" {
		rows.Values = append(rows.Values, value{Text: "SHA-256 " + r.Run.RowsHash, Look: lookCode})
	}
	return []fact{
		one("Scope", scope),
		one("Made by", c.byAt()+", with "+r.Run.Software),
		tree,
		rows,
	}
}

func (c *composer) scopeWords() string {
	s := c.r.Scope
	if s.Whole {
		return "All accounts of the trail"
	}
	var names []string
	for _, a := range s.Accounts[:min(len(s.Accounts), coverAccounts)] {
		name := a.Name
		if name == "" {
			name = a.ID
		}
		names = append(names, name)
	}
	text := strings.Join(names, ", ")
	if rest := len(s.Accounts) - len(names); rest > 0 {
		text += fmt.Sprintf(" and %s more", plural(uint64(rest), "account"))
	}
	if len(s.Divisions) > 0 {
		text += "; of them only " + plural(uint64(len(s.Divisions)), "division")
	}
	return text
}

// glance composes the table of all requirements.
func (c *composer) glance() *part {
	g := grid{ID: c.anchor("t-glance"), Title: "Requirements of " + c.framework(), Empty: "The framework has no requirements.", Pages: true,
		Columns: []column{{"Requirement", lookText}, {"What it is about", lookText}, {"State", lookText}, {"Gaps", lookNumber}}}
	for _, q := range c.r.Requirements {
		gaps := value{Text: count(uint64(len(q.Gaps))), Look: lookNumber}
		if len(q.Gaps) == 0 {
			gaps.Text = none
		}
		g.Rows = append(g.Rows, []value{
			{Text: q.ID, Look: lookText, Link: c.places[q.ID].anchor}, {Text: q.Title, Look: lookText},
			{Text: stateWord(q.State), Look: lookText, State: q.State}, gaps,
		})
	}
	return &part{ID: c.anchor("glance"), Title: "Requirements at a glance", Short: "At a glance", Level: 2, Blocks: []block{g}}
}

func (c *composer) gapsPart() *part {
	p := &part{ID: c.anchor("gaps"), Title: "What the trail cannot show", Short: "Gaps", Level: 2}
	if len(c.r.Gaps) == 0 {
		p.Blocks = []block{prose{Paras: []string{"No gap was found. What has to be shown by documents stands with its requirement."}}}
		return p
	}
	p.Blocks = []block{
		prose{Paras: []string{"For each of these, nothing follows from what the trail does not hold. They are to be shown otherwise, or closed."}, Soft: true},
		gapList{Items: c.gapItems(c.r.Gaps, true)},
	}
	return p
}

func (c *composer) requirements() *part {
	p := &part{ID: c.anchor("requirements"), Title: "Requirements", Short: "Requirements", Level: 2}
	p.Blocks = []block{prose{Paras: []string{
		"Each requirement in our own words, never in those of the standard; then what the trail shows, how to judge that, and what is missing. The standard itself decides what is asked.",
	}, Soft: true}}
	var group *part
	for i := range c.r.Requirements {
		q := &c.r.Requirements[i]
		if group == nil || group.Title != q.Group {
			title := q.Group
			group = &part{ID: c.anchor("g-" + title), Title: title, Level: 3}
			p.Parts = append(p.Parts, group)
		}
		group.Parts = append(group.Parts, c.requirement(q))
	}
	return p
}

func (c *composer) requirement(q *report.Requirement) *part {
	where := c.places[q.ID]
	p := &part{ID: where.anchor, Number: q.ID, Title: q.Title, Short: q.ID, State: q.State, Level: 4}
	p.Blocks = append(p.Blocks, stated{q.State, stateWord(q.State), q.Reason})
	if q.Asks != "" {
		p.Blocks = append(p.Blocks, labelled{"What it asks", q.Asks})
	}
	if len(q.Gaps) > 0 {
		p.Blocks = append(p.Blocks, gapList{Label: "Gaps", Items: c.gapItems(q.Gaps, false)})
	}
	if q.Judge != "" {
		p.Blocks = append(p.Blocks, labelled{"How to judge", q.Judge})
	}
	if len(q.Attach) > 0 {
		p.Blocks = append(p.Blocks, items{"Documents to add", q.Attach})
	}
	var to []value
	for _, id := range q.Sections {
		if s, ok := c.places[id]; ok {
			to = append(to, value{Text: s.label, Look: lookText, Link: s.anchor})
		}
	}
	if len(to) > 0 {
		p.Blocks = append(p.Blocks, links{"Counted over the period", to})
	}
	for i := range q.Evidence {
		p.Parts = append(p.Parts, c.evidence(&q.Evidence[i], where))
	}
	return p
}

func (c *composer) evidence(e *report.Evidence, where place) *part {
	p := &part{ID: c.anchor(where.anchor + "-" + e.Search), Title: e.Title, Code: e.Search, State: e.State, Level: 5}
	if e.Says != "" {
		p.Blocks = append(p.Blocks, prose{Paras: []string{e.Says}})
	}
	if e.State == report.StateAbsent && e.Count == 0 {
		p.Blocks = append(p.Blocks, c.source(&e.IPE))
		return p
	}
	numbers := []fact{{"Entries", []value{{Text: count(e.Count), Look: lookNumber}}}}
	if e.First != "" {
		numbers = append(numbers,
			fact{"First occurred (UTC)", []value{{Text: moment(e.First), Look: lookTime}}},
			fact{"Last occurred (UTC)", []value{{Text: moment(e.Last), Look: lookTime}}})
	}
	p.Blocks = append(p.Blocks, facts{Form: "row", Rows: numbers})
	if len(e.Coverage) > 0 {
		p.Blocks = append(p.Blocks, c.coverage(e.Coverage))
	}
	if s := c.sample(e, where, p.ID); s != nil {
		p.Blocks = append(p.Blocks, s)
	}
	p.Blocks = append(p.Blocks, c.source(&e.IPE))
	return p
}

func (c *composer) coverage(all []report.CoverageBrief) coverage {
	out := coverage{Label: "Sources that could show it"}
	for _, b := range all {
		word := "whole period"
		switch b.State {
		case report.StatePartial:
			word = "part of the period"
		case report.StateGap:
			word = "not covered"
		}
		out.Items = append(out.Items, covered{b.Source, word, b.Why, b.State})
	}
	return out
}

func (c *composer) sections() *part {
	p := &part{ID: c.anchor("sections"), Title: "Counted over the whole period", Short: "Counted", Level: 2}
	for i := range c.r.Sections {
		s := &c.r.Sections[i]
		where, ok := c.places[s.ID]
		if !ok || where.label != s.Title {
			where = place{c.anchor("s-" + s.ID), s.Title}
		}
		sub := &part{ID: where.anchor, Title: s.Title, Short: s.Title, State: s.State, Level: 3}
		if len(s.Text) > 0 {
			sub.Blocks = append(sub.Blocks, prose{Paras: s.Text})
		}
		for j := range s.Charts {
			sub.Blocks = append(sub.Blocks, c.figure(&s.Charts[j]))
		}
		for j := range s.Tables {
			sub.Blocks = append(sub.Blocks, c.table(&s.Tables[j]))
		}
		if len(s.Gaps) > 0 {
			sub.Blocks = append(sub.Blocks, gapList{Label: "Gaps", Items: c.gapItems(s.Gaps, false)})
		}
		sub.Blocks = append(sub.Blocks, c.source(&s.IPE))
		p.Parts = append(p.Parts, sub)
	}
	return p
}

func (c *composer) peoplePart() *part {
	p := &part{ID: c.anchor("people"), Title: "People and programs", Short: "People", Level: 2}
	g := grid{ID: c.anchor("t-people"), Title: "Who acts in the rows", Empty: "Nobody acts in the rows.",
		Note:    "Names are those of the time, as the newest row has them; states and roles are those of the run.",
		Columns: []column{{"Name and id", lookWho}, {"Kind", lookText}, {"Now", lookText}, {"Roles", lookText}, {"Entries", lookNumber}, {"First", lookTime}, {"Last", lookTime}}}
	for i, who := range c.r.People {
		if i == peopleShown {
			break
		}
		g.Rows = append(g.Rows, c.person(i, &who))
	}
	g.More = more(uint64(len(g.Rows)), uint64(len(c.r.People)), "report.json")
	p.Blocks = []block{g}
	return p
}

func (c *composer) person(i int, p *report.Person) []value {
	name := value{Text: p.Name, Sub: p.ID, Look: lookWho, ID: personAnchor(i)}
	if name.Text == "" {
		name.Text = none
	}
	if len(p.Names) > 0 {
		name.Mark = "also " + strings.Join(p.Names, ", ")
	}
	kind := value{Text: p.Type, Look: lookText}
	if p.Admin {
		kind.Mark = "privileged"
	}
	state := value{Text: string(p.State), Look: lookText}
	if p.Deleted != "" {
		state.Sub = "since " + moment(p.Deleted)
	}
	roles := value{Text: strings.Join(p.Roles, ", "), Look: lookText}
	if roles.Text == "" {
		roles.Text = none
	}
	return []value{name, kind, state, roles, {Text: count(p.Entries), Look: lookNumber}, c.show(report.KindMoment, p.First, ""), c.show(report.KindMoment, p.Last, "")}
}

func (c *composer) annexes() *part {
	g := grid{ID: c.anchor("t-annexes"), Title: "Files beside this report", Empty: "There are no annexes.",
		Columns: []column{{"File", lookCode}, {"What it holds", lookText}, {"Rows", lookNumber}, {"Bytes", lookNumber}, {"SHA-256", lookCode}}}
	for _, a := range c.r.Annexes {
		g.Rows = append(g.Rows, []value{{Text: a.Name, Look: lookCode}, {Text: a.Title, Look: lookText}, {Text: count(a.Rows), Look: lookNumber}, {Text: count(a.Bytes), Look: lookNumber}, {Text: a.SHA256, Look: lookCode}})
	}
	return &part{ID: c.anchor("annexes"), Title: "Annexes", Short: "Annexes", Level: 2, Blocks: []block{g}}
}
