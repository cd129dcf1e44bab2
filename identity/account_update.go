package identity

import (
	"context"
	"encoding/json"
	"slices"

	"countersign/problem"
)

// AccountUpdate is what may change of an account. Of ServicePeriod either day may be left out; every other
// member is replaced whole.
type AccountUpdate struct {
	Name               Optional[string]            `json:"name"`
	Active             Optional[bool]              `json:"active"`
	ServicePeriod      Optional[ServicePeriod]     `json:"service_period"`
	FriendlyIdentifier Optional[string]            `json:"friendly_identifier"`
	AuthConfig         Optional[json.RawMessage]   `json:"auth_config"`
	SignInMethods      Optional[[]SignInMethod]    `json:"sign_in_methods"`
	OAuthClients       Optional[[]json.RawMessage] `json:"oauth_clients"`
	Locale             Optional[string]            `json:"locale"`
}

// of returns the account as it is to be, checked as one that is made.
func (n AccountUpdate) of(a *Account) (Account, error) {
	if n.ServicePeriod.Given && n.ServicePeriod.Value == (ServicePeriod{}) {
		return Account{}, problem.Bad("service_period", "", "must have a first or a last day")
	}
	// What is left out has a default for a new account, but an update that empties it is a mistake.
	if err := notEmpty("locale", n.Locale); err != nil {
		return Account{}, err
	}
	active := n.Active.or(a.Active)
	return NewAccount{
		ID: a.ID, Name: n.Name.or(a.Name), Active: &active,
		ServicePeriod: ServicePeriod{
			From: orDefault(n.ServicePeriod.Value.From, a.ServicePeriod.From),
			To:   orDefault(n.ServicePeriod.Value.To, a.ServicePeriod.To),
		},
		FriendlyIdentifier: n.FriendlyIdentifier.or(a.FriendlyIdentifier), AuthConfig: n.AuthConfig.or(a.AuthConfig),
		SignInMethods: n.SignInMethods.or(a.SignInMethods), OAuthClients: n.OAuthClients.or(a.OAuthClients),
		Locale: n.Locale.or(a.Locale),
	}.make(a.CreatedAt)
}

// UpdateAccount changes an account. It needs ManageAccounts there; what the account has been sold (whether it
// is active, its period, its identifier) only ManageAccounts on the whole server changes.
func (d *Directory) UpdateAccount(ctx context.Context, c Caller, id string, n AccountUpdate) (Account, error) {
	st, err := d.change(ctx, c, "update account", func(t *change, c Caller) error {
		if !c.mayAnywhere(ManageAccounts) {
			return mayNot(ManageAccounts)
		}
		a := t.st.accountByID[id]
		if a == nil || !c.May(ViewAccounts, id) {
			return noSuch("account")
		}
		if !c.May(ManageAccounts, id) {
			return mayNot(ManageAccounts)
		}
		after, err := n.of(a)
		if err != nil {
			return err
		}
		if err := c.maySell(a, &after); err != nil {
			return err
		}
		if err := t.st.identifierIsFree(&after); err != nil {
			return err
		}
		return t.exec(`UPDATE accounts SET name = ?, active = ?, service_from = ?, service_to = ?, friendly_identifier = ?,
			auth_config = ?, sign_in_methods = ?, oauth_clients = ?, locale = ? WHERE id = ?`,
			after.Name, after.Active, after.ServicePeriod.From, after.ServicePeriod.To, after.FriendlyIdentifier,
			string(after.AuthConfig), toJSON(after.SignInMethods), toJSON(after.OAuthClients), after.Locale, id)
	})
	if err != nil {
		return Account{}, err
	}
	return *st.accountByID[id], nil
}

// maySell returns a Denied error that names the member when only a server-wide administrator changes it.
func (c Caller) maySell(before, after *Account) error {
	if c.MayServer(ManageAccounts) {
		return nil
	}
	var field string
	switch {
	case before.Active != after.Active:
		field = "active"
	case before.ServicePeriod != after.ServicePeriod:
		field = "service_period"
	case before.FriendlyIdentifier != after.FriendlyIdentifier:
		field = "friendly_identifier"
	default:
		return nil
	}
	e := problem.Bad(field, "", "is changed by administrators of the whole server only")
	e.Kind = problem.Denied
	return e
}

// identifierIsFree refuses a friendly identifier that another account has.
func (st *state) identifierIsFree(a *Account) error {
	if a.FriendlyIdentifier != "" && slices.ContainsFunc(st.accounts, func(b *Account) bool {
		return b.FriendlyIdentifier == a.FriendlyIdentifier && b.ID != a.ID
	}) {
		return conflict("friendly_identifier", a.FriendlyIdentifier, "another account has this identifier")
	}
	return nil
}
