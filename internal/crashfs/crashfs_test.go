package crashfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"testing"

	"countersign/internal/crashfs"
	"countersign/internal/durable"
)

// seeds is how many crashes are tried where chance decides: enough to see every outcome that is looked for.
const seeds = 200

func open(t *testing.T, disk *crashfs.FS, name string) durable.File {
	t.Helper()
	f, err := disk.OpenFile(name, os.O_RDWR|os.O_CREATE, durable.FileMode)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, f durable.File, off int64, data []byte) {
	t.Helper()
	if _, err := f.WriteAt(data, off); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// content returns what a file holds, or "gone".
func content(disk *crashfs.FS, name string) string {
	b, err := durable.ReadFile(disk, name, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return "gone"
	}
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// outcomes counts what look finds after many crashes.
func outcomes(disk *crashfs.FS, look func(*crashfs.FS) string) map[string]int {
	seen := map[string]int{}
	for seed := range uint64(seeds) {
		seen[look(disk.Crash(seed))]++
	}
	return seen
}

// wantOutcomes says that exactly these outcomes come up.
func wantOutcomes(t *testing.T, seen map[string]int, want ...string) {
	t.Helper()
	for _, w := range want {
		if seen[w] == 0 {
			t.Errorf("%q never came up in %v", w, seen)
		}
		delete(seen, w)
	}
	if len(seen) > 0 {
		t.Errorf("also came up: %v", seen)
	}
}

func sectors(letters string) []byte {
	var b []byte
	for i := range letters {
		b = append(b, bytes.Repeat([]byte{letters[i]}, 512)...)
	}
	return b
}

// letters is the inverse of sectors; a dot is a sector of zeros.
func letters(b string) string {
	var s []byte
	for len(b) > 0 {
		n := min(512, len(b))
		c := b[0]
		if c == 0 {
			c = '.'
		}
		for i := range n {
			if b[i] != b[0] {
				c = '?'
			}
		}
		s, b = append(s, c), b[n:]
	}
	return string(s)
}

func TestSyncedBytesUnderASyncedNameSurvive(t *testing.T) {
	disk := crashfs.New()
	must(t, disk.MkdirAll("/data/wal", durable.DirMode))
	f := open(t, disk, "/data/wal/f")
	write(t, f, 0, sectors("abc"))
	must(t, f.Sync())
	must(t, disk.SyncDir("/data/wal"))
	wantOutcomes(t, outcomes(disk, func(d *crashfs.FS) string { return letters(content(d, "/data/wal/f")) }), "abc")
}

func TestUnsyncedSectorsSurviveEachForItself(t *testing.T) {
	disk := crashfs.New()
	f := open(t, disk, "f")
	write(t, f, 0, sectors("ab"))
	must(t, f.Sync())
	must(t, disk.SyncDir("/"))
	write(t, f, 0, sectors("AB"))
	wantOutcomes(t, outcomes(disk, func(d *crashfs.FS) string { return letters(content(d, "f")) }), "ab", "aB", "Ab", "AB")
}

func TestAnEarlierWriteMaySurviveALaterOne(t *testing.T) {
	disk := crashfs.New()
	f := open(t, disk, "f")
	write(t, f, 0, sectors("1"))
	must(t, f.Sync())
	must(t, disk.SyncDir("/"))
	write(t, f, 0, sectors("2"))
	write(t, f, 0, sectors("3"))
	wantOutcomes(t, outcomes(disk, func(d *crashfs.FS) string { return letters(content(d, "f")) }), "1", "2", "3")
}

func TestSizeAndBytesSurviveApart(t *testing.T) {
	disk := crashfs.New()
	f := open(t, disk, "f")
	must(t, disk.SyncDir("/"))
	write(t, f, 0, sectors("a"))
	wantOutcomes(t, outcomes(disk, func(d *crashfs.FS) string { return letters(content(d, "f")) }), "", ".", "a")

	must(t, f.Sync())
	must(t, f.Truncate(0))
	wantOutcomes(t, outcomes(disk, func(d *crashfs.FS) string { return letters(content(d, "f")) }), "", ".", "a")

	must(t, f.Sync())
	must(t, f.Allocate(0, 512))
	if got := letters(content(disk, "f")); got != "." {
		t.Errorf("grown again it reads %q", got)
	}
	must(t, f.Sync())
	wantOutcomes(t, outcomes(disk, func(d *crashfs.FS) string { return letters(content(d, "f")) }), ".")
}

func TestNamesNeedASyncOfTheirFolder(t *testing.T) {
	two := func(d *crashfs.FS) string { return content(d, "a") + "," + content(d, "b") }
	tests := []struct {
		name string
		act  func(*crashfs.FS) error
		want []string
	}{
		{"create", func(d *crashfs.FS) error { return durableWrite(d, "b", "new") }, []string{"old,gone", "old,new"}},
		{"rename", func(d *crashfs.FS) error { return d.Rename("a", "b") }, []string{"old,gone", "gone,old"}},
		{"remove", func(d *crashfs.FS) error { return d.Remove("a") }, []string{"old,gone", "gone,gone"}},
		{"rename over", func(d *crashfs.FS) error {
			if err := durableWrite(d, "b", "new"); err != nil {
				return err
			}
			return d.Rename("b", "a")
		}, []string{"old,gone", "old,new", "new,gone"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			disk := crashfs.New()
			must(t, durableWrite(disk, "a", "old"))
			must(t, disk.SyncDir("/"))
			must(t, tt.act(disk))
			wantOutcomes(t, outcomes(disk, two), tt.want...)
			now := two(disk)
			must(t, disk.SyncDir("/"))
			wantOutcomes(t, outcomes(disk, two), now)
		})
	}
}

// durableWrite makes a file with synced bytes and a name that is not.
func durableWrite(d *crashfs.FS, name, data string) error {
	f, err := d.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, durable.FileMode)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte(data), 0); err != nil {
		return err
	}
	return f.Sync()
}

