package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"countersign/dialect/keyfactor"
	"countersign/merkle"
)

// Listen takes the address, with TLS when that is configured. Nothing is answered before Serve.
func (s *Server) Listen() (net.Listener, error) {
	secure, err := s.tlsConfig()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if secure != nil {
		return tls.NewListener(l, secure), nil
	}
	// What is bound counts, not what was written: a name may mean any address.
	if addr := l.Addr().String(); !s.cfg.InsecureHTTP && !loopback(addr) {
		l.Close()
		return nil, fmt.Errorf("listen on %s: tokens would cross the network in clear: use --tls-cert with --tls-key, --tls-self-signed, or --insecure-http behind a proxy that does TLS", addr)
	}
	return l, nil
}

func loopback(addr string) bool {
	a, err := netip.ParseAddrPort(addr)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

// tlsConfig returns nil for plain HTTP.
func (s *Server) tlsConfig() (*tls.Config, error) {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		// A client may show a certificate, and the handshake proves that it has the key. Who issued it is not
		// asked: identity knows each certificate by its hash, which no authority can sign another one into.
		ClientAuth: tls.RequestClientCert,
	}
	switch {
	case s.cfg.TLSSelfSigned:
		kept := &selfSigned{dir: filepath.Join(s.cfg.Data, tlsDirName), names: s.names(), now: time.Now, log: s.log}
		if _, err := kept.certificate(); err != nil {
			return nil, err
		}
		c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return kept.certificate() }
	case s.cfg.TLSCert != "":
		cert, err := tls.LoadX509KeyPair(s.cfg.TLSCert, s.cfg.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("load certificate %s and key %s: %w", s.cfg.TLSCert, s.cfg.TLSKey, err)
		}
		c.Certificates = []tls.Certificate{cert}
	default:
		return nil, nil
	}
	return c, nil
}

// names are what a self-signed certificate must hold for: this machine, and the address that was asked for.
func (s *Server) names() []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil && validDNSName(name) {
		names = append(names, name)
	}
	host, _, err := net.SplitHostPort(s.cfg.Listen)
	ip, notIP := netip.ParseAddr(host)
	if err == nil && (notIP == nil && !ip.IsUnspecified() || notIP != nil && validDNSName(host)) && !slices.Contains(names, host) {
		names = append(names, host)
	}
	return names
}

// validDNSName keeps out what a certificate cannot name: a machine may be called anything.
func validDNSName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-':
		default:
			return false
		}
	}
	return true
}

// check refuses settings that contradict each other.
func (c *Config) check() error {
	switch {
	case c.Data == "":
		return errors.New("no data directory is named: use --data")
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case c.TLSCert != "" && c.TLSSelfSigned:
		return errors.New("--tls-cert and --tls-self-signed exclude each other")
	}
	if err := checkKeyfactorPath(c.KeyfactorPath); err != nil {
		return err
	}
	return c.checkProof()
}

// taken are the first parts of the paths of the other APIs.
var taken = []string{"account", "api", "apicontroller", "checkpoint", "console", "docs", "healthz", "metrics", "openapi.json", "readyz", "tile"}

// checkKeyfactorPath refuses a path at which the API would hide another, or the other way round.
func checkKeyfactorPath(path string) error {
	if path == "" {
		return nil
	}
	if err := keyfactor.CheckPath(path); err != nil {
		return fmt.Errorf("--keyfactor-path %q %w", path, err)
	}
	first, _, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	if slices.ContainsFunc(taken, func(s string) bool { return strings.EqualFold(s, first) }) {
		return fmt.Errorf("--keyfactor-path %q lies under /%s, where another API is", path, first)
	}
	return nil
}

// checkProof refuses what would make proofs worthless or impossible.
func (c *Config) checkProof() error {
	if c.Origin != "" {
		if err := merkle.CheckOrigin(c.Origin); err != nil {
			return fmt.Errorf("--origin %q cannot name a trail: %w", c.Origin, err)
		}
	}
	if c.CheckEvery < 0 {
		return errors.New("--check-every must not be negative; 0 is never")
	}
	if c.CheckpointFile == "" {
		return nil
	}
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	file, err := filepath.Abs(c.CheckpointFile)
	if err != nil {
		return fmt.Errorf("--checkpoint-file: %w", err)
	}
	if rel, err := filepath.Rel(data, file); err == nil && filepath.IsLocal(rel) {
		return fmt.Errorf("--checkpoint-file %s lies in the data directory, with which it would be rolled back: put it on another volume", c.CheckpointFile)
	}
	if info, err := os.Stat(filepath.Dir(file)); err != nil || !info.IsDir() {
		return fmt.Errorf("--checkpoint-file %s: there is no folder %s; is its volume mounted?", c.CheckpointFile, filepath.Dir(file))
	}
	return nil
}
