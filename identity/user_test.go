package identity_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/identity"
	"countersign/problem"
)

func TestUserKeepsEveryField(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.account("b")
	f.division("b", "emea")
	want := identity.User{
		ID: "6792e182-4b96-4a2e-9061-14741be4234e", Type: identity.Standard, Status: identity.Pending,
		UserName: "jane.doe", FirstName: "Jane", LastName: "Doe", Email: "jane.doe@example.com", Phone: "+1 (555) 010-0100",
		FriendlyName: "Jané", Description: "two\nlines", Locale: "de_CH", AccessScope: "account", PrimaryAccountID: "a",
		Applications: []identity.Application{{ID: "x", Name: "Account Manager", Permissions: []string{"VIEW_AM_AUDIT_LOG"}}, {ID: "y", Name: "CA Manager", Permissions: []string{}}},
		Grants:       []identity.Grant{in("b", identity.ViewOnly), in("b", identity.Auditor, "emea")},
		CreatedAt:    at("2026-01-15T10:30:00Z"), CreatedBy: f.admin.UserID,
	}
	got, err := f.CreateUser(t.Context(), f.admin, identity.NewUser{
		ID: want.ID, Type: want.Type, Status: want.Status, UserName: want.UserName, FirstName: want.FirstName,
		LastName: want.LastName, Email: want.Email, Phone: want.Phone, FriendlyName: want.FriendlyName,
		Description: want.Description, Locale: want.Locale, PrimaryAccountID: "a", Accounts: []string{"countersign"},
		Applications: want.Applications, Grants: []identity.Grant{in("b", identity.Auditor, "emea"), in("b", identity.ViewOnly)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "countersign", "b"} {
		a, err := f.Account(t.Context(), f.admin, id)
		if err != nil {
			t.Fatal(err)
		}
		want.Accounts = append(want.Accounts, identity.AccountSummary{ID: id, Name: a.Name, Active: true, ServicePeriod: a.ServicePeriod, Locale: "en_US"})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("created: -want +got\n%s", diff)
	}
	f.reopen()
	if got, err = f.User(t.Context(), f.admin, want.ID); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after a restart: -want +got\n%s", diff)
	}
}

func TestUserDefaults(t *testing.T) {
	f := setUp(t)
	got, err := f.CreateUser(t.Context(), f.admin, identity.NewUser{Type: identity.Service, FriendlyName: "Poller", PrimaryAccountID: "countersign"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.ID) != 36 || got.Status != identity.Active || got.Locale != "en_US" || got.AccessScope != "account" {
		t.Errorf("user %+v", got)
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"applications":[]`, `"grants":[]`, `"created_at":"2026-01-15T10:30:00Z"`, `"user_type":"service"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s lacks %s", b, want)
		}
	}
	for _, absent := range []string{"user_name", "first_name", "last_name"} {
		if strings.Contains(string(b), absent) {
			t.Errorf("a service user has %s: %s", absent, b)
		}
	}
}

func TestBadUsersAreRefusedByField(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.division("a", "d")
	if _, err := f.CreateUser(t.Context(), f.admin, identity.NewUser{ID: "jane", Type: identity.Standard, UserName: "Jane", PrimaryAccountID: "a"}); err != nil {
		t.Fatal(err)
	}
	grant := func(g identity.Grant) func(*identity.NewUser) {
		return func(n *identity.NewUser) { n.Grants = []identity.Grant{g} }
	}
	tests := []struct {
		name  string
		spoil func(*identity.NewUser)
		field string
	}{
		{"no type", func(n *identity.NewUser) { n.Type = "" }, "user_type"},
		{"unknown type", func(n *identity.NewUser) { n.Type = "robot" }, "user_type"},
		{"deleted from the start", func(n *identity.NewUser) { n.Status = identity.Deleted }, "status"},
		{"unknown status", func(n *identity.NewUser) { n.Status = "active" }, "status"},
		{"reserved id", func(n *identity.NewUser) { n.ID = "me" }, "id"},
		{"dots for an id", func(n *identity.NewUser) { n.ID = ".." }, "id"},
		{"long id", func(n *identity.NewUser) { n.ID = strings.Repeat("x", 257) }, "id"},
		{"id with a line end", func(n *identity.NewUser) { n.ID = "a\nb" }, "id"},
		{"no user name", func(n *identity.NewUser) { n.UserName = "" }, "user_name"},
		{"blank at the end", func(n *identity.NewUser) { n.UserName = "joe " }, "user_name"},
		{"long user name", func(n *identity.NewUser) { n.UserName = strings.Repeat("x", 257) }, "user_name"},
		{"user name not UTF-8", func(n *identity.NewUser) { n.UserName = "\xff" }, "user_name"},
		{"first name with NUL", func(n *identity.NewUser) { n.FirstName = "a\x00" }, "first_name"},
		{"long last name", func(n *identity.NewUser) { n.LastName = strings.Repeat("x", 257) }, "last_name"},
		{"service user without friendly name", func(n *identity.NewUser) { n.Type, n.UserName = identity.Service, "" }, "friendly_name"},
		{"service user with user name", func(n *identity.NewUser) { n.Type, n.FriendlyName = identity.Service, "x" }, "user_name"},
		{"email without at", func(n *identity.NewUser) { n.Email = "jane.example.com" }, "email"},
		{"email with a name", func(n *identity.NewUser) { n.Email = "Jane <jane@example.com>" }, "email"},
		{"two emails", func(n *identity.NewUser) { n.Email = "a@example.com,b@example.com" }, "email"},
		{"long email", func(n *identity.NewUser) { n.Email = strings.Repeat("x", 250) + "@example.com" }, "email"},
		{"letters for a phone", func(n *identity.NewUser) { n.Phone = "call me" }, "phone"},
		{"long phone", func(n *identity.NewUser) { n.Phone = strings.Repeat("1", 40) }, "phone"},
		{"locale with a hyphen", func(n *identity.NewUser) { n.Locale = "en-US" }, "locale"},
		{"long description", func(n *identity.NewUser) { n.Description = strings.Repeat("x", 4097) }, "description"},
		{"scope of two words", func(n *identity.NewUser) { n.AccessScope = "the account" }, "access_scope"},
		{"no primary account", func(n *identity.NewUser) { n.PrimaryAccountID = "" }, "primary_account_id"},
		{"unknown primary account", func(n *identity.NewUser) { n.PrimaryAccountID = "x" }, "primary_account_id"},
		{"unknown account", func(n *identity.NewUser) { n.Accounts = []string{"a", "x"} }, "accounts[1]"},
		{"account twice", func(n *identity.NewUser) { n.Accounts = []string{"a", "a"} }, "accounts[1]"},
		{"application without name", func(n *identity.NewUser) { n.Applications = []identity.Application{{}} }, "applications[0].name"},
		{"bad permission", func(n *identity.NewUser) {
			n.Applications = []identity.Application{{Name: "x", Permissions: []string{"view"}}}
		}, "applications[0].permissions[0]"},
		{"too many applications", func(n *identity.NewUser) { n.Applications = make([]identity.Application, 65) }, "applications"},
		{"unknown role", grant(in("a", "BOSS")), "grants[0].role"},
		{"grant of nowhere", grant(identity.Grant{Role: identity.ViewOnly}), "grants[0].account_id"},
		{"grant of both", grant(identity.Grant{Role: identity.ViewOnly, Server: true, Account: "a"}), "grants[0].account_id"},
		{"grant in an unknown account", grant(in("x", identity.ViewOnly)), "grants[0].account_id"},
		{"operator of an account", grant(in("a", identity.ServerOperator)), "grants[0].server"},
		{"monitor of an account", grant(in("a", identity.Monitor)), "grants[0].server"},
		{"unknown division", grant(in("a", identity.ViewOnly, "d", "x")), "grants[0].divisions[1]"},
		{"no divisions", grant(identity.Grant{Role: identity.ViewOnly, Account: "a", Divisions: []string{}}), "grants[0].divisions"},
		{"divisions of the server", grant(identity.Grant{Role: identity.ViewOnly, Server: true, Divisions: []string{"d"}}), "grants[0].divisions"},
		{"divisions of a writer", grant(in("a", identity.EventWriter, "d")), "grants[0].divisions"},
		{"grant twice", func(n *identity.NewUser) {
			n.Grants = []identity.Grant{in("a", identity.ViewOnly), in("a", identity.ViewOnly, "d")}
		}, "grants[1]"},
		{"too many grants", func(n *identity.NewUser) { n.Grants = make([]identity.Grant, 257) }, "grants"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := identity.NewUser{Type: identity.Standard, UserName: "joe", PrimaryAccountID: "a"}
			tt.spoil(&n)
			_, err := f.CreateUser(t.Context(), f.admin, n)
			wantKind(t, err, problem.Invalid, tt.field)
		})
	}
	for _, tt := range []struct {
		name, field string
		n           identity.NewUser
	}{
		{"taken id", "id", identity.NewUser{ID: "jane", Type: identity.Standard, UserName: "joe", PrimaryAccountID: "a"}},
		{"taken name in another case", "user_name", identity.NewUser{Type: identity.Standard, UserName: "jANE", PrimaryAccountID: "a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := f.CreateUser(t.Context(), f.admin, tt.n)
			wantKind(t, err, problem.Conflict, tt.field)
		})
	}
	if _, total, err := f.Users(t.Context(), f.admin, identity.UserFilter{}); err != nil || total != 2 {
		t.Errorf("%d users, %v: a refused one was kept in part", total, err)
	}
}

