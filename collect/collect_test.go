package collect_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/collect"
	"countersign/event"
	"countersign/problem"
)

// trail is a server that keeps what it is sent, all of a batch or nothing.
type trail struct {
	events  []event.Event
	known   map[string]int
	batches []int
	// before may refuse a batch.
	before func(events []event.Event) error
}

func (s *trail) send(_ context.Context, events []event.Event) (accepted, duplicates int, err error) {
	s.batches = append(s.batches, len(events))
	if s.before != nil {
		if err := s.before(events); err != nil {
			return 0, 0, err
		}
	}
	if s.known == nil {
		s.known = make(map[string]int)
	}
	for i := range events {
		if e := &events[i]; e.Account.ID == "" {
			e.Account.ID = "primary"
		}
		if at, ok := s.known[key(&events[i])]; ok && !event.SameContent(&s.events[at], &events[i]) {
			return 0, 0, &problem.Error{Kind: problem.Conflict, Detail: "the id is known with other content", Field: "id", Event: i + 1, Seq: new(uint64(at))}
		}
	}
	for i := range events {
		if _, ok := s.known[key(&events[i])]; ok {
			duplicates++
			continue
		}
		s.known[key(&events[i])] = len(s.events)
		s.events = append(s.events, events[i])
		accepted++
	}
	return accepted, duplicates, nil
}

func key(e *event.Event) string { return e.Account.ID + "|" + e.Source + "|" + e.ID }

func (s *trail) ids() string {
	var ids []string
	for i := range s.events {
		ids = append(ids, s.events[i].ID)
	}
	return strings.Join(ids, " ")
}

func importer(tb testing.TB, s *trail, o collect.Options) *collect.Importer {
	tb.Helper()
	o.Send = s.send
	im, err := collect.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return im
}

// nativeEvent is one event in our own form.
func nativeEvent(id string) string {
	return fmt.Sprintf(`{"id":%q,"occurred_at":"2026-01-15T10:30:00Z","account":{"id":"acc"},"action":"CREATE","resource":{"type":"USER"},"source":"example/app"}`, id)
}

func nativeLines(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(nativeEvent(fmt.Sprintf("e%d", i)) + "\n")
	}
	return b.String()
}

func check(tb testing.TB, what string, want, got collect.Result, err error) {
	tb.Helper()
	if err != nil {
		tb.Errorf("%s: %v", what, err)
	}
	if got != want {
		tb.Errorf("%s: %+v, want %+v", what, got, want)
	}
	if got.Read != got.Accepted+got.Duplicates+got.Aside {
		tb.Errorf("%s: %+v does not add up", what, got)
	}
}

func TestOptionsThatNoRecordCouldUseAreRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		o    collect.Options
		want string
	}{
		{"an unknown format", collect.Options{Format: "csv"}, `format "csv" is not one of native, digicert-one, discovery, keyfactor`},
		{"no account for Discovery", collect.Options{Format: "discovery"}, "account: is needed, since records of the format discovery name none"},
		{"no account for Keyfactor", collect.Options{Format: "keyfactor"}, "account: is needed, since records of the format keyfactor name none"},
		{"another's source", collect.Options{Format: "keyfactor", Account: "a", Source: "discovery/x"}, `source "discovery/x": must begin with "keyfactor/" in the format keyfactor`},
		{"a source that is none", collect.Options{Format: "native", Source: "A B"}, "source must be 1 to 64 of a-z, 0-9, '.', '/', '_' and '-' [A B]"},
		{"an account that is none", collect.Options{Format: "native", Account: strings.Repeat("x", 257)}, "account.id must not be longer than 256 bytes [" + strings.Repeat("x", 200) + "]"},
	} {
		if _, err := collect.New(c.o); err == nil || err.Error() != c.want {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		}
	}
}

