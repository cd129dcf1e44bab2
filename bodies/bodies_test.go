package bodies_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"countersign/bodies"
	"countersign/event"
	"countersign/internal/crashfs"
	"countersign/internal/durable"
	"countersign/internal/testkit"

	"github.com/google/go-cmp/cmp"
)

// from returns what gives out all, the first of them for seq first.
func from(first uint64, all [][]byte) bodies.Source {
	return func(dst []byte, seq uint64) ([]byte, error) { return append(dst, all[seq-first]...), nil }
}

func write(t testing.TB, fsys durable.FS, path string, first uint64, all [][]byte) {
	t.Helper()
	if err := bodies.Write(fsys, path, first, len(all), from(first, all)); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, fsys durable.FS, path string) *bodies.File {
	t.Helper()
	f, err := bodies.Open(fsys, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// short returns n bodies of a few bytes, with UUIDs that come once, often and in every body.
func short(n int) [][]byte {
	const every = "0f0e0d0c-0b0a-4908-8706-050403020100"
	all := make([][]byte, n)
	for i := range all {
		all[i] = fmt.Appendf(nil, "<%d>$%s$%08x-0000-4000-8000-000000000000$%08x-0000-4000-8000-00000000000a", i, every, i%7, i)
	}
	return all
}

// odd returns n bodies of events that are as odd as valid ones may be.
func odd(n int) [][]byte {
	r := rand.New(rand.NewPCG(4, 4))
	all := make([][]byte, n)
	for i := range all {
		all[i] = event.AppendBody(nil, &event.Entry{Event: testkit.Random(r), AccountSeq: r.Uint64(), AccountPrev: event.NoPrev})
	}
	return all
}

// bytesOf returns n bodies that are no bodies at all: whatever the escapes could trip over.
func bytesOf(n int) [][]byte {
	r := rand.New(rand.NewPCG(5, 5))
	parts := []string{
		"\xff", "\xff\x00", "\xff\x01", "\xff\x02", "\xff\xff", "$", "$$", "\x24", "", "text", "-", "00000000-0000-0000-0000-000000000000",
		"$00000000-0000-0000-0000-000000000000", "$00000000-0000-0000-0000-00000000000", "$00000000-0000-0000-0000-00000000000g",
		"$00000000-0000-0000-0000-00000000000A", "$000000000-000-0000-0000-000000000000", "$$00000000-0000-0000-0000-000000000001",
		"$00000000-0000-0000-0000-000000000001$00000000-0000-0000-0000-000000000001", "$ffffffff-ffff-ffff-ffff-ffffffffffff\xff",
		strings.Repeat("\xff", 300), strings.Repeat("$", 300), strings.Repeat("$01234567-89ab-cdef-0123-456789abcdef", 40),
	}
	all := make([][]byte, n)
	for i := range all {
		for range r.IntN(6) {
			all[i] = append(all[i], parts[r.IntN(len(parts))]...)
		}
		if r.IntN(3) == 0 {
			all[i] = fmt.Appendf(all[i], "$%08x-0000-0000-0000-%012x", r.Uint32()>>uint(r.IntN(32)), r.IntN(3))
		}
	}
	return all
}

// large returns bodies of all sizes up to the limit, some that compress to nothing and some that do not compress.
func large() [][]byte {
	r := rand.New(rand.NewPCG(6, 6))
	noise := make([]byte, bodies.MaxBodyBytes)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	var uuids []byte
	for i := range bodies.MaxBodyBytes / 37 {
		uuids = fmt.Appendf(uuids, "$%08x-0000-4000-8000-000000000000", i)
	}
	all := [][]byte{noise, bytes.Repeat([]byte{0xff}, bodies.MaxBodyBytes), bytes.Repeat([]byte{'$'}, bodies.MaxBodyBytes), uuids, nil}
	for size := 1; size < bodies.MaxBodyBytes; size *= 3 {
		all = append(all, noise[:size], bytes.Repeat([]byte("ab"), size/2), []byte("between"))
	}
	for range 100 {
		all = append(all, noise[:3000+r.IntN(9000)])
	}
	return all
}

// wantAll says that f holds these bodies, and nothing is wrong with it.
func wantAll(t *testing.T, f *bodies.File, want [][]byte) {
	t.Helper()
	first, end := f.Seqs()
	if end-first != uint64(len(want)) {
		t.Fatalf("%d bodies, want %d", end-first, len(want))
	}
	next := first
	err := f.Each(t.Context(), first, end, func(seq uint64, body []byte) error {
		if seq != next || !bytes.Equal(body, want[seq-first]) {
			return fmt.Errorf("seq %d where %d is next: %d bytes, want %d", seq, next, len(body), len(want[seq-first]))
		}
		next++
		return nil
	})
	if err != nil || next != end {
		t.Fatalf("up to seq %d of %d: %v", next, end, err)
	}
	if findings, err := f.Check(t.Context()); len(findings) > 0 || err != nil || len(f.Damage()) > 0 {
		t.Fatalf("check: %v, %v; %v", findings, err, f.Damage())
	}
}

func TestBodiesComeOutAsTheyWentIn(t *testing.T) {
	for name, all := range map[string][][]byte{"short": short(5000), "odd": odd(3000), "any bytes": bytesOf(3000), "large": large()} {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{1, 2, 63, 64, 65, 129, 255, 256, 257, 1000, len(all)} {
				if n > len(all) {
					continue
				}
				disk := crashfs.New()
				write(t, disk, "f", 1<<40, all[:n])
				f := open(t, disk, "f")
				wantAll(t, f, all[:n])
				if size := read(t, disk, "f"); int64(len(size)) != f.Size() {
					t.Errorf("size %d, it is %d", f.Size(), len(size))
				}
			}
		})
	}
}

