package segment

// valueReader reads values of a dictionary whose places ascend.
type valueReader struct {
	seg *Segment
	d   *dictionary
	c   cursor
	at  int // place of the value read last, -1 before the first
}

func newValueReader(s *Segment, d *dictionary) *valueReader {
	return &valueReader{seg: s, d: d, at: -1}
}

// read returns value i, which must not be before the last one. The bytes are good until the next read.
func (r *valueReader) read(i int) []byte {
	if r.at < 0 || i/groupValues != r.at/groupValues {
		b, n := r.seg.dictionaryPage(r.d, i/pageValues)
		value := r.c.value
		r.c = cursorAt(b, n, i%pageValues/groupValues)
		r.c.value = value[:0]
		r.at = i/groupValues*groupValues - 1
	}
	for r.at < i {
		r.at++
		r.c.next(r.at%groupValues == 0)
	}
	return r.c.value
}
