package app_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tidemark/cmd/internal/app"
	"tidemark/flags/access"
	"tidemark/web/auth"
)

func (d *door) namedKey(name string, scopes ...string) string {
	d.t.Helper()
	k, token, err := access.NewKey(access.NewKeyOptions{Name: name, Scopes: scopes}, time.Now())
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.app.Access().CreateKey(d.t.Context(), k, "cli:test", ""); err != nil {
		d.t.Fatal(err)
	}
	return token
}

// signIn opens a link, presses its button, and returns the session's cookie.
func (d *door) signIn(role access.Role) *http.Cookie { return d.signInAs(string(role), role) }

func (d *door) signInAs(name string, role access.Role) *http.Cookie {
	d.t.Helper()
	path, err := auth.NewLink(d.t.Context(), d.app.Access(), access.User{Name: name, Role: role}, time.Now(), "cli:test")
	if err != nil {
		d.t.Fatal(err)
	}
	_, token, _ := strings.Cut(path, "token=")
	r := httptest.NewRequestWithContext(d.t.Context(), http.MethodPost, auth.SignInPath, strings.NewReader(url.Values{"token": {token}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := d.serve(r)
	if w.Code != http.StatusSeeOther || len(w.Result().Cookies()) != 1 {
		d.t.Fatalf("sign in: %d %s", w.Code, w.Body)
	}
	return w.Result().Cookies()[0]
}

// leaving is a client that goes away as soon as the answer begins, so that streams
// end.
type leaving struct {
	*httptest.ResponseRecorder

	leave context.CancelFunc
}

func (l *leaving) WriteHeader(code int) {
	l.ResponseRecorder.WriteHeader(code)
	l.leave()
}

func (d *door) serve(r *http.Request) (answer *httptest.ResponseRecorder) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	w := &leaving{httptest.NewRecorder(), cancel}
	answer = w.ResponseRecorder
	defer func() { // An answer that was cut off, as net/http takes it.
		if v := recover(); v != nil && v != http.ErrAbortHandler { //nolint:errorlint // What was panicked with.
			panic(v)
		}
	}()
	d.app.Server().ServeHTTP(w, r.WithContext(ctx))
	return answer
}

// TestPublicRoutesAreFew names what serves anyone, so that a new one is noticed.
func TestPublicRoutesAreFew(t *testing.T) {
	t.Parallel()
	public := map[string]bool{
		"GET /healthz": true, "GET /readyz": true, "GET /signin": true, "POST /signin": true,
		"GET /setup": true, "POST /setup": true,
		"GET /static/*": true,
		// Browsers ask before they send a key, and an event source cannot send one: the
		// stream's address holds a signed token that lasts minutes.
		"OPTIONS /ofrep/v1/evaluate/flags": true, "OPTIONS /ofrep/v1/evaluate/flags/:key": true, "GET /ofrep/v1/stream": true,
	}
	for _, r := range open(t).app.Server().Routes() {
		if name := r.Method + " " + r.Path; r.May == access.Public && !public[name] {
			t.Errorf("%s is public", name)
		}
	}
}

func TestAWrongKeyIsRefusedEvenWhereNoneIsNeeded(t *testing.T) {
	t.Parallel()
	d := open(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", http.NoBody)
	r.Header.Set("X-Api-Key", "tmk_live_aaaaaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb00000000")
	if w := d.serve(r); w.Code != http.StatusUnauthorized || w.Header().Get("Www-Authenticate") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestGuessingKeysIsSlowedDown(t *testing.T) {
	t.Parallel()
	d := open(t)
	good := d.key("read")
	try := func(key string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/features", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+key)
		return d.serve(r).Code
	}
	for i := range 200 {
		if code := try("tmk_guess"); code == http.StatusTooManyRequests {
			if code := try(good); code != http.StatusOK {
				t.Errorf("a good key from the same address: %d", code)
			}
			return
		} else if code != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", i, code)
		}
	}
	t.Error("200 wrong keys in a row were answered 401")
}

func TestASignInLinkNeedsAButtonAndWorksOnce(t *testing.T) {
	t.Parallel()
	d := open(t)
	link, err := d.app.SignInLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(link, d.app.URL()+"/signin?token=") {
		t.Fatalf("link %s", link)
	}
	_, token, _ := strings.Cut(link, "token=")
	for range 3 { // Looking changes nothing.
		w := d.serve(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/signin?token="+token, http.NoBody))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), token) || len(w.Result().Cookies()) != 0 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	post := func(site string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/signin", strings.NewReader("token="+token))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", site)
		return d.serve(r)
	}
	if w := post("cross-site"); w.Code != http.StatusForbidden || len(w.Result().Cookies()) != 0 {
		t.Fatalf("from another site: %d", w.Code)
	}
	w := post("same-origin")
	if w.Code != http.StatusSeeOther {
		t.Fatalf("sign in: %d %s", w.Code, w.Body)
	}
	c := w.Result().Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure {
		t.Errorf("cookie %+v: want HttpOnly, Lax, and not Secure over http", c)
	}
	if w := post("same-origin"); w.Code != http.StatusForbidden || len(w.Result().Cookies()) != 0 {
		t.Errorf("second use: %d", w.Code)
	}
}

func TestSigningOutEndsTheSession(t *testing.T) {
	t.Parallel()
	d := open(t)
	cookie := d.signIn(access.Viewer)
	ask := func(method, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
		r.AddCookie(cookie)
		return d.serve(r)
	}
	if w := ask(http.MethodGet, "/api/v1/features"); w.Code != http.StatusOK {
		t.Fatalf("signed in: %d %s", w.Code, w.Body)
	}
	if w := ask(http.MethodPost, "/signout"); w.Code != http.StatusSeeOther {
		t.Fatalf("sign out: %d %s", w.Code, w.Body)
	}
	if w := ask(http.MethodGet, "/api/v1/features"); w.Code != http.StatusUnauthorized {
		t.Errorf("the old cookie: %d", w.Code)
	}
}

// TestAKeyIsHeldToItsOwnLimit: by requests, and so is the one that replaces it.
func TestAKeyIsHeldToItsOwnLimit(t *testing.T) {
	t.Parallel()
	d := open(t)
	admin := d.namedKey("admin", "admin")
	var key, next struct{ ID, Key string }
	d.do(admin, http.MethodPost, "/api/v1/keys", `{"name":"slow","scopes":["read"],"rate":0.001}`, http.StatusCreated, &key)
	d.do(admin, http.MethodPost, "/api/v1/keys/"+key.ID+"/rotate", `{}`, http.StatusCreated, &next)
	for _, k := range []string{key.Key, next.Key} {
		if w := d.get(k, "/api/v1/me"); w.Code != http.StatusOK {
			t.Fatalf("the first request: %d %s", w.Code, w.Body)
		}
		if w := d.get(k, "/api/v1/me"); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
			t.Errorf("the second request in 1,000 s: %d, Retry-After %q; want 429", w.Code, w.Header().Get("Retry-After"))
		}
	}
}

func TestAPersonWithoutSessionIsLedToTheSignInPage(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/features", http.NoBody)
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	w := open(t).serve(r)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != auth.SignInPath+"?to=%2Ffeatures" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// TestStrangersLearnNothingFromWhatIsNotThere: who is not known is told neither the
// version nor which pages there are.
func TestStrangersLearnNothingFromWhatIsNotThere(t *testing.T) {
	t.Parallel()
	d := openIn(t, t.TempDir(), app.Options{Version: "v9.8.7-of-this-test"})
	for name, c := range map[string]struct {
		who  *browser
		told bool
	}{"a stranger": {d.browser(), false}, "somebody": {d.root(), true}} {
		w := c.who.get("/nowhere")
		doc, err := goquery.NewDocumentFromReader(strings.NewReader(w.Body.String()))
		check(t, err)
		if h := doc.Find("h1").Text(); w.Code != http.StatusNotFound || h != "There is nothing here." {
			t.Errorf("%s: %d, %q", name, w.Code, h)
		}
		if version, nav := strings.Contains(w.Body.String(), "v9.8.7"), doc.Find("nav").Length() > 0; version != c.told || nav != c.told {
			t.Errorf("%s: told of the version %t, of pages %t; want %t", name, version, nav, c.told)
		}
	}
}

func TestEveryAnswerHasItsHeaders(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, path := range []string{"/healthz", "/nowhere", "/signin", "/api/v1/features"} {
		h := d.serve(httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)).Header()
		for name, want := range map[string]string{
			"Content-Security-Policy":    "frame-ancestors 'none'",
			"X-Content-Type-Options":     "nosniff",
			"Referrer-Policy":            "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin",
			"X-Request-Id":               "",
		} {
			if got := h.Get(name); got == "" || !strings.Contains(got, want) {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if csp := h.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || !strings.HasPrefix(csp, "default-src 'none'") {
			t.Errorf("%s: %s", path, csp)
		}
	}
}