func TestTheSameBodiesMakeTheSameFile(t *testing.T) {
	disk := crashfs.New()
	write(t, disk, "a", 256, odd(1000))
	write(t, disk, "b", 256, odd(1000))
	if !bytes.Equal(read(t, disk, "a"), read(t, disk, "b")) {
		t.Error("they differ")
	}
}

func TestWriteRefusesWhatItCannotKeep(t *testing.T) {
	broken := errors.New("broken")
	fine := from(0, short(300))
	tests := []struct {
		name   string
		first  uint64
		count  int
		source bodies.Source
		want   string
	}{
		{"a first seq between blocks", 64, 10, fine, "seq 64 on, which is no multiple of 256"},
		{"no bodies", 0, 0, fine, "0 bodies from seq 0 on"},
		{"fewer than none", 0, -1, fine, "0 bodies from seq 0 on"},
		{"too many", 0, bodies.MaxBodies + 1, fine, "16777217 bodies from seq 0 on"},
		{"beyond the last seq", 1<<63 - 256, 10, fine, "10 bodies from seq 9223372036854775552 on"},
		{"a body that is too large", 0, 3, func(dst []byte, seq uint64) ([]byte, error) {
			return append(dst, make([]byte, bodies.MaxBodyBytes+int(seq)-1)...), nil
		}, "body of seq 2: 4194305 bytes, the limit is 4194304"},
		{"a body that fails", 0, 3, func(dst []byte, seq uint64) ([]byte, error) { return dst, broken }, "body of seq 0: broken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			disk := crashfs.New()
			err := bodies.Write(disk, "f", tt.first, tt.count, tt.source)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if names, _ := disk.ReadDir("/"); len(names) > 0 {
				t.Errorf("left behind: %v", names)
			}
		})
	}
}

// trail writes files that follow each other.
func trail(t testing.TB, fsys durable.FS, all [][]byte, sizes ...int) []*bodies.File {
	t.Helper()
	var files []*bodies.File
	first := 0
	for i, n := range sizes {
		path := fmt.Sprint(i)
		write(t, fsys, path, uint64(first), all[first:first+n])
		files = append(files, open(t, fsys, path))
		first += n
	}
	return files
}

func TestReadVisitsWhatIsAskedForInOrder(t *testing.T) {
	all := odd(256 * 9)
	files := trail(t, crashfs.New(), all, 256, 256*5, 256*2, 256)
	r := rand.New(rand.NewPCG(7, 7))
	for round := range 300 {
		var seqs []uint64
		share := []int{1, 2, 10, 100, 1000}[round%5]
		for seq := range uint64(len(all)) {
			if r.IntN(share) == 0 {
				seqs = append(seqs, seq)
			}
		}
		i := 0
		err := bodies.Read(t.Context(), files, seqs, func(seq uint64, body []byte) error {
			if seq != seqs[i] || !bytes.Equal(body, all[seq]) {
				return fmt.Errorf("seq %d where %d is next: %q, want %q", seq, seqs[i], body, all[seq])
			}
			i++
			return nil
		})
		if err != nil || i != len(seqs) {
			t.Fatalf("%d of %d: %v", i, len(seqs), err)
		}
	}
}

