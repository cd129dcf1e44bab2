package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/event"
	"countersign/identity"
	"countersign/internal/apicheck"
	"countersign/server"
)

// leaf is a client's certificate with its key.
type leaf struct {
	pem string
	tls tls.Certificate
}

// newLeaf makes a certificate that vouches for itself: who issued one does not matter here.
func newLeaf(t testing.TB, name string, from, to time.Time) leaf {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return leaf{
		pem: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		tls: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
	}
}

// TestAClientCertificateSignsItsUserIn shows real certificates over real TLS.
func TestAClientCertificateSignsItsUserIn(t *testing.T) {
	now := time.Now()
	leaves := map[string]leaf{}
	ids := map[string]string{}
	dir := filepath.Join(t.TempDir(), "data")
	seed(t, dir, func(e *estate) {
		_, err := e.d.CreateAccount(t.Context(), e.root, identity.NewAccount{ID: "acme", Name: "Acme Ltd"})
		e.must(err)
		auditor := []identity.Grant{{Role: identity.Auditor, Account: "acme"}}
		e.user("siem", "acme", auditor)
		e.user("locked", "acme", auditor)
		off := false
		for _, c := range []struct {
			name, user string
			from, to   time.Time
			enabled    *bool
		}{
			{"bound", "siem", seeded, now.AddDate(1, 0, 0), nil},
			{"expired", "siem", seeded, now.Add(-time.Hour), nil},
			{"not yet", "siem", now.Add(time.Hour), now.AddDate(1, 0, 0), nil},
			{"disabled", "siem", seeded, now.AddDate(1, 0, 0), &off},
			{"locked", "locked", seeded, now.AddDate(1, 0, 0), nil},
			{"deleted", "siem", seeded, now.AddDate(1, 0, 0), nil},
		} {
			leaves[c.name] = newLeaf(t, c.name, c.from, c.to)
			v, err := e.d.AddCertificate(t.Context(), e.root, identity.NewCertificate{UserID: c.user, Name: c.name, PEM: leaves[c.name].pem, Enabled: c.enabled})
			e.must(err)
			ids[c.name] = v.ID
		}
		e.must(e.d.DeleteCertificate(t.Context(), e.root, ids["deleted"]))
		_, err = e.d.UpdateUser(t.Context(), e.root, "locked", identity.UserUpdate{Status: identity.To(identity.Locked)})
		e.must(err)
	})
	leaves["unbound"] = newLeaf(t, "bound", seeded, now.AddDate(1, 0, 0)) // of the same name
	r := startWith(t, func(c *server.Config) { c.Data, c.TLSSelfSigned = dir, true }, nil)

	again := false                                 // a session was resumed, without a certificate being sent
	resumed := map[string]tls.ClientSessionCache{} // a resumed session is of the same certificate
	get := func(c tls.Certificate, path, token string) (int, string, error) {
		name := string(c.Certificate[0])
		if resumed[name] == nil {
			resumed[name] = tls.NewLRUClientSessionCache(16)
		}
		client := &http.Client{Transport: apicheck.Transport(t, &http.Transport{
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{c}, ClientSessionCache: resumed[name]},
			DisableKeepAlives: true,
		})}
		req, err := http.NewRequestWithContext(t.Context(), "GET", r.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("x-api-key", token)
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		again = again || resp.TLS.DidResume
		b, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b), err
	}
	for _, c := range []struct {
		leaf, token string
		want        int
	}{
		{"bound", "", 200}, {"bound", "", 200},
		{"unbound", "", 401}, {"expired", "", 401}, {"not yet", "", 401}, {"disabled", "", 401}, {"locked", "", 401}, {"deleted", "", 401},
		{"unbound", bootstrapToken, 200}, // the token alone says who calls
		{"bound", "no token of ours", 401},
	} {
		for _, path := range []string{"/api/v1/users/me", "/account/api/v1/user/me"} {
			status, body, err := get(leaves[c.leaf].tls, path, c.token)
			if err != nil || status != c.want {
				t.Errorf("%s, token %q, %s: %d %s %v", c.leaf, c.token, path, status, body, err)
			}
			if status == 200 && c.token == "" && !strings.Contains(body, `"id":"siem"`) {
				t.Errorf("%s signs in %s", c.leaf, body)
			}
		}
	}
	if !again {
		t.Error("no session was resumed: the test does not test that")
	}
	// A certificate is public; who has no key for it cannot show it.
	clear(resumed)
	stolen := leaves["bound"].tls
	stolen.PrivateKey = leaves["unbound"].tls.PrivateKey
	if status, _, err := get(stolen, "/api/v1/users/me", ""); err == nil {
		t.Errorf("without the key: %d", status)
	}
	checkCertificateRecords(t, r, ids)
}

func checkCertificateRecords(t *testing.T, r *running, ids map[string]string) {
	t.Helper()
	logins := r.own("action:=LOGIN resource.type:=CLIENT_AUTH_CERT")
	if len(logins) != 1 || logins[0].Resource.ID.Value != ids["bound"] || logins[0].Resource.Name.Value != "bound" ||
		logins[0].Actor.ID.Value != "siem" || logins[0].Account.ID != "acme" || logins[0].Account.Name.Value != "Acme Ltd" {
		t.Errorf("signed in: %+v", logins)
	}
	failed := map[string]int{}
	for _, e := range r.own("action:=LOGIN_ERROR resource.type:=CLIENT_AUTH_CERT") {
		failed[e.Resource.Name.Value] += number(t, &e.Event, "count")
		known := e.Resource.Name.Value != "unknown"
		if known != (e.Account.ID == "acme") || known != e.Actor.ID.Present || e.Outcome != event.OutcomeFailure || e.Client.IP.Value != "127.0.0.1" ||
			known && e.Resource.ID.Value != ids[e.Resource.Name.Value] {
			t.Errorf("failed: %+v", e)
		}
	}
	for name, want := range map[string]int{"expired": 2, "not yet": 2, "disabled": 2, "locked": 2, "unknown": 4} {
		if failed[name] != want {
			t.Errorf("%d failed sign-ins with %s are recorded, want %d", failed[name], name, want)
		}
	}
}
