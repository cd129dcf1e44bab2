package verify

import (
	"errors"
	"fmt"
	"io"

	"countersign/bundle"
	"countersign/event"
	"countersign/merkle"
)

// wholeCheck finds out whether a pack has every entry of the period: rows and the other entries together must be all of
// a range, or all of the chains of the accounts.
type wholeCheck struct {
	report   *Report
	m        *bundle.Manifest
	from, to event.Micros
	in       *hashing
	x        *bundle.ExcludedReader
	next     *bundle.Excluded // read and not yet placed
	err      error            // of reading
	leaves   []leafAt
	last     int64  // the last entry of both kinds, -1 for none
	expect   uint64 // of a range: what must come next
	chains   map[string]*packChain
}

// packChain is how far the chain of an account was followed.
type packChain struct {
	claimed *bundle.PackChain
	begun   bool
	last    uint64 // seq
	n       uint64 // its account_seq
	named   bool   // its end says whose it is
}

func newWholeCheck(r *Report, m *bundle.Manifest, in *hashing) (*wholeCheck, error) {
	w := &wholeCheck{report: r, m: m, in: in, last: -1, chains: map[string]*packChain{}}
	from, to, err := m.Period()
	if err != nil {
		return nil, err
	}
	w.from, w.to = event.Micros(from), event.Micros(to)
	if m.Range != nil {
		w.expect = m.Range.From
	}
	for i := range m.Chains {
		w.chains[m.Chains[i].Account] = &packChain{claimed: &m.Chains[i]}
	}
	if w.x, err = bundle.OpenExcluded(in, m); err != nil {
		return nil, err
	}
	w.read()
	return w, w.err
}

// read reads the next entry that is no row.
func (w *wholeCheck) read() {
	var err error
	if w.next, err = w.x.Next(); err != nil {
		w.next = nil
		if !errors.Is(err, io.EOF) {
			w.err = err
		}
	}
}

// visited is an entry as far as it is known here.
type visited struct {
	*event.Entry
	fact, row bool
	account   string // whose chain it is in, said or shown
	shown     bool   // shown
}

// row takes the next row, after what stands before it.
func (w *wholeCheck) row(e *event.Entry) {
	w.upTo(e.Seq)
	w.visit(&visited{Entry: e, row: true, account: e.Account.ID, shown: true})
}

// upTo takes all entries that are no rows and stand before seq.
func (w *wholeCheck) upTo(seq uint64) {
	for w.err == nil && w.next != nil && w.next.Seq < seq {
		w.exclude(w.next)
		w.read()
	}
}

// exclude takes an entry that is no row.
func (w *wholeCheck) exclude(x *bundle.Excluded) {
	leaf, err := x.Leaf()
	if err != nil {
		w.err = err
		return
	}
	w.leaves = append(w.leaves, leafAt{x.Seq, leaf})
	if (w.m.Range != nil) != (x.Account == "") || x.Fact != nil && w.m.Range == nil {
		w.report.findEntry(Added, bundle.PackExcluded, x.Seq, "it belongs to no range or chain that the pack is over")
		return
	}
	if x.Fact != nil {
		w.visit(&visited{Entry: &event.Entry{Seq: x.Seq}, fact: true})
		return
	}
	e, err := x.Opening.Entry()
	if err != nil {
		w.err = err
		return
	}
	items := x.Opening.Items
	switch {
	case !items[event.FieldFrame].Shown:
		w.report.findEntry(Missing, bundle.PackExcluded, x.Seq, "it is not shown to be outside of the period")
		return
	case e.Seq != x.Seq:
		w.report.findEntry(Moved, bundle.PackExcluded, x.Seq, "the opening is that of entry %d", e.Seq)
		return
	case e.OccurredAt >= w.from && e.OccurredAt <= w.to:
		w.report.findEntry(Missing, bundle.PackRows, x.Seq, "it is of the period, and not among the rows")
	}
	v := visited{Entry: &e, account: x.Account}
	if items[event.FieldScope].Shown {
		if v.shown = e.Account.ID == x.Account; !v.shown && w.m.Range == nil {
			w.report.findEntry(Changed, bundle.PackExcluded, x.Seq, "it is of account %q, and said to be of %q", e.Account.ID, x.Account)
		}
	}
	w.visit(&v)
}

// visit takes the next entry of either kind.
func (w *wholeCheck) visit(v *visited) {
	if int64(v.Seq) <= w.last {
		w.report.findEntry(Repeated, bundle.PackExcluded, v.Seq, "it stands behind entry %d", w.last)
		return
	}
	w.last = int64(v.Seq)
	if w.m.Range != nil {
		w.inRange(v)
	} else {
		w.inChain(v)
	}
}

func (w *wholeCheck) inRange(v *visited) {
	from := w.m.Range.From
	if v.Seq < from {
		if !v.row {
			w.report.findEntry(Added, bundle.PackExcluded, v.Seq, "the range begins with entry %d", from)
		}
		return // dated ahead when it was recorded
	}
	if v.Seq == from && from > 0 && (v.fact || v.ReceivedAt >= w.from) {
		w.report.findEntry(Missing, "", from-1, "the range begins behind it, and is not shown to reach back to before the period")
	}
	w.missing(v.Seq)
	w.expect = v.Seq + 1
}

