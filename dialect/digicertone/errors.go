package digicertone

import (
	"fmt"
	"net/http"

	"countersign/dialect/answer"
	"countersign/dialect/refusal"
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

var (
	errNoRoute   = &refusal.Refusal{Status: http.StatusNotFound, Code: codeNoRoute, Message: "The specified route was not found."}
	errMethod    = &refusal.Refusal{Status: http.StatusMethodNotAllowed, Code: codeMethod, Message: "Method not allowed.", Allow: "GET, HEAD"}
	errNoUser    = &refusal.Refusal{Status: http.StatusNotFound, Code: codeNotFound, Message: "User not found."}
	errNoAccount = &refusal.Refusal{Status: http.StatusNotFound, Code: codeNotFound, Message: "Account not found."}
	errNoToken   = &refusal.Refusal{Status: http.StatusNotFound, Code: codeNotFound, Message: "API access token not found."}
	errNoEntry   = &refusal.Refusal{Status: http.StatusNotFound, Code: codeNotFound, Message: "Audit log not found."}
)

// words turn any failure into this vendor's answer. It is the one place where kinds become statuses.
func words(p *problem.Error) *refusal.Refusal {
	switch p.Kind {
	case problem.Unauthenticated:
		return &refusal.Refusal{Status: http.StatusUnauthorized, Code: codeBadKey, Message: "Bad or missing API key"}
	case problem.Denied:
		return &refusal.Refusal{Status: http.StatusForbidden, Code: codeDenied, Message: "Authenticated but not authorised"}
	case problem.NotFound:
		return &refusal.Refusal{Status: http.StatusNotFound, Code: codeNotFound, Message: "Not found."}
	case problem.Invalid:
		if p.Field == "" {
			return &refusal.Refusal{Status: http.StatusBadRequest, Code: codeInvalidRequest, Message: "Payload failed validation"}
		}
		return &refusal.Refusal{Status: http.StatusBadRequest, Code: codeInvalidField, Message: fmt.Sprintf("Invalid %s [%s].", p.Field, p.Value)}
	case problem.TooLarge:
		return &refusal.Refusal{Status: http.StatusRequestEntityTooLarge, Code: codeInvalidRequest, Message: "Payload failed validation"}
	case problem.Throttled:
		return &refusal.Refusal{
			Status: http.StatusTooManyRequests, Code: codeThrottled,
			Message: "Service unavailable, please limit request volume", RetryAfter: p.RetryAfter,
		}
	case problem.Unavailable:
		return &refusal.Refusal{
			Status: http.StatusServiceUnavailable, Code: codeUnavailable,
			Message: "Service unavailable, please try again later.", RetryAfter: p.RetryAfter,
		}
	default:
		return &refusal.Refusal{Status: http.StatusInternalServerError, Code: codeInternal, Cause: p.Cause}
	}
}

// Refuse answers a request of this dialect that was refused before it reached the handler, by a rate limit
// for example, so that the caller still reads the error shape it knows.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	ref := refusal.Words(words).Begin(w, r, err, h.log)
	if ref == nil {
		return
	}
	b := append(make([]byte, 0, 128), `{"errors":[{"code":`...)
	b = answer.Text(b, "", ref.Code)
	b = answer.Text(b, `,"message":`, ref.Message)
	answer.Whole(w, ref.Status, contentType, append(b, `}]}`...))
}
