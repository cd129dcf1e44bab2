package segment

import "hash/maphash"

// distinct numbers different texts as they come, from 0. It is what a map would be used for, but for that a text which is
// new is hashed once, and none again when there are more.
type distinct struct {
	texts []string
	slots []slot // a power of two of them, of which at most half are taken
}

// slot is empty or has a text: its hash and its number plus one.
type slot struct{ hash, number uint32 }

const firstSlots = 1 << 8

var distinctSeed = maphash.MakeSeed()

// add returns the number of a text, and whether it was new.
func (d *distinct) add(v string) (number uint32, added bool) {
	if 2*len(d.texts) >= len(d.slots) {
		d.grow()
	}
	hash := uint32(maphash.String(distinctSeed, v))
	mask := uint32(len(d.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &d.slots[i]
		switch {
		case s.number == 0:
			d.texts = append(d.texts, v)
			*s = slot{hash, uint32(len(d.texts))}
			return s.number - 1, true
		case s.hash == hash && d.texts[s.number-1] == v:
			return s.number - 1, false
		}
	}
}

func (d *distinct) grow() {
	old := d.slots
	d.slots = make([]slot, max(firstSlots, 2*len(old)))
	mask := uint32(len(d.slots) - 1)
	for _, s := range old {
		if s.number == 0 {
			continue
		}
		i := s.hash & mask
		for d.slots[i].number != 0 {
			i = (i + 1) & mask
		}
		d.slots[i] = s
	}
}