func TestAnExportImportsIntoAnotherTrailUnchanged(t *testing.T) {
	var s trail
	im := importer(t, &s, collect.Options{Format: "native"})
	e := event.Event{
		ID: "e1", OccurredAt: 1_768_473_000_123_456, Account: event.Account{ID: "acc", Name: event.TextOf("")}, Action: "UPDATE",
		Resource: event.Resource{Type: "USER", ID: event.TextOf("7")}, Source: "example/app", Description: event.TextOf("a\r\nb"),
		Attributes: []event.Attribute{{Name: "ticket", Value: "CHG-1"}}, Raw: event.TextOf(`{"x": 1}`),
	}
	e.Normalize("")
	entry := event.Entry{Event: e, Seq: 41, ReceivedAt: e.OccurredAt, RecordedBy: event.TextOf("sender")}
	export := string(event.AppendEntryJSON(nil, &entry)) + "\n" + `{"complete":true,"count":1,"tree_size":42}` + "\n"

	r, err := im.Import(t.Context(), "export.ndjson", strings.NewReader(export))
	check(t, "first", collect.Result{Read: 1, Accepted: 1}, r, err)
	r, err = im.Import(t.Context(), "export.ndjson", strings.NewReader(export))
	check(t, "again", collect.Result{Read: 1, Duplicates: 1}, r, err)
	if diff := cmp.Diff([]event.Event{e}, s.events); diff != "" {
		t.Errorf("(-exported +imported):\n%s", diff)
	}

	list := `{"total":1,"offset":0,"limit":50,"items":[` + string(event.AppendEntryJSON(nil, &entry)) + `]}`
	r, err = im.Import(t.Context(), "list.json", strings.NewReader(list))
	check(t, "the list answer", collect.Result{Read: 1, Duplicates: 1}, r, err)
}

func TestAnExportThatLacksEventsIsAnError(t *testing.T) {
	var s trail
	im := importer(t, &s, collect.Options{Format: "native"})
	r, err := im.Import(t.Context(), "cut.ndjson", strings.NewReader(nativeEvent("a")+"\n"+`{"complete":true,"count":2,"tree_size":9}`+"\n"))
	if want := "line 2: the export ends here with 2 events, and 1 were read"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if r != (collect.Result{Read: 1, Accepted: 1}) {
		t.Errorf("result %+v", r)
	}
	two := nativeEvent("a") + "\n" + `{"complete":true,"count":1,"tree_size":9}` + "\n" + nativeEvent("b") + "\n" + `{"complete":true,"count":1,"tree_size":9}` + "\n"
	r, err = im.Import(t.Context(), "two.ndjson", strings.NewReader(two))
	check(t, "two exports in a file", collect.Result{Read: 2, Accepted: 1, Duplicates: 1}, r, err)
}

func TestNativeEventsGetWhatTheyLack(t *testing.T) {
	const bare = `{"occurred_at":"2026-01-15T10:30:00Z","action":"CREATE","resource":{"type":"USER"}}`
	var s trail
	im := importer(t, &s, collect.Options{Format: "native", Source: "example/given", Account: "given"})
	in := bare + "\n" + bare + "\n" + nativeEvent("full") + "\n"
	r, err := im.Import(t.Context(), "in", strings.NewReader(in))
	check(t, "first", collect.Result{Read: 3, Accepted: 3}, r, err)
	for i, want := range []string{"example/given given", "example/given given", "example/app acc"} {
		if got := s.events[i].Source + " " + s.events[i].Account.ID; got != want {
			t.Errorf("event %d: %s, want %s", i, got, want)
		}
	}
	if s.events[0].ID == s.events[1].ID {
		t.Error("equal events at two places got one id")
	}
	r, err = im.Import(t.Context(), "in", strings.NewReader(in))
	check(t, "again", collect.Result{Read: 3, Duplicates: 3}, r, err)

	s = trail{}
	im = importer(t, &s, collect.Options{Format: "native", Source: "example/given"})
	r, err = im.Import(t.Context(), "in", strings.NewReader(bare))
	check(t, "without an account", collect.Result{Read: 1, Accepted: 1}, r, err)
	if s.events[0].Account.ID != "primary" {
		t.Errorf("account %+v, want the sender's own, which the server knows", s.events[0].Account)
	}
}

