package made

import (
	"strconv"

	"countersign/event"
)

// act is something that is done.
type act struct {
	source   string
	action   string
	resource string // the type
	weight   int
	outcome  string // "" draws one
	says     string
	name     string // of the resource, with a number in it
	unit     event.Micros
	// vendor holds the attributes that the source's importer sets, by outcome. An empty value stands for the
	// vendor's own id.
	vendor map[string][]event.Attribute
}

const (
	accountManager = "digicert-one/account-manager"
	trustLifecycle = "digicert-one/trust-lifecycle"
	deviceTrust    = "digicert-one/iot"
	discovery      = "discovery/certcentral"
	keyfactor      = "keyfactor/command"
	portal         = "example/portal"
)

// units are the resolutions of the sources' clocks.
var units = map[string]event.Micros{accountManager: 1_000_000, discovery: 1000, keyfactor: 1000}

// acts is what is done, by source. The weights of a source's acts fall from the first to the last.
var acts = func() []act {
	var all []act
	add := func(source string, weight int, name string, pairs ...string) {
		for i := 0; i < len(pairs); i += 2 {
			a := act{source: source, action: pairs[i], resource: pairs[i+1], weight: max(weight/(1+i/2), 3), name: name, unit: units[source]}
			a.says = a.action + " of " + a.resource
			if a.unit == 0 {
				a.unit = 1
			}
			if a.action == "LOGIN_ERROR" || a.action == "FAIL" {
				a.outcome = event.OutcomeFailure
			}
			a.vendor = vendorAttributes(a)
			all = append(all, a)
		}
	}
	add(accountManager, 9000, "user-%d", "LOGIN", "SSO_SAML", "LOGIN", "BASIC_AUTH_MFA", "LOGOUT", "SSO_SAML", "LOGIN_ERROR", "BASIC_AUTH", "LOGIN", "CLIENT_AUTH_CERT")
	add(accountManager, 1500, "object-%d.example.com", "CREATE", "USER", "UPDATE", "USER", "DELETE", "USER", "CREATE", "APIKEY", "ENABLED", "APIKEY", "DISABLED", "APIKEY",
		"DELETE", "APIKEY", "UPDATE_PASSWORD", "USER", "UPDATE_TOTP", "USER", "SEND_RESET_PASSWORD", "USER", "CREATE", "SERVICE_USER", "UPDATE", "SERVICE_USER",
		"UPDATE", "ACCOUNT", "UPDATE", "ROLE", "UPDATE", "SAML2_CONFIG", "UPDATE", "OIDC_CONFIG", "CREATE", "CLIENT_AUTH_CERT", "TERMS_AND_CONDITIONS", "USER",
		"LICENSE_REGISTERED", "LICENSE", "FEATURE_ENABLED", "ACCOUNT", "FEATURE_DISABLED", "ACCOUNT", "LOW_LICENSE_WARNING_SENT", "LICENSE",
		"ACCOUNT_EXPIRY_EMAIL_SENT", "ACCOUNT", "API_ACCESS_TOKEN_EXPIRY_EMAIL_SENT", "APIKEY", "CLIENT_AUTH_CERT_EXPIRY_EMAIL_SENT", "CLIENT_AUTH_CERT")
	add(trustLifecycle, 4000, "www-%d.example.com", "REQUEST", "CERTIFICATE_REQUEST", "APPROVE", "CERTIFICATE_REQUEST", "CREATE", "CERTIFICATE", "RENEW", "CERTIFICATE",
		"REVOKE", "CERTIFICATE", "EXPIRE", "CERTIFICATE", "SUSPEND", "CERTIFICATE", "RESUME", "CERTIFICATE", "REJECT", "CERTIFICATE_REQUEST",
		"UPDATE", "PROFILE", "UPDATE", "SEAT", "CREATE", "ENROLLMENT", "REFRESH", "BUSINESS_UNIT")
	add(deviceTrust, 600, "device-%d", "GENERATE", "KEYPAIR", "SET_UP", "SEAT", "SIGN", "KEYPAIR", "GENERATE_CSR", "KEYPAIR")
	add(discovery, 1400, "sensor-%d", "CREATE", "SCAN", "DOWNLOAD", "SENSOR", "UPDATE", "SENSOR", "ABORT", "SCAN", "DELETE", "SENSOR", "RESTART", "SENSOR", "DOWNLOAD", "CERTIFICATE")
	add(keyfactor, 1600, "host-%d.example.com", "IMPORT", "CERTIFICATE", "UPDATE", "CERTIFICATE_STORE", "SCHEDULE", "AGENT_SCHEDULE", "COMPLETE", "AGENT_SCHEDULE",
		"ENCOUNTER", "SSH_ROGUE_KEY", "DOWNLOAD", "CERTIFICATE", "UPDATE", "TEMPLATE", "APPROVE", "AGENT", "UPDATE", "SECURITY_ROLE", "DENY", "AUTHORIZATION_FAILURE",
		"SCHEDULE_ADD", "CERTIFICATE_STORE", "SCHEDULE_REMOVE", "CERTIFICATE_STORE", "SCHEDULE_REPLACEMENT", "CERTIFICATE", "DOWNLOAD_PRIVATE_KEY", "CERTIFICATE",
		"DELETE_PRIVATE_KEY", "CERTIFICATE", "RECOVER", "CERTIFICATE", "RELEASE_HOLD", "CERTIFICATE", "RESET", "AGENT", "DISAPPROVE", "AGENT", "SEND", "EXPIRATION_ALERT",
		"FAIL", "WORKFLOW_INSTANCE", "UPDATE", "BULK_AGENT_SCHEDULE")
	add(portal, 900, "order-%d", "APPROVE", "ORDER", "CREATE", "ORDER", "CANCEL", "ORDER", "EXPORT_KEY", "KEYPAIR", "BREAK_GLASS", "HSM", "ROTATE", "HSM", "PUBLISH", "CRL",
		"ATTEST", "KEYPAIR", "ESCROW", "KEYPAIR", "UNSUSPEND", "CERTIFICATE", "VALIDATE", "DOMAIN")
	return all
}()

