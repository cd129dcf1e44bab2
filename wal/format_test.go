package wal_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/durable"
	"countersign/wal"

	"github.com/google/go-cmp/cmp"
)

func TestTheFirstFormatOpensForEver(t *testing.T) {
	f := formatOne(t)
	want, end := formatOneBatches()
	var got []wal.Batch
	rec, err := wal.Check(f.put(t), "wal", wal.Options{Clean: &end}, collect(&got))
	if err != nil || rec.End != end {
		t.Fatalf("%+v, %v", rec, err)
	}
	if d := diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// formatOne is a log that the first program to write this format wrote. It is never to be made anew.
func formatOne(t testing.TB) files {
	t.Helper()
	f := folder(t, durable.OS(), filepath.Join("testdata", "format1"))
	if len(f) != 2 {
		t.Fatalf("testdata has files %v", f.names())
	}
	return f
}

// formatOneBatches is what that log holds, and where it was closed.
func formatOneBatches() ([]wal.Batch, wal.Position) {
	return []wal.Batch{made(0, 2), made(2, 3), made(5, 1), made(6, 4)},
		wal.Position{File: "00000000000000000005.log", Offset: 262, Next: 10, Chain: 0x2bad5506}
}

// TestTheFormatPageShowsTheFirstFormat compares the bytes that docs/format/wal.md shows with those of the log.
func TestTheFormatPageShowsTheFirstFormat(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "format", "wal.md"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(hex.Dump(formatOne(t)["00000000000000000000.log"])) {
		want = append(want, strings.TrimSpace(line[:58]))
	}
	var shown []string
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "000000") && len(line) > 58 {
			shown = append(shown, strings.TrimSpace(line[:58]))
		}
	}
	if d := cmp.Diff(want, shown); d != "" {
		t.Errorf("(-file +page):\n%s", d)
	}
}

// FuzzDamage changes bytes of a log, two bytes of place and one of change at a time, and cuts it: whatever comes, reading
// it does not panic, what it gives is the first batches, and opening what could be read gives the same again.
func FuzzDamage(f *testing.F) {
	log := formatOne(f)
	names := log.names()
	want, _ := formatOneBatches()
	var all []byte
	for _, name := range names {
		all = append(all, log[name]...)
	}
	split := len(log[names[0]])
	f.Add(uint16(len(all)), []byte(nil))
	f.Add(uint16(len(all)), []byte{1, 0xff, 1})
	f.Add(uint16(len(all)-3), []byte{0, 60, 1})
	f.Fuzz(func(t *testing.T, size uint16, edits []byte) {
		b := bytes.Clone(all)
		for ; len(edits) >= 3; edits = edits[3:] {
			b[int(binary.BigEndian.Uint16(edits))%len(b)] ^= edits[2]
		}
		end := max(split, min(int(size), len(b)))
		disk := files{names[0]: b[:split], names[1]: b[split:end]}.put(t)
		var got []wal.Batch
		_, checkErr := wal.Check(disk, "wal", wal.Options{}, collect(&got))
		if len(got) > len(want) || diff(want[:len(got)], got) != "" {
			t.Fatalf("read %d batches that are not the first ones", len(got))
		}
		read := len(got)
		_, _, err := wal.Open(disk, "wal", wal.Options{AsideDir: "aside"}, collect(&got))
		if (err == nil) != (checkErr == nil) || len(got) != read {
			t.Fatalf("check: %d batches, %v; open: %d batches, %v", read, checkErr, len(got), err)
		}
		if err != nil {
			return
		}
		if rec, err := wal.Check(disk, "wal", wal.Options{}, collect(&got)); err != nil || rec.Torn != 0 || len(got) != read {
			t.Errorf("after open: %d batches of %d, %+v, %v", len(got), read, rec, err)
		}
	})
}
