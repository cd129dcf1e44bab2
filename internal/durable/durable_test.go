package durable_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/durable"

	"golang.org/x/sys/unix"
)

func TestWriteFileReplacesTheWhole(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "manifest")
	for _, want := range []string{"a longer first text", "short", ""} {
		if err := durable.WriteFile(durable.OS(), name, []byte(want)); err != nil {
			t.Fatal(err)
		}
		got, err := durable.ReadFile(durable.OS(), name, 100)
		if err != nil || string(got) != want {
			t.Fatalf("read %q, %v, want %q", got, err, want)
		}
	}
	names, err := durable.OS().ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("left behind: %v, %v", names, err)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != durable.FileMode {
		t.Errorf("mode %v, %v, want %v", info.Mode(), err, durable.FileMode)
	}
}

func TestReplaceLeavesTheOldFileWhenFillingFails(t *testing.T) {
	name := filepath.Join(t.TempDir(), "manifest")
	if err := durable.WriteFile(durable.OS(), name, []byte("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	_, err := durable.Replace(durable.OS(), name, func(f durable.File) error {
		if _, err := f.WriteAt([]byte("half"), 0); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if got, err := durable.ReadFile(durable.OS(), name, 100); err != nil || string(got) != "old" {
		t.Errorf("read %q, %v", got, err)
	}
	if names, _ := durable.OS().ReadDir(filepath.Dir(name)); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

func TestReadFileRefusesWhatIsTooLongOrMissing(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if _, err := durable.ReadFile(durable.OS(), name, 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if err := os.WriteFile(name, make([]byte, 11), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := durable.ReadFile(durable.OS(), name, 10); err == nil || !strings.Contains(err.Error(), "the limit is 10") {
		t.Errorf("too long: %v", err)
	}
}

func TestAllocateGrowsWithZerosAndChangesNothing(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	f, err := durable.OS().OpenFile(name, os.O_RDWR|os.O_CREATE, durable.FileMode)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("text"), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Allocate(2, 4998); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if size, err := f.Size(); err != nil || size != 5000 {
		t.Errorf("size %d, %v", size, err)
	}
	got, err := durable.ReadFile(durable.OS(), name, 5000)
	if err != nil || !bytes.Equal(got, append([]byte("text"), make([]byte, 4996)...)) {
		t.Errorf("content changed, %v", err)
	}
}

func TestWritingZerosStandsInForAllocation(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	f, err := durable.OS().OpenFile(name, os.O_RDWR|os.O_CREATE, durable.FileMode)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("text"), 0); err != nil {
		t.Fatal(err)
	}
	const end = 3<<20 + 5
	for _, end := range []int64{end, 2} {
		if err := durable.WriteZeros(f, end); err != nil {
			t.Fatal(err)
		}
	}
	got, err := durable.ReadFile(durable.OS(), name, end)
	if err != nil || !bytes.Equal(got, append([]byte("text"), make([]byte, end-4)...)) {
		t.Errorf("%d bytes, or content changed, %v", len(got), err)
	}
}

func TestMkdirAllIsForFoldersOnly(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b", "c")
	for range 2 {
		if err := durable.OS().MkdirAll(deep, durable.DirMode); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(deep)
	if err != nil || info.Mode().Perm() != durable.DirMode {
		t.Errorf("mode %v, %v", info, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, filepath.Join(file, "below")} {
		if err := durable.OS().MkdirAll(name, durable.DirMode); err == nil {
			t.Errorf("%s made over a file", name)
		}
	}
}

func TestLockNamesItsHolderAndIsLetGo(t *testing.T) {
	name := filepath.Join(t.TempDir(), "LOCK")
	lock, err := durable.OS().Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	_, err = durable.OS().Lock(name)
	if held, ok := errors.AsType[*durable.LockedError](err); !ok || held.PID != os.Getpid() {
		t.Errorf("second lock: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	lock, err = durable.OS().Lock(name)
	if err != nil {
		t.Fatalf("after letting go: %v", err)
	}
	lock.Close()
}

// TestLockEndsWithItsProcess runs this test again as a child that takes the lock and is killed.
func TestLockEndsWithItsProcess(t *testing.T) {
	const env = "DURABLE_TEST_LOCK"
	if name := os.Getenv(env); name != "" {
		if _, err := durable.OS().Lock(name); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("locked\n")
		// Standard input ends when the parent does, so that no child is left behind.
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	name := filepath.Join(t.TempDir(), "LOCK")
	child := exec.Command(os.Args[0], "-test.run=^TestLockEndsWithItsProcess$")
	child.Env = append(os.Environ(), env+"="+name)
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, len("locked\n"))
	if _, err := out.Read(buf); err != nil {
		t.Fatal(err)
	}
	_, err = durable.OS().Lock(name)
	if held, ok := errors.AsType[*durable.LockedError](err); !ok || held.PID != child.Process.Pid {
		t.Errorf("while the child lives: %v, want pid %d", err, child.Process.Pid)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	lock, err := durable.OS().Lock(name)
	if err != nil {
		t.Fatalf("after the child's end: %v", err)
	}
	lock.Close()
}

func TestIsNoSpaceSeesThroughWrapping(t *testing.T) {
	for _, errno := range []error{unix.ENOSPC, unix.EDQUOT} {
		if !durable.IsNoSpace(&durable.SyncError{Name: "x", Err: &fs.PathError{Op: "write", Path: "x", Err: errno}}) {
			t.Errorf("%v not seen", errno)
		}
	}
	if durable.IsNoSpace(unix.EIO) || durable.IsNoSpace(nil) {
		t.Error("seen where it is not")
	}
}
