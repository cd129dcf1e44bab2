package store

import (
	"slices"
	"sort"

	"countersign/event"
	"countersign/merkle"
	"countersign/wal"
)

type dedupKey = [16]byte

// head is where the chain of one account stands: how many entries it has and the seq of its last one.
type head struct {
	count uint64
	last  uint64
}

// tail is what the writer must know of everything recorded so far to number and check the next entry. It
// is touched by the writer goroutine alone.
type tail struct {
	next     uint64 // the seq of the next entry
	received event.Micros
	sealed   uint64              // entries in files; what follows is of those behind them
	keys     map[dedupKey]uint64 // of the open entries
	heads    map[string]head
	seeds    [][32]byte // of the blocks from the first open one on
	frames   []frame
	grown    int64 // bytes of log since the start
	tree     tree
	ring     *keyring
	// checkpoint is that of the last batch.
	checkpoint merkle.Checkpoint
}

func newTail() *tail {
	t := &tail{keys: map[dedupKey]uint64{}, heads: map[string]head{}}
	t.tree.blocks.Nodes = new(merkle.Nodes)
	return t
}

// proven returns what the tail's entries are proven with, for a snapshot.
func (t *tail) proven() proven {
	return proven{seeds: t.seeds, frames: t.frames, tree: t.tree.view(), ring: t.ring, checkpoint: t.checkpoint}
}

// draft is a batch that is numbered and not yet durable. It lies over the tail, or over the draft that is
// being written (below), and changes neither: a batch that cannot be written is dropped by forgetting its
// draft, and its numbers are given out again.
type draft struct {
	below    *draft
	tail     *tail
	requests []*request
	entries  []*event.Entry
	first    uint64
	received event.Micros
	keys     map[dedupKey]uint64
	heads    map[string]head
	seeds    []wal.Seed
	ring     *keyring // as of the end of the draft
	frame    []byte   // what goes to the disk; empty when there is nothing to record
	room     int64    // what must be free there
	place    wal.Place

	// Filled in when the entries are complete.
	edge       merkle.Edge
	blocks     []merkle.Hash // that the draft completes
	roots      [][32]byte
	checkpoint merkle.Checkpoint
}

func newDraft(t *tail, below *draft, now event.Micros) *draft {
	d := &draft{below: below, tail: t, first: t.next, received: max(t.received, now), keys: map[dedupKey]uint64{}, heads: map[string]head{}}
	d.ring, d.edge, d.checkpoint = t.ring, t.tree.edge, t.checkpoint
	if below != nil {
		d.first = below.next()
		d.received = max(below.received, now)
		d.ring, d.edge, d.checkpoint = below.ring, below.edge, below.checkpoint
	}
	return d
}

func (d *draft) next() uint64 { return d.first + uint64(len(d.entries)) }

// find returns the seq under which the key of an open entry is recorded or about to be.
func (d *draft) find(k dedupKey) (uint64, bool) {
	for ; ; d = d.below {
		if seq, ok := d.keys[k]; ok {
			return seq, true
		}
		if d.below == nil {
			seq, ok := d.tail.keys[k]
			return seq, ok
		}
	}
}

func (d *draft) head(account string) (head, bool) {
	for ; ; d = d.below {
		if h, ok := d.heads[account]; ok {
			return h, true
		}
		if d.below == nil {
			h, ok := d.tail.heads[account]
			return h, ok
		}
	}
}

// entry returns an entry that has a number: from the snapshot or from a draft that is not durable yet.
func (d *draft) entry(seq uint64, s *snapshot) (*event.Entry, error) {
	for ; ; d = d.below {
		if seq >= d.first {
			return d.entries[seq-d.first], nil
		}
		if d.below == nil {
			return s.entry(seq)
		}
	}
}

// add numbers e and puts it at the end of the draft. newBlock is asked for the seed of each block that
// begins here.
func (d *draft) add(e *event.Entry, k dedupKey, newBlock func() [32]byte) {
	e.Seq = d.next()
	e.ReceivedAt = d.received
	h, ok := d.head(e.Account.ID)
	e.AccountSeq, e.AccountPrev = h.count, event.NoPrev
	if ok {
		e.AccountPrev = h.last
	}
	d.heads[e.Account.ID] = head{count: h.count + 1, last: e.Seq}
	d.keys[k] = e.Seq
	d.put(e, newBlock)
}