func TestARenameBetweenFoldersMayBeHalfDone(t *testing.T) {
	disk := crashfs.New()
	must(t, disk.MkdirAll("x", durable.DirMode))
	must(t, disk.MkdirAll("y", durable.DirMode))
	must(t, durableWrite(disk, "x/f", "f"))
	must(t, disk.SyncDir("x"))
	must(t, disk.Rename("x/f", "y/f"))
	wantOutcomes(t, outcomes(disk, func(d *crashfs.FS) string { return content(d, "x/f") + "," + content(d, "y/f") }),
		"f,gone", "f,f", "gone,gone", "gone,f")
}

func TestMkdirAllIsDurableItself(t *testing.T) {
	disk := crashfs.New()
	must(t, disk.MkdirAll("/a/b/c", durable.DirMode))
	wantOutcomes(t, outcomes(disk, func(d *crashfs.FS) string {
		_, err := d.ReadDir("/a/b/c")
		return fmt.Sprint(err)
	}), "<nil>")
}

// TestMkdirAllFinishesWhatAFailureLeft fails every call of it, and calls it again in the same page cache.
func TestMkdirAllFinishesWhatAFailureLeft(t *testing.T) {
	for _, mode := range []crashfs.Mode{crashfs.NotDone, crashfs.Done} {
		for call := int64(1); ; call++ {
			disk := crashfs.New()
			disk.SetFault(crashfs.Fault{Call: call, Mode: mode})
			err := disk.MkdirAll("/a/b/c", durable.DirMode)
			if err == nil && disk.Calls() < call {
				break
			}
			must(t, disk.MkdirAll("/a/b/c", durable.DirMode))
			wantOutcomes(t, outcomes(disk, func(d *crashfs.FS) string {
				_, err := d.ReadDir("/a/b/c")
				return fmt.Sprint(err)
			}), "<nil>")
		}
	}
}

func TestAFailedSyncLosesTheBytesForGood(t *testing.T) {
	for mode, want := range map[crashfs.Mode]string{crashfs.NotDone: "ab", crashfs.Partly: "Ab", crashfs.Done: "AB"} {
		t.Run(mode.String(), func(t *testing.T) {
			disk := crashfs.New()
			f := open(t, disk, "f")
			write(t, f, 0, sectors("ab"))
			must(t, f.Sync())
			must(t, disk.SyncDir("/"))
			write(t, f, 0, sectors("AB"))
			disk.SetFault(crashfs.Fault{Call: disk.Calls() + 1, Mode: mode})
			if err := f.Sync(); !errors.Is(err, syscall.EIO) {
				t.Fatalf("sync: %v", err)
			}
			if err := f.Sync(); err != nil {
				t.Fatalf("the next sync: %v", err)
			}
			if got := letters(content(disk, "f")); got != "AB" {
				t.Errorf("reads as %q before the crash", got)
			}
			wantOutcomes(t, outcomes(disk, func(d *crashfs.FS) string { return letters(content(d, "f")) }), want)
		})
	}
}

func TestAFailedSyncDirLosesTheNamesForGood(t *testing.T) {
	disk := crashfs.New()
	must(t, durableWrite(disk, "a", "old"))
	must(t, disk.SyncDir("/"))
	must(t, disk.Rename("a", "b"))
	disk.SetFault(crashfs.Fault{Call: disk.Calls() + 1})
	if err := disk.SyncDir("/"); err == nil {
		t.Fatal("no error")
	}
	must(t, disk.SyncDir("/"))
	if got := content(disk, "b"); got != "old" {
		t.Errorf("b reads %q before the crash", got)
	}
	wantOutcomes(t, outcomes(disk, func(d *crashfs.FS) string { return content(d, "a") + "," + content(d, "b") }), "old,gone")
}

