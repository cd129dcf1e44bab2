package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/google/uuid"

	"countersign/problem"
)

// TokenStatus says whether a token signs its user in; only a valid one does.
type TokenStatus string

// The states of tokens.
const (
	TokenValid    TokenStatus = "valid"
	TokenDisabled TokenStatus = "disabled"
	TokenExpired  TokenStatus = "expired"
)

// Token is an API token without its text, which nobody can read again. It expires at the end of EndDate in
// UTC: 23:59:59 of that day is the last second in which it signs in. LastUsedAt is coarse, to the minute.
// A token without Accounts or Sources is bound to none and reaches as far as its user.
type Token struct {
	ID         string      `json:"id"`
	UserID     string      `json:"user_id"`
	Name       string      `json:"name"`
	Status     TokenStatus `json:"status"`
	Enabled    bool        `json:"enabled"`
	EndDate    string      `json:"end_date,omitempty"`
	Accounts   []string    `json:"accounts,omitempty"` // sorted
	Sources    []string    `json:"sources,omitempty"`  // sorted
	CreatedAt  time.Time   `json:"created_at"`
	CreatedBy  string      `json:"created_by"`
	LastUsedAt *time.Time  `json:"last_used_at,omitempty"`
}

// NewToken is a token to be made for UserID (Me for the caller). Enabled is true when left out; a token
// without EndDate does not expire.
type NewToken struct {
	UserID   string   `json:"user_id"`
	Name     string   `json:"name"`
	Enabled  *bool    `json:"enabled"`
	EndDate  string   `json:"end_date"`
	Accounts []string `json:"accounts"`
	Sources  []string `json:"sources"`
}

// usage is when a token was last used. It outlives the snapshots: each takes it over from the one before.
type usage struct {
	minute atomic.Int64 // minutes since 1970, 0 for never
	saved  int64        // the minute in the database; belongs to the goroutine that owns the database
}

// token is a token in a snapshot.
type token struct {
	Token
	hash    [sha256.Size]byte
	expires time.Time // zero for never
	user    *user
	caller  Caller
	used    *usage
}

// statusAt is the token's state at a moment.
func (t *token) statusAt(now time.Time) TokenStatus {
	switch {
	case !t.Enabled:
		return TokenDisabled
	case !t.expires.IsZero() && !now.Before(t.expires):
		return TokenExpired
	}
	return TokenValid
}

// view is the token as it is told at a moment.
func (t *token) view(now time.Time) Token {
	v := t.Token
	v.Status = t.statusAt(now)
	if m := t.used.minute.Load(); m > 0 {
		at := time.Unix(m*60, 0).UTC()
		v.LastUsedAt = &at
	}
	return v
}

// tokenPrefix starts every token that is made here, so that scanners for leaked secrets can find them.
const tokenPrefix = "cst_"

// newSecret makes the text of a token and its hash, the only thing that is kept of it.
func newSecret() (secret string, hash [sha256.Size]byte) {
	b := make([]byte, 32)
	rand.Read(b) // never fails: crypto/rand ends the process instead
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
	return secret, sha256.Sum256([]byte(secret))
}

// checkTokenName allows letters, digits, blanks, - and _, as the vendor's console does.
func checkTokenName(v string) error {
	for _, r := range v {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != ' ' && r != '-' && r != '_' {
			return problem.Bad("name", v, "must be of letters, digits, blanks, - and _")
		}
	}
	return checkNeeded("name", v)
}

func (n NewToken) check(now time.Time) error {
	if err := valid(checkNeeded("user_id", n.UserID), checkTokenName(n.Name),
		checkBounds("accounts", n.Accounts, maxAccounts, checkID), checkBounds("sources", n.Sources, maxSources, checkSource)); err != nil {
		return err
	}
	if n.EndDate == "" {
		return nil
	}
	end, err := endOfDay("end_date", n.EndDate)
	if err == nil && !now.Before(end) {
		return problem.Bad("end_date", n.EndDate, "must not be in the past")
	}
	return err
}

// endOfDay is the first moment after the day.
func endOfDay(field, day string) (time.Time, error) {
	t, err := parseDay(field, day)
	return t.AddDate(0, 0, 1), err
}

// CreateToken makes a token and returns its text, which is shown this once. It needs ManageTokens over the
// user and the right to give each of the user's grants; for themselves callers need only ManageTokens over
// themselves, and the new token is bound at least as narrowly as the one they use.
func (d *Directory) CreateToken(ctx context.Context, c Caller, n NewToken) (Token, string, error) {
	id := uuid.NewString()
	secret, hash := newSecret()
	st, err := d.change(ctx, c, "create token", func(t *change, c Caller) error {
		if !c.mayAnywhere(ManageTokens) {
			return mayNot(ManageTokens)
		}
		if err := n.check(t.now); err != nil {
			return err
		}
		u, err := t.st.mayMakeToken(c, n)
		if err != nil {
			return err
		}
		return t.insertToken(&Token{
			ID: id, UserID: u.ID, Name: n.Name, Enabled: n.Enabled == nil || *n.Enabled, EndDate: n.EndDate,
			Accounts: n.Accounts, Sources: n.Sources, CreatedAt: t.now, CreatedBy: c.UserID,
		}, hash)
	})
	if err != nil {
		return Token{}, "", err
	}
	return st.tokenByID[id].view(d.now()), secret, nil
}

