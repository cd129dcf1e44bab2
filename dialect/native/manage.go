package native

import (
	"context"
	"math"
	"net/http"
	"net/url"

	"countersign/identity"
)

// manage routes accounts, divisions, users and tokens. Who may do what is decided by identity alone.
func (h *Handler) manage() {
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
	h.handle("DELETE /api/v1/accounts/{id}", remove(func(ctx context.Context, c identity.Caller, id string, _ params) error {
		return d.DeleteAccount(ctx, c, id)
	}))

	h.handle("POST /api/v1/divisions", create(d.CreateDivision, func(v identity.Division) string {
		return "/api/v1/divisions/" + url.PathEscape(v.ID) + "?account_id=" + url.QueryEscape(v.Account)
	}))
	h.handle("GET /api/v1/divisions", index(func(ctx context.Context, c identity.Caller, ps params, p identity.Page) ([]identity.Division, int, error) {
		return d.Divisions(ctx, c, ps["account_id"], p)
	}, "account_id"))
	h.handle("GET /api/v1/divisions/{id}", show(func(ctx context.Context, c identity.Caller, id string, ps params) (identity.Division, error) {
		return d.Division(ctx, c, ps["account_id"], id)
	}, "account_id"))
	h.handle("DELETE /api/v1/divisions/{id}", remove(func(ctx context.Context, c identity.Caller, id string, ps params) error {
		return d.DeleteDivision(ctx, c, ps["account_id"], id)
	}, "account_id"))

	h.handle("POST /api/v1/users", create(d.CreateUser, func(u identity.User) string {
		return "/api/v1/users/" + url.PathEscape(u.ID)
	}))
	h.handle("GET /api/v1/users", index(func(ctx context.Context, c identity.Caller, ps params, p identity.Page) ([]identity.User, int, error) {
		return d.Users(ctx, c, identity.UserFilter{Type: identity.UserType(ps["user_type"]), Account: ps["account_id"], Page: p})
	}, "user_type", "account_id"))
	h.handle("GET /api/v1/users/{id}", show(func(ctx context.Context, c identity.Caller, id string, _ params) (identity.User, error) {
		return d.User(ctx, c, id)
	}))
	h.handle("DELETE /api/v1/users/{id}", remove(func(ctx context.Context, c identity.Caller, id string, ps params) error {
		purge, err := ps.flag("purge")
		if err != nil {
			return err
		}
		return d.DeleteUser(ctx, c, id, purge)
	}, "purge"))

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
	h.handle("DELETE /api/v1/tokens/{id}", remove(func(ctx context.Context, c identity.Caller, id string, _ params) error {
		return d.DeleteToken(ctx, c, id)
	}))
}

// newToken is a token with its text, which is shown in this one answer.
type newToken struct {
	identity.Token
	Secret string `json:"token"`
}

// create answers a POST to a collection: 201 with what was made and its place.
func create[N, V any](made func(context.Context, identity.Caller, N) (V, error), place func(V) string) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
		if _, err := parseParams(r.URL.RawQuery); err != nil {
			return err
		}
		var n N
		if err := decodeBody(w, r, &n); err != nil {
			return err
		}
		v, err := made(r.Context(), c, n)
		if err != nil {
			return err
		}
		w.Header().Set("Location", place(v))
		writeJSON(w, "application/json", http.StatusCreated, v)
		return nil
	}
}

// collection is a page of things.
type collection[V any] struct {
	Total  int `json:"total"`
	Offset int `json:"offset"`
	Limit  int `json:"limit"`
	Items  []V `json:"items"`
}

// index answers a GET of a collection; known are the parameters beside offset and limit.
func index[V any](all func(context.Context, identity.Caller, params, identity.Page) ([]V, int, error), known ...string) handlerFunc {
	known = append(known, "offset", "limit")
	return func(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
		ps, err := parseParams(r.URL.RawQuery, known...)
		if err != nil {
			return err
		}
		offset, err := ps.number("offset", 0, math.MaxInt)
		if err != nil {
			return err
		}
		limit, err := ps.number("limit", defaultLimit, maxLimit)
		if err != nil {
			return err
		}
		// To identity a limit of 0 is none; here it asks for the total only.
		items, total, err := all(r.Context(), c, ps, identity.Page{Offset: int(offset), Limit: max(int(limit), 1)})
		if err != nil {
			return err
		}
		if limit == 0 {
			items = items[:0]
		}
		writeJSON(w, "application/json", http.StatusOK, collection[V]{total, int(offset), int(limit), items})
		return nil
	}
}

// show answers a GET of one thing.
func show[V any](one func(context.Context, identity.Caller, string, params) (V, error), known ...string) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
		ps, err := parseParams(r.URL.RawQuery, known...)
		if err != nil {
			return err
		}
		v, err := one(r.Context(), c, r.PathValue("id"), ps)
		if err != nil {
			return err
		}
		writeJSON(w, "application/json", http.StatusOK, v)
		return nil
	}
}

// remove answers a DELETE: 204 and nothing.
func remove(gone func(context.Context, identity.Caller, string, params) error, known ...string) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
		ps, err := parseParams(r.URL.RawQuery, known...)
		if err != nil {
			return err
		}
		if err := gone(r.Context(), c, r.PathValue("id"), ps); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}
