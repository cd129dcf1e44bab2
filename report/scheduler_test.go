package report_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"countersign/identity"
	"countersign/problem"
	"countersign/report"
)

// clock is a clock that a test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(text string) {
	at, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// plans are the schedules of a test.
type plans struct {
	mu    sync.Mutex
	all   []identity.Schedule
	owner identity.Caller
	err   error // of Owner
}

func (p *plans) AllSchedules() []identity.Schedule {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.all)
}

func (p *plans) Owner(identity.Schedule) (identity.Caller, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.owner, p.err
}

func (p *plans) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// planned is a scheduler over a world, whose schedule makes a report of each day at six.
type planned struct {
	*world
	clock clock
	plans plans
	dir   string
	desk  *report.Desk
	s     *report.Scheduler
}

func newPlanned(t *testing.T) *planned {
	t.Helper()
	p := &planned{world: newWorld(t, 100), dir: t.TempDir()}
	p.clock.set("2026-02-01 12:00")
	p.plans.owner = p.admin
	p.plans.all = []identity.Schedule{{
		ID: "daily", Name: "Daily", Framework: "soc-2", Cron: "0 6 * * *", TimeZone: "UTC", Period: report.PreviousDay, Enabled: true, CreatedAt: p.clock.now(),
	}}
	p.start()
	t.Cleanup(func() { p.stop() })
	return p
}

func (p *planned) start() {
	p.Helper()
	var err error
	p.desk, err = report.OpenDesk(p.dir, p.maker, nil)
	p.must(err)
	p.s, err = report.OpenScheduler(p.desk, &p.plans, nil, p.clock.now)
	p.must(err)
	p.look()
}

func (p *planned) stop() {
	p.s.Close()
	p.desk.Close()
}

func (p *planned) look() {
	p.Helper()
	p.must(p.s.Look(context.Background()))
}

// settled looks until no run is under way, and returns the runs, the newest first.
func (p *planned) settled() []report.ScheduledRun {
	p.Helper()
	for range 1000 {
		p.look()
		runs := p.s.Runs("daily")
		if !slices.ContainsFunc(runs, func(r report.ScheduledRun) bool {
			return r.State == report.RunRunning || r.State == report.RunWaiting && r.NextTry == nil
		}) {
			return runs
		}
		time.Sleep(5 * time.Millisecond)
	}
	p.Fatal("runs do not end")
	return nil
}

func TestScheduledReportIsMadeWhenDueAndOnce(t *testing.T) {
	p := newPlanned(t)
	if runs := p.settled(); len(runs) != 0 {
		t.Errorf("before it is due: %+v", runs)
	}
	p.clock.set("2026-02-02 06:00")
	runs := p.settled()
	if len(runs) != 1 || runs[0].State != report.RunFinished || runs[0].From != "2026-02-01" || runs[0].To != "2026-02-01" || runs[0].Attempts != 1 {
		t.Fatalf("when it is due: %+v", runs)
	}
	job, err := p.desk.Job(p.admin, runs[0].Report)
	if err != nil || job.Schedule != "daily" || job.State != report.JobFinished {
		t.Errorf("its report: %+v, %v", job, err)
	}
	if got := p.found("action:=REPORT attributes.schedule:=daily"); len(got) != 2 {
		t.Errorf("%d entries tell of it", len(got))
	}
	p.clock.set("2026-02-03 05:59")
	p.stop()
	p.start()
	if again := p.settled(); len(again) != 1 {
		t.Errorf("after a restart: %+v", again)
	}
}

func TestWhatWasDueWhileTheServerStoodIsMadeUpFor(t *testing.T) {
	p := newPlanned(t)
	p.stop()
	p.clock.set("2026-02-20 12:00")
	p.start()
	runs := p.settled()
	var made, missed int
	for i, r := range runs {
		if day := time.Date(2026, 2, 20-i, 6, 0, 0, 0, time.UTC); !r.Due.Equal(day) || r.From != day.AddDate(0, 0, -1).Format(time.DateOnly) {
			t.Errorf("run %d: %+v", i, r)
		}
		switch r.State {
		case report.RunFinished:
			made++
		case report.RunMissed:
			missed++
		}
	}
	if made != 12 || missed != 7 || len(runs) != 19 {
		t.Errorf("%d made and %d missed of %d", made, missed, len(runs))
	}
	if got := p.found("action:=REPORT attributes.phase:=missed"); len(got) != 7 {
		t.Errorf("%d missed runs are recorded", len(got))
	}
}

