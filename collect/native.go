package collect

import (
	"bytes"
	"errors"

	"countersign/collect/records"
	"countersign/event"
)

// nativeLists are the members of a page that hold events: the list answer of the native API.
var nativeLists = []string{"items"}

// readNative reads one event in our own form: as the native API takes it, or hands it out, and then without
// what the server adds to an entry (seq, received_at, recorded_by), so that an export can be imported into
// another server. Everything else is as strict as the API: a field that no event has can only be a slip.
// The options give source and account to an event that names none; without an account it gets the sender's
// own when it is recorded.
func readNative(raw []byte, o records.Options) (event.Event, error) {
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

// endOfExport reports whether raw is the record that an export ends with, and how many events it says the
// export has.
func endOfExport(raw []byte) (count int64, ok bool) {
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
