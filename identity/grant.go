package identity

import (
	"context"
	"slices"
	"time"

	"countersign/problem"
)

// Grant gives a user a role: on the whole server (Server), or in Account, there limited to Divisions when
// any are named. A user has a role at most once in each place.
type Grant struct {
	Role      Role     `json:"role"`
	Server    bool     `json:"server,omitempty"`
	Account   string   `json:"account_id,omitempty"`
	Divisions []string `json:"divisions,omitempty"` // sorted
}

// RoleGrant is a grant with whose it is, and who gave it.
type RoleGrant struct {
	UserID string `json:"user_id"`
	Grant
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
}

func (g *Grant) limited() bool { return len(g.Divisions) > 0 }

func (g *Grant) samePlace(h Grant) bool {
	return g.Role == h.Role && g.Server == h.Server && g.Account == h.Account
}

// check checks what can be said of a grant without the directory. The names of its members in errors begin
// with prefix. The whole server is asked for by name: an account id that was left out by mistake must not
// mean everything.
func (g *Grant) check(prefix string) error {
	if err := oneOf(prefix+"role", g.Role, Roles()...); err != nil {
		return err
	}
	rule := roleIndex[g.Role]
	switch {
	case g.Server && g.Account != "":
		return problem.Bad(prefix+"account_id", g.Account, "must be left out of a grant on the whole server")
	case !g.Server && rule.serverOnly:
		return problem.Bad(prefix+"server", "", "must be true: %s is granted on the whole server only", g.Role)
	case !g.Server && g.Account == "":
		return problem.Bad(prefix+"account_id", "", "is required, unless server is true")
	case g.Divisions != nil && g.Server:
		return problem.Bad(prefix+"divisions", "", "must be left out of a grant on the whole server: divisions are parts of an account")
	case g.Divisions != nil && !rule.divisible:
		return problem.Bad(prefix+"divisions", "", "must be left out: %s cannot be limited to divisions", g.Role)
	}
	return checkBounds(prefix+"divisions", g.Divisions, maxDivisions, checkID)
}

func checkGrants(gs []Grant) error {
	if err := atMost("grants", len(gs), maxGrants); err != nil {
		return err
	}
	for i := range gs {
		if err := gs[i].check(at("grants", i) + "."); err != nil {
			return err
		}
		if slices.ContainsFunc(gs[:i], gs[i].samePlace) {
			return problem.Bad(at("grants", i), string(gs[i].Role), "stands there twice")
		}
	}
	return nil
}

// checkGrant checks that what the grant refers to exists and that the caller may give it.
func (st *state) checkGrant(prefix string, c Caller, g Grant) error {
	if !c.mayAnywhere(ManageRoles) {
		return mayNot(ManageRoles)
	}
	if !g.Server {
		if err := st.checkAccount(prefix+"account_id", c, ViewAccounts, g.Account); err != nil {
			return err
		}
		for i, id := range g.Divisions {
			if st.division(g.Account, id) == nil {
				return problem.Bad(at(prefix+"divisions", i), id, "no such division in this account")
			}
		}
	}
	if !c.mayGive(g) {
		e := problem.Bad(prefix+"role", string(g.Role), "the caller may not give this role there")
		e.Kind = problem.Denied
		return e
	}
	return nil
}

// Grant gives the user a role, and makes them belong to its account. The caller needs ManageRoles there;
// ERASURE_OFFICER is given by server-wide administrators only.
func (d *Directory) Grant(ctx context.Context, c Caller, userID string, g Grant) (RoleGrant, error) {
	var id string
	st, err := d.change(ctx, c, "grant", func(t *change, c Caller) error {
		if err := g.check(""); err != nil {
			return err
		}
		u, err := t.st.findUser(c, userID)
		if err != nil {
			return err
		}
		if err := t.st.checkGrant("", c, g); err != nil {
			return err
		}
		switch {
		case u.Status == Deleted:
			return conflict("user_id", u.ID, "the user is deleted")
		case len(u.Grants) >= maxGrants:
			return conflict("user_id", u.ID, "the user has %d grants already: revoke some first", maxGrants)
		case slices.ContainsFunc(u.Grants, g.samePlace):
			return conflict("role", string(g.Role), "the user has this role there: revoke it first to change its divisions")
		}
		id = u.ID
		if !g.Server {
			if err := t.join(u.ID, g.Account); err != nil {
				return err
			}
		}
		return t.insertGrant(u.ID, g, c.UserID)
	})
	if err != nil {
		return RoleGrant{}, err
	}
	roles := st.userByID[id].roles
	return roles[slices.IndexFunc(roles, func(r RoleGrant) bool { return r.samePlace(g) })], nil
}

