package verify_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"countersign/bundle"
	"countersign/event"
	"countersign/internal/testkit"
	"countersign/merkle"
	"countersign/verify"
)

// proofOf returns the proof of an entry in the tree of the first size, opened as open says.
func proofOf(t testing.TB, trail *testkit.Trail, seq, size uint64, open func(seed [32]byte, e *event.Entry) event.Opening) bundle.Proof {
	t.Helper()
	e := &trail.Entries[seq]
	seed := trail.Seed(seq)
	path, err := merkle.Inclusion(trail.Tree(), seq, size)
	if err != nil {
		t.Fatal(err)
	}
	return bundle.Proof{Entry: e.Leaf(event.Root(seed, e)), Opening: open(seed, e), Index: seq, Path: path, Checkpoint: checkpoint(t, trail, size)}
}

func onlyActor(seed [32]byte, e *event.Entry) event.Opening {
	return event.OpenPart(seed, e, func(f byte) bool { return f <= event.FieldFrame || f == event.FieldActorType })
}

func TestProofsAreChecked(t *testing.T) {
	trail := newTrail(t, 11, 100)
	tests := []struct {
		name  string
		seq   uint64
		open  func([32]byte, *event.Entry) event.Opening
		claim string
		shows []string
		hides bool
	}{
		{"whole", 7, event.Open, "with the values shown", []string{"entry", "occurred_at", "id", "account_seq"}, false},
		{"in part", 7, onlyActor, "with the values shown", []string{"account.id", "action", "actor.type"}, true},
		{"frame", 7, event.OpenFrame, "with the values shown", []string{"action", "received_at"}, true},
		{"scope", 7, event.OpenScope, "with the values shown", []string{"account.id"}, true},
		{"hashes", 7, event.OpenHashes, "shows no value of it", []string{"entry"}, true},
		{"system fact", 39, event.Open, "this system fact", []string{"kind", "statement"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := proofOf(t, trail, tt.seq, 90, tt.open)
			for _, b := range [][]byte{p.Text(), p.JSON()} {
				r, err := verify.Proof(b, verify.Options{Keys: keysOf(t, trail)})
				if err != nil || !r.OK() || levels(r) != "A" || !strings.Contains(r.Claims[0].Text, tt.claim) || r.TreeSize != 90 || len(r.SignedBy) != 1 {
					t.Fatalf("%+v, %v", r, err)
				}
				var names []string
				for _, f := range r.Facts {
					names = append(names, f.Name)
				}
				for _, name := range tt.shows {
					if !slices.Contains(names, name) {
						t.Errorf("%s is not told of: %v", name, names)
					}
				}
				if tt.name == "scope" && slices.Contains(names, "occurred_at") || tt.name == "frame" && slices.Contains(names, "account.id") {
					t.Errorf("told of what is hidden: %v", names)
				}
				if hides := strings.Contains(strings.Join(r.Limits, " "), "are hidden"); hides != tt.hides {
					t.Errorf("limits %q", r.Limits)
				}
			}
		})
	}
}

