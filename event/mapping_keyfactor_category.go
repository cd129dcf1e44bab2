package event

import (
	"fmt"
	"slices"
	"strings"
)

// keyfactorType ties a resource type to a Category number and its subcategory, which is the EntityType.
type keyfactorType struct {
	resourceType string
	number       int
	entity       string
}

// keyfactorTypes holds Keyfactor's own types first, in the order of its documentation: of the types with
// one number and subcategory the first is what a record of Keyfactor is read as.
var keyfactorTypes = []keyfactorType{
	{"CERTIFICATE", 2001, "Certificate"},
	{"CERTIFICATE_SCHEDULED_REPLACEMENT", 2001, "Auditing Certificate Scheduled Replacement"},
	{"CERTIFICATE_REQUEST", 2001, "Auditing Certificate Request"},
	{"API_APPLICATION", 2002, "ApiApplication"},
	{"TEMPLATE", 2003, "Template"},
	{"CERTIFICATE_QUERY", 2004, "CertificateQuery"},
	{"EXPIRATION_ALERT", 2005, "ExpirationAlert"},
	{"EXPIRATION_ALERT_DEFINITION", 2005, "Expiration Alert Definition Context Model"},
	{"PENDING_ALERT", 2006, "PendingAlert"},
	{"PENDING_ALERT_DEFINITION", 2006, "Pending Alert Definition Context Model"},
	{"APPLICATION_SETTING", categoryApplicationSetting, "ApplicationSetting"},
	{"ISSUED_ALERT", 2008, "IssuedAlert"},
	{"ISSUED_ALERT_DEFINITION", 2008, "Issued Alert Definition Context Model"},
	{"DENIED_ALERT", 2009, "DeniedAlert"},
	{"DENIED_ALERT_DEFINITION", 2009, "Denied Alert Definition Context Model"},
	{"SECURITY_IDENTITY", categoryIdentity, entityIdentity},
	{"SECURITY_ROLE", 2011, "SecurityRole"},
	{"AUTHORIZATION_FAILURE", categoryAuthorizationFailure, entityAuthorizationFailure},
	{"CERTIFICATE_SIGNING_REQUEST", 2013, "CertificateSigningRequest"},
	{"SSH_SERVER_GROUP", 2014, "ServerGroup"},
	{"SSH_SERVER", 2015, "Server"},
	{"SSH_ROGUE_KEY", 2016, "DiscoveredKey"},
	{"SSH_KEY", 2016, "Key"},
	{"SSH_SERVICE_ACCOUNT", 2017, "ServiceAccount"},
	{"SSH_LOGON", 2018, "Logon"},
	{"SSH_USER", 2019, "SshUser"},
	{"SSH_KEY_ROTATION_ALERT", 2020, "Key Rotation Alert Definition Context Model"},
	{"CERTIFICATE_STORE", 2021, "CertificateStore"},
	{"JOB_TYPE", 2022, "JobType"},
	{"AGENT_SCHEDULE", 2023, "AgentSchedule"},
	{"BULK_AGENT_SCHEDULE", 2024, "Bulk Agent Schedule"},
	{"CERTIFICATE_STORE_CONTAINER", 2025, "Certificate Store Container"},
	{"AGENT", 2026, "Agent"},
	{"REVOCATION_MONITORING", 2027, "Revocation Monitoring"},
	{"LICENSE", 2028, "License"},
	{"WORKFLOW_DEFINITION", 2029, "WorkflowDefinition"},
	{"WORKFLOW_INSTANCE", 2030, "WorkflowInstance"},
	{"WORKFLOW_INSTANCE_SIGNAL", 2031, "WorkflowInstanceSignal"},
	{"IDENTITY_PROVIDER", 2032, "IdentityProvider"},
	{"ROLE_CLAIM_DEFINITION", 2033, "RoleClaimDefinition"},
	{"PERMISSION_SET", 2034, "PermissionSet"},
	{"ENROLLMENT_PATTERN", 2035, "EnrollmentPatterns"},

	// DigiCert ONE Account Manager, but for the ways to sign in.
	{"ACCOUNT", categoryApplicationSetting, "ApplicationSetting"},
	{"USER", categoryIdentity, entityIdentity},
	{"SERVICE_USER", categoryIdentity, entityIdentity},
	{"APIKEY", 2002, "ApiApplication"},
	{"OAUTH_CLIENT", 2002, "ApiApplication"},
	{clientAuthCert, 2001, "Certificate"}, // unless it is used to sign in
	{"SAML2_CONFIG", 2032, "IdentityProvider"},
	{"OIDC_CONFIG", 2032, "IdentityProvider"},
	{"OAUTH_CONFIG", 2032, "IdentityProvider"},
	{"ROLE", 2011, "SecurityRole"},
	// CertCentral Discovery.
	{"SENSOR", 2026, "Agent"},
	{"SCAN", 2023, "AgentSchedule"},
	// DigiCert ONE's other managers.
	{"KEYPAIR", 2016, "Key"},
	{"PROFILE", 2003, "Template"},
	{"ENROLLMENT", 2013, "CertificateSigningRequest"},
	{"END_ENTITY_CERTIFICATE", 2001, "Certificate"},
	{"BUSINESS_UNIT", categoryApplicationSetting, "ApplicationSetting"},
	{"SEAT", 2028, "License"},
	// Our own.
	{"AUDIT_LOG", categoryApplicationSetting, "ApplicationSetting"},
	{"SERVER", categoryApplicationSetting, "ApplicationSetting"},
	{"SOURCE", categoryApplicationSetting, "ApplicationSetting"},
}

