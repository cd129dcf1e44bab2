package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"countersign/bodies"
	"countersign/event"
	"countersign/internal/durable"
	"countersign/merkle"
)

// checkChunk is how many sealed entries are compared at a time.
const checkChunk = 4096

// seqSpans are ranges of seqs, ascending, that were added one by one or in ranges.
type seqSpans struct {
	parts []span
	n     uint64
}

func (s *seqSpans) add(from, to uint64) {
	s.n += to - from
	if k := len(s.parts); k > 0 && s.parts[k-1].To == from {
		s.parts[k-1].To = to
		return
	}
	s.parts = append(s.parts, span{from, to})
}

// grown is what comparing the entries one after the other has made of them so far.
type grown struct {
	// byBodies is the tree of the entries as they are stored, byRoots that of the file of roots; where one of them says
	// nothing it goes on with the other. They are held to the newest published checkpoint.
	byBodies, byRoots merkle.Edge
	held              bool     // they were
	differ            seqSpans // entries for which the two are not the same
	// offBodies and offRoots are the blocks for which the file of blocks has another hash.
	offBodies, offRoots seqSpans
	state               state
	keys                *keyring // as the facts among the entries make it
	roots, blocks       *hashes
	dedup               *event.Deduper
}

// hashes is a file of 32-byte hashes.
type hashes struct {
	file durable.File
	n    uint64 // whole ones
	size int64
}

// openHashes opens a file of hashes. One that cannot be opened is damage, and has none.
func (c *check) openHashes(part, file string) (*hashes, error) {
	f, err := c.fsys.OpenFile(filepath.Join(c.path, file), os.O_RDONLY, 0)
	if err != nil {
		if c.newest.Note == nil {
			return &hashes{}, nil // there is nothing yet that it must have
		}
		return &hashes{}, c.note(part, file, err)
	}
	size, err := f.Size()
	if err != nil {
		return &hashes{}, errors.Join(c.note(part, file, err), f.Close())
	}
	return &hashes{file: f, n: uint64(size) / 32, size: size}, nil
}

// read returns up to n hashes from first on, as many as there are.
func (h *hashes) read(first uint64, n int) ([][32]byte, error) {
	if first >= h.n {
		return nil, nil
	}
	b := make([]byte, 32*min(uint64(n), h.n-first))
	if got, err := h.file.ReadAt(b, int64(first)*32); got < len(b) {
		return nil, err
	}
	all := make([][32]byte, 0, len(b)/32)
	for ; len(b) > 0; b = b[32:] {
		all = append(all, [32]byte(b))
	}
	return all, nil
}

func (h *hashes) close() {
	if h.file != nil {
		_ = h.file.Close() // read only: nothing to lose
	}
}

// checkEntries reads all entries in the order of the trail, and compares with them what is made from them: the tree, the
// ids and the state.
func (c *check) checkEntries() error {
	if len(c.manifest.Keys) == 0 {
		return nil
	}
	g := &grown{state: state{heads: map[string]head{}}, keys: &keyring{history: slices.Clone(c.manifest.Keys[:1])}}
	g.keys.history[0].Until = nil
	if c.o.DedupKey != nil {
		g.dedup = event.NewDeduper(c.o.DedupKey)
	}
	var err error
	if g.roots, err = c.openHashes(rootsName, rootsName); err != nil {
		return err
	}
	defer g.roots.close()
	if g.blocks, err = c.openHashes(tilesName, filepath.Join(tilesName, blocksName)); err != nil {
		return err
	}
	defer g.blocks.close()
	if err := c.compareSealed(g); err != nil {
		return err
	}
	whole, err := c.compareLog(g)
	if err != nil {
		return err
	}
	c.report.Entries = g.byBodies.Size()
	if whole {
		c.checkEnds(g)
	}
	return nil
}

// compareSealed goes through the sealed entries.
func (c *check) compareSealed(g *grown) error {
	files := c.bodies
	for i, first := range c.files.Bodies {
		part := span{first, c.files.bodiesEnd(i)}
		var f *bodies.File
		if len(files) > 0 {
			if from, _ := files[0].Seqs(); from == first {
				f, files = files[0], files[1:]
			}
		}
		for from := part.From; from < part.To; from += checkChunk {
			to := min(part.To, from+checkChunk)
			entries, err := c.readChunk(f, from, to)
			if err != nil {
				return err
			}
			if err := c.compare(g, from, entries, c.sealedSeed); err != nil {
				return err
			}
			if f != nil {
				if err := c.looked(f.Size() / int64(part.To-part.From) * int64(to-from)); err != nil {
					return err
				}
			}
		}
	}
	if c.files.Size == 0 {
		return nil
	}
	return c.checkState(&g.state)
}

