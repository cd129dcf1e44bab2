package segment

import (
	"cmp"
	"math"
	"slices"

	"countersign/bitmap"
	"countersign/event"
	"countersign/query"
)

// answer is what columns know of a filter: the rows that match it, and those that do or may. What lies between is
// decided by the bodies.
type answer struct{ yes, maybe bitmap.Set }

func exactly(rows bitmap.Set) answer { return answer{rows, rows} }

// plan is a filter in normal form with what depends on it alone.
type plan struct {
	filter query.Filter
	text   string // canonical
	match  func(*event.Entry) bool
	// members are the filters of which all must match, each with its text: the caller's scope is one.
	members []member
}

type member struct {
	filter query.Filter
	text   string
}

func newPlan(f query.Filter) *plan {
	p := &plan{filter: query.Normalize(f)}
	p.text, p.match = query.Print(p.filter), query.Compile(p.filter)
	and, ok := p.filter.(query.And)
	if !ok {
		and = query.And{p.filter}
	}
	for _, f := range and {
		p.members = append(p.members, member{f, query.Print(f)})
	}
	return p
}

// The costs of finding the rows of a filter, for all of a segment.
const (
	byBitmaps = iota // some sets are combined
	byScan           // each row is looked at, or many sets are
	byBodies         // bodies must be read
)

// cost tells what it takes to answer f. What is answered first leaves fewer rows to what follows.
func (s *Segment) cost(f query.Filter) int {
	switch f := f.(type) {
	case query.And:
		return s.costOfAll(f)
	case query.Or:
		return s.costOfAll(f)
	case query.Not:
		return s.cost(f.Filter)
	case query.Text:
		return s.costOfText(f)
	case query.Words:
		return max(s.costOfText(query.Text{Field: query.Description}), s.costOfText(query.Text{Field: query.Detail}))
	case query.Range:
		if f.Field == query.AccountSeq {
			return byScan
		}
	}
	return byBitmaps
}

func (s *Segment) costOfAll(fs []query.Filter) int {
	most := byBitmaps
	for _, f := range fs {
		most = max(most, s.cost(f))
	}
	return most
}

func (s *Segment) costOfText(t query.Text) int {
	c := s.columns[t.Field]
	switch {
	case c == nil:
		return byBitmaps
	case c.form == unindexed && (c.hashes.count == 0 || !hashable(t)):
		return byBodies
	case c.form == bitmaps || c.form == unindexed:
		return byBitmaps
	}
	return byScan
}

// hashable tells whether rows that match are found by hash.
func hashable(t query.Text) bool { return t.Op == query.Equal && !t.IgnoreBlanks }

// evalPlan answers the whole filter of a plan. Members that cost little by themselves, and would cost it again in the
// next question, are kept: so the scope of a caller is one set.
func (s *Segment) evalPlan(p *plan) answer {
	order := slices.Clone(p.members)
	slices.SortStableFunc(order, func(a, b member) int { return cmp.Compare(s.cost(a.filter), s.cost(b.filter)) })
	out := exactly(s.all())
	for _, m := range order {
		a := answer{}
		if s.cost(m.filter) == byBitmaps && composite(m.filter) {
			key := cacheKey{s, ofFilter, m.text}
			rows, known := s.cache.find(key).(bitmap.Set)
			if known {
				a = exactly(rows)
			} else if a = s.eval(m.filter, s.all()); a.yes.Len() == a.maybe.Len() {
				s.cache.keep(key, a.yes)
			}
			a = answer{a.yes.And(out.maybe), a.maybe.And(out.maybe)}
		} else {
			a = s.eval(m.filter, out.maybe)
		}
		out = answer{out.yes.And(a.yes), a.maybe}
		if out.maybe.Empty() {
			break
		}
	}
	return out
}

// composite tells whether the rows of f are put together from several sets.
func composite(f query.Filter) bool {
	switch f := f.(type) {
	case query.Text:
		return len(f.Values) > 1
	case query.And, query.Or, query.Not:
		return true
	}
	return false
}

// eval answers f for the rows within.
func (s *Segment) eval(f query.Filter, within bitmap.Set) answer {
	switch f := f.(type) {
	case nil:
		return exactly(within)
	case query.And:
		return s.evalAnd(f, within)
	case query.Or:
		return s.evalOr(f, within)
	case query.Not:
		a := s.eval(f.Filter, within)
		return answer{within.AndNot(a.maybe), within.AndNot(a.yes)}
	case query.Text:
		return s.evalText(f, within)
	case query.Words:
		return s.evalOr(query.Or{
			query.Text{Field: query.Description, Op: query.Contains, Values: []string{f.Text}},
			query.Text{Field: query.Detail, Op: query.Contains, Values: []string{f.Text}},
		}, within)
	case query.Null:
		return s.evalNull(f, within)
	case query.Range:
		return exactly(s.evalRange(f).And(within))
	}
	return answer{maybe: within} // a filter that only query knows
}

func (s *Segment) inOrderOfCost(fs []query.Filter) []query.Filter {
	out := slices.Clone(fs)
	slices.SortStableFunc(out, func(a, b query.Filter) int { return cmp.Compare(s.cost(a), s.cost(b)) })
	return out
}

func (s *Segment) evalAnd(f query.And, within bitmap.Set) answer {
	out := exactly(within)
	for _, m := range s.inOrderOfCost(f) {
		a := s.eval(m, out.maybe)
		if out = (answer{out.yes.And(a.yes), a.maybe}); out.maybe.Empty() {
			break
		}
	}
	return out
}

