package records_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"countersign/collect/records"
)

var lists = []string{"items", "data.auditLogs"}

// read returns a line for each record: its place and what it is.
func read(tb testing.TB, r io.Reader) ([]string, error) {
	tb.Helper()
	var got []string
	err := records.Each(r, lists, func(r records.Record) error {
		if r.Index != len(got) {
			tb.Errorf("record %d has index %d", len(got), r.Index)
		}
		text := string(r.Raw)
		if len(text) > 40 {
			text = fmt.Sprintf("%.20s... of %d", text, len(text))
		}
		line := fmt.Sprintf("%d:%d", r.Line, r.Offset)
		for _, part := range []string{r.List, text} {
			if part != "" {
				line += " " + part
			}
		}
		if r.Err != nil {
			line += " # " + r.Err.Error()
		}
		got = append(got, line)
		return nil
	})
	return got, err
}

// huge is a record of more than may be held, and its text alone of more than may be skipped if so told.
func huge(n int) string { return `{"id":"` + strings.Repeat("x", n) + `"}` }

func TestRecordsAreFoundInEveryFormOfInput(t *testing.T) {
	const big = 3 << 20
	for _, c := range []struct {
		name, in string
		want     []string
		broken   string
	}{
		{name: "nothing", in: " \r\n\t\n"},
		{
			name: "a page",
			in:   `{"total":2,"offset":0,"limit":2,"items":[{"id":1},{"id":2}]}`,
			want: []string{`1:41 items {"id":1}`, `1:50 items {"id":2}`},
		},
		{
			name: "a page whose list comes first",
			in:   `{"items":[{"id":1}],"total":1}`,
			want: []string{`1:10 items {"id":1}`},
		},
		{
			name: "a list inside an object, other members around it at both levels",
			in:   "{\"a\":{\"auditLogs\":[1]},\n\"data\":{\"n\":[{}],\n\"auditLogs\":[\n{\"id\":1},\n{\"id\":2}],\"m\":1},\"error\":null}\n",
			want: []string{`4:56 data.auditLogs {"id":1}`, `5:66 data.auditLogs {"id":2}`},
		},
		{
			name: "an empty list and a null one",
			in:   "{\"items\":[]}\n{\"items\":null}",
		},
		{
			name: "an array of records",
			in:   "[\n{\"id\":1}\n,\n{ \"id\" : 2 }]",
			want: []string{`2:2 {"id":1}`, `4:13 { "id" : 2 }`},
		},
		{
			name: "an array of pages",
			in:   "[{\"items\":[{\"id\":1}]},\n{\"items\":[{\"id\":2}]}]",
			want: []string{`1:11 items {"id":1}`, `2:33 items {"id":2}`},
		},
		{
			name: "NDJSON of records, blank lines and CR LF",
			in:   "{\"id\":1}\r\n\r\n{\"id\":2}\r\n",
			want: []string{`1:0 {"id":1}`, `3:12 {"id":2}`},
		},
		{
			name: "NDJSON of pages, and of arrays",
			in:   "{\"items\":[{\"id\":1}]}\n[{\"id\":2}]\n",
			want: []string{`1:10 items {"id":1}`, `2:22 {"id":2}`},
		},
		{
			name: "records printed over many lines, and two on one",
			in:   "{\n \"id\": 1\n}\n{\n \"id\": 2\n} {\"id\":3}\n",
			want: []string{"1:0 {\n \"id\": 1\n}", "4:13 {\n \"id\": 2\n}", `6:26 {"id":3}`},
		},
		{
			name: "a byte order mark",
			in:   "\ufeff[{\"id\":1}]",
			want: []string{`1:4 {"id":1}`},
		},
		{
			name:   "UTF-16",
			in:     "\xff\xfe[\x00]\x00",
			broken: "line 1, offset 0: the input is UTF-16; only UTF-8 is read",
		},
		{
			name: "no records where there should be",
			in:   "[1,\"a\",null,[],{\"id\":1}]\n{\"items\":{}}\n{\"items\":[[]]}",
			want: []string{`1:1 1 # is not an object`, `1:3 "a" # is not an object`, `1:7 null # is not an object`,
				`1:12 [] # is not an object`, `1:15 {"id":1}`, `2:34 items # items is not an array`, `3:48 items [] # is not an object`},
		},
		{
			name: "an error answer among pages",
			in:   "{\"error\":null,\"items\":[]}\n{\"errors\":[{\"code\":\"x\"}]}\n{\"error\":{},\"data\":null}\n{\"ErrorCode\":\"0x1\"}",
			want: []string{`2:26 {"errors":[{"code":"x"}]} # is an error answer, not audit records`,
				`3:52 {"error":{},"data":null} # is an error answer, not audit records`,
				`4:77 {"ErrorCode":"0x1"} # is an error answer, not audit records`},
		},
		{
			name: "broken lines among good ones",
			in:   "{\"id\":1}\n{\"id\":\n{\"id\":3}\n}\n{\"id\":5} x\n{\"id\":6}\n",
			want: []string{`1:0 {"id":1}`,
				`2:9 {"id": # broken JSON at offset 16: the input ends in the middle of a value`,
				`3:16 {"id":3}`,
				`4:25 } # broken JSON at offset 25: invalid character '}' at start of value`,
				`5:27 {"id":5}`,
				`5:27 {"id":5} x # broken JSON at offset 36: invalid character 'x' at start of value`,
				`6:38 {"id":6}`},
		},
		{
			name: "a first line that ends after a comma",
			in:   "{\"id\":1,\n{\"id\":2}\n{\"id\":3}\n",
			want: []string{`1:0 {"id":1, # broken JSON at offset 9: the input ends in the middle of a value`,
				`2:9 {"id":2}`, `3:18 {"id":3}`},
		},
		{
			name: "a first line that is no JSON",
			in:   "HTTP/1.1 200 OK\n{\"id\":2}\n",
			want: []string{`1:0 HTTP/1.1 200 OK # broken JSON at offset 0: invalid character 'H' at start of value`, `2:16 {"id":2}`},
		},
		{
			name: "a first line in an array, which is no line of its own",
			in:   "[{\"id\":1},\n{\"id\":2}\n]",
			want: []string{`1:1 {"id":1}`, `2:11 {"id":2}`},
		},
		{
			name: "what concerns one record is left to its reader",
			in:   "{\"items\":[{\"id\":1,\"id\":2},{\"id\":\"\xff\"},{\"id\":\"\\ud800\"}]}",
			want: []string{`1:10 items {"id":1,"id":2}`, "1:26 items {\"id\":\"\xff\"}", `1:37 items {"id":"\ud800"}`},
		},
		{
			name:   "a page that breaks",
			in:     "{\"items\":[\n{\"id\":1},\n{\"id\":2}x,\n{\"id\":3}\n]}",
			want:   []string{`2:11 items {"id":1}`, `3:21 items {"id":2}`},
			broken: "line 3, offset 29: invalid character 'x' after array element (expecting ',' or ']')",
		},
		{
			name:   "a page that is cut",
			in:     "{\"items\":[\n{\"id\":1},\n{\"id\":2},\n{\"i",
			want:   []string{`2:11 items {"id":1}`, `3:21 items {"id":2}`},
			broken: "line 4, offset 34: the input ends in the middle of a value",
		},
		{
			name: "a page in one line that breaks, and another after it",
			in:   "{\"items\":[{\"id\":1},{\"id\"]}\n{\"items\":[{\"id\":3}]}\n",
			want: []string{`1:10 items {"id":1}`,
				`1:0 {"items":[{"id":1},{"id"]} # broken JSON at offset 24: invalid character ']' after object name (expecting ':')`,
				`2:37 items {"id":3}`},
			broken: "line 1, offset 24: invalid character ']' after object name (expecting ':'); records after it in its page are missing",
		},
		{
			name: "a record that is too large in a page",
			in:   "{\"items\":[{\"id\":1},\n" + huge(big) + ",\n{\"id\":2}]}",
			want: []string{`1:10 items {"id":1}`, `2:20 items # is larger than 1048576 bytes`, `3:3145759 items {"id":2}`},
		},
		{
			name: "one that is too large in a line",
			in:   "{\"id\":1}\n" + huge(1<<20) + "\n" + huge(big) + "\n{\"id\":2}\n",
			want: []string{`1:0 {"id":1}`, `2:9 # is larger than 1048576 bytes`, `3:1048595 # is larger than 1048576 bytes`, `4:4194333 {"id":2}`},
		},
		{
			name: "one that is too large in an array, and is no object",
			in:   "[{\"id\":1}," + `"` + strings.Repeat("x", big) + `",{"id":2}]`,
			want: []string{`1:1 {"id":1}`, `1:10 # is larger than 1048576 bytes`, `1:3145741 {"id":2}`},
		},
		{
			name: "a record that is just not too large",
			in:   huge(1<<20 - 9),
			want: []string{`1:0 {"id":"xxxxxxxxxxxxx... of 1048576`},
		},
		{
			name: "a long page in a line, then others",
			in:   "{\"x\":" + huge(big) + ",\"items\":[{\"id\":1}]}\n{\"items\":[{\"id\":2}]}\n{\n{\"items\":[{\"id\":3}]}\n",
			want: []string{`1:3145752 items {"id":1}`, `2:3145773 items {"id":2}`,
				`3:3145784 { # broken JSON at offset 3145786: the input ends in the middle of a value`, `4:3145796 items {"id":3}`},
		},
		{
			name:   "a long page in a line that breaks, then others",
			in:     "{\"x\":" + huge(big) + ",\"items\":[{\"id\":1}}\n{\"items\":[{\"id\":2}]}\n",
			want:   []string{`1:3145752 items {"id":1}`, `1:0 # broken JSON at offset 3145760: invalid character '}' after array element (expecting ',' or ']')`, `2:3145772 items {"id":2}`},
			broken: "line 1, offset 3145760: invalid character '}' after array element (expecting ',' or ']'); records after it in its page are missing",
		},
		{
			name: "a text too long to read over",
			in:   "{\"id\":1}\n" + huge(17<<20) + "\n{\"id\":2}\n",
			want: []string{`1:0 {"id":1}`, `2:9 # broken JSON at offset 16777230: a text, a number or blank space is too long`, `3:17825811 {"id":2}`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			readers := map[string]io.Reader{"whole": strings.NewReader(c.in)}
			if len(c.in) < 10<<20 {
				readers["in halves"] = iotest.HalfReader(strings.NewReader(c.in))
				readers["with EOF"] = iotest.DataErrReader(strings.NewReader(c.in))
			}
			for name, r := range readers {
				got, err := read(t, r)
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
				if text := fmt.Sprint(err); err != nil && text != c.broken || err == nil && c.broken != "" {
					t.Errorf("%s: error %v, want %q", name, err, c.broken)
				}
				if _, ok := errors.AsType[*records.BrokenError](err); err != nil && !ok {
					t.Errorf("%s: error %T, want *BrokenError", name, err)
				}
			}
		})
	}
}

