package wal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"countersign/internal/crashfs"
	"countersign/internal/durable"
	"countersign/wal"

	"github.com/google/go-cmp/cmp"
)

// files is a log folder, by name.
type files map[string][]byte

func (f files) clone() files {
	c := files{}
	for name, b := range f {
		c[name] = bytes.Clone(b)
	}
	return c
}

// diff says which files differ; their bytes would be no help.
func (f files) diff(got files) string {
	var d []string
	for _, name := range slices.Compact(slices.Sorted(slices.Values(append(f.names(), got.names()...)))) {
		if !bytes.Equal(f[name], got[name]) {
			d = append(d, fmt.Sprintf("%s had %d bytes and has %d", name, len(f[name]), len(got[name])))
		}
	}
	return strings.Join(d, "\n")
}

func (f files) names() []string { return slices.Sorted(maps.Keys(f)) }

// put makes a disk that holds f in wal/.
func (f files) put(t testing.TB) *crashfs.FS {
	t.Helper()
	disk := crashfs.New()
	if err := disk.MkdirAll("wal", durable.DirMode); err != nil {
		t.Fatal(err)
	}
	for name, b := range f {
		if err := durable.WriteFile(disk, "wal/"+name, b); err != nil {
			t.Fatal(err)
		}
	}
	return disk
}

