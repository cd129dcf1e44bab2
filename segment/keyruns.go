package segment

import (
	"slices"
	"sort"

	"countersign/bitmap"
	"countersign/event"
	"countersign/query"
)

// runs returns the matches as runs in the order of what o orders by. known is false when the columns do not have the
// keys of all of them.
func (m *matches) runs(o query.Sort) (runs []keyed, known bool, err error) {
	for i := range m.parts {
		p := &m.parts[i]
		var of []keyed
		known := true
		switch {
		case len(o.Classes) > 0:
			of, err = m.classRuns(p, i, o.Classes)
		case len(o.Cases) > 0:
			of, known, err = m.caseRuns(p, i, o.Cases)
		default:
			of, known = p.fieldRuns(i, o.Field, p.matching)
		}
		if err != nil || !known {
			return nil, false, err
		}
		runs = append(runs, of...)
	}
	if len(m.open) > 0 {
		runs = append(runs, newOpenRun(m.open, o, len(m.parts)))
	}
	return runs, true, nil
}

// ranked is a run over the matches of a part, some of which share a key. Number j is the matches from starts[j] up to
// starts[j+1].
type ranked struct {
	number int // of the part
	starts []uint32
}

func (l *ranked) owner() int { return l.number }
func (l *ranked) len() int   { return int(l.starts[len(l.starts)-1]) }

// at returns the number of the key of match i.
func (l *ranked) at(i int) int {
	return sort.Search(len(l.starts), func(j int) bool { return int(l.starts[j]) > i }) - 1
}

// span returns where the matches with key j are, or would be between.
func (l *ranked) span(j int, found bool) (before, through int) {
	before = int(l.starts[j])
	if found {
		return before, int(l.starts[j+1])
	}
	return before, before
}

// fixedRun is matches in sets of which each has its own key, in ascending order.
type fixedRun struct {
	ranked
	keys []key
	sets []bitmap.Set
}

// add adds the matches that have a key, if there are any.
func (r *fixedRun) add(k key, rows bitmap.Set) {
	if n := rows.Len(); n > 0 {
		if len(r.starts) == 0 {
			r.starts = append(r.starts, 0)
		}
		r.starts = append(r.starts, r.starts[len(r.starts)-1]+uint32(n))
		r.keys, r.sets = append(r.keys, k), append(r.sets, rows)
	}
}

func (r *fixedRun) key(i int) key { return r.keys[r.at(i)] }

func (r *fixedRun) around(k key, _, _ int) (before, through int) {
	return r.span(slices.BinarySearchFunc(r.keys, k, compareKeys))
}

func (r *fixedRun) resolve(pieces []*piece) {
	for _, p := range pieces {
		p.rows = r.sets[r.at(p.at.from)]
	}
}

// runsOf returns the run unless it is empty.
func (r *fixedRun) runsOf() []keyed {
	if len(r.keys) == 0 {
		return nil
	}
	return []keyed{r}
}

func (m *matches) classRuns(p *part, number int, classes []query.Filter) ([]keyed, error) {
	r := &fixedRun{ranked: ranked{number: number}}
	rest := p.matching
	for i, c := range classes {
		rows, err := m.among(p, c, rest)
		if err != nil {
			return nil, err
		}
		r.add(key{number: int64(i)}, rows)
		rest = rest.AndNot(rows)
	}
	r.add(key{number: int64(len(classes))}, rest)
	return r.runsOf(), nil
}

// among returns those of the rows that match f.
func (m *matches) among(p *part, f query.Filter, rows bitmap.Set) (bitmap.Set, error) {
	if rows.Empty() {
		return rows, nil
	}
	f = query.Normalize(f)
	a := p.eval(f, rows)
	undecided := a.maybe.AndNot(a.yes)
	if undecided.Empty() {
		return a.yes, nil
	}
	decided, err := p.decide(m.ctx, undecided, query.Compile(f), m.view.Bodies)
	return a.yes.Or(decided), err
}

