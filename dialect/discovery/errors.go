package discovery

import (
	"fmt"
	"net/http"

	"countersign/dialect/answer"
	"countersign/dialect/refusal"
	"countersign/problem"
)

// The error codes. The vendor's page has the object and none of its contents; these are the codes of the
// other CertCentral APIs.
const (
	codeBadRequest   = "bad_request_format"
	codeInvalidField = "invalid_input_field"
	codeBadKey       = "invalid_api_key"
	codeDenied       = "access_denied|missing_permission"
	codeNoRoute      = "not_found|route"
	codeMethod       = "method_not_allowed"
	codeThrottled    = "request_limit_exceeded"
	codeUnavailable  = "service_unavailable"
	codeInternal     = "internal_error"
)

var (
	errNoRoute = &refusal.Refusal{Status: http.StatusNotFound, Code: codeNoRoute, Message: "The specified route was not found."}
	errMethod  = &refusal.Refusal{Status: http.StatusMethodNotAllowed, Code: codeMethod, Message: "Method not allowed.", Allow: "POST"}
)

// words turn any failure into this vendor's answer. It is the one place where kinds become statuses.
func words(p *problem.Error) *refusal.Refusal {
	switch p.Kind {
	case problem.Unauthenticated:
		return &refusal.Refusal{Status: http.StatusUnauthorized, Code: codeBadKey, Message: "Bad or missing API key"}
	case problem.Denied:
		// A client in use knows a denied call by this very message.
		return &refusal.Refusal{Status: http.StatusForbidden, Code: codeDenied, Message: "Forbidden"}
	case problem.NotFound:
		return errNoRoute
	case problem.Invalid:
		return invalid(p)
	case problem.TooLarge:
		return &refusal.Refusal{
			Status: http.StatusRequestEntityTooLarge, Code: codeBadRequest,
			Message: fmt.Sprintf("The body is larger than %d bytes.", maxBodyBytes),
		}
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

// invalid names the member that is wrong, with its value and what is wrong with it.
func invalid(p *problem.Error) *refusal.Refusal {
	r := &refusal.Refusal{Status: http.StatusBadRequest, Code: codeInvalidField}
	if p.Field == "" || p.Field == wholeBody {
		r.Code = codeBadRequest
	}
	switch {
	case p.Field == "":
		r.Message = fmt.Sprintf("Invalid request: %s.", p.Detail)
	case p.Value == "":
		r.Message = fmt.Sprintf("Invalid %s: %s.", p.Field, p.Detail)
	default:
		r.Message = fmt.Sprintf("Invalid %s [%s]: %s.", p.Field, p.Value, p.Detail)
	}
	return r
}

// Refuse answers a request of this dialect that was refused before it reached the handler, by a rate limit
// for example, so that the caller still reads the error shape it knows.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	ref := refusal.Words(words).Begin(w, r, err, h.log)
	if ref == nil {
		return
	}
	b := answer.Text(nil, `{"error":{"code":`, ref.Code)
	b = answer.Text(b, `,"message":`, ref.Message)
	answer.Whole(w, ref.Status, contentType, append(b, `},"data":null}`...))
}
