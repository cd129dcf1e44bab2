package identity

import (
	"cmp"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/problem"
)

// state is a whole identity at one moment. Nothing in it changes once it is swapped in, but for the last
// use of tokens and certificates.
type state struct {
	accounts      []*Account // in the order of making, as users and each user's tokens
	accountByID   map[string]*Account
	divisions     []*Division // ordered by account and id
	divisionByKey map[divisionKey]*Division
	users         []*user
	userByID      map[string]*user
	tokenByID     map[string]*token
	tokenByHash   map[[32]byte]*token

	certificateByID   map[string]*certificate
	certificateByHash map[[32]byte]*certificate

	schedules    []*Schedule
	scheduleByID map[string]*Schedule
}

type divisionKey struct{ account, id string }

// user is a user in a snapshot. Grants are all of them, ordered by place; Accounts is left to view.
type user struct {
	User
	memberOf     []string
	roles        []RoleGrant // Grants with who gave them and when, in the same order
	tokens       []*token
	certificates []*certificate
}

func (u *user) hasToken(name string) bool {
	return slices.ContainsFunc(u.tokens, func(t *token) bool { return t.Name == name })
}

func (u *user) hasCertificate(name string) bool {
	return slices.ContainsFunc(u.certificates, func(v *certificate) bool { return v.Name == name })
}

func (st *state) division(account, id string) *Division {
	return st.divisionByKey[divisionKey{account, id}]
}

// checkAccount checks a reference to an account: one that the caller may not do p in is unknown to them.
func (st *state) checkAccount(field string, c Caller, p Permission, id string) error {
	if id == "" {
		return problem.Bad(field, "", "is required")
	}
	if st.accountByID[id] == nil || !c.May(p, id) {
		return problem.Bad(field, id, "no such account")
	}
	return nil
}

// readState reads everything. The last uses are taken over from the snapshot before, if any. At
// 10,000 users with a token each this takes about a tenth of a second, once for each change: changes are
// rare, and what is read back cannot differ from what was written.
func readState(tx *sql.Tx, old *state) (*state, error) {
	st := &state{
		accountByID: make(map[string]*Account), divisionByKey: make(map[divisionKey]*Division),
		userByID: make(map[string]*user), tokenByID: make(map[string]*token), tokenByHash: make(map[[32]byte]*token),
		certificateByID: make(map[string]*certificate), certificateByHash: make(map[[32]byte]*certificate),
		scheduleByID: make(map[string]*Schedule),
	}
	for _, step := range []struct {
		what string
		read func(*sql.Tx) error
	}{
		{"accounts", st.readAccounts},
		{"divisions", st.readDivisions},
		{"users", st.readUsers},
		{"memberships", st.readMemberships},
		{"grants", st.readGrants},
		{"tokens", st.readTokens},
		{"token bounds", st.readTokenBounds},
		{"certificates", st.readCertificates},
		{"certificate bounds", st.readCertificateBounds},
		{"schedules", st.readSchedules},
	} {
		if err := step.read(tx); err != nil {
			return nil, fmt.Errorf("read %s: %w", step.what, err)
		}
	}
	st.finish(old)
	return st, nil
}

