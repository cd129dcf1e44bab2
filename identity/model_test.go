package identity_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/event"
	"countersign/identity"
	"countersign/query"
)

// grantKey is what the model knows a grant by: the user, the role and the place, "" for the whole server.
type grantKey struct {
	user string
	role identity.Role
	at   string
}

// rights is a naive model of who may do what: a set of grants and of who is locked, asked by looking at all.
type rights struct {
	grants map[grantKey]identity.Grant
	locked map[string]bool
}

var (
	modelAccounts = []string{"a", "b", "c"}
	modelUsers    = []string{"u", "v", "w"}
)

// may is Caller.May and, for an empty account, Caller.MayServer, of a token that is bound to those accounts.
func (m *rights) may(user string, bound []string, p identity.Permission, account string) bool {
	if account == "" && bound != nil || account != "" && bound != nil && !slices.Contains(bound, account) {
		return false
	}
	for k, g := range m.grants {
		if k.user != user || !k.role.Has(p) || account == "" && !g.Server {
			continue
		}
		if g.Server || k.at == account && (g.Divisions == nil || p == identity.ViewUsers || p == identity.ViewAccounts) {
			return true
		}
	}
	return false
}

// finds reports whether the entry may be used with p.
func (m *rights) finds(user string, bound []string, p identity.Permission, e *event.Entry) bool {
	if bound != nil && !slices.Contains(bound, e.Account.ID) {
		return false
	}
	own := event.MatchesAny(event.SelfOnly(), &e.Event)
	for k, g := range m.grants {
		if k.user != user || !k.role.Has(p) || !g.Server && k.at != e.Account.ID {
			continue
		}
		if g.Divisions != nil && !(e.Division.ID.Present && slices.Contains(g.Divisions, e.Division.ID.Value)) {
			continue
		}
		if p == identity.ReadTrail && own && !k.role.Has(identity.ReadOwn) {
			continue
		}
		return true
	}
	return false
}

// world is the directory under test beside its model.
type world struct {
	*fixture
	rights
	r       *rand.Rand
	secrets map[string]string // by user; those bound to account a by "user/a"
	entries []*event.Entry
	writes  int
	reads   int
	about   func() string
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		fixture: setUp(t), rights: rights{map[grantKey]identity.Grant{}, map[string]bool{}},
		r: rand.New(rand.NewPCG(seed, 0)), secrets: map[string]string{},
	}
	w.quick()
	for _, a := range modelAccounts {
		w.account(a)
		w.division(a, "1")
		w.division(a, "2")
	}
	for _, u := range modelUsers {
		w.service(u, modelAccounts[w.r.IntN(len(modelAccounts))])
		_, w.secrets[u] = w.token(u, "free")
		_, secret, err := w.CreateToken(t.Context(), w.admin, identity.NewToken{UserID: u, Name: "bound", Accounts: []string{"a"}, Sources: []string{"x/y"}})
		if err != nil {
			t.Fatal(err)
		}
		w.secrets[u+"/a"] = secret
	}
	for _, account := range modelAccounts {
		for _, division := range []string{"", "1", "2"} {
			for _, source := range []string{"x/y", "countersign/server"} {
				for _, about := range []string{"AUDIT_LOG READ", "USER UPDATE"} {
					kind, action, _ := strings.Cut(about, " ")
					w.entries = append(w.entries, &event.Entry{Event: event.Event{
						Account: event.Account{ID: account}, Division: event.Division{ID: event.TextOrAbsent(division)},
						Source: source, Resource: event.Resource{Type: kind}, Action: action,
					}})
				}
			}
		}
	}
	return w
}

