package bodies_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"testing"

	"countersign/bodies"
	"countersign/internal/crashfs"
	"countersign/internal/durable"
)

var (
	seedFlag   = flag.Uint64("seed", 1, "first seed of the crash tests")
	roundsFlag = flag.Int("rounds", 1, "how many seeds the crash tests run with")
)

// TestAFileIsWholeOrNotThere fails every call of writing two files and one of them anew, once and for good, in every
// way; then the power goes, or the process is killed and the power goes later.
func TestAFileIsWholeOrNotThere(t *testing.T) {
	first, second, anew := short(100), odd(900)[300:], short(101)[1:]
	work := func(disk durable.FS) (done int, err error) {
		if err := bodies.Write(disk, "a", 0, len(first), from(0, first)); err != nil {
			return 0, err
		}
		if err := bodies.Write(disk, "b", 256, len(second), from(256, second)); err != nil {
			return 1, err
		}
		if err := bodies.Write(disk, "a", 0, len(anew), from(0, anew)); err != nil {
			return 2, err
		}
		return 3, nil
	}
	// look returns which of the files is under the name, -1 for none.
	look := func(t *testing.T, disk durable.FS, name string, either ...[][]byte) int {
		f, err := bodies.Open(disk, name)
		if errors.Is(err, fs.ErrNotExist) {
			return -1
		}
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for i, want := range either {
			same := true
			err := f.Read(t.Context(), []uint64{first0(f)}, func(_ uint64, body []byte) error {
				same = string(body) == string(want[0])
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if same {
				wantAll(t, f, want)
				return i
			}
		}
		t.Fatalf("%s is another file", name)
		return -1
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
						t.Fatalf("%+v: %d files, %v", fault, done, err)
					}
					disk.Kill()
					crashed := map[string]durable.FS{"killed": disk}
					for i := range uint64(4) {
						seed := (*seedFlag+uint64(round))*100 + i
						crashed[fmt.Sprintf("crash %d", seed)] = disk.Crash(seed)
					}
					for how, disk := range crashed {
						a, b := look(t, disk, "a", first, anew), look(t, disk, "b", second)
						if done >= 1 && a < 0 || done >= 2 && b < 0 || done >= 3 && a != 1 || done < 2 && a == 1 {
							t.Fatalf("%+v, %d files done, %s: a is %d, b is %d", fault, done, how, a, b)
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
	if calls < 15 {
		t.Errorf("only %d calls", calls)
	}
}

func first0(f *bodies.File) uint64 {
	first, _ := f.Seqs()
	return first
}

func TestAFullDiskIsSaid(t *testing.T) {
	all := odd(1000)
	for space := int64(0); space < 60_000; space += 777 {
		disk := crashfs.New()
		disk.SetSpace(space)
		if err := bodies.Write(disk, "a", 0, len(all), from(0, all)); !durable.IsNoSpace(err) {
			t.Fatalf("space %d: %v", space, err)
		}
		if names, _ := disk.ReadDir("/"); len(names) > 0 {
			t.Fatalf("space %d: left behind: %v", space, names)
		}
	}
}
