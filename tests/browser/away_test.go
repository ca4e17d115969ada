package browser

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidemark/tests/tidemark"
)

// door is an address that stays while the servers behind it come and go.
type door struct {
	url    string
	behind atomic.Pointer[string] // HOST:PORT of the server
}

func newDoor(t *testing.T) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed with the test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	d := &door{url: "http://" + l.Addr().String()}
	go func() {
		for {
			in, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				go d.through(in)
			}
		}
	}()
	return d
}

func (d *door) leadTo(s *tidemark.Server) {
	addr := strings.TrimPrefix(s.URL, "http://")
	d.behind.Store(&addr)
}

// through passes on what is said; when nobody is behind the door, it falls shut.
func (d *door) through(in net.Conn) {
	defer in.Close()
	out, err := net.DialTimeout("tcp", *d.behind.Load(), time.Second) //nolint:noctx // it has a timeout
	if err != nil {
		return
	}
	defer out.Close()
	go func() {
		_, _ = io.Copy(out, in)
		_ = out.Close()
	}()
	_, _ = io.Copy(in, out)
}

// TestAPageOutlivesItsServer kills the server under an open page and starts it
// again: the page says that it is stale and since when, then shows what came
// meanwhile, without having been loaded anew.
func TestAPageOutlivesItsServer(t *testing.T) {
	b := open(t)
	data := t.TempDir()
	key := strings.TrimSpace(tidemark.Verb(t, "keys", "create", "shop", "--data", data, "--scope", "publish:*", "--scope", "consume:*", "--scope", "read"))
	s := tidemark.Start(t, "serve", "--data", data)
	send(t, s, key, began("before", "a", time.Now()))
	d := newDoor(t)
	d.leadTo(s)

	p := tab(t, b, Look{Width: Narrow, Height: 844})
	if err := p.SignIn(s.SignIn); err != nil {
		t.Fatal(err)
	}
	visit(t, p, d.url+"/")
	until := func(what, expression string) {
		t.Helper()
		if err := p.Until(expression, 40*time.Second); err != nil {
			shown, _ := Eval[string](p, `document.querySelector("[data-topic]").outerHTML + document.querySelector("main").innerText`)
			t.Fatalf("%s: %v; it shows %s; %q", what, err, shown, p.Problems())
		}
	}
	const state = `document.querySelector("[data-topic]").dataset.state`
	const notice = `document.querySelector("#stale")`
	until("at first", state+` === "live" && `+notice+`.hidden && document.querySelector("a[href^='/features/cart']")`)
	if _, err := Eval[bool](p, `window.neverLoadedAgain = true`); err != nil {
		t.Fatal(err)
	}

	s.Kill()
	until("after the server went away", state+` === "lost" && `+notice+`.getClientRects().length > 0`)
	said, err := Eval[string](p, notice+`.innerText`)
	if err != nil || !regexp.MustCompile(`stale.* how it was at \d\d:\d\d:\d\d\.`).MatchString(said) {
		t.Errorf("it says %q, %v", said, err)
	}
	if found, err := axe(t).Check(p); err != nil || len(found) > 0 {
		t.Errorf("accessibility: %v, %v", found, err)
	}
	if found, err := p.Overflow(); err != nil || len(found) > 0 {
		t.Errorf("overflow: %v, %v", found, err)
	}

	s = tidemark.Start(t, "serve", "--data", data)
	send(t, s, key, strings.ReplaceAll(began("meanwhile", "a", time.Now()), `"cart"`, `"wishlist"`))
	d.leadTo(s)
	until("after it came back", state+` === "live" && `+notice+`.hidden && document.querySelector("a[href^='/features/wishlist']")`)
	if same, err := Eval[bool](p, `window.neverLoadedAgain === true`); err != nil || !same {
		t.Errorf("the page was loaded anew: %v", err)
	}
}

