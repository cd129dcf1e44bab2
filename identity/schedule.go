package identity

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"countersign/problem"
)

// Schedule says when a report is made again and again, and for whom: what of the trail it is over is what its owner may
// export then, and never more than the credential reached with which it was made. What the texts mean package report
// knows; whoever makes a schedule has them checked there.
type Schedule struct {
	ID            string    `json:"id"`
	Name          string    `json:"name"`
	UserID        string    `json:"user_id"` // the owner
	Framework     string    `json:"framework,omitempty"`
	FrameworkFile string    `json:"framework_file,omitempty"`
	Cron          string    `json:"cron"`
	TimeZone      string    `json:"time_zone"`
	Period        string    `json:"period"`
	Accounts      []string  `json:"accounts"` // empty for all that the owner may export
	Bound         []string  `json:"bound_accounts,omitempty"`
	Enabled       bool      `json:"enabled"`
	CreatedAt     time.Time `json:"created_at"`
}

// NewSchedule is a schedule to be made by its owner. Enabled is true and TimeZone UTC when left out.
type NewSchedule struct {
	Name          string   `json:"name"`
	Framework     string   `json:"framework"`
	FrameworkFile string   `json:"framework_file"`
	Cron          string   `json:"cron"`
	TimeZone      string   `json:"time_zone"`
	Period        string   `json:"period"`
	Accounts      []string `json:"accounts"`
	Enabled       *bool    `json:"enabled"`
}

// ScheduleUpdate is what may change of a schedule.
type ScheduleUpdate struct {
	Name          Optional[string]   `json:"name"`
	Framework     Optional[string]   `json:"framework"`
	FrameworkFile Optional[string]   `json:"framework_file"`
	Cron          Optional[string]   `json:"cron"`
	TimeZone      Optional[string]   `json:"time_zone"`
	Period        Optional[string]   `json:"period"`
	Accounts      Optional[[]string] `json:"accounts"`
	Enabled       Optional[bool]     `json:"enabled"`
}

const (
	maxSchedules        = 1000
	maxScheduleAccounts = 200
	maxFrameworkText    = 512 << 10
)

// CreateSchedule makes a schedule that its caller owns. check refuses what it cannot be made with.
func (d *Directory) CreateSchedule(ctx context.Context, c Caller, n NewSchedule, check func(Schedule) error) (Schedule, error) {
	var s Schedule
	_, err := d.change(ctx, c, "create schedule", func(t *change, c Caller) error {
		if !c.mayAnywhere(ExportTrail) {
			return mayNot(ExportTrail)
		}
		id, err := idOrNew("")
		if err != nil {
			return err
		}
		s = Schedule{
			ID: id, Name: n.Name, UserID: c.UserID, Framework: n.Framework, FrameworkFile: n.FrameworkFile, Cron: n.Cron,
			TimeZone: orDefault(n.TimeZone, "UTC"), Period: n.Period, Accounts: append([]string{}, n.Accounts...), Bound: slices.Clone(c.accounts),
			Enabled: n.Enabled == nil || *n.Enabled, CreatedAt: t.now,
		}
		if len(t.st.schedules) >= maxSchedules {
			return problem.New(problem.Conflict, "there are %d schedules already", maxSchedules)
		}
		if err := s.check(c, check); err != nil {
			return err
		}
		return s.write(t, `INSERT INTO report_schedules (name, framework, framework_file, cron, time_zone, period, accounts, enabled, id, user_id, bound_accounts, created_at)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`, s.ID, s.UserID, toJSON(s.Bound), s.CreatedAt.Unix())
	})
	if err != nil {
		return Schedule{}, err
	}
	return s, nil
}

// check checks what can be said here, and then asks who knows the rest.
func (s *Schedule) check(c Caller, more func(Schedule) error) error {
	if err := valid(checkNeeded("name", s.Name), checkList("accounts", s.Accounts, maxScheduleAccounts, checkID)); err != nil {
		return err
	}
	if len(s.FrameworkFile) > maxFrameworkText {
		return problem.Bad("framework_file", "", "has %d bytes, the limit is %d", len(s.FrameworkFile), maxFrameworkText)
	}
	for _, a := range s.Accounts {
		if !c.mayInPart(ExportTrail, a) {
			e := problem.Bad("accounts", a, "the caller may not have reports of this account")
			e.Kind = problem.Denied
			return e
		}
	}
	return more(*s)
}

