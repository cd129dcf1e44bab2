package main_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// badLine is a proxy that cuts long answers off, or lets them hang.
type badLine struct {
	url   string
	left  atomic.Int64 // bytes of each answer until it breaks; 0 never
	hangs atomic.Bool  // it says nothing more instead
}

func newBadLine(t *testing.T, p *process) *badLine {
	t.Helper()
	to, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	b := &badLine{}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Header.Del("Accept-Encoding") },
		FlushInterval: -1,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/export") || strings.HasSuffix(r.URL.Path, "/stream") {
			w = &badAnswer{ResponseWriter: w, r: r, left: b.left.Load(), hangs: b.hangs.Load()}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	b.url = s.URL
	return b
}

type badAnswer struct {
	http.ResponseWriter
	r     *http.Request
	left  int64
	hangs bool
}

func (a *badAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *badAnswer) Write(p []byte) (int, error) {
	if a.left == 0 {
		return a.ResponseWriter.Write(p)
	}
	if a.left -= int64(len(p)); a.left > 0 {
		return a.ResponseWriter.Write(p)
	}
	a.ResponseWriter.Write(p[:len(p)+int(a.left)])
	http.NewResponseController(a.ResponseWriter).Flush()
	if a.hangs {
		<-a.r.Context().Done()
	}
	panic(http.ErrAbortHandler)
}

