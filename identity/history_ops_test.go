package identity_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"countersign/event"
	"countersign/identity"
	"countersign/problem"
)

// history makes random changes to an estate of few names, so that they collide.
type history struct {
	*fixture
	r     *rand.Rand
	certs []string // PEM
}

func newHistory(f *fixture, seed uint64) *history {
	h := &history{fixture: f, r: rand.New(rand.NewPCG(seed, 0))}
	for i := range 4 {
		h.certs = append(h.certs, newCert(f.t, certOptions{name: fmt.Sprint("device ", i)}).pem)
	}
	for _, id := range []string{"a", "b"} {
		f.account(id)
		f.division(id, "1")
	}
	f.service("u1", "a")
	f.service("u2", "b", in("a", identity.Auditor, "1"))
	return h
}

func (h *history) pick(from ...string) string { return from[h.r.IntN(len(from))] }
func (h *history) account() string            { return h.pick("a", "a", "b", "b", "c", "countersign") }
func (h *history) user() string               { return h.pick("u1", "u2", "u3", "u4") }
func (h *history) division() string           { return h.pick("1", "2") }
func (h *history) text() string               { return h.pick("x", "y", "z", "Ünal", `"quoted"`) }

// token returns the id of one that is there, "" when none is.
func (h *history) token() string {
	all, n, err := h.Tokens(h.t.Context(), h.admin, "", identity.Page{})
	if err != nil || n == 0 {
		return ""
	}
	return all[h.r.IntN(n)].ID
}

func (h *history) certificate() string {
	all, n, err := h.Certificates(h.t.Context(), h.admin, "", identity.Page{})
	if err != nil || n == 0 {
		return ""
	}
	return all[h.r.IntN(n)].ID
}

func (h *history) grant() identity.Grant {
	g := identity.Grant{Role: identity.Roles()[h.r.IntN(len(identity.Roles()))]}
	if g.Server = h.r.IntN(4) == 0 || g.Role == identity.Monitor || g.Role == identity.ServerOperator; g.Server {
		return g
	}
	if g.Account = h.account(); h.r.IntN(3) == 0 && g.Role != identity.EventWriter {
		g.Divisions = []string{h.division()}
	}
	return g
}

// maybe is a member of an update that is given half of the time.
func maybe[T any](h *history, v T) identity.Optional[T] {
	return identity.Optional[T]{Given: h.r.IntN(2) == 0, Value: v}
}

// step makes one change, or is refused one; any other error ends the test.
func (h *history) step() error {
	h.t.Helper()
	err := h.change()
	if kind := problem.KindOf(err); err != nil && kind != problem.Conflict && kind != problem.NotFound && kind != problem.Invalid && kind != problem.Unavailable {
		h.t.Fatal(err)
	}
	return err
}