func TestBadRecordsAreSetAsideAndTheRestIsRecorded(t *testing.T) {
	in := nativeEvent("a") + "\n" +
		`{"id":"b","occurred_at":` + "\n" +
		`{"id":"c","occurred_at":"2026-01-15T10:30:00Z","action":"create","resource":{"type":"USER"},"source":"x"}` + "\n" +
		"{\"id\":\"\xff\"}\n" +
		`{"id":"` + strings.Repeat("x", 1<<20) + `"}` + "\n" +
		`{"id":"f","surprise":1}` + "\n" +
		nativeEvent("g") + "\n"
	var s trail
	var aside bytes.Buffer
	im := importer(t, &s, collect.Options{Format: "native", Aside: &aside})
	r, err := im.Import(t.Context(), "dir/in.ndjson", strings.NewReader(in))
	check(t, "import", collect.Result{Read: 7, Accepted: 2, Aside: 5}, r, err)
	if s.ids() != "a g" {
		t.Errorf("recorded %s", s.ids())
	}
	want := `{"file":"dir/in.ndjson","line":2,"offset":139,"error":"broken JSON at offset 164: the input ends in the middle of a value","record":"{\"id\":\"b\",\"occurred_at\":"}
{"file":"dir/in.ndjson","line":3,"offset":164,"error":"action must be 1 to 64 of A-Z, 0-9 and _ [create]","record":"{\"id\":\"c\",\"occurred_at\":\"2026-01-15T10:30:00Z\",\"action\":\"create\",\"resource\":{\"type\":\"USER\"},\"source\":\"x\"}"}
{"file":"dir/in.ndjson","line":4,"offset":270,"error":"id is not valid JSON at byte 7: invalid UTF-8","record_base64":"eyJpZCI6Iv8ifQ=="}
{"file":"dir/in.ndjson","line":5,"offset":281,"error":"is larger than 1048576 bytes"}
{"file":"dir/in.ndjson","line":6,"offset":1048867,"error":"surprise is not a field of an event","record":"{\"id\":\"f\",\"surprise\":1}"}
`
	if diff := cmp.Diff(want, aside.String()); diff != "" {
		t.Errorf("set aside (-want +got):\n%s", diff)
	}
	for line := range strings.Lines(aside.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
}

func TestTheIoTSampleLosesOnlyTheRecordWithoutATime(t *testing.T) {
	f, err := os.Open("digicertone/testdata/iot-page.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var s trail
	var aside bytes.Buffer
	im := importer(t, &s, collect.Options{Format: "digicert-one", Aside: &aside})
	r, err := im.Import(t.Context(), "iot-page.json", f)
	check(t, "import", collect.Result{Read: 2, Accepted: 1, Aside: 1}, r, err)
	if s.events[0].Source != "digicert-one/iot" {
		t.Errorf("source %s", s.events[0].Source)
	}
	if !strings.Contains(aside.String(), `"line":3,"offset":978,"error":"created_at is missing","record":"{\"id\":\"b15daa5d-`) {
		t.Errorf("set aside: %s", aside.String())
	}
}

func TestARefusedEventIsSetAsideAndTheRestIsSentAgain(t *testing.T) {
	t.Run("conflicts", func(t *testing.T) {
		var s trail
		var aside bytes.Buffer
		im := importer(t, &s, collect.Options{Format: "native", Aside: &aside})
		if _, err := im.Import(t.Context(), "one", strings.NewReader(nativeLines(10))); err != nil {
			t.Fatal(err)
		}
		changed := strings.ReplaceAll(nativeLines(12), `"id":"e3","occurred_at":"2026`, `"id":"e3","occurred_at":"2027`)
		changed = strings.ReplaceAll(changed, `"id":"e7","occurred_at":"2026`, `"id":"e7","occurred_at":"2027`)
		r, err := im.Import(t.Context(), "two", strings.NewReader(changed))
		check(t, "import", collect.Result{Read: 12, Accepted: 2, Duplicates: 8, Aside: 2}, r, err)
		if !strings.Contains(aside.String(), `{"file":"two","line":4,"offset":420,"error":"id: the id is known with other content (recorded at seq 3)","record":"{\"id\":\"e3\"`) {
			t.Errorf("set aside: %s", aside.String())
		}
	})
	t.Run("all of many", func(t *testing.T) {
		s := trail{before: func([]event.Event) error { return &problem.Error{Kind: problem.Invalid, Detail: "no", Event: 1} }}
		im := importer(t, &s, collect.Options{Format: "native"})
		r, err := im.Import(t.Context(), "in", strings.NewReader(nativeLines(3000)))
		check(t, "import", collect.Result{Read: 3000, Aside: 3000}, r, err)
		sent := 0
		for _, n := range s.batches {
			sent += n
		}
		if sent > 10_000 {
			t.Errorf("%d events were sent to have 3000 refused", sent)
		}
	})
	t.Run("a batch that is too large as a whole", func(t *testing.T) {
		var s trail
		s.before = func(events []event.Event) error {
			is5 := func(e event.Event) bool { return e.ID == "e5" }
			if len(events) > 3 || slices.ContainsFunc(events, is5) {
				return problem.New(problem.TooLarge, "too much")
			}
			return nil
		}
		im := importer(t, &s, collect.Options{Format: "native"})
		r, err := im.Import(t.Context(), "in", strings.NewReader(nativeLines(20)))
		check(t, "import", collect.Result{Read: 20, Accepted: 19, Aside: 1}, r, err)
	})
}

func TestBatchesAreBounded(t *testing.T) {
	var s trail
	im := importer(t, &s, collect.Options{Format: "native"})
	if _, err := im.Import(t.Context(), "in", strings.NewReader(nativeLines(2500))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1000, 1000, 500}, s.batches); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s = trail{}
	var big strings.Builder
	for i := range 10 {
		big.WriteString(strings.Replace(nativeEvent(fmt.Sprintf("b%d", i)), `"source"`, `"detail":"`+strings.Repeat("x", 900_000)+`","source"`, 1) + "\n")
	}
	r, err := im.Import(t.Context(), "in", strings.NewReader(big.String()))
	check(t, "large events", collect.Result{Read: 10, Accepted: 10}, r, err)
	if diff := cmp.Diff([]int{5, 5}, s.batches); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAServerThatIsBusyIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []error{
			&problem.Error{Kind: problem.Throttled, Detail: "slow down", RetryAfter: 7 * time.Second},
			&problem.Error{Kind: problem.Unavailable, Detail: "no answer"},
			&problem.Error{Kind: problem.Unavailable, Detail: "no answer"},
			nil,
		}
		var s trail
		s.before = func([]event.Event) error {
			err := answers[0]
			answers = answers[1:]
			return err
		}
		var waits []time.Duration
		im := importer(t, &s, collect.Options{Format: "native", Waiting: func(w collect.Wait) { waits = append(waits, w.For) }})
		start := time.Now()
		r, err := im.Import(t.Context(), "in", strings.NewReader(nativeLines(3)))
		check(t, "import", collect.Result{Read: 3, Accepted: 3}, r, err)
		if diff := cmp.Diff([]time.Duration{7 * time.Second, 500 * time.Millisecond, 500 * time.Millisecond}, waits); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
		if took := time.Since(start); took != 8*time.Second {
			t.Errorf("waited %s", took)
		}
	})
}

