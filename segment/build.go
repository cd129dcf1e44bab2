package segment

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"countersign/bitmap"
	"countersign/event"
	"countersign/query"
)

// Build writes the segment over entries, which follow each other in the order of seq. It needs memory beside them: for
// each some 200 bytes.
func Build(to io.Writer, entries []*event.Entry) error {
	if len(entries) == 0 || len(entries) > MaxEntries {
		return fmt.Errorf("build index of %d entries: must be 1 to %d", len(entries), MaxEntries)
	}
	for i, e := range entries {
		if e.Seq != entries[0].Seq+uint64(i) {
			return fmt.Errorf("build index: entry %d follows %d", e.Seq, entries[i-1].Seq)
		}
	}
	b := builder{w: &writer{to: to}, entries: entries}
	b.first, b.directory.entries = entries[0].Seq, len(entries)
	b.w.write(appendHeader(nil))
	b.makeRows()
	b.writeOrder()
	b.writeColumns()
	b.writeAttributes()
	b.writeChains()
	if err := b.w.finish(b.directory.finish()); err != nil {
		return fmt.Errorf("build index from seq %d: %w", b.first, err)
	}
	return nil
}

// finish returns the bytes of a directory whose columns are all there.
func (d *directory) finish() []byte {
	slices.SortFunc(d.list, func(a, b *column) int { return cmp.Compare(a.field, b.field) })
	return d.append(nil)
}

type builder struct {
	directory
	w       *writer
	entries []*event.Entry
	rowed   []*event.Entry // by row
	// accounts has the account code of each row.
	accounts []uint32
}

// makeRows puts the events in the order of rows.
func (b *builder) makeRows() {
	for _, e := range b.entries {
		if e.Kind == event.KindEvent {
			b.rowed = append(b.rowed, e)
		}
	}
	b.rows = len(b.rowed)
	// They mostly are in order: sorting then is one pass.
	slices.SortFunc(b.rowed, func(x, y *event.Entry) int {
		return cmp.Or(cmp.Compare(x.OccurredAt, y.OccurredAt), cmp.Compare(x.Seq, y.Seq))
	})
	b.ordered = b.rows < len(b.entries) || !slices.IsSortedFunc(b.rowed, func(x, y *event.Entry) int { return cmp.Compare(x.Seq, y.Seq) })
}

func (b *builder) writeOrder() {
	if b.ordered {
		b.order = b.w.integers(b.rows, func(row int) int64 { return int64(b.rowed[row].Seq-b.first) - int64(row) })
	}
	b.occurred = b.w.integers(b.rows, func(row int) int64 { return int64(b.rowed[row].OccurredAt) })
	b.received = b.w.integers(len(b.entries), func(at int) int64 { return int64(b.entries[at].ReceivedAt) })
}

// integers writes an array of numbers.
func (w *writer) integers(count int, at func(i int) int64) integers {
	iw := integerWriter{w: w}
	out := integers{count: count, ascending: true}
	for i := range count {
		v := at(i)
		if i > 0 && v < iw.last {
			out.ascending = false
		}
		iw.add(v)
	}
	out.pages.ref = iw.finish()
	out.low, out.high = iw.low, iw.high
	return out
}

// writeColumns writes the columns of the fields that a row has.
func (b *builder) writeColumns() {
	const together = 256 // rows that stay in the processor's cache while all their fields are read
	var ns []*numbering
	var of []func(*event.Entry) event.Text
	for _, f := range query.Fields() {
		if f.Kind() == query.TextKind {
			ns, of = append(ns, newNumbering(f, b.rows)), append(of, query.TextOf(f))
		}
	}
	for from := 0; from < b.rows; from += together {
		for i, n := range ns {
			for row := from; row < min(from+together, b.rows); row++ {
				n.add(row, of[i](b.rowed[row]))
			}
		}
	}
	for i, n := range ns {
		b.writeColumn(n)
		ns[i] = nil // done with
	}
}

// writeColumn writes the column that is numbered, unless no row has it.
func (b *builder) writeColumn(n *numbering) {
	c := n.finish()
	if n.field == query.AccountID {
		b.accounts = c.codes
	}
	if c.has == 0 {
		return
	}
	b.list = append(b.list, c.write(b.w))
}

// writeAttributes gives the most frequent attributes a column.
func (b *builder) writeAttributes() {
	var names distinct
	var rows [][]uint32 // by number of the name
	for row, e := range b.rowed {
		for i := range e.Attributes {
			n, added := names.add(e.Attributes[i].Name)
			if added {
				rows = append(rows, nil)
			}
			rows[n] = append(rows[n], uint32(row))
		}
	}
	counts := make(map[string]int, len(rows))
	for i, name := range names.texts {
		counts[name] = len(rows[i])
	}
	named, rest := chooseAttributes(counts)
	for _, name := range named {
		n := newNumbering(query.AttributeField(name), b.rows)
		i, _ := names.add(name)
		for _, row := range rows[i] {
			n.add(int(row), b.rowed[row].Attribute(name))
		}
		b.writeColumn(n)
	}
	unsure := make([]bitmap.Set, 0, len(rest))
	for _, name := range rest {
		i, _ := names.add(name)
		unsure = append(unsure, bitmap.Of(rows[i]...))
	}
	b.unsure.ref = b.w.set(bitmap.Union(unsure...))
}

// maxAttributes is how many attributes have a column.
const maxAttributes = 64

// chooseAttributes returns the names that get a column, and those that get none: the rarer ones, or too long.
func chooseAttributes(counts map[string]int) (named, rest []string) {
	for name := range counts {
		if len(query.AttributeField(name)) > maxNameBytes {
			rest = append(rest, name)
		} else {
			named = append(named, name)
		}
	}
	slices.SortFunc(named, func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	if len(named) > maxAttributes {
		rest = append(rest, named[maxAttributes:]...)
		named = named[:maxAttributes]
	}
	return named, rest
}

// writeChains notes where the numbers of each account begin or jump.
func (b *builder) writeChains() {
	rowOf := make([]uint32, len(b.entries))
	for row, e := range b.rowed {
		rowOf[e.Seq-b.first] = uint32(row)
	}
	var cs chains
	for at, e := range b.entries {
		if e.Kind == event.KindEvent {
			cs.add(b.accounts[rowOf[at]], e.AccountSeq)
		}
	}
	b.chained, b.chains.ref = cs.write(b.w)
}

// chains collects the chains of rows that come in the order of seq.
type chains struct {
	all []chain
	at  map[uint32]*running // by account
}

type running struct {
	rank uint32
	next uint64
}

func (cs *chains) add(account uint32, value uint64) { cs.addMany(account, value, 1) }

// addMany adds n rows of an account, with values that follow each other.
func (cs *chains) addMany(account uint32, value uint64, n uint32) {
	if cs.at == nil {
		cs.at = map[uint32]*running{}
	}
	r := cs.at[account]
	if r == nil {
		r = &running{}
		cs.at[account] = r
	}
	if r.rank == 0 || r.next != value {
		cs.all = append(cs.all, chain{account, r.rank, value})
	}
	r.rank += n
	r.next = value + uint64(n)
}

func (cs *chains) write(w *writer) (n int, r ref) {
	slices.SortFunc(cs.all, func(a, b chain) int { return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.rank, b.rank)) })
	var out []byte
	for _, c := range cs.all {
		out = appendChain(out, c)
	}
	return len(cs.all), w.block(out)
}
