// Package digicertone reads the audit records of the DigiCert ONE managers: Account Manager and Trust
// Lifecycle (items), IoT Trust and Device Trust (records).
//
// A text that a record has, empty or not, is kept as it is; null and missing are absent. Codes are put in
// upper case, times cut to microseconds, statuses brought to the outcomes of events. The record itself is
// kept byte for byte in raw. What only one manager has goes into attributes named digicert_one.*.
package digicertone

import (
	"strings"

	"countersign/collect/records"
	"countersign/event"
)

// The sources of the managers.
const (
	SourceAccountManager = "digicert-one/account-manager"
	SourceTrustLifecycle = "digicert-one/trust-lifecycle"
	SourceIoT            = "digicert-one/iot"
)

// Lists are the members of a page that hold records.
var Lists = []string{"items", listIoT}

const listIoT = "records"

// Read reads a record of any of the managers. The source tells which; where it does not, the record does.
func Read(raw []byte, o records.Options) (event.Event, error) {
	r, err := records.Parse(raw)
	if err != nil {
		return event.Event{}, err
	}
	var e event.Event
	manager := managerOf(r, o)
	switch manager {
	case SourceIoT:
		e = iot(r, o.Account)
	case SourceTrustLifecycle:
		e = trustLifecycle(r, o.Account)
	default:
		e = accountManager(r, o.Account)
	}
	if err := r.Err(); err != nil {
		return event.Event{}, err
	}
	e.Source = o.Source
	if e.Source == "" {
		e.Source = manager
	}
	e.Raw = event.TextOf(string(raw))
	return e, nil
}

// managerOf returns the source of the manager that wrote the record.
func managerOf(r *records.Object, o records.Options) string {
	switch o.Source {
	case SourceAccountManager, SourceTrustLifecycle, SourceIoT:
		return o.Source
	}
	switch {
	case o.List == listIoT, r.Has("created_at"), r.Has("account_id") && !r.Has("account"):
		return SourceIoT
	case r.Has("business_unit"), r.Has("data"):
		return SourceTrustLifecycle
	}
	return SourceAccountManager
}

// account returns the id to use of one that a record may have, and refuses the record if there is none.
func account(r *records.Object, id event.Text, given, field string) string {
	switch {
	case id.Value != "":
		return id.Value
	case given == "":
		r.Refuse(field, "is missing, and no account was given for records without one")
	}
	return given
}

// outcome brings a status to the outcome it means. A word that no outcome has is kept as an attribute.
func outcome(r *records.Object, attributes *records.Attributes) string {
	status := r.Text("status")
	switch strings.ToLower(status.Value) {
	case "success":
		return event.OutcomeSuccess
	case "failure", "failed":
		return event.OutcomeFailure
	case "warning":
		return event.OutcomeWarning
	case "", "unknown":
	default:
		attributes.Add("digicert_one.status", status)
	}
	return event.OutcomeUnknown
}