// TestAPageOutlivesABusyServer answers what a live page asks for with 503: what it shows stays,
// said to be stale, until there is an answer again.
func TestAPageOutlivesABusyServer(t *testing.T) {
	b := open(t)
	data := t.TempDir()
	key := strings.TrimSpace(tidemark.Verb(t, "keys", "create", "shop", "--data", data, "--scope", "publish:*"))
	s := tidemark.Start(t, "serve", "--data", data)
	send(t, s, key, began("before", "a", time.Now()))
	p := tab(t, b, Look{Width: Wide, Height: 900})
	if err := p.SignIn(s.SignIn); err != nil {
		t.Fatal(err)
	}
	visit(t, p, s.URL+"/")
	until := func(what, state string) {
		t.Helper()
		if err := p.Until(`document.querySelector("[data-topic]")?.dataset.state === "`+state+`" && document.querySelector("a[href^='/features/cart']")`, 20*time.Second); err != nil {
			shown, _ := Eval[string](p, `document.querySelector("main").innerText`)
			t.Fatalf("%s: %v; it shows %s", what, err, shown)
		}
	}
	until("at first", "live")
	if _, err := Eval[bool](p, `window.answers = window.fetch, window.fetch = async () => new Response('<main id="page"><h1>Busy</h1></main>', {status: 503, headers: {"Content-Type": "text/html"}}), true`); err != nil {
		t.Fatal(err)
	}
	send(t, s, key, began("meanwhile", "a", time.Now()))
	until("while it is busy", "lost")
	if _, err := Eval[bool](p, `window.fetch = window.answers, true`); err != nil {
		t.Fatal(err)
	}
	until("when it answers again", "live")
}

