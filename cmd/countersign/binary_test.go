package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/internal/apicheck"
)

// binary is the built command, which all tests here run as its users do.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "countersign-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "countersign")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err == nil {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// bootstrap is the administrator's token of the servers that are tested.
const bootstrap = "a-bootstrap-token-that-only-tests-know"

// process is a running server.
type process struct {
	cmd    *exec.Cmd
	url    string
	stderr *bytes.Buffer
	client *http.Client // what it answers is held to the OpenAPI document
	ended  chan error
}

// serve starts a server and waits until it listens.
func serve(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	return start(t, append([]string{"serve", "--data", dir, "--listen", "127.0.0.1:0"}, args...)...)
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary, args...), stderr: &bytes.Buffer{}, ended: make(chan error, 1)}
	p.client = &http.Client{Transport: apicheck.Transport(t, nil)}
	p.cmd.Env = append(os.Environ(), "COUNTERSIGN_BOOTSTRAP_TOKEN="+bootstrap)
	p.cmd.Stderr = p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan string, 1)
	go func() {
		defer close(listening)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				listening <- url
			}
		}
		p.ended <- p.cmd.Wait()
	}()
	t.Cleanup(func() { p.kill() })
	select {
	case p.url = <-listening:
	case <-time.After(60 * time.Second):
	}
	if p.url == "" {
		p.kill()
		t.Fatalf("the server did not start: %s", p.stderr)
	}
	return p
}

// stop ends the server as an operator does and waits for a clean end.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		p.ended <- err
		if err != nil {
			t.Fatalf("the server ended with %v: %s", err, p.stderr)
		}
	case <-time.After(60 * time.Second):
		t.Fatalf("the server did not stop: %s", p.stderr)
	}
}

// kill ends it at once, whatever it is doing.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	err := <-p.ended
	p.ended <- err
}

// run runs a client command against the server.
func (p *process) run(t *testing.T, args ...string) string {
	t.Helper()
	out, stderr, err := p.try(args...)
	if err != nil {
		t.Fatalf("countersign %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr)
	}
	return out
}

func (p *process) try(args ...string) (stdout, stderr string, err error) {
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "COUNTERSIGN_SERVER="+p.url, "COUNTERSIGN_TOKEN="+bootstrap)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

// get reads a path with the administrator's token in the vendor's header.
func (p *process) get(t *testing.T, path string, into any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("x-api-key", bootstrap)
	resp, err := p.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("GET %s: %v in %q", path, err, b)
	}
	return resp.StatusCode
}

// post sends JSON and returns the status and the answer.
func (p *process) post(ctx context.Context, path, contentType string, body io.Reader) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+path, body)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+bootstrap)
	req.Header.Set("Content-Type", contentType)
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

// make posts a resource and fails the test unless it is made.
func (p *process) make(t *testing.T, path string, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	status, answer, err := p.post(t.Context(), path, "application/json", bytes.NewReader(b))
	if err != nil || status != http.StatusCreated {
		t.Fatalf("POST %s %s: %d %s %v", path, b, status, answer, err)
	}
}
