package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"path/filepath"
	"sync"
	"time"

	"countersign/internal/durable"
)

const (
	// certLife is the longest that Apple's clients take from a certificate that a person chose to trust.
	certLife = 825 * 24 * time.Hour
	// renewBefore is early enough for people to pass the new certificate on.
	renewBefore = 30 * 24 * time.Hour
	// backdate covers clients whose clocks are behind.
	backdate = time.Hour
)

// selfSigned keeps a certificate that vouches for itself, for installations that have no other. It is kept
// in the data directory so that clients which were told to trust it go on doing so after a restart, and is
// made anew before it expires and when the server's names change.
type selfSigned struct {
	dir   string
	names []string // host names and addresses it must hold for
	now   func() time.Time
	log   *slog.Logger

	mu   sync.Mutex // guards cert
	cert *tls.Certificate
}

// certificate returns the certificate to use now.
func (s *selfSigned) certificate() (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cert != nil && s.good(s.cert) {
		return s.cert, nil
	}
	cert, err := s.load()
	if err != nil || !s.good(cert) {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			// Our own file, and nothing but trust in it is lost by replacing it.
			s.log.Warn("the kept certificate cannot be used and is replaced", "error", err)
		}
		if cert, err = s.renew(); err != nil {
			return nil, fmt.Errorf("self-signed certificate: %w", err)
		}
	}
	sum := sha256.Sum256(cert.Certificate[0])
	s.log.Info("self-signed certificate", "sha256", hex.EncodeToString(sum[:]), "file", s.certFile(), "expires", cert.Leaf.NotAfter)
	s.cert = cert
	return cert, nil
}

func (s *selfSigned) certFile() string { return filepath.Join(s.dir, tlsCertName) }
func (s *selfSigned) keyFile() string  { return filepath.Join(s.dir, tlsKeyName) }

func (s *selfSigned) good(cert *tls.Certificate) bool {
	now := s.now()
	if now.Before(cert.Leaf.NotBefore) || now.Add(renewBefore).After(cert.Leaf.NotAfter) {
		return false
	}
	for _, name := range s.names {
		if cert.Leaf.VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}

func (s *selfSigned) load() (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(s.certFile(), s.keyFile())
	if err != nil {
		return nil, err
	}
	return &cert, nil
}

// renew makes and keeps a new key and certificate. A crash between the two files leaves a pair that does
// not fit, which load refuses and the next start replaces.
func (s *selfSigned) renew() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := s.template()
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	disk := durable.OS()
	if err := disk.MkdirAll(s.dir, durable.DirMode); err != nil {
		return nil, err
	}
	if err := durable.WriteFile(disk, s.keyFile(), keyPEM); err != nil {
		return nil, err
	}
	if err := durable.WriteFile(disk, s.certFile(), certPEM); err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, err
	}
	return &cert, nil
}

func (s *selfSigned) template() *x509.Certificate {
	from := s.now().Add(-backdate)
	serial := make([]byte, 16)
	rand.Read(serial)
	serial[0] &= 0x7f // RFC 5280 section 4.1.2.2: positive, at most 20 octets
	t := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial),
		Subject:      pkix.Name{CommonName: "Countersign self-signed"},
		NotBefore:    from,
		NotAfter:     from.Add(certLife - time.Second),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		// Not an authority: some verifiers refuse one as a server's own certificate, and all accept this
		// one once it is trusted itself.
		BasicConstraintsValid: true,
	}
	for _, name := range s.names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	return t
}
