package engine

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"countersign/bench/made"
	"countersign/event"
)

// administrator is the token that the server is first started with.
const administrator = "the-token-of-the-benchmark-and-of-nobody-else"

// startWait is how long the server may take until it listens.
const startWait = 10 * time.Minute

// limited are the accounts that the limited token may see, by their ranks: about 5 % of the events.
var limited = [...]int{2, 17, 60, 110, 180}

// Limited returns the ids of the accounts that the limited token may see.
func Limited() []string {
	var ids []string
	for _, n := range limited {
		ids = append(ids, made.AccountID(n))
	}
	return ids
}

// Countersign is the server, as a process of its own.
type Countersign struct {
	binary, data, log string
	profile           string // the socket of a binary with pprof, "" for none
	process           *process
	client            *http.Client
	url               string
	tokens            map[Who]string
}

// Who says with which token is asked.
type Who string

// The tokens: one that may do everything, one that may see all of the trail, one that may see the limited
// accounts of it.
const (
	Root Who = "administrator"
	All  Who = "all"
	Some Who = "some"
)

//go:embed pprof.go.txt
var pprofSource []byte

// Build builds the server from the repository. With profile it gets a file more, by which it can be profiled:
// the product has none.
func Build(ctx context.Context, repo, dir string, profile bool) (string, error) {
	binary := filepath.Join(dir, "countersign")
	args := []string{"build", "-trimpath", "-o", binary}
	if profile {
		repo, err := filepath.Abs(repo)
		if err != nil {
			return "", err
		}
		source, overlay := filepath.Join(dir, "pprof.go"), filepath.Join(dir, "overlay.json")
		replaced, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(repo, "cmd/countersign/pprof_bench.go"): source}})
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(source, pprofSource, 0o600); err != nil {
			return "", err
		}
		if err := os.WriteFile(overlay, replaced, 0o600); err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	build := exec.CommandContext(ctx, "go", append(args, "./cmd/countersign")...)
	build.Dir = repo
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return binary, nil
}

// NewCountersign starts a server on a new data directory in dir.
func NewCountersign(ctx context.Context, binary, dir string, profile bool) (*Countersign, error) {
	c := &Countersign{
		binary: binary, data: filepath.Join(dir, "data"), log: filepath.Join(dir, "countersign.log"),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}},
		tokens: map[Who]string{Root: administrator},
	}
	if profile {
		c.profile = filepath.Join(dir, "pprof.sock")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if _, err := c.start(ctx); err != nil {
		return nil, err
	}
	if err := c.makeReaders(ctx); err != nil {
		return nil, fmt.Errorf("make the readers: %w", errors.Join(err, c.Close()))
	}
	return c, nil
}

// start starts the server and returns how long it took until it was ready to record.
func (c *Countersign) start(ctx context.Context) (time.Duration, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer out.Close()
	// The daily check of the directory begins a minute after a start, which is within some runs and not within others.
	cmd := exec.Command(c.binary, "serve", "--data", c.data, "--listen", "127.0.0.1:0", "--log-level", "warn", "--check-every", "0")
	cmd.Env = append(os.Environ(), "COUNTERSIGN_BOOTSTRAP_TOKEN="+administrator, "COUNTERSIGN_BENCH_PPROF="+c.profile)
	began := time.Now()
	c.process, err = start("countersign", c.log, nil, in, cmd)
	in.Close()
	if err != nil {
		return 0, err
	}
	if err := c.awaitReady(ctx, out); err != nil {
		c.process.kill()
		return 0, fmt.Errorf("start countersign: %w\n%s", err, c.process.tail())
	}
	return time.Since(began), nil
}

// awaitReady reads the address that the server says it listens on, and asks until it is ready.
func (c *Countersign) awaitReady(ctx context.Context, out *os.File) error {
	if err := out.SetReadDeadline(time.Now().Add(startWait)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { out.SetReadDeadline(time.Now()) })
	defer stop()
	c.url = ""
	lines := bufio.NewScanner(out)
	for c.url == "" && lines.Scan() {
		c.url, _ = strings.CutPrefix(lines.Text(), "listening on ")
		if !strings.HasPrefix(c.url, "http://") {
			c.url = ""
		}
	}
	if c.url == "" {
		return fmt.Errorf("it did not say where it listens: %w", lines.Err())
	}
	for {
		r, err := c.client.Get(c.url + "/readyz")
		if err != nil {
			return err
		}
		r.Body.Close()
		if r.StatusCode == http.StatusOK {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(time.Millisecond)
	}
}

// makeReaders makes the accounts and users that the questions are asked with.
func (c *Countersign) makeReaders(ctx context.Context) error {
	type object = map[string]any
	var grants []object
	for _, id := range Limited() {
		if err := c.post(ctx, "/api/v1/accounts", object{"id": id, "name": "Limited " + id[:8]}, nil); err != nil {
			return err
		}
		grants = append(grants, object{"role": "AM_VIEW_ONLY", "account_id": id})
	}
	for who, grants := range map[Who][]object{All: {{"role": "AM_VIEW_ONLY", "server": true}}, Some: grants} {
		user := object{"id": string(who), "user_type": "service", "friendly_name": string(who), "primary_account_id": "countersign", "grants": grants}
		if err := c.post(ctx, "/api/v1/users", user, nil); err != nil {
			return err
		}
		var made struct {
			Token string `json:"token"`
		}
		if err := c.post(ctx, "/api/v1/tokens", object{"user_id": string(who), "name": string(who)}, &made); err != nil {
			return err
		}
		c.tokens[who] = made.Token
	}
	return nil
}

func (c *Countersign) post(ctx context.Context, path string, body, answer any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := c.Request(ctx, http.MethodPost, path, Root, bytes.NewReader(b))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	got, err := c.Do(r)
	if err != nil {
		return err
	}
	if got.Status != http.StatusCreated {
		return fmt.Errorf("POST %s: %d %s", path, got.Status, got.Body)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(got.Body, answer)
}

// Request makes a request to the server.
func (c *Countersign) Request(ctx context.Context, method, path string, who Who, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.tokens[who])
	return r, nil
}

// Answer is what the server answered, and how long it took until the last byte was there.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Took   time.Duration
}

