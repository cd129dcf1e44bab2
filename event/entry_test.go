package event_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"countersign/event"
)

var update = flag.Bool("update", false, "rewrite testdata/entry-v1.json")

const vectorsFile = "testdata/entry-v1.json"

// vector is one entry with every step from its block seed to its leaf hash. The numbers that 64 bits need
// are texts, since JSON readers round them. docs/entry_v1.py recomputes it all.
type vector struct {
	Name        string          `json:"name"`
	Kind        byte            `json:"kind"`
	Block       string          `json:"block"`
	Seq         string          `json:"seq"`
	ReceivedUS  string          `json:"received_us"`
	OccurredUS  string          `json:"occurred_us"`
	AccountSeq  string          `json:"account_seq"`
	AccountPrev string          `json:"account_prev"`
	RecordedBy  *string         `json:"recorded_by,omitempty"`
	Event       json.RawMessage `json:"event,omitempty"`
	Statement   string          `json:"statement,omitempty"`
	Seed        string          `json:"seed"`
	Fields      []vectorField   `json:"fields"`
	List        string          `json:"p"`
	Root        string          `json:"r"`
	Entry       string          `json:"entry"`
	Leaf        string          `json:"leaf"`
}

type vectorField struct {
	Field      byte   `json:"f"`
	Value      string `json:"v"`
	Salt       string `json:"s"`
	Commitment string `json:"c"`
}

// subject is what a vector is made from.
type subject struct {
	name      string
	kind      byte
	statement string
	entry     event.Entry
}

func subjects(t *testing.T) []subject {
	base := func(seq uint64, change func(*event.Entry)) event.Entry {
		n := event.Entry{Seq: seq, ReceivedAt: 1768473001_500000, AccountSeq: 7, AccountPrev: seq - 3, Event: event.Event{
			ID: "42", OccurredAt: 1768473000_123456, Account: event.Account{ID: "a1"}, Actor: event.Actor{Type: "standard"},
			Action: "CREATE", Resource: event.Resource{Type: "USER"}, Outcome: "success", Source: "my-ca",
		}}
		change(&n)
		return n
	}
	same := func(*event.Entry) {}
	full := func(n *event.Entry) {
		seq := n.Seq
		*n = exampleEntry(t)
		n.Seq, n.Raw = seq, text(`{"id":"8d1c"}`)
	}
	fact := func(seq uint64) event.Entry {
		return event.Entry{
			Seq: seq, ReceivedAt: 1768473001_500000, AccountSeq: event.NoPrev, AccountPrev: event.NoPrev,
			Event: event.Event{OccurredAt: 1768473001_500000},
		}
	}
	return []subject{
		{name: "nothing that may be absent", entry: base(1000, same)},
		{name: "everything", entry: base(1001, full)},
		{name: "empty texts in place of absent ones", entry: base(1002, func(n *event.Entry) {
			e := text("")
			n.Account.Name, n.Division.Name, n.Actor.ID, n.Actor.Name, n.Resource.ID, n.Resource.Name = e, e, e, e, e, e
			n.Description, n.Detail, n.Client.IP, n.Client.Country, n.RecordedBy, n.Raw = e, e, e, e, e, e
		})},
		{name: "outside ASCII", entry: base(1003, func(n *event.Entry) {
			n.ID, n.Account.ID, n.Division.ID = "日本-1", "Zürich", text("Ελλάδα")
			n.Actor.Name, n.Resource.Name = text("e\u0301 is not é"), text("😀")
		})},
		{name: "CR LF and control characters", entry: base(1004, func(n *event.Entry) {
			n.Description, n.Detail = text("first\r\nsecond\n"), text("\x00\x01\t\x7f\u2028")
			n.Raw = text("<AuditAction>\r\n  <ModelState/>\r\n</AuditAction>\r\n")
		})},
		{name: "64 attributes", entry: base(1005, func(n *event.Entry) {
			for i := range event.MaxAttributes {
				n.Attributes = append(n.Attributes, event.Attribute{Name: fmt.Sprintf("attribute.%02d", i), Value: strings.Repeat("v", i)})
			}
		})},
		{name: "attributes in byte order", entry: base(1006, func(n *event.Entry) {
			n.Attributes = []event.Attribute{{Name: "Z", Value: ""}, {Name: "a", Value: "1"}, {Name: "ab", Value: "2"}, {Name: "é", Value: "3"}}
		})},
		{name: "first of all", entry: base(0, func(n *event.Entry) { n.AccountSeq, n.AccountPrev = 0, event.NoPrev })},
		{name: "last of a block", entry: base(255, same)},
		{name: "first of a block", entry: base(256, same)},
		{name: "largest seq", entry: base(1<<63-1, same)},
		{name: "first of its account", entry: base(1007, func(n *event.Entry) { n.AccountSeq, n.AccountPrev = 0, event.NoPrev })},
		{name: "a division", entry: base(1008, func(n *event.Entry) { n.Division.ID, n.Division.Name = text("677793"), text("EMEA") })},
		{name: "before 1970", entry: base(1009, func(n *event.Entry) { n.OccurredAt = event.MinMicros })},
		{name: "longest id and codes", entry: base(1010, func(n *event.Entry) {
			n.ID, n.Account.ID, n.Division.ID = long(512), long(256), text(long(256))
			n.Action, n.Resource.Type, n.Source = code(64), code(64), long(64)
		})},
		{name: "long text", entry: base(1011, func(n *event.Entry) { n.Detail, n.Raw = text(strings.Repeat("0123456789", 300)), text(long(5000)) })},
		{name: "a key", kind: event.KindKey, entry: fact(1012), statement: `{"key":"countersign.example+6f4c","not_before":1768473001}`},
		{name: "an erasure", kind: event.KindErasure, entry: fact(1013), statement: `{"fields":[5,6],"from":17,"to":17}`},
	}
}

