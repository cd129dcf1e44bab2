package verify

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"countersign/bundle"
	"countersign/event"
	"countersign/merkle"
	"countersign/query"
)

// Export checks an export with proof: that each row is in its one rendering, is the entry that the tree of the signed
// checkpoint holds, is what the query asks for, and stands where its order puts it; that nothing of a plain range of
// the trail, or of an account's chain, is missing; the counts and the checksum. It takes 40 bytes of memory a row,
// 40 more where the rows are not in the order of the trail.
func Export(ctx context.Context, r io.Reader, o Options) (*Report, error) {
	in := bufio.NewReaderSize(&counting{ctx: ctx, r: r, tell: o.Progress}, 256<<10)
	start, err := in.Peek(1024)
	if err != nil && err != io.EOF {
		return nil, cannot(err)
	}
	switch _, proof, ok := bundle.ExportKind(start); {
	case !ok:
		return nil, notChecked("this is no export")
	case !proof:
		return nil, notChecked("the export was made without proof; countersign export --proof makes one that can be checked")
	}
	report := newReport("an export with proof")
	x, err := bundle.OpenExport(in)
	if err != nil {
		return report.malformed(err)
	}
	h := x.Header()
	report.anchor(h.Checkpoint, o.Keys)
	report.describe(&h)
	c := newExportCheck(report, &h)
	if err := c.rows(ctx, x); err != nil {
		return report.malformed(err)
	}
	if err := c.tree(x); err != nil {
		return report.malformed(err)
	}
	if err := c.end(x); err != nil {
		return report.malformed(err)
	}
	c.complete()
	return report.done(), nil
}

// malformed turns an error of the bytes into a finding. Others say that nothing can be told.
func (r *Report) malformed(err error) (*Report, error) {
	bad, ok := errors.AsType[*bundle.FormatError](err)
	if !ok {
		return nil, cannot(err)
	}
	r.find(Malformed, recordName(bad.Record), "%s", bad.What)
	return r.done(), nil
}

func recordName(n uint64) string { return fmt.Sprintf("record %d", n) }

func (r *Report) describe(h *bundle.ExportHeader) {
	asked := query.Print(h.Query)
	if asked == "" {
		asked = "everything"
	}
	r.fact("query", "%s", asked)
	if scope := query.Print(h.Scope); scope != "" {
		r.fact("within", "%s (what the rights of the reader left of it)", scope)
	}
	r.fact("order", "%s", query.PrintSort(h.Sort))
	r.fact("answered over", "the first %d entries of the trail", h.TreeSize)
}

// leafAt is a leaf and its place.
type leafAt struct {
	seq  uint64
	leaf merkle.Hash
}

// otherLeaf is the leaf that a row gives, which is not the one that it states.
type otherLeaf struct {
	leaf   merkle.Hash
	record uint64
}

// exportCheck is the state of one check. Rows come to it in their order, from one goroutine.
type exportCheck struct {
	report *Report
	head   *bundle.ExportHeader

	plain    bool // a plain range: every entry of [from, to), facts too
	from, to uint64
	bySeq    bool // the order is that of the trail, ascending

	count, facts uint64
	leaves       []leafAt
	ascending    bool // leaves so far
	unread       bool // a row could not be decoded, so its leaf is not known
	last         *event.Entry
	computed     map[uint64]otherLeaf // of rows that do not give the leaf that they state
	chains       *chains
	later        []chainLink // for chains, where the rows are not in the order of the trail
	accounts     map[string]uint32
	names        []string
	each         func(*event.Entry) // told of each row, in order; it may be nil
}

func newExportCheck(r *Report, h *bundle.ExportHeader) *exportCheck {
	c := &exportCheck{report: r, head: h, ascending: true, computed: map[uint64]otherLeaf{}, accounts: map[string]uint32{}}
	c.from, c.to, c.plain = h.Range()
	c.bySeq = (h.Sort.Field == query.Seq || h.Sort.Field == "") && !h.Sort.Desc
	c.chains = newChains(r, chainRange(h))
	return c
}

// row takes the next row.
func (c *exportCheck) row(w *checkedRow) {
	c.count++
	e := &w.row.Entry
	if w.err != nil {
		c.unread = true
		c.report.find(Malformed, recordName(w.record), "%v", w.err)
		return
	}
	where := recordName(w.record)
	c.place(where, e, w)
	if c.each != nil {
		c.each(e)
	}
	if e.Seq >= c.head.TreeSize {
		c.report.findEntry(Added, where, e.Seq, "the export is of the first %d entries", c.head.TreeSize)
		return
	}
	switch {
	case c.plain && (e.Seq < c.from || e.Seq >= c.to):
		c.report.findEntry(Added, where, e.Seq, "the query does not ask for it")
	case e.Kind != event.KindEvent && !c.plain:
		c.report.findEntry(Added, where, e.Seq, "a system fact stands in an export of what a query found")
	case !w.found:
		c.report.findEntry(Added, where, e.Seq, "the query does not find it")
	}
	if e.Kind != event.KindEvent {
		c.facts++
	}
	if w.leaf != w.row.Leaf {
		c.computed[e.Seq] = otherLeaf{w.leaf, w.record}
	}
	if n := len(c.leaves); n > 0 && c.leaves[n-1].seq >= e.Seq {
		c.ascending = false
	}
	c.leaves = append(c.leaves, leafAt{e.Seq, w.row.Leaf})
	link := chainLink{seq: e.Seq, received: e.ReceivedAt, accountSeq: e.AccountSeq, prev: e.AccountPrev, fact: e.Kind != event.KindEvent}
	if c.bySeq {
		c.chains.add(&link, e.Account.ID)
		return
	}
	link.account = c.intern(e.Account.ID)
	c.later = append(c.later, link)
}

// place finds out whether the row stands where its order puts it.
func (c *exportCheck) place(where string, e *event.Entry, w *checkedRow) {
	before := c.last
	c.last = e
	if before == nil || w.order < 0 {
		return
	}
	if before.Seq == e.Seq {
		c.report.findEntry(Repeated, where, e.Seq, "the entry stands twice")
		return
	}
	c.report.findEntry(Moved, where, e.Seq, "it stands behind entry %d, which comes after it in the order %s", before.Seq, query.PrintSort(c.head.Sort))
}

func (c *exportCheck) intern(account string) uint32 {
	n, known := c.accounts[account]
	if !known {
		n = uint32(len(c.names))
		c.accounts[account] = n
		c.names = append(c.names, account)
	}
	return n
}

// end reads the last record.
func (c *exportCheck) end(x *bundle.ExportReader) error {
	end, err := x.End()
	if bad, ok := errors.AsType[*bundle.FormatError](err); ok && end != (bundle.ExportEnd{}) {
		c.report.find(Changed, recordName(bad.Record), "%s", bad.What)
		err = nil
	}
	if err != nil {
		return err
	}
	where := recordName(x.Record())
	if end.Count != c.count {
		c.report.find(WrongTotal, where, "the export says that it has %d rows, and has %d", end.Count, c.count)
	}
	if end.TreeSize != c.head.TreeSize {
		c.report.find(WrongTotal, where, "the export says at its end that it is of %d entries, and in its header of %d", end.TreeSize, c.head.TreeSize)
	}
	return nil
}

// counting tells how far a reader is, and stops it with its context.
type counting struct {
	ctx  context.Context
	r    io.Reader
	n    int64
	tell func(int64)
}

func (c *counting) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, stopped(c.ctx)
	}
	n, err := c.r.Read(p)
	if c.n += int64(n); c.tell != nil {
		c.tell(c.n)
	}
	return n, err
}