func TestEachVisitsARange(t *testing.T) {
	all := short(300)
	f := trail(t, crashfs.New(), all, 300)[0]
	for _, tt := range [][2]uint64{{0, 0}, {0, 1}, {5, 6}, {63, 65}, {64, 128}, {1, 299}, {300, 300}, {130, 300}} {
		var want, got []uint64
		for seq := tt[0]; seq < tt[1]; seq++ {
			want = append(want, seq)
		}
		err := f.Each(t.Context(), tt[0], tt[1], func(seq uint64, body []byte) error {
			if !bytes.Equal(body, all[seq]) {
				t.Errorf("seq %d: %q", seq, body)
			}
			got = append(got, seq)
			return nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v: %v, %v", tt, got, err)
		}
	}
	for _, tt := range [][2]uint64{{0, 301}, {5, 4}, {301, 301}} {
		if err := f.Each(t.Context(), tt[0], tt[1], nil); err == nil {
			t.Errorf("%v was read", tt)
		}
	}
}

func TestReadRefusesSeqsItDoesNotHave(t *testing.T) {
	all := short(1024)
	files := trail(t, crashfs.New(), all, 256, 256, 512)
	gap := []*bodies.File{files[0], files[2]}
	for name, tt := range map[string]struct {
		files []*bodies.File
		seqs  []uint64
		want  string
	}{
		"after the last":         {files, []uint64{1, 1024}, "no file has that of seq 1024"},
		"between files":          {gap, []uint64{1, 255, 256}, "no file has that of seq 256"},
		"no files":               {nil, []uint64{7}, "no file has that of seq 7"},
		"twice in a block":       {files, []uint64{1, 2, 2}, "seq 2 after seq 2"},
		"descending in a block":  {files, []uint64{1, 5, 4}, "seq 4 after seq 5"},
		"descending over blocks": {files, []uint64{700, 5}, "seq 5 after seq 700"},
	} {
		t.Run(name, func(t *testing.T) {
			err := bodies.Read(t.Context(), tt.files, tt.seqs, func(uint64, []byte) error { return nil })
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestReadingEndsWhenItIsToldTo(t *testing.T) {
	all := short(5120)
	f := trail(t, crashfs.New(), all, len(all))[0]
	enough := errors.New("enough")
	for _, after := range []int{0, 1, 100, 3000} {
		n := 0
		err := f.Each(t.Context(), 0, 5120, func(uint64, []byte) error {
			if n == after {
				return enough
			}
			n++
			return nil
		})
		if err != enough || n != after {
			t.Errorf("%d visited, %v", n, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		n = 0
		err = f.Each(ctx, 0, 5120, func(uint64, []byte) error {
			if n == after {
				cancel()
			}
			n++
			return nil
		})
		if !errors.Is(err, context.Canceled) || n > after+5*64 {
			t.Errorf("cancelled after %d: %d visited, %v", after, n, err)
		}
		cancel()
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// A file that was closed is a mistake and must not look like damage.
	err := f.Read(t.Context(), []uint64{1}, nil)
	if _, damaged := errors.AsType[*bodies.UnreadableError](err); damaged || !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := f.Check(t.Context()); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed: check: %v", err)
	}
}

func TestManyReadAtOnce(t *testing.T) {
	all := short(256 * 20)
	disk := crashfs.New()
	files := trail(t, disk, all, slices.Repeat([]int{256}, 20)...)
	var readers sync.WaitGroup
	for i := range 8 {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 8))
			for range 20 {
				var seqs []uint64
				for seq := range uint64(len(all)) {
					if r.IntN(50) == 0 {
						seqs = append(seqs, seq)
					}
				}
				if err := bodies.Read(t.Context(), files, seqs, func(seq uint64, body []byte) error {
					if !bytes.Equal(body, all[seq]) {
						return fmt.Errorf("seq %d: %q", seq, body)
					}
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	readers.Wait()
}

func TestUnreadableSaysWhich(t *testing.T) {
	err := &bodies.UnreadableError{Seqs: []uint64{3, 4}, Causes: []error{&bodies.CorruptError{File: "f", Offset: 44, What: "why"}, fs.ErrPermission}}
	if d := cmp.Diff("2 bodies cannot be read, the first is that of seq 3: f is damaged at byte 44: why", err.Error()); d != "" {
		t.Error(d)
	}
	if !errors.Is(err, fs.ErrPermission) {
		t.Error("the second cause is hidden")
	}
}
