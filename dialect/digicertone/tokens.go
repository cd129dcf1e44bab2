package digicertone

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"countersign/dialect/answer"
	"countersign/identity"
	"countersign/problem"
)

// tokens answers GET /api-access-token: those of the user that user_id names, which must be given and may be
// me.
func (h *Handler) tokens(w http.ResponseWriter, c call) error {
	user := c.params.first("user_id")
	if user == "" {
		return bad("user_id", "")
	}
	tokens, _, err := h.identity.Tokens(c.Context(), c.caller, user, identity.Page{})
	if problem.KindOf(err) == problem.NotFound {
		return errNoUser
	}
	if err != nil {
		return err
	}
	answer.SetHeaders(w.Header(), contentType)
	renderArray(w, nil, tokens, appendToken, "")
	return nil
}

// token answers GET /api-access-token/{id}.
func (h *Handler) token(w http.ResponseWriter, c call) error {
	t, err := h.identity.Token(c.Context(), c.caller, c.id)
	if problem.KindOf(err) == problem.NotFound {
		return errNoToken
	}
	if err != nil {
		return err
	}
	answer.Whole(w, http.StatusOK, contentType, appendToken(nil, t))
	return nil
}

// appendToken appends a token. Its text is in no answer: it was shown once, by whoever made it.
func appendToken(b []byte, t identity.Token) []byte {
	b = appendMember(append(b, '{'), "id", t.ID)
	b = appendMember(append(b, ','), "name", t.Name)
	b = appendMember(append(b, ','), "user_id", t.UserID)
	b = append(b, `,"enabled":`...)
	b = strconv.AppendBool(b, t.Enabled)
	b = appendMember(append(b, ','), "status", strings.ToUpper(string(t.Status)))
	b = appendMember(append(b, ','), "end_date", t.EndDate)
	b = appendMember(append(b, ','), "created_at", t.CreatedAt.UTC().Format(time.RFC3339))
	b = appendMember(append(b, ','), "created_by", t.CreatedBy)
	if t.LastUsedAt == nil {
		return append(b, `,"last_used_at":null}`...)
	}
	return append(appendMember(append(b, ','), "last_used_at", t.LastUsedAt.UTC().Format(time.RFC3339)), '}')
}
