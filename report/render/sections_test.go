package render_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"countersign/event"
	"countersign/internal/testkit"
	"countersign/report"
)

func (s *sampler) days() []string {
	var all []string
	for d := s.from; d.Before(s.to); d = d.AddDate(0, 0, 1) {
		all = append(all, d.Format(time.DateOnly))
	}
	return all
}

func (s *sampler) day(e *event.Event) int {
	return int(e.OccurredAt.Time().Sub(s.from) / (24 * time.Hour))
}

func basis(rows uint64, text string) report.IPE {
	return report.IPE{Basis: text, Rows: rows, TreeSize: sampleTree, Files: []string{"rows.ndjson"}, SHA256: hashOf("rows")}
}

func (s *sampler) sections() []report.Section {
	return []report.Section{s.coverage(), s.outcomes(), s.failures(), s.mfa(), s.tokens(), s.dormant(), s.afterDeletion(), s.fields(), s.integrity()}
}

func (s *sampler) coverage() report.Section {
	sources := []string{testkit.SourceAccountManager, testkit.SourceTrustLifecycle, testkit.SourceDiscovery, testkit.SourceKeyfactor, testkit.SourceIoT}
	ch := report.Chart{ID: "coverage", Title: "Days covered, by source", Form: report.FormCoverage, Axis: report.KindDay, Unit: "days", Labels: s.days(),
		Summary: "Account Manager, Trust Lifecycle and Discovery covered all 90 days. Keyfactor Command was silent from 9 to 17 February and partly covered the days before and after; IoT Trust begins on 12 March."}
	t := report.Table{ID: "coverage", Title: "Coverage of each source", Columns: []report.Column{{Label: "Source", Kind: report.KindCode}, {Label: "Entries", Kind: report.KindCount}, {Label: "Days with entries", Kind: report.KindCount}, {Label: "Longest silence", Kind: report.KindAge}, {Label: "Median delay (s)", Kind: report.KindCount}, {Label: "First entry in the trail", Kind: report.KindDay}}}
	for i, source := range sources {
		series := report.Series{Name: source, Values: make([]uint64, len(ch.Labels))}
		for d := range series.Values {
			v := uint64(2)
			switch {
			case i == 3 && (d == 38 || d == 48):
				v = 1
			case i == 3 && d > 38 && d < 48, i == 4 && d < 70:
				v = 0
			case i == 4 && d == 70:
				v = 1
			}
			series.Values[d] = v
		}
		ch.Series = append(ch.Series, series)
		days := map[int]bool{}
		n := s.count(func(e *event.Event) bool {
			if e.Source == source {
				days[s.day(e)] = true
			}
			return e.Source == source
		})
		silence := report.Cell{Value: "0"}
		if i == 3 {
			silence = report.Cell{Value: "9", Tone: report.ToneWarn}
		} else if i == 4 {
			silence = report.Cell{Value: "70", Tone: report.ToneBad}
		}
		t.Rows = append(t.Rows, []report.Cell{{Value: source}, {Value: fmt.Sprint(n)}, {Value: strconv.Itoa(len(days))}, silence, {Value: strconv.Itoa(2 + 7*i)}, {Value: []string{"2024-03-04", "2024-03-04", "2025-01-20", "2025-06-02", "2026-03-12"}[i]}})
	}
	t.Total = uint64(len(t.Rows))
	return report.Section{ID: "coverage", Title: "Coverage of the sources", Charts: []report.Chart{ch}, Tables: []report.Table{t}, IPE: basis(uint64(len(s.events)), "all rows of the period, by source and day, and the reports of the collectors"),
		Text: []string{"A day counts as covered where the source was connected and either an entry or an empty answer of the source was recorded. Zero rows mean something only on days that were covered."},
		Gaps: []report.Gap{{Where: "coverage", What: "Whether sources lost entries before they were read", Why: "No source numbers its entries, so that a loss at the source leaves no trace."}}}
}

