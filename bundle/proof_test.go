package bundle_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"countersign/bundle"
	"countersign/event"
	"countersign/merkle"
)

var updateProofs = flag.Bool("update", false, "rewrite the proofs in testdata")

// proofSize is the size of the trail that proofs are made from; its entry proofFact is a system fact.
const (
	proofSize   = 13
	proofFact   = 5
	proofOrigin = "log.example.com/trail"
)

// fixedSigner returns the same key for the same number.
func fixedSigner(t testing.TB, origin string, n byte) *merkle.Signer {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	public := append([]byte{1}, ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)...)
	id := sha256.Sum256(append([]byte(origin+"\n"), public...))
	text := fmt.Sprintf("PRIVATE+KEY+%s+%x+%s\n", origin, id[:4], base64.StdEncoding.EncodeToString(append([]byte{1}, seed...)))
	var s merkle.Signer
	if err := s.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return &s
}

func trusted(t testing.TB, signers ...*merkle.Signer) merkle.Keys {
	var text strings.Builder
	for _, s := range signers {
		fmt.Fprintln(&text, s.VKey())
	}
	keys, err := merkle.ParseKeys([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// proofTrail is a small trail that is the same in every run.
type proofTrail struct {
	t       testing.TB
	signer  *merkle.Signer
	keys    merkle.Keys
	entries []event.Entry
	leaves  []merkle.Hash
}

func newProofTrail(t testing.TB) *proofTrail {
	l := &proofTrail{t: t, signer: fixedSigner(t, proofOrigin, 1)}
	l.keys = trusted(t, l.signer)
	for seq := range uint64(proofSize) {
		e := event.Entry{Seq: seq, AccountSeq: seq, AccountPrev: seq - 1, RecordedBy: event.TextOf("importer"), Event: event.Event{
			ID: fmt.Sprintf("id-%d", seq), Account: event.Account{ID: "a1", Name: event.TextOf("Zürich \"AG\"")},
			Actor: event.Actor{Type: event.ActorStandard, ID: event.TextOf("u7"), Name: event.TextOf("jane@example.com")}, Action: "LOGIN_ERROR",
			Resource: event.Resource{Type: "USER", Name: event.TextOf("")}, Outcome: event.OutcomeFailure, Source: "digicert-one/account-manager",
			Description: event.TextOf("Wrong\r\npassword\x1b[31m"), Raw: event.TextOf("<x/>"),
			Attributes: []event.Attribute{{Name: "after.b", Value: "1"}, {Name: "ticket", Value: "CHG-1042"}, {Name: "é", Value: ""}},
		}}
		if seq == proofFact {
			fact, err := event.NewFact(event.KindKey, `{"from":5,"key":"`+fixedSigner(t, proofOrigin, 2).VKey()+`"}`)
			if err != nil {
				t.Fatal(err)
			}
			e = fact
			e.Seq = seq
		}
		if seq%2 == 0 && e.Kind == event.KindEvent {
			e.Division.ID = event.TextOf("677793")
		}
		e.ReceivedAt = event.Micros(1768473001_500000 + seq)
		if e.OccurredAt = e.ReceivedAt; e.Kind == event.KindEvent {
			e.OccurredAt -= 1_500_000
		}
		l.add(e)
	}
	return l
}

func (l *proofTrail) seed(seq uint64) [32]byte {
	return event.EntrySeed(event.Block(sha256.Sum256([]byte("block"))), seq)
}

func (l *proofTrail) add(e event.Entry) {
	l.leaves = append(l.leaves, event.LeafHash(l.entry(&e)))
	l.entries = append(l.entries, e)
}

// entry returns the bytes that the tree holds of an entry that stands where it will.
func (l *proofTrail) entry(e *event.Entry) []byte {
	return e.Leaf(event.Root(l.seed(uint64(len(l.entries))), e))
}

func (l *proofTrail) checkpoint(size uint64, signers ...*merkle.Signer) merkle.Checkpoint {
	var edge merkle.Edge
	for _, leaf := range l.leaves[:size] {
		edge.Append(leaf)
	}
	c, err := merkle.Sign(proofOrigin, size, edge.Root(), signers...)
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

func (l *proofTrail) proof(seq, size uint64, open func([32]byte, *event.Entry) event.Opening) bundle.Proof {
	e := l.entries[seq]
	blocks := merkle.Blocks{Leaves: func(first uint64, n int) ([]merkle.Hash, error) { return l.leaves[first : first+uint64(n)], nil }}
	path, err := merkle.Inclusion(&blocks, seq, size)
	if err != nil {
		l.t.Fatal(err)
	}
	seed := l.seed(seq)
	return bundle.Proof{
		Entry: e.Leaf(event.Root(seed, &e)), Opening: open(seed, &e), Index: seq, Path: path, Checkpoint: l.checkpoint(size, l.signer),
	}
}

// noActor hides who it was.
func noActor(seed [32]byte, e *event.Entry) event.Opening {
	return event.OpenPart(seed, e, func(f byte) bool { return f != event.FieldActorID && f != event.FieldActorName })
}

var openers = map[string]func([32]byte, *event.Entry) event.Opening{
	"full": event.Open, "part": noActor, "frame": event.OpenFrame, "scope": event.OpenScope, "hashes": event.OpenHashes,
}

func TestEveryEntryIsProvenAtEverySize(t *testing.T) {
	l := newProofTrail(t)
	for size := uint64(1); size <= proofSize; size++ {
		for seq := range size {
			for name, open := range openers {
				p := l.proof(seq, size, open)
				back, err := bundle.ParseProof(p.Text())
				if diff := cmp.Diff(p, back, cmpopts.EquateEmpty()); err != nil || diff != "" {
					t.Fatalf("%s of %d in %d: read back as %v\n%s", name, seq, size, err, diff)
				}
				twin, err := bundle.ParseProofJSON(p.JSON())
				if diff := cmp.Diff(p, twin, cmpopts.EquateEmpty()); err != nil || diff != "" {
					t.Fatalf("%s of %d in %d: the twin is read back as %v\n%s", name, seq, size, err, diff)
				}
				if err := back.Verify(l.keys); err != nil {
					t.Fatalf("%s of %d in %d: %v", name, seq, size, err)
				}
			}
		}
	}
}

func TestProofShowsTheEntry(t *testing.T) {
	l := newProofTrail(t)
	for seq := range uint64(proofSize) {
		p := l.proof(seq, proofSize, event.Open)
		got, err := p.Shown()
		want := l.entries[seq]
		want.Raw = event.Text{}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("entry %d: %v\n%s", seq, err, diff)
		}
		p = l.proof(seq, proofSize, event.OpenHashes)
		got, err = p.Shown()
		want = event.Entry{Seq: seq, Kind: want.Kind, Statement: want.Statement}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("entry %d by its hashes: %v\n%s", seq, err, diff)
		}
	}
}

// mutations returns changed forms of good: each flipped bit, each byte left out, each byte twice, each cut.
func mutations(good []byte, yield func(what string, changed []byte)) {
	for i := range good {
		for bit := range 8 {
			changed := bytes.Clone(good)
			changed[i] ^= 1 << bit
			yield(fmt.Sprintf("bit %d of byte %d flipped", bit, i), changed)
		}
		yield(fmt.Sprintf("cut at %d", i), good[:i])
		yield(fmt.Sprintf("without byte %d", i), slices.Concat(good[:i], good[i+1:]))
		yield(fmt.Sprintf("byte %d twice", i), slices.Concat(good[:i+1], good[i:]))
	}
}

func TestEveryChangeOfAProofIsFound(t *testing.T) {
	l := newProofTrail(t)
	for name, p := range map[string]bundle.Proof{
		"full": l.proof(6, 7, event.Open), "part": l.proof(6, 13, noActor), "frame": l.proof(0, 2, event.OpenFrame),
		"scope": l.proof(3, 4, event.OpenScope), "hashes": l.proof(12, 13, event.OpenHashes), "fact": l.proof(proofFact, 13, event.Open),
	} {
		mutations(p.Text(), func(what string, changed []byte) {
			// A byte twice where the neighbour is the same, and then one less, is no change.
			q, err := bundle.ParseProof(changed)
			if err == nil && q.Verify(l.keys) == nil {
				t.Errorf("%s: %s: verified", name, what)
			}
		})
		mutations(p.JSON(), func(what string, changed []byte) {
			q, err := bundle.ParseProofJSON(changed)
			if err == nil && q.Verify(l.keys) == nil {
				t.Errorf("%s as JSON: %s: verified", name, what)
			}
		})
	}
}

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	l := newProofTrail(t)
	other := newProofTrail(t)
	other.signer = fixedSigner(t, proofOrigin, 9)
	forked := newProofTrail(t)
	forked.entries, forked.leaves = nil, nil
	for _, e := range l.entries {
		e.Actor.Name = event.TextOf("mallory@example.com")
		forked.add(e)
	}
	moved := newProofTrail(t)
	moved.entries, moved.leaves = moved.entries[:7], moved.leaves[:7]
	moved.add(l.entries[6]) // recorded again, with the frame of the first time

	of := func(change func(p *bundle.Proof)) bundle.Proof {
		p := l.proof(6, proofSize, event.Open)
		change(&p)
		return p
	}
	for _, c := range []struct {
		name  string
		proof bundle.Proof
		want  string
	}{
		{"signed by another key", other.proof(6, proofSize, event.Open), "no given key has signed it"},
		{"the neighbour's index", of(func(p *bundle.Proof) { p.Index++ }), "the path does not lead"},
		{"an index beyond the tree", of(func(p *bundle.Proof) { p.Index = proofSize }), "inclusion of 13 in a tree of 13"},
		{"a path without an end", of(func(p *bundle.Proof) { p.Path = p.Path[:2] }), "the path does not lead"},
		{"a path that goes on", of(func(p *bundle.Proof) { p.Path = append(p.Path, merkle.Hash{}) }), "the path does not lead"},
		{"another path", of(func(p *bundle.Proof) { p.Path[1][0]++ }), "the path does not lead"},
		{"an older checkpoint", of(func(p *bundle.Proof) { p.Checkpoint = l.checkpoint(12, l.signer) }), "the path does not lead"},
		{"a forked entry", of(func(p *bundle.Proof) { p.Entry = forked.proof(6, proofSize, event.Open).Entry }), "the path does not lead"},
		{"another entry's opening", of(func(p *bundle.Proof) { p.Opening = l.proof(7, proofSize, event.Open).Opening }), "not that of the entry"},
		{"another value", of(func(p *bundle.Proof) { p.Opening.Items[5].Value[0]++ }), "not that of the entry"},
		{"another seed", of(func(p *bundle.Proof) { p.Opening.Seed[0]++ }), "not that of the entry"},
		{"a field less", of(func(p *bundle.Proof) { p.Opening.Items = slices.Delete(p.Opening.Items, 4, 5) }), "not that of the entry"},
		{"an entry that was moved", moved.movedProof(), "the opening is that of entry 6"},
	} {
		err := c.proof.Verify(l.keys)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	p := other.proof(6, proofSize, event.Open)
	if err := p.Verify(l.keys); !errors.Is(err, merkle.ErrUntrusted) {
		t.Errorf("another key: %v", err)
	}
}

// movedProof proves the last entry, whose frame says that it is the 6th.
func (l *proofTrail) movedProof() bundle.Proof {
	last := uint64(len(l.entries) - 1)
	p := l.proof(last, last+1, event.Open)
	return p
}

func TestParseProofRefuses(t *testing.T) {
	l := newProofTrail(t)
	p := l.proof(6, proofSize, event.Open)
	good := string(p.Text())
	lines := strings.SplitAfter(good, "\n")
	extra, index, hash := lines[1], lines[2], lines[3]
	swap := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	short := func(b []byte) string { return "extra " + base64.StdEncoding.EncodeToString(b) + "\n" }
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                  {"", "the first line"},
		"another format":           {swap("@v1", "@v2"), "the first line"},
		"a byte order mark":        {"\ufeff" + good, "the first line"},
		"carriage returns":         {strings.ReplaceAll(good, "\n", "\r\n"), "the first line"},
		"no extra":                 {swap(extra, ""), "no line with the entry"},
		"an empty extra":           {swap(extra, "extra \n"), "the entry is cut"},
		"extra in two lines":       {swap(extra, extra[:50]+"\n"+extra[50:]), "index"},
		"extra that is not base64": {swap(extra, "extra *\n"), "not base64"},
		"a cut entry":              {swap(extra, short([]byte{0, 54, 1})), "the entry is cut"},
		"an entry of no version":   {swap(extra, short(append([]byte{0, 54}, make([]byte, 54)...))), "not an entry of version 1"},
		"no opening":               {swap(extra, short(append([]byte{0, 54}, p.Entry...))), "opening"},
		"no index":                 {swap(index, ""), "no line with the index"},
		"an index with a zero":     {swap(index, "index 06\n"), "one rendering"},
		"an index with a sign":     {swap(index, "index +6\n"), "not a number"},
		"an index below zero":      {swap(index, "index -6\n"), "not a number"},
		"an index above 63 bits":   {swap(index, "index 9223372036854775808\n"), "not a number"},
		"an index in hex":          {swap(index, "index 0x6\n"), "not a number"},
		"two blanks":               {swap("index ", "index  "), "not a number"},
		"index before extra":       {swap(extra+index, index+extra), "no line with the entry"},
		"a short hash":             {swap(hash, "AAAA\n"), "not a hash"},
		"a hash without padding":   {swap(hash, strings.ReplaceAll(hash, "=", "")), "not a hash"},
		"a hash with bits left":    {swap(hash, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n"), "one rendering"},
		"a path too long":          {swap(hash, strings.Repeat(hash, 63)), "more than 62 hashes"},
		"a blank after a hash":     {swap(hash, strings.TrimSpace(hash)+" \n"), "not a hash"},
		"no empty line":            {swap("\n\n", "\n"), "a line of the path is not a hash"},
		"two empty lines":          {swap("\n\n", "\n\n\n"), "checkpoint"},
		"no checkpoint":            {good[:strings.Index(good, "\n\n")+2], "checkpoint"},
		"more after the end":       {good + "\n", "checkpoint"},
		"too long":                 {good + strings.Repeat("x", bundle.MaxProofBytes), "the limit"},
	} {
		_, err := bundle.ParseProof([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestParseProofJSONRefuses(t *testing.T) {
	l := newProofTrail(t)
	p := l.proof(6, proofSize, event.Open)
	good := string(p.JSON())
	if _, err := bundle.ParseProofJSON([]byte(good + "\n")); err != nil {
		t.Errorf("a line end: %v", err)
	}
	swap := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                   {"", "not the JSON of a proof"},
		"null":                      {"null", "not an entry"},
		"the text form":             {string(p.Text()), "not the JSON of a proof"},
		"an unknown member":         {swap(`{`, `{"x":1,`), "not the JSON of a proof"},
		"a member twice":            {swap(`{`, `{"index":6,`), "not the JSON of a proof"},
		"another order":             {swap(`"index":6,`, "")[:len(good)-len(`"index":6,`)-1] + `,"index":6}`, "one rendering"},
		"upper case":                {swap(`"index"`, `"Index"`), "not the JSON of a proof"},
		"a blank":                   {swap(`:6`, `: 6`), "one rendering"},
		"a blank before":            {" " + good, "one rendering"},
		"two line ends":             {good + "\n\n", "one rendering"},
		"a carriage return":         {good + "\r\n", "one rendering"},
		"a number in another form":  {swap(`:6`, `:6.0`), "not the JSON of a proof"},
		"a number as text":          {swap(`:6`, `:"6"`), "not the JSON of a proof"},
		"a needless escape":         {swap(`"index"`, `"\u0069ndex"`), "one rendering"},
		"no claim level":            {swap(`,"claim_level":"A"`, ``), "one rendering"},
		"a higher claim":            {swap(`"A"}`, `"C"}`), "one rendering"},
		"no path":                   {good[:strings.Index(good, `"path"`)] + good[strings.Index(good, `"checkpoint"`):], "one rendering"},
		"a null path":               {good[:strings.Index(good, `[`)] + "null" + good[strings.Index(good, `]`)+1:], "one rendering"},
		"a short hash":              {swap(`"path":["`, `"path":["AAAA","`), "not 32 bytes"},
		"a path too long":           {swap(`"path":[`, `"path":[`+strings.Repeat(`"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",`, 60)), "more than 62"},
		"base64 in lines":           {swap(`"opening":"`, `"opening":"\n`), "not the JSON of a proof"},
		"base64 without padding":    {swap(`="],`, `"],`), "not the JSON of a proof"},
		"a checkpoint that is none": {swap(`"checkpoint":"log`, `"checkpoint":" log`), "checkpoint"},
		"more after the end":        {good + "{}", "not the JSON of a proof"},
		"too long":                  {good + strings.Repeat(" ", bundle.MaxProofBytes), "the limit"},
	} {
		_, err := bundle.ParseProofJSON([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// proofVectors are proofs that must be read and verified for ever.
func proofVectors(t testing.TB) map[string]bundle.Proof {
	l := newProofTrail(t)
	last := uint64(proofSize - 1)
	overlap := l.proof(last, proofSize, noActor)
	overlap.Checkpoint = l.checkpoint(proofSize, l.signer, fixedSigner(t, proofOrigin, 2))
	return map[string]bundle.Proof{
		"full": l.proof(6, 7, event.Open), "part": l.proof(6, proofSize, noActor), "frame": l.proof(0, proofSize, event.OpenFrame),
		"scope": l.proof(3, proofSize, event.OpenScope), "hashes": l.proof(7, proofSize, event.OpenHashes), "alone": l.proof(0, 1, event.Open),
		"fact": l.proof(proofFact, proofSize, event.Open), "fact-hashes": l.proof(proofFact, proofSize, event.OpenHashes), "overlap": overlap,
	}
}

const proofKeysFile = "testdata/proof/keys"

func TestProofVectors(t *testing.T) {
	files := map[string][]byte{proofKeysFile: []byte("# the trail of the proofs here\n" + fixedSigner(t, proofOrigin, 1).VKey() + "\n")}
	for name, p := range proofVectors(t) {
		files["testdata/proof/"+name+".tlog-proof"] = p.Text()
		files["testdata/proof/"+name+".json"] = append(p.JSON(), '\n')
	}
	for name, want := range files {
		if *updateProofs {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("proofs have changed, which they never may: %s differs from what the code makes", name)
		}
	}
	keys, err := merkle.ParseKeys(files[proofKeysFile])
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		var p bundle.Proof
		switch filepath.Ext(name) {
		case ".json":
			p, err = bundle.ParseProofJSON(b)
		case ".tlog-proof":
			p, err = bundle.ParseProof(b)
		default:
			continue
		}
		if err == nil {
			err = p.Verify(keys)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFormatPagesShowTheVectors(t *testing.T) {
	vector, err := os.ReadFile("testdata/proof/hashes.tlog-proof")
	if err != nil {
		t.Fatal(err)
	}
	for page, want := range map[string]string{"proof.md": string(vector), "keys.md": fixedSigner(t, proofOrigin, 1).VKey()} {
		text, err := os.ReadFile(filepath.Join("..", "docs", "format", page))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), want) {
			t.Errorf("%s does not show %s", page, want)
		}
	}
}

func FuzzProof(f *testing.F) {
	for _, p := range proofVectors(f) {
		f.Add(p.Text())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := bundle.ParseProof(text)
		if err == nil && !bytes.Equal(p.Text(), text) {
			t.Fatalf("%q was read as %q", text, p.Text())
		}
		holdProof(t, &p, err)
	})
}

func FuzzProofJSON(f *testing.F) {
	for _, p := range proofVectors(f) {
		f.Add(p.JSON())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := bundle.ParseProofJSON(b)
		if err == nil && !bytes.Equal(p.JSON(), bytes.TrimSuffix(b, []byte{'\n'})) {
			t.Fatalf("%q was read as %q", b, p.JSON())
		}
		holdProof(t, &p, err)
	})
}

// holdProof checks what holds of all that was read: it says the same in both forms, and only a true one verifies.
func holdProof(t *testing.T, p *bundle.Proof, err error) {
	if err != nil {
		return
	}
	text, errText := bundle.ParseProof(p.Text())
	twin, errTwin := bundle.ParseProofJSON(p.JSON())
	if errText != nil || errTwin != nil || !bytes.Equal(text.Text(), twin.Text()) {
		t.Fatalf("%+v: the two forms differ: %v, %v", p, errText, errTwin)
	}
	l := newProofTrail(t)
	if p.Verify(l.keys) == nil && !bytes.Equal(p.Entry, l.proof(p.Index, proofSize, event.OpenHashes).Entry) {
		t.Fatalf("verified: %+v", p)
	}
}

func BenchmarkVerifyProof(b *testing.B) {
	l := newProofTrail(b)
	p := l.proof(6, proofSize, event.Open)
	text := p.Text()
	b.ReportAllocs()
	for b.Loop() {
		p, err := bundle.ParseProof(text)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Verify(l.keys); err != nil {
			b.Fatal(err)
		}
	}
}
