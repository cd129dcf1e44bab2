package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/google/uuid"

	"countersign/problem"
)

// minBootstrapBytes is the least length of a token that somebody chose themselves.
const minBootstrapBytes = 32

// Bootstrap makes the first user of an identity that has none: a service user that holds every role on the
// whole server, in the server's own account, with one token bound to nothing. The token is the given text,
// or a fresh one when that is empty; only a fresh one comes back in shown, to be shown this once. With users
// there already it does nothing, whatever was given. All of it is one transaction: a crash leaves an
// identity that is whole or still without users, and the next start does it again. When it is made but could
// not be recorded yet, created is true beside the error: the token must be shown all the same.
func (d *Directory) Bootstrap(ctx context.Context, token string) (shown string, created bool, err error) {
	if len(d.state.Load().users) > 0 {
		return "", false, nil
	}
	hash := sha256.Sum256([]byte(token))
	if token == "" {
		shown, hash = newSecret()
	} else if err := checkChosen(token); err != nil {
		return "", false, err
	}
	_, err = d.commit(ctx, "bootstrap", func(t *change) error {
		if created = len(t.st.users) == 0; !created {
			return nil
		}
		return t.bootstrap(hash)
	})
	if !created || err != nil && !errors.Is(err, errUnrecorded) {
		return "", false, err
	}
	return shown, true, err
}

// checkChosen refuses a chosen token that is too short, or that a header would not carry as it is. The error
// does not hold it.
func checkChosen(token string) error {
	bad := func(detail string) error { return problem.Bad("bootstrap token", "", "%s", detail) }
	switch {
	case len(token) < minBootstrapBytes:
		return bad("must have at least 32 characters")
	case len(token) > maxTokenBytes:
		return bad("must have at most 512 characters")
	case strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r > '~' }):
		return bad("must be of printable ASCII characters")
	case token != strings.Trim(token, " "):
		return bad("must not begin or end with a blank")
	}
	return nil
}

// bootstrap makes the account, the user, its grants and its token.
func (t *change) bootstrap(hash [sha256.Size]byte) error {
	if t.st.accountByID[OwnAccount] == nil {
		a, err := NewAccount{ID: OwnAccount, Name: "Countersign"}.make(t.now)
		if err != nil {
			return err
		}
		if err := t.insertAccount(&a); err != nil {
			return err
		}
	}
	id := uuid.NewString()
	u, memberOf, err := NewUser{
		ID: id, Type: Service, FriendlyName: "Administrator", PrimaryAccountID: OwnAccount,
		Description: "made at the first start",
	}.make(t.now, id)
	if err != nil {
		return err
	}
	if err := t.insertUser(&u, memberOf); err != nil {
		return err
	}
	for _, role := range Roles() {
		if err := t.insertGrant(id, Grant{Role: role, Server: true}, id); err != nil {
			return err
		}
	}
	return t.insertToken(&Token{ID: uuid.NewString(), UserID: id, Name: "bootstrap", Enabled: true, CreatedAt: t.now, CreatedBy: id}, hash)
}
