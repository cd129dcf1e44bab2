package verify

import (
	"context"
	"errors"
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
type seeds map[uint64]event.Block

// take moves on to a frame: it brings the seed of each block that begins in it, and may go on with the last one.
func (s *seeds) take(r *Report, where string, b *wal.Batch) {
	last, lastKnown := (*s)[b.FirstSeq>>8]
	*s = seeds{}
	if lastKnown {
		(*s)[b.FirstSeq>>8] = last
	}
	next := (b.FirstSeq + event.BlockEntries - 1) >> 8 // the first that begins here
	for _, seed := range b.Seeds {
		if seed.Block != next || next<<8 >= b.FirstSeq+uint64(len(b.Entries)) {
			r.find(Changed, where, "the seed of block %d stands where none of it belongs", seed.Block)
			continue
		}
		(*s)[next] = seed.Bytes
		next++
	}
}

// frame checks one frame of the log.
func (c *dataCheck) frame(ctx context.Context, b *wal.Batch) error {
	if err := c.pace(ctx, wal.FrameBytes(b)); err != nil {
		return err
	}
	p := part{first: b.FirstSeq, bodies: b.Entries, file: walName, where: entriesName(b.FirstSeq, b.FirstSeq+uint64(len(b.Entries)))}
	c.frames++
	c.seeds.take(c.report, p.where, b)
	p.seed = c.logSeed
	if signed, err := merkle.ParseCheckpoint(slices.Clone(b.Checkpoint)); err != nil {
		c.report.find(Malformed, p.where, "the checkpoint of the batch: %v", err)
	} else {
		p.signed = &signed
	}
	// What is sealed may still be in the log.
	if below := c.edge.Size(); p.first < below {
		if err := c.again(&p, below); err != nil || len(p.bodies) == 0 {
			return err
		}
	}
	return c.take(&p)
}

func entriesName(from, to uint64) string {
	if to == from+1 {
		return fmt.Sprintf("the batch of entry %d", from)
	}
	return fmt.Sprintf("the batch of entries %d to %d", from, to-1)
}

// logSeed returns the seed of an entry in the log. The first block of the log may have begun before it.
func (c *dataCheck) logSeed(seeder *event.Seeder, seq uint64) ([32]byte, error) {
	if block, ok := c.seeds[seq>>8]; ok {
		return seeder.Seed(block, seq), nil
	}
	if c.sealed != nil {
		return c.sealed.seed(seeder, seq)
	}
	return [32]byte{}, errNoSeed
}

// part is some entries that follow each other.
type part struct {
	first  uint64
	bodies [][]byte // nil for one that cannot be read
	file   string   // where they are stored
	where  string   // more closely
	seed   func(seeder *event.Seeder, seq uint64) ([32]byte, error)
	signed *merkle.Checkpoint // of the tree that ends with them; nil for none
	block  bool               // they are the entries of one block of the tree
}

// again checks those entries of a part that were checked in another place before: they must be the same ones. It
// leaves the others in p.
func (c *dataCheck) again(p *part, below uint64) error {
	n := min(below-p.first, uint64(len(p.bodies)))
	old := *p
	old.bodies = p.bodies[:n]
	entries, err := c.decode(&old)
	if err != nil {
		return err
	}
	for i := range entries {
		e := &entries[i]
		switch {
		case e.err != nil:
			c.report.findEntry(Changed, p.file, e.Seq, "%v", e.err)
		case e.hasKept && e.leaf != e.kept:
			c.report.findEntry(Changed, p.file, e.Seq, "the entry is sealed, and the log has another one in its place")
		}
	}
	p.first, p.bodies = p.first+n, p.bodies[n:]
	return nil
}

// take checks entries that are next in the trail.
func (c *dataCheck) take(p *part) error {
	entries, err := c.decode(p)
	if err != nil {
		return err
	}
	leaves, err := c.choose(entries, p)
	if err != nil {
		return err
	}
	for i := range entries {
		c.judge(&entries[i])
		if err := c.grow(leaves[i]); err != nil {
			return err
		}
	}
	if p.signed != nil {
		c.checkBatch(*p.signed, p.where)
	}
	return nil
}

// decode reads bodies and computes their leaves, on as many cores as there are.
func (c *dataCheck) decode(p *part) ([]entry, error) {
	entries := make([]entry, len(p.bodies))
	kept, err := c.roots.read(p.first, len(p.bodies))
	if err != nil {
		return nil, err
	}
	workers := min(runtime.GOMAXPROCS(0), (len(entries)+63)/64)
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			var seeder event.Seeder
			for i := len(entries) * w / workers; i < len(entries)*(w+1)/workers; i++ {
				e := &entries[i]
				*e = p.open(&seeder, i)
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
func (p *part) open(seeder *event.Seeder, i int) entry {
	seq := p.first + uint64(i)
	if p.bodies[i] == nil {
		return entry{Entry: event.Entry{Seq: seq}, err: errUnreadable}
	}
	e, err := decodeBody(p.bodies[i], seq)
	if err != nil {
		return entry{Entry: event.Entry{Seq: seq}, err: err}
	}
	seed, err := p.seed(seeder, seq)
	if err != nil {
		e.err = err
		return e
	}
	e.leaf = event.LeafHash(e.Leaf(event.Root(seed, &e.Entry)))
	return e
}

var (
	errNoSeed     = errors.New("the seed of its block is missing")
	errSeedGone   = errors.New("its seed is gone, as if the entry were erased, and no erasure names it")
	errUnreadable = errors.New("its stored bytes cannot be read")
)

// choose decides which leaves go into the tree: those that the bodies give, unless the file of roots has others and
// the bodies' do not make the hash that was signed, or of a sealed block the one that the tiles have. So the one body
// that was changed is named, and those behind it are not.
func (c *dataCheck) choose(entries []entry, p *part) ([]merkle.Hash, error) {
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
		return leaves, nil
	}
	bodiesRight, err := c.right(leaves, p)
	if err != nil {
		return nil, err
	}
	for i := range entries {
		e := &entries[i]
		switch {
		case e.err != nil:
			c.report.findEntry(Changed, p.file, e.Seq, "%v", e.err)
		case kept[i] == leaves[i]:
		case bodiesRight:
			c.report.findEntry(Disagrees, rootsName, e.Seq, "the entry is as it was signed, and the file has another root for it")
		default:
			c.report.findEntry(Changed, p.file, e.Seq, "the entry, or the seed of its block, is not what was recorded: the file of roots has another root for it")
		}
	}
	if bodiesRight {
		return leaves, nil
	}
	return kept, nil
}

// right tells whether leaves make the hash that speaks for the part.
func (c *dataCheck) right(leaves []merkle.Hash, p *part) (bool, error) {
	var edge merkle.Edge
	if p.signed != nil {
		edge = c.edge
	}
	for _, leaf := range leaves {
		edge.Append(leaf)
	}
	if p.signed != nil {
		return edge.Root() == p.signed.Root, nil
	}
	if !p.block {
		return false, nil
	}
	stored, err := c.blocks.read(p.first>>merkle.BlockLevel, 1)
	return len(stored) == 1 && edge.Root() == stored[0], err
}

// judge checks what one entry says.
func (c *dataCheck) judge(e *entry) {
	if e.err != nil {
		c.unreadable = true
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
	c.facts = append(c.facts, e.Entry)
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
