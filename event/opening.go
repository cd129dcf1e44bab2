package event

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Openings: what is told of an entry so that somebody can recompute the root in its bytes. An opening shows the
// values of some fields and the commitments of the others, so it proves what it shows and tells nothing of the
// rest. docs/format/proof.md holds the layout and what readers must refuse.

// OpeningForm says how much an opening can show.
type OpeningForm uint8

// The forms of an opening.
const (
	FullOpening   OpeningForm = 1 + iota // every field, and the seed that derives their salts
	PartOpening                          // some fields with their salts, the others by commitment
	FrameOpening                         // the frame; scope and list by hash
	ScopeOpening                         // the scope; frame and list by hash
	HashesOpening                        // nothing: the three hashes that the root is made of
)

// MaxOpeningBytes bounds an opening: the values of the largest event, and what stands around each.
const MaxOpeningBytes = MaxEventBytes + 64<<10

// Opening opens one entry. Seed is that of a FullOpening and List the P of the last three forms; each is zero
// otherwise. Items are ascending by field: all that the entry has in the first two forms, scope and frame in the
// others.
type Opening struct {
	Form  OpeningForm
	Seed  [32]byte
	Items []OpeningItem
	List  [32]byte
}

// OpeningItem is one field of an entry. When it is shown it has a Value, and a Salt unless the opening has the Seed;
// otherwise it has a Commitment. What it does not have is zero.
type OpeningItem struct {
	Field      byte
	Shown      bool
	Commitment [32]byte
	Salt       [16]byte
	Value      []byte
}

// emptyList is the P of an entry without fields: of every system fact, and of no event.
var emptyList = sha256.Sum256([]byte(listTag))

const listTag = "cs/list/1"

// Open opens e whole, for a reader who may see all of it. The seed goes into the opening.
func Open(seed [32]byte, e *Entry) Opening {
	o := Opening{Form: FullOpening, Seed: seed}
	e.eachField(func(field byte, value []byte) {
		o.Items = append(o.Items, OpeningItem{Field: field, Shown: true, Value: value})
	})
	return o
}

// OpenPart opens the fields of e for which shown is true; the others can still be counted and told apart. What
// shows all is a FullOpening and what shows nothing a HashesOpening, and a system fact is opened in one of these
// ways only.
func OpenPart(seed [32]byte, e *Entry, shown func(field byte) bool) Opening {
	o := Opening{Form: PartOpening}
	open := 0
	e.eachField(func(field byte, value []byte) {
		o.Items = append(o.Items, openItem(seed, field, value, shown(field)))
		if o.Items[len(o.Items)-1].Shown {
			open++
		}
	})
	switch {
	case open == len(o.Items):
		return Open(seed, e)
	case open == 0 || e.Kind != KindEvent:
		return OpenHashes(seed, e)
	}
	return o
}

// OpenFrame opens nothing but the frame of an event.
func OpenFrame(seed [32]byte, e *Entry) Opening { return openHead(seed, e, FrameOpening) }

// OpenScope opens nothing but the scope of an event.
func OpenScope(seed [32]byte, e *Entry) Opening { return openHead(seed, e, ScopeOpening) }

// OpenHashes opens nothing of e: the opening is the same for every reader, and stays so when e is erased.
func OpenHashes(seed [32]byte, e *Entry) Opening { return openHead(seed, e, HashesOpening) }

func openHead(seed [32]byte, e *Entry, form OpeningForm) Opening {
	if e.Kind != KindEvent {
		form = HashesOpening
	}
	return Opening{
		Form: form,
		Items: []OpeningItem{
			openItem(seed, FieldScope, e.appendScope(nil), form == ScopeOpening),
			openItem(seed, FieldFrame, e.appendFrame(nil), form == FrameOpening),
		},
		List: Commit(seed, e).List,
	}
}