func (s *sampler) outcomes() report.Section {
	ch := report.Chart{ID: "outcomes", Title: "Entries per day, by outcome", Form: report.FormColumns, Axis: report.KindDay, Unit: "entries", Labels: s.days()}
	names := []string{"success", "unknown", "warning", "failure"}
	tones := []report.Tone{report.ToneGood, report.TonePlain, report.ToneWarn, report.ToneBad}
	totals := map[string]uint64{}
	for i, o := range names {
		series := report.Series{Name: o, Tone: tones[i], Values: make([]uint64, len(ch.Labels))}
		for j := range s.events {
			if s.events[j].Outcome == o {
				series.Values[s.day(&s.events[j])]++
				totals[o]++
			}
		}
		ch.Series = append(ch.Series, series)
	}
	ch.Summary = fmt.Sprintf("Weekdays have about four times the entries of weekends. Of all, %d succeeded and %d failed; the night of 23 March stands out with failures.", totals["success"], totals["failure"])
	return report.Section{ID: "outcomes", Title: "Activity", Charts: []report.Chart{ch, s.actors()}, IPE: basis(uint64(len(s.events)), "all rows of the period, by day and outcome")}
}

func (s *sampler) actors() report.Chart {
	by := map[string][2]uint64{}
	for i := range s.events {
		e := &s.events[i]
		v := by[e.Source]
		if e.Actor.Type == "service" {
			v[1]++
		} else {
			v[0]++
		}
		by[e.Source] = v
	}
	ch := report.Chart{ID: "actors", Title: "Entries by source, people and programs apart", Form: report.FormBars, Axis: report.KindCode, Unit: "entries", Summary: "People act mostly in Account Manager, programs mostly in Trust Lifecycle.",
		Series: []report.Series{{Name: "people and the system"}, {Name: "service users"}}}
	for _, source := range slices.SortedFunc(maps.Keys(by), func(a, b string) int { return cmp.Compare(by[b][0]+by[b][1], by[a][0]+by[a][1]) }) {
		ch.Labels = append(ch.Labels, source)
		ch.Series[0].Values = append(ch.Series[0].Values, by[source][0])
		ch.Series[1].Values = append(ch.Series[1].Values, by[source][1])
	}
	return ch
}

func (s *sampler) failures() report.Section {
	by := map[string][]uint64{}
	sum := map[string]uint64{}
	total := uint64(0)
	for i := range s.events {
		if e := &s.events[i]; failedSignIn(e) {
			if by[who(e)] == nil {
				by[who(e)] = make([]uint64, len(s.days()))
			}
			by[who(e)][s.day(e)]++
			sum[who(e)]++
			total++
		}
	}
	order := slices.SortedFunc(maps.Keys(sum), func(a, b string) int { return cmp.Or(cmp.Compare(sum[b], sum[a]), cmp.Compare(a, b)) })
	ch := report.Chart{ID: "failed", Title: "Failed sign-ins by person and day", Form: report.FormHeat, Axis: report.KindDay, Unit: "failures", Labels: s.days(), Summary: "Most people fail once or twice a quarter. One account had 24 failures in the night of 23 March, followed by a success."}
	t := report.Table{ID: "failed", Title: "Most failed sign-ins", Annex: "annexes/failed-sign-ins.csv", Total: uint64(len(order)), Note: "A burst is the most failures within ten minutes.",
		Columns: []report.Column{{Label: "Who", Kind: report.KindWho}, {Label: "Failures", Kind: report.KindCount}, {Label: "Days", Kind: report.KindCount}, {Label: "Burst", Kind: report.KindCount}, {Label: "Share", Kind: report.KindPercent}}}
	for i, id := range order {
		if i < 14 {
			ch.Series = append(ch.Series, report.Series{Name: id, Values: by[id]})
		}
		if i < 10 {
			days := 0
			burst := uint64(0)
			for _, v := range by[id] {
				burst = max(burst, v)
				if v > 0 {
					days++
				}
			}
			c := report.Cell{Value: fmt.Sprint(burst)}
			if burst >= 10 {
				c.Tone = report.ToneBad
			}
			t.Rows = append(t.Rows, []report.Cell{{Value: id}, {Value: fmt.Sprint(sum[id])}, {Value: strconv.Itoa(days)}, c, {Value: fmt.Sprintf("%.1f", 100*float64(sum[id])/float64(total))}})
		}
	}
	ipe := basis(total, "")
	ipe.Query = "(action:=LOGIN_ERROR OR action:=LOGIN outcome:failure) occurred_at>=2026-01-01T00:00:00Z occurred_at<2026-04-01T00:00:00Z"
	return report.Section{ID: "failed-sign-ins", Title: "Failed sign-ins", Charts: []report.Chart{ch}, Tables: []report.Table{t}, IPE: ipe}
}