func (h *history) change() (err error) {
	ctx, by := h.t.Context(), h.admin
	switch h.r.IntN(18) {
	case 0, 1:
		_, err = h.CreateAccount(ctx, by, identity.NewAccount{ID: h.account(), Name: h.text(), AuthConfig: json.RawMessage(h.pick(`{}`, `{"secret":"s3cr3t"}`))})
	case 2:
		_, err = h.UpdateAccount(ctx, by, h.account(), identity.AccountUpdate{
			Name: maybe(h, h.text()), Active: maybe(h, h.r.IntN(2) == 0), Locale: maybe(h, h.pick("de_CH", "en_US")),
			AuthConfig: maybe(h, json.RawMessage(h.pick(`{}`, `{"secret":"s3cr3t"}`))), FriendlyIdentifier: maybe(h, h.pick("1", "2", "")),
		})
	case 3:
		err = h.DeleteAccount(ctx, by, h.account())
	case 4:
		_, err = h.CreateDivision(ctx, by, identity.NewDivision{ID: h.division(), Account: h.account(), Name: h.text()})
	case 5:
		_, err = h.UpdateDivision(ctx, by, h.account(), h.division(), identity.DivisionUpdate{Name: maybe(h, h.text())})
	case 6:
		err = h.DeleteDivision(ctx, by, h.account(), h.division())
	case 7, 8:
		n := identity.NewUser{ID: h.user(), Type: identity.Service, FriendlyName: h.text(), PrimaryAccountID: h.account(), Email: h.pick("", "jane@example.com")}
		if h.r.IntN(2) == 0 {
			n.Type, n.UserName, n.LastName = identity.Standard, n.ID+"@example.com", "Doe"
		}
		if h.r.IntN(2) == 0 {
			n.Grants = []identity.Grant{h.grant()}
		}
		_, err = h.CreateUser(ctx, by, n)
	case 9, 10:
		_, err = h.UpdateUser(ctx, by, h.user(), identity.UserUpdate{
			Status:       maybe(h, identity.UserStatus(h.pick("ACTIVE", "LOCKED", "PENDING"))),
			FriendlyName: maybe(h, h.text()), Phone: maybe(h, h.pick("", "+1 555 0100")), PrimaryAccountID: maybe(h, h.account()),
			Accounts: maybe(h, []string{h.account()}), Applications: maybe(h, []identity.Application{{ID: "x", Name: h.text()}}),
		})
	case 11:
		err = h.DeleteUser(ctx, by, h.user(), h.r.IntN(2) == 0)
	case 12:
		_, err = h.Grant(ctx, by, h.user(), h.grant())
	case 13:
		err = h.Revoke(ctx, by, h.user(), h.grant())
	case 14:
		n := identity.NewToken{UserID: h.user(), Name: h.pick("s", "t"), EndDate: h.pick("", "2030-01-01")}
		if h.r.IntN(2) == 0 {
			n.Accounts, n.Sources = []string{h.account()}, []string{"x/y"}
		}
		_, _, err = h.CreateToken(ctx, by, n)
	case 15:
		if h.r.IntN(3) == 0 {
			return h.DeleteToken(ctx, by, h.token())
		}
		_, err = h.UpdateToken(ctx, by, h.token(), identity.TokenUpdate{
			Name: maybe(h, h.pick("s", "t", "w")), Enabled: maybe(h, h.r.IntN(2) == 0), EndDate: maybe(h, h.pick("", "2031-01-01")),
		})
	case 16:
		_, err = h.AddCertificate(ctx, by, identity.NewCertificate{UserID: h.user(), Name: h.pick("s", "t"), PEM: h.pick(h.certs...)})
	case 17:
		if h.r.IntN(4) == 0 {
			return h.DeleteCertificate(ctx, by, h.certificate())
		}
		_, err = h.UpdateCertificate(ctx, by, h.certificate(), identity.CertificateUpdate{
			Name: maybe(h, h.pick("s", "t", "w")), Enabled: maybe(h, h.r.IntN(2) == 0),
		})
	}
	return err
}

// facts is an estate as the trail tells it: the values of everything that is there, none of them empty.
type facts map[string]map[string]string

func (fs facts) set(thing string, values map[string]string) {
	fs[thing] = map[string]string{}
	for name, v := range values {
		if v != "" {
			fs[thing][name] = v
		}
	}
}

func asList[T any](list []T) string {
	if len(list) == 0 {
		return ""
	}
	b, _ := json.Marshal(list)
	return string(b)
}

