package digicertone_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/dialect/digicertone"
	"countersign/identity"
)

// The vendor's own examples of a service user and an account, as its audit-log tutorial prints them, come
// out of the same values byte for byte; of the account but for auth_config, which is always there.

func TestTheVendorsUserIsRenderedAsTheVendorDoes(t *testing.T) {
	sample := compactSample(t, "testdata/vendor-user.json")
	u := identity.User{
		ID: "6792e182-4b96-4a2e-9061-14741be4234e", Type: identity.Service, Status: identity.Active,
		Email: "jane@example.com", FriendlyName: "Example service user", Locale: "en_US", AccessScope: "account",
		PrimaryAccountID: "d6a3938c-f044-4092-b7f8-1804ae8e4efc",
		CreatedAt:        time.Date(2021, 6, 23, 10, 55, 19, 0, time.FixedZone("", 2*60*60)),
		CreatedBy:        "5092c936-a5be-4c22-8bec-a649deef2c55",
		Accounts: []identity.AccountSummary{{
			ID: "e14c40ed-6827-405f-afc9-c34051dd26e9", Name: "Example account", Active: true,
			ServicePeriod:      identity.ServicePeriod{From: "2021-05-06", To: "2030-05-06"},
			FriendlyIdentifier: "1234567", Locale: "en_US",
		}},
		Grants: []identity.Grant{{Role: identity.ViewOnly, Server: true}},
	}
	var parts struct{ Applications []identity.Application }
	if err := json.Unmarshal(sample, &parts); err != nil {
		t.Fatal(err)
	}
	u.Applications = parts.Applications
	if diff := cmp.Diff(string(sample), string(digicertone.AppendUser(nil, u))); diff != "" {
		t.Errorf("unlike the vendor's (-want +got):\n%s", diff)
	}
}

func TestTheVendorsAccountIsRenderedAsTheVendorDoes(t *testing.T) {
	sample := compactSample(t, "testdata/vendor-account.json")
	a := identity.Account{
		ID: "ad65390a-0380-4522-bab6-f007c447757a", Name: "Example account 1", Active: true,
		ServicePeriod: identity.ServicePeriod{From: "2021-05-26", To: "2022-05-26"}, FriendlyIdentifier: "7092363",
		Admins:        []identity.Admin{{ID: "f7e866c9-768c-4442-adc9-abe2ba4b69d1", Name: "Jane Doe", Email: "jane.doe@example.com"}},
		AuthConfig:    json.RawMessage(`{}`),
		SignInMethods: []identity.SignInMethod{{Method: "standard", Status: "enabled", MFAStatus: "disabled"}},
		Locale:        "en_US", CreatedAt: time.Now(),
	}
	want := bytes.Replace(sample, []byte(`"sign_in_methods"`), []byte(`"auth_config":{},"sign_in_methods"`), 1)
	if diff := cmp.Diff(string(want), string(digicertone.AppendAccount(nil, a))); diff != "" {
		t.Errorf("unlike the vendor's (-want +got):\n%s", diff)
	}
}

func TestAccountConfigurationIsRenderedAsItWasGiven(t *testing.T) {
	a := identity.Account{
		AuthConfig:   json.RawMessage(`{"mode":"saml"}`),
		OAuthClients: []json.RawMessage{json.RawMessage(`{"id":1}`), json.RawMessage(`{"id":2}`)},
		Admins:       []identity.Admin{{ID: "svc", Email: "svc@example.com"}},
	}
	want := `{"id":"","name":"","active":false,"service_period":{"from":"","to":""},"friendly_identifier":"",` +
		`"admins":[{"id":"svc","email":"svc@example.com"}],"auth_config":{"mode":"saml"},"sign_in_methods":[],` +
		`"oauth_clients":[{"id":1},{"id":2}],"locale":""}`
	if got := string(digicertone.AppendAccount(nil, a)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func compactSample(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
