package bodies_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"countersign/bodies"
	"countersign/internal/crashfs"
	"countersign/internal/durable"

	"github.com/klauspost/compress/zstd"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func read(t testing.TB, fsys durable.FS, path string) []byte {
	t.Helper()
	b, err := durable.ReadFile(fsys, path, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put makes a disk that holds b as the file f.
func put(t testing.TB, b []byte) *crashfs.FS {
	t.Helper()
	disk := crashfs.New()
	if err := durable.WriteFile(disk, "f", b); err != nil {
		t.Fatal(err)
	}
	return disk
}

func isDamage(err error) bool {
	damage, ok := errors.AsType[*bodies.CorruptError](err)
	return ok && filepath.Base(damage.File) == "f" && damage.What != ""
}

// readable returns which bodies of f can be read, and says that they are right and that the others are named.
func readable(t *testing.T, f *bodies.File, want [][]byte) (good, bad []uint64) {
	t.Helper()
	first, end := f.Seqs()
	err := f.Each(t.Context(), first, end, func(seq uint64, body []byte) error {
		if !bytes.Equal(body, want[seq-first]) {
			t.Fatalf("seq %d: a wrong body: %q", seq, body)
		}
		good = append(good, seq)
		return nil
	})
	if unreadable, ok := errors.AsType[*bodies.UnreadableError](err); ok {
		if !slices.ContainsFunc(unreadable.Causes, isDamage) {
			t.Fatalf("causes: %v", unreadable.Causes)
		}
		bad = unreadable.Seqs
	} else if err != nil {
		t.Fatal(err)
	}
	if len(good)+len(bad) != len(want) {
		t.Fatalf("%d are read and %d are not, of %d", len(good), len(bad), len(want))
	}
	return good, bad
}

func TestEveryFlippedByteIsFoundAndCostsOneBlockAtMost(t *testing.T) {
	all := short(150)
	disk := crashfs.New()
	write(t, disk, "f", 256, all)
	b := read(t, disk, "f")
	lost := map[int]int{}
	for at := range b {
		b[at] ^= 1 << (at % 8)
		disk := put(t, b)
		b[at] ^= 1 << (at % 8)
		f, err := bodies.Open(disk, "f")
		if err != nil {
			t.Fatalf("byte %d of %d: %v", at, len(b), err)
		}
		_, bad := readable(t, f, all)
		lost[len(bad)]++
		if len(bad) > 0 && (bad[0]%64 != 0 || bad[len(bad)-1]-bad[0] > 63) {
			t.Fatalf("byte %d: more than a block is lost: %v", at, bad)
		}
		findings, err := f.Check(t.Context())
		if len(findings) != 1 || err != nil || !isDamage(findings[0]) || findings[0].Offset > int64(at) {
			t.Fatalf("byte %d: check: %v, %v", at, findings, err)
		}
		if d := f.Damage(); len(d) > 1 || len(d) == 1 && len(bad) > 0 {
			t.Fatalf("byte %d: on opening: %v", at, d)
		}
		f.Close()
	}
	for _, n := range []int{0, 64, 150 - 128} {
		if lost[n] == 0 {
			t.Errorf("never were %d bodies lost: %v", n, lost)
		}
		delete(lost, n)
	}
	if len(lost) > 0 {
		t.Errorf("bodies lost: %v", lost)
	}
}

func TestATruncatedFileIsRefused(t *testing.T) {
	disk := crashfs.New()
	write(t, disk, "f", 0, short(150))
	b := read(t, disk, "f")
	for size := range len(b) + 50 {
		c := append(slices.Clone(b[:min(size, len(b))]), make([]byte, max(0, size-len(b)))...)
		f, err := bodies.Open(put(t, c), "f")
		if size == len(b) && err == nil {
			f.Close()
			continue
		}
		if !isDamage(err) {
			t.Fatalf("%d bytes of %d: %v", size, len(b), err)
		}
	}
}

func TestAFileCutOffWhileItIsOpenGivesNothingWrong(t *testing.T) {
	all := short(1000)
	for _, share := range []int64{0, 1, 3, 7, 10} {
		path := filepath.Join(t.TempDir(), "f")
		write(t, durable.OS(), path, 0, all)
		f := open(t, durable.OS(), path)
		if err := os.Truncate(path, f.Size()*share/10); err != nil {
			t.Fatal(err)
		}
		if _, bad := readable(t, f, all); (len(bad) > 0) != (share < 10) {
			t.Errorf("cut to %d tenths: %d are not read", share, len(bad))
		}
		if findings, err := f.Check(t.Context()); (len(findings) > 0) != (share < 10) || err != nil {
			t.Errorf("cut to %d tenths: %v, %v", share, findings, err)
		}
	}
}

// A failing disk costs the bodies that it does not give, and is named.
func TestADiskThatFailsToReadIsNoEnd(t *testing.T) {
	all := short(300)
	disk := crashfs.New()
	write(t, disk, "f", 0, all)
	failed := 0
	for call := int64(1); ; call++ {
		before := disk.Calls()
		disk.SetFault(crashfs.Fault{Call: before + call})
		f, err := bodies.Open(disk, "f")
		if err == nil {
			var bad []uint64
			n := 0
			err = f.Each(t.Context(), 0, 300, func(seq uint64, body []byte) error {
				if !bytes.Equal(body, all[seq]) {
					t.Errorf("seq %d: %q", seq, body)
				}
				n++
				return nil
			})
			if unreadable, ok := errors.AsType[*bodies.UnreadableError](err); ok {
				bad, failed = unreadable.Seqs, failed+1
			} else if err != nil {
				t.Errorf("call %d: %v", call, err)
			}
			if n+len(bad) != 300 {
				t.Errorf("call %d: %d read, %d not", call, n, len(bad))
			}
			if _, err := f.Check(t.Context()); err != nil {
				t.Errorf("call %d: check: %v", call, err)
			}
			f.Close()
		}
		if disk.Calls()-before < call {
			break
		}
	}
	// How many of the calls read bodies differs: each goroutine that reads may read the dictionary for itself.
	if failed == 0 {
		t.Error("no failure cost bodies")
	}
}

// form is what a file is made of, as docs/format/bodies.md describes it.
type form struct {
	first       uint64
	count       uint32
	blocks      []part
	dictionary  []byte
	uuids       []byte
	places      []byte // made of the blocks unless it is set
	afterPlaces []byte
}

type part struct {
	bodies, form byte
	textLength   uint32
	uuidCount    uint16
	uuids, text  []byte
	placeBodies  byte // 0 for bodies
}

// bytes puts it together, with all checksums right.
func (f form) bytes() []byte {
	b := make([]byte, 44)
	places := f.places
	row := uint64(0)
	for _, p := range f.blocks {
		start := len(b)
		b = binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 0), p.textLength)
		b = append(binary.BigEndian.AppendUint16(b, p.uuidCount), p.bodies, p.form)
		b = append(append(b, p.uuids...), p.text...)
		seq := binary.BigEndian.AppendUint64(nil, f.first+row)
		binary.BigEndian.PutUint32(b[start:], crc32.Update(crc32.Checksum(seq, castagnoli), castagnoli, b[start+4:]))
		bodies := p.bodies
		if p.placeBodies > 0 {
			bodies = p.placeBodies
		}
		row += uint64(bodies)
		if f.places == nil {
			places = binary.BigEndian.AppendUint32(places, uint32(bodies)<<24|uint32(len(b)-start))
		}
	}
	dir := binary.BigEndian.AppendUint32(nil, uint32(len(f.dictionary)))
	dir = binary.BigEndian.AppendUint32(append(dir, f.dictionary...), uint32(len(f.uuids)/16))
	dir = append(append(append(dir, f.uuids...), places...), f.afterPlaces...)
	head := binary.BigEndian.AppendUint32([]byte("CSIGNBDY\x00\x00\x00\x01"), f.count)
	head = binary.BigEndian.AppendUint64(head, f.first)
	head = binary.BigEndian.AppendUint64(head, uint64(len(b)))
	head = binary.BigEndian.AppendUint32(head, uint32(len(dir)))
	head = binary.BigEndian.AppendUint32(head, crc32.Checksum(dir, castagnoli))
	head = binary.BigEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))
	copy(b, head)
	return append(append(append(b, dir...), dir...), head...)
}

