package salts_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/durable"
	"countersign/salts"

	"github.com/google/go-cmp/cmp"
)

// formatOne is a file that the first program to write this format wrote. It is never to be made anew. It has three
// blocks; the entries 0 and 128 to 255 of the second are gone.
var formatOne = filepath.Join("testdata", "format1", "salts")

func formatOneSeeds() []salts.Seed {
	return []salts.Seed{
		salts.Seed([]byte("the seed of block 0, 32 bytes...")),
		salts.Seed([]byte("the seed of block 1, 32 bytes...")),
		salts.Seed([]byte("the seed of block 2, 32 bytes...")),
	}
}

func formatOneGone() []byte {
	gone := []byte{0}
	for low := 128; low < 256; low++ {
		gone = append(gone, byte(low))
	}
	return gone
}

func TestTheFirstFormatOpensForEver(t *testing.T) {
	f, err := salts.Open(durable.OS(), formatOne, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for n, seed := range formatOneSeeds() {
		b, err := f.Block(uint64(n))
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			wantBlock(t, b, seed, formatOneGone()...)
		} else {
			wantBlock(t, b, seed)
		}
	}
	wantNoFindings(t, f)
}

// TestTheFormatPageShowsTheFirstFormat compares the bytes that docs/format/salts.md shows with those of the file.
func TestTheFormatPageShowsTheFirstFormat(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "format", "salts.md"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := durable.ReadFile(durable.OS(), formatOne, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	const zeros = "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"
	var want []string
	for line := range strings.Lines(hex.Dump(file)) {
		if line = strings.TrimSpace(line[:58]); !strings.HasSuffix(line, zeros) {
			want = append(want, line)
		}
	}
	var shown []string
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "0000") && len(line) > 58 {
			shown = append(shown, strings.TrimSpace(line[:58]))
		}
	}
	if d := cmp.Diff(want, shown); d != "" {
		t.Errorf("(-file +page):\n%s", d)
	}
}