func openItem(seed [32]byte, field byte, value []byte, shown bool) OpeningItem {
	salt := Salt(seed, field)
	if shown {
		return OpeningItem{Field: field, Shown: true, Salt: salt, Value: value}
	}
	return OpeningItem{Field: field, Commitment: Commitment(salt, field, value)}
}

// eachField calls f with the fields that e has, in ascending order.
func (e *Entry) eachField(f func(field byte, value []byte)) {
	for field, last := 0, int(e.LastField()); field <= last; field++ {
		if field > FieldRaw && field < FieldAttribute {
			field = FieldAttribute // what lies between is reserved
		}
		if value, present := e.AppendField(nil, byte(field)); present {
			f(byte(field), value)
		}
	}
}

// Append appends o as bytes. What DecodeOpening would refuse is written all the same.
func (o *Opening) Append(dst []byte) []byte {
	dst = append(dst, byte(o.Form))
	if o.Form == FullOpening {
		dst = append(dst, o.Seed[:]...)
	}
	for i := range o.Items {
		item := &o.Items[i]
		if !item.Shown {
			dst = append(append(dst, item.Field, 0), item.Commitment[:]...)
			continue
		}
		dst = append(dst, item.Field, 1)
		if o.Form != FullOpening {
			dst = append(dst, item.Salt[:]...)
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(item.Value)))
		dst = append(dst, item.Value...)
	}
	if o.Form.hasList() {
		dst = append(dst, o.List[:]...)
	}
	return dst
}

func (f OpeningForm) hasList() bool { return f >= FrameOpening }

// DecodeOpening reads what Append wrote. Each opening has one rendering, everything else is refused. The values
// are part of b. What they say is looked at by Entry, and whether they are true shows in Root.
func DecodeOpening(b []byte) (Opening, error) {
	if len(b) > MaxOpeningBytes {
		return Opening{}, fmt.Errorf("opening: %d bytes, the limit is %d", len(b), MaxOpeningBytes)
	}
	r := openingReader{b: b}
	o := Opening{Form: OpeningForm(r.byte())}
	if o.Form == FullOpening {
		o.Seed = [32]byte(r.bytes(32))
	}
	if o.Form.hasList() {
		o.Items = []OpeningItem{r.item(o.Form), r.item(o.Form)}
		o.List = [32]byte(r.bytes(32))
	} else {
		for r.err == nil && len(r.b) > 0 {
			o.Items = append(o.Items, r.item(o.Form))
		}
	}
	if r.err == nil && len(r.b) > 0 {
		r.err = errors.New("bytes after the end")
	}
	if r.err != nil {
		return Opening{}, fmt.Errorf("opening: byte %d: %w", len(b)-len(r.b), r.err)
	}
	return o, o.check()
}

// openingReader reads from the front. After the first error it reads zeroes.
type openingReader struct {
	b   []byte
	err error
}

