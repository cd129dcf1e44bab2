package segment_test

import (
	"cmp"
	"slices"
	"testing"

	"countersign/segment"
)

// What an event of the demo's estate takes, by part. The goal is 40 bytes.
func TestSizeOfAnEvent(t *testing.T) {
	for _, v := range []struct {
		name string
		of   int
	}{{"merged", 0}, {"as sealed", 1}} {
		data := estate(t)
		s := data.merged.Segments[0]
		if v.of == 1 {
			s = data.small.Segments[0]
		}
		rows := float64(s.Rows())
		t.Logf("%s: %d rows, %.2f bytes each", v.name, s.Rows(), float64(s.SizeBytes())/rows)
		parts := s.Sizes()
		slices.SortFunc(parts, func(a, b segment.Part) int { return cmp.Compare(b.Bytes, a.Bytes) })
		for _, p := range parts {
			if each := float64(p.Bytes) / rows; each >= 0.1 {
				t.Logf("%8.2f  %s", each, p.Name)
			}
		}
		if each := float64(s.SizeBytes()) / rows; each > 60 {
			t.Errorf("%s: %.2f bytes a row", v.name, each)
		}
	}
}