func (m *matches) caseRuns(p *part, number int, cases []query.Case) (runs []keyed, known bool, err error) {
	absent := &fixedRun{ranked: ranked{number: number}}
	rest := p.matching
	for _, c := range cases {
		rows, err := m.among(p, c.When, rest)
		if err != nil {
			return nil, false, err
		}
		rest = rest.AndNot(rows)
		of, known := p.fieldRuns(number, c.Field, rows)
		if c.Field == "" {
			fixed := &fixedRun{ranked: ranked{number: number}}
			fixed.add(key{text: event.TextOf(c.Value)}, rows)
			of, known = fixed.runsOf(), true
		}
		if !known {
			return nil, false, nil
		}
		runs = append(runs, of...)
	}
	absent.add(key{}, rest)
	return append(runs, absent.runsOf()...), true, nil
}

// fieldRuns returns those of the matches that are given in the order of a text field.
func (p *part) fieldRuns(number int, f query.Field, rows bitmap.Set) (runs []keyed, known bool) {
	if rows.Empty() {
		return nil, true
	}
	c := p.columns[f]
	if c == nil || f.Kind() != query.TextKind {
		_, attribute := f.Attribute()
		if attribute && p.Segment.set(p.unsure).Meets(rows) {
			return nil, false
		}
		absent := &fixedRun{ranked: ranked{number: number}}
		absent.add(key{}, rows)
		return absent.runsOf(), true
	}
	if p.Segment.set(c.unsure).Meets(rows) {
		return nil, false
	}
	codes, counts, known := c.counts(rows)
	if !known {
		return nil, false
	}
	starts := make([]uint32, 1, len(counts)+1)
	for i, n := range counts {
		starts = append(starts, starts[i]+n)
	}
	return []keyed{&columnRun{ranked: ranked{number: number, starts: starts}, column: c, within: rows, codes: codes}}, true
}

// columnRun is matches in the order of the codes of a column.
type columnRun struct {
	ranked
	*column
	within bitmap.Set
	codes  []uint32 // of the keys
}

func (r *columnRun) key(i int) key { return key{text: r.column.key(r.codes[r.at(i)])} }

func (r *columnRun) around(k key, lo, hi int) (before, through int) {
	if lo == hi {
		return lo, hi
	}
	// The code of k, or of the first value after it, among the codes of matches lo to hi-1.
	first, last := r.codes[r.at(lo)], r.codes[r.at(hi-1)]
	code, found := uint32(absentCode), true
	if k.text.Present {
		values := &r.values
		from, to := int(max(first, 1))-1, int(last)
		i := r.seg.find(values, from, max(from, to), k.text.Value)
		code, found = uint32(i)+1, i < values.count && r.seg.value(values, i) == k.text.Value
	}
	j, used := slices.BinarySearch(r.codes, code)
	return r.span(j, found && used)
}

func (r *columnRun) resolve(pieces []*piece) {
	var wanted codes
	place := make(map[uint32]int, len(pieces))
	for i, p := range pieces {
		code := r.codes[r.at(p.at.from)]
		if r.form == dense || r.form == sparse && code != absentCode {
			place[code] = i
			wanted = wanted.add(code, code+1)
			continue
		}
		p.rows = r.rowsWith(code, r.within)
	}
	if len(wanted) == 0 {
		return
	}
	found := make([][]uint32, len(pieces))
	r.each(r.scan(wanted, r.within), func(row, code uint32) {
		i := place[code]
		found[i] = append(found[i], row)
	})
	for _, i := range place {
		pieces[i].rows = bitmap.Of(found[i]...)
	}
}

// rowsWith returns those of the rows that have a code, absent or not.
func (c *column) rowsWith(code uint32, within bitmap.Set) bitmap.Set {
	if code == absentCode {
		return within.AndNot(c.presentRows(within))
	}
	return c.rowsOf(codes{{code, code + 1}}, within)
}

// counts returns the codes that the rows have, in ascending order, and how many rows have each. known is false when the
// value of a row is not known.
func (c *column) counts(rows bitmap.Set) (used, counts []uint32, known bool) {
	n := uint32(rows.Len())
	switch {
	case c.form == unindexed:
		return []uint32{absentCode}, []uint32{n}, c.presentRows(rows).Empty()
	case c.form == bitmaps:
		if c.seg.set(c.unknown).Meets(rows) {
			return nil, nil, false
		}
		for i := range c.values.count {
			if count := rows.AndLen(c.seg.set(c.seg.at(&c.sets, i))); count > 0 {
				used, counts = append(used, uint32(i)+1), append(counts, uint32(count))
			}
		}
	case int(n) < c.values.count/4:
		used, counts = c.countFew(rows)
	default:
		used, counts = c.countMany(rows)
	}
	for _, count := range counts {
		n -= count
	}
	if n > 0 { // the form has no code for absent values
		used, counts = slices.Insert(used, 0, absentCode), slices.Insert(counts, 0, n)
	}
	return used, counts, len(used) == 0 || used[len(used)-1] != c.unknownCode()
}

