package digicertone

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"countersign/dialect/answer"
	"countersign/identity"
	"countersign/problem"
)

// user answers GET /user/{id}, where id may be me.
func (h *Handler) user(w http.ResponseWriter, c call) error {
	u, err := h.identity.User(c.Context(), c.caller, c.id)
	if problem.KindOf(err) == problem.NotFound {
		return errNoUser
	}
	if err != nil {
		return err
	}
	answer.Whole(w, http.StatusOK, contentType, appendUser(nil, u))
	return nil
}

// users answers GET /user: all that the caller may know of, deleted ones with their status.
func (h *Handler) users(w http.ResponseWriter, c call) error {
	var filter identity.UserFilter
	switch v := c.params.first("user_type"); v {
	case "", string(identity.Standard), string(identity.Service):
		filter.Type = identity.UserType(v)
	default:
		return bad("user_type", v)
	}
	users, _, err := h.identity.Users(c.Context(), c.caller, filter)
	if err != nil {
		return err
	}
	answer.SetHeaders(w.Header(), contentType)
	renderArray(w, nil, users, appendUser, "")
	return nil
}

// account answers GET /account/{id}.
func (h *Handler) account(w http.ResponseWriter, c call) error {
	a, err := h.identity.Account(c.Context(), c.caller, c.id)
	if problem.KindOf(err) == problem.NotFound {
		return errNoAccount
	}
	if err != nil {
		return err
	}
	answer.Whole(w, http.StatusOK, contentType, appendAccount(nil, a))
	return nil
}

// accounts answers GET /account.
func (h *Handler) accounts(w http.ResponseWriter, c call) error {
	accounts, _, err := h.identity.Accounts(c.Context(), c.caller, identity.Page{})
	if err != nil {
		return err
	}
	answer.SetHeaders(w.Header(), contentType)
	renderArray(w, nil, accounts, appendAccount, "")
	return nil
}

// appendUser appends a user. The order of the members is the vendor's. Service users have no names of
// persons, and no phone unless one was given.
func appendUser(b []byte, u identity.User) []byte {
	b = appendMember(append(b, '{'), "id", u.ID)
	if u.Type != identity.Service {
		b = appendMember(append(b, ','), "user_name", u.UserName)
		b = appendMember(append(b, ','), "first_name", u.FirstName)
		b = appendMember(append(b, ','), "last_name", u.LastName)
	}
	b = appendMember(append(b, ','), "email", u.Email)
	if u.Type != identity.Service || u.Phone != "" {
		b = appendMember(append(b, ','), "phone", u.Phone)
	}
	b = appendMember(append(b, ','), "status", string(u.Status))
	b = appendMember(append(b, ','), "access_scope", u.AccessScope)
	b = appendMember(append(b, ','), "primary_account_id", u.PrimaryAccountID)
	b = appendMember(append(b, ','), "created_at", u.CreatedAt.UTC().Format(time.RFC3339))
	b = appendMember(append(b, ','), "created_by", u.CreatedBy)
	b = appendMember(append(b, ','), "user_type", string(u.Type))
	b = appendMember(append(b, ','), "friendly_name", u.FriendlyName)
	b = appendMember(append(b, ','), "description", u.Description)
	b = appendMember(append(b, ','), "locale", u.Locale)
	b = append(b, `,"applications":`...)
	b = appendArray(b, u.Applications, appendApplication)
	b = append(b, `,"accounts":`...)
	b = appendArray(b, u.Accounts, appendSummary)
	return append(b, '}')
}

func appendApplication(b []byte, a identity.Application) []byte {
	b = appendMember(append(b, '{'), "id", a.ID)
	b = appendMember(append(b, ','), "name", a.Name)
	b = append(b, `,"permissions":`...)
	b = appendArray(b, a.Permissions, appendString)
	return append(b, '}')
}

// appendSummary appends what a user object tells of an account.
func appendSummary(b []byte, a identity.AccountSummary) []byte {
	b = appendAccountHead(append(b, '{'), a)
	b = appendMember(append(b, ','), "locale", a.Locale)
	return append(b, '}')
}

// appendAccount appends an account. The names of the sign-in methods' members are the vendor's too.
func appendAccount(b []byte, a identity.Account) []byte {
	b = appendAccountHead(append(b, '{'), identity.AccountSummary{
		ID: a.ID, Name: a.Name, Active: a.Active, ServicePeriod: a.ServicePeriod, FriendlyIdentifier: a.FriendlyIdentifier,
	})
	b = append(b, `,"admins":`...)
	b = appendArray(b, a.Admins, appendAdmin)
	b = append(b, `,"auth_config":`...)
	b = append(b, a.AuthConfig...)
	b = append(b, `,"sign_in_methods":`...)
	b = appendArray(b, a.SignInMethods, appendSignInMethod)
	b = append(b, `,"oauth_clients":`...)
	b = appendArray(b, a.OAuthClients, func(b []byte, client json.RawMessage) []byte { return append(b, client...) })
	b = appendMember(append(b, ','), "locale", a.Locale)
	return append(b, '}')
}

// appendAccountHead appends the members that both forms of an account begin with.
func appendAccountHead(b []byte, a identity.AccountSummary) []byte {
	b = appendMember(b, "id", a.ID)
	b = appendMember(append(b, ','), "name", a.Name)
	b = append(b, `,"active":`...)
	b = strconv.AppendBool(b, a.Active)
	b = appendMember(append(b, `,"service_period":{`...), "from", a.ServicePeriod.From)
	b = appendMember(append(b, ','), "to", a.ServicePeriod.To)
	return appendMember(append(b, `},`...), "friendly_identifier", a.FriendlyIdentifier)
}

func appendAdmin(b []byte, a identity.Admin) []byte {
	b = appendMember(append(b, '{'), "id", a.ID)
	if a.Name != "" {
		b = appendMember(append(b, ','), "name", a.Name)
	}
	b = appendMember(append(b, ','), "email", a.Email)
	return append(b, '}')
}

func appendSignInMethod(b []byte, m identity.SignInMethod) []byte {
	b = appendMember(append(b, '{'), "signInMethod", m.Method)
	b = appendMember(append(b, ','), "status", m.Status)
	b = appendMember(append(b, ','), "mfaStatus", m.MFAStatus)
	b = append(b, `,"clientAuthCertLoginEnabled":`...)
	b = strconv.AppendBool(b, m.ClientAuthCertLoginEnabled)
	return append(b, '}')
}
