package segment

import (
	"cmp"
	"slices"

	"countersign/bitmap"
	"countersign/event"
)

// keyed is a run of which the matches with one key can be had.
type keyed interface {
	run
	// owner is the segment that the matches are of, nil for open entries.
	owner() *Segment
	// resolve finds the matches of pieces.
	resolve(pieces []*piece)
	// texts calls visit with the text of each key that has one. It is good until visit returns.
	texts(visit func(string))
}

// piece is all matches of one run that have one key: rows of a part or, in the order of seq, open entries.
type piece struct {
	run  int
	at   span
	rows bitmap.Set
	open []*event.Entry
}

// group is the matches that have one key, in the order of their owners.
type group []piece

// compareOwners puts segments in the order of the trail, and open entries after them.
func compareOwners(a, b *Segment) int {
	switch {
	case a == b:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return cmp.Compare(a.first, b.first)
}

// byKey returns the seqs of n matches from a rank on, in the order of their keys and then of seq.
func byKey(runs []keyed, from, n int) []uint64 {
	all := make([]run, len(runs))
	for i, r := range runs {
		all[i] = r
	}
	_, at, before := selectKey(all, from)
	skip := from - before
	groups := collect(runs, at, skip+n)
	resolve(runs, groups)
	out := make([]uint64, 0, n)
	for _, g := range groups {
		out, skip = appendGroup(out, runs, g, skip, n)
	}
	return out
}

// collect returns the groups from the given places of the runs on, until they have n matches together.
func collect(runs []keyed, at []span, n int) (groups []group) {
	keys := make([]key, len(runs)) // of the next match of each run
	next := make([]int, len(runs))
	for i, s := range at {
		next[i] = s.to
		if s.to < runs[i].len() {
			keys[i] = runs[i].key(s.to)
		}
	}
	for {
		var g group
		for i, s := range at {
			if s.from < s.to {
				g = append(g, piece{run: i, at: s})
				n -= s.to - s.from
			}
		}
		slices.SortStableFunc(g, func(a, b piece) int { return compareOwners(runs[a.run].owner(), runs[b.run].owner()) })
		groups = append(groups, g)
		least := -1
		for i, r := range runs {
			if next[i] < r.len() && (least < 0 || compareKeys(keys[i], keys[least]) < 0) {
				least = i
			}
		}
		if n <= 0 || least < 0 {
			return groups
		}
		k := keys[least]
		for i, r := range runs {
			at[i] = span{next[i], next[i]}
			if next[i] == r.len() || compareKeys(keys[i], k) != 0 {
				continue
			}
			if _, at[i].to = r.around(k, next[i], r.len()); at[i].to <= at[i].from {
				panic(&CorruptError{Offset: -1, What: "an order that contradicts itself"})
			}
			if next[i] = at[i].to; next[i] < r.len() {
				keys[i] = r.key(next[i])
			}
		}
	}
}

// resolve finds the matches of all pieces, those of each run at once.
func resolve(runs []keyed, groups []group) {
	pieces := make([][]*piece, len(runs))
	for _, g := range groups {
		for i := range g {
			pieces[g[i].run] = append(pieces[g[i].run], &g[i])
		}
	}
	for i, of := range pieces {
		if len(of) > 0 {
			runs[i].resolve(of)
		}
	}
}

// appendGroup appends the seqs of a group in ascending order, after skipping some, until out has n. It returns how many
// are still to be skipped.
func appendGroup(out []uint64, runs []keyed, g group, skip, n int) ([]uint64, int) {
	for len(g) > 0 && len(out) < n {
		owner, size := runs[g[0].run].owner(), 0
		var rows bitmap.Set
		var open []*event.Entry
		for len(g) > 0 && runs[g[0].run].owner() == owner {
			size += g[0].at.to - g[0].at.from
			rows, open = rows.Or(g[0].rows), append(open, g[0].open...)
			g = g[1:]
		}
		passed := min(skip, size)
		skip -= passed
		if passed == size {
			continue
		}
		if owner != nil {
			p := &part{Segment: owner, matching: rows, n: size}
			out = p.appendSeqs(out, passed, n-len(out))
			continue
		}
		for _, e := range open[passed:min(size, passed+n-len(out))] {
			out = append(out, e.Seq)
		}
	}
	return out, skip
}
