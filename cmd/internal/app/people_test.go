package app_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/prometheus/client_golang/prometheus"

	"tidemark/cmd/internal/app"
	"tidemark/flags/access"
	control "tidemark/flags/sqlite"
)

const good = "correct horse battery staple"

// openQuick starts a server whose passwords cost little.
func openQuick(t *testing.T) *door {
	t.Helper()
	return openWith(t, app.Options{PasswordCost: access.PasswordCost{Memory: 64, Passes: 1, Lanes: 1}})
}

// browser is a person's: it keeps cookies and reads pages.
type browser struct {
	d       *door
	cookies map[string]string
	from    string // address
}

func (d *door) browser() *browser {
	return &browser{d: d, cookies: map[string]string{}, from: "192.0.2.1:1"}
}

func (b *browser) do(method, path string, form url.Values) *httptest.ResponseRecorder {
	b.d.t.Helper()
	r := httptest.NewRequestWithContext(b.d.t.Context(), method, path, strings.NewReader(form.Encode()))
	r.RemoteAddr = b.from
	r.Header.Set("Accept", "text/html")
	r.Header.Set("User-Agent", "Mozilla/5.0 Firefox/149")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := b.d.serve(r)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c.Value
	}
	return w
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	b.d.t.Helper()
	return b.do(http.MethodGet, path, nil)
}

// post sends a form and wants a status.
func (b *browser) post(want int, path string, fields ...string) *httptest.ResponseRecorder {
	b.d.t.Helper()
	w := b.do(http.MethodPost, path, values(fields))
	if w.Code != want {
		b.d.t.Fatalf("POST %s: %d, want %d: %s", path, w.Code, want, text(b.d.t, w))
	}
	return w
}

// values is a form of names and values in turn; the last of a name counts.
func values(fields []string) url.Values {
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return form
}

func text(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(w.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(doc.Find("main").Text()), " ")
}

type whoAmI struct {
	Kind, Name, Role string
	Features         []string
	Permissions      []string
}

func (b *browser) me() (m whoAmI, status int) {
	b.d.t.Helper()
	w := b.get("/api/v1/me?format=json")
	_ = json.Unmarshal(w.Body.Bytes(), &m)
	return m, w.Code
}

// root is the first administrator.
func (d *door) root() *browser {
	d.t.Helper()
	link, err := d.app.SetUpLink(d.t.Context())
	if err != nil || link == "" {
		d.t.Fatalf("set-up link %q, %v", link, err)
	}
	b := d.browser()
	_, token, _ := strings.Cut(link, "token=")
	b.post(http.StatusSeeOther, "/setup", "token", token, "name", "root", "password", good, "again", good)
	return b
}

// invite makes an account and signs its person in.
func (d *door) invite(root *browser, name, role string) *browser {
	d.t.Helper()
	b := d.browser()
	b.post(http.StatusSeeOther, "/setup", "token", d.invitation(root, name, role), "password", good, "again", good)
	return b
}

