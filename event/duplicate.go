package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
)

// SameContent reports whether a sender said the same with a and b, both normalized: every field of the
// event, byte for byte. It is what tells a repeat of an event from a conflict with it.
func SameContent(a, b *Event) bool {
	return a.ID == b.ID && a.OccurredAt == b.OccurredAt &&
		a.Account == b.Account && a.Division == b.Division && a.Actor == b.Actor &&
		a.Action == b.Action && a.Resource == b.Resource && a.Outcome == b.Outcome &&
		a.Description == b.Description && a.Detail == b.Detail && a.Client == b.Client &&
		a.Source == b.Source && slices.Equal(a.Attributes, b.Attributes) && a.Raw == b.Raw
}

// Deduper makes the keys by which repeats of events are found. It is for one goroutine.
type Deduper struct {
	mac hash.Hash
	buf []byte
}

// NewDeduper returns a Deduper with that secret key.
func NewDeduper(key []byte) *Deduper {
	return &Deduper{mac: hmac.New(sha256.New, key), buf: make([]byte, 0, 256)}
}

// Key returns what is kept of an event's identity to find repeats of it ("Duplicate detection" in
// docs/format/entry.md). It survives erasure and tells nothing to whoever does not hold the secret key.
func (d *Deduper) Key(account, source, id string) [16]byte {
	d.mac.Reset() // keeps what the key made of it
	buf := appendSized(d.buf[:0], account)
	buf = appendSized(buf, source)
	buf = append(buf, id...)
	d.mac.Write(buf)
	d.buf = d.mac.Sum(buf[:0])
	return [16]byte(d.buf)
}

// DedupKey is Deduper.Key for one event.
func DedupKey(key []byte, account, source, id string) [16]byte {
	return NewDeduper(key).Key(account, source, id)
}

// appendSized appends the length of s as u16 and s. Whatever is written so was found to be short by
// Validate.
func appendSized(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}
