package verify_test

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"slices"
	"testing"

	"countersign/bundle"
	"countersign/event"
	"countersign/merkle"
	"countersign/verify"
)

// proofs tampers with the proof of a random event, opened in a random way.
func proofs(tamper func(t testing.TB, r *rand.Rand, w *world, p *bundle.Proof)) func(testing.TB, *rand.Rand, *world) (*verify.Report, error) {
	return func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
		p := w.proof(t, r)
		tamper(t, r, w, &p)
		return w.checkProof(r, &p, func(b []byte) []byte { return b })
	}
}

func (w *world) checkProof(r *rand.Rand, p *bundle.Proof, change func([]byte) []byte) (*verify.Report, error) {
	b := p.Text()
	if r.IntN(2) == 0 {
		b = p.JSON()
	}
	return verify.Proof(change(b), verify.Options{Keys: w.keys})
}

func (w *world) proof(t testing.TB, r *rand.Rand) bundle.Proof {
	t.Helper()
	events := w.events()
	seq := events[r.IntN(len(events))]
	path, err := w.trail.Inclusion(seq, w.newest.Size)
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.trail.EntryBytes(seq)
	if err != nil {
		t.Fatal(err)
	}
	seed, _ := w.trail.Seed(seq)
	p := bundle.Proof{Entry: b, Index: seq, Path: path, Checkpoint: w.newest}
	if e := &w.entries[seq]; r.IntN(2) == 0 {
		p.Opening = event.Open(seed, e)
	} else {
		p.Opening = event.OpenPart(seed, e, func(f byte) bool { return f <= event.FieldActorType })
	}
	return p
}

// bytesTampered tampers with the bytes of a proof.
func bytesTampered(change func(r *rand.Rand, b []byte) []byte) func(testing.TB, *rand.Rand, *world) (*verify.Report, error) {
	return func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
		p := w.proof(t, r)
		return w.checkProof(r, &p, func(b []byte) []byte { return change(r, b) })
	}
}

// shownItem returns a random field that is shown.
func shownItem(r *rand.Rand, o *event.Opening) *event.OpeningItem {
	for {
		if item := &o.Items[r.IntN(len(o.Items))]; item.Shown {
			return item
		}
	}
}

