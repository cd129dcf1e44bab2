package keyfactor_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"countersign/collect/keyfactor"
	"countersign/collect/records"
	dialect "countersign/dialect/keyfactor"
	"countersign/event"
	"countersign/internal/dialecttest"
	"countersign/internal/testkit"
	"countersign/merkle"
	"countersign/verify"
)

func (f *fixture) publish(t testing.TB) {
	t.Helper()
	if _, err := f.trail.PublishNow(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// keys are the keys of the trail, as somebody got them elsewhere.
func (f *fixture) keys(t testing.TB) merkle.Keys {
	t.Helper()
	text := ""
	for _, k := range f.trail.Keys() {
		text += k.VKey + "\n"
	}
	keys, err := merkle.ParseKeys([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestASignatureIsTheSameForEveryReaderAndProvesTheEntry(t *testing.T) {
	f := setUp(t)
	f.fill(t, 300)
	all := func(token string) []row {
		rows, _ := f.list(t, token, "ReturnLimit=1000")
		return rows
	}
	for _, s := range all("admin") {
		if s.Signature != nil {
			t.Fatalf("entry %d is signed before anything is published", s.ID)
		}
	}
	f.publish(t)
	first := all("admin")
	for range 3 {
		f.trailGrows(t)
		f.publish(t)
	}
	f.trailGrows(t)
	keys := f.keys(t)
	for _, token := range []string{"admin", "viewer", "both"} {
		rows := all(token)
		for i, s := range first {
			if s.Signature == nil || *rows[i].Signature != *s.Signature {
				t.Fatalf("%s sees another signature of entry %d", token, s.ID)
			}
		}
		if last := rows[len(rows)-1]; last.Signature != nil {
			t.Errorf("entry %d is signed though nothing published holds it", last.ID)
		}
	}
	for _, s := range first {
		p := proofOf(t, *s.Signature)
		// As `countersign verify` does.
		if report, err := verify.Proof(p.Text(), verify.Options{Keys: keys}); err != nil || !report.OK() {
			t.Errorf("entry %d: %v, %+v", s.ID, err, report)
		}
		if p.Index != uint64(s.ID-1) || p.Checkpoint.Size != uint64(len(first)) {
			t.Errorf("entry %d: index %d of %d", s.ID, p.Index, p.Checkpoint.Size)
		}
		for _, item := range p.Opening.Items {
			if item.Shown {
				t.Errorf("entry %d: the signature shows a value", s.ID)
			}
		}
		if strings.Contains(string(p.Text()), "user ") {
			t.Errorf("entry %d: the signature holds a value", s.ID)
		}
	}
}

// trailGrows records one more event.
func (f *fixture) trailGrows(t testing.TB) {
	t.Helper()
	e := made(int(f.trail.Size())+1_000_000, noon)
	dialecttest.Record(t, f.trail, e)
}

// What is rendered as the vendor's XML is read back by the reader of the vendor's records.
func TestStatesComeBackFromTheirMessage(t *testing.T) {
	e := event.Event{
		Action: "UPDATE", Resource: event.Resource{Type: "CERTIFICATE_QUERY"}, Outcome: event.OutcomeSuccess, Source: "example",
		Attributes: []event.Attribute{
			{Name: "after.KeyRetention", Value: "3"}, {Name: "after.List", Value: "PFX Enrollment\nCSR & <more>"}, {Name: "after.Same", Value: "  \"x\"\t"},
			{Name: "before.KeyRetention", Value: "4"}, {Name: "before.Same", Value: "  \"x\"\t"}, {Name: "ticket", Value: "CHG-1"},
		},
	}
	message := dialect.Message(&e).Value
	if !strings.HasPrefix(message, "<AuditAction><ModelState><CertificateQuery><KeyRetention>3</KeyRetention>") {
		t.Errorf("message %s", message)
	}
	raw := `{"Id":1,"Timestamp":"2025-03-04T15:16:17Z","Category":2004,"Operation":2,"Level":0,"Message":` + string(quoted(message)) + `}`
	back, err := keyfactor.Read([]byte(raw), records.Options{Account: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	var got []event.Attribute
	for _, a := range back.Attributes {
		if strings.HasPrefix(a.Name, "after.") || strings.HasPrefix(a.Name, "before.") {
			got = append(got, a)
		}
	}
	want := e.Attributes[:5]
	if len(got) != len(want) {
		t.Fatalf("read %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("read %v, want %v", got[i], want[i])
		}
	}
}

func quoted(s string) []byte {
	h := dialect.New(dialect.Deps{Trail: unpublished{}})
	e := &event.Entry{Event: event.Event{Resource: event.Resource{Name: event.TextOf(s)}}}
	b, _ := h.AppendRow(nil, e)
	_, rest, _ := strings.Cut(string(b), `"AuditIdentifier":`)
	text, _, _ := strings.Cut(rest, `,"ImmutableIdentifier"`)
	return []byte(text)
}

// Whatever an event holds, its message is XML that every reader takes.
func TestEveryMessageIsWellFormed(t *testing.T) {
	r := seeded(t)
	for range 20_000 {
		e := testkit.Random(r)
		if e.Attribute(event.AttrKeyfactorMessage).Present {
			continue
		}
		checkXML(t, dialect.Message(&e))
	}
	for _, text := range []string{"", "\x00\x1f\x7f", "\u2028\ufffe\uffff", "]]>", "<!--", "\r\n\t", "\U0010FFFF", "&amp;"} {
		checkXML(t, dialect.Message(&event.Event{
			Resource: event.Resource{Type: "X", ID: event.TextOf(text)}, Description: event.TextOf(text), Detail: event.TextOf(text),
			Attributes: []event.Attribute{{Name: text, Value: text}, {Name: "after." + text, Value: text}},
		}))
	}
}

func checkXML(t *testing.T, message event.Text) {
	t.Helper()
	if !message.Present {
		return
	}
	d := xml.NewDecoder(strings.NewReader(message.Value))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v: %q", err, message.Value)
		}
	}
}

func TestNamesOfElements(t *testing.T) {
	for s, want := range map[string]string{
		"role": "role", "e mail": "e_x0020_mail", "1st": "_x0031_st", "a1": "a1", "-a": "_x002D_a", "a-b.c_d": "a-b.c_d", "a:b": "a_x003A_b",
		"": "_x0000_", "Zoë": "Zoë", "日": "_x65E5_", "\U0001f600": "_x0001F600_", "_x0020_": "_x005F_x0020_", "_x": "_x", "a_xyz": "a_xyz", "×": "_x00D7_",
	} {
		if got := dialect.ElementName(s); got != want {
			t.Errorf("%q is %s, want %s", s, got, want)
		}
	}
}

func TestWordsAreTakenApart(t *testing.T) {
	for s, want := range map[string]string{
		"CertificateQuery": "Certificate Query", "Certificate": "Certificate", "ADIdentityModel": "AD Identity Model", "SshUser": "Ssh User", "Key": "Key",
		"Expiration Alert Definition Context Model": "Expiration Alert Definition Context Model", "BRAND_NEW": "BRAND_NEW", "": "", "ÄÖx": "Ä Öx",
	} {
		if got := dialect.Spaced(s); got != want {
			t.Errorf("%q is %q, want %q", s, got, want)
		}
	}
}

// FuzzMessage: any text in any place is XML, and a name that only it has.
func FuzzMessage(f *testing.F) {
	f.Add("after.a b", "x<y", "]]>")
	f.Add("_x0020_", "\x00", "\xff")
	f.Fuzz(func(t *testing.T, name, value, text string) {
		if !utf8.ValidString(name + value + text) {
			return // the event's decoder has refused it
		}
		checkXML(t, dialect.Message(&event.Event{
			Resource: event.Resource{Type: "USER", Name: event.TextOf(text)}, Description: event.TextOf(text),
			Attributes: []event.Attribute{{Name: name, Value: value}},
		}))
	})
}
