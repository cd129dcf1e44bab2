package store

import (
	"countersign/event"
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
	keys     map[dedupKey]uint64
	heads    map[string]head
	seeds    [][32]byte // by seq>>8
}

func newTail() *tail {
	return &tail{keys: map[dedupKey]uint64{}, heads: map[string]head{}}
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
	frame    []byte // what goes to the disk; empty when there is nothing to record
	room     int64  // what must be free there
}

func newDraft(t *tail, below *draft, now event.Micros) *draft {
	d := &draft{below: below, tail: t, first: t.next, received: max(t.received, now), keys: map[dedupKey]uint64{}, heads: map[string]head{}}
	if below != nil {
		d.first = below.next()
		d.received = max(below.received, now)
	}
	return d
}

func (d *draft) next() uint64 { return d.first + uint64(len(d.entries)) }

// find returns the seq under which the key is recorded or about to be.
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
func (d *draft) entry(seq uint64, s *snapshot) *event.Entry {
	for ; ; d = d.below {
		if seq >= d.first {
			return d.entries[seq-d.first]
		}
		if d.below == nil {
			return s.at(seq)
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
	if e.Seq&0xff == 0 {
		d.seeds = append(d.seeds, wal.Seed{Block: e.Seq >> 8, Bytes: newBlock()})
	}
	d.entries = append(d.entries, e)
}

// encode makes the frame of the draft.
func (d *draft) encode() error {
	if len(d.entries) == 0 {
		return nil
	}
	b := wal.Batch{FirstSeq: d.first, Seeds: d.seeds, Entries: make([][]byte, len(d.entries))}
	var bodies []byte
	ends := make([]int, len(d.entries))
	for i, e := range d.entries {
		bodies = event.AppendBody(bodies, e)
		ends[i] = len(bodies)
	}
	from := 0
	for i, end := range ends {
		b.Entries[i] = bodies[from:end]
		from = end
	}
	var err error
	d.frame, err = wal.AppendFrame(nil, &b)
	return err
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
}