var proofTamperings = []tampering{
	{name: "proof: a value edited", kinds: []verify.Kind{verify.Changed},
		do: proofs(func(_ testing.TB, r *rand.Rand, _ *world, p *bundle.Proof) {
			item := shownItem(r, &p.Opening)
			item.Value = append(slices.Clone(item.Value), 'x')
		})},
	{name: "proof: a salt or seed altered", kinds: []verify.Kind{verify.Changed},
		do: proofs(func(_ testing.TB, r *rand.Rand, _ *world, p *bundle.Proof) {
			if p.Opening.Form == event.FullOpening {
				p.Opening.Seed[r.IntN(32)]++
				return
			}
			shownItem(r, &p.Opening).Salt[r.IntN(16)]++
		})},
	{name: "proof: a field hidden as if it were erased", do: proofs(func(_ testing.TB, r *rand.Rand, _ *world, p *bundle.Proof) {
		item := shownItem(r, &p.Opening)
		*item = event.OpeningItem{Field: item.Field, Commitment: [32]byte{1}}
	})},
	{name: "proof: a field left out", do: proofs(func(_ testing.TB, r *rand.Rand, _ *world, p *bundle.Proof) {
		i := 2 + r.IntN(len(p.Opening.Items)-2)
		p.Opening.Items = slices.Delete(p.Opening.Items, i, i+1)
	})},
	{name: "proof: another place stated", kinds: []verify.Kind{verify.WrongProof},
		do: proofs(func(_ testing.TB, r *rand.Rand, w *world, p *bundle.Proof) {
			p.Index = (p.Index + 1 + r.Uint64N(w.newest.Size-1)) % w.newest.Size
		})},
	{name: "proof: the path altered", kinds: []verify.Kind{verify.WrongProof},
		do: proofs(func(_ testing.TB, r *rand.Rand, _ *world, p *bundle.Proof) {
			i := r.IntN(len(p.Path))
			switch p.Path = slices.Clone(p.Path); r.IntN(3) {
			case 0:
				p.Path[i][r.IntN(32)]++
			case 1:
				p.Path = slices.Delete(p.Path, i, i+1)
			default:
				p.Path = slices.Insert(p.Path, i, p.Path[i])
			}
		})},
	{name: "proof: of another entry", kinds: []verify.Kind{verify.WrongProof},
		do: proofs(func(t testing.TB, r *rand.Rand, w *world, p *bundle.Proof) {
			q := w.proof(t, r)
			for q.Index == p.Index {
				q = w.proof(t, r)
			}
			p.Entry, p.Opening = q.Entry, q.Opening
		})},
	{name: "proof: an old checkpoint put in its place", do: proofs(func(_ testing.TB, _ *rand.Rand, w *world, p *bundle.Proof) { p.Checkpoint = w.older })},
	{name: "proof: signed with another key", kinds: []verify.Kind{verify.WrongKey},
		do: proofs(func(t testing.TB, _ *rand.Rand, w *world, p *bundle.Proof) { p.Checkpoint = w.resign(t, p.Checkpoint) })},
	{name: "proof: a made-up entry under a made-up root", kinds: []verify.Kind{verify.WrongKey},
		do: proofs(func(t testing.TB, r *rand.Rand, w *world, p *bundle.Proof) {
			e := w.entries[p.Index]
			changeValue(r, &e)
			p.Opening = event.Open([32]byte{1}, &e)
			p.Entry = e.Leaf(event.Root([32]byte{1}, &e))
			p.Index, p.Path = 0, nil
			c, err := merkle.Sign(origin, 1, event.LeafHash(p.Entry), w.strangeKey)
			if err != nil {
				t.Fatal(err)
			}
			p.Checkpoint = c
		})},
	{name: "proof: a bit flipped", do: bytesTampered(flip)},
	{name: "proof: a byte more", do: bytesTampered(func(r *rand.Rand, b []byte) []byte {
		return slices.Insert(slices.Clone(b), r.IntN(len(b)), " \n0=A"[r.IntN(5)])
	})},
	{name: "proof: cut", do: bytesTampered(func(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b))] })},
	{name: "proof: a witness's signature added", harmless: true,
		do: proofs(func(_ testing.TB, _ *rand.Rand, w *world, p *bundle.Proof) { p.Checkpoint = w.cosigned(p.Checkpoint) })},

	{name: "consistency: of the same trail", harmless: true, do: consistency(func(_ testing.TB, _ *rand.Rand, _ *world, _ *step) {})},
	{name: "consistency: the path altered", do: consistency(func(_ testing.TB, r *rand.Rand, _ *world, s *step) {
		s.proof.Path[r.IntN(len(s.proof.Path))][r.IntN(32)]++
	})},
	{name: "consistency: other sizes", do: consistency(func(_ testing.TB, r *rand.Rand, _ *world, s *step) { s.proof.From += 1 + r.Uint64N(5) })},
	{name: "consistency: with another history", do: consistency(func(_ testing.TB, _ *rand.Rand, w *world, s *step) { s.to = w.strangeTop })},
	{name: "consistency: a root altered and signed with another key", kinds: []verify.Kind{verify.WrongKey},
		do: consistency(func(t testing.TB, r *rand.Rand, w *world, s *step) {
			s.from.Root[r.IntN(32)]++
			s.from = w.resign(t, s.from)
		})},
	{name: "consistency: a bit of a checkpoint flipped", do: consistency(func(_ testing.TB, r *rand.Rand, _ *world, s *step) {
		note := flip(r, s.from.Note)
		// The key's id may become that of an unknown key, and then nobody has signed.
		s.from.Note = note
	})},
	{name: "consistency: older and newer exchanged", kinds: []verify.Kind{verify.RolledBack},
		do: consistency(func(_ testing.TB, _ *rand.Rand, _ *world, s *step) { s.from, s.to = s.to, s.from })},
}

// step is two checkpoints with what connects them.
type step struct {
	from, to merkle.Checkpoint
	proof    bundle.Consistency
}

func consistency(tamper func(t testing.TB, r *rand.Rand, w *world, s *step)) func(testing.TB, *rand.Rand, *world) (*verify.Report, error) {
	return func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
		s := step{from: w.kept[r.IntN(len(w.kept)-1)], to: w.newest}
		path, err := w.trail.Consistency(s.from.Size, s.to.Size)
		if err != nil {
			t.Fatal(err)
		}
		s.proof = bundle.Consistency{From: s.from.Size, To: s.to.Size, Path: path}
		tamper(t, r, w, &s)
		return verify.Consistency(s.from.Note, s.to.Note, s.proof.JSON(), verify.Options{Keys: w.keys})
	}
}

// A test of the tests: what the corpus begins with is good.
func TestTheCorpusBeginsWithWhatIsGenuine(t *testing.T) {
	w := newWorld(t, 77, options())
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		h, rows := w.plainExport(r)
		if report, err := w.checkExport(t, w.writeExport(t, h, rows, w.trail.Multi)); err != nil || !report.OK() || levels(report) != "AC" {
			t.Fatalf("export: %+v, %v", report, err)
		}
		p := w.proof(t, r)
		if report, err := w.checkProof(r, &p, bytes.Clone); err != nil || !report.OK() {
			t.Fatalf("proof %s: %+v, %v", base64.StdEncoding.EncodeToString(p.Entry), report, err)
		}
	}
	for name, d := range map[string]struct {
		f    files
		kept []merkle.Checkpoint
	}{"directory": {w.dir, w.kept}, "earlier": {w.earlier, w.kept[:w.keptEarlier]}, "clone": {w.clone, w.kept[:w.keptEarlier]}} {
		if report, err := w.check(t, d.f, d.kept...); err != nil || !report.OK() {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
	}
}
