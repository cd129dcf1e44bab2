package event_test

import (
	"slices"
	"strings"
	"testing"

	"countersign/event"
)

func TestVocabularyIsSortedAndValid(t *testing.T) {
	for name, list := range map[string][]string{"actions": event.KnownActions(), "types": event.KnownTypes(), "sources": event.KnownSources()} {
		if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
			t.Errorf("%s: not sorted or not unique: %v", name, list)
		}
		for _, word := range list {
			e := validEvent()
			switch name {
			case "actions":
				e.Action = word
			case "types":
				e.Resource.Type = word
			default:
				e.Source = word
			}
			if err := e.Validate(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestVocabularyHasTheWordsOfEachVendor(t *testing.T) {
	const digicertActions = "CREATE UPDATE DELETE LOGIN LOGOUT LOGIN_ERROR UPDATE_PASSWORD UPDATE_TOTP DISABLED ENABLED SEND_RESET_PASSWORD " +
		"TERMS_AND_CONDITIONS LICENSE_REGISTERED FEATURE_ENABLED FEATURE_DISABLED LOW_LICENSE_WARNING_SENT ACCOUNT_EXPIRY_EMAIL_SENT " +
		"API_ACCESS_TOKEN_EXPIRY_EMAIL_SENT CLIENT_AUTH_CERT_EXPIRY_EMAIL_SENT SERVICE_USER_EXPIRY_EMAIL_SENT SAML_IDP_CERT_EXPIRY_EMAIL_SENT"
	const digicertTypes = "ACCOUNT USER SERVICE_USER APIKEY CLIENT_AUTH_CERT SAML2_CONFIG OIDC_CONFIG SSO_SAML SSO_OIDC OAUTH_CLIENT OAUTH_CONFIG " +
		"LICENSE ROLE BASIC_AUTH DIGEST_AUTH BASIC_AUTH_MFA SSO_SAML_MFA CLIENT_AUTH_CERT_MFA SSO_OIDC_MFA"
	for _, action := range strings.Fields(digicertActions + " ABORT SIGN EXPIRE DENY REJECT READ ERASE COLLECT CLOCK_STEPPED") {
		if !event.IsKnownAction(action) {
			t.Errorf("action %s is not known", action)
		}
	}
	for _, resourceType := range strings.Fields(digicertTypes + " SENSOR SCAN KEYPAIR DIVISION TEMPLATE ENROLLMENT_PATTERN AUDIT_LOG SERVER SOURCE") {
		if !event.IsKnownType(resourceType) {
			t.Errorf("type %s is not known", resourceType)
		}
	}
	if event.IsKnownAction("PAINT") || event.IsKnownType("PAINT") || event.IsKnownAction("") {
		t.Error("an unknown word is known")
	}
}

func TestVocabularyCannotBeChangedByItsReaders(t *testing.T) {
	event.KnownActions()[0] = "X"
	event.KnownTypes()[0] = "X"
	event.KnownSources()[0] = "X"
	if event.KnownActions()[0] == "X" || event.KnownTypes()[0] == "X" || event.KnownSources()[0] == "X" {
		t.Error("a reader changed the vocabulary")
	}
}
