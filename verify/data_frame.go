package verify

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"countersign/event"
	"countersign/merkle"
	"countersign/wal"
)

// entry is one of a frame with what its body gives.
type entry struct {
	event.Entry
	err  error // the body cannot be read
	leaf merkle.Hash
	// kept is the leaf that the file of roots gives, where it has one.
	kept    merkle.Hash
	hasKept bool
}

func (e *entry) fact() bool { return e.Kind != event.KindEvent }

func decodeBody(body []byte, seq uint64) (entry, error) {
	e, err := event.DecodeBody(body)
	e.Seq = seq
	return entry{Entry: e}, err
}

// seeds are the seeds of the blocks that entries of the present frame are in.
type seeds struct {
	first uint64 // block of the first one
	list  []event.Block
}

// take moves on to a frame that begins with seq.
func (s *seeds) take(r *Report, where string, b *wal.Batch) {
	keep := b.FirstSeq >> 8 // the block that the frame goes on with, if it does
	if n := uint64(len(s.list)); s.first+n > keep && keep >= s.first {
		s.list = slices.Clone(s.list[keep-s.first:])
	} else {
		s.list = nil
	}
	s.first = keep
	for _, seed := range b.Seeds {
		if next := s.first + uint64(len(s.list)); seed.Block != next {
			r.find(Changed, where, "the seed of block %d stands where that of block %d must", seed.Block, next)
			continue
		}
		s.list = append(s.list, seed.Bytes)
	}
}

func (s *seeds) of(seq uint64) (event.Block, bool) {
	i := seq>>8 - s.first
	if i >= uint64(len(s.list)) {
		return event.Block{}, false
	}
	return s.list[i], true
}

// frame checks one frame.
func (c *dataCheck) frame(ctx context.Context, b *wal.Batch) error {
	if err := c.pace(ctx, b); err != nil {
		return err
	}
	where := fmt.Sprintf("the frame of entries %d to %d", b.FirstSeq, b.FirstSeq+uint64(len(b.Entries))-1)
	c.frames++
	c.seeds.take(c.report, where, b)
	entries, err := c.decode(b)
	if err != nil {
		return err
	}
	signed, signedErr := merkle.ParseCheckpoint(slices.Clone(b.Checkpoint))
	if signedErr != nil {
		c.report.find(Malformed, where, "%v", signedErr)
	}
	leaves := c.choose(entries, signed, signedErr == nil)
	for i := range entries {
		c.judge(&entries[i])
		if err := c.grow(leaves[i]); err != nil {
			return err
		}
	}
	if signedErr == nil {
		return c.checkBatch(signed, where)
	}
	return nil
}

// decode reads the bodies of a frame and computes their leaves, on as many cores as there are.
func (c *dataCheck) decode(b *wal.Batch) ([]entry, error) {
	entries := make([]entry, len(b.Entries))
	kept, err := c.roots.read(b.FirstSeq, len(b.Entries))
	if err != nil {
		return nil, err
	}
	parts := min(runtime.GOMAXPROCS(0), (len(entries)+63)/64)
	var wait sync.WaitGroup
	for p := range parts {
		wait.Go(func() {
			var seeder event.Seeder
			for i := len(entries) * p / parts; i < len(entries)*(p+1)/parts; i++ {
				e := &entries[i]
				*e = c.open(&seeder, b.Entries[i], b.FirstSeq+uint64(i))
				if i < len(kept) {
					e.kept, e.hasKept = event.LeafHash(e.Leaf(kept[i])), true
				}
			}
		})
	}
	wait.Wait()
	return entries, nil
}

// open reads one body and computes the leaf that it gives.
func (c *dataCheck) open(seeder *event.Seeder, body []byte, seq uint64) entry {
	e, err := decodeBody(body, seq)
	if err != nil {
		return entry{Entry: event.Entry{Seq: seq}, err: err}
	}
	block, ok := c.seeds.of(seq)
	if !ok {
		e.err = errNoSeed
		return e
	}
	e.leaf = event.LeafHash(e.Leaf(event.Root(seeder.Seed(block, seq), &e.Entry)))
	return e
}

var errNoSeed = fmt.Errorf("the seed of its block is missing")

// choose decides which leaves go into the tree: those that the bodies give, unless the file of roots has others and
// with these the frame's checkpoint is right. So the one body that was changed is named, and those behind it are not.
func (c *dataCheck) choose(entries []entry, signed merkle.Checkpoint, known bool) []merkle.Hash {
	leaves, kept := make([]merkle.Hash, len(entries)), make([]merkle.Hash, len(entries))
	differ := false
	for i := range entries {
		e := &entries[i]
		leaves[i], kept[i] = e.leaf, e.leaf
		if e.hasKept {
			kept[i] = e.kept
		}
		differ = differ || e.err != nil || kept[i] != leaves[i]
	}
	if !differ {
		return leaves
	}
	signs := func(leaves []merkle.Hash) bool {
		edge := c.edge
		for _, leaf := range leaves {
			edge.Append(leaf)
		}
		return known && edge.Root() == signed.Root
	}
	bodiesRight := signs(leaves)
	for i := range entries {
		e := &entries[i]
		switch {
		case e.err != nil:
			c.report.findEntry(Changed, walName, e.Seq, "%v", e.err)
		case kept[i] == leaves[i]:
		case bodiesRight:
			c.report.findEntry(Disagrees, rootsName, e.Seq, "the entry is as it was signed, and the file has another root for it")
		default:
			c.report.findEntry(Changed, walName, e.Seq, "the entry, or the seed of its block, is not what was recorded: the file of roots has another root for it")
		}
	}
	if bodiesRight {
		return leaves
	}
	return kept
}

// judge checks what one entry says.
func (c *dataCheck) judge(e *entry) {
	if e.err != nil {
		return
	}
	link := chainLink{seq: e.Seq, received: e.ReceivedAt, accountSeq: e.AccountSeq, prev: e.AccountPrev, fact: e.fact()}
	c.chains.add(&link, e.Account.ID)
	if !e.fact() {
		if onlyServer(e.Source) && e.RecordedBy != event.TextOf(serverName) {
			c.report.findEntry(Forbidden, "", e.Seq, "only the server itself records entries of source %s, and this one is recorded by %q", e.Source, e.RecordedBy.Value)
		}
		c.names.add(&e.Entry)
		return
	}
	c.facts++
	if e.Kind != event.KindKey {
		return
	}
	if err := c.ring.change(&e.Entry); err != nil {
		c.report.findEntry(Forbidden, "", e.Seq, "this change of keys is none: %v", err)
	}
}

// serverName is who the server's own entries are recorded by.
const serverName = "countersign"

// onlyServer tells of the sources that nobody but the server itself writes. Changes that users make are of a source of
// its own too, and recorded by who made them.
func onlyServer(source string) bool {
	return source == event.OwnSourcePrefix+"store" || source == event.OwnSourcePrefix+"server"
}