func TestReadingByteByByteFindsTheSame(t *testing.T) {
	in := "{\"id\":1,\n{\"items\":[{\"id\":2},\r\n\n{\"id\":3}\n]}"
	got, err := read(t, iotest.OneByteReader(strings.NewReader(in)))
	whole, wholeErr := read(t, strings.NewReader(in))
	if diff := cmp.Diff(whole, got); diff != "" || fmt.Sprint(err) != fmt.Sprint(wholeErr) {
		t.Errorf("whole and byte by byte differ: %v, %v\n%s", wholeErr, err, diff)
	}
}

func TestErrorsOfTheReaderEndTheReading(t *testing.T) {
	cause := errors.New("disk on fire")
	for name, in := range map[string]string{
		"in a line":      "{\"id\":1}\n{\"id\":2",
		"in a page":      "{\"items\":[{\"id\":1},\n{\"id\":2",
		"between values": "{\"id\":1}\n",
	} {
		got, err := read(t, io.MultiReader(strings.NewReader(in), iotest.ErrReader(cause)))
		if !errors.Is(err, cause) {
			t.Errorf("%s: error %v", name, err)
		}
		if len(got) != 1 {
			t.Errorf("%s: records %q, want the one before the error", name, got)
		}
	}
}

func TestErrorsOfYieldEndTheReading(t *testing.T) {
	cause := errors.New("enough")
	for _, in := range []string{"{\"id\":1}\n{\"id\":2}", "{\"items\":[\n{\"id\":1},{\"id\":2}]}", "x\n{\"id\":1}", "[{\"id\":1},\n{\"id\":2}]"} {
		calls := 0
		err := records.Each(strings.NewReader(in), lists, func(records.Record) error { calls++; return cause })
		if err != cause || calls != 1 {
			t.Errorf("%q: error %v after %d calls", in, err, calls)
		}
	}
}

