package segment_test

import (
	"testing"

	"countersign/segment"
)

func TestCacheStaysWithinItsBytesAndForgetsClosedSegments(t *testing.T) {
	const most = 1 << 16
	r := random(t)
	all := trail(nil).extend(r, 3000, inTime())
	cache := segment.NewCache(most)
	cache.KeepAll()
	v := &segment.View{Open: all, End: all.end(), Bodies: all.bodies}
	for from := 0; from < len(all); from += 1000 {
		v.Segments = append(v.Segments, build(t, all[from:from+1000], cache))
	}
	last := 0
	for range 20 {
		checkQueries(t, r, v, all, 10)
		n, bytes := cache.Held()
		if bytes > most || n == 0 {
			t.Fatalf("%d bytes of %d things, the limit is %d", bytes, n, most)
		}
		last = n
	}
	for i, s := range v.Segments {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		n, _ := cache.Held()
		if n >= last {
			t.Fatalf("%d things are kept after segment %d was closed, %d before", n, i, last)
		}
		last = n
	}
	if n, bytes := cache.Held(); n != 0 || bytes != 0 {
		t.Fatalf("%d things of %d bytes are kept of closed segments", n, bytes)
	}
}