// RoleFilter says which grants: all when it is empty. Account finds what is granted in that account, Server
// what is granted on the whole server.
type RoleFilter struct {
	UserID  string
	Role    Role
	Account string
	Server  bool
	Page
}

func (f *RoleFilter) matches(g *RoleGrant) bool {
	return (f.Role == "" || f.Role == g.Role) && (f.Account == "" || f.Account == g.Account) && (!f.Server || g.Server)
}

// Roles returns the grants that the caller may see, as they are seen in users, in the order of users and
// then by place, and how many there are on all pages.
func (d *Directory) Roles(_ context.Context, c Caller, f RoleFilter) ([]RoleGrant, int, error) {
	if f.Role != "" {
		if err := oneOf("role", f.Role, Roles()...); err != nil {
			return nil, 0, err
		}
	}
	st := d.state.Load()
	users := st.users
	switch {
	case f.UserID != "":
		u, err := st.findUser(c, f.UserID)
		if err != nil {
			return nil, 0, err
		}
		users = []*user{u}
	case !c.mayAnywhere(ViewUsers):
		return nil, 0, mayNot(ViewUsers)
	}
	var seen []RoleGrant
	for _, u := range users {
		for i := range u.roles {
			if f.matches(&u.roles[i]) && c.sees(u) && c.seesGrant(u, u.roles[i].Grant) {
				seen = append(seen, u.roles[i])
			}
		}
	}
	return page(seen, f.Page, func(g RoleGrant) RoleGrant { return g })
}

// seesGrant reports whether the caller, who may know of the user, may know of the grant.
func (c Caller) seesGrant(u *user, g Grant) bool {
	return u.ID == c.UserID || g.Server || c.May(ViewUsers, g.Account)
}

func (t *change) insertGrant(userID string, g Grant, by string) error {
	// A NULL account is the whole server: SQLite then leaves the reference to the membership unchecked.
	r, err := t.tx.Exec(`INSERT INTO grants (user_id, role, account_id, created_at, created_by) VALUES (?,?,?,?,?)`,
		userID, g.Role, nullable(g.Account), t.now.Unix(), by)
	if err != nil {
		return err
	}
	id, err := r.LastInsertId()
	if err != nil {
		return err
	}
	for _, division := range g.Divisions {
		if err := t.exec(`INSERT INTO grant_divisions (grant_id, account_id, division_id) VALUES (?,?,?)`, id, g.Account, division); err != nil {
			return err
		}
	}
	return nil
}

// Revoke takes the role in the place that g names from the user, whatever divisions it is limited to. The
// user goes on belonging to the account. Nobody takes server-wide administration from themselves, so the
// last server-wide administrator stays one.
func (d *Directory) Revoke(ctx context.Context, c Caller, userID string, g Grant) error {
	g.Divisions = nil
	_, err := d.change(ctx, c, "revoke", func(t *change, c Caller) error {
		if err := g.check(""); err != nil {
			return err
		}
		u, err := t.st.findUser(c, userID)
		if err != nil {
			return err
		}
		switch {
		case !c.mayAnywhere(ManageRoles):
			return mayNot(ManageRoles)
		case !slices.ContainsFunc(u.Grants, g.samePlace), !c.seesGrant(u, g):
			return noSuch("grant")
		case !c.mayGive(g):
			return mayNot(ManageRoles)
		case u.ID == c.UserID && g.Server && g.Role == AccountAdmin:
			return conflict("role", string(g.Role), "nobody takes this role from themselves: let another administrator do it")
		}
		return t.exec(`DELETE FROM grants WHERE user_id = ? AND role = ? AND account_id IS ?`, u.ID, g.Role, nullable(g.Account))
	})
	return err
}

// nullable is NULL for an empty text.
func nullable(v string) any {
	if v == "" {
		return nil
	}
	return v
}
