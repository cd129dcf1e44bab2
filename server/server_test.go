package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"countersign/event"
	"countersign/identity"
	"countersign/internal/apicheck"
	"countersign/query"
	"countersign/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var bootstrapToken = strings.Repeat("administrator.", 3)

// output is a buffer that a server writes and a test reads.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// running is a server that serves.
type running struct {
	t      testing.TB
	server *server.Server
	closed bool
	root   identity.Caller // the administrator
	url    string
	addr   string
	stdout *output
	log    *output
	stop   context.CancelFunc
	ended  chan error // gets what Serve returned
	client *http.Client
	plain  *http.Client // for answers that no API would give
}

func config(t testing.TB, log io.Writer) server.Config {
	return server.Config{
		Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0",
		BootstrapToken: bootstrapToken, NoPreallocate: true,
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// start runs a server; set changes it before it listens. It is stopped and closed when the test ends.
func start(t testing.TB, set func(*server.Server)) *running {
	t.Helper()
	return startWith(t, nil, set)
}

// startWith is start with other settings.
func startWith(t testing.TB, settings func(*server.Config), set func(*server.Server)) *running {
	t.Helper()
	r := &running{t: t, stdout: &output{}, log: &output{}, ended: make(chan error, 1)}
	cfg := config(t, r.log)
	if settings != nil {
		settings(&cfg)
	}
	s, err := server.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Identity.Bootstrap(t.Context(), bootstrapToken); err != nil {
		t.Fatal(err)
	}
	if r.root, err = s.Identity.Authenticate(t.Context(), identity.Credential{Token: bootstrapToken}); err != nil {
		t.Fatal(err)
	}
	r.server = s
	if set != nil {
		set(s)
	}
	l, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	r.url = s.URL(l)
	r.plain = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	r.client = &http.Client{Transport: apicheck.Transport(t, r.plain.Transport)}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.ended <- s.Serve(ctx, l, r.stdout) }()
	t.Cleanup(func() {
		stop()
		r.client.CloseIdleConnections()
		<-r.ended
		r.close()
	})
	return r
}

// close closes the directory, once, after the server has stopped.
func (r *running) close() {
	r.t.Helper()
	if r.closed {
		return
	}
	r.closed = true
	if err := r.server.Close(); err != nil {
		r.t.Error(err)
	}
}

// wait returns what Serve returned.
func (r *running) wait() error {
	r.t.Helper()
	select {
	case err := <-r.ended:
		r.ended <- err
		return err
	case <-time.After(20 * time.Second):
		r.t.Fatal("the server does not stop")
		return nil
	}
}

// newToken makes a token as the administrator does.
func (r *running) newToken(n identity.NewToken) string {
	r.t.Helper()
	_, text, err := r.server.Identity.CreateToken(r.t.Context(), r.root, n)
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

// own returns what the server recorded of itself and q finds, in order.
func (r *running) own(q string) []*event.Entry {
	r.t.Helper()
	r.server.Recorded()
	f, err := query.Parse("source:=^countersign/ " + q)
	if err != nil {
		r.t.Fatal(err)
	}
	page, err := r.server.Trail.Search(r.t.Context(), query.Query{Filter: f, Limit: 10000})
	if err != nil {
		r.t.Fatal(err)
	}
	return page.Entries
}

func (r *running) request(method, path string, body io.Reader, header ...string) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bootstrapToken)
	if body != nil {
		req.Header.Set("Content-Type", "application/x-ndjson")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return req
}

// do returns the answer and its body.
func (r *running) do(req *http.Request) (*http.Response, string) {
	r.t.Helper()
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(b)
}

// total is how many events were sent: what the server records of itself does not count.
func (r *running) total() uint64 {
	r.t.Helper()
	resp, body := r.do(r.request("GET", "/api/v1/events?limit=0&q=-source:%5Ecountersign/", nil))
	var page struct{ Total uint64 }
	if err := json.Unmarshal([]byte(body), &page); err != nil || resp.StatusCode != 200 {
		r.t.Fatalf("%d %s", resp.StatusCode, body)
	}
	return page.Total
}

func eventJSON(id string) string {
	return fmt.Sprintf(`{"id":%q,"occurred_at":"2026-01-15T10:30:00Z","action":"LOGIN","resource":{"type":"USER"},"source":"example/app"}`, id)
}

// run runs a whole server until it says that it listens, and returns what it printed until then.
func run(t *testing.T, cfg server.Config) (stdout *output, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stdout = &output{}
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, cfg, stdout) }()
	for !strings.Contains(stdout.String(), "listening on ") {
		select {
		case err := <-ended:
			cancel()
			t.Fatalf("ended early: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return stdout, func() error {
		cancel()
		return <-ended
	}
}

func TestRunShowsTheFirstTokenOnceAndKeepsWhatWasRecorded(t *testing.T) {
	cfg := config(t, io.Discard)
	cfg.BootstrapToken = ""
	stdout, stop := run(t, cfg)
	var token string
	for field := range strings.FieldsSeq(stdout.String()) {
		if strings.HasPrefix(field, "cst_") {
			token = field
		}
	}
	if token == "" {
		t.Fatalf("no token in %s", stdout)
	}
	get := func(stdout *output, method, path, body string) string {
		_, url, _ := strings.Cut(stdout.String(), "listening on ")
		req, err := http.NewRequest(method, strings.TrimSpace(url)+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := get(stdout, "POST", "/api/v1/events", eventJSON("a")); !strings.Contains(got, `"accepted":1`) {
		t.Fatal(got)
	}
	if got := get(stdout, "GET", "/account/api/v1/audit-log?resource_types=USER", ""); !strings.Contains(got, `"total":1`) {
		t.Error(got)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	stdout, stop = run(t, cfg)
	if strings.Contains(stdout.String(), "cst_") {
		t.Errorf("the second start shows a token: %s", stdout)
	}
	if got := get(stdout, "GET", "/api/v1/events/by-id?account=countersign&source=example/app&id=a", ""); !strings.Contains(got, `"id":"a"`) {
		t.Error(got)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestRunNeverPrintsAChosenToken(t *testing.T) {
	log := &output{}
	cfg := config(t, log)
	stdout, stop := run(t, cfg)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if out := stdout.String() + log.String(); strings.Contains(out, bootstrapToken) || !strings.Contains(out, "COUNTERSIGN_BOOTSTRAP_TOKEN") {
		t.Errorf("printed %s", out)
	}
}

func TestRunRefusesWhatCannotWork(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "letter.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		set  func(*server.Config)
		want string
	}{
		{"no data directory", func(c *server.Config) { c.Data = "" }, "--data"},
		{"somebody else's directory", func(c *server.Config) { c.Data = full }, "letter.txt"},
		{"certificate without key", func(c *server.Config) { c.TLSCert = "cert.pem" }, "--tls-key"},
		{"two certificates", func(c *server.Config) { c.TLSCert, c.TLSKey, c.TLSSelfSigned = "c", "k", true }, "exclude"},
		{"certificate that is not there", func(c *server.Config) { c.TLSCert, c.TLSKey = "/nowhere/c", "/nowhere/k" }, "/nowhere/c"},
		{"plain HTTP for others", func(c *server.Config) { c.Listen = "0.0.0.0:0" }, "--insecure-http"},
		{"plain HTTP on every address", func(c *server.Config) { c.Listen = ":0" }, "--insecure-http"},
		{"taken port", func(c *server.Config) { c.Listen = taken.Addr().String() }, "in use"},
		{"no port", func(c *server.Config) { c.Listen = "127.0.0.1" }, "listen"},
		{"short bootstrap token", func(c *server.Config) { c.BootstrapToken = "short" }, "32"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config(t, io.Discard)
			c.set(&cfg)
			err := server.Run(t.Context(), cfg, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "short") {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
}

func TestSecondServerOnADirectoryIsRefused(t *testing.T) {
	cfg := config(t, io.Discard)
	_, stop := run(t, cfg)
	err := server.Run(t.Context(), cfg, io.Discard)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("error %v", err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// closedPipe is a stdout that nobody reads.
type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestTokenThatCannotBeShownEndsTheStart(t *testing.T) {
	cfg := config(t, io.Discard)
	cfg.BootstrapToken = ""
	if err := server.Run(t.Context(), cfg, closedPipe{}); !errors.Is(err, io.ErrClosedPipe) || !strings.Contains(err.Error(), "lost") {
		t.Errorf("error %v", err)
	}
}

func TestTrailWithoutItsIdentityIsRefused(t *testing.T) {
	cfg := config(t, io.Discard)
	_, stop := run(t, cfg)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(cfg.Data, "control.db")); err != nil {
		t.Fatal(err)
	}
	if err := server.Run(t.Context(), cfg, io.Discard); err == nil || !strings.Contains(err.Error(), "control.db") {
		t.Errorf("error %v", err)
	}
}

func TestOthersMayBeReachedInClearWhenAskedFor(t *testing.T) {
	cfg := config(t, io.Discard)
	cfg.Listen, cfg.InsecureHTTP = "0.0.0.0:0", true
	stdout, stop := run(t, cfg)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stdout.String(), "listening on http://") {
		t.Error(stdout)
	}
}

func TestFailedSyncEndsTheServer(t *testing.T) {
	failed := make(chan struct{})
	r := start(t, func(s *server.Server) { s.SetFailed(failed) })
	r.total()
	close(failed)
	if err := r.wait(); err == nil || !strings.Contains(err.Error(), "sync") {
		t.Errorf("Serve returned %v", err)
	}
}
