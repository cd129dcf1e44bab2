package web_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"countersign/server"
)

const token = "a-bootstrap-token-that-only-tests-know"

// serve runs a server that holds three entries and returns its URL.
func serve(t *testing.T) string {
	t.Helper()
	s, err := server.Open(t.Context(), server.Config{
		Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", BootstrapToken: token, NoPreallocate: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Identity.Bootstrap(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	l, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l, io.Discard) }()
	t.Cleanup(func() {
		stop()
		<-ended
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	var lines strings.Builder
	for i := range 3 {
		fmt.Fprintf(&lines, `{"id":"e%d","occurred_at":"2026-01-15T10:30:0%[1]dZ","action":"LOGIN","actor":{"id":"u","name":"<b>jane</b>@example.com"},"resource":{"type":"BASIC_AUTH"},"source":"example/app"}`+"\n", i)
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL(l)+"/api/v1/events", strings.NewReader(lines.String()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(r)
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("%v %v", resp, err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	return s.URL(l)
}

// browser is a tab and what went wrong in it.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu    sync.Mutex // guards wrong, which the browser's events write
	wrong []string
}

// open starts a headless Chromium. Tests that need it are skipped, and say so, where there is none.
func open(t *testing.T) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes long to start")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("WARNING: the page is not tested: there is no chromium here (scripts/deps.sh installs it)")
	}
	// As root, which CI is, Chromium runs without its own sandbox only; it sees nothing but this test's server.
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.Background(), o...)
	b := &browser{t: t}
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithListener(b.hear))
	var cancelTimeout context.CancelFunc
	b.ctx, cancelTimeout = context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(func() {
		cancelTimeout()
		cancel()
		cancelAllocator()
	})
	return b
}

// hear notes what the browser says went wrong.
func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded: // a broken policy is among these
		b.wrong = append(b.wrong, string(e.Entry.Source)+": "+e.Entry.Text)
	case *runtime.EventExceptionThrown:
		b.wrong = append(b.wrong, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.wrong = append(b.wrong, fmt.Sprintf("console.%s", e.Type))
	}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval returns what an expression has as its value.
func eval[V any](b *browser, expression string) V {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[V](expression))
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// script runs in the page.
func script(text string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](text)
}

// load opens the page and waits until it shows the document.
func (b *browser) load(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url+"/docs"), chromedp.WaitVisible(chromedp.CSS("details.operation")))
}

// call opens an operation, sends it with the token, and returns what the page then says of it.
func (b *browser) call(id, token string) string {
	b.t.Helper()
	send := chromedp.CSS("#" + id + " .send")
	b.do(
		chromedp.SetValue(chromedp.ID("token"), token),
		script(`document.getElementById("`+id+`").open = true`),
		chromedp.WaitVisible(send),
		chromedp.Click(send),
		chromedp.WaitVisible(chromedp.CSS("#"+id+" .state .status")),
		chromedp.WaitEnabled(send), // when the answer is read
	)
	return eval[string](b, `document.querySelector("#`+id+` .result").innerText`)
}

func (b *browser) wantNothingWrong(except ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.wrong {
		known := false
		for _, e := range except {
			known = known || strings.Contains(w, e)
		}
		if !known {
			b.t.Error(w)
		}
	}
}

// picture keeps what the tab shows, for people, when COUNTERSIGN_PICTURES names a folder.
func (b *browser) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("COUNTERSIGN_PICTURES")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func TestThePageShowsEveryEndpoint(t *testing.T) {
	b := open(t)
	b.load(serve(t))
	want := 0
	operations(t, func(string, map[string]any) { want++ })
	if got := eval[int](b, `document.querySelectorAll("details.operation").length`); got != want {
		t.Errorf("%d operations are shown, the document has %d", got, want)
	}
	// Each can be opened, with a form to call it and its answers.
	b.do(script(`document.querySelectorAll("details.operation").forEach((d) => { d.open = true; })`), chromedp.WaitVisible(chromedp.CSS("#exportEvents .send")))
	if got := eval[int](b, `document.querySelectorAll(".operation .send").length`); got != want {
		t.Errorf("%d operations can be called of %d", got, want)
	}
	if got := eval[int](b, `[...document.querySelectorAll("input, select, textarea")].filter((f) => !f.labels.length).length`); got != 0 {
		t.Errorf("%d fields have no label", got)
	}
	if got := eval[string](b, `document.body.innerText`); strings.Contains(got, "undefined") || strings.Contains(got, "[object") {
		t.Error("the page shows what is not there")
	}
	b.wantNothingWrong()
}