// write runs a statement that begins with what may change.
func (s *Schedule) write(t *change, statement string, more ...any) error {
	return t.exec(statement, append([]any{s.Name, s.Framework, s.FrameworkFile, s.Cron, s.TimeZone, s.Period, toJSON(s.Accounts), s.Enabled}, more...)...)
}

// sees reports whether the caller may know of the schedule: its owner, and who may have the same report.
func (s *Schedule) seenBy(c Caller) bool {
	if s.UserID == c.UserID || c.MayServer(ExportTrail) {
		return true
	}
	return len(s.Accounts) > 0 && !slices.ContainsFunc(s.Accounts, func(a string) bool { return !c.May(ExportTrail, a) })
}

// removedBy reports whether the caller may remove the schedule: its owner, and administrators of all it is over.
func (s *Schedule) removedBy(c Caller) bool {
	if s.UserID == c.UserID || c.MayServer(ManageUsers) {
		return true
	}
	return len(s.Accounts) > 0 && !slices.ContainsFunc(s.Accounts, func(a string) bool { return !c.May(ManageUsers, a) })
}

func (st *state) findSchedule(c Caller, id string) (*Schedule, error) {
	if !c.mayAnywhere(ExportTrail) {
		return nil, mayNot(ExportTrail)
	}
	s := st.scheduleByID[id]
	if s == nil || !s.seenBy(c) {
		return nil, noSuch("schedule")
	}
	return s, nil
}

// Schedule returns a schedule that the caller may know of.
func (d *Directory) Schedule(_ context.Context, c Caller, id string) (Schedule, error) {
	s, err := d.state.Load().findSchedule(c, id)
	if err != nil {
		return Schedule{}, err
	}
	return *s, nil
}

// Schedules returns those that the caller may know of in the order in which they were made, and how many there are.
func (d *Directory) Schedules(_ context.Context, c Caller, p Page) ([]Schedule, int, error) {
	if !c.mayAnywhere(ExportTrail) {
		return nil, 0, mayNot(ExportTrail)
	}
	var seen []*Schedule
	for _, s := range d.state.Load().schedules {
		if s.seenBy(c) {
			seen = append(seen, s)
		}
	}
	return page(seen, p, func(s *Schedule) Schedule { return *s })
}

// AllSchedules returns all of them, for who carries them out. They are read-only.
func (d *Directory) AllSchedules() []Schedule {
	all := d.state.Load().schedules
	out := make([]Schedule, len(all))
	for i, s := range all {
		out[i] = *s
	}
	return out
}

// UpdateSchedule changes a schedule. Only its owner does: it is their rights that it goes by, within what the credential
// reaches with which it is changed.
func (d *Directory) UpdateSchedule(ctx context.Context, c Caller, id string, n ScheduleUpdate, check func(Schedule) error) (Schedule, error) {
	var s Schedule
	_, err := d.change(ctx, c, "update schedule", func(t *change, c Caller) error {
		old, err := t.st.findSchedule(c, id)
		if err != nil {
			return err
		}
		if old.UserID != c.UserID {
			return problem.New(problem.Denied, "only its owner changes a schedule")
		}
		s = *old
		s.Name, s.Framework, s.FrameworkFile = n.Name.or(s.Name), n.Framework.or(s.Framework), n.FrameworkFile.or(s.FrameworkFile)
		s.Cron, s.TimeZone, s.Period = n.Cron.or(s.Cron), orDefault(n.TimeZone.or(s.TimeZone), "UTC"), n.Period.or(s.Period)
		s.Accounts, s.Enabled = append([]string{}, n.Accounts.or(s.Accounts)...), n.Enabled.or(s.Enabled)
		s.Bound = slices.Clone(c.accounts)
		if err := s.check(c, check); err != nil {
			return err
		}
		return s.write(t, `UPDATE report_schedules SET name = ?, framework = ?, framework_file = ?, cron = ?, time_zone = ?, period = ?, accounts = ?, enabled = ?,
			bound_accounts = ? WHERE id = ?`, toJSON(s.Bound), s.ID)
	})
	if err != nil {
		return Schedule{}, err
	}
	return s, nil
}

