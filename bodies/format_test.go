package bodies_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/durable"

	"github.com/google/go-cmp/cmp"
)

// The files of the first format, which the first program that wrote it wrote. They are never to be made anew.
var (
	formatOnePlain      = filepath.Join("testdata", "format1", "plain")
	formatOneCompressed = filepath.Join("testdata", "format1", "compressed")
)

// formatOneFew and formatOneMany are what they hold, from seq 256 and 512 on.
func formatOneFew() [][]byte {
	return [][]byte{
		[]byte("first body"),
		[]byte("id $00112233-4455-6677-8899-aabbccddeeff"),
		[]byte("same $00112233-4455-6677-8899-aabbccddeeff \xff"),
	}
}

func formatOneMany() [][]byte {
	all := make([][]byte, 600)
	for i := range all {
		all[i] = fmt.Appendf(nil, "body %d $%08x-0000-4000-8000-00000000000a $%08x-0000-4000-8000-00000000000b", i*i, i%9, i*7919)
	}
	return all
}

func TestTheFirstFormatOpensForEver(t *testing.T) {
	f := open(t, durable.OS(), formatOnePlain)
	wantAll(t, f, formatOneFew())
	if first, _ := f.Seqs(); first != 256 {
		t.Errorf("first seq %d", first)
	}
	f = open(t, durable.OS(), formatOneCompressed)
	wantAll(t, f, formatOneMany())
	if first, _ := f.Seqs(); first != 512 {
		t.Errorf("first seq %d", first)
	}
}

// TestTheFormatPageShowsTheFirstFormat compares the bytes that docs/format/bodies.md shows with those of the file.
func TestTheFormatPageShowsTheFirstFormat(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "format", "bodies.md"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(hex.Dump(read(t, durable.OS(), formatOnePlain))) {
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
