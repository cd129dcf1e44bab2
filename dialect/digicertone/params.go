package digicertone

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"countersign/dialect/refusal"
	"countersign/problem"
)

// The bounds of a query string. The longest query of the vendor's guide has under 200 bytes and 7
// parameters, so no honest script comes near them.
const (
	maxQueryBytes = 32 << 10
	maxParams     = 256
)

// params are the parameters of one request, decoded, in the order they were sent.
type params []param

type param struct{ name, value string }

// parseParams splits and decodes a query string. A plus is a blank, a semicolon is a character like any
// other. What is not valid percent-encoding or not UTF-8 is refused for unknown parameters too: it could
// be a known one that was damaged on its way, and ignoring that would widen the answer.
func parseParams(raw string) (params, error) {
	if len(raw) > maxQueryBytes {
		return nil, &refusal.Refusal{
			Status: http.StatusRequestURITooLong, Code: codeInvalidRequest,
			Message: fmt.Sprintf("Query is longer than %d bytes.", maxQueryBytes),
		}
	}
	var ps params
	for rest := raw; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		if pair == "" {
			continue
		}
		if len(ps) == maxParams {
			return nil, &refusal.Refusal{
				Status: http.StatusBadRequest, Code: codeInvalidRequest,
				Message: fmt.Sprintf("Query has more than %d parameters.", maxParams),
			}
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, ok := unescape(rawName)
		if !ok {
			return nil, bad("query", rawName)
		}
		value, ok := unescape(rawValue)
		if !ok && name == "" {
			return nil, bad("query", pair)
		}
		if !ok {
			return nil, bad(name, rawValue)
		}
		ps = append(ps, param{name, value})
	}
	return ps, nil
}

func unescape(s string) (string, bool) {
	s, err := url.QueryUnescape(s)
	return s, err == nil && utf8.ValidString(s)
}

// first returns the first value sent under name, "" when there is none: an empty parameter counts as not
// given, as HTML forms and many clients send it.
func (ps params) first(name string) string {
	for _, p := range ps {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// list returns the members of a comma-separated parameter. A list that is sent in several parts is one
// list, the way many HTTP libraries write it: taking the first part only would silently drop rows from a
// report. Blanks around a member and empty members are no part of it.
func (ps params) list(name string) []string {
	var members []string
	for _, p := range ps {
		if p.name != name {
			continue
		}
		for m := range strings.SplitSeq(p.value, ",") {
			if m = strings.Trim(m, " "); m != "" {
				members = append(members, m)
			}
		}
	}
	return members
}

// bad returns the refusal of a parameter's value.
func bad(name, value string) *problem.Error { return refusal.Bad(name, value, "is not valid") }
