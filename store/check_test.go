package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"countersign/internal/crashfs"
	"countersign/store"
	"countersign/store/storetest"
)

// TestCrashIsNoDamage takes the power away at random moments, or kills the process: what is left, and what the next
// start makes of it, must be whole to a check.
func TestCrashIsNoDamage(t *testing.T) {
	seed := storetest.Seed(t)
	crashes := 150
	if os.Getenv("COUNTERSIGN_SOAK") != "" {
		crashes = 2000
	}
	calls := int64(0)
	for i := range crashes {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		fs := crashfs.New()
		if calls > 0 { // the first life tells how many calls there are
			fs.SetFault(crashfs.Fault{Call: 1 + r.Int64N(calls), Mode: crashfs.NotDone, Sticky: true})
		}
		life(fs, newLedger(), r)
		if calls == 0 {
			calls = fs.Calls()
		}
		left := fs
		if r.IntN(4) > 0 {
			left = fs.Crash(seed + uint64(i))
		} else {
			fs.Kill()
		}
		when := fmt.Sprintf("crash %d", i)
		checkWhole(t, left, when+", as it was left")
		s, err := openOn(left)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if err := s.Close(); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		checkWhole(t, left, when+", opened again")
	}
}

func checkWhole(t *testing.T, fs *crashfs.FS, when string) {
	t.Helper()
	if f, err := fs.OpenFile("/data/manifest", os.O_RDONLY, 0); err != nil {
		return // it did not come that far
	} else {
		f.Close()
	}
	r, err := store.CheckOn(fs, "/data", store.CheckOptions{DedupKey: []byte("key")})
	if err != nil || !r.OK() {
		t.Fatalf("%s: a false alarm: %+v, %v", when, r, err)
	}
}
