package identity

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"countersign/problem"
)

// Account is a customer. AuthConfig and OAuthClients are kept as they were given. What the methods here
// return shares memory with the directory and is read-only.
type Account struct {
	ID                 string            `json:"id"`
	Name               string            `json:"name"`
	Active             bool              `json:"active"`
	ServicePeriod      ServicePeriod     `json:"service_period"`
	FriendlyIdentifier string            `json:"friendly_identifier"`
	Admins             []Admin           `json:"admins"`
	AuthConfig         json.RawMessage   `json:"auth_config"`
	SignInMethods      []SignInMethod    `json:"sign_in_methods"`
	OAuthClients       []json.RawMessage `json:"oauth_clients"`
	Locale             string            `json:"locale"`
	CreatedAt          time.Time         `json:"created_at"`
}

// ServicePeriod is the first and the last day of an account's service, as YYYY-MM-DD.
type ServicePeriod struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Admin is an active user who holds AccountAdmin in an account, without being limited to divisions: granted
// there, or on the whole server to a user who belongs there. Service users have no Name.
type Admin struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email"`
}

// SignInMethod is one way into an account. The vendor's names are camelCase here and nowhere else.
type SignInMethod struct {
	Method                     string `json:"signInMethod"`
	Status                     string `json:"status"`
	MFAStatus                  string `json:"mfaStatus"`
	ClientAuthCertLoginEnabled bool   `json:"clientAuthCertLoginEnabled"`
}

// AccountSummary is what a user object tells of each account the user belongs to.
type AccountSummary struct {
	ID                 string        `json:"id"`
	Name               string        `json:"name"`
	Active             bool          `json:"active"`
	ServicePeriod      ServicePeriod `json:"service_period"`
	FriendlyIdentifier string        `json:"friendly_identifier"`
	Locale             string        `json:"locale"`
}

func (a *Account) summary() AccountSummary {
	return AccountSummary{a.ID, a.Name, a.Active, a.ServicePeriod, a.FriendlyIdentifier, a.Locale}
}

// NewAccount is an account to be made. Only Name is required. What is left out: ID a UUID, Active true,
// ServicePeriod from today without end, AuthConfig {}, SignInMethods the standard one, Locale en_US.
type NewAccount struct {
	ID                 string            `json:"id"`
	Name               string            `json:"name"`
	Active             *bool             `json:"active"`
	ServicePeriod      ServicePeriod     `json:"service_period"`
	FriendlyIdentifier string            `json:"friendly_identifier"`
	AuthConfig         json.RawMessage   `json:"auth_config"`
	SignInMethods      []SignInMethod    `json:"sign_in_methods"`
	OAuthClients       []json.RawMessage `json:"oauth_clients"`
	Locale             string            `json:"locale"`
}

// noEnd is the last day of a service that has none: the vendor's clients expect a date there.
const noEnd = "9999-12-31"

// make checks the fields and fills in the defaults.
func (n NewAccount) make(now time.Time) (Account, error) {
	a := Account{
		Name: n.Name, Active: n.Active == nil || *n.Active, ServicePeriod: n.ServicePeriod,
		FriendlyIdentifier: n.FriendlyIdentifier, SignInMethods: n.SignInMethods,
		OAuthClients: make([]json.RawMessage, 0, len(n.OAuthClients)), Locale: orDefault(n.Locale, defaultLocale),
		CreatedAt: now,
	}
	a.ServicePeriod.From = orDefault(a.ServicePeriod.From, now.Format(time.DateOnly))
	a.ServicePeriod.To = orDefault(a.ServicePeriod.To, noEnd)
	if len(a.SignInMethods) == 0 {
		a.SignInMethods = []SignInMethod{{Method: "standard", Status: "enabled", MFAStatus: "disabled"}}
	}
	if n.AuthConfig == nil {
		n.AuthConfig = json.RawMessage("{}")
	}
	var errID, errConfig error
	a.ID, errID = idOrNew(n.ID)
	a.AuthConfig, errConfig = compactObject("auth_config", n.AuthConfig)
	if err := valid(errID, checkNeeded("name", a.Name), a.ServicePeriod.check(),
		checkName("friendly_identifier", a.FriendlyIdentifier), errConfig, checkSignInMethods(a.SignInMethods),
		atMost("oauth_clients", len(n.OAuthClients), maxOAuthClients), checkLocale(a.Locale)); err != nil {
		return Account{}, err
	}
	for i, raw := range n.OAuthClients {
		client, err := compactObject(at("oauth_clients", i), raw)
		if err != nil {
			return Account{}, err
		}
		a.OAuthClients = append(a.OAuthClients, client)
	}
	return a, nil
}

func (p ServicePeriod) check() error {
	from, errFrom := parseDay("service_period.from", p.From)
	to, errTo := parseDay("service_period.to", p.To)
	if err := valid(errFrom, errTo); err != nil {
		return err
	}
	if to.Before(from) {
		return problem.Bad("service_period.to", p.To, "must not be before service_period.from")
	}
	return nil
}

