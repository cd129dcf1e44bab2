package wal_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"countersign/internal/crashfs"
	"countersign/internal/durable"
	"countersign/wal"
)

var (
	seedFlag   = flag.Uint64("seed", 1, "first seed of the crash tests")
	roundsFlag = flag.Int("rounds", 1, "how many seeds the crash tests run with")
)

// writer is somebody who uses a log and remembers what they were promised.
type writer struct {
	rng *rand.Rand
	// acked is what must be there, in order.
	acked []wal.Batch
	// tried is what was written after that without a promise: at most one of them may be there.
	tried []wal.Batch
	// clean is what the last Close returned, until the next Open.
	clean *wal.Position
}

// fork returns a copy that goes on for itself.
func (w *writer) fork(seed uint64) *writer {
	return &writer{rand.New(rand.NewPCG(seed, 1)), slices.Clone(w.acked), slices.Clone(w.tried), w.clean}
}

// next makes a batch of a few bodies that are anything from nothing to several sectors long.
func (w *writer) next() wal.Batch {
	var b wal.Batch
	if n := len(w.acked); n > 0 {
		b.FirstSeq = w.acked[n-1].FirstSeq + uint64(len(w.acked[n-1].Entries))
	}
	for range 1 + w.rng.IntN(3) {
		body := make([]byte, w.rng.IntN(900))
		for i := range body {
			body[i] = byte(w.rng.Uint32())
		}
		b.Entries = append(b.Entries, body)
	}
	if w.rng.IntN(3) == 0 {
		b.Seeds = []wal.Seed{{Block: b.FirstSeq, Bytes: [32]byte{1}}}
	}
	return b
}

func (w *writer) options() wal.Options {
	return wal.Options{RollBytes: 5000, AllocateBytes: 1700, AsideDir: "data/aside", Clean: w.clean}
}

var errBroken = errors.New("the promise is broken")

// open opens the log and compares it with the promises.
func (w *writer) open(disk *crashfs.FS) (*wal.Log, error) {
	var got []wal.Batch
	l, rec, err := wal.Open(disk, "data/wal", w.options(), collect(&got))
	if damage, ok := errors.AsType[*wal.CorruptError](err); ok {
		return nil, fmt.Errorf("%w: %w", errBroken, damage)
	}
	if err != nil {
		return nil, err
	}
	if len(got) == len(w.acked)+1 && w.clean == nil {
		// The last one may be there though nobody was told so; from now on it is.
		for _, b := range w.tried {
			if same(b, got[len(w.acked)]) {
				w.acked = append(w.acked, b)
				break
			}
		}
	}
	w.tried = nil
	w.clean = nil
	if d := diff(w.acked, got); d != "" {
		return nil, fmt.Errorf("%w: (-promised +found)\n%s", errBroken, d)
	}
	names, err := disk.ReadDir("data/wal")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if durable.IsTemp(name) {
			return nil, fmt.Errorf("%w: %s was left", errBroken, name)
		}
	}
	if rec.Torn > 0 {
		// By now the torn bytes are nowhere else.
		aside, err := durable.ReadFile(disk.Crash(1), rec.AsideFile, 1<<20)
		if err != nil || int64(len(aside)) != rec.Torn || !bytes.Equal(bytes.TrimRight(aside, "\x00"), aside) {
			return nil, fmt.Errorf("%w: %d bytes set aside of %+v, %v", errBroken, len(aside), rec, err)
		}
	}
	return l, nil
}