// folder reads all files in a folder of disk, nil when it is missing.
func folder(t testing.TB, disk durable.FS, dir string) files {
	t.Helper()
	names, err := disk.ReadDir(dir)
	if err != nil {
		return nil
	}
	f := files{}
	for _, name := range names {
		if f[name], err = durable.ReadFile(disk, filepath.Join(dir, name), 1<<30); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// spare is the room set aside after the last frame of a sample.
const spare = 700

// sample is a log of three files of three frames each, and room set aside after the last.
type sample struct {
	files   files
	batches []wal.Batch
	// frames is where each frame is.
	frames []place
	end    wal.Position
}

type place struct {
	file     string
	from, to int
}

func newSample(t testing.TB) sample {
	t.Helper()
	disk := crashfs.New()
	// Asking for RollBytes begins a new file, and without preallocation does nothing else.
	o := wal.Options{RollBytes: 1 << 20, NoPreallocate: true}
	l, rec, err := wal.Open(disk, "wal", o, nil)
	if err != nil {
		t.Fatal(err)
	}
	var s sample
	next, name, at := uint64(0), rec.End.File, wal.FileHeadSize
	for i := range 9 {
		if i > 0 && i%3 == 0 {
			if err := l.Reserve(o.RollBytes); err != nil {
				t.Fatal(err)
			}
			name, at = fmt.Sprintf("%020d.log", next), wal.FileHeadSize
		}
		b := made(next, 1+i%4)
		if err := add(l, b); err != nil {
			t.Fatal(err)
		}
		size := int(wal.FrameBytes(&b))
		s.batches = append(s.batches, b)
		s.frames = append(s.frames, place{name, at, at + size})
		next += uint64(len(b.Entries))
		at += size
	}
	if s.end, err = l.Close(); err != nil {
		t.Fatal(err)
	}
	s.files = folder(t, disk, "wal")
	if got := s.files.names(); len(got) != 3 {
		t.Fatalf("the sample has files %v", got)
	}
	s.files[name] = append(s.files[name], make([]byte, spare)...)
	return s
}

// bytesOf returns the bytes of frame i.
func (s sample) bytesOf(i int) []byte {
	p := s.frames[i]
	return bytes.Clone(s.files[p.file][p.from:p.to])
}

// last is the name of the last file.
func (s sample) last() string { return s.frames[8].file }

// set puts b at an offset of a file, over what is there.
func (f files) set(name string, at int, b []byte) { copy(f[name][at:], b) }

// wantSurvivors opens f and says that the first n batches of s are there, that torn bytes were set aside, and that
// the log can be written on.
func (s sample) wantSurvivors(t *testing.T, f files, n int, torn int64) {
	t.Helper()
	disk := f.put(t)
	o := wal.Options{AsideDir: "aside", AllocateBytes: 256}
	checked, err := wal.Check(disk, "wal", o, func(wal.Batch) error { return nil })
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	if d := f.diff(folder(t, disk, "wal")); d != "" {
		t.Fatalf("check changed the log:\n%s", d)
	}
	var got []wal.Batch
	l, rec, err := wal.Open(disk, "wal", o, collect(&got))
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(s.batches[:n], got); d != "" {
		t.Fatalf("replayed (-want +got):\n%s", d)
	}
	if rec.Torn != torn || (rec.TornReason != "") != (torn > 0) {
		t.Fatalf("recovery %+v, want %d torn bytes", rec, torn)
	}
	checked.AsideFile = rec.AsideFile
	if d := cmp.Diff(checked, rec); d != "" {
		t.Errorf("check and open disagree (-check +open):\n%s", d)
	}
	if torn > 0 {
		aside, err := durable.ReadFile(disk, rec.AsideFile, 1<<20)
		want := f[rec.End.File][rec.End.Offset : rec.End.Offset+torn]
		if err != nil || !bytes.Equal(aside, want) {
			t.Errorf("aside %x, %v, want %x", aside, err, want)
		}
	}
	more := made(rec.End.Next, 2)
	if err := add(l, more); err != nil {
		t.Fatal(err)
	}
	l.Abandon()
	// Nothing that was promised hangs on the page cache.
	_, rec, err = wal.Open(disk.Crash(1), "wal", o, collect(&got))
	if err != nil || rec.Torn != 0 {
		t.Fatalf("reopened: %+v, %v", rec, err)
	}
	if d := diff(append(slices.Clone(s.batches[:n]), more), got); d != "" {
		t.Errorf("reopened (-want +got):\n%s", d)
	}
}

// wantCorrupt opens f and says that the damage is reported in that file and nothing is changed.
func (s sample) wantCorrupt(t *testing.T, f files, o wal.Options, file, what string) {
	t.Helper()
	o.AsideDir = "aside"
	disk := f.put(t)
	var got []wal.Batch
	_, _, err := wal.Open(disk, "wal", o, collect(&got))
	damage, ok := errors.AsType[*wal.CorruptError](err)
	if !ok {
		t.Fatalf("error %v, want a *CorruptError", err)
	}
	if damage.File != file || !strings.Contains(damage.What, what) {
		t.Errorf("%v, want %s and %q", damage, file, what)
	}
	if len(got) > len(s.batches) || diff(s.batches[:len(got)], got) != "" {
		t.Errorf("before the damage %d batches came, not the first ones", len(got))
	}
	if d := f.diff(folder(t, disk, "wal")); d != "" {
		t.Errorf("the log was changed:\n%s", d)
	}
	if aside := folder(t, disk, "aside"); aside != nil {
		t.Errorf("set aside: %v", aside.names())
	}
}

func TestALogCutWithinItsLastFrameLosesThatFrameOnly(t *testing.T) {
	s := newSample(t)
	last := s.frames[8]
	for size := last.from; size <= last.to; size++ {
		f := s.files.clone()
		f[last.file] = f[last.file][:size]
		if size == last.to {
			s.wantSurvivors(t, f, 9, 0)
			continue
		}
		torn := len(bytes.TrimRight(f[last.file][last.from:], "\x00"))
		s.wantSurvivors(t, f, 8, int64(torn))
	}
}

func TestAFlippedBitInTheLastFrameLosesThatFrameOnly(t *testing.T) {
	s := newSample(t)
	last := s.frames[8]
	for at := last.from; at < last.to; at++ {
		f := s.files.clone()
		f[last.file][at] ^= 1 << (at % 8)
		torn := len(bytes.TrimRight(f[last.file][last.from:], "\x00"))
		s.wantSurvivors(t, f, 8, int64(torn))
		s.wantCorrupt(t, f, wal.Options{Clean: &s.end}, last.file, "closed cleanly")
	}
}

func TestAFlippedBitAnywhereElseIsDamage(t *testing.T) {
	s := newSample(t)
	for _, name := range s.files.names() {
		size := len(s.files[name])
		if name == s.last() {
			size = s.frames[8].from
		}
		for at := range size {
			f := s.files.clone()
			f[name][at] ^= 1 << (at % 8)
			s.wantCorrupt(t, f, wal.Options{}, name, "")
		}
	}
}

func TestEverySectorOfZerosBeforeTheLastFrameIsDamage(t *testing.T) {
	s := newSample(t)
	for i := range 8 {
		p := s.frames[i]
		f := s.files.clone()
		clear(f[p.file][p.from:p.to])
		s.wantCorrupt(t, f, wal.Options{}, p.file, "no frame of this file begins here")
	}
	last := s.frames[8]
	f := s.files.clone()
	clear(f[last.file][last.from : last.to-5])
	s.wantSurvivors(t, f, 8, int64(len(bytes.TrimRight(f[last.file][last.from:], "\x00"))))
	// A last frame of which nothing is left cannot be told from one that was never written, but for a clean stop.
	clear(f[last.file][last.from:])
	s.wantSurvivors(t, f, 8, 0)
	s.wantCorrupt(t, f, wal.Options{Clean: &s.end}, last.file, "the log was closed here")
}

func TestDamageOfManyKinds(t *testing.T) {
	s := newSample(t)
	other := newSample(t)
	names := s.files.names()
	last := s.frames[8]
	// cut ends the last file there; add puts b after its last frame.
	cut := func(f files, at int) { f[last.file] = f[last.file][:at] }
	add := func(f files, b []byte) { f[last.file] = append(f[last.file][:last.to], b...) }
	tests := []struct {
		name   string
		damage func(files)
		clean  bool
		// survivors is how many batches must be there, -1 for a *CorruptError in file that says what.
		survivors  int
		torn       int64
		file, what string
	}{
		{name: "none", damage: func(f files) {}, survivors: 9},
		{name: "none, clean stop", damage: func(f files) {}, clean: true, survivors: 9},
		{name: "no room set aside", damage: func(f files) { cut(f, last.to) }, survivors: 9},
		{name: "a temporary file of a crash", damage: func(f files) { f["00000000000000000099.log.tmp"] = []byte("half") }, survivors: 9},
		{name: "a stranger's file", damage: func(f files) { f["lost+found"] = []byte("x") }, survivors: 9},

		{name: "garbage after the end", damage: func(f files) { add(f, []byte("garbage")) }, survivors: 9, torn: 7},
		{name: "garbage in the spare room", damage: func(f files) { f[last.file][last.to+600] = 1 }, survivors: 9, torn: 601},
		{name: "garbage after the end, clean stop", damage: func(f files) { add(f, []byte("garbage")) }, clean: true,
			survivors: -1, file: last.file, what: "closed cleanly"},
		{name: "garbage after a file that is not the last", damage: func(f files) { f[names[0]] = append(f[names[0]], 1) },
			survivors: -1, file: names[0], what: "not the last file"},
		{name: "zeros after a file that is not the last", damage: func(f files) { f[names[1]] = append(f[names[1]], 0) },
			survivors: -1, file: names[1], what: "not the last file"},

		{name: "last frame twice", damage: func(f files) { add(f, s.bytesOf(8)) },
			survivors: -1, file: last.file, what: "stands where seq"},
		{name: "earlier frame again at the end", damage: func(f files) { add(f, s.bytesOf(6)) },
			survivors: -1, file: last.file, what: "stands where seq"},
		{name: "frame twice in the middle", damage: func(f files) {
			p := s.frames[4]
			f[p.file] = slices.Insert(f[p.file], p.to, s.bytesOf(4)...)
		}, survivors: -1, file: names[1], what: "stands where seq"},
		{name: "frames swapped", damage: func(f files) {
			f.set(last.file, s.frames[6].from, append(s.bytesOf(7), s.bytesOf(6)...))
		}, survivors: -1, file: last.file, what: "stands where seq"},
		{name: "frame missing in the middle", damage: func(f files) {
			p := s.frames[7]
			f[p.file] = slices.Delete(f[p.file], p.from, p.to)
		}, survivors: -1, file: last.file, what: "stands where seq"},
		{name: "last frame of an earlier file missing", damage: func(f files) { f[names[0]] = f[names[0]][:s.frames[2].from] },
			survivors: -1, file: names[1], what: "the file before it"},
		{name: "last frame missing", damage: func(f files) { cut(f, last.from) }, survivors: 8},
		{name: "last frame missing, clean stop", damage: func(f files) { cut(f, last.from) }, clean: true,
			survivors: -1, file: last.file, what: "the log was closed here"},

		{name: "first file missing", damage: func(f files) { delete(f, names[0]) },
			survivors: -1, file: names[1], what: "seq 0 must be in it"},
		{name: "middle file missing", damage: func(f files) { delete(f, names[1]) },
			survivors: -1, file: names[2], what: "the file before it"},
		{name: "last file missing", damage: func(f files) { delete(f, names[2]) }, survivors: 6},
		{name: "last file missing, clean stop", damage: func(f files) { delete(f, names[2]) }, clean: true,
			survivors: -1, file: last.file, what: "the log was closed here"},
		{name: "all files missing, clean stop", damage: func(f files) { clear(f) }, clean: true,
			survivors: -1, file: last.file, what: "the log was closed here"},
		{name: "empty file in the middle", damage: func(f files) { f[names[1]] = []byte{} },
			survivors: -1, file: names[1], what: "ends within its header"},
		{name: "empty last file", damage: func(f files) { f[names[2]] = []byte{} },
			survivors: -1, file: names[2], what: "ends within its header"},
		{name: "last file all zeros", damage: func(f files) { clear(f[names[2]]) },
			survivors: -1, file: names[2], what: "no log file"},
		{name: "another kind of file", damage: func(f files) { f[names[1]] = bytes.Repeat([]byte("SQLite format 3\x00"), 100) },
			survivors: -1, file: names[1], what: "no log file"},
		{name: "file renamed to another seq", damage: func(f files) {
			f["00000000000000000007.log"] = f[names[1]]
			delete(f, names[1])
		}, survivors: -1, file: "00000000000000000007.log", what: "the header is that of " + names[1]},
		{name: "file renamed to no seq", damage: func(f files) {
			f["old.log"] = f[names[2]]
			delete(f, names[2])
		}, survivors: -1, file: "old.log", what: "not the name of a log file"},
		{name: "file there twice", damage: func(f files) { f["00000000000000000099.log"] = f[names[2]] },
			survivors: -1, file: names[2], what: "not the last file"},

		{name: "foreign frame at the end", damage: func(f files) { add(f, other.bytesOf(8)) }, survivors: 9,
			torn: int64(len(bytes.TrimRight(other.bytesOf(8), "\x00")))},
		{name: "foreign frame in place of the last", damage: func(f files) { f.set(last.file, last.from, other.bytesOf(8)) }, survivors: 8,
			torn: int64(len(bytes.TrimRight(other.bytesOf(8), "\x00")))},
		{name: "foreign frame in the middle", damage: func(f files) { f.set(last.file, s.frames[7].from, other.bytesOf(7)) },
			survivors: -1, file: last.file, what: "a whole frame begins at"},
		{name: "foreign first file", damage: func(f files) { f[names[0]] = other.files[names[0]] },
			survivors: -1, file: names[1], what: "the file follows a frame"},
		{name: "foreign middle file", damage: func(f files) { f[names[1]] = other.files[names[1]] },
			survivors: -1, file: names[1], what: "the file follows a frame"},
		{name: "foreign last file", damage: func(f files) { f[names[2]] = other.files[names[2]] },
			survivors: -1, file: names[2], what: "the file follows a frame"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := s.files.clone()
			tt.damage(f)
			o := wal.Options{}
			if tt.clean {
				o.Clean = &s.end
			}
			if tt.survivors < 0 {
				s.wantCorrupt(t, f, o, tt.file, tt.what)
				return
			}
			if tt.clean {
				var got []wal.Batch
				if _, _, err := wal.Open(f.put(t), "wal", o, collect(&got)); err != nil || len(got) != tt.survivors {
					t.Fatalf("%d batches, %v", len(got), err)
				}
			}
			// What is no log file stays where it is, but for temporary files.
			s.wantSurvivors(t, f, tt.survivors, tt.torn)
		})
	}
}

// TestAFrameAfterAnotherHistoryIsDamage takes a log on in two ways and joins a frame of the one to the other: the
// file, the tag and the seq are right, and only the chain tells.
func TestAFrameAfterAnotherHistoryIsDamage(t *testing.T) {
	s := newSample(t)
	goOn := func(body string) files {
		disk := s.files.put(t)
		l, _, err := wal.Open(disk, "wal", wal.Options{}, func(wal.Batch) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(2) {
			if err := add(l, wal.Batch{FirstSeq: s.end.Next + i, Entries: [][]byte{[]byte(body)}}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return folder(t, disk, "wal")
	}
	a, b := goOn("a"), goOn("b")
	size := (len(a[s.last()]) - int(s.end.Offset)) / 2
	f := a.clone()
	f.set(s.last(), int(s.end.Offset)+size, b[s.last()][int(s.end.Offset)+size:])
	disk := f.put(t)
	_, _, err := wal.Open(disk, "wal", wal.Options{AsideDir: "aside"}, func(wal.Batch) error { return nil })
	damage, ok := errors.AsType[*wal.CorruptError](err)
	if !ok || damage.Offset != s.end.Offset+int64(size) || !strings.Contains(damage.What, "follows a frame with checksum") {
		t.Errorf("got %v", err)
	}
}

// TestFramesInsideAnEventAreNoFrames tears a frame whose event holds a whole log, frames and all, as an event would
// that carries a stolen backup.
func TestFramesInsideAnEventAreNoFrames(t *testing.T) {
	s := newSample(t)
	var stolen []byte
	for _, name := range s.files.names()[:2] {
		stolen = append(stolen, s.files[name]...)
	}
	disk := s.files.put(t)
	o := wal.Options{AsideDir: "aside", NoPreallocate: true}
	l, _, err := wal.Open(disk, "wal", o, func(wal.Batch) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	carrier := wal.Batch{FirstSeq: s.end.Next, Entries: [][]byte{stolen}}
	if err := add(l, carrier); err != nil {
		t.Fatal(err)
	}
	l.Abandon()
	f := folder(t, disk, "wal")
	at := s.end.Offset
	if got := wal.FrameBytes(&carrier); int64(len(f[s.last()])) != at+got {
		t.Fatalf("%d bytes, want %d", len(f[s.last()]), at+got)
	}
	f[s.last()][at+wal.FrameHeadSize] ^= 1
	s.wantSurvivors(t, f, 9, int64(len(bytes.TrimRight(f[s.last()][at:], "\x00"))))
}

// TestAFrameWithGoodChecksumsAndBadContentsIsDamage forges what no accident makes.
func TestAFrameWithGoodChecksumsAndBadContentsIsDamage(t *testing.T) {
	s := newSample(t)
	f := s.files.clone()
	last := s.frames[8]
	frame := f[last.file][last.from:last.to]
	table := crc32.MakeTable(crc32.Castagnoli)
	// The count of seeds, where there are none.
	frame[wal.FrameHeadSize+3]++
	binary.BigEndian.PutUint32(frame[36:], crc32.Checksum(frame[wal.FrameHeadSize:], table))
	binary.BigEndian.PutUint32(frame[40:], crc32.Checksum(frame[:40], table))
	s.wantCorrupt(t, f, wal.Options{}, last.file, "good checksums and bad contents")
}

func TestANewerFormatIsRefusedAndNotCalledDamage(t *testing.T) {
	s := newSample(t)
	f := s.files.clone()
	head := f[s.last()]
	binary.BigEndian.PutUint32(head[8:], 2)
	binary.BigEndian.PutUint32(head[40:], crc32.Checksum(head[:40], crc32.MakeTable(crc32.Castagnoli)))
	_, err := wal.Check(f.put(t), "wal", wal.Options{}, func(wal.Batch) error { return nil })
	if _, ok := errors.AsType[*wal.CorruptError](err); err == nil || ok || !strings.Contains(err.Error(), "format 2 is not known") {
		t.Errorf("got %v", err)
	}
}

func TestOpenNeedsAPlaceForTornBytesBeforeItChangesAnything(t *testing.T) {
	s := newSample(t)
	f := s.files.clone()
	f[s.last()][s.frames[8].from+3] ^= 1
	disk := f.put(t)
	if _, _, err := wal.Open(disk, "wal", wal.Options{}, func(wal.Batch) error { return nil }); err == nil {
		t.Error("opened")
	}
	if d := f.diff(folder(t, disk, "wal")); d != "" {
		t.Errorf("changed:\n%s", d)
	}
}

// TestAWholeFrameIsFoundWhereverItLies puts it at every place near the seams of the pieces that the search reads.
func TestAWholeFrameIsFoundWhereverItLies(t *testing.T) {
	for _, near := range []int{1, 1 << 15, 1 << 16, 1 << 17} {
		for size := max(near-70, 0); size < near+10; size++ {
			disk := crashfs.New()
			l, _, err := wal.Open(disk, "wal", wal.Options{NoPreallocate: true}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range uint64(2) {
				if err := add(l, wal.Batch{FirstSeq: i, Entries: [][]byte{make([]byte, size)}}); err != nil {
					t.Fatal(err)
				}
			}
			l.Abandon()
			f := folder(t, disk, "wal")
			f["00000000000000000000.log"][wal.FileHeadSize] ^= 1
			_, err = wal.Check(f.put(t), "wal", wal.Options{}, nil)
			if damage, ok := errors.AsType[*wal.CorruptError](err); !ok || !strings.Contains(damage.What, "a whole frame begins at") {
				t.Fatalf("size %d: %v", size, err)
			}
		}
	}
}

func TestTornBytesAtOnePlaceAreAllKept(t *testing.T) {
	s := newSample(t)
	disk := s.files.put(t)
	o := wal.Options{AsideDir: "aside"}
	for _, garbage := range []string{"first", "second", "second"} {
		f, err := disk.OpenFile("wal/"+s.last(), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte(garbage), s.end.Offset); err != nil {
			t.Fatal(err)
		}
		_, rec, err := wal.Open(disk, "wal", o, func(wal.Batch) error { return nil })
		if err != nil || rec.Torn != int64(len(garbage)) {
			t.Fatalf("%+v, %v", rec, err)
		}
	}
	aside := folder(t, disk, "aside")
	var kept []string
	for _, b := range aside {
		kept = append(kept, string(b))
	}
	slices.Sort(kept)
	if !slices.Equal(kept, []string{"first", "second"}) {
		t.Errorf("aside %q", kept)
	}
}
