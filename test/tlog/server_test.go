// Package tlog_test reads, follows and checks the log of the built server with the clients of others: torchwood's and
// tessera's, whose idea of C2SP tlog-tiles is not ours.
package tlog_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// token is the administrator's, who is a monitor too.
const token = "a-bootstrap-token-that-only-tests-know"

// origin is what the tests call their trail.
const origin = "log.example.com/trail"

// built is the built server.
var built string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "countersign-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = filepath.Join(dir, "countersign")
	command := exec.Command("go", "build", "-o", built, "./cmd/countersign")
	command.Dir = "../.." // the module of the server, with its own dependencies
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the server:", err)
		return 1
	}
	return m.Run()
}

// server is a server that can be stopped and started again.
type server struct {
	t       *testing.T
	dir     string
	url     string
	command *exec.Cmd
	ended   chan error
	log     bytes.Buffer
	sent    int
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, dir: filepath.Join(t.TempDir(), "data")}
	s.start()
	t.Cleanup(func() {
		if s.command != nil {
			s.stop()
		}
	})
	return s
}

func (s *server) start() {
	s.t.Helper()
	s.log.Reset()
	s.command = exec.Command(built, "serve", "--data", s.dir, "--listen", "127.0.0.1:0", "--origin", origin)
	s.command.Env = append(os.Environ(), "COUNTERSIGN_BOOTSTRAP_TOKEN="+token)
	s.command.Stderr = &s.log
	out, err := s.command.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.ended = make(chan error, 1)
	listening := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				listening <- url
			}
		}
		close(listening)
		s.ended <- s.command.Wait()
	}()
	select {
	case s.url = <-listening:
	case <-time.After(60 * time.Second):
	}
	if s.url == "" {
		s.command.Process.Kill()
		s.t.Fatalf("the server does not start: %s", &s.log)
	}
}

func (s *server) stop() {
	s.t.Helper()
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Error(err)
	}
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("%v: %s", err, &s.log)
		}
	case <-time.After(60 * time.Second):
		s.command.Process.Kill()
		s.t.Errorf("the server does not stop: %s", &s.log)
	}
	s.command = nil
}

// restart publishes a checkpoint over everything, as every clean stop does.
func (s *server) restart() {
	s.t.Helper()
	s.stop()
	s.start()
}

// send records n events in few requests.
func (s *server) send(n int) {
	s.t.Helper()
	for n > 0 {
		part := min(n, 20_000)
		var body bytes.Buffer
		z := gzip.NewWriter(&body)
		for range part {
			fmt.Fprintf(z, `{"id":"e%d","occurred_at":"2026-01-15T10:30:00Z","action":"LOGIN","resource":{"type":"USER"},"source":"example/app"}`+"\n", s.sent)
			s.sent++
		}
		if err := z.Close(); err != nil {
			s.t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(s.t.Context(), "POST", s.url+"/api/v1/events", &body)
		if err != nil {
			s.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-ndjson")
		req.Header.Set("Content-Encoding", "gzip")
		if status, answer := s.do(req, token); status != http.StatusCreated {
			s.t.Fatalf("POST: %d %s", status, answer)
		}
		n -= part
	}
}

func (s *server) do(req *http.Request, token string) (int, []byte) {
	s.t.Helper()
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, b
}

// get reads a path, with a token or without.
func (s *server) get(path, token string) (int, []byte) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), "GET", s.url+"/"+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.do(req, token)
}

// published waits until the checkpoint covers everything that was sent, and returns it.
func (s *server) published() (note []byte, size uint64) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		status, b := s.get("checkpoint", "")
		if status != http.StatusOK {
			continue
		}
		lines := strings.Split(string(b), "\n")
		n, err := strconv.ParseUint(lines[1], 10, 64)
		if err != nil {
			s.t.Fatalf("checkpoint %q", b)
		}
		if n > uint64(s.sent) { // the server's own entries stand beside what was sent
			return b, n
		}
	}
	s.t.Fatal("no checkpoint is published")
	return nil, 0
}

// verifier is the key that `countersign key show` prints, beside the running server.
func (s *server) verifier() note.Verifier {
	s.t.Helper()
	out, err := exec.Command(built, "key", "show", "--data", s.dir).Output()
	if err != nil {
		s.t.Fatal(err)
	}
	v, err := note.NewVerifier(strings.TrimSpace(string(out)))
	if err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return v
}

// bearer sends the monitor's token.
type bearer struct{}

func (bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return http.DefaultTransport.RoundTrip(r)
}

var monitor = &http.Client{Transport: bearer{}}
