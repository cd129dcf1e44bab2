package testkit

import (
	"crypto/sha256"
	"encoding/binary"
	"iter"

	"countersign/event"
	"countersign/merkle"
)

// Trail is a made-up trail in memory: entries with seeds, tree and key, for tests of what reads proof. The same
// calls make the same trail, but for its key.
type Trail struct {
	Signer  *merkle.Signer
	Entries []event.Entry

	leaves []merkle.Hash
	block  merkle.Edge // of the block that is not complete
	tree   merkle.Blocks
	heads  map[string]chainHead
}

type chainHead struct{ count, last uint64 }

// NewTrail returns an empty trail of that origin.
func NewTrail(origin string) (*Trail, error) {
	s, err := merkle.NewSigner(origin)
	t := &Trail{Signer: s, heads: map[string]chainHead{}}
	t.tree.Leaves = func(first uint64, n int) ([]merkle.Hash, error) { return t.leaves[first : first+uint64(n)], nil }
	return t, err
}

// Append records an event a second after the one before.
func (t *Trail) Append(e event.Event) {
	head, known := t.heads[e.Account.ID]
	entry := event.Entry{Event: e, AccountSeq: head.count, AccountPrev: event.NoPrev, RecordedBy: event.TextOf("importer")}
	if known {
		entry.AccountPrev = head.last
	}
	t.heads[e.Account.ID] = chainHead{head.count + 1, uint64(len(t.Entries))}
	t.add(entry)
}

// AppendFact records a system fact; its statement must be one.
func (t *Trail) AppendFact(kind byte, statement string) error {
	e, err := event.NewFact(kind, statement)
	if err == nil {
		t.add(e)
	}
	return err
}

func (t *Trail) add(e event.Entry) {
	const start = 1767225600_000_000 // 2026-01-01T00:00:00Z
	e.Seq = uint64(len(t.Entries))
	e.ReceivedAt = event.Micros(start + 1_000_000*int64(e.Seq))
	if e.Kind != event.KindEvent {
		e.OccurredAt = e.ReceivedAt
	}
	t.put(e)
}

func (t *Trail) put(e event.Entry) {
	t.Entries = append(t.Entries, e)
	root := event.Root(t.Seed(e.Seq), &e)
	leaf := merkle.Hash(event.LeafHash(e.Leaf(root)))
	t.leaves = append(t.leaves, leaf)
	if t.block.Append(leaf); t.block.Size() == event.BlockEntries {
		t.tree.Append(t.block.Root())
		t.block = merkle.Edge{}
	}
}

// Seed returns the seed of an entry, which exists or not.
func (t *Trail) Seed(seq uint64) [32]byte {
	block := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("testkit"), seq>>8))
	return event.EntrySeed(event.Block(block), seq)
}

// Leaf returns the hash of an entry in the tree.
func (t *Trail) Leaf(seq uint64) merkle.Hash { return t.leaves[seq] }

// Size returns the number of entries.
func (t *Trail) Size() uint64 { return uint64(len(t.Entries)) }

// Tree returns the tree.
func (t *Trail) Tree() merkle.Reader { return &t.tree }

// Multi makes a multiproof.
func (t *Trail) Multi(seqs iter.Seq[uint64], size uint64, emit func(merkle.Hash) error) error {
	return merkle.Multi(&t.tree, seqs, size, emit)
}

// Checkpoint signs the tree of the first size entries.
func (t *Trail) Checkpoint(size uint64) (merkle.Checkpoint, error) {
	root, err := merkle.Root(&t.tree, size)
	if err != nil {
		return merkle.Checkpoint{}, err
	}
	return merkle.Sign(t.Signer.Origin(), size, root, t.Signer)
}

// Keys returns the key of the trail as its readers have it.
func (t *Trail) Keys() (merkle.Keys, error) { return merkle.ParseKeys([]byte(t.Signer.VKey() + "\n")) }

// Again returns the trail that a server would have made which recorded the entries as they are now, whatever their
// numbers: for tests that change them.
func (t *Trail) Again() (*Trail, error) {
	n, err := NewTrail(t.Signer.Origin())
	if err != nil {
		return nil, err
	}
	for _, e := range t.Entries {
		n.put(e)
	}
	return n, nil
}