// countFew is counts for a column that has many more values than there are rows.
func (c *column) countFew(rows bitmap.Set) (used, counts []uint32) {
	all := make([]uint32, 0, rows.Len())
	c.each(rows, func(_, code uint32) { all = append(all, code) })
	slices.Sort(all)
	for i, code := range all {
		if i == 0 || code != all[i-1] {
			used, counts = append(used, code), append(counts, 0)
		}
		counts[len(counts)-1]++
	}
	return used, counts
}

// countMany is counts for a column that has fewer values.
func (c *column) countMany(rows bitmap.Set) (used, counts []uint32) {
	all := make([]uint32, c.codes.most+1)
	c.each(rows, func(_, code uint32) { all[code]++ })
	n := 0
	for _, count := range all {
		if count > 0 {
			n++
		}
	}
	used = make([]uint32, 0, n+1)
	counts = all[:0]
	for code, count := range all {
		if count > 0 {
			used, counts = append(used, uint32(code)), append(counts, count)
		}
	}
	return used, counts
}

// openRun is open entries in the order of their keys, and then of seq.
type openRun struct {
	number  int
	entries []*event.Entry
	keys    []key
}

func newOpenRun(open []*event.Entry, o query.Sort, number int) *openRun {
	of := keyOf(o)
	r := &openRun{number: number, entries: slices.Clone(open)}
	keys := make(map[*event.Entry]key, len(open))
	for _, e := range open {
		keys[e] = of(e)
	}
	slices.SortStableFunc(r.entries, func(a, b *event.Entry) int { return compareKeys(keys[a], keys[b]) })
	r.keys = make([]key, len(open))
	for i, e := range r.entries {
		r.keys[i] = keys[e]
	}
	return r
}

func (r *openRun) owner() int    { return r.number }
func (r *openRun) len() int      { return len(r.keys) }
func (r *openRun) key(i int) key { return r.keys[i] }

func (r *openRun) around(k key, lo, hi int) (before, through int) {
	before = lo + sort.Search(hi-lo, func(i int) bool { return compareKeys(r.keys[lo+i], k) >= 0 })
	through = before + sort.Search(hi-before, func(i int) bool { return compareKeys(r.keys[before+i], k) > 0 })
	return before, through
}

func (r *openRun) resolve(pieces []*piece) {
	for _, p := range pieces {
		p.open = r.entries[p.at.from:p.at.to]
	}
}

// keyOf returns the function that reads the key of an entry in an order.
func keyOf(o query.Sort) func(*event.Entry) key {
	first := func(filters []func(*event.Entry) bool, e *event.Entry) int {
		i := slices.IndexFunc(filters, func(match func(*event.Entry) bool) bool { return match(e) })
		if i < 0 {
			return len(filters)
		}
		return i
	}
	var filters []func(*event.Entry) bool
	if len(o.Classes) > 0 {
		for _, c := range o.Classes {
			filters = append(filters, query.Compile(c))
		}
		return func(e *event.Entry) key { return key{number: int64(first(filters, e))} }
	}
	if len(o.Cases) > 0 {
		values := []func(*event.Entry) event.Text{}
		for _, c := range o.Cases {
			filters = append(filters, query.Compile(c.When))
			of := query.TextOf(c.Field)
			if c.Field == "" {
				of = func(*event.Entry) event.Text { return event.TextOf(c.Value) }
			}
			values = append(values, of)
		}
		return func(e *event.Entry) key {
			i := first(filters, e)
			if i == len(values) || values[i] == nil {
				return key{}
			}
			return key{text: values[i](e)}
		}
	}
	if of := query.TextOf(o.Field); of != nil {
		return func(e *event.Entry) key { return key{text: of(e)} }
	}
	of := query.NumberOf(o.Field)
	return func(e *event.Entry) key { return key{number: of(e)} }
}
