package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"countersign/internal/crashfs"
	"countersign/internal/durable"
	"countersign/wal"

	"github.com/google/go-cmp/cmp"
)

// made returns the batch that begins with seq first, always the same one.
func made(first uint64, entries int) wal.Batch {
	b := wal.Batch{FirstSeq: first}
	for i := range entries {
		seq := first + uint64(i)
		if seq%5 == 0 {
			b.Seeds = append(b.Seeds, wal.Seed{Block: seq / 5, Bytes: [32]byte{byte(seq), 1, 2}})
		}
		b.Entries = append(b.Entries, bytes.Repeat([]byte(fmt.Sprintf("<%d>", seq)), int(seq%7)))
	}
	if first%3 == 0 {
		b.Checkpoint = fmt.Appendf(nil, "checkpoint %d", first)
	}
	return b
}

// clone copies what a replayed batch points at.
func clone(b wal.Batch) wal.Batch {
	b.Seeds = slices.Clone(b.Seeds)
	b.Entries = slices.Clone(b.Entries)
	for i := range b.Entries {
		b.Entries[i] = bytes.Clone(b.Entries[i])
	}
	b.Checkpoint = bytes.Clone(b.Checkpoint)
	return b
}

// collect returns a function for Open that gathers the batches in *into.
func collect(into *[]wal.Batch) func(wal.Batch) error {
	*into = nil
	return func(b wal.Batch) error {
		*into = append(*into, clone(b))
		return nil
	}
}

// add makes a batch durable.
func add(l *wal.Log, b wal.Batch) error {
	frame, err := wal.AppendFrame(nil, &b)
	if err != nil {
		return err
	}
	if err := l.Reserve(int64(len(frame))); err != nil {
		return err
	}
	if err := l.Write(frame); err != nil {
		return err
	}
	return l.Sync()
}

func same(a, b wal.Batch) bool {
	return a.FirstSeq == b.FirstSeq && slices.Equal(a.Seeds, b.Seeds) && slices.EqualFunc(a.Entries, b.Entries, bytes.Equal) &&
		bytes.Equal(a.Checkpoint, b.Checkpoint)
}

// diff compares batches; nil and empty slices are the same.
func diff(want, got []wal.Batch) string {
	if slices.EqualFunc(want, got, same) {
		return ""
	}
	norm := func(in []wal.Batch) []wal.Batch {
		out := make([]wal.Batch, 0, len(in))
		for _, b := range in {
			b = clone(b)
			b.Seeds = append([]wal.Seed{}, b.Seeds...)
			b.Checkpoint = append([]byte{}, b.Checkpoint...)
			for i := range b.Entries {
				b.Entries[i] = append([]byte{}, b.Entries[i]...)
			}
			out = append(out, b)
		}
		return out
	}
	return cmp.Diff(norm(want), norm(got))
}

func TestWhatIsWrittenIsReplayedOverManyFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "wal")
	o := wal.Options{RollBytes: 600, AllocateBytes: 256}
	var want, got []wal.Batch
	var next uint64
	for range 5 {
		l, rec, err := wal.Open(durable.OS(), dir, o, collect(&got))
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(want, got); d != "" {
			t.Fatalf("replayed (-want +got):\n%s", d)
		}
		if rec.End.Next != next || rec.Torn != 0 {
			t.Fatalf("recovery %+v, want next %d and nothing torn", rec, next)
		}
		for n := range 7 {
			b := made(next, n+1)
			if err := add(l, b); err != nil {
				t.Fatal(err)
			}
			want = append(want, b)
			next += uint64(n + 1)
		}
		end, err := l.Close()
		if err != nil {
			t.Fatal(err)
		}
		o.Clean = &end
	}
	names, err := durable.OS().ReadDir(dir)
	if err != nil || len(names) < 5 {
		t.Errorf("files %v, %v, want some", names, err)
	}
}