// readChunk reads the entries from one seq up to another. Those that cannot be read are nil, and noted.
func (c *check) readChunk(f *bodies.File, from, to uint64) ([]*event.Entry, error) {
	entries := make([]*event.Entry, to-from)
	if f == nil {
		c.unread.add(from, to)
		return entries, nil
	}
	err := f.Each(c.ctx, from, to, func(seq uint64, body []byte) error {
		e, err := event.DecodeBody(body)
		if err != nil {
			c.report.Add(Damage{Part: bodiesName, File: filepath.Join(bodiesName, bodiesFile(firstOf(f))), First: seq, Entries: 1, What: err.Error()})
			return nil
		}
		e.Seq = seq
		entries[seq-from] = &e
		return nil
	})
	if _, unreadable := errors.AsType[*bodies.UnreadableError](err); err != nil && !unreadable { // checkBodies says where it is
		return nil, err
	}
	for i, e := range entries {
		if e == nil {
			c.unread.add(from+uint64(i), from+uint64(i)+1)
		}
	}
	return entries, nil
}

func firstOf(f *bodies.File) uint64 {
	first, _ := f.Seqs()
	return first
}

// sealedSeed returns the seed of a sealed entry, if it can be read.
func (c *check) sealedSeed(seq uint64) (seed [32]byte, ok bool) {
	if c.salts == nil {
		return seed, false
	}
	b, err := c.salts.Block(seq >> blockBits)
	if err != nil {
		return seed, false // the check of the file says where it is
	}
	return b.Seed(byte(seq))
}

// compare goes on with entries from seq first on; those that are nil cannot be read.
func (c *check) compare(g *grown, first uint64, entries []*event.Entry, seed func(uint64) ([32]byte, bool)) error {
	kept, err := g.roots.read(first, len(entries))
	if err != nil {
		if err := c.note(rootsName, rootsName, err); err != nil {
			return err
		}
		g.roots.n = 0 // it is told once
	}
	roots, known := make([][32]byte, len(entries)), make([]bool, len(entries))
	inParts(len(entries), func(_, from, to int) {
		for i, e := range entries[from:to] {
			if e == nil {
				continue
			}
			if s, ok := seed(e.Seq); ok {
				roots[from+i], known[from+i] = event.Root(s, e), true
			}
		}
	})
	for i, e := range entries {
		seq := first + uint64(i)
		inFile := i < len(kept) && (!g.held || seq < c.newest.Size)
		mine := roots[i]
		if !known[i] && inFile {
			mine = kept[i]
		}
		other := mine
		if inFile {
			other = kept[i]
		}
		if mine != other {
			g.differ.add(seq, seq+1)
		}
		if e == nil {
			e = &event.Entry{Seq: seq} // a leaf needs no more of an event
		} else {
			g.state.note(e)
			g.noteKey(e)
		}
		if err := c.append(g, e, mine, other); err != nil {
			return err
		}
	}
	return c.lookUp(g, entries)
}

// note takes the next entry into what numbering goes on with.
func (s *state) note(e *event.Entry) {
	s.received = e.ReceivedAt
	if e.Kind == event.KindEvent {
		s.heads[e.Account.ID] = head{count: e.AccountSeq + 1, last: e.Seq}
		return
	}
	s.facts = append(s.facts, e)
}

func (g *grown) noteKey(e *event.Entry) {
	var change keyChange
	if e.Kind == event.KindKey && json.Unmarshal([]byte(e.Statement), &change) == nil {
		g.keys = g.keys.with(change, nil)
	}
}

// append adds an entry to both trees.
func (c *check) append(g *grown, e *event.Entry, byBodies, byRoots [32]byte) error {
	mine, complete := g.byBodies.Append(event.LeafHash(e.Leaf(byBodies)))
	other, _ := g.byRoots.Append(event.LeafHash(e.Leaf(byRoots)))
	size := g.byBodies.Size()
	if complete {
		n := size>>blockBits - 1
		stored, err := g.blocks.read(n, 1)
		if err != nil {
			if err := c.note(tilesName, filepath.Join(tilesName, blocksName), err); err != nil {
				return err
			}
			g.blocks.n = 0 // it is told once
		}
		if len(stored) > 0 && !g.held {
			if stored[0] != mine {
				g.offBodies.add(n, n+1)
			}
			if stored[0] != other {
				g.offRoots.add(n, n+1)
			}
		}
	}
	if size == c.newest.Size {
		c.hold(g)
	}
	return nil
}

// hold decides, where the newest published checkpoint ends, which of the two trees is the one that was signed.
func (c *check) hold(g *grown) {
	g.held = true
	bodiesRight, rootsRight := g.byBodies.Root() == c.newest.Root, g.byRoots.Root() == c.newest.Root
	off := g.offBodies
	switch {
	case bodiesRight:
		for _, s := range g.differ.parts {
			c.report.Add(Damage{Part: rootsName, File: rootsName, First: s.From, Entries: s.To - s.From,
				What: "the hashes of these entries are not those of the stored entries, which are as they were signed"})
		}
	case rootsRight:
		for _, s := range g.differ.parts {
			c.report.Add(Damage{Part: bodiesName, File: c.fileOf(s.From), First: s.From, Entries: s.To - s.From,
				What: "these entries, or their seeds in " + saltsName + ", are not what was recorded"})
		}
		off = g.offRoots
		g.byBodies = g.byRoots
	default:
		c.report.Add(Damage{Part: bodiesName, File: c.fileOf(0), Entries: c.newest.Size,
			What: fmt.Sprintf("the first %d entries are not those of the newest published checkpoint, and neither are the hashes in %s", c.newest.Size, rootsName)})
		for _, s := range g.differ.parts {
			c.report.Add(Damage{Part: bodiesName, File: c.fileOf(s.From), First: s.From, Entries: s.To - s.From,
				What: "these entries are not those of the hashes in " + rootsName})
		}
	}
	g.byRoots = g.byBodies
	if !bodiesRight && !rootsRight {
		return
	}
	for _, s := range off.parts {
		c.report.Add(Damage{Part: tilesName, File: filepath.Join(tilesName, blocksName), First: s.From << blockBits, Entries: (s.To - s.From) << blockBits,
			What: "the hashes over these entries are others"})
	}
}

