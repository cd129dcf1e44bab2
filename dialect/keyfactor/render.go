package keyfactor

import (
	"strconv"

	"countersign/dialect/answer"
	"countersign/event"
)

// appendRow appends one entry. The order of the members is the vendor's; a text that is absent is null.
func (h *Handler) appendRow(b []byte, e *event.Entry) ([]byte, error) {
	if e.Seq >= maxID {
		return b, errTooManyIDs
	}
	signature, err := h.signature(e)
	if err != nil {
		return b, err
	}
	category, entityType := event.KeyfactorCategory(&e.Event)
	b = append(b, `{"Id":`...)
	b = strconv.AppendUint(b, e.Seq+1, 10) // from 1: a script may take 0 for none
	b = answer.Text(b, `,"Timestamp":`, event.KeyfactorTimestamp(&e.Event))
	b = appendNullable(b, `,"Message":`, message(&e.Event))
	b = appendNullable(b, `,"Signature":`, signature)
	b = append(b, `,"Category":`...)
	b = strconv.AppendInt(b, int64(category), 10)
	b = append(b, `,"Operation":`...)
	b = strconv.AppendInt(b, int64(event.KeyfactorOperation(&e.Event)), 10)
	b = append(b, `,"Level":`...)
	b = strconv.AppendInt(b, int64(event.KeyfactorLevel(&e.Event)), 10)
	b = answer.Text(b, `,"User":`, event.KeyfactorUser(&e.Event))
	b = answer.Text(b, `,"EntityType":`, entityType)
	b = appendNullable(b, `,"AuditIdentifier":`, event.KeyfactorAuditIdentifier(&e.Event))
	b = appendNullable(b, `,"ImmutableIdentifier":`, event.KeyfactorImmutableIdentifier(&e.Event))
	return append(b, '}'), nil
}

func appendNullable(b []byte, member string, t event.Text) []byte {
	if !t.Present {
		return append(append(b, member...), `null`...)
	}
	return answer.Text(b, member, t.Value)
}
