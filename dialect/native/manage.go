package native

import (
	"context"
	"net/url"

	"countersign/identity"
	"countersign/problem"
)

// manage routes what identity holds. Who may do what is decided there alone.
func (h *Handler) manage() {
	h.accounts()
	h.divisions()
	h.users()
	h.tokens()
	h.certificates()
	h.roles()
}

func (h *Handler) accounts() {
	d := h.identity
	h.handle("POST /api/v1/accounts", create(d.CreateAccount, func(a identity.Account) string {
		return "/api/v1/accounts/" + url.PathEscape(a.ID)
	}))
	h.handle("GET /api/v1/accounts", index(func(ctx context.Context, c identity.Caller, _ params, p identity.Page) ([]identity.Account, int, error) {
		return d.Accounts(ctx, c, p)
	}))
	h.handle("GET /api/v1/accounts/{id}", show(func(ctx context.Context, c identity.Caller, id string, _ params) (identity.Account, error) {
		return d.Account(ctx, c, id)
	}))
	h.handle("PATCH /api/v1/accounts/{id}", update(func(ctx context.Context, c identity.Caller, id string, _ params, n identity.AccountUpdate) (identity.Account, error) {
		return d.UpdateAccount(ctx, c, id, n)
	}))
	h.handle("DELETE /api/v1/accounts/{id}", remove(func(ctx context.Context, c identity.Caller, id string, _ params) error {
		return d.DeleteAccount(ctx, c, id)
	}))
}

func (h *Handler) divisions() {
	d := h.identity
	h.handle("POST /api/v1/divisions", create(d.CreateDivision, func(v identity.Division) string {
		return "/api/v1/divisions/" + url.PathEscape(v.ID) + "?account_id=" + url.QueryEscape(v.Account)
	}))
	h.handle("GET /api/v1/divisions", index(func(ctx context.Context, c identity.Caller, ps params, p identity.Page) ([]identity.Division, int, error) {
		return d.Divisions(ctx, c, ps["account_id"], p)
	}, "account_id"))
	h.handle("GET /api/v1/divisions/{id}", show(func(ctx context.Context, c identity.Caller, id string, ps params) (identity.Division, error) {
		return d.Division(ctx, c, ps["account_id"], id)
	}, "account_id"))
	h.handle("PATCH /api/v1/divisions/{id}", update(func(ctx context.Context, c identity.Caller, id string, ps params, n identity.DivisionUpdate) (identity.Division, error) {
		return d.UpdateDivision(ctx, c, ps["account_id"], id, n)
	}, "account_id"))
	h.handle("DELETE /api/v1/divisions/{id}", remove(func(ctx context.Context, c identity.Caller, id string, ps params) error {
		return d.DeleteDivision(ctx, c, ps["account_id"], id)
	}, "account_id"))
}

func (h *Handler) users() {
	d := h.identity
	h.handle("POST /api/v1/users", create(d.CreateUser, func(u identity.User) string {
		return "/api/v1/users/" + url.PathEscape(u.ID)
	}))
	h.handle("GET /api/v1/users", index(func(ctx context.Context, c identity.Caller, ps params, p identity.Page) ([]identity.User, int, error) {
		return d.Users(ctx, c, identity.UserFilter{Type: identity.UserType(ps["user_type"]), Account: ps["account_id"], Page: p})
	}, "user_type", "account_id"))
	h.handle("GET /api/v1/users/{id}", show(func(ctx context.Context, c identity.Caller, id string, _ params) (identity.User, error) {
		return d.User(ctx, c, id)
	}))
	h.handle("PATCH /api/v1/users/{id}", update(func(ctx context.Context, c identity.Caller, id string, _ params, n identity.UserUpdate) (identity.User, error) {
		return d.UpdateUser(ctx, c, id, n)
	}))
	h.handle("DELETE /api/v1/users/{id}", remove(func(ctx context.Context, c identity.Caller, id string, ps params) error {
		purge, err := ps.flag("purge")
		if err != nil {
			return err
		}
		return d.DeleteUser(ctx, c, id, purge)
	}, "purge"))
}

