package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"countersign/bench/engine"
)

// report is all that was measured.
type report struct {
	Date         time.Time                   `json:"date"`
	Revision     string                      `json:"revision"`
	Machine      string                      `json:"machine"`
	LoadBefore   float64                     `json:"load_average_before"`
	LoadAfter    float64                     `json:"load_average_after"`
	Events       int                         `json:"events"`
	Seed         uint64                      `json:"seed"`
	Versions     map[string]string           `json:"versions"`
	Ingest       *ingest                     `json:"ingest,omitempty"`
	Loads        map[string]engine.Load      `json:"loads"`
	Bytes        map[string]map[string]int64 `json:"bytes"`
	AnonBytes    map[string]int64            `json:"anon_bytes"` // after all questions
	Lines        []line                      `json:"lines"`
	Disagreement []string                    `json:"disagreements"`
}

// ingest is what only Countersign does.
type ingest struct {
	*engine.Ingest
	AckP50       time.Duration `json:"ack_p50_ns"`
	AckP99       time.Duration `json:"ack_p99_ns"`
	SingleAckP50 time.Duration `json:"single_ack_p50_ns"`
	SingleAckP99 time.Duration `json:"single_ack_p99_ns"`
	// Open is how long a start took after kill -9, and OpenAnonBytes the memory after it, at rest.
	Open          time.Duration `json:"open_ns"`
	OpenAnonBytes int64         `json:"open_anon_bytes"`
}

// The budgets of the design for loading, with 10 million events.
const (
	budgetRate      = 120_000
	budgetBest10s   = 180_000
	budgetSingle    = 20 * time.Millisecond
	budgetOpen      = 2 * time.Second
	budgetRest      = 200 << 20
	budgetUnderLoad = 1 << 30
	budgetBytes     = 180
)

// stored are the kinds of files that the budget for bytes counts, and log the one that events are in before.
var stored = []string{"bodies", "index", "ids", "roots"}

// text is the report as Markdown.
func (r *report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, revision %s, %s events (seed %d). Load average before %.1f, after %.1f.\n", r.Date.Format("2006-01-02 15:04 MST"), r.Revision, thousands(int64(r.Events)), r.Seed, r.LoadBefore, r.LoadAfter)
	fmt.Fprintf(&b, "Machine: %s.\n", r.Machine)
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		fmt.Fprintf(&b, "%s: %s.\n", name, r.Versions[name])
	}
	b.WriteString("\n")
	r.loading(&b)
	b.WriteString("\n")
	r.questions(&b)
	b.WriteString("\n")
	r.sizes(&b)
	for _, d := range r.Disagreement {
		b.WriteString("\nDISAGREEMENT: " + d + "\n")
	}
	return b.String()
}

// row writes a row of a table; columns are padded later.
func row(w *tabwriter.Writer, cells ...string) {
	fmt.Fprintln(w, "| "+strings.Join(cells, "\t| ")+"\t|")
}

func newTable(b *strings.Builder, heads ...string) *tabwriter.Writer {
	w := tabwriter.NewWriter(b, 0, 0, 1, ' ', 0)
	row(w, heads...)
	rules := make([]string, len(heads))
	for i := range rules {
		rules[i] = "---"
	}
	row(w, rules...)
	return w
}

func (r *report) loading(b *strings.Builder) {
	w := newTable(b, "loading", "Countersign", "PostgreSQL", "SQLite", "budget", "met")
	defer w.Flush()
	pg, lite := r.Loads["PostgreSQL"], r.Loads["SQLite"]
	add := func(what, ours, theirs, lites, budget string, met *bool) {
		row(w, what, ours, theirs, lites, budget, yes(met))
	}
	if in := r.Ingest; in != nil {
		perSecond := in.PerSecond()
		add("events/s, 1,000 a request, with indexes", rate(perSecond), rate(pg.PerSecond()), rate(lite.PerSecond()), rate(budgetRate), new(perSecond >= budgetRate))
		add("best 10 s", rate(float64(in.Best10s)/10), "", "", rate(budgetBest10s), metIf(in.Best10s > 0, in.Best10s/10 >= budgetBest10s))
		add("busy after the last answer", backlog(in.Backlog), "", "", "", nil)
		add("processor time an event", micros(in.CPU, in.Load.Events), micros(pg.CPU, pg.Events), micros(lite.CPU, lite.Events), "", nil)
		add("of the load generator", micros(in.Client, in.Load.Events), micros(pg.Client, pg.Events), "", "", nil)
		add("events in a batch / sync of it, mean", fmt.Sprintf("%s / %s", thousands(int64(in.Load.Events/max(in.Batches, 1))), long(in.Syncs/time.Duration(max(in.Batches, 1)))), "", "", "", nil)
		add("acknowledgement of 1,000: p50 / p99", long(in.AckP50)+" / "+long(in.AckP99), "", "", "", nil)
		add(fmt.Sprintf("of single ones, %d writers: p50 / p99", in.Writers), long(in.SingleAckP50)+" / "+long(in.SingleAckP99), "", "", long(budgetSingle), new(in.SingleAckP99 <= budgetSingle))
		add("single ones, events/s", rate(in.Singles.PerSecond()), "", "", "", nil)
		add("answers that said to come later", thousands(in.Throttled), "", "", "", nil)
		add("memory (anonymous) under load", mib(max(in.PeakAnonBytes, in.Singles.PeakAnonBytes)), mib(pg.PeakAnonBytes), "", mib(budgetUnderLoad), new(in.PeakAnonBytes <= budgetUnderLoad))
		add("at rest: after the load", mib(in.AnonBytes), "", "", mib(budgetRest), new(in.AnonBytes <= budgetRest))
		add("after kill -9 and a start", mib(in.OpenAnonBytes), "", "", mib(budgetRest), new(in.OpenAnonBytes <= budgetRest))
		add("after all questions", mib(r.AnonBytes[countersignEngine]), mib(r.AnonBytes["PostgreSQL"]), "", "", nil)
		add("open after kill -9", long(in.Open), "", "", long(budgetOpen), new(in.Open <= budgetOpen))
		add("bytes of JSON an event", each(in.JSONBytes, r.Events), "", "", "", nil)
		r.bytesAnEvent(add)
		return
	}
	add("events/s, with indexes", "", rate(pg.PerSecond()), rate(lite.PerSecond()), "", nil)
	add("processor time an event", "", micros(pg.CPU, pg.Events), micros(lite.CPU, lite.Events), "", nil)
	r.bytesAnEvent(add)
}

