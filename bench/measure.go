package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"countersign/bench/engine"
)

// respondent is an engine that can be asked.
type respondent interface {
	name() string
	ask(ctx context.Context, a asker, offset uint64, limit int) (answer, time.Duration, error)
}

type overHTTP struct{ *engine.Countersign }

func (o overHTTP) name() string { return countersignEngine }

// ask asks the server. The time is until the last byte of the answer is there; reading it is not in it.
func (o overHTTP) ask(ctx context.Context, a asker, offset uint64, limit int) (answer, time.Duration, error) {
	r, err := a.request(ctx, o.Countersign, offset, limit)
	if err != nil {
		return answer{}, 0, err
	}
	got, err := o.Do(r)
	if err != nil {
		return answer{}, 0, err
	}
	read, err := a.read(got)
	return read, got.Took, err
}

type overSQL struct{ engine.Table }

func (o overSQL) name() string { return o.Name() }

func (o overSQL) ask(ctx context.Context, a asker, offset uint64, limit int) (answer, time.Duration, error) {
	began := time.Now()
	got, err := a.sql(ctx, o.Table, offset, limit)
	return got, time.Since(began), err
}

// times are how long the answers to one line of the report took.
type times struct {
	First time.Duration `json:"first_ns"` // the very first
	P50   time.Duration `json:"p50_ns"`   // of those afterwards
	P99   time.Duration `json:"p99_ns"`
	Runs  int           `json:"runs"`
	// Estimated says that not all was done, and the rest reckoned from what was.
	Estimated bool `json:"estimated,omitempty"`
}

// line is a question, or one place of it, with the times of all engines.
type line struct {
	API      string           `json:"api"`
	Question string           `json:"question"`
	Budget   time.Duration    `json:"budget_ns,omitempty"`
	Met      *bool            `json:"met,omitempty"` // the 99th percentile is within the budget
	Least    uint64           `json:"least"`         // that a set of parameters finds
	Most     uint64           `json:"most"`
	Times    map[string]times `json:"times"`
	Note     string           `json:"note,omitempty"`
}

// measurer asks all engines the same.
type measurer struct {
	engines []respondent
	long    time.Duration // how long each engine is asked for each line
	runs    int           // at most
	events  int
	// refresh brings to the tables what the server has recorded of itself meanwhile.
	refresh func(context.Context) error
	wrong   []string // disagreements
	say     func(format string, args ...any)
}

// minRuns are asked however slow an engine is: each set of parameters once is more.
const minRuns = 3

// places are where a page is asked for. Each gives the offset of a page with so many rows of a total.
var places = []struct {
	name   string
	offset func(total uint64, limit int) uint64
}{
	{"first", func(uint64, int) uint64 { return 0 }},
	{"middle", func(total uint64, limit int) uint64 { return onPage(total/2, limit) }},
	{"last", func(total uint64, limit int) uint64 { return onPage(max(total, 1)-1, limit) }},
}

// onPage is the start of the page that a row is on: some APIs know no other offsets.
func onPage(row uint64, limit int) uint64 { return row - row%uint64(limit) }

// question asks one question everywhere that it is to be asked.
func (m *measurer) question(ctx context.Context, q question) ([]line, error) {
	if q.whole {
		l, err := m.read(ctx, q)
		return []line{l}, err
	}
	var lines []line
	totals := make([]uint64, len(q.asks)) // known after the first place
	for _, place := range places {
		if place.name != "first" && !q.anywhere {
			break
		}
		l := line{API: q.api, Question: q.name, Budget: q.budgetFor(m.events), Times: map[string]times{}}
		if q.anywhere {
			l.Question += ", " + place.name
		}
		offsets := make([]uint64, len(q.asks))
		for i := range offsets {
			offsets[i] = place.offset(totals[i], max(q.limit, 1))
		}
		if err := m.line(ctx, q, offsets, totals, &l); err != nil {
			return lines, fmt.Errorf("%s, %s: %w", q.api, l.Question, err)
		}
		lines = append(lines, l)
		m.say("%s", l.text())
		if l.Note != "" {
			break
		}
	}
	return lines, nil
}

