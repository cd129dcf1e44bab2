package render_test

import (
	"context"
	"fmt"
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
	"github.com/chromedp/chromedp/kb"

	"countersign/report"
	"countersign/report/render"
)

// browser is a tab and what went wrong in it.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu    sync.Mutex // guards wrong, which the browser's events write
	wrong []string
}

// open starts a headless Chromium with a report in it. Tests that need it are skipped, and say so, where there is none.
func open(t *testing.T, r *report.Report) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes long to start")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("WARNING: the report is not looked at in a browser: there is no chromium here (scripts/deps.sh installs it)")
	}
	file := filepath.Join(t.TempDir(), "report.html")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := render.HTML(f, r); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// As root, which CI is, Chromium runs without its own sandbox only; it sees nothing but this file.
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
	b.do(chromedp.Navigate("file://" + file))
	return b
}

// hear notes what the browser says went wrong; a broken policy is among it.
func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		b.wrong = append(b.wrong, string(e.Entry.Source)+": "+e.Entry.Text)
	case *runtime.EventConsoleAPICalled:
		b.wrong = append(b.wrong, fmt.Sprintf("console.%s", e.Type))
	}
}

func (b *browser) wantNothingWrong() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.wrong {
		b.t.Error(w)
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

// screen sets how the report is looked at.
func (b *browser) screen(scheme string, width, height int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height))
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	}); err != nil {
		b.t.Fatal(err)
	}
}

// pictures returns where pictures are kept for people, "" when nobody asks for them.
func pictures() string { return os.Getenv("COUNTERSIGN_PICTURES") }

// picture keeps what an element looks like.
func (b *browser) picture(name, selector string) {
	b.t.Helper()
	if pictures() == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.Screenshot(chromedp.CSS(selector)))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pictures(), name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// contrasts finds text that stands out too little from what is behind it (WCAG 2, 1.4.3).
const contrasts = `(() => {
	const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
	const parts = (color) => color.match(/[\d.]+/g).map(Number);
	const luminance = (color) => { const [r, g, b] = parts(color); return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
	const solid = (color) => { const p = parts(color); return p.length < 4 || p[3] > 0; };
	const poor = new Set();
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility() || e.tagName === "title") continue;
		let behind = e;
		while (behind && !solid(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
		const style = getComputedStyle(e);
		const [a, b] = [luminance(e.tagName === "text" ? style.fill : style.color), luminance(getComputedStyle(behind || document.body).backgroundColor)].sort((x, y) => y - x);
		const ratio = (a + 0.05) / (b + 0.05);
		if (ratio < 4.5) poor.add(e.tagName + "." + e.getAttribute("class") + " " + ratio.toFixed(2));
	}
	return [...poor];
})()`

func TestTheFileIsReadableOnEachScreen(t *testing.T) {
	b := open(t, sample())
	for _, scheme := range []string{"light", "dark"} {
		for _, screen := range []struct {
			name          string
			width, height int64
		}{{"desktop", 1280, 900}, {"phone", 320, 740}} {
			name := scheme + "-" + screen.name
			b.screen(scheme, screen.width, screen.height)
			b.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach((d) => { d.open = true; })`))
			if wide := eval[int](b, `document.documentElement.scrollWidth`); wide > int(screen.width) {
				t.Errorf("%s: the page is %d pixels wide", name, wide)
			}
			if poor := eval[[]string](b, contrasts); len(poor) > 0 {
				t.Errorf("%s: %q", name, poor)
			}
			b.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach((d) => { d.open = false; })`))
			b.picture(name+"-1-cover", "header.cover")
			for _, id := range []string{"glance", "gaps", "r-10-2-1", "r-10-2-1-2", "r-10-2-1-4", "r-10-2-1-5", "s-coverage", "s-outcomes", "s-failed-sign-ins", "s-mfa", "s-tokens", "s-fields", "people", "annexes", "made", "reading", "signoff"} {
				b.picture(name+"-2-"+id, "section:has(> #"+id+")")
			}
		}
	}
	b.wantNothingWrong()
}

func TestTheFileIsReadByKeyboard(t *testing.T) {
	b := open(t, sample())
	b.screen("light", 1280, 900)
	b.do(chromedp.KeyEvent(kb.Tab))
	if got := eval[string](b, `document.activeElement.textContent`); got != "Skip to the report" {
		t.Errorf("the first thing that is reached is %q", got)
	}
	b.do(chromedp.KeyEvent(kb.Enter))
	if got := eval[string](b, `document.activeElement.id`); got != "main" {
		t.Errorf("the skip link leads to %q", got)
	}
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("details summary").focus()`), chromedp.KeyEvent(kb.Enter))
	if !eval[bool](b, `document.querySelector("details").open`) {
		t.Error("the numbers behind a chart are not opened with the return key")
	}
	if got := eval[[]string](b, `[...document.querySelectorAll(".scroll")].filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0).map((e) => e.innerText.slice(0, 40))`); len(got) > 0 {
		t.Errorf("these scroll and are not reached by keyboard: %q", got)
	}
	b.wantNothingWrong()
}

func TestHostileTextsDoNothingInABrowser(t *testing.T) {
	b := open(t, hostile())
	b.screen("light", 320, 740)
	if wide := eval[int](b, `document.documentElement.scrollWidth`); wide > 320 {
		t.Errorf("the page is %d pixels wide", wide)
	}
	if got := eval[int](b, `document.querySelectorAll("script, img, iframe, object, embed, link, form, input, base").length`); got != 0 {
		t.Errorf("%d elements came from texts", got)
	}
	if got := eval[string](b, `String(window.hit)`); got != "undefined" {
		t.Error("a script ran")
	}
	b.picture("hostile", "header.cover")
	b.wantNothingWrong()
}

func TestTheFilePrintsOnPages(t *testing.T) {
	b := open(t, sample())
	b.screen("dark", 1280, 900)
	pdf, err := chromedp.Run(b.ctx, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize(), chromedp.PDFPrintBackground()))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "printed.pdf")
	if err := os.WriteFile(file, pdf, 0o644); err != nil {
		t.Fatal(err)
	}
	out := poppler(t, "pdftotext", "-layout", file, "-")
	pages := strings.Split(strings.TrimSuffix(out, "\f"), "\f")
	for i, page := range pages {
		if want := fmt.Sprintf("Page %d of %d", i+1, len(pages)); !strings.Contains(page, want) {
			t.Errorf("page %d does not say %q", i+1, want)
		}
		if want := fmt.Sprintf("Tree size %d", sampleTree); !strings.Contains(page, want) {
			t.Errorf("page %d does not say %q", i+1, want)
		}
	}
	// The heads of a table that goes over pages are on each of them.
	heads := 0
	for _, page := range pages {
		if strings.Contains(page, "Name and id") {
			heads++
		}
	}
	if heads < 2 {
		t.Errorf("the table of people has its head on %d pages", heads)
	}
	if pictures() != "" {
		poppler(t, "pdftoppm", "-r", "60", "-png", file, filepath.Join(pictures(), "printed"))
	}
	b.wantNothingWrong()
}