// invitation makes an account and returns the token of its link.
func (d *door) invitation(root *browser, name, role string) string {
	d.t.Helper()
	w := root.post(http.StatusOK, "/access/people/new", "name", name, "role", role)
	doc, err := goquery.NewDocumentFromReader(w.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	_, token, ok := strings.Cut(doc.Find("#invite").Text(), "/setup?token=")
	if !ok {
		d.t.Fatalf("no link in %s", doc.Text())
	}
	return token
}

func TestTheFirstAdministratorIsSetUpOnce(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	link, err := d.app.SetUpLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(link, d.app.URL())
	_, token, _ := strings.Cut(path, "token=")
	b := d.browser()
	for range 3 { // Looking changes nothing.
		if w := b.get(path); w.Code != http.StatusOK || !strings.Contains(text(t, w), "first administrator") {
			t.Fatalf("%d %s", w.Code, text(t, w))
		}
	}
	for says, fields := range map[string][]string{
		"at least 12":            {"name", "root", "password", "short", "again", "short"},
		"not the same":           {"name", "root", "password", good, "again", good + "x"},
		"different characters":   {"name", "root", "password", "aaaaaaaaaaaaaaaa", "again", "aaaaaaaaaaaaaaaa"},
		"it is the name":         {"name", "administrator", "password", "administrator", "again", "administrator"},
		"1 to 64 letters":        {"name", "a b", "password", good, "again", good},
		"beginning with a lette": {"name", "", "password", good, "again", good},
	} {
		w := b.post(http.StatusBadRequest, "/setup", append(fields, "token", token)...)
		if !strings.Contains(text(t, w), says) {
			t.Errorf("%v: %s", fields, text(t, w))
		}
	}
	b.post(http.StatusSeeOther, "/setup", "token", token, "name", "root", "password", good, "again", good)
	if m, _ := b.me(); m.Name != "root" || m.Role != "admin" {
		t.Errorf("%+v", m)
	}
	d.browser().post(http.StatusForbidden, "/setup", "token", token, "name", "eve", "password", good, "again", good)
	if link, err := d.app.SetUpLink(t.Context()); link != "" || err != nil {
		t.Errorf("another set-up link: %q, %v", link, err)
	}
}

// TestRefusedSetUpLinksAreLogged looks for who tried, and that the link is not in the log.
func TestRefusedSetUpLinksAreLogged(t *testing.T) {
	t.Parallel()
	var said heard
	registry := prometheus.NewRegistry()
	d := openWith(t, app.Options{
		PasswordCost: access.PasswordCost{Memory: 64, Passes: 1, Lanes: 1}, Registry: registry, Log: slog.New(slog.NewTextHandler(&said, nil)),
	})
	root := d.root()
	token := d.invitation(root, "ana", "viewer")
	d.browser().post(http.StatusSeeOther, "/setup", "token", token, "password", good, "again", good)
	eve := d.browser()
	eve.from = "198.51.100.7:1"
	if w := eve.get("/setup?token=" + token); w.Code != http.StatusForbidden {
		t.Errorf("a used link: %d", w.Code)
	}
	eve.post(http.StatusForbidden, "/setup", "token", token, "password", good, "again", good)
	log := said.String()
	if n := strings.Count(log, `msg="set-up link refused"`); n != 2 || !strings.Contains(log, "address=198.51.100.7") || strings.Contains(log, token) {
		t.Errorf("the log says %s", log)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "tidemark_sign_ins_total" && m.GetLabel()[0].GetValue() == "set-up" && m.GetCounter().GetValue() == 2 {
				return
			}
		}
	}
	t.Error("refused links are not counted")
}

