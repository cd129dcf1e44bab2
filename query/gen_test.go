package query_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"countersign/event"
	"countersign/query"
)

var seed = flag.Uint64("seed", 0, "seed of the random tests, to run a failure again; 0 takes a new one")

// newRand returns a generator whose seed is printed when the test fails.
func newRand(t testing.TB) *rand.Rand {
	n := *seed
	if n == 0 {
		n = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("run again with -seed %d", n)
		}
	})
	return rand.New(rand.NewPCG(n, 1))
}

// texts is a small pool, so that values meet: case variants of several alphabets, and everything that the
// search text has a meaning for.
var texts = []string{
	"", "a", "A", "ab", "AB", "aB c", "abc", " ", "a  B", "jane", "Jane Smith", "JANE", `EXAMPLE\jane`, "null", "NULL", "AND", "or", "NOT",
	"k", "K", "\u212a", "s", "S", "\u017f", "\u00df", "\u1e9e", "\u00e5", "\u00c5", "\u212b", "\u03c3", "\u03c2", "\u03a3",
	"\u0130", "i", "I", "\u0131", "\u4e16\u754c", "\U00010400", "\U00010428", "\u01c5", "\ufffd", "\u00a0", "a\u3000b", "\u2028",
	"\r\n", "a\tb", "\x00", "\x7f", `"`, `\`, `a"b`, "(", ")", "a,b", "-x", "a-b", "=v", "~v", "^v", "$v", "|v", "<5", "1..2", "2026-01-01", ":", "a:b",
}

var attributeNames = []string{"ticket", "before.name", "a b", "", "null", `q"`, "x:y", "-d", "\u00e9t\u00e9"}

var times = []int64{
	int64(event.MinMicros), int64(event.MaxMicros), -1, 0, 1, 1767225600_000_000 - 1, 1767225600_000_000, 1767225600_000_001,
	1767225600_000_000 + 86400_000_000 - 1, 1767225600_000_000 + 86400_000_000,
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func randomText(r *rand.Rand) event.Text {
	if r.IntN(4) == 0 {
		return event.Text{}
	}
	return event.TextOf(pick(r, texts))
}

func randomEntry(r *rand.Rand) *event.Entry {
	e := &event.Entry{
		Event: event.Event{
			ID: pick(r, texts), OccurredAt: event.Micros(pick(r, times)),
			Account:     event.Account{ID: pick(r, texts), Name: randomText(r)},
			Division:    event.Division{ID: randomText(r), Name: randomText(r)},
			Actor:       event.Actor{ID: randomText(r), Name: randomText(r), Type: pick(r, []string{"standard", "service", "system"})},
			Action:      pick(r, []string{"LOGIN", "LOGIN_ERROR", "CREATE"}),
			Resource:    event.Resource{Type: pick(r, []string{"USER", "ROLE"}), ID: randomText(r), Name: randomText(r)},
			Outcome:     pick(r, []string{"success", "failure", "warning", "unknown"}),
			Description: randomText(r), Detail: randomText(r),
			Client: event.Client{IP: randomText(r), Country: randomText(r)},
			Source: pick(r, []string{"a/b", "c"}),
		},
		Seq: r.Uint64N(10), AccountSeq: r.Uint64N(10), ReceivedAt: event.Micros(pick(r, times)), RecordedBy: randomText(r),
	}
	names := slices.Clone(attributeNames)
	slices.Sort(names)
	for _, name := range names {
		if r.IntN(2) == 0 {
			e.Attributes = append(e.Attributes, event.Attribute{Name: name, Value: pick(r, texts)})
		}
	}
	return e
}

func randomField(r *rand.Rand) query.Field {
	switch r.IntN(8) {
	case 0, 1:
		return query.AttributeField(pick(r, attributeNames))
	case 2:
		return pick(r, []query.Field{"", "nonsense", "Action", "attributes", "a b", query.Seq, query.OccurredAt})
	}
	return pick(r, query.Fields())
}

// randomFilter returns any tree that Go can build, sensible or not.
func randomFilter(r *rand.Rand, depth int) query.Filter {
	kind := r.IntN(10)
	if depth == 0 {
		kind = 4 + r.IntN(6)
	}
	switch kind {
	case 0, 1:
		var out query.And
		for range r.IntN(4) {
			out = append(out, randomFilter(r, depth-1))
		}
		return out
	case 2:
		var out query.Or
		for range r.IntN(4) {
			out = append(out, randomFilter(r, depth-1))
		}
		return out
	case 3:
		return query.Not{Filter: randomFilter(r, depth-1)}
	case 4:
		return query.Null{Field: randomField(r)}
	case 5:
		return query.Range{Field: pick(r, []query.Field{query.Seq, query.AccountSeq, query.OccurredAt, query.ReceivedAt, randomField(r)}), Min: randomEnd(r, query.NoMin), Max: randomEnd(r, query.NoMax)}
	case 6:
		return query.Words{Text: randomValue(r)}
	case 7:
		if r.IntN(4) == 0 {
			return nil
		}
	}
	out := query.Text{Field: randomField(r), Op: query.TextOp(r.IntN(4)), Exact: r.IntN(2) == 0, IgnoreBlanks: r.IntN(3) == 0}
	if r.IntN(20) == 0 {
		out.Op = 7
	}
	n := r.IntN(4)
	if r.IntN(10) == 0 {
		n = 20
	}
	for range n {
		out.Values = append(out.Values, randomValue(r))
	}
	return out
}

func randomValue(r *rand.Rand) string {
	if r.IntN(20) == 0 {
		return pick(r, []string{"\xff", "a\xc3", "\xc3", "\xed\xa0\x80"})
	}
	return pick(r, texts)
}

func randomEnd(r *rand.Rand, open int64) int64 {
	switch r.IntN(5) {
	case 0:
		return open
	case 1:
		return pick(r, []int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64 - 1, math.MaxInt64, int64(event.MinMicros) - 1, int64(event.MaxMicros) + 1})
	case 2:
		return r.Int64N(12) - 1
	}
	return pick(r, times)
}

