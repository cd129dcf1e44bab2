package segment

import (
	"cmp"
	"container/heap"
	"context"
	"slices"
	"sort"
	"strings"
	"sync"

	"countersign/bitmap"
	"countersign/event"
	"countersign/query"
)

// Matches is the entries that match a filter, to be counted. It is good inside the call of Matching that made it.
type Matches struct{ m *matches }

// Matching calls use with the matches of f among the first size entries of the trail.
func (v *View) Matching(ctx context.Context, f query.Filter, size uint64, use func(*Matches) error) error {
	return viewAll(v.Segments, func() error {
		m, err := v.find(ctx, newPlan(f), size)
		if err != nil {
			return err
		}
		return use(&Matches{m})
	})
}

// Total returns how many there are.
func (ms *Matches) Total() uint64 { return uint64(ms.m.total) }

// Span returns the moments at which the first and the last of them occurred. It has a meaning when there are any.
func (ms *Matches) Span() (from, to event.Micros) {
	from, to = event.MaxMicros, event.MinMicros
	for _, p := range ms.m.parts {
		from = min(from, event.Micros(p.integerAt(&p.occurred, int(p.matching.Min()))))
		to = max(to, event.Micros(p.integerAt(&p.occurred, int(p.matching.Max()))))
	}
	for _, e := range ms.m.open {
		from, to = min(from, e.OccurredAt), max(to, e.OccurredAt)
	}
	return from, to
}

// Histogram returns how many occurred from each start on, before the next. The starts ascend; the last has no end.
func (ms *Matches) Histogram(starts []event.Micros) []uint64 {
	out := make([]uint64, len(starts))
	if len(starts) == 0 {
		return out
	}
	for _, p := range ms.m.parts {
		rank := p.matching.Rank(uint32(p.firstFrom(&p.occurred, int64(starts[0]))))
		for i := range starts {
			next := p.n
			if i+1 < len(starts) && int64(starts[i+1]) <= p.occurred.high {
				next = p.matching.Rank(uint32(p.firstFrom(&p.occurred, int64(starts[i+1]))))
			}
			out[i] += uint64(next - rank)
			rank = next
		}
	}
	for _, e := range ms.m.open {
		i := sort.Search(len(starts), func(i int) bool { return starts[i] > e.OccurredAt })
		if i > 0 {
			out[i-1]++
		}
	}
	return out
}

// Values are the values of a text field among matches, told apart by their bytes.
type Values struct {
	Distinct uint64
	Absent   uint64 // matches that have none
	// Top is the most frequent values, of equally frequent ones those with the smaller bytes.
	Top []ValueCount
}

// ValueCount is a value and how many matches have it.
type ValueCount struct {
	Value string
	Count uint64
}

// Values counts the values of a text field, and names the top most frequent ones.
func (ms *Matches) Values(f query.Field, top int) (Values, error) {
	c := tally{m: ms.m, field: f, of: query.TextOf(f), top: max(top, 0)}
	if c.of == nil {
		return Values{}, nil
	}
	c.prepare()
	// Values that no dictionary has are held in memory. If they are too many, a part of them at a time, by hash.
	for c.shares = 1; ; c.shares *= 2 {
		fits, err := c.count()
		if err != nil || fits {
			return c.out, err
		}
	}
}

// heldValues is how many bytes of values that no dictionary has are held at one time.
const heldValues = 64 << 20

// tally counts the values of a field.
type tally struct {
	m      *matches
	field  query.Field
	of     func(*event.Entry) event.Text
	top    int
	absent uint64 // among the rows that columns know
	counts []counted
	rest   matches // those that only bodies tell of, and the open ones
	shares uint32
	out    Values
	worst  ValueCount // of Top when it is full; nothing before
}

// counted is how often values of a dictionary are there.
type counted struct {
	*column
	codes  []uint32
	counts []uint32
}

// prepare counts what columns know.
func (c *tally) prepare() {
	c.rest = matches{ctx: c.m.ctx, view: c.m.view, open: c.m.open}
	_, attribute := c.field.Attribute()
	for _, p := range c.m.parts {
		col := p.columns[c.field]
		var unknown bitmap.Set
		switch {
		case col != nil:
			unknown = col.unknownWithin(p.matching).Or(p.Segment.set(col.unsure).And(p.matching))
		case attribute:
			unknown = p.Segment.set(p.unsure).And(p.matching)
		}
		known := p.matching
		if n := unknown.Len(); n > 0 {
			known = known.AndNot(unknown)
			c.rest.parts = append(c.rest.parts, part{Segment: p.Segment, matching: unknown, n: n})
		}
		if col == nil {
			c.absent += uint64(known.Len())
			continue
		}
		codes, counts, _ := col.counts(known)
		if len(codes) > 0 && codes[0] == absentCode {
			c.absent += uint64(counts[0])
			codes, counts = codes[1:], counts[1:]
		}
		if len(codes) > 0 {
			c.counts = append(c.counts, counted{col, codes, counts})
		}
	}
}