func makeVector(s *subject) vector {
	n := &s.entry
	block := event.Block(sha256.Sum256([]byte("block of " + s.name)))
	seed := event.EntrySeed(block, n.Seq)
	c := event.Commit(seed, n)
	root := c.Root()
	entry := event.EntryBytes(s.kind, root, []byte(s.statement))
	leaf := event.LeafHash(entry)
	v := vector{
		Name: s.name, Kind: s.kind, Block: hex.EncodeToString(block[:]), Seq: fmt.Sprint(n.Seq),
		ReceivedUS: fmt.Sprint(int64(n.ReceivedAt)), OccurredUS: fmt.Sprint(int64(n.OccurredAt)),
		AccountSeq: fmt.Sprint(n.AccountSeq), AccountPrev: fmt.Sprint(n.AccountPrev), Statement: s.statement,
		Seed: hex.EncodeToString(seed[:]), List: hex.EncodeToString(c.List[:]), Root: hex.EncodeToString(root[:]),
		Entry: hex.EncodeToString(entry), Leaf: hex.EncodeToString(leaf[:]),
	}
	if n.RecordedBy.Present {
		v.RecordedBy = &n.RecordedBy.Value
	}
	if s.kind == event.KindEvent {
		v.Event = event.AppendJSON(nil, &n.Event)
	}
	for f := range 256 {
		value, ok := n.AppendField(nil, byte(f))
		if !ok {
			continue
		}
		salt := event.Salt(seed, byte(f))
		com := event.Commitment(salt, byte(f), value)
		v.Fields = append(v.Fields, vectorField{
			Field: byte(f), Value: hex.EncodeToString(value), Salt: hex.EncodeToString(salt[:]), Commitment: hex.EncodeToString(com[:]),
		})
	}
	return v
}

func TestEntryVectors(t *testing.T) {
	var vectors []vector
	for _, s := range subjects(t) {
		if s.kind == event.KindEvent {
			if err := s.entry.Validate(); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
		}
		vectors = append(vectors, makeVector(&s))
	}
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(map[string]any{"format": "countersign/entry/v1", "vectors": vectors}); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(vectorsFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("entry v1 has changed, which it never may: %s differs from what the code makes", vectorsFile)
	}
}

