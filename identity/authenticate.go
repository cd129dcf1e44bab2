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

// maxTokenBytes bounds what is hashed for a caller nobody knows.
const maxTokenBytes = 512

// refused is every refusal of a sign-in. The caller is not told the reason: it would tell a thief whether a
// token is real.
func refused(cause error) error {
	return &problem.Error{Kind: problem.Unauthenticated, Detail: "the API token is missing or not valid", Cause: cause}
}

// Authenticate signs a caller in. It reads memory only and is safe for any number of goroutines. The error
// is Unauthenticated whatever is wrong with the credential; its Cause says what, for the log, and names
// tokens and users by id only.
func (d *Directory) Authenticate(_ context.Context, cred Credential) (Caller, error) {
	switch {
	case cred.Token == "":
		return Caller{}, refused(errors.New("no token"))
	case len(cred.Token) > maxTokenBytes:
		return Caller{}, refused(errors.New("an over-long token"))
	}
	hash := sha256.Sum256([]byte(cred.Token))
	t := d.state.Load().tokenByHash[hash]
	// The map's own comparison may stop early, but it tells at most of a hash of the guess, which nobody
	// can steer towards a stored one. This one settles it without depending on the map.
	if t == nil || subtle.ConstantTimeCompare(t.hash[:], hash[:]) != 1 {
		return Caller{}, refused(errors.New("an unknown token"))
	}
	now := d.now()
	if err := t.usable(now); err != nil {
		return Caller{}, refused(err)
	}
	// Storing only what is new keeps the cores from passing the line around at every request.
	if minute := now.Unix() / 60; t.used.minute.Load() != minute {
		t.used.minute.Store(minute)
	}
	return t.caller, nil
}

// Renew returns the caller with the rights of now, for whoever serves one caller for long. It is refused
// like a sign-in once the token is gone or no longer good.
func (d *Directory) Renew(c Caller) (Caller, error) { return d.state.Load().renew(c, d.now()) }

func (st *state) renew(c Caller, now time.Time) (Caller, error) {
	t := st.tokenByID[c.TokenID]
	if t == nil {
		return Caller{}, refused(fmt.Errorf("token %s of user %s is gone", c.TokenID, c.UserID))
	}
	if err := t.usable(now); err != nil {
		return Caller{}, refused(err)
	}
	return t.caller, nil
}

// usable returns why the token does not sign its user in, nil when it does.
func (t *token) usable(now time.Time) error {
	if status := t.statusAt(now); status != TokenValid {
		return fmt.Errorf("token %s of user %s is %s", t.ID, t.UserID, status)
	}
	if t.user.Status != Active {
		return fmt.Errorf("user %s of token %s is %s", t.UserID, t.ID, t.user.Status)
	}
	return nil
}
