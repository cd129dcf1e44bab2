package segment

import (
	"crypto/sha256"
	"errors"
	"slices"
	"sort"
	"strconv"
	"time"

	"countersign/bitmap"
	"countersign/event"
	"countersign/query"
)

// runs returns the matches as runs in the order of what o orders by. known is false when the columns do not have the
// keys of all of them.
func (m *matches) runs(o query.Sort) (runs []keyed, known bool, err error) {
	const fewMatches = 1 << 12
	workers := len(m.parts)
	if m.total < fewMatches {
		workers = 1
	}
	order := orderName(m.plan.text, o)
	found, errs := make([]partRuns, len(m.parts)), make([]error, len(m.parts))
	segments := make([]*Segment, len(m.parts))
	for i, p := range m.parts {
		segments[i] = p.Segment
	}
	parallel(segments, 0, len(m.parts), workers, func(i int) {
		found[i], errs[i] = m.keptRuns(&m.parts[i], o, order)
	})
	for i, of := range found {
		switch {
		case errors.Is(errs[i], errUnknownKeys):
			return nil, false, nil
		case errs[i] != nil:
			return nil, false, errs[i]
		}
		for _, r := range of {
			runs = append(runs, r)
		}
	}
	if len(m.open) > 0 {
		runs = append(runs, newOpenRun(m.open, o))
	}
	return runs, true, nil
}

// errUnknownKeys says that the columns do not have the keys of all matches.
var errUnknownKeys = errors.New("keys that only bodies have")

// partRuns is the matches of one part.
type partRuns []partRun

type partRun interface {
	keyed
	kept
}

// MemoryBytes returns about how much memory the runs take.
func (rs partRuns) MemoryBytes() (n int) {
	for _, r := range rs {
		n += r.MemoryBytes()
	}
	return n
}

// keptRuns returns the runs of a part, made before or now: a loop over pages makes them once.
func (m *matches) keptRuns(p *part, o query.Sort, order string) (partRuns, error) {
	entries := min(m.size, p.End()) - p.first
	k := cacheKey{p.Segment, ofOrder, order + strconv.FormatUint(entries, 10)}
	if of, ok := p.cache.find(k).(partRuns); ok {
		return of, nil
	}
	start := time.Now()
	of, err := m.partRuns(p, o, k.text)
	if err != nil {
		return nil, err
	}
	p.cache.keepSince(start, k, of)
	return of, nil
}

// orderName names the ascending form of an order of the matches of a filter. It is short however long those are.
func orderName(filter string, o query.Sort) string {
	o.Desc = false
	sum := sha256.Sum256([]byte(query.PrintSort(o) + "\n" + filter))
	return string(sum[:])
}

func (m *matches) partRuns(p *part, o query.Sort, name string) (partRuns, error) {
	switch {
	case len(o.Classes) > 0:
		return m.classRuns(p, o.Classes)
	case len(o.Cases) > 0:
		return m.caseRuns(p, o.Cases, name)
	}
	return p.fieldRuns(o.Field, p.matching, name)
}

// ranked is a run over matches of a segment, some of which share a key. Number j is the matches from starts[j] up to
// starts[j+1].
type ranked struct {
	of     *Segment
	starts []uint32
}

func (l *ranked) owner() *Segment { return l.of }
func (l *ranked) len() int        { return int(l.starts[len(l.starts)-1]) }

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

func (r *fixedRun) MemoryBytes() (n int) {
	const keyBytes = 64 // with its set and its start
	for i, k := range r.keys {
		n += keyBytes + len(k.text.Value) + r.sets[i].MemoryBytes()
	}
	return n
}

// runsOf returns the run unless it is empty.
func (r *fixedRun) runsOf() partRuns {
	if len(r.keys) == 0 {
		return nil
	}
	return partRuns{r}
}

func newFixedRun(s *Segment) *fixedRun { return &fixedRun{ranked: ranked{of: s}} }

// absentRuns returns the run of rows without a key.
func absentRuns(s *Segment, rows bitmap.Set) partRuns {
	r := newFixedRun(s)
	r.add(key{}, rows)
	return r.runsOf()
}

