package segment

import (
	"fmt"

	"countersign/event"
	"countersign/query"
)

// Damaged is what the description and the detail of an entry say whose body cannot be read, and every other text that
// the index does not know.
const Damaged = "[damaged]"

// UnreadableError says that a question could not be answered, since it takes a body that cannot be read.
type UnreadableError struct{ Seq uint64 }

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("the answer depends on entry %d, whose body cannot be read", e.Seq)
}

// fromIndex returns what is known of an entry whose body cannot be read.
func (v *View) fromIndex(seq uint64) (*event.Entry, error) {
	for _, s := range v.Segments {
		if seq < s.End() {
			return s.known(seq)
		}
	}
	return nil, &UnreadableError{seq}
}

// known returns what the columns say of one entry. Of a system fact they say nothing.
func (s *Segment) known(seq uint64) (*event.Entry, error) {
	place := uint32(seq - s.first)
	rows := s.between(place, place+1)
	if rows.Len() != 1 {
		return nil, &UnreadableError{seq}
	}
	row := rows.Min()
	e := &event.Entry{Seq: seq, ReceivedAt: event.Micros(s.integerAt(&s.received, int(place)))}
	e.OccurredAt = event.Micros(s.integerAt(&s.occurred, int(row)))
	s.accountSeqs(func(at uint32, value uint64) {
		if at == row {
			e.AccountSeq = value
		}
	})
	p := s.expand(row, row+1)
	for i := range p.columns {
		c := &p.columns[i]
		switch code := c.codes[0]; code {
		case absentCode:
		case c.unknownCode():
			setText(e, c.field, Damaged)
		default:
			setText(e, c.field, c.value(code))
		}
	}
	e.Description, e.Detail = event.TextOf(Damaged), event.TextOf(Damaged)
	return e, nil
}

// setText gives an entry the value of a text field.
func setText(e *event.Entry, f query.Field, value string) {
	if name, ok := f.Attribute(); ok {
		e.Attributes = append(e.Attributes, event.Attribute{Name: name, Value: value}) // the columns are in the order of names
		return
	}
	switch f {
	case query.ID:
		e.ID = value
	case query.AccountID:
		e.Account.ID = value
	case query.ActorType:
		e.Actor.Type = value
	case query.Action:
		e.Action = value
	case query.ResourceType:
		e.Resource.Type = value
	case query.Outcome:
		e.Outcome = value
	case query.Source:
		e.Source = value
	default:
		*optional(e, f) = event.TextOf(value)
	}
}

// optional returns where an entry has a text field that may be absent.
func optional(e *event.Entry, f query.Field) *event.Text {
	switch f {
	case query.AccountName:
		return &e.Account.Name
	case query.DivisionID:
		return &e.Division.ID
	case query.DivisionName:
		return &e.Division.Name
	case query.ActorID:
		return &e.Actor.ID
	case query.ActorName:
		return &e.Actor.Name
	case query.ResourceID:
		return &e.Resource.ID
	case query.ResourceName:
		return &e.Resource.Name
	case query.Description:
		return &e.Description
	case query.Detail:
		return &e.Detail
	case query.ClientIP:
		return &e.Client.IP
	case query.Country:
		return &e.Client.Country
	case query.RecordedBy:
		return &e.RecordedBy
	}
	panic(fmt.Sprintf("segment: %s is no text field", f)) // columns are of text fields only
}
