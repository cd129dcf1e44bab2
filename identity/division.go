package identity

import (
	"context"
	"slices"

	"countersign/problem"
)

// Division is a part of an account. Its ID is unique in its account only: the ids come from the vendors.
type Division struct {
	ID      string `json:"id"`
	Account string `json:"account_id"`
	Name    string `json:"name"`
}

// NewDivision is a division to be made; without ID it gets a UUID.
type NewDivision struct {
	ID      string `json:"id"`
	Account string `json:"account_id"`
	Name    string `json:"name"`
}

// DivisionUpdate is what may change of a division.
type DivisionUpdate struct {
	Name Optional[string] `json:"name"`
}

// CreateDivision makes a division. It needs ManageAccounts in the account.
func (d *Directory) CreateDivision(ctx context.Context, c Caller, n NewDivision) (Division, error) {
	v := Division{Account: n.Account, Name: n.Name}
	_, err := d.change(ctx, c, "create division", func(t *change, c Caller) error {
		if !c.mayAnywhere(ManageAccounts) {
			return mayNot(ManageAccounts)
		}
		var errID error
		v.ID, errID = idOrNew(n.ID)
		if err := valid(errID, t.st.checkAccount("account_id", c, ViewAccounts, v.Account), checkNeeded("name", v.Name)); err != nil {
			return err
		}
		if !c.May(ManageAccounts, v.Account) {
			return mayNot(ManageAccounts)
		}
		if t.st.division(v.Account, v.ID) != nil {
			return conflict("id", v.ID, "the account has a division with this id")
		}
		return t.exec(`INSERT INTO divisions (account_id, id, name) VALUES (?,?,?)`, v.Account, v.ID, v.Name)
	})
	if err != nil {
		return Division{}, err
	}
	return v, nil
}

// Division returns a division of an account that the caller may see. An empty account stands for the only
// one that has a division of this id.
func (d *Directory) Division(_ context.Context, c Caller, account, id string) (Division, error) {
	if !c.mayAnywhere(ViewAccounts) {
		return Division{}, mayNot(ViewAccounts)
	}
	return d.state.Load().findDivision(c, account, id)
}

func (st *state) findDivision(c Caller, account, id string) (Division, error) {
	var found []*Division
	for _, v := range st.divisions {
		if v.ID == id && (account == "" || v.Account == account) && c.May(ViewAccounts, v.Account) {
			found = append(found, v)
		}
	}
	switch len(found) {
	case 0:
		return Division{}, noSuch("division")
	case 1:
		return *found[0], nil
	}
	return Division{}, problem.Bad("account_id", "", "is required: %d accounts have a division with this id", len(found))
}

// Divisions returns the divisions of the account, or of all accounts that the caller may see when it is
// empty, ordered by account and id.
func (d *Directory) Divisions(_ context.Context, c Caller, account string, p Page) ([]Division, int, error) {
	if !c.mayAnywhere(ViewAccounts) {
		return nil, 0, mayNot(ViewAccounts)
	}
	var seen []*Division
	for _, v := range d.state.Load().divisions {
		if (account == "" || v.Account == account) && c.May(ViewAccounts, v.Account) {
			seen = append(seen, v)
		}
	}
	return page(seen, p, func(v *Division) Division { return *v })
}

// UpdateDivision renames a division. It needs ManageAccounts in its account, which may be empty as in
// Division.
func (d *Directory) UpdateDivision(ctx context.Context, c Caller, account, id string, n DivisionUpdate) (Division, error) {
	var v Division
	_, err := d.change(ctx, c, "update division", func(t *change, c Caller) error {
		if !c.mayAnywhere(ManageAccounts) {
			return mayNot(ManageAccounts)
		}
		var err error
		if v, err = t.st.findDivision(c, account, id); err != nil {
			return err
		}
		if !c.May(ManageAccounts, v.Account) {
			return mayNot(ManageAccounts)
		}
		v.Name = n.Name.or(v.Name)
		if err := checkNeeded("name", v.Name); err != nil {
			return err
		}
		return t.exec(`UPDATE divisions SET name = ? WHERE account_id = ? AND id = ?`, v.Name, v.Account, v.ID)
	})
	if err != nil {
		return Division{}, err
	}
	return v, nil
}

// DeleteDivision deletes a division that no grant is limited to any more: a grant that lost its last
// division would be one without limits. Account may be empty as in Division.
func (d *Directory) DeleteDivision(ctx context.Context, c Caller, account, id string) error {
	_, err := d.change(ctx, c, "delete division", func(t *change, c Caller) error {
		if !c.mayAnywhere(ManageAccounts) {
			return mayNot(ManageAccounts)
		}
		v, err := t.st.findDivision(c, account, id)
		if err != nil {
			return err
		}
		if !c.May(ManageAccounts, v.Account) {
			return mayNot(ManageAccounts)
		}
		for _, u := range t.st.users {
			for _, g := range u.Grants {
				if g.Account == v.Account && slices.Contains(g.Divisions, v.ID) {
					return conflict("id", id, "grants are limited to this division: revoke them first")
				}
			}
		}
		return t.exec(`DELETE FROM divisions WHERE account_id = ? AND id = ?`, v.Account, v.ID)
	})
	return err
}
