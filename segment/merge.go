package segment

import (
	"cmp"
	"container/heap"
	"fmt"
	"io"
	"iter"
	"slices"

	"countersign/bitmap"
	"countersign/event"
	"countersign/query"
)

// maxMerged is the largest number of segments that are merged at once.
const maxMerged = 256

// Merge writes the segment over the entries of several, which follow each other. It reads no bodies: what these segments
// do not know, the new one does not. It needs memory for some dozen bytes a row.
func Merge(to io.Writer, segments []*Segment) error {
	entries := 0
	for i, s := range segments {
		entries += s.entries
		if i > 0 && s.first != segments[i-1].End() {
			return fmt.Errorf("merge indexes: %s does not follow %s", s.name, segments[i-1].name)
		}
	}
	if len(segments) == 0 || len(segments) > maxMerged || entries > MaxEntries {
		return fmt.Errorf("merge %d indexes of %d entries: must be 1 to %d of at most %d", len(segments), entries, maxMerged, MaxEntries)
	}
	g := merger{w: &writer{to: to}, sources: segments}
	g.first, g.directory.entries = segments[0].first, entries
	err := viewAll(segments, func() error {
		g.w.write(appendHeader(nil))
		g.makeRows()
		g.writeOrder()
		g.writeColumns()
		g.writeChains()
		return g.w.finish(g.directory.finish())
	})
	if err != nil {
		return fmt.Errorf("merge indexes from seq %d: %w", g.first, err)
	}
	return nil
}

type merger struct {
	directory
	w       *writer
	sources []*Segment
	targets []target // of each source
	// accountCodes has the new code of each account of each source.
	accountCodes [][]uint32
	codes        []uint32 // of the column that is written
}

// target is the new rows of a source's rows: from offset on, or one by one.
type target struct {
	offset uint32
	rows   []uint32
}

func (t *target) of(row uint32) uint32 {
	if t.rows == nil {
		return t.offset + row
	}
	return t.rows[row]
}

// set returns the new rows.
func (t *target) set(rows bitmap.Set) []uint32 {
	out := make([]uint32, 0, rows.Len())
	for row := range rows.All() {
		out = append(out, t.of(row))
	}
	return out
}

// numbers reads an array of integers from the start.
type numbers struct {
	seg *Segment
	a   *integers
	i   int
	buf [runLen]int64
	run []int64 // what is left of the run
}

func (n *numbers) next() int64 {
	if len(n.run) == 0 {
		p := n.seg.integerPage(n.a, n.i>>pageBits)
		r := n.i & (pageRows - 1) / runLen
		n.run = p.runValues(r, n.buf[:min(runLen, p.n-r*runLen)])
	}
	v := n.run[0]
	n.run = n.run[1:]
	n.i++
	return v
}

// makeRows puts the rows of all sources in order and writes their times.
func (g *merger) makeRows() {
	g.targets = make([]target, len(g.sources))
	times := make(timeHeap, 0, len(g.sources))
	for i, s := range g.sources {
		g.rows += s.rows
		if s.rows > 0 {
			c := &timeCursor{source: i, left: s.rows, times: numbers{seg: s, a: &s.occurred}}
			c.at = c.times.next()
			times = append(times, c)
		}
	}
	heap.Init(&times)
	w := integerWriter{w: g.w}
	for row := uint32(0); len(times) > 0; row++ {
		c := times[0]
		w.add(c.at)
		t, s := &g.targets[c.source], g.sources[c.source]
		done := uint32(s.rows - c.left)
		switch {
		case done == 0:
			t.offset = row
		case t.rows == nil && t.offset+done != row: // the rows of others lie between
			t.rows = make([]uint32, done, s.rows)
			for i := range t.rows {
				t.rows[i] = t.offset + uint32(i)
			}
		}
		if t.rows != nil {
			t.rows = append(t.rows, row)
		}
		if c.left--; c.left == 0 {
			heap.Pop(&times)
			continue
		}
		c.at = c.times.next()
		heap.Fix(&times, 0)
	}
	g.occurred = integers{count: g.rows, ascending: true}
	g.occurred.pages.ref = w.finish()
	g.occurred.low, g.occurred.high = w.low, w.high
}

// timeCursor goes along the rows of a source.
type timeCursor struct {
	source int
	left   int
	at     int64
	times  numbers
}

type timeHeap []*timeCursor

