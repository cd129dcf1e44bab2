package identity_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/identity"
	"countersign/problem"
)

// testdata/account.json is the account of the vendor's tutorial, data only.
func TestTheVendorsSampleAccountComesBackWhole(t *testing.T) {
	f := setUp(t)
	sample, err := os.ReadFile("testdata/account.json")
	if err != nil {
		t.Fatal(err)
	}
	var n identity.NewAccount
	if err := json.Unmarshal(sample, &n); err != nil {
		t.Fatal(err)
	}
	if _, err := f.CreateAccount(t.Context(), f.admin, n); err != nil {
		t.Fatal(err)
	}
	for _, u := range []identity.NewUser{
		{ID: "f7e866c9-768c-4442-adc9-abe2ba4b69d1", Type: identity.Standard, UserName: "jane", FirstName: "Jane", LastName: "Doe", Email: "jane.doe@example.com", Grants: []identity.Grant{in(n.ID, identity.AccountAdmin)}},
		{ID: "viewer", Type: identity.Standard, UserName: "joe", Grants: []identity.Grant{in(n.ID, identity.ViewOnly)}},
	} {
		u.PrimaryAccountID = n.ID
		if _, err := f.CreateUser(t.Context(), f.admin, u); err != nil {
			t.Fatal(err)
		}
	}
	f.reopen()
	got, err := f.Account(t.Context(), f.admin, n.ID)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var have, want map[string]any
	if err := json.Unmarshal(b, &have); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(sample, &want); err != nil {
		t.Fatal(err)
	}
	want["auth_config"], want["created_at"] = map[string]any{}, "2026-01-15T10:30:00Z"
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestAccountDefaults(t *testing.T) {
	f := setUp(t)
	got, err := f.CreateAccount(t.Context(), f.admin, identity.NewAccount{Name: "Example"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.ID) != 36 {
		t.Errorf("id %q is no UUID", got.ID)
	}
	got.ID = ""
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"","name":"Example","active":true,"service_period":{"from":"2026-01-15","to":"9999-12-31"},"friendly_identifier":"",` +
		`"admins":[],"auth_config":{},"sign_in_methods":[{"signInMethod":"standard","status":"enabled","mfaStatus":"disabled","clientAuthCertLoginEnabled":false}],` +
		`"oauth_clients":[],"locale":"en_US","created_at":"2026-01-15T10:30:00Z"}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	off, err := f.CreateAccount(t.Context(), f.admin, identity.NewAccount{Name: "Off", Active: no()})
	if err != nil || off.Active {
		t.Errorf("inactive account: %+v, %v", off, err)
	}
}

func TestBadAccountsAreRefusedByField(t *testing.T) {
	f := setUp(t)
	if _, err := f.CreateAccount(t.Context(), f.admin, identity.NewAccount{ID: "a", Name: "A", FriendlyIdentifier: "1234567"}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		spoil func(*identity.NewAccount)
		kind  problem.Kind
		field string
	}{
		{"no name", func(n *identity.NewAccount) { n.Name = "" }, problem.Invalid, "name"},
		{"long name", func(n *identity.NewAccount) { n.Name = strings.Repeat("é", 129) }, problem.Invalid, "name"},
		{"name of a blank", func(n *identity.NewAccount) { n.Name = "\u00a0" }, problem.Invalid, "name"},
		{"taken id", func(n *identity.NewAccount) { n.ID = "a" }, problem.Conflict, "id"},
		{"long id", func(n *identity.NewAccount) { n.ID = strings.Repeat("x", 257) }, problem.Invalid, "id"},
		{"id not UTF-8", func(n *identity.NewAccount) { n.ID = "\xc3" }, problem.Invalid, "id"},
		{"taken identifier", func(n *identity.NewAccount) { n.FriendlyIdentifier = "1234567" }, problem.Conflict, "friendly_identifier"},
		{"long identifier", func(n *identity.NewAccount) { n.FriendlyIdentifier = strings.Repeat("1", 257) }, problem.Invalid, "friendly_identifier"},
		{"impossible day", func(n *identity.NewAccount) { n.ServicePeriod.From = "2026-02-29" }, problem.Invalid, "service_period.from"},
		{"time for a day", func(n *identity.NewAccount) { n.ServicePeriod.To = "2026-02-28T00:00:00Z" }, problem.Invalid, "service_period.to"},
		{"ends before it begins", func(n *identity.NewAccount) { n.ServicePeriod.To = "2026-01-14" }, problem.Invalid, "service_period.to"},
		{"list for auth_config", func(n *identity.NewAccount) { n.AuthConfig = json.RawMessage(`[]`) }, problem.Invalid, "auth_config"},
		{"null for auth_config", func(n *identity.NewAccount) { n.AuthConfig = json.RawMessage(`null`) }, problem.Invalid, "auth_config"},
		{"repeated name in auth_config", func(n *identity.NewAccount) { n.AuthConfig = json.RawMessage(`{"a":1,"a":2}`) }, problem.Invalid, "auth_config"},
		{"big auth_config", func(n *identity.NewAccount) {
			n.AuthConfig = json.RawMessage(`{"a":"` + strings.Repeat("x", 20_000) + `"}`)
		}, problem.Invalid, "auth_config"},
		{"text for an oauth client", func(n *identity.NewAccount) {
			n.OAuthClients = []json.RawMessage{[]byte(`{}`), []byte(`"x"`)}
		}, problem.Invalid, "oauth_clients[1]"},
		{"too many oauth clients", func(n *identity.NewAccount) { n.OAuthClients = make([]json.RawMessage, 65) }, problem.Invalid, "oauth_clients"},
		{"sign-in method without name", func(n *identity.NewAccount) {
			n.SignInMethods = []identity.SignInMethod{{Status: "enabled", MFAStatus: "enabled"}}
		}, problem.Invalid, "sign_in_methods[0].signInMethod"},
		{"sign-in method half enabled", func(n *identity.NewAccount) {
			n.SignInMethods = []identity.SignInMethod{{Method: "saml", Status: "maybe", MFAStatus: "enabled"}}
		}, problem.Invalid, "sign_in_methods[0].status"},
		{"too many sign-in methods", func(n *identity.NewAccount) { n.SignInMethods = make([]identity.SignInMethod, 17) }, problem.Invalid, "sign_in_methods"},
		{"unknown locale", func(n *identity.NewAccount) { n.Locale = "English" }, problem.Invalid, "locale"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := identity.NewAccount{Name: "B"}
			tt.spoil(&n)
			_, err := f.CreateAccount(t.Context(), f.admin, n)
			wantKind(t, err, tt.kind, tt.field)
		})
	}
	// Whatever came in auth_config is never told back: it may hold a secret.
	_, err := f.CreateAccount(t.Context(), f.admin, identity.NewAccount{Name: "B", AuthConfig: json.RawMessage(`["hunter2"]`)})
	if e := err.(*problem.Error); strings.Contains(e.Error()+e.Value, "hunter2") {
		t.Errorf("the error holds the value: %v", e)
	}
	if _, total, err := f.Accounts(t.Context(), f.admin, identity.Page{}); err != nil || total != 2 {
		t.Errorf("%d accounts, %v", total, err)
	}
}

