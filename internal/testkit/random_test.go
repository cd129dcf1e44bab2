package testkit_test

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"countersign/internal/testkit"
)

func TestRandomEventsAreValidAndTheirIDsDiffer(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	ids := map[string]bool{}
	sources := map[string]int{}
	for range 20_000 {
		e := testkit.Random(r)
		if ids[e.ID] {
			t.Fatalf("id %q twice", e.ID)
		}
		ids[e.ID] = true
		sources[e.Source]++
		if err := e.Validate(); err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
		same := e
		if same.Normalize("other"); !reflect.DeepEqual(e, same) {
			t.Fatalf("not normalized: %+v", e)
		}
	}
	if len(sources) < 7 {
		t.Errorf("sources: %v", sources)
	}
}
