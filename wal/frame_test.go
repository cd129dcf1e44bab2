package wal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"countersign/wal"
)

// payloadOf returns the payload of the frame of b.
func payloadOf(t testing.TB, b wal.Batch) []byte {
	t.Helper()
	frame, err := wal.AppendFrame(nil, &b)
	if err != nil {
		t.Fatal(err)
	}
	return frame[wal.FrameHeadSize:]
}

func TestAFrameDecodesToItsBatch(t *testing.T) {
	tests := map[string]wal.Batch{
		"one empty body":     {Entries: [][]byte{{}}},
		"the last seq":       {FirstSeq: math.MaxInt64, Entries: [][]byte{[]byte("x")}},
		"seeds":              {Seeds: []wal.Seed{{Block: 1}, {Block: math.MaxUint64, Bytes: [32]byte{31: 1}}}, Entries: [][]byte{[]byte("x")}},
		"a checkpoint":       {Entries: [][]byte{[]byte("x")}, Checkpoint: []byte("note\n")},
		"all, many entries":  made(15, 40),
		"bytes of all kinds": {Entries: [][]byte{{0, 0, 0}, {0xff, 0xfe}, []byte("\r\n\x00<\xc3\x28")}},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			prefix := []byte("before")
			frame, err := wal.AppendFrame(prefix, &want)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(frame, prefix) || int64(len(frame)-len(prefix)) != wal.FrameBytes(&want) {
				t.Errorf("appended %d bytes, said %d", len(frame)-len(prefix), wal.FrameBytes(&want))
			}
			// What an earlier frame left in the batch must not shine through.
			got := made(30, 7)
			payload := frame[len(prefix)+wal.FrameHeadSize:]
			if err := wal.DecodePayload(&got, want.FirstSeq, uint32(len(want.Entries)), payload); err != nil {
				t.Fatal(err)
			}
			if d := diff([]wal.Batch{want}, []wal.Batch{got}); d != "" {
				t.Errorf("decoded (-want +got):\n%s", d)
			}
		})
	}
}

func TestAppendFrameRefusesWhatIsNoBatch(t *testing.T) {
	big := make([]byte, 1<<20)
	tooLarge := wal.Batch{Entries: make([][]byte, 128)}
	for i := range tooLarge.Entries {
		tooLarge.Entries[i] = big
	}
	for name, b := range map[string]wal.Batch{
		"no entries":          {},
		"beyond the last seq": {FirstSeq: math.MaxInt64 + 1, Entries: [][]byte{{}}},
		"too large":           tooLarge,
	} {
		dst := []byte("kept")
		got, err := wal.AppendFrame(dst, &b)
		if err == nil || string(got) != "kept" {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if errors.Is(err, wal.ErrTooLarge) != (name == "too large") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, want := wal.FrameBytes(&tooLarge), int64(wal.MaxFrameBytes); got <= want {
		t.Errorf("%d bytes, meant to be over %d", got, want)
	}
}

func TestDecodePayloadRefusesWhatAppendFrameNeverMakes(t *testing.T) {
	good := payloadOf(t, wal.Batch{Entries: [][]byte{[]byte("ab"), []byte("c")}, Checkpoint: []byte("d")})
	edit := func(at int, v uint32) []byte {
		p := bytes.Clone(good)
		binary.BigEndian.PutUint32(p[at:], v)
		return p
	}
	tests := []struct {
		name    string
		first   uint64
		count   uint32
		payload []byte
	}{
		{"no entries", 0, 0, good},
		{"fewer entries than there are", 0, 1, good},
		{"more entries than there are", 0, 3, good},
		{"more entries than bytes", 0, math.MaxUint32, good},
		{"a seq beyond the last", math.MaxInt64 + 1, 2, good},
		{"seeds over the end", 0, 2, edit(0, 1)},
		{"very many seeds", 0, 2, edit(0, math.MaxUint32)},
		{"an entry over the end", 0, 2, edit(4, math.MaxUint32)},
		{"a checkpoint over the end", 0, 2, edit(len(good)-5, 2)},
		{"a byte too many", 0, 2, append(bytes.Clone(good), 0)},
		{"empty", 0, 1, nil},
	}
	for _, tt := range tests {
		var b wal.Batch
		if err := wal.DecodePayload(&b, tt.first, tt.count, tt.payload); err == nil {
			t.Errorf("%s: decoded to %v", tt.name, b)
		}
	}
	for n := range good {
		var b wal.Batch
		if err := wal.DecodePayload(&b, 0, 2, good[:n]); err == nil {
			t.Errorf("%d of %d bytes decoded to %v", n, len(good), b)
		}
	}
}

// FuzzDecodePayload says that whatever the bytes, decoding does not panic, and what it takes is encoded to the
// same bytes again: a payload has one form.
func FuzzDecodePayload(f *testing.F) {
	for _, b := range []wal.Batch{made(0, 1), made(3, 9), {Entries: [][]byte{{}}}} {
		f.Add(b.FirstSeq, uint32(len(b.Entries)), payloadOf(f, b))
	}
	f.Fuzz(func(t *testing.T, first uint64, count uint32, payload []byte) {
		var b wal.Batch
		if err := wal.DecodePayload(&b, first, count, payload); err != nil {
			return
		}
		if b.FirstSeq != first || uint64(len(b.Entries)) != uint64(count) {
			t.Fatalf("first %d, %d entries", b.FirstSeq, len(b.Entries))
		}
		if again := payloadOf(t, b); !bytes.Equal(again, payload) {
			t.Errorf("encoded again: %x, was %x", again, payload)
		}
	})
}
