package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

type certOptions struct {
	name     string
	from, to time.Time // 2026 when left out
	uses     []x509.ExtKeyUsage
	serial   int64
}

type cert struct {
	pem string
	der []byte
	key string // PEM
}

// newCert makes a self-signed certificate: who issued it does not matter here.
func newCert(t testing.TB, o certOptions) cert {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if o.from.IsZero() {
		o.from, o.to = at("2026-01-01T00:00:00Z"), at("2026-12-31T23:59:59Z")
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(o.serial + 0x1f2e), Subject: pkix.Name{CommonName: o.name, Organization: []string{"Example"}},
		NotBefore: o.from, NotAfter: o.to, ExtKeyUsage: o.uses,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return cert{
		pem: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), der: der,
		key: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
	}
}
