package testkit_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"countersign/internal/testkit"
)

var now = time.Date(2026, 3, 31, 15, 4, 5, 0, time.UTC)

func TestTheSameSeedGivesTheSameEstate(t *testing.T) {
	a, b := testkit.NewEstate(1, now), testkit.NewEstate(1, now.Add(time.Hour))
	if !reflect.DeepEqual(a, b) {
		t.Error("two estates of one seed and day differ")
	}
	if reflect.DeepEqual(a.Accounts, testkit.NewEstate(2, now).Accounts) {
		t.Error("estates of two seeds have the same accounts")
	}
}

func TestTheEstateIsWholeAndItsReferencesHold(t *testing.T) {
	for seed := range uint64(20) {
		e := testkit.NewEstate(seed, now)
		if len(e.Accounts) != 8 || len(e.People) != 60 || len(e.ServiceUsers) != 15 || len(e.Divisions) < 16 || len(e.Tokens) < 25 {
			t.Fatalf("%d accounts, %d people, %d service users, %d divisions, %d tokens", len(e.Accounts), len(e.People), len(e.ServiceUsers), len(e.Divisions), len(e.Tokens))
		}
		ids, names := map[string]bool{}, map[string]bool{}
		unique := func(seen map[string]bool, what, v string) {
			t.Helper()
			if v == "" || seen[v] {
				t.Errorf("%s %q is empty or there twice", what, v)
			}
			seen[v] = true
		}
		divisions := map[string]string{}
		for _, a := range e.Accounts {
			unique(ids, "account id", a.ID)
			if !regexp.MustCompile(`^[0-9]{7}$`).MatchString(a.FriendlyIdentifier) || !strings.HasSuffix(a.Domain, ".example.com") || !a.ServiceFrom.Before(a.ServiceTo) {
				t.Errorf("account %+v", a)
			}
			if a.Active == a.ServiceTo.Before(e.Now) {
				t.Errorf("account %s is active: %v, with service to %v", a.Name, a.Active, a.ServiceTo)
			}
		}
		for _, d := range e.Divisions {
			unique(ids, "division id", d.ID)
			if !ids[d.AccountID] {
				t.Errorf("division %+v of no account", d)
			}
			divisions[d.ID] = d.AccountID
		}
		admins := map[string]int{}
		for _, u := range append(e.People, e.ServiceUsers...) {
			unique(ids, "user id", u.ID)
			unique(names, "user name", strings.ToLower(u.Name()))
			if u.Service != (u.UserName == "" && u.FirstName == "" && u.LastName == "") || u.Service != (u.FriendlyName != "") {
				t.Errorf("names of %+v", u)
			}
			if len(u.Accounts) == 0 || u.Accounts[0] != u.PrimaryAccount || u.Division != "" && divisions[u.Division] != u.PrimaryAccount {
				t.Errorf("accounts and division of %+v", u)
			}
			for _, a := range u.Accounts {
				if !ids[a] {
					t.Errorf("%s is of no account %s", u.Name(), a)
				}
			}
			if u.CreatedBy != "" && !ids[u.CreatedBy] || !u.CreatedAt.Before(e.Now.AddDate(0, -6, 0)) {
				t.Errorf("%s was created at %v by %q", u.Name(), u.CreatedAt, u.CreatedBy)
			}
			if len(u.Applications) < 2 || u.Applications[0].Name != "Account Manager" {
				t.Errorf("applications of %s: %+v", u.Name(), u.Applications)
			}
			if u.Role == testkit.RoleAdmin {
				admins[u.PrimaryAccount]++
			}
		}
		if len(admins) != len(e.Accounts) {
			t.Errorf("%d accounts have an administrator", len(admins))
		}
		for _, tok := range e.Tokens {
			unique(ids, "token id", tok.ID)
			if !ids[tok.UserID] || !regexp.MustCompile(`^[A-Za-z0-9 _-]+$`).MatchString(tok.Name) || !tok.EndDate.After(e.Now) {
				t.Errorf("token %+v", tok)
			}
		}
		if e.Deleted.Status != "DELETED" || e.Deleted.Purged || e.Purged.Status != "DELETED" || !e.Purged.Purged || e.Ageing.Name == "" {
			t.Errorf("deleted %+v, purged %+v, ageing %+v", e.Deleted, e.Purged, e.Ageing)
		}
	}
}
