package segment

import (
	"cmp"
	"slices"
	"sort"

	"countersign/event"
)

// byTime returns the function that gives matches in the order of occurred_at. Rows are in that order already, so it
// merges what the segments have; mostly one follows the other.
func (m *matches) byTime() func(from, n int) ([]uint64, error) {
	var runs []run
	var sources []source
	for i := range m.parts {
		runs = append(runs, timeRun{&m.parts[i]})
		sources = append(sources, &rowSource{part: &m.parts[i]})
	}
	if len(m.open) > 0 {
		sorted := slices.Clone(m.open)
		slices.SortStableFunc(sorted, func(a, b *event.Entry) int { return cmp.Compare(a.OccurredAt, b.OccurredAt) })
		runs = append(runs, openTimes(sorted))
		sources = append(sources, &openSource{sorted: sorted})
	}
	return func(from, n int) ([]uint64, error) {
		_, at, before := selectKey(runs, from)
		// Of equal times that of the earlier source comes first: sources follow each other by seq.
		skip := from - before
		for i, src := range sources {
			passed := min(skip, at[i].to-at[i].from)
			skip -= passed
			src.seek(at[i].from+passed, n)
		}
		out := make([]uint64, 0, n)
		for len(out) < n {
			next := -1
			var least int64
			for i, src := range sources {
				if at, ok := src.time(); ok && (next < 0 || at < least) {
					next, least = i, at
				}
			}
			if next < 0 {
				break
			}
			out = append(out, sources[next].take())
		}
		return out, nil
	}
}

// timeRun is the matches of a part in the order of time.
type timeRun struct{ *part }

func (r timeRun) len() int { return r.n }

func (r timeRun) key(i int) key {
	return key{number: r.integerAt(&r.occurred, int(r.matching.Select(i)))}
}

func (r timeRun) around(k key, lo, hi int) (before, through int) {
	switch {
	case lo == hi:
		return lo, hi
	case k.number < r.occurred.low:
		return 0, 0
	case k.number > r.occurred.high:
		return r.n, r.n
	}
	from := r.firstFrom(&r.occurred, k.number)
	before = r.matching.Rank(uint32(from))
	if from == r.Segment.rows || r.integerAt(&r.occurred, from) != k.number {
		return before, before // as for most times of other segments
	}
	return before, r.matching.Rank(uint32(r.after(&r.occurred, k.number)))
}

// openTimes is open matches in the order of time.
type openTimes []*event.Entry

func (r openTimes) len() int      { return len(r) }
func (r openTimes) key(i int) key { return key{number: int64(r[i].OccurredAt)} }

func (r openTimes) around(k key, lo, hi int) (before, through int) {
	before = lo + sort.Search(hi-lo, func(i int) bool { return int64(r[lo+i].OccurredAt) >= k.number })
	through = before + sort.Search(hi-before, func(i int) bool { return int64(r[before+i].OccurredAt) > k.number })
	return before, through
}

// source gives matches one after the other in the order of time, from where it was put by seek. No more than most of
// them will be taken.
type source interface {
	seek(from, most int)
	// time returns the time of the next match.
	time() (at int64, ok bool)
	// take returns the seq of the next match and goes on.
	take() uint64
}

// rowSource is the matches of a part.
type rowSource struct {
	*part
	next int // rank of the row after the last one fetched
	most int
	rows []uint32 // fetched and not yet taken
	at   int64    // time of the first of them
}

// fetched is how many rows are fetched at one time: most sources have none on the page.
const fetched = 64

func (s *rowSource) seek(from, most int) {
	s.next, s.most, s.rows = from, most, nil
	s.fetch()
}

func (s *rowSource) fetch() {
	if len(s.rows) == 0 {
		s.rows = s.matching.Take(s.next, min(fetched, s.most))
		s.next += len(s.rows)
	}
	if len(s.rows) > 0 {
		s.at = s.integerAt(&s.occurred, int(s.rows[0]))
	}
}

func (s *rowSource) time() (int64, bool) { return s.at, len(s.rows) > 0 }

func (s *rowSource) take() uint64 {
	seq := s.first + uint64(s.place(s.rows[0]))
	s.rows = s.rows[1:]
	s.fetch()
	return seq
}

// openSource is the open matches.
type openSource struct {
	sorted, left []*event.Entry
}

func (s *openSource) seek(from, _ int) { s.left = s.sorted[from:] }

func (s *openSource) time() (int64, bool) {
	if len(s.left) == 0 {
		return 0, false
	}
	return int64(s.left[0].OccurredAt), true
}

func (s *openSource) take() uint64 {
	e := s.left[0]
	s.left = s.left[1:]
	return e.Seq
}
