package testkit

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"countersign/event"
)

// The events of the other managers and vendors are drawn as records in the vendor's shape first, and then
// read as the import reads them. The account's name is added, which only some records have; one event in
// twenty keeps its record.

func (d *drawer) read(ev event.Event, record any) event.Event {
	ev.Account.Name = event.TextOf(d.account.Name)
	if d.oneIn(20) {
		ev.Raw = event.TextOf(string(encode(record)))
	}
	return ev
}

func (d *drawer) host() string {
	return fmt.Sprintf("%s%d.%s", pick(d.r, []string{"www", "api", "mail", "vpn", "ldap", "terminal-"}), 1+d.r.IntN(40), d.account.Domain)
}

func (d *drawer) trustLifecycle() TrustLifecycleItem {
	u := d.person()
	if d.oneIn(2) {
		u = d.serviceUser()
	}
	kind := weighted(d.r, []string{"end_entity_certificate", "enrollment", "seat", "profile", "business_unit", "user", "account"}, []int{50, 25, 10, 6, 3, 4, 2})
	actions := []string{"create", "update", "delete"}
	if kind == "end_entity_certificate" {
		actions = []string{"create", "create", "create", "create", "revoke", "expire", "suspend", "resume", "import"}
	}
	item := TrustLifecycleItem{
		ID: uuid(d.r), Account: Ref{ID: d.account.ID}, ResourceType: kind, ResourceID: uuid(d.r), Action: pick(d.r, actions),
		User: Ref{u.ID, u.Name()}, Timestamp: millis(d.at).String(), Status: weighted(d.r, []string{"success", "failure", "warning"}, []int{92, 5, 3}),
	}
	host := d.host()
	item.Data = string(encode(map[string]string{"common_name": host, "serial_number": strings.ToUpper(randomHex(d.r, 16))}))
	item.Description = strings.ToUpper(kind[:1]) + sentence(kind[1:]) + " " + host + ": " + item.Action
	if u.Division != "" {
		item.BusinessUnit = &Ref{ID: u.Division}
	}
	return item
}

func (d *drawer) trustLifecycleEvent() event.Event {
	item := d.trustLifecycle()
	return d.read(item.Event(), item)
}

// Event returns the record as the import reads it, without the record itself.
func (i TrustLifecycleItem) Event() event.Event {
	ev := event.Event{
		ID:          i.ID,
		OccurredAt:  mustTime(i.Timestamp),
		Account:     event.Account{ID: i.Account.ID},
		Actor:       event.Actor{ID: event.TextOf(i.User.ID), Name: event.TextOf(i.User.Name), Type: event.ActorStandard},
		Action:      strings.ToUpper(i.Action),
		Resource:    event.Resource{Type: strings.ToUpper(i.ResourceType), ID: event.TextOf(i.ResourceID)},
		Outcome:     i.Status,
		Description: event.TextOf(i.Description),
		Source:      SourceTrustLifecycle,
		Attributes:  []event.Attribute{{Name: "digicert_one.data", Value: i.Data}},
	}
	if i.BusinessUnit != nil {
		ev.Division.ID = event.TextOf(i.BusinessUnit.ID)
	}
	return ev
}

func (d *drawer) iot() IoTRecord {
	u := d.person()
	kind := pick(d.r, []string{"division", "enrollment_profile", "device_profile", "certificate", "device"})
	name := fmt.Sprintf("%s %d", sentence(kind), 1+d.r.IntN(200))
	rec := IoTRecord{
		ID: uuid(d.r), AccountID: d.account.ID, DivisionID: d.e.divisionOf(d.r, d.account.ID), ResourceType: kind, ResourceName: name, Resource: uuid(d.r),
		AuthenticationType: "user", AuthenticationID: u.ID, Authentication: u.Name(), Action: pick(d.r, []string{"create", "update", "update", "delete"}),
		Status: "success", CreatedAt: seconds(d.at).String(),
	}
	rec.Description = strings.ToUpper(name[:1]) + name[1:] + " has been changed by " + rec.Action
	if d.oneIn(8) {
		rec.Status = "failed"
		rec.Description = "Failed to " + rec.Action + " " + name
		rec.ErrorMessage = "Please provide a unique name for the " + sentence(kind)
		rec.DetailedErrorMessage = "com.example.iot.InvalidInputException: " + rec.ErrorMessage + "\n\tat com.example.iot.Service.validate(Service.java:155)"
		rec.Request = string(encode(map[string]string{"name": name, "account_id": d.account.ID}))
		return rec
	}
	before := fmt.Sprintf("%s %d", sentence(kind), 1+d.r.IntN(200))
	rec.Properties = []IoTProperty{{Name: "name", Changed: before != name, ValueBefore: &before, ValueAfter: name}, {Name: "account.name", ValueAfter: d.account.Name}}
	return rec
}

