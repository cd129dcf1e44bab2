package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"countersign/event"
	"countersign/identity"
	"countersign/internal/durable"
	"countersign/problem"
)

// Schedules knows when reports are to be made, and with whose rights.
type Schedules interface {
	AllSchedules() []identity.Schedule
	Owner(s identity.Schedule) (identity.Caller, error)
}

// ScheduledRun is one time at which a scheduled report was due.
type ScheduledRun struct {
	Due      time.Time  `json:"due"`
	From     string     `json:"from"`
	To       string     `json:"to"`
	State    RunState   `json:"state"`
	Attempts int        `json:"attempts"`
	Report   string     `json:"report,omitempty"` // the job of the last attempt
	Reason   string     `json:"reason,omitempty"`
	NextTry  *time.Time `json:"next_try,omitempty"`
	EndedAt  *time.Time `json:"ended_at,omitempty"`
}

// RunState is what became of a run.
type RunState string

// The states.
const (
	RunWaiting  RunState = "waiting" // for its next attempt
	RunRunning  RunState = "running"
	RunFinished RunState = "finished"
	RunFailed   RunState = "failed"
	RunMissed   RunState = "missed" // nothing was made: the server did not run, and too many others were due
)

const (
	schedulesFile   = "schedules.json"
	maxHistory      = 100 // runs of a schedule
	maxHistoryBytes = 64 << 20
	// maxLateRuns is how many of the runs that came due while the server did not run are made up for.
	maxLateRuns = 12
	// lookEvery is how often schedules are looked at. A run begins within it of its time.
	lookEvery = 15 * time.Second
)

// retryAfter is how long a failed run waits for its next attempt.
var retryAfter = []time.Duration{time.Minute, 10 * time.Minute, time.Hour}

// history is what the scheduler knows of one schedule.
type history struct {
	// Seen is up to when dues were looked at.
	Seen time.Time      `json:"seen"`
	Runs []ScheduledRun `json:"runs"` // the newest last
}

// Scheduler has reports made when they are due. What was due while the server did not run is made up for, each with its
// own period, the oldest first.
type Scheduler struct {
	desk *Desk
	who  Schedules
	log  *slog.Logger
	now  func() time.Time

	quit    context.CancelFunc
	stopped chan struct{} // closed when run has returned

	looking sync.Mutex // one look at a time; nobody waits for it but another look
	all     map[string]*history

	mu    sync.Mutex // guards shown; held for a copy
	shown map[string][]ScheduledRun
}

// OpenScheduler goes on with what the folder of the desk says of earlier runs. now is time.Now when nil.
func OpenScheduler(desk *Desk, who Schedules, log *slog.Logger, now func() time.Time) (*Scheduler, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if now == nil {
		now = time.Now
	}
	s := &Scheduler{desk: desk, who: who, log: log, now: now, stopped: make(chan struct{}), all: map[string]*history{}}
	b, err := durable.ReadFile(durable.OS(), s.file(), maxHistoryBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("reports: %w", err)
	default:
		if err := json.Unmarshal(b, &s.all); err != nil {
			return nil, fmt.Errorf("reports: %s: %w", s.file(), err)
		}
	}
	s.show()
	ctx, quit := context.WithCancel(context.Background())
	s.quit = quit
	go s.run(ctx) // ends with quit; Close waits for it
	return s, nil
}

// Close stops beginning runs. Those that the desk has go on.
func (s *Scheduler) Close() {
	s.quit()
	<-s.stopped
}

func (s *Scheduler) file() string { return filepath.Join(s.desk.dir, schedulesFile) }

