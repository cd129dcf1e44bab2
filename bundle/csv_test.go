package bundle

import (
	"encoding/csv"
	"strings"
	"testing"

	"countersign/event"
)

// FuzzCSVText claims that every text is read back as it was written, that absent and empty stay apart, and that
// other readers find the fields where we do.
func FuzzCSVText(f *testing.F) {
	for _, s := range []string{"", "a", "=1", "'", "''", "\r\n", `"`, ",", " x ", `""`} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, guard bool) {
		r := csvRow{guard: guard}
		r.plain("x")
		r.text(event.TextOf(s))
		r.text(event.Text{})
		line := r.end()
		cells, err := splitCSV(nil, line, guard)
		if err != nil || len(cells) != 3 || cells[1] != event.TextOf(s) || cells[2].Present {
			t.Fatalf("%q is written %q and read as %v, %v", s, line, cells, err)
		}
		if strings.ContainsAny(s, "\r") {
			return // encoding/csv changes line ends
		}
		other, err := csv.NewReader(strings.NewReader(string(line))).Read()
		if err != nil || len(other) != 3 || other[1] != s && !(guard && other[1] == "'"+s) {
			t.Fatalf("%q is written %q and read by encoding/csv as %q, %v", s, line, other, err)
		}
	})
}

func TestWhatIsNoRecordIsRefused(t *testing.T) {
	for _, record := range []string{"", "a", "a\n", "\"a\r\n", "\"a\"b\r\n", "a,\"\"\"\r\n"} {
		if cells, err := splitCSV(nil, []byte(record), true); err == nil {
			t.Errorf("%q is read as %v", record, cells)
		}
	}
}
