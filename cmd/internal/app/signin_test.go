package app_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/prometheus/client_golang/prometheus"

	"tidemark/cmd/internal/app"
	"tidemark/flags/access"
	"tidemark/web/auth"
)

// counted is the value of a counter without labels.
func counted(t *testing.T, r *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// heard is what was logged; the server goes on logging while a test looks.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

// TestAnUnknownNameCostsWhatAWrongPasswordCosts counts hashes instead of time: whoever
// guesses names learns nothing from how long the answer takes, nor from the answer.
func TestAnUnknownNameCostsWhatAWrongPasswordCosts(t *testing.T) {
	t.Parallel()
	var said heard
	registry := prometheus.NewRegistry()
	d := openWith(t, app.Options{
		PasswordCost: access.PasswordCost{Memory: 64, Passes: 1, Lanes: 1}, Registry: registry,
		Log: slog.New(slog.NewTextHandler(&said, nil)),
	})
	root := d.root()
	d.invite(root, "gone", "viewer")
	root.post(http.StatusSeeOther, "/access/people/gone/disable", "reason", "left")
	root.post(http.StatusOK, "/access/people/new", "name", "invited", "role", "viewer") // has no password yet

	const wrong = "wrong password, really"
	answers := map[string]string{}
	for i, name := range []string{"root", "nobody", "gone", "invited", "", strings.Repeat("x", 80)} {
		before := counted(t, registry, "tidemark_password_hashes_total")
		b := d.browser()
		b.from = "198.51.100." + string(rune('1'+i)) + ":1"
		w := b.post(http.StatusForbidden, "/signin", "name", name, "password", wrong)
		if n := counted(t, registry, "tidemark_password_hashes_total") - before; n != 1 {
			t.Errorf("name %q: %v passwords were hashed; want 1", name, n)
		}
		answers[text(t, w)] = name
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %q", answers)
	}
	for _, name := range []string{"root", "nobody"} { // So long that it is not hashed at all.
		before := counted(t, registry, "tidemark_password_hashes_total")
		d.browser().post(http.StatusForbidden, "/signin", "name", name, "password", strings.Repeat("x", access.MaxPassword+1))
		if n := counted(t, registry, "tidemark_password_hashes_total") - before; n != 0 {
			t.Errorf("name %q, endless password: %v were hashed", name, n)
		}
	}

	// Somebody types the password where the name belongs.
	d.browser().post(http.StatusForbidden, "/signin", "name", "my-Secret.Password1", "password", "")
	if log := said.String(); strings.Contains(log, "Secret.Password1") || strings.Contains(log, wrong) || !strings.Contains(log, "account=root") {
		t.Errorf("the log says %s", log)
	}
}

// TestAProviderThatIsDownIsSaidOnTheSignInPage, which has the other ways in.
func TestAProviderThatIsDownIsSaidOnTheSignInPage(t *testing.T) {
	t.Parallel()
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	d := openWith(t, app.Options{Provider: &auth.ProviderOptions{Issuer: down.URL, ClientID: "tidemark", Default: access.Viewer}})
	b := d.browser()
	b.cookies["tidemark_signin"] = base64.RawURLEncoding.EncodeToString([]byte(`{"s":"s","n":"n","v":"v","t":"/writes"}`))
	for _, path := range []string{"/signin/oidc?to=%2Fwrites", "/signin/oidc/callback?state=s&code=c"} {
		w := b.get(path)
		page := w.Body.String()
		doc, err := goquery.NewDocumentFromReader(strings.NewReader(page))
		if err != nil {
			t.Fatal(err)
		}
		if said := doc.Find("[role=alert]").Text(); w.Code != http.StatusBadGateway || !strings.Contains(said, "does not answer") {
			t.Errorf("%s: %d %q", path, w.Code, said)
		}
		if doc.Find(`a[href="/signin/oidc?to=%2Fwrites"]`).Length() != 1 || doc.Find(`form input[name=to][value="/writes"]`).Length() != 1 {
			t.Errorf("%s: no way to try again, or by password: %s", path, page)
		}
	}
}

// TestALinkThatTakesTheLastAdministratorIsRefused, and logged as others are.
func TestALinkThatTakesTheLastAdministratorIsRefused(t *testing.T) {
	t.Parallel()
	var said heard
	d := openWith(t, app.Options{
		PasswordCost: access.PasswordCost{Memory: 64, Passes: 1, Lanes: 1}, Log: slog.New(slog.NewTextHandler(&said, nil)),
	})
	d.root()
	link, err := auth.NewLink(t.Context(), d.app.Access(), access.User{Name: "root", Role: access.Viewer}, time.Now(), "cli:test")
	if err != nil {
		t.Fatal(err)
	}
	_, token, _ := strings.Cut(link, "token=")
	w := d.browser().post(http.StatusForbidden, "/signin", "token", token)
	if shown := text(t, w); !strings.Contains(shown, "last administrator") {
		t.Errorf("the page says %s", shown)
	}
	if log := said.String(); !strings.Contains(log, "sign-in refused") || !strings.Contains(log, "method=link") {
		t.Errorf("the log says %s", log)
	}
}

// TestAProviderThatIsDownIsLeftInPeace: strangers neither make us ask it without end, nor
// fill the log with what it says.
func TestAProviderThatIsDownIsLeftInPeace(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, strings.Repeat("down ", 10_000))
	}))
	defer down.Close()
	var said heard
	began := time.Now()
	d := openWith(t, app.Options{
		Provider: &auth.ProviderOptions{Issuer: down.URL, ClientID: "tidemark", Default: access.Viewer},
		Now:      func() time.Time { return began }, Log: slog.New(slog.NewTextHandler(&said, nil)),
	})
	b := d.browser()
	for range 50 {
		if w := b.get("/signin/oidc"); w.Code != http.StatusBadGateway {
			t.Fatalf("%d %s", w.Code, text(t, w))
		}
	}
	for range 50 {
		if w := b.get("/signin/oidc"); w.Code != http.StatusTooManyRequests {
			t.Fatalf("%d %s", w.Code, text(t, w))
		}
	}
	if n := asked.Load(); n != 50 {
		t.Errorf("the provider was asked %d times", n)
	}
	for line := range strings.SplitSeq(said.String(), "\n") {
		if len(line) > 1000 {
			t.Fatalf("the log has a line of %d bytes: %.200s", len(line), line)
		}
	}
}

