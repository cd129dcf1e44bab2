package digicertone

import (
	"io"
	"strconv"

	"countersign/dialect/answer"
	"countersign/event"
)

// page is what a list answer is rendered from.
type page struct {
	total, offset uint64
	limit         int
	entries       []*event.Entry
}

// render writes the page to w in parts.
func (p page) render(w io.Writer) error {
	b := make([]byte, 0, answer.FlushBytes/4)
	b = append(b, `{"total":`...)
	b = strconv.AppendUint(b, p.total, 10)
	b = append(b, `,"offset":`...)
	b = strconv.AppendUint(b, p.offset, 10)
	b = append(b, `,"limit":`...)
	b = strconv.AppendInt(b, int64(p.limit), 10)
	b = append(b, `,"items":`...)
	return renderArray(w, b, p.entries, appendItem, "}")
}

// renderArray writes head, the elements as a JSON array, and tail to w in parts.
func renderArray[T any](w io.Writer, head []byte, elements []T, appendOne func([]byte, T) []byte, tail string) error {
	p := answer.Parts{W: w, B: append(head, '[')}
	for i, e := range elements {
		if i > 0 {
			p.B = append(p.B, ',')
		}
		p.B = appendOne(p.B, e)
		if err := p.Flush(); err != nil {
			return err
		}
	}
	p.B = append(append(p.B, ']'), tail...)
	return p.Send()
}

// appendItem appends one audit entry. The order of the members is the vendor's. Texts that are absent are
// "", objects that are absent are null.
func appendItem(b []byte, e *event.Entry) []byte {
	b = appendMember(append(b, '{'), "id", event.DigiCertOneID(&e.Event))
	b = append(b, `,"account":`...)
	b = appendReference(b, e.Account.ID, e.Account.Name.Value)
	b = appendMember(append(b, ','), "resource_type", e.Resource.Type)
	b = appendMember(append(b, ','), "resource_id", e.Resource.ID.Value)
	b = appendMember(append(b, ','), "resource_name", e.Resource.Name.Value)
	b = appendMember(append(b, ','), "action", e.Action)
	b = append(b, `,"user":`...)
	if name, ok := event.DigiCertOneUserName(&e.Event); ok {
		b = appendReference(b, e.Actor.ID.Value, name)
	} else {
		b = append(b, `null`...)
	}
	b = append(b, `,"timestamp":"`...)
	b = e.OccurredAt.Append(b)
	b = append(b, '"')
	b = appendMember(append(b, ','), "description", e.Description.Value)
	b = appendMember(append(b, ','), "status", event.DigiCertOneStatus(&e.Event))
	return append(b, '}')
}

// appendReference appends an object of id and name, which is how an entry points at things.
func appendReference(b []byte, id, name string) []byte {
	b = appendMember(append(b, '{'), "id", id)
	b = appendMember(append(b, ','), "name", name)
	return append(b, '}')
}

func appendString(b []byte, s string) []byte { return answer.Text(b, "", s) }

// appendMember appends a member of an object. The name needs no escaping.
func appendMember(b []byte, name, value string) []byte {
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":`...)
	return appendString(b, value)
}

func appendArray[T any](b []byte, elements []T, appendOne func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, e := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendOne(b, e)
	}
	return append(b, ']')
}
