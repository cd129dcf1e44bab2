package durable_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"countersign/internal/crashfs"
	"countersign/internal/durable"
)

func mapped(t *testing.T, fsys durable.FS, name string) *durable.Mapping {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := durable.Map(f, name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAMappingIsTheFile(t *testing.T) {
	for name, fsys := range map[string]durable.FS{"disk": durable.OS(), "memory": crashfs.New()} {
		dir := t.TempDir()
		if err := fsys.MkdirAll(dir, durable.DirMode); err != nil {
			t.Fatal(err)
		}
		for _, want := range [][]byte{nil, []byte("text"), bytes.Repeat([]byte("0123456789"), 10_000)} {
			path := filepath.Join(dir, "f")
			if err := durable.WriteFile(fsys, path, want); err != nil {
				t.Fatal(err)
			}
			m := mapped(t, fsys, path)
			err := m.View(func(b []byte) error {
				if !bytes.Equal(b, want) {
					t.Errorf("%s: %d bytes that are not the %d written", name, len(b), len(want))
				}
				return nil
			})
			if err != nil || m.Size() != int64(len(want)) {
				t.Errorf("%s: size %d, %v", name, m.Size(), err)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// Without the guard of View this ends the process.
func TestAFileCutOffUnderItsMappingIsAnError(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, bytes.Repeat([]byte{1}, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	m := mapped(t, durable.OS(), name)
	defer m.Close()
	sum := func() (n int, err error) {
		err = m.View(func(b []byte) error {
			for _, x := range b {
				n += int(x)
			}
			return nil
		})
		return n, err
	}
	if n, err := sum(); n != 1<<20 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if err := os.Truncate(name, 1<<19); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		n, err := sum()
		fault, ok := errors.AsType[*durable.FaultError](err)
		if !ok || fault.Offset != 1<<19 || fault.Name != name || n != 1<<19 {
			t.Fatalf("%d bytes, then %v", n, err)
		}
	}
}

func TestAViewPassesOnWhatIsNotItsOwn(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := mapped(t, durable.OS(), name)
	defer m.Close()
	broken := errors.New("broken")
	if err := m.View(func([]byte) error { return broken }); err != broken {
		t.Errorf("error: %v", err)
	}
	for what, fn := range map[string]func([]byte) error{
		"a panic":         func([]byte) error { panic("ours") },
		"a bad index":     func(b []byte) error { _ = b[len(b)]; return nil },
		"a nil pointer":   func([]byte) error { var p *int; _ = *p; return nil },
		"another address": func([]byte) error { _ = *elsewhere(t); return nil },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s was swallowed", what)
				}
			}()
			_ = m.View(fn)
		}()
	}
}

// elsewhere returns the address of a byte that a cut file no longer has, mapped for the whole test.
func elsewhere(t *testing.T) *byte {
	name := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(name, make([]byte, 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	m := mapped(t, durable.OS(), name)
	var p *byte
	if err := m.View(func(b []byte) error { p = &b[1<<15]; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAMappingStaysForTheViewsThatRun(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, bytes.Repeat([]byte{1}, 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	m := mapped(t, durable.OS(), name)
	var views sync.WaitGroup
	defer views.Wait()
	running, closed := make(chan bool), make(chan bool)
	for range 4 {
		views.Go(func() {
			err := m.View(func(b []byte) error {
				running <- true
				<-closed
				for i := range b {
					if b[i] != 1 {
						return errors.New("another byte")
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-running
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := m.View(func([]byte) error { return nil }); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	if err := m.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
	close(closed)
}