// DeleteSchedule removes a schedule. What was made by it stays.
func (d *Directory) DeleteSchedule(ctx context.Context, c Caller, id string) error {
	_, err := d.change(ctx, c, "delete schedule", func(t *change, c Caller) error {
		s, err := t.st.findSchedule(c, id)
		if err != nil {
			return err
		}
		if !s.removedBy(c) {
			return problem.New(problem.Denied, "only its owner and administrators remove a schedule")
		}
		return t.exec(`DELETE FROM report_schedules WHERE id = ?`, id)
	})
	return err
}

// Owner is the caller that a schedule is carried out for, with the rights of now: those of its owner, within the bounds
// of the credential that it was made with.
func (d *Directory) Owner(s Schedule) (Caller, error) {
	u := d.state.Load().userByID[s.UserID]
	if u == nil || u.Status != Active {
		return Caller{}, problem.New(problem.Denied, "the owner of the schedule is not active any more")
	}
	return u.caller(&pass{accounts: s.Bound}), nil
}

func (st *state) readSchedules(tx *sql.Tx) error {
	return each(tx, `SELECT id, user_id, name, framework, framework_file, cron, time_zone, period, accounts, bound_accounts, enabled, created_at
		FROM report_schedules ORDER BY ordinal`, func(scan func(...any) error) error {
		s := &Schedule{}
		var accounts, bound string
		var created int64
		if err := scan(&s.ID, &s.UserID, &s.Name, &s.Framework, &s.FrameworkFile, &s.Cron, &s.TimeZone, &s.Period, &accounts, &bound, &s.Enabled, &created); err != nil {
			return err
		}
		for text, to := range map[string]*[]string{accounts: &s.Accounts, bound: &s.Bound} {
			if err := json.Unmarshal([]byte(text), to); err != nil {
				return fmt.Errorf("schedule %s: %w", s.ID, err)
			}
		}
		s.CreatedAt = seconds(created)
		st.schedules = append(st.schedules, s)
		st.scheduleByID[s.ID] = s
		return nil
	})
}

// schedules tells of schedules in the account of their owner; of a purged owner by ids only.
func (g *telling) schedules(gone bool) {
	in := func(st *state) func(*Schedule) *Schedule {
		return func(s *Schedule) *Schedule { return st.scheduleByID[s.ID] }
	}
	compare(g.old.schedules, g.next.schedules, in(g.old), in(g.next), gone, func(before, after *Schedule) {
		s := present(before, after)
		owner := present(g.old.userByID[s.UserID], g.next.userByID[s.UserID])
		f := fact{account: owner.PrimaryAccountID, resourceType: "REPORT_SCHEDULE", id: s.ID, name: s.Name}
		if g.next.userByID[s.UserID] == nil {
			f.name, f.action, f.said = s.ID, "DELETE", "A schedule of a purged user was deleted"
			g.add(f)
			return
		}
		g.tell(f, "Report schedule "+s.Name+" of "+g.nameOf(owner), scheduleFields(before), scheduleFields(after))
	})
}

func scheduleFields(s *Schedule) fields {
	if s == nil {
		return nil
	}
	return fields{
		{name: "accounts", value: listed(s.Accounts)},
		{name: "bound_accounts", value: listed(s.Bound)},
		{name: "cron", value: s.Cron},
		{name: "enabled", value: strconv.FormatBool(s.Enabled), onOff: true},
		{name: "framework", value: s.Framework},
		{name: "framework_file_sha256", value: hashOf(s.FrameworkFile)},
		{name: "name", value: s.Name},
		{name: "period", value: s.Period},
		{name: "time_zone", value: s.TimeZone},
		{name: "user_id", value: s.UserID},
	}
}

// hashOf is what is told of a text that may be as large as an event.
func hashOf(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
