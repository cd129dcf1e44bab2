package event_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"countersign/event"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeBodyUndoesAppendBody(t *testing.T) {
	r := seeded(t)
	for range 20_000 {
		n := randomEntry(r)
		b := event.AppendBody([]byte("x"), &n)[1:]
		got, err := event.DecodeBody(b)
		if err != nil {
			t.Fatalf("%v\n%x", err, b)
		}
		if d := cmp.Diff(n, got); d != "" {
			t.Fatalf("(-want +got)\n%s", d)
		}
	}
}

func TestBodyKeepsTheExtremes(t *testing.T) {
	full := randomEntry(seeded(t))
	full.Attributes = nil
	for i := range event.MaxAttributes {
		full.Attributes = append(full.Attributes, event.Attribute{Name: strings.Repeat("n", i+1), Value: ""})
	}
	for name, n := range map[string]event.Entry{
		"first and last moment":   {ReceivedAt: event.MinMicros, Event: event.Event{OccurredAt: event.MaxMicros}},
		"last and first moment":   {ReceivedAt: event.MaxMicros, Event: event.Event{OccurredAt: event.MinMicros}},
		"largest numbers":         {AccountSeq: event.NoPrev, AccountPrev: event.NoPrev - 1},
		"system fact":             {AccountSeq: event.NoPrev, AccountPrev: event.NoPrev},
		"64 attributes":           full,
		"raw of the largest size": {Event: event.Event{Raw: text(strings.Repeat("é", event.MaxEventBytes/2))}},
	} {
		got, err := event.DecodeBody(event.AppendBody(nil, &n))
		if d := cmp.Diff(n, got); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, d)
		}
	}
}

// The worked example of docs/format/body.md.
const (
	bodyExampleJSON = `{"id":"42","occurred_at":"2026-01-15T10:30:00Z","account":{"id":"a1"},"actor":{"name":"jane","type":"service"},` +
		`"action":"CREATE","resource":{"type":"USER","id":""},"outcome":"success","source":"my-ca","attributes":{"k":"v"}}`
	bodyExampleHex = "01304001" + "c0f5e4d0d69aa406" + "bf8db701" + "07" + "ad02" +
		"023432" + "026131" + "06435245415445" + "0455534552" + "056d792d6361" +
		"046a616e65" + "00" + "01016b0176"
)

func TestBodyIsTheDocumentedForm(t *testing.T) {
	e, err := event.Decode([]byte(bodyExampleJSON))
	if err != nil {
		t.Fatal(err)
	}
	n := event.Entry{Event: e, ReceivedAt: e.OccurredAt + 1_500_000, AccountSeq: 7, AccountPrev: 300}
	want, err := hex.DecodeString(bodyExampleHex)
	if err != nil {
		t.Fatal(err)
	}
	if got := event.AppendBody(nil, &n); !bytes.Equal(got, want) {
		t.Errorf("%x\nwant\n%x", got, want)
	}
}

func TestDecodeBodyRefuses(t *testing.T) {
	n := event.Entry{AccountPrev: event.NoPrev, Event: event.Event{
		ID: "i", Attributes: []event.Attribute{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}},
	}}
	good := event.AppendBody(nil, &n)
	// Where things lie in good.
	const version, bits, received, prev, id, attributes = 0, 1, 4, 7, 8, 14
	with := func(at int, b ...byte) []byte {
		return append(append(bytes.Clone(good[:at]), b...), good[at+len(b):]...)
	}
	replaced := func(at, n int, b ...byte) []byte { return append(append(bytes.Clone(good[:at]), b...), good[at+n:]...) }
	for _, tt := range []struct {
		name string
		body []byte
		want string
	}{
		{"nothing", nil, "byte 0: no bytes"},
		{"another version", with(version, 3), "version 3 is not known"},
		{"version 0", with(version, 0), "version 0 is not known"},
		{"only the version", good[:1], "too short"},
		{"unknown bit", with(bits+2, 1<<3), "unknown presence bits"},
		{"actor type 4", with(bits+1, 4<<5), "unknown actor type"},
		{"outcome 5", with(bits+2, 5), "unknown outcome"},
		{"padded number", replaced(received, 1, 0x80, 0), "byte 4: a number in more bytes than it needs"},
		{"number of 65 bits", replaced(prev, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2), "cut or too large"},
		{"cut number", append(bytes.Clone(good[:received]), 0x80), "cut or too large"},
		{"time too late", replaced(received, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), "a time outside"},
		{"text beyond the end", with(id, 200, 1), "byte 10: a text that goes beyond the end"},
		{"text of 2^63 bytes", replaced(id, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), "a text that goes beyond the end"},
		{"text that is not UTF-8", with(id+1, 0xff), "a text that is not UTF-8"},
		{"count beyond the end", with(attributes, 5), "more attributes than there can be"},
		{"129 attributes", append(replaced(attributes, 1, 0x81, 1), make([]byte, 300)...), "more attributes than there can be"},
		{"attributes out of order", with(attributes+2, 'c'), "attributes out of order"},
		{"attribute twice", with(attributes+2, 'b'), "attributes out of order"},
		{"byte at the end", append(bytes.Clone(good), 0), "bytes after the end"},
		{"cut", good[:len(good)-1], "beyond the end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := event.DecodeBody(tt.body)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it (%+v)", err, tt.want, got)
			}
		})
	}
	for i := range good {
		if _, err := event.DecodeBody(good[:i]); err == nil {
			t.Errorf("took the first %d bytes", i)
		}
	}
}

func TestAppendBodyPanicsOnWhatItCouldNotReadBack(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("wrote an outcome that is none")
		}
	}()
	event.AppendBody(nil, &event.Entry{Event: event.Event{Outcome: "maybe"}})
}

func FuzzDecodeBody(f *testing.F) {
	r := seeded(f)
	for range 20 {
		n := randomEntry(r)
		f.Add(event.AppendBody(nil, &n))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := event.DecodeBody(b)
		if err != nil {
			return
		}
		again := event.AppendBody(nil, &n)
		if !bytes.Equal(again, b) {
			t.Fatalf("a second body for the same entry\n%x\n%x", b, again)
		}
		twice, err := event.DecodeBody(again)
		if d := cmp.Diff(n, twice); d != "" || err != nil {
			t.Fatalf("%v (-first +again)\n%s", err, d)
		}
	})
}

func exampleEntry(tb testing.TB) event.Entry {
	e, err := event.Decode([]byte(example))
	if err != nil {
		tb.Fatal(err)
	}
	return event.Entry{Event: e, Seq: 1 << 20, ReceivedAt: e.OccurredAt + 250_000, RecordedBy: text("collector"), AccountSeq: 1 << 16, AccountPrev: 1<<20 - 9}
}

func BenchmarkAppendBody(b *testing.B) {
	n := exampleEntry(b)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = event.AppendBody(dst[:0], &n)
	}
	b.SetBytes(int64(len(dst)))
	b.ReportMetric(float64(len(dst)), "bytes/event")
	perSecond(b, 1, "events/s")
}

func BenchmarkDecodeBody(b *testing.B) {
	n := exampleEntry(b)
	body := event.AppendBody(nil, &n)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.DecodeBody(body); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b, 1, "events/s")
}
