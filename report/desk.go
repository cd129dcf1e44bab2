package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"countersign/identity"
	"countersign/internal/durable"
	"countersign/problem"
	"countersign/query"
)

// Job is a report that was asked for: waiting, being made, or what became of it.
type Job struct {
	ID               string     `json:"id"`
	Framework        string     `json:"framework"`
	FrameworkVersion string     `json:"framework_version"`
	FrameworkSHA256  string     `json:"framework_sha256"`
	From             string     `json:"from"`
	To               string     `json:"to"`
	Accounts         []string   `json:"accounts"` // as asked for; empty for all that the caller may export
	Scope            string     `json:"scope"`    // search text of what it is over, "" for everything
	ByID             string     `json:"by_id"`
	ByName           string     `json:"by_name"`
	Schedule         string     `json:"schedule,omitempty"`
	State            JobState   `json:"state"`
	Progress         *Progress  `json:"progress,omitempty"` // while it is running
	Reason           string     `json:"reason,omitempty"`   // why there is no report
	CreatedAt        time.Time  `json:"created_at"`
	EndedAt          *time.Time `json:"ended_at,omitempty"`
	Made             *Made      `json:"result,omitempty"` // when it is finished
}

// Made is what came of a job.
type Made struct {
	Bytes          int64  `json:"bytes"`
	Rows           uint64 `json:"rows"`
	TreeSize       uint64 `json:"tree_size"`
	ClaimLevel     string `json:"claim_level"`
	ManifestSHA256 string `json:"manifest_sha256"`
	PackSeq        uint64 `json:"pack_seq"`
	SHA256         string `json:"rows_sha256"`
	Query          string `json:"query"`
}

// JobState is how far a job is.
type JobState string

// The states.
const (
	JobQueued    JobState = "queued"
	JobRunning   JobState = "running"
	JobFinished  JobState = "finished"
	JobFailed    JobState = "failed"
	JobCancelled JobState = "cancelled"
)

func (s JobState) ended() bool { return s != JobQueued && s != JobRunning }

const (
	jobFile      = "job.json"
	maxJobBytes  = 1 << 20
	maxQueued    = 32
	maxQueuedOne = 4 // of one user
	maxJobs      = 10_000
)

// Desk takes orders for reports and keeps what was made, one folder each. It makes one at a time, in the order in which
// they were asked for.
type Desk struct {
	maker *Maker
	dir   string
	log   *slog.Logger

	wake    chan struct{} // has room for one
	quit    context.CancelFunc
	stopped chan struct{} // closed when run has returned

	mu   sync.Mutex // guards what follows; held for copies and small files, never while a report is made
	jobs map[string]*order
	turn []*order // waiting, the first first
}

// order is a job with what it takes to make it.
type order struct {
	job     Job
	request *Request // nil when it has ended
	cancel  context.CancelFunc
	removed bool
	final   bool // it failed, and would again
}

// OpenDesk opens the desk over a folder, making it when it is missing. What was being made when the process ended has
// failed; its working files are removed.
func OpenDesk(dir string, maker *Maker, log *slog.Logger) (*Desk, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d := &Desk{maker: maker, dir: dir, log: log, wake: make(chan struct{}, 1), stopped: make(chan struct{}), jobs: map[string]*order{}}
	if err := durable.OS().MkdirAll(dir, durable.DirMode); err != nil {
		return nil, fmt.Errorf("reports: %w", err)
	}
	if err := d.load(); err != nil {
		return nil, fmt.Errorf("reports: %w", err)
	}
	ctx, quit := context.WithCancel(context.Background())
	d.quit = quit
	go d.run(ctx) // ends with quit; Close waits for it
	return d, nil
}

// Close gives up what is being made and waits until it has stopped.
func (d *Desk) Close() {
	d.quit()
	<-d.stopped
}

// load reads the jobs there are.
func (d *Desk) load() error {
	names, err := durable.OS().ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, id := range names {
		if id == schedulesFile {
			continue
		}
		var job Job
		b, err := durable.ReadFile(durable.OS(), filepath.Join(d.dir, id, jobFile), maxJobBytes)
		if err == nil {
			err = json.Unmarshal(b, &job)
		}
		if err != nil || job.ID != id {
			// A folder whose job was never written, or somebody else's: nothing is served from it.
			d.log.Warn("reports: a folder is no job's", "folder", id, "error", err)
			continue
		}
		o := &order{job: job}
		if !job.State.ended() {
			if err := d.tidy(id); err != nil {
				return err
			}
			o.end(JobFailed, "the server stopped while it was waiting or being made")
			if err := d.keep(o); err != nil {
				return err
			}
		}
		d.jobs[id] = o
	}
	return nil
}