func plain(bodies byte, text string) part {
	return part{bodies: bodies, textLength: uint32(len(text)), text: []byte(text)}
}

func TestBadContentsUnderGoodChecksumsAreRefused(t *testing.T) {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	squeezed := func(bodies byte, said uint32, text []byte) part {
		return part{bodies: bodies, form: 1, textLength: said, text: enc.EncodeAll(text, nil)}
	}
	good := func() form {
		return form{first: 256, count: 3, blocks: []part{plain(2, "\x01\x02abb"), plain(1, "\x02\xff\x02")}, uuids: make([]byte, 16)}
	}
	if f, err := bodies.Open(put(t, good().bytes()), "f"); err != nil {
		t.Fatal(err)
	} else {
		wantAll(t, f, [][]byte{[]byte("a"), []byte("bb"), []byte("$00000000-0000-0000-0000-000000000000")})
	}
	refused := map[string]func(f *form){
		"no bodies":                     func(f *form) { f.count = 0 },
		"too many bodies":               func(f *form) { f.count = bodies.MaxBodies + 1 },
		"a first seq between blocks":    func(f *form) { f.first = 300 },
		"a first seq beyond the last":   func(f *form) { f.first = 1 << 63 },
		"fewer bodies than in blocks":   func(f *form) { f.count = 2 },
		"more bodies than in blocks":    func(f *form) { f.count = 4 },
		"no blocks":                     func(f *form) { f.blocks = nil },
		"a place too few":               func(f *form) { f.places = []byte{2, 0, 0, 17} },
		"a place of no bodies":          func(f *form) { f.places = []byte{2, 0, 0, 17, 0, 0, 0, 13, 1, 0, 0, 15} },
		"a place of no bytes":           func(f *form) { f.places = []byte{2, 0, 0, 0, 1, 0, 0, 15} },
		"a block over the next 64":      func(f *form) { f.count, f.blocks[0].bodies, f.blocks[1].bodies = 80, 40, 40 },
		"a block of 65":                 func(f *form) { f.count, f.blocks[0].bodies = 66, 65 },
		"half a place at the end":       func(f *form) { f.afterPlaces = []byte{1, 0} },
		"a dictionary that is too long": func(f *form) { f.dictionary = make([]byte, 64<<10+1) },
		"too many UUIDs":                func(f *form) { f.uuids = make([]byte, 16*4097) },
	}
	for name, change := range refused {
		t.Run(name, func(t *testing.T) {
			f := good()
			change(&f)
			if _, err := bodies.Open(put(t, f.bytes()), "f"); !isDamage(err) {
				t.Errorf("%v", err)
			}
		})
	}
	bad := map[string]part{
		"other bodies than the place says":    {bodies: 1, placeBodies: 2, textLength: 5, text: []byte("\x01\x02abb")},
		"a form that is not known":            {bodies: 2, form: 2, textLength: 5, text: []byte("\x01\x02abb")},
		"a text shorter than said":            {bodies: 2, textLength: 6, text: []byte("\x01\x02abb")},
		"a text longer than said":             {bodies: 2, textLength: 4, text: []byte("\x01\x02abb")},
		"more UUIDs than bytes":               {bodies: 2, uuidCount: 1, textLength: 5, text: []byte("\x01\x02abb")},
		"a UUID that nobody has":              {bodies: 2, uuidCount: 1, textLength: 5, uuids: make([]byte, 16), text: []byte("\x01\x02abb")},
		"no lengths":                          plain(2, "\x81\x80"),
		"a length over the end":               plain(2, "\x01\x03abb"),
		"bytes that are no body":              plain(2, "\x01\x02abbc"),
		"an escape at the end":                plain(2, "\x01\x01a\xff"),
		"an escape that is cut":               plain(2, "\x01\x02a\xff\x80"),
		"a UUID that the file has not":        plain(2, "\x01\x02a\xff\x03"),
		"the next UUID where there is none":   plain(2, "\x01\x02a\xff\x01"),
		"a UUID of the block that is to come": {bodies: 2, uuidCount: 1, textLength: 6, uuids: make([]byte, 16), text: []byte("\x02\x02\xff\x03\xff\x01")},
		"a huge number of a UUID":             plain(2, "\x01\x0ba\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
		"a body beyond the limit":             squeezed(2, 2<<20, append([]byte{0, 0xfd, 0xff, 0x7f}, bytes.Repeat([]byte("\xff\x02"), 1<<20-2)...)),
		"a text that grows beyond its size":   squeezed(2, 5, make([]byte, 64<<20)),
		"a text that does not reach its size": squeezed(2, 4<<20, make([]byte, 100)),
		"a size beyond the limit":             squeezed(2, 1<<31, make([]byte, 100)),
		"no compressed text":                  {bodies: 2, form: 1, textLength: 5, text: []byte("\x01\x02abb")},
		"a compressed text that is cut":       {bodies: 2, form: 1, textLength: 1000, text: enc.EncodeAll(make([]byte, 1000), nil)[:10]},
		"a dictionary that is not there":      {bodies: 2, form: 1, textLength: 1000, text: withDictionary(t, make([]byte, 1000))},
	}
	for name, p := range bad {
		t.Run(name, func(t *testing.T) {
			form := good()
			form.blocks[0] = p
			f, err := bodies.Open(put(t, form.bytes()), "f")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			seqs := []uint64{256, 257, 258}
			var got []uint64
			err = f.Read(t.Context(), seqs, func(seq uint64, _ []byte) error { got = append(got, seq); return nil })
			unreadable, ok := errors.AsType[*bodies.UnreadableError](err)
			// What is only too much is not seen by who reads the bodies that are there.
			tooMuch := err == nil && (name == "bytes that are no body" || name == "a UUID that nobody has")
			if !tooMuch && (!ok || !slices.Equal(unreadable.Seqs, seqs[:2]) || !slices.Equal(got, seqs[2:])) {
				t.Errorf("read: %v, %v", got, err)
			}
			findings, err := f.Check(t.Context())
			if len(findings) != 1 || findings[0].Offset != 44 || err != nil {
				t.Errorf("check: %v, %v", findings, err)
			}
		})
	}
}

func withDictionary(t *testing.T, text []byte) []byte {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderDictRaw(7, bytes.Repeat([]byte("abc"), 100)))
	if err != nil {
		t.Fatal(err)
	}
	return enc.EncodeAll(text, nil)
}

