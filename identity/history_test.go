package identity_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

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

// The rights that the database gives back are those of a model that only knows sets, restarts included.
func TestRightsFollowARandomHistory(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	f := setUp(t)
	accounts, users := []string{"a", "b", "c"}, []string{"u", "v", "w"}
	for _, a := range accounts {
		f.account(a)
		f.division(a, "1")
		f.division(a, "2")
	}
	secrets := map[string]string{}
	for _, u := range users {
		f.service(u, accounts[r.IntN(len(accounts))])
		_, secrets[u] = f.token(u, "t")
	}
	type key struct {
		user string
		role identity.Role
		at   string
	}
	model := map[key]identity.Grant{}
	for step := range 400 {
		k := key{user: users[r.IntN(len(users))], role: identity.Roles()[r.IntN(len(identity.Roles()))]}
		g := identity.Grant{Role: k.role, Server: r.IntN(5) == 0 || k.role == identity.Monitor || k.role == identity.ServerOperator}
		if !g.Server {
			k.at = accounts[r.IntN(len(accounts))]
			if g.Account = k.at; r.IntN(2) == 0 && k.role != identity.EventWriter {
				g.Divisions = [][]string{{"1"}, {"2", "1"}}[r.IntN(2)]
			}
		}
		_, there := model[k]
		switch r.IntN(3) {
		case 0:
			err := f.Revoke(t.Context(), f.admin, k.user, g)
			if there != (err == nil) {
				t.Fatalf("seed %d, step %d: revoke %+v of %s: %v", seed, step, g, k.user, err)
			}
			delete(model, k)
		default:
			_, err := f.Grant(t.Context(), f.admin, k.user, g)
			if there == (err == nil) {
				t.Fatalf("seed %d, step %d: grant %+v to %s: %v", seed, step, g, k.user, err)
			}
			if !there {
				model[k] = g
			}
		}
		if r.IntN(50) == 0 {
			f.reopen()
		}
		for _, u := range users {
			c := f.signIn(secrets[u])
			for _, p := range identity.Permissions() {
				onServer := false
				for _, a := range accounts {
					want := false
					for k, g := range model {
						if k.user != u || !k.role.Has(p) {
							continue
						}
						onServer = onServer || g.Server
						want = want || g.Server || k.at == a && (g.Divisions == nil || p == identity.ViewUsers || p == identity.ViewAccounts)
					}
					if c.May(p, a) != want {
						t.Fatalf("seed %d, step %d: %s may %s in %s: %v, want %v", seed, step, u, p, a, !want, want)
					}
				}
				if c.MayServer(p) != onServer {
					t.Fatalf("seed %d, step %d: %s may %s on the server: %v", seed, step, u, p, !onServer)
				}
			}
		}
	}
}
