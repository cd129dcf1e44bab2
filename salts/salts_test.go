package salts_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"countersign/event"
	"countersign/internal/crashfs"
	"countersign/internal/durable"
	"countersign/salts"
)

var (
	seedFlag   = flag.Uint64("seed", 1, "first seed of the crash tests")
	roundsFlag = flag.Int("rounds", 1, "how many seeds the crash tests run with")
)

// seeds returns the seeds of n blocks from first on.
func seeds(first, n int) []salts.Seed {
	all := make([]salts.Seed, n)
	for i := range all {
		copy(all[i][:], fmt.Sprintf("the secret seed of block %d", first+i))
	}
	return all
}

func open(t testing.TB, fsys durable.FS, blocks uint64) *salts.File {
	t.Helper()
	f, err := salts.Open(fsys, "salts", blocks)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func appended(t testing.TB, f *salts.File, all []salts.Seed) {
	t.Helper()
	if err := f.Append(all); err != nil {
		t.Fatal(err)
	}
}

// wantBlock says that a block has the seeds of all entries but those that are gone, by the definition of them.
func wantBlock(t *testing.T, b salts.Block, seed salts.Seed, gone ...byte) {
	t.Helper()
	var s event.Seeder
	for low := range 256 {
		got, ok := b.Seed(byte(low))
		want := s.Seed(event.Block(seed), uint64(low))
		if lost := slices.Contains(gone, byte(low)); ok == lost || ok && got != want || lost && got != (salts.Seed{}) {
			t.Fatalf("entry %d: %x, %t, gone: %t", low, got, ok, lost)
		}
	}
}

func wantNoFindings(t *testing.T, f *salts.File) {
	t.Helper()
	if findings, err := f.Check(); len(findings) > 0 || err != nil || len(f.Damage()) > 0 {
		t.Fatalf("check: %v, %v, %v", findings, err, f.Damage())
	}
}

func TestSeedsComeOutAsTheyWentIn(t *testing.T) {
	disk := crashfs.New()
	f := open(t, disk, 0)
	wantNoFindings(t, f)
	all := seeds(0, 300)
	for n := 0; n < len(all); n += 1 + n {
		appended(t, f, all[n:min(len(all), 2*n+1)])
	}
	for _, f := range []*salts.File{f, open(t, disk, 300), open(t, disk, 7)} {
		for n := range f.Len() {
			b, err := f.Block(n)
			if err != nil {
				t.Fatal(err)
			}
			wantBlock(t, b, all[n])
		}
		if _, err := f.Block(f.Len()); err == nil {
			t.Error("a block after the last")
		}
		wantNoFindings(t, f)
	}
	// What is after the blocks that count is written over.
	again := open(t, disk, 7)
	appended(t, again, seeds(1000, 5))
	for n, want := range append(slices.Clone(all[:7]), seeds(1000, 5)...) {
		b, err := open(t, disk, 12).Block(uint64(n))
		if err != nil {
			t.Fatal(err)
		}
		wantBlock(t, b, want)
	}
}

func TestAMissingFileIsMadeForAnEmptyTrailOnly(t *testing.T) {
	disk := crashfs.New()
	if _, err := salts.Open(disk, "salts", 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if names, _ := disk.ReadDir("/"); len(names) > 0 {
		t.Errorf("made: %v", names)
	}
	open(t, disk, 0)
	if _, err := salts.Open(disk, "salts", 1); !isDamage(err) {
		t.Errorf("a block that is not there: %v", err)
	}
}

// erased returns f with these entries of blocks gone.
func erased(t *testing.T, disk durable.FS, f *salts.File, gone map[uint64][]byte) *salts.File {
	t.Helper()
	if err := salts.Rewrite(disk, "salts", f.Len(), func(n uint64) (salts.Block, error) {
		b, err := f.Block(n)
		for _, low := range gone[n] {
			b = b.Erase(low)
		}
		return b, err
	}); err != nil {
		t.Fatal(err)
	}
	return open(t, disk, f.Len())
}

func TestErasedEntriesHaveNoSeedAndTheOthersKeepTheirs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	disk := crashfs.New()
	f := open(t, disk, 0)
	all := seeds(0, 40)
	appended(t, f, all)
	gone := map[uint64][]byte{}
	var every []byte
	for low := range 256 {
		every = append(every, byte(low))
	}
	for round := range 6 {
		now := map[uint64][]byte{}
		for n := range uint64(39) {
			if r.IntN(3) == 0 {
				continue
			}
			for range []int{1, 1, 3, 20, 100, 200}[round] {
				now[n] = append(now[n], byte(r.IntN(256)))
			}
			gone[n] = append(gone[n], now[n]...)
		}
		now[5], gone[5] = every, every
		f = erased(t, disk, f, now)
		for n := range f.Len() {
			b, err := f.Block(n)
			if err != nil {
				t.Fatal(err)
			}
			wantBlock(t, b, all[n], gone[n]...)
		}
		wantNoFindings(t, f)
		// Appending goes on.
		more := seeds(len(all), 3)
		all = append(all, more...)
		appended(t, f, more)
	}
}

func TestNothingThatDerivesAnErasedSeedIsInTheFile(t *testing.T) {
	for low := range 256 {
		disk := crashfs.New()
		f := open(t, disk, 0)
		seed := seeds(3, 1)[0]
		appended(t, f, []salts.Seed{seed})
		erased(t, disk, f, map[uint64][]byte{0: {byte(low)}})
		file := read(t, disk)
		// All seeds on the way down, by the definition in docs/format/entry.md.
		path := [][]byte{seed[:]}
		for level := range 8 {
			path = append(path, child(path[level], byte(low)>>(7-level)&1))
		}
		if want := event.EntrySeed(event.Block(seed), uint64(low)); !bytes.Equal(path[8], want[:]) {
			t.Fatal("the path leads elsewhere")
		}
		for level, s := range path {
			if bytes.Contains(file, s) {
				t.Errorf("entry %d: the seed of level %d is in the file", low, level)
			}
		}
		for level := range 8 {
			if !bytes.Contains(file, child(path[level], 1^byte(low)>>(7-level)&1)) {
				t.Errorf("entry %d: the other seed of level %d is not in the file", low, level+1)
			}
		}
		// 4096 bytes, 32 of bits, 8 nodes, a checksum, a slot.
		if len(file) != 4096+32+8*32+4+37 {
			t.Errorf("entry %d: %d bytes", low, len(file))
		}
	}
}

func child(parent []byte, bit byte) []byte {
	s := sha256.Sum256(append(append([]byte("cs/ggm/1"), bit), parent...))
	return s[:]
}

func read(t testing.TB, fsys durable.FS) []byte {
	t.Helper()
	b, err := durable.ReadFile(fsys, "salts", 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t testing.TB, b []byte) *crashfs.FS {
	t.Helper()
	disk := crashfs.New()
	if err := durable.WriteFile(disk, "salts", b); err != nil {
		t.Fatal(err)
	}
	return disk
}

func isDamage(err error) bool {
	damage, ok := errors.AsType[*salts.CorruptError](err)
	return ok && damage.File == "salts" && damage.What != ""
}

// sample is a file of six blocks, of which the second and the fourth are cut.
func sample(t *testing.T) (b []byte, all []salts.Seed, gone map[uint64][]byte) {
	disk := crashfs.New()
	f := open(t, disk, 0)
	all, gone = seeds(0, 6), map[uint64][]byte{1: {0, 200}, 3: {77}}
	appended(t, f, all)
	erased(t, disk, f, gone)
	return read(t, disk), all, gone
}

func TestEveryFlippedByteIsFoundAndCostsOneBlockAtMost(t *testing.T) {
	whole, all, gone := sample(t)
	lost := map[int]int{}
	for at := range whole {
		b := bytes.Clone(whole)
		b[at] ^= 1 << (at % 8)
		f, err := salts.Open(put(t, b), "salts", 6)
		if err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		bad := 0
		for n := range f.Len() {
			block, err := f.Block(n)
			if err != nil {
				if bad++; !isDamage(err) {
					t.Fatalf("byte %d: %v", at, err)
				}
				continue
			}
			// One that is gone and one that is not, of each block that has both.
			for _, low := range []byte{77, 78, 200, 201} {
				seed, ok := block.Seed(low)
				if lost := slices.Contains(gone[n], low); ok == lost || ok && seed != event.EntrySeed(event.Block(all[n]), uint64(low)) {
					t.Fatalf("byte %d: entry %d of block %d: %x, %t", at, low, n, seed, ok)
				}
			}
		}
		lost[bad]++
		findings, err := f.Check()
		if len(findings) != 1 || err != nil || findings[0].Offset > int64(at) || bad > 1 {
			t.Fatalf("byte %d: %d blocks lost, check: %v, %v", at, bad, findings, err)
		}
		f.Close()
	}
	if lost[0] != 4096 || lost[1] != len(whole)-4096 {
		t.Errorf("blocks lost: %v", lost)
	}
}

func TestATruncatedFileIsRefused(t *testing.T) {
	whole, _, _ := sample(t)
	for size := range whole {
		if _, err := salts.Open(put(t, whole[:size]), "salts", 6); !isDamage(err) {
			t.Fatalf("%d bytes of %d: %v", size, len(whole), err)
		}
	}
	open(t, put(t, append(bytes.Clone(whole), 1, 2, 3)), 6)
}

// slot writes a slot and its checksum.
func slot(b []byte, n int, kind byte, says ...byte) {
	at := len(b) - (6-n)*37
	clear(b[at : at+37])
	b[at] = kind
	copy(b[at+1:], says)
	sum(b[at:at+37], uint64(n))
}

// sum writes the checksum at the end of b, which is about block n.
func sum(b []byte, n uint64) {
	seq := binary.BigEndian.AppendUint64(nil, n)
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	binary.BigEndian.PutUint32(b[len(b)-4:], crc32.Update(crc32.Checksum(seq, castagnoli), castagnoli, b[:len(b)-4]))
}

func heads(b []byte, at int, v byte) {
	for _, head := range [][]byte{b[:24], b[2048 : 2048+24]} {
		head[at] = v
		castagnoli := crc32.MakeTable(crc32.Castagnoli)
		binary.BigEndian.PutUint32(head[20:], crc32.Checksum(head[:20], castagnoli))
	}
}

func TestBadContentsUnderGoodChecksumsAreRefused(t *testing.T) {
	whole, all, gone := sample(t)
	// Two entries of block 1 cost 14 nodes, the one of block 3 costs 8.
	const first, second = 32 + 14*32 + 4, 32 + 8*32 + 4
	record := func(b []byte, n int) []byte {
		if n == 1 {
			return b[4096 : 4096+first]
		}
		return b[4096+first : 4096+first+second]
	}
	tests := map[string]struct {
		block  uint64
		change func(b []byte)
	}{
		"a kind that is not known":          {0, func(b []byte) { slot(b, 0, 2) }},
		"a cut block with a seed":           {1, func(b []byte) { slot(b, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 14, 1) }},
		"a record beyond the end":           {3, func(b []byte) { slot(b, 3, 1, 0, 0, 0, 0, 0, 0, 9, 0, 0, 8) }},
		"a record that is not in memory":    {3, func(b []byte) { slot(b, 3, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 8) }},
		"more nodes than there are":         {3, func(b []byte) { slot(b, 3, 1, 0, 0, 0, 0, 0, 0, first>>8, first&0xff, 0, 9) }},
		"the record of another block":       {3, func(b []byte) { slot(b, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 14) }},
		"another number of entries is gone": {3, func(b []byte) { r := record(b, 3); r[0] = 0x80; sum(r, 3) }},
		"no entry is gone":                  {3, func(b []byte) { r := record(b, 3); clear(r[:32]); sum(r, 3) }},
		"all entries are gone":              {3, func(b []byte) { r := record(b, 3); copy(r, bytes.Repeat([]byte{0xff}, 32)); sum(r, 3) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(whole)
			tt.change(b)
			f := open(t, put(t, b), 6)
			for n := range f.Len() {
				block, err := f.Block(n)
				if n == tt.block {
					if !isDamage(err) {
						t.Errorf("%v", err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				wantBlock(t, block, all[n], gone[n]...)
			}
			if findings, err := f.Check(); len(findings) != 1 || err != nil {
				t.Errorf("check: %v, %v", findings, err)
			}
		})
	}
	b := bytes.Clone(whole)
	slot(b, 3, 0, all[3][:]...)
	if findings, err := open(t, put(t, b), 6).Check(); len(findings) != 1 || !strings.Contains(findings[0].What, "of no block") || err != nil {
		t.Errorf("a record of no block: %v, %v", findings, err)
	}
	b = bytes.Clone(whole)
	heads(b, 12, 1)
	if _, err := salts.Open(put(t, b), "salts", 6); !isDamage(err) {
		t.Errorf("cuts beyond the end: %v", err)
	}
	b = bytes.Clone(whole)
	heads(b, 11, 2)
	if _, err := salts.Open(put(t, b), "salts", 6); err == nil || isDamage(err) {
		t.Errorf("a newer format: %v", err)
	}
	if _, err := salts.Open(put(t, whole), "salts", 1<<63); !isDamage(err) {
		t.Errorf("more blocks than there can be: %v", err)
	}
}

// TestWhatWasAppendedSurvivesEveryFailureOfTheDisk fails every call of appending and erasing, once and for good, in
// every way; then the power goes, or the process is killed.
func TestWhatWasAppendedSurvivesEveryFailureOfTheDisk(t *testing.T) {
	all := seeds(0, 12)
	// work returns how many blocks are there for certain, and whether an entry of the first is gone, or may be.
	work := func(disk durable.FS) (blocks uint64, certain, maybe bool, err error) {
		f, err := salts.Open(disk, "salts", 0)
		if err != nil {
			return 0, false, false, err
		}
		defer func() { _ = f.Close() }()
		for blocks < 8 {
			if err := f.Append(all[blocks : blocks+4]); err != nil {
				return blocks, false, false, err
			}
			blocks += 4
		}
		if err := salts.Rewrite(disk, "salts", blocks, func(n uint64) (salts.Block, error) {
			b, err := f.Block(n)
			if n == 0 && err == nil {
				b = b.Erase(9)
			}
			return b, err
		}); err != nil {
			return blocks, false, true, err
		}
		again, err := salts.Open(disk, "salts", blocks)
		if err != nil {
			return blocks, true, true, err
		}
		defer again.Close()
		if err := again.Append(all[8:]); err != nil {
			return blocks, true, true, err
		}
		return 12, true, true, nil
	}
	calls := int64(0)
	for round := range *roundsFlag {
		for _, mode := range []crashfs.Mode{crashfs.NotDone, crashfs.Partly, crashfs.Done} {
			for _, sticky := range []bool{false, true} {
				for call := int64(1); ; call++ {
					disk := crashfs.New()
					fault := crashfs.Fault{Call: call, Mode: mode, Sticky: sticky}
					disk.SetFault(fault)
					blocks, certain, maybe, err := work(disk)
					reached := disk.Calls() >= call
					if err != nil && !reached {
						t.Fatalf("%+v: %v", fault, err)
					}
					disk.Kill()
					crashed := []*crashfs.FS{disk}
					for i := range uint64(4) {
						crashed = append(crashed, disk.Crash((*seedFlag+uint64(round))*100+i))
					}
					for _, disk := range crashed {
						f, err := salts.Open(disk, "salts", blocks)
						if err != nil {
							t.Fatalf("%+v, %d blocks: %v", fault, blocks, err)
						}
						for n := range blocks {
							b, err := f.Block(n)
							if err != nil {
								t.Fatalf("%+v: %v", fault, err)
							}
							_, there := b.Seed(9)
							if n == 0 && (there && certain || !there && !maybe) {
								t.Fatalf("%+v: the seed is there: %t", fault, there)
							}
							if there {
								wantBlock(t, b, all[n])
							} else {
								wantBlock(t, b, all[n], 9)
							}
						}
						wantNoFindings(t, f)
						if maybe && !certain {
							if err := salts.Rewrite(disk, "salts", blocks, f.Block); err != nil {
								t.Fatal(err)
							}
							f.Close()
							f = open(t, disk, blocks)
						}
						appended(t, f, all[blocks:])
						f.Close()
						// What a sync that failed left in the page cache must not stand for what the disk has.
						for i := range uint64(2) {
							f, err := salts.Open(disk.Crash(*seedFlag+uint64(round)+i), "salts", uint64(len(all)))
							if err != nil {
								t.Fatalf("%+v, %d blocks and the rest after it: %v", fault, blocks, err)
							}
							wantNoFindings(t, f)
							f.Close()
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

func TestAFullDiskRefusesAndLosesNothing(t *testing.T) {
	disk := crashfs.New()
	f := open(t, disk, 0)
	appended(t, f, seeds(0, 5))
	disk.SetSpace(4096 + 5*37 + 100)
	if err := f.Append(seeds(5, 5)); !durable.IsNoSpace(err) || f.Len() != 5 {
		t.Fatalf("%v, %d blocks", err, f.Len())
	}
	wantNoFindings(t, open(t, disk, 5))
	disk.SetSpace(-1)
	appended(t, f, seeds(5, 5))
	wantNoFindings(t, open(t, disk, 10))
}

// FuzzFile changes bytes of a file, two bytes of place and one of change at a time, and cuts it. Reading it does not
// panic, and what is read is right.
func FuzzFile(f *testing.F) {
	disk := crashfs.New()
	file, err := salts.Open(disk, "salts", 0)
	if err != nil {
		f.Fatal(err)
	}
	all := seeds(0, 3)
	appended(f, file, all)
	if err := salts.Rewrite(disk, "salts", 3, func(n uint64) (salts.Block, error) {
		b, err := file.Block(n)
		if n == 1 {
			b = b.Erase(7)
		}
		return b, err
	}); err != nil {
		f.Fatal(err)
	}
	whole := read(f, disk)
	f.Add(uint16(len(whole)), []byte(nil))
	f.Add(uint16(len(whole)), []byte{0, 12, 1, 0x10, 3, 1})
	f.Add(uint16(4100), []byte{8, 3, 1})
	f.Fuzz(func(t *testing.T, size uint16, edits []byte) {
		b := bytes.Clone(whole)
		for ; len(edits) >= 3; edits = edits[3:] {
			b[int(binary.BigEndian.Uint16(edits))%len(b)] ^= edits[2]
		}
		b = b[:min(int(size), len(b))]
		f, err := salts.Open(put(t, b), "salts", 3)
		if err != nil {
			return
		}
		defer f.Close()
		for n := range f.Len() {
			block, err := f.Block(n)
			if err != nil {
				continue
			}
			if got, ok := block.Seed(7); ok == (n == 1) || ok && got != event.EntrySeed(event.Block(all[n]), 7) {
				t.Errorf("block %d: %x, %t", n, got, ok)
			}
		}
		if findings, err := f.Check(); (len(findings) == 0) != bytes.Equal(b, whole) || err != nil {
			t.Errorf("check: %v, %v", findings, err)
		}
	})
}

func BenchmarkBlock(b *testing.B) {
	path := b.TempDir() + "/salts"
	f, err := salts.Open(durable.OS(), path, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	appended(b, f, seeds(0, 10_000))
	b.ReportAllocs()
	for n := uint64(0); b.Loop(); n = (n + 7919) % 10_000 {
		block, err := f.Block(n)
		if err != nil {
			b.Fatal(err)
		}
		block.Seed(byte(n))
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/10_000/256, "bytes/entry")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "seeds/s")
}
