package event

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendJSON appends e as canonical JSON: the members in the order of Event, absent ones and objects with
// nothing in them left out, empty texts kept, strings escaped only where RFC 8259 demands it, no white
// space. Decode gives a normalized event back as it was.
func AppendJSON(dst []byte, e *Event) []byte {
	return append(appendMembers(append(dst, '{'), e), '}')
}

// AppendEntryJSON appends e as it is read from the native API: what the server added, then the event.
// Every member that it adds stands in serverFields.
func AppendEntryJSON(dst []byte, e *Entry) []byte {
	if e.Kind != KindEvent {
		return appendFactJSON(dst, e)
	}
	dst = append(dst, `{"seq":`...)
	dst = strconv.AppendUint(dst, e.Seq, 10)
	dst = append(dst, `,"received_at":"`...)
	dst = append(e.ReceivedAt.Append(dst), '"')
	dst = appendText(dst, "recorded_by", e.RecordedBy)
	return append(appendMembers(dst, &e.Event), '}')
}

func appendMembers(dst []byte, e *Event) []byte {
	dst = appendText(dst, "id", TextOrAbsent(e.ID))
	dst = append(appendName(dst, "occurred_at"), '"')
	dst = append(e.OccurredAt.Append(dst), '"')

	dst, start := openObject(dst, "account")
	dst = appendText(dst, "id", TextOrAbsent(e.Account.ID))
	dst = appendText(dst, "name", e.Account.Name)
	dst = closeObject(dst, start)

	dst, start = openObject(dst, "division")
	dst = appendText(dst, "id", e.Division.ID)
	dst = appendText(dst, "name", e.Division.Name)
	dst = closeObject(dst, start)

	dst, start = openObject(dst, "actor")
	dst = appendText(dst, "id", e.Actor.ID)
	dst = appendText(dst, "name", e.Actor.Name)
	dst = appendText(dst, "type", TextOrAbsent(e.Actor.Type))
	dst = closeObject(dst, start)

	dst = appendText(dst, "action", TextOrAbsent(e.Action))

	dst, start = openObject(dst, "resource")
	dst = appendText(dst, "type", TextOrAbsent(e.Resource.Type))
	dst = appendText(dst, "id", e.Resource.ID)
	dst = appendText(dst, "name", e.Resource.Name)
	dst = closeObject(dst, start)

	dst = appendText(dst, "outcome", TextOrAbsent(e.Outcome))
	dst = appendText(dst, "description", e.Description)
	dst = appendText(dst, "detail", e.Detail)

	dst, start = openObject(dst, "client")
	dst = appendText(dst, "ip", e.Client.IP)
	dst = appendText(dst, "country", e.Client.Country)
	dst = closeObject(dst, start)

	dst = appendText(dst, "source", TextOrAbsent(e.Source))

	dst, start = openObject(dst, "attributes")
	for i := range e.Attributes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, e.Attributes[i].Name), ':')
		dst = appendString(dst, e.Attributes[i].Value)
	}
	dst = closeObject(dst, start)

	return appendText(dst, "raw", e.Raw)
}

// openObject appends the start of an object member and returns where it began, for closeObject.
func openObject(dst []byte, name string) ([]byte, int) {
	start := len(dst)
	return append(appendName(dst, name), '{'), start
}

// closeObject ends the object that began at start, or takes it back when it is empty.
func closeObject(dst []byte, start int) []byte {
	if dst[len(dst)-1] == '{' {
		return dst[:start]
	}
	return append(dst, '}')
}

// appendName appends a member name that needs no escapes, after a comma unless the object has just begun.
func appendName(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

func appendText(dst []byte, name string, t Text) []byte {
	if !t.Present {
		return dst
	}
	return appendString(appendName(dst, name), t.Value)
}

// appendString writes the replacement character where s is no UTF-8, which Validate has refused before.
func appendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}
