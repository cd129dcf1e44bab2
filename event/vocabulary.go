package event

import "slices"

// The vocabulary is open: any code of the right form is taken. What is known by name is listed here, for
// completion, for pickers, and for reading vendors' phrases back into codes.

// knownActions is sorted.
var knownActions = slices.Compact(slices.Sorted(slices.Values(slices.Concat(
	// DigiCert ONE Account Manager.
	[]string{
		"CREATE", "UPDATE", "DELETE", "LOGIN", "LOGOUT", "LOGIN_ERROR", "UPDATE_PASSWORD", "UPDATE_TOTP", "DISABLED", "ENABLED",
		"SEND_RESET_PASSWORD", "TERMS_AND_CONDITIONS", "LICENSE_REGISTERED", "FEATURE_ENABLED", "FEATURE_DISABLED",
		"LOW_LICENSE_WARNING_SENT", "ACCOUNT_EXPIRY_EMAIL_SENT", "API_ACCESS_TOKEN_EXPIRY_EMAIL_SENT",
		"CLIENT_AUTH_CERT_EXPIRY_EMAIL_SENT", "SERVICE_USER_EXPIRY_EMAIL_SENT", "SAML_IDP_CERT_EXPIRY_EMAIL_SENT",
	},
	// Its other managers.
	[]string{"EXPIRE", "SUSPEND", "RESUME", "UNSUSPEND", "GENERATE", "GENERATE_CSR", "REFRESH", "REQUEST", "SET_UP", "SIGN"},
	// CertCentral Discovery.
	[]string{"ABORT"},
	keyfactorOperations[1:],
	ownActions(),
))))

// knownTypes is sorted.
var knownTypes = slices.Compact(slices.Sorted(slices.Values(slices.Concat(
	keyfactorTypeNames(),
	// DigiCert ONE: the rest of Account Manager's, and Device Trust's.
	[]string{"DIVISION"},
))))

var knownSources = []string{
	"digicert-one/account-manager", "digicert-one/iot", "digicert-one/trust-lifecycle", "discovery/certcentral", "keyfactor/command",
}

// KnownActions returns the actions that have a meaning here, sorted.
func KnownActions() []string { return slices.Clone(knownActions) }

// KnownTypes returns the resource types that have a meaning here, sorted.
func KnownTypes() []string { return slices.Clone(knownTypes) }

// KnownSources returns the sources that the importers write, sorted.
func KnownSources() []string { return slices.Clone(knownSources) }

// IsKnownAction reports whether KnownActions has the action.
func IsKnownAction(action string) bool { return inSorted(knownActions, action) }

// IsKnownType reports whether KnownTypes has the resource type.
func IsKnownType(resourceType string) bool { return inSorted(knownTypes, resourceType) }

func inSorted(list []string, s string) bool {
	_, ok := slices.BinarySearch(list, s)
	return ok
}
