package verify

import (
	"bytes"
	"fmt"

	"countersign/bundle"
	"countersign/event"
	"countersign/merkle"
	"countersign/query"
)

// MaxProofBytes bounds the file of one proof.
const MaxProofBytes = bundle.MaxProofBytes

// Proof checks the proof of one entry, in its text form or as JSON.
func Proof(b []byte, o Options) (*Report, error) {
	parse, ok := proofForm(b)
	if !ok {
		return nil, notChecked("this is no proof of an entry")
	}
	r := newReport("the proof of one entry")
	p, err := parse(b)
	if err != nil {
		r.find(Malformed, "", "%v", err)
		return r.done(), nil
	}
	r.anchor(p.Checkpoint, o.Keys)
	if !r.OK() {
		return r.done(), nil // Verify would say the same once more
	}
	if err := p.Verify(o.Keys); err != nil {
		r.findEntry(whatIsWrong(&p), "", p.Index, "%v", err)
		return r.done(), nil
	}
	e, err := p.Shown()
	if err != nil {
		return nil, cannot(err)
	}
	r.fact("entry", "%d of the first %d", p.Index, p.Checkpoint.Size)
	hidden := r.shown(&p, &e)
	switch {
	case e.Kind != event.KindEvent:
		r.claim("A", "The entry is genuine: the log that the key speaks for holds this system fact at the place it states.")
	case p.Opening.Form == event.HashesOpening:
		r.claim("A", "The log that the key speaks for holds an entry with this root at the place it states. The proof shows no value of it.")
	default:
		r.claim("A", "The entry is genuine: the log that the key speaks for holds it with the values shown, at the place it states.")
	}
	r.Limits = append(r.Limits, limitOperator, limitView, "It says nothing of any other entry.")
	if hidden > 0 {
		r.Limits = append(r.Limits, fmt.Sprintf("%d fields of the entry are hidden: they have values, which the proof does not tell.", hidden))
	}
	return r, nil
}

func proofForm(b []byte) (parse func([]byte) (bundle.Proof, error), ok bool) {
	switch {
	case bytes.HasPrefix(b, []byte("c2sp.org/tlog-proof@")):
		return bundle.ParseProof, true
	case bytes.HasPrefix(b, []byte(`{"entry":`)):
		return bundle.ParseProofJSON, true
	}
	return nil, false
}

// whatIsWrong tells a value that was changed from hashes that lead elsewhere.
func whatIsWrong(p *bundle.Proof) Kind {
	_, want, _, err := event.DecodeEntryBytes(p.Entry)
	if root, rootErr := p.Opening.Root(); err == nil && rootErr == nil && root != want {
		return Changed
	}
	return WrongProof
}

// shown tells the values that a proof shows, and how many fields it hides.
func (r *Report) shown(p *bundle.Proof, e *event.Entry) (hidden int) {
	if e.Kind != event.KindEvent {
		r.fact("kind", "%s", event.KindName(e.Kind))
		r.fact("statement", "%s", e.Statement)
	}
	items := p.Opening.Items
	for i := range items {
		if !items[i].Shown {
			hidden++
		}
	}
	if e.Kind != event.KindEvent || p.Opening.Form == event.HashesOpening {
		return hidden
	}
	frame := items[event.FieldFrame].Shown
	for _, f := range query.Fields() {
		switch number := query.NumberOf(f); {
		case f == query.Seq:
		case number != nil && !frame:
		case f == query.AccountSeq:
			r.fact(string(f), "%d", number(e))
		case number != nil:
			r.fact(string(f), "%v", event.Micros(number(e)))
		default:
			if t := query.TextOf(f)(e); t.Value != "" || t.Present && optional(f) {
				r.fact(string(f), "%s", t.Value)
			}
		}
	}
	for _, a := range e.Attributes {
		r.fact(string(query.AttributeField(a.Name)), "%s", a.Value)
	}
	for i := range items {
		if items[i].Field == event.FieldRaw && items[i].Shown {
			r.fact("SHA-256 of raw", "%x", items[i].Value)
		}
	}
	return hidden
}

