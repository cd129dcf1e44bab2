package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"countersign/bench/engine"
	"countersign/bench/made"
)

// config says what is measured.
type config struct {
	events               int
	seed                 uint64
	engines              []string
	questions            *regexp.Regexp
	none                 bool // no question
	long                 time.Duration
	runs                 int
	connections, writers int
	repo, binary, dir    string
	keep                 bool
	profiles             string
	say                  func(format string, args ...any)
	// tamper changes a table before it is asked, so that a test sees whether that is found.
	tamper func(context.Context, engine.Table) error
}

// bench is a run.
type bench struct {
	config
	work   string
	trail  made.Trail
	at     *engine.Places
	server *engine.Countersign
	tables []engine.Table
	report report
}

// run measures. Whatever it started has ended when it returns.
func (c config) run(ctx context.Context) (_ *report, err error) {
	// The tables' rows pass through this process; what it does with its memory must not cost the server its
	// processor.
	debug.SetGCPercent(400)
	b := bench{config: c, trail: made.Trail{Seed: c.seed, N: c.events}, at: engine.InOrder(c.events)}
	if b.work, err = os.MkdirTemp(c.dir, "countersign-bench-"); err != nil {
		return nil, err
	}
	// The user that PostgreSQL runs as must get through it.
	if err := os.Chmod(b.work, 0o711); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.end()) }()
	b.report = report{
		Date: time.Now().UTC(), Revision: b.revision(ctx), Machine: engine.Machine(), LoadBefore: engine.LoadAverage(), Events: c.events, Seed: c.seed,
		Versions: map[string]string{}, Loads: map[string]engine.Load{}, Bytes: map[string]map[string]int64{}, AnonBytes: map[string]int64{},
		Disagreement: []string{},
	}
	if slices.Contains(c.engines, flagCountersign) {
		if err := b.loadServer(ctx); err != nil {
			return nil, err
		}
	}
	if err := b.loadTables(ctx); err != nil {
		return nil, err
	}
	if err := b.ask(ctx); err != nil {
		return nil, err
	}
	b.report.LoadAfter = engine.LoadAverage()
	return &b.report, ctx.Err()
}

// end stops what was started and removes what was made.
func (b *bench) end() error {
	var errs []error
	if b.server != nil {
		errs = append(errs, b.server.Close())
	}
	for _, t := range b.tables {
		errs = append(errs, t.Close())
	}
	if b.keep {
		b.say("kept: %s", b.work)
	} else {
		errs = append(errs, os.RemoveAll(b.work))
	}
	return errors.Join(errs...)
}

// revision says what is measured.
func (b *bench) revision(ctx context.Context) string {
	if b.binary != "" {
		out, _ := exec.CommandContext(ctx, b.binary, "version").Output()
		first, _, _ := strings.Cut(string(out), "\n")
		return first
	}
	out, _ := exec.CommandContext(ctx, "git", "-C", b.repo, "describe", "--always", "--dirty").Output()
	return strings.TrimSpace(string(out))
}

// loadServer builds and starts the server, loads it, kills it and starts it again.
func (b *bench) loadServer(ctx context.Context) (err error) {
	binary := b.binary
	if binary == "" {
		b.say("build the server")
		if binary, err = engine.Build(ctx, b.repo, b.work, b.profiles != ""); err != nil {
			return err
		}
	}
	if b.server, err = engine.NewCountersign(ctx, binary, filepath.Join(b.work, "countersign-data"), b.profiles != ""); err != nil {
		return err
	}
	b.say("load %s events into Countersign", thousands(int64(b.events)))
	var in *engine.Ingest
	err = b.profiled(ctx, "blocks", func() (err error) {
		in, b.at, err = b.server.LoadBlocks(ctx, b.trail, b.connections)
		return err
	})
	if err != nil {
		return fmt.Errorf("load Countersign: %w", err)
	}
	err = b.profiled(ctx, "singles", func() error { return b.server.LoadSingles(ctx, b.trail, b.writers, in, b.at) })
	if err != nil {
		return fmt.Errorf("load Countersign with single events: %w", err)
	}
	i := &ingest{Ingest: in, AckP50: percentile(in.Acks, 50), AckP99: percentile(in.Acks, 99), SingleAckP50: percentile(in.SingleAcks, 50), SingleAckP99: percentile(in.SingleAcks, 99)}
	b.report.Ingest = i
	b.say("%s events/s; kill it and start it again", rate(in.PerSecond()))
	if i.Open, err = b.server.Restart(ctx); err != nil {
		return err
	}
	i.OpenAnonBytes = b.server.AtRest(ctx, b.events)
	b.report.Bytes[countersignEngine], err = b.server.Bytes()
	return err
}