// The independent script must agree with the vectors, and must notice any change in one.
func TestPythonReproducesTheVectors(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("NOT TESTED: python3 is missing, so entry v1 was not recomputed independently")
	}
	script := filepath.Join("..", "docs", "entry_v1.py")
	out, err := exec.CommandContext(t.Context(), python, script, vectorsFile).CombinedOutput()
	if err != nil || !bytes.HasPrefix(out, []byte("OK")) {
		t.Fatalf("%v\n%s", err, out)
	}

	good, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"seed", "v", "s", "c", "p", "r", "entry", "leaf"} {
		bad := filepath.Join(t.TempDir(), "bad.json")
		if err := os.WriteFile(bad, flipHex(t, good, step), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), python, script, bad).CombinedOutput()
		exit, _ := err.(*exec.ExitError)
		if exit == nil || exit.ExitCode() != 1 || !bytes.Contains(out, []byte("DIFFERENT")) {
			t.Errorf("a changed %s: %v\n%s", step, err, out)
		}
	}
}

// flipHex changes one digit of the last value of the member.
func flipHex(t *testing.T, file []byte, member string) []byte {
	i := bytes.LastIndex(file, []byte(`"`+member+`": "`))
	if i < 0 {
		t.Fatalf("no member %q", member)
	}
	out := bytes.Clone(file)
	digit := &out[i+len(member)+len(`"": "`)]
	if *digit == '0' {
		*digit = '1'
	} else {
		*digit = '0'
	}
	return out
}

func TestFormatPageShowsTheFirstVector(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "format", "entry.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := subjects(t)[0]
	v := makeVector(&s)
	shown := []string{v.Block, v.Seq, v.ReceivedUS, v.OccurredUS, v.Seed, v.List, v.Root, v.Entry, v.Leaf}
	for _, f := range v.Fields {
		shown = append(shown, f.Value, f.Salt, f.Commitment)
	}
	for _, s := range shown {
		if !bytes.Contains(page, []byte(s)) {
			t.Errorf("the page does not show %s", s)
		}
	}
}

// Commit takes a shorter way than the public steps that the vectors are made with.
func TestCommitAgreesWithItsSteps(t *testing.T) {
	r := seeded(t)
	for range 2000 {
		n := randomEntry(r)
		n.Seq = r.Uint64()
		seed := event.EntrySeed(event.Block(sha256.Sum256([]byte(n.ID))), n.Seq)
		list := []byte("cs/list/1")
		var want event.Commitments
		for f := range 256 {
			value, ok := n.AppendField(nil, byte(f))
			if !ok {
				continue
			}
			if f > int(n.LastField()) {
				t.Fatalf("field %d is above the last, %d", f, n.LastField())
			}
			c := event.Commitment(event.Salt(seed, byte(f)), byte(f), value)
			switch f {
			case event.FieldScope:
				want.Scope = c
			case event.FieldFrame:
				want.Frame = c
			default:
				list = append(append(list, byte(f)), c[:]...)
			}
		}
		want.List = sha256.Sum256(list)
		if got := event.Commit(seed, &n); got != want {
			t.Fatalf("%x, want %x (%+v)", got, want, n)
		}
		if event.Root(seed, &n) != want.Root() {
			t.Fatal("Root differs from Commit's")
		}
	}
}

