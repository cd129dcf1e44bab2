package identity

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"countersign/problem"
)

// UserType tells people from programs.
type UserType string

// The types of users.
const (
	Standard UserType = "standard"
	Service  UserType = "service"
)

// UserStatus says whether a user may sign in; only an active one may.
type UserStatus string

// The states of users.
const (
	Active  UserStatus = "ACTIVE"
	Deleted UserStatus = "DELETED"
	Pending UserStatus = "PENDING"
	Locked  UserStatus = "LOCKED"
)

// Me stands for the caller wherever a user's id is asked for.
const Me = "me"

// User is a person or a program. A service user has no UserName, FirstName and LastName. Accounts and
// Grants are those that the reader may know of: all of their own, else those in accounts that they see.
// What the methods here return shares memory with the directory and is read-only.
type User struct {
	ID               string           `json:"id"`
	Type             UserType         `json:"user_type"`
	Status           UserStatus       `json:"status"`
	UserName         string           `json:"user_name,omitempty"`
	FirstName        string           `json:"first_name,omitempty"`
	LastName         string           `json:"last_name,omitempty"`
	Email            string           `json:"email"`
	Phone            string           `json:"phone"`
	FriendlyName     string           `json:"friendly_name"`
	Description      string           `json:"description"`
	Locale           string           `json:"locale"`
	AccessScope      string           `json:"access_scope"`
	PrimaryAccountID string           `json:"primary_account_id"`
	Accounts         []AccountSummary `json:"accounts"`
	Applications     []Application    `json:"applications"`
	Grants           []Grant          `json:"grants"`
	CreatedAt        time.Time        `json:"created_at"`
	CreatedBy        string           `json:"created_by"`
}

// Application is a vendor's application with the user's permissions there, kept as it was given: what a
// user may do here is said by grants alone.
type Application struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Permissions []string `json:"permissions"`
}

// name is what the user's acts are recorded under.
func (u *User) name() string {
	if u.Type == Service {
		return u.FriendlyName
	}
	return u.UserName
}

// NewUser is a user to be made. Type, PrimaryAccountID and UserName (standard) or FriendlyName (service)
// are required. What is left out: ID a UUID, Status ACTIVE, Locale en_US, AccessScope account. The user
// belongs to the primary account, to Accounts and to the accounts of Grants.
type NewUser struct {
	ID               string        `json:"id"`
	Type             UserType      `json:"user_type"`
	Status           UserStatus    `json:"status"`
	UserName         string        `json:"user_name"`
	FirstName        string        `json:"first_name"`
	LastName         string        `json:"last_name"`
	Email            string        `json:"email"`
	Phone            string        `json:"phone"`
	FriendlyName     string        `json:"friendly_name"`
	Description      string        `json:"description"`
	Locale           string        `json:"locale"`
	AccessScope      string        `json:"access_scope"`
	PrimaryAccountID string        `json:"primary_account_id"`
	Accounts         []string      `json:"accounts"`
	Applications     []Application `json:"applications"`
	Grants           []Grant       `json:"grants"`
}

const (
	defaultLocale = "en_US"
	defaultScope  = "account"
)

func orDefault[T ~string](v, byDefault T) T {
	if v == "" {
		return byDefault
	}
	return v
}

// make checks the fields that need no directory and fills in the defaults. The second result is the
// accounts that the user belongs to, the primary one first.
func (n NewUser) make(now time.Time, by string) (User, []string, error) {
	u := User{
		Type: n.Type, Status: orDefault(n.Status, Active), UserName: n.UserName, FirstName: n.FirstName,
		LastName: n.LastName, Email: n.Email, Phone: n.Phone, FriendlyName: n.FriendlyName,
		Description: n.Description, Locale: orDefault(n.Locale, defaultLocale),
		AccessScope: orDefault(n.AccessScope, defaultScope), PrimaryAccountID: n.PrimaryAccountID,
		CreatedAt: now, CreatedBy: by,
	}
	var errID, errApplications error
	u.ID, errID = idOrNew(n.ID)
	u.Applications, errApplications = makeApplications(n.Applications)
	if err := valid(errID, oneOf("user_type", u.Type, Standard, Service), oneOf("status", u.Status, Active, Pending, Locked),
		u.checkNames(), checkEmail(u.Email), checkPhone(u.Phone),
		checkText("description", u.Description, maxTextBytes, "\n\r\t"), checkLocale(u.Locale),
		checkForm("access_scope", u.AccessScope, wordForm, "a word such as account"), errApplications,
		checkNeeded("primary_account_id", u.PrimaryAccountID), checkList("accounts", n.Accounts, maxAccounts, checkID),
		checkGrants(n.Grants)); err != nil {
		return User{}, nil, err
	}
	memberOf := []string{u.PrimaryAccountID}
	join := func(account string) {
		if !slices.Contains(memberOf, account) {
			memberOf = append(memberOf, account)
		}
	}
	for _, account := range n.Accounts {
		join(account)
	}
	for _, g := range n.Grants {
		if !g.Server {
			join(g.Account)
		}
	}
	return u, memberOf, nil
}