// profiled does something and takes profiles of the server meanwhile, if that is wanted.
func (b *bench) profiled(ctx context.Context, name string, do func() error) error {
	if b.profiles == "" || b.server == nil {
		return do()
	}
	dir, err := filepath.Abs(b.profiles)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = b.server.Profile(ctx, "start", filepath.Join(dir, name+".cpu"))
	}
	if err == nil {
		err = do()
	}
	for _, what := range [...]string{"stop", "allocs", "mutex", "block", "heap"} {
		if err == nil {
			err = b.server.Profile(ctx, what, filepath.Join(dir, name+"."+what))
		}
	}
	return err
}

// loadTables starts the other engines, one after the other, and loads them.
func (b *bench) loadTables(ctx context.Context) error {
	for _, name := range b.engines {
		var t engine.Table
		var err error
		switch name {
		case flagPostgres:
			t, err = engine.NewPostgres(ctx, filepath.Join(b.work, "postgres"))
		case flagSQLite:
			t, err = engine.NewSQLite(ctx, filepath.Join(b.work, "sqlite"))
		default:
			continue
		}
		if err != nil {
			return err
		}
		b.tables = append(b.tables, t)
		b.say("load %s", t.Name())
		if b.report.Loads[t.Name()], err = t.Load(ctx, b.trail, b.at); err != nil {
			return err
		}
		b.report.Versions[t.Name()] = t.Version()
		if b.report.Bytes[t.Name()], err = t.Bytes(ctx); err != nil {
			return err
		}
		b.say("%s: %s events/s", t.Name(), rate(b.report.Loads[t.Name()].PerSecond()))
		if b.tamper != nil {
			if err := b.tamper(ctx, t); err != nil {
				return err
			}
		}
		if err := t.Reopen(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ask asks all engines all questions.
func (b *bench) ask(ctx context.Context) error {
	if b.none {
		return nil
	}
	m := &measurer{long: b.long, runs: b.runs, events: b.events, say: b.say, refresh: b.refresh}
	if b.server != nil {
		m.engines = append(m.engines, overHTTP{b.server})
		if err := b.signIn(ctx); err != nil {
			return err
		}
	}
	for _, t := range b.tables {
		m.engines = append(m.engines, overSQL{t})
	}
	grown := b.grow(ctx)
	err := b.profiled(ctx, "questions", func() error { return b.askAll(ctx, m) })
	grown()
	if err != nil {
		return err
	}
	if b.server != nil {
		b.report.AnonBytes[countersignEngine] = b.server.AnonBytes()
	}
	for _, t := range b.tables {
		b.report.AnonBytes[t.Name()] = t.AnonBytes()
	}
	b.report.Disagreement = append(b.report.Disagreement, m.wrong...)
	return ctx.Err()
}

func (b *bench) askAll(ctx context.Context, m *measurer) error {
	for _, q := range questions(b.trail) {
		if !b.questions.MatchString(q.api + " " + q.name) {
			continue
		}
		lines, err := m.question(ctx, q)
		if err != nil {
			return err
		}
		b.report.Lines = append(b.report.Lines, lines...)
	}
	return nil
}

// grow has the trail grow by about ten entries a second until the function that it returns is called: what the
// server keeps for one size of the trail is then worth as little as on a live one. The entries are the records
// of the administrator's reads, which the other tokens do not see.
func (b *bench) grow(ctx context.Context) (stop func()) {
	if b.server == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		each := time.NewTicker(100 * time.Millisecond)
		defer each.Stop()
		for n := 0; ; n++ {
			select {
			case <-each.C:
			case <-ctx.Done():
				return
			}
			a := nativeList(engine.Root, fmt.Sprintf("seq:%d", n), newest, always("1=1"), newestFirst)
			if _, _, err := (overHTTP{b.server}).ask(ctx, a, 0, 1); err != nil && ctx.Err() == nil {
				b.say("the trail does not grow: %v", err)
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

// signIn calls once with each token, so that the server has recorded that before the questions, and brings what
// it has recorded to the tables.
func (b *bench) signIn(ctx context.Context) error {
	for _, who := range [...]engine.Who{engine.Root, engine.All, engine.Some} {
		a := nativeList(who, "", newest, always("1=1"), newestFirst)
		if _, _, err := (overHTTP{b.server}).ask(ctx, a, 0, 1); err != nil {
			return fmt.Errorf("sign in: %w", err)
		}
	}
	return b.refresh(ctx)
}

// recorded is when the server has surely recorded of itself what just happened.
const recorded = 500 * time.Millisecond

// refresh brings to the tables what the server has recorded of itself.
func (b *bench) refresh(ctx context.Context) error {
	if b.server == nil {
		return nil
	}
	select {
	case <-time.After(recorded):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	own, err := b.server.Own(ctx)
	if err != nil {
		return err
	}
	for _, t := range b.tables {
		if err := t.Insert(ctx, own); err != nil {
			return err
		}
	}
	return nil
}
