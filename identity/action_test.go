package identity_test

import (
	"fmt"
	"strings"
	"testing"

	"countersign/event"
	"countersign/identity"
	"countersign/problem"
	"countersign/query"
)

// actionTable says which roles may do what: granted in the account that the act is about, granted on the whole
// server, and granted in the account but limited to a division of it. Each role is a letter: A account admin,
// U user manager, V view only, R auditor, W event writer, M monitor, O server operator, E erasure officer.
const actionTable = `
read the trail                  | AUVR | AUVR | AUVR
read the server's own records   | AR   | AR   | AR
export the trail                | AR   | AR   | AR
erase                           | E    | E    | E
write an event                  | W    | W    |
read tiles                      |      | M    |
operate the server              |      | O    |
see accounts                    | AUV  | AUV  | AUV
create an account               |      | A    |
rename an account               | A    | A    |
switch an account off           |      | A    |
delete an account               |      | A    |
see divisions                   | AUV  | AUV  | AUV
create a division               | A    | A    |
rename a division               | A    | A    |
delete a division               | A    | A    |
see users                       | AUV  | AUV  | AUV
create a user                   | AU   | AU   |
rename a user                   | AU   | AU   |
lock a user                     | AU   | AU   |
move a user                     |      | AU   |
delete a user                   | AU   | AU   |
purge a user                    | AU   | AU   |
lock an administrator           | A    | A    |
see tokens                      | A    | A    |
create a token                  | A    | A    |
disable a token                 | A    | A    |
delete a token                  | A    | A    |
see certificates                | A    | A    |
add a certificate               | A    | A    |
disable a certificate           | A    | A    |
delete a certificate            | A    | A    |
see roles                       | AUV  | AUV  | AUV
know what roles allow           | AUV  | AUV  | AUV
grant AM_VIEW_ONLY              | A    | A    |
grant AM_ACCOUNT_ADMIN          | A    | A    |
grant ERASURE_OFFICER           |      | A    |
grant AUDITOR on the server     |      | A    |
revoke AM_VIEW_ONLY             | A    | A    |
revoke ERASURE_OFFICER          |      | A    |
`

var roleLetters = map[string]identity.Role{
	"A": identity.AccountAdmin, "U": identity.UserManager, "V": identity.ViewOnly, "R": identity.Auditor,
	"W": identity.EventWriter, "M": identity.Monitor, "O": identity.ServerOperator, "E": identity.ErasureOfficer,
}

// stage is an estate for acts on account a: a target user with a token and a certificate, an administrator of
// the account, and things that only serve to be deleted.
type stage struct {
	*fixture
	n                  int // makes names that are new for each renewal
	names              int // likewise for each call
	token, certificate string
	deletable          string // an account that nothing refers to
}

// renew makes the targets of one act anew: the act before may have been allowed.
func (s *stage) renew() {
	s.t.Helper()
	s.n++
	s.service(s.id("target"), "a", in("a", identity.EventWriter), in("a", identity.ErasureOfficer))
	s.service(s.id("boss"), "a", in("a", identity.AccountAdmin))
	s.service(s.id("viewer"), "a", in("a", identity.ViewOnly))
	s.token, _ = s.fixture.token(s.id("viewer"), "t")
	v, err := s.AddCertificate(s.t.Context(), s.admin, identity.NewCertificate{UserID: s.id("viewer"), Name: "c", PEM: newCert(s.t, certOptions{name: "x"}).pem})
	if err != nil {
		s.t.Fatal(err)
	}
	s.certificate = v.ID
	s.deletable = s.id("empty")
	s.account(s.deletable)
	s.division("a", s.id("d"))
}

func (s *stage) id(what string) string { return fmt.Sprint(what, s.n) }

func (s *stage) unique() string {
	s.names++
	return fmt.Sprint("n", s.names)
}

// sees reports whether the caller finds the entry with p.
func sees(c identity.Caller, p identity.Permission, e event.Event) bool {
	e.Account.ID, e.Division.ID = "a", event.TextOf("d")
	f, err := c.Restrict(p, nil)
	return err == nil && query.Matches(f, &event.Entry{Event: e})
}

