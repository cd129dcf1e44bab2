package report

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // a machine may have no time zones of its own

	cron "github.com/netresearch/go-cron"

	"countersign/identity"
	"countersign/problem"
)

// The periods that a scheduled report can be over, counted from the day on which it is due in the schedule's time zone.
const (
	PreviousDay     = "previous_day"
	PreviousWeek    = "previous_week" // Monday to Sunday
	PreviousMonth   = "previous_month"
	PreviousQuarter = "previous_quarter"
	PreviousYear    = "previous_year"
)

var periods = []string{PreviousDay, PreviousWeek, PreviousMonth, PreviousQuarter, PreviousYear}

// CheckSchedule returns why there can be no schedule like that. Errors are problems that name the field.
func CheckSchedule(s identity.Schedule) error {
	if _, err := dues(s); err != nil {
		return err
	}
	if _, _, err := periodOf(s.Period, time.Unix(0, 0)); err != nil {
		return err
	}
	_, err := FrameworkOf(s.Framework, s.FrameworkFile)
	return err
}

// FrameworkOf finds a framework by its id, or reads it from a file's text. Errors are problems that name the field.
func FrameworkOf(id, file string) (*Framework, error) {
	switch {
	case id != "" && file != "":
		return nil, problem.Bad("framework_file", "", "goes without framework: give one of them")
	case file != "":
		f, err := Load([]byte(file))
		if faults, ok := err.(*LoadError); ok {
			return nil, problem.Bad("framework_file", "", "is no framework: %s", strings.ReplaceAll(faults.Error(), "\n", "; "))
		}
		return f, err
	case id == "":
		return nil, problem.Bad("framework", "", "is required, or framework_file")
	}
	all, err := BuiltIn()
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(all))
	for i, f := range all {
		if ids[i] = f.ID; f.ID == id {
			return f, nil
		}
	}
	return nil, problem.Bad("framework", id, "there is no such framework; there are %s", strings.Join(ids, ", "))
}

// dueTimes are the times of a schedule in its time zone. What falls into an hour that a change of the clocks leaves out
// is due an hour later; what falls into one that it repeats is due once.
type dueTimes struct {
	times cron.Schedule
	zone  *time.Location
}

// Next returns the next time after a moment, the zero time when there is none.
func (d *dueTimes) Next(after time.Time) time.Time {
	for {
		next := d.times.Next(after)
		const wall = "2006-01-02 15:04:05"
		if next.IsZero() || next.In(d.zone).Format(wall) != next.Add(-time.Hour).In(d.zone).Format(wall) {
			return next
		}
		after = next
	}
}

// dues reads the times of a schedule: five fields, or a word such as @monthly.
func dues(s identity.Schedule) (*dueTimes, error) {
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil || s.TimeZone == "Local" {
		return nil, problem.Bad("time_zone", s.TimeZone, "is no time zone such as UTC or Europe/Zurich")
	}
	if strings.Contains(s.Cron, "=") || strings.HasPrefix(s.Cron, "@every") {
		return nil, problem.Bad("cron", s.Cron, "must be five fields such as \"0 6 1 * *\", or @daily, @weekly, @monthly or @yearly")
	}
	times, err := cron.ParseStandard("CRON_TZ=" + zone.String() + " " + s.Cron)
	if err != nil {
		return nil, problem.Bad("cron", s.Cron, "cannot be read: %v", err)
	}
	d := &dueTimes{times, zone}
	if d.Next(time.Now()).IsZero() {
		return nil, problem.Bad("cron", s.Cron, "names no day that comes")
	}
	return d, nil
}

// NextDue returns when a schedule is due next after a moment; ok is false when it is switched off.
func NextDue(s identity.Schedule, after time.Time) (next time.Time, ok bool) {
	times, err := dues(s)
	if err != nil || !s.Enabled {
		return time.Time{}, false
	}
	next = times.Next(after)
	return next.UTC(), !next.IsZero()
}

// periodOf returns the first and the last day of a period before a day.
func periodOf(period string, due time.Time) (from, to string, err error) {
	y, m, d := due.Date()
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	var first, next time.Time // next is the first day after
	switch period {
	case PreviousDay:
		first, next = day(y, m, d-1), day(y, m, d)
	case PreviousWeek:
		monday := d - (int(due.Weekday())+6)%7
		first, next = day(y, m, monday-7), day(y, m, monday)
	case PreviousMonth:
		first, next = day(y, m-1, 1), day(y, m, 1)
	case PreviousQuarter:
		quarter := m - (m-1)%3
		first, next = day(y, quarter-3, 1), day(y, quarter, 1)
	case PreviousYear:
		first, next = day(y-1, 1, 1), day(y, 1, 1)
	default:
		return "", "", problem.Bad("period", period, "must be one of %s", strings.Join(periods, ", "))
	}
	return first.Format(time.DateOnly), next.AddDate(0, 0, -1).Format(time.DateOnly), nil
}

// periodAt is periodOf for a moment that a schedule was due at.
func periodAt(s identity.Schedule, due time.Time) (from, to string, err error) {
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		return "", "", fmt.Errorf("time zone %s: %w", s.TimeZone, err)
	}
	return periodOf(s.Period, due.In(zone))
}