// repeated is a text repeated without being held.
type repeated struct {
	text string
	n    int
	at   int
}

func (r *repeated) Read(p []byte) (n int, err error) {
	for n < len(p) && r.n > 0 {
		m := copy(p[n:], r.text[r.at:])
		n += m
		if r.at += m; r.at == len(r.text) {
			r.at, r.n = 0, r.n-1
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func TestMemoryIsBoundedWhateverTheInput(t *testing.T) {
	item := `{"id":"` + strings.Repeat("x", 1000) + `"}`
	for _, c := range []struct {
		name             string
		head, part, tail string
		n                int
		records          int
	}{
		{"a page of many records", `{"total":1,"items":[` + item, "," + item, `]}`, 50_000, 50_001},
		{"a page printed over many lines", "{\"items\":[\n" + item, ",\n" + item, "\n]}", 50_000, 50_001},
		{"a page of tiny lines", "{\"items\":[\n{}", ",\n{}", "\n]}", 200_000, 200_001},
		{"tiny records in lines", "", "{}\n", "", 200_000, 200_000},
		{"tiny records over lines", "", "{\n}\n", "", 200_000, 200_000},
		{"a page with a long list of something else", `{"x":[` + item, "," + item, `],"items":[{}]}`, 50_000, 1},
		{"a page with very many members", `{"items":[{}]`, `,"x":` + item, `}`, 50_000, 1},
		{"a record with very many members", `{"id":1`, `,"x":` + item, `}`, 50_000, 1},
		{"many lines", "", item + "\n", "", 50_000, 50_000},
		{"white space", "[", strings.Repeat("\n", 1000), "]", 50_000, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, now runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var most uint64
			got := 0
			sample := func() {
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapSys)
			}
			r := io.MultiReader(strings.NewReader(c.head), &repeated{text: c.part, n: c.n}, strings.NewReader(c.tail))
			err := records.Each(r, lists, func(records.Record) error {
				if got++; got%10_000 == 0 {
					sample()
				}
				return nil
			})
			sample()
			if c.name == "white space" {
				if err == nil {
					t.Error("endless white space was taken")
				}
			} else if err != nil || got != c.records {
				t.Errorf("%d records, error %v, want %d", got, err, c.records)
			}
			if grown := int64(most) - int64(before.HeapSys); grown > 24<<20 {
				t.Errorf("the heap grew by %d MiB for an input of %d MiB", grown>>20, len(c.part)*c.n>>20)
			}
		})
	}
}

func FuzzEach(f *testing.F) {
	for _, in := range []string{
		`{"items":[{"id":1},{"id":2}]}`,
		"{\"data\":{\"auditLogs\":[\n{\"id\":1},\n{\"id\":2}]}}",
		"{\"id\":1}\n{\"id\":\n{\"id\":3}\n",
		"[{\"items\":[{\"id\":\"\xff\"}]},7]\n",
	} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		whole, err := read(t, strings.NewReader(in))
		parts, partsErr := read(t, iotest.OneByteReader(strings.NewReader(in)))
		if diff := cmp.Diff(whole, parts); diff != "" || fmt.Sprint(err) != fmt.Sprint(partsErr) {
			t.Errorf("whole and byte by byte differ: %v, %v\n%s", err, partsErr, diff)
		}
		records.Each(strings.NewReader(in), lists, func(r records.Record) error {
			if r.Err == nil && in[r.Offset:r.Offset+int64(len(r.Raw))] != string(r.Raw) {
				t.Errorf("record %q is not what stands at offset %d", r.Raw, r.Offset)
			}
			if line := 1 + strings.Count(in[:r.Offset], "\n"); int64(line) != r.Line {
				t.Errorf("record at offset %d is in line %d, not %d", r.Offset, line, r.Line)
			}
			return nil
		})
	})
}