func (h timeHeap) Len() int { return len(h) }
func (h timeHeap) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].at, h[j].at), cmp.Compare(h[i].source, h[j].source)) < 0
}
func (h timeHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *timeHeap) Push(x any)   { *h = append(*h, x.(*timeCursor)) }
func (h *timeHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func (g *merger) writeOrder() {
	g.ordered = g.rows < g.directory.entries
	for i, s := range g.sources {
		t := &g.targets[i]
		g.ordered = g.ordered || s.ordered || t.rows != nil || s.rows > 0 && uint64(t.offset) != s.first-g.first
	}
	if g.ordered {
		more := make([]int32, g.rows)
		for i, s := range g.sources {
			base, order := int64(s.first-g.first), numbers{seg: s, a: &s.order}
			for row := range uint32(s.rows) {
				place := base + int64(row)
				if s.ordered {
					place = base + int64(s.placed(row, order.next()))
				}
				to := g.targets[i].of(row)
				more[to] = int32(place - int64(to))
			}
		}
		g.order = g.w.integers(g.rows, func(row int) int64 { return int64(more[row]) })
	}
	var received numbers
	source, left := -1, 0
	g.received = g.w.integers(g.directory.entries, func(int) int64 {
		if left == 0 {
			source++
			s := g.sources[source]
			received, left = numbers{seg: s, a: &s.received}, s.entries
		}
		left--
		return received.next()
	})
}

func (g *merger) writeColumns() {
	g.codes = make([]uint32, g.rows)
	counts := map[string]int{}
	for _, s := range g.sources {
		for _, c := range s.list {
			if name, ok := c.field.Attribute(); ok {
				counts[name] += c.presentRows(s.all()).Len()
			}
		}
	}
	named, rest := chooseAttributes(counts)
	for _, f := range query.Fields() {
		if f.Kind() == query.TextKind {
			g.writeColumn(f)
		}
	}
	for _, name := range named {
		g.writeColumn(query.AttributeField(name))
	}
	var unsure []uint32
	for i, s := range g.sources {
		rows := s.set(s.unsure)
		for _, name := range rest {
			if c := s.columns[query.AttributeField(name)]; c != nil {
				rows = rows.Or(c.presentRows(s.all())).Or(s.set(c.unsure))
			}
		}
		unsure = append(unsure, g.targets[i].set(rows)...)
	}
	slices.Sort(unsure)
	g.unsure.ref = g.w.set(bitmap.Of(unsure...))
}

// writeColumn merges the columns of a field.
func (g *merger) writeColumn(f query.Field) {
	m := mergedColumn{merger: g, rule: ruleOf(f), columns: make([]*column, len(g.sources))}
	clear(g.codes)
	d := &columnData{field: f, codes: g.codes}
	_, attribute := f.Attribute()
	var unsure []uint32
	for i, s := range g.sources {
		c := s.columns[f]
		m.columns[i] = c
		switch {
		case c != nil:
			unsure = append(unsure, g.targets[i].set(s.set(c.unsure))...)
		case attribute:
			unsure = append(unsure, g.targets[i].set(s.set(s.unsure))...)
		}
	}
	slices.Sort(unsure)
	d.unsure = bitmap.Of(unsure...)
	m.mergeValues()
	if m.bytes > m.rule.bytes(g.rows) {
		m.give()
	}
	m.fill(d)
	if f == query.AccountID {
		g.accountCodes = m.renamed
	}
	if d.has > 0 || !d.unsure.Empty() {
		g.list = append(g.list, d.write(g.w))
	}
}

// mergedColumn is the columns of one field while they are merged.
type mergedColumn struct {
	*merger
	rule    rule
	columns []*column  // of each source, nil for none
	renamed [][]uint32 // of each source, the new code of each of its codes
	origin  []uint8    // of each new value, a source that has it
	bytes   int
	given   []uint32 // the hashes of the new values, when the dictionary was given up
}

// valueHeap is readers of dictionaries by their next value.
type valueHeap []*mergeReader

type mergeReader struct {
	*valueReader
	source int
	i      int
	value  string
}

func (h valueHeap) Len() int { return len(h) }
func (h valueHeap) Less(i, j int) bool {
	return query.CompareText(event.TextOf(h[i].value), event.TextOf(h[j].value)) < 0
}
func (h valueHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *valueHeap) Push(x any)   { *h = append(*h, x.(*mergeReader)) }
func (h *valueHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// mergeValues gives all values their new codes.
func (m *mergedColumn) mergeValues() {
	m.renamed = make([][]uint32, len(m.sources))
	var left valueHeap
	for i, c := range m.columns {
		if c == nil {
			continue
		}
		m.renamed[i] = make([]uint32, c.values.count+2)
		if c.values.count > 0 {
			r := &mergeReader{valueReader: newValueReader(c.seg, &c.values), source: i}
			r.value = string(r.read(0))
			left = append(left, r)
		}
	}
	heap.Init(&left)
	var last string
	for len(left) > 0 {
		r := left[0]
		if len(m.origin) == 0 || r.value != last {
			last = r.value
			m.origin = append(m.origin, uint8(r.source))
			m.bytes += entryBytes(last)
		}
		m.renamed[r.source][r.i+1] = uint32(len(m.origin))
		if r.i++; r.i == m.columns[r.source].values.count {
			heap.Pop(&left)
			continue
		}
		r.value = string(r.read(r.i))
		heap.Fix(&left, 0)
	}
	for _, codes := range m.renamed {
		if codes != nil {
			codes[len(codes)-1] = uint32(len(m.origin)) + 1 // unknown
		}
	}
}

// values yields the new values in order.
func (m *mergedColumn) values() iter.Seq[string] {
	return func(yield func(string) bool) {
		readers := make([]*mergeReader, len(m.sources))
		for i, source := range m.origin {
			r := readers[source]
			if r == nil {
				c := m.columns[source]
				r = &mergeReader{valueReader: newValueReader(c.seg, &c.values)}
				readers[source] = r
			}
			for m.renamed[source][r.i+1] <= uint32(i) {
				r.i++
			}
			if !yield(string(r.read(r.i))) {
				return
			}
		}
	}
}

// give gives the dictionary up: it grew too large.
func (m *mergedColumn) give() {
	for v := range m.values() {
		m.given = append(m.given, hashOf(v))
	}
	m.origin = nil
}

// fill gives the rows their new codes, and what is unknown its hashes.
func (m *mergedColumn) fill(d *columnData) {
	var hashes []uint64
	hash := func(hash, row uint32) {
		if m.rule.hashed {
			hashes = append(hashes, uint64(hash)<<32|uint64(row))
		}
	}
	unknown := uint32(len(m.origin)) + 1
	for i, c := range m.columns {
		if c == nil {
			continue
		}
		codes, t := m.renamed[i], &m.targets[i]
		c.eachCode(func(row, code uint32) {
			d.has++
			to, code := t.of(row), codes[code]
			if m.given != nil {
				if int(code) <= len(m.given) {
					hash(m.given[code-1], to)
				}
				code = unknown
			}
			d.codes[to] = code
		})
		c.allHashes(func(h, row uint32) { hash(h, t.of(row)) })
	}
	slices.Sort(hashes)
	d.count, d.values = len(m.origin), m.values()
	d.hashed, d.hashes = len(hashes), slices.Values(hashes)
}

// eachCode calls visit with each row that has a value, and its code.
func (c *column) eachCode(visit func(row, code uint32)) {
	s := c.seg
	switch c.form {
	case unindexed:
		for row := range c.presentRows(c.seg.all()).All() {
			visit(row, c.unknownCode())
		}
	case bitmaps:
		for i := range c.values.count {
			for row := range s.set(s.at(&c.sets, i)).All() {
				visit(row, uint32(i)+1)
			}
		}
		for row := range s.set(c.unknown).All() {
			visit(row, c.unknownCode())
		}
	case dense, sparse:
		c.each(s.all(), func(row, code uint32) {
			if code != absentCode {
				visit(row, code)
			}
		})
	}
}

// writeChains puts the chains of the sources one behind the other.
func (g *merger) writeChains() {
	var cs chains
	for i, s := range g.sources {
		if s.rows == 0 {
			continue
		}
		c := s.accounts()
		codes, counts, _ := c.counts(s.all())
		of := s.allChains()
		for j, code := range codes {
			account := g.accountCodes[i][code]
			for len(of) > 0 && of[0].account == code {
				end := counts[j]
				if len(of) > 1 && of[1].account == code {
					end = of[1].rank
				}
				cs.addMany(account, of[0].value, end-of[0].rank)
				of = of[1:]
			}
		}
	}
	g.chained, g.chains.ref = cs.write(g.w)
}