func TestEveryCallCanFailInEveryMode(t *testing.T) {
	type result struct{ notDone, done, partly string }
	tests := []struct {
		name string
		act  func(*crashfs.FS, durable.File) error
		want result
	}{
		{"open", func(d *crashfs.FS, _ durable.File) error { _, err := d.OpenFile("b", os.O_CREATE, 0); return err },
			result{"abcd,gone", "abcd,", "abcd,gone"}},
		{"rename", func(d *crashfs.FS, _ durable.File) error { return d.Rename("a", "b") },
			result{"abcd,gone", "gone,abcd", "abcd,gone"}},
		{"remove", func(d *crashfs.FS, _ durable.File) error { return d.Remove("a") },
			result{"abcd,gone", "gone,gone", "abcd,gone"}},
		{"write", func(_ *crashfs.FS, f durable.File) error { _, err := f.WriteAt([]byte("WXYZ"), 0); return err },
			result{"abcd,gone", "WXYZ,gone", "WXcd,gone"}},
		{"truncate", func(_ *crashfs.FS, f durable.File) error { return f.Truncate(1) },
			result{"abcd,gone", "a,gone", "abcd,gone"}},
		{"allocate", func(_ *crashfs.FS, f durable.File) error { return f.Allocate(4, 2) },
			result{"abcd,gone", "abcd\x00\x00,gone", "abcd\x00,gone"}},
		{"readdir", func(d *crashfs.FS, _ durable.File) error { _, err := d.ReadDir("/"); return err },
			result{"abcd,gone", "abcd,gone", "abcd,gone"}},
		{"lock", func(d *crashfs.FS, _ durable.File) error { _, err := d.Lock("b"); return err },
			result{"abcd,gone", "abcd,", "abcd,gone"}},
	}
	for _, tt := range tests {
		for mode, want := range map[crashfs.Mode]string{crashfs.NotDone: tt.want.notDone, crashfs.Done: tt.want.done, crashfs.Partly: tt.want.partly} {
			t.Run(tt.name+" "+mode.String(), func(t *testing.T) {
				disk := crashfs.New()
				f := open(t, disk, "a")
				write(t, f, 0, []byte("abcd"))
				disk.SetFault(crashfs.Fault{Call: disk.Calls() + 1, Mode: mode})
				if err := tt.act(disk, f); !errors.Is(err, syscall.EIO) {
					t.Errorf("error %v", err)
				}
				if got := content(disk, "a") + "," + content(disk, "b"); got != want {
					t.Errorf("then %q, want %q", got, want)
				}
			})
		}
	}
}

func TestAReadCanFail(t *testing.T) {
	disk := crashfs.New()
	f := open(t, disk, "a")
	write(t, f, 0, []byte("abcd"))
	broken := errors.New("broken")
	disk.SetFault(crashfs.Fault{Call: disk.Calls() + 1, Err: broken, Sticky: true})
	for range 2 {
		if _, err := f.ReadAt(make([]byte, 4), 0); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	}
}

func TestAFullDiskTakesWhatFits(t *testing.T) {
	disk := crashfs.New()
	f := open(t, disk, "a")
	write(t, f, 0, []byte("abcd"))
	disk.SetSpace(6)
	if n, err := f.WriteAt([]byte("WXYZ"), 3); n != 3 || !durable.IsNoSpace(err) {
		t.Errorf("write: %d, %v", n, err)
	}
	if err := f.Allocate(6, 1); !durable.IsNoSpace(err) {
		t.Errorf("allocate: %v", err)
	}
	if got := content(disk, "a"); got != "abcWXY" {
		t.Errorf("content %q", got)
	}
	write(t, f, 0, []byte("inside"))
	g := open(t, disk, "b")
	if _, err := g.WriteAt([]byte("1"), 0); !durable.IsNoSpace(err) {
		t.Errorf("another file: %v", err)
	}
	must(t, f.Truncate(5))
	write(t, g, 0, []byte("1"))
	disk.SetSpace(-1)
	write(t, g, 1, make([]byte, 100))
}

func TestKillKeepsThePageCacheAndLetsLocksGo(t *testing.T) {
	disk := crashfs.New()
	lock, err := disk.Lock("LOCK")
	must(t, err)
	if _, err := disk.Lock("/LOCK"); err == nil {
		t.Error("locked twice")
	} else if held, ok := errors.AsType[*durable.LockedError](err); !ok || held.PID != os.Getpid() {
		t.Errorf("second lock: %v", err)
	}
	f := open(t, disk, "a")
	write(t, f, 0, []byte("abcd"))
	disk.Kill()
	if err := f.Sync(); !errors.Is(err, crashfs.ErrKilled) {
		t.Errorf("the dead process syncs: %v", err)
	}
	if err := lock.Close(); !errors.Is(err, crashfs.ErrKilled) {
		t.Errorf("the dead process unlocks: %v", err)
	}
	if got := content(disk, "a"); got != "abcd" {
		t.Errorf("content %q", got)
	}
	lock, err = disk.Lock("LOCK")
	must(t, err)
	must(t, lock.Close())
}

