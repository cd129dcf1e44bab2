package segment

import (
	"cmp"
	"math"

	"countersign/event"
	"countersign/query"
)

// key is by what matches are ordered, before seq: a number, or a text.
type key struct {
	number int64
	text   event.Text
}

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.number, b.number), query.CompareText(a.text, b.text))
}

// run is a list of matches in the order of their keys.
type run interface {
	len() int
	// key returns the key of match i.
	key(i int) key
	// around returns how many of the matches are before k, and how many are before or at it. Both numbers are known
	// to be from lo to hi.
	around(k key, lo, hi int) (before, through int)
}

// span is a part of a run.
type span struct{ from, to int }

// selectKey returns the key of the match that has the given rank among all runs, with where that key is in each, and how
// many matches are before it. Of matches with the same key any has the rank: who orders them begins at before.
func selectKey(runs []run, rank int) (k key, at []span, before int) {
	left := make([]span, len(runs)) // where the key can be
	for i, r := range runs {
		left[i] = span{0, r.len()}
	}
	at = make([]span, len(runs))
	chance, last := uint64(1), math.MaxInt
	for try := 0; ; try++ {
		lows, remaining := 0, 0
		for _, l := range left {
			lows += l.from
			remaining += l.to - l.from
		}
		if rank < lows || remaining <= rank-lows || remaining >= last {
			panic(&CorruptError{Offset: -1, What: "an order that contradicts itself"})
		}
		last = remaining
		// As long as the runs follow each other, the match is where it would be if they were one list. If they do not, any
		// match halves what remains, more or less.
		pick := rank - lows
		if try > 2 && try%3 != 0 {
			chance = chance*6364136223846793005 + 1442695040888963407
			pick = int(chance >> 33 % uint64(remaining))
		}
		for i, l := range left {
			if n := l.to - l.from; pick >= n {
				pick -= n
				continue
			}
			k = runs[i].key(l.from + pick)
			break
		}
		before, through := 0, 0
		for i, r := range runs {
			at[i].from, at[i].to = r.around(k, left[i].from, left[i].to)
			before += at[i].from
			through += at[i].to
		}
		switch {
		case rank < before:
			for i := range left {
				left[i].to = at[i].from
			}
		case rank >= through:
			for i := range left {
				left[i].from = at[i].to
			}
		default:
			return k, at, before
		}
	}
}