func (u *User) checkNames() error {
	if err := valid(checkName("user_name", u.UserName), checkName("first_name", u.FirstName),
		checkName("last_name", u.LastName), checkName("friendly_name", u.FriendlyName)); err != nil {
		return err
	}
	if u.Type == Standard {
		return checkNeeded("user_name", u.UserName)
	}
	for _, f := range []struct{ field, value string }{{"user_name", u.UserName}, {"first_name", u.FirstName}, {"last_name", u.LastName}} {
		if f.value != "" {
			return problem.Bad(f.field, f.value, "belongs to standard users only")
		}
	}
	return checkNeeded("friendly_name", u.FriendlyName)
}

func makeApplications(given []Application) ([]Application, error) {
	if err := atMost("applications", len(given), maxApplications); err != nil {
		return nil, err
	}
	out := make([]Application, len(given))
	for i, a := range given {
		field := at("applications", i)
		var errID error
		out[i] = Application{Name: a.Name, Permissions: append([]string{}, a.Permissions...)}
		out[i].ID, errID = idOrNew(a.ID)
		if err := valid(errID, checkNeeded(field+".name", a.Name), atMost(field+".permissions", len(a.Permissions), maxPermissions)); err != nil {
			return nil, err
		}
		for j, p := range a.Permissions {
			if err := checkForm(at(field+".permissions", j), p, permissionForm, "1 to 64 characters of A-Z, 0-9 and _"); err != nil {
				return nil, err
			}
		}
	}
	if len(toJSON(out)) > maxApplicationsBytes {
		return nil, problem.Bad("applications", "", "must have at most %d bytes as JSON", maxApplicationsBytes)
	}
	return out, nil
}