// mayMakeToken returns the user of a token to be made.
func (st *state) mayMakeToken(c Caller, n NewToken) (*user, error) {
	u, err := st.findUser(c, n.UserID)
	if err != nil {
		return nil, problem.Bad("user_id", n.UserID, "no such user")
	}
	if !c.governs(ManageTokens, u) {
		return nil, mayNot(ManageTokens)
	}
	if u.Status == Deleted {
		return nil, conflict("user_id", u.ID, "the user is deleted")
	}
	for i, account := range n.Accounts {
		if err := st.checkAccount(at("accounts", i), c, ViewAccounts, account); err != nil {
			return nil, err
		}
	}
	if slices.ContainsFunc(u.tokens, func(t *token) bool { return t.Name == n.Name }) {
		return nil, conflict("name", n.Name, "the user has a token with this name")
	}
	if u.ID == c.UserID {
		return u, c.checkNarrower(n)
	}
	for _, g := range u.Grants {
		if !c.mayGive(g) {
			return nil, problem.New(problem.Denied, "the user holds %s, which the caller may not give", g.Role)
		}
	}
	return u, nil
}

// checkNarrower refuses bounds wider than those of the caller's own token.
func (c Caller) checkNarrower(n NewToken) error {
	for _, b := range []struct {
		field        string
		wanted, have []string
	}{{"accounts", n.Accounts, c.accounts}, {"sources", n.Sources, c.sources}} {
		if b.have == nil {
			continue
		}
		if b.wanted == nil || slices.ContainsFunc(b.wanted, func(v string) bool { return !slices.Contains(b.have, v) }) {
			return problem.New(problem.Denied, "the token that asks is bound to some %s, and the new one must be to no others", b.field)
		}
	}
	return nil
}

func (t *change) insertToken(v *Token, hash [sha256.Size]byte) error {
	if err := t.exec(`INSERT INTO tokens (id, user_id, name, hash, enabled, end_date, created_at, created_by)
		VALUES (?,?,?,?,?,?,?,?)`, v.ID, v.UserID, v.Name, hash[:], v.Enabled, v.EndDate, v.CreatedAt.Unix(), v.CreatedBy); err != nil {
		return err
	}
	for _, account := range v.Accounts {
		if err := t.exec(`INSERT INTO token_accounts (token_id, account_id) VALUES (?,?)`, v.ID, account); err != nil {
			return err
		}
	}
	for _, source := range v.Sources {
		if err := t.exec(`INSERT INTO token_sources (token_id, source) VALUES (?,?)`, v.ID, source); err != nil {
			return err
		}
	}
	return nil
}

// knows reports whether the caller may see the tokens of the user.
func (c Caller) knows(u *user) bool {
	return u.ID == c.UserID || c.sees(u) && c.governs(ManageTokens, u)
}

// Token returns a token of the caller or of a user whose tokens they manage.
func (d *Directory) Token(_ context.Context, c Caller, id string) (Token, error) {
	t := d.state.Load().tokenByID[id]
	if t == nil || !c.knows(t.user) {
		return Token{}, noSuch("token")
	}
	return t.view(d.now()), nil
}

// Tokens returns the tokens of the user (Me for the caller), or all that the caller may see when userID is
// empty, in the order of users and then of making, and how many there are on all pages.
func (d *Directory) Tokens(_ context.Context, c Caller, userID string, p Page) ([]Token, int, error) {
	st := d.state.Load()
	users := st.users
	if userID != "" {
		u, err := st.findUser(c, userID)
		if err != nil {
			return nil, 0, err
		}
		if !c.knows(u) {
			return nil, 0, mayNot(ManageTokens)
		}
		users = []*user{u}
	}
	var seen []*token
	for _, u := range users {
		if c.knows(u) {
			seen = append(seen, u.tokens...)
		}
	}
	now := d.now()
	return page(seen, p, func(t *token) Token { return t.view(now) })
}

// DeleteToken deletes a token for ever. It needs ManageTokens over its user. No token deletes itself: the
// one left at last would leave nobody to make another.
func (d *Directory) DeleteToken(ctx context.Context, c Caller, id string) error {
	_, err := d.change(ctx, c, "delete token", func(t *change, c Caller) error {
		v := t.st.tokenByID[id]
		switch {
		case v == nil || !c.knows(v.user):
			return noSuch("token")
		case !c.governs(ManageTokens, v.user):
			return mayNot(ManageTokens)
		case v.ID == c.TokenID:
			return conflict("id", id, "no token deletes itself: use another one")
		}
		return t.exec(`DELETE FROM tokens WHERE id = ?`, id)
	})
	return err
}
