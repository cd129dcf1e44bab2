package segment

// Part is a part of a segment's file.
type Part struct {
	Name  string
	Bytes int
}

// Sizes returns the parts of the file, and what each takes.
func (s *Segment) Sizes() (out []Part) {
	add := func(name string, n int) {
		if n > 0 {
			out = append(out, Part{name, n})
		}
	}
	_ = viewAll([]*Segment{s}, func() error {
		add("order", s.tableBytes(&s.order.pages))
		add("occurred", s.tableBytes(&s.occurred.pages))
		add("received", s.tableBytes(&s.received.pages))
		add("chains", int(s.chains.length))
		add("unsure", int(s.directory.unsure.length))
		for _, c := range s.list {
			name := string(c.field)
			add(name+" present", int(c.present.length))
			add(name+" unknown", int(c.unknown.length+c.unsure.length))
			add(name+" dictionary", s.tableBytes(&c.values.pages))
			add(name+" sets", s.tableBytes(&c.sets))
			add(name+" codes", s.tableBytes(&c.codes.pages))
			add(name+" hashes", s.tableBytes(&c.hashes.starts.pages)+s.tableBytes(&c.hashes.low.pages)+s.tableBytes(&c.hashes.rows.pages))
		}
		return nil
	})
	return out
}

func (s *Segment) tableBytes(t *table) int {
	n := int(t.length)
	for i := range t.count {
		n += int(s.at(t, i).length)
	}
	return n
}

// OpenUnsummed is OpenBytes for bytes whose checksums are wrong.
func OpenUnsummed(b []byte) (*Segment, error) {
	s := &Segment{name: "unsummed", data: b, unsummed: true}
	return s, s.open()
}

// SetSample makes samples of orders by bodies smaller, until the returned function is called.
func SetSample(entries, bytes int) (undo func()) {
	oldEntries, oldBytes := sampleEntries, sampleBytes
	sampleEntries, sampleBytes = entries, bytes
	return func() { sampleEntries, sampleBytes = oldEntries, oldBytes }
}

// KeepAll makes the cache keep what took no time to find, too.
func (c *Cache) KeepAll() { c.after = 0 }

// Held returns how many things the cache keeps, and about how many bytes they take.
func (c *Cache) Held() (n, bytes int) {
	for _, of := range c.entries {
		n += len(of)
	}
	return n, c.used
}