func (o *order) end(state JobState, reason string) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	o.job.State, o.job.Reason, o.job.EndedAt, o.job.Progress, o.request = state, reason, &now, nil, nil
}

func (d *Desk) folder(id string) string { return filepath.Join(d.dir, id) }

// tidy removes everything of a job but the job itself.
func (d *Desk) tidy(id string) error {
	names, err := durable.OS().ReadDir(d.folder(id))
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != jobFile {
			if err := os.Remove(filepath.Join(d.folder(id), name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep writes the job down.
func (d *Desk) keep(o *order) error {
	b, err := json.Marshal(o.job)
	if err != nil {
		return err
	}
	return durable.WriteFile(durable.OS(), filepath.Join(d.folder(o.job.ID), jobFile), b)
}

// Start takes an order. The job waits for those before it.
func (d *Desk) Start(r Request) (Job, error) {
	if err := r.Check(); err != nil {
		return Job{}, err
	}
	s, err := r.scope()
	if err != nil {
		return Job{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Job{}, err
	}
	r.ID = id.String()
	o := &order{request: &r, job: Job{
		ID: r.ID, Framework: r.Framework.ID, FrameworkVersion: r.Framework.Version, FrameworkSHA256: r.Framework.SHA256(), From: r.From, To: r.To,
		Accounts: notNil(r.Accounts), Scope: query.Print(s.filter), ByID: r.Caller.UserID, ByName: r.Caller.Name, Schedule: r.Schedule,
		State: JobQueued, CreatedAt: time.Now().UTC().Truncate(time.Millisecond),
	}}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.room(r.Caller.UserID); err != nil {
		return Job{}, err
	}
	if err := durable.OS().MkdirAll(d.folder(r.ID), durable.DirMode); err != nil {
		return Job{}, cannotKeep(err)
	}
	if err := d.keep(o); err != nil {
		return Job{}, errors.Join(cannotKeep(err), os.RemoveAll(d.folder(r.ID)))
	}
	d.jobs[r.ID] = o
	d.turn = append(d.turn, o)
	select {
	case d.wake <- struct{}{}:
	default: // it is awake already
	}
	return o.job, nil
}

func cannotKeep(err error) error {
	if durable.IsNoSpace(err) {
		return &problem.Error{Kind: problem.Unavailable, Detail: "the server's disk is full", Cause: err}
	}
	return fmt.Errorf("reports: %w", err)
}

// room returns why no further job is taken of a user.
func (d *Desk) room(user string) error {
	mine := 0
	for _, o := range d.turn {
		if o.job.ByID == user {
			mine++
		}
	}
	switch {
	case len(d.jobs) >= maxJobs:
		return problem.New(problem.Unavailable, "there are %d reports already: remove some", len(d.jobs))
	case mine >= maxQueuedOne, len(d.turn) >= maxQueued:
		return &problem.Error{Kind: problem.Throttled, Detail: "more reports are waiting than are taken", RetryAfter: 30 * time.Second}
	}
	return nil
}

// run makes one report after the other.
func (d *Desk) run(ctx context.Context) {
	defer close(d.stopped)
	for {
		o, mine := d.take(ctx)
		if o == nil {
			select {
			case <-d.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		d.serve(mine, o)
	}
}

// take takes the next order, with the context that it is made in.
func (d *Desk) take(ctx context.Context) (*order, context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.turn) == 0 || ctx.Err() != nil {
		return nil, nil
	}
	o := d.turn[0]
	d.turn = d.turn[1:]
	mine, cancel := context.WithCancel(ctx)
	o.cancel = cancel
	o.job.State = JobRunning
	return o, mine
}

// serve makes one report.
func (d *Desk) serve(ctx context.Context, o *order) {
	result, err := d.maker.Make(ctx, o.request, d.folder(o.job.ID), func(p Progress) {
		d.mu.Lock()
		defer d.mu.Unlock()
		o.job.Progress = &p
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	o.cancel()
	switch {
	case err == nil:
		run := &result.Report.Run
		o.end(JobFinished, "")
		o.job.Made = &Made{Bytes: result.Bytes, Rows: run.Rows, TreeSize: run.TreeSize, ClaimLevel: run.ClaimLevel,
			ManifestSHA256: result.ManifestSHA256, PackSeq: result.PackSeq, SHA256: run.RowsHash, Query: run.Query}
	case errors.Is(err, context.Canceled):
		o.end(JobCancelled, Reason(err))
	default:
		d.log.Error("reports: a report could not be made", "id", o.job.ID, "error", err)
		o.final = problem.KindOf(err) == problem.Denied || problem.KindOf(err) == problem.Invalid
		o.end(JobFailed, Reason(err))
	}
	if o.removed {
		err = d.drop(o)
	} else {
		err = d.keep(o)
	}
	if err != nil {
		d.log.Error("reports: what became of a report is not written down", "id", o.job.ID, "error", err)
	}
}

// drop removes a job and all of its files. The mutex is held.
func (d *Desk) drop(o *order) error {
	delete(d.jobs, o.job.ID)
	return os.RemoveAll(d.folder(o.job.ID))
}

// visible tells whether a caller may know of a job: who may have a report over the same.
func visible(c identity.Caller, j *Job) bool {
	r := Request{Accounts: accountsIn(j.Scope), Caller: c}
	s, err := r.scope()
	return err == nil && query.Print(s.filter) == j.Scope
}

// accountsIn returns the accounts that a scope is, nil when it is something else.
func accountsIn(scope string) []string {
	f, err := query.Parse(scope)
	if err != nil {
		return nil
	}
	return accountsOf(f)
}

// find returns a job that the caller may know of. The mutex is held.
func (d *Desk) find(c identity.Caller, id string) (*order, error) {
	o := d.jobs[id]
	if o == nil || o.removed || !visible(c, &o.job) {
		return nil, problem.New(problem.NotFound, "no such report")
	}
	return o, nil
}

// Job returns a job that the caller may know of.
func (d *Desk) Job(c identity.Caller, id string) (Job, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o, err := d.find(c, id)
	if err != nil {
		return Job{}, err
	}
	return o.view(), nil
}

// outcome returns a job for who carries out schedules, and whether its failure would come again.
func (d *Desk) outcome(id string) (job Job, final, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.jobs[id]
	if o == nil || o.removed {
		return Job{}, false, false
	}
	return o.view(), o.final, true
}

func (o *order) view() Job {
	j := o.job
	if j.Progress != nil {
		p := *j.Progress
		j.Progress = &p
	}
	return j
}

// Jobs returns the jobs that the caller may know of, the newest first, and how many there are on all pages.
func (d *Desk) Jobs(c identity.Caller, offset, limit int) ([]Job, int, error) {
	if _, err := c.Restrict(identity.ExportTrail, nil); err != nil {
		return nil, 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	all := []Job{}
	for _, o := range d.jobs {
		if !o.removed && visible(c, &o.job) {
			all = append(all, o.view())
		}
	}
	slices.SortFunc(all, func(a, b Job) int { return strings.Compare(b.ID, a.ID) }) // ids of version 7 are in the order of time
	total := len(all)
	all = all[min(offset, total):]
	return all[:min(limit, len(all))], total, nil
}

// Open opens the pack of a finished job.
func (d *Desk) Open(c identity.Caller, id string) (*os.File, Job, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o, err := d.find(c, id)
	if err != nil {
		return nil, Job{}, err
	}
	if o.job.State != JobFinished {
		return nil, Job{}, problem.New(problem.Conflict, "the report is %s: it has no pack", o.job.State)
	}
	f, err := os.Open(filepath.Join(d.folder(id), PackName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Job{}, fmt.Errorf("reports: the pack of %s is gone: %w", id, err)
	}
	return f, o.job, err
}

// Remove cancels a job that has not ended, and removes what there is of it. What the trail has of it stays.
func (d *Desk) Remove(c identity.Caller, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	o, err := d.find(c, id)
	if err != nil {
		return err
	}
	if o.job.State == JobRunning {
		o.removed = true
		o.cancel()
		return nil
	}
	d.turn = slices.DeleteFunc(d.turn, func(other *order) bool { return other == o })
	return d.drop(o)
}
