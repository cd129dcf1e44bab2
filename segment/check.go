package segment

import (
	"context"
	"fmt"
	"math"
	"slices"

	"countersign/bitmap"
	"countersign/event"
	"countersign/query"
)

// Check reads every block and holds it to its checksum and its form, then, when bodies is given, holds what the index
// says of each entry to its body. What is wrong first is the error, a *CorruptError where the index is. Nobody else may use
// the segment meanwhile.
func (s *Segment) Check(ctx context.Context, bodies Bodies) error {
	return viewAll([]*Segment{s}, func() error {
		s.strict = true
		s.checkBlocks()
		s.strict = false
		if bodies == nil {
			return ctx.Err()
		}
		return s.checkBodies(ctx, bodies)
	})
}

// checkBlocks reads all blocks.
func (s *Segment) checkBlocks() {
	numbers := func(a *integers) {
		for i := range pagesOf(a.count) {
			s.integerPage(a, i)
		}
	}
	array := func(p *packed) {
		for i := range pagesOf(p.count) {
			s.packedPage(p, i)
		}
	}
	if s.ordered {
		numbers(&s.order)
	}
	numbers(&s.occurred)
	numbers(&s.received)
	if s.rows > 0 {
		s.allChains()
	}
	s.set(s.unsure)
	for _, c := range s.list {
		s.set(c.present)
		s.set(c.unknown)
		s.set(c.unsure)
		for i := 0; i < c.values.count; i += pageValues {
			s.dictionaryPage(&c.values, i/pageValues)
		}
		switch c.form {
		case bitmaps:
			for i := range c.values.count {
				s.set(s.at(&c.sets, i))
			}
		case dense, sparse:
			array(&c.codes)
		}
		if c.hashes.count > 0 {
			array(&c.hashes.starts)
			array(&c.hashes.low)
			array(&c.hashes.rows)
			c.allHashes(func(uint32, uint32) {})
		}
	}
}

// checkBodies compares a page of rows after the other.
func (s *Segment) checkBodies(ctx context.Context, bodies Bodies) error {
	seen := make([]uint64, (s.entries+63)/64)
	accountSeqs := make([]uint64, s.rows)
	s.accountSeqs(func(row uint32, value uint64) { accountSeqs[row] = value })
	for from := 0; from < s.rows; from += pageRows {
		to := min(s.rows, from+pageRows)
		p := s.expand(uint32(from), uint32(to))
		rows := slices.Collect(bitmap.Range(uint32(from), uint32(to)).All())
		seats := s.seats(rows)
		for _, at := range seats {
			if seen[at.place/64]>>(at.place%64)&1 == 1 {
				s.fail(s.order.pages.block, "two rows have the place %d", at.place)
			}
			seen[at.place/64] |= 1 << (at.place % 64)
		}
		err := s.read(ctx, seats, bodies, func(row uint32, e *event.Entry) error {
			return s.checkRow(p, row, e, accountSeqs[row])
		})
		if err != nil {
			return err
		}
	}
	return s.checkFacts(ctx, seen, bodies)
}

// checkFacts holds what has no row to being no event.
func (s *Segment) checkFacts(ctx context.Context, seen []uint64, bodies Bodies) error {
	var seats []seat
	for place := range uint32(s.entries) {
		if seen[place/64]>>(place%64)&1 == 0 {
			seats = append(seats, seat{place: place})
		}
	}
	return s.read(ctx, seats, bodies, func(_ uint32, e *event.Entry) error {
		if e.Kind == event.KindEvent {
			return &CorruptError{File: s.name, Offset: -1, What: fmt.Sprintf("entry %d is an event and has no row", e.Seq)}
		}
		return nil
	})
}

// expanded is what the columns say of some rows.
type expanded struct {
	first   uint32
	columns []expandedColumn
	unsure  bitmap.Set
}

type expandedColumn struct {
	*column
	of     func(*event.Entry) event.Text
	codes  []uint32
	unsure bitmap.Set
	values map[uint32]string
}

func (s *Segment) expand(from, to uint32) *expanded {
	within := bitmap.Range(from, to)
	p := &expanded{first: from, unsure: s.set(s.unsure)}
	for _, c := range s.list {
		x := expandedColumn{column: c, of: query.TextOf(c.field), unsure: s.set(c.unsure), values: map[uint32]string{}}
		x.codes = make([]uint32, to-from)
		switch c.form {
		case dense, sparse:
			c.each(within, func(row, code uint32) { x.codes[row-from] = code })
		case bitmaps:
			for i := range c.values.count {
				for row := range s.set(s.at(&c.sets, i)).And(within).All() {
					x.codes[row-from] = uint32(i) + 1
				}
			}
			fallthrough
		case unindexed:
			for row := range c.unknownWithin(within).All() {
				x.codes[row-from] = c.unknownCode()
			}
		}
		p.columns = append(p.columns, x)
	}
	return p
}

func (s *Segment) checkRow(p *expanded, row uint32, e *event.Entry, accountSeq uint64) error {
	wrong := func(f query.Field, has, says string) error {
		return &CorruptError{File: s.name, Offset: -1, What: fmt.Sprintf("entry %d has %s %.100s, the index says %.100s", e.Seq, f, has, says)}
	}
	if e.Kind != event.KindEvent {
		return wrong("kind", fmt.Sprint(e.Kind), "that it is an event")
	}
	for _, n := range [...]struct {
		field query.Field
		says  uint64
	}{
		{query.OccurredAt, uint64(s.integerAt(&s.occurred, int(row)))},
		{query.ReceivedAt, uint64(s.integerAt(&s.received, int(s.place(row))))},
		{query.AccountSeq, min(accountSeq, math.MaxInt64)},
	} {
		if has := query.NumberOf(n.field)(e); uint64(has) != n.says {
			return wrong(n.field, fmt.Sprint(has), fmt.Sprint(int64(n.says)))
		}
	}
	known := 0
	for i := range p.columns {
		c := &p.columns[i]
		has, code := c.of(e), c.codes[row-p.first]
		if _, ok := c.field.Attribute(); ok && has.Present {
			known++
		}
		if says, ok := c.agrees(row, has, code); !ok {
			return wrong(c.field, shown(has), says)
		}
	}
	if known < len(e.Attributes) && !p.unsure.Has(row) {
		return wrong("attributes", fmt.Sprint(len(e.Attributes)), fmt.Sprint(known))
	}
	for _, f := range query.Fields() {
		if of := query.TextOf(f); of != nil && s.columns[f] == nil && of(e).Present {
			return wrong(f, shown(of(e)), "that it is absent")
		}
	}
	return nil
}

// agrees tells whether a value is what the column says of the row, and what it says.
func (c *expandedColumn) agrees(row uint32, has event.Text, code uint32) (says string, ok bool) {
	switch {
	case code == absentCode:
		return "that it is absent", !has.Present || c.unsure.Has(row)
	case code == c.unknownCode():
		if c.hashes.count > 0 && !slices.Contains(c.candidates(has.Value), row) {
			return "that it has another hash", false
		}
		return "that it is there", has.Present
	}
	v, known := c.values[code]
	if !known {
		v = c.value(code)
		if len(c.values) < 1<<12 {
			c.values[code] = v
		}
	}
	return v, has == event.TextOf(v)
}

func shown(t event.Text) string {
	if !t.Present {
		return "absent"
	}
	return t.Value
}