func (d *drawer) iotEvent() event.Event {
	rec := d.iot()
	return d.read(rec.Event(), rec)
}

// Event returns the record as the import reads it, without the record itself.
func (r IoTRecord) Event() event.Event {
	ev := event.Event{
		ID:          r.ID,
		OccurredAt:  mustTime(r.CreatedAt),
		Account:     event.Account{ID: r.AccountID},
		Division:    event.Division{ID: event.TextOf(r.DivisionID)},
		Actor:       event.Actor{ID: event.TextOf(r.AuthenticationID), Name: event.TextOf(r.Authentication), Type: event.ActorStandard},
		Action:      strings.ToUpper(r.Action),
		Resource:    event.Resource{Type: strings.ToUpper(r.ResourceType), ID: event.TextOf(r.Resource), Name: event.TextOf(r.ResourceName)},
		Outcome:     event.OutcomeSuccess,
		Description: event.TextOf(r.Description),
		Detail:      event.TextOrAbsent(r.DetailedErrorMessage),
		Source:      SourceIoT,
		Attributes:  []event.Attribute{{Name: "digicert_one.authentication_type", Value: r.AuthenticationType}},
	}
	if r.Status == "failed" {
		ev.Outcome = event.OutcomeFailure
		ev.Attributes = append(ev.Attributes, event.Attribute{Name: "digicert_one.request", Value: r.Request})
	}
	for _, p := range r.Properties {
		if p.ValueBefore != nil {
			ev.Attributes = append(ev.Attributes, event.Attribute{Name: "before." + p.Name, Value: *p.ValueBefore})
		}
		ev.Attributes = append(ev.Attributes, event.Attribute{Name: "after." + p.Name, Value: p.ValueAfter})
	}
	sortAttributes(ev.Attributes)
	return ev
}

// discoveryActs are what Discovery records, with the codes that its words are read as.
var discoveryActs = []struct{ module, function, message, action, resourceType string }{
	{"Sensors", "Download sensor", "Sensor downloaded\n Type: linux", "DOWNLOAD", "SENSOR"},
	{"Sensors", "Delete sensor", "Sensor deleted", "DELETE", "SENSOR"},
	{"Scans", "Create scan", "Scan created", "CREATE", "SCAN"},
	{"Scans", "Abort scan", "Scan aborted", "ABORT", "SCAN"},
	{"Certificates", "Certificates expiring in 90 days", "90-day expiration notice sent", "CERTIFICATES_EXPIRING_IN_90_DAYS", "CERTIFICATE"},
	{"Certificates", "Certificates expiring in 30 days", "30-day expiration notice sent", "CERTIFICATES_EXPIRING_IN_30_DAYS", "CERTIFICATE"},
}

func (d *drawer) discovery() DiscoveryLog {
	d.discoveryID++
	act := pick(d.r, discoveryActs)
	log := DiscoveryLog{
		ID: d.discoveryID, UserID: -1, UserName: "System", Module: act.module, Function: act.function, Message: act.message,
		CreatedDate: int64(millis(d.at)) / 1000,
	}
	if act.resourceType == "CERTIFICATE" {
		log.DetailMessage = "Sent to:\npki-team@" + d.account.Domain + "\nFor certificates:\n" + d.host()
		id, err := strconv.ParseInt(d.e.divisionOf(d.r, d.account.ID), 10, 64)
		if err != nil {
			panic("testkit: a division without a number")
		}
		log.DivisionID = &id
		return log
	}
	u := d.person()
	log.UserID, log.UserName = 7_000_000+int64(hash(u.ID)%1_000_000), u.FirstName+" "+u.LastName
	log.IPAddress = u.clientIP
	if d.oneIn(3) {
		log.IPCountry = u.country
	}
	return log
}

