package identity

import (
	"cmp"
	"slices"
	"strings"

	"countersign/problem"
)

// Caller is a user signed in by a token or a certificate, with the rights of that moment. It is a value: copying it is
// cheap, and it stays as it is when rights change; Directory.Renew brings it up to date. The zero Caller
// may do nothing.
type Caller struct {
	UserID string
	// Name is what the caller's acts are recorded under: the user name of a standard user, the friendly
	// name of a service user.
	Name           string
	UserType       UserType
	TokenID        string // empty when a certificate signed them in
	CertificateID  string // empty when a token did
	PrimaryAccount string

	grants   []Grant  // the user's
	accounts []string // what the token or certificate is bound to; nil when to none
	sources  []string // likewise
}

// CredentialID returns the id of what the caller signed in with. No two have the same, so whatever is kept
// for a caller from one call to the next (a tree size, a rate) is kept under it.
func (c Caller) CredentialID() string { return cmp.Or(c.TokenID, c.CertificateID) }

// within reports whether the bounds of what the caller signed in with let them act in the account.
func (c Caller) within(account string) bool {
	return c.accounts == nil || slices.Contains(c.accounts, account)
}

// May reports whether the caller may do p in the whole account. A grant that is limited to divisions does
// not count, except for seeing users and accounts, which have no division: what of the trail it reaches is
// Restrict's answer.
func (c Caller) May(p Permission, account string) bool {
	if !c.within(account) {
		return false
	}
	for i := range c.grants {
		g := &c.grants[i]
		if g.Role.Has(p) && (g.Server || g.Account == account) && (!g.limited() || p == ViewUsers || p == ViewAccounts) {
			return true
		}
	}
	return false
}

// MayServer reports whether the caller may do p on the whole server. A token or certificate that is bound to
// accounts may not, whatever its user may.
func (c Caller) MayServer(p Permission) bool {
	return c.accounts == nil && slices.ContainsFunc(c.grants, func(g Grant) bool { return g.Server && g.Role.Has(p) })
}

// mayWhere is May in the account of g, or MayServer for a server-wide g.
func (c Caller) mayWhere(p Permission, g Grant) bool {
	if g.Server {
		return c.MayServer(p)
	}
	return c.May(p, g.Account)
}

// mayInPart reports whether the caller may do p in the account or in divisions of it.
func (c Caller) mayInPart(p Permission, account string) bool {
	return c.within(account) && slices.ContainsFunc(c.grants, func(g Grant) bool {
		return g.Role.Has(p) && (g.Server || g.Account == account)
	})
}

// mayAnywhere reports whether there is any account in which the caller may do p, perhaps in part.
func (c Caller) mayAnywhere(p Permission) bool {
	return slices.ContainsFunc(c.grants, func(g Grant) bool {
		return g.Role.Has(p) && (g.Server || c.within(g.Account))
	})
}

// OwnAccount is the account of the server itself, and the first part of the sources that only it writes.
const OwnAccount = "countersign"

// reservedSource reports whether only the server writes the source.
func reservedSource(source string) bool {
	return source == OwnAccount || strings.HasPrefix(source, OwnAccount+"/")
}

// MayWrite returns nil when the caller may record events of the source in the account, else a Denied error
// that names what is out of reach.
func (c Caller) MayWrite(account, source string) error {
	denied := func(field, value, detail string) error {
		e := problem.Bad(field, value, "%s", detail)
		e.Kind = problem.Denied
		return e
	}
	switch {
	case reservedSource(source):
		return denied("source", source, "only the server itself writes this source")
	case !c.mayAnywhere(WriteEvents):
		return mayNot(WriteEvents)
	case !c.May(WriteEvents, account):
		return denied("account.id", account, "the caller may not write events of this account")
	case c.sources != nil && !slices.Contains(c.sources, source):
		return denied("source", source, "the token or certificate is not bound to this source")
	}
	return nil
}

// mayNot is the refusal of a caller who may do p nowhere, or not there.
func mayNot(p Permission) error { return problem.New(problem.Denied, "the caller may not %s", p) }

// mayGive reports whether the caller may give the grant to somebody, or act through somebody who holds it.
func (c Caller) mayGive(g Grant) bool {
	if !c.mayWhere(ManageRoles, g) {
		return false
	}
	return !roleIndex[g.Role].byServerAdmin || c.MayServer(ManageRoles)
}

// governs reports whether the caller may do p to the user as a whole: in each account the user belongs to,
// on the server when the user holds anything there; and an administrator is left to administrators. Less
// would let the administrator of one account remove somebody from another.
func (c Caller) governs(p Permission, u *user) bool {
	for _, account := range u.memberOf {
		if !c.May(p, account) {
			return false
		}
	}
	for _, g := range u.Grants {
		if g.Server && !c.MayServer(p) {
			return false
		}
		if g.Role == AccountAdmin && !c.mayWhere(ManageRoles, g) {
			return false
		}
	}
	return true
}

// sees reports whether the caller may know that the user exists.
func (c Caller) sees(u *user) bool {
	return u.ID == c.UserID || slices.ContainsFunc(u.memberOf, func(account string) bool { return c.May(ViewUsers, account) })
}