func TestNobodyGivesMoreThanTheyHave(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.account("b")
	f.division("a", "d")
	f.service("target", "a")
	callers := map[string]identity.Caller{
		"server admin":         f.admin,
		"admin of a":           f.caller("admin", "a", in("a", identity.AccountAdmin)),
		"admin of a division":  f.caller("part-admin", "a", in("a", identity.AccountAdmin, "d")),
		"user manager of a":    f.caller("manager", "a", in("a", identity.UserManager)),
		"server-wide manager":  f.caller("server-manager", "a", onServer(identity.UserManager)),
		"every other role":     f.caller("others", "a", in("a", identity.ViewOnly), in("a", identity.Auditor), onServer(identity.ServerOperator), onServer(identity.Monitor), in("a", identity.ErasureOfficer), in("a", identity.EventWriter)),
		"user without a grant": f.caller("plain", "a"),
	}
	allowed := map[string]string{
		"AM_VIEW_ONLY in a":        "server admin, admin of a",
		"AM_VIEW_ONLY in d of a":   "server admin, admin of a",
		"AM_ACCOUNT_ADMIN in a":    "server admin, admin of a",
		"EVENT_WRITER in a":        "server admin, admin of a",
		"ERASURE_OFFICER in a":     "server admin",
		"AM_VIEW_ONLY in b":        "server admin",
		"AM_VIEW_ONLY everywhere":  "server admin",
		"MONITOR everywhere":       "server admin",
		"SERVER_OPERATOR on all":   "server admin",
		"no grant, account a":      "server admin, admin of a, user manager of a, server-wide manager",
		"no grant, account b":      "server admin, server-wide manager",
		"no grant, accounts a + b": "server admin, server-wide manager",
	}
	wanted := map[string]identity.NewUser{
		"AM_VIEW_ONLY in a":        {Grants: []identity.Grant{in("a", identity.ViewOnly)}},
		"AM_VIEW_ONLY in d of a":   {Grants: []identity.Grant{in("a", identity.ViewOnly, "d")}},
		"AM_ACCOUNT_ADMIN in a":    {Grants: []identity.Grant{in("a", identity.AccountAdmin)}},
		"EVENT_WRITER in a":        {Grants: []identity.Grant{in("a", identity.EventWriter)}},
		"ERASURE_OFFICER in a":     {Grants: []identity.Grant{in("a", identity.ErasureOfficer)}},
		"AM_VIEW_ONLY in b":        {Grants: []identity.Grant{in("b", identity.ViewOnly)}},
		"AM_VIEW_ONLY everywhere":  {Grants: []identity.Grant{onServer(identity.ViewOnly)}},
		"MONITOR everywhere":       {Grants: []identity.Grant{onServer(identity.Monitor)}},
		"SERVER_OPERATOR on all":   {Grants: []identity.Grant{onServer(identity.ServerOperator)}},
		"no grant, account a":      {},
		"no grant, account b":      {PrimaryAccountID: "b"},
		"no grant, accounts a + b": {Accounts: []string{"b"}},
	}
	for what, n := range wanted {
		for who, c := range callers {
			t.Run(who+" gives "+what, func(t *testing.T) {
				ok := strings.Contains(", "+allowed[what]+",", ", "+who+",")
				n.Type, n.FriendlyName = identity.Service, "new"
				if n.PrimaryAccountID == "" {
					n.PrimaryAccountID = "a"
				}
				_, err := f.CreateUser(t.Context(), c, n)
				refusedAs(t, err, ok)
				// The same grant for somebody who is there already.
				if len(n.Grants) == 0 {
					return
				}
				_, err = f.Grant(t.Context(), c, "target", n.Grants[0])
				refusedAs(t, err, ok)
				err = f.Revoke(t.Context(), c, "target", n.Grants[0])
				if ok && err != nil {
					t.Errorf("Revoke: %v", err)
				}
				if !ok && err == nil {
					t.Error("Revoke: done")
				}
			})
		}
	}
}

