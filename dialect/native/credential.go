package native

import (
	"net/http"
	"strings"
)

// credential returns the token of the request, "" when there is none: that of Authorization: Bearer, else
// x-api-key, else X-DC-DEVKEY, else the password of Basic, whose user name is not looked at. One token
// works in each vendor's header, so that a script needs no second one to send events.
func credential(r *http.Request) string {
	authorization := r.Header.Get("Authorization")
	// RFC 9110 section 11.1: the scheme's case does not matter.
	if scheme, token, ok := strings.Cut(authorization, " "); ok && strings.EqualFold(scheme, "Bearer") {
		if token = strings.TrimSpace(token); token != "" {
			return token
		}
	}
	for _, name := range [...]string{"X-Api-Key", "X-Dc-Devkey"} {
		if token := strings.TrimSpace(r.Header.Get(name)); token != "" {
			return token
		}
	}
	_, password, _ := r.BasicAuth()
	return password
}
