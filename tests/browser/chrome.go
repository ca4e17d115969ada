// Package browser drives Chromium as a person would, for the tests and the
// screenshots beside it.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// ErrNoBrowser says that no Chromium is installed.
var ErrNoBrowser = errors.New("chromium is not installed (Debian: apt-get install chromium)")

// Find returns the path of Chromium.
func Find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNoBrowser
}

// Browser is one Chromium with a profile of its own.
type Browser struct {
	ctx   context.Context
	close []func()
}

// Open starts Chromium without a window and with nothing that speaks to the outside.
func Open(ctx context.Context) (*Browser, error) {
	path, err := Find()
	if err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp("", "tidemark-browser-")
	if err != nil {
		return nil, fmt.Errorf("make a profile: %w", err)
	}
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.WSURLReadTimeout(time.Minute),
	}
	actx, stopAllocator := chromedp.NewExecAllocator(ctx, opts...)
	bctx, stopBrowser := chromedp.NewContext(actx)
	b := &Browser{ctx: bctx, close: []func(){
		func() { _ = os.RemoveAll(profile) },
		stopAllocator,
		stopBrowser,
	}}
	if err := chromedp.Do(bctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return b, nil
}

// Close ends Chromium and removes its profile.
func (b *Browser) Close() {
	for _, f := range slices.Backward(b.close) {
		f()
	}
}

// Look is how a page is looked at.
type Look struct {
	Width, Height int64 // CSS pixels
	Dark          bool
	NoScript      bool // as if JavaScript were turned off
	Still         bool // as if reduced motion were asked for
	Paper         bool // as if it were printed
}

// Wide and Narrow are the two sizes that every page is made for.
const (
	Wide   = 1440
	Narrow = 390
)

// Paper is how wide a sheet of A4 is between margins of 12 mm, which print.css asks for.
const Paper = 703

// Tab is one page of the browser, with what went wrong in it.
type Tab struct {
	ctx   context.Context
	close func()
	width int64

	mu       sync.Mutex
	problems []string
}

// Tab opens an empty tab. Tabs of one Browser share its cookies.
func (b *Browser) Tab(look Look) (*Tab, error) {
	ctx, stop := chromedp.NewContext(b.ctx)
	t := &Tab{ctx: ctx, close: stop, width: look.Width}
	if err := errors.Join(chromedp.Listen(ctx, t.hear), t.look(look)); err != nil {
		stop()
		return nil, fmt.Errorf("open a tab: %w", err)
	}
	return t, nil
}

func (t *Tab) look(look Look) error {
	scheme, motion, media := "light", "no-preference", ""
	if look.Paper {
		media = "print"
	}
	if look.Dark {
		scheme = "dark"
	}
	if look.Still {
		motion = "reduce"
	}
	sized := t.resize(look.Height)
	_, coloured := chromedp.Call(t.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Media: media,
		Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme},
			{Name: "prefers-reduced-motion", Value: motion},
		},
	})
	_, scripted := chromedp.Call(t.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: look.NoScript})
	return errors.Join(sized, coloured, scripted)
}

// resize sets the height of the window, in CSS pixels.
func (t *Tab) resize(height int64) error {
	_, err := chromedp.Call(t.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: t.width, Height: height, DeviceScaleFactor: 1, Mobile: t.width <= Narrow,
	})
	return err
}

// Close closes the tab.
func (t *Tab) Close() { t.close() }

// hear notes errors on the console, exceptions, violations of the content security
// policy, and requests that failed.
func (t *Tab) hear(ev any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		t.problems = append(t.problems, "exception: "+exceptionText(ev.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError || ev.Type == runtime.ConsoleAPICalledTypeWarning || ev.Type == runtime.ConsoleAPICalledTypeAssert {
			t.problems = append(t.problems, "console: "+consoleText(ev))
		}
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError || ev.Entry.Source == log.EntrySourceSecurity {
			t.problems = append(t.problems, fmt.Sprintf("%s: %s %s", ev.Entry.Source, ev.Entry.Text, ev.Entry.URL))
		}
	}
}

func exceptionText(d *runtime.ExceptionDetails) string {
	text := fmt.Sprintf("%s (%s:%d)", d.Text, d.URL, d.LineNumber+1)
	if d.Exception != nil {
		text += " " + d.Exception.Description
	}
	return text
}

func consoleText(ev *runtime.EventConsoleAPICalled) string {
	var parts []string
	for _, a := range ev.Args {
		if a.Description != "" {
			parts = append(parts, a.Description)
		} else {
			parts = append(parts, a.Value.String())
		}
	}
	return strings.Join(parts, " ")
}

// Problems returns what went wrong since the last call.
func (t *Tab) Problems() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.problems
	t.problems = nil
	return p
}

// Go opens an address, waits until the page is loaded, and returns its status.
func (t *Tab) Go(url string) (status int64, err error) {
	resp, err := Do(t, chromedp.NavigateResponse(url))
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", url, err)
	}
	return resp.Status, nil
}

// Do carries out an action, with at most half a minute for it.
func Do[T any](t *Tab, a chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(t.ctx, 30*time.Second)
	defer cancel()
	return chromedp.Run(ctx, a)
}

// Eval returns the value of an expression in the page; of a promise, what it
// resolves to.
func Eval[T any](t *Tab, expression string) (T, error) {
	v, err := Do(t, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		return v, fmt.Errorf("evaluate %.60q: %w", expression, err)
	}
	return v, nil
}

// Until waits until an expression is true in the page.
func (t *Tab) Until(expression string, within time.Duration) error {
	deadline := time.Now().Add(within)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := Eval[bool](t, "Boolean("+expression+")")
		if ok {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("not within %s: %s", within, expression), err)
		}
		<-tick.C
	}
}

// Press types keys into whatever has the focus.
func (t *Tab) Press(keys string) error {
	_, err := Do(t, chromedp.KeyEvent(keys))
	return err
}

// Click clicks the first element that a CSS selector finds.
func (t *Tab) Click(selector string) error {
	if _, err := Do(t, chromedp.Click(chromedp.CSS(selector))); err != nil {
		return fmt.Errorf("click %s: %w", selector, err)
	}
	return nil
}

// SignIn uses up a sign-in link: it opens it and presses the button.
func (t *Tab) SignIn(link string) error {
	if _, err := t.Go(link); err != nil {
		return err
	}
	if err := t.Click(`form[action="/signin"] button[type=submit]`); err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	return t.Until(`location.pathname !== "/signin" && document.readyState === "complete"`, 20*time.Second)
}

// maxPicture is how high a picture may be, in pixels.
const maxPicture = 12_000

// Picture returns the whole page as a PNG. The window is made as high as the page
// for it, so that what fills the window fills the picture.
func (t *Tab) Picture() ([]byte, error) {
	height, err := Eval[int64](t, `document.documentElement.scrollHeight`)
	if err != nil {
		return nil, err
	}
	before, err := Eval[int64](t, `innerHeight`)
	if err != nil {
		return nil, err
	}
	if err := t.resize(min(max(height, before), maxPicture)); err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	png, err := Do(t, chromedp.FullScreenshot(100))
	if err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	return png, t.resize(before)
}
