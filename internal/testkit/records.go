package testkit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"countersign/event"
)

// Ref names an account or a user in a record.
type Ref struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// AccountManagerItem is an audit record of DigiCert ONE Account Manager. User is nil for what the system
// did.
type AccountManagerItem struct {
	ID           string `json:"id"`
	Account      Ref    `json:"account"`
	ResourceType string `json:"resource_type"`
	ResourceID   string `json:"resource_id"`
	ResourceName string `json:"resource_name"`
	Action       string `json:"action"`
	User         *Ref   `json:"user"`
	Timestamp    string `json:"timestamp"`
	Description  string `json:"description"`
	Status       string `json:"status"`
}

// TrustLifecycleItem is an audit record of DigiCert ONE Trust Lifecycle. Its codes are in lower case.
type TrustLifecycleItem struct {
	ID           string `json:"id"`
	Account      Ref    `json:"account"`
	BusinessUnit *Ref   `json:"business_unit,omitempty"`
	ResourceType string `json:"resource_type"`
	ResourceID   string `json:"resource_id"`
	Action       string `json:"action"`
	User         Ref    `json:"user"`
	Timestamp    string `json:"timestamp"`
	Description  string `json:"description"`
	Status       string `json:"status"`
	Data         string `json:"data"`
}

// IoTRecord is an audit record of DigiCert ONE IoT Trust. Failed acts have the error and the request,
// others the properties.
type IoTRecord struct {
	ID                   string        `json:"id"`
	AccountID            string        `json:"account_id"`
	DivisionID           string        `json:"division_id"`
	ResourceType         string        `json:"resource_type"`
	ResourceName         string        `json:"resource_name"`
	Resource             string        `json:"resource"`
	AuthenticationType   string        `json:"authentication_type"`
	AuthenticationID     string        `json:"authentication_id"`
	Authentication       string        `json:"authentication"`
	Action               string        `json:"action"`
	Description          string        `json:"description"`
	Status               string        `json:"status"`
	ErrorMessage         string        `json:"error_message,omitempty"`
	DetailedErrorMessage string        `json:"detailed_error_message,omitempty"`
	Request              string        `json:"request,omitempty"`
	Properties           []IoTProperty `json:"properties,omitempty"`
	CreatedAt            string        `json:"created_at"`
}

// IoTProperty is a property of the resource, with the value before where it changed.
type IoTProperty struct {
	Name        string  `json:"name"`
	Changed     bool    `json:"changed"`
	ValueBefore *string `json:"value_before,omitempty"`
	ValueAfter  string  `json:"value_after"`
}

// DiscoveryLog is an audit record of CertCentral Discovery. UserID -1 is the system, DivisionID nil is none.
type DiscoveryLog struct {
	ID            int64  `json:"id"`
	UserID        int64  `json:"userId"`
	UserName      string `json:"userName"`
	DivisionID    *int64 `json:"divisionId"`
	DivisionName  string `json:"divisionName"`
	Module        string `json:"module"`
	Function      string `json:"function"`
	Message       string `json:"message"`
	DetailMessage string `json:"detailMessage"`
	IPAddress     string `json:"ipAddress"`
	IPCountry     string `json:"ipCountry"`
	CreatedDate   int64  `json:"createdDate"` // milliseconds since 1970
}

// KeyfactorEntry is an audit record of Keyfactor Command.
type KeyfactorEntry struct {
	ID                  int64   `json:"Id"`
	Timestamp           string  `json:"Timestamp"`
	Message             *string `json:"Message"`
	Signature           string  `json:"Signature"`
	Category            int     `json:"Category"`
	Operation           int     `json:"Operation"`
	Level               int     `json:"Level"`
	User                string  `json:"User"`
	EntityType          string  `json:"EntityType"`
	AuditIdentifier     string  `json:"AuditIdentifier"`
	ImmutableIdentifier string  `json:"ImmutableIdentifier"`
}

// Records are audit records of each vendor, in the order of time.
type Records struct {
	AccountManager []AccountManagerItem
	TrustLifecycle []TrustLifecycleItem
	IoT            []IoTRecord
	Discovery      []DiscoveryLog
	Keyfactor      []KeyfactorEntry
}