func (d *drawer) discoveryEvent() event.Event {
	log := d.discovery()
	return d.read(log.Event(d.account.ID), log)
}

// Event returns the record as the import reads it for the account, without the record itself.
func (l DiscoveryLog) Event(account string) event.Event {
	ev := event.Event{
		ID:          strconv.FormatInt(l.ID, 10),
		OccurredAt:  event.Micros(l.CreatedDate * 1000),
		Account:     event.Account{ID: account},
		Actor:       event.Actor{Type: event.ActorSystem},
		Outcome:     event.OutcomeUnknown,
		Description: event.TextOrAbsent(l.Message),
		Detail:      event.TextOrAbsent(l.DetailMessage),
		Client:      event.Client{IP: event.TextOrAbsent(l.IPAddress), Country: event.TextOrAbsent(l.IPCountry)},
		Source:      SourceDiscovery,
		Attributes: []event.Attribute{
			{Name: "discovery.function", Value: l.Function},
			{Name: "discovery.id", Value: strconv.FormatInt(l.ID, 10)},
			{Name: "discovery.module", Value: l.Module},
			{Name: "discovery.userId", Value: strconv.FormatInt(l.UserID, 10)},
		},
	}
	for _, act := range discoveryActs {
		if act.function == l.Function {
			ev.Action, ev.Resource.Type = act.action, act.resourceType
		}
	}
	if l.UserID != -1 {
		ev.Actor = event.Actor{ID: event.TextOf(strconv.FormatInt(l.UserID, 10)), Name: event.TextOf(l.UserName), Type: event.ActorStandard}
	}
	if l.DivisionID != nil {
		id := strconv.FormatInt(*l.DivisionID, 10)
		ev.Division.ID = event.TextOf(id)
		ev.Attributes = append(ev.Attributes, event.Attribute{Name: "discovery.divisionId", Value: id})
		sortAttributes(ev.Attributes)
	}
	return ev
}

// keyfactorActs are what Keyfactor Command records, with the codes that its numbers are read as. A model is
// what the message shows.
var keyfactorActs = []struct {
	weight                    int
	operation, category       int
	entityType                string
	model                     string
	action, resourceType      string
	level                     int
	outcome                   string
	unattended, stateBeforeIt bool
}{
	{30, 1, 2001, "Certificate", "Certificate", "CREATE", "CERTIFICATE", 0, event.OutcomeSuccess, false, false},
	{10, 6, 2001, "Certificate", "Certificate", "REVOKE", "CERTIFICATE", 0, event.OutcomeSuccess, false, false},
	{10, 7, 2001, "Certificate", "Certificate", "DOWNLOAD", "CERTIFICATE", 0, event.OutcomeSuccess, false, false},
	{8, 4, 2001, "Auditing Certificate Request", "CertificateRequest", "APPROVE", "CERTIFICATE_REQUEST", 0, event.OutcomeSuccess, false, false},
	{10, 2, 2003, "Template", "Template", "UPDATE", "TEMPLATE", 0, event.OutcomeSuccess, false, true},
	{4, 2, 2011, "SecurityRole", "SecurityRole", "UPDATE", "SECURITY_ROLE", 0, event.OutcomeSuccess, false, true},
	{8, 18, 2023, "AgentSchedule", "AgentSchedule", "SCHEDULE", "AGENT_SCHEDULE", 0, event.OutcomeSuccess, true, false},
	{6, 24, 2030, "WorkflowInstance", "WorkflowInstance", "COMPLETE", "WORKFLOW_INSTANCE", 0, event.OutcomeSuccess, true, false},
	{3, 23, 2021, "CertificateStore", "CertificateStore", "FAIL", "CERTIFICATE_STORE", 2, event.OutcomeFailure, true, false},
	{3, 5, 2012, "AuthorizationFailure", "", "DENY", "AUTHORIZATION_FAILURE", 1, event.OutcomeFailure, false, false},
}