// factsOf asks the directory for everything.
func factsOf(t testing.TB, d *identity.Directory, admin identity.Caller) facts {
	t.Helper()
	fs, ctx := facts{}, t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	accounts, _, err := d.Accounts(ctx, admin, identity.Page{})
	must(err)
	for _, a := range accounts {
		values := map[string]string{
			"active": fmt.Sprint(a.Active), "friendly_identifier": a.FriendlyIdentifier, "locale": a.Locale, "name": a.Name,
			"service_period.from": a.ServicePeriod.From, "service_period.to": a.ServicePeriod.To, "sign_in_methods": asList(a.SignInMethods),
		}
		if string(a.AuthConfig) != "{}" {
			values["auth_config"] = "[withheld]"
		}
		if len(a.OAuthClients) > 0 {
			values["oauth_clients"] = "[withheld]"
		}
		fs.set("ACCOUNT "+a.ID, values)
	}
	divisions, _, err := d.Divisions(ctx, admin, "", identity.Page{})
	must(err)
	for _, v := range divisions {
		fs.set("DIVISION "+v.Account+"/"+v.ID, map[string]string{"name": v.Name})
	}
	users, _, err := d.Users(ctx, admin, identity.UserFilter{})
	must(err)
	for _, u := range users {
		fs.set("USER "+u.ID, map[string]string{
			"access_scope": u.AccessScope, "applications": asList(u.Applications), "description": u.Description, "email": u.Email,
			"first_name": u.FirstName, "friendly_name": u.FriendlyName, "last_name": u.LastName, "locale": u.Locale, "phone": u.Phone,
			"primary_account_id": u.PrimaryAccountID, "status": string(u.Status), "user_name": u.UserName,
		})
		for _, a := range u.Accounts {
			fs.set("MEMBER "+u.ID+" "+a.ID, nil)
		}
	}
	roles, _, err := d.Roles(ctx, admin, identity.RoleFilter{})
	must(err)
	for _, g := range roles {
		values := map[string]string{"role": string(g.Role), "account_id": g.Account, "divisions": asList(g.Divisions)}
		if g.Server {
			values["server"] = "true"
		}
		fs.set("ROLE "+g.UserID+" "+string(g.Role)+" "+g.Account, values)
	}
	tokens, _, err := d.Tokens(ctx, admin, "", identity.Page{})
	must(err)
	for _, v := range tokens {
		fs.set("APIKEY "+v.ID, map[string]string{
			"user_id": v.UserID, "name": v.Name, "enabled": fmt.Sprint(v.Enabled), "end_date": v.EndDate,
			"accounts": asList(v.Accounts), "sources": asList(v.Sources),
		})
	}
	certificates, _, err := d.Certificates(ctx, admin, "", identity.Page{})
	must(err)
	for _, v := range certificates {
		fs.set("CLIENT_AUTH_CERT "+v.ID, map[string]string{
			"user_id": v.UserID, "name": v.Name, "enabled": fmt.Sprint(v.Enabled), "fingerprint_sha256": v.Fingerprint, "subject": v.Subject,
			"issuer": v.Issuer, "serial": v.Serial, "not_before": v.NotBefore.Format(time.RFC3339), "not_after": v.NotAfter.Format(time.RFC3339),
			"accounts": asList(v.Accounts), "sources": asList(v.Sources),
		})
	}
	return fs
}

// replay builds the estate from the trail alone. It fails where an entry does not fit what came before:
// something that is made twice, changed from a value that it did not have, or gone without having been.
func replay(t testing.TB, entries []event.Entry) facts {
	t.Helper()
	fs := facts{}
	for i := range entries {
		e := &entries[i]
		kind, id := e.Resource.Type, e.Resource.ID.Value
		before, after := map[string]string{}, map[string]string{}
		for _, a := range e.Attributes {
			if name, ok := strings.CutPrefix(a.Name, "before."); ok {
				before[name] = a.Value
			} else if name, ok := strings.CutPrefix(a.Name, "after."); ok {
				after[name] = a.Value
			}
		}
		bad := func(why string) {
			t.Helper()
			t.Fatalf("entry %d %s: %s", i, event.AppendJSON(nil, &e.Event), why)
		}
		thing := kind + " " + id
		switch kind {
		case "SERVICE_USER":
			thing = "USER " + id
		case "DIVISION":
			thing = "DIVISION " + e.Account.ID + "/" + id
		case "ROLE":
			thing += " " + e.Resource.Name.Value + " " + before["account_id"] + after["account_id"]
		}
		if (kind == "USER" || kind == "SERVICE_USER") && before["account_id"]+after["account_id"] != "" {
			thing = "MEMBER " + id + " " + before["account_id"] + after["account_id"]
			if e.Attribute("after.account_id").Present {
				fs.set(thing, nil)
			} else if _, ok := fs[thing]; !ok {
				bad("no such member")
			} else {
				delete(fs, thing)
			}
			continue
		}
		there, known := fs[thing]
		made := e.Action == "CREATE" || kind == "ROLE" && len(before) == 0
		gone := e.Action == "DELETE" && after["status"] == "" || kind == "ROLE" && len(after) == 0
		if made == known {
			bad(fmt.Sprintf("known before: %t", known))
		}
		for name, v := range before {
			if there[name] != v {
				bad(fmt.Sprintf("%s was %q", name, there[name]))
			}
		}
		switch {
		case made:
			fs.set(thing, after)
			if thing == "USER "+id {
				fs.set("MEMBER "+id+" "+after["primary_account_id"], nil)
			}
		case gone:
			if thing == "USER "+id {
				delete(fs, "MEMBER "+id+" "+there["primary_account_id"])
			}
			delete(fs, thing)
		default:
			for name, v := range after {
				if there[name] = v; v == "" {
					delete(there, name)
				}
			}
		}
	}
	return fs
}
