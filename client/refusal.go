package client

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"

	"countersign/problem"
)

// details is an RFC 9457 problem as the native API writes it.
type details struct {
	Title  string  `json:"title"`
	Detail string  `json:"detail"`
	Field  string  `json:"field"`
	Event  *int    `json:"event"`
	Seq    *uint64 `json:"seq"`

	Position  *int   `json:"position"`
	RequestID string `json:"request_id"`
}

// Refusal is an answer of another status than the wanted one. Unwrapped it is the *problem.Error that it
// tells of.
type Refusal struct {
	Status int // of HTTP
	// Position is the byte at which a search text or a sort, which Problem names as its field, is wrong; -1
	// when no place is known.
	Position int
	// RequestID is what the server's log has the request under, when it told.
	RequestID string
	Problem   *problem.Error
}

func (r *Refusal) Error() string {
	if r.Problem.Kind == problem.Internal && r.RequestID != "" {
		return fmt.Sprintf("%v (request id %s)", r.Problem, r.RequestID)
	}
	return r.Problem.Error()
}

func (r *Refusal) Unwrap() error { return r.Problem }

var kinds = map[int]problem.Kind{
	http.StatusBadRequest:            problem.Invalid,
	http.StatusUnauthorized:          problem.Unauthenticated,
	http.StatusForbidden:             problem.Denied,
	http.StatusNotFound:              problem.NotFound,
	http.StatusRequestTimeout:        problem.Unavailable,
	http.StatusConflict:              problem.Conflict,
	http.StatusRequestEntityTooLarge: problem.TooLarge,
	http.StatusTooManyRequests:       problem.Throttled,
	http.StatusBadGateway:            problem.Unavailable,
	http.StatusServiceUnavailable:    problem.Unavailable,
	http.StatusGatewayTimeout:        problem.Unavailable,
}

// refusal turns an answer of another status than the wanted one into the error that it tells of. The
// answer may be somebody else's, a proxy's say, and then only the status is known.
func refusal(resp *http.Response, body []byte) error {
	r := &Refusal{Status: resp.StatusCode, Position: -1}
	p := &problem.Error{Kind: kinds[resp.StatusCode], RetryAfter: retryAfter(resp.Header, time.Now())}
	var d details
	if media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && media == "application/problem+json" &&
		json.Unmarshal(body, &d) == nil {
		p.Detail, p.Field, p.Seq = d.Detail, d.Field, d.Seq
		if p.Detail == "" {
			p.Detail = d.Title
		}
		r.RequestID = d.RequestID
		if d.Position != nil && *d.Position >= 0 {
			r.Position = *d.Position
		}
		if d.Event != nil && *d.Event >= 0 {
			p.Event = *d.Event + 1
		}
	}
	status := fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	switch {
	case p.Detail == "":
		p.Detail = "the server answers " + status
	case p.Kind == problem.Internal:
		p.Detail = "the server answers " + status + ": " + p.Detail
	}
	r.Problem = p
	return r
}

// retryAfter reads both forms of RFC 9110, section 10.2.3; 0 means that there is none.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