func TestWaitingEnds(t *testing.T) {
	for _, c := range []struct {
		name  string
		after time.Duration
		most  time.Duration
		tries int
	}{
		{"with a server that does not answer", 0, 30 * time.Second, 8},
		{"with one that asks for a little again and again", time.Minute, 10 * time.Minute, 11},
		{"with one that asks for too much", time.Hour, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := trail{before: func([]event.Event) error {
					return &problem.Error{Kind: problem.Unavailable, Detail: "not now", RetryAfter: c.after}
				}}
				im := importer(t, &s, collect.Options{Format: "native"})
				start := time.Now()
				r, err := im.Import(t.Context(), "in", strings.NewReader(nativeLines(3)))
				if want := "send lines 1 to 3: not now"; err == nil || err.Error() != want || r != (collect.Result{Read: 3}) {
					t.Errorf("result %+v, error %v, want %s", r, err, want)
				}
				if took := time.Since(start); took > c.most || len(s.batches) != c.tries {
					t.Errorf("%d tries in %s", len(s.batches), took)
				}
			})
		})
	}
	t.Run("when the caller gives up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			s := trail{before: func([]event.Event) error {
				return &problem.Error{Kind: problem.Throttled, Detail: "not now", RetryAfter: time.Minute}
			}}
			im := importer(t, &s, collect.Options{Format: "native"})
			start := time.Now()
			_, err := im.Import(ctx, "in", strings.NewReader(nativeLines(3)))
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
				t.Errorf("error %v after %s", err, time.Since(start))
			}
		})
	})
}