func (s *Scheduler) run(ctx context.Context) {
	defer close(s.stopped)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := s.Look(ctx); err != nil {
			s.log.Error("reports: what became of scheduled runs is not written down", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// show lets Runs see how things are.
func (s *Scheduler) show() {
	shown := make(map[string][]ScheduledRun, len(s.all))
	for id, h := range s.all {
		shown[id] = slices.Clone(h.Runs)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = shown
}

// Runs returns what became of a schedule's runs, the newest first.
func (s *Scheduler) Runs(id string) []ScheduledRun {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := append([]ScheduledRun{}, s.shown[id]...)
	slices.Reverse(out)
	return out
}

// Look finds what is due, begins what can be begun, and notes what has ended. The scheduler does so by itself.
func (s *Scheduler) Look(ctx context.Context) error {
	s.looking.Lock()
	defer s.looking.Unlock()
	// Read before the schedules: one that was switched off before now has nothing due.
	now := s.now()
	changed := false
	known := map[string]bool{}
	for _, schedule := range s.who.AllSchedules() {
		known[schedule.ID] = true
		h := s.all[schedule.ID]
		if h == nil {
			// What it was due before it was made is nobody's.
			h = &history{Seen: schedule.CreatedAt}
			s.all[schedule.ID] = h
			changed = true
		}
		due := s.due(ctx, &schedule, h, now)
		advanced := s.advance(&schedule, h)
		changed = changed || due || advanced
	}
	for id := range s.all {
		if !known[id] {
			delete(s.all, id)
			changed = true
		}
	}
	if !changed {
		return nil
	}
	s.show()
	b, err := json.Marshal(s.all)
	if err != nil {
		return err
	}
	return durable.WriteFile(durable.OS(), s.file(), b)
}

// due adds the runs that came due up to now, since the schedule was looked at last.
func (s *Scheduler) due(ctx context.Context, schedule *identity.Schedule, h *history, now time.Time) (changed bool) {
	times, err := dues(*schedule)
	if err != nil || !schedule.Enabled {
		// What comes due while it is switched off is not made up for.
		h.Seen = now
		return false
	}
	var late []time.Time
	for at := times.Next(h.Seen); !at.IsZero() && !at.After(now); at = times.Next(at) {
		late = append(late, at.UTC())
		h.Seen = at
		if len(late) > maxHistory+maxLateRuns {
			late = late[1:]
		}
	}
	for i, at := range late {
		run := ScheduledRun{Due: at, State: RunWaiting}
		if run.From, run.To, err = periodAt(*schedule, at); err != nil {
			s.end(&run, RunFailed, err.Error())
		} else if len(late)-i > maxLateRuns {
			s.end(&run, RunMissed, "the server did not run when it was due, and too many later ones were")
			s.recordMissed(ctx, schedule, &run)
		}
		h.Runs = append(h.Runs, run)
	}
	h.Runs = h.Runs[max(0, len(h.Runs)-maxHistory):]
	return len(late) > 0
}

func (s *Scheduler) end(r *ScheduledRun, state RunState, reason string) {
	now := s.now().UTC().Truncate(time.Millisecond)
	r.State, r.Reason, r.EndedAt, r.NextTry = state, reason, &now, nil
}

// advance takes the runs of a schedule one step further.
func (s *Scheduler) advance(schedule *identity.Schedule, h *history) (changed bool) {
	for i := range h.Runs {
		r := &h.Runs[i]
		switch {
		case r.State == RunRunning:
			changed = s.follow(r) || changed
		case r.State == RunWaiting && (r.NextTry == nil || !r.NextTry.After(s.now())):
			s.begin(schedule, r)
			changed = true
		}
	}
	return changed
}

// begin makes an attempt.
func (s *Scheduler) begin(schedule *identity.Schedule, r *ScheduledRun) {
	job, err := s.order(schedule, r)
	switch {
	case err == nil:
		r.State, r.Report, r.Reason, r.NextTry = RunRunning, job.ID, "", nil
		r.Attempts++
	case problem.KindOf(err) == problem.Throttled:
		// The desk is busy, which is no attempt: the next look tries again.
	default:
		r.Attempts++
		s.failed(r, Reason(err), problem.KindOf(err) == problem.Denied || problem.KindOf(err) == problem.Invalid)
	}
}

func (s *Scheduler) order(schedule *identity.Schedule, r *ScheduledRun) (Job, error) {
	owner, err := s.who.Owner(*schedule)
	if err != nil {
		return Job{}, err
	}
	f, err := FrameworkOf(schedule.Framework, schedule.FrameworkFile)
	if err != nil {
		return Job{}, err
	}
	asked := *schedule
	return s.desk.Start(Request{
		Framework: f, From: r.From, To: r.To, Accounts: asked.Accounts, Schedule: asked.ID, Caller: owner,
		Renew: func() (identity.Caller, error) { return s.who.Owner(asked) },
	})
}

// follow notes what became of an attempt.
func (s *Scheduler) follow(r *ScheduledRun) (changed bool) {
	job, final, known := s.desk.outcome(r.Report)
	switch {
	case !known:
		s.end(r, RunFailed, "the report was cancelled and removed")
	case job.State == JobFinished:
		s.end(r, RunFinished, "")
	case job.State == JobCancelled:
		s.end(r, RunFailed, job.Reason)
	case job.State == JobFailed:
		s.failed(r, job.Reason, final)
	default:
		return false
	}
	return true
}

// failed lets a run try again later, if that can help and was not done often enough.
func (s *Scheduler) failed(r *ScheduledRun, reason string, final bool) {
	if final || r.Attempts > len(retryAfter) {
		s.end(r, RunFailed, reason)
		return
	}
	next := s.now().Add(retryAfter[r.Attempts-1]).UTC().Truncate(time.Second)
	r.State, r.Reason, r.NextTry = RunWaiting, reason, &next
}

// recordMissed records a run that will never be: that there is no report is what an auditor asks for.
func (s *Scheduler) recordMissed(ctx context.Context, schedule *identity.Schedule, r *ScheduledRun) {
	e := event.Event{
		OccurredAt: event.MicrosOf(s.now()), Account: event.Account{ID: identity.OwnAccount}, Actor: event.Actor{Type: event.ActorSystem},
		Action: actionReport, Resource: event.Resource{Type: typeLog, ID: event.TextOf(schedule.ID), Name: event.TextOf("Report schedule " + schedule.Name)},
		Outcome: event.OutcomeFailure, Description: event.TextOf("A scheduled report was missed: " + r.Reason), Source: ownSource,
		Attributes: []event.Attribute{{Name: "due", Value: event.MicrosOf(r.Due).String()}, {Name: "from", Value: r.From}, {Name: attrPhase, Value: string(RunMissed)},
			{Name: "schedule", Value: schedule.ID}, {Name: "to", Value: r.To}},
	}
	e.Normalize(identity.OwnAccount)
	if _, err := s.desk.maker.Trail.Append(ctx, []event.Event{e}, identity.OwnAccount); err != nil {
		s.log.Error("reports: a missed run is not recorded", "schedule", schedule.ID, "error", err)
	}
}