// count counts all values, a share at a time. It returns false when a share is too large to be held.
func (c *tally) count() (fits bool, err error) {
	c.out, c.worst = Values{Absent: c.absent}, ValueCount{}
	for share := range c.shares {
		held, absent, err := c.hold(share)
		if err != nil || held == nil {
			return false, err
		}
		if share == 0 {
			c.out.Absent += absent
		}
		if err := c.merge(share, held); err != nil {
			return false, err
		}
	}
	c.cut()
	return true, nil
}

func (c *tally) inShare(v string, share uint32) bool {
	return c.shares == 1 || hashOf(v)%c.shares == share
}

// hold counts the values of a share that no dictionary has. It returns nil when they are too many.
func (c *tally) hold(share uint32) (held map[string]uint64, absent uint64, err error) {
	const entryBytes = 64
	held = map[string]uint64{}
	bytes := 0
	var mu sync.Mutex // guards all of these
	err = c.rest.eachBody(func(e *event.Entry) {
		v := c.of(e)
		mu.Lock()
		defer mu.Unlock()
		if !v.Present {
			absent++
			return
		}
		if held == nil || !c.inShare(v.Value, share) {
			return
		}
		if held[v.Value] == 0 {
			v.Value = strings.Clone(v.Value) // the rest of the entry need not stay
			bytes += len(v.Value) + entryBytes
		}
		if held[v.Value]++; bytes > heldValues && len(held) > 1 {
			held = nil
		}
	})
	return held, absent, err
}

// merge adds the values of a share from all dictionaries and from what is held.
func (c *tally) merge(share uint32, held map[string]uint64) error {
	var cursors []*counting
	for _, of := range c.counts {
		cursors = append(cursors, &counting{counted: of, reader: newValueReader(of.seg, &of.values)})
	}
	if len(held) > 0 {
		sorted := make([]string, 0, len(held))
		for v := range held {
			sorted = append(sorted, v)
		}
		slices.SortFunc(sorted, func(a, b string) int { return query.CompareText(event.TextOf(a), event.TextOf(b)) })
		cursors = append(cursors, &counting{sorted: sorted, held: held})
	}
	left := countHeap{}
	for _, cur := range cursors {
		if cur.next() {
			left = append(left, cur)
		}
	}
	heap.Init(&left)
	var v []byte // the value that is counted
	for i := 0; len(left) > 0; i++ {
		if i%(1<<16) == 0 && c.m.ctx.Err() != nil {
			return c.m.ctx.Err()
		}
		v = append(v[:0], left[0].value...)
		n := uint64(0)
		for len(left) > 0 && left[0].value == text(v) {
			n += left[0].count
			if left[0].next() {
				heap.Fix(&left, 0)
			} else {
				heap.Pop(&left)
			}
		}
		if c.inShare(text(v), share) {
			c.add(text(v), n)
		}
	}
	return nil
}

// add adds a value that is good until add returns.
func (c *tally) add(v string, n uint64) {
	c.out.Distinct++
	if c.top == 0 || c.worst.Count > 0 && compareCounts(ValueCount{v, n}, c.worst) >= 0 {
		return
	}
	c.out.Top = append(c.out.Top, ValueCount{strings.Clone(v), n})
	if len(c.out.Top) >= 2*c.top+64 {
		c.cut()
	}
}

// compareCounts orders the most frequent values first, of equally frequent ones those with the smaller bytes.
func compareCounts(a, b ValueCount) int {
	return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
}

// cut leaves the most frequent values.
func (c *tally) cut() {
	slices.SortFunc(c.out.Top, compareCounts)
	if len(c.out.Top) > c.top {
		c.out.Top = slices.Delete(c.out.Top, c.top, len(c.out.Top))
		c.worst = c.out.Top[c.top-1]
	}
}

// countHeap is lists of counted values by their next value.
type countHeap []*counting

func (h countHeap) Len() int { return len(h) }
func (h countHeap) Less(i, j int) bool {
	return query.CompareText(event.TextOf(h[i].value), event.TextOf(h[j].value)) < 0
}
func (h countHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *countHeap) Push(x any)   { *h = append(*h, x.(*counting)) }
func (h *countHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// counting goes along values in order, with how often each is there. A value is good until the next one.
type counting struct {
	counted
	reader *valueReader
	sorted []string
	held   map[string]uint64

	i     int
	value string
	count uint64
}

// next goes to the next value. It returns false behind the last.
func (c *counting) next() bool {
	switch {
	case c.reader == nil && c.i < len(c.sorted):
		c.value = c.sorted[c.i]
		c.count = c.held[c.value]
	case c.reader != nil && c.i < len(c.codes):
		c.value = text(c.reader.read(int(c.codes[c.i] - 1)))
		c.count = uint64(c.counts[c.i])
	default:
		return false
	}
	c.i++
	return true
}
