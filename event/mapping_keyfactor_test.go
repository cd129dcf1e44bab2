package event_test

import (
	"strings"
	"testing"

	"countersign/event"
)

func TestKeyfactorActionsAndOperationsAreOneToOne(t *testing.T) {
	const inOrder = "CREATE UPDATE DELETE APPROVE DENY REVOKE DOWNLOAD DELETE_PRIVATE_KEY RENEW ENCOUNTER SCHEDULE_REPLACEMENT RECOVER " +
		"IMPORT RELEASE_HOLD SCHEDULE_ADD SCHEDULE_REMOVE DOWNLOAD_PRIVATE_KEY SCHEDULE RESET DISAPPROVE RESTART SEND FAIL COMPLETE REJECT"
	for i, action := range strings.Fields(inOrder) {
		if got := event.KeyfactorActionOf(i + 1); got != action {
			t.Errorf("operation %d is read as %q, want %s", i+1, got, action)
		}
		for _, outcome := range []string{"success", "failure", "warning", "unknown"} {
			e := event.Event{Action: action, Outcome: outcome}
			if got := event.KeyfactorOperation(&e); got != i+1 {
				t.Errorf("%s with outcome %s is operation %d, want %d", action, outcome, got, i+1)
			}
		}
	}
	for _, op := range []int{-1, 0, 26} {
		if got := event.KeyfactorActionOf(op); got != "" || event.KeyfactorOperationClasses(op) != nil {
			t.Errorf("operation %d is known as %q", op, got)
		}
	}
}

func TestKeyfactorOperationOfOtherActions(t *testing.T) {
	for actions, want := range map[string]int{
		"UPDATE_PASSWORD UPDATE_TOTP DISABLED ENABLED FEATURE_ENABLED FEATURE_DISABLED": 2,
		"LICENSE_REGISTERED": 1, "TERMS_AND_CONDITIONS": 4,
		"SEND_RESET_PASSWORD LOW_LICENSE_WARNING_SENT ACCOUNT_EXPIRY_EMAIL_SENT SAML_IDP_CERT_EXPIRY_EMAIL_SENT FOO_EMAIL_SENT": 22,
		"LOGIN LOGOUT": 24, "LOGIN_ERROR": 23,
	} {
		for _, action := range strings.Fields(actions) {
			for _, outcome := range []string{"success", "failure"} {
				if got := event.KeyfactorOperation(&event.Event{Action: action, Outcome: outcome}); got != want {
					t.Errorf("%s is operation %d, want %d", action, got, want)
				}
			}
		}
	}
	for outcome, want := range map[string]int{"failure": 23, "success": 24, "warning": 24, "unknown": 24} {
		if got := event.KeyfactorOperation(&event.Event{Action: "SIGN", Outcome: outcome}); got != want {
			t.Errorf("SIGN with outcome %s is operation %d, want %d", outcome, got, want)
		}
	}
}

