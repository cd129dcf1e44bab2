package crashfs

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
)

const sectorBytes = 512

// node is a file or a folder: what the page cache shows of it, and what the disk holds.
type node struct {
	// names is what a folder holds now, nil for a file; onDisk what the disk has of it; and acts what was done
	// since, in order: names set, or taken away where the node is nil.
	names  map[string]*node
	onDisk map[string]*node
	acts   []map[string]*node

	// bytes is what a file reads as; synced the disk's bytes, cut or filled with zeros to syncedSize.
	bytes      []byte
	synced     []byte
	syncedSize int64
	// written holds for each sector how every write since the last sync left it, and sizes the same for the size.
	written map[int64][][]byte
	sizes   []int64
}

func newFolder() *node {
	return &node{names: map[string]*node{}, onDisk: map[string]*node{}}
}

func (n *node) folder() bool { return n.names != nil }

// change sets names of a folder, as one act.
func (n *node) change(act map[string]*node) {
	apply(n.names, act)
	n.acts = append(n.acts, act)
}

func apply(names, act map[string]*node) {
	for name, node := range act {
		if node == nil {
			delete(names, name)
		} else {
			names[name] = node
		}
	}
}

// syncNames brings the acts to the disk, all, every other, or none. None is left to be done later, but for folders
// that were made: nobody could make them again under the same name.
func (n *node) syncNames(mode Mode) {
	var left []map[string]*node
	for i, act := range n.acts {
		switch {
		case mode == Done || mode == Partly && i%2 == 0:
			apply(n.onDisk, act)
		case makesFolder(act):
			left = append(left, act)
		}
	}
	n.acts = left
}

func makesFolder(act map[string]*node) bool {
	for _, node := range act {
		if node != nil && node.folder() {
			return true
		}
	}
	return false
}

// write changes the bytes of a file, which is made longer as needed.
func (n *node) write(p []byte, off int64) {
	if len(p) == 0 {
		return
	}
	end := off + int64(len(p))
	if end > int64(len(n.bytes)) {
		n.grow(end)
	}
	copy(n.bytes[off:], p)
	n.note(off, end)
}

func (n *node) grow(size int64) {
	n.bytes = append(n.bytes, make([]byte, size-int64(len(n.bytes)))...)
	n.sizes = append(n.sizes, size)
}

func (n *node) truncate(size int64) {
	old := int64(len(n.bytes))
	switch {
	case size > old:
		n.grow(size)
	case size < old:
		clear(n.bytes[size:])
		n.note(size, old)
		n.bytes = n.bytes[:size]
		n.sizes = append(n.sizes, size)
	}
}

// note keeps how the sectors of [from, to) are now. Those that the disk holds as they are, and that no write
// under way will change, are left out: a large file of zeros costs nothing.
func (n *node) note(from, to int64) {
	for s := from / sectorBytes; s*sectorBytes < to; s++ {
		sector := sectorOf(n.bytes, s)
		if n.written[s] == nil && equalPadded(sector, sectorOf(n.synced, s)) {
			continue
		}
		if n.written == nil {
			n.written = map[int64][][]byte{}
		}
		n.written[s] = append(n.written[s], append(make([]byte, 0, sectorBytes), sector...))
	}
}

// sectorOf returns what b holds of a sector.
func sectorOf(b []byte, s int64) []byte {
	size := int64(len(b))
	return b[min(s*sectorBytes, size):min((s+1)*sectorBytes, size)]
}

// equalPadded compares as if the shorter one went on with zeros.
func equalPadded(a, b []byte) bool {
	if len(a) < len(b) {
		a, b = b, a
	}
	return bytes.Equal(a[:len(b)], b) && len(bytes.Trim(a[len(b):], "\x00")) == 0
}

func setSector(b []byte, s int64, sector []byte) []byte {
	if end := (s + 1) * sectorBytes; end > int64(len(b)) {
		b = append(b, make([]byte, end-int64(len(b)))...)
	}
	place := b[s*sectorBytes : (s+1)*sectorBytes]
	clear(place[copy(place, sector):])
	return b
}

// sync brings the bytes to the disk, all, every other sector, or none. None is left to be done later.
func (n *node) sync(mode Mode) {
	for s, versions := range n.written {
		if mode == Done || mode == Partly && s%2 == 0 {
			n.synced = setSector(n.synced, s, versions[len(versions)-1])
		}
	}
	if len(n.sizes) > 0 && mode == Done {
		n.syncedSize = n.sizes[len(n.sizes)-1]
	}
	n.written, n.sizes = nil, nil
}

// crash returns what the disk holds of a node after a loss of power. done has those returned already, since
// a rename between folders can leave a file with two names.
func (n *node) crash(rng *rand.Rand, done map[*node]*node) *node {
	if after := done[n]; after != nil {
		return after
	}
	after := &node{}
	if n.folder() {
		after = newFolder()
	}
	done[n] = after
	// Nothing and everything are likelier than chance would have them among many.
	luck := rng.IntN(4)
	reached := func() bool { return luck == 0 || luck > 1 && rng.IntN(2) == 0 }
	if !n.folder() {
		n.crashBytes(after, rng, reached)
		return after
	}
	names := maps.Clone(n.onDisk)
	for _, act := range n.acts {
		if reached() {
			apply(names, act)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		after.names[name] = names[name].crash(rng, done)
	}
	after.onDisk = maps.Clone(after.names)
	return after
}

func (n *node) crashBytes(after *node, rng *rand.Rand, reached func() bool) {
	b := bytes.Clone(n.synced)
	for _, s := range slices.Sorted(maps.Keys(n.written)) {
		versions := n.written[s]
		if !reached() {
			continue
		}
		// Mostly the last one; but the disk may have got an earlier one before it was written over.
		i := len(versions) - 1
		if rng.IntN(4) == 0 {
			i = rng.IntN(len(versions))
		}
		b = setSector(b, s, versions[i])
	}
	size := n.syncedSize
	for _, s := range n.sizes {
		if reached() {
			size = s
		}
	}
	if grown := size - int64(len(b)); grown > 0 {
		b = append(b, make([]byte, grown)...)
	}
	after.bytes = b[:size:size]
	after.synced, after.syncedSize = bytes.Clone(after.bytes), size
}