func TestForgedProofsAreFoundAndNamed(t *testing.T) {
	trail := newTrail(t, 12, 100)
	stranger := newTrail(t, 12, 100)
	tests := []struct {
		name  string
		forge func(p *bundle.Proof)
		kind  verify.Kind
		what  string
	}{
		{"value", func(p *bundle.Proof) { p.Opening.Items[2].Value = []byte("42") }, verify.Changed, "a value, a salt or a commitment is another one"},
		{"seed", func(p *bundle.Proof) { p.Opening.Seed[0]++ }, verify.Changed, "a value, a salt"},
		{"index", func(p *bundle.Proof) { p.Index++ }, verify.WrongProof, "the path does not lead"},
		{"path", func(p *bundle.Proof) { p.Path[0][0]++ }, verify.WrongProof, "the path does not lead"},
		{"entry of another place", func(p *bundle.Proof) {
			q := proofOf(t, trail, 8, 90, event.Open)
			p.Entry, p.Opening = q.Entry, q.Opening
		}, verify.WrongProof, "the path does not lead"},
		{"another key", func(p *bundle.Proof) { p.Checkpoint = checkpoint(t, stranger, 90) }, verify.WrongKey, "no given key has signed it"},
		{"signature", func(p *bundle.Proof) { p.Checkpoint.Note = flipped(p.Checkpoint.Note, len(p.Checkpoint.Note)-10) }, verify.WrongKey, "not by the key that it names"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := proofOf(t, trail, 7, 90, event.Open)
			tt.forge(&p)
			r, err := verify.Proof(p.Text(), verify.Options{Keys: keysOf(t, trail)})
			if err != nil || len(r.Findings) != 1 || r.Findings[0].Kind != tt.kind || !strings.Contains(r.Findings[0].What, tt.what) || len(r.Claims) > 0 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// flipped returns b with another character of base64 in the place of the one at at.
func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	if b[at] == 'A' {
		b[at] = 'B'
	} else {
		b[at] = 'A'
	}
	return b
}

func TestEveryByteOfAProofIsHeldToItsPlace(t *testing.T) {
	trail := newTrail(t, 13, 50)
	p := proofOf(t, trail, 7, 50, onlyActor)
	for _, b := range [][]byte{p.Text(), p.JSON()} {
		for at := range b {
			for bit := range 8 {
				changed := bytes.Clone(b)
				changed[at] ^= 1 << bit
				if r, err := verify.Proof(changed, verify.Options{Keys: keysOf(t, trail)}); err == nil && r.OK() {
					t.Errorf("byte %d, bit %d: taken: %s", at, bit, changed)
				}
			}
		}
	}
}

func TestWhatIsNoProofIsNotChecked(t *testing.T) {
	trail := newTrail(t, 14, 1)
	for _, text := range []string{"", "hello", "{}"} {
		if _, err := verify.Proof([]byte(text), verify.Options{Keys: keysOf(t, trail)}); !errors.Is(err, verify.ErrNotChecked) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCheckpointsAreConnected(t *testing.T) {
	trail, fork := newTrail(t, 15, 300), newTrail(t, 16, 300)
	sign := func(x *testkit.Trail, size uint64) []byte {
		root, err := merkle.Root(x.Tree(), size)
		if err != nil {
			t.Fatal(err)
		}
		c, err := merkle.Sign(origin, size, root, trail.Signer)
		if err != nil {
			t.Fatal(err)
		}
		return c.Note
	}
	connect := func(x *testkit.Trail, from, to uint64) []byte {
		path, err := merkle.Consistency(x.Tree(), from, to)
		if err != nil {
			t.Fatal(err)
		}
		return (&bundle.Consistency{From: from, To: to, Path: path}).JSON()
	}
	stranger, err := merkle.NewSigner("example.com/other")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := merkle.Sign("example.com/other", 300, merkle.Hash{1}, stranger)
	if err != nil {
		t.Fatal(err)
	}
	// second goes on under another name.
	second := func(size uint64) []byte {
		root, err := merkle.Root(trail.Tree(), size)
		if err != nil {
			t.Fatal(err)
		}
		c, err := merkle.Sign("example.com/other", size, root, stranger)
		if err != nil {
			t.Fatal(err)
		}
		return c.Note
	}
	keys, err := merkle.ParseKeys([]byte(trail.Signer.VKey() + "\n" + stranger.VKey() + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name            string
		from, to, proof []byte
		kind            verify.Kind // "" for none
		what            string
	}{
		{"one trail", sign(trail, 100), sign(trail, 300), connect(trail, 100, 300), "", ""},
		{"from nothing", sign(trail, 0), sign(trail, 300), connect(trail, 0, 300), "", ""},
		{"the same", sign(trail, 100), sign(trail, 100), connect(trail, 100, 100), "", ""},
		{"another history", sign(fork, 100), sign(trail, 300), connect(trail, 100, 300), verify.Forked, "does not begin with"},
		{"another history of the same size", sign(fork, 300), sign(trail, 300), connect(trail, 300, 300), verify.Forked, "there are two histories"},
		{"rolled back", sign(trail, 300), sign(trail, 100), connect(trail, 100, 300), verify.RolledBack, "fewer than the older one"},
		{"proof of other sizes", sign(trail, 100), sign(trail, 300), connect(trail, 101, 300), verify.WrongProof, "it connects trees of 101 and 300"},
		{"proof changed", sign(trail, 100), sign(trail, 300), []byte(strings.Replace(string(connect(trail, 100, 300)), "A", "B", 1)), verify.Forked, "the proof is not theirs"},
		{"a trail with a new name", sign(trail, 100), second(300), connect(trail, 100, 300), "", ""},
		{"a new name for nothing", sign(trail, 0), second(300), connect(trail, 0, 300), verify.Forked, "of two trails"},
		{"two names for one tree", sign(trail, 300), second(300), connect(trail, 300, 300), verify.Forked, "of two trails"},
		{"two trails", sign(trail, 100), elsewhere.Note, connect(trail, 100, 300), verify.Forked, "of two trails"},
		{"not signed", withSignatureOf(sign(trail, 100), sign(trail, 300)), sign(trail, 300), connect(trail, 100, 300), verify.WrongKey, "the older checkpoint"},
		{"no checkpoint", []byte("x"), sign(trail, 300), connect(trail, 100, 300), verify.Malformed, "the older checkpoint"},
		{"no proof", sign(trail, 100), sign(trail, 300), []byte("x"), verify.Malformed, "the consistency proof"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := verify.Consistency(tt.from, tt.to, tt.proof, verify.Options{Keys: keys})
			if err != nil {
				t.Fatal(err)
			}
			if tt.kind == "" {
				if !r.OK() || levels(r) != "A" {
					t.Errorf("%+v", r)
				}
				return
			}
			if r.OK() || len(r.Claims) > 0 || r.Findings[0].Kind != tt.kind || !strings.Contains(r.Findings[0].Where+r.Findings[0].What, tt.what) {
				t.Errorf("%+v", r.Findings)
			}
		})
	}
}

func FuzzProof(f *testing.F) {
	trail := newTrail(f, 17, 50)
	p := proofOf(f, trail, 7, 50, onlyActor)
	f.Add(p.Text())
	f.Add(p.JSON())
	keys := keysOf(f, trail)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := verify.Proof(b, verify.Options{Keys: keys})
		if err == nil && r.OK() && !bytes.Equal(b, p.Text()) && !bytes.Equal(bytes.TrimSuffix(b, []byte{'\n'}), p.JSON()) {
			t.Errorf("taken: %q", b)
		}
	})
}

// withSignatureOf returns a checkpoint with the signatures of another one.
func withSignatureOf(note, other []byte) []byte {
	text, _, _ := bytes.Cut(note, []byte("\n\n"))
	_, signatures, _ := bytes.Cut(other, []byte("\n\n"))
	return slices.Concat(text, []byte("\n\n"), signatures)
}