const (
	categoryApplicationSetting   = 2007 // and of every type that nobody here knows
	categoryIdentity             = 2010
	categoryAuthorizationFailure = 2012

	entityIdentity             = "ADIdentityModel"
	entityAuthorizationFailure = "AuthorizationFailure"

	clientAuthCert       = "CLIENT_AUTH_CERT"
	authorizationFailure = "AUTHORIZATION_FAILURE"
)

// signInTypes are the ways to sign in, whatever the action. clientAuthCert is one with signInActions only:
// otherwise it is a certificate that somebody manages.
var (
	signInTypes = []string{
		"BASIC_AUTH", "DIGEST_AUTH", "SSO_SAML", "SSO_OIDC",
		"BASIC_AUTH_MFA", "DIGEST_AUTH_MFA", "SSO_SAML_MFA", "SSO_OIDC_MFA", "CLIENT_AUTH_CERT_MFA",
	}
	signInActions = []string{"LOGIN", "LOGIN_ERROR", "LOGOUT"}
)

func keyfactorTypeNames() []string {
	names := slices.Clone(signInTypes)
	for _, t := range keyfactorTypes {
		names = append(names, t.resourceType)
	}
	return names
}

// keyfactorBucket holds the classes of one number and subcategory.
type keyfactorBucket struct {
	number  int
	entity  string
	classes []Class
}

var keyfactorBuckets = func() []keyfactorBucket {
	var out []keyfactorBucket
	bucket := func(number int, entity string) *keyfactorBucket {
		for i := range out {
			if out[i].number == number && out[i].entity == entity {
				return &out[i]
			}
		}
		out = append(out, keyfactorBucket{number, entity, []Class{{}}})
		return &out[len(out)-1]
	}
	add := func(number int, entity string, c Class) {
		b := bucket(number, entity)
		b.classes = append(b.classes, c)
	}
	for _, t := range keyfactorTypes {
		if t.resourceType == clientAuthCert {
			add(t.number, t.entity, Class{Types: In(clientAuthCert), Actions: NotIn(signInActions...)})
			continue
		}
		first := &bucket(t.number, t.entity).classes[0]
		first.Types.Values = append(first.Types.Values, t.resourceType)
	}
	for _, s := range []struct {
		number   int
		entity   string
		outcomes Set
	}{
		{categoryIdentity, entityIdentity, NotIn(OutcomeFailure)},
		{categoryAuthorizationFailure, entityAuthorizationFailure, In(OutcomeFailure)},
	} {
		add(s.number, s.entity, Class{Types: In(signInTypes...), Outcomes: s.outcomes})
		add(s.number, s.entity, Class{Types: In(clientAuthCert), Actions: In(signInActions...), Outcomes: s.outcomes})
	}
	return out
}()

// KeyfactorCategory returns the Category number and the EntityType of e.
func KeyfactorCategory(e *Event) (number int, entityType string) {
	number, entityType = deriveCategory(e)
	if n, ok := overrideNumber(e, AttrKeyfactorCategory); ok {
		number = n
	}
	if t := e.Attribute(AttrKeyfactorEntityType); t.Present {
		entityType = t.Value
	}
	return number, entityType
}