func TestThePageCallsAnEndpointWithTheCallersToken(t *testing.T) {
	b := open(t)
	url := serve(t)
	b.load(url)
	got := b.call("digicertOneAuditLog", token)
	for _, want := range []string{"200 OK", `"name": "<b>jane</b>@example.com"`, `"resource_type": "BASIC_AUTH"`, "x-countersign-as-of:", `-H "x-api-key: $TOKEN"`, url + "/account/api/v1/audit-log"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, token) {
		t.Error("the page shows the token")
	}
	if kept := eval[string](b, `JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])`); strings.Contains(kept, token) || !strings.Contains(kept, `[{},{},"",`) {
		t.Errorf("the page keeps %s", kept)
	}
	b.picture("called")
	b.wantNothingWrong()
}

func TestThePageShowsARefusal(t *testing.T) {
	b := open(t)
	b.load(serve(t))
	if got := b.call("digicertOneAuditLog", "wrong"); !strings.Contains(got, "401 Unauthorized") || !strings.Contains(got, `"code": "invalid_api_key"`) {
		t.Error(got)
	}
	b.wantNothingWrong("status of 401")
}

func TestThePageFollowsAStreamUntilItIsStopped(t *testing.T) {
	b := open(t)
	b.load(serve(t))
	send := chromedp.CSS("#followEvents .send")
	b.do(
		chromedp.SetValue(chromedp.ID("token"), token),
		script(`document.getElementById("followEvents").open = true`),
		chromedp.WaitVisible(send),
		chromedp.SetValue(chromedp.Search(`//*[@id="followEvents"]//label[code="after"]/following-sibling::input`), "-1"),
		chromedp.Click(send),
	)
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](`document.querySelector("#followEvents .answer-body")?.textContent.includes('"id":"e2"')`)); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Click(chromedp.CSS("#followEvents .state button")), chromedp.WaitEnabled(send))
	if got := eval[string](b, `document.querySelector("#followEvents .result").innerText`); !strings.Contains(got, "Stopped.") || !strings.Contains(got, `"id":"e0"`) {
		t.Error(got)
	}
	b.wantNothingWrong()
}

// contrasts finds text that stands out too little from what is behind it (WCAG 2, 1.4.3).
const contrasts = `(() => {
	const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
	const parts = (color) => color.match(/[\d.]+/g).map(Number);
	const luminance = (color) => { const [r, g, b] = parts(color); return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
	const solid = (color) => { const p = parts(color); return p.length < 4 || p[3] > 0; };
	const poor = new Set();
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility()) continue;
		let behind = e;
		while (behind && !solid(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
		const [a, b] = [luminance(getComputedStyle(e).color), luminance(getComputedStyle(behind || document.body).backgroundColor)].sort((x, y) => y - x);
		const ratio = (a + 0.05) / (b + 0.05);
		if (ratio < 4.5) poor.add(e.tagName + "." + e.className + " " + ratio.toFixed(2));
	}
	return [...poor];
})()`

func TestThePageIsReadableOnEachScreen(t *testing.T) {
	b := open(t)
	url := serve(t)
	for _, scheme := range []string{"light", "dark"} {
		for _, screen := range []struct {
			name          string
			width, height int64
		}{{"desktop", 1280, 900}, {"phone", 360, 740}} {
			name := scheme + "-" + screen.name
			b.do(chromedp.EmulateViewport(screen.width, screen.height))
			if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			}); err != nil {
				t.Fatal(err)
			}
			b.load(url)
			b.picture(name)
			b.call("digicertOneAuditLog", token)
			if wide := eval[int](b, `document.documentElement.scrollWidth`); wide > int(screen.width) {
				t.Errorf("%s: the page is %d pixels wide", name, wide)
			}
			b.do(script(`document.getElementById("recordEvents").open = true; document.querySelector("#digicertOneAuditLog .send").scrollIntoView({behavior: "instant"})`))
			b.picture(name + "-called")
			if poor := eval[[]string](b, contrasts); len(poor) > 0 {
				t.Errorf("%s: %q", name, poor)
			}
			if wide := eval[int](b, `document.documentElement.scrollWidth`); wide > int(screen.width) {
				t.Errorf("%s: the page is %d pixels wide with its operations open", name, wide)
			}
		}
	}
	b.wantNothingWrong()
}
