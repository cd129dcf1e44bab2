package ids_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"

	"countersign/ids"
	"countersign/internal/crashfs"
	"countersign/internal/durable"
)

var (
	seedFlag   = flag.Uint64("seed", 1, "first seed of the crash tests")
	roundsFlag = flag.Int("rounds", 1, "how many seeds the crash tests run with")
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// TestARunIsWholeOrNotThere fails every call of writing two runs and merging them, once and for good, in every way;
// then the power goes, or the process is killed and the power goes later.
func TestARunIsWholeOrNotThere(t *testing.T) {
	first, second := made(0, 300), made(300, 2000)
	both := append(slices.Clone(first), second...)
	ids.Sort(both)
	// look says what is under a name: nothing, or the run with these entries.
	look := func(disk durable.FS, name string, want []ids.Entry) (there bool, err error) {
		r, err := ids.Open(disk, name)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		defer r.Close()
		got, err := collect(r.Entries())
		if err == nil && !slices.Equal(got, want) {
			err = errors.New("other entries")
		}
		if findings, checkErr := r.Check(nil); len(findings) > 0 || checkErr != nil {
			err = errors.Join(err, fmt.Errorf("check: %v, %w", findings, checkErr))
		}
		return true, err
	}
	// work returns how many steps were reported done.
	work := func(disk durable.FS) (done int, err error) {
		if err := ids.Write(disk, "a", 0, 300, 300, each(first)); err != nil {
			return 0, err
		}
		if err := ids.Write(disk, "b", 300, 2300, 2000, each(second)); err != nil {
			return 1, err
		}
		var runs []*ids.Run
		for _, name := range []string{"a", "b"} {
			r, err := ids.Open(disk, name)
			if err != nil {
				return 2, err
			}
			defer r.Close()
			runs = append(runs, r)
		}
		if err := ids.Merge(disk, "m", runs, nil); err != nil {
			return 2, err
		}
		return 3, nil
	}
	calls := int64(0)
	for round := range *roundsFlag {
		for _, mode := range []crashfs.Mode{crashfs.NotDone, crashfs.Partly, crashfs.Done} {
			for _, sticky := range []bool{false, true} {
				for call := int64(1); ; call++ {
					disk := crashfs.New()
					fault := crashfs.Fault{Call: call, Mode: mode, Sticky: sticky}
					disk.SetFault(fault)
					done, err := work(disk)
					reached := disk.Calls() >= call
					if (err != nil) != (done < 3) || err != nil && !reached {
						t.Fatalf("%+v: %d steps, %v", fault, done, err)
					}
					disk.Kill()
					crashed := map[string]durable.FS{"killed": disk}
					for i := range uint64(4) {
						seed := (*seedFlag+uint64(round))*100 + i
						crashed[fmt.Sprintf("crash %d", seed)] = disk.Crash(seed)
					}
					for how, disk := range crashed {
						for i, want := range [][]ids.Entry{first, second, both} {
							name := []string{"a", "b", "m"}[i]
							there, err := look(disk, name, want)
							if err != nil || done > i && !there {
								t.Fatalf("%+v, %d steps done, %s: %s there: %t, %v", fault, done, how, name, there, err)
							}
						}
					}
					if !reached {
						calls = max(calls, call)
						break
					}
				}
			}
		}
	}
	if calls < 30 {
		t.Errorf("only %d calls", calls)
	}
}

func TestAFullDiskIsSaid(t *testing.T) {
	es := made(0, 3000)
	for space := int64(0); space < 60_000; space += 1111 {
		disk := crashfs.New()
		disk.SetSpace(space)
		if err := ids.Write(disk, "a", 0, 3000, 3000, each(es)); !durable.IsNoSpace(err) {
			t.Fatalf("space %d: %v", space, err)
		}
		if names, _ := disk.ReadDir("/"); len(names) > 0 {
			t.Fatalf("space %d: left behind: %v", space, names)
		}
	}
}