// quick leaves out the syncs: this test makes many changes and none of them has to survive the machine.
func (w *world) quick() {
	w.t.Helper()
	if err := w.Exec(`PRAGMA synchronous = off`); err != nil {
		w.t.Fatal(err)
	}
	w.record(&trail{forgetful: true})
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// change grants, revokes, locks or unlocks, and expects what the model expects.
func (w *world) change() {
	w.t.Helper()
	k := grantKey{user: pick(w.r, modelUsers), role: pick(w.r, identity.Roles())}
	g := identity.Grant{Role: k.role, Server: w.r.IntN(5) == 0 || k.role == identity.Monitor || k.role == identity.ServerOperator}
	if !g.Server {
		k.at = pick(w.r, modelAccounts)
		if g.Account = k.at; w.r.IntN(2) == 0 && k.role != identity.EventWriter {
			g.Divisions = pick(w.r, [][]string{{"1"}, {"2", "1"}})
		}
	}
	_, there := w.grants[k]
	switch n := w.r.IntN(20); {
	case n == 0:
		locked := w.r.IntN(2) == 0
		status := identity.Active
		if locked {
			status = identity.Locked
		}
		if _, err := w.UpdateUser(w.t.Context(), w.admin, k.user, identity.UserUpdate{Status: identity.To(status)}); err != nil {
			w.t.Fatalf("%s: %s %s: %v", w.about(), status, k.user, err)
		}
		w.locked[k.user] = locked
	case n < 10:
		if err := w.Revoke(w.t.Context(), w.admin, k.user, g); there != (err == nil) {
			w.t.Fatalf("%s: revoke %+v of %s: %v", w.about(), g, k.user, err)
		}
		delete(w.grants, k)
	default:
		if _, err := w.Grant(w.t.Context(), w.admin, k.user, g); there == (err == nil) {
			w.t.Fatalf("%s: grant %+v to %s: %v", w.about(), g, k.user, err)
		}
		if !there {
			w.grants[k] = g
		}
	}
	w.writes++
}

// read signs one user in and compares one kind of answer.
func (w *world) read() {
	w.t.Helper()
	w.reads++
	user := pick(w.r, modelUsers)
	secret, bound := w.secrets[user], []string(nil)
	if w.r.IntN(3) == 0 {
		secret, bound = w.secrets[user+"/a"], []string{"a"}
	}
	c, err := w.Authenticate(w.t.Context(), identity.Credential{Token: secret})
	if (err != nil) != w.locked[user] {
		w.t.Fatalf("%s: %s signs in: %v", w.about(), user, err)
	}
	if err != nil {
		return
	}
	p := pick(w.r, identity.Permissions())
	switch w.r.IntN(4) {
	case 0:
		for _, account := range modelAccounts {
			if got, want := c.May(p, account), w.may(user, bound, p, account); got != want {
				w.t.Fatalf("%s: %s, bound to %v, may %s in %s: %t", w.about(), user, bound, p, account, got)
			}
		}
		if got, want := c.MayServer(p), w.may(user, bound, p, ""); got != want {
			w.t.Fatalf("%s: %s, bound to %v, may %s on the server: %t", w.about(), user, bound, p, got)
		}
	case 1:
		account, source := pick(w.r, modelAccounts), pick(w.r, []string{"x/y", "x/z", "countersign/x"})
		want := w.may(user, bound, identity.WriteEvents, account) && source != "countersign/x" && (bound == nil || source == "x/y")
		if err := c.MayWrite(account, source); (err == nil) != want {
			w.t.Fatalf("%s: %s, bound to %v, writes %s in %s: %v", w.about(), user, bound, source, account, err)
		}
	case 2:
		roles, _, err := w.Roles(w.t.Context(), c, identity.RoleFilter{UserID: identity.Me})
		if err != nil {
			w.t.Fatalf("%s: roles of %s: %v", w.about(), user, err)
		}
		held := 0
		for k := range w.grants {
			if k.user == user {
				held++
			}
		}
		for _, g := range roles {
			if want, ok := w.grants[grantKey{user, g.Role, g.Account}]; !ok || want.Server != g.Server || len(want.Divisions) != len(g.Divisions) {
				w.t.Fatalf("%s: %s holds %+v, want %+v", w.about(), user, g, want)
			}
		}
		if len(roles) != held {
			w.t.Fatalf("%s: %s holds %d grants, want %d", w.about(), user, len(roles), held)
		}
	case 3:
		f, err := c.Restrict(p, nil)
		for _, e := range w.entries {
			want := w.finds(user, bound, p, e)
			if got := err == nil && query.Matches(f, e); got != want {
				w.t.Fatalf("%s: %s, bound to %v, finds with the right to %s %+v: %t", w.about(), user, bound, p, e.Event, got)
			}
		}
	}
}

// The rights that the directory gives back are those of a model that only knows sets, whatever was granted,
// revoked, locked and read before, restarts included.
func TestRightsFollowTheModel(t *testing.T) {
	sequences := 100_000
	switch {
	case os.Getenv("COUNTERSIGN_SOAK") != "":
		sequences *= 10
	case testing.Short():
		sequences = 2_000
	case raceDetector: // under which SQLite is 30 times slower
		sequences = 2_500
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d sequences", seed, sequences)
	w := newWorld(t, seed)
	for s := range sequences {
		step := 0
		w.about = func() string { return fmt.Sprintf("seed %d, sequence %d, step %d", seed, s, step) }
		for ; step < 1+w.r.IntN(5); step++ {
			if w.r.IntN(4) == 0 {
				w.change()
			} else {
				w.read()
			}
		}
		if w.r.IntN(sequences/20) == 0 {
			w.reopen()
			w.quick()
		}
	}
	t.Logf("%d changes, %d reads", w.writes, w.reads)
	if w.writes < sequences/4 || w.reads < sequences {
		t.Errorf("%d changes and %d reads are too few to say anything", w.writes, w.reads)
	}
}