// fileOf returns the file that has the entry.
func (c *check) fileOf(seq uint64) string {
	if seq >= c.files.Size {
		return walName
	}
	i, found := slices.BinarySearch(c.files.Bodies, seq)
	if !found {
		i--
	}
	return filepath.Join(bodiesName, bodiesFile(c.files.Bodies[i]))
}

// lookUp looks for the ids of sealed entries.
func (c *check) lookUp(g *grown, entries []*event.Entry) error {
	if g.dedup == nil {
		return nil
	}
	for _, r := range c.runs {
		var keys []dedupKey
		var seqs []uint64
		for _, e := range entries {
			if e != nil && e.Kind == event.KindEvent && e.Seq >= r.span.From && e.Seq < r.span.To {
				keys, seqs = append(keys, g.dedup.Key(e.Account.ID, e.Source, e.ID)), append(seqs, e.Seq)
			}
		}
		if len(keys) == 0 {
			continue
		}
		r.events += uint64(len(keys))
		// What cannot be read shows when the run is checked by itself.
		_ = r.set.FindAll(keys, func(i int, seq uint64) {
			if seq == seqs[i] {
				r.found++
			}
		})
	}
	return nil
}

// checkState compares the state of the last seal with what the entries make it.
func (c *check) checkState(made *state) error {
	file := filepath.Join(stateDirName, stateName(c.files.Size))
	b, err := durable.ReadFile(c.fsys, filepath.Join(c.path, file), maxStateBytes)
	if err != nil {
		return c.note(stateDirName, file, err)
	}
	if err := c.looked(int64(len(b))); err != nil {
		return err
	}
	var what string
	made.size = c.files.Size
	if st, err := parseState(b); err != nil {
		what = err.Error()
	} else if st.size != c.files.Size {
		what = fmt.Sprintf("it is the state at %d entries", st.size)
	} else if c.unread.n == 0 && string(made.append(nil)) != string(b) {
		what = "it is not what the sealed entries make it"
	}
	if what != "" {
		c.report.Add(Damage{Part: stateDirName, File: file, What: what})
	}
	return nil
}

// checkEnds compares how far everything goes.
func (c *check) checkEnds(g *grown) {
	size, clean := g.byBodies.Size(), c.manifest.Clean != nil
	switch {
	case c.newest.Size > size:
		c.report.Add(Damage{Part: walName, File: walName, What: fmt.Sprintf("the directory holds %d entries, and published a checkpoint of %d: its tail was dropped, or it was rolled back", size, c.newest.Size)})
		return
	case clean && c.newest.Size != size:
		c.report.Add(Damage{Part: checkpointsName, File: checkpointsName, What: fmt.Sprintf("the server was stopped with %d entries, and the checkpoint that it published then is not there: the newest has %d", size, c.newest.Size)})
	}
	for _, f := range []struct {
		file        *hashes
		part, name  string
		have, least uint64
	}{
		{g.roots, rootsName, rootsName, size, c.newest.Size},
		{g.blocks, tilesName, filepath.Join(tilesName, blocksName), size >> blockBits, c.newest.Size >> blockBits},
	} {
		if f.file.file == nil {
			continue // it was told, or need not be there
		}
		if f.file.n < f.least || clean && f.file.size != int64(f.have)*32 {
			c.report.Add(Damage{Part: f.part, File: f.name, Offset: &f.file.size, What: fmt.Sprintf("it has %d bytes, and %d hashes take %d", f.file.size, f.have, f.have*32)})
		}
	}
	if c.unread.n == 0 && !g.keys.same(c.manifest.Keys, clean) {
		c.report.Add(Damage{Part: manifestName, File: manifestName, What: "its keys are not those that the entries of the trail name"})
	}
}

// same tells whether the manifest names the same keys. Unless the stop was clean, newer ones may be missing there: a crash
// came between the entry and the manifest.
func (k *keyring) same(named []KeyRange, clean bool) bool {
	if len(named) > len(k.history) || clean && len(named) < len(k.history) {
		return false
	}
	for i, n := range named {
		h := k.history[i]
		same := n.Until == h.Until || n.Until != nil && h.Until != nil && *n.Until == *h.Until
		if i == len(named)-1 && i < len(k.history)-1 {
			same = n.Until == nil
		}
		if n.VKey != h.VKey || n.From != h.From || !same {
			return false
		}
	}
	return true
}
