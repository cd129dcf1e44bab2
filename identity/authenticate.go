package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"countersign/problem"
)

// Credential is what a request brought to say who calls, as the dialect found it. It prints as nothing, so
// that no log line or error can hold it by accident.
type Credential struct {
	Token string
	// Certificate is the DER of the leaf that the TLS layer saw, with the proof that the caller has its key.
	Certificate []byte
}

const redacted = "[credential]"

// String hides the credential.
func (Credential) String() string { return redacted }

// GoString hides it from %#v.
func (Credential) GoString() string { return redacted }

// LogValue hides it from structured logs.
func (Credential) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides it from encoders.
func (Credential) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// maxTokenBytes bounds what is hashed for a caller nobody knows, maxCertificateBytes likewise.
const (
	maxTokenBytes       = 512
	maxCertificateBytes = 32 << 10
)

// refused is every refusal of a sign-in. The caller is not told the reason: it would tell a thief whether a
// token is real.
func refused(cause error) error {
	return &problem.Error{Kind: problem.Unauthenticated, Detail: "the API token is missing or not valid", Cause: cause}
}

// Authenticate signs a caller in. It reads memory only and is safe for any number of goroutines. The error
// is Unauthenticated whatever is wrong with the credential; its Cause says what, for the log, and names
// tokens, certificates and users by id only.
//
// Where there is a token it alone says who calls, and the certificate is not looked at: the vendor's scripts
// leave the token out when they mean the certificate, a script for the APIs that want both means the token's
// user, and a certificate that a proxy or a browser shows to every server must not make a request fail. A bad
// token is refused, whatever certificate comes with it: one that was revoked must stop working.
func (d *Directory) Authenticate(_ context.Context, cred Credential) (Caller, error) {
	p, err := d.state.Load().identify(cred)
	if err != nil {
		return Caller{}, refused(err)
	}
	now := d.now()
	if err := p.usable(now); err != nil {
		return Caller{}, refused(err)
	}
	p.used.note(now)
	return p.caller, nil
}

// identify returns what the credential is here.
func (st *state) identify(cred Credential) (*pass, error) {
	switch {
	case len(cred.Token) > maxTokenBytes:
		return nil, errors.New("an over-long token")
	case cred.Token != "":
		hash := sha256.Sum256([]byte(cred.Token))
		t := st.tokenByHash[hash]
		// The map's own comparison may stop early, but it tells at most of a hash of the guess, which nobody
		// can steer towards a stored one. This one settles it without depending on the map.
		if t == nil || subtle.ConstantTimeCompare(t.hash[:], hash[:]) != 1 {
			return nil, errors.New("an unknown token")
		}
		return &t.pass, nil
	case len(cred.Certificate) > maxCertificateBytes:
		return nil, errors.New("an over-long certificate")
	case cred.Certificate != nil:
		// Certificates are public: who calls is proven by the handshake, and there is nothing to guess.
		v := st.certificateByHash[sha256.Sum256(cred.Certificate)]
		if v == nil {
			return nil, errors.New("no token, and an unknown certificate")
		}
		return &v.pass, nil
	}
	return nil, errors.New("no token and no certificate")
}

// Renew returns the caller with the rights of now, for whoever serves one caller for long. It is refused
// like a sign-in once what they signed in with is gone or no longer good.
func (d *Directory) Renew(c Caller) (Caller, error) { return d.state.Load().renew(c, d.now()) }

func (st *state) renew(c Caller, now time.Time) (Caller, error) {
	p := st.passOf(c)
	if p == nil {
		return Caller{}, refused(fmt.Errorf("what user %s signed in with (%s) is gone", c.UserID, c.CredentialID()))
	}
	if err := p.usable(now); err != nil {
		return Caller{}, refused(err)
	}
	return p.caller, nil
}