// refusedAs fails unless err is nil when ok, and a refusal that tells nothing of foreign accounts otherwise.
func refusedAs(t *testing.T, err error, ok bool) {
	t.Helper()
	switch kind := problem.KindOf(err); {
	case ok && err != nil:
		t.Errorf("refused: %v", err)
	case !ok && err == nil:
		t.Error("done")
	case !ok && kind != problem.Denied && kind != problem.Invalid:
		t.Errorf("refused as %v: %v", kind, err)
	}
}

func TestUsersAreSeenWhereTheyBelong(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.account("b")
	viewer := f.caller("viewer", "a", in("a", identity.ViewOnly))
	part := f.caller("part", "a")
	auditor := f.caller("auditor", "a", in("a", identity.Auditor))
	f.service("in-a", "a")
	f.service("in-b", "b")
	f.service("in-both", "b", in("a", identity.ViewOnly), in("b", identity.ViewOnly))
	if _, err := f.CreateUser(t.Context(), f.admin, identity.NewUser{ID: "jane", Type: identity.Standard, UserName: "jane", PrimaryAccountID: "a"}); err != nil {
		t.Fatal(err)
	}

	ids := func(c identity.Caller, filter identity.UserFilter) string {
		t.Helper()
		us, total, err := f.Users(t.Context(), c, filter)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, u := range us {
			ids = append(ids, u.ID)
		}
		return fmt.Sprint(total, ids)
	}
	for _, tt := range []struct {
		name   string
		filter identity.UserFilter
		want   string
	}{
		{"all", identity.UserFilter{}, "6 [viewer part auditor in-a in-both jane]"},
		{"service", identity.UserFilter{Type: identity.Service}, "5 [viewer part auditor in-a in-both]"},
		{"standard", identity.UserFilter{Type: identity.Standard}, "1 [jane]"},
		{"own account", identity.UserFilter{Account: "a"}, "6 [viewer part auditor in-a in-both jane]"},
		{"foreign account", identity.UserFilter{Account: "b"}, "0 []"},
		{"unknown account", identity.UserFilter{Account: "x"}, "0 []"},
		{"a page", identity.UserFilter{Page: identity.Page{Offset: 2, Limit: 3}}, "6 [auditor in-a in-both]"},
		{"past the end", identity.UserFilter{Page: identity.Page{Offset: 99, Limit: 3}}, "6 []"},
	} {
		if got := ids(viewer, tt.filter); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := ids(f.admin, identity.UserFilter{Account: "b"}); got != "2 [in-b in-both]" {
		t.Errorf("the server's administrator in b: %s", got)
	}
	_, _, err := f.Users(t.Context(), viewer, identity.UserFilter{Type: "robot"})
	wantKind(t, err, problem.Invalid, "user_type")
	_, _, err = f.Users(t.Context(), viewer, identity.UserFilter{Page: identity.Page{Offset: -1}})
	wantKind(t, err, problem.Invalid, "offset")

	u, err := f.User(t.Context(), viewer, "in-both")
	if err != nil {
		t.Fatal(err)
	}
	if len(u.Accounts) != 1 || u.Accounts[0].ID != "a" || len(u.Grants) != 1 || u.Grants[0].Account != "a" {
		t.Errorf("a viewer of a learns of b: %+v", u)
	}
	_, err = f.User(t.Context(), viewer, "in-b")
	wantKind(t, err, problem.NotFound, "")
	_, err = f.User(t.Context(), viewer, "nobody")
	wantKind(t, err, problem.NotFound, "")

	for name, c := range map[string]identity.Caller{"auditor": auditor, "no grant": part} {
		_, err = f.User(t.Context(), c, "in-a")
		wantDenied(t, err, "")
		_, _, err = f.Users(t.Context(), c, identity.UserFilter{})
		wantDenied(t, err, "")
		for _, id := range []string{identity.Me, c.UserID} {
			if me, err := f.User(t.Context(), c, id); err != nil || me.ID != c.UserID || len(me.Accounts) != 1 {
				t.Errorf("%s: own user by %s: %+v, %v", name, id, me, err)
			}
		}
	}
}

func TestDeletedUserIsReadAndPurgedUserIsNot(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.service("u", "a", in("a", identity.AccountAdmin))
	f.service("v", "a")
	_, secret := f.token("u", "t")
	if err := f.DeleteUser(t.Context(), f.admin, "u", false); err != nil {
		t.Fatal(err)
	}
	u, err := f.User(t.Context(), f.admin, "u")
	if err != nil || u.Status != identity.Deleted || u.FriendlyName != "u" || len(u.Grants) != 0 || len(u.Accounts) != 1 {
		t.Errorf("deleted: %+v, %v", u, err)
	}
	if _, err := f.Authenticate(t.Context(), identity.Credential{Token: secret}); problem.KindOf(err) != problem.Unauthenticated {
		t.Errorf("its token: %v", err)
	}
	if a, err := f.Account(t.Context(), f.admin, "a"); err != nil || len(a.Admins) != 0 {
		t.Errorf("its account: %+v, %v", a, err)
	}
	if err := f.DeleteUser(t.Context(), f.admin, "u", false); err != nil {
		t.Errorf("deleting again: %v", err)
	}
	_, err = f.Grant(t.Context(), f.admin, "u", in("a", identity.ViewOnly))
	wantKind(t, err, problem.Conflict, "user_id")

	for _, id := range []string{"u", "v"} { // deleted before, and not
		if err := f.DeleteUser(t.Context(), f.admin, id, true); err != nil {
			t.Fatal(err)
		}
		_, err = f.User(t.Context(), f.admin, id)
		wantKind(t, err, problem.NotFound, "")
		wantKind(t, f.DeleteUser(t.Context(), f.admin, id, true), problem.NotFound, "")
		wantKind(t, f.DeleteUser(t.Context(), f.admin, id, false), problem.NotFound, "")
	}
	f.reopen()
	_, err = f.User(t.Context(), f.admin, "u")
	wantKind(t, err, problem.NotFound, "")
}

func TestUserNameIsFreeAfterDeletion(t *testing.T) {
	f := setUp(t)
	n := identity.NewUser{ID: "1", Type: identity.Standard, UserName: "jane", PrimaryAccountID: "countersign"}
	for _, id := range []string{"1", "2"} {
		n.ID = id
		if _, err := f.CreateUser(t.Context(), f.admin, n); err != nil {
			t.Fatal(err)
		}
		if err := f.DeleteUser(t.Context(), f.admin, id, false); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDeletingUsersNeedsRightsOverAllOfThem(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.account("b")
	callers := map[string]identity.Caller{
		"admin of a":          f.caller("admin", "a", in("a", identity.AccountAdmin)),
		"manager of a":        f.caller("manager", "a", in("a", identity.UserManager)),
		"server-wide manager": f.caller("server-manager", "a", onServer(identity.UserManager)),
		"viewer of a":         f.caller("viewer", "a", in("a", identity.ViewOnly)),
		"admin of b":          f.caller("admin-b", "b", in("b", identity.AccountAdmin)),
	}
	for _, tt := range []struct {
		name    string
		grants  []identity.Grant
		allowed string
	}{
		{"plain user", nil, "admin of a, manager of a, server-wide manager"},
		{"auditor", []identity.Grant{in("a", identity.Auditor)}, "admin of a, manager of a, server-wide manager"},
		{"administrator", []identity.Grant{in("a", identity.AccountAdmin)}, "admin of a"},
		{"user of another account too", []identity.Grant{in("b", identity.ViewOnly)}, "server-wide manager"},
		{"administrator of the server", []identity.Grant{onServer(identity.AccountAdmin)}, ""},
		{"operator of the server", []identity.Grant{onServer(identity.ServerOperator)}, "server-wide manager"},
	} {
		for who, c := range callers {
			t.Run(who+" deletes "+tt.name, func(t *testing.T) {
				id := who + tt.name
				f.service(id, "a", tt.grants...)
				err := f.DeleteUser(t.Context(), c, id, false)
				if ok := strings.Contains(", "+tt.allowed+",", ", "+who+","); ok != (err == nil) {
					t.Errorf("DeleteUser = %v", err)
				}
				if kind := problem.KindOf(err); err != nil && kind != problem.Denied && kind != problem.NotFound {
					t.Errorf("refused as %v", kind)
				}
			})
		}
	}
}

func TestTheLastAdministratorStays(t *testing.T) {
	f := setUp(t)
	for _, purge := range []bool{false, true} {
		for _, id := range []string{identity.Me, f.admin.UserID} {
			wantKind(t, f.DeleteUser(t.Context(), f.admin, id, purge), problem.Conflict, "id")
		}
	}
	wantKind(t, f.Revoke(t.Context(), f.admin, identity.Me, onServer(identity.AccountAdmin)), problem.Conflict, "role")
	wantKind(t, f.DeleteToken(t.Context(), f.admin, f.admin.TokenID), problem.Conflict, "id")

	// Two administrators that turn on each other at once: one is left.
	second := f.caller("second", "countersign", onServer(identity.AccountAdmin))
	errs := make(chan error, 2)
	go func() { errs <- f.DeleteUser(t.Context(), f.admin, "second", true) }()
	go func() { errs <- f.DeleteUser(t.Context(), second, f.admin.UserID, true) }()
	done := 0
	for range 2 {
		if err := <-errs; err == nil {
			done++
		} else if problem.KindOf(err) != problem.Unauthenticated {
			t.Errorf("the one who came late: %v", err)
		}
	}
	if done != 1 {
		t.Errorf("%d of two administrators were deleted by the other", done)
	}
	// Nor does an account's administrator delete themselves.
	g := setUp(t)
	g.account("a")
	admin := g.caller("admin", "a", in("a", identity.AccountAdmin))
	wantKind(t, g.DeleteUser(t.Context(), admin, "admin", false), problem.Conflict, "id")
}

func TestGrantMakesAMemberAndStandsOnce(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.account("b")
	f.division("b", "d")
	f.service("u", "a")
	g, err := f.Grant(t.Context(), f.admin, "u", in("b", identity.ViewOnly, "d"))
	if err != nil {
		t.Fatal(err)
	}
	want := identity.RoleGrant{UserID: "u", Grant: in("b", identity.ViewOnly, "d"), CreatedAt: at("2026-01-15T10:30:00Z"), CreatedBy: f.admin.UserID}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	u, err := f.User(t.Context(), f.admin, "u")
	if err != nil {
		t.Fatal(err)
	}
	if len(u.Accounts) != 2 || u.Accounts[1].ID != "b" {
		t.Errorf("accounts %+v", u.Accounts)
	}
	_, err = f.Grant(t.Context(), f.admin, "u", in("b", identity.ViewOnly))
	wantKind(t, err, problem.Conflict, "role")
	wantKind(t, f.DeleteDivision(t.Context(), f.admin, "b", "d"), problem.Conflict, "id")
	wantKind(t, f.Revoke(t.Context(), f.admin, "u", in("a", identity.ViewOnly)), problem.NotFound, "")
	wantKind(t, f.Revoke(t.Context(), f.admin, "nobody", in("a", identity.ViewOnly)), problem.NotFound, "")
	if err := f.Revoke(t.Context(), f.admin, "u", in("b", identity.ViewOnly)); err != nil {
		t.Fatal(err)
	}
	if err := f.DeleteDivision(t.Context(), f.admin, "b", "d"); err != nil {
		t.Error(err)
	}
	if u, err = f.User(t.Context(), f.admin, "u"); err != nil || len(u.Grants) != 0 || len(u.Accounts) != 2 {
		t.Errorf("after: %+v, %v", u, err)
	}
	adminOfA := f.caller("admin-a", "a", in("a", identity.AccountAdmin))
	if _, err := f.Grant(t.Context(), f.admin, "u", in("b", identity.ViewOnly)); err != nil {
		t.Fatal(err)
	}
	wantKind(t, f.Revoke(t.Context(), adminOfA, "u", in("b", identity.ViewOnly)), problem.NotFound, "")
}
