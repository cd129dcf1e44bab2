package event

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// System facts are entries of the server's own that are no events: a clear statement and the frame. They have a
// leaf in the tree, and stand in no list and no total (docs/format/entry.md).

const factVersion = 2 // of a stored body; an event's is bodyVersion

// factNames are the kinds as the native API and statements spell them.
var factNames = [...]string{KindKey: "key", KindErasure: "erasure", KindDisposal: "disposal", KindIndexRoot: "index_root", KindTimeStamp: "time_stamp", KindPack: "pack"}

// KindName returns the name of a kind of system fact, "" for KindEvent.
func KindName(kind byte) string {
	if int(kind) >= len(factNames) {
		return ""
	}
	return factNames[kind]
}

// ParseKind is the inverse of KindName.
func ParseKind(name string) (kind byte, ok bool) {
	i := slices.Index(factNames[:], name)
	return byte(max(i, 0)), i > KindEvent
}

// NewFact returns a system fact without its place in the trail. The statement is canonical JSON (RFC 8785) of at
// most MaxStatementBytes and holds no personal value.
func NewFact(kind byte, statement string) (Entry, error) {
	e := Entry{Kind: kind, Statement: statement, AccountSeq: NoPrev, AccountPrev: NoPrev}
	return e, e.checkFact()
}

// checkFact tells why e is no system fact.
func (e *Entry) checkFact() error {
	if e.Kind == KindEvent || e.Kind > KindPack {
		return fmt.Errorf("kind %d is no system fact", e.Kind)
	}
	if len(e.Statement) > MaxStatementBytes {
		return fmt.Errorf("the statement has %d bytes, the limit is %d", len(e.Statement), MaxStatementBytes)
	}
	v := jsontext.Value(e.Statement)
	if v.Kind() != '{' {
		return fmt.Errorf("the statement is no JSON object")
	}
	c := v.Clone()
	if err := c.Canonicalize(); err != nil {
		return fmt.Errorf("the statement is no JSON object: %w", err)
	}
	if !bytes.Equal(c, v) {
		return fmt.Errorf("the statement is not in its canonical form")
	}
	return nil
}

func appendFactBody(dst []byte, e *Entry) []byte {
	if err := e.checkFact(); err != nil {
		panic("event: body of a system fact: " + err.Error())
	}
	dst = append(dst, factVersion, e.Kind)
	dst = binary.AppendVarint(dst, int64(e.ReceivedAt))
	return append(dst, e.Statement...)
}

func decodeFactBody(b []byte) (Entry, error) {
	if len(b) < 2 {
		return Entry{}, fmt.Errorf("too short")
	}
	r := bodyReader{b: b[2:]}
	received := r.time(0)
	if r.err != nil {
		return Entry{}, r.err
	}
	e, err := NewFact(b[1], string(r.b))
	e.ReceivedAt, e.OccurredAt = received, received
	return e, err
}

func appendFactJSON(dst []byte, e *Entry) []byte {
	dst = append(dst, `{"seq":`...)
	dst = strconv.AppendUint(dst, e.Seq, 10)
	dst = append(dst, `,"received_at":"`...)
	dst = append(e.ReceivedAt.Append(dst), `","kind":"`...)
	dst = append(dst, KindName(e.Kind)...)
	dst = append(dst, `","statement":`...)
	return append(append(dst, e.Statement...), '}')
}

// Leaf returns the entry as the tree holds it: its bytes.
func (e *Entry) Leaf(root [32]byte) []byte { return EntryBytes(e.Kind, root, []byte(e.Statement)) }
