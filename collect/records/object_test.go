package records_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/collect/records"
	"countersign/event"
)

func TestParseTakesOneStrictObject(t *testing.T) {
	for raw, want := range map[string]string{
		`{"a":1}`:             "",
		" {\"a\":{\"b\":1}} ": "",
		``:                    "is empty",
		`[]`:                  "must be an object",
		`{"a":1} {}`:          "must be one object and nothing after it",
		`{"a":1`:              "is not valid JSON: unexpected EOF",
		`{"a":1,"a":2}`:       `is not valid JSON: duplicate object member name "a"`,
		`{"a":{"b":1,"b":2}}`: `is not valid JSON: duplicate object member name "b" within "/a"`,
		"{\"a\":\"\xff\"}":    `is not valid JSON: invalid UTF-8 within "/a" after offset 6`,
		"{\"a\":\"\\udc00\"}": `is not valid JSON: invalid surrogate pair`,
	} {
		_, err := records.Parse([]byte(raw))
		if got := fmt.Sprint(err); err == nil && want != "" || err != nil && !strings.HasPrefix(got, want) {
			t.Errorf("%q: error %v, want %q", raw, err, want)
		}
	}
}

func TestMembersAreReadByType(t *testing.T) {
	const raw = `{"text":"a\u0000b","empty":"","null":null,"number":12,"big":18446744073709551616,"fraction":1.0,` +
		`"true":true,"object":{"inner":[1]},"array":[{"x":"1"},{"x":"2"}],"digits":"007"}`
	for _, c := range []struct {
		name string
		read func(o *records.Object) any
		want any
		err  string
	}{
		{"a text", func(o *records.Object) any { return o.Text("text") }, event.TextOf("a\x00b"), ""},
		{"an empty text", func(o *records.Object) any { return o.Text("empty") }, event.TextOf(""), ""},
		{"a null text", func(o *records.Object) any { return o.Text("null") }, event.Text{}, ""},
		{"a missing text", func(o *records.Object) any { return o.Text("missing") }, event.Text{}, ""},
		{"a text that is a number", func(o *records.Object) any { return o.Text("number") }, event.Text{}, "number must be a text [12]"},
		{"a required text", func(o *records.Object) any { return o.Required("text") }, "a\x00b", ""},
		{"a required text that is empty", func(o *records.Object) any { return o.Required("empty") }, "", "empty is empty"},
		{"a required text that is missing", func(o *records.Object) any { return o.Required("missing") }, "", "missing is missing"},
		{"an id", func(o *records.Object) any { return o.ID("number") }, event.TextOf("12"), ""},
		{"an id that is a text", func(o *records.Object) any { return o.ID("digits") }, event.TextOf("007"), ""},
		{"an id beyond 64 bits", func(o *records.Object) any { return o.ID("big") }, event.Text{}, "big must be a text or a whole number [18446744073709551616]"},
		{"an id with a fraction", func(o *records.Object) any { return o.ID("fraction") }, event.Text{}, "fraction must be a text or a whole number [1.0]"},
		{"a whole number", func(o *records.Object) any { n, _ := o.Whole("number"); return n }, int64(12), ""},
		{"a whole number in a text", func(o *records.Object) any { n, _ := o.Whole("digits"); return n }, int64(7), ""},
		{"a whole number that is none", func(o *records.Object) any { n, _ := o.Whole("text"); return n }, int64(0), "text must be a whole number [a\x00b]"},
		{"a plain text", func(o *records.Object) any { return o.Plain("text") }, event.TextOf("a\x00b"), ""},
		{"a plain number", func(o *records.Object) any { return o.Plain("fraction") }, event.TextOf("1.0"), ""},
		{"a plain object", func(o *records.Object) any { return o.Plain("object") }, event.TextOf(`{"inner":[1]}`), ""},
		{"a true one", func(o *records.Object) any { return o.True("true") }, true, ""},
		{"one that is not true", func(o *records.Object) any { return o.True("text") }, false, ""},
		{"an object", func(o *records.Object) any { return o.Object("object").Plain("inner") }, event.TextOf("[1]"), ""},
		{"a missing object", func(o *records.Object) any { return o.Object("missing").Text("x") }, event.Text{}, ""},
		{"an object that is an array", func(o *records.Object) any { return o.Object("array").Has("x") }, false, `array must be an object [[{"x":"1"},{"x":"2"}]]`},
		{"objects", func(o *records.Object) any { return o.Objects("array")[1].Text("x") }, event.TextOf("2"), ""},
		{"a member of the wrong type in objects", func(o *records.Object) any { return o.Objects("array")[1].Object("x").Has("y") }, false, "array[1].x must be an object [2]"},
		{"presence of null", func(o *records.Object) any { return o.Has("null") }, true, ""},
		{"the first thing that is wrong", func(o *records.Object) any { o.Text("number"); return o.Required("missing") }, "", "number must be a text [12]"},
	} {
		o, err := records.Parse([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, c.read(o)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if err := o.Err(); err == nil && c.err != "" || err != nil && err.Error() != c.err {
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
	}
}

func TestMomentsAreCutToMicroseconds(t *testing.T) {
	for in, want := range map[string]string{
		"2026-01-15T10:30:00Z":                "2026-01-15T10:30:00Z",
		"2026-01-15T10:30:00.5Z":              "2026-01-15T10:30:00.5Z",
		"2026-01-15T10:30:00.123456Z":         "2026-01-15T10:30:00.123456Z",
		"2026-01-15T10:30:00.1234569Z":        "2026-01-15T10:30:00.123456Z",
		"2026-01-15T10:30:00.999999999+02:00": "2026-01-15T08:30:00.999999Z",
		"1969-12-31T23:59:59.9999999Z":        "1969-12-31T23:59:59.999999Z",
		"2026-01-15T10:30:00.Z":               "",
		"2026-01-15 10:30:00":                 "",
		"2026-01-15":                          "",
		"":                                    "",
	} {
		m, err := records.ParseMoment(in)
		if err != nil && want != "" || err == nil && m.String() != want {
			t.Errorf("%q: %s, %v, want %q", in, m, err, want)
		}
	}
}

func TestCodesAreUpperCase(t *testing.T) {
	for in, want := range map[string]string{
		"create": "CREATE", "Generate CSR": "GENERATE_CSR", "end-entity": "END_ENTITY", "A_1": "A_1", "größe": "GRößE",
	} {
		if got := records.Code(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestStatesFillWhatRoomThereIs(t *testing.T) {
	text := event.TextOf
	t.Run("changed ones go first", func(t *testing.T) {
		var a records.Attributes
		for i := range event.MaxAttributes - 4 {
			a.Add(fmt.Sprintf("x.%02d", i), text(""))
		}
		a.AddStates([]records.State{
			{Name: "same", Before: text("1"), After: text("1")},
			{Name: "new", After: text("2")},
			{Name: "other", Before: text("1"), After: text("2"), Changed: true},
		})
		got := a.Sorted()
		want := map[string]string{"before.other": "1", "after.other": "2", "after.new": "2", "state.left_out": "1"}
		for _, x := range got {
			if !strings.HasPrefix(x.Name, "x.") && want[x.Name] != x.Value {
				t.Errorf("attribute %s is %q, want %q", x.Name, x.Value, want[x.Name])
			}
			delete(want, x.Name)
		}
		if len(want) > 0 || len(got) != event.MaxAttributes {
			t.Errorf("%d attributes, missing %v", len(got), want)
		}
	})
	t.Run("what no attribute can hold is counted", func(t *testing.T) {
		var a records.Attributes
		a.AddStates([]records.State{
			{Name: "", After: text("1")},
			{Name: strings.Repeat("n", 250), After: text("1")},
			{Name: "long", After: text(strings.Repeat("x", 4097))},
			{Name: "twice", After: text("1")},
			{Name: "twice", After: text("2")},
		})
		want := records.Attributes{{Name: "after.twice", Value: "1"}, {Name: "state.left_out", Value: "4"}}
		if diff := cmp.Diff(want, a); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("none is nothing", func(t *testing.T) {
		var a records.Attributes
		a.AddStates(nil)
		a.Add("absent", event.Text{})
		if len(a) != 0 {
			t.Errorf("attributes %v", a)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, raw := range []string{`{"a":{"b":[{"c":"\u00e9"}]},"d":12}`, `{"a":"2026-01-15T10:30:00.1234567Z"}`, `{"a":1,"a":2}`} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		o, err := records.Parse([]byte(raw))
		if err != nil {
			return
		}
		for _, name := range []string{"a", "d"} {
			o.Text(name)
			o.ID(name)
			o.Whole(name)
			o.Plain(name)
			o.Moment(name)
			o.Code(name)
			o.Object(name).Objects("b")
			for _, inner := range o.Objects(name) {
				inner.Text("b")
			}
		}
		_ = fmt.Sprint(o.Err())
	})
}