func TestKeyfactorCategoryOfEachType(t *testing.T) {
	for _, tt := range []struct {
		types  string
		number int
		entity string
	}{
		{"CERTIFICATE END_ENTITY_CERTIFICATE CLIENT_AUTH_CERT", 2001, "Certificate"},
		{"CERTIFICATE_SCHEDULED_REPLACEMENT", 2001, "Auditing Certificate Scheduled Replacement"},
		{"CERTIFICATE_REQUEST", 2001, "Auditing Certificate Request"},
		{"API_APPLICATION APIKEY OAUTH_CLIENT", 2002, "ApiApplication"},
		{"TEMPLATE PROFILE", 2003, "Template"},
		{"EXPIRATION_ALERT_DEFINITION", 2005, "Expiration Alert Definition Context Model"},
		{"APPLICATION_SETTING ACCOUNT BUSINESS_UNIT AUDIT_LOG SERVER SOURCE", 2007, "ApplicationSetting"},
		{"DENIED_ALERT_DEFINITION", 2009, "Denied Alert Definition Context Model"},
		{"SECURITY_IDENTITY USER SERVICE_USER BASIC_AUTH DIGEST_AUTH SSO_SAML SSO_OIDC BASIC_AUTH_MFA SSO_SAML_MFA SSO_OIDC_MFA CLIENT_AUTH_CERT_MFA", 2010, "ADIdentityModel"},
		{"SECURITY_ROLE ROLE", 2011, "SecurityRole"},
		{"AUTHORIZATION_FAILURE", 2012, "AuthorizationFailure"},
		{"CERTIFICATE_SIGNING_REQUEST ENROLLMENT", 2013, "CertificateSigningRequest"},
		{"SSH_ROGUE_KEY", 2016, "DiscoveredKey"},
		{"SSH_KEY KEYPAIR", 2016, "Key"},
		{"AGENT_SCHEDULE SCAN", 2023, "AgentSchedule"},
		{"AGENT SENSOR", 2026, "Agent"},
		{"LICENSE SEAT", 2028, "License"},
		{"IDENTITY_PROVIDER SAML2_CONFIG OIDC_CONFIG OAUTH_CONFIG", 2032, "IdentityProvider"},
		{"ENROLLMENT_PATTERN", 2035, "EnrollmentPatterns"},
		{"DIVISION", 2007, "DIVISION"},
		{"ANYTHING_ELSE", 2007, "ANYTHING_ELSE"},
	} {
		for _, resourceType := range strings.Fields(tt.types) {
			e := event.Event{Action: "CREATE", Outcome: "success", Resource: event.Resource{Type: resourceType}}
			if number, entity := event.KeyfactorCategory(&e); number != tt.number || entity != tt.entity {
				t.Errorf("%s is %d %s, want %d %s", resourceType, number, entity, tt.number, tt.entity)
			}
		}
	}
}

func TestKeyfactorSignIns(t *testing.T) {
	for _, tt := range []struct {
		resourceType, action, outcome string
		number, level                 int
	}{
		{"BASIC_AUTH", "LOGIN", "success", 2010, 0},
		{"BASIC_AUTH", "LOGIN_ERROR", "failure", 2012, 1},
		{"BASIC_AUTH", "UPDATE", "failure", 2012, 1},
		{"SSO_OIDC_MFA", "LOGIN", "warning", 2010, 1},
		{"CLIENT_AUTH_CERT", "LOGIN", "success", 2010, 0},
		{"CLIENT_AUTH_CERT", "LOGIN_ERROR", "failure", 2012, 1},
		{"CLIENT_AUTH_CERT", "CREATE", "failure", 2001, 2},
		{"CLIENT_AUTH_CERT_MFA", "CREATE", "failure", 2012, 1},
		{"AUTHORIZATION_FAILURE", "DENY", "failure", 2012, 1},
		{"AUTHORIZATION_FAILURE", "DENY", "success", 2012, 1},
		{"USER", "LOGIN", "failure", 2010, 2},
	} {
		e := event.Event{Action: tt.action, Outcome: tt.outcome, Resource: event.Resource{Type: tt.resourceType}}
		number, _ := event.KeyfactorCategory(&e)
		if level := event.KeyfactorLevel(&e); number != tt.number || level != tt.level {
			t.Errorf("%+v is category %d at level %d", tt, number, level)
		}
	}
}

func TestKeyfactorTypeOfReadsEverySpelling(t *testing.T) {
	for _, tt := range []struct {
		number int
		entity string
		want   string
	}{
		{2001, "Certificate", "CERTIFICATE"},
		{2001, "AuditingCertificateRequest", "CERTIFICATE_REQUEST"},
		{2001, "Auditing Certificate Request", "CERTIFICATE_REQUEST"},
		{2002, "Api Application", "API_APPLICATION"},
		{2004, "certificate query", "CERTIFICATE_QUERY"},
		{2005, "ExpirationAlertDefinitionContextModel", "EXPIRATION_ALERT_DEFINITION"},
		{2010, "ADIdentityModel", "SECURITY_IDENTITY"},
		{2016, "DiscoveredKey", "SSH_ROGUE_KEY"},
		{2016, "Key", "SSH_KEY"},
		{2026, "Agent", "AGENT"},
		{2026, "", "AGENT"},
		{2007, "", "APPLICATION_SETTING"},
		{2007, "A__B", "A__B"},
		{2003, "Agent", "AGENT"}, // not of that number, so by its own word
		{2040, "NewThing", "NEW_THING"},
		{2040, "New Thing", "NEW_THING"},
		{2040, "", "CATEGORY_2040"},
		{-5, "日本", "CATEGORY_5"},
	} {
		if got := event.KeyfactorTypeOf(tt.number, tt.entity); got != tt.want {
			t.Errorf("%d %q is read as %s, want %s", tt.number, tt.entity, got, tt.want)
		}
	}
}

