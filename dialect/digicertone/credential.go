package digicertone

import (
	"net/http"
	"strings"

	"countersign/identity"
)

// credential returns the token of the request as it was sent: that of x-api-key, this vendor's header, else
// X-DC-DEVKEY, else Authorization: Bearer, else the password of Basic, whose user name is not looked at. An
// empty one counts as absent. Whether it is any good is for identity to say.
func credential(r *http.Request) identity.Credential {
	for _, name := range [...]string{"X-Api-Key", "X-Dc-Devkey"} {
		if token := strings.TrimSpace(r.Header.Get(name)); token != "" {
			return identity.Credential{Token: token}
		}
	}
	// RFC 9110, 11.1: the name of the scheme is the same in any case.
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return identity.Credential{Token: strings.TrimSpace(token)}
	}
	_, password, _ := r.BasicAuth()
	return identity.Credential{Token: password}
}
