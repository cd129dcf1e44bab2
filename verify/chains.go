package verify

import (
	"cmp"
	"math"
	"slices"

	"countersign/bundle"
	"countersign/event"
	"countersign/query"
)

// The entries of an account are numbered from 0 and each names the one before, so a chain shows what is missing
// inside of it. Whole ranges of the trail show that by themselves; there the chains are held to the numbering rule.

// chainLink is what the chain of an account is made of.
type chainLink struct {
	seq      uint64
	received event.Micros
	// account is a number of the check's own.
	account          uint32
	accountSeq, prev uint64
	fact             bool
}

// chainBounds says which entries a check sees.
type chainBounds struct {
	// plain: every entry from seq from on. Then each that a chain names must have been there.
	plain bool
	// whole: every entry of each account that it sees at all, from seq from and account_seq first on.
	whole       bool
	from, first uint64
}

// chainRange tells what an export must show of the chains of its accounts.
func chainRange(h *bundle.ExportHeader) chainBounds {
	if from, _, ok := h.Range(); ok {
		return chainBounds{plain: true, from: from}
	}
	if h.Sort.Field != query.Seq && h.Sort.Field != "" {
		return chainBounds{}
	}
	asked := query.Normalize(query.And{h.Query, h.Scope})
	terms, several := asked.(query.And)
	if !several {
		terms = query.And{asked}
	}
	b := chainBounds{whole: true}
	for _, term := range terms {
		r, isRange := term.(query.Range)
		switch {
		case isRange && r.Field == query.Seq:
			b.from = max(b.from, uint64(max(r.Min, 0)))
		case isRange && r.Field == query.AccountSeq:
			b.first = max(b.first, uint64(max(r.Min, 0)))
		case !ofAccount(term):
			return chainBounds{}
		}
	}
	return b
}

// ofAccount tells whether a filter finds all entries of an account or none.
func ofAccount(f query.Filter) bool {
	switch f := f.(type) {
	case query.Text:
		return f.Field == query.AccountID
	case query.Not:
		return ofAccount(f.Filter)
	case query.And:
		return !slices.ContainsFunc(f, func(f query.Filter) bool { return !ofAccount(f) })
	case query.Or:
		return !slices.ContainsFunc(f, func(f query.Filter) bool { return !ofAccount(f) })
	}
	return false
}

// chain is where that of one account stands.
type chain struct {
	first, last       uint64 // account_seq of the first and the last seen
	firstSeq, lastSeq uint64
}

// chains follows the chains of all accounts along the trail.
type chains struct {
	report *Report
	// ifWhole is what holds only if no entry of a plain range is missing: else that is why.
	ifWhole  *Report
	bounds   chainBounds
	received event.Micros
	heads    map[string]*chain
}

func newChains(r *Report, b chainBounds) *chains {
	return &chains{report: r, ifWhole: newReport(""), bounds: b, received: math.MinInt64, heads: map[string]*chain{}}
}

// add takes the next entry along the trail.
func (c *chains) add(l *chainLink, account string) {
	if l.received < c.received {
		c.report.findEntry(Misnumbered, "", l.seq, "it was received at %v, before an entry that stands before it (%v)", l.received, c.received)
	}
	c.received = max(c.received, l.received)
	if l.fact {
		return // it is in no chain
	}
	if (l.accountSeq == 0) != (l.prev == event.NoPrev) || l.prev != event.NoPrev && l.prev >= l.seq || l.accountSeq > l.seq {
		c.report.findEntry(Misnumbered, "", l.seq, "account_seq %d and account_prev %s cannot both be right", l.accountSeq, prevText(l.prev))
	}
	head, known := c.heads[account]
	if !known {
		c.heads[account] = &chain{first: l.accountSeq, last: l.accountSeq, firstSeq: l.seq, lastSeq: l.seq}
		c.begin(l, account)
		return
	}
	c.next(l, account, head)
	head.last, head.lastSeq = l.accountSeq, l.seq
}

// begin checks the first entry of an account that is seen.
func (c *chains) begin(l *chainLink, account string) {
	before := l.prev != event.NoPrev && l.prev >= c.bounds.from
	switch {
	case c.bounds.plain && before:
		c.ifWhole.findEntry(Misnumbered, "", l.seq, "its account_prev is entry %d, which is none of account %q", l.prev, account)
	case c.bounds.whole && before && l.accountSeq != c.bounds.first:
		c.report.findEntry(Missing, "", l.prev, "entry %d of account %q names it as the one before, and it is not there", l.seq, account)
	}
}

// next checks an entry against the one of its account that was seen before it.
func (c *chains) next(l *chainLink, account string, head *chain) {
	switch {
	case l.accountSeq <= head.last:
		c.report.findEntry(Misnumbered, "", l.seq, "its account_seq %d was given to account %q before, up to %d at entry %d", l.accountSeq, account, head.last, head.lastSeq)
	case l.accountSeq == head.last+1 && l.prev != head.lastSeq:
		c.report.findEntry(Misnumbered, "", l.seq, "its account_prev is %s, and entry %d of account %q is the one before", prevText(l.prev), head.lastSeq, account)
	case l.accountSeq == head.last+1:
	case l.prev <= head.lastSeq:
		c.report.findEntry(Misnumbered, "", l.seq, "its account_prev is %s, though entries of account %q must stand between it and entry %d", prevText(l.prev), account, head.lastSeq)
	case c.bounds.plain:
		c.ifWhole.findEntry(Misnumbered, "", l.seq, "its account_seq is %d, and that of the entry before it of account %q is %d", l.accountSeq, account, head.last)
	case c.bounds.whole:
		c.report.findEntry(Missing, "", l.prev, "%d entries of account %q between entries %d and %d are not there", l.accountSeq-head.last-1, account, head.lastSeq, l.seq)
	}
}

func prevText(prev uint64) string {
	if prev == event.NoPrev {
		return "none"
	}
	return "entry " + uintText(prev)
}

// addLater follows the chains of links that came in another order.
func (c *chains) addLater(links []chainLink, names []string) {
	slices.SortFunc(links, func(a, b chainLink) int { return cmp.Compare(a.seq, b.seq) })
	links = slices.CompactFunc(links, func(a, b chainLink) bool { return a.seq == b.seq })
	for i := range links {
		c.add(&links[i], names[links[i].account])
	}
}
