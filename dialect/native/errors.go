package native

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"countersign/event"
	"countersign/problem"
	"countersign/query"
)

// problemType is the prefix of the type member of problem details: a name for a machine to branch on, not
// a place to look at.
const problemType = "urn:countersign:problem:"

// details is an RFC 9457 problem. The members after detail are extensions (section 3.2) and stand only
// where they mean something.
type details struct {
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Detail    string  `json:"detail,omitempty"`
	Field     string  `json:"field,omitempty"`
	Position  *int    `json:"position,omitempty"`
	Event     *int    `json:"event,omitempty"`
	Seq       *uint64 `json:"seq,omitempty"`
	RequestID string  `json:"request_id,omitempty"`
}

// kind is how one sort of failure is answered.
type kind struct {
	status int
	name   string
	title  string
}

var (
	kinds = map[problem.Kind]kind{
		problem.Internal:        {http.StatusInternalServerError, "internal", "Internal error"},
		problem.Unauthenticated: {http.StatusUnauthorized, "unauthenticated", "Missing or bad credentials"},
		problem.Denied:          {http.StatusForbidden, "denied", "Not allowed"},
		problem.NotFound:        {http.StatusNotFound, "not-found", "Not found"},
		problem.Invalid:         {http.StatusBadRequest, "invalid", "Invalid request"},
		problem.Conflict:        {http.StatusConflict, "conflict", "Conflict"},
		problem.TooLarge:        {http.StatusRequestEntityTooLarge, "too-large", "Too large"},
		problem.Throttled:       {http.StatusTooManyRequests, "throttled", "Too many requests"},
		problem.Unavailable:     {http.StatusServiceUnavailable, "unavailable", "Cannot be served now"},
	}
	methodNotAllowed = kind{http.StatusMethodNotAllowed, "method-not-allowed", "Method not allowed"}
	unsupportedMedia = kind{http.StatusUnsupportedMediaType, "unsupported-media-type", "Unsupported content type"}
	bodyTimeout      = kind{http.StatusRequestTimeout, "body-timeout", "Request too slow"}
)

// refusal is a failure of this API alone: HTTP has a status for it and no other layer knows it.
type refusal struct {
	kind
	detail string
}

func (e *refusal) Error() string { return e.detail }

// When a layer below does not say when to try again.
const (
	retryThrottled   = time.Second
	retryUnavailable = 5 * time.Second
)

// Refuse answers with the problem that err is. Nothing may have been written to w before. Package server
// calls it too, for a request that it refuses before it gets here. The cause of an
// internal error goes to the log only, tied to the answer by the request id.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		// The caller is gone: nobody reads the answer and nothing is wrong here.
		err = &problem.Error{Kind: problem.Unavailable, Detail: "the request was given up"}
	}
	d := details{RequestID: w.Header().Get("X-Request-Id")}
	var k kind
	if ref, ok := errors.AsType[*refusal](err); ok {
		k, d.Detail = ref.kind, ref.detail
	} else {
		k = d.explain(w.Header(), toProblem(err))
	}
	switch k.status {
	case http.StatusInternalServerError:
		h.log.Error("request failed", "request_id", d.RequestID, "error", err)
	case http.StatusUnauthorized: // the caller is not told why: it would tell a thief whether a token is real
		h.log.Debug("sign-in refused", "request_id", d.RequestID, "error", err)
	}
	d.Type, d.Title, d.Status = problemType+k.name, k.title, k.status
	writeJSON(w, "application/problem+json", d.Status, d)
}

// explain fills d and the answer's header fields from p.
func (d *details) explain(header http.Header, p *problem.Error) kind {
	k, known := kinds[p.Kind]
	if !known || p.Kind == problem.Internal {
		d.Detail = "the request failed for a reason that is not the caller's; the server's log has it under the request id"
		return kinds[problem.Internal]
	}
	d.Detail, d.Field = p.Detail, p.Field
	if p.Event > 0 {
		index := p.Event - 1
		d.Event = &index
	}
	switch p.Kind {
	case problem.Unauthenticated:
		header.Set("WWW-Authenticate", `Bearer realm="countersign"`)
	case problem.Conflict:
		d.Seq = p.Seq
	case problem.NotFound:
		if p.RetryAfter > 0 { // it will be there
			setRetryAfter(header, p.RetryAfter, 0)
		}
	case problem.Throttled:
		setRetryAfter(header, p.RetryAfter, retryThrottled)
	case problem.Unavailable:
		setRetryAfter(header, p.RetryAfter, retryUnavailable)
	}
	if parse, ok := errors.AsType[*query.ParseError](p.Cause); ok {
		d.Position = &parse.Offset
	}
	return k
}

// problemName returns the name of the problem that err is answered with.
func problemName(err error) string {
	if ref, ok := errors.AsType[*refusal](err); ok {
		return ref.name
	}
	return kinds[toProblem(err).Kind].name
}

// toProblem gives the errors of the packages below that do not speak in problems themselves their kind.
func toProblem(err error) *problem.Error {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	if inv, ok := errors.AsType[*event.InvalidError](err); ok {
		p := problem.Bad(inv.Field, inv.Value, "%s", inv.Reason)
		p.Event = inv.Index + 1
		if inv.TooLarge {
			p.Kind = problem.TooLarge
		}
		return p
	}
	return &problem.Error{Kind: problem.Internal, Cause: err}
}

// setRetryAfter rounds up: a client that comes back a fraction early is refused again.
func setRetryAfter(header http.Header, after, unknown time.Duration) {
	if after <= 0 {
		after = unknown
	}
	seconds := int64((after + time.Second - 1) / time.Second)
	header.Set("Retry-After", strconv.FormatInt(seconds, 10))
}

// writeJSON answers with v. Every v here is made of plain fields, so encoding cannot fail; what can fail
// is the connection, and then nobody is there to be told.
func writeJSON(w http.ResponseWriter, contentType string, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("native: encode answer: " + err.Error())
	}
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(b)+1))
	w.WriteHeader(status)
	w.Write(append(b, '\n'))
}
