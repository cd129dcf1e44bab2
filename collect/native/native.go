// Package native reads events in our own form: NDJSON as it is sent to and exported by the native API.
//
// What the server adds to an entry (seq, received_at, recorded_by) is dropped, so that an export can be
// imported into another server. Everything else is as strict as the API: a field that no event has is an
// error here, since in our own form it can only be a slip.
package native

import (
	"bytes"
	"errors"

	"countersign/collect/records"
	"countersign/event"
)

// Lists are the members of a page that hold events: the list answer of the native API.
var Lists = []string{"items"}

// Read reads one event. The options give source and account to an event that names none; without an
// account it gets the sender's own when it is recorded.
func Read(raw []byte, o records.Options) (event.Event, error) {
	d := event.NewDecoder(bytes.NewReader(raw), event.One)
	d.AllowServerFields = true
	e, err := d.Next()
	if bad, ok := errors.AsType[*event.InvalidError](err); ok {
		bad.Index = -1 // it is the first of one; where it stands in the input is not known here
	}
	if err != nil {
		return event.Event{}, err
	}
	if e.Source == "" {
		e.Source = o.Source
	}
	if e.Account.ID == "" {
		e.Account.ID = o.Account
	}
	return e, nil
}

// EndOfExport reports whether raw is the record that an export ends with, and how many events it says the
// export has.
func EndOfExport(raw []byte) (count int64, ok bool) {
	const most = 256 // bytes; most records are larger and need no second look
	if len(raw) > most || !bytes.Contains(raw, []byte(`"complete"`)) {
		return 0, false
	}
	r, err := records.Parse(raw)
	if err != nil || !r.True("complete") {
		return 0, false
	}
	return r.Whole("count")
}
