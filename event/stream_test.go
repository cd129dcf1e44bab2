package event_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"countersign/event"

	"github.com/google/go-cmp/cmp"
)

func tiny(id string) string {
	return `{"id":"` + id + `","occurred_at":"2026-01-15T10:30:00Z"}`
}

// readAll returns the ids that d gives and the error that ended it, nil for io.EOF.
func readAll(d *event.Decoder) (ids []string, err error) {
	for {
		e, err := d.Next()
		if err == io.EOF {
			return ids, nil
		}
		if err != nil {
			return ids, err
		}
		ids = append(ids, e.ID)
	}
}

func TestDecoderReadsEachForm(t *testing.T) {
	a, b, c := tiny("a"), tiny("b"), tiny("c")
	for _, tt := range []struct {
		name string
		form event.Form
		in   string
		want string
	}{
		{"one", event.One, " \n" + a + "\r\n ", "a"},
		{"one over lines", event.One, strings.ReplaceAll(a, ",", ",\n"), "a"},
		{"array", event.Array, "[" + a + "," + b + " , \n" + c + "]\n", "a b c"},
		{"array of one", event.Array, "[" + a + "]", "a"},
		{"array of none", event.Array, " [ ] ", ""},
		{"lines", event.Lines, a + "\n" + b + "\n" + c + "\n", "a b c"},
		{"lines without an end", event.Lines, a + "\n" + b, "a b"},
		{"lines with CR LF and empty ones", event.Lines, "\r\n\n" + a + "\r\n \t\r\n" + b + "\r\n\n", "a b"},
		{"no lines", event.Lines, "", ""},
		{"auto object", event.Auto, "\n" + a, "a"},
		{"auto array", event.Auto, " [" + a + "," + b + "]", "a b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"whole": strings.NewReader(tt.in), "bytes": iotest.OneByteReader(strings.NewReader(tt.in)),
				"eof with data": iotest.DataErrReader(strings.NewReader(tt.in)),
			} {
				ids, err := readAll(event.NewDecoder(r, tt.form))
				if got := strings.Join(ids, " "); got != tt.want || err != nil {
					t.Errorf("%s: %q, %v; want %q", name, got, err, tt.want)
				}
			}
		})
	}
}

func TestDecoderRefuses(t *testing.T) {
	a, b := tiny("a"), tiny("b")
	huge := `{"occurred_at":"2026-01-15T10:30:00Z","raw":"` + strings.Repeat("x", event.MaxEventBytes) + `"}`
	for _, tt := range []struct {
		name   string
		form   event.Form
		in     string
		ids    string
		index  int
		field  string
		reason string
	}{
		{"nothing", event.Auto, "  ", "", -1, "", "ends too early, at byte 2"},
		{"two where one is wanted", event.One, a + "\n" + b, "", -1, "", "unexpected data after the JSON value, at byte 48"},
		{"one: wrong type", event.One, `7`, "", 0, "", "must be a JSON object"},
		{"array: object", event.Array, a, "", -1, "", "expected the start of a JSON array"},
		{"array: nothing", event.Array, "", "", -1, "", "ends too early"},
		{"array: only the start", event.Array, "[", "", -1, "", "ends too early, at byte 1"},
		{"array: second is wrong", event.Array, "[" + a + `,{"actor":{"x":1}}]`, "a", 1, "actor.x", "is not a field"},
		{"array: second is no object", event.Array, "[" + a + `,7]`, "a", 1, "", "must be a JSON object"},
		{"array: second is broken", event.Array, "[" + a + `,{"action":}]`, "a", 1, "action", "at byte 59"},
		{"array: second is cut", event.Array, "[" + a + `,{"action"`, "a", 1, "", "ends too early, at byte 58"},
		{"array: no end", event.Array, "[" + a, "a", -1, "", "ends too early, at byte 48"},
		{"array: no comma", event.Array, "[" + a + b + "]", "a", -1, "", "at byte 48: expected ',' or ']'"},
		{"array: comma at the end", event.Array, "[" + a + ",]", "a", 1, "", "not valid JSON at byte 49"},
		{"array: trailing bytes", event.Array, "[" + a + "]]", "a", -1, "", "unexpected data after the JSON value, at byte 49"},
		{"array: too large", event.Array, "[" + a + "," + huge + "]", "a", 1, "", "must not be larger than 1048576 bytes"},
		{"one: too large", event.One, huge, "", 0, "", "must not be larger than 1048576 bytes"},
		{"lines: an array", event.Lines, "[" + a + "]\n", "", 0, "", "must be a JSON object"},
		{"lines: two on a line", event.Lines, a + a + "\n", "", 0, "", "unexpected data after the JSON value, at byte 47"},
		{"lines: a line break inside", event.Lines, a + "\n" + strings.Replace(b, ",", ",\n", 1), "a", 1, "", "ends too early"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"whole": strings.NewReader(tt.in), "halves": iotest.HalfReader(strings.NewReader(tt.in)),
			} {
				ids, err := readAll(event.NewDecoder(r, tt.form))
				if got := strings.Join(ids, " "); got != tt.ids {
					t.Errorf("%s: read %q before, want %q", name, got, tt.ids)
				}
				checkRefused(t, err, tt.index, tt.field, tt.reason)
			}
		})
	}
}

