package native_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/dialect/native"
)

func TestWeightsOfAHeaderField(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   map[string]float64
	}{
		{nil, map[string]float64{}},
		{[]string{""}, map[string]float64{}},
		{[]string{"gzip"}, map[string]float64{"gzip": 1}},
		{[]string{"GZIP ; Q=0.5 , br"}, map[string]float64{"gzip": .5, "br": 1}},
		{[]string{"gzip;q=0", "*"}, map[string]float64{"gzip": 0, "*": 1}},
		{[]string{"text/html;level=1;q=0.7;ext=1"}, map[string]float64{"text/html": .7}},
		{[]string{"a;q=2, b;q=-1, c;q=x, d;q=, e;q=NaN, f;q=1.000"}, map[string]float64{"f": 1}},
		{[]string{",,;q=1,"}, map[string]float64{}},
	} {
		if d := cmp.Diff(c.want, native.Weights(c.values...)); d != "" {
			t.Errorf("%q: %s", c.values, d)
		}
	}
}

func FuzzWeights(f *testing.F) {
	f.Add("application/x-ndjson;q=0.5, */*")
	f.Add("gzip;q=NaN")
	f.Fuzz(func(t *testing.T, value string) {
		for name, w := range native.Weights(value) {
			if math.IsNaN(w) || w < 0 || w > 1 || name == "" {
				t.Errorf("%q weighs %v", name, w)
			}
		}
	})
}
