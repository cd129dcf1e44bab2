package keyfactor_test

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// token is the administrator's.
const token = "a-bootstrap-token-that-only-tests-know"

// binary is the built server.
var binary string

func build(m *testing.M) int {
	log.SetOutput(io.Discard) // the SDK tells a lot
	dir, err := os.MkdirTemp("", "countersign-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "countersign")
	command := exec.Command("go", "build", "-o", binary, "./cmd/countersign")
	command.Dir = "../.." // the module of the server, with its own dependencies
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the server:", err)
		return 1
	}
	return m.Run()
}

// server is a running server.
type server struct {
	dir, host string
	args      []string
	command   *exec.Cmd
	ended     chan error
	log       *bytes.Buffer
	http      *http.Client
}

// serve starts a server with TLS and ends it with the test. A nil dir is a new one.
func serve(t *testing.T, dir *string, args ...string) *server {
	t.Helper()
	s := &server{args: args}
	if dir != nil {
		s.dir = *dir
	} else {
		s.dir = filepath.Join(t.TempDir(), "data")
	}
	s.start(t)
	t.Cleanup(func() { s.stop(t) })
	return s
}

func (s *server) start(t *testing.T) {
	t.Helper()
	s.log, s.ended = &bytes.Buffer{}, make(chan error, 1)
	s.command = exec.Command(binary, append([]string{"serve", "--data", s.dir, "--listen", "127.0.0.1:0", "--tls-self-signed"}, s.args...)...)
	s.command.Env = append(os.Environ(), "COUNTERSIGN_BOOTSTRAP_TOKEN="+token)
	s.command.Stderr = s.log
	out, err := s.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if host, ok := strings.CutPrefix(lines.Text(), "listening on https://"); ok {
				listening <- host
			}
		}
		s.ended <- s.command.Wait()
	}()
	select {
	case s.host = <-listening:
	case err := <-s.ended:
		t.Fatalf("the server ended: %v\n%s", err, s.log)
	case <-time.After(30 * time.Second):
		s.command.Process.Kill()
		t.Fatalf("the server does not listen\n%s", s.log)
	}
	cert, err := os.ReadFile(filepath.Join(s.dir, "tls", "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	s.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

// stop ends the server as an operator does.
func (s *server) stop(t *testing.T) {
	t.Helper()
	s.http.CloseIdleConnections()
	s.command.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("the server ended with %v\n%s", err, s.log)
		}
	case <-time.After(30 * time.Second):
		s.command.Process.Kill()
		t.Errorf("the server does not stop\n%s", s.log)
	}
}

func (s *server) restart(t *testing.T) {
	t.Helper()
	s.stop(t)
	s.start(t)
}

// send records events.
func (s *server) send(t *testing.T, ndjson string) {
	t.Helper()
	s.request(t, "/api/v1/events", "application/x-ndjson", ndjson)
}

// post sends a JSON body and returns the answer's.
func (s *server) post(t *testing.T, path, body string) string {
	t.Helper()
	return s.request(t, path, "application/json", body)
}

func (s *server) request(t *testing.T, path, media, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", "https://"+s.host+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", media)
	resp, err := s.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("%s: %d %s, %v", path, resp.StatusCode, b, err)
	}
	return string(b)
}

// vkey is the verifier key of the trail, made of the signing key in its directory and not of its answers
// (docs/format/keys.md).
func (s *server) vkey(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.dir, "keys", "*.key"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	line := strings.TrimPrefix(strings.TrimSpace(string(b)), "PRIVATE+KEY+")
	parts := strings.SplitN(line, "+", 3) // name, id, type and seed
	secret, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(secret) != 1+ed25519.SeedSize {
		t.Fatal("the signing key has another form", err)
	}
	public := ed25519.NewKeyFromSeed(secret[1:]).Public().(ed25519.PublicKey)
	return parts[0] + "+" + parts[1] + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, public...))
}

// flip changes a byte of a text wherever it is stored in the directory.
func flip(t *testing.T, dir, text string) {
	t.Helper()
	found := 0
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		at := bytes.Index(b, []byte(text))
		if at < 0 {
			return nil
		}
		found++
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt([]byte{b[at] ^ 1}, int64(at))
		return cmpErr(err, f.Close())
	})
	if err != nil || found == 0 {
		t.Fatalf("%q was found in %d files: %v", text, found, err)
	}
}
