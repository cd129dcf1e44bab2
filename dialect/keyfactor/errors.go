package keyfactor

import (
	"fmt"
	"net/http"

	"countersign/dialect/answer"
	"countersign/dialect/refusal"
	"countersign/identity"
	"countersign/problem"
)

// The error codes. The vendor lists none; codeDenied and codeSortField are seen in answers of its server, and
// so are the two ranges that the others are put into: 0xA011 for what is wrong with a request, 0xA014 for who
// may do what.
const (
	codeInvalid     = "0xA0110002"
	codeSortField   = "0xA011004A"
	codeNotFound    = "0xA0110004"
	codeMethod      = "0xA0110005"
	codeThrottled   = "0xA0140029"
	codeDenied      = "0xA0140002"
	codeUnavailable = "0xA0100503"
	codeInternal    = "0xA0100500"
)

var (
	errNoRoute = &refusal.Refusal{Status: http.StatusNotFound, Code: codeNotFound, Message: "There is no such endpoint."}
	errNoEntry = &refusal.Refusal{Status: http.StatusNotFound, Code: codeNotFound, Message: "There is no audit log entry with this id."}
	errMethod  = &refusal.Refusal{Status: http.StatusMethodNotAllowed, Code: codeMethod, Message: "The method is not allowed.", Allow: "GET, HEAD"}
	errNoMark  = &refusal.Refusal{
		Status: http.StatusBadRequest, Code: codeInvalid,
		Message: "The header x-keyfactor-requested-with is required: XMLHttpRequest or APIClient.",
	}
	errTooManyIDs = &refusal.Refusal{
		Status: http.StatusBadRequest, Code: codeInvalid,
		Message: fmt.Sprintf("The answer has entries beyond Id %d, which is the last that this API can number. Narrow the query with Id -le %[1]d, or use /api/v1/events.", maxID),
	}
)

// words turn any failure into this vendor's answer. It is the one place where kinds become statuses.
func words(p *problem.Error) *refusal.Refusal {
	switch p.Kind {
	case problem.Unauthenticated:
		return &refusal.Refusal{Status: http.StatusUnauthorized} // the vendor's has no body
	case problem.Denied:
		return denied("")
	case problem.NotFound:
		return errNoEntry
	case problem.Invalid:
		return &refusal.Refusal{Status: http.StatusBadRequest, Code: codeInvalid, Message: invalid(p)}
	case problem.TooLarge:
		return &refusal.Refusal{Status: http.StatusRequestEntityTooLarge, Code: codeInvalid, Message: "The request is too large."}
	case problem.Throttled:
		return &refusal.Refusal{
			Status: http.StatusTooManyRequests, Code: codeThrottled, Message: "Too many requests. Try again later.", RetryAfter: p.RetryAfter,
		}
	case problem.Unavailable:
		return &refusal.Refusal{
			Status: http.StatusServiceUnavailable, Code: codeUnavailable, Message: "The service is unavailable. Try again later.", RetryAfter: p.RetryAfter,
		}
	default:
		return &refusal.Refusal{Status: http.StatusInternalServerError, Code: codeInternal, Cause: p.Cause}
	}
}

// invalid names the parameter that is wrong, with its value and what is wrong with it.
func invalid(p *problem.Error) string {
	switch {
	case p.Field == "":
		return fmt.Sprintf("Invalid request: %s.", p.Detail)
	case p.Value == "":
		return fmt.Sprintf("Invalid %s: %s.", p.Field, p.Detail)
	}
	return fmt.Sprintf("Invalid %s [%s]: %s.", p.Field, p.Value, p.Detail)
}

// denied is the refusal of a call that the user may not make.
func denied(user string) *refusal.Refusal {
	if user == "" {
		user = "unknown"
	}
	return &refusal.Refusal{
		Status: http.StatusForbidden, Code: codeDenied,
		Message: fmt.Sprintf("User %s does not have the required permissions: /auditing/read/.", user),
	}
}

// ofCaller says of a denied call whose it was, as the vendor does.
func ofCaller(c identity.Caller, err error) error {
	if problem.KindOf(err) != problem.Denied {
		return err
	}
	return denied(callerName(c))
}

// Refuse answers a request of this dialect that was refused before it reached the handler, by a rate limit
// for example, so that the caller still reads the error shape it knows.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	ref := refusal.Words(words).Begin(w, r, err, h.log)
	if ref == nil {
		return
	}
	w.Header().Set(versionHeader, productVersion)
	if ref.Status == http.StatusUnauthorized {
		// Clients of this vendor's wait to be asked for Basic, which PowerShell and Java send no sooner.
		w.Header().Add("WWW-Authenticate", `Basic realm="countersign", charset="UTF-8"`)
		answer.SetHeaders(w.Header(), "")
		w.Header().Del("Content-Type")
		w.WriteHeader(ref.Status)
		return
	}
	b := answer.Text(nil, `{"ErrorCode":`, ref.Code)
	b = answer.Text(b, `,"Message":`, ref.Message)
	answer.Whole(w, ref.Status, contentType, append(b, '}'))
}
