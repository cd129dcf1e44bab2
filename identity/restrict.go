package identity

import (
	"maps"
	"slices"

	"countersign/event"
	"countersign/query"
)

// Restrict returns the filter that finds of f's entries those that the caller may do p with. It is the one
// place where a caller becomes a restriction; whatever answers with entries, counts, values or proofs asks
// through it. What it adds is the last term of an And, so that a store can keep what the term finds. A caller
// who may do p nowhere gets a Denied error. The same rights give the same filter, in the same order,
// whichever way they were granted.
func (c Caller) Restrict(p Permission, f query.Filter) (query.Filter, error) {
	// own holds what is seen with the server's records of reading and running, plain what is seen without.
	var own, plain reach
	for i := range c.grants {
		g := &c.grants[i]
		if !g.Role.Has(p) {
			continue
		}
		r := &plain
		// Only reading stops at those records: who erases a person must reach them there too.
		if p != ReadTrail || g.Role.Has(ReadOwn) {
			r = &own
		}
		switch {
		case g.Server && c.accounts == nil:
			r.server = true
		case g.Server:
			for _, account := range c.accounts {
				r.add(account, nil)
			}
		case c.within(g.Account):
			r.add(g.Account, g.Divisions)
		}
	}
	if own.server {
		return f, nil
	}
	plain.remove(&own)
	if own.empty() && plain.empty() {
		return nil, mayNot(p)
	}
	terms := own.terms()
	switch {
	case plain.server:
		terms = append(terms, query.Not{Filter: OwnRecords()})
	case !plain.empty():
		terms = append(terms, query.And{anyOf(plain.terms()), query.Not{Filter: OwnRecords()}})
	}
	scope := anyOf(terms)
	if f == nil {
		return scope, nil
	}
	return query.And{f, scope}, nil
}

// anyOf is the union of at least one filter.
func anyOf(fs []query.Filter) query.Filter {
	if len(fs) == 1 {
		return fs[0]
	}
	return query.Or(fs)
}

// reach is a set of places: the whole server, or accounts with nil for the whole account and else the
// divisions of it.
type reach struct {
	server   bool
	accounts map[string]map[string]bool
}

func (r *reach) empty() bool { return !r.server && len(r.accounts) == 0 }

// add adds the divisions of the account, or all of the account when there are none.
func (r *reach) add(account string, divisions []string) {
	if r.accounts == nil {
		r.accounts = make(map[string]map[string]bool)
	}
	have, known := r.accounts[account]
	switch {
	case len(divisions) == 0:
		r.accounts[account] = nil
	case known && have == nil:
		// The whole account is reached already.
	default:
		if have == nil {
			have = make(map[string]bool)
			r.accounts[account] = have
		}
		for _, d := range divisions {
			have[d] = true
		}
	}
}

// remove takes out what other reaches too.
func (r *reach) remove(other *reach) {
	for account, divisions := range other.accounts {
		mine, ok := r.accounts[account]
		switch {
		case !ok:
		case divisions == nil:
			delete(r.accounts, account)
		case mine != nil:
			for d := range divisions {
				delete(mine, d)
			}
			if len(mine) == 0 {
				delete(r.accounts, account)
			}
		}
	}
}

// terms returns filters whose union is the accounts of r, in order.
func (r *reach) terms() []query.Filter {
	var whole []string
	var parts []query.Filter
	for _, account := range slices.Sorted(maps.Keys(r.accounts)) {
		if divisions := r.accounts[account]; divisions != nil {
			parts = append(parts, query.And{
				query.Is(query.AccountID, account),
				query.Is(query.DivisionID, slices.Sorted(maps.Keys(divisions))...),
			})
			continue
		}
		whole = append(whole, account)
	}
	if len(whole) == 0 {
		return parts
	}
	return append([]query.Filter{query.Is(query.AccountID, whole...)}, parts...)
}

// ownRecords is the filter of OwnRecords, built once: every list of a vendor's dialect asks for it.
var ownRecords = query.OfClasses(event.SelfOnly())

// OwnRecords finds what the server records of being read, run and kept (READ, EXPORT, START and the like),
// as told from its records of sign-ins and changes, which everybody who may read the trail sees. It is
// shared and read-only.
func OwnRecords() query.Filter { return ownRecords }
