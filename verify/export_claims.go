package verify

import (
	"maps"
	"slices"
	"strconv"
)

// claimedChains is how many accounts' chains are claimed one by one.
const claimedChains = 20

// complete looks for what is missing and says what holds.
func (c *exportCheck) complete() {
	c.chains.addLater(c.later, c.names)
	r := c.report
	if c.plain && !c.unread && !c.gaps() {
		for _, f := range c.chains.ifWhole.Findings {
			r.add(f)
		}
	}
	r.fact("rows", "%s", rowsText(c.count, c.facts))
	if c.count > 0 {
		r.claim("A", "Every one of the %d rows is genuine: the log that the key speaks for holds it as it is shown, at the place it states.", c.count)
	}
	r.Limits = append(r.Limits, limitOperator, limitView)
	switch {
	case c.plain && c.from == c.to:
		r.claim("C", "The range that was asked for holds no entry of the first %d.", c.head.TreeSize)
	case c.plain:
		r.claim("C", "The export is complete: it has every entry of the trail from %d to %d, %d of them, system facts included.", c.from, c.to-1, c.to-c.from)
	case c.chains.bounds.whole:
		c.claimChains()
	default:
		r.Limits = append(r.Limits, "Nothing here says that the export has everything that the query finds. An export of a plain range of seq, or of all of an account (account.id:=ID), can show that.")
	}
}

// gaps reports the entries of a plain range that have no row. The leaves are ascending by now.
func (c *exportCheck) gaps() (some bool) {
	next := c.from
	report := func(to uint64) {
		some = some || to > next
		switch {
		case to == next+1:
			c.report.findEntry(Missing, "", next, "the range has it, and the export has not")
		case to > next:
			c.report.findEntry(Missing, "", next, "the range has the entries %d to %d, and the export has not", next, to-1)
		}
	}
	for _, at := range c.leaves {
		if at.seq < c.from || at.seq >= c.to {
			continue
		}
		report(at.seq)
		next = at.seq + 1
	}
	report(c.to)
	return some
}

// claimChains says how far the chain of each account is complete.
func (c *exportCheck) claimChains() {
	names := slices.Sorted(maps.Keys(c.chains.heads))
	for i, name := range names {
		if i == claimedChains {
			c.report.claim("C", "The chains of %d more accounts are complete in the same way.", len(names)-i)
			break
		}
		h := c.chains.heads[name]
		c.report.claim("C", "The export has every entry of account %q from account_seq %d to %d (seq %d to %d).", name, h.first, h.last, h.firstSeq, h.lastSeq)
	}
	if len(names) == 0 {
		return
	}
	c.report.Limits = append(c.report.Limits,
		"That an account's chain is complete relies on the server having numbered its entries honestly when they were recorded; a whole range of seq relies on nothing. Entries after the last one shown are not spoken of.")
}

func rowsText(rows, facts uint64) string {
	text := uintText(rows)
	if facts > 0 {
		text += ", " + uintText(facts) + " of them system facts"
	}
	return text
}

func uintText(n uint64) string { return strconv.FormatUint(n, 10) }