func (r *openingReader) bytes(n int) []byte {
	if r.err == nil && n > len(r.b) {
		r.err = errors.New("cut")
	}
	if r.err != nil {
		return make([]byte, min(n, 32))
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *openingReader) byte() byte { return r.bytes(1)[0] }

func (r *openingReader) item(form OpeningForm) OpeningItem {
	item := OpeningItem{Field: r.byte()}
	switch mark := r.byte(); {
	case mark == 0:
		item.Commitment = [32]byte(r.bytes(32))
	case mark == 1:
		item.Shown = true
		if form != FullOpening {
			item.Salt = [16]byte(r.bytes(16))
		}
		n := binary.BigEndian.Uint32(r.bytes(4))
		item.Value = r.bytes(int(min(n, MaxOpeningBytes+1)))
	case r.err == nil:
		r.err = fmt.Errorf("the mark %d, neither hidden nor shown", mark)
	}
	return item
}

// check tells why o cannot be an opening, whatever its values say.
func (o *Opening) check() error {
	if o.Form < FullOpening || o.Form > HashesOpening {
		return fmt.Errorf("opening: form %d is not known", o.Form)
	}
	if len(o.Items) < 2 || o.Items[0].Field != FieldScope || o.Items[1].Field != FieldFrame {
		return errors.New("opening: it does not begin with scope and frame")
	}
	if o.Form.hasList() {
		if len(o.Items) > 2 || o.Items[0].Shown != (o.Form == ScopeOpening) || o.Items[1].Shown != (o.Form == FrameOpening) {
			return fmt.Errorf("opening: form %d with the items of another", o.Form)
		}
		return nil
	}
	shown := 0
	for i := range o.Items {
		if i > 1 {
			if err := checkNext(o.Items[i-1].Field, o.Items[i].Field); err != nil {
				return fmt.Errorf("opening: %w", err)
			}
		}
		if o.Items[i].Shown {
			shown++
		}
	}
	switch {
	case o.Form == FullOpening && shown < len(o.Items):
		return errors.New("opening: form 1 with a hidden field")
	case o.Form == PartOpening && (shown == 0 || shown == len(o.Items)):
		return errors.New("opening: form 2 that shows all or nothing")
	case o.fact():
		return nil
	case o.item(FieldID) == nil || o.item(FieldActorType) == nil:
		return errors.New("opening: an event without id or actor.type")
	}
	return nil
}

// checkNext tells why no entry has a field f right after the field before.
func checkNext(before, f byte) error {
	switch {
	case f <= before:
		return fmt.Errorf("field %d after field %d", f, before)
	case f > FieldRaw && f < FieldAttribute:
		return fmt.Errorf("field %d, which is reserved", f)
	case f > FieldAttribute && f != before+1:
		return fmt.Errorf("a gap before attribute %d", f-FieldAttribute)
	}
	return nil
}

// fact tells whether o opens a system fact in full. Only facts have no field but scope and frame.
func (o *Opening) fact() bool { return o.Form == FullOpening && len(o.Items) == 2 }

func (o *Opening) item(field byte) *OpeningItem {
	for i := range o.Items {
		if o.Items[i].Field == field {
			return &o.Items[i]
		}
	}
	return nil
}

// CheckKind tells why o does not open an entry of that kind. A system fact is opened in full or by its hashes.
func (o *Opening) CheckKind(kind byte) error {
	fact := o.fact() || o.Form == HashesOpening && o.List == emptyList
	switch {
	case kind > KindPack:
		return fmt.Errorf("kind %d is not known", kind)
	case fact && kind == KindEvent:
		return errors.New("the opening is a system fact's and the entry an event")
	case !fact && kind != KindEvent:
		return errors.New("the opening is an event's and the entry a system fact")
	case o.Form.hasList() && !fact && o.List == emptyList:
		return errors.New("an event without any field")
	}
	return nil
}

// Root recomputes the root R of the entry that o opens. Only if it is the one in the entry's bytes is the rest of o
// true.
func (o *Opening) Root() ([32]byte, error) {
	if err := o.check(); err != nil {
		return [32]byte{}, err
	}
	// On the stack unless a value is long, as in Commit.
	var msgStack, listStack [1024]byte
	msg, list := msgStack[:0], append(listStack[:0], listTag...)
	c := Commitments{List: o.List}
	for i := range o.Items {
		item := &o.Items[i]
		com := item.Commitment
		if item.Shown {
			salt := item.Salt
			if o.Form == FullOpening {
				salt = Salt(o.Seed, item.Field)
			}
			msg = append(appendCommitmentHead(msg[:0], salt, item.Field), item.Value...)
			com = sealCommitment(msg)
		}
		switch item.Field {
		case FieldScope:
			c.Scope = com
		case FieldFrame:
			c.Frame = com
		default:
			list = append(append(list, item.Field), com[:]...)
		}
	}
	if !o.Form.hasList() {
		c.List = sha256.Sum256(list)
	}
	return c.Root(), nil
}