func (r *report) bytesAnEvent(add func(what, ours, theirs, lites, budget string, met *bool)) {
	sum := func(engine string) (all int64) {
		for _, n := range r.Bytes[engine] {
			all += n
		}
		return all
	}
	var sealed int64
	for _, kind := range stored {
		sealed += r.Bytes[countersignEngine][kind]
	}
	add("bytes on the disk an event, all", each(sum(countersignEngine), r.Events), each(sum("PostgreSQL"), r.Events), each(sum("SQLite"), r.Events), "", nil)
	if r.Bytes[countersignEngine]["bodies"] > 0 {
		add("of these "+strings.Join(stored, ", "), each(sealed, r.Events), "", "", fmt.Sprint(budgetBytes), new(sealed <= budgetBytes*int64(r.Events)))
	}
}

func (r *report) questions(b *strings.Builder) {
	w := newTable(b, "API", "question", "matches", "Countersign first", "p50", "p99", "PostgreSQL p50", "SQLite p50", "PostgreSQL : Countersign", "budget", "met")
	defer w.Flush()
	for _, l := range r.Lines {
		row(w, l.cells()...)
	}
}

func (l *line) cells() []string {
	ours, asked := l.Times[countersignEngine]
	cells := []string{l.API, l.Question, l.matches(), "", "", ""}
	if asked {
		cells = append(cells[:3], long(ours.First), long(ours.P50), long(ours.P99))
		if ours.Runs < 100 { // too few for a percentile: it is the slowest
			cells[5] += fmt.Sprintf(" of %d", ours.Runs)
		}
	} else if l.Note != "" {
		cells[3] = l.Note
	}
	for _, name := range [...]string{"PostgreSQL", "SQLite"} {
		t, ok := l.Times[name]
		switch {
		case !ok:
			cells = append(cells, "")
		case t.Estimated:
			cells = append(cells, "about "+long(t.P50))
		default:
			cells = append(cells, long(t.P50))
		}
	}
	ratio := ""
	if pg, ok := l.Times["PostgreSQL"]; ok && asked && ours.P50 > 0 {
		ratio = fmt.Sprintf("%.3g", float64(pg.P50)/float64(ours.P50))
	}
	return append(cells, ratio, long(l.Budget), yes(l.Met))
}

// matches is how many entries the sets of parameters find.
func (l *line) matches() string {
	if len(l.Times) == 0 {
		return ""
	}
	if l.Least == l.Most {
		return thousands(int64(l.Most))
	}
	return thousands(int64(l.Least)) + " to " + thousands(int64(l.Most))
}

// text is the line as it is shown while the benchmark runs.
func (l *line) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s (%s):", l.API, l.Question, l.matches())
	for _, name := range slices.Sorted(maps.Keys(l.Times)) {
		fmt.Fprintf(&b, " %s %s", name, long(l.Times[name].P50))
	}
	if l.Met != nil && !*l.Met {
		fmt.Fprintf(&b, ", over the budget of %s", long(l.Budget))
	}
	if l.Note != "" {
		b.WriteString(" " + l.Note)
	}
	return b.String()
}

func (r *report) sizes(b *strings.Builder) {
	w := newTable(b, "on the disk", "files", "bytes", "an event")
	defer w.Flush()
	for _, name := range slices.Sorted(maps.Keys(r.Bytes)) {
		kinds := r.Bytes[name]
		for _, kind := range slices.Sorted(maps.Keys(kinds)) {
			row(w, name, kind, thousands(kinds[kind]), each(kinds[kind], r.Events))
		}
	}
}