func checkSignInMethods(ms []SignInMethod) error {
	if err := atMost("sign_in_methods", len(ms), maxSignInMethods); err != nil {
		return err
	}
	for i, m := range ms {
		field := at("sign_in_methods", i)
		if err := valid(
			checkForm(field+".signInMethod", m.Method, wordForm, "a word such as standard"),
			oneOf(field+".status", m.Status, "enabled", "disabled"),
			oneOf(field+".mfaStatus", m.MFAStatus, "enabled", "disabled"),
		); err != nil {
			return err
		}
	}
	return nil
}

// CreateAccount makes an account. It needs ManageAccounts on the whole server.
func (d *Directory) CreateAccount(ctx context.Context, c Caller, n NewAccount) (Account, error) {
	var a Account
	st, err := d.change(ctx, c, "create account", func(t *change, c Caller) error {
		if !c.MayServer(ManageAccounts) {
			return mayNot(ManageAccounts)
		}
		var err error
		if a, err = n.make(t.now); err != nil {
			return err
		}
		if t.st.accountByID[a.ID] != nil {
			return conflict("id", a.ID, "there is an account with this id")
		}
		if err := t.st.identifierIsFree(&a); err != nil {
			return err
		}
		return t.insertAccount(&a)
	})
	if err != nil {
		return Account{}, err
	}
	return *st.accountByID[a.ID], nil
}

func (t *change) insertAccount(a *Account) error {
	return t.exec(`INSERT INTO accounts (id, name, active, service_from, service_to, friendly_identifier, auth_config,
		sign_in_methods, oauth_clients, locale, created_at) VALUES (?,?,?,?,?,?,?,?,?,?,?)`,
		a.ID, a.Name, a.Active, a.ServicePeriod.From, a.ServicePeriod.To, a.FriendlyIdentifier, string(a.AuthConfig),
		toJSON(a.SignInMethods), toJSON(a.OAuthClients), a.Locale, a.CreatedAt.Unix())
}

// Account returns the account to a caller who may see it.
func (d *Directory) Account(_ context.Context, c Caller, id string) (Account, error) {
	if !c.mayAnywhere(ViewAccounts) {
		return Account{}, mayNot(ViewAccounts)
	}
	a := d.state.Load().accountByID[id]
	if a == nil || !c.May(ViewAccounts, id) {
		return Account{}, noSuch("account")
	}
	return *a, nil
}

// ReadableAccount returns the id of the account that a script calls name: the one with this id, else the one
// with this friendly identifier. Only accounts of whose trail the caller may read at least a part count, also
// for callers who may not look accounts up; any other name is answered like an unknown one.
func (d *Directory) ReadableAccount(c Caller, name string) (id string, ok bool) {
	st := d.state.Load()
	if st.accountByID[name] != nil && c.mayInPart(ReadTrail, name) {
		return name, true
	}
	i := slices.IndexFunc(st.accounts, func(a *Account) bool {
		return a.FriendlyIdentifier == name && name != "" && c.mayInPart(ReadTrail, a.ID)
	})
	if i < 0 {
		return "", false
	}
	return st.accounts[i].ID, true
}

// Accounts returns the accounts that the caller may see in the order in which they were made, and how many
// there are on all pages.
func (d *Directory) Accounts(_ context.Context, c Caller, p Page) ([]Account, int, error) {
	if !c.mayAnywhere(ViewAccounts) {
		return nil, 0, mayNot(ViewAccounts)
	}
	var seen []*Account
	for _, a := range d.state.Load().accounts {
		if c.May(ViewAccounts, a.ID) {
			seen = append(seen, a)
		}
	}
	return page(seen, p, func(a *Account) Account { return *a })
}

// DeleteAccount deletes an account that nothing refers to any more, and its divisions. It needs
// ManageAccounts on the whole server. Entries of the account stay in the trail.
func (d *Directory) DeleteAccount(ctx context.Context, c Caller, id string) error {
	_, err := d.change(ctx, c, "delete account", func(t *change, c Caller) error {
		if !c.mayAnywhere(ManageAccounts) {
			return mayNot(ManageAccounts)
		}
		if t.st.accountByID[id] == nil || !c.May(ViewAccounts, id) {
			return noSuch("account")
		}
		if !c.MayServer(ManageAccounts) {
			return mayNot(ManageAccounts)
		}
		if id == OwnAccount {
			return conflict("id", id, "the server's own account stays")
		}
		if err := t.st.unused(id); err != nil {
			return err
		}
		return t.exec(`DELETE FROM accounts WHERE id = ?`, id)
	})
	return err
}

// unused returns a Conflict while anything refers to the account. Deleting what refers to it along with it
// would turn a token that is bound to this account only into one that is bound to none.
func (st *state) unused(id string) error {
	users, bound := 0, 0
	for _, u := range st.users {
		if slices.Contains(u.memberOf, id) {
			users++
		}
		for _, t := range u.tokens {
			if slices.Contains(t.Accounts, id) {
				bound++
			}
		}
		for _, v := range u.certificates {
			if slices.Contains(v.Accounts, id) {
				bound++
			}
		}
	}
	switch {
	case users > 0:
		return conflict("id", id, "%d users, deleted ones included, still belong to this account: purge them first", users)
	case bound > 0:
		return conflict("id", id, "%d tokens and certificates are still bound to this account: delete them first", bound)
	}
	return nil
}
