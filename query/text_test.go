package query_test

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"countersign/query"
)

const day = 86400_000_000

// jan1 is 2026-01-01T00:00:00Z.
const jan1 = int64(1767225600_000_000)

func is(f query.Field, values ...string) query.Text { return query.Text{Field: f, Values: values} }

func TestParse(t *testing.T) {
	login, failure := is(query.Action, "LOGIN"), is(query.Outcome, "failure")
	at := func(lo, hi int64) query.Range { return query.Range{Field: query.OccurredAt, Min: lo, Max: hi} }
	seq := func(lo, hi int64) query.Range { return query.Range{Field: query.Seq, Min: lo, Max: hi} }
	name := func(op query.TextOp, exact bool, values ...string) query.Text {
		return query.Text{Field: query.ActorName, Op: op, Exact: exact, Values: values}
	}
	tests := []struct {
		name, text string
		want       query.Filter
	}{
		{"empty text asks for everything", "", nil},
		{"blanks only", " \t\r\n\u00a0\u3000", nil},
		{"empty group asks for everything", "()", nil},
		{"negated empty group asks for nothing", "NOT ()", query.Or{}},

		{"the design's example", `action:LOGIN_ERROR actor.name:~smith outcome:failure -client.country:US "free words"`, query.And{
			is(query.Action, "LOGIN_ERROR"), name(query.Contains, false, "smith"), failure, query.Not{Filter: is(query.Country, "US")}, query.Words{Text: "free words"}}},

		{"equal", "actor.name:jane", name(query.Equal, false, "jane")},
		{"exact", "actor.name:=jane", name(query.Equal, true, "jane")},
		{"contains", "actor.name:~jane", name(query.Contains, false, "jane")},
		{"starts with", "actor.name:^jane", name(query.StartsWith, false, "jane")},
		{"ends with", "actor.name:$jane", name(query.EndsWith, false, "jane")},
		{"exact contains", "actor.name:=~jane", name(query.Contains, true, "jane")},
		{"exact starts with", "actor.name:=^jane", name(query.StartsWith, true, "jane")},
		{"exact ends with", "actor.name:=$jane", name(query.EndsWith, true, "jane")},
		{"ignoring blanks", "actor.name:|jane", query.Text{Field: query.ActorName, IgnoreBlanks: true, Values: []string{"jane"}}},
		{"exact contains ignoring blanks", `actor.name:=|~("Jane S",b)`, query.Text{Field: query.ActorName, Op: query.Contains, Exact: true, IgnoreBlanks: true, Values: []string{"Jane S", "b"}}},
		{"list", "actor.name:(jane,bob)", name(query.Equal, false, "jane", "bob")},
		{"list with blanks and quotes", `actor.name:( "jane, or" , bob )`, name(query.Equal, false, "jane, or", "bob")},
		{"list of one", "actor.name:(jane)", name(query.Equal, false, "jane")},
		{"exact list", "actor.name:=(jane,bob)", name(query.Equal, true, "jane", "bob")},
		{"list of contains", "actor.name:~(jane,bob)", name(query.Contains, false, "jane", "bob")},
		{"exact list of ends", "actor.name:=$(jane,bob)", name(query.EndsWith, true, "jane", "bob")},
		{"absent", "actor.name:null", query.Null{Field: query.ActorName}},
		{"the word null", `actor.name:"null"`, name(query.Equal, false, "null")},
		{"the word null in a list", `actor.name:("null",x)`, name(query.Equal, false, "null", "x")},
		{"null in another case is a value", "actor.name:NULL", name(query.Equal, false, "NULL")},
		{"values keep case and odd marks", `actor.name:EXAMPLE\jane.o'neil+x:y,z@[::1]`, name(query.Equal, false, `EXAMPLE\jane.o'neil+x:y,z@[::1]`)},
		{"a value may begin with a minus", "actor.name:-jane", name(query.Equal, false, "-jane")},
		{"two dots mean nothing in text", "actor.name:a..b", name(query.Equal, false, "a..b")},
		{"empty value", `actor.name:""`, name(query.Equal, false, "")},
		{"escapes", `actor.name:"\"\\\n\r\t\xff\xC3\u{0}\u{1F600}"`, name(query.Equal, false, "\"\\\n\r\t\xff\xc3\x00\U0001f600")},
		{"a line end in quotes", "actor.name:\"a\r\nb\"", name(query.Equal, false, "a\r\nb")},

		{"attribute", "attributes.before.role:x", is("attributes.before.role", "x")},
		{"attribute with an odd name", `attributes."a b\"(":^x`, query.Text{Field: `attributes.a b"(`, Op: query.StartsWith, Values: []string{"x"}}},
		{"attribute with the empty name", `attributes."":null`, query.Null{Field: "attributes."}},

		{"number", "seq:5", seq(5, 5)},
		{"number in quotes", `seq:"5"`, seq(5, 5)},
		{"negative number", "seq:-5..-3", seq(-5, -3)},
		{"below", "seq<5", seq(query.NoMin, 4)},
		{"at most", "seq<=5", seq(query.NoMin, 5)},
		{"above", "seq>5", seq(6, query.NoMax)},
		{"at least", "seq>=5", seq(5, query.NoMax)},
		{"number range", "seq:5..9", seq(5, 9)},
		{"numbers in a list", "seq:(5, 7..9)", query.Or{seq(5, 5), seq(7, 9)}},
		{"above the largest number", "seq>9223372036854775807", query.Or{}},
		{"below the smallest number", "seq<-9223372036854775808", query.Or{}},
		{"every number", "seq<=9223372036854775807", nil},
		{"interval by juxtaposition", "seq>1 seq<5", query.And{seq(2, query.NoMax), seq(query.NoMin, 4)}},

		{"time", "occurred_at:2026-01-01T00:00:00Z", at(jan1, jan1)},
		{"time with offset", "occurred_at>=2026-01-01T01:00:00.5+01:00", at(jan1+500_000, query.NoMax)},
		{"time range", "occurred_at:2026-01-01T00:00:00Z..2026-01-01T00:00:01Z", at(jan1, jan1+1_000_000)},
		{"before a time", "occurred_at<2026-01-01T00:00:00Z", at(query.NoMin, jan1-1)},
		{"day", "occurred_at:2026-01-01", at(jan1, jan1+day-1)},
		{"from a day's start", "occurred_at>=2026-01-01", at(jan1, query.NoMax)},
		{"after a day's end", "occurred_at>2026-01-01", at(jan1+day, query.NoMax)},
		{"through a day's end", "occurred_at<=2026-01-01", at(query.NoMin, jan1+day-1)},
		{"before a day's start", "occurred_at<2026-01-01", at(query.NoMin, jan1-1)},
		{"whole days", "occurred_at:2026-01-01..2026-01-02", at(jan1, jan1+2*day-1)},
		{"day to time", "occurred_at:2026-01-01..2026-01-01T12:00:00Z", at(jan1, jan1+day/2)},
		{"days in a list", "occurred_at:(2026-01-01,2026-01-03)", query.Or{at(jan1, jan1+day-1), at(jan1+2*day, jan1+3*day-1)}},
		{"after the last day", "occurred_at>9999-12-31", query.Or{}},
		{"before the first day", "occurred_at<0000-01-01", query.Or{}},

		{"words", "wrong password", query.And{query.Words{Text: "wrong"}, query.Words{Text: "password"}}},
		{"words with marks", "10.0.0.1 a,b o'neil null a-b", query.And{query.Words{Text: "10.0.0.1"}, query.Words{Text: "a,b"}, query.Words{Text: "o'neil"}, query.Words{Text: "null"}, query.Words{Text: "a-b"}}},
		{"keywords only in upper case", "and Or not", query.And{query.Words{Text: "and"}, query.Words{Text: "Or"}, query.Words{Text: "not"}}},
		{"quoted keywords are words", `"AND" "OR" "NOT"`, query.And{query.Words{Text: "AND"}, query.Words{Text: "OR"}, query.Words{Text: "NOT"}}},
		{"a keyword inside a word", "ANDREW ORION", query.And{query.Words{Text: "ANDREW"}, query.Words{Text: "ORION"}}},
		{"empty phrase", `""`, query.Words{}},

		{"AND", "action:LOGIN AND outcome:failure", query.And{login, failure}},
		{"AND binds tighter than OR", "a OR action:LOGIN outcome:failure OR b", query.Or{query.Words{Text: "a"}, query.And{login, failure}, query.Words{Text: "b"}}},
		{"parentheses", "(a OR action:LOGIN) outcome:failure", query.And{query.Or{query.Words{Text: "a"}, login}, failure}},
		{"parentheses need no blanks", "(a)(b)NOT(c)", query.And{query.Words{Text: "a"}, query.Words{Text: "b"}, query.Not{Filter: query.Words{Text: "c"}}}},
		{"NOT binds tightest", "NOT a b", query.And{query.Not{Filter: query.Words{Text: "a"}}, query.Words{Text: "b"}}},
		{"minus before a group", "-(a OR b)", query.Not{Filter: query.Or{query.Words{Text: "a"}, query.Words{Text: "b"}}}},
		{"NOT twice is none", "NOT NOT a --b NOT -c", query.And{query.Words{Text: "a"}, query.Words{Text: "b"}, query.Words{Text: "c"}}},
		{"groups of one kind are flat", "(a b) (c (d))", query.And{query.Words{Text: "a"}, query.Words{Text: "b"}, query.Words{Text: "c"}, query.Words{Text: "d"}}},
		{"everything inside OR", "a OR ()", nil},
		{"everything inside AND", "a ()", query.Words{Text: "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := query.Parse(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %#v\nwant %#v", got, tt.want)
			}
			checkLaw(t, got)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, text string
		offset     int
		reason     string
	}{
		{"unknown field", "outcome:failure acton:LOGIN", 16, `no field "acton" (close to it: action)`},
		{"field in another case", "Action:LOGIN", 0, "(close to it: action)"},
		{"part of a field's name", "name:jane", 0, "(close to it: account.name, division.name, actor.name, resource.name)"},
		{"a name like none lists all", "zebra:1", 0, "expected seq, account_seq, occurred_at"},
		{"a colon in a word hints at quotes", "https://example.com", 0, "put it in quotes"},
		{"a huge name", strings.Repeat("x", 5000) + ":1", 0, "expected seq"},
		{"attributes without a name", "attributes:x", 0, "attributes.NAME"},
		{"attribute with an empty name", "attributes.:x", 11, "name of an attribute"},
		{"quoted field", `"action":LOGIN`, 8, "expected a blank"},
		{"no field", ":LOGIN", 0, "name of a field"},
		{"equals sign for a colon", "action=LOGIN", 6, "expected : < <= > or >="},
		{"unequal sign", "action!=LOGIN", 6, "expected : < <= > or >="},

		{"value missing", "action:", 7, "expected a value, found the end"},
		{"blank before the value", "action: LOGIN", 7, "expected a value, found a blank"},
		{"value begins with a mark", "action:~=x", 8, "one that begins with = must be in quotes"},
		{"second operator", "action:~~x", 8, "one that begins with ~"},
		{"quote inside a value", `action:a"b"`, 8, "in quotes as a whole"},
		{"parenthesis inside a value", "action:a(b)", 8, "in quotes as a whole"},
		{"text right after a quoted value", `action:"a"b`, 10, "expected the end of the value"},
		{"comma outside a list after quotes", `action:"a",b`, 10, "expected the end of the value"},
		{"empty list", "action:()", 8, "expected a value, found )"},
		{"list with a gap", "action:(a,,b)", 10, "expected a value, found"},
		{"list without commas", "action:(a b)", 10, "expected , or ) in the list at byte 7"},
		{"list without an end", "action:(a,b", 11, "expected , or )"},
		{"text right after a list", "action:(a)b", 10, "expected a blank after the list"},
		{"null in a list", "action:(a,null)", 10, "a term of its own"},
		{"null after an operator", "action:~null", 8, `"null" in quotes`},
		{"no closing quote", `action:"a`, 7, "closing quote"},
		{"escaped closing quote", `"a\"`, 0, "closing quote"},
		{"unknown escape", `"a\q"`, 2, "unknown escape"},
		{"backslash at the end", `"a\`, 2, "unknown escape"},
		{"short byte escape", `"\xf"`, 1, "unknown escape"},
		{"character escape without braces", `"\u0041"`, 1, "unknown escape"},
		{"character escape of a surrogate", `"\u{d800}"`, 1, "unknown escape"},
		{"character escape beyond Unicode", `"\u{110000}"`, 1, "unknown escape"},
		{"empty character escape", `"\u{}"`, 1, "unknown escape"},

		{"less than on text", "action<LOGIN", 6, "expected : := :~ :^ :$ or :| after action, which is text"},
		{"ignoring blanks in a number", "seq:|5", 4, "seq is a number and takes"},
		{"null after ignoring blanks", "action:|null", 8, `"null" in quotes`},
		{"marks in another order", "action:~|x", 8, "one that begins with | must be in quotes"},
		{"contains on a number", "seq:~5", 4, "seq is a number and takes : < <= > and >="},
		{"exact on a time", "occurred_at:=2026-01-01", 12, "occurred_at is a time"},
		{"greater after a colon", "seq:>5", 4, "seq is a number and takes"},
		{"not a number", "seq:five", 4, "expected a whole number"},
		{"fraction", "seq:1.5", 4, "expected a whole number"},
		{"number out of range", "seq:9223372036854775808", 4, "expected a whole number"},
		{"a number is never null", "seq:null", 4, "expected a whole number"},
		{"range without an end", "seq:5..", 7, "expected a whole number"},
		{"range without a start", "seq:..5", 4, "expected a whole number"},
		{"range of three", "seq:1..2..3", 7, "expected a whole number"},
		{"range backwards", "seq:5..3", 4, "ends before it starts"},
		{"range after less than", "seq<5..6", 4, "expected a whole number"},
		{"date in another form", "occurred_at:2026/01/01", 12, "expected a date such as 2026-01-15"},
		{"impossible date", "occurred_at:2026-02-30", 12, `found "2026-02-30"`},
		{"time without a zone", "occurred_at>2026-01-01T00:00:00", 12, "RFC 3339"},
		{"time finer than a microsecond", "occurred_at:2026-01-01T00:00:00.0000001Z", 12, "at most to the microsecond"},
		{"second end of a range", "occurred_at:2026-01-01..x", 24, `found "x"`},

		{"only an operator", "AND", 0, `found "AND"; to search for the word`},
		{"OR without a left side", "OR a", 0, `found "OR"`},
		{"OR without a right side", "a OR", 4, "found the end of the text"},
		{"AND without a right side", "a AND ", 6, "found the end of the text"},
		{"AND OR", "a AND OR b", 6, `found "OR"`},
		{"NOT without a term", "a NOT", 5, "found the end of the text"},
		{"NOT OR", "NOT OR b", 4, `found "OR"`},
		{"minus and a blank", "a - b", 3, "expected a term right after -"},
		{"minus at the end", "a -", 3, "expected a term right after -"},
		{"parenthesis without an end", "(a", 2, "expected ) for the ( at byte 0"},
		{"parenthesis without a start", "a) b", 1, "closes nothing"},
		{"only an end", ")", 0, "found )"},
		{"quote right after a word", `a"b"`, 1, "expected a blank"},
		{"parenthesis right after a word", "a(b)", 1, "expected a blank"},

		{"invalid UTF-8", "action:a\xff", 8, "UTF-8"},
		{"too long", strings.Repeat("a", query.MaxTextBytes+1), query.MaxTextBytes, "longer than 16384 bytes"},
		{"too deep", strings.Repeat("(", query.MaxDepth+1) + "a", query.MaxDepth, "64 deep"},
		{"too many words", strings.Repeat("a ", query.MaxValues+1), 2 * query.MaxValues, "more than 1000 values"},
		{"too many values", "action:(a" + strings.Repeat(",a", query.MaxValues) + ")", 8 + 2*query.MaxValues, "more than 1000 values"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := query.Parse(tt.text)
			var pe *query.ParseError
			if !errors.As(err, &pe) {
				t.Fatalf("got %#v, %v, want a ParseError", f, err)
			}
			if pe.Offset != tt.offset || !strings.Contains(pe.Reason, tt.reason) {
				t.Errorf("got %v, want byte %d, %q", pe, tt.offset, tt.reason)
			}
			if len(pe.Error()) > 600 {
				t.Errorf("the message has %d bytes", len(pe.Error()))
			}
		})
	}
}

func TestParseTakesTextsAtTheLimits(t *testing.T) {
	for name, text := range map[string]string{
		"bytes":               strings.Repeat("a", query.MaxTextBytes),
		"depth":               strings.Repeat("(", query.MaxDepth) + "a" + strings.Repeat(")", query.MaxDepth),
		"words":               strings.Repeat("a ", query.MaxValues),
		"values":              "action:(a" + strings.Repeat(",a", query.MaxValues-1) + ")",
		"groups side by side": strings.Repeat("(a)", query.MaxDepth*2),
		"a long row of NOT":   strings.Repeat("NOT ", 2000) + "a",
	} {
		if _, err := query.Parse(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPrint(t *testing.T) {
	a, b, c := query.Words{Text: "a"}, query.Words{Text: "b"}, query.Words{Text: "c"}
	at := func(lo, hi int64) query.Range { return query.Range{Field: query.OccurredAt, Min: lo, Max: hi} }
	tests := []struct {
		name   string
		filter query.Filter
		want   string
	}{
		{"everything", nil, ""},
		{"nothing", query.Or{}, "NOT ()"},
		{"empty And", query.And{}, ""},
		{"not nothing", query.Not{Filter: query.Or{}}, ""},
		{"And of nothing", query.And{a, query.Or{}}, "NOT ()"},
		{"Or of everything", query.Or{a, query.And{}}, ""},
		{"nested And", query.And{a, query.And{b, query.And{c}}}, "a b c"},
		{"And of Or", query.And{a, query.Or{b, c}}, "a (b OR c)"},
		{"Or of And", query.Or{a, query.And{b, c}}, "a OR (b c)"},
		{"Not", query.Not{Filter: a}, "-a"},
		{"double Not", query.Not{Filter: query.Not{Filter: a}}, "a"},
		{"Not of Or", query.Not{Filter: query.Or{a, b}}, "NOT (a OR b)"},
		{"Not of And", query.And{a, query.Not{Filter: query.And{b, c}}}, "a NOT (b c)"},
		{"Is", query.Is(query.Action, "LOGIN", "LOGOUT"), "action:=(LOGIN,LOGOUT)"},
		{"all marks", query.Text{Field: query.ActorName, Op: query.EndsWith, Exact: true, Values: []string{"x y"}}, `actor.name:=$"x y"`},
		{"ignoring blanks", query.Text{Field: query.ActorName, IgnoreBlanks: true, Values: []string{"x", "|y"}}, `actor.name:|(x,"|y")`},
		{"exact and ignoring blanks", query.Text{Field: query.ActorName, Op: query.EndsWith, Exact: true, IgnoreBlanks: true, Values: []string{"x"}}, "actor.name:=|$x"},
		{"the word null", is(query.ActorName, "null"), `actor.name:"null"`},
		{"null as words", query.Words{Text: "null"}, "null"},
		{"a backslash needs no quotes", is(query.ActorName, `EXAMPLE\jane`), `actor.name:EXAMPLE\jane`},
		{"unseen characters", is(query.ActorName, "\u200b\u00a0\x00\xff\u202e"), `actor.name:"\u{200b}\u{a0}\u{0}\xff\u{202e}"`},
		{"no values", is(query.ActorName), "NOT ()"},
		{"no such field", is("actor", "x"), "NOT ()"},
		{"range over text", query.Range{Field: query.Action}, "NOT ()"},
		{"absent number", query.Null{Field: query.Seq}, "NOT ()"},
		{"odd attribute", query.Null{Field: "attributes.a b"}, `attributes."a b":null`},
		{"every number", query.Range{Field: query.Seq, Min: query.NoMin, Max: query.NoMax}, ""},
		{"backwards", query.Range{Field: query.Seq, Min: 2, Max: 1}, "NOT ()"},
		{"number", query.Range{Field: query.Seq, Min: 2, Max: 2}, "seq:2"},
		{"numbers", query.Range{Field: query.Seq, Min: -2, Max: 2}, "seq:-2..2"},
		{"the largest number", query.Range{Field: query.Seq, Min: query.NoMax, Max: query.NoMax}, "seq:9223372036854775807"},
		{"the smallest number", query.Range{Field: query.Seq, Min: query.NoMin, Max: query.NoMin}, "seq:-9223372036854775808"},
		{"day", at(jan1, jan1+day-1), "occurred_at:2026-01-01"},
		{"days", at(jan1, jan1+2*day-1), "occurred_at:2026-01-01..2026-01-02"},
		{"from a day", at(jan1, query.NoMax), "occurred_at>=2026-01-01"},
		{"through a day", at(query.NoMin, jan1-1), "occurred_at<=2025-12-31"},
		{"midnight", at(jan1, jan1), "occurred_at:2026-01-01T00:00:00Z"},
		{"the last microsecond of a day", at(jan1-1, jan1-1), "occurred_at:2025-12-31T23:59:59.999999Z"},
		{"day to time", at(jan1, jan1+1), "occurred_at:2026-01-01..2026-01-01T00:00:00.000001Z"},
		{"beyond all times", at(query.NoMin+1, query.NoMax-1), ""},
		{"before all times", at(query.NoMin, query.NoMin), "NOT ()"},
		{"up to the last time", at(jan1, 253402300799_999_999), "occurred_at:2026-01-01..9999-12-31"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := query.Print(tt.filter); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			checkLaw(t, tt.filter)
		})
	}
}

// checkLaw fails when f does not come back from its text, in the sense of Print's documentation.
func checkLaw(t *testing.T, f query.Filter) {
	t.Helper()
	text := query.Print(f)
	back, err := query.Parse(text)
	if err != nil {
		t.Fatalf("%#v\nprints as %s\nwhich is refused: %v", f, text, err)
	}
	normal := query.Normalize(f)
	if !reflect.DeepEqual(back, normal) {
		t.Fatalf("%#v\nprints as %s\nreads     %#v\nwant      %#v", f, text, back, normal)
	}
	if again := query.Normalize(normal); !reflect.DeepEqual(again, normal) {
		t.Fatalf("%#v\nnormal form  %#v\nof that      %#v", f, normal, again)
	}
	if again := query.Print(back); again != text {
		t.Fatalf("prints as %s\nread and printed: %s", text, again)
	}
}

func TestEveryTreeComesBackFromItsText(t *testing.T) {
	r := newRand(t)
	for range 30_000 {
		f := randomFilter(r, 4)
		checkLaw(t, f)
		match, normal := query.Compile(f), query.Compile(query.Normalize(f))
		for range 3 {
			e := randomEntry(r)
			if want, got := match(e), normal(e); got != want {
				t.Fatalf("%#v matches: %v, its normal form: %v", f, want, got)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`action:LOGIN_ERROR actor.name:~smith outcome:failure -client.country:US "free words"`,
		`(a OR b) NOT c --d AND e`, `attributes."a b":=$("x\n\u{2028}\xff",y)`, `seq:(1,2..3) seq>=-4 seq<5`,
		"occurred_at:2026-01-01..2026-01-02T00:00:00.000001+01:00", "actor.name:null ()", "NOT ()", `resource.type:|~"agent s" id:=|$("x y",z)`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := query.Parse(text)
		if err != nil {
			var pe *query.ParseError
			if !errors.As(err, &pe) || pe.Offset < 0 || pe.Offset > len(text) || pe.Reason == "" {
				t.Fatalf("error %#v", err)
			}
			return
		}
		if printed := query.Print(got); withinLimits(printed) {
			checkLaw(t, got)
		}
		query.Matches(got, smith())
	})
}

// withinLimits reports whether a printed text is short enough to be read back: escapes and parentheses can
// make it longer and deeper than what was parsed.
func withinLimits(text string) bool {
	return len(text) <= query.MaxTextBytes && strings.Count(text, "(") <= query.MaxDepth && strings.Count(text, " ")+strings.Count(text, ",") < query.MaxValues
}

// FuzzPrint makes the tree from the fuzzer's bytes, so that its search for new paths shapes trees.
func FuzzPrint(f *testing.F) {
	for i := range 20 {
		f.Add([]byte(strings.Repeat(strconv.Itoa(i*7), 20)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tree := randomFilter(rand.New(&byteSource{b: b}), 4)
		if !withinLimits(query.Print(tree)) {
			return
		}
		checkLaw(t, tree)
	})
}

// byteSource gives out the bytes it was made of, then a fixed sequence that differs from step to step.
type byteSource struct {
	b []byte
	n uint64
}

func (s *byteSource) Uint64() uint64 {
	s.n += 0x9e3779b97f4a7c15
	x := s.n
	if len(s.b) > 0 {
		x, s.b = uint64(s.b[0]), s.b[1:]
	}
	return x * 0xff51afd7ed558ccd
}
