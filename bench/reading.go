package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"countersign/bench/engine"
)

const (
	readRows    = 1_000_000 // at most
	samplePages = 10        // that tables are asked for, beside the first
)

// reading is a filtered quarter that is read as a script does that wants all of it: page after page, at the
// tree size of the first.
type reading struct {
	*measurer
	limit   uint64              // of a page
	rows    uint64              // that are to be read; 0 until an engine has said
	samples map[uint64][]string // the rows of some pages, by offset, of the engine that was asked first
}

// read has Countersign read to the end. The tables are asked for some of the pages, evenly spread, and the rest
// is reckoned from these: their pages get slower with the offset, in proportion.
func (m *measurer) read(ctx context.Context, q question) (line, error) {
	l := line{API: q.api, Question: q.name, Budget: q.budgetFor(m.events), Times: map[string]times{}}
	r := reading{measurer: m, limit: uint64(q.limit), samples: map[uint64][]string{}}
	for _, e := range m.engines {
		t, err := r.from(ctx, e)
		if err != nil {
			return l, fmt.Errorf("read a quarter from %s: %w", e.name(), err)
		}
		l.Times[e.name()] = t
	}
	l.Least, l.Most = r.rows, r.rows
	if t, ok := l.Times[countersignEngine]; ok {
		l.Met = new(t.P50.Seconds() <= l.Budget.Seconds()*float64(r.rows)/1e6) // the budget is for a million rows
	}
	m.say("%s", l.text())
	return l, nil
}

// from reads from one engine. Of the times P50 is that of all pages and P99 that of the slowest.
func (r *reading) from(ctx context.Context, e respondent) (times, error) {
	ask := r.asker()
	page, took, err := e.ask(ctx, ask, 0, int(r.limit))
	if err != nil {
		return times{}, err
	}
	rows := min(page.total, readRows)
	if r.rows == 0 {
		r.rows = rows
	}
	r.check(e, 0, rows, page.rows)
	pages := (max(rows, 1) + r.limit - 1) / r.limit
	sampled := max(pages/samplePages, 1) // every so many pages one is kept
	step := uint64(1)
	if e.name() != countersignEngine {
		step = sampled
	}
	t := times{First: took, P50: took, P99: took, Runs: 1, Estimated: step > 1}
	for n := step; n < pages; n += step {
		if page, took, err = e.ask(ctx, ask, n*r.limit, int(r.limit)); err != nil {
			return t, err
		}
		if n%sampled == 0 {
			r.check(e, n*r.limit, rows, page.rows)
		}
		t.P50, t.P99, t.Runs = t.P50+took, max(t.P99, took), t.Runs+1
	}
	t.P50 = t.P50 * time.Duration(pages) / time.Duration(t.Runs)
	return t, nil
}

// asker asks for the pages of the quarter, from the second on at the tree size of the first.
func (r *reading) asker() asker {
	quarter := period{0, 89}
	from, to := quarter.days()
	l := nativeList(engine.All, "occurred_at:"+from+".."+to+" actor.type:=standard", "occurred_at:asc",
		always(quarter.where()+" AND actor_type = 'standard'"), oldestFirst)
	path, rows, asOf := l.path, l.rows, ""
	l.path = func(offset uint64, limit int) string { return path(offset, limit) + asOf }
	l.rows = func(a engine.Answer) (answer, error) {
		var page struct {
			Size uint64 `json:"tree_size"`
		}
		if err := json.Unmarshal(a.Body, &page); err != nil {
			return answer{}, err
		}
		asOf = fmt.Sprintf("&as_of=%d", page.Size)
		return rows(a)
	}
	return l
}

// check keeps a page, or compares it with the one that is kept.
func (r *reading) check(e respondent, offset, rows uint64, page []string) {
	want, ok := r.samples[offset]
	if !ok {
		r.samples[offset] = page
		return
	}
	if d := difference(answer{r.rows, want}, answer{rows, page}); d != "" {
		r.wrong = append(r.wrong, fmt.Sprintf("read a filtered quarter, offset %d: %s and %s: %s", offset, r.engines[0].name(), e.name(), d))
	}
}
