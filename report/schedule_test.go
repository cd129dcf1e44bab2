package report

import (
	"strings"
	"testing"
	"time"

	"countersign/identity"
)

func TestPeriodsAreThoseBeforeTheDay(t *testing.T) {
	for _, c := range []struct{ period, due, from, to string }{
		{PreviousDay, "2026-03-01", "2026-02-28", "2026-02-28"},
		{PreviousDay, "2024-03-01", "2024-02-29", "2024-02-29"},
		{PreviousWeek, "2026-11-23", "2026-11-16", "2026-11-22"}, // a Monday
		{PreviousWeek, "2026-11-22", "2026-11-09", "2026-11-15"}, // a Sunday
		{PreviousMonth, "2026-01-31", "2025-12-01", "2025-12-31"},
		{PreviousMonth, "2026-03-31", "2026-02-01", "2026-02-28"},
		{PreviousQuarter, "2026-04-01", "2026-01-01", "2026-03-31"},
		{PreviousQuarter, "2026-03-31", "2025-10-01", "2025-12-31"},
		{PreviousQuarter, "2026-12-31", "2026-07-01", "2026-09-30"},
		{PreviousYear, "2026-01-01", "2025-01-01", "2025-12-31"},
	} {
		due, err := time.Parse(time.DateOnly, c.due)
		if err != nil {
			t.Fatal(err)
		}
		from, to, err := periodOf(c.period, due)
		if err != nil || from != c.from || to != c.to {
			t.Errorf("%s before %s is %s to %s, %v", c.period, c.due, from, to, err)
		}
	}
}

func TestTheDayOfAPeriodIsThatOfTheTimeZone(t *testing.T) {
	due := time.Date(2026, 3, 31, 22, 30, 0, 0, time.UTC) // already the first of April in Zurich
	for zone, want := range map[string]string{"UTC": "2025-10-01", "Europe/Zurich": "2026-01-01"} {
		if from, _, err := periodAt(identity.Schedule{TimeZone: zone, Period: PreviousQuarter}, due); err != nil || from != want {
			t.Errorf("in %s it begins on %s, %v", zone, from, err)
		}
	}
}

func TestSchedulesKeepTheClockOfTheirTimeZone(t *testing.T) {
	s := identity.Schedule{Cron: "30 2 * * *", TimeZone: "Europe/Zurich", Enabled: true}
	var got []string
	at := time.Date(2026, 3, 27, 12, 0, 0, 0, time.UTC)
	for range 3 { // the clocks go forward on 29 March, and leave 02:30 out
		next, ok := NextDue(s, at)
		if !ok {
			t.Fatal("it is never due")
		}
		got = append(got, next.Format("01-02 15:04"))
		at = next
	}
	if want := "03-28 01:30 03-29 01:30 03-30 00:30"; strings.Join(got, " ") != want {
		t.Errorf("due at %v UTC, want %s", got, want)
	}
	got, at = nil, time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC)
	for range 2 { // and back on 25 October, when 02:30 comes twice
		next, _ := NextDue(s, at)
		got = append(got, next.Format("01-02 15:04"))
		at = next
	}
	if got[0] != "10-25 00:30" && got[0] != "10-25 01:30" || got[1] != "10-26 01:30" {
		t.Errorf("due at %v UTC", got)
	}
	if s.Enabled = false; true {
		if _, ok := NextDue(s, at); ok {
			t.Error("what is switched off is due")
		}
	}
}

func TestSchedulesThatCannotBeAreRefused(t *testing.T) {
	good := identity.Schedule{Framework: "soc-2", Cron: "0 6 1 */3 *", TimeZone: "Europe/Zurich", Period: PreviousQuarter}
	if err := CheckSchedule(good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(s *identity.Schedule)
		field  string
	}{
		"no time":            {func(s *identity.Schedule) { s.Cron = "" }, "cron"},
		"six fields":         {func(s *identity.Schedule) { s.Cron = "0 0 6 1 1 * *" }, "cron"},
		"never":              {func(s *identity.Schedule) { s.Cron = "0 0 31 2 *" }, "cron"},
		"its own time zone":  {func(s *identity.Schedule) { s.Cron = "CRON_TZ=UTC 0 6 * * *" }, "cron"},
		"an interval":        {func(s *identity.Schedule) { s.Cron = "@every 1s" }, "cron"},
		"unknown time zone":  {func(s *identity.Schedule) { s.TimeZone = "Mars/Olympus" }, "time_zone"},
		"the machine's":      {func(s *identity.Schedule) { s.TimeZone = "Local" }, "time_zone"},
		"a path":             {func(s *identity.Schedule) { s.TimeZone = "../../etc/passwd" }, "time_zone"},
		"unknown period":     {func(s *identity.Schedule) { s.Period = "last_month" }, "period"},
		"unknown framework":  {func(s *identity.Schedule) { s.Framework = "iso" }, "framework"},
		"no framework":       {func(s *identity.Schedule) { s.Framework = "" }, "framework"},
		"two frameworks":     {func(s *identity.Schedule) { s.FrameworkFile = "id: x" }, "framework_file"},
		"a broken framework": {func(s *identity.Schedule) { s.Framework, s.FrameworkFile = "", "id: x" }, "framework_file"},
	} {
		s := good
		c.change(&s)
		if err := CheckSchedule(s); err == nil || !strings.HasPrefix(err.Error(), c.field+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
