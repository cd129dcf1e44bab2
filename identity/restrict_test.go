package identity_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/event"
	"countersign/identity"
	"countersign/problem"
	"countersign/query"
)

func TestRestrictAddsTheLeastThatIsNeeded(t *testing.T) {
	notOwn := query.Not{Filter: identity.OwnRecords()}
	asked := query.Is(query.Action, "LOGIN")
	accounts := func(ids ...string) query.Filter { return query.Is(query.AccountID, ids...) }
	part := func(account string, ids ...string) query.Filter {
		return query.And{query.Is(query.AccountID, account), query.Is(query.DivisionID, ids...)}
	}
	tests := []struct {
		name   string
		grants []identity.Grant
		bound  []string
		p      identity.Permission
		want   query.Filter // nil: nothing added
		denied bool
	}{
		{name: "no grant", denied: true},
		{name: "a grant without the permission", grants: []identity.Grant{onServer(identity.EventWriter)}, denied: true},
		{name: "bound elsewhere", grants: []identity.Grant{in("a", identity.Auditor)}, bound: []string{"b"}, denied: true},
		{name: "server-wide auditor", grants: []identity.Grant{onServer(identity.Auditor)}},
		{name: "server-wide auditor and less", grants: []identity.Grant{onServer(identity.ViewOnly), in("a", identity.ViewOnly, "d"), onServer(identity.Auditor)}},
		{name: "server-wide viewer", grants: []identity.Grant{onServer(identity.ViewOnly)}, want: notOwn},
		{name: "server-wide viewer, auditor of one", grants: []identity.Grant{onServer(identity.ViewOnly), in("a", identity.Auditor)},
			want: query.Or{accounts("a"), notOwn}},
		{name: "server-wide auditor, bound", grants: []identity.Grant{onServer(identity.Auditor)}, bound: []string{"a", "b"}, want: accounts("a", "b")},
		{name: "auditor of two", grants: []identity.Grant{in("b", identity.Auditor), in("a", identity.Auditor)}, want: accounts("a", "b")},
		{name: "viewer of one", grants: []identity.Grant{in("a", identity.ViewOnly)}, want: query.And{accounts("a"), notOwn}},
		{name: "viewer where an auditor already", grants: []identity.Grant{in("a", identity.ViewOnly), in("a", identity.Auditor)}, want: accounts("a")},
		{name: "auditor of divisions", grants: []identity.Grant{in("a", identity.Auditor, "2", "1")}, want: part("a", "1", "2")},
		{name: "two sets of divisions", grants: []identity.Grant{in("a", identity.Auditor, "1"), in("a", identity.AccountAdmin, "2", "1")}, want: part("a", "1", "2")},
		{name: "divisions within the whole", grants: []identity.Grant{in("a", identity.Auditor, "1"), in("a", identity.AccountAdmin)}, want: accounts("a")},
		{name: "viewer of all, auditor of a part", grants: []identity.Grant{in("a", identity.ViewOnly), in("a", identity.Auditor, "1")},
			want: query.Or{part("a", "1"), query.And{accounts("a"), notOwn}}},
		{name: "viewer of parts the auditor has", grants: []identity.Grant{in("a", identity.ViewOnly, "1", "2"), in("a", identity.Auditor, "1")},
			want: query.Or{part("a", "1"), query.And{part("a", "2"), notOwn}}},
		{name: "whole accounts and parts", grants: []identity.Grant{in("c", identity.ViewOnly, "1"), in("b", identity.ViewOnly), in("a", identity.ViewOnly)},
			want: query.And{query.Or{accounts("a", "b"), part("c", "1")}, notOwn}},
		{name: "viewer may not export", p: identity.ExportTrail, grants: []identity.Grant{in("a", identity.ViewOnly)}, denied: true},
		{name: "export leaves the viewed out", p: identity.ExportTrail, grants: []identity.Grant{in("a", identity.ViewOnly), in("b", identity.Auditor)}, want: accounts("b")},
		{name: "own records only where they may be seen", p: identity.ReadOwn, grants: []identity.Grant{in("a", identity.ViewOnly), in("b", identity.Auditor)}, want: accounts("b")},
		{name: "erasing reaches own records", p: identity.Erase, grants: []identity.Grant{in("a", identity.ErasureOfficer)}, want: accounts("a")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := identity.MakeCaller(tt.grants, tt.bound, nil)
			for _, f := range []query.Filter{nil, asked} {
				got, err := c.Restrict(tt.p, f)
				if tt.denied {
					wantDenied(t, err, "")
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				want := tt.want
				switch {
				case want == nil:
					want = f
				case f != nil:
					want = query.And{f, want}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("Restrict(%v): -want +got\n%s", f, diff)
				}
			}
		})
	}
}