// naive is a second evaluation that shares nothing with the first but the words of the documentation.
func naive(f query.Filter, e *event.Entry) bool {
	switch f := f.(type) {
	case nil:
		return true
	case query.And:
		return !slices.ContainsFunc(f, func(m query.Filter) bool { return !naive(m, e) })
	case query.Or:
		return slices.ContainsFunc(f, func(m query.Filter) bool { return naive(m, e) })
	case query.Not:
		return !naive(f.Filter, e)
	case query.Null:
		v, isText := naiveTexts(e, f.Field)
		return isText && !v.Present
	case query.Range:
		n, isNumber := naiveNumbers(e)[f.Field]
		return isNumber && f.Min <= n && n <= f.Max
	case query.Words:
		return naiveText(e.Description, query.Contains, f.Text, false) || naiveText(e.Detail, query.Contains, f.Text, false)
	case query.Text:
		v, isText := naiveTexts(e, f.Field)
		return isText && slices.ContainsFunc(f.Values, func(w string) bool {
			if f.IgnoreBlanks {
				v.Value, w = strings.ReplaceAll(v.Value, " ", ""), strings.ReplaceAll(w, " ", "")
			}
			return naiveText(v, f.Op, w, f.Exact)
		})
	}
	panic(fmt.Sprintf("%T", f))
}

func naiveText(v event.Text, op query.TextOp, w string, exact bool) bool {
	if !v.Present {
		return false
	}
	same := strings.EqualFold
	if !exact && !utf8.ValidString(w) {
		v.Value, w, exact = query.Fold(v.Value), query.Fold(w), true
	}
	if exact {
		same = func(a, b string) bool { return a == b }
	}
	for i := 0; i <= len(v.Value); i++ {
		for j := i; j <= len(v.Value); j++ {
			atStart, atEnd := i == 0, j == len(v.Value)
			wanted := map[query.TextOp]bool{query.Equal: atStart && atEnd, query.Contains: true, query.StartsWith: atStart, query.EndsWith: atEnd}[op]
			part := v.Value[i:j]
			if wanted && (exact || utf8.ValidString(part)) && same(part, w) {
				return true
			}
		}
	}
	return false
}

func naiveNumbers(e *event.Entry) map[query.Field]int64 {
	return map[query.Field]int64{"seq": int64(e.Seq), "account_seq": int64(e.AccountSeq), "occurred_at": int64(e.OccurredAt), "received_at": int64(e.ReceivedAt)}
}

func naiveTexts(e *event.Entry, f query.Field) (event.Text, bool) {
	if name, ok := strings.CutPrefix(string(f), "attributes."); ok {
		for _, a := range e.Attributes {
			if a.Name == name {
				return event.TextOf(a.Value), true
			}
		}
		return event.Text{}, true
	}
	v, ok := map[query.Field]event.Text{
		"id": event.TextOf(e.ID), "account.id": event.TextOf(e.Account.ID), "account.name": e.Account.Name,
		"division.id": e.Division.ID, "division.name": e.Division.Name,
		"actor.id": e.Actor.ID, "actor.name": e.Actor.Name, "actor.type": event.TextOf(e.Actor.Type),
		"action": event.TextOf(e.Action), "resource.type": event.TextOf(e.Resource.Type), "resource.id": e.Resource.ID, "resource.name": e.Resource.Name,
		"outcome": event.TextOf(e.Outcome), "description": e.Description, "detail": e.Detail,
		"client.ip": e.Client.IP, "client.country": e.Client.Country, "source": event.TextOf(e.Source), "recorded_by": e.RecordedBy,
	}[f]
	return v, ok
}
