package identity

import (
	"context"
	"slices"
)

// UserUpdate is what may change of a user. Accounts are those that the user belongs to beside the primary
// one; Applications and Accounts are replaced whole.
type UserUpdate struct {
	Status           Optional[UserStatus]    `json:"status"`
	UserName         Optional[string]        `json:"user_name"`
	FirstName        Optional[string]        `json:"first_name"`
	LastName         Optional[string]        `json:"last_name"`
	Email            Optional[string]        `json:"email"`
	Phone            Optional[string]        `json:"phone"`
	FriendlyName     Optional[string]        `json:"friendly_name"`
	Description      Optional[string]        `json:"description"`
	Locale           Optional[string]        `json:"locale"`
	AccessScope      Optional[string]        `json:"access_scope"`
	PrimaryAccountID Optional[string]        `json:"primary_account_id"`
	Accounts         Optional[[]string]      `json:"accounts"`
	Applications     Optional[[]Application] `json:"applications"`
}

// of returns the user as it is to be and the accounts it is to belong to, checked as one that is made.
func (n UserUpdate) of(u *user) (User, []string, error) {
	// What is left out has a default for a new user, but an update that empties it is a mistake.
	if err := valid(notEmpty("status", n.Status), notEmpty("locale", n.Locale), notEmpty("access_scope", n.AccessScope)); err != nil {
		return User{}, nil, err
	}
	after, memberOf, err := NewUser{
		ID: u.ID, Type: u.Type, Status: n.Status.or(u.Status), UserName: n.UserName.or(u.UserName),
		FirstName: n.FirstName.or(u.FirstName), LastName: n.LastName.or(u.LastName), Email: n.Email.or(u.Email),
		Phone: n.Phone.or(u.Phone), FriendlyName: n.FriendlyName.or(u.FriendlyName),
		Description: n.Description.or(u.Description), Locale: n.Locale.or(u.Locale), AccessScope: n.AccessScope.or(u.AccessScope),
		PrimaryAccountID: n.PrimaryAccountID.or(u.PrimaryAccountID), Accounts: n.Accounts.Value,
		Applications: n.Applications.or(u.Applications),
	}.make(u.CreatedAt, u.CreatedBy)
	if n.Accounts.Given || err != nil {
		return after, memberOf, err
	}
	for _, account := range u.memberOf {
		if !slices.Contains(memberOf, account) {
			memberOf = append(memberOf, account)
		}
	}
	return after, memberOf, nil
}

// UpdateUser changes a user, locks it out or lets it in again. It needs ManageUsers over the user and in each
// account the user is to belong to. Nobody changes their own status, so the last server-wide administrator
// stays; a deleted user stays deleted.
func (d *Directory) UpdateUser(ctx context.Context, c Caller, id string, n UserUpdate) (User, error) {
	st, err := d.change(ctx, c, "update user", func(t *change, c Caller) error {
		u, err := t.st.findUser(c, id)
		if err != nil {
			return err
		}
		if id = u.ID; !c.governs(ManageUsers, u) {
			return mayNot(ManageUsers)
		}
		if u.Status == Deleted {
			return conflict("id", id, "the user is deleted")
		}
		after, memberOf, err := n.of(u)
		if err != nil {
			return err
		}
		if after.Status != u.Status && u.ID == c.UserID {
			return conflict("status", string(after.Status), "nobody changes their own status: let another administrator do it")
		}
		if err := t.st.mayMove(c, u, n, memberOf); err != nil {
			return err
		}
		if err := t.st.nameIsFree(&after); err != nil {
			return err
		}
		if err := t.updateUser(&after); err != nil {
			return err
		}
		return t.moveUser(u, memberOf)
	})
	if err != nil {
		return User{}, err
	}
	return st.view(c, st.userByID[id]), nil
}

// mayMove checks that the caller may have the user belong to the accounts, and that no account is left in
// which the user holds a role.
func (st *state) mayMove(c Caller, u *user, n UserUpdate, memberOf []string) error {
	if n.PrimaryAccountID.Given {
		if err := st.checkAccount("primary_account_id", c, ManageUsers, n.PrimaryAccountID.Value); err != nil {
			return err
		}
	}
	for i, account := range n.Accounts.Value {
		if err := st.checkAccount(at("accounts", i), c, ManageUsers, account); err != nil {
			return err
		}
	}
	for _, g := range u.Grants {
		if !g.Server && !slices.Contains(memberOf, g.Account) {
			return conflict("accounts", g.Account, "the user holds %s there: revoke it first", g.Role)
		}
	}
	return nil
}

func (t *change) updateUser(u *User) error {
	return t.exec(`UPDATE users SET status = ?, user_name = ?, first_name = ?, last_name = ?, email = ?, phone = ?, friendly_name = ?,
		description = ?, locale = ?, access_scope = ?, primary_account_id = ?, applications = ? WHERE id = ?`,
		u.Status, u.UserName, u.FirstName, u.LastName, u.Email, u.Phone, u.FriendlyName, u.Description, u.Locale, u.AccessScope,
		u.PrimaryAccountID, toJSON(u.Applications), u.ID)
}

// moveUser makes the user belong to these accounts and no others.
func (t *change) moveUser(u *user, memberOf []string) error {
	for _, account := range u.memberOf {
		if !slices.Contains(memberOf, account) {
			if err := t.exec(`DELETE FROM memberships WHERE user_id = ? AND account_id = ?`, u.ID, account); err != nil {
				return err
			}
		}
	}
	for _, account := range memberOf {
		if err := t.join(u.ID, account); err != nil {
			return err
		}
	}
	return nil
}
