package query_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"countersign/event"
	"countersign/query"
)

func TestCompareOrdersText(t *testing.T) {
	// Ascending, absent first; the folded bytes decide, then the bytes.
	ordered := []event.Text{{}, event.TextOf(""), event.TextOf("A"), event.TextOf("a"), event.TextOf("AB"), event.TextOf("aB"), event.TextOf("ab"), event.TextOf("B"),
		event.TextOf("k"), event.TextOf("\u212a"), event.TextOf("KA"), event.TextOf("\u212aa"), event.TextOf("z"), event.TextOf("Å"), event.TextOf("å"), event.TextOf("世")}
	for i, a := range ordered {
		for j, b := range ordered {
			if got, want := query.CompareText(a, b), cmp.Compare(i, j); got != want {
				t.Errorf("CompareText(%+v, %+v) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestTiesBreakBySeqInTheDirectionOfTheSort(t *testing.T) {
	first, second := smith(), smith()
	second.Seq++
	for _, s := range []query.Sort{{}, {Field: query.Seq}, {Field: query.Action}, {Field: query.OccurredAt}, {Field: "nonsense"}, {Field: query.AttributeField("ticket")}, {Classes: []query.Filter{nil}}} {
		if got := query.Compare(s, first, second); got != -1 {
			t.Errorf("%+v: Compare = %d, want -1", s, got)
		}
		s.Desc = true
		if got := query.Compare(s, first, second); got != 1 {
			t.Errorf("%+v: Compare = %d, want 1", s, got)
		}
	}
}

func TestClassesOrderInPlaceOfTheField(t *testing.T) {
	entry := func(seq uint64, action string) *event.Entry {
		e := smith()
		e.Seq, e.Action = seq, action
		return e
	}
	entries := []*event.Entry{entry(0, "A"), entry(1, "OTHER"), entry(2, "C"), entry(3, "B"), entry(4, "C")}
	// C, then B or C (of which only B is left), then the rest.
	s := query.Sort{Field: query.Action, Classes: []query.Filter{query.Is(query.Action, "C"), query.Is(query.Action, "B", "C")}}
	if got, want := seqs(entries, s), "[2 4 3 0 1]"; got != want {
		t.Errorf("ascending %s, want %s", got, want)
	}
	s.Desc = true
	if got, want := seqs(entries, s), "[1 0 3 4 2]"; got != want {
		t.Errorf("descending %s, want %s", got, want)
	}
}

func seqs(entries []*event.Entry, s query.Sort) string {
	sorted := slices.SortedFunc(slices.Values(entries), s.Compile())
	var out []uint64
	for _, e := range sorted {
		out = append(out, e.Seq)
	}
	return fmt.Sprint(out)
}

func randomSort(r *rand.Rand) query.Sort {
	s := query.Sort{Field: randomField(r), Desc: r.IntN(2) == 0}
	if r.IntN(3) == 0 {
		for range 1 + r.IntN(3) {
			s.Classes = append(s.Classes, randomFilter(r, 1))
		}
	}
	if r.IntN(3) == 0 {
		for range 1 + r.IntN(3) {
			c := query.Case{When: randomFilter(r, 1), Field: randomField(r), Value: randomValue(r)}
			if r.IntN(2) == 0 {
				c.Field = ""
			}
			s.Cases = append(s.Cases, c)
		}
	}
	return s
}

func TestCompareAgreesWithNaiveKeys(t *testing.T) {
	r := newRand(t)
	for range 20_000 {
		s, a, b := randomSort(r), randomEntry(r), randomEntry(r)
		want := naiveCompare(s, a, b)
		if s.Desc {
			want = -want
		}
		if got := query.Compare(s, a, b); got != want {
			t.Fatalf("%+v\n%+v\n%+v\nCompare = %d, want %d", s, a, b, got, want)
		}
	}
}

func naiveCompare(s query.Sort, a, b *event.Entry) int {
	key := func(e *event.Entry) []string {
		if len(s.Classes) > 0 {
			i := slices.IndexFunc(s.Classes, func(f query.Filter) bool { return naive(f, e) })
			return []string{string(rune('a' + (i+10)%10))} // -1, no class, comes last
		}
		v, ok := naiveTexts(e, s.Field)
		if len(s.Cases) > 0 {
			v, ok = naiveCase(s.Cases, e)
		}
		if ok && v.Present {
			return []string{"present", query.Fold(v.Value), v.Value}
		}
		return nil
	}
	numbers := func(e *event.Entry) int64 {
		if len(s.Classes) > 0 || len(s.Cases) > 0 {
			return 0
		}
		return naiveNumbers(e)[s.Field]
	}
	return cmp.Or(slices.Compare(key(a), key(b)), cmp.Compare(numbers(a), numbers(b)), cmp.Compare(a.Seq, b.Seq))
}

func naiveCase(cases []query.Case, e *event.Entry) (event.Text, bool) {
	for _, c := range cases {
		switch {
		case !naive(c.When, e):
		case c.Field == "":
			return event.TextOf(c.Value), true
		default:
			return naiveTexts(e, c.Field)
		}
	}
	return event.Text{}, false
}

func TestCasesOrderByTheTextThatTheFirstOfThemGives(t *testing.T) {
	entry := func(seq uint64, kind string, name, id event.Text) *event.Entry {
		e := smith()
		e.Seq, e.Actor = seq, event.Actor{Type: kind, Name: name, ID: id}
		return e
	}
	text, none := event.TextOf, event.Text{}
	entries := []*event.Entry{
		entry(0, "standard", text("zoe"), text("a")), entry(1, "system", text("adam"), none), entry(2, "standard", none, text("U-17")),
		entry(3, "standard", text("SYSTEM"), none), entry(4, "standard", none, none), entry(5, "standard", none, text("u-17")),
	}
	present := func(f query.Field) query.Filter { return query.Not{Filter: query.Null{Field: f}} }
	s := query.Sort{Field: query.ActorName, Cases: []query.Case{
		{When: query.Is(query.ActorType, "system"), Value: "System"},
		{When: present(query.ActorName), Field: query.ActorName},
		{When: present(query.ActorID), Field: query.ActorID},
	}}
	// Nothing, SYSTEM, System, U-17, u-17, zoe.
	if got, want := seqs(entries, s), "[4 3 1 2 5 0]"; got != want {
		t.Errorf("ascending %s, want %s", got, want)
	}
	s.Desc = true
	if got, want := seqs(entries, s), "[0 5 2 1 3 4]"; got != want {
		t.Errorf("descending %s, want %s", got, want)
	}
}

func TestParseSort(t *testing.T) {
	tests := []struct {
		text string
		want query.Sort
	}{
		{"seq", query.Sort{Field: query.Seq}},
		{"occurred_at:desc", query.Sort{Field: query.OccurredAt, Desc: true}},
		{"actor.name:asc", query.Sort{Field: query.ActorName}},
		{"attributes.ticket:desc", query.Sort{Field: "attributes.ticket", Desc: true}},
		{`attributes."a:desc"`, query.Sort{Field: "attributes.a:desc"}},
		{`attributes."a \" b":desc`, query.Sort{Field: `attributes.a " b`, Desc: true}},
	}
	for _, tt := range tests {
		got, err := query.ParseSort(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got.Field != tt.want.Field || got.Desc != tt.want.Desc {
			t.Errorf("%s: got %+v, want %+v", tt.text, got, tt.want)
		}
	}
}

func TestParseSortRefuses(t *testing.T) {
	tests := []struct {
		text   string
		offset int
		reason string
	}{
		{"", 0, "expected the name of a field"},
		{":asc", 0, "expected the name of a field"},
		{"time:asc", 0, `no field "time"`},
		{"occured_at:asc", 0, "(close to it: occurred_at)"},
		{"seq:up", 4, `unknown direction "up"`},
		{"seq:", 4, `unknown direction ""`},
		{"seq:ASC", 4, `unknown direction "ASC"`},
		{"seq:asc ", 4, `unknown direction "asc "`},
		{"seq asc", 3, "found a blank"},
		{"seq:desc,id:asc", 4, "unknown direction"},
		{"attributes.:asc", 11, "name of an attribute"},
		{"\xff", 0, "UTF-8"},
		{strings.Repeat("s", query.MaxTextBytes+1), query.MaxTextBytes, "longer than"},
	}
	for _, tt := range tests {
		_, err := query.ParseSort(tt.text)
		var pe *query.ParseError
		if !errors.As(err, &pe) || pe.Offset != tt.offset || !strings.Contains(pe.Reason, tt.reason) {
			t.Errorf("%q: got %v, want byte %d, %q", tt.text, err, tt.offset, tt.reason)
		}
	}
}

func TestPrintSort(t *testing.T) {
	tests := []struct {
		sort query.Sort
		want string
	}{
		{query.Sort{}, "seq:asc"},
		{query.Sort{Desc: true}, "seq:desc"},
		{query.Sort{Field: query.ActorName}, "actor.name:asc"},
		{query.Sort{Field: `attributes.a:b "c"`, Desc: true}, `attributes."a:b \"c\"":desc`},
		{query.Sort{Field: "status"}, `"status":asc`},
		{query.Sort{Field: "status", Classes: []query.Filter{query.Is(query.Outcome, "success"), nil}}, `"status":asc{"outcome:=success",""}`},
		{query.Sort{Field: "user", Desc: true, Cases: []query.Case{{When: query.Null{Field: query.ActorName}, Value: `a "b"`}, {Field: query.ActorName}}},
			`"user":desc{"actor.name:null":="a \"b\"","":actor.name}`},
	}
	for _, tt := range tests {
		if got := query.PrintSort(tt.sort); got != tt.want {
			t.Errorf("%+v: got %s, want %s", tt.sort, got, tt.want)
		}
	}
}

func TestSortsWithTheSameTextAreTheSameOrder(t *testing.T) {
	r := newRand(t)
	var entries []*event.Entry
	for i := range 40 {
		e := randomEntry(r)
		e.Seq = uint64(i)
		entries = append(entries, e)
	}
	orders := map[string]string{}
	for range 5000 {
		s := randomSort(r)
		text, order := query.PrintSort(s), seqs(entries, s)
		if other, ok := orders[text]; ok && other != order {
			t.Fatalf("two orders print as %s", text)
		}
		orders[text] = order
		if len(s.Classes) == 0 && len(s.Cases) == 0 && s.Field.Kind() != query.NoKind {
			back, err := query.ParseSort(text)
			if err != nil || back.Field != s.Field || back.Desc != s.Desc {
				t.Fatalf("%+v prints as %s, which reads %+v, %v", s, text, back, err)
			}
		}
	}
}