// TestANetworkOfAddressesIsOneGuesser asks from ever new addresses of one IPv6 network,
// such as any customer of a provider has, and of others.
func TestANetworkOfAddressesIsOneGuesser(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	d.root()
	guess := func(from string, want int) {
		t.Helper()
		b := d.browser()
		b.from = from
		b.post(want, "/signin", "name", "root", "password", "wrong password, really")
	}
	for i := range 10 {
		guess(fmt.Sprintf("[2001:db8:1:2:%x::1]:1", i), http.StatusForbidden)
	}
	guess("[2001:db8:1:2:ffff::1]:1", http.StatusTooManyRequests)
	guess("[2001:db8:1:3::1]:1", http.StatusForbidden)
	for range 10 {
		guess("192.0.2.7:1", http.StatusForbidden)
	}
	guess("[::ffff:192.0.2.7]:1", http.StatusTooManyRequests) // the same, written otherwise
	guess("192.0.2.8:1", http.StatusForbidden)
}

// TestAPasswordThatIsChangedMeanwhileLetsNobodyIn changes a password while the one before is
// being compared: no session begins by it, and it gives no other.
func TestAPasswordThatIsChangedMeanwhileLetsNobodyIn(t *testing.T) {
	t.Parallel()
	cost := access.PasswordCost{Memory: 64, Passes: 1, Lanes: 1}
	registry := prometheus.NewRegistry()
	var meanwhile atomic.Pointer[func()] // what happens once the next password was hashed
	d := openWith(t, app.Options{PasswordCost: cost, Registry: registry, Now: func() time.Time {
		if f := meanwhile.Load(); f != nil {
			(*f)()
		}
		return time.Now()
	}})
	root := d.root()
	ana := d.invite(root, "ana", "viewer")
	people, ctx := d.app.People(), t.Context()
	change := func(to string) (done *atomic.Bool) {
		was, err := people.PasswordHash(ctx, "ana")
		if err != nil {
			t.Fatal(err)
		}
		is, err := access.NewPasswords(cost).Hash(ctx, to)
		if err != nil {
			t.Fatal(err)
		}
		before, done := counted(t, registry, "tidemark_password_hashes_total"), &atomic.Bool{}
		var one sync.Mutex
		f := func() {
			if !one.TryLock() { // Counting asks for the time too.
				return
			}
			defer one.Unlock()
			if done.Load() || counted(t, registry, "tidemark_password_hashes_total") == before {
				return
			}
			if err := people.SetPassword(ctx, "ana", was, is, "", access.Change{Actor: "user:ana", At: time.Now()}); err != nil {
				t.Error(err)
			}
			done.Store(true)
		}
		meanwhile.Store(&f)
		return done
	}

	done := change("another battery staple")
	d.browser().post(http.StatusForbidden, "/signin", "name", "ana", "password", good)
	if !done.Load() {
		t.Fatal("nothing was changed meanwhile")
	}
	meanwhile.Store(nil)
	if _, status := ana.me(); status != http.StatusUnauthorized {
		t.Errorf("a session of before: %d", status)
	}

	ana = d.browser()
	ana.post(http.StatusSeeOther, "/signin", "name", "ana", "password", "another battery staple")
	done = change("the third battery staple")
	ana.post(http.StatusConflict, "/access/password", "current", "another battery staple", "password", "what a thief wants", "again", "what a thief wants")
	if !done.Load() {
		t.Fatal("nothing was changed meanwhile")
	}
	meanwhile.Store(nil)
	d.browser().post(http.StatusForbidden, "/signin", "name", "ana", "password", "what a thief wants")
	d.browser().post(http.StatusSeeOther, "/signin", "name", "ana", "password", "the third battery staple")
}