func nativeEvents(from, n int, source string) *bytes.Buffer {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"id":"b-%d","occurred_at":"2026-01-15T10:30:00Z","account":{"id":"acc-broken"},"action":"LOGIN","resource":{"type":"BASIC_AUTH"},"description":"a line\r\n%s","source":%q}`+"\n",
			from+i, strings.Repeat("x", i%300), source)
	}
	return &b
}

// TestAnExportGoesOnAfterEachBreak holds the file of an export that broke off many times, and whose process was
// killed, to that of one that did not.
func TestAnExportGoesOnAfterEachBreak(t *testing.T) {
	p := serve(t, t.TempDir())
	line := newBadLine(t, p)
	if status, answer, err := p.post(t.Context(), "/api/v1/events", "application/x-ndjson", nativeEvents(0, 5000, "example/broken")); err != nil || status != http.StatusCreated {
		t.Fatalf("%d %s %v", status, answer, err)
	}
	for _, format := range []string{"ndjson", "csv"} {
		dir := t.TempDir()
		whole, broken := filepath.Join(dir, "whole"), filepath.Join(dir, "broken")
		p.run(t, "export", "--format", format, "--out", whole, "source:=example/broken")
		want, err := os.ReadFile(whole)
		if err != nil {
			t.Fatal(err)
		}
		// The same tree size, so that the last record is the same too.
		size := strings.Split(string(want), ",")
		asOf := strings.Trim(strings.TrimPrefix(size[len(size)-1], `"tree_size":`), "}\n")
		if format == "csv" {
			asOf = strings.Split(string(want[bytes.LastIndex(want, []byte("complete,")):]), ",")[2]
		}
		bad := *p
		bad.url = line.url
		args := []string{"export", "--format", format, "--out", broken, "--as-of", asOf, "source:=example/broken"}

		line.left.Store(int64(len(want) / 5))
		stdout, stderr, err := bad.try(args...)
		if err == nil || !strings.Contains(stderr, "the export is not complete") || !strings.Contains(stderr, "go on with: countersign export --resume --out "+broken) {
			t.Fatalf("%s: %v %s%s", format, err, stdout, stderr)
		}
		if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 1 {
			t.Errorf("%s: %v", format, err)
		}
		if _, _, err := bad.try(args...); err == nil {
			t.Errorf("%s: the part was written over", format)
		}
		if _, stderr, err := bad.try("export", "--resume", "--out", broken, "action:LOGIN"); err == nil || !strings.Contains(stderr, "is of another export") {
			t.Errorf("%s: %v %s", format, err, stderr)
		}
		if _, stderr, err := p.try("export", "--resume", "--out", broken); err == nil || !strings.Contains(stderr, "is of the server "+line.url) {
			t.Errorf("%s: %v %s", format, err, stderr)
		}

		line.hangs.Store(true)
		kill(t, &bad, broken+".part", "export", "--resume", "--out", broken)
		line.hangs.Store(false)

		for n := 1; ; n++ {
			if _, err := os.Stat(broken); err == nil {
				t.Fatalf("%s: the file is there before it is complete", format)
			}
			if _, stderr, err = bad.try("export", "--resume", "--out", broken); err == nil {
				break
			}
			if n > 10 {
				t.Fatalf("%s: %s", format, stderr)
			}
		}
		got, err := os.ReadFile(broken)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v; %d bytes, want %d", format, err, len(got), len(want))
		}
		if left, err := filepath.Glob(broken + ".*"); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v, %v", format, left, err)
		}
		line.left.Store(0)
	}
}

// kill runs a command until a file grows no more, and kills it.
func kill(t *testing.T, p *process, file string, args ...string) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "COUNTERSIGN_SERVER="+p.url, "COUNTERSIGN_TOKEN="+bootstrap)
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for last, same := before.Size(), 0; same < 5; time.Sleep(50 * time.Millisecond) {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > before.Size() && info.Size() == last {
			same++
		}
		last = info.Size()
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
}

func TestAnInterruptedExportSaysHowToGoOn(t *testing.T) {
	p := serve(t, t.TempDir())
	line := newBadLine(t, p)
	if status, answer, err := p.post(t.Context(), "/api/v1/events", "application/x-ndjson", nativeEvents(0, 3000, "example/broken")); err != nil || status != http.StatusCreated {
		t.Fatalf("%d %s %v", status, answer, err)
	}
	line.left.Store(200_000)
	line.hangs.Store(true)
	out := filepath.Join(t.TempDir(), "x")
	cmd := exec.Command(binary, "export", "--out", out)
	cmd.Env = append(os.Environ(), "COUNTERSIGN_SERVER="+line.url, "COUNTERSIGN_TOKEN="+bootstrap)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if info, err := os.Stat(out + ".part"); err == nil && info.Size() > 0 {
			break
		}
	}
	bad := *p
	bad.url = line.url
	for _, flag := range []string{"--resume", "--force"} {
		if _, stderr, err := bad.try("export", flag, "--out", out); err == nil || !strings.Contains(stderr, "another export is writing it") {
			t.Errorf("%s while it is being written: %v %s", flag, err, stderr)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), "countersign: interrupted\n"+out+".part has the first ") {
		t.Errorf("%v %s", err, &stderr)
	}
}

// lockedBuffer is written by a process and read by a test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestTailMissesAndRepeatsNothing follows over a line that breaks all the time and a server that is started
// again.
func TestTailMissesAndRepeatsNothing(t *testing.T) {
	dir := t.TempDir()
	p := serve(t, dir)
	line := newBadLine(t, p)
	line.left.Store(40_000)
	cmd := exec.Command(binary, "tail", "--since-seq", "0", "--output", "ndjson", "source:=example/broken")
	cmd.Env = append(os.Environ(), "COUNTERSIGN_SERVER="+line.url, "COUNTERSIGN_TOKEN="+bootstrap)
	var stdout, stderr lockedBuffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	const rounds, each = 3, 100
	for n := range rounds {
		if n == 2 {
			p.stop(t)
			p = start(t, "serve", "--data", dir, "--listen", strings.TrimPrefix(p.url, "http://"))
		}
		if status, answer, err := p.post(t.Context(), "/api/v1/events", "application/x-ndjson", nativeEvents(n*each, each, "example/broken")); err != nil || status != http.StatusCreated {
			t.Fatalf("%d %s %v", status, answer, err)
		}
		for deadline := time.Now().Add(30 * time.Second); strings.Count(stdout.String(), "\n") < (n+1)*each; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d lines: %s", strings.Count(stdout.String(), "\n"), stderr.String())
			}
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
	for i, text := range strings.Split(strings.TrimSpace(stdout.String()), "\n") {
		if want := fmt.Sprintf(`"id":"b-%d",`, i); !strings.Contains(text, want) {
			t.Fatalf("line %d has no %s: %s", i, want, text)
		}
	}
	if !strings.Contains(stderr.String(), "the connection broke (") {
		t.Errorf("no word of a break: %s", stderr.String())
	}
}
