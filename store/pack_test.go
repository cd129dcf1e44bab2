package store_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"countersign/event"
	"countersign/merkle"
)

func TestPackStatementIsAnEntryThatOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	s := openTrail(t, dir, quiet)
	record(t, s, rand.New(rand.NewPCG(1, 1)), 3)
	const statement = `{"manifest_sha256":"00"}`
	seq, err := s.RecordPack(t.Context(), statement)
	if err != nil || seq != 3 {
		t.Fatalf("recorded at %d, %v", seq, err)
	}
	if _, err := s.RecordPack(t.Context(), `{ "not": "canonical"}`); err == nil {
		t.Error("a statement that is not canonical was recorded")
	}
	if _, err := s.RecordPack(t.Context(), `{"a":"`+strings.Repeat("x", event.MaxStatementBytes)+`"}`); err == nil {
		t.Error("a statement that is too long was recorded")
	}
	if s.Size() != 4 {
		t.Errorf("the trail has %d entries", s.Size())
	}
	closeTrail(t, s)
	s = openTrail(t, dir, quiet)
	defer closeTrail(t, s)
	b, err := s.EntryBytes(seq)
	if err != nil {
		t.Fatal(err)
	}
	kind, _, got, err := event.DecodeEntryBytes(b)
	if err != nil || kind != event.KindPack || string(got) != statement {
		t.Errorf("entry %d is of kind %d and says %s, %v", seq, kind, got, err)
	}
}

func TestTextIsSignedByTheKeysOfTheTrail(t *testing.T) {
	s := openTrail(t, t.TempDir(), quiet)
	defer closeTrail(t, s)
	record(t, s, rand.New(rand.NewPCG(1, 1)), 1)
	if _, err := s.RotateKey(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	signed, err := s.SignText("example\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range s.Keys() {
		keys, err := merkle.ParseKeys([]byte(k.VKey + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if text, _, err := keys.OpenText(s.Origin(), signed); err != nil || text != "example\n" {
			t.Errorf("%s opens %q, %v", k.VKey, text, err)
		}
	}
}
