package verify

import (
	"fmt"

	"countersign/merkle"
	"countersign/wal"
)

// grow adds a leaf to the tree and holds it to every checkpoint of its new size.
func (c *dataCheck) grow(leaf merkle.Hash) error {
	block, complete := c.edge.Append(leaf)
	if complete {
		if err := c.checkBlock(c.edge.Size()>>merkle.BlockLevel-1, block); err != nil {
			return err
		}
	}
	return c.holdTo(c.edge.Size())
}

// holdTo holds the tree to the published and the kept checkpoints of its size.
func (c *dataCheck) holdTo(size uint64) error {
	for c.due != nil && c.due.Size <= size {
		if c.due.Size == size {
			c.checkPublished(c.due)
		}
		c.newest = c.due
		if err := c.nextPublished(); err != nil {
			return err
		}
	}
	for len(c.kept) > 0 && c.kept[0].Size <= size {
		k := c.kept[0]
		c.kept = c.kept[1:]
		if root := c.edge.Root(); root != k.Root {
			c.report.find(Forked, keptName(k), "the first %d entries are not those under it%s", k.Size, c.since())
			c.diverged = true
			continue
		}
		c.agreed = size
	}
	return nil
}

// since says where the first difference lies, as far as that is known.
func (c *dataCheck) since() string {
	if c.agreed == 0 {
		return ""
	}
	return fmt.Sprintf("; up to entry %d they are what was signed, so the first that differs is behind it", c.agreed-1)
}

func (c *dataCheck) checkBlock(n uint64, block merkle.Hash) error {
	stored, err := c.blocks.read(n, 1)
	if err != nil || len(stored) == 0 || c.diverged {
		return err
	}
	if stored[0] != block {
		c.report.find(Disagrees, c.blocks.name, "the hash of the entries %d to %d is another one", n<<merkle.BlockLevel, (n+1)<<merkle.BlockLevel-1)
	}
	return nil
}

func (c *dataCheck) checkPublished(p *due) {
	if p.Origin != c.manifest.Origin {
		c.report.find(Forked, p.where, "a checkpoint of the trail %s", p.Origin)
		return
	}
	c.checkSignature(p.Checkpoint, p.where)
	c.checkRoot(p.Checkpoint, p.where)
}

// checkBatch checks the checkpoint at the end of a frame.
func (c *dataCheck) checkBatch(signed merkle.Checkpoint, where string) {
	switch {
	case signed.Origin != c.manifest.Origin:
		c.report.find(Forked, where, "its checkpoint is of the trail %s", signed.Origin)
		return
	case signed.Size != c.edge.Size():
		c.report.find(Moved, where, "its checkpoint is of %d entries", signed.Size)
		return
	}
	c.checkSignature(signed, where)
	c.checkRoot(signed, where)
	c.batch = signed
}

func (c *dataCheck) checkSignature(k merkle.Checkpoint, where string) {
	keys, err := c.ring.at(k.Size)
	if err != nil {
		c.report.find(WrongKey, where, "%v", err)
		return
	}
	c.sigs.check(k, keys, where)
}

// checkRoot holds the tree to a checkpoint of its size. After the first that is not right no other can be.
func (c *dataCheck) checkRoot(k merkle.Checkpoint, where string) {
	switch root := c.edge.Root(); {
	case root == k.Root:
		if !c.diverged {
			c.agreed = k.Size
		}
	case c.diverged:
	default:
		c.diverged = true
		c.report.find(Changed, where, "the first %d entries have the root %s, and the checkpoint says %s%s", k.Size, rootText(root), rootText(k.Root), c.since())
	}
}

