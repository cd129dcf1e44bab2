package query

import "countersign/event"

// Normalize returns the normal form of f: the tree that Parse returns for Print(f), which matches the same
// valid entries.
//
//   - Everything is nil and nothing is Or{}; both stand only at the top. An And or Or that holds them is
//     simplified, and so is Not of them.
//   - And and Or have at least two members; no And is a member of an And, no Or of an Or, no Not of a Not.
//   - What can never match became nothing: an Or or Text without values, a Range that ends before it
//     starts, and the nodes without a meaning that Matches describes. A Range over all values became
//     everything.
//   - The ends of a Range over a time that lie outside the years 0000 to 9999, where no valid entry is,
//     became open.
//
// Members and values keep their order and their repeats. The result shares slices with f.
func Normalize(f Filter) Filter {
	switch f := f.(type) {
	case And:
		return normalizeAnd(f)
	case Or:
		return normalizeOr(f)
	case Not:
		switch inner := Normalize(f.Filter).(type) {
		case nil:
			return Or{}
		case Not:
			return inner.Filter
		default:
			if isNothing(inner) {
				return nil
			}
			return Not{inner}
		}
	case Text:
		if f.Field.Kind() != TextKind || f.Op > EndsWith || len(f.Values) == 0 {
			return Or{}
		}
	case Null:
		if f.Field.Kind() != TextKind {
			return Or{}
		}
	case Range:
		return normalizeRange(f)
	}
	return f
}

func isNothing(f Filter) bool {
	or, ok := f.(Or)
	return ok && len(or) == 0
}

func normalizeAnd(f And) Filter {
	out := make(And, 0, len(f))
	for _, member := range f {
		switch m := Normalize(member).(type) {
		case nil:
		case And:
			out = append(out, m...)
		default:
			if isNothing(m) {
				return Or{}
			}
			out = append(out, m)
		}
	}
	switch len(out) {
	case 0:
		return nil
	case 1:
		return out[0]
	}
	return out
}

func normalizeOr(f Or) Filter {
	out := make(Or, 0, len(f))
	for _, member := range f {
		switch m := Normalize(member).(type) {
		case nil:
			return nil
		case Or: // nothing adds no member
			out = append(out, m...)
		default:
			out = append(out, m)
		}
	}
	if len(out) == 1 {
		return out[0]
	}
	return out
}

func normalizeRange(f Range) Filter {
	switch f.Field.Kind() {
	case NumberKind:
	case TimeKind:
		if f.Min > int64(event.MaxMicros) || f.Max < int64(event.MinMicros) {
			return Or{}
		}
		if f.Min < int64(event.MinMicros) {
			f.Min = NoMin
		}
		if f.Max > int64(event.MaxMicros) {
			f.Max = NoMax
		}
	default:
		return Or{}
	}
	switch {
	case f.Min > f.Max:
		return Or{}
	case f.Min == NoMin && f.Max == NoMax:
		return nil
	}
	return f
}
