package ids_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/ids"
	"countersign/internal/durable"

	"github.com/google/go-cmp/cmp"
)

// formatOne is a run that the first program to write this format wrote. It is never to be made anew.
var formatOne = filepath.Join("testdata", "format1", "run")

// formatOneEntries is what it holds, for the seqs 256 to 1279.
func formatOneEntries() []ids.Entry {
	key := func(s string) (k ids.Key) { copy(k[:], s); return k }
	return []ids.Entry{
		{Key: key("first key in file"), Seq: 258},
		{Key: key("next key in file"), Seq: 256},
		{Key: key("third key of four"), Seq: 1279},
	}
}

func TestTheFirstFormatOpensForEver(t *testing.T) {
	r := open(t, durable.OS(), formatOne)
	wantAll(t, r, formatOneEntries())
	if from, to := r.Seqs(); from != 256 || to != 1280 {
		t.Errorf("seqs %d to %d", from, to)
	}
}

// TestTheFormatPageShowsTheFirstFormat compares the bytes that docs/format/ids.md shows with those of the run.
func TestTheFormatPageShowsTheFirstFormat(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "format", "ids.md"))
	if err != nil {
		t.Fatal(err)
	}
	const zeros = "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"
	var want []string
	for line := range strings.Lines(hex.Dump(read(t, durable.OS(), formatOne))) {
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
