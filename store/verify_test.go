package store_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"countersign/internal/crashfs"
	"countersign/internal/durable"
	"countersign/merkle"
	"countersign/store"
	"countersign/store/storetest"
	"countersign/verify"
)

// TestCrashIsNoTampering takes the power away at random moments, or kills the process: what is left, and what
// the next start makes of it, must give verify nothing to find, with every checkpoint that came out held against it.
func TestCrashIsNoTampering(t *testing.T) {
	seed := storetest.Seed(t)
	crashes := 150
	if os.Getenv("COUNTERSIGN_SOAK") != "" {
		crashes = 1000
	}
	calls := int64(0)
	for i := range crashes {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		fs := crashfs.New()
		if calls > 0 { // the first life tells how many calls there are
			fs.SetFault(crashfs.Fault{Call: 1 + r.Int64N(calls), Mode: crashfs.NotDone, Sticky: true})
		}
		l := newLedger()
		life(fs, l, r)
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
		l.verify(t, left, when+", as it was left")
		s, err := openOn(left)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if err := s.Close(); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		l.verify(t, left, when+", opened again")
	}
}

// verify holds what is on a disk to every checkpoint that came out. A directory in which nothing was recorded yet
// has nothing to be held to.
func (l *ledger) verify(t *testing.T, fs *crashfs.FS, when string) {
	t.Helper()
	if len(l.seen) == 0 {
		return
	}
	vkeys, err := keysOn(fs)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	keys, err := merkle.ParseKeys([]byte(vkeys))
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	r, err := verify.Data(t.Context(), "/data", verify.Options{Keys: keys, Kept: l.seen, FS: fs})
	if err != nil || !r.OK() {
		t.Fatalf("%s: a false alarm: %+v, %v", when, r, err)
	}
}

// keysOn returns the vkeys of the trail on a disk, one a line.
func keysOn(fs *crashfs.FS) (string, error) {
	b, err := durable.ReadFile(fs, "/data/manifest", 1<<16)
	if err != nil {
		return "", err
	}
	var m struct {
		Keys []store.KeyRange `json:"keys"`
	}
	err = json.Unmarshal(b, &m)
	var lines strings.Builder
	for _, k := range m.Keys {
		lines.WriteString(k.VKey + "\n")
	}
	return lines.String(), err
}