// missing reports the entries of the range that were expected before seq.
func (w *wholeCheck) missing(seq uint64) {
	switch {
	case seq == w.expect+1:
		w.report.findEntry(Missing, "", w.expect, "the range has it, and the pack has not")
	case seq > w.expect:
		w.report.findEntry(Missing, "", w.expect, "the range has the entries %d to %d, and the pack has not", w.expect, seq-1)
	}
}

func (w *wholeCheck) inChain(v *visited) {
	c := w.chains[v.account]
	if c == nil {
		w.report.findEntry(Added, "", v.Seq, "the pack is over no chain of account %q", v.account)
		return
	}
	switch {
	case v.Seq < c.claimed.From:
		if !v.row {
			w.report.findEntry(Added, bundle.PackExcluded, v.Seq, "the chain begins with entry %d", c.claimed.From)
		}
		return
	case !c.begun:
		c.begun = true
		first := v.AccountSeq == 0 && v.AccountPrev == event.NoPrev
		if v.Seq != c.claimed.From || !first && v.ReceivedAt >= w.from {
			w.report.findEntry(Missing, "", v.AccountPrev, "entry %d of account %q names it as the one before, and the chain is not shown to reach back to before the period", v.Seq, v.account)
		}
	case v.AccountPrev != c.last || v.AccountSeq != c.n+1:
		w.report.findEntry(Missing, "", v.AccountPrev, "entry %d of account %q names it as the one before, and the pack has entry %d there", v.Seq, v.account, c.last)
	}
	c.last, c.n, c.named = v.Seq, v.AccountSeq, v.shown
}

// end takes what stands behind the last row, and holds it all to the tree.
func (w *wholeCheck) end() error {
	w.upTo(w.m.TreeSize)
	if w.err != nil {
		return w.err
	}
	if w.next != nil {
		w.report.findEntry(Added, bundle.PackExcluded, w.next.Seq, "the report is over the first %d entries", w.m.TreeSize)
		return nil
	}
	if w.m.Range != nil {
		w.missing(w.m.TreeSize)
	}
	for account, c := range w.chains {
		switch {
		case !c.begun || c.last != c.claimed.Last:
			w.report.findEntry(Missing, "", c.claimed.Last, "the chain of account %q is to end with it", account)
		case !c.named:
			w.report.findEntry(Missing, bundle.PackExcluded, c.last, "the end of the chain of account %q is not shown to be of that account", account)
		}
	}
	if n := uint64(len(w.leaves)); n != w.m.Excluded {
		w.report.find(WrongTotal, bundle.PackExcluded, "it has %d entries, and the manifest says %d", n, w.m.Excluded)
	}
	return w.tree()
}

// tree holds the entries that are no rows to the root of the checkpoint.
func (w *wholeCheck) tree() error {
	if len(w.leaves) == 0 {
		return w.x.End()
	}
	root, err := merkle.CheckMulti(w.m.Checkpoint.Size, func(yield func(uint64, merkle.Hash) bool) {
		for _, at := range w.leaves {
			if !yield(at.seq, at.leaf) {
				return
			}
		}
	}, w.x.Hash)
	if errors.Is(err, io.EOF) {
		err = errTooFew
	}
	if err != nil {
		if _, bad := errors.AsType[*bundle.FormatError](err); bad {
			return err
		}
		w.report.find(WrongProof, bundle.PackExcluded, "entries with these numbers need other hashes: %v", err)
		return nil
	}
	if root != w.m.Checkpoint.Root {
		w.report.find(WrongProof, bundle.PackExcluded, "the entries and the hashes lead to the root %s, and the checkpoint has %s", rootText(root), rootText(w.m.Checkpoint.Root))
	}
	if _, err := w.x.Hash(); err != io.EOF {
		if err != nil {
			return err
		}
		w.report.find(WrongProof, bundle.PackExcluded, "it has more hashes than its entries need")
		return nil
	}
	return w.x.End()
}

// claim says what is complete.
func (w *wholeCheck) claim() {
	r, m := w.report, w.m
	if m.Range != nil {
		r.claim("C", "The population is complete: every entry of the trail from %d to %d that occurred from %s to %s is a row. Each of the %d others is shown to be of another time or a system fact.",
			m.Range.From, m.TreeSize-1, m.Report.From, m.Report.To, m.Excluded)
	} else {
		for i := range m.Chains {
			c := &m.Chains[i]
			if i == claimedChains {
				r.claim("C", "The populations of %d more accounts are complete in the same way.", len(m.Chains)-i)
				break
			}
			r.claim("C", "The population of account %q is complete: every entry of its chain from %d to %d that occurred from %s to %s is a row.", c.Account, c.From, c.Last, m.Report.From, m.Report.To)
		}
		r.Limits = append(r.Limits, "That an account's chain is complete relies on the server having numbered its entries honestly when they were recorded; a whole range of seq relies on nothing.")
	}
	r.Limits = append(r.Limits, fmt.Sprintf("Entries that were received before %s are spoken of only where they are rows: they would have to be dated ahead to be of the period.", m.Report.From))
}