func (m *matches) classRuns(p *part, classes []query.Filter) (partRuns, error) {
	r := newFixedRun(p.Segment)
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

func (m *matches) caseRuns(p *part, cases []query.Case, name string) (runs partRuns, err error) {
	rest := p.matching
	for i, c := range cases {
		rows, err := m.among(p, c.When, rest)
		if err != nil {
			return nil, err
		}
		rest = rest.AndNot(rows)
		if c.Field == "" {
			fixed := newFixedRun(p.Segment)
			fixed.add(key{text: event.TextOf(c.Value)}, rows)
			runs = append(runs, fixed.runsOf()...)
			continue
		}
		of, err := p.fieldRuns(c.Field, rows, name+" case "+strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		runs = append(runs, of...)
	}
	return append(runs, absentRuns(p.Segment, rest)...), nil
}

// fieldRuns returns those of the matches that are given, which have a name, in the order of a text field.
func (p *part) fieldRuns(f query.Field, rows bitmap.Set, name string) (partRuns, error) {
	if rows.Empty() {
		return nil, nil
	}
	c := p.columns[f]
	if c == nil || f.Kind() != query.TextKind {
		_, attribute := f.Attribute()
		if attribute && p.Segment.set(p.unsure).Meets(rows) {
			return nil, errUnknownKeys
		}
		return absentRuns(p.Segment, rows), nil
	}
	if p.Segment.set(c.unsure).Meets(rows) {
		return nil, errUnknownKeys
	}
	codes, counts, known := c.counts(rows)
	if !known {
		return nil, errUnknownKeys
	}
	starts := make([]uint32, 1, len(counts)+1)
	for i, n := range counts {
		starts = append(starts, starts[i]+n)
	}
	return partRuns{&columnRun{ranked: ranked{of: p.Segment, starts: starts}, column: c, name: name, within: rows, codes: codes}}, nil
}

// columnRun is matches in the order of the codes of a column.
type columnRun struct {
	ranked
	*column
	name   string // of the matches, in the cache
	within bitmap.Set
	codes  []uint32 // of the keys
}

func (r *columnRun) MemoryBytes() int {
	const wordBytes = 4
	return wordBytes*(len(r.starts)+len(r.codes)) + r.within.MemoryBytes()
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

// fewKeys is how many keys of a page have their matches kept for the next page, or the same one.
const fewKeys = 64

func (r *columnRun) resolve(pieces []*piece) {
	var wanted codes
	place := make(map[uint32]int, len(pieces))
	for i, p := range pieces {
		code := r.codes[r.at(p.at.from)]
		if r.form == bitmaps || r.form == unindexed || r.form == sparse && code == absentCode {
			p.rows = r.rowsWith(code, r.within)
			continue
		}
		if rows, ok := r.seg.cache.find(r.named(code)).(bitmap.Set); ok {
			p.rows = rows
			continue
		}
		place[code] = i
		wanted = wanted.add(code, code+1)
	}
	if len(wanted) == 0 {
		return
	}
	start := time.Now()
	found := make([][]uint32, len(pieces))
	r.each(r.scan(wanted, r.within), func(row, code uint32) {
		i := place[code]
		found[i] = append(found[i], row)
	})
	for code, i := range place {
		pieces[i].rows = bitmap.Of(found[i]...)
		if len(place) <= fewKeys {
			r.seg.cache.keepSince(start, r.named(code), pieces[i].rows)
		}
	}
}

// named is where the matches with a code are in the cache.
func (r *columnRun) named(code uint32) cacheKey {
	return cacheKey{r.seg, ofCode, r.name + " code " + strconv.Itoa(int(code))}
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
	entries []*event.Entry
	keys    []key
}

func newOpenRun(open []*event.Entry, o query.Sort) *openRun {
	of := keyOf(o)
	r := &openRun{entries: slices.Clone(open)}
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

func (r *openRun) owner() *Segment { return nil }
func (r *openRun) len() int        { return len(r.keys) }
func (r *openRun) key(i int) key   { return r.keys[i] }

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
