// Package digicertone is the DigiCert ONE Account Manager compatible API under /account/api/v1: the audit
// log, users, accounts, roles and API tokens, to be read by scripts that were written for the vendor, unchanged.
//
// Terms. An item is an entry as this vendor shows it. A refusal is an answer other than 200.
//
// Promises. Every parameter filters by what the item shows (the mapping law of docs/compatibility.md). A
// parameter that is known and wrong is a refusal that names it; one that is unknown is ignored, as the
// vendor does. Totals are exact at the tree size that the answer names. Each failure is answered in the
// vendor's shape, and nothing of an internal one but an id is shown.
//
// Trust. The request is foreign: its query is bounded in bytes and parameters before it is looked at, what
// is repeated of it is cut and made printable, and a page is handed on in parts, so that no request makes
// the server hold more than the entries it asked for and one rendered part. Whose token it is and what it
// may see is decided by identity alone, for entries in one line of searchable.
//
// It leaves to package server: listeners, timeouts, rate limits and request ids; to store: search and the
// tree size that a paging script goes on with; to identity: users, accounts, rights.
package digicertone

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"countersign/dialect/answer"
	"countersign/event"
	"countersign/identity"
	"countersign/query"
	"countersign/store"
)

// Prefix is the path that everything here lies under.
const Prefix = "/account/api/v1/"

// tokenHeader is where this vendor's scripts put their token.
const tokenHeader = "X-Api-Key"

const contentType = "application/json"

// Trail is what this API needs of a store; *store.Store is one.
type Trail interface {
	// SearchPinned answers q; token ties the pages of one caller's loop to one tree size.
	SearchPinned(ctx context.Context, token string, q query.Query) (store.Page, error)
	// Find returns the first match of q, in order, that pick takes, nil when it takes none, and the size of
	// the trail that was looked at. The entry is shared and must not be changed.
	Find(ctx context.Context, q query.Query, pick func(*event.Entry) bool) (found *event.Entry, size uint64, err error)
}

// Deps are the parts that the API stands on.
type Deps struct {
	Trail    Trail
	Identity *identity.Directory
	Logger   *slog.Logger // nil discards
	// SignIn tells who calls; nil asks Identity.
	SignIn answer.SignIn
}

// Handler answers the API.
type Handler struct {
	trail    Trail
	identity *identity.Directory
	log      *slog.Logger
	signIn   answer.SignIn
	routes   map[string]endpoint // by pattern
	// scanning lets one request at a time read through the trail for a computed id.
	scanning chan struct{}
}

// New returns the handler of everything under Prefix.
func New(d Deps) *Handler {
	h := &Handler{
		trail: d.Trail, identity: d.Identity, log: answer.Logger(d.Logger), signIn: d.SignIn.OrOf(d.Identity), scanning: make(chan struct{}, 1),
	}
	h.routes = map[string]endpoint{
		Prefix + "audit-log":             h.entries,
		Prefix + "audit-log/{id}":        h.entry,
		Prefix + "user":                  h.users,
		Prefix + "user/{id}":             h.user,
		Prefix + "account":               h.accounts,
		Prefix + "account/{id}":          h.account,
		Prefix + "role":                  h.roles,
		Prefix + "api-access-token":      h.tokens,
		Prefix + "api-access-token/{id}": h.token,
	}
	return h
}

// Routes returns the patterns of all that is answered, such as "GET /account/api/v1/user/{id}". HEAD goes
// with each GET.
func (h *Handler) Routes() []string {
	var all []string
	for path := range h.routes {
		all = append(all, http.MethodGet+" "+path)
	}
	slices.Sort(all)
	return all
}

// ServeHTTP answers a request, also one for a path or method that is not known.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.serve(w, r); err != nil {
		h.Refuse(w, r, err)
	}
}

// call is one request of a known caller for a known path.
type call struct {
	*http.Request
	caller identity.Caller
	params params
	id     string // what follows the collection's name in the path
}

// endpoint answers a call. An error it returns is answered by Refuse, so it must not have written anything.
type endpoint func(w http.ResponseWriter, c call) error

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	found, id := h.route(r)
	if found == nil {
		return errNoRoute
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return errMethod
	}
	caller, err := h.signIn(r, tokenHeader)
	if err != nil {
		return err
	}
	ps, err := parseParams(r.URL.RawQuery)
	if err != nil {
		return err
	}
	return found(w, call{Request: r, caller: caller, params: ps, id: id})
}

// route returns the endpoint of a path and the id in it, nil when there is none. It cuts the path as it was
// sent, since an id may hold an encoded slash, and notes the pattern on the request for whoever logs it. No
// ServeMux does this here: it answers a path such as //user with a redirection that no script expects.
func (h *Handler) route(r *http.Request) (found endpoint, id string) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), Prefix)
	if !ok {
		return nil, ""
	}
	collection, rest, one := strings.Cut(path, "/")
	id, err := url.PathUnescape(rest)
	if err != nil || !utf8.ValidString(id) || strings.Contains(rest, "/") || one && id == "" {
		return nil, ""
	}
	pattern := Prefix + collection
	if one {
		pattern += "/{id}"
	}
	found = h.routes[pattern]
	if found != nil {
		r.Pattern = pattern
	}
	return found, id
}

// searchable returns the filter that finds what of f's entries the caller is to see. The server's own
// records of reading and running are left out unless they are asked for: a list that shows that it was read
// has other pages at the next read.
func searchable(c identity.Caller, f query.Filter, includeSelf bool) (query.Filter, error) {
	if !includeSelf {
		f = query.And{f, query.Not{Filter: identity.OwnRecords()}}
	}
	return c.Restrict(identity.ReadTrail, f)
}

// entries answers GET /audit-log.
func (h *Handler) entries(w http.ResponseWriter, c call) error {
	s, err := decodeSearch(c.params)
	if err != nil {
		return err
	}
	if s.query.Filter, err = searchable(c.caller, s.query.Filter, s.includeSelf); err != nil {
		return err
	}
	found, err := h.trail.SearchPinned(c.Context(), c.caller.CredentialID(), s.query)
	if err != nil {
		return err
	}
	answer.SetHeaders(w.Header(), contentType)
	answer.SetAsOf(w.Header(), found.TreeSize)
	page{found.Total, s.query.Offset, s.query.Limit, found.Entries}.render(w)
	return nil
}
