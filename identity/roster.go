package identity

import (
	"slices"
	"strings"
	"time"
)

// Roster is who and what there is at one moment, for a report that resolves whom its entries name. It holds no
// secrets, and of users no more than entries tell of them.
type Roster struct {
	Accounts map[string]RosterAccount // by id
	Users    map[string]RosterUser    // by id
	Tokens   map[string]RosterToken   // by id
}

// RosterAccount is an account.
type RosterAccount struct {
	Name   string
	Active bool
}

// RosterUser is a user. Grants are those in the accounts that the roster is of.
type RosterUser struct {
	Name      string // what the user's acts are recorded under
	Type      UserType
	Status    UserStatus
	Grants    []Grant
	Manages   bool // has a permission to manage in a vendor's application
	CreatedAt time.Time
}

// RosterToken is an API token of this server.
type RosterToken struct {
	UserID, Name string
	EndDate      string // "" for none
	Enabled      bool
	CreatedAt    time.Time
}

// managePermission begins the names of vendors' permissions to change things.
const managePermission = "MANAGE_"

// Roster returns who belongs to one of the accounts, or everybody when accounts is nil. It knows no caller: it is for
// the server, which shows of it what the entries name that a caller may see.
func (d *Directory) Roster(accounts []string) Roster {
	st := d.state.Load()
	in := func(account string) bool { return accounts == nil || slices.Contains(accounts, account) }
	r := Roster{Accounts: map[string]RosterAccount{}, Users: map[string]RosterUser{}, Tokens: map[string]RosterToken{}}
	for _, a := range st.accounts {
		if in(a.ID) {
			r.Accounts[a.ID] = RosterAccount{a.Name, a.Active}
		}
	}
	for _, u := range st.users {
		if !slices.ContainsFunc(u.memberOf, in) {
			continue
		}
		v := RosterUser{Name: u.name(), Type: u.Type, Status: u.Status, Manages: u.manages(), CreatedAt: u.CreatedAt}
		for _, g := range u.Grants {
			if g.Server && accounts == nil || !g.Server && in(g.Account) {
				v.Grants = append(v.Grants, g)
			}
		}
		r.Users[u.ID] = v
		for _, t := range u.tokens {
			r.Tokens[t.ID] = RosterToken{UserID: u.ID, Name: t.Name, EndDate: t.EndDate, Enabled: t.Enabled, CreatedAt: t.CreatedAt}
		}
	}
	return r
}

// Reaches reports whether the caller may do p in the account or in divisions of it.
func (c Caller) Reaches(p Permission, account string) bool { return c.mayInPart(p, account) }

func (u *user) manages() bool {
	return slices.ContainsFunc(u.Applications, func(a Application) bool {
		return slices.ContainsFunc(a.Permissions, func(p string) bool { return strings.HasPrefix(p, managePermission) })
	})
}

// Text writes a grant as the command line does: ROLE@ACCOUNT/DIVISION,... with * for the whole server.
func (g *Grant) Text() string {
	place := g.Account
	if g.Server {
		place = "*"
	}
	if len(g.Divisions) > 0 {
		place += "/" + strings.Join(g.Divisions, ",")
	}
	return string(g.Role) + "@" + place
}