func deriveCategory(e *Event) (int, string) {
	signIn := slices.Contains(signInTypes, e.Resource.Type) ||
		e.Resource.Type == clientAuthCert && slices.Contains(signInActions, e.Action)
	switch {
	case signIn && e.Outcome == OutcomeFailure:
		return categoryAuthorizationFailure, entityAuthorizationFailure
	case signIn:
		return categoryIdentity, entityIdentity
	}
	for i := range keyfactorTypes {
		if t := &keyfactorTypes[i]; t.resourceType == e.Resource.Type {
			return t.number, t.entity
		}
	}
	return categoryApplicationSetting, e.Resource.Type
}

// KeyfactorCategories returns the Category numbers that are derived from events, sorted. Overrides may
// bring others.
func KeyfactorCategories() []int {
	var out []int
	for _, b := range keyfactorBuckets {
		out = append(out, b.number)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// KeyfactorCategoryClasses returns the classes of the events with the given Category number.
func KeyfactorCategoryClasses(number int) []Class {
	var classes []Class
	for _, b := range keyfactorBuckets {
		if b.number == number {
			classes = append(classes, b.classes...)
		}
	}
	if number == categoryApplicationSetting {
		classes = append(classes, Class{Types: NotIn(keyfactorTypeNames()...)})
	}
	return overridden(classes, AttrKeyfactorCategory, number)
}

// KeyfactorEntityTypeClasses returns the classes of the events whose EntityType stands in relation c, blanks
// left out of both, since the vendor's versions spell the names with and without.
func KeyfactorEntityTypeClasses(c Comparison) []Class {
	if c.Op == Absent {
		return nil // every event has one
	}
	var classes []Class
	for _, b := range keyfactorBuckets {
		if c.holds(TextOf(b.entity), true) {
			classes = append(classes, b.classes...)
		}
	}
	asItIs := Condition{Field: fieldType, Comparison: c, IgnoreBlanks: true}
	classes = append(classes, Class{Types: NotIn(keyfactorTypeNames()...), Conditions: []Condition{asItIs}})
	classes = overriddenText(classes, AttrKeyfactorEntityType, c)
	classes[len(classes)-1].Conditions[0].IgnoreBlanks = true
	return classes
}

// notAuthorizationFailure returns the classes of the events with one of the outcomes whose Category number
// is not 2012.
func notAuthorizationFailure(outcomes ...string) []Class {
	category := attributePrefix + AttrKeyfactorCategory
	other := Class{Outcomes: In(outcomes...), Conditions: []Condition{present(category), isNot(category, fmt.Sprint(categoryAuthorizationFailure))}}
	if !slices.Contains(outcomes, OutcomeFailure) {
		// Sign-ins that did not fail are no authorization failures.
		return []Class{other, {Outcomes: In(outcomes...), Types: NotIn(authorizationFailure), Conditions: []Condition{absent(category)}}}
	}
	signIns := slices.Concat(signInTypes, []string{clientAuthCert, authorizationFailure})
	return []Class{
		other,
		{Outcomes: In(outcomes...), Types: NotIn(signIns...), Conditions: []Condition{absent(category)}},
		{Outcomes: In(outcomes...), Types: In(clientAuthCert), Actions: NotIn(signInActions...), Conditions: []Condition{absent(category)}},
	}
}

// KeyfactorTypeOf returns the resource type of a record of Keyfactor: of its Category number and
// subcategory, spelled with or without blanks. A pair that nobody here knows gives the subcategory as a
// code; without a subcategory the first type of the number.
func KeyfactorTypeOf(category int, subcategory string) string {
	wanted := Comparison{Equal, subcategory}
	first := ""
	for _, t := range keyfactorTypes {
		if t.number != category {
			continue
		}
		if wanted.holds(TextOf(t.entity), true) {
			return t.resourceType
		}
		if first == "" {
			first = t.resourceType
		}
	}
	code := codeOf(subcategory)
	switch {
	case code != "":
		return code
	case first != "":
		return first
	}
	return fmt.Sprintf("CATEGORY_%s", strings.TrimPrefix(fmt.Sprint(category), "-"))
}
