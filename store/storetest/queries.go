package storetest

import (
	"math/rand/v2"

	"countersign/event"
	"countersign/query"
)

var textFields, numberFields = fields()

func fields() (text, number []query.Field) {
	for _, f := range query.Fields() {
		if f.Kind() == query.TextKind {
			text = append(text, f)
		} else {
			number = append(number, f)
		}
	}
	return text, number
}

// statusClasses is an order by a derived value, as dialects ask for.
var statusClasses = []query.Filter{
	query.Is(query.Outcome, event.OutcomeFailure, event.OutcomeWarning),
	query.Is(query.Outcome, event.OutcomeSuccess),
}

// nameCases is an order by a text that several fields make.
var nameCases = []query.Case{
	{When: query.Is(query.ActorType, event.ActorSystem), Value: "Jane"},
	{When: query.Not{Filter: query.Null{Field: query.ActorName}}, Field: query.ActorName},
	{When: query.Not{Filter: query.Null{Field: query.ActorID}}, Field: query.ActorID},
}

func sorts() []query.Sort {
	all := []query.Sort{{}, {Desc: true}}
	for _, desc := range []bool{false, true} {
		all = append(all, query.Sort{Field: query.Outcome, Classes: statusClasses, Desc: desc}, query.Sort{Cases: nameCases, Desc: desc})
	}
	for _, f := range query.Fields() {
		all = append(all, query.Sort{Field: f}, query.Sort{Field: f, Desc: true})
	}
	return all
}

// Query makes a random question whose values come from the entries, so that it is seldom empty.
func Query(r *rand.Rand, entries []*event.Entry) query.Query {
	q := query.Query{Filter: filter(r, entries, 3), Limit: r.IntN(50)}
	q.Sort = order(r, entries)
	if r.IntN(2) == 0 {
		q.Offset = r.Uint64N(uint64(len(entries)) + 10)
	}
	if r.IntN(3) == 0 {
		size := r.Uint64N(uint64(len(entries)) + 1)
		q.AsOf = &size
	}
	return q
}

// order is one of sorts, or one whose classes and cases are made up.
func order(r *rand.Rand, entries []*event.Entry) query.Sort {
	all := sorts()
	o := all[r.IntN(len(all))]
	switch r.IntN(8) {
	case 0:
		o = query.Sort{Field: query.Outcome, Desc: o.Desc}
		for range 1 + r.IntN(4) {
			o.Classes = append(o.Classes, filter(r, entries, 1))
		}
	case 1:
		o = query.Sort{Desc: o.Desc}
		for range 1 + r.IntN(4) {
			c := query.Case{When: filter(r, entries, 1), Field: textFields[r.IntN(len(textFields))]}
			if r.IntN(4) == 0 {
				c.Field, c.Value = "", []string{"jane", "JANE", "", "Zoë"}[r.IntN(4)]
			}
			o.Cases = append(o.Cases, c)
		}
	case 2:
		o.Field = query.AttributeField([]string{"ticket", "before.role", "serial", "nowhere"}[r.IntN(4)])
		o.Classes, o.Cases = nil, nil
	}
	return o
}

func filter(r *rand.Rand, entries []*event.Entry, depth int) query.Filter {
	if depth > 0 && r.IntN(2) == 0 {
		var parts []query.Filter
		for range r.IntN(4) {
			parts = append(parts, filter(r, entries, depth-1))
		}
		switch r.IntN(3) {
		case 0:
			return query.And(parts)
		case 1:
			return query.Or(parts)
		default:
			return query.Not{Filter: filter(r, entries, depth-1)}
		}
	}
	e := entries[r.IntN(len(entries))]
	switch r.IntN(8) {
	case 0:
		return nil
	case 1:
		return query.Null{Field: textFields[r.IntN(len(textFields))]}
	case 2:
		f := numberFields[r.IntN(len(numberFields))]
		of := query.NumberOf(f)
		lo, hi := of(e), of(entries[r.IntN(len(entries))])
		if r.IntN(4) == 0 {
			lo = query.NoMin
		} else if r.IntN(4) == 0 {
			hi = query.NoMax
		}
		return query.Range{Field: f, Min: lo, Max: hi}
	case 3:
		return query.Words{Text: part(r, e.Description.Value)}
	case 4:
		if len(e.Attributes) > 0 {
			a := e.Attributes[r.IntN(len(e.Attributes))]
			return query.Text{Field: query.AttributeField(a.Name), Op: query.TextOp(r.IntN(4)), Values: []string{part(r, a.Value)}, Exact: r.IntN(2) == 0}
		}
	}
	f := textFields[r.IntN(len(textFields))]
	t := query.Text{Field: f, Op: query.TextOp(r.IntN(4)), Exact: r.IntN(2) == 0, IgnoreBlanks: r.IntN(4) == 0}
	for range 1 + r.IntN(3) {
		v := query.TextOf(f)(entries[r.IntN(len(entries))]).Value
		if t.Op != query.Equal {
			v = part(r, v)
		}
		t.Values = append(t.Values, v)
	}
	return t
}

// part returns a piece of s that starts and ends between runes.
func part(r *rand.Rand, s string) string {
	runes := []rune(s)
	if len(runes) == 0 {
		return s
	}
	from := r.IntN(len(runes))
	return string(runes[from : from+1+r.IntN(len(runes)-from)])
}
