package clients

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"tidemark/tests/browser"
)

// page serves the shop's page from an origin of its own, opens it in Chromium and
// starts the web SDK in it.
func (s *shop) page(b *browser.Browser, origin, unit string) *browser.Tab {
	s.t.Helper()
	tab, err := b.Tab(browser.Look{Width: browser.Wide, Height: 600})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(tab.Close)
	q := url.Values{"server": {s.url}, "key": {s.web}, "unit": {unit}}
	if status, err := tab.Go(origin + "/?" + q.Encode()); err != nil || status != http.StatusOK {
		s.t.Fatalf("open the page: %d, %v", status, err)
	}
	return tab
}

func eval[T any](t *testing.T, tab *browser.Tab, expression string) T {
	t.Helper()
	v, err := browser.Eval[T](tab, expression)
	if err != nil {
		t.Fatalf("%v\nthe page says: %q", err, tab.Problems())
	}
	return v
}

// TestWebSDK: a page of another origin evaluates with the stock web SDK and its OFREP
// provider. A change at the server reaches it by push, without a reload or a poll, and
// a rollout holds it to the model that its session began with.
func TestWebSDK(t *testing.T) {
	t.Parallel()
	b, err := browser.Open(t.Context())
	if errors.Is(err, browser.ErrNoBrowser) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	script := bundle(t, "web.mjs")
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/web.js" {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write(script)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprint(w, `<!doctype html><title>Shop</title><link rel="icon" href="data:,"><script src="/web.js"></script>`)
	}))
	t.Cleanup(site.Close)
	s := open(t, "--cors-origin", site.URL)
	tab := s.page(b, site.URL, "user-1")

	if d := eval[details](t, tab, "shop.start()"); d.Value != "Hello" || d.Variant != "hello" || d.Reason != "STATIC" || d.Error != "" {
		t.Errorf("at first %+v", d)
	}
	began := time.Now()
	s.change("greeting", 1, `{"state":"ENABLED","variants":{"hello":"Hello","hi":"Hi"},"defaultVariant":"hi"}`)
	d := eval[details](t, tab, "shop.change(1)")
	t.Logf("a change was in the page %v after it was asked for", time.Since(began).Round(time.Millisecond))
	if d.Value != "Hi" {
		t.Errorf("after the change %+v", d)
	}

	s.toggles(t, b, tab)

	// The pin of the first answer keeps the session where it began.
	path := s.rollOut()
	unit, first := s.candidate(t, b, site.URL)
	s.revert(path)
	context, err := json.Marshal(map[string]any{"targetingKey": unit, "tidemark": map[string]any{"pin": first.Metadata["pin"]}})
	if err != nil {
		t.Fatal(err)
	}
	pinned := eval[details](t, tab, "shop.switchUser("+string(context)+", 'model')")
	if value, _ := pinned.Value.(map[string]any); value["model"] != "causal" {
		t.Errorf("after the revert a pinned session gets %+v; want the candidate", pinned)
	}
	context, err = json.Marshal(map[string]any{"targetingKey": unit})
	if err != nil {
		t.Fatal(err)
	}
	fresh := eval[details](t, tab, "shop.switchUser("+string(context)+", 'model')")
	if value, _ := fresh.Value.(map[string]any); value["model"] != "eventual" {
		t.Errorf("after the revert a new session gets %+v; want the control", fresh)
	}
	if said := tab.Problems(); len(said) > 0 {
		t.Errorf("the page says: %q", said)
	}
}

// change is what the shop's page saw, and when, Unix ms.
type change struct {
	details
	At int64 `json:"at"`
}

// toggles switches the flag off and on again by its form in the dashboard, in a tab of
// its own, and sees each change arrive in the shop's page by push. The best of four counts:
// the machine may be busy with other tests, the way of a change does not get shorter by it.
func (s *shop) toggles(t *testing.T, b *browser.Browser, page *browser.Tab) {
	t.Helper()
	dashboard, err := b.Tab(browser.Look{Width: browser.Wide, Height: 900})
	if err != nil {
		t.Fatal(err)
	}
	defer dashboard.Close()
	if err := dashboard.SignIn(s.server.SignIn); err != nil {
		t.Fatal(err)
	}
	best := time.Hour
	for i, want := range []details{{Value: "none", Reason: "DISABLED"}, {Value: "Hi", Reason: "STATIC"}, {Value: "none", Reason: "DISABLED"}, {Value: "Hi", Reason: "STATIC"}} {
		if _, err := dashboard.Go(s.url + "/flags/greeting"); err != nil {
			t.Fatal(err)
		}
		const form = `form[action="/flags/greeting/switch"]`
		eval[bool](t, dashboard, `{ const d = document.querySelector('`+form+`').closest("details"); if (d) d.open = true; true }`)
		eval[string](t, dashboard, `document.querySelector('`+form+` [name="switch-reason"]').value = "trouble"`)
		began := time.Now()
		if err := dashboard.Click(form + " button"); err != nil {
			t.Fatal(err)
		}
		seen := eval[change](t, page, fmt.Sprintf("shop.change(%d)", i+2))
		took := time.UnixMilli(seen.At).Sub(began)
		best = min(best, took)
		if seen.Value != want.Value || seen.Reason != want.Reason {
			t.Errorf("after toggle %d by the form the page has %+v; want %+v", i+1, seen, want)
		}
		if err := dashboard.Until(`document.readyState === "complete" && location.pathname === "/flags/greeting"`, 20*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("a toggle by the dashboard's form was in the page after %v", best.Round(time.Millisecond))
	if best >= time.Second {
		t.Errorf("the best of four toggles took %v; want less than 1 s", best)
	}
	if said := dashboard.Problems(); len(said) > 0 {
		t.Errorf("the dashboard says: %q", said)
	}
}

// candidate opens the page as one user after the other until one has the candidate.
func (s *shop) candidate(t *testing.T, b *browser.Browser, origin string) (unit string, d details) {
	t.Helper()
	tab := s.page(b, origin, "user-0")
	eval[details](t, tab, "shop.start()")
	for i := range 50 {
		unit = fmt.Sprintf("user-%d", i)
		d = eval[details](t, tab, fmt.Sprintf("shop.switchUser({targetingKey: %q}, 'model')", unit))
		if d.Variant == "new" {
			if d.Metadata["arm"] != "candidate" || d.Metadata["pin"] == nil || d.Reason != "SPLIT" {
				t.Errorf("the candidate comes as %+v; want its arm, a pin and SPLIT", d)
			}
			return unit, d
		}
	}
	t.Fatal("none of 50 users has the candidate at 50 %")
	return "", d
}