func (s *Segment) evalOr(f query.Or, within bitmap.Set) answer {
	var out answer
	for _, m := range s.inOrderOfCost(f) {
		a := s.eval(m, within)
		out = answer{out.yes.Or(a.yes), out.maybe.Or(a.maybe)}
		if within = within.AndNot(a.yes); within.Empty() {
			break
		}
	}
	return out
}

func (s *Segment) evalNull(f query.Null, within bitmap.Set) answer {
	c := s.columns[f.Field]
	if c == nil {
		if _, ok := f.Field.Attribute(); !ok {
			return exactly(within)
		}
		return answer{within.AndNot(s.set(s.unsure)), within}
	}
	absent := within.AndNot(c.presentRows(within))
	return answer{absent.AndNot(s.set(c.unsure)), absent}
}

func (s *Segment) evalText(t query.Text, within bitmap.Set) answer {
	c := s.columns[t.Field]
	if c == nil {
		if _, ok := t.Field.Attribute(); !ok {
			return answer{}
		}
		return answer{maybe: s.set(s.unsure).And(within)}
	}
	yes := c.rowsOf(c.wanted(t), within)
	maybe := yes
	switch {
	case c.hashes.count > 0 && hashable(t):
		var rows []uint32
		for _, v := range t.Values {
			rows = append(rows, c.candidates(v)...)
		}
		maybe = maybe.Or(bitmap.Of(rows...).And(within))
	case c.form == unindexed && c.everPresent:
		maybe = within
	case c.form == unindexed || c.form == bitmaps || c.codes.most > uint32(c.values.count):
		maybe = maybe.Or(c.unknownWithin(within))
	}
	if c.unsure.length > 0 {
		maybe = maybe.Or(s.set(c.unsure).And(within))
	}
	return answer{yes, maybe}
}

func (c *column) unknownWithin(within bitmap.Set) bitmap.Set {
	if c.form == dense || c.form == sparse {
		return c.scan(codes{{c.unknownCode(), c.unknownCode() + 1}}, within)
	}
	return c.unknownRows().And(within)
}

// wanted returns the codes of the values that t matches.
func (c *column) wanted(t query.Text) codes {
	s, d := c.seg, &c.values
	if d.count == 0 {
		return nil
	}
	const codeOfFirst = absentCode + 1
	if t.IgnoreBlanks || t.Op != query.Equal && (t.Op != query.StartsWith || t.Exact) {
		return c.tested(t)
	}
	var found codes
	for _, v := range t.Values {
		var from, to int
		if t.Exact {
			from = s.find(d, 0, d.count, v)
			to = from
			if from < d.count && s.value(d, from) == v {
				to++
			}
		} else {
			from, to = s.findFolded(d, query.Fold(v), t.Op == query.Equal)
		}
		if from < to {
			found = append(found, [2]uint32{uint32(from) + codeOfFirst, uint32(to) + codeOfFirst})
		}
	}
	slices.SortFunc(found, func(a, b [2]uint32) int { return cmp.Compare(a[0], b[0]) })
	var out codes
	for _, r := range found {
		out = out.add(r[0], r[1])
	}
	return out
}

// tested tests each value of the dictionary.
func (c *column) tested(t query.Text) (out codes) {
	// What matches is for package query to say: the value is tried as the name of an actor who is nothing else.
	t.Field = query.ActorName
	match := query.Compile(t)
	var e event.Entry
	c.seg.values(&c.values, 0, func(i int, v []byte) bool {
		e.Actor.Name = event.TextOf(text(v))
		if match(&e) {
			code := uint32(i) + absentCode + 1
			out = out.add(code, code+1)
		}
		return true
	})
	return out
}

func (s *Segment) evalRange(f query.Range) bitmap.Set {
	switch f.Field {
	case query.OccurredAt:
		from, to := s.occurredBetween(f.Min, f.Max)
		return bitmap.Range(from, to)
	case query.Seq:
		first, end := int64(s.first), int64(s.End())
		if f.Max < first || f.Min >= end {
			return bitmap.Set{}
		}
		return s.between(uint32(max(f.Min, first)-first), uint32(min(f.Max, end-1)-first+1))
	case query.ReceivedAt:
		return s.receivedBetween(f.Min, f.Max)
	case query.AccountSeq:
		return s.accountSeqBetween(f.Min, f.Max)
	}
	return bitmap.Set{}
}

// after returns the place of the first number that is larger than v, in an array that ascends.
func (s *Segment) after(a *integers, v int64) int {
	if v == math.MaxInt64 {
		return a.count
	}
	return s.firstFrom(a, v+1)
}

// occurredBetween returns the rows that occurred from one moment to another, both included, as a range.
func (s *Segment) occurredBetween(lo, hi int64) (from, to uint32) {
	if lo > hi {
		return 0, 0
	}
	return uint32(s.firstFrom(&s.occurred, lo)), uint32(s.after(&s.occurred, hi))
}

func (s *Segment) receivedBetween(lo, hi int64) bitmap.Set {
	if s.received.ascending {
		return s.between(uint32(s.firstFrom(&s.received, lo)), uint32(s.after(&s.received, hi)))
	}
	var rows []uint32
	for row := range uint32(s.rows) {
		if v := s.integerAt(&s.received, int(s.place(row))); lo <= v && v <= hi {
			rows = append(rows, row)
		}
	}
	return bitmap.Of(rows...)
}
