package segment_test

import (
	"slices"
	"testing"

	"countersign/query"
	"countersign/segment"
)

func TestAnswersAgreeWithTheOracle(t *testing.T) {
	for name, odd := range kinds() {
		t.Run(name, func(t *testing.T) {
			r := random(t)
			for range times(t, 4) {
				all := trail(nil).extend(r, 2000+r.IntN(2000), odd)
				cache := segment.NewCache(1 << (10 + r.IntN(12)))
				v := &segment.View{Open: all, End: all.end(), Bodies: all.bodies}
				for from := 0; from < len(all) && r.IntN(8) > 0; {
					to := min(len(all), from+1+r.IntN(1500))
					v.Segments = append(v.Segments, build(t, all[from:to], cache))
					from = to
				}
				checkQueries(t, r, v, all, 200)
				for len(v.Segments) > 1 && r.IntN(8) > 0 {
					from := r.IntN(len(v.Segments) - 1)
					to := from + 2 + r.IntN(len(v.Segments)-1-from)
					v.Segments = slices.Replace(v.Segments, from, to, merge(t, v.Segments[from:to], cache))
					checkQueries(t, r, v, all, 100)
				}
			}
		})
	}
}

// Segments of several pages, with more matches than are held at one time.
func TestLargeSegmentsAgreeWithTheOracle(t *testing.T) {
	r := random(t)
	for range times(t, 1) {
		all := trail(nil).extend(r, 330_000, inTime())
		cache := segment.NewCache(1 << 24)
		v := &segment.View{Open: all, End: all.end(), Bodies: all.bodies}
		for _, n := range []int{131_072, 100_000, 1000, 80_000} {
			from := 0
			if k := len(v.Segments); k > 0 {
				from = int(v.Segments[k-1].End())
			}
			v.Segments = append(v.Segments, build(t, all[from:from+n], cache))
		}
		checkQueries(t, r, v, all, 25)
		v.Segments = []*segment.Segment{v.Segments[0], merge(t, v.Segments[1:], cache)}
		checkQueries(t, r, v, all, 25)
		v.Segments = []*segment.Segment{merge(t, v.Segments, cache)}
		checkQueries(t, r, v, all, 25)
		for _, o := range []query.Sort{{Field: query.ID}, {Field: query.AccountSeq, Desc: true}, {Field: query.Description}} {
			q := query.Query{Sort: o, Offset: r.Uint64N(300_000), Limit: 50}
			want := all.oracle(q.Filter, o, all.end())
			total, page, err := v.Search(t.Context(), q, all.end())
			if err != nil || int(total) != len(want) || !slices.Equal(page, want[q.Offset:q.Offset+50].seqs()) {
				t.Fatalf("by %s from %d: %v, %d matches, want %d\n%v\nwant %v", query.PrintSort(o), q.Offset, err, total, len(want), page, want[q.Offset:q.Offset+50].seqs())
			}
		}
	}
}
