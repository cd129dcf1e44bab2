package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/bench/engine"
)

// binary is the server, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "countersign-bench-test-")
	if err == nil {
		binary, err = engine.Build(context.Background(), "..", dir, false)
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// small returns the arguments of a run that takes seconds.
func small(t *testing.T, more ...string) []string {
	// Not t.TempDir: the user that PostgreSQL runs as must get through it.
	dir, err := os.MkdirTemp("", "countersign-bench-test-")
	if err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return append([]string{"--binary", binary, "--dir", dir, "--events", "2000", "--time", "5ms", "--connections", "2", "--output", "json"}, more...)
}

func TestAllEnginesGiveTheSameAnswers(t *testing.T) {
	engines := "countersign,postgres,sqlite"
	missing := engine.HavePostgres()
	if missing != nil {
		engines = "countersign,sqlite"
	}
	var out, log bytes.Buffer
	if code := run(t.Context(), small(t, "--engines", engines), &out, &log); code != 0 {
		t.Fatalf("exit code %d: %s\n%s", code, log.String(), out.String())
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	checkReport(t, &r, strings.Split(engines, ","))
	if text := r.text(); !strings.Contains(text, "| native       | account, last ") || strings.Contains(text, "%!") {
		t.Errorf("as text:\n%s", text)
	}
	if missing != nil {
		t.Skip("not compared with PostgreSQL: ", missing)
	}
}

func checkReport(t *testing.T, r *report, engines []string) {
	t.Helper()
	if r.Ingest == nil || r.Ingest.Load.Events+r.Ingest.Singles.Events != 2000 || r.Ingest.Open == 0 || len(r.Loads) != len(engines)-1 {
		t.Errorf("loading: %+v, %+v", r.Ingest, r.Loads)
	}
	found := map[string]uint64{} // by API
	for _, l := range r.Lines {
		if l.Note != "" {
			t.Logf("%s: %s: %s", l.API, l.Question, l.Note)
			continue
		}
		found[l.API] += l.Most
		asked := len(engines)
		if l.Question == "inclusion proof" {
			asked = 1 // a table has none
		}
		if len(l.Times) != asked {
			t.Errorf("%s: %s was asked of %d engines", l.API, l.Question, len(l.Times))
		}
		for name, took := range l.Times {
			if took.Runs < 1 || took.First <= 0 || took.P50 <= 0 || took.P99 <= 0 {
				t.Errorf("%s: %s: %s took %+v", l.API, l.Question, name, took)
			}
		}
	}
	for _, api := range [...]string{"native", "DigiCert ONE", "Discovery"} {
		if found[api] == 0 {
			t.Errorf("no question of %s found anything", api)
		}
	}
}

func TestAWrongAnswerIsFound(t *testing.T) {
	var log bytes.Buffer
	c, _, err := parse(small(t, "--engines", "countersign,sqlite", "--questions", "native everything$"), &log)
	if err != nil {
		t.Fatal(err)
	}
	c.say = t.Logf
	c.tamper = func(ctx context.Context, table engine.Table) error {
		// A row of the middle page.
		changed, err := table.Strings(ctx, "UPDATE entries SET resource_name = 'other' WHERE seq = (SELECT seq FROM entries ORDER BY occurred_at DESC LIMIT 1 OFFSET 975) RETURNING seq")
		if err == nil && len(changed) != 1 {
			err = fmt.Errorf("%d rows changed", len(changed))
		}
		return err
	}
	r, err := c.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Disagreement) == 0 || !strings.Contains(strings.Join(r.Disagreement, "\n"), `"name":"other"`) {
		t.Errorf("disagreements %q, want one about the row that was changed", r.Disagreement)
	}
}

func TestAnswersDifferInTheirTotalAndTheirRowsInOrder(t *testing.T) {
	a := answer{2, []string{"x", "y"}}
	for _, tt := range []struct {
		name string
		b    answer
		want string
	}{
		{"the same", answer{2, []string{"x", "y"}}, ""},
		{"another total", answer{3, []string{"x", "y"}}, "total"},
		{"a row less", answer{2, []string{"x"}}, "rows"},
		{"another row", answer{2, []string{"x", "z"}}, "row 1"},
		{"another order", answer{2, []string{"y", "x"}}, "row 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := difference(a, tt.b); (d == "") != (tt.want == "") || !strings.Contains(d, tt.want) {
				t.Errorf("difference %q, want %q", d, tt.want)
			}
		})
	}
}

func TestAnInterruptedRunLeavesNothing(t *testing.T) {
	for _, tt := range []struct{ name, engines, at string }{
		{"while it loads PostgreSQL", "countersign,postgres", "load PostgreSQL"},
		{"while it asks", "countersign,sqlite", "native: everything, first"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := engine.HavePostgres(); err != nil && strings.Contains(tt.engines, "postgres") {
				t.Skip(err)
			}
			var log bytes.Buffer
			args := small(t, "--engines", tt.engines)
			c, _, err := parse(args, &log)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c.say = func(format string, args ...any) {
				if strings.HasPrefix(fmt.Sprintf(format, args...), tt.at) {
					cancel()
				}
			}
			if _, err := c.run(ctx); err == nil {
				t.Error("it ended as if it had not been interrupted")
			}
			if left := children(t); len(left) > 0 {
				t.Errorf("processes are left: %v", left)
			}
			if left, err := os.ReadDir(c.dir); err != nil || len(left) > 0 {
				t.Errorf("files are left: %v, %v", left, err)
			}
		})
	}
}

// children returns the names of the processes that this one started and that have not ended.
func children(t *testing.T) (names []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		b, _ := os.ReadFile(path) // it may have ended
		name, rest, _ := strings.Cut(string(b), ")")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			names = append(names, name)
		}
	}
	return names
}

func TestMisuseIsTold(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"an argument", []string{"fast"}, "arguments"},
		{"an unknown engine", []string{"--engines", "oracle"}, "oracle"},
		{"no engine", []string{"--engines", ""}, "--engines"},
		{"no events", []string{"--events", "0"}, "--events"},
		{"no connections", []string{"--connections", "0"}, "--connections"},
		{"an unknown output", []string{"--output", "xml"}, "xml"},
		{"a broken expression", []string{"--questions", "("}, "missing closing"},
		{"profiles of a foreign binary", []string{"--profiles", "x", "--binary", "y"}, "--profiles"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, log bytes.Buffer
			if code := run(t.Context(), tt.args, &out, &log); code != exitMisused || !strings.Contains(log.String(), tt.want) {
				t.Errorf("exit code %d: %s", code, log.String())
			}
		})
	}
}

func TestPercentilesAreOfTheTimesThatWereMeasured(t *testing.T) {
	var all []time.Duration
	for i := 200; i > 0; i-- {
		all = append(all, time.Duration(i))
	}
	for p, want := range map[int]time.Duration{50: 100, 99: 198, 100: 200} {
		if got := percentile(all, p); got != want {
			t.Errorf("%d: %d, want %d", p, got, want)
		}
	}
	if got := percentile([]time.Duration{7, 5}, 99); got != 7 {
		t.Errorf("of two: %d", got)
	}
}
