package identity

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"countersign/problem"
)

// Validity says whether a token or a certificate signs its user in; only a valid one does.
type Validity string

// The states of tokens and certificates.
const (
	Valid       Validity = "valid"
	Disabled    Validity = "disabled"
	Expired     Validity = "expired"
	NotYetValid Validity = "not_yet_valid" // certificates only
)

// pass is what a token and a certificate have in common: it signs its user in.
type pass struct {
	what        string // "token" or "certificate", for the log
	id          string
	enabled     bool
	from, until time.Time // until is the first moment after; zero is without bound
	accounts    []string  // what it is bound to; nil when to none
	sources     []string
	user        *user
	caller      Caller
	used        *usage
}

// usage is when a pass was last used. It outlives the snapshots: each takes it over from the one before.
type usage struct {
	minute atomic.Int64 // minutes since 1970, 0 for never
	saved  int64        // the minute in the database; belongs to the goroutine that owns the database
}

// at returns the minute of the last use, nil when there was none.
func (u *usage) at() *time.Time {
	m := u.minute.Load()
	if m == 0 {
		return nil
	}
	t := seconds(m * 60)
	return &t
}

// note keeps the use. Storing only what is new keeps the cores from passing the line around at every request.
func (u *usage) note(now time.Time) {
	if minute := now.Unix() / 60; u.minute.Load() != minute {
		u.minute.Store(minute)
	}
}

// validityAt is the state of the pass at a moment.
func (p *pass) validityAt(now time.Time) Validity {
	switch {
	case !p.enabled:
		return Disabled
	case now.Before(p.from):
		return NotYetValid
	case !p.until.IsZero() && !now.Before(p.until):
		return Expired
	}
	return Valid
}

// Refusal is the Cause of a refused sign-in with a token or certificate that is known. Whoever records the
// attempt says whose it is; the one who tried is not told.
type Refusal struct {
	Caller Caller // who would have been signed in
	Reason string // names tokens, certificates and users by id only
}

func (r *Refusal) Error() string { return r.Reason }

// usable returns why the pass does not sign its user in, nil when it does.
func (p *pass) usable(now time.Time) error {
	if v := p.validityAt(now); v != Valid {
		return &Refusal{p.caller, fmt.Sprintf("%s %s of user %s is %s", p.what, p.id, p.user.ID, v)}
	}
	if p.user.Status != Active {
		return &Refusal{p.caller, fmt.Sprintf("user %s of %s %s is %s", p.user.ID, p.what, p.id, p.user.Status)}
	}
	return nil
}

// passOf returns the pass that the caller signed in with, nil when it is gone.
func (st *state) passOf(c Caller) *pass {
	if t := st.tokenByID[c.TokenID]; t != nil {
		return &t.pass
	}
	if v := st.certificateByID[c.CertificateID]; v != nil {
		return &v.pass
	}
	return nil
}

// mayMakePass returns the user of a token or certificate to be made, bound to the accounts and sources.
// Whoever has it acts as that user, so the caller must have the right to give each of the user's grants; for
// themselves callers need only ManageTokens over themselves, and what is new is bound at least as narrowly as
// what they signed in with.
func (st *state) mayMakePass(c Caller, userID string, accounts, sources []string) (*user, error) {
	u, err := st.findUser(c, userID)
	if err != nil {
		return nil, problem.Bad("user_id", userID, "no such user")
	}
	if !c.governs(ManageTokens, u) {
		return nil, mayNot(ManageTokens)
	}
	if u.Status == Deleted {
		return nil, conflict("user_id", u.ID, "the user is deleted")
	}
	for i, account := range accounts {
		if err := st.checkAccount(at("accounts", i), c, ViewAccounts, account); err != nil {
			return nil, err
		}
	}
	if u.ID == c.UserID {
		return u, c.checkNarrower(accounts, sources)
	}
	for _, g := range u.Grants {
		if !c.mayGive(g) {
			return nil, problem.New(problem.Denied, "the user holds %s, which the caller may not give", g.Role)
		}
	}
	return u, nil
}

// checkNarrower refuses bounds wider than those of what the caller signed in with.
func (c Caller) checkNarrower(accounts, sources []string) error {
	for _, b := range []struct {
		field        string
		wanted, have []string
	}{{"accounts", accounts, c.accounts}, {"sources", sources, c.sources}} {
		if b.have == nil {
			continue
		}
		if b.wanted == nil || slices.ContainsFunc(b.wanted, func(v string) bool { return !slices.Contains(b.have, v) }) {
			return problem.New(problem.Denied, "what the caller signed in with is bound to some %s, and what is new must be to no others", b.field)
		}
	}
	return nil
}

// knows reports whether the caller may see the tokens and certificates of the user.
func (c Caller) knows(u *user) bool {
	return u.ID == c.UserID || c.sees(u) && c.governs(ManageTokens, u)
}

// mayManage returns nil when the caller may change or delete a token or certificate of the user.
func (c Caller) mayManage(u *user, what string) error {
	switch {
	case !c.knows(u):
		return noSuch(what)
	case !c.governs(ManageTokens, u):
		return mayNot(ManageTokens)
	}
	return nil
}

// knownTo returns the user (Me for the caller), or every user when userID is empty, whose tokens and
// certificates the caller may see.
func (st *state) knownTo(c Caller, userID string) ([]*user, error) {
	if userID != "" {
		u, err := st.findUser(c, userID)
		if err != nil {
			return nil, err
		}
		if !c.knows(u) {
			return nil, mayNot(ManageTokens)
		}
		return []*user{u}, nil
	}
	var known []*user
	for _, u := range st.users {
		if c.knows(u) {
			known = append(known, u)
		}
	}
	return known, nil
}
