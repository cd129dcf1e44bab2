package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"
	"unicode"

	"github.com/google/uuid"

	"countersign/problem"
)

// Token is an API token without its text, which nobody can read again. It expires at the end of EndDate in
// UTC: 23:59:59 of that day is the last second in which it signs in. LastUsedAt is coarse, to the minute.
// A token without Accounts or Sources is bound to none and reaches as far as its user.
type Token struct {
	ID         string     `json:"id"`
	UserID     string     `json:"user_id"`
	Name       string     `json:"name"`
	Status     Validity   `json:"status"`
	Enabled    bool       `json:"enabled"`
	EndDate    string     `json:"end_date,omitempty"`
	Accounts   []string   `json:"accounts,omitempty"` // sorted
	Sources    []string   `json:"sources,omitempty"`  // sorted
	CreatedAt  time.Time  `json:"created_at"`
	CreatedBy  string     `json:"created_by"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
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

// TokenUpdate is what may change of a token. An empty EndDate takes the end away.
type TokenUpdate struct {
	Name    Optional[string] `json:"name"`
	Enabled Optional[bool]   `json:"enabled"`
	EndDate Optional[string] `json:"end_date"`
}

// token is a token in a snapshot.
type token struct {
	Token
	pass
	hash [sha256.Size]byte
}

// view is the token as it is told at a moment.
func (t *token) view(now time.Time) Token {
	v := t.Token
	v.Status, v.LastUsedAt = t.validityAt(now), t.used.at()
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

// checkPassName allows letters, digits, blanks, - and _, as the vendor's console does for tokens.
func checkPassName(v string) error {
	for _, r := range v {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != ' ' && r != '-' && r != '_' {
			return problem.Bad("name", v, "must be of letters, digits, blanks, - and _")
		}
	}
	return checkNeeded("name", v)
}

func (n NewToken) check(now time.Time) error {
	if err := valid(checkNeeded("user_id", n.UserID), checkPassName(n.Name),
		checkBounds("accounts", n.Accounts, maxAccounts, checkID), checkBounds("sources", n.Sources, maxSources, checkSource)); err != nil {
		return err
	}
	return checkEnd(n.EndDate, now)
}

// checkEnd checks an optional last day.
func checkEnd(day string, now time.Time) error {
	if day == "" {
		return nil
	}
	end, err := endOfDay("end_date", day)
	if err == nil && !now.Before(end) {
		return problem.Bad("end_date", day, "must not be in the past")
	}
	return err
}

// endOfDay is the first moment after the day.
func endOfDay(field, day string) (time.Time, error) {
	t, err := parseDay(field, day)
	return t.AddDate(0, 0, 1), err
}

// CreateToken makes a token and returns its text, which is shown this once. mayMakePass says who may.
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
		u, err := t.st.mayMakePass(c, n.UserID, n.Accounts, n.Sources)
		if err != nil {
			return err
		}
		if u.hasToken(n.Name) {
			return conflict("name", n.Name, "the user has a token with this name")
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

func (t *change) insertToken(v *Token, hash [sha256.Size]byte) error {
	if err := t.exec(`INSERT INTO tokens (id, user_id, name, hash, enabled, end_date, created_at, created_by)
		VALUES (?,?,?,?,?,?,?,?)`, v.ID, v.UserID, v.Name, hash[:], v.Enabled, v.EndDate, v.CreatedAt.Unix(), v.CreatedBy); err != nil {
		return err
	}
	return t.insertBounds("token", v.ID, v.Accounts, v.Sources)
}

// insertBounds binds a new token or certificate to accounts and sources.
func (t *change) insertBounds(what, id string, accounts, sources []string) error {
	for _, account := range accounts {
		if err := t.exec(fmt.Sprintf(`INSERT INTO %s_accounts (%[1]s_id, account_id) VALUES (?,?)`, what), id, account); err != nil {
			return err
		}
	}
	for _, source := range sources {
		if err := t.exec(fmt.Sprintf(`INSERT INTO %s_sources (%[1]s_id, source) VALUES (?,?)`, what), id, source); err != nil {
			return err
		}
	}
	return nil
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
	users, err := d.state.Load().knownTo(c, userID)
	if err != nil {
		return nil, 0, err
	}
	var seen []*token
	for _, u := range users {
		seen = append(seen, u.tokens...)
	}
	now := d.now()
	return page(seen, p, func(t *token) Token { return t.view(now) })
}

// UpdateToken renames, enables or disables a token, or moves its end. It needs ManageTokens over its user. No
// token disables itself.
func (d *Directory) UpdateToken(ctx context.Context, c Caller, id string, n TokenUpdate) (Token, error) {
	st, err := d.change(ctx, c, "update token", func(t *change, c Caller) error {
		v := t.st.tokenByID[id]
		if v == nil {
			return noSuch("token")
		}
		if err := c.mayManage(v.user, "token"); err != nil {
			return err
		}
		name, enabled, end := n.Name.or(v.Name), n.Enabled.or(v.Enabled), n.EndDate.or(v.EndDate)
		if err := checkPassName(name); err != nil {
			return err
		}
		if end != v.EndDate { // one that has passed may stay as it is
			if err := checkEnd(end, t.now); err != nil {
				return err
			}
		}
		switch {
		case name != v.Name && v.user.hasToken(name):
			return conflict("name", name, "the user has a token with this name")
		case !enabled && v.ID == c.TokenID:
			return conflict("enabled", "false", "no token disables itself: use another one")
		}
		return t.exec(`UPDATE tokens SET name = ?, enabled = ?, end_date = ? WHERE id = ?`, name, enabled, end, id)
	})
	if err != nil {
		return Token{}, err
	}
	return st.tokenByID[id].view(d.now()), nil
}

// DeleteToken deletes a token for ever. It needs ManageTokens over its user. No token deletes itself: the
// one left at last would leave nobody to make another.
func (d *Directory) DeleteToken(ctx context.Context, c Caller, id string) error {
	_, err := d.change(ctx, c, "delete token", func(t *change, c Caller) error {
		v := t.st.tokenByID[id]
		if v == nil {
			return noSuch("token")
		}
		if err := c.mayManage(v.user, "token"); err != nil {
			return err
		}
		if v.ID == c.TokenID {
			return conflict("id", id, "no token deletes itself: use another one")
		}
		return t.exec(`DELETE FROM tokens WHERE id = ?`, id)
	})
	return err
}