func (d *drawer) keyfactor() KeyfactorEntry {
	d.keyfactorID++
	weights := make([]int, len(keyfactorActs))
	for i, a := range keyfactorActs {
		weights[i] = a.weight
	}
	act := weighted(d.r, keyfactorActs, weights)
	u := d.person()
	entry := KeyfactorEntry{
		ID: d.keyfactorID, Timestamp: millis(d.at).String(), Signature: base64.StdEncoding.EncodeToString(randomBytes(d.r, 32)), Category: act.category, Operation: act.operation, Level: act.level,
		User: `EXAMPLE\` + u.Email[:strings.IndexByte(u.Email, '@')], EntityType: act.entityType,
		AuditIdentifier: d.host(), ImmutableIdentifier: strconv.Itoa(1 + d.r.IntN(100_000)),
	}
	if act.unattended {
		entry.User = "Timer Service"
	}
	if act.model == "" {
		return entry
	}
	model := func(days int) string {
		return fmt.Sprintf("<%s>\r\n<Name>%s</Name>\r\n<KeyRetentionDays>%d</KeyRetentionDays>\r\n</%[1]s>\r\n", act.model, entry.AuditIdentifier, days)
	}
	message := "<AuditAction>\r\n<ModelState>\r\n" + model(7+d.r.IntN(30)) + "</ModelState>\r\n"
	if act.stateBeforeIt {
		message += "<PreviousModelState>\r\n" + model(1+d.r.IntN(6)) + "</PreviousModelState>\r\n"
	}
	message += "</AuditAction>"
	entry.Message = &message
	return entry
}

func (d *drawer) keyfactorEvent() event.Event {
	entry := d.keyfactor()
	return d.read(entry.Event(d.account.ID), entry)
}

// Event returns the record as the import reads it for the account, without the record itself.
func (k KeyfactorEntry) Event(account string) event.Event {
	id := strconv.FormatInt(k.ID, 10)
	ev := event.Event{
		ID:         id,
		OccurredAt: mustTime(k.Timestamp),
		Account:    event.Account{ID: account},
		Actor:      event.Actor{Name: event.TextOf(k.User), Type: event.ActorStandard},
		Resource:   event.Resource{ID: event.TextOf(k.ImmutableIdentifier), Name: event.TextOf(k.AuditIdentifier)},
		Source:     SourceKeyfactor,
		Attributes: []event.Attribute{
			{Name: "keyfactor.AuditIdentifier", Value: k.AuditIdentifier}, {Name: "keyfactor.Category", Value: strconv.Itoa(k.Category)},
			{Name: "keyfactor.EntityType", Value: k.EntityType}, {Name: "keyfactor.Id", Value: id},
			{Name: "keyfactor.ImmutableIdentifier", Value: k.ImmutableIdentifier}, {Name: "keyfactor.Level", Value: strconv.Itoa(k.Level)},
			{Name: "keyfactor.Operation", Value: strconv.Itoa(k.Operation)}, {Name: "keyfactor.Signature", Value: k.Signature},
			{Name: "keyfactor.Timestamp", Value: k.Timestamp}, {Name: "keyfactor.User", Value: k.User},
		},
	}
	if k.User == "Timer Service" {
		ev.Actor.Type = event.ActorSystem
	}
	for _, act := range keyfactorActs {
		if act.operation == k.Operation && act.category == k.Category {
			ev.Action, ev.Resource.Type, ev.Outcome = act.action, act.resourceType, act.outcome
		}
	}
	if k.Message != nil {
		ev.Attributes = append(ev.Attributes, event.Attribute{Name: "keyfactor.Message", Value: *k.Message})
		after, before, _ := strings.Cut(*k.Message, "<PreviousModelState>")
		ev.Attributes = append(ev.Attributes, states("after.", after)...)
		ev.Attributes = append(ev.Attributes, states("before.", before)...)
	}
	sortAttributes(ev.Attributes)
	return ev
}

// states returns the properties that half of a message shows.
func states(prefix, message string) []event.Attribute {
	var out []event.Attribute
	for _, property := range []string{"Name", "KeyRetentionDays"} {
		if _, rest, ok := strings.Cut(message, "<"+property+">"); ok {
			value, _, _ := strings.Cut(rest, "<")
			out = append(out, event.Attribute{Name: prefix + property, Value: value})
		}
	}
	return out
}

// mustTime reads a time that was written here.
func mustTime(s string) event.Micros {
	m, err := event.ParseTime(s)
	if err != nil {
		panic(fmt.Sprintf("testkit: time %q: %v", s, err))
	}
	return m
}
