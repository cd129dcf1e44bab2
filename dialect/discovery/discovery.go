// Package discovery is the CertCentral Discovery compatible audit-log API under /apicontroller/v1: the list
// and the distinct values of a column of it, to be read by scripts that were written for the vendor,
// unchanged.
//
// Terms. A row is an entry as this vendor shows it. A criterion is one condition of a request: a key and the
// values of which a row must show one. A column is what filterSelected names. A refusal is an answer other
// than 200.
//
// Promises. Every criterion finds by what the row shows (the mapping law of docs/compatibility.md), and every
// order is that of what is shown. A member of a request that is known and wrong is a refusal that names it;
// one that is unknown is ignored, as the vendor does. Totals are exact at the tree size that the answer
// names; the values of a column are all there, sorted and without repeats, however many they are. Each
// failure is answered in the vendor's shape, and nothing of an internal one but an id is shown.
//
// Trust. The request is foreign: its body is bounded in bytes, criteria and values while it is read, what is
// repeated of it is cut and made printable, and an answer is handed on in parts, so that no request makes the
// server hold more than the entries it asked for and one rendered part. Whose token it is and what it may see
// is decided by identity alone, for entries in one line of searchable.
//
// It leaves to package server: listeners, timeouts, rate limits and request ids; to store: search, the tree
// size that a paging script goes on with, and the integers that stand for ids; to identity: accounts, rights.
package discovery

import (
	"context"
	"log/slog"
	"net/http"
	"slices"

	"countersign/dialect/answer"
	"countersign/event"
	"countersign/identity"
	"countersign/query"
	"countersign/store"
)

// Prefix is the path that everything here lies under.
const Prefix = "/apicontroller/v1/"

// tokenHeader is where this vendor's scripts put their token.
const tokenHeader = "X-Dc-Devkey"

const contentType = "application/json"

// Trail is what this API needs of a store; *store.Store is one.
type Trail interface {
	// Search answers q at the newest tree size, or at q.AsOf.
	Search(ctx context.Context, q query.Query) (store.Page, error)
	// SearchPinned answers q; token ties the pages of one caller's loop to one tree size.
	SearchPinned(ctx context.Context, token string, q query.Query) (store.Page, error)
	// Each calls fn with the matches of q in order until fn returns an error, which it returns. The entry
	// is shared and must not be changed.
	Each(ctx context.Context, q query.Query, fn func(*event.Entry) error) (store.Page, error)
	// Texts calls visit with each text by which q.Sort orders the matches of q, at least once, in no order. A text
	// is good until visit returns.
	Texts(ctx context.Context, q query.Query, visit func(string)) (store.Page, error)
	integers
}

// integers knows the numbers that stand for ids in this API.
type integers interface {
	IntegerID(k store.IDKind, id string) (int64, bool)
	IDOfInteger(k store.IDKind, n int64) (string, bool)
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
	routes   map[string]endpoint // by path
	// collecting lets one request at a time read through the trail for the values of a column.
	collecting chan struct{}
	// held bounds what those values take in memory, in bytes.
	held int
}

// New returns the handler of everything under Prefix.
func New(d Deps) *Handler {
	h := &Handler{
		trail: d.Trail, identity: d.Identity, log: answer.Logger(d.Logger), signIn: d.SignIn.OrOf(d.Identity),
		collecting: make(chan struct{}, 1), held: heldBytes,
	}
	h.routes = map[string]endpoint{
		Prefix + "auditlog/list":   h.list,
		Prefix + "auditlog/filter": h.values,
	}
	return h
}

// Routes returns the patterns of all that is answered.
func (h *Handler) Routes() []string {
	var all []string
	for path := range h.routes {
		all = append(all, http.MethodPost+" "+path)
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

// endpoint answers the request of a known caller. An error it returns is answered by Refuse, so it must not
// have written anything.
type endpoint func(w http.ResponseWriter, r *http.Request, c identity.Caller, asked request) error

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	// The path as it was sent. No ServeMux does this here: it answers a path such as //auditlog/list with a
	// redirection that no script expects.
	path := r.URL.EscapedPath()
	found := h.routes[path]
	if found == nil {
		return errNoRoute
	}
	r.Pattern = path // for whoever logs the request
	if r.Method != http.MethodPost {
		return errMethod
	}
	caller, err := h.signIn(r, tokenHeader)
	if err != nil {
		return err
	}
	includeSelf, err := decodeIncludeSelf(r.URL.RawQuery)
	if err != nil {
		return err
	}
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	asked, err := decode(body)
	if err != nil {
		return err
	}
	asked.includeSelf = includeSelf
	return found(w, r, caller, asked)
}

// searchable returns the filter that finds what was asked for of what the caller is to see. The server's own
// records of reading and running are left out unless they are asked for: a list that shows that it was read
// has other pages at the next read.
func (h *Handler) searchable(c identity.Caller, asked request) (query.Filter, error) {
	f := query.And{h.ofAccount(c, asked.account)}
	if len(asked.divisions) > 0 {
		f = append(f, ofDivisions(h.trail, asked.divisions))
	}
	f = append(f, asked.criteria...)
	if !asked.includeSelf {
		f = append(f, query.Not{Filter: identity.OwnRecords()})
	}
	return c.Restrict(identity.ReadTrail, f)
}

// list answers POST /auditlog/list.
func (h *Handler) list(w http.ResponseWriter, r *http.Request, c identity.Caller, asked request) error {
	f, err := h.searchable(c, asked)
	if err != nil {
		return err
	}
	found, err := h.trail.SearchPinned(r.Context(), c.CredentialID(), query.Query{Filter: f, Sort: asked.sort, Offset: asked.offset, Limit: asked.limit})
	if err != nil {
		return err
	}
	answer.SetHeaders(w.Header(), contentType)
	answer.SetAsOf(w.Header(), found.TreeSize)
	renderPage(w, h.trail, found)
	return nil
}