// openMem opens a log on a disk in memory.
func openMem(t *testing.T, disk *crashfs.FS, o wal.Options) *wal.Log {
	t.Helper()
	l, _, err := wal.Open(disk, "wal", o, func(wal.Batch) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func frameOf(t *testing.T, b wal.Batch) []byte {
	t.Helper()
	frame, err := wal.AppendFrame(nil, &b)
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func TestTheLogRefusesWhatWouldBreakIt(t *testing.T) {
	l := openMem(t, crashfs.New(), wal.Options{})
	first, second := frameOf(t, made(0, 2)), frameOf(t, made(2, 2))
	wantErr := func(what string, err error, part string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q", what, err, part)
		}
	}
	wantErr("a frame too early", l.Write(second), "begins with seq 2, the next is 0")
	wantErr("a part of a frame", l.Write(first[:len(first)-1]), "not a frame")
	wantErr("two frames", l.Write(append(bytes.Clone(first), second...)), "not a frame")
	wantErr("nothing", l.Write(nil), "not a frame")
	if err := l.Write(first); err != nil {
		t.Fatal(err)
	}
	wantErr("a frame before the sync", l.Write(second), "the frame before is not synced")
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	wantErr("a frame again", l.Write(first), "begins with seq 0, the next is 2")
	if err := l.Reserve(wal.MaxFrameBytes + 1); !errors.Is(err, wal.ErrTooLarge) {
		t.Errorf("reserving too much: %v", err)
	}
	if err := l.Write(second); err != nil {
		t.Fatal(err)
	}
	end, err := l.Close()
	if err != nil || end.Next != 4 {
		t.Errorf("closed: %+v, %v", end, err)
	}
	wantErr("reserving after Close", l.Reserve(1), "closed")
	wantErr("writing after Close", l.Write(second), "closed")
	wantErr("syncing after Close", l.Sync(), "closed")
	_, err = l.Close()
	wantErr("closing again", err, "closed")
	l.Abandon()
}

func TestAFailedSyncIsFinal(t *testing.T) {
	disk := crashfs.New()
	l := openMem(t, disk, wal.Options{})
	if err := add(l, made(0, 1)); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(frameOf(t, made(1, 1))); err != nil {
		t.Fatal(err)
	}
	disk.SetFault(crashfs.Fault{Call: disk.Calls() + 1})
	if err := l.Sync(); !errors.Is(err, wal.ErrFailed) || !errors.Is(err, syscall.EIO) {
		t.Errorf("sync: %v", err)
	}
	calls := disk.Calls()
	_, closeErr := l.Close()
	for i, err := range []error{l.Sync(), l.Reserve(1), l.Write(frameOf(t, made(2, 1)))} {
		if err == nil {
			t.Errorf("call %d after it: no error", i)
		}
	}
	if !errors.Is(closeErr, wal.ErrFailed) || disk.Calls() != calls {
		t.Errorf("close: %v; %d calls came to the disk", closeErr, disk.Calls()-calls)
	}
}

func TestRoomIsSetAsideInStepsAndGivenBack(t *testing.T) {
	disk := crashfs.New()
	o := wal.Options{RollBytes: 5000, AllocateBytes: 2000}
	l := openMem(t, disk, o)
	size := func(name string) int { return len(folder(t, disk, "wal")[name]) }
	first := "00000000000000000000.log"
	steps := []struct{ reserve, size int }{{100, 2044}, {2000, 2044}, {2001, 4044}, {4956, 5000}, {4957, 5001}, {9000, 9044}}
	for _, s := range steps {
		if err := l.Reserve(int64(s.reserve)); err != nil {
			t.Fatal(err)
		}
		if got := size(first); got != s.size {
			t.Errorf("after Reserve(%d) the file has %d bytes, want %d", s.reserve, got, s.size)
		}
	}
	// A frame that is too large for any file gets one of its own, the first as well as later ones.
	big := wal.Batch{Entries: [][]byte{make([]byte, 8000)}}
	var want, got []wal.Batch
	for range 3 {
		for _, b := range []wal.Batch{big, made(big.FirstSeq+1, 1)} {
			if err := add(l, b); err != nil {
				t.Fatal(err)
			}
			want = append(want, b)
		}
		big.FirstSeq += 2
	}
	end, err := l.Close()
	if err != nil {
		t.Fatal(err)
	}
	f := folder(t, disk, "wal")
	if len(f) != 6 {
		t.Errorf("files %v, want one for each frame", f.names())
	}
	var bytesThere, framed int
	for _, b := range f {
		bytesThere += len(b) - wal.FileHeadSize
	}
	for _, b := range want {
		framed += int(wal.FrameBytes(&b))
	}
	if bytesThere != framed {
		t.Errorf("after Close the files hold %d bytes of frames, want %d", bytesThere, framed)
	}
	o.Clean = &end
	if _, err := wal.Check(disk, "wal", o, collect(&got)); err != nil || diff(want, got) != "" {
		t.Errorf("replayed %d batches, %v", len(got), err)
	}
}

// TestACleanStopAfterAHalfMadeFileIsClean fails every call of beginning a file, and then closes the log.
func TestACleanStopAfterAHalfMadeFileIsClean(t *testing.T) {
	o := wal.Options{NoPreallocate: true, RollBytes: 1 << 20}
	closed := 0
	for call := int64(1); ; call++ {
		disk := crashfs.New()
		l := openMem(t, disk, o)
		if err := add(l, made(0, 3)); err != nil {
			t.Fatal(err)
		}
		before := disk.Calls()
		disk.SetFault(crashfs.Fault{Call: before + call, Mode: crashfs.Done})
		err := l.Reserve(o.RollBytes)
		if err == nil && disk.Calls() < before+call {
			break
		}
		end, closeErr := l.Close()
		if errors.Is(err, wal.ErrFailed) {
			if closeErr == nil {
				t.Errorf("call %d: closed after %v", call, err)
			}
			continue
		}
		if closeErr != nil {
			t.Errorf("call %d: %v, then close: %v", call, err, closeErr)
			continue
		}
		closed++
		if _, err := wal.Check(disk.Crash(1), "wal", wal.Options{Clean: &end}, func(wal.Batch) error { return nil }); err != nil {
			t.Errorf("call %d: %v", call, err)
		}
	}
	if closed < 4 {
		t.Errorf("only %d failures let the log go on", closed)
	}
}

func TestALogMayBeginLaterThanTheTrail(t *testing.T) {
	disk := crashfs.New()
	l := openMem(t, disk, wal.Options{From: 1000})
	if err := add(l, made(1000, 5)); err != nil {
		t.Fatal(err)
	}
	l.Abandon()
	for from, want := range map[uint64]string{
		999:  "seq 999 must be in it",
		1000: "",
		1003: "",
		1005: "",
		1006: "the entries up to seq 1005 were in it",
	} {
		rec, err := wal.Check(disk, "wal", wal.Options{From: from}, func(wal.Batch) error { return nil })
		if want == "" && (err != nil || rec.End.Next != 1005) {
			t.Errorf("from %d: %+v, %v", from, rec, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("from %d: %v, want %q", from, err, want)
		}
	}
}

func TestAnErrorOfTheCallerEndsTheReplay(t *testing.T) {
	disk := crashfs.New()
	l := openMem(t, disk, wal.Options{})
	for i := range uint64(3) {
		if err := add(l, made(i, 1)); err != nil {
			t.Fatal(err)
		}
	}
	l.Abandon()
	before := folder(t, disk, "wal")
	refused := errors.New("refused")
	calls := 0
	_, _, err := wal.Open(disk, "wal", wal.Options{}, func(wal.Batch) error {
		calls++
		if calls == 2 {
			return refused
		}
		return nil
	})
	if !errors.Is(err, refused) || calls != 2 {
		t.Errorf("%d calls, %v", calls, err)
	}
	if d := before.diff(folder(t, disk, "wal")); d != "" {
		t.Errorf("changed:\n%s", d)
	}
}