func (s *sampler) mfa() report.Section {
	by := map[string]uint64{}
	for i := range s.events {
		if e := &s.events[i]; e.Action == "LOGIN" && e.Outcome == "success" {
			by[e.Resource.Type]++
		}
	}
	ch := report.Chart{ID: "mfa", Title: "Successful sign-ins by method", Form: report.FormBars, Axis: report.KindCode, Unit: "sign-ins", Summary: "Methods whose names end in MFA ask for a second factor.", Series: []report.Series{{Name: "sign-ins"}}}
	n := uint64(0)
	for _, m := range slices.SortedFunc(maps.Keys(by), func(a, b string) int { return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b)) }) {
		ch.Labels, ch.Series[0].Values = append(ch.Labels, m), append(ch.Series[0].Values, by[m])
		n += by[m]
	}
	return report.Section{ID: "mfa", Title: "Second factors", Charts: []report.Chart{ch}, IPE: basis(n, "successful sign-ins by resource type"), Text: []string{"Sign-ins through an identity provider may have asked for a second factor there, which the trail does not see."}}
}

func (s *sampler) tokens() report.Section {
	ch := report.Chart{ID: "ages", Title: "Tokens in use, by age", Form: report.FormColumns, Axis: report.KindText, Unit: "tokens", Summary: "Most tokens are younger than half a year; five are older than a year.", Labels: []string{"up to 30 days", "31 to 90", "91 to 180", "181 to 365", "over 365"},
		Series: []report.Series{{Name: "with an end date", Values: []uint64{4, 9, 11, 6, 2}}, {Name: "without an end date", Tone: report.ToneWarn, Values: []uint64{0, 1, 2, 2, 3}}}}
	t := report.Table{ID: "tokens", Title: "Oldest tokens", Annex: "annexes/tokens.csv", Total: uint64(len(s.estate.Tokens)), Columns: []report.Column{{Label: "Token", Kind: report.KindText}, {Label: "Of", Kind: report.KindWho}, {Label: "Made", Kind: report.KindDay}, {Label: "Ends", Kind: report.KindDay}, {Label: "Age", Kind: report.KindAge}, {Label: "Last use", Kind: report.KindDay}}}
	for i, k := range s.estate.Tokens[:min(8, len(s.estate.Tokens))] {
		end := report.Cell{}
		if !k.EndDate.IsZero() {
			end.Value = k.EndDate.Format(time.DateOnly)
		}
		age := report.Cell{Value: strconv.Itoa(int(s.to.Sub(k.CreatedAt) / (24 * time.Hour)))}
		if len(age.Value) > 2 && age.Value > "365" {
			age.Tone = report.ToneWarn
		}
		t.Rows = append(t.Rows, []report.Cell{{Value: k.Name}, {Value: k.UserID}, {Value: k.CreatedAt.Format(time.DateOnly)}, end, age, {Value: s.to.AddDate(0, 0, -3*i-1).Format(time.DateOnly)}})
	}
	return report.Section{ID: "tokens", Title: "API tokens", Charts: []report.Chart{ch}, Tables: []report.Table{t}, IPE: basis(t.Total, "users' tokens when the run was made, with the entries of their making and use")}
}

