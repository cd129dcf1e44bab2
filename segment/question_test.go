package segment_test

import (
	"fmt"
	"math"
	"math/rand/v2"

	"countersign/event"
	"countersign/query"
)

func textField(r *rand.Rand) query.Field {
	if r.IntN(3) == 0 {
		return query.AttributeField(pick(r, []string{"ticket", "before.role", "Zoë", "digicert_one.status", "nowhere", "keyfactor.Id", "serial", "blob",
			fmt.Sprintf("x.%03d", r.IntN(100)), fmt.Sprintf("x.%03d", r.IntN(10))}))
	}
	for {
		if f := pick(r, query.Fields()); f.Kind() == query.TextKind {
			return f
		}
	}
}

func numberField(r *rand.Rand) query.Field {
	return pick(r, []query.Field{query.Seq, query.AccountSeq, query.OccurredAt, query.ReceivedAt})
}

// order makes a random order of any kind.
func order(r *rand.Rand, all trail) query.Sort {
	o := query.Sort{Desc: r.IntN(2) == 0}
	switch r.IntN(10) {
	case 0, 1, 2:
		o.Field = query.OccurredAt
	case 3:
		o.Field = numberField(r)
	case 4:
		o.Field = query.Outcome
		for range 1 + r.IntN(4) {
			o.Classes = append(o.Classes, filter(r, all, 1))
		}
	case 5:
		for range 1 + r.IntN(4) {
			c := query.Case{When: filter(r, all, 1), Field: textField(r)}
			switch r.IntN(4) {
			case 0:
				c.Field, c.Value = "", pick(r, []string{"jane", "JANE", "", "Zoë"})
			case 1:
				c.When = query.Not{Filter: query.Null{Field: c.Field}}
			case 2:
				c.Field = query.Seq // no text: absent
			}
			o.Cases = append(o.Cases, c)
		}
	case 6:
		o.Field = pick(r, []query.Field{"", "nonsense"})
	default:
		o.Field = textField(r)
	}
	return o
}

// question makes a random query whose values come from the entries, so that it seldom finds nothing.
func question(r *rand.Rand, all trail) query.Query {
	q := query.Query{Filter: filter(r, all, 3), Sort: order(r, all), Limit: r.IntN(40)}
	if r.IntN(20) == 0 {
		q.Limit = len(all)
	}
	if r.IntN(2) == 0 {
		q.Offset = r.Uint64N(uint64(len(all))/(1+r.Uint64N(10)) + 10)
	}
	if r.IntN(3) == 0 {
		size := all.first() + r.Uint64N(uint64(len(all))+1)
		q.AsOf = &size
	}
	return q
}

func filter(r *rand.Rand, all trail, depth int) query.Filter {
	if depth > 0 && r.IntN(2) == 0 {
		var parts []query.Filter
		for range r.IntN(4) {
			parts = append(parts, filter(r, all, depth-1))
		}
		switch r.IntN(3) {
		case 0:
			return query.And(parts)
		case 1:
			return query.Or(parts)
		default:
			return query.Not{Filter: filter(r, all, depth-1)}
		}
	}
	e, other := pick(r, all), pick(r, all)
	switch r.IntN(9) {
	case 0:
		return nil
	case 1:
		return query.Null{Field: textField(r)}
	case 2, 3:
		f := numberField(r)
		of := query.NumberOf(f)
		lo, hi := of(e), of(other)
		switch r.IntN(8) {
		case 0:
			lo = query.NoMin
		case 1:
			hi = query.NoMax
		case 2:
			lo = min(lo, math.MaxInt64-1000)
			hi = lo + int64(r.IntN(1000))
		}
		return query.Range{Field: f, Min: lo, Max: hi}
	case 4:
		return query.Words{Text: partOf(r, e.Description.Value)}
	case 5:
		if len(e.Attributes) > 0 {
			a := pick(r, e.Attributes)
			return text(r, query.AttributeField(a.Name), []string{a.Value})
		}
	}
	f := textField(r)
	var values []string
	for range 1 + r.IntN(3) {
		values = append(values, query.TextOf(f)(pick(r, all)).Value)
	}
	if r.IntN(20) == 0 {
		for range 30 {
			values = append(values, query.TextOf(f)(pick(r, all)).Value)
		}
	}
	return text(r, f, values)
}

func text(r *rand.Rand, f query.Field, values []string) query.Text {
	t := query.Text{Field: f, Op: query.TextOp(r.IntN(4)), Values: values, Exact: r.IntN(2) == 0, IgnoreBlanks: r.IntN(8) == 0}
	for i, v := range t.Values {
		if t.Op != query.Equal {
			t.Values[i] = partOf(r, v)
		}
		switch r.IntN(30) {
		case 0:
			t.Values[i] = "\xff" + v
		case 1:
			t.Values[i] = query.Fold(v)
		}
	}
	return t
}

// partOf returns a piece of s that starts and ends between characters.
func partOf(r *rand.Rand, s string) string {
	runes := []rune(s)
	if len(runes) == 0 {
		return s
	}
	from := r.IntN(len(runes))
	return string(runes[from : from+1+r.IntN(min(len(runes)-from, 12))])
}

// kinds are what trails are like.
func kinds() map[string]func(*rand.Rand, *event.Event) {
	return map[string]func(*rand.Rand, *event.Event){
		"any time":   strange,
		"few values": func(*rand.Rand, *event.Event) {},
		"in time":    inTime(),
	}
}