func TestAFileOfANewerProgramIsNotDamage(t *testing.T) {
	disk := crashfs.New()
	write(t, disk, "f", 0, short(10))
	b := read(t, disk, "f")
	b[11] = 2
	binary.BigEndian.PutUint32(b[40:], crc32.Checksum(b[:40], castagnoli))
	if _, err := bodies.Open(put(t, b), "f"); err == nil || isDamage(err) {
		t.Errorf("%v", err)
	}
}

// FuzzFile changes bytes of a file, two bytes of place and one of change at a time, and cuts it. Whatever comes, what is
// read is right.
func FuzzFile(f *testing.F) {
	disk := crashfs.New()
	all := short(150)
	write(f, disk, "f", 256, all)
	whole := read(f, disk, "f")
	f.Add(uint16(len(whole)), []byte(nil))
	f.Add(uint16(len(whole)), []byte{0, 60, 1})
	f.Add(uint16(len(whole)), []byte{0, 3, 1, 0, 55, 1, 8, 48, 7, 9, 53, 9})
	f.Add(uint16(100), []byte(nil))
	f.Fuzz(func(t *testing.T, size uint16, edits []byte) {
		b := bytes.Clone(whole)
		for ; len(edits) >= 3; edits = edits[3:] {
			b[int(binary.BigEndian.Uint16(edits))%len(b)] ^= edits[2]
		}
		b = b[:min(int(size), len(b))]
		f, err := bodies.Open(put(t, b), "f")
		if err != nil {
			return
		}
		defer f.Close()
		readable(t, f, all)
		if findings, err := f.Check(t.Context()); (len(findings) == 0) != bytes.Equal(b, whole) || err != nil {
			t.Fatalf("check: %v, %v", findings, err)
		}
	})
}