// write makes n batches durable. What fails is tried again, with another batch at the same place, unless that is
// final.
func (w *writer) write(l *wal.Log, n int) error {
	for range n {
		var err error
		for range 3 {
			b := w.next()
			w.tried = append(w.tried, b)
			if err = add(l, b); err == nil {
				w.acked, w.tried = append(w.acked, b), nil
				break
			}
			if errors.Is(err, wal.ErrFailed) {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// work is what is done while a call fails: three lives of a log, the first ended cleanly, the second not.
func (w *writer) work(disk *crashfs.FS) error {
	for life := range 3 {
		l, err := w.open(disk)
		if err != nil {
			return err
		}
		if err := w.write(l, 4); err != nil {
			l.Abandon()
			return err
		}
		if life != 0 {
			l.Abandon()
			continue
		}
		end, err := l.Close()
		if err != nil {
			return err
		}
		w.clean = &end
	}
	return nil
}

// mustGoOn says that the log opens, keeps its promises and can be written on, and does so after another crash.
func (w *writer) mustGoOn(disk *crashfs.FS, seed uint64) error {
	l, err := w.open(disk)
	if err != nil {
		return fmt.Errorf("open after it: %w", err)
	}
	if err := w.write(l, 2); err != nil {
		return fmt.Errorf("write after it: %w", err)
	}
	l, err = w.open(disk.Crash(seed))
	if err != nil {
		return fmt.Errorf("open after another crash: %w", err)
	}
	l.Abandon()
	return nil
}

// TestWhatWasPromisedSurvivesEveryFailureOfTheDisk fails every call once, and every call from there on, in every
// way; then the power goes, or the process is killed and the power goes later.
func TestWhatWasPromisedSurvivesEveryFailureOfTheDisk(t *testing.T) {
	for round := range *roundsFlag {
		seed := *seedFlag + uint64(round)
		for _, mode := range []crashfs.Mode{crashfs.NotDone, crashfs.Partly, crashfs.Done} {
			for _, sticky := range []bool{false, true} {
				call := int64(1)
				for failEvery(t, crashfs.Fault{Call: call, Mode: mode, Sticky: sticky}, seed) {
					call++
				}
				if call < 60 {
					t.Errorf("only %d calls: most of the work was not done", call)
				}
			}
		}
	}
}

// failEvery runs the work with one fault, and reports whether the work came as far as that.
func failEvery(t *testing.T, fault crashfs.Fault, seed uint64) bool {
	t.Helper()
	w := (&writer{}).fork(seed)
	disk := crashfs.New()
	disk.SetFault(fault)
	err := w.work(disk)
	reached := disk.Calls() >= fault.Call
	fatal := func(what string, crash uint64, err error) {
		t.Helper()
		t.Fatalf("-seed %d: call %d fails, %v, all later ones too: %t, %s, crash %d: %v", seed, fault.Call, fault.Mode, fault.Sticky, what, crash, err)
	}
	if errors.Is(err, errBroken) {
		fatal("at work", 0, err)
	}
	if err != nil && !reached {
		fatal("without a fault", 0, err)
	}
	if err != nil && fault.Sticky && !strings.Contains(err.Error(), "input/output error") {
		fatal("another error", 0, err)
	}
	for i := range uint64(6) {
		crash := seed*100 + i
		if err := w.fork(crash).mustGoOn(disk.Crash(crash), crash); err != nil {
			fatal("power lost", crash, err)
		}
	}
	// Now the page cache is what the next process finds, with what a failed sync has left in it.
	disk.Kill()
	if err := w.fork(seed).mustGoOn(disk, seed); err != nil {
		fatal("killed", seed, err)
	}
	return reached
}

// TestAFullDiskRefusesAndLosesNothing lets the space run out at every size, with room set aside and without.
func TestAFullDiskRefusesAndLosesNothing(t *testing.T) {
	for _, noPreallocate := range []bool{false, true} {
		for space := int64(0); space < 12_000; space += 97 {
			w := (&writer{}).fork(*seedFlag)
			disk := crashfs.New()
			o := w.options()
			o.NoPreallocate = noPreallocate
			l, _, err := wal.Open(disk, "data/wal", o, nil)
			if err != nil {
				t.Fatal(err)
			}
			disk.SetSpace(space)
			for err == nil {
				err = w.write(l, 1)
			}
			if !durable.IsNoSpace(err) || errors.Is(err, wal.ErrFailed) {
				t.Fatalf("-seed %d: space %d: %v", *seedFlag, space, err)
			}
			for crash := range uint64(3) {
				if err := w.fork(crash).mustGoOn(disk.Crash(crash), crash); err != nil {
					t.Fatalf("-seed %d: space %d, no preallocation: %t, crash %d: %v", *seedFlag, space, noPreallocate, crash, err)
				}
			}
			disk.SetSpace(-1)
			if err := w.write(l, 3); err != nil {
				t.Fatalf("-seed %d: with space again: %v", *seedFlag, err)
			}
			end, err := l.Close()
			if err != nil {
				t.Fatal(err)
			}
			w.clean, w.tried = &end, nil
			if err := w.mustGoOn(disk.Crash(0), 0); err != nil {
				t.Fatalf("-seed %d: space %d, closed: %v", *seedFlag, space, err)
			}
		}
	}
}