// addFact numbers a system fact and puts it at the end of the draft.
func (d *draft) addFact(e *event.Entry, newBlock func() [32]byte) {
	e.Seq = d.next()
	e.ReceivedAt, e.OccurredAt = d.received, d.received
	d.put(e, newBlock)
}

func (d *draft) put(e *event.Entry, newBlock func() [32]byte) {
	if e.Seq%event.BlockEntries == 0 {
		d.seeds = append(d.seeds, wal.Seed{Block: e.Seq >> 8, Bytes: newBlock()})
	}
	d.entries = append(d.entries, e)
}

// seed returns the seed of a block that an entry of the draft is in.
func (d *draft) seed(block uint64) [32]byte {
	for ; ; d = d.below {
		if n := len(d.seeds); n > 0 && block >= d.seeds[0].Block {
			return d.seeds[block-d.seeds[0].Block].Bytes
		}
		if d.below == nil {
			return d.tail.seeds[block-d.tail.sealed>>blockBits]
		}
	}
}

// complete computes what the entries add to the tree, signs the checkpoint of the batch and makes its frame.
func (d *draft) complete() error {
	if len(d.entries) == 0 {
		return nil
	}
	d.roots = commitTo(d.entries, d.seed)
	d.blocks = extend(&d.edge, d.entries, d.roots)
	var err error
	if d.checkpoint, err = d.ring.sign(d.edge.Size(), d.edge.Root()); err != nil {
		return err
	}
	b := wal.Batch{FirstSeq: d.first, Seeds: d.seeds, Entries: bodiesOf(d.entries), Checkpoint: d.checkpoint.Note}
	d.frame, err = wal.AppendFrame(nil, &b)
	return err
}

// bodiesOf encodes entries, on as many cores as there are.
func bodiesOf(entries []*event.Entry) [][]byte {
	bodies := make([][]byte, len(entries))
	inParts(len(entries), func(_, from, to int) {
		var all []byte
		ends := make([]int, 0, to-from)
		for _, e := range entries[from:to] {
			all = event.AppendBody(all, e)
			ends = append(ends, len(all))
		}
		start := 0
		for i, end := range ends {
			bodies[from+i] = all[start:end]
			start = end
		}
	})
	return bodies
}

// settle makes a durable draft part of the tail.
func (t *tail) settle(d *draft) {
	t.next = d.next()
	t.received = d.received
	for k, seq := range d.keys {
		t.keys[k] = seq
	}
	for a, h := range d.heads {
		t.heads[a] = h
	}
	for _, s := range d.seeds {
		t.seeds = append(t.seeds, s.Bytes)
	}
	if len(d.entries) == 0 {
		return
	}
	t.addFrame(d.place, int64(len(d.frame)))
	t.tree.grow(d.edge, d.blocks, d.roots)
	t.tree.facts = appendFacts(t.tree.facts, d.entries)
	t.ring, t.checkpoint = d.ring, d.checkpoint
}

func (t *tail) addFrame(at wal.Place, bytes int64) {
	t.grown += bytes
	t.frames = append(t.frames, frame{at, t.grown})
}

// appendFacts appends those of the entries that are system facts.
func appendFacts(facts, entries []*event.Entry) []*event.Entry {
	for _, e := range entries {
		if e.Kind != event.KindEvent {
			facts = append(facts, e)
		}
	}
	return facts
}

// seal forgets what is needed of open entries only.
func (t *tail) seal(size uint64, keys []dedupKey) {
	for _, k := range keys {
		delete(t.keys, k)
	}
	t.seeds = slices.Clone(t.seeds[(size-t.sealed)>>blockBits:])
	first := sort.Search(len(t.frames), func(i int) bool { return t.frames[i].First > size }) - 1
	t.frames = slices.Clone(t.frames[max(first, 0):]) // the first may reach into what is sealed
	t.sealed = size
}
