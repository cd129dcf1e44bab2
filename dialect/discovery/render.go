package discovery

import (
	"io"
	"strconv"

	"countersign/dialect/answer"
	"countersign/event"
	"countersign/store"
)

// renderPage writes the answer of the list. The only failure is that the caller is gone.
func renderPage(w io.Writer, n integers, p store.Page) error {
	out := answer.Parts{W: w, B: make([]byte, 0, answer.FlushBytes/4)}
	out.B = append(out.B, `{"error":null,"data":{"totalCount":`...)
	out.B = strconv.AppendUint(out.B, p.Total, 10)
	out.B = append(out.B, `,"currentCount":`...)
	out.B = strconv.AppendInt(out.B, int64(len(p.Entries)), 10)
	out.B = append(out.B, `,"auditLogs":[`...)
	for i, e := range p.Entries {
		if i > 0 {
			out.B = append(out.B, ',')
		}
		out.B = appendRow(out.B, n, e)
		if err := out.Flush(); err != nil {
			return err
		}
	}
	out.B = append(out.B, `]}}`...)
	return out.Send()
}

// appendRow appends one entry. The order of the members is the vendor's. A text that is absent is "", a
// number null.
func appendRow(b []byte, n integers, e *event.Entry) []byte {
	b = append(b, `{"id":`...)
	b = strconv.AppendUint(b, e.Seq+1, 10) // from 1: a script may take 0 for none
	user, ok := event.DiscoveryUserID(&e.Event)
	b = append(b, `,"userId":`...)
	b = appendInteger(b, n, store.UserID, e.Actor.ID, user, ok)
	b = answer.Text(b, `,"userName":`, event.DiscoveryUserName(&e.Event))
	division, ok := event.DiscoveryDivisionID(&e.Event)
	b = append(b, `,"divisionId":`...)
	b = appendInteger(b, n, store.DivisionID, e.Division.ID, division, ok)
	b = answer.Text(b, `,"divisionName":`, e.Division.Name.Value)
	b = answer.Text(b, `,"module":`, event.DiscoveryModule(&e.Event))
	b = answer.Text(b, `,"function":`, event.DiscoveryFunction(&e.Event))
	b = answer.Text(b, `,"message":`, e.Description.Value)
	b = answer.Text(b, `,"detailMessage":`, e.Detail.Value)
	b = answer.Text(b, `,"ipAddress":`, e.Client.IP.Value)
	b = answer.Text(b, `,"ipCountry":`, e.Client.Country.Value)
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
