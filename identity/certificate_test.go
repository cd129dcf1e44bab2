package identity_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/identity"
	"countersign/problem"
)

func (f *fixture) bind(userID, name string, c cert) identity.Certificate {
	f.t.Helper()
	v, err := f.AddCertificate(f.t.Context(), f.admin, identity.NewCertificate{UserID: userID, Name: name, PEM: c.pem})
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

func TestCertificateSignsItsUserIn(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.service("u", "a", in("a", identity.Auditor))
	c := newCert(t, certOptions{name: "rack 7", uses: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	v := f.bind("u", "rack", c)
	want := identity.Certificate{
		ID: v.ID, UserID: "u", Name: "rack", Fingerprint: v.Fingerprint, Subject: "CN=rack 7,O=Example", Issuer: "CN=rack 7,O=Example", Serial: "1f2e",
		NotBefore: at("2026-01-01T00:00:00Z"), NotAfter: at("2026-12-31T23:59:59Z"), Status: identity.Valid, Enabled: true,
		CreatedAt: at("2026-01-15T10:30:00Z"), CreatedBy: f.admin.UserID,
	}
	if diff := cmp.Diff(want, v); diff != "" || len(v.Fingerprint) != 64 || len(v.ID) != 36 {
		t.Errorf("fingerprint %s, -want +got\n%s", v.Fingerprint, diff)
	}
	for range 2 {
		caller, err := f.Authenticate(t.Context(), identity.Credential{Certificate: c.der})
		if err != nil {
			t.Fatal(err)
		}
		if caller.UserID != "u" || caller.CertificateID != v.ID || caller.TokenID != "" || caller.CredentialID() != v.ID || !caller.May(identity.ExportTrail, "a") {
			t.Errorf("caller %+v", caller)
		}
		if _, err := f.Renew(caller); err != nil {
			t.Error(err)
		}
		f.reopen()
	}
	used := at("2026-01-15T10:30:00Z")
	if v, err := f.Certificate(t.Context(), f.admin, v.ID); err != nil || !cmp.Equal(v.LastUsedAt, &used) {
		t.Errorf("after a restart last used at %v, %v", v.LastUsedAt, err)
	}
}

// A token alone says who calls, where there is one: a bad one is not made good by a certificate.
func TestATokenGoesBeforeACertificate(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.service("token's", "a")
	f.service("certificate's", "a")
	tokenID, secret := f.token("token's", "t")
	c, unknown := newCert(t, certOptions{name: "x"}), newCert(t, certOptions{name: "x"})
	f.bind("certificate's", "c", c)
	for _, tt := range []struct {
		name string
		cred identity.Credential
		want string
	}{
		{"both", identity.Credential{Token: secret, Certificate: c.der}, "token's"},
		{"a token and a certificate that nobody knows", identity.Credential{Token: secret, Certificate: unknown.der}, "token's"},
		{"a bad token and a certificate", identity.Credential{Token: secret + "x", Certificate: c.der}, ""},
		{"an over-long token and a certificate", identity.Credential{Token: strings.Repeat("x", 513), Certificate: c.der}, ""},
		{"a certificate", identity.Credential{Certificate: c.der}, "certificate's"},
		{"a certificate that nobody knows", identity.Credential{Certificate: unknown.der}, ""},
		{"a certificate with a byte more", identity.Credential{Certificate: append(c.der[:len(c.der):len(c.der)], 0)}, ""},
		{"an empty certificate", identity.Credential{Certificate: []byte{}}, ""},
		{"an over-long certificate", identity.Credential{Certificate: make([]byte, 1<<20)}, ""},
		{"neither", identity.Credential{}, ""},
	} {
		caller, err := f.Authenticate(t.Context(), tt.cred)
		if caller.UserID != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %+v, %v", tt.name, caller, err)
		}
		if err != nil {
			wantKind(t, err, problem.Unauthenticated, "")
		}
	}
	// A token that was disabled stops working, whatever certificate comes with it.
	if _, err := f.UpdateToken(t.Context(), f.admin, tokenID, identity.TokenUpdate{Enabled: identity.To(false)}); err != nil {
		t.Fatal(err)
	}
	_, err := f.Authenticate(t.Context(), identity.Credential{Token: secret, Certificate: c.der})
	wantKind(t, err, problem.Unauthenticated, "")
}

func TestCertificateIsGoodFromItsFirstSecondToItsLast(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.service("u", "a")
	c := newCert(t, certOptions{name: "x", from: at("2026-02-01T12:00:00Z"), to: at("2026-03-01T12:00:00Z")})
	v := f.bind("u", "c", c)
	for _, tt := range []struct {
		now  string
		want identity.Validity
	}{
		{"2026-01-15T10:30:00Z", identity.NotYetValid}, {"2026-02-01T11:59:59Z", identity.NotYetValid}, {"2026-02-01T12:00:00Z", identity.Valid},
		{"2026-03-01T12:00:00.999Z", identity.Valid}, {"2026-03-01T12:00:01Z", identity.Expired},
	} {
		f.clock.Set(at(tt.now))
		_, err := f.Authenticate(t.Context(), identity.Credential{Certificate: c.der})
		if (err == nil) != (tt.want == identity.Valid) {
			t.Errorf("at %s: %v", tt.now, err)
		}
		if got, err := f.Certificate(t.Context(), f.admin, v.ID); err != nil || got.Status != tt.want {
			t.Errorf("at %s: %s, %v", tt.now, got.Status, err)
		}
	}
}

func TestCertificatesAreOutWithTheNextCall(t *testing.T) {
	f := setUp(t)
	f.account("a")
	for _, tt := range []struct {
		name string
		out  func(id string) error
	}{
		{"disabled", func(id string) error {
			_, err := f.UpdateCertificate(t.Context(), f.admin, id, identity.CertificateUpdate{Enabled: identity.To(false)})
			return err
		}},
		{"deleted", func(id string) error { return f.DeleteCertificate(t.Context(), f.admin, id) }},
		{"locked", func(string) error {
			_, err := f.UpdateUser(t.Context(), f.admin, "locked", identity.UserUpdate{Status: identity.To(identity.Locked)})
			return err
		}},
		{"user gone", func(string) error { return f.DeleteUser(t.Context(), f.admin, "user gone", false) }},
		{"user purged", func(string) error { return f.DeleteUser(t.Context(), f.admin, "user purged", true) }},
	} {
		f.service(tt.name, "a", in("a", identity.AccountAdmin))
		c := newCert(t, certOptions{name: tt.name})
		v := f.bind(tt.name, "c", c)
		caller, err := f.Authenticate(t.Context(), identity.Credential{Certificate: c.der})
		if err != nil {
			t.Fatal(err)
		}
		if err := tt.out(v.ID); err != nil {
			t.Fatal(err)
		}
		_, err = f.Authenticate(t.Context(), identity.Credential{Certificate: c.der})
		wantKind(t, err, problem.Unauthenticated, "")
		_, err = f.Renew(caller)
		wantKind(t, err, problem.Unauthenticated, "")
		_, err = f.CreateDivision(t.Context(), caller, identity.NewDivision{Account: "a", Name: "x"})
		wantKind(t, err, problem.Unauthenticated, "")
	}
}

func TestCertificateReachesNoFurtherThanItsBounds(t *testing.T) {
	f := setUp(t)
	for _, id := range []string{"a", "b"} {
		f.account(id)
	}
	f.service("u", "a", in("a", identity.EventWriter), in("b", identity.EventWriter))
	c := newCert(t, certOptions{name: "x"})
	if _, err := f.AddCertificate(t.Context(), f.admin, identity.NewCertificate{UserID: "u", Name: "c", PEM: c.pem, Accounts: []string{"a"}, Sources: []string{"x/y"}}); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	caller, err := f.Authenticate(t.Context(), identity.Credential{Certificate: c.der})
	if err != nil {
		t.Fatal(err)
	}
	if err := caller.MayWrite("a", "x/y"); err != nil {
		t.Error(err)
	}
	wantDenied(t, caller.MayWrite("a", "x/z"), "source")
	wantDenied(t, caller.MayWrite("b", "x/y"), "account.id")
	// An account that something is bound to stays: a certificate that lost its last bound would have none.
	if err := f.DeleteUser(t.Context(), f.admin, "u", false); err != nil {
		t.Fatal(err)
	}
	if _, err := f.AddCertificate(t.Context(), f.admin, identity.NewCertificate{UserID: identity.Me, Name: "c", PEM: c.pem, Accounts: []string{"b"}}); err != nil {
		t.Fatalf("the certificate of a deleted user is not free: %v", err)
	}
	wantKind(t, f.DeleteAccount(t.Context(), f.admin, "b"), problem.Conflict, "id")
}

func TestCertificatesGiveNobodyMoreThanTheyHave(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.account("b")
	admin := f.caller("admin", "a", in("a", identity.AccountAdmin))
	f.service("both", "a", in("b", identity.ViewOnly))
	f.service("eraser", "a", in("a", identity.ErasureOfficer))
	f.service("plain", "a")
	try := func(c identity.Caller, n identity.NewCertificate) error {
		n.Name, n.PEM = "c", newCert(t, certOptions{name: "x"}).pem
		_, err := f.AddCertificate(t.Context(), c, n)
		return err
	}
	if err := try(admin, identity.NewCertificate{UserID: "plain"}); err != nil {
		t.Error(err)
	}
	wantDenied(t, try(admin, identity.NewCertificate{UserID: "both"}), "")
	wantDenied(t, try(admin, identity.NewCertificate{UserID: "eraser"}), "")
	wantKind(t, try(admin, identity.NewCertificate{UserID: f.admin.UserID}), problem.Invalid, "user_id")
	wantDenied(t, try(f.caller("viewer", "a", in("a", identity.ViewOnly)), identity.NewCertificate{UserID: "viewer"}), "")
	_, secret, err := f.CreateToken(t.Context(), f.admin, identity.NewToken{UserID: "admin", Name: "bound", Accounts: []string{"a"}, Sources: []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	bound := f.signIn(secret)
	wantDenied(t, try(bound, identity.NewCertificate{UserID: identity.Me}), "")
	wantDenied(t, try(bound, identity.NewCertificate{UserID: identity.Me, Accounts: []string{"a"}, Sources: []string{"y"}}), "")
	if err := try(bound, identity.NewCertificate{UserID: identity.Me, Accounts: []string{"a"}, Sources: []string{"x"}}); err != nil {
		t.Error(err)
	}
}

func TestNothingThatSignsInSwitchesItselfOff(t *testing.T) {
	f := setUp(t)
	c := newCert(t, certOptions{name: "x"})
	v := f.bind(identity.Me, "c", c)
	caller, err := f.Authenticate(t.Context(), identity.Credential{Certificate: c.der})
	if err != nil {
		t.Fatal(err)
	}
	off := identity.To(false)
	_, err = f.UpdateCertificate(t.Context(), caller, v.ID, identity.CertificateUpdate{Enabled: off})
	wantKind(t, err, problem.Conflict, "enabled")
	wantKind(t, f.DeleteCertificate(t.Context(), caller, v.ID), problem.Conflict, "id")
	_, err = f.UpdateToken(t.Context(), f.admin, f.admin.TokenID, identity.TokenUpdate{Enabled: off})
	wantKind(t, err, problem.Conflict, "enabled")
	_, err = f.UpdateUser(t.Context(), f.admin, identity.Me, identity.UserUpdate{Status: identity.To(identity.Locked)})
	wantKind(t, err, problem.Conflict, "status")
	// Each of the two may switch the other off.
	if _, err := f.UpdateToken(t.Context(), caller, f.admin.TokenID, identity.TokenUpdate{Enabled: off}); err != nil {
		t.Error(err)
	}
}

func TestBadCertificatesAreRefusedByField(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.service("u", "a")
	good := newCert(t, certOptions{name: "x"})
	f.bind("u", "taken", newCert(t, certOptions{name: "y"}))
	request := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: good.der}))
	broken := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: good.der[:len(good.der)-1]}))
	for _, tt := range []struct {
		name  string
		spoil func(*identity.NewCertificate)
		kind  problem.Kind
		field string
	}{
		{"no user", func(n *identity.NewCertificate) { n.UserID = "" }, problem.Invalid, "user_id"},
		{"unknown user", func(n *identity.NewCertificate) { n.UserID = "nobody" }, problem.Invalid, "user_id"},
		{"no name", func(n *identity.NewCertificate) { n.Name = "" }, problem.Invalid, "name"},
		{"odd name", func(n *identity.NewCertificate) { n.Name = "a/b" }, problem.Invalid, "name"},
		{"taken name", func(n *identity.NewCertificate) { n.Name = "taken" }, problem.Conflict, "name"},
		{"nothing", func(n *identity.NewCertificate) { n.PEM = "" }, problem.Invalid, "pem"},
		{"DER", func(n *identity.NewCertificate) { n.PEM = string(good.der) }, problem.Invalid, "pem"},
		{"a key", func(n *identity.NewCertificate) { n.PEM = good.key }, problem.Invalid, "pem"},
		{"a certificate and its key", func(n *identity.NewCertificate) { n.PEM = good.pem + good.key }, problem.Invalid, "pem"},
		{"a key and its certificate", func(n *identity.NewCertificate) { n.PEM = good.key + good.pem }, problem.Invalid, "pem"},
		{"a chain", func(n *identity.NewCertificate) { n.PEM = good.pem + newCert(t, certOptions{name: "ca"}).pem }, problem.Invalid, "pem"},
		{"a request", func(n *identity.NewCertificate) { n.PEM = request }, problem.Invalid, "pem"},
		{"a certificate cut short", func(n *identity.NewCertificate) { n.PEM = broken }, problem.Invalid, "pem"},
		{"too long", func(n *identity.NewCertificate) { n.PEM = strings.Repeat("x", 65<<10) }, problem.Invalid, "pem"},
		{"expired", func(n *identity.NewCertificate) {
			n.PEM = newCert(t, certOptions{from: at("2025-01-01T00:00:00Z"), to: at("2026-01-01T00:00:00Z")}).pem
		}, problem.Invalid, "pem"},
		{"for servers only", func(n *identity.NewCertificate) {
			n.PEM = newCert(t, certOptions{uses: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}).pem
		}, problem.Invalid, "pem"},
		{"no bounds", func(n *identity.NewCertificate) { n.Accounts = []string{} }, problem.Invalid, "accounts"},
		{"bound to nothing known", func(n *identity.NewCertificate) { n.Accounts = []string{"x"} }, problem.Invalid, "accounts[0]"},
		{"our own source", func(n *identity.NewCertificate) { n.Sources = []string{"countersign/x"} }, problem.Invalid, "sources[0]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := identity.NewCertificate{UserID: "u", Name: "c", PEM: good.pem}
			tt.spoil(&n)
			_, err := f.AddCertificate(t.Context(), f.admin, n)
			wantKind(t, err, tt.kind, tt.field)
			if e, _ := errors.AsType[*problem.Error](err); tt.field == "pem" && e.Value != "" {
				t.Errorf("the error repeats what was sent: %q", e.Value)
			}
		})
	}
	f.bind("u", "c", good)
	f.service("v", "a")
	_, err := f.AddCertificate(t.Context(), f.admin, identity.NewCertificate{UserID: "v", Name: "c", PEM: good.pem})
	wantKind(t, err, problem.Conflict, "pem")
}

func TestWhatACertificateSaysIsShownPrintable(t *testing.T) {
	f := setUp(t)
	v := f.bind(identity.Me, "c", newCert(t, certOptions{name: "a\x1b[2J\nb"}))
	if strings.ContainsAny(v.Subject+v.Issuer, "\x1b\n") {
		t.Errorf("subject %q, issuer %q", v.Subject, v.Issuer)
	}
}

// FuzzCertificate claims that whatever is sent as a certificate is refused by name or shown in plain text.
func FuzzCertificate(f *testing.F) {
	good := newCert(f, certOptions{name: "x"})
	for _, seed := range []string{good.pem, good.key, good.pem + good.pem, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nA: b\n\n-----END CERTIFICATE-----", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := identity.ParsePEM(text, at("2026-06-01T00:00:00Z"))
		if err != nil {
			wantKind(t, err, problem.Invalid, "pem")
			return
		}
		if v.NotAfter.Before(at("2026-06-01T00:00:00Z").Add(-time.Second)) || len(v.Raw) == 0 {
			t.Errorf("taken: %+v", v)
		}
	})
}