func TestAccountsAreSeenByThoseOfTheAccount(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.account("b")
	ids := func(c identity.Caller) string {
		t.Helper()
		as, total, err := f.Accounts(t.Context(), c, identity.Page{})
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, a := range as {
			ids = append(ids, a.ID)
		}
		return fmt.Sprint(total, ids)
	}
	viewer := f.caller("viewer", "a", in("a", identity.ViewOnly))
	if got := ids(viewer); got != "1 [a]" {
		t.Errorf("a viewer of a sees %s", got)
	}
	if got := ids(f.admin); got != "3 [countersign a b]" {
		t.Errorf("the server's administrator sees %s", got)
	}
	if a, err := f.Account(t.Context(), viewer, "a"); err != nil || a.Name != "Account a" {
		t.Errorf("own account: %+v, %v", a, err)
	}
	for _, id := range []string{"b", "countersign", "nowhere", ""} {
		_, err := f.Account(t.Context(), viewer, id)
		wantKind(t, err, problem.NotFound, "")
		wantKind(t, f.DeleteAccount(t.Context(), f.caller("admin-"+id, "a", in("a", identity.AccountAdmin)), id), problem.NotFound, "")
	}
	auditor := f.caller("auditor", "a", in("a", identity.Auditor))
	_, err := f.Account(t.Context(), auditor, "a")
	wantDenied(t, err, "")
	_, _, err = f.Accounts(t.Context(), auditor, identity.Page{})
	wantDenied(t, err, "")
}