// finish checks what can be told only when the whole log was read; broken says that it was not.
func (c *dataCheck) finish(rec wal.Recovery, broken bool) error {
	r, size := c.report, c.edge.Size()
	c.sigs.report(r)
	if !broken {
		for _, f := range c.chains.ifWhole.Findings {
			r.add(f)
		}
		if err := c.checkEnds(size); err != nil {
			return err
		}
		c.checkKeys(size)
	}
	r.fact("entries", "%s", rowsText(size, uint64(len(c.facts))))
	if c.sealed != nil {
		r.fact("sealed", "the first %d of them, with %d indexes held to them", c.sealed.size, len(c.manifest.Sealed.Indexes))
	}
	r.fact("batches in the log", "%d, each with its signed checkpoint", c.frames)
	r.fact("published checkpoints", "%d", c.publishedN)
	r.fact("accounts", "%d", len(c.chains.heads))
	if rec.Torn > 0 {
		r.fact("torn", "%d bytes behind the last batch (%s): a server is writing, or was killed; nobody was promised anything of them", rec.Torn, rec.TornReason)
	}
	if size == 0 {
		return nil
	}
	r.claim("A", "Every one of the %d entries is genuine: it is as it was recorded, and the key signed the tree that holds it.", size)
	r.claim("C", "The directory is complete: it has every entry from 0 to %d.", size-1)
	r.Limits = append(r.Limits, limitOperator)
	if n := len(c.opt.Kept); n > 0 {
		newest := c.opt.Kept[0].Size
		for _, k := range c.opt.Kept {
			newest = max(newest, k.Size)
		}
		r.claim("A", "It goes on from each of the %d kept checkpoints: of the first %d entries none was changed, removed or put between since the newest of them was made.", n, newest)
		r.Limits = append(r.Limits, "Entries behind the newest kept checkpoint can have been rewritten by whoever has the signing key, or dropped by whoever can write to the disk.")
	} else {
		r.Limits = append(r.Limits, "Without a kept checkpoint (--checkpoint) nothing tells whether this is all that there ever was: an older copy of the directory passes too, and so does one that the holder of the key wrote anew.")
	}
	if c.sealed != nil {
		r.Limits = append(r.Limits, "The hashes of ids (ids/) are made with a key of the server's own, and were held to their checksums only.")
	}
	r.Limits = append(r.Limits, "Users, roles and tokens (control.db) are not part of the trail; what was done to them is.")
	return nil
}

// checkEnds compares how far everything goes.
func (c *dataCheck) checkEnds(size uint64) error {
	r, clean := c.report, c.manifest.Clean != nil
	if err := c.passBy(); err != nil {
		return err
	}
	newest := uint64(0)
	if c.newest != nil {
		newest = c.newest.Size
	}
	for _, k := range c.kept { // those that the trail never reached
		kind := RolledBack
		if newest >= k.Size {
			kind = DroppedTail
		}
		r.find(kind, keptName(k), "the directory holds %d entries only: it was rolled back to an earlier state, or its tail was dropped", size)
	}
	switch {
	case newest > size:
		r.find(DroppedTail, c.newest.where, "the directory holds %d entries, and published a checkpoint of %d", size, newest)
	case clean && newest != size:
		r.find(Missing, checkpointsName, "the server was stopped with %d entries, and the last checkpoint that it published then is not there: the newest has %d", size, newest)
	}
	for _, f := range []struct {
		file        *hashFile
		have, least uint64
		what        string
	}{{c.roots, size, newest, "entries"}, {c.blocks, size >> merkle.BlockLevel, newest >> merkle.BlockLevel, "blocks"}} {
		switch {
		case f.file.n > f.have:
			r.find(DroppedTail, f.file.name, "the file has %d %s, and the log %d", f.file.n, f.what, f.have)
		case f.file.n < f.least && newest <= size:
			r.find(Missing, f.file.name, "the file has %d %s, and the newest published checkpoint %d", f.file.n, f.what, f.least)
		case clean && f.file.rest > 0:
			r.find(Malformed, f.file.name, "%d bytes stand behind the last whole hash", f.file.rest)
		}
	}
	return nil
}

// passBy reads the published checkpoints that the trail never reached.
func (c *dataCheck) passBy() error {
	for c.due != nil {
		c.newest = c.due
		if err := c.nextPublished(); err != nil {
			return err
		}
	}
	return nil
}

// checkKeys holds the end of the trail to the given keys. A given key must have signed the newest checkpoint, in its
// own time; the keys before it are believed because entries under that checkpoint name them.
func (c *dataCheck) checkKeys(size uint64) {
	if !c.ring.is(c.manifest.Keys, c.manifest.Clean != nil) {
		c.report.find(Disagrees, manifestName, "its keys are not those that the entries of the trail name")
	}
	top := c.batch
	if c.newest != nil && c.newest.Size > top.Size { // nothing is behind what is sealed
		top = c.newest.Checkpoint
	}
	if size == 0 || top.Size != size {
		c.report.Origin, c.report.TreeSize = c.manifest.Origin, size
		if size > 0 {
			c.report.find(Missing, walName, "no checkpoint is there of all %d entries", size)
		}
		return
	}
	c.report.anchor(top, c.opt.Keys)
	if len(c.report.SignedBy) > 0 {
		keys, err := c.ring.at(size)
		if err != nil {
			c.report.find(WrongKey, "the newest checkpoint", "%v", err)
			return
		}
		own, err := top.SignedBy(keys)
		if err != nil || !anyIn(c.report.SignedBy, own) {
			c.report.find(WrongKey, "the newest checkpoint", "the given key that signed it is not one that the trail names for %d entries", size)
		}
	}
}

func anyIn(a, b []string) bool {
	for _, s := range a {
		for _, t := range b {
			if s == t {
				return true
			}
		}
	}
	return false
}