// What Keyfactor's own types are shown as is read back as them, with and without blanks.
func TestKeyfactorTypesRoundTrip(t *testing.T) {
	for _, resourceType := range lawTypes {
		e := event.Event{Action: "CREATE", Outcome: "success", Resource: event.Resource{Type: resourceType}}
		number, entity := event.KeyfactorCategory(&e)
		read := event.KeyfactorTypeOf(number, entity)
		if read != event.KeyfactorTypeOf(number, strings.ReplaceAll(entity, " ", "")) {
			t.Errorf("%d %q is read in two ways", number, entity)
		}
		again := event.Event{Action: "CREATE", Outcome: "success", Resource: event.Resource{Type: read}}
		if n, s := event.KeyfactorCategory(&again); n != number || s != entity {
			t.Errorf("%s is %d %q, read as %s, which is %d %q", resourceType, number, entity, read, n, s)
		}
	}
}

func TestUnknownLevelsAreFoundNowhere(t *testing.T) {
	for _, level := range []int{-1, 3} {
		if c := event.KeyfactorLevelClasses(level); c != nil {
			t.Errorf("level %d: %v", level, c)
		}
	}
}

func TestKeyfactorUserNames(t *testing.T) {
	for name, tt := range map[string]struct {
		actor event.Actor
		want  string
	}{
		"domain":        {event.Actor{Name: text(`KEYEXAMPLE\jsmith`), Type: "standard"}, `KEYEXAMPLE\jsmith`},
		"name and id":   {event.Actor{ID: text("7"), Name: text("jane"), Type: "service"}, "jane"},
		"only an id":    {event.Actor{ID: text("7"), Type: "standard"}, "7"},
		"nobody":        {event.Actor{Type: "standard"}, "Timer Service"},
		"the system":    {event.Actor{ID: text("7"), Name: text("cron"), Type: "system"}, "Timer Service"},
		"an empty name": {event.Actor{ID: text("7"), Name: text(""), Type: "standard"}, ""},
	} {
		if got := event.KeyfactorUser(&event.Event{Actor: tt.actor}); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestKeyfactorsOwnValuesWin(t *testing.T) {
	e, err := event.Decode([]byte(`{"occurred_at":"2025-03-04T15:16:17.123456Z","account":{"id":"a"},"action":"CREATE",
		"resource":{"type":"USER","id":"1","name":"n"},"actor":{"name":"jane"},"outcome":"success","source":"keyfactor/command",
		"attributes":{"keyfactor.Operation":"6","keyfactor.Category":"2003","keyfactor.EntityType":"Template","keyfactor.Level":"2",
		"keyfactor.User":"D\\u","keyfactor.AuditIdentifier":"WebServer","keyfactor.ImmutableIdentifier":"31",
		"keyfactor.Timestamp":"2025-03-04T15:16:17.1234567Z"}}`))
	if err != nil {
		t.Fatal(err)
	}
	e.Normalize("a")
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	number, entity := event.KeyfactorCategory(&e)
	if event.KeyfactorOperation(&e) != 6 || number != 2003 || entity != "Template" || event.KeyfactorLevel(&e) != 2 ||
		event.KeyfactorUser(&e) != `D\u` || event.KeyfactorAuditIdentifier(&e) != text("WebServer") ||
		event.KeyfactorImmutableIdentifier(&e) != text("31") || event.KeyfactorTimestamp(&e) != "2025-03-04T15:16:17.1234567Z" {
		t.Errorf("a derived value is shown in place of %s", event.AppendJSON(nil, &e))
	}
	e.Attributes = nil
	if got := event.KeyfactorTimestamp(&e); got != "2025-03-04T15:16:17.123456Z" {
		t.Errorf("Timestamp %s", got)
	}
}