// FuzzContents makes up a file of two blocks, under good checksums. Reading it does not panic, and what the check passes
// can be read.
func FuzzContents(f *testing.F) {
	f.Add(byte(2), uint16(0), []byte(nil), []byte("\x01\x02abb"), false, []byte(nil))
	f.Add(byte(2), uint16(1), make([]byte, 16), []byte("\x02\x03\xff\x01\xff\x02b"), true, []byte(nil))
	f.Add(byte(1), uint16(0), []byte(nil), []byte("\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), true, []byte{2, 0, 0, 17, 1, 0, 0, 15})
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, n byte, uuidCount uint16, uuids, text []byte, squeeze bool, places []byte) {
		p := part{bodies: n, uuidCount: uuidCount, uuids: uuids, textLength: uint32(len(text)), text: text}
		if squeeze {
			p.form, p.text = 1, enc.EncodeAll(text, nil)
		}
		made := form{first: 256, count: uint32(n) + 1, blocks: []part{p, plain(1, "\x02\xff\x02")}, uuids: make([]byte, 16)}
		if len(places) > 0 {
			made.places = places
		}
		f, err := bodies.Open(put(t, made.bytes()), "f")
		if err != nil {
			return
		}
		defer f.Close()
		first, end := f.Seqs()
		readErr := f.Each(t.Context(), first, end, func(uint64, []byte) error { return nil })
		findings, err := f.Check(t.Context())
		if err != nil || len(findings) == 0 && readErr != nil {
			t.Fatalf("read: %v; check: %v, %v", readErr, findings, err)
		}
	})
}

// FuzzBodies cuts bytes into bodies at every line and writes and reads them.
func FuzzBodies(f *testing.F) {
	f.Add(bytes.Join(bytesOf(12), []byte("\n")))
	f.Add(bytes.Join(short(3), []byte("\n")))
	f.Fuzz(func(t *testing.T, b []byte) {
		all := bytes.Split(b, []byte("\n"))
		disk := crashfs.New()
		write(t, disk, "f", 0, all)
		wantAll(t, open(t, disk, "f"), all)
	})
}
