package digicertone

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"countersign/problem"
)

// The error codes of this dialect.
const (
	codeInvalidField   = "invalid_input_field"
	codeInvalidRequest = "invalid_request"
	codeBadKey         = "invalid_api_key"
	codeDenied         = "access_denied"
	codeNotFound       = "not_found"
	codeNoRoute        = "not_found|route"
	codeMethod         = "method_not_allowed"
	codeThrottled      = "request_limit_exceeded"
	codeUnavailable    = "service_unavailable"
	codeInternal       = "internal_error"
)

// retryAfter is what a caller is told when nothing below knows better.
const retryAfter = 30 * time.Second

// refusal is an answer other than 200, in this vendor's words.
type refusal struct {
	status        int
	code, message string
	allow         string        // the methods that would do, with 405
	retryAfter    time.Duration // with 429 and 503
	cause         error         // with 500, for the log only
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

var (
	errNoRoute   = &refusal{status: http.StatusNotFound, code: codeNoRoute, message: "The specified route was not found."}
	errMethod    = &refusal{status: http.StatusMethodNotAllowed, code: codeMethod, message: "Method not allowed.", allow: "GET, HEAD"}
	errNoUser    = &refusal{status: http.StatusNotFound, code: codeNotFound, message: "User not found."}
	errNoAccount = &refusal{status: http.StatusNotFound, code: codeNotFound, message: "Account not found."}
	errNoToken   = &refusal{status: http.StatusNotFound, code: codeNotFound, message: "API access token not found."}
	errNoEntry   = &refusal{status: http.StatusNotFound, code: codeNotFound, message: "Audit log not found."}
)

// refusalOf turns any failure into this vendor's answer. It is the one place where kinds become statuses.
func refusalOf(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return unavailable(0)
	}
	p, ok := errors.AsType[*problem.Error](err)
	if !ok {
		return internal(err)
	}
	switch p.Kind {
	case problem.Unauthenticated:
		return &refusal{status: http.StatusUnauthorized, code: codeBadKey, message: "Bad or missing API key"}
	case problem.Denied:
		return &refusal{status: http.StatusForbidden, code: codeDenied, message: "Authenticated but not authorised"}
	case problem.NotFound:
		return &refusal{status: http.StatusNotFound, code: codeNotFound, message: "Not found."}
	case problem.Invalid:
		if p.Field == "" {
			return &refusal{status: http.StatusBadRequest, code: codeInvalidRequest, message: "Payload failed validation"}
		}
		return &refusal{status: http.StatusBadRequest, code: codeInvalidField, message: fmt.Sprintf("Invalid %s [%s].", p.Field, p.Value)}
	case problem.TooLarge:
		return &refusal{status: http.StatusRequestEntityTooLarge, code: codeInvalidRequest, message: "Payload failed validation"}
	case problem.Throttled:
		return &refusal{
			status: http.StatusTooManyRequests, code: codeThrottled,
			message: "Service unavailable, please limit request volume", retryAfter: p.RetryAfter,
		}
	case problem.Unavailable:
		return unavailable(p.RetryAfter)
	default:
		return internal(err)
	}
}

func unavailable(after time.Duration) *refusal {
	return &refusal{
		status: http.StatusServiceUnavailable, code: codeUnavailable,
		message: "Service unavailable, please try again later.", retryAfter: after,
	}
}

func internal(cause error) *refusal {
	return &refusal{status: http.StatusInternalServerError, code: codeInternal, cause: cause}
}

// Refuse answers a request of this dialect that was refused before it reached the handler, by a rate limit
// for example, so that the caller still reads the error shape it knows.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		// Nobody is left to read an answer.
		return
	}
	ref := refusalOf(err)
	message := ref.message
	head := w.Header()
	switch ref.status {
	case http.StatusUnauthorized:
		// RFC 9110, 15.5.2 wants a challenge. It names Bearer only: Basic would make browsers ask for a
		// password that nobody has.
		head.Set("WWW-Authenticate", `Bearer realm="countersign"`)
	case http.StatusMethodNotAllowed:
		head.Set("Allow", ref.allow)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		after := ref.retryAfter
		if after <= 0 {
			after = retryAfter
		}
		// Whole seconds, rounded up: a client that comes back a moment early is refused again.
		head.Set("Retry-After", strconv.FormatInt(int64((after+time.Second-1)/time.Second), 10))
	case http.StatusInternalServerError:
		id := requestID(head)
		message = "Internal error. Request id " + id + "."
		// Not the path and the query: they hold names.
		h.log.ErrorContext(r.Context(), "request failed", "request_id", id, "route", r.Pattern, "error", ref.cause)
	}
	b := append(make([]byte, 0, 128), `{"errors":[{"code":`...)
	b = appendString(b, ref.code)
	b = append(b, `,"message":`...)
	b = appendString(b, message)
	b = append(b, `}]}`...)
	writeJSON(w, ref.status, b)
}

const requestIDHeader = "X-Request-Id"

// requestID returns the id that ties an answer to the log: the one that the server has already put on the
// answer, else a new one, which is put there.
func requestID(head http.Header) string {
	id := head.Get(requestIDHeader)
	if id == "" {
		id = rand.Text()
		head.Set(requestIDHeader, id)
	}
	return id
}