// Each field must have a share in the root, and absent must differ from empty.
func TestRootSeesEveryChange(t *testing.T) {
	var seed [32]byte
	base := exampleEntry(t)
	base.Raw, base.Attributes = text("r"), []event.Attribute{{Name: "k", Value: "v"}}
	seen := map[[32]byte]string{event.Root(seed, &base): "nothing"}
	change := func(name string, f func(*event.Entry)) {
		n := base
		n.Attributes = append([]event.Attribute(nil), base.Attributes...)
		f(&n)
		root := event.Root(seed, &n)
		if other, ok := seen[root]; ok {
			t.Errorf("changes of %s and %s have one root", name, other)
		}
		seen[root] = name
	}
	change("seq", func(n *event.Entry) { n.Seq++ })
	change("received_at", func(n *event.Entry) { n.ReceivedAt++ })
	change("occurred_at", func(n *event.Entry) { n.OccurredAt++ })
	change("account_seq", func(n *event.Entry) { n.AccountSeq++ })
	change("account_prev", func(n *event.Entry) { n.AccountPrev++ })
	change("id", func(n *event.Entry) { n.ID += "x" })
	change("account.id", func(n *event.Entry) { n.Account.ID += "x" })
	change("actor.type", func(n *event.Entry) { n.Actor.Type = event.ActorSystem })
	change("action", func(n *event.Entry) { n.Action += "X" })
	change("resource.type", func(n *event.Entry) { n.Resource.Type += "X" })
	change("outcome", func(n *event.Entry) { n.Outcome = event.OutcomeUnknown })
	change("source", func(n *event.Entry) { n.Source += "x" })
	change("attribute name", func(n *event.Entry) { n.Attributes[0].Name = "kv" })
	change("attribute value", func(n *event.Entry) { n.Attributes[0].Value = "" })
	change("no attribute", func(n *event.Entry) { n.Attributes = nil })
	for i := range textsOf(&base) {
		change("text "+strconv.Itoa(i), func(n *event.Entry) { textsOf(n)[i].Value += "x" })
		change("empty text "+strconv.Itoa(i), func(n *event.Entry) { *textsOf(n)[i] = text("") })
		change("absent text "+strconv.Itoa(i), func(n *event.Entry) { *textsOf(n)[i] = event.Text{} })
	}
}

func textsOf(n *event.Entry) []*event.Text {
	return []*event.Text{
		&n.Account.Name, &n.Division.ID, &n.Division.Name, &n.Actor.ID, &n.Actor.Name, &n.Resource.ID, &n.Resource.Name,
		&n.Description, &n.Detail, &n.Client.IP, &n.Client.Country, &n.RecordedBy, &n.Raw,
	}
}

func TestEntrySeedsOfABlockDiffer(t *testing.T) {
	b := event.Block(sha256.Sum256([]byte("block")))
	seen := map[[32]byte]uint64{}
	for seq := range uint64(event.BlockEntries) {
		s := event.EntrySeed(b, seq)
		if other, ok := seen[s]; ok {
			t.Errorf("seq %d and %d share a seed", seq, other)
		}
		seen[s] = seq
		if event.EntrySeed(b, seq+event.BlockEntries) != s {
			t.Errorf("seq %d: more than the low 8 bits count", seq)
		}
	}
}

func TestEntryBytesPanicsOnWhatNoReaderTakes(t *testing.T) {
	for name, f := range map[string]func(){
		"a statement for an event": func() { event.EntryBytes(event.KindEvent, [32]byte{}, []byte("{}")) },
		"a fact without one":       func() { event.EntryBytes(event.KindKey, [32]byte{}, nil) },
		"an unknown kind":          func() { event.EntryBytes(7, [32]byte{}, []byte("{}")) },
		"a long statement":         func() { event.EntryBytes(event.KindKey, [32]byte{}, make([]byte, event.MaxStatementBytes+1)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: made", name)
				}
			}()
			f()
		}()
	}
	if n := len(event.EntryBytes(event.KindEvent, [32]byte{}, nil)); n != 54 {
		t.Errorf("an event's entry has %d bytes, want 54", n)
	}
}

func BenchmarkRoot(b *testing.B) {
	n := exampleEntry(b)
	var block event.Block
	b.ReportAllocs()
	for b.Loop() {
		event.Root(event.EntrySeed(block, n.Seq), &n)
	}
	perSecond(b, 1, "events/s")
}

func BenchmarkLeafHash(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		event.LeafHash(event.EntryBytes(event.KindEvent, [32]byte{}, nil))
	}
}