func TestOtherFailuresEndTheImport(t *testing.T) {
	cause := errors.New("the server makes no sense")
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"a token without rights", problem.New(problem.Denied, "may not write here"), "send lines 1 to 1000: may not write here"},
		{"a token without rights to one source", &problem.Error{Kind: problem.Denied, Detail: "may not write here", Event: 5}, "send line 5: event 4: may not write here"},
		{"an invalid request", problem.New(problem.Invalid, "holds no event"), "send lines 1 to 1000: holds no event"},
		{"anything else", cause, "send lines 1 to 1000: the server makes no sense"},
	} {
		s := trail{before: func([]event.Event) error { return c.err }}
		im := importer(t, &s, collect.Options{Format: "native"})
		r, err := im.Import(t.Context(), "in", strings.NewReader(nativeLines(1500)))
		if err == nil || err.Error() != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		}
		if r != (collect.Result{Read: 1000}) || len(s.batches) != 1 {
			t.Errorf("%s: result %+v, %d batches", c.name, r, len(s.batches))
		}
	}
}

func TestWhatWasReadBeforeTheInputBrokeCounts(t *testing.T) {
	cause := errors.New("disk on fire")
	for _, c := range []struct {
		name string
		in   io.Reader
		want string
	}{
		{"a page", strings.NewReader("{\"items\":[\n" + nativeEvent("a") + ",\n" + nativeEvent("b") + ",\n{]}"),
			`line 4, offset 292: invalid character ']' at start of string (expecting '"')`},
		{"the reader", io.MultiReader(strings.NewReader(nativeLines(2)), iotest.ErrReader(cause)), "after offset 280: disk on fire"},
	} {
		var s trail
		im := importer(t, &s, collect.Options{Format: "native"})
		r, err := im.Import(t.Context(), "in", c.in)
		if r != (collect.Result{Read: 2, Accepted: 2}) || len(s.events) != 2 || err == nil || err.Error() != c.want {
			t.Errorf("%s: result %+v, error %v, want %s", c.name, r, err, c.want)
		}
	}
	t.Run("but nothing is sent after the caller gave up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var s trail
		im := importer(t, &s, collect.Options{Format: "native"})
		if _, err := im.Import(ctx, "in", strings.NewReader(nativeLines(2))); !errors.Is(err, context.Canceled) || len(s.batches) != 0 {
			t.Errorf("error %v, batches %v", err, s.batches)
		}
	})
	t.Run("and nothing more when what is set aside cannot be written", func(t *testing.T) {
		var s trail
		im := importer(t, &s, collect.Options{Format: "native", Aside: failing{cause}})
		if _, err := im.Import(t.Context(), "in", strings.NewReader(nativeEvent("a")+"\n{}\n")); !errors.Is(err, cause) {
			t.Errorf("error %v", err)
		}
	})
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestCompressedFilesAreUnpacked(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, nativeLines(100))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var s trail
	var seen []int64
	im := importer(t, &s, collect.Options{Format: "native", Progress: func(n int64) { seen = append(seen, n) }})
	size := int64(packed.Len())
	file := packed.Bytes()
	r, err := im.Import(t.Context(), "in.gz", bytes.NewReader(file))
	check(t, "whole", collect.Result{Read: 100, Accepted: 100}, r, err)
	if len(seen) == 0 || seen[len(seen)-1] != size {
		t.Errorf("progress %v of a file of %d bytes", seen, size)
	}
	if _, err = im.Import(t.Context(), "cut.gz", bytes.NewReader(file[:len(file)-20])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that is cut: error %v", err)
	}
	if _, err = im.Import(t.Context(), "head.gz", bytes.NewReader(file[:5])); err == nil {
		t.Error("a file that is cut in its head was taken")
	}
	r, err = im.Import(t.Context(), "empty", strings.NewReader(""))
	check(t, "empty", collect.Result{}, r, err)
}