// Do sends a request and reads the whole answer.
func (c *Countersign) Do(r *http.Request) (Answer, error) {
	began := time.Now()
	got, err := c.client.Do(r)
	if err == nil {
		defer got.Body.Close()
		var body []byte
		if body, err = io.ReadAll(got.Body); err == nil {
			return Answer{got.StatusCode, got.Header, body, time.Since(began)}, nil
		}
	}
	if ended := c.process.ended(); ended != nil {
		return Answer{}, ended
	}
	return Answer{}, err
}

// get asks as somebody and returns the body of the answer.
func (c *Countersign) get(ctx context.Context, path string, who Who) ([]byte, error) {
	r, err := c.Request(ctx, http.MethodGet, path, who, nil)
	if err != nil {
		return nil, err
	}
	got, err := c.Do(r)
	if err == nil && got.Status != http.StatusOK {
		err = fmt.Errorf("GET %s: %d %s", path, got.Status, got.Body)
	}
	return got.Body, err
}

// metrics returns the server's measurements that have no labels.
func (c *Countersign) metrics(ctx context.Context) (map[string]float64, error) {
	body, err := c.get(ctx, "/metrics", Root)
	all := map[string]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(body)); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok {
			if v, err := strconv.ParseFloat(value, 64); err == nil {
				all[name] = v
			}
		}
	}
	return all, err
}

// Own returns what the server has recorded of itself that readers see: sign-ins, and how its readers were made.
func (c *Countersign) Own(ctx context.Context) ([]event.Entry, error) {
	q := url.Values{"q": {"source:^countersign/"}, "limit": {"1000"}, "sort": {"seq:asc"}}
	body, err := c.get(ctx, "/api/v1/events?"+q.Encode(), All)
	if err != nil {
		return nil, fmt.Errorf("list the server's own entries: %w", err)
	}
	return Entries(body)
}

// Entries reads the items of a list of the native API.
func Entries(body []byte) ([]event.Entry, error) {
	var list struct {
		Items json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	var seqs []struct {
		Seq uint64 `json:"seq"`
	}
	if err := json.Unmarshal(list.Items, &seqs); err != nil {
		return nil, err
	}
	all := make([]event.Entry, len(seqs))
	events := event.NewDecoder(bytes.NewReader(list.Items), event.Auto)
	events.AllowServerFields = true
	for i := range all {
		e, err := events.Next()
		if err != nil {
			return nil, err
		}
		all[i] = event.Entry{Event: e, Seq: seqs[i].Seq}
	}
	return all, nil
}

// Restart kills the server, as kill -9 does, and returns how long the next start took.
func (c *Countersign) Restart(ctx context.Context) (time.Duration, error) {
	c.process.kill()
	return c.start(ctx)
}

// Bytes returns the sizes of the files by kind, which is the first part of their path.
func (c *Countersign) Bytes() (map[string]int64, error) {
	return bytesUnder(c.data, func(path string) string {
		kind, _, _ := strings.Cut(path, "/")
		if strings.HasPrefix(kind, "control.db") {
			return "control.db"
		}
		return kind
	})
}

// AtRest is the anonymous memory of the server when it has been asked nothing for 20 seconds (less after a small load).
func (c *Countersign) AtRest(ctx context.Context, events int) int64 {
	c.Settle(ctx, time.Minute)
	select {
	case <-time.After(min(20*time.Second, time.Duration(events)*20*time.Microsecond)):
	case <-ctx.Done():
	}
	return c.AnonBytes()
}

// AnonBytes is the anonymous memory of the server.
func (c *Countersign) AnonBytes() int64 { return c.usage().anon }

// Settle waits until the server has nothing more to do, at most for a time, and returns how long that took.
func (c *Countersign) Settle(ctx context.Context, most time.Duration) time.Duration {
	began := time.Now()
	last := c.usage().cpu
	for time.Since(began) < most && ctx.Err() == nil {
		idle := time.Now()
		time.Sleep(200 * time.Millisecond)
		now := c.usage().cpu
		if now-last <= tick {
			return idle.Sub(began)
		}
		last = now
	}
	return time.Since(began)
}

// Profile asks the server for a profile; see pprof.go.txt.
func (c *Countersign) Profile(ctx context.Context, what, file string) error {
	if c.profile == "" {
		return nil
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", c.profile)
	}}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://server/"+what+"?file="+url.QueryEscape(file), nil)
	if err != nil {
		return err
	}
	got, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("profile the server: %w", err)
	}
	defer got.Body.Close()
	if got.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(got.Body)
		return fmt.Errorf("profile the server: %s", b)
	}
	return nil
}

// Close stops the server.
func (c *Countersign) Close() error { return c.process.stop(syscall.SIGTERM) }
