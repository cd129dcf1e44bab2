// Package keyfactor is the Keyfactor Command compatible audit API under /KeyfactorAPI: the list, one entry,
// its validation, the CSV download and the related entities, to be read by Keyfactor's own SDKs and by
// scripts that were written for the vendor, unchanged.
//
// Terms. A row is an entry as this vendor shows it. A query is the text of QueryString, in the vendor's
// language; a comparison is the smallest part of it. A signature is the proof that an entry is in the trail,
// where the vendor has its own. A refusal is an answer other than success.
//
// Promises. Every comparison finds by what the row shows (the mapping law of docs/compatibility.md), and every
// order is that of what is shown. A parameter that is known and wrong is a refusal that names it, for a query
// with the place and what was expected there; one that is unknown is ignored, as the vendor does. Totals are
// exact at the tree size that the answer names. A signature is the same at every read and for every reader.
// Each failure is answered in the vendor's shape, and nothing of an internal one but an id is shown.
//
// Trust. The request is foreign: its parameters are bounded in bytes and number before they are looked at, a
// query in bytes and depth while it is read, what is repeated of it is cut and made printable; and an answer
// of any length is searched for and handed on in parts, so that no request makes the server hold more than one
// part. Whose token it is and what it may see is decided by identity alone, for entries in one line of
// searchable.
//
// It leaves to package server: listeners, timeouts, rate limits and request ids; to store: search, the tree
// size that a paging script goes on with, and what proves an entry; to identity: accounts and rights.
package keyfactor

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/dialect/answer"
	"countersign/event"
	"countersign/identity"
	"countersign/merkle"
	"countersign/query"
	"countersign/store"
)

// DefaultPath is the path that everything here lies under, unless another is chosen.
const DefaultPath = "/KeyfactorAPI"

// The header fields of this API.
const (
	tokenHeader   = "Authorization"
	markHeader    = "X-Keyfactor-Requested-With"
	totalHeader   = "X-Total-Count"
	versionHeader = "X-Keyfactor-Product-Version"
)

// contentType is the one by which the vendor's SDKs know an answer that they can read.
const contentType = "application/json; charset=utf-8"

// productVersion is that of the release whose API this is. Clients take what they may send from it.
const productVersion = "25.1.1.0"

// Trail is what this API needs of a store; *store.Store is one.
type Trail interface {
	// Search answers q at the newest tree size, or at q.AsOf.
	Search(ctx context.Context, q query.Query) (store.Page, error)
	// SearchPinned answers q; token ties the pages of one caller's loop to one tree size.
	SearchPinned(ctx context.Context, token string, q query.Query) (store.Page, error)
	// Each calls fn with the matches of q in order until fn returns an error, which it returns. The entry
	// is shared and must not be changed.
	Each(ctx context.Context, q query.Query, fn func(*event.Entry) error) (store.Page, error)
	Prover
}

// Prover knows what proves that an entry is in the trail. Nothing of it holds a value of an entry.
type Prover interface {
	// PublishedFor returns the first published checkpoint that holds the entry, false until there is one.
	PublishedFor(seq uint64) (merkle.Checkpoint, bool, error)
	Inclusion(seq, size uint64) ([]merkle.Hash, error)
	// EntryBytes returns what the tree holds of the entry.
	EntryBytes(seq uint64) ([]byte, error)
	// Seed returns what the entry's salts are derived from. It stays in this package.
	Seed(seq uint64) ([32]byte, bool)
	// Intact reports whether the stored bytes of the entry are those that the tree holds.
	Intact(ctx context.Context, seq uint64) (bool, error)
}

// Deps are the parts that the API stands on.
type Deps struct {
	Trail    Trail
	Identity *identity.Directory
	Logger   *slog.Logger // nil discards
	// Path is where the API lies; empty means DefaultPath. CheckPath says which will do.
	Path string
	// SignIn tells who calls; nil asks Identity.
	SignIn answer.SignIn
	// Now is the clock of %TODAY%; nil means time.Now.
	Now func() time.Time
}

// Handler answers the API.
type Handler struct {
	trail  Trail
	log    *slog.Logger
	signIn answer.SignIn
	now    func() time.Time
	base   string
	routes []route
}

