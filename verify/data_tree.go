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
		if !c.keptName(k) {
			continue
		}
		if root := c.edge.Root(); root != k.Root {
			c.report.find(Forked, keptName(k), "the first %d entries are not those under it%s", k.Size, c.since())
			c.diverged = true
			continue
		}
		c.agreed = size
	}
	return nil
}

// keptName tells whether a kept checkpoint has the name that the trail had at its size, and finds what that means if not.
func (c *dataCheck) keptName(k merkle.Checkpoint) bool {
	if k.Origin == c.ring.name(k.Size) {
		return true
	}
	for _, o := range c.ring.origins {
		if o.old == k.Origin {
			c.report.find(RolledBack, keptName(k), "the trail was put back to %d entries and goes on as %s from there: what %s had signed behind them, up to %d, is not in it", o.size, o.new, o.old, k.Size)
			return false
		}
	}
	c.report.find(Forked, keptName(k), "it is of the trail %s, and the directory is that of %s", k.Origin, c.ring.name(k.Size))
	return false
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
	if !c.named(p.Checkpoint, p.where) {
		return
	}
	c.checkSignature(p.Checkpoint, p.where)
	c.checkRoot(p.Checkpoint, p.where)
}

// checkBatch checks the checkpoint at the end of a frame.
func (c *dataCheck) checkBatch(signed merkle.Checkpoint, where string) {
	switch {
	case !c.named(signed, where):
		return
	case signed.Size != c.edge.Size():
		c.report.find(Moved, where, "its checkpoint is of %d entries", signed.Size)
		return
	}
	c.checkSignature(signed, where)
	c.checkRoot(signed, where)
	c.batch = signed
}

// named holds a checkpoint of the directory to the name that the trail has at its size.
func (c *dataCheck) named(k merkle.Checkpoint, where string) bool {
	if name := c.ring.name(k.Size); k.Origin != name {
		c.report.find(Forked, where, "a checkpoint of %d entries of the trail %s, which is %s there", k.Size, k.Origin, name)
		return false
	}
	if k.Size >= c.lastOf[k.Origin].Size {
		c.lastOf[k.Origin] = k
	}
	return true
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
		if !c.keptName(k) {
			continue
		}
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
	if keys := c.manifest.Keys; nameOf(keys[len(keys)-1].VKey) != c.manifest.Origin {
		c.report.find(Forked, manifestName, "it is that of the trail %s, and its newest key signs for another", c.manifest.Origin)
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
	c.checkOrigins()
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

// checkOrigins tells of the names that the trail had. Under the newest checkpoint stands which name it had up to where;
// that whoever had the old name signed what is there is shown only to those who have a key of that name.
func (c *dataCheck) checkOrigins() {
	for _, o := range c.ring.origins {
		last := c.lastOf[o.old]
		c.report.fact("new origin", "entry %d says that the trail of the first %d entries, %s, is %s from there on; the last checkpoint of the old name here is of %d entries", o.size, o.size, o.old, o.new, last.Size)
		if !c.opt.Keys.Has(o.old) {
			c.report.Limits = append(c.report.Limits, fmt.Sprintf("That the first %d entries are those of the trail %s, nobody but the holder of the new key says: no key of that name was given (--key).", o.size, o.old))
			continue
		}
		if last.Note == nil {
			c.report.find(Missing, checkpointsName, "no checkpoint of the trail %s is there, whose first %d entries these are to be", o.old, o.size)
		} else if _, err := last.SignedBy(c.opt.Keys); err != nil {
			c.report.find(WrongKey, fmt.Sprintf("the last checkpoint of %s", o.old), "%v", err)
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
