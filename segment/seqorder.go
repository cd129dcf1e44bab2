package segment

// bySeq returns the seqs of n matches from a rank on, in the order of the trail.
func (m *matches) bySeq(from, n int) ([]uint64, error) {
	out := make([]uint64, 0, n)
	for i := range m.parts {
		p := &m.parts[i]
		if from >= p.n {
			from -= p.n
			continue
		}
		if len(out) == n {
			break
		}
		out = p.appendSeqs(out, from, n-len(out))
		from = 0
	}
	for i := from; i < len(m.open) && len(out) < n; i++ {
		out = append(out, m.open[i].Seq)
	}
	return out, nil
}

// manyAtOnce is how many seqs are enough to put all rows in the order of seq.
const manyAtOnce = 1 << 12

// appendSeqs appends the seqs of at most n matches of the part, from a rank in the order of seq on.
func (p *part) appendSeqs(out []uint64, from, n int) []uint64 {
	n = min(n, p.n-from)
	if !p.placed && n < manyAtOnce && p.n > manyAtOnce && p.n < p.Segment.rows && p.nearlyInOrder() {
		for _, place := range p.selectPlaces(p.matching, from, n) {
			out = append(out, p.first+uint64(place))
		}
		return out
	}
	if !p.placed {
		p.places, p.placed = p.Segment.places(p.matching), true
	}
	for _, place := range p.places.Take(from, n) {
		out = append(out, p.first+uint64(place))
	}
	return out
}

// receivedInOrder tells whether the order of received_at is that of the trail, as the server's clock promises.
func (m *matches) receivedInOrder() bool {
	for i := range m.parts {
		p := &m.parts[i]
		if !p.received.ascending || i > 0 && p.received.low < m.parts[i-1].received.high {
			return false
		}
	}
	for i, e := range m.open {
		switch {
		case i > 0:
			if e.ReceivedAt < m.open[i-1].ReceivedAt {
				return false
			}
		case len(m.parts) > 0:
			if int64(e.ReceivedAt) < m.parts[len(m.parts)-1].received.high {
				return false
			}
		}
	}
	return true
}
