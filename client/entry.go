package client

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"countersign/event"
)

// Entry is a recorded event as the server shows it.
type Entry struct {
	event.Event
	Seq        uint64
	ReceivedAt event.Micros
	RecordedBy event.Text
	// JSON is the entry as the server wrote it, with members that this release does not know.
	JSON json.RawMessage
}

// UnmarshalJSON reads an entry of the native API. Unlike the server, which refuses events with members that
// it does not know, it passes over them: they are a newer server's.
func (e *Entry) UnmarshalJSON(b []byte) error {
	var v struct {
		Seq         *uint64           `json:"seq"`
		ReceivedAt  moment            `json:"received_at"`
		RecordedBy  text              `json:"recorded_by"`
		ID          string            `json:"id"`
		OccurredAt  moment            `json:"occurred_at"`
		Account     named             `json:"account"`
		Division    named             `json:"division"`
		Actor       named             `json:"actor"`
		Action      string            `json:"action"`
		Resource    named             `json:"resource"`
		Outcome     string            `json:"outcome"`
		Description text              `json:"description"`
		Detail      text              `json:"detail"`
		Client      place             `json:"client"`
		Source      string            `json:"source"`
		Attributes  map[string]string `json:"attributes"`
		Raw         text              `json:"raw"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	if v.Seq == nil {
		return fmt.Errorf("an entry without seq")
	}
	*e = Entry{Seq: *v.Seq, ReceivedAt: event.Micros(v.ReceivedAt), RecordedBy: event.Text(v.RecordedBy), JSON: slices.Clone(b)}
	e.Event = event.Event{
		ID: v.ID, OccurredAt: event.Micros(v.OccurredAt), Action: v.Action, Outcome: v.Outcome, Source: v.Source,
		Account:     event.Account{ID: v.Account.ID.Value, Name: event.Text(v.Account.Name)},
		Division:    event.Division{ID: event.Text(v.Division.ID), Name: event.Text(v.Division.Name)},
		Actor:       event.Actor{ID: event.Text(v.Actor.ID), Name: event.Text(v.Actor.Name), Type: v.Actor.Type},
		Resource:    event.Resource{ID: event.Text(v.Resource.ID), Name: event.Text(v.Resource.Name), Type: v.Resource.Type},
		Client:      event.Client{IP: event.Text(v.Client.IP), Country: event.Text(v.Client.Country)},
		Description: event.Text(v.Description), Detail: event.Text(v.Detail), Raw: event.Text(v.Raw),
	}
	for name, value := range v.Attributes {
		e.Attributes = append(e.Attributes, event.Attribute{Name: name, Value: value})
	}
	slices.SortFunc(e.Attributes, func(a, b event.Attribute) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

type (
	text   event.Text
	moment event.Micros
	named  struct {
		ID, Name text
		Type     string
	}
	place struct{ IP, Country text }
)

// UnmarshalJSON tells an absent text, or null, from an empty one.
func (t *text) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*t = text{}
	if s != nil {
		*t = text{Value: *s, Present: true}
	}
	return nil
}

// UnmarshalJSON reads a time.
func (m *moment) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	t, err := event.ParseTime(s)
	*m = moment(t)
	return err
}
