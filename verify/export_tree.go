package verify

import (
	"cmp"
	"errors"
	"io"
	"iter"
	"slices"

	"countersign/bundle"
	"countersign/merkle"
)

var errTooFew = errors.New("the multiproof has too few hashes")

// tree holds the rows to the root of the checkpoint.
func (c *exportCheck) tree(x *bundle.ExportReader) error {
	if c.unread {
		// Where the rows stand that could not be read is not known, so the root cannot be computed.
		return skipHashes(x)
	}
	if !c.ascending {
		slices.SortFunc(c.leaves, func(a, b leafAt) int { return cmp.Compare(a.seq, b.seq) })
		c.leaves = slices.CompactFunc(c.leaves, func(a, b leafAt) bool { return a.seq == b.seq })
	}
	if c.head.Checkpoint.Size == 0 {
		return c.emptyTree(x)
	}
	if len(c.computed) > 0 {
		return c.blame(x)
	}
	var readErr error
	root, err := c.root(func() (merkle.Hash, error) {
		h, err := x.Hash()
		if err == io.EOF {
			return h, errTooFew
		}
		readErr = err
		return h, err
	}, nil)
	if readErr != nil {
		return readErr
	}
	return c.judge(x, root, err)
}

func skipHashes(x *bundle.ExportReader) error {
	for {
		if _, err := x.Hash(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// emptyTree: what parsed as the checkpoint of an empty tree has its root, and nothing is in it.
func (c *exportCheck) emptyTree(x *bundle.ExportReader) error {
	if _, err := x.Hash(); err != io.EOF {
		if err == nil {
			c.report.find(WrongProof, "multiproof", "the tree is empty and needs none")
			err = skipHashes(x)
		}
		return err
	}
	return nil
}

// root computes the root from the leaves that the rows state, or from those in place of them.
func (c *exportCheck) root(next func() (merkle.Hash, error), inPlace map[uint64]otherLeaf) (merkle.Hash, error) {
	leaves := iter.Seq2[uint64, merkle.Hash](func(yield func(uint64, merkle.Hash) bool) {
		for i := range c.leaves {
			leaf := c.leaves[i].leaf
			if other, ok := inPlace[c.leaves[i].seq]; ok {
				leaf = other.leaf
			}
			if !yield(c.leaves[i].seq, leaf) {
				return
			}
		}
	})
	return merkle.CheckMulti(c.head.Checkpoint.Size, leaves, next)
}

// judge says what a root means when every row gives the leaf that it states.
func (c *exportCheck) judge(x *bundle.ExportReader, root merkle.Hash, err error) error {
	if err != nil {
		c.report.find(WrongProof, "multiproof", "rows with these numbers need other hashes (%v): rows are missing, added or renumbered, or hashes are gone", err)
		return nil
	}
	if _, more := x.Hash(); more != io.EOF {
		if more == nil {
			c.report.find(WrongProof, "multiproof", "it has more hashes than rows with these numbers need: rows are missing, added or renumbered, or hashes were added")
			more = skipHashes(x)
		}
		if more != nil {
			return more
		}
		return nil
	}
	if root != c.head.Checkpoint.Root {
		c.report.find(WrongProof, "multiproof", "the rows and the hashes lead to the root %s, and the checkpoint has %s: one or more of them are not what the log holds; which, this file cannot tell",
			rootText(root), rootText(c.head.Checkpoint.Root))
	}
	return nil
}

// blame finds out what was changed when rows do not give the leaf that they state.
func (c *exportCheck) blame(x *bundle.ExportReader) error {
	var hashes []merkle.Hash
	for {
		h, err := x.Hash()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		hashes = append(hashes, h)
	}
	good := func(inPlace map[uint64]otherLeaf) bool {
		at := 0
		root, err := c.root(func() (merkle.Hash, error) {
			if at == len(hashes) {
				return merkle.Hash{}, errTooFew
			}
			at++
			return hashes[at-1], nil
		}, inPlace)
		return err == nil && at == len(hashes) && root == c.head.Checkpoint.Root
	}
	stated, given := good(nil), false
	if !stated {
		given = good(c.computed)
	}
	for _, at := range c.leaves {
		other, differs := c.computed[at.seq]
		if !differs {
			continue
		}
		where := recordName(other.record)
		switch {
		case stated:
			c.report.findEntry(Changed, where, at.seq, "the log holds another entry there: a value or the seed of this row was changed; the other rows are genuine")
		case given:
			c.report.findEntry(Changed, where, at.seq, "the hash that the row states (leaf) was changed; its values are genuine")
		default:
			c.report.findEntry(Changed, where, at.seq, "the row does not give the hash that it states (leaf)")
		}
	}
	if !stated && !given {
		c.report.find(WrongProof, "multiproof", "the rows and the hashes do not lead to the root of the checkpoint")
	}
	return nil
}
