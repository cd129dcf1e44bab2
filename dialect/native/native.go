// Package native is Countersign's own API, /api/v1: events are sent, listed, read one by one, proven, counted, followed
// and exported, accounts, divisions, users and tokens are managed. It also answers /checkpoint and /tile/, /healthz
// and /readyz, and everything that no other API owns, with a 404.
//
// Terms are those of docs/api.md.
//
// Promises. A request that sends events is recorded whole or not at all, and answered after it is durable.
// Each event is decoded, checked and allowed before the first is recorded. A list and an export show only
// what identity.Caller.Restrict lets through, and an entry that is hidden is answered like one that does
// not exist; so is its proof. A checkpoint that is shown is durable. An export that breaks off can be told from a complete one. Parameters and members that are
// not known are errors, never ignored. A stream brings each entry once, in order, and who comes back with the
// last id misses none; it ends when its caller's rights do. Every failure is an RFC 9457 problem with the request's id.
//
// Trust. Nothing of a request is believed: bodies are bounded before and after decompression and all of
// them together by a shared budget, and a body that was cut off records nothing.
//
// It leaves to package server: listeners, request ids, timeouts, panics and the log of requests; to
// identity: who calls and what they may; to store: everything durable.
package native

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"net/http"
	"slices"

	"countersign/event"
	"countersign/identity"
	"countersign/merkle"
	"countersign/problem"
	"countersign/query"
	"countersign/report"
	"countersign/store"
)

// Trail is what this API needs of a store; *store.Store is one.
type Trail interface {
	Append(ctx context.Context, events []event.Event, recordedBy string) (store.Receipt, error)
	Search(ctx context.Context, q query.Query) (store.Page, error)
	Each(ctx context.Context, q query.Query, fn func(*event.Entry) error) (store.Page, error)
	Stats(ctx context.Context, q query.Query, b store.Breakdown) (store.Stats, error)
	Wait(ctx context.Context, size uint64) error
	Size() uint64
	Ready() error

	// Fact returns the system fact at seq, nil for none; Acknowledged the entry of an element of a receipt.
	Fact(ctx context.Context, seq uint64) (*event.Entry, error)
	Acknowledged(ctx context.Context, r *store.Receipt, i int) (*event.Entry, error)
	// Published returns the newest published checkpoint, PublishedFor the first that holds the entry; false while
	// there is none.
	Published() (merkle.Checkpoint, bool)
	PublishedFor(seq uint64) (merkle.Checkpoint, bool, error)
	// EntryBytes is what the tree holds at seq, Seed what opens it.
	EntryBytes(seq uint64) ([]byte, error)
	Seed(seq uint64) (seed [32]byte, ok bool)
	Inclusion(seq, size uint64) ([]merkle.Hash, error)
	Consistency(from, to uint64) ([]merkle.Hash, error)
	// PublishNow publishes a checkpoint over everything recorded, Multi proves many entries at once.
	PublishNow(ctx context.Context) (merkle.Checkpoint, error)
	Multi(seqs iter.Seq[uint64], size uint64, emit func(merkle.Hash) error) error
	// The tiles are those of the newest published tree.
	HashTile(level uint8, index uint64, width uint16) ([]byte, error)
	EntriesTile(index uint64, width uint16) ([]byte, error)
}

// tokenHeader is looked at first for the caller's token.
const tokenHeader = "Authorization"

// asOfHeader tells at which tree size an answer was made.
const asOfHeader = "X-Countersign-As-Of"

// totalHeader tells the total of an answer whose body has no place for it.
const totalHeader = "X-Countersign-Total"

// defaultIngestBytes lets four of the largest requests be received at one time.
const defaultIngestBytes = 4 * event.MaxRequestBytes

// Deps are the parts that the API stands on.
type Deps struct {
	Trail    Trail
	Identity *identity.Directory
	Logger   *slog.Logger // nil discards
	// SignIn tells who calls, from the credential that identity.CredentialIn finds when own is looked at first.
	// nil asks Identity.
	SignIn func(r *http.Request, own string) (identity.Caller, error)
	// IngestBytes bounds what all requests that send events may hold at one time; 0 means 256 MiB. Beyond
	// it they are told to come back later.
	IngestBytes int64
	// MaxStreams bounds the open streams of each credential; 0 means 16.
	MaxStreams int
	// Stopping ends the streams when it is done: a stream never ends by itself, and a stop would wait for it.
	// nil is never done.
	Stopping context.Context
	// Metrics answers /metrics; nil leaves that path out.
	Metrics http.Handler
	// Pages are further patterns, METHOD and path, that anyone may read without signing in.
	Pages map[string]http.HandlerFunc
	// OpenEntries lets anybody read the tiles of entries, and not only monitors.
	OpenEntries bool
	// Reports makes and keeps reports; nil leaves their paths out. ReportSent is told of a pack before its first byte is
	// sent, and can refuse it; nil tells nobody.
	Reports    Reports
	ReportSent func(ctx context.Context, j report.Job) error
	// Scheduled tells what became of scheduled reports; nil leaves the paths of schedules out.
	Scheduled Scheduled
	// Backups makes backups; nil leaves their path out.
	Backups Backups
	// Ingested is told of each request that sent events, once it is answered; nil tells nobody.
	Ingested func(Ingest)
}

