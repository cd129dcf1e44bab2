package native

import (
	"context"
	"math"
	"net/http"

	"countersign/identity"
	"countersign/problem"
)

// create answers a POST to a collection: 201 with what was made and its place.
func create[N, V any](made func(context.Context, identity.Caller, N) (V, error), place func(V) string) handlerFunc {
	return createUpTo(maxManageBytes, made, place)
}

// createUpTo is create for a body of at most so many bytes.
func createUpTo[N, V any](most int64, made func(context.Context, identity.Caller, N) (V, error), place func(V) string) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
		if _, err := parseParams(r.URL.RawQuery); err != nil {
			return err
		}
		var n N
		if err := decodeBody(most, w, r, &n, mediaJSON); err != nil {
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

// update answers a PATCH of one thing: members of the body that are absent stay as they are.
func update[U, V any](changed func(context.Context, identity.Caller, string, params, U) (V, error), known ...string) handlerFunc {
	return updateUpTo(maxManageBytes, changed, known...)
}

// updateUpTo is update for a body of at most so many bytes.
func updateUpTo[U, V any](most int64, changed func(context.Context, identity.Caller, string, params, U) (V, error), known ...string) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
		ps, err := parseParams(r.URL.RawQuery, known...)
		if err != nil {
			return err
		}
		var n *U
		if err := decodeBody(most, w, r, &n, mediaJSON, mediaMergePatch); err != nil {
			return err
		}
		if n == nil {
			return problem.Bad("body", "", "must be an object")
		}
		v, err := changed(r.Context(), c, r.PathValue("id"), ps, *n)
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
