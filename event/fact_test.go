package event_test

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/event"
)

func TestFactSurvivesItsBody(t *testing.T) {
	e, err := event.NewFact(event.KindKey, `{"key":"example.com/log+00000000+AA==","valid_from":7}`)
	if err != nil {
		t.Fatal(err)
	}
	e.ReceivedAt = 1768473001500000
	e.OccurredAt = e.ReceivedAt
	body := event.AppendBody(nil, &e)
	got, err := event.DecodeBody(body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, got); diff != "" {
		t.Error(diff)
	}
	for i := range body {
		for _, bit := range []byte{1, 0x80} {
			changed := append([]byte(nil), body...)
			changed[i] ^= bit
			if other, err := event.DecodeBody(changed); err == nil && cmp.Equal(other, e) {
				t.Errorf("byte %d can be changed without a change of what the body says", i)
			}
		}
	}
	e.Seq = 12
	const want = `{"seq":12,"received_at":"2026-01-15T10:30:01.5Z","kind":"key","statement":{"key":"example.com/log+00000000+AA==","valid_from":7}}`
	if got := string(event.AppendEntryJSON(nil, &e)); got != want {
		t.Errorf("JSON %s, want %s", got, want)
	}
}

func TestFactIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		kind      byte
		statement string
	}{
		"event":           {event.KindEvent, `{}`},
		"unknown kind":    {7, `{}`},
		"no object":       {event.KindKey, `[]`},
		"nothing":         {event.KindKey, ``},
		"blanks":          {event.KindKey, `{ }`},
		"order":           {event.KindKey, `{"b":1,"a":1}`},
		"twice":           {event.KindKey, `{"a":1,"a":1}`},
		"number spelling": {event.KindKey, `{"a":1.0}`},
		"two":             {event.KindKey, `{}{}`},
		"long":            {event.KindKey, `{"a":"` + strings.Repeat("x", event.MaxStatementBytes) + `"}`},
	} {
		if _, err := event.NewFact(c.kind, c.statement); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestFactHasTheFrameAndNoFields(t *testing.T) {
	e, err := event.NewFact(event.KindErasure, `{}`)
	if err != nil {
		t.Fatal(err)
	}
	e.Seq, e.ReceivedAt, e.OccurredAt = 5, 9, 9
	var seed [32]byte
	frame := binary.BigEndian.AppendUint64(nil, 5)
	for _, n := range []uint64{9, 9, event.NoPrev, event.NoPrev} {
		frame = binary.BigEndian.AppendUint64(frame, n)
	}
	frame = append(frame, make([]byte, 8)...) // four texts of length 0
	want := event.Commitments{
		Scope: event.Commitment(event.Salt(seed, event.FieldScope), event.FieldScope, []byte{0, 0, 0xff, 0xff}),
		Frame: event.Commitment(event.Salt(seed, event.FieldFrame), event.FieldFrame, frame),
		List:  sha256.Sum256([]byte("cs/list/1")),
	}
	if got := event.Commit(seed, &e); got != want {
		t.Errorf("commitments %x, want %x", got, want)
	}
	root := want.Root()
	leaf := e.Leaf(root)
	if string(leaf[:21]) != "countersign/entry/v1\n" || leaf[21] != event.KindErasure || string(leaf[54:]) != `{}` {
		t.Errorf("leaf %q", leaf)
	}
	for name, ok := range map[string]bool{"key": true, "pack": true, "event": false, "": false} {
		if kind, is := event.ParseKind(name); is != ok || ok && event.KindName(kind) != name {
			t.Errorf("ParseKind(%q) = %d, %v", name, kind, is)
		}
	}
}

func TestSeederGivesTheSeedsOfEachEntryInAnyOrder(t *testing.T) {
	blocks := []event.Block{{1}, {2}, {1}}
	var s event.Seeder
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 5000 {
		seq := uint64(i) % 768
		if i > 2000 {
			seq = rnd.Uint64N(768)
		}
		b := blocks[seq>>8]
		// docs/entry_v1.py holds EntrySeed to the definition; a fresh walk is EntrySeed.
		if got, want := s.Seed(b, seq), event.EntrySeed(b, seq); got != want {
			t.Fatalf("seed of %d: %x, want %x", seq, got, want)
		}
	}
}
