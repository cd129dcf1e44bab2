package identity_test

import (
	"testing"

	"countersign/identity"
)

func TestRosterIsOfItsAccountsOnly(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.account("b")
	user := func(id, account string, grants ...identity.Grant) {
		t.Helper()
		_, err := f.CreateUser(t.Context(), f.admin, identity.NewUser{
			ID: id, Type: identity.Standard, UserName: id + "@example.com", PrimaryAccountID: account, Grants: grants,
			Applications: []identity.Application{{ID: "x", Name: "CA Manager", Permissions: []string{"MANAGE_CA"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	user("jane", "a", in("a", identity.AccountAdmin), in("b", identity.ViewOnly))
	user("joe", "b", in("b", identity.Auditor))
	if err := f.DeleteUser(t.Context(), f.admin, "joe", false); err != nil {
		t.Fatal(err)
	}
	token, _, err := f.CreateToken(t.Context(), f.admin, identity.NewToken{UserID: "jane", Name: "laptop", EndDate: "2030-01-31"})
	if err != nil {
		t.Fatal(err)
	}
	of := f.Roster([]string{"a"})
	jane := of.Users["jane"]
	if len(of.Accounts) != 1 || len(of.Users) != 1 || len(jane.Grants) != 1 || jane.Grants[0].Text() != "AM_ACCOUNT_ADMIN@a" || !jane.Manages {
		t.Errorf("of a: %+v", of)
	}
	if got := of.Tokens[token.ID]; got.UserID != "jane" || got.EndDate != "2030-01-31" || !got.Enabled {
		t.Errorf("tokens of a: %+v", of.Tokens)
	}
	all := f.Roster(nil)
	if len(all.Users) != 3 || all.Users["joe"].Status != identity.Deleted || len(all.Users["jane"].Grants) != 2 || len(all.Users[f.admin.UserID].Grants) == 0 {
		t.Errorf("of all: %+v", all.Users)
	}
	if err := f.DeleteUser(t.Context(), f.admin, "joe", true); err != nil {
		t.Fatal(err)
	}
	if _, known := f.Roster(nil).Users["joe"]; known {
		t.Error("a purged user is in the roster")
	}
}
