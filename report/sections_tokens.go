package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"countersign/event"
)

// token is an API token as the trail and this server know it.
type token struct {
	tokenLife
	end string // its last day, "" when it is not known or has none
}

// tokens returns all that were made up to the end of the period.
func (m *making) tokens() []token {
	byID := map[string]*token{}
	for id, k := range m.timeline.tokens {
		byID[id] = &token{tokenLife: *k}
	}
	for id, k := range m.roster.Tokens {
		made := event.MicrosOf(k.CreatedAt)
		if made > m.w.to {
			continue
		}
		t := byID[id]
		if t == nil {
			t = &token{tokenLife: tokenLife{id: id, state: tokenOpen}}
			if !k.Enabled {
				t.state = tokenDisabled
			}
			byID[id] = t
		}
		if t.end = k.EndDate; t.name == "" {
			t.name = k.Name
		}
		if !t.knownMade {
			t.made, t.knownMade, t.by = made, true, k.UserID
		}
	}
	out := make([]token, 0, len(byID))
	for _, t := range byID {
		out = append(out, *t)
	}
	// Those in use first, and of them the oldest; what was made nobody knows when is older than all that the trail tells of.
	slices.SortFunc(out, func(a, b token) int {
		return cmp.Or(compareBool(b.state == tokenOpen, a.state == tokenOpen), compareBool(a.knownMade, b.knownMade), cmp.Compare(a.made, b.made), strings.Compare(a.id, b.id))
	})
	return out
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// ageDays is how old a token was at the end of the period.
func (m *making) ageDays(t *token) int { return int((m.w.to - t.made) / dayMicros) }

// The classes of ages.
var ageNames = []string{"up to 30 days", "31 to 90 days", "91 to 365 days", "more than a year", "not known"}

func ageClass(known bool, days int) int {
	switch {
	case !known:
		return 4
	case days <= 30:
		return 0
	case days <= 90:
		return 1
	case days <= 365:
		return 2
	}
	return 3
}

func (m *making) tokensSection() (Section, error) {
	s := Section{Title: "API tokens"}
	s.Text = []string{"Tokens that the trail tells of up to the end of the period, and those of this server. When a token was made is known if the trail has the entry; its age is that at the end of the period. The last day of a token is known for those of this server only."}
	s.IPE.Basis = "From all entries on API tokens up to the end of the period, and the tokens that the server knew when the report was made."
	s.State, s.Gaps = m.usersCovered()
	all := m.tokens()
	ages := make([]uint64, len(ageNames))
	var rows [][]Cell
	var open uint64
	for i := range all {
		t := &all[i]
		age := Cell{}
		if t.knownMade {
			age = number(uint64(max(m.ageDays(t), 0)))
		}
		if t.state == tokenOpen {
			open++
			class := ageClass(t.knownMade, m.ageDays(t))
			ages[class]++
			if class >= 3 {
				age.Tone = ToneWarn
			}
		}
		_, changed := t.changed.texts()
		rows = append(rows, []Cell{cell(t.id), cell(t.name), cell(t.state), momentIf(t.knownMade, t.made), m.mention(t.by), cell(changed), age, cell(t.end), number(t.reminders)})
	}
	s.IPE.Rows = uint64(len(all))
	if m.timeline.cut {
		s.Gaps = append(s.Gaps, Gap{What: "Tokens beyond the limits of a run", Why: fmt.Sprintf("There are more than %d users and tokens; the rest is not told apart.", maxLives)})
	}
	if ages[4] > 0 {
		s.State = joint(s.State, StatePartial)
		s.Gaps = append(s.Gaps, Gap{What: "The age of tokens", Why: fmt.Sprintf("Of %d of %d tokens in use the trail does not tell when they were made.", ages[4], open),
			Close: "Import older records, or add the vendor's list of tokens."})
	}
	c := Chart{ID: "token-ages", Title: "Tokens in use at the end of the period, by age", Form: FormBars, Unit: "tokens", Axis: KindText, Labels: ageNames,
		Series: []Series{{Name: "tokens", Values: ages}}}
	c.Summary = fmt.Sprintf("%d tokens in use; %d of them are older than a year, of %d the age is not known.", open, ages[3], ages[4])
	t, err := m.tables.add(Table{ID: "tokens", Title: "API tokens", Empty: "The trail tells of none.",
		Columns: []Column{{"Token", KindCode}, {"Name", KindText}, {"State", KindText}, {"Made", KindMoment}, {"By", KindWho}, {"Last change", KindMoment}, {"Age, days", KindAge},
			{"Last day", KindDay}, {"Reminders", KindCount}}}, rows)
	s.Charts, s.Tables = []Chart{c}, []Table{t}
	m.totals.oldTokens = ages[3]
	return s, err
}