// route is one endpoint: the segments of its path below the base, of which {id} stands for any.
type route struct {
	path     string
	segments []string
	handle   endpoint
	open     bool // for anybody, signed in or not
}

// New returns the handler of everything under the path.
func New(d Deps) *Handler {
	if d.Now == nil {
		d.Now = time.Now
	}
	h := &Handler{
		trail: d.Trail, log: answer.Logger(d.Logger), signIn: d.SignIn.OrOf(d.Identity), now: d.Now, base: cmp.Or(d.Path, DefaultPath),
	}
	for _, r := range []route{
		// What is literal stands before what any word matches.
		{path: "/Audit/Download", handle: h.download},
		{path: "/Audit/RelatedEntities", handle: h.related},
		{path: "/Audit", handle: h.list},
		{path: "/Audit/{id}", handle: h.entry},
		{path: "/Audit/{id}/Validate", handle: h.validate},
		{path: "/Status/Endpoints", handle: h.endpoints},
		{path: "/Status/HealthCheck", handle: h.health, open: true},
	} {
		r.segments = segments(r.path)
		h.routes = append(h.routes, r)
	}
	return h
}

// CheckPath returns what is wrong with a path that the API is to lie under, nil when it will do.
func CheckPath(path string) error {
	if !strings.HasPrefix(path, "/") {
		return errors.New("must begin with a slash")
	}
	parts := segments(path)
	if len(parts) == 0 || path != "/"+strings.Join(parts, "/") {
		return errors.New("must have something between its slashes and no slash at its end")
	}
	for _, s := range parts {
		plain := func(r rune) bool {
			return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._~-", r)
		}
		if s == "." || s == ".." || strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
			return errors.New("must be of letters, digits and . _ ~ - between its slashes")
		}
	}
	return nil
}

// Routes returns the patterns of all that is answered, such as "GET /KeyfactorAPI/Audit/{id}". HEAD goes with
// each GET, and paths are read in any case.
func (h *Handler) Routes() []string {
	var all []string
	for _, r := range h.routes {
		all = append(all, http.MethodGet+" "+h.base+r.path)
	}
	slices.Sort(all)
	return all
}

// Owns reports whether a path belongs to this API.
func (h *Handler) Owns(path string) bool {
	_, ok := h.below(path)
	return ok
}

// segments are the parts of a path. Slashes that are doubled or at the end mean nothing: a client in use
// builds its URLs so.
func segments(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" })
}

// below returns the segments of a path below the base.
func (h *Handler) below(path string) ([]string, bool) {
	all, base := segments(path), segments(h.base)
	if len(all) < len(base) || !slices.EqualFunc(all[:len(base)], base, strings.EqualFold) {
		return nil, false
	}
	return all[len(base):], true
}

// find returns the endpoint of a path and the id in it.
func (h *Handler) find(path string) (found *route, id string) {
	rest, ok := h.below(path)
	if !ok {
		return nil, ""
	}
	for i := range h.routes {
		id := ""
		if slices.EqualFunc(h.routes[i].segments, rest, func(want, have string) bool {
			if want == "{id}" {
				id = have
				return true
			}
			return strings.EqualFold(want, have)
		}) {
			return &h.routes[i], id
		}
	}
	return nil, ""
}

// ServeHTTP answers a request, also one for a path or method that is not known.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.serve(w, r); err != nil {
		h.Refuse(w, r, err)
	}
}

// call is one request for a known path, of a known caller unless the endpoint is open.
type call struct {
	*http.Request
	caller identity.Caller
	params params
	id     string // what stands for {id} in the path
}

// endpoint answers a call. An error it returns is answered by Refuse, so it must not have written anything.
type endpoint func(w http.ResponseWriter, c call) error

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set(versionHeader, productVersion)
	found, id := h.find(r.URL.Path)
	if found == nil {
		return errNoRoute
	}
	r.Pattern = h.base + found.path // for whoever logs the request
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return errMethod
	}
	if found.open {
		return found.handle(w, call{Request: r})
	}
	caller, err := h.signIn(r, tokenHeader)
	if err != nil {
		return err
	}
	if r.Header.Get(markHeader) == "" {
		return errNoMark
	}
	ps, err := parseParams(r.URL.RawQuery)
	if err != nil {
		return err
	}
	return ofCaller(caller, found.handle(w, call{r, caller, ps, id}))
}

