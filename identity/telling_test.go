package identity_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/event"
	"countersign/identity"
)

var update = flag.Bool("update", false, "rewrite testdata/changes.txt")

// line shows an entry as testdata/changes.txt has it.
func line(e *event.Entry, names *strings.Replacer) string {
	b := fmt.Sprintf("  %s %s %s %q account %s", e.Action, e.Resource.Type, e.Resource.ID.Value, e.Resource.Name.Value, e.Account.ID)
	if e.Account.Name.Present {
		b += fmt.Sprintf(" %q", e.Account.Name.Value)
	}
	if e.Division.ID.Present {
		b += fmt.Sprintf(" division %s %q", e.Division.ID.Value, e.Division.Name.Value)
	}
	b += "\n    " + e.Description.Value + "\n"
	for _, a := range e.Attributes {
		b += fmt.Sprintf("    %s = %s\n", a.Name, a.Value)
	}
	return names.Replace(b)
}

// testdata/changes.txt shows what the trail is told of each change, for people to judge.
func TestChangesAreToldAsTheMappingSays(t *testing.T) {
	f, l := setUp(t), &trail{}
	f.record(l)
	ctx, by := t.Context(), f.admin
	certificate := newCert(t, certOptions{name: "rack 7"})
	ids := []string{by.UserID, "$admin", by.TokenID, "$bootstrap"}
	made := func(id, as string, err error) error {
		ids = append(ids, id, as)
		return err
	}
	var token, cert string
	var out strings.Builder
	seen := 0
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"the first start", func() error { return nil }},
		{"make an account", func() error {
			_, err := f.CreateAccount(ctx, by, identity.NewAccount{ID: "a", Name: "Acme", AuthConfig: json.RawMessage(`{"secret":"s3cr3t"}`), OAuthClients: []json.RawMessage{json.RawMessage(`{"secret":"s3cr3t"}`)}})
			return err
		}},
		{"make another", func() error {
			_, err := f.CreateAccount(ctx, by, identity.NewAccount{ID: "b", Name: "Beta"})
			return err
		}},
		{"change an account", func() error {
			_, err := f.UpdateAccount(ctx, by, "a", identity.AccountUpdate{
				Name: identity.To("Acme Ltd"), Active: identity.To(false), FriendlyIdentifier: identity.To("7092363"),
				ServicePeriod: identity.To(identity.ServicePeriod{To: "2030-12-31"}), AuthConfig: identity.To(json.RawMessage(`{"secret":"other"}`)),
			})
			return err
		}},
		{"change nothing", func() error {
			_, err := f.UpdateAccount(ctx, by, "a", identity.AccountUpdate{Name: identity.To("Acme Ltd")})
			return err
		}},
		{"switch an account on", func() error {
			_, err := f.UpdateAccount(ctx, by, "a", identity.AccountUpdate{Active: identity.To(true)})
			return err
		}},
		{"make a division", func() error {
			_, err := f.CreateDivision(ctx, by, identity.NewDivision{ID: "677793", Account: "a", Name: "EMEA"})
			return err
		}},
		{"rename a division", func() error {
			_, err := f.UpdateDivision(ctx, by, "a", "677793", identity.DivisionUpdate{Name: identity.To("Europe")})
			return err
		}},
		{"make a person with roles in two accounts", func() error {
			_, err := f.CreateUser(ctx, by, identity.NewUser{
				ID: "jane", Type: identity.Standard, UserName: "jane@example.com", FirstName: "Jane", LastName: "Doe", PrimaryAccountID: "a",
				Applications: []identity.Application{{ID: "x", Name: "CA Manager", Permissions: []string{"VIEW_CM_LICENSE"}}},
				Grants:       []identity.Grant{in("a", identity.ViewOnly, "677793"), in("b", identity.Auditor), onServer(identity.Monitor)},
			})
			return err
		}},
		{"make a service user", func() error {
			_, err := f.CreateUser(ctx, by, identity.NewUser{ID: "bot", Type: identity.Service, FriendlyName: "Poller", PrimaryAccountID: "a"})
			return err
		}},
		{"change a person", func() error {
			_, err := f.UpdateUser(ctx, by, "jane", identity.UserUpdate{Phone: identity.To("+1 555 0100"), FirstName: identity.To(""), LastName: identity.To("Dough")})
			return err
		}},
		{"lock a person", func() error {
			_, err := f.UpdateUser(ctx, by, "jane", identity.UserUpdate{Status: identity.To(identity.Locked)})
			return err
		}},
		{"let a person wait instead", func() error {
			_, err := f.UpdateUser(ctx, by, "jane", identity.UserUpdate{Status: identity.To(identity.Pending)})
			return err
		}},
		{"let a person in", func() error {
			_, err := f.UpdateUser(ctx, by, "jane", identity.UserUpdate{Status: identity.To(identity.Active)})
			return err
		}},
		{"move a service user", func() error {
			_, err := f.UpdateUser(ctx, by, "bot", identity.UserUpdate{PrimaryAccountID: identity.To("b"), Accounts: identity.To([]string{})})
			return err
		}},
		{"give a role", func() error {
			_, err := f.Grant(ctx, by, "bot", in("a", identity.EventWriter))
			return err
		}},
		{"take a role", func() error { return f.Revoke(ctx, by, "jane", in("a", identity.ViewOnly)) }},
		{"make a token", func() error {
			v, _, err := f.CreateToken(ctx, by, identity.NewToken{UserID: "bot", Name: "poller 2026", EndDate: "2026-12-31", Accounts: []string{"a", "b"}, Sources: []string{"x/y"}})
			token = v.ID
			return made(token, "$token", err)
		}},
		{"switch a token off and rename it", func() error {
			_, err := f.UpdateToken(ctx, by, token, identity.TokenUpdate{Enabled: identity.To(false), Name: identity.To("poller"), EndDate: identity.To("")})
			return err
		}},
		{"switch a token on", func() error {
			_, err := f.UpdateToken(ctx, by, token, identity.TokenUpdate{Enabled: identity.To(true)})
			return err
		}},
		{"bind a certificate", func() error {
			v, err := f.AddCertificate(ctx, by, identity.NewCertificate{UserID: "jane", Name: "laptop", PEM: certificate.pem})
			cert = v.ID
			return made(cert, "$certificate", made(v.Fingerprint, "$fingerprint", err))
		}},
		{"switch a certificate off", func() error {
			_, err := f.UpdateCertificate(ctx, by, cert, identity.CertificateUpdate{Enabled: identity.To(false)})
			return err
		}},
		{"delete a service user with a token and a role", func() error { return f.DeleteUser(ctx, by, "bot", false) }},
		{"delete it again", func() error { return f.DeleteUser(ctx, by, "bot", false) }},
		{"purge it", func() error { return f.DeleteUser(ctx, by, "bot", true) }},
		{"purge a person with a certificate and roles", func() error { return f.DeleteUser(ctx, by, "jane", true) }},
		{"delete an account with a division", func() error { return f.DeleteAccount(ctx, by, "a") }},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		names := strings.NewReplacer(ids...)
		fmt.Fprintln(&out, step.name)
		for ; seen < len(l.entries); seen++ {
			e := &l.entries[seen]
			out.WriteString(line(e, names))
			actor := event.Actor{ID: event.TextOf(by.UserID), Name: event.TextOf("Administrator"), Type: event.ActorService}
			recordedBy := by.UserID
			if step.name == "the first start" {
				actor, recordedBy = event.Actor{Type: event.ActorSystem}, identity.OwnAccount
			}
			if e.Actor != actor || e.RecordedBy.Value != recordedBy || e.Source != "countersign/identity" || e.Outcome != "success" ||
				e.OccurredAt.String() != "2026-01-15T10:30:00Z" || !e.Resource.ID.Present || e.Resource.Name.Value == "" || !event.IsKnownAction(e.Action) {
				t.Errorf("%s: %s", step.name, event.AppendEntryJSON(nil, e))
			}
		}
	}
	const golden = "testdata/changes.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != out.String() {
		t.Errorf("%v; the changes are told as\n%s", err, out.String())
	}
}