// CreateUser makes a user. It needs ManageUsers in each account the user is to belong to, and for each
// grant the right to give it.
func (d *Directory) CreateUser(ctx context.Context, c Caller, n NewUser) (User, error) {
	var u User
	st, err := d.change(ctx, c, "create user", func(t *change, c Caller) error {
		if !c.mayAnywhere(ManageUsers) {
			return mayNot(ManageUsers)
		}
		var memberOf []string
		var err error
		if u, memberOf, err = n.make(t.now, c.UserID); err != nil {
			return err
		}
		if err := t.st.mayJoin(c, n, memberOf); err != nil {
			return err
		}
		if t.st.userByID[u.ID] != nil {
			return conflict("id", u.ID, "there is a user with this id")
		}
		if err := t.st.nameIsFree(&u); err != nil {
			return err
		}
		if err := t.insertUser(&u, memberOf); err != nil {
			return err
		}
		for _, g := range n.Grants {
			if err := t.insertGrant(u.ID, g, c.UserID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return User{}, err
	}
	// Who makes a user sees it: managing users somewhere goes with seeing them there.
	return st.view(c, st.userByID[u.ID]), nil
}

// mayJoin checks the references of a user to be made, and that the caller may give what they say.
func (st *state) mayJoin(c Caller, n NewUser, memberOf []string) error {
	if err := st.checkAccount("primary_account_id", c, ManageUsers, n.PrimaryAccountID); err != nil {
		return err
	}
	for i, account := range n.Accounts {
		if err := st.checkAccount(at("accounts", i), c, ManageUsers, account); err != nil {
			return err
		}
	}
	for i, g := range n.Grants {
		if err := st.checkGrant(at("grants", i)+".", c, g); err != nil {
			return err
		}
	}
	for _, account := range memberOf {
		if !c.May(ManageUsers, account) {
			return mayNot(ManageUsers)
		}
	}
	return nil
}

// nameIsFree refuses the user name of another standard user who is not deleted, in any case: names that
// differ in case only would be one person to half of the readers.
func (st *state) nameIsFree(u *User) error {
	if u.Type == Service {
		return nil
	}
	for _, other := range st.users {
		if other.ID != u.ID && other.Type == Standard && other.Status != Deleted && strings.EqualFold(other.UserName, u.UserName) {
			return conflict("user_name", u.UserName, "another user has this name")
		}
	}
	return nil
}

func (t *change) insertUser(u *User, memberOf []string) error {
	if err := t.exec(`INSERT INTO users (id, user_type, status, user_name, first_name, last_name, email, phone,
		friendly_name, description, locale, access_scope, primary_account_id, applications, created_at, created_by)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		u.ID, u.Type, u.Status, u.UserName, u.FirstName, u.LastName, u.Email, u.Phone, u.FriendlyName, u.Description,
		u.Locale, u.AccessScope, u.PrimaryAccountID, toJSON(u.Applications), u.CreatedAt.Unix(), u.CreatedBy); err != nil {
		return err
	}
	for _, account := range memberOf {
		if err := t.join(u.ID, account); err != nil {
			return err
		}
	}
	return nil
}

// join makes the user belong to the account, once.
func (t *change) join(userID, account string) error {
	return t.exec(`INSERT INTO memberships (user_id, account_id) VALUES (?,?) ON CONFLICT DO NOTHING`, userID, account)
}

// User returns the user with the id, or the caller for Me. Users that the caller may not know of are not
// found.
func (d *Directory) User(_ context.Context, c Caller, id string) (User, error) {
	st := d.state.Load()
	u, err := st.findUser(c, id)
	if err != nil {
		return User{}, err
	}
	return st.view(c, u), nil
}

// findUser returns a user that the caller may know of.
func (st *state) findUser(c Caller, id string) (*user, error) {
	if id == Me {
		id = c.UserID
	}
	u := st.userByID[id]
	switch {
	case u != nil && c.sees(u):
		return u, nil
	case id != c.UserID && !c.mayAnywhere(ViewUsers):
		return nil, mayNot(ViewUsers)
	}
	return nil, noSuch("user")
}

// view is the user as the caller may see it.
func (st *state) view(c Caller, u *user) User {
	v := u.User
	own := u.ID == c.UserID
	v.Accounts = make([]AccountSummary, 0, len(u.memberOf))
	for _, account := range u.memberOf {
		if own || c.May(ViewUsers, account) {
			v.Accounts = append(v.Accounts, st.accountByID[account].summary())
		}
	}
	v.Grants = make([]Grant, 0, len(u.Grants))
	for _, g := range u.Grants {
		if c.seesGrant(u, g) {
			v.Grants = append(v.Grants, g)
		}
	}
	return v
}

// UserFilter says which users: all when it is empty. An Account that the caller does not see has none.
type UserFilter struct {
	Type    UserType
	Account string
	Page
}

// Users returns the users that the caller may see in the order in which they were made, deleted ones
// included, and how many there are on all pages.
func (d *Directory) Users(_ context.Context, c Caller, f UserFilter) ([]User, int, error) {
	if !c.mayAnywhere(ViewUsers) {
		return nil, 0, mayNot(ViewUsers)
	}
	if f.Type != "" {
		if err := oneOf("user_type", f.Type, Standard, Service); err != nil {
			return nil, 0, err
		}
	}
	st := d.state.Load()
	var seen []*user
	for _, u := range st.users {
		if f.Type != "" && u.Type != f.Type {
			continue
		}
		if f.Account != "" && !(c.May(ViewUsers, f.Account) && slices.Contains(u.memberOf, f.Account)) {
			continue
		}
		if c.sees(u) {
			seen = append(seen, u)
		}
	}
	return page(seen, f.Page, func(u *user) User { return st.view(c, u) })
}

// DeleteUser makes the user DELETED: it can be read as before, but its tokens, certificates and grants are gone. With
// purge the user and every value of it go from the database file too, deleted before or not, and nobody
// finds it any more. It needs ManageUsers over the user; nobody deletes themselves.
//
// That is also why the last server-wide administrator stays: such a user yields only to another one, who is
// signed in at that moment.
func (d *Directory) DeleteUser(ctx context.Context, c Caller, id string, purge bool) error {
	_, err := d.change(ctx, c, "delete user", func(t *change, c Caller) error {
		u, err := t.st.findUser(c, id)
		switch {
		case err != nil:
			return err
		case u.ID == c.UserID:
			return conflict("id", id, "nobody deletes themselves: let another administrator do it")
		case !c.governs(ManageUsers, u):
			return mayNot(ManageUsers)
		case purge:
			return t.purgeUser(u.ID)
		case u.Status == Deleted:
			return nil
		}
		for _, table := range []string{"tokens", "certificates", "grants"} {
			if err := t.exec(`DELETE FROM `+table+` WHERE user_id = ?`, u.ID); err != nil {
				return err
			}
		}
		return t.exec(`UPDATE users SET status = ? WHERE id = ?`, Deleted, u.ID)
	})
	if !purge || err != nil && !errors.Is(err, errUnrecorded) {
		return err
	}
	return cmp.Or(d.scrub(ctx), err)
}
