package keyfactor

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"countersign/dialect/refusal"
)

// The bounds of a URL's query. There is room for the longest QueryString with every byte escaped.
const (
	maxURLQueryBytes = 3*maxQueryStringBytes + 8<<10
	maxParams        = 256
)

// oldPrefix begins the names of parameters up to Command 11.
const oldPrefix = "pq."

// params are the parameters of one request, decoded, by name in lower case. The first of a name counts, and an
// empty one as not given. Once there is any name of the old form only those count, as with the vendor's
// framework; those that are ours have one form.
type params map[string]string

func parseParams(raw string) (params, error) {
	if len(raw) > maxURLQueryBytes {
		return nil, &refusal.Refusal{Status: http.StatusRequestURITooLong, Code: codeInvalid, Message: fmt.Sprintf("The query is longer than %d bytes.", maxURLQueryBytes)}
	}
	ps := params{}
	count := 0
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		if count++; count > maxParams {
			return nil, &refusal.Refusal{Status: http.StatusBadRequest, Code: codeInvalid, Message: fmt.Sprintf("The query has more than %d parameters.", maxParams)}
		}
		// What is damaged is refused under unknown names too: ignoring a filter would widen the answer.
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, ok := unescape(rawName)
		if !ok {
			return nil, refusal.Bad("query", rawName, "is not valid UTF-8")
		}
		value, ok := unescape(rawValue)
		if !ok && name == "" {
			return nil, refusal.Bad("query", pair, "is not valid UTF-8")
		}
		if !ok {
			return nil, refusal.Bad(name, rawValue, "is not valid UTF-8")
		}
		if name = strings.ToLower(name); !ps.has(name) {
			ps[name] = value
		}
	}
	return ps, nil
}

func (ps params) has(name string) bool {
	_, there := ps[name]
	return there
}

// first returns the value of one of the vendor's parameters, "" when it is not given.
func (ps params) first(name string) string {
	for there := range ps {
		if strings.HasPrefix(there, oldPrefix) {
			return ps[oldPrefix+strings.ToLower(name)]
		}
	}
	return ps[strings.ToLower(name)]
}

// flag reads a parameter that is ours.
func (ps params) flag(name string, otherwise bool) (bool, error) {
	switch v := ps[name]; strings.ToLower(v) {
	case "":
		return otherwise, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, refusal.Bad(name, v, "must be true or false")
	}
}

// unescape decodes a name or value. A percent sign that begins no escape is itself, as with the vendor's
// framework: people write %TODAY% into a URL as it is.
func unescape(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s):
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				c = byte(n)
				i += 2
			}
		}
		b = append(b, c)
	}
	return string(b), utf8.Valid(b)
}