func TestAnAccountIsFoundByItsNamesByThoseWhoReadItsTrail(t *testing.T) {
	f := setUp(t)
	for _, a := range []identity.NewAccount{
		{ID: "a", Name: "A", FriendlyIdentifier: "1"},
		{ID: "b", Name: "B", FriendlyIdentifier: "2"},
		{ID: "1", Name: "One"}, // its id is another's friendly identifier
	} {
		if _, err := f.CreateAccount(t.Context(), f.admin, a); err != nil {
			t.Fatal(err)
		}
	}
	f.division("a", "emea")
	_, bound, err := f.CreateToken(t.Context(), f.admin, identity.NewToken{UserID: identity.Me, Name: "bound", Accounts: []string{"b"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		caller identity.Caller
		want   string // of what 1, 2, a and b are the names
	}{
		{"the server's administrator", f.admin, "1 b a b"},
		{"its token that is bound to an account", f.signIn(bound), "- b - b"},
		{"a viewer", f.caller("viewer", "a", in("a", identity.ViewOnly)), "a - a -"},
		{"an auditor, who may not look accounts up", f.caller("auditor", "a", in("a", identity.Auditor)), "a - a -"},
		{"a viewer of one division", f.caller("emea", "a", in("a", identity.ViewOnly, "emea")), "a - a -"},
		{"one who only writes", f.caller("writer", "a", in("a", identity.EventWriter)), "- - - -"},
		{"nobody", identity.Caller{}, "- - - -"},
	} {
		var got []string
		for _, name := range []string{"1", "2", "a", "b"} {
			id, ok := f.ReadableAccount(c.caller, name)
			if !ok {
				id = "-"
			}
			got = append(got, id)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s finds %v, want %s", c.name, got, c.want)
		}
	}
	for _, name := range []string{"", "nowhere", "A"} {
		if id, ok := f.ReadableAccount(f.admin, name); ok {
			t.Errorf("%q is the name of %s", name, id)
		}
	}
}

func TestOnlyTheServersAdministratorMakesAndDeletesAccounts(t *testing.T) {
	f := setUp(t)
	f.account("a")
	admin := f.caller("admin", "a", in("a", identity.AccountAdmin))
	for name, c := range map[string]identity.Caller{"admin of a": admin, "viewer": f.caller("viewer", "a", onServer(identity.ViewOnly))} {
		t.Run(name, func(t *testing.T) {
			_, err := f.CreateAccount(t.Context(), c, identity.NewAccount{Name: "x"})
			wantDenied(t, err, "")
			wantDenied(t, f.DeleteAccount(t.Context(), c, "a"), "")
		})
	}
}

func TestAccountIsDeletedWhenNothingRefersToIt(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.division("a", "d")
	f.service("u", "a")
	f.service("other", "countersign")
	bound, _, err := f.CreateToken(t.Context(), f.admin, identity.NewToken{UserID: "other", Name: "t", Accounts: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	stays := func(why string) {
		t.Helper()
		err := f.DeleteAccount(t.Context(), f.admin, "a")
		wantKind(t, err, problem.Conflict, "id")
		if !strings.Contains(err.Error(), why) {
			t.Errorf("%v does not say %q", err, why)
		}
	}
	stays("1 users")
	if err := f.DeleteUser(t.Context(), f.admin, "u", false); err != nil {
		t.Fatal(err)
	}
	stays("purge them first") // a deleted user still reads its account
	if err := f.DeleteUser(t.Context(), f.admin, "u", true); err != nil {
		t.Fatal(err)
	}
	stays("1 tokens") // a token that lost its only bound would be bound to nothing
	if err := f.DeleteToken(t.Context(), f.admin, bound.ID); err != nil {
		t.Fatal(err)
	}
	if err := f.DeleteAccount(t.Context(), f.admin, "a"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, f.DeleteAccount(t.Context(), f.admin, "a"), problem.NotFound, "")
	if _, total, err := f.Divisions(t.Context(), f.admin, "", identity.Page{}); err != nil || total != 0 {
		t.Errorf("%d divisions are left, %v", total, err)
	}
	wantKind(t, f.DeleteAccount(t.Context(), f.admin, identity.OwnAccount), problem.Conflict, "id")
}

func TestDivisionIDsAreUniqueInTheirAccount(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.account("b")
	f.division("a", "1")
	f.division("b", "1")
	f.division("b", "2")
	adminOfA := f.caller("admin", "a", in("a", identity.AccountAdmin))

	_, err := f.CreateDivision(t.Context(), f.admin, identity.NewDivision{ID: "1", Account: "a", Name: "x"})
	wantKind(t, err, problem.Conflict, "id")
	_, err = f.Division(t.Context(), f.admin, "", "1")
	wantKind(t, err, problem.Invalid, "account_id")
	for _, tt := range []struct {
		name        string
		c           identity.Caller
		account, id string
		want        string
	}{
		{"by account", f.admin, "b", "1", "b"},
		{"the only one of the server", f.admin, "", "2", "b"},
		{"the only one that is seen", adminOfA, "", "1", "a"},
	} {
		if v, err := f.Division(t.Context(), tt.c, tt.account, tt.id); err != nil || v.Account != tt.want {
			t.Errorf("%s: %+v, %v", tt.name, v, err)
		}
	}
	for _, account := range []string{"", "b"} {
		_, err = f.Division(t.Context(), adminOfA, account, "2")
		wantKind(t, err, problem.NotFound, "")
		wantKind(t, f.DeleteDivision(t.Context(), adminOfA, account, "2"), problem.NotFound, "")
	}
	if vs, total, err := f.Divisions(t.Context(), f.admin, "", identity.Page{Offset: 1}); err != nil || total != 3 || len(vs) != 2 || vs[0].Account != "b" || vs[1].ID != "2" {
		t.Errorf("divisions %+v of %d, %v", vs, total, err)
	}
	if _, total, err := f.Divisions(t.Context(), adminOfA, "", identity.Page{}); err != nil || total != 1 {
		t.Errorf("an administrator of a sees %d, %v", total, err)
	}
	if v, err := f.CreateDivision(t.Context(), adminOfA, identity.NewDivision{Account: "a", Name: "x"}); err != nil || len(v.ID) != 36 {
		t.Errorf("made by the account's administrator: %+v, %v", v, err)
	}
	_, err = f.CreateDivision(t.Context(), adminOfA, identity.NewDivision{Account: "b", Name: "x"})
	wantKind(t, err, problem.Invalid, "account_id")
	_, err = f.CreateDivision(t.Context(), adminOfA, identity.NewDivision{Account: "a"})
	wantKind(t, err, problem.Invalid, "name")
	viewer := f.caller("viewer", "a", in("a", identity.ViewOnly))
	_, err = f.CreateDivision(t.Context(), viewer, identity.NewDivision{Account: "a", Name: "x"})
	wantDenied(t, err, "")
	wantDenied(t, f.DeleteDivision(t.Context(), viewer, "a", "1"), "")
	if err := f.DeleteDivision(t.Context(), adminOfA, "", "1"); err != nil {
		t.Error(err)
	}
}

func TestAdminsAreThoseWhoAdministerTheWholeAccount(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.account("b")
	f.division("a", "d")
	f.service("here", "a", in("a", identity.AccountAdmin))
	f.service("part", "a", in("a", identity.AccountAdmin, "d"))
	f.service("elsewhere", "a", in("b", identity.AccountAdmin))
	f.service("everywhere", "a", onServer(identity.AccountAdmin))
	f.service("deleted", "a", in("a", identity.AccountAdmin))
	if err := f.DeleteUser(t.Context(), f.admin, "deleted", false); err != nil {
		t.Fatal(err)
	}
	for account, want := range map[string][]string{"a": {"here", "everywhere"}, "b": {"elsewhere"}, "countersign": {f.admin.UserID}} {
		a, err := f.Account(t.Context(), f.admin, account)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, admin := range a.Admins {
			got = append(got, admin.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", account, diff)
		}
	}
}

func FuzzObjectsAreKeptOrRefused(f *testing.F) {
	for _, seed := range []string{`{}`, ` { "a" : [1, 2.50, "x"] } `, `{"a":1,"a":2}`, `[]`, `null`, ``, `{"\ud800":1}`, "{\"\xff\":1}", `{} {}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		given := string(raw)
		kept, err := identity.CompactObject(raw)
		if string(raw) != given {
			t.Fatal("the caller's bytes were changed")
		}
		if err != nil {
			return
		}
		var before, after map[string]any
		if err := json.Unmarshal(raw, &before); err != nil {
			t.Fatalf("kept %q, which is no object: %v", raw, err)
		}
		if err := json.Unmarshal(kept, &after); err != nil {
			t.Fatalf("%q became %q: %v", raw, kept, err)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatalf("%q became %q", raw, kept)
		}
		if again, err := identity.CompactObject(kept); err != nil || string(again) != string(kept) {
			t.Fatalf("%q is not kept as it is: %q, %v", kept, again, err)
		}
	})
}
