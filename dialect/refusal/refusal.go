// Package refusal is how the vendors' dialects say no: what is the same for each of them, whatever the words.
//
// Terms. A refusal is an answer other than success. A dialect's words are the function that turns a failure
// into its vendor's status, code and message.
//
// Promises. Every failure has an answer. The headers that go with a status are there: the challenge of a 401
// (RFC 9110, section 15.5.2), the methods of a 405, when to come back after a 429 or 503. Of an internal
// failure nothing is shown but an id that the log repeats.
//
// It leaves the body to the dialect.
package refusal

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"countersign/problem"
)

// RequestIDHeader has the id that ties an answer to the log.
const RequestIDHeader = "X-Request-Id"

// defaultRetryAfter is what a caller is told when nothing below knows better.
const defaultRetryAfter = 30 * time.Second

// Refusal is an answer in a vendor's words.
type Refusal struct {
	Status        int
	Code, Message string
	Allow         string        // the methods that would do, with 405
	RetryAfter    time.Duration // with 429 and 503
	Cause         error         // with 500, for the log only
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

// Words turn a failure into a refusal. They know every kind, problem.Internal too.
type Words func(*problem.Error) *Refusal

// of returns the refusal that err is, or that the words make of it.
func (words Words) of(err error) *Refusal {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return words(&problem.Error{Kind: problem.Unavailable})
	}
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Kind != problem.Internal {
		return words(p)
	}
	return words(&problem.Error{Kind: problem.Internal, Cause: err})
}

// Begin sets the headers of the answer to a request that failed with err and writes to the log what only it
// may know. It returns what is left to be written, nil when nobody is there to read it.
func (words Words) Begin(w http.ResponseWriter, r *http.Request, err error, log *slog.Logger) *Refusal {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return nil
	}
	refused := *words.of(err)
	head := w.Header()
	switch refused.Status {
	case http.StatusUnauthorized:
		// It names Bearer only: Basic would make browsers ask for a password that nobody has.
		head.Set("WWW-Authenticate", `Bearer realm="countersign"`)
	case http.StatusMethodNotAllowed:
		head.Set("Allow", refused.Allow)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		after := refused.RetryAfter
		if after <= 0 {
			after = defaultRetryAfter
		}
		// Whole seconds, rounded up: a client that comes back a moment early is refused again.
		head.Set("Retry-After", strconv.FormatInt(int64((after+time.Second-1)/time.Second), 10))
	case http.StatusInternalServerError:
		id := requestID(head)
		refused.Message = "Internal error. Request id " + id + "."
		// Not the path and the query: they hold names.
		log.ErrorContext(r.Context(), "request failed", "request_id", id, "route", r.Pattern, "error", refused.Cause)
	}
	return &refused
}

// requestID returns the id that the server has already put on the answer, else a new one, which is put there.
func requestID(head http.Header) string {
	id := head.Get(RequestIDHeader)
	if id == "" {
		id = rand.Text()
		head.Set(RequestIDHeader, id)
	}
	return id
}
