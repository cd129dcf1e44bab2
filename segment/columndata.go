package segment

import (
	"iter"

	"countersign/bitmap"
	"countersign/query"
)

// columnData is what a column is written from.
type columnData struct {
	field  query.Field
	codes  []uint32 // by row
	has    int      // rows that have a value
	count  int      // of values
	values iter.Seq[string]
	hashed int
	hashes iter.Seq[uint64] // ascending, the hash above 32 bits of row
	unsure bitmap.Set
}

// write writes the column in the form that takes the least.
func (d *columnData) write(w *writer) *column {
	c := &column{field: d.field, everPresent: d.has == len(d.codes)}
	c.values.count = d.count
	dict := dictionaryWriter{w: w}
	for v := range d.values {
		dict.add(v)
	}
	c.values.pages.ref = dict.finish()
	c.unsure.ref = w.set(d.unsure)
	c.form = d.form()
	if !c.everPresent && c.form != dense {
		c.present.ref = w.set(d.present())
	}
	switch c.form {
	case bitmaps:
		d.writeSets(w, c)
	case dense, sparse:
		d.writeCodes(w, c)
	}
	d.writeHashes(w, c)
	return c
}

func (d *columnData) form() form {
	switch {
	case d.count == 0:
		return unindexed
	case d.count <= mostBitmaps:
		return bitmaps
	case d.has < len(d.codes)/2:
		return sparse
	}
	return dense
}

func (d *columnData) present() bitmap.Set {
	rows := make([]uint32, 0, d.has)
	for row, code := range d.codes {
		if code != absentCode {
			rows = append(rows, uint32(row))
		}
	}
	return bitmap.Of(rows...)
}

func (d *columnData) writeSets(w *writer, c *column) {
	sets := setsOf(d.codes, c.unknownCode())
	var table []byte
	for _, s := range sets[1:c.unknownCode()] {
		table = appendRef(table, w.set(s))
	}
	c.sets.ref = w.block(table)
	c.unknown.ref = w.set(sets[c.unknownCode()])
}

func (d *columnData) writeCodes(w *writer, c *column) {
	var most uint32
	for _, code := range d.codes {
		most = max(most, code)
	}
	p := newPacker(w, most)
	for _, code := range d.codes {
		if c.form == dense || code != absentCode {
			p.add(code)
			c.codes.count++
		}
	}
	c.codes.most = most
	c.codes.pages.ref = p.finish()
}

func (d *columnData) writeHashes(w *writer, c *column) {
	if c.hashes.count = d.hashed; d.hashed == 0 {
		return
	}
	h := newHashWriter(w, d.hashed, len(d.codes))
	for v := range d.hashes {
		h.add(uint32(v>>32), uint32(v))
	}
	c.hashes = h.finish(w)
}