func TestDecoderGoesOnAfterABadLine(t *testing.T) {
	huge := `{"raw":"` + strings.Repeat("x", 3*event.MaxEventBytes) + `"}`
	in := strings.Join([]string{tiny("a"), `{"action":}`, "", tiny("b"), huge, tiny("c"), `{"x":1}`, huge}, "\n")
	d := event.NewDecoder(strings.NewReader(in), event.Lines)
	d.MaxEvents = 0
	var got []string
	for {
		e, err := d.Next()
		if err == io.EOF {
			break
		}
		n, text := d.Line()
		if bad, ok := errors.AsType[*event.InvalidError](err); ok {
			got = append(got, fmt.Sprintf("line %d event %d %.11s", n, bad.Index, text))
			continue
		}
		got = append(got, fmt.Sprintf("line %d %s", n, e.ID))
	}
	want := []string{
		"line 1 a", `line 2 event 1 {"action":}`, "line 4 b", `line 5 event 3 {"raw":"xxx`,
		"line 6 c", `line 7 event 5 {"x":1}`, `line 8 event 6 {"raw":"xxx`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if _, err := d.Next(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

func TestDecoderStaysAtAFinalError(t *testing.T) {
	d := event.NewDecoder(strings.NewReader("["+tiny("a")+`,{"x":1},`+tiny("b")+"]"), event.Array)
	if _, err := d.Next(); err != nil {
		t.Fatal(err)
	}
	_, first := d.Next()
	if _, again := d.Next(); first == nil || again != first {
		t.Errorf("first %v, then %v", first, again)
	}
}

func TestDecoderLimitsEventsAndBytes(t *testing.T) {
	for _, form := range []event.Form{event.Lines, event.Array} {
		in := tiny("a") + "\n" + tiny("b") + "\n" + tiny("c")
		if form == event.Array {
			in = "[" + strings.ReplaceAll(in, "\n", ",") + "]"
		}
		d := event.NewDecoder(strings.NewReader(in), form)
		d.MaxEvents = 2
		ids, err := readAll(d)
		if !slices.Equal(ids, []string{"a", "b"}) {
			t.Errorf("read %q", ids)
		}
		checkRefused(t, err, -1, "", "must not be more than 2 events")

		d = event.NewDecoder(iotest.OneByteReader(strings.NewReader(in)), form)
		d.MaxBytes = 120
		ids, err = readAll(d)
		if !slices.Equal(ids, []string{"a", "b"}) {
			t.Errorf("read %q", ids)
		}
		checkRefused(t, err, -1, "", "more than 120 bytes")

		d = event.NewDecoder(strings.NewReader(in), form)
		d.MaxEvents, d.MaxBytes = 3, int64(len(in))
		if ids, err := readAll(d); len(ids) != 3 || err != nil {
			t.Errorf("at the limits: %q, %v", ids, err)
		}
	}
}

func TestDecoderPassesOnTheReadersError(t *testing.T) {
	broken := errors.New("broken pipe")
	for _, form := range []event.Form{event.Auto, event.One, event.Array, event.Lines} {
		in := tiny("a")
		if form == event.Array {
			in = "[" + in
		}
		d := event.NewDecoder(io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)), form)
		_, err := readAll(d)
		if !errors.Is(err, broken) {
			t.Errorf("form %d: %v", form, err)
		}
		if _, again := d.Next(); again != err {
			t.Errorf("form %d: then %v", form, again)
		}
		if _, err := readAll(event.NewDecoder(iotest.ErrReader(broken), form)); !errors.Is(err, broken) {
			t.Errorf("form %d, at the first byte: %v", form, err)
		}
	}
	if _, err := readAll(event.NewDecoder(stuck{}, event.Lines)); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that reads nothing: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestDecoderReadsItsOwnExport(t *testing.T) {
	r := seeded(t)
	var in []byte
	var want []event.Event
	for range 200 {
		n := randomEntry(r)
		want = append(want, n.Event)
		in = append(event.AppendEntryJSON(in, &n), '\n')
	}
	d := event.NewDecoder(bytes.NewReader(in), event.Lines)
	d.AllowServerFields = true
	for i := range want {
		got, err := d.Next()
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		if d := cmp.Diff(want[i], got); d != "" {
			t.Fatalf("event %d (-want +got)\n%s", i, d)
		}
	}
	_, err := readAll(event.NewDecoder(bytes.NewReader(in), event.Lines))
	checkRefused(t, err, 0, "seq", "is set by the server")
}

// Events that reach over the end of the read buffer must be read like any other, at every place of the cut.
func TestDecoderReadsOverBufferEnds(t *testing.T) {
	var want []string
	var array, lines []byte
	for i := range 400 {
		id := fmt.Sprint(i) + strings.Repeat("é", i%50)
		want = append(want, id)
		lines = append(append(lines, tiny(id)...), '\n')
		array = append(append(array, ','), tiny(id)...)
	}
	array[0] = '['
	array = append(array, ']')
	for size := 1; size < 5000; size += 1 + size/3 {
		for form, in := range map[event.Form][]byte{event.Array: array, event.Lines: lines} {
			got, err := readAll(event.NewDecoder(&chunks{in, size}, form))
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("form %d, reads of %d bytes: %d events, %v", form, size, len(got), err)
			}
		}
	}
}

// chunks reads at most size bytes at a time.
type chunks struct {
	rest []byte
	size int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.size)], c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte(example), byte(0), byte(1))
	f.Add([]byte("["+tiny("a")+","+tiny("b")+"]"), byte(2), byte(7))
	f.Add([]byte(tiny("a")+"\n{}\n\n"+tiny("b")), byte(3), byte(3))
	f.Fuzz(func(t *testing.T, in []byte, form, size byte) {
		type result struct {
			ids  []string
			errs []string
		}
		run := func(r io.Reader) (out result) {
			d := event.NewDecoder(r, event.Form(form%4))
			d.MaxEvents, d.MaxBytes = 20, 5000
			for range 50 {
				e, err := d.Next()
				if err == io.EOF {
					return out
				}
				if err == nil {
					out.ids = append(out.ids, e.ID)
					continue
				}
				bad, ok := errors.AsType[*event.InvalidError](err)
				if !ok {
					t.Fatalf("error %v is no *InvalidError", err)
				}
				// Of two things wrong at one place, the one that is named may depend on where a read ended.
				out.errs = append(out.errs, fmt.Sprint(bad.Index, bad.TooLarge))
				if event.Form(form%4) != event.Lines {
					return out
				}
			}
			return out
		}
		// What is read does not depend on how the input arrives.
		whole, cut := run(bytes.NewReader(in)), run(&chunks{in, int(size) + 1})
		if len(in) <= 5000 {
			if d := cmp.Diff(whole, cut, cmp.AllowUnexported(result{})); d != "" {
				t.Fatalf("(-whole +cut)\n%s", d)
			}
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	const events = 1000
	lines := strings.Repeat(example+"\n", events)
	array := "[" + strings.Repeat(example+",", events-1) + example + "]"
	for name, in := range map[string]struct {
		form event.Form
		text string
	}{"lines": {event.Lines, lines}, "array": {event.Array, array}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(in.text)))
			b.ReportAllocs()
			for b.Loop() {
				d := event.NewDecoder(strings.NewReader(in.text), in.form)
				if ids, err := countAll(d); ids != events || err != nil {
					b.Fatal(ids, err)
				}
			}
			perSecond(b, events, "events/s")
		})
	}
}

func countAll(d *event.Decoder) (n int, err error) {
	for ; ; n++ {
		if _, err := d.Next(); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
}
