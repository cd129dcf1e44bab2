package identity_test

import (
	"fmt"
	"sync"
	"testing"

	"countersign/identity"
	"countersign/problem"
)

// Readers, writers and sign-ins at once: no reader ever sees half a change.
func TestReadersNeverSeeHalfAChange(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.account("b")
	f.service("u", "a")
	_, secret := f.token("u", "t")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := f.Authenticate(t.Context(), identity.Credential{Token: secret})
				if err != nil {
					t.Error(err)
					return
				}
				me, err := f.User(t.Context(), c, identity.Me)
				if err != nil {
					t.Errorf("%+v, %v", me, err)
					return
				}
				for _, g := range me.Grants { // a grant never stands without its membership
					found := false
					for _, a := range me.Accounts {
						found = found || a.ID == g.Account
					}
					if !found {
						t.Errorf("granted in %s, which is not among %v", g.Account, me.Accounts)
						return
					}
				}
				if _, _, err := f.Tokens(t.Context(), f.admin, "", identity.Page{}); err != nil {
					t.Error(err)
					return
				}
				if _, err := c.Restrict(identity.ReadTrail, nil); err != nil && problem.KindOf(err) != problem.Denied {
					t.Error(err)
					return
				}
			}
		})
	}
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := range 15 {
				id := fmt.Sprintf("w%d-%d", w, i)
				if _, err := f.CreateUser(t.Context(), f.admin, identity.NewUser{ID: id, Type: identity.Service, FriendlyName: id, PrimaryAccountID: "a"}); err != nil {
					t.Error(err)
				}
				role := identity.Roles()[w]
				if _, err := f.Grant(t.Context(), f.admin, "u", in("b", role)); err != nil {
					t.Error(err)
				}
				if err := f.Revoke(t.Context(), f.admin, "u", in("b", role)); err != nil {
					t.Error(err)
				}
				if err := f.SaveUsage(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	wg.Wait()
	if _, total, err := f.Users(t.Context(), f.admin, identity.UserFilter{Account: "a"}); err != nil || total != 46 {
		t.Errorf("%d users, %v", total, err)
	}
}