// ownActions are the records that only some readers see, as docs have them.
var ownActions = map[string]string{
	"AUDIT_LOG": "READ EXPORT REPORT VERIFY ERASE DISPOSE HOLD REVIEW EXCEPTION_OPENED EXCEPTION_CLOSED",
	"SERVER":    "START STOP CONFIG_CHANGED INGEST_PAUSED INGEST_RESUMED CHECKPOINT_LAGGING CLOCK_CHECKED CLOCK_STEPPED",
	"SOURCE":    "INGEST_CONFLICT COLLECT",
}

// modelSees says without any filter whether the grants let the entry be seen.
func modelSees(p identity.Permission, grants []identity.Grant, bound []string, e *event.Entry) bool {
	own := strings.HasPrefix(e.Source, "countersign/") && slices.Contains(strings.Fields(ownActions[e.Resource.Type]), e.Action)
	for _, g := range grants {
		switch {
		case !g.Role.Has(p), !g.Server && g.Account != e.Account.ID:
		case bound != nil && !slices.Contains(bound, e.Account.ID):
		case len(g.Divisions) > 0 && !(e.Division.ID.Present && slices.Contains(g.Divisions, e.Division.ID.Value)):
		case own && p == identity.ReadTrail && !g.Role.Has(identity.ReadOwn):
		default:
			return true
		}
	}
	return false
}

func TestRestrictSeesWhatANaiveModelSees(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	accounts, divisions := []string{"a", "b", "c", "countersign"}, []string{"", "1", "2", "3"}
	entry := func() *event.Entry {
		e := &event.Entry{}
		e.Account.ID = pick(accounts...)
		if d := pick("absent", "", "1", "2", "3"); d != "absent" {
			e.Division.ID = event.TextOf(d)
		}
		e.Source = pick("countersign/server", "countersign/identity", "countersign", "countersigned/x", "digicert-one/account-manager")
		e.Resource.Type = pick("AUDIT_LOG", "SERVER", "SOURCE", "USER")
		e.Action = pick(append(strings.Fields(ownActions[pick("AUDIT_LOG", "SERVER", "SOURCE")]), "LOGIN", "DENY")...)
		return e
	}
	var grantsSeen, denied, shown, hidden int
	for range 10_000 {
		var grants []identity.Grant
		for range r.IntN(5) {
			g := identity.Grant{Role: identity.Roles()[r.IntN(len(identity.Roles()))]}
			if g.Server = r.IntN(6) == 0; !g.Server {
				g.Account = pick(accounts...)
				for range r.IntN(3) {
					g.Divisions = append(g.Divisions, pick(divisions...))
				}
			}
			grants = append(grants, g)
		}
		var bound []string
		for range r.IntN(6) - 3 {
			bound = append(bound, pick(accounts...))
		}
		slices.Sort(bound)
		bound = slices.Compact(bound)
		p := identity.Permissions()[r.IntN(len(identity.Permissions()))]
		if r.IntN(2) == 0 {
			p = identity.ReadTrail
		}
		var asked query.Filter
		if r.IntN(2) == 0 {
			asked = query.Is(query.ResourceType, "AUDIT_LOG", "USER")
		}
		grantsSeen += len(grants)
		about := func() string { return fmt.Sprintf("seed %d: %s, grants %v, bound %v", seed, p, grants, bound) }

		f, err := identity.MakeCaller(grants, bound, nil).Restrict(p, asked)
		again := slices.Clone(grants)
		r.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		f2, err2 := identity.MakeCaller(again, bound, nil).Restrict(p, asked)
		if !reflect.DeepEqual(f, f2) || (err == nil) != (err2 == nil) {
			t.Fatalf("%s: the order of grants changes the filter: %v, %v", about(), f, f2)
		}
		if err != nil && problem.KindOf(err) != problem.Denied {
			t.Fatalf("%s: %v", about(), err)
		}
		for range 20 {
			e := entry()
			want := modelSees(p, grants, bound, e)
			if err != nil {
				if denied++; want {
					t.Fatalf("%s: denied, but may see %+v", about(), e)
				}
				continue
			}
			want = want && (asked == nil || query.Matches(asked, e))
			if want {
				shown++
			} else {
				hidden++
			}
			if got := query.Matches(f, e); got != want {
				t.Fatalf("%s: filter %+v matches %+v: %v, want %v", about(), f, e, got, want)
			}
		}
	}
	// A generator that only ever draws one case would prove nothing.
	if grantsSeen == 0 || denied == 0 || shown == 0 || hidden == 0 {
		t.Fatalf("grants %d, denied %d, shown %d, hidden %d: some case never came up", grantsSeen, denied, shown, hidden)
	}
}

func TestRestrictLeavesTheCallersFilterAlone(t *testing.T) {
	asked := query.And{query.Is(query.Action, "LOGIN")}
	c := identity.MakeCaller([]identity.Grant{in("a", identity.Auditor)}, nil, nil)
	for range 2 {
		if _, err := c.Restrict(identity.ReadTrail, asked); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(query.And{query.Is(query.Action, "LOGIN")}, asked); diff != "" {
		t.Error(diff)
	}
}