// page is an Account Manager page of n records that is never held.
func page(n int) io.Reader {
	r, w := io.Pipe()
	go func() {
		io.WriteString(w, `{"total":1,"items":[`)
		for i := range n {
			comma := ","
			if i == 0 {
				comma = ""
			}
			_, err := fmt.Fprintf(w, `%s{"id":"r%d","account":{"id":"acc"},"resource_type":"USER","action":"CREATE","timestamp":"2026-01-15T10:30:00Z","description":"%01000d","status":"success"}`, comma, i, i)
			if err != nil {
				return
			}
		}
		io.WriteString(w, `]}`)
		w.Close()
	}()
	return r
}

func TestALargePageIsImportedInBoundedMemory(t *testing.T) {
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var most uint64
	sent := 0
	im, err := collect.New(collect.Options{Format: "digicert-one", Send: func(_ context.Context, events []event.Event) (int, int, error) {
		if sent += len(events); sent%10_000 == 0 {
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapSys)
		}
		return len(events), 0, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	const n = 60_000
	r, err := im.Import(t.Context(), "page.json", page(n))
	check(t, "import", collect.Result{Read: n, Accepted: n}, r, err)
	if grown := int64(most) - int64(before.HeapSys); grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB for a page of %d MiB", grown>>20, n*1200>>20)
	}
}

func FuzzImport(f *testing.F) {
	iot, err := os.ReadFile("digicertone/testdata/iot-page.json")
	if err != nil {
		f.Fatal(err)
	}
	discovery, err := os.ReadFile("discovery/testdata/list-response.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("digicert-one", iot)
	f.Add("discovery", discovery)
	f.Add("native", []byte(nativeLines(3)))
	f.Add("keyfactor", []byte(`[{"Id":1,"Timestamp":"2025-03-04T15:16:17.123Z","Category":2003,"Operation":2,"Level":0,"User":"EXAMPLE\\jane"}]`))
	f.Fuzz(func(t *testing.T, format string, in []byte) {
		if !slices.Contains(collect.Formats(), format) {
			return
		}
		var first, second trail
		for _, s := range []*trail{&first, &second} {
			im := importer(t, s, collect.Options{Format: format, Account: "acc"})
			r, err := im.Import(t.Context(), "in", bytes.NewReader(in))
			if err == nil && r.Read != r.Accepted+r.Duplicates+r.Aside {
				t.Errorf("%+v does not add up", r)
			}
		}
		if diff := cmp.Diff(first.events, second.events); diff != "" {
			t.Errorf("importing twice gives other events (-first +second):\n%s", diff)
		}
	})
}