// Handler answers the API.
type Handler struct {
	trail    Trail
	identity *identity.Directory
	log      *slog.Logger
	signIn   func(r *http.Request, own string) (identity.Caller, error)
	memory   memory
	zips     zips
	mux      *http.ServeMux
	routes   []string

	streams    streams
	maxStreams int
	stopping   context.Context
	ingested   func(Ingest)
}

// New returns the handler of everything that no other dialect owns.
func New(d Deps) *Handler {
	h := &Handler{
		trail: d.Trail, identity: d.Identity, log: d.Logger, signIn: d.SignIn, mux: http.NewServeMux(),
		maxStreams: cmp.Or(d.MaxStreams, defaultStreams), stopping: d.Stopping, ingested: d.Ingested,
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.signIn == nil {
		h.signIn = func(r *http.Request, own string) (identity.Caller, error) {
			return d.Identity.Authenticate(r.Context(), identity.CredentialIn(r, own))
		}
	}
	if d.IngestBytes == 0 {
		d.IngestBytes = defaultIngestBytes
	}
	h.memory.free.Store(d.IngestBytes)
	h.open("GET /healthz", h.healthz)
	h.open("GET /readyz", h.readyz)
	h.handle("POST /api/v1/events", h.record)
	h.handle("GET /api/v1/events", h.list)
	h.handle("GET /api/v1/events/{seq}", h.one)
	h.handle("GET /api/v1/events/{seq}/proof", h.proof)
	h.handle("GET /api/v1/events/by-id", h.byID)
	h.handle("GET /api/v1/events/export", h.export)
	h.handle("GET /api/v1/events/stats", h.stats)
	h.handle("GET /api/v1/events/stream", h.stream)
	h.public("GET /api/v1/consistency", h.consistency)
	h.tiles(d.OpenEntries)
	if d.Metrics != nil {
		h.handle("GET /metrics", metrics(d.Metrics))
	}
	h.manage()
	if d.Reports != nil {
		h.makeReports(d.Reports, d.ReportSent)
	}
	if d.Scheduled != nil {
		h.schedules(d.Scheduled)
	}
	if d.Backups != nil {
		h.makeBackups(d.Backups)
	}
	for pattern, page := range d.Pages {
		h.open(pattern, page)
	}
	return h
}

// handlerFunc answers a request of a known caller. An error it returns is answered by Refuse, so it must
// not have written anything then.
type handlerFunc func(w http.ResponseWriter, r *http.Request, c identity.Caller) error

// handle routes the pattern to answer. Who calls is found out before anything else of the request is
// looked at.
func (h *Handler) handle(pattern string, answer handlerFunc) {
	h.open(pattern, func(w http.ResponseWriter, r *http.Request) {
		c, err := h.signIn(r, tokenHeader)
		if err == nil {
			h.setCheckpoint(w.Header())
			err = answer(w, r, c)
		}
		if err != nil {
			h.Refuse(w, r, err)
		}
	})
}

// open routes the pattern to answer, whoever calls.
func (h *Handler) open(pattern string, answer http.HandlerFunc) {
	h.routes = append(h.routes, pattern)
	h.mux.HandleFunc(pattern, answer)
}

// Routes returns the patterns of all that is answered, such as "GET /api/v1/events/{seq}".
func (h *Handler) Routes() []string { return slices.Clone(h.routes) }

// ServeHTTP answers a request, also one for a path or method that is not known.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := h.mux.Handler(r); pattern != "" {
		h.mux.ServeHTTP(w, r)
		return
	}
	// The mux knows whether another method would do; its answer is plain text, so only its header is used.
	var unknown discard
	h.mux.ServeHTTP(&unknown, r)
	if unknown.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", unknown.Header().Get("Allow"))
		h.Refuse(w, r, &refusal{methodNotAllowed, "this path does not know " + cut(r.Method)})
		return
	}
	h.Refuse(w, r, problem.New(problem.NotFound, "there is nothing at this path"))
}

// discard is a ResponseWriter that keeps the header only.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header {
	if d.header == nil {
		d.header = http.Header{}
	}
	return d.header
}

func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
