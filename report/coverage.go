package report

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"countersign/event"
	"countersign/query"
	"countersign/store"
)

// sources are all that ever delivered to the scope, and the server itself, by name.
type sources map[string]*sourceFacts

// sourceFacts is what is known of a source from the beginning of the trail on.
type sourceFacts struct {
	name        string
	entries     uint64
	first, last event.Micros // of the source's clock
}

// maxSources bounds the sources that are told apart.
const maxSources = 1000

// ownSources are what the server itself records; it does whenever it runs.
var ownSources = []string{event.OwnSourcePrefix + "identity", event.OwnSourcePrefix + "server"}

// readSources finds the sources, and when the trail begins.
func (m *making) readSources(ctx context.Context) error {
	stats, err := m.maker.Trail.Stats(ctx, m.query(nil), store.Breakdown{Field: query.Source, Top: maxSources})
	if err != nil {
		return err
	}
	m.sourcesCut = stats.Values.Distinct > maxSources
	m.sources = sources{}
	for _, v := range stats.Values.Top {
		s := &sourceFacts{name: v.Value, entries: v.Count}
		for _, desc := range []bool{false, true} {
			q := m.query(query.Is(query.Source, v.Value))
			q.Sort, q.Limit = query.Sort{Field: query.OccurredAt, Desc: desc}, 1
			page, err := m.maker.Trail.Search(ctx, q)
			if err != nil {
				return err
			}
			for _, e := range page.Entries {
				if s.last = e.OccurredAt; !desc {
					s.first = e.OccurredAt
				}
			}
		}
		m.sources[v.Value] = s
	}
	q := query.Query{Limit: 1, AsOf: &m.size}
	page, err := m.maker.Trail.Search(ctx, q)
	if err != nil {
		return err
	}
	for _, e := range page.Entries {
		m.begun = e.ReceivedAt
	}
	return nil
}

// names returns the names of the sources in order.
func (s sources) names() []string {
	out := make([]string, 0, len(s))
	for name := range s {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// covered tells whether a source covered the period: by its entries, since nothing else shows it.
func (m *making) covered(name string) CoverageBrief {
	if own(name) {
		return m.coveredByItself(name)
	}
	facts, counted := m.sources[name], m.tally.sources[name]
	brief := func(state State, format string, args ...any) CoverageBrief {
		return CoverageBrief{Source: name, State: state, Why: fmt.Sprintf(format, args...)}
	}
	if facts == nil || counted == nil {
		return brief(StateGap, "no entry in the period")
	}
	var why []string
	if first := dayOf(facts.first); first > m.req.From {
		why = append(why, "its first entry is of "+first)
	}
	if last := dayOf(facts.last); last < m.req.To {
		why = append(why, "its last entry is of "+last)
	}
	if from, days := longestSilence(counted.days); days > m.framework.SilenceDays {
		why = append(why, fmt.Sprintf("it was silent for %d days from %s on, longer than %d", days, m.w.text(from), m.framework.SilenceDays))
	}
	if len(m.scope.divisions) > 0 {
		why = append(why, "the report is over some divisions only")
	}
	if m.open {
		why = append(why, "the period is not over")
	}
	if len(why) > 0 {
		return brief(StatePartial, "%s", strings.Join(why, "; "))
	}
	return brief(StateEvidence, "entries from the first day to the last, never silent for more than %d days", m.framework.SilenceDays)
}

// coveredByItself is covered for what the server records of itself.
func (m *making) coveredByItself(name string) CoverageBrief {
	b := CoverageBrief{Source: name, State: StateEvidence, Why: "the server records this itself, from " + dayOf(m.begun) + " on"}
	switch {
	case dayOf(m.begun) > m.req.To:
		b.State = StateGap
		b.Why += ", after the period"
	case dayOf(m.begun) > m.req.From, m.open:
		b.State = StatePartial
	}
	return b
}

// longestSilence returns the longest run of days without an entry, and where it begins.
func longestSilence(days []uint64) (from, length int) {
	at := 0
	for i := 0; i <= len(days); i++ {
		if i < len(days) && days[i] == 0 {
			continue
		}
		if i-at > length {
			from, length = at, i-at
		}
		at = i + 1
	}
	return from, length
}

// coverage returns whether the sources that a search looks at covered the period, those that are there.
func (m *making) coverage(s *Search) []CoverageBrief {
	out := []CoverageBrief{}
	for _, name := range m.sources.names() {
		if s.Looks(name) && !own(name) {
			out = append(out, m.covered(name))
		}
	}
	for _, name := range ownSources {
		if !s.Looks(name) || len(s.Sources) == 0 {
			continue
		}
		b := m.covered(name)
		if s.Server && !m.scope.whole() {
			if b.State == StateEvidence {
				b.State = StatePartial
			}
			b.Why = "what others did stands in their accounts or the server's own, which this report is not over"
		}
		out = append(out, b)
	}
	return out
}

// joint is the state of several: all of them, some, or none.
func joint(states ...State) State {
	var good, bad, partial int
	for _, s := range states {
		switch s {
		case StateEvidence, StateNone:
			good++
		case StatePartial:
			partial++
		case StateGap:
			bad++
		}
	}
	switch {
	case partial == 0 && bad == 0:
		return StateEvidence
	case partial == 0 && good == 0:
		return StateGap
	}
	return StatePartial
}

func coverageState(briefs []CoverageBrief) State {
	states := make([]State, len(briefs))
	for i, b := range briefs {
		states[i] = b.State
	}
	return joint(states...)
}