func (h *Handler) tokens() {
	d := h.identity
	h.handle("POST /api/v1/tokens", create(func(ctx context.Context, c identity.Caller, n identity.NewToken) (newToken, error) {
		t, secret, err := d.CreateToken(ctx, c, n)
		return newToken{t, secret}, err
	}, func(t newToken) string { return "/api/v1/tokens/" + url.PathEscape(t.ID) }))
	h.handle("GET /api/v1/tokens", index(func(ctx context.Context, c identity.Caller, ps params, p identity.Page) ([]identity.Token, int, error) {
		return d.Tokens(ctx, c, ps["user_id"], p)
	}, "user_id"))
	h.handle("GET /api/v1/tokens/{id}", show(func(ctx context.Context, c identity.Caller, id string, _ params) (identity.Token, error) {
		return d.Token(ctx, c, id)
	}))
	h.handle("PATCH /api/v1/tokens/{id}", update(func(ctx context.Context, c identity.Caller, id string, _ params, n identity.TokenUpdate) (identity.Token, error) {
		return d.UpdateToken(ctx, c, id, n)
	}))
	h.handle("DELETE /api/v1/tokens/{id}", remove(func(ctx context.Context, c identity.Caller, id string, _ params) error {
		return d.DeleteToken(ctx, c, id)
	}))
}

// newToken is a token with its text, which is shown in this one answer.
type newToken struct {
	identity.Token
	Secret string `json:"token"`
}

func (h *Handler) certificates() {
	d := h.identity
	h.handle("POST /api/v1/certificates", create(d.AddCertificate, func(v identity.Certificate) string {
		return "/api/v1/certificates/" + url.PathEscape(v.ID)
	}))
	h.handle("GET /api/v1/certificates", index(func(ctx context.Context, c identity.Caller, ps params, p identity.Page) ([]identity.Certificate, int, error) {
		return d.Certificates(ctx, c, ps["user_id"], p)
	}, "user_id"))
	h.handle("GET /api/v1/certificates/{id}", show(func(ctx context.Context, c identity.Caller, id string, _ params) (identity.Certificate, error) {
		return d.Certificate(ctx, c, id)
	}))
	h.handle("PATCH /api/v1/certificates/{id}", update(func(ctx context.Context, c identity.Caller, id string, _ params, n identity.CertificateUpdate) (identity.Certificate, error) {
		return d.UpdateCertificate(ctx, c, id, n)
	}))
	h.handle("DELETE /api/v1/certificates/{id}", remove(func(ctx context.Context, c identity.Caller, id string, _ params) error {
		return d.DeleteCertificate(ctx, c, id)
	}))
}

// The members of a grant, by which one is found and taken back: it has no id of its own.
var grantMembers = []string{"user_id", "role", "account_id", "server"}

func (h *Handler) roles() {
	d := h.identity
	h.handle("POST /api/v1/roles", create(func(ctx context.Context, c identity.Caller, n newRole) (identity.RoleGrant, error) {
		if n.UserID == "" {
			return identity.RoleGrant{}, problem.Bad("user_id", "", "is required")
		}
		return d.Grant(ctx, c, n.UserID, n.Grant)
	}, func(g identity.RoleGrant) string {
		q := url.Values{"user_id": {g.UserID}, "role": {string(g.Role)}}
		if g.Server {
			q.Set("server", "true")
		} else {
			q.Set("account_id", g.Account)
		}
		return "/api/v1/roles?" + q.Encode()
	}))
	h.handle("GET /api/v1/roles", index(func(ctx context.Context, c identity.Caller, ps params, p identity.Page) ([]identity.RoleGrant, int, error) {
		server, err := ps.flag("server")
		if err != nil {
			return nil, 0, err
		}
		return d.Roles(ctx, c, identity.RoleFilter{
			UserID: ps["user_id"], Role: identity.Role(ps["role"]), Account: ps["account_id"], Server: server, Page: p,
		})
	}, grantMembers...))
	h.handle("DELETE /api/v1/roles", remove(func(ctx context.Context, c identity.Caller, _ string, ps params) error {
		for _, name := range []string{"user_id", "role"} {
			if ps[name] == "" {
				return problem.Bad(name, "", "is required")
			}
		}
		server, err := ps.flag("server")
		if err != nil {
			return err
		}
		return d.Revoke(ctx, c, ps["user_id"], identity.Grant{Role: identity.Role(ps["role"]), Server: server, Account: ps["account_id"]})
	}, grantMembers...))
}

// newRole is a grant to be given to a user.
type newRole struct {
	UserID string `json:"user_id"`
	identity.Grant
}
