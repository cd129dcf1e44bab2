package identity

import (
	"net/http"
	"strings"
)

// The header fields that vendors' scripts put a token into, beside Authorization.
const (
	headerAPIKey = "X-Api-Key"
	headerDevKey = "X-Dc-Devkey"
)

// CredentialIn returns what the request brought to say who calls: the token that TokenIn finds, and the
// certificate whose key the TLS handshake proved the caller to have.
func CredentialIn(r *http.Request, own string) Credential {
	cred := Credential{Token: TokenIn(r.Header, own)}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		cred.Certificate = r.TLS.PeerCertificates[0].Raw
	}
	return cred
}

// TokenIn returns the token that a request brought, "" when there is none. The dialect's own header field
// is looked at first, then Authorization: Bearer, x-api-key and X-DC-DEVKEY, last the password of
// Authorization: Basic, whose user name is not looked at: one token works in each vendor's header, so that a
// script needs no second one for another API. What is empty counts as absent. Whether the token is any good
// is for Authenticate to say; a bad one in an earlier field is not made good by a later one.
func TokenIn(h http.Header, own string) string {
	for _, name := range [...]string{own, "Authorization", headerAPIKey, headerDevKey} {
		v := h.Get(name)
		if http.CanonicalHeaderKey(name) == "Authorization" {
			v = bearer(v)
		}
		if token := strings.TrimSpace(v); token != "" {
			return token
		}
	}
	// Only net/http reads Basic, and only from a request.
	_, password, _ := (&http.Request{Header: h}).BasicAuth()
	return password
}

// bearer returns the token of an Authorization field of the scheme Bearer, whose name is the same in any
// case (RFC 9110, section 11.1).
func bearer(field string) string {
	scheme, token, _ := strings.Cut(field, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}