// budgetFor is the budget at a number of events.
func (q question) budgetFor(events int) time.Duration {
	switch {
	case events <= 10_000_000:
		return q.budget
	case q.scan:
		return q.budget * 10
	}
	return q.budget * 3
}

// line asks all engines for the same pages, one engine after the other, and compares what they said at first
// and at last.
func (m *measurer) line(ctx context.Context, q question, offsets, totals []uint64, l *line) error {
	var reference []answer
	for _, e := range m.engines {
		first, last, t, err := m.time(ctx, e, q, offsets)
		switch {
		case errors.Is(err, errNotAsked):
			continue
		case errors.Is(err, errNotOffered):
			l.Note = err.Error()
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", e.name(), err)
		}
		l.Times[e.name()] = t
		if reference == nil {
			reference = first
			for i, a := range first {
				totals[i] = a.total
			}
			l.Least, l.Most = slices.Min(totals), slices.Max(totals)
		}
		for i := range first {
			m.compare(ctx, e, q, i, offsets[i], reference, first[i], l)
			m.compare(ctx, e, q, i, offsets[i], reference, last[i], l)
		}
		if l.Budget > 0 && e.name() == countersignEngine {
			l.Met = new(t.P99 <= l.Budget)
		}
	}
	return nil
}

// time asks one engine, each set of parameters in turn, and returns the first answer to each and the last.
func (m *measurer) time(ctx context.Context, e respondent, q question, offsets []uint64) (first, last []answer, t times, err error) {
	last = make([]answer, len(q.asks))
	for i, a := range q.asks {
		got, took, err := e.ask(ctx, a, offsets[i], q.limit)
		if err != nil {
			return nil, nil, t, err
		}
		if first = append(first, got); i == 0 {
			t.First = took
		}
	}
	copy(last, first)
	var all []time.Duration
	for began := time.Now(); len(all) < minRuns || len(all) < m.runs && time.Since(began) < m.long; {
		if e.name() == countersignEngine {
			// Evenly over the time, in which the trail grows, and not all before it has grown once.
			time.Sleep(time.Until(began.Add(m.long * time.Duration(len(all)) / time.Duration(m.runs))))
		}
		i := len(all) % len(q.asks)
		got, took, err := e.ask(ctx, q.asks[i], offsets[i], q.limit)
		if err != nil {
			return nil, nil, t, err
		}
		last[i] = got
		all = append(all, took)
	}
	t.P50, t.P99, t.Runs = percentile(all, 50), percentile(all, 99), len(all)
	return first, last, t, nil
}

// compare notes where an answer is not that of the first engine. The server may have recorded something of
// itself meanwhile, a sign-in after a pause: then both are asked again.
func (m *measurer) compare(ctx context.Context, e respondent, q question, i int, offset uint64, reference []answer, got answer, l *line) {
	if difference(reference[i], got) == "" {
		return
	}
	what := fmt.Sprintf("%s, %s, parameters %d, offset %d: %s and %s", q.api, l.Question, i, offset, m.engines[0].name(), e.name())
	err := m.refresh(ctx)
	if err == nil {
		if reference[i], _, err = m.engines[0].ask(ctx, q.asks[i], offset, q.limit); err == nil {
			got, _, err = e.ask(ctx, q.asks[i], offset, q.limit)
		}
	}
	if err != nil {
		m.wrong = append(m.wrong, fmt.Sprintf("%s: %v", what, err))
	} else if d := difference(reference[i], got); d != "" {
		m.wrong = append(m.wrong, what+": "+d)
	}
}

// difference says where two answers differ, "" where they do not.
func difference(a, b answer) string {
	if a.total != b.total {
		return fmt.Sprintf("total %d and %d", a.total, b.total)
	}
	if len(a.rows) != len(b.rows) {
		return fmt.Sprintf("%d rows and %d", len(a.rows), len(b.rows))
	}
	for i := range a.rows {
		if a.rows[i] != b.rows[i] {
			return fmt.Sprintf("row %d is\n  %s\n  %s", i, a.rows[i], b.rows[i])
		}
	}
	return ""
}

// percentile returns the smallest of the times that p of a hundred are not above. It orders them.
func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)*p+99)/100-1]
}
