package ids_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"countersign/ids"
	"countersign/internal/crashfs"
	"countersign/internal/durable"
)

func read(t testing.TB, fsys durable.FS, path string) []byte {
	t.Helper()
	b, err := durable.ReadFile(fsys, path, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put makes a disk that holds b as the run r.
func put(t testing.TB, b []byte) *crashfs.FS {
	t.Helper()
	disk := crashfs.New()
	if err := durable.WriteFile(disk, "r", b); err != nil {
		t.Fatal(err)
	}
	return disk
}

func isDamage(err error) bool {
	damage, ok := errors.AsType[*ids.CorruptError](err)
	return ok && damage.File == "r" && damage.What != ""
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	const n = 100
	es := made(0, n)
	disk := crashfs.New()
	write(t, disk, "r", 0, n, es)
	b := read(t, disk, "r")
	silent := 0
	for at := range b {
		b[at] ^= 1 << (at % 8)
		disk := put(t, b)
		b[at] ^= 1 << (at % 8)
		r, err := ids.Open(disk, "r")
		if err != nil {
			if !isDamage(err) {
				t.Fatalf("byte %d: open: %v", at, err)
			}
			continue
		}
		for _, e := range es {
			seq, found, err := r.Find(e.Key)
			switch {
			case err != nil && !isDamage(err):
				t.Fatalf("byte %d: find: %v", at, err)
			case err == nil && (!found || seq != e.Seq):
				t.Fatalf("byte %d: a silent wrong answer, %d, %t", at, seq, found)
			case err == nil:
				silent++
			}
		}
		findings, err := r.Check(nil)
		if len(findings) != 1 || findings[0].File != "r" || findings[0].Offset != int64(at)/4096*4096 || err != nil {
			t.Fatalf("byte %d: check: %v, %v", at, findings, err)
		}
		r.Close()
	}
	if silent < len(b) {
		t.Errorf("only %d answers came in spite of damage: one block should not cost the others", silent)
	}
}

func TestATruncatedRunIsRefused(t *testing.T) {
	disk := crashfs.New()
	write(t, disk, "r", 0, 100, made(0, 100))
	b := read(t, disk, "r")
	for size := range len(b) + 3 {
		c := append(slices.Clone(b[:min(size, len(b))]), make([]byte, max(0, size-len(b)))...)
		r, err := ids.Open(put(t, c), "r")
		if size == len(b) && err == nil {
			r.Close()
			continue
		}
		if !isDamage(err) {
			t.Fatalf("%d bytes of %d: %v", size, len(b), err)
		}
	}
}

// The process lives on, and what can still be answered is right.
func TestARunCutOffWhileItIsOpenIsDamage(t *testing.T) {
	const n = 20_000
	es := made(0, n)
	for _, cut := range []int64{0, 100, 4096, 10_000, 50_000, 300_000} {
		path := filepath.Join(t.TempDir(), "r")
		write(t, durable.OS(), path, 0, n, es)
		r := open(t, durable.OS(), path)
		if err := os.Truncate(path, cut); err != nil {
			t.Fatal(err)
		}
		errs := 0
		for _, e := range es {
			seq, found, err := r.Find(e.Key)
			if _, ok := errors.AsType[*ids.CorruptError](err); ok {
				errs++
			} else if err != nil || !found || seq != e.Seq {
				t.Fatalf("cut at %d: %d, %t, %v", cut, seq, found, err)
			}
		}
		if errs == 0 {
			t.Errorf("cut at %d: all was found", cut)
		}
		if got, err := collect(r.Entries()); err == nil || !slices.Equal(got, es[:len(got)]) {
			t.Errorf("cut at %d: %d entries, %v", cut, len(got), err)
		}
		s, err := ids.NewSet(r)
		if err != nil {
			t.Fatal(err)
		}
		keys := make([]ids.Key, n)
		for i := range es {
			keys[i] = es[i].Key
		}
		if err := s.FindAll(keys, func(int, uint64) {}); err == nil {
			t.Errorf("cut at %d: all were found", cut)
		}
		findings, err := r.Check(nil)
		if len(findings) < 10 || err != nil {
			t.Errorf("cut at %d: check: %d findings, %v", cut, len(findings), err)
		}
	}
}

// repair makes all checksums right.
func repair(b []byte) {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	if len(b) < 40 {
		return
	}
	binary.BigEndian.PutUint32(b[36:], crc32.Checksum(b[:36], castagnoli))
	table := len(b) / 4100 * 4096
	if table == 0 || len(b) < table+table/4096*4+4 {
		return
	}
	for block := 0; block < table/4096; block++ {
		binary.BigEndian.PutUint32(b[table+block*4:], crc32.Checksum(b[block*4096:(block+1)*4096], castagnoli))
	}
	sum := crc32.Update(crc32.Checksum(b[:40], castagnoli), castagnoli, b[table:len(b)-4])
	binary.BigEndian.PutUint32(b[len(b)-4:], sum)
}

func TestBadContentsUnderGoodChecksumsAreFound(t *testing.T) {
	const n = 100 // two buckets; 14 bytes of rest, 1 of seq
	const starts, heads, rows = 4096, 8192, 12288
	disk := crashfs.New()
	write(t, disk, "r", 7, 7+n+2, made(7, n))
	whole := read(t, disk, "r")
	tests := map[string]func(b []byte){
		"a byte after the header":         func(b []byte) { b[40] = 1 },
		"a byte after the starts":         func(b []byte) { b[starts+12] = 1 },
		"a byte after the heads":          func(b []byte) { b[heads+2*n] = 1 },
		"a byte after the rows":           func(b []byte) { b[rows+15*n] = 1 },
		"a first bucket that begins late": func(b []byte) { b[starts+3] = 1 },
		"a bucket that ends early":        func(b []byte) { b[starts+7]-- },
		"a bucket that ends late":         func(b []byte) { b[starts+7]++ },
		"a bucket beyond the end":         func(b []byte) { b[starts+4] = 0xff },
		"a last bucket that ends early":   func(b []byte) { b[starts+11]-- },
		"heads swapped":                   func(b []byte) { copy(b[heads:], []byte{b[heads+2], b[heads+3], b[heads], b[heads+1]}) },
		"a row twice":                     func(b []byte) { copy(b[rows+15:rows+30], b[rows:rows+15]) },
		"a seq twice":                     func(b []byte) { b[rows+14] = b[rows+29] },
		"a seq beyond the range":          func(b []byte) { b[rows+14] = n + 2 },
		"another count":                   func(b []byte) { b[35]-- },
		"no seqs":                         func(b []byte) { b[19] = b[27] },
		"more entries than seqs":          func(b []byte) { b[27] = 7 + n - 1 },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(whole)
			change(b)
			repair(b)
			r, err := ids.Open(put(t, b), "r")
			if err != nil {
				if !isDamage(err) {
					t.Errorf("open: %v", err)
				}
				return
			}
			defer r.Close()
			findings, err := r.Check(nil)
			if len(findings) == 0 || err != nil {
				t.Errorf("nothing was found, %v", err)
			}
		})
	}
	b := bytes.Clone(whole)
	b[11] = 2
	repair(b)
	if _, err := ids.Open(put(t, b), "r"); err == nil || isDamage(err) {
		t.Errorf("a newer format: %v", err)
	}
}

