package discovery

import (
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"countersign/event"
	"countersign/store"
)

// flushBytes is when the rendered part of an answer is handed on. Messages may be long: a page that was
// gathered whole could take half a gigabyte, this way it takes one entry more than this.
const flushBytes = 64 << 10

// renderPage writes the answer of the list. The only failure is that the caller is gone.
func renderPage(w io.Writer, n integers, p store.Page) error {
	b := make([]byte, 0, flushBytes/4)
	b = append(b, `{"error":null,"data":{"totalCount":`...)
	b = strconv.AppendUint(b, p.Total, 10)
	b = append(b, `,"currentCount":`...)
	b = strconv.AppendInt(b, int64(len(p.Entries)), 10)
	b = append(b, `,"auditLogs":[`...)
	for i, e := range p.Entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendRow(b, n, e)
		if len(b) >= flushBytes {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(append(b, `]}}`...))
	return err
}

// appendRow appends one entry. The order of the members is the vendor's. A text that is absent is "", a
// number null.
func appendRow(b []byte, n integers, e *event.Entry) []byte {
	b = append(b, `{"id":`...)
	b = strconv.AppendUint(b, e.Seq+1, 10) // from 1: a script may take 0 for none
	user, ok := event.DiscoveryUserID(&e.Event)
	b = append(b, `,"userId":`...)
	b = appendInteger(b, n, store.UserID, e.Actor.ID, user, ok)
	b = appendText(b, `,"userName":`, event.DiscoveryUserName(&e.Event))
	division, ok := event.DiscoveryDivisionID(&e.Event)
	b = append(b, `,"divisionId":`...)
	b = appendInteger(b, n, store.DivisionID, e.Division.ID, division, ok)
	b = appendText(b, `,"divisionName":`, e.Division.Name.Value)
	b = appendText(b, `,"module":`, event.DiscoveryModule(&e.Event))
	b = appendText(b, `,"function":`, event.DiscoveryFunction(&e.Event))
	b = appendText(b, `,"message":`, e.Description.Value)
	b = appendText(b, `,"detailMessage":`, e.Detail.Value)
	b = appendText(b, `,"ipAddress":`, e.Client.IP.Value)
	b = appendText(b, `,"ipCountry":`, e.Client.Country.Value)
	b = append(b, `,"createdDate":`...)
	b = strconv.AppendInt(b, floorMilli(int64(e.OccurredAt)), 10)
	return append(b, '}')
}

// appendInteger appends the number of an id: the one that is known, else the one that the trail made for it,
// null where there is no id.
func appendInteger(b []byte, n integers, k store.IDKind, id event.Text, number int64, known bool) []byte {
	if !known && id.Present {
		number, known = n.IntegerID(k, id.Value)
	}
	if !known {
		return append(b, `null`...)
	}
	return strconv.AppendInt(b, number, 10)
}

// appendText appends a part of an object that needs no escaping, and s as a JSON string. Events hold valid
// UTF-8 only; in anything else the broken bytes become U+FFFD.
func appendText(b []byte, member, s string) []byte {
	b, _ = jsontext.AppendQuote(append(b, member...), s)
	return b
}
