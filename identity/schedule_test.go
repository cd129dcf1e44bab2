package identity_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/identity"
	"countersign/problem"
)

func anySchedule(identity.Schedule) error { return nil }

func TestScheduleIsKeptChangedAndTold(t *testing.T) {
	f := setUp(t)
	f.account("a")
	l := &trail{}
	f.record(l)
	owner := f.caller("owner", "a", in("a", identity.Auditor))
	l.entries = nil
	s, err := f.CreateSchedule(t.Context(), owner, identity.NewSchedule{
		Name: "quarterly", FrameworkFile: strings.Repeat("# long\n", 60_000), Cron: "0 6 1 * *", Period: "previous_month", Accounts: []string{"a"},
	}, anySchedule)
	if err != nil || !s.Enabled || s.TimeZone != "UTC" || s.UserID != "owner" {
		t.Fatalf("%+v, %v", s, err)
	}
	changed, err := f.UpdateSchedule(t.Context(), owner, s.ID, identity.ScheduleUpdate{Enabled: identity.To(false), Cron: identity.To("0 7 1 * *")}, anySchedule)
	if err != nil || changed.Enabled || changed.Cron != "0 7 1 * *" || changed.FrameworkFile != s.FrameworkFile {
		t.Fatalf("%v", err)
	}
	f.reopen()
	f.record(l)
	again, err := f.Schedule(t.Context(), owner, s.ID)
	if d := cmp.Diff(changed, again); d != "" || err != nil {
		t.Errorf("after a restart: %v\n%s", err, d)
	}
	if err := f.DeleteSchedule(t.Context(), owner, s.ID); err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range l.entries {
		if e.Resource.Type == "REPORT_SCHEDULE" {
			told = append(told, e.Action+" "+e.Account.ID+" "+e.Attribute("after.cron").Value)
		}
	}
	if d := cmp.Diff([]string{"CREATE a 0 6 1 * *", "DISABLED a ", "UPDATE a 0 7 1 * *", "DELETE a "}, told); d != "" {
		t.Errorf("told: %s", d)
	}
	if _, err := f.Schedule(t.Context(), owner, s.ID); problem.KindOf(err) != problem.NotFound {
		t.Errorf("a deleted schedule: %v", err)
	}
}

func TestSchedulesAreSeenAndChangedByTheirOwn(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.account("b")
	owner, other := f.caller("owner", "a", in("a", identity.Auditor)), f.caller("other", "a", in("a", identity.Auditor))
	admin, foreign := f.caller("admin", "a", in("a", identity.AccountAdmin)), f.caller("foreign", "b", in("b", identity.AccountAdmin))
	reader := f.caller("reader", "a", in("a", identity.ViewOnly))
	n := identity.NewSchedule{Name: "q", Framework: "soc-2", Cron: "@daily", Period: "previous_day", Accounts: []string{"a"}}
	s, err := f.CreateSchedule(t.Context(), owner, n, anySchedule)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		caller                 identity.Caller
		sees, changes, removes bool
	}{
		"owner": {owner, true, true, true}, "another auditor": {other, true, false, false}, "administrator": {admin, true, false, true},
		"of another account": {foreign, false, false, false}, "reader": {reader, false, false, false}, "server": {f.admin, true, false, true},
	} {
		if _, err := f.Schedule(t.Context(), c.caller, s.ID); (err == nil) != c.sees {
			t.Errorf("%s reads it: %v", name, err)
		}
		if _, err := f.UpdateSchedule(t.Context(), c.caller, s.ID, identity.ScheduleUpdate{Name: identity.To("q")}, anySchedule); (err == nil) != c.changes {
			t.Errorf("%s changes it: %v", name, err)
		}
		if c.removes {
			continue
		}
		if err := f.DeleteSchedule(t.Context(), c.caller, s.ID); err == nil {
			t.Errorf("%s removes it", name)
		}
	}
	if _, total, err := f.Schedules(t.Context(), foreign, identity.Page{}); err != nil || total != 0 {
		t.Errorf("listed: %d, %v", total, err)
	}
	for name, change := range map[string]func(n *identity.NewSchedule){
		"no name":           func(n *identity.NewSchedule) { n.Name = "" },
		"an account beyond": func(n *identity.NewSchedule) { n.Accounts = []string{"a", "b"} },
		"an account twice":  func(n *identity.NewSchedule) { n.Accounts = []string{"a", "a"} },
		"a large file":      func(n *identity.NewSchedule) { n.FrameworkFile = strings.Repeat("x", 600_000) },
	} {
		n := n
		change(&n)
		if _, err := f.CreateSchedule(t.Context(), owner, n, anySchedule); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	refused := errors.New("no such framework")
	if _, err := f.CreateSchedule(t.Context(), owner, n, func(identity.Schedule) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("what the check refuses: %v", err)
	}
	if _, err := f.CreateSchedule(t.Context(), reader, n, anySchedule); problem.KindOf(err) != problem.Denied {
		t.Errorf("a reader: %v", err)
	}
}

func TestScheduleReachesNoFurtherThanWhatItWasMadeWith(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.account("b")
	owner := f.caller("owner", "a", in("a", identity.Auditor), in("b", identity.Auditor))
	_, secret, err := f.CreateToken(t.Context(), f.admin, identity.NewToken{UserID: "owner", Name: "bound", Accounts: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	bound := f.signIn(secret)
	n := identity.NewSchedule{Name: "q", Framework: "soc-2", Cron: "@daily", Period: "previous_day"}
	for name, c := range map[string]struct {
		caller identity.Caller
		b      bool
	}{"a free token": {owner, true}, "a bound one": {bound, false}} {
		s, err := f.CreateSchedule(t.Context(), c.caller, n, anySchedule)
		if err != nil {
			t.Fatal(err)
		}
		f.reopen()
		as, err := f.Owner(s)
		if err != nil || !as.May(identity.ExportTrail, "a") || as.May(identity.ExportTrail, "b") != c.b {
			t.Errorf("made with %s it reaches a: %v, b: %v, %v", name, as.May(identity.ExportTrail, "a"), as.May(identity.ExportTrail, "b"), err)
		}
		if err := f.Revoke(t.Context(), f.admin, "owner", in("a", identity.Auditor)); err != nil {
			t.Fatal(err)
		}
		if as, err := f.Owner(s); err != nil || as.May(identity.ExportTrail, "a") {
			t.Errorf("after the role was taken: %v", err)
		}
		if _, err := f.Grant(t.Context(), f.admin, "owner", in("a", identity.Auditor)); err != nil {
			t.Fatal(err)
		}
	}
	s := f.AllSchedules()[0]
	if err := f.DeleteUser(t.Context(), f.admin, "owner", false); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Owner(s); problem.KindOf(err) != problem.Denied {
		t.Errorf("a deleted owner: %v", err)
	}
	l := &trail{}
	f.record(l)
	before := len(l.entries)
	if err := f.DeleteUser(t.Context(), f.admin, "owner", true); err != nil {
		t.Fatal(err)
	}
	if left := f.AllSchedules(); len(left) != 0 {
		t.Errorf("left of a purged owner: %v", left)
	}
	for _, e := range l.entries[before:] {
		if e.Resource.Type == "REPORT_SCHEDULE" && (e.Action != "DELETE" || e.Resource.Name.Value != e.Resource.ID.Value) {
			t.Errorf("told of a purged owner's: %+v", e.Event)
		}
	}
}