// each calls row for every row of the query.
func each(tx *sql.Tx, query string, row func(scan func(...any) error) error) error {
	rows, err := tx.Query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func seconds(s int64) time.Time { return time.Unix(s, 0).UTC() }

func (st *state) readAccounts(tx *sql.Tx) error {
	return each(tx, `SELECT id, name, active, service_from, service_to, friendly_identifier, auth_config, sign_in_methods,
		oauth_clients, locale, created_at FROM accounts ORDER BY ordinal`, func(scan func(...any) error) error {
		a := &Account{Admins: []Admin{}}
		var config, methods, clients string
		var created int64
		if err := scan(&a.ID, &a.Name, &a.Active, &a.ServicePeriod.From, &a.ServicePeriod.To, &a.FriendlyIdentifier,
			&config, &methods, &clients, &a.Locale, &created); err != nil {
			return err
		}
		a.AuthConfig, a.CreatedAt = json.RawMessage(config), seconds(created)
		if err := valid(json.Unmarshal([]byte(methods), &a.SignInMethods), json.Unmarshal([]byte(clients), &a.OAuthClients)); err != nil {
			return fmt.Errorf("account %s: %w", a.ID, err)
		}
		st.accounts = append(st.accounts, a)
		st.accountByID[a.ID] = a
		return nil
	})
}

func (st *state) readDivisions(tx *sql.Tx) error {
	return each(tx, `SELECT account_id, id, name FROM divisions ORDER BY account_id, id`, func(scan func(...any) error) error {
		v := &Division{}
		if err := scan(&v.Account, &v.ID, &v.Name); err != nil {
			return err
		}
		st.divisions = append(st.divisions, v)
		st.divisionByKey[divisionKey{v.Account, v.ID}] = v
		return nil
	})
}

func (st *state) readUsers(tx *sql.Tx) error {
	return each(tx, `SELECT id, user_type, status, user_name, first_name, last_name, email, phone, friendly_name,
		description, locale, access_scope, primary_account_id, applications, created_at, created_by FROM users
		ORDER BY ordinal`, func(scan func(...any) error) error {
		u := &user{}
		var applications string
		var created int64
		if err := scan(&u.ID, &u.Type, &u.Status, &u.UserName, &u.FirstName, &u.LastName, &u.Email, &u.Phone, &u.FriendlyName,
			&u.Description, &u.Locale, &u.AccessScope, &u.PrimaryAccountID, &applications, &created, &u.CreatedBy); err != nil {
			return err
		}
		u.CreatedAt = seconds(created)
		if err := json.Unmarshal([]byte(applications), &u.Applications); err != nil {
			return fmt.Errorf("user %s: %w", u.ID, err)
		}
		st.users = append(st.users, u)
		st.userByID[u.ID] = u
		return nil
	})
}

func (st *state) readMemberships(tx *sql.Tx) error {
	return each(tx, `SELECT user_id, account_id FROM memberships ORDER BY ordinal`, func(scan func(...any) error) error {
		var id, account string
		if err := scan(&id, &account); err != nil {
			return err
		}
		u := st.userByID[id]
		u.memberOf = append(u.memberOf, account)
		return nil
	})
}

func (st *state) readGrants(tx *sql.Tx) error {
	byID := make(map[int64][]string)
	if err := each(tx, `SELECT grant_id, division_id FROM grant_divisions ORDER BY grant_id, division_id`, func(scan func(...any) error) error {
		var id int64
		var division string
		err := scan(&id, &division)
		byID[id] = append(byID[id], division)
		return err
	}); err != nil {
		return err
	}
	return each(tx, `SELECT id, user_id, role, account_id, created_at, created_by FROM grants`, func(scan func(...any) error) error {
		var id, created int64
		var g RoleGrant
		var account sql.Null[string]
		if err := scan(&id, &g.UserID, &g.Role, &account, &created, &g.CreatedBy); err != nil {
			return err
		}
		g.Server, g.Account, g.Divisions, g.CreatedAt = !account.Valid, account.V, byID[id], seconds(created)
		u := st.userByID[g.UserID]
		u.roles = append(u.roles, g)
		return nil
	})
}

func (st *state) readTokens(tx *sql.Tx) error {
	return each(tx, `SELECT id, user_id, name, hash, enabled, end_date, created_at, created_by, last_used_minute FROM tokens
		ORDER BY ordinal`, func(scan func(...any) error) error {
		t := &token{pass: pass{what: "token", used: &usage{}}}
		var hash []byte
		var created int64
		if err := scan(&t.ID, &t.UserID, &t.Name, &hash, &t.Enabled, &t.EndDate, &created, &t.CreatedBy, &t.used.saved); err != nil {
			return err
		}
		t.used.minute.Store(t.used.saved)
		t.CreatedAt = seconds(created)
		copy(t.hash[:], hash)
		if t.EndDate != "" {
			var err error
			if t.until, err = endOfDay("end_date", t.EndDate); err != nil {
				return fmt.Errorf("token %s: %w", t.ID, err)
			}
		}
		t.id, t.enabled, t.user = t.ID, t.Enabled, st.userByID[t.UserID]
		t.user.tokens = append(t.user.tokens, t)
		st.tokenByID[t.ID] = t
		st.tokenByHash[t.hash] = t
		return nil
	})
}

func (st *state) readCertificates(tx *sql.Tx) error {
	return each(tx, `SELECT id, user_id, name, fingerprint, subject, issuer, serial, not_before, not_after, enabled, created_at,
		created_by, last_used_minute FROM certificates ORDER BY ordinal`, func(scan func(...any) error) error {
		v := &certificate{pass: pass{what: "certificate", used: &usage{}}}
		var fingerprint []byte
		var from, to, created int64
		if err := scan(&v.ID, &v.UserID, &v.Name, &fingerprint, &v.Subject, &v.Issuer, &v.Serial, &from, &to, &v.Enabled,
			&created, &v.CreatedBy, &v.used.saved); err != nil {
			return err
		}
		v.used.minute.Store(v.used.saved)
		v.NotBefore, v.NotAfter, v.CreatedAt = seconds(from), seconds(to), seconds(created)
		v.Fingerprint = hex.EncodeToString(fingerprint)
		v.id, v.enabled, v.from, v.until = v.ID, v.Enabled, v.NotBefore, v.NotAfter.Add(time.Second)
		v.user = st.userByID[v.UserID]
		v.user.certificates = append(v.user.certificates, v)
		st.certificateByID[v.ID] = v
		st.certificateByHash[[32]byte(fingerprint)] = v
		return nil
	})
}

func (st *state) readTokenBounds(tx *sql.Tx) error {
	return readBounds(tx, "token", func(id string) (accounts, sources *[]string) {
		t := st.tokenByID[id]
		return &t.Accounts, &t.Sources
	})
}

func (st *state) readCertificateBounds(tx *sql.Tx) error {
	return readBounds(tx, "certificate", func(id string) (accounts, sources *[]string) {
		v := st.certificateByID[id]
		return &v.Accounts, &v.Sources
	})
}

// readBounds reads what tokens or certificates are bound to into the lists that of returns.
func readBounds(tx *sql.Tx, what string, of func(id string) (accounts, sources *[]string)) error {
	for _, bound := range []string{"account_id", "source"} {
		table := what + "_accounts"
		if bound == "source" {
			table = what + "_sources"
		}
		query := fmt.Sprintf(`SELECT %s_id, %s FROM %s ORDER BY 1, 2`, what, bound, table)
		if err := each(tx, query, func(scan func(...any) error) error {
			var id, v string
			if err := scan(&id, &v); err != nil {
				return err
			}
			list, sources := of(id)
			if bound == "source" {
				list = sources
			}
			*list = append(*list, v)
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// finish derives what is not stored: the administrators of accounts, and the caller that each token and
// certificate makes.
func (st *state) finish(old *state) {
	for _, u := range st.users {
		slices.SortFunc(u.roles, func(a, b RoleGrant) int { return compareGrants(a.Grant, b.Grant) })
		for _, g := range u.roles {
			u.Grants = append(u.Grants, g.Grant)
		}
		for _, account := range u.memberOf {
			if u.administers(account) {
				a := st.accountByID[account]
				a.Admins = append(a.Admins, Admin{u.ID, strings.TrimSpace(u.FirstName + " " + u.LastName), u.Email})
			}
		}
	}
	for _, t := range st.tokenByID {
		t.accounts, t.sources = t.Accounts, t.Sources
		t.caller = t.user.caller(&t.pass)
		t.caller.TokenID = t.ID
		if old != nil && old.tokenByID[t.ID] != nil {
			t.used = old.tokenByID[t.ID].used
		}
	}
	for _, v := range st.certificateByID {
		v.accounts, v.sources = v.Accounts, v.Sources
		v.caller = v.user.caller(&v.pass)
		v.caller.CertificateID = v.ID
		if old != nil && old.certificateByID[v.ID] != nil {
			v.used = old.certificateByID[v.ID].used
		}
	}
}

// caller is the user signed in by the pass.
func (u *user) caller(p *pass) Caller {
	return Caller{
		UserID: u.ID, Name: u.name(), UserType: u.Type, PrimaryAccount: u.PrimaryAccountID,
		grants: u.Grants, accounts: p.accounts, sources: p.sources,
	}
}

// administers reports whether the user is one of the account's Admins.
func (u *user) administers(account string) bool {
	return u.Status == Active && slices.ContainsFunc(u.Grants, func(g Grant) bool {
		return g.Role == AccountAdmin && !g.limited() && (g.Server || g.Account == account)
	})
}

func compareGrants(a, b Grant) int {
	return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(string(a.Role), string(b.Role)))
}