var actWeights = func() []int {
	weights := make([]int, len(acts))
	for i := range acts {
		weights[i] = acts[i].weight
	}
	return sums(weights)
}()

// vendorAttributes returns what the importer of a vendor's records sets beside the event: what the vendor's
// own dialect shows. It says the same as would be derived, which is what an honest vendor's record does.
func vendorAttributes(a act) map[string][]event.Attribute {
	all := map[string][]event.Attribute{}
	for _, outcome := range [...]string{event.OutcomeSuccess, event.OutcomeFailure, event.OutcomeWarning, event.OutcomeUnknown} {
		e := event.Event{Action: a.action, Resource: event.Resource{Type: a.resource}, Outcome: outcome}
		switch a.source {
		case discovery:
			all[outcome] = []event.Attribute{
				{Name: event.AttrDiscoveryFunction, Value: event.DiscoveryFunction(&e)},
				{Name: event.AttrDiscoveryID},
				{Name: event.AttrDiscoveryModule, Value: event.DiscoveryModule(&e)},
			}
		case keyfactor:
			category, entity := event.KeyfactorCategory(&e)
			all[outcome] = []event.Attribute{
				{Name: event.AttrKeyfactorCategory, Value: strconv.Itoa(category)},
				{Name: event.AttrKeyfactorEntityType, Value: entity},
				{Name: event.AttrKeyfactorID},
				{Name: event.AttrKeyfactorLevel, Value: strconv.Itoa(event.KeyfactorLevel(&e))},
				{Name: event.AttrKeyfactorOperation, Value: strconv.Itoa(event.KeyfactorOperation(&e))},
			}
		}
	}
	return all
}
