package event

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Entry v1: what of an entry is hashed into the tree. Every field has a salted commitment of its own, so
// that one can be shown, hidden or erased without the others; docs/format/entry.md holds the layout, the
// test vectors' meaning and what readers must refuse. Nothing here can change without a new format number.

// Block is the random seed of the 256 entries with the same seq>>8.
type Block [32]byte

// BlockEntries is the number of entries that share a Block.
const BlockEntries = 256

// Field ids of an entry. Absent fields have no commitment, but for FieldScope and FieldFrame, which every
// entry has.
const (
	FieldScope = iota
	FieldFrame
	FieldID
	FieldAccountName
	FieldDivisionName
	FieldActorID
	FieldActorName
	FieldActorType
	FieldResourceID
	FieldResourceName
	FieldDescription
	FieldDetail
	FieldClientIP
	FieldCountry
	FieldRecordedBy
	FieldRaw // the SHA-256 of Raw, not Raw itself

	// FieldAttribute is the first attribute in byte order of names, the next has the next id.
	FieldAttribute = 128
)

// Kinds of entry. All but KindEvent are system facts: they carry a statement and no event.
const (
	KindEvent = iota
	KindKey
	KindErasure
	KindDisposal
	KindIndexRoot
	KindTimeStamp
	KindPack
)

// MaxStatementBytes is the longest statement of a system fact.
const MaxStatementBytes = 4096

// EntrySeed derives the seed of the entry at seq from its block's by walking down the binary hash tree, the
// high bit of the 8 low bits of seq first. Whoever holds a seed can open the whole entry.
func EntrySeed(b Block, seq uint64) [32]byte {
	var s Seeder
	return s.Seed(b, seq)
}

// Salt derives the salt of one field.
func Salt(seed [32]byte, field byte) [16]byte {
	const tag = "cs/salt/1"
	var msg [len(tag) + 32 + 1]byte
	copy(msg[:], tag)
	copy(msg[len(tag):], seed[:])
	msg[len(msg)-1] = field
	sum := sha256.Sum256(msg[:])
	return [16]byte(sum[:16])
}

// Commitment returns the commitment to one field's value.
func Commitment(salt [16]byte, field byte, value []byte) [32]byte {
	msg := make([]byte, 0, commitmentHead+len(value))
	msg = appendCommitmentHead(msg, salt, field)
	msg = append(msg, value...)
	return sealCommitment(msg)
}

const (
	commitmentTag  = "cs/fld/1"
	commitmentHead = len(commitmentTag) + 16 + 1 + 4
)

func appendCommitmentHead(dst []byte, salt [16]byte, field byte) []byte {
	dst = append(dst, commitmentTag...)
	dst = append(dst, salt[:]...)
	return append(dst, field, 0, 0, 0, 0)
}

// sealCommitment fills in the length of the value that follows the head and hashes both.
func sealCommitment(msg []byte) [32]byte {
	binary.BigEndian.PutUint32(msg[commitmentHead-4:], uint32(len(msg)-commitmentHead))
	return sha256.Sum256(msg)
}

// AppendField appends the bytes that the commitment of a field holds and returns false when the entry has
// no such field. Fields come in ascending order of their ids; LastField says where they end.
func (e *Entry) AppendField(dst []byte, field byte) ([]byte, bool) {
	var t Text
	switch field {
	case FieldScope:
		return e.appendScope(dst), true
	case FieldFrame:
		return e.appendFrame(dst), true
	case FieldID:
		t = TextOrAbsent(e.ID) // a system fact has none
	case FieldAccountName:
		t = e.Account.Name
	case FieldDivisionName:
		t = e.Division.Name
	case FieldActorID:
		t = e.Actor.ID
	case FieldActorName:
		t = e.Actor.Name
	case FieldActorType:
		t = TextOrAbsent(e.Actor.Type)
	case FieldResourceID:
		t = e.Resource.ID
	case FieldResourceName:
		t = e.Resource.Name
	case FieldDescription:
		t = e.Description
	case FieldDetail:
		t = e.Detail
	case FieldClientIP:
		t = e.Client.IP
	case FieldCountry:
		t = e.Client.Country
	case FieldRecordedBy:
		t = e.RecordedBy
	case FieldRaw:
		return e.appendRawHash(dst)
	default:
		return e.appendAttribute(dst, field)
	}
	return append(dst, t.Value...), t.Present
}

// LastField returns the highest id that a field of e can have.
func (e *Entry) LastField() byte {
	if len(e.Attributes) == 0 {
		return FieldRaw
	}
	return byte(FieldAttribute + len(e.Attributes) - 1)
}