// TestAPageGoesWithItsReader signs out in one tab: an open page in another goes.
func TestAPageGoesWithItsReader(t *testing.T) {
	b := open(t)
	s := tidemark.Start(t, "serve", "--data", t.TempDir())
	p := tab(t, b, Look{Width: Wide, Height: 900})
	if err := p.SignIn(s.SignIn); err != nil {
		t.Fatal(err)
	}
	visit(t, p, s.URL+"/")
	if err := p.Until(`document.querySelector("[data-topic]").dataset.state === "live"`, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	other := tab(t, b, Look{Width: Wide, Height: 900})
	visit(t, other, s.URL+"/access")
	if err := other.Click(`form[action="/signout"] button`); err != nil {
		t.Fatal(err)
	}
	if err := p.Until(`location.pathname === "/signin"`, 30*time.Second); err != nil {
		shown, _ := Eval[string](p, `location.pathname + " " + document.querySelector("main").innerText`)
		t.Errorf("%v; it shows %s", err, shown)
	}
}

// TestEveryPageGoesWithItsReader signs out in one tab: pages in others go that are told
// nothing, whether anybody sees them or not, and so does one whose reader was sent away
// from elsewhere, when it is seen again. What is typed stays.
func TestEveryPageGoesWithItsReader(t *testing.T) {
	b := open(t)
	data := t.TempDir()
	key := strings.TrimSpace(tidemark.Verb(t, "keys", "create", "admin", "--data", data, "--scope", "admin"))
	s := tidemark.Start(t, "serve", "--data", data)
	first := tab(t, b, Look{Width: Wide, Height: 900})
	if err := first.SignIn(s.SignIn); err != nil {
		t.Fatal(err)
	}
	visit(t, first, s.URL+"/access/keys/new")
	secret := `(() => {
		const form = document.querySelector("main form");
		form.elements.name.value = "shop";
		form.elements.scopes.value = "read";
		form.querySelector("button").click();
		return true;
	})()`
	if _, err := Eval[bool](first, secret); err != nil {
		t.Fatal(err)
	}
	if err := first.Until(`document.querySelector("#secret code")`, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	typed := tab(t, b, Look{Width: Wide, Height: 900})
	visit(t, typed, s.URL+"/access/keys/new")
	if _, err := Eval[bool](typed, `document.querySelector("main form").elements.name.value = "till", true`); err != nil {
		t.Fatal(err)
	}
	odd := tab(t, b, Look{Width: Wide, Height: 900})
	if status, err := odd.Go(s.URL + "//elsewhere.example/"); err != nil || status != http.StatusNotFound {
		t.Fatal(status, err)
	}
	other := tab(t, b, Look{Width: Wide, Height: 900})
	visit(t, other, s.URL+"/flags")
	hide(t, first, true)
	gone := func(p *Tab) {
		t.Helper()
		if err := p.Until(`location.pathname === "/signin"`, 10*time.Second); err != nil {
			shown, _ := Eval[string](p, `location.pathname + " " + document.querySelector("main").innerText`)
			t.Errorf("%v; it shows %s", err, shown)
		}
	}
	if err := other.Click(`form[action="/signout"] button`); err != nil {
		t.Fatal(err)
	}
	gone(other)
	gone(first)
	if err := odd.Until(`location.origin === "`+s.URL+`" && document.readyState === "complete" && !document.querySelector("form[action='/signout']")`, 10*time.Second); err != nil {
		at, _ := Eval[string](odd, `location.href`)
		t.Errorf("%v; it went to %s", err, at)
	}
	if stays, err := Eval[bool](typed, `document.querySelector("main form")?.elements.name?.value === "till"`); err != nil || !stays {
		t.Errorf("what was typed went with its page: %v", err)
	}

	if err := other.SignIn(strings.TrimSpace(tidemark.Verb(t, "signin", "--data", data, "--url", s.URL))); err != nil {
		t.Fatal(err)
	}
	visit(t, other, s.URL+"/access")
	name, err := Eval[string](other, `fetch("/api/v1/me").then(r => r.json()).then(me => me.name)`)
	if err != nil {
		t.Fatal(err)
	}
	hide(t, other, true)
	tidemark.Verb(t, "users", "signout", name, "--to", s.URL, "--key", key)
	hide(t, other, false)
	gone(other)
}

// TestPagesThatNobodySeesHoldNoConnection opens more pages than a browser has connections
// to a server without HTTPS, each after the one before was left for it.
func TestPagesThatNobodySeesHoldNoConnection(t *testing.T) {
	b := open(t)
	data := t.TempDir()
	key := strings.TrimSpace(tidemark.Verb(t, "keys", "create", "shop", "--data", data, "--scope", "publish:*"))
	s := tidemark.Start(t, "serve", "--data", data)
	first := tab(t, b, Look{Width: Wide, Height: 900})
	if err := first.SignIn(s.SignIn); err != nil {
		t.Fatal(err)
	}
	const live = `document.querySelector("[data-topic]").dataset.state === "live"`
	p := first
	for range 8 {
		visit(t, p, s.URL+"/")
		if err := p.Until(live, 20*time.Second); err != nil {
			t.Fatal(err)
		}
		hide(t, p, true)
		p = tab(t, b, Look{Width: Wide, Height: 900})
	}
	send(t, s, key, began("meanwhile", "a", time.Now()))
	hide(t, first, false)
	if err := first.Until(live+` && document.querySelector("a[href^='/features/cart']")`, 20*time.Second); err != nil {
		t.Error(err)
	}
	send(t, s, key, strings.ReplaceAll(began("then", "a", time.Now()), `"cart"`, `"wishlist"`))
	if err := first.Until(`document.querySelector("a[href^='/features/wishlist']")`, 20*time.Second); err != nil {
		t.Errorf("a page that is seen again is told nothing: %v", err)
	}
}

// hide tells a page whether anybody sees it: without a window, nobody turns away from it.
func hide(t *testing.T, p *Tab, yes bool) {
	t.Helper()
	expression := fmt.Sprintf(`(Object.defineProperty(document, "hidden", {value: %t, configurable: true}), document.dispatchEvent(new Event("visibilitychange")), true)`, yes)
	if _, err := Eval[bool](p, expression); err != nil {
		t.Fatal(err)
	}
}
