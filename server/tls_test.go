package server_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/apicheck"
	"countersign/query"
	"countersign/server"
)

func TestSelfSignedCertificateIsKeptTrustedAndSpeaksHTTP2(t *testing.T) {
	log := &output{}
	cfg := config(t, log)
	cfg.TLSSelfSigned = true
	certFile := filepath.Join(cfg.Data, "tls", "cert.pem")
	var first []byte
	for i := range 2 {
		stdout, stop := run(t, cfg)
		cert, err := os.ReadFile(certFile)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = cert
		} else if !bytes.Equal(first, cert) {
			t.Error("the second start made another certificate")
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(cert)
		client := &http.Client{Transport: apicheck.Transport(t, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true})}
		_, url, _ := strings.Cut(stdout.String(), "listening on ")
		if !strings.HasPrefix(url, "https://127.0.0.1:") {
			t.Errorf("prints %q", url)
		}
		for _, url := range []string{strings.TrimSpace(url), strings.Replace(strings.TrimSpace(url), "127.0.0.1", "localhost", 1)} {
			req, err := http.NewRequest("POST", url+"/api/v1/events", strings.NewReader(eventJSON("a")))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+bootstrapToken)
			req.Header.Set("Content-Type", "application/json")
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.ProtoMajor != 2 || resp.StatusCode != 201 {
				t.Errorf("%s %s", resp.Proto, resp.Status)
			}
			sum := sha256.Sum256(resp.TLS.PeerCertificates[0].Raw)
			if !strings.Contains(log.String(), hex.EncodeToString(sum[:])) || !strings.Contains(log.String(), certFile) {
				t.Errorf("the log lacks the fingerprint or the path: %s", log)
			}
		}
		client.CloseIdleConnections()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(cfg.Data, "tls", "key.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v, %v", info.Mode(), err)
	}
}

func TestSlowBodyIsCutOffOverHTTP2(t *testing.T) {
	cfg := config(t, io.Discard)
	cfg.TLSSelfSigned = true
	s, err := server.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Identity.Bootstrap(t.Context(), bootstrapToken); err != nil {
		t.Fatal(err)
	}
	impatience(s)
	l, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l, io.Discard) }()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	read, write := io.Pipe()
	go func() { // ends when the client gives the body up
		for {
			if _, err := io.WriteString(write, "\n"); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	req, err := http.NewRequest("POST", "https://"+l.Addr().String()+"/api/v1/events", read)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bootstrapToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err == nil {
		if resp.StatusCode != http.StatusRequestTimeout {
			t.Errorf("status %s", resp.Status)
		}
		resp.Body.Close()
	}
	read.Close()
	client.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if page, err := s.Trail.Search(t.Context(), query.Query{Filter: query.Is(query.Source, "example/app")}); err != nil || page.Total != 0 {
		t.Errorf("%d entries are recorded, %v", page.Total, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestSelfSignedCertificateIsRenewedInTime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	names := []string{"localhost", "127.0.0.1", "::1", "host.example.com"}
	get := func(names []string) *x509.Certificate {
		t.Helper()
		cert, err := server.Certificate(server.NewSelfSigned(dir, names, clock))
		if err != nil {
			t.Fatal(err)
		}
		return cert.Leaf
	}
	first := get(names)
	for _, name := range names {
		if err := first.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if life := first.NotAfter.Sub(first.NotBefore); life > 825*24*time.Hour || first.IsCA {
		t.Errorf("life %s, CA %v", life, first.IsCA)
	}
	now = first.NotAfter.Add(-31 * 24 * time.Hour)
	if !get(names).Equal(first) {
		t.Error("renewed too early")
	}
	if !get(names[:2]).Equal(first) {
		t.Error("renewed though it has the names")
	}
	running := server.NewSelfSigned(dir, names, clock)
	if _, err := server.Certificate(running); err != nil {
		t.Fatal(err)
	}
	now = first.NotAfter.Add(-29 * 24 * time.Hour)
	second, err := server.Certificate(running)
	if err != nil || second.Leaf.Equal(first) {
		t.Errorf("not renewed under the running server: %v", err)
	}
	if third := get(append(names, "192.0.2.7")); third.Equal(second.Leaf) || third.VerifyHostname("192.0.2.7") != nil {
		t.Error("not renewed for a new name")
	}
	for _, name := range []string{"cert.pem", "key.pem"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
		if cert := get(names); cert == nil || cert.VerifyHostname("localhost") != nil {
			t.Errorf("no certificate after damage of %s", name)
		}
	}
}
