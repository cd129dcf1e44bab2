package store

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/event"
)

func someState(t testing.TB) *state {
	t.Helper()
	fact, err := event.NewFact(event.KindKey, `{"key":"x"}`)
	if err != nil {
		t.Fatal(err)
	}
	fact.Seq, fact.ReceivedAt, fact.OccurredAt = 7, 5, 5
	return &state{size: 4096, received: 99, heads: map[string]head{"b": {3, 9}, "a": {1, 2}, "": {1, 0}}, facts: []*event.Entry{&fact}}
}

func TestStateSurvivesItsFileAndEveryChangedByteIsSeen(t *testing.T) {
	want := someState(t)
	file := want.append(nil)
	got, err := parseState(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(state{}, head{})); diff != "" {
		t.Error(diff)
	}
	for i := range file {
		changed := bytes.Clone(file)
		changed[i] ^= 1
		if _, err := parseState(changed); err == nil {
			t.Errorf("byte %d was changed and nothing was said", i)
		}
		if _, err := parseState(file[:i]); err == nil {
			t.Errorf("the first %d bytes are taken for a state", i)
		}
	}
}

func FuzzState(f *testing.F) {
	f.Add(someState(f).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseState(b)
		if err == nil && !bytes.Equal(s.append(nil), b) {
			t.Error("a state has two files")
		}
	})
}