// What the directory keeps secret is neither in the trail nor on its way there; what is purged is told once
// more by nothing but its id.
func TestTheTrailIsToldNoSecretsAndNothingOfThePurged(t *testing.T) {
	f, l := setUp(t), &trail{}
	var waiting bytes.Buffer // the files of the directory while the change waits
	l.before = func() error {
		for name, b := range readFiles(t, filepath.Dir(f.path), "") {
			fmt.Fprintln(&waiting, name, b)
		}
		return nil
	}
	f.record(l)
	ctx, by := t.Context(), f.admin
	if _, err := f.CreateAccount(ctx, by, identity.NewAccount{ID: "a", Name: "A", AuthConfig: json.RawMessage(`{"k":"s3cr3t-1"}`), OAuthClients: []json.RawMessage{json.RawMessage(`{"k":"s3cr3t-2"}`)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.CreateUser(ctx, by, identity.NewUser{ID: "u", Type: identity.Standard, UserName: "Ersilia", LastName: "Ersilia", PrimaryAccountID: "a", Grants: []identity.Grant{in("a", identity.ViewOnly)}}); err != nil {
		t.Fatal(err)
	}
	_, secret, err := f.CreateToken(ctx, by, identity.NewToken{UserID: "u", Name: "Ersilias laptop"})
	if err != nil {
		t.Fatal(err)
	}
	c := newCert(t, certOptions{name: "Ersilia"})
	if _, err := f.AddCertificate(ctx, by, identity.NewCertificate{UserID: "u", Name: "Ersilias phone", PEM: c.pem}); err != nil {
		t.Fatal(err)
	}
	before := len(l.entries)
	waiting.Reset()
	if err := f.DeleteUser(ctx, by, "u", true); err != nil {
		t.Fatal(err)
	}
	hash := identity.HashOf(secret)
	for i := range l.entries {
		told := string(event.AppendEntryJSON(nil, &l.entries[i]))
		for _, s := range []string{"s3cr3t", secret, secret[4:], hex.EncodeToString(hash[:]), base64.StdEncoding.EncodeToString(hash[:]), f.secret} {
			if strings.Contains(told, s) {
				t.Errorf("the trail has %q: %s", s, told)
			}
		}
		if i >= before && strings.Contains(told, "Ersilia") {
			t.Errorf("the purge tells of the purged: %s", told)
		}
	}
	if len(l.entries) != before+4 { // the certificate, the token, the role, the user
		t.Errorf("the purge has %d entries", len(l.entries)-before)
	}
	if strings.Contains(waiting.String(), secret) {
		t.Error("the secret waits in the outbox")
	}
}

func TestTheClientOfAChangeIsTold(t *testing.T) {
	f, l := setUp(t), &trail{}
	f.record(l)
	ctx := identity.WithClient(t.Context(), event.Client{IP: event.TextOf("192.0.2.7")})
	if _, err := f.CreateAccount(ctx, f.admin, identity.NewAccount{Name: "x"}); err != nil {
		t.Fatal(err)
	}
	if last := l.entries[len(l.entries)-1]; last.Client.IP != event.TextOf("192.0.2.7") {
		t.Errorf("told %+v", last.Client)
	}
}
