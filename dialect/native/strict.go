package native

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign/problem"
)

// maxManageBytes bounds the body of a request that makes an account, a user or the like.
const maxManageBytes = 64 << 10

// The content types of bodies that are decoded whole. An update may be called a merge patch (RFC 7396), which
// it is but for nested objects: most are replaced whole.
const (
	mediaJSON       = "application/json"
	mediaMergePatch = "application/merge-patch+json"
)

// decodeBody reads a JSON body of at most so many bytes and one of the content types into v, as strictly as events are
// read: a member that is misspelt, or there twice, would otherwise make something other than what was asked for.
func decodeBody(most int64, w http.ResponseWriter, r *http.Request, v any, types ...string) error {
	if !slices.Contains(types, mediaType(r.Header)) {
		return &refusal{unsupportedMedia, fmt.Sprintf("content type %q is not known here: send application/json in UTF-8", cut(r.Header.Get("Content-Type")))}
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return &refusal{unsupportedMedia, "this call takes no content encoding"}
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return problem.New(problem.TooLarge, "the body is larger than %d bytes", most)
		}
		return bodyProblem(err)
	}
	if err := json.Unmarshal(b, v, json.RejectUnknownMembers(true)); err != nil {
		return jsonProblem(err)
	}
	return nil
}

// jsonProblem says what is wrong with a body, in our words: those of the JSON package name Go types. The
// value is left out, since it may be a secret in the wrong place.
func jsonProblem(err error) error {
	field, reason := "body", "is no valid JSON"
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		switch {
		case syntax.Err == jsontext.ErrDuplicateName:
			field, reason = fieldName(syntax.JSONPointer), "appears more than once"
		case errors.Is(syntax, io.ErrUnexpectedEOF):
			reason = "is no valid JSON: it ends too early"
		default:
			reason = fmt.Sprintf("is no valid JSON at byte %d", syntax.ByteOffset)
		}
	}
	if wrong, ok := errors.AsType[*json.SemanticError](err); ok {
		field = fieldName(wrong.JSONPointer)
		switch {
		case wrong.Err == json.ErrUnknownName:
			reason = "is not known"
		case wrong.JSONKind != 0:
			reason = "has the wrong type: " + wrong.JSONKind.String() + " is not expected here"
		default:
			reason = "has the wrong type"
		}
	}
	p := problem.Bad(field, "", "%s", reason)
	p.Cause = err
	return p
}

// fieldName writes a JSON pointer as the fields of errors are written: grants[2].role.
func fieldName(pointer jsontext.Pointer) string {
	var name strings.Builder
	for token := range pointer.Tokens() {
		switch {
		case token != "" && strings.Trim(token, "0123456789") == "":
			name.WriteString("[" + token + "]")
		case name.Len() > 0:
			name.WriteString("." + token)
		default:
			name.WriteString(token)
		}
	}
	if name.Len() == 0 {
		return "body"
	}
	return cut(name.String())
}