func TestFailedRunTriesAgainAndGivesUp(t *testing.T) {
	p := newPlanned(t)
	p.maker.Renderings = []report.Rendering{{Name: "broken.txt", Render: func(w io.Writer, r *report.Report) error { return errors.New("no font") }}}
	p.clock.set("2026-02-02 06:00")
	for i, at := range []string{"2026-02-02 06:01", "2026-02-02 06:11", "2026-02-02 07:11"} {
		r := p.settled()[0]
		if r.State != report.RunWaiting || r.Attempts != i+1 || r.NextTry == nil || r.NextTry.Format("2006-01-02 15:04") != at {
			t.Fatalf("after %d attempts: %+v", i+1, r)
		}
		p.clock.set(at)
	}
	if r := p.settled()[0]; r.State != report.RunFailed || r.Attempts != 4 || r.EndedAt == nil {
		t.Errorf("at the end: %+v", r)
	}
	p.clock.set("2026-02-03 06:00")
	p.settled()
	p.maker.Renderings = nil
	p.clock.set("2026-02-03 06:01")
	if r := p.settled()[0]; r.State != report.RunFinished || r.Attempts != 2 {
		t.Errorf("once it can be made: %+v", r)
	}
}

func TestOwnerWithoutRightsGetsNoReportAndNoRetry(t *testing.T) {
	p := newPlanned(t)
	p.plans.set(func() { p.plans.err = problem.New(problem.Denied, "the owner of the schedule is not active any more") })
	p.clock.set("2026-02-02 06:00")
	if r := p.settled()[0]; r.State != report.RunFailed || r.Attempts != 1 || r.Reason != "the owner of the schedule is not active any more" {
		t.Errorf("%+v", r)
	}
}

func TestScheduleThatIsSwitchedOffIsNotMadeUpFor(t *testing.T) {
	p := newPlanned(t)
	p.plans.set(func() { p.plans.all[0].Enabled = false })
	p.clock.set("2026-02-05 12:00")
	p.look()
	p.plans.set(func() { p.plans.all[0].Enabled = true })
	if runs := p.settled(); len(runs) != 0 {
		t.Errorf("%+v", runs)
	}
	p.clock.set("2026-02-06 06:00")
	if runs := p.settled(); len(runs) != 1 {
		t.Errorf("after it is on again: %+v", runs)
	}
	p.plans.set(func() { p.plans.all = nil })
	p.look()
	if runs := p.s.Runs("daily"); len(runs) != 0 {
		t.Errorf("of a schedule that is gone: %+v", runs)
	}
}

func TestReportThatAStopBrokeOffIsMadeAgain(t *testing.T) {
	p := newPlanned(t)
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	p.maker.Renderings = []report.Rendering{{Name: "slow.txt", Render: func(w io.Writer, r *report.Report) error {
		held <- struct{}{}
		<-hold
		return errors.New("stopped")
	}}}
	p.clock.set("2026-02-02 06:00")
	p.look()
	<-held
	stopped := make(chan struct{})
	go func() { // ends with stop
		defer close(stopped)
		p.stop()
	}()
	close(hold)
	<-stopped
	p.maker.Renderings = nil
	p.clock.set("2026-02-02 06:05")
	p.start()
	p.look()
	p.clock.set("2026-02-02 06:30")
	if runs := p.settled(); len(runs) != 1 || runs[0].State != report.RunFinished {
		t.Errorf("%+v", runs)
	}
}

func TestDamagedHistoryIsRefused(t *testing.T) {
	p := newPlanned(t)
	p.must(os.WriteFile(filepath.Join(p.dir, "schedules.json"), []byte("{"), 0o600))
	if _, err := report.OpenScheduler(p.desk, &p.plans, nil, nil); err == nil {
		t.Error("it was opened")
	}
}