// A range in which few seqs have ids is looked through in another way.
func TestASeqThatComesTwiceIsFoundInAWideRange(t *testing.T) {
	const n, rows = 100, 12288 // 14 bytes of rest, 3 of seq
	disk := crashfs.New()
	write(t, disk, "r", 7, 7+1<<20, made(7, n))
	b := read(t, disk, "r")
	copy(b[rows+14:rows+17], b[rows+17+14:])
	repair(b)
	r := open(t, put(t, b), "r")
	if findings, err := r.Check(nil); len(findings) != 1 || !strings.Contains(findings[0].What, "two entries have seq") || err != nil {
		t.Errorf("%v, %v", findings, err)
	}
}

// FuzzRun changes bytes of a run, two bytes of place and one of change at a time, cuts it, and mends the checksums if
// it is told to. Reading it does not panic; what passes the check is what would be written anew.
func FuzzRun(f *testing.F) {
	const n = 100
	disk := crashfs.New()
	write(f, disk, "r", 7, 7+n+2, made(7, n))
	whole := read(f, disk, "r")
	keys := random(newRand(8), 20)
	for _, e := range made(7, n) {
		keys = append(keys, e.Key)
	}
	f.Add(uint16(len(whole)), true, []byte(nil))
	f.Add(uint16(len(whole)), true, []byte{0, 35, 1, 0x10, 3, 1, 0x20, 9, 0x80, 0x30, 14, 3})
	f.Add(uint16(len(whole)), false, []byte{0x30, 200, 1})
	f.Add(uint16(100), true, []byte(nil))
	f.Fuzz(func(t *testing.T, size uint16, mend bool, edits []byte) {
		b := bytes.Clone(whole)
		for ; len(edits) >= 3; edits = edits[3:] {
			b[int(binary.BigEndian.Uint16(edits))%len(b)] ^= edits[2]
		}
		b = b[:min(int(size), len(b))]
		if mend {
			repair(b)
		}
		r, err := ids.Open(put(t, b), "r")
		if err != nil {
			return
		}
		defer r.Close()
		for _, k := range keys {
			_, _, _ = r.Find(k)
		}
		s, err := ids.NewSet(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.FindAll(keys, func(int, uint64) {})
		es, entriesErr := collect(r.Entries())
		findings, err := r.Check(nil)
		if err != nil || entriesErr != nil && len(findings) == 0 {
			t.Fatalf("entries: %v; check: %v, %v", entriesErr, findings, err)
		}
		if len(findings) > 0 {
			return
		}
		from, to := r.Seqs()
		disk := crashfs.New()
		write(t, disk, "again", from, to, es)
		if !bytes.Equal(read(t, disk, "again"), b) {
			t.Error("a run without findings has another rendering")
		}
	})
}