// optional tells whether a field that is present and empty says something. The others are empty when they are
// not shown.
func optional(f query.Field) bool {
	switch f {
	case query.ID, query.AccountID, query.ActorType, query.Action, query.ResourceType, query.Outcome, query.Source:
		return false
	}
	return true
}

// Consistency checks that the trail of one checkpoint begins with that of another. The older is from.
func Consistency(from, to, proof []byte, o Options) (*Report, error) {
	r := newReport("two checkpoints")
	var both [2]merkle.Checkpoint
	for i, c := range []struct {
		name string
		note []byte
	}{{"the older checkpoint", from}, {"the newer checkpoint", to}} {
		parsed, err := merkle.ParseCheckpoint(c.note)
		if err != nil {
			r.find(Malformed, c.name, "%v", err)
			return r.done(), nil
		}
		if _, err := parsed.SignedBy(o.Keys); err != nil {
			r.find(WrongKey, c.name, "%v", err)
		}
		both[i] = parsed
	}
	older, newer := both[0], both[1]
	r.Origin, r.TreeSize, r.Root = newer.Origin, newer.Size, rootText(newer.Root)
	if signed, err := newer.SignedBy(o.Keys); err == nil {
		r.SignedBy = signed
	}
	c, err := bundle.ParseConsistency(proof)
	if err != nil {
		r.find(Malformed, "the consistency proof", "%v", err)
		return r.done(), nil
	}
	r.fact("older", "%d entries, root %s", older.Size, rootText(older.Root))
	r.fact("newer", "%d entries, root %s", newer.Size, rootText(newer.Root))
	r.connect(&older, &newer, &c)
	if older.Origin == newer.Origin {
		r.claim("A", "Both checkpoints are of one trail: the first %d entries under the newer one are those under the older one, none changed, removed or put between.", older.Size)
	} else {
		r.claim("A", "The trail %s goes on from %s: the first %d entries under the newer checkpoint are those under the older one, none changed, removed or put between.", newer.Origin, older.Origin, older.Size)
		r.Limits = append(r.Limits, fmt.Sprintf("Who signs as %s may not be who signed as %s, and %s may have signed more than these entries. The entry that tells of the change of name has its own proof.", newer.Origin, older.Origin, older.Origin))
	}
	r.Limits = append(r.Limits, "It says nothing of what the entries are.", limitView)
	return r.done(), nil
}

// connect holds two checkpoints to the proof that one goes on from the other. Their names may differ: a trail that was
// put back from an older copy goes on under a new one.
func (r *Report) connect(older, newer *merkle.Checkpoint, c *bundle.Consistency) {
	switch {
	case older.Origin != newer.Origin && (older.Size == 0 || older.Size == newer.Size):
		// The first tree that a new name signs has an entry more than those of the name before; and every tree goes on
		// from the empty one.
		r.find(Forked, "", "the checkpoints are of two trails, %s and %s", older.Origin, newer.Origin)
	case older.Size > newer.Size:
		r.find(RolledBack, "", "the newer checkpoint has %d entries, fewer than the older one with %d", newer.Size, older.Size)
	case c.From != older.Size || c.To != newer.Size:
		r.find(WrongProof, "the consistency proof", "it connects trees of %d and %d entries, and the checkpoints have %d and %d", c.From, c.To, older.Size, newer.Size)
	case older.Size == newer.Size && older.Root != newer.Root:
		r.find(Forked, "", "the two checkpoints of %d entries have different roots: there are two histories", older.Size)
	default:
		err := merkle.CheckConsistency(c.Path, older.Size, older.Root, newer.Size, newer.Root)
		if err != nil && older.Origin != newer.Origin {
			r.find(Forked, "", "the checkpoints are of two trails, %s and %s: %v", older.Origin, newer.Origin, err)
		} else if err != nil {
			r.find(Forked, "", "%v: one of the two is of another history, or the proof is not theirs", err)
		}
	}
}