func TestACrashIsTheSameForTheSameSeedAndChangesNothing(t *testing.T) {
	disk := crashfs.New()
	f := open(t, disk, "f")
	must(t, disk.SyncDir("/"))
	write(t, f, 0, sectors("abcdefgh"))
	for seed := range uint64(20) {
		first, second := content(disk.Crash(seed), "f"), content(disk.Crash(seed), "f")
		if first != second {
			t.Fatalf("seed %d: %q and %q", seed, letters(first), letters(second))
		}
	}
	if got := letters(content(disk, "f")); got != "abcdefgh" {
		t.Errorf("the running disk reads %q", got)
	}
}

func TestMisuseIsRefused(t *testing.T) {
	disk := crashfs.New()
	must(t, disk.MkdirAll("d/e", durable.DirMode))
	f := open(t, disk, "d/f")
	readOnly, err := disk.OpenFile("d/f", os.O_RDONLY, 0)
	must(t, err)
	closed := open(t, disk, "d/g")
	must(t, closed.Close())
	tests := []struct {
		name string
		err  error
		want error
	}{
		{"open missing", second(disk.OpenFile("x", os.O_RDWR, 0)), fs.ErrNotExist},
		{"open in a missing folder", second(disk.OpenFile("x/y", os.O_CREATE, 0)), fs.ErrNotExist},
		{"open below a file", second(disk.OpenFile("d/f/y", os.O_CREATE, 0)), syscall.ENOTDIR},
		{"open exclusively what is there", second(disk.OpenFile("d/f", os.O_CREATE|os.O_EXCL, 0)), fs.ErrExist},
		{"open a folder", second(disk.OpenFile("d", os.O_RDONLY, 0)), syscall.EISDIR},
		{"list a file", second(disk.ReadDir("d/f")), syscall.ENOTDIR},
		{"list a missing folder", second(disk.ReadDir("x")), fs.ErrNotExist},
		{"sync a missing folder", disk.SyncDir("x"), fs.ErrNotExist},
		{"remove a full folder", disk.Remove("d"), syscall.ENOTEMPTY},
		{"remove nothing", disk.Remove("x"), fs.ErrNotExist},
		{"rename nothing", disk.Rename("x", "y"), fs.ErrNotExist},
		{"make a folder over a file", disk.MkdirAll("d/f", 0), fs.ErrExist},
		{"write what is open for reading", second(readOnly.WriteAt([]byte("x"), 0)), syscall.EBADF},
		{"write what is closed", second(closed.WriteAt([]byte("x"), 0)), fs.ErrClosed},
		{"write before the beginning", second(f.WriteAt([]byte("x"), -1)), syscall.EINVAL},
		{"read before the beginning", second(f.ReadAt(make([]byte, 1), -1)), syscall.EINVAL},
		{"allocate nothing", f.Allocate(0, 0), syscall.EINVAL},
		{"truncate to less than nothing", f.Truncate(-1), syscall.EINVAL},
	}
	for _, tt := range tests {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, tt.err, tt.want)
		}
	}
	names, err := disk.ReadDir("d")
	if err != nil || !slices.Equal(names, []string{"e", "f", "g"}) {
		t.Errorf("names %v, %v", names, err)
	}
	must(t, disk.Remove("d/e"))
}

func second[T any](_ T, err error) error { return err }

// TestReplaceIsAllOrNothing tries every failure and crash of the sequence that all small files are written with.
func TestReplaceIsAllOrNothing(t *testing.T) {
	for _, mode := range []crashfs.Mode{crashfs.NotDone, crashfs.Partly, crashfs.Done} {
		for call := int64(1); ; call++ {
			disk := crashfs.New()
			must(t, disk.MkdirAll("d", durable.DirMode))
			must(t, durable.WriteFile(disk, "d/f", sectors("old")))
			disk.SetFault(crashfs.Fault{Call: disk.Calls() + call, Mode: mode})
			before := disk.Calls()
			err := durable.WriteFile(disk, "d/f", sectors("newer"))
			for seed := range uint64(20) {
				got := letters(content(disk.Crash(seed), "d/f"))
				if got != "newer" && (err == nil || got != "old") {
					t.Fatalf("call %d %v, seed %d: error %v, then %q", call, mode, seed, err, got)
				}
			}
			if err == nil && disk.Calls()-before < call {
				break
			}
		}
	}
}