// asker is who asks, for a query.
func (h *Handler) asker(c call) asker { return asker{me: callerName(c.caller), now: h.now()} }

// callerName is what the caller's acts are recorded under.
func callerName(c identity.Caller) string { return cmp.Or(c.Name, c.UserID) }

// searchable returns the filter that finds what of f's entries the caller is to see. The server's own
// records of reading and running are left out unless they are asked for: a list that shows that it was read
// has other pages at the next read.
func searchable(c identity.Caller, f query.Filter, includeSelf bool) (query.Filter, error) {
	if !includeSelf {
		f = query.And{f, query.Not{Filter: identity.OwnRecords()}}
	}
	return c.Restrict(identity.ReadTrail, f)
}

// list answers GET /Audit.
func (h *Handler) list(w http.ResponseWriter, c call) error {
	asked, err := decode(c.params, h.asker(c), "Id")
	if err != nil {
		return err
	}
	return h.rows(w, c, asked)
}

// related answers GET /Audit/RelatedEntities: what the query finds, and what has to do with a thing whose
// identifier it names.
func (h *Handler) related(w http.ResponseWriter, c call) error {
	asked, err := decode(c.params, h.asker(c), "Timestamp")
	if err != nil {
		return err
	}
	asked.filter = withRelated(asked.found)
	return h.rows(w, c, asked)
}

// withRelated adds the entries about what is named, and those in which it acted or was acted on.
func withRelated(f found) query.Filter {
	if len(f.named) == 0 {
		return f.filter
	}
	var shown []event.Class
	for _, v := range f.named {
		shown = append(shown, event.KeyfactorImmutableIdentifierClasses(event.Comparison{Value: v})...)
	}
	return query.Or{
		f.filter, query.OfClasses(shown),
		query.Text{Field: query.ActorID, Values: f.named}, query.Text{Field: query.ResourceID, Values: f.named},
	}
}

// entry answers GET /Audit/{id}.
func (h *Handler) entry(w http.ResponseWriter, c call) error {
	e, size, err := h.findEntry(c)
	if err != nil {
		return err
	}
	b, err := h.appendRow(nil, e)
	if err != nil {
		return err
	}
	answer.SetAsOf(w.Header(), size)
	answer.Whole(w, http.StatusOK, contentType, b)
	return nil
}

// validate answers GET /Audit/{id}/Validate.
func (h *Handler) validate(w http.ResponseWriter, c call) error {
	e, size, err := h.findEntry(c)
	if err != nil {
		return err
	}
	intact, err := h.trail.Intact(c.Context(), e.Seq)
	if err != nil {
		return err
	}
	answer.SetAsOf(w.Header(), size)
	answer.Whole(w, http.StatusOK, contentType, strconv.AppendBool(nil, intact))
	return nil
}

// findEntry returns the entry that the path names, if the caller may see it, and the tree size.
func (h *Handler) findEntry(c call) (*event.Entry, uint64, error) {
	id, err := parseID(c.id)
	if err != nil {
		return nil, 0, err
	}
	includeSelf, err := c.params.flag("include_self", false)
	if err != nil {
		return nil, 0, err
	}
	f, err := searchable(c.caller, query.Range{Field: query.Seq, Min: id - 1, Max: id - 1}, includeSelf)
	if err != nil {
		return nil, 0, err
	}
	page, err := h.trail.Search(c.Context(), query.Query{Filter: f, Limit: 1})
	switch {
	case err != nil:
		return nil, 0, err
	case len(page.Entries) == 0:
		return nil, 0, errNoEntry
	}
	return page.Entries[0], page.TreeSize, nil
}

// endpoints answers GET /Status/Endpoints, with which the vendor's SDKs find out whether they can sign in.
func (h *Handler) endpoints(w http.ResponseWriter, _ call) error {
	b := []byte{'['}
	for i, r := range h.Routes() {
		if i > 0 {
			b = append(b, ',')
		}
		method, path, _ := strings.Cut(r, " ")
		b = answer.Text(b, "", method+" "+strings.TrimPrefix(path, h.base))
	}
	answer.Whole(w, http.StatusOK, contentType, append(b, ']'))
	return nil
}

// health answers GET /Status/HealthCheck. The trail is open as long as requests are answered.
func (h *Handler) health(w http.ResponseWriter, _ call) error {
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}