func (s *sampler) dormant() report.Section {
	t := report.Table{ID: "dormant", Title: "Active users without a trace for 90 days", Columns: []report.Column{{Label: "Who", Kind: report.KindText}, {Label: "Id", Kind: report.KindCode}, {Label: "Made", Kind: report.KindDay}, {Label: "Roles", Kind: report.KindText}}}
	for _, u := range s.estate.People[len(s.estate.People)-4:] {
		t.Rows = append(t.Rows, []report.Cell{{Value: u.Name()}, {Value: u.ID}, {Value: u.CreatedAt.Format(time.DateOnly)}, {Value: u.Role}})
	}
	t.Total = uint64(len(t.Rows))
	return report.Section{ID: "dormant", Title: "Inactive users", Tables: []report.Table{t}, IPE: basis(t.Total, "active users when the run was made, less those who act in the rows")}
}

func (s *sampler) afterDeletion() report.Section {
	t := report.Table{ID: "after", Title: "Entries after their user was deleted", Empty: "There is none.", Columns: []report.Column{{Label: "Entry", Kind: report.KindCount}, {Label: "Occurred (UTC)", Kind: report.KindMoment}, {Label: "Who", Kind: report.KindWho}, {Label: "Action", Kind: report.KindCode}, {Label: "Type", Kind: report.KindCode}}}
	for i := range s.events {
		if e := &s.events[i]; e.Actor.ID.Value == s.estate.Deleted.ID && e.OccurredAt.Time().After(s.estate.Deleted.DeletedAt) {
			t.Rows = append(t.Rows, []report.Cell{{Value: strconv.Itoa(31_000 + 97*i)}, {Value: stamp(e.OccurredAt), Tone: report.ToneBad}, {Value: who(e)}, {Value: e.Action}, {Value: e.Resource.Type}})
		}
	}
	t.Total = uint64(len(t.Rows))
	return report.Section{ID: "after-deletion", Title: "Use after deletion", Tables: []report.Table{t}, IPE: basis(t.Total, "rows whose actor was deleted before they occurred"),
		Text: []string{"An act under the id of a user who had been deleted is always an exception."}}
}

func (s *sampler) fields() report.Section {
	t := report.Table{ID: "fields", Title: "Filled fields, by source", Columns: []report.Column{{Label: "Source", Kind: report.KindCode}, {Label: "Entries", Kind: report.KindCount}, {Label: "Who", Kind: report.KindPercent}, {Label: "What", Kind: report.KindPercent}, {Label: "When", Kind: report.KindPercent}, {Label: "Outcome", Kind: report.KindPercent}, {Label: "Where from", Kind: report.KindPercent}, {Label: "Affected", Kind: report.KindPercent}}}
	type filled struct{ n, who, outcome, ip, name uint64 }
	by := map[string]*filled{}
	for i := range s.events {
		e := &s.events[i]
		f := by[e.Source]
		if f == nil {
			f = &filled{}
			by[e.Source] = f
		}
		f.n++
		for _, c := range []struct {
			yes bool
			n   *uint64
		}{{e.Actor.Name.Value != "", &f.who}, {e.Outcome != "unknown", &f.outcome}, {e.Client.IP.Value != "", &f.ip}, {e.Resource.Name.Value != "", &f.name}} {
			if c.yes {
				*c.n++
			}
		}
	}
	for _, source := range slices.Sorted(maps.Keys(by)) {
		f := by[source]
		share := func(n uint64) report.Cell {
			c := report.Cell{Value: fmt.Sprintf("%.1f", 100*float64(n)/float64(f.n))}
			if n*2 < f.n {
				c.Tone = report.ToneWarn
			}
			return c
		}
		t.Rows = append(t.Rows, []report.Cell{{Value: source}, {Value: fmt.Sprint(f.n)}, share(f.who), share(f.n), share(f.n), share(f.outcome), share(f.ip), share(f.name)})
	}
	t.Total = uint64(len(t.Rows))
	return report.Section{ID: "fields", Title: "What the entries say", Tables: []report.Table{t}, IPE: basis(uint64(len(s.events)), "all rows of the period, by source and field")}
}

func (s *sampler) integrity() report.Section {
	return report.Section{ID: "integrity", Title: "Integrity of the trail", IPE: basis(90, "the checkpoints published in the period"), Text: []string{
		"The trail is one Merkle tree over all entries. It published 90 daily checkpoints in the period that were all consistent with each other, and none was withdrawn.",
		"Whoever kept one of them can show that nothing before it was changed, removed or added since."}}
}
