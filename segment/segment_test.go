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
				if r.IntN(2) == 0 {
					cache.KeepAll()
				}
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

// Segments of several pages.
func TestLargeSegmentsAgreeWithTheOracle(t *testing.T) {
	r := random(t)
	for range times(t, 1) {
		all := trail(nil).extend(r, 160_000, inTime())
		cache := segment.NewCache(1 << 24)
		cache.KeepAll()
		v := &segment.View{Open: all, End: all.end(), Bodies: all.bodies}
		for _, n := range []int{70_000, 1000, 80_000} {
			from := 0
			if k := len(v.Segments); k > 0 {
				from = int(v.Segments[k-1].End())
			}
			v.Segments = append(v.Segments, build(t, all[from:from+n], cache))
		}
		checkQueries(t, r, v, all, 15)
		v.Segments = []*segment.Segment{merge(t, v.Segments, cache)}
		checkQueries(t, r, v, all, 25)
	}
}

// Orders by what no column knows hold a sample of the matches only: a small one, here, and keys too long for it.
func TestOrdersByBodiesAgreeWithTheOracle(t *testing.T) {
	r := random(t)
	for range times(t, 10) {
		undo := segment.SetSample(8+r.IntN(200), 20+r.IntN(20_000))
		all := trail(nil).extend(r, 2000, strange)
		v := &segment.View{Open: all, End: all.end(), Bodies: all.bodies, Segments: []*segment.Segment{build(t, all[:1500], nil)}}
		for range 30 {
			o := query.Sort{Field: pick(r, []query.Field{query.ID, query.Description, query.AccountSeq, query.AttributeField("blob"), query.ResourceName}), Desc: r.IntN(2) == 0}
			q := query.Query{Filter: filter(r, all, 1), Sort: o, Offset: r.Uint64N(2000), Limit: 1 + r.IntN(100)}
			want := all.oracle(q.Filter, o, all.end())
			from := min(int(q.Offset), len(want))
			total, page, err := v.Search(t.Context(), q, all.end())
			if err != nil || int(total) != len(want) || !slices.Equal(page, want[from:min(from+q.Limit, len(want))].seqs()) {
				t.Fatalf("%s by %s from %d: %v, %d matches, want %d\n%v", query.Print(q.Filter), query.PrintSort(o), q.Offset, err, total, len(want), page)
			}
		}
		undo()
	}
}