func (e *Entry) appendScope(dst []byte) []byte {
	dst = appendSized(dst, e.Account.ID)
	if !e.Division.ID.Present {
		return append(dst, 0xff, 0xff)
	}
	return appendSized(dst, e.Division.ID.Value)
}

func (e *Entry) appendFrame(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, e.Seq)
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.ReceivedAt))
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.OccurredAt))
	dst = binary.BigEndian.AppendUint64(dst, e.AccountSeq)
	dst = binary.BigEndian.AppendUint64(dst, e.AccountPrev)
	dst = appendSized(dst, e.Action)
	dst = appendSized(dst, e.Resource.Type)
	dst = appendSized(dst, e.Outcome)
	return appendSized(dst, e.Source)
}

func (e *Entry) appendRawHash(dst []byte) ([]byte, bool) {
	if !e.Raw.Present {
		return dst, false
	}
	// The hash takes bytes; dst has room for them sooner or later.
	end := len(dst)
	dst = append(dst, e.Raw.Value...)
	sum := sha256.Sum256(dst[end:])
	return append(dst[:end], sum[:]...), true
}

func (e *Entry) appendAttribute(dst []byte, field byte) ([]byte, bool) {
	i := int(field) - FieldAttribute
	if i < 0 || i >= len(e.Attributes) {
		return dst, false
	}
	dst = appendSized(dst, e.Attributes[i].Name)
	return append(dst, e.Attributes[i].Value...), true
}

// Commitments are the three hashes that an entry's root is made of. They tell nothing of its values.
type Commitments struct {
	Scope [32]byte // C_0
	Frame [32]byte // C_1
	List  [32]byte // P, over all other fields
}

// Commit computes the commitments of e, which must be valid and have its Seq, ReceivedAt, AccountSeq and
// AccountPrev.
func Commit(seed [32]byte, e *Entry) Commitments {
	// On the stack unless a field is long; this runs for every event that is recorded.
	var msgStack, listStack [1024]byte
	msg, list := msgStack[:0], append(listStack[:0], listTag...)
	var out Commitments
	for f, last := 0, int(e.LastField()); f <= last; f++ {
		if f > FieldRaw && f < FieldAttribute {
			f = FieldAttribute // what lies between is reserved
		}
		field := byte(f)
		var present bool
		// The value goes where the message to hash has it; the head needs a salt only if there is one.
		msg, present = e.AppendField(append(msg[:0], make([]byte, commitmentHead)...), field)
		if !present {
			continue
		}
		appendCommitmentHead(msg[:0], Salt(seed, field), field)
		c := sealCommitment(msg)
		switch field {
		case FieldScope:
			out.Scope = c
		case FieldFrame:
			out.Frame = c
		default:
			list = append(append(list, field), c[:]...)
		}
	}
	out.List = sha256.Sum256(list)
	return out
}

// Root returns the one hash that the entry's bytes hold, R.
func (c *Commitments) Root() [32]byte {
	const tag = "cs/root/1"
	var msg [len(tag) + 3*32]byte
	n := copy(msg[:], tag)
	n += copy(msg[n:], c.Scope[:])
	n += copy(msg[n:], c.Frame[:])
	copy(msg[n:], c.List[:])
	return sha256.Sum256(msg[:])
}

// Root returns the root of e under its seed.
func Root(seed [32]byte, e *Entry) [32]byte {
	c := Commit(seed, e)
	return c.Root()
}

const entryTag = "countersign/entry/v1\n"

// EntryBytes returns the entry that the tree holds. A statement belongs to every kind but KindEvent. The
// caller made kind and statement itself: what no reader would take panics.
func EntryBytes(kind byte, root [32]byte, statement []byte) []byte {
	if kind > KindPack || (kind == KindEvent) != (len(statement) == 0) || len(statement) > MaxStatementBytes {
		panic(fmt.Sprintf("event: entry of kind %d with a statement of %d bytes", kind, len(statement)))
	}
	b := make([]byte, 0, len(entryTag)+1+len(root)+len(statement))
	b = append(b, entryTag...)
	b = append(b, kind)
	b = append(b, root[:]...)
	return append(b, statement...)
}

// LeafHash returns the hash of an entry's bytes as a leaf of the tree (RFC 6962, section 2.1).
func LeafHash(entry []byte) [32]byte {
	msg := make([]byte, 0, 1+len(entryTag)+1+32+256)
	msg = append(msg, 0)
	return sha256.Sum256(append(msg, entry...))
}
