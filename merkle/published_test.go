package merkle_test

import (
	"bytes"
	"testing"

	"countersign/merkle"
)

func TestRecordsAreReadBackAndDamageIsSeen(t *testing.T) {
	notes := [][]byte{[]byte("one"), []byte("a second note\n"), bytes.Repeat([]byte{7}, 64<<10)}
	var file []byte
	for _, n := range notes {
		file = merkle.AppendRecord(file, n)
	}
	rest := file
	for i, want := range notes {
		var got []byte
		var err error
		if got, rest, err = merkle.CutRecord(rest); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("record %d: %q, %v", i, got, err)
		}
	}
	if len(rest) != 0 {
		t.Errorf("%d bytes are left", len(rest))
	}
	first := merkle.AppendRecord(nil, notes[0])
	for i := range first {
		changed := bytes.Clone(first)
		changed[i] ^= 1
		if got, _, err := merkle.CutRecord(changed); err == nil {
			t.Errorf("byte %d was changed and %q was read", i, got)
		}
		if _, _, err := merkle.CutRecord(first[:i]); err == nil {
			t.Errorf("the first %d bytes are taken for a record", i)
		}
	}
}

func FuzzCutRecord(f *testing.F) {
	f.Add(merkle.AppendRecord(nil, []byte("a note")))
	f.Fuzz(func(t *testing.T, b []byte) {
		note, rest, err := merkle.CutRecord(b)
		if err != nil {
			return
		}
		if again := append(merkle.AppendRecord(nil, note), rest...); !bytes.Equal(again, b) {
			t.Errorf("%x is read as %x", b, again)
		}
	})
}