// Records returns n records of each vendor from [from, to). Their ids are others than those of Events, so
// both can be recorded in one account. Discovery and Keyfactor records name no account: which one they are
// of is said when they are imported.
func (e *Estate) Records(seed uint64, n int, from, to time.Time) Records {
	var out Records
	d := e.newDrawer(seed, 4, 1_000_000_000)
	for at := range rhythm(d.r, n, from, to) {
		d.move(at)
		ev := pick(d.r, []func(*drawer) event.Event{(*drawer).signIn, (*drawer).signInError, (*drawer).manageUser, (*drawer).manageToken, (*drawer).sendMail})(d)
		out.AccountManager = append(out.AccountManager, itemOf(&ev))
		out.TrustLifecycle = append(out.TrustLifecycle, d.trustLifecycle())
		out.IoT = append(out.IoT, d.iot())
		out.Discovery = append(out.Discovery, d.discovery())
		out.Keyfactor = append(out.Keyfactor, d.keyfactor())
	}
	return out
}

// encode returns v as compact JSON. The types here have no values that JSON cannot hold.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("testkit: encode %T: %v", v, err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// itemOf returns the event as Account Manager would have written it.
func itemOf(ev *event.Event) AccountManagerItem {
	item := AccountManagerItem{
		ID: ev.ID, Account: Ref{ev.Account.ID, ev.Account.Name.Value},
		ResourceType: ev.Resource.Type, ResourceID: ev.Resource.ID.Value, ResourceName: ev.Resource.Name.Value, Action: ev.Action,
		Timestamp: ev.OccurredAt.String(), Description: ev.Description.Value, Status: ev.Outcome,
	}
	if ev.Actor.Type != event.ActorSystem {
		item.User = &Ref{ev.Actor.ID.Value, ev.Actor.Name.Value}
	}
	return item
}

// Event returns the record as the import reads it, without the record itself.
func (i AccountManagerItem) Event() event.Event {
	ev := event.Event{
		ID:          i.ID,
		OccurredAt:  mustTime(i.Timestamp),
		Account:     event.Account{ID: i.Account.ID, Name: event.TextOrAbsent(i.Account.Name)},
		Actor:       event.Actor{Type: event.ActorStandard},
		Action:      i.Action,
		Resource:    event.Resource{Type: i.ResourceType, ID: event.TextOf(i.ResourceID), Name: event.TextOf(i.ResourceName)},
		Outcome:     i.Status,
		Description: event.TextOf(i.Description),
		Source:      SourceAccountManager,
	}
	if i.User != nil {
		ev.Actor.ID, ev.Actor.Name = event.TextOf(i.User.ID), event.TextOrAbsent(i.User.Name)
	}
	return ev
}

// AccountManagerPages returns the items as saved answers of Account Manager with limit items each.
func AccountManagerPages(items []AccountManagerItem, limit int) [][]byte {
	return offsetPages(items, limit, "items")
}

// TrustLifecyclePages returns the items as saved answers of Trust Lifecycle with limit items each.
func TrustLifecyclePages(items []TrustLifecycleItem, limit int) [][]byte {
	return offsetPages(items, limit, "items")
}

// IoTPages returns the records as saved answers of IoT Trust with limit records each.
func IoTPages(records []IoTRecord, limit int) [][]byte {
	return offsetPages(records, limit, "records")
}

func offsetPages[T any](all []T, limit int, list string) [][]byte {
	var out [][]byte
	for i, page := range cut(all, limit) {
		out = append(out, fmt.Appendf(nil, `{"total":%d,"offset":%d,"limit":%d,"%s":%s}`, len(all), i*limit, limit, list, encode(page)))
	}
	return out
}

// DiscoveryPages returns the logs as saved answers of CertCentral Discovery with pageSize logs each.
func DiscoveryPages(logs []DiscoveryLog, pageSize int) [][]byte {
	var out [][]byte
	for _, page := range cut(logs, pageSize) {
		out = append(out, fmt.Appendf(nil, `{"error":null,"data":{"totalCount":%d,"currentCount":%d,"auditLogs":%s}}`, len(logs), len(page), encode(page)))
	}
	return out
}

// KeyfactorPages returns the entries as saved answers of Keyfactor Command with returnLimit entries each.
func KeyfactorPages(entries []KeyfactorEntry, returnLimit int) [][]byte {
	var out [][]byte
	for _, page := range cut(entries, returnLimit) {
		out = append(out, encode(page))
	}
	return out
}

// cut returns all in pages of n. Of nothing there is one empty page, as every vendor answers.
func cut[T any](all []T, n int) [][]T {
	if len(all) == 0 {
		return [][]T{{}}
	}
	var out [][]T
	for len(all) > 0 {
		n := min(n, len(all))
		out = append(out, all[:n])
		all = all[n:]
	}
	return out
}

// sentence returns a code as words: "END_ENTITY_CERTIFICATE" is "end entity certificate".
func sentence(code string) string { return strings.ToLower(strings.ReplaceAll(code, "_", " ")) }