// TestASetUpNameThatIsTakenIsAskedForAgain: people may have signed in elsewhere before.
func TestASetUpNameThatIsTakenIsAskedForAgain(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	err := d.app.People().CreateAccount(t.Context(), "ana", access.Viewer, access.Change{Actor: "cli:test", At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	link, err := d.app.SetUpLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, token, _ := strings.Cut(link, "token=")
	w := d.browser().post(http.StatusConflict, "/setup", "token", token, "name", "Ana", "password", good, "again", good)
	if got := text(t, w); !strings.Contains(got, "Somebody has this name already.") {
		t.Error(got)
	}
	d.browser().post(http.StatusSeeOther, "/setup", "token", token, "name", "root", "password", good, "again", good)
}

// TestAPersonsPageLeadsToWhatTheyDid also for a name that is like an address of mail.
func TestAPersonsPageLeadsToWhatTheyDid(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	const name = "ana+shop@example.org"
	d.invite(root, name, "viewer")
	doc, err := goquery.NewDocumentFromReader(root.get("/access/people/" + url.PathEscape(name)).Body)
	if err != nil {
		t.Fatal(err)
	}
	var actors []string
	doc.Find("main a[href^='/audit?']").Each(func(_ int, a *goquery.Selection) {
		u, err := url.Parse(a.AttrOr("href", ""))
		if err != nil {
			t.Error(err)
			return
		}
		actors = append(actors, u.Query()["actor"]...)
	})
	if len(actors) != 1 || actors[0] != "user:"+name {
		t.Errorf("the page leads to what %q did", actors)
	}
}

func TestSigningInByPassword(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	d.root()
	b := d.browser()
	for _, who := range [][2]string{{"root", "wrong password, really"}, {"nobody", good}, {"", ""}, {"root", ""}, {"root' OR 1=1 --", good}} {
		w := b.post(http.StatusForbidden, "/signin", "name", who[0], "password", who[1])
		if got := text(t, w); !strings.Contains(got, "The name or the password is wrong.") || len(b.cookies) != 0 {
			t.Errorf("%v: %s, cookies %v", who, got, b.cookies)
		}
	}
	w := b.post(http.StatusSeeOther, "/signin", "name", "ROOT", "password", good, "to", "/pipeline?x=1")
	if to := w.Header().Get("Location"); to != "/pipeline?x=1" {
		t.Errorf("led to %q", to)
	}
	if m, _ := b.me(); m.Name != "root" {
		t.Errorf("signed in as %+v: the account's own spelling is wanted", m)
	}
	for i, to := range []string{"https://evil.example", "//evil.example", "/\\evil.example", "/signin", "javascript:alert(1)", "evil", "/a\nb", "/%2f/../" + strings.Repeat("x", 2000)} {
		other := d.browser()
		other.from = "198.51.100." + strconv.Itoa(i) + ":1"
		w := other.post(http.StatusSeeOther, "/signin", "name", "root", "password", good, "to", to)
		if got := w.Header().Get("Location"); got != "/" {
			t.Errorf("to %q led to %q", to, got)
		}
	}
}

func TestGuessingAPasswordIsSlowedDown(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	d.root()
	b := d.browser()
	for range 10 {
		b.post(http.StatusForbidden, "/signin", "name", "root", "password", "wrong password, really")
	}
	w := b.post(http.StatusTooManyRequests, "/signin", "name", "Root", "password", good)
	if w.Header().Get("Retry-After") == "" {
		t.Error("it is not said when to try again")
	}
	other := d.browser()
	other.from = "198.51.100.7:1"
	other.post(http.StatusSeeOther, "/signin", "name", "root", "password", good)
}

func TestASessionCannotBePlanted(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	before := root.cookies["tidemark_session"]
	root.post(http.StatusSeeOther, "/signin", "name", "root", "password", good)
	if root.cookies["tidemark_session"] == before {
		t.Error("signing in again kept the session's token")
	}
	old := d.browser()
	old.cookies["tidemark_session"] = before
	if _, status := old.me(); status == http.StatusOK {
		t.Error("the session before is still good")
	}
	planted := d.browser()
	planted.cookies["tidemark_session"] = "planted-by-somebody-else"
	planted.post(http.StatusSeeOther, "/signin", "name", "root", "password", good)
	if planted.cookies["tidemark_session"] == "planted-by-somebody-else" {
		t.Error("a token that was planted is in use")
	}
}

func TestChangesHoldAtOnce(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	ana := d.invite(root, "ana", "viewer")
	if w := ana.get("/access/keys/new"); w.Code != http.StatusForbidden {
		t.Fatalf("a viewer may make keys: %d", w.Code)
	}
	root.post(http.StatusSeeOther, "/access/people/ana/role", "role", "admin", "reason", "on call")
	if m, _ := ana.me(); m.Role != "admin" {
		t.Errorf("after the change: %+v", m)
	}
	root.post(http.StatusSeeOther, "/access/people/ana/role", "role", "viewer")
	if w := ana.get("/access/keys/new"); w.Code != http.StatusForbidden {
		t.Errorf("a former administrator may make keys: %d", w.Code)
	}
	root.post(http.StatusSeeOther, "/access/teams/new", "name", "shop", "members", "ana", "features", "cart\ncheckout")
	if m, _ := ana.me(); strings.Join(m.Features, " ") != "cart checkout" {
		t.Errorf("ana owns %v", m.Features)
	}
	root.post(http.StatusSeeOther, "/access/teams/shop/delete", "reason", "over")
	if m, _ := ana.me(); len(m.Features) != 0 {
		t.Errorf("after the team is gone, ana owns %v", m.Features)
	}
	root.post(http.StatusSeeOther, "/access/people/ana/disable", "reason", "left")
	if _, status := ana.me(); status != http.StatusUnauthorized && status != http.StatusSeeOther {
		t.Errorf("a disabled person's session: %d", status)
	}
	d.browser().post(http.StatusForbidden, "/signin", "name", "ana", "password", good)
	w := root.post(http.StatusUnprocessableEntity, "/access/people/root/disable", "reason", "by mistake")
	if !strings.Contains(text(t, w), "last administrator") {
		t.Errorf("%s", text(t, w))
	}
}

func TestSessionsOfOnesOwn(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	ana, eve := d.invite(root, "ana", "viewer"), d.invite(root, "eve", "viewer")
	second, third := d.browser(), d.browser()
	for _, b := range []*browser{second, third} {
		b.post(http.StatusSeeOther, "/signin", "name", "ana", "password", good)
	}
	doc, err := goquery.NewDocumentFromReader(ana.get("/access").Body)
	if err != nil {
		t.Fatal(err)
	}
	var ends []string
	doc.Find("#sessions a").Each(func(_ int, a *goquery.Selection) { ends = append(ends, a.AttrOr("href", "")) })
	if len(ends) != 2 || !strings.Contains(doc.Find("#sessions").Text(), "Firefox") {
		t.Fatalf("sessions %v in %s", ends, doc.Find("#sessions").Text())
	}
	if w := eve.get(ends[0]); w.Code != http.StatusNotFound {
		t.Errorf("another person sees ana's session: %d", w.Code)
	}
	eve.post(http.StatusNotFound, ends[0])
	ana.post(http.StatusSeeOther, ends[0])
	good2, good3 := signedIn(second), signedIn(third)
	if good2 == good3 {
		t.Errorf("one of two sessions was ended: %v, %v", good2, good3)
	}
	ana.post(http.StatusSeeOther, "/access/sessions/end")
	if signedIn(second) || signedIn(third) || !signedIn(ana) || !signedIn(eve) {
		t.Error("signing out elsewhere ends all sessions but this one, and nobody else's")
	}

	form, err := goquery.NewDocumentFromReader(ana.get("/access/password").Body)
	if err != nil {
		t.Fatal(err)
	}
	for field, kind := range map[string]string{"current": "current-password", "password": "new-password", "again": "new-password"} {
		if got := form.Find("input[name="+field+"]").AttrOr("autocomplete", ""); got != kind {
			t.Errorf("field %s is for %q; password managers want %q", field, got, kind)
		}
	}

	another := "another long password"
	ana.post(http.StatusBadRequest, "/access/password", "current", "wrong", "password", another, "again", another)
	second.post(http.StatusSeeOther, "/signin", "name", "ana", "password", good)
	ana.post(http.StatusSeeOther, "/access/password", "current", good, "password", another, "again", another)
	if signedIn(second) || !signedIn(ana) {
		t.Error("a new password ends the other sessions")
	}
	d.browser().post(http.StatusForbidden, "/signin", "name", "ana", "password", good)
	d.browser().post(http.StatusSeeOther, "/signin", "name", "ana", "password", another)
}

func signedIn(b *browser) bool {
	_, status := b.me()
	return status == http.StatusOK
}

func TestKeysAreMadeRotatedAndRevokedOnPages(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	secret := func(w *httptest.ResponseRecorder) string {
		doc, err := goquery.NewDocumentFromReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		return doc.Find("#new-key").Text()
	}
	ask := func(key string) int { return d.get(key, "/api/v1/features").Code }
	w := root.post(http.StatusBadRequest, "/access/keys/new", "name", "shop", "scopes", "wobble", "expires", "1d")
	if got := text(t, w); !strings.Contains(got, "malformed scope") || !strings.Contains(w.Body.String(), `value="wobble"`) {
		t.Errorf("what was typed is gone, or it is not said what was wrong: %s", got)
	}
	first := secret(root.post(http.StatusOK, "/access/keys/new", "name", "shop", "scopes", "read, publish:cart", "expires", "90d", "rate", "50", "env", "live"))
	id, err := access.KeyID(first)
	if err != nil || ask(first) != http.StatusOK {
		t.Fatalf("key %q: %v", first, err)
	}
	if w := root.get("/access/keys/" + id); strings.Contains(w.Body.String(), first) {
		t.Error("the key is shown again")
	}
	second := secret(root.post(http.StatusOK, "/access/keys/"+id+"/rotate", "overlap", "1h", "reason", "yearly"))
	if ask(first) != http.StatusOK || ask(second) != http.StatusOK {
		t.Error("both keys are good during the overlap")
	}
	root.post(http.StatusBadRequest, "/access/keys/"+id+"/revoke")
	root.post(http.StatusSeeOther, "/access/keys/"+id+"/revoke", "reason", "leaked")
	if ask(first) != http.StatusUnauthorized || ask(second) != http.StatusOK {
		t.Errorf("after revoking the first: %d, %d", ask(first), ask(second))
	}
}

// TestAKeyThatAnotherProcessRevokedEnds revokes through a store of its own, as the
// command line does beside a running server.
func TestAKeyThatAnotherProcessRevokedEnds(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	now := time.Now()
	a, err := app.New(app.Options{Data: data, Listen: "127.0.0.1:0", Now: func() time.Time { return now }}) // A clock that stands still: no key grows stale.
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Stop(t.Context()) })
	d := &door{t: t, app: a}
	token := d.key("read")
	if w := d.get(token, "/api/v1/features"); w.Code != http.StatusOK {
		t.Fatal(w.Code)
	}
	other, err := control.Open(t.Context(), data+"/"+control.FileName)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := access.KeyID(token)
	if err := other.RevokeKey(t.Context(), id, now, "cli:test", ""); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(10 * time.Second)
	for d.get(token, "/api/v1/features").Code != http.StatusUnauthorized {
		select {
		case <-deadline:
			t.Fatal("the key still works")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestTheAuditLogNamesEveryChangeOfAccess(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	ana := d.invite(root, "ana", "viewer")
	root.post(http.StatusSeeOther, "/access/people/ana/role", "role", "operator", "reason", "promoted")
	root.post(http.StatusSeeOther, "/access/people/ana/signout", "reason", "lost laptop")
	ana.get("/")
	root.post(http.StatusSeeOther, "/signout")
	key := d.namedKey("auditor", "control")
	got := read[struct {
		Items []struct{ Actor, Action, Subject, Reason string }
	}](t, d.get(key, "/api/v1/audit?limit=500"), http.StatusOK)
	found := map[string]string{}
	for _, e := range got.Items {
		found[e.Action+" "+e.Subject] = e.Actor + ": " + e.Reason
	}
	for what, who := range map[string]string{
		"user.create user/root":        "user:root: First set-up.",
		"session.begin user/root":      "user:root: ",
		"user.create user/ana":         "user:root: ",
		"invite.create user/ana":       "user:root: ",
		"user.password user/ana":       "user:ana: By an invitation.",
		"user.role user/ana":           "user:root: promoted",
		"session.end_all user/ana":     "user:root: lost laptop",
		"session.end user/root":        "user:root: ",
		"key.create key/" + keyID(key): "cli:test: ",
	} {
		if found[what] != who {
			t.Errorf("%s: %q, want %q", what, found[what], who)
		}
	}
}

func keyID(token string) string {
	id, _ := access.KeyID(token)
	return id
}

const promiseOf = `apiVersion: tidemark/v1alpha1
kind: ConsistencyGuarantee
metadata: {name: NAME}
spec:
  version: VERSION
  status: active
  feature: FEATURE
  story: "The same on every device."
  owner: team-shop
  model: causal
  replicas: [{name: eu, kind: state}]
  objectives:
    - {sli: time_to_visibility, scope: all, op: lte, value: 2s, target: 0.999, window: 28d}
  review: {every: 90d, decision: docs/adr/0001.md}
`

func promise(name, version, feature string) string {
	return strings.NewReplacer("NAME", name, "VERSION", version, "FEATURE", feature).Replace(promiseOf)
}

// TestOwnersControlWhatTheyOwn is a viewer whose team owns cart: promises about cart
// are theirs to change, others are not, and none can be taken over.
func TestOwnersControlWhatTheyOwn(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	ana, eve := d.invite(root, "ana", "viewer"), d.invite(root, "eve", "viewer")
	root.giveCartToAna()
	operator := d.namedKey("operator", "control")
	if w := d.post(operator, "/api/v1/documents/apply?reason=first", promise("feed-fresh", "1.0.0", "feed")); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	ask := func(b *browser, path, body string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
		r.AddCookie(&http.Cookie{Name: "tidemark_session", Value: b.cookies["tidemark_session"]})
		return d.serve(r).Code
	}
	apply := func(b *browser, body string) int { return ask(b, "/api/v1/documents/apply?reason=test", body) }
	for _, c := range []struct {
		name, body string
		who        *browser
		want       int
	}{
		{"their own", promise("cart-fresh", "1.0.0", "cart"), ana, http.StatusOK},
		{"somebody else's", promise("cart-fresh", "1.1.0", "cart"), eve, http.StatusForbidden},
		{"another feature", promise("feed-fresh", "1.1.0", "feed"), ana, http.StatusForbidden},
		{"both at once", promise("cart-fresh", "1.1.0", "cart") + "---\n" + promise("feed-fresh", "1.1.0", "feed"), ana, http.StatusForbidden},
		{"taken over by its feature", promise("feed-fresh", "2.0.0", "cart"), ana, http.StatusForbidden},
		{"no document", "{", ana, http.StatusForbidden},
	} {
		if got := apply(c.who, c.body); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	// A draft of an operator, who means to move a promise, moves nothing yet.
	if w := d.post(operator, "/api/v1/documents/apply?reason=move", strings.Replace(promise("feed-fresh", "2.0.0", "cart"), "active", "draft", 1)); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got := apply(ana, promise("feed-fresh", "3.0.0", "cart")); got != http.StatusForbidden {
		t.Errorf("taken over by an operator's draft: %d", got)
	}
	if w := ana.get("/guarantees/cart-fresh"); !strings.Contains(text(t, w), "Record a review") {
		t.Error("the owner is not offered a review")
	}
	ana.post(http.StatusSeeOther, "/guarantees/cart-fresh/reviews", "decision", "kept")
	ana.post(http.StatusForbidden, "/guarantees/feed-fresh/reviews", "decision", "kept")
	ana.post(http.StatusNotFound, "/guarantees/nothing/reviews", "decision", "kept")
	eve.post(http.StatusForbidden, "/guarantees/cart-fresh/reviews", "decision", "kept")
	// A promise that was moved to cart is theirs to look at, and what it was before is not theirs
	// to bring back.
	for _, body := range []string{promise("moved", "1.0.0", "feed"), promise("moved", "2.0.0", "cart")} {
		if w := d.post(operator, "/api/v1/documents/apply?reason=moved", body); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	shown, err := goquery.NewDocumentFromReader(ana.get("/guarantees/moved?revision=1").Body)
	if err != nil {
		t.Fatal(err)
	}
	if shown.Find(`form[action$="/reviews"]`).Length() != 1 || shown.Find(`form[action$="/restore"]`).Length() != 0 {
		t.Error("the new owner is offered no review, or to restore what is not theirs")
	}
	ana.post(http.StatusSeeOther, "/guarantees/moved/reviews", "decision", "kept")
	ana.post(http.StatusForbidden, "/guarantees/moved/restore", "revision", "1")
	if got := ask(ana, "/api/v1/documents/ConsistencyGuarantee/moved/review", `{"decision":"kept"}`); got != http.StatusCreated {
		t.Errorf("the new owner's review by the API: %d", got)
	}
	if got := ask(ana, "/api/v1/documents/ConsistencyGuarantee/moved/restore", `{"revision":1}`); got != http.StatusForbidden {
		t.Errorf("the new owner restores the other feature's: %d", got)
	}
	// What is not about a feature stays closed.
	for _, path := range []string{"/audit", "/access/keys/new", "/api/v1/webhooks"} {
		if w := ana.get(path); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