// allowed tells whether the act went through, from what it returned.
func (s *stage) allowed(err error) bool {
	s.t.Helper()
	switch problem.KindOf(err) {
	case problem.Denied, problem.NotFound:
		return false
	case problem.Invalid: // a reference to what the caller does not see
		return false
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return true
}

// act does what the name says as the caller and tells whether they may.
func (s *stage) act(c identity.Caller, name string) bool {
	s.t.Helper()
	ctx := s.t.Context()
	target, viewer := s.id("target"), s.id("viewer")
	login := event.Event{Source: "x/y", Action: "LOGIN", Resource: event.Resource{Type: "BASIC_AUTH"}}
	var err error
	switch name {
	case "read the trail":
		return sees(c, identity.ReadTrail, login)
	case "read the server's own records":
		return sees(c, identity.ReadTrail, event.Event{Source: "countersign/server", Action: "READ", Resource: event.Resource{Type: "AUDIT_LOG"}})
	case "export the trail":
		return sees(c, identity.ExportTrail, login)
	case "erase":
		return sees(c, identity.Erase, login)
	case "write an event":
		return c.MayWrite("a", "x/y") == nil
	case "read tiles":
		return c.MayServer(identity.ReadTiles)
	case "operate the server":
		return c.MayServer(identity.Operate)
	case "see accounts":
		_, err = s.Account(ctx, c, "a")
	case "create an account":
		_, err = s.CreateAccount(ctx, c, identity.NewAccount{Name: "x"})
	case "rename an account":
		_, err = s.UpdateAccount(ctx, c, "a", identity.AccountUpdate{Name: identity.To(s.id("A"))})
	case "switch an account off":
		a, none := s.Account(ctx, s.admin, "a")
		if none != nil {
			s.t.Fatal(none)
		}
		_, err = s.UpdateAccount(ctx, c, "a", identity.AccountUpdate{Active: identity.To(!a.Active)}) // the same again is no change
	case "delete an account":
		err = s.DeleteAccount(ctx, c, s.deletable)
	case "see divisions":
		_, err = s.Division(ctx, c, "a", "d")
	case "create a division":
		_, err = s.CreateDivision(ctx, c, identity.NewDivision{Account: "a", Name: "x"})
	case "rename a division":
		_, err = s.UpdateDivision(ctx, c, "a", "d", identity.DivisionUpdate{Name: identity.To("x")})
	case "delete a division":
		err = s.DeleteDivision(ctx, c, "a", s.id("d"))
	case "see users":
		_, err = s.User(ctx, c, target)
	case "create a user":
		_, err = s.CreateUser(ctx, c, identity.NewUser{Type: identity.Service, FriendlyName: "x", PrimaryAccountID: "a"})
	case "rename a user":
		_, err = s.UpdateUser(ctx, c, viewer, identity.UserUpdate{FriendlyName: identity.To("x")})
	case "lock a user":
		_, err = s.UpdateUser(ctx, c, viewer, identity.UserUpdate{Status: identity.To(identity.Locked)})
	case "move a user":
		_, err = s.UpdateUser(ctx, c, viewer, identity.UserUpdate{Accounts: identity.To([]string{"b"})})
	case "delete a user", "purge a user":
		err = s.DeleteUser(ctx, c, viewer, name == "purge a user")
	case "lock an administrator":
		_, err = s.UpdateUser(ctx, c, s.id("boss"), identity.UserUpdate{Status: identity.To(identity.Locked)})
	case "see tokens":
		_, _, err = s.Tokens(ctx, c, viewer, identity.Page{})
		if _, one := s.Token(ctx, c, s.token); s.allowed(one) != s.allowed(err) {
			s.t.Errorf("the list of tokens says %v, the token %v", err, one)
		}
	case "create a token":
		_, _, err = s.CreateToken(ctx, c, identity.NewToken{UserID: viewer, Name: s.unique()})
	case "disable a token":
		_, err = s.UpdateToken(ctx, c, s.token, identity.TokenUpdate{Enabled: identity.To(false)})
	case "delete a token":
		err = s.DeleteToken(ctx, c, s.token)
	case "see certificates":
		_, _, err = s.Certificates(ctx, c, viewer, identity.Page{})
		if _, one := s.Certificate(ctx, c, s.certificate); s.allowed(one) != s.allowed(err) {
			s.t.Errorf("the list of certificates says %v, the certificate %v", err, one)
		}
	case "add a certificate":
		_, err = s.AddCertificate(ctx, c, identity.NewCertificate{UserID: viewer, Name: s.unique(), PEM: newCert(s.t, certOptions{name: "x"}).pem})
	case "disable a certificate":
		_, err = s.UpdateCertificate(ctx, c, s.certificate, identity.CertificateUpdate{Enabled: identity.To(false)})
	case "delete a certificate":
		err = s.DeleteCertificate(ctx, c, s.certificate)
	case "see roles":
		_, _, err = s.Roles(ctx, c, identity.RoleFilter{UserID: viewer})
	case "know what roles allow":
		_, err = s.RoleRules(ctx, c)
	case "grant AM_VIEW_ONLY":
		_, err = s.Grant(ctx, c, target, in("a", identity.ViewOnly))
	case "grant AM_ACCOUNT_ADMIN":
		_, err = s.Grant(ctx, c, target, in("a", identity.AccountAdmin))
	case "grant ERASURE_OFFICER":
		_, err = s.Grant(ctx, c, viewer, in("a", identity.ErasureOfficer))
	case "grant AUDITOR on the server":
		_, err = s.Grant(ctx, c, target, onServer(identity.Auditor))
	case "revoke AM_VIEW_ONLY":
		err = s.Revoke(ctx, c, viewer, in("a", identity.ViewOnly))
	case "revoke ERASURE_OFFICER":
		err = s.Revoke(ctx, c, target, in("a", identity.ErasureOfficer))
	default:
		s.t.Fatalf("the table has an act that nobody knows: %s", name)
	}
	return s.allowed(err)
}

// TestEachRoleMayDoWhatTheTableSays tries every act as every role in every place, and again through a token
// that is bound to another account, with which nobody may do anything.
func TestEachRoleMayDoWhatTheTableSays(t *testing.T) {
	f := setUp(t)
	if err := f.Exec(`PRAGMA synchronous = off`); err != nil { // thousands of changes, and none must survive
		t.Fatal(err)
	}
	s := &stage{fixture: f}
	for _, account := range []string{"a", "b"} {
		s.account(account)
	}
	s.division("a", "d")
	callers := map[string][2]identity.Caller{} // by letter and place: free, and bound to account b
	add := func(letter, place string, g identity.Grant) {
		id := "role-" + letter + place
		s.service(id, "a", g)
		_, secret := s.fixture.token(id, "free")
		_, bound, err := s.CreateToken(t.Context(), s.admin, identity.NewToken{UserID: id, Name: "bound", Accounts: []string{"b"}})
		if err != nil {
			t.Fatal(err)
		}
		callers[letter+place] = [2]identity.Caller{s.signIn(secret), s.signIn(bound)}
	}
	for letter, role := range roleLetters {
		add(letter, "server", onServer(role))
		if letter != "M" && letter != "O" {
			add(letter, "account", in("a", role))
		}
		if strings.Contains("AUVRE", letter) {
			add(letter, "division", in("a", role, "d"))
		}
	}
	s.renew()
	rows := strings.Split(strings.TrimSpace(actionTable), "\n")
	tried := 0
	for _, row := range rows {
		cells := strings.Split(row, "|")
		name := strings.TrimSpace(cells[0])
		for i, place := range []string{"account", "server", "division"} {
			for letter := range roleLetters {
				pair, ok := callers[letter+place]
				if !ok {
					continue
				}
				tried++
				want := strings.Contains(cells[i+1], letter)
				got := s.act(pair[0], name)
				if got != want {
					t.Errorf("%s, granted %s: %s: %t, want %t", roleLetters[letter], place, name, got, want)
				}
				if verb, _, _ := strings.Cut(name, " "); got && strings.Contains("delete purge lock move grant revoke", verb) {
					s.renew() // its targets are not what they were
				}
				// A bound token reaches a's entries with no role; what a role allows anywhere is no secret of a's.
				if place != "server" && name != "know what roles allow" && s.act(pair[1], name) {
					t.Errorf("%s, granted %s, through a token bound elsewhere: %s", roleLetters[letter], place, name)
				}
			}
		}
	}
	if want := len(rows) * 19; tried != want {
		t.Errorf("%d acts were tried, want %d", tried, want)
	}
}
