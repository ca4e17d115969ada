package real

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tidemark/tests/tidemark"
)

// provider is an OpenID provider that runs.
type provider struct {
	t      *testing.T
	issuer string
	people string // the file that lists whom it knows
	stdin  io.Writer
	lines  chan string
}

// startProvider starts oidc-provider with Node, or skips the test where either is not
// installed.
func startProvider(t *testing.T) *provider {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	if _, err := os.Stat("../../node_modules/oidc-provider"); errors.Is(err, os.ErrNotExist) {
		t.Skip("node_modules/oidc-provider is not installed (make setup)")
	}
	p := &provider{t: t, people: filepath.Join(t.TempDir(), "people.json"), lines: make(chan string, 100)}
	p.knows(map[string][]string{})
	cmd := exec.Command(node, "oidc/provider.mjs", p.people) //nolint:noctx // Ended below.
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	p.stdin = stdin
	go func() {
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.lines <- s.Text()
		}
		close(p.lines)
	}()
	p.issuer = strings.TrimPrefix(p.await("issuer "), "issuer ")
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// knows writes whom the provider knows, with their groups, from now on.
func (p *provider) knows(people map[string][]string) {
	p.t.Helper()
	raw, err := json.Marshal(people)
	must(p.t, err)
	must(p.t, os.WriteFile(p.people, raw, 0o600))
}

func (p *provider) await(prefix string) string {
	p.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the provider ended before it said %q", prefix)
			}
			if strings.HasPrefix(line, prefix) {
				return line
			}
		case <-timeout:
			p.t.Fatalf("the provider did not say %q", prefix)
		}
	}
}

// serveWith starts tidemark with the provider, and tells that where browsers come back.
func serveWith(t *testing.T, p *provider, args ...string) *tidemark.Server {
	t.Helper()
	args = append([]string{
		"serve", "--data", t.TempDir(), "--oidc-issuer", p.issuer, "--oidc-client-id", "tidemark",
		"--oidc-client-secret", "a secret of the test", "--oidc-role", "sre=operator;bosses=admin", "--oidc-team-claim", "groups",
	}, args...)
	s := tidemark.Start(t, args...)
	_, err := fmt.Fprintln(p.stdin, s.URL+"/signin/oidc/callback")
	must(t, err)
	p.await("ready")
	return s
}

// person is a browser without scripts: it follows redirects and sends forms.
type person struct {
	t      *testing.T
	client *http.Client
	jar    *cookiejar.Jar
	last   *http.Response
	page   *goquery.Document
	// stop ends a chain of redirects before an address that it likes.
	stop func(*url.URL) bool
}

func newPerson(t *testing.T) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	p := &person{t: t, jar: jar, stop: func(*url.URL) bool { return false }}
	p.client = &http.Client{Jar: jar, Timeout: 30 * time.Second, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if p.stop(r.URL) || len(via) > 20 {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return p
}

func (p *person) do(method, address string, form url.Values) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, address, strings.NewReader(form.Encode()))
	must(p.t, err)
	req.Header.Set("Accept", "text/html")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := p.client.Do(req)
	must(p.t, err)
	defer resp.Body.Close()
	p.last = resp
	p.page, err = goquery.NewDocumentFromReader(resp.Body)
	must(p.t, err)
}

func (p *person) get(address string) { p.t.Helper(); p.do(http.MethodGet, address, nil) }

// send fills in the page's form and sends it.
func (p *person) send(fields map[string]string) {
	p.t.Helper()
	form := p.page.Find("form").First()
	action, ok := form.Attr("action")
	if !ok {
		p.t.Fatalf("%s has no form: %s", p.last.Request.URL, p.text())
	}
	values := url.Values{}
	form.Find("input").Each(func(_ int, in *goquery.Selection) {
		values.Set(in.AttrOr("name", ""), in.AttrOr("value", ""))
	})
	for k, v := range fields {
		values.Set(k, v)
	}
	to, err := p.last.Request.URL.Parse(action)
	must(p.t, err)
	p.do(http.MethodPost, to.String(), values)
}

func (p *person) text() string { return strings.Join(strings.Fields(p.page.Find("body").Text()), " ") }

// signIn begins at tidemark's sign-in page and does all that the provider wants.
func (p *person) signIn(s *tidemark.Server, name string) {
	p.t.Helper()
	p.get(s.URL + "/pipeline") // leads to the sign-in page, and back in the end
	href, ok := p.page.Find("a.btn.primary").Attr("href")
	if !ok {
		p.t.Fatalf("no way to sign in elsewhere: %s", p.text())
	}
	p.get(s.URL + href)
	if p.page.Find("form input[name=login]").Length() > 0 { // The provider may remember the person.
		p.send(map[string]string{"login": name, "password": "any"})
	}
	if p.page.Find("form input[name=prompt][value=consent]").Length() > 0 {
		p.send(nil)
	}
}

type me struct {
	Name, Role string
	Features   []string
	status     int
}

func (p *person) me(s *tidemark.Server) (m me) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, s.URL+"/api/v1/me", http.NoBody)
	must(p.t, err)
	resp, err := p.client.Do(req)
	must(p.t, err)
	defer resp.Body.Close()
	m.status = resp.StatusCode
	must(p.t, json.NewDecoder(resp.Body).Decode(&m))
	return m
}

// admin is a person who came by a sign-in link.
func admin(t *testing.T, s *tidemark.Server) *person {
	t.Helper()
	p := newPerson(t)
	p.get(s.SignIn)
	p.send(nil)
	return p
}

func (p *person) call(s *tidemark.Server, method, path, body string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, s.URL+path, strings.NewReader(body))
	must(p.t, err)
	resp, err := p.client.Do(req)
	must(p.t, err)
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		said, _ := io.ReadAll(resp.Body)
		p.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, said)
	}
}

// TestPeopleSignInAtAnOpenIDProvider holds the client against a provider that was
// written by somebody else.
func TestPeopleSignInAtAnOpenIDProvider(t *testing.T) {
	t.Parallel()
	idp := startProvider(t)
	s := serveWith(t, idp)
	root := admin(t, s)
	root.call(s, http.MethodPut, "/api/v1/teams/shop", `{"features": ["cart"]}`)

	idp.knows(map[string][]string{"ana": {"sre", "shop", "unknown"}, "ben": {}})
	ana := newPerson(t)
	ana.signIn(s, "ana")
	if got := ana.last.Request.URL.Path; got != "/pipeline" {
		t.Errorf("signed in, ana is at %s: %s", got, ana.text())
	}
	if m := ana.me(s); m.Name != "ana" || m.Role != "operator" || strings.Join(m.Features, " ") != "cart" {
		t.Errorf("ana is %+v; want an operator who owns cart", m)
	}
	ben := newPerson(t)
	ben.signIn(s, "ben")
	if m := ben.me(s); m.Name != "ben" || m.Role != "viewer" || len(m.Features) != 0 {
		t.Errorf("ben is %+v; want a viewer", m)
	}

	// The provider changes its mind: from the next sign-in on.
	idp.knows(map[string][]string{"ana": {}, "ben": {"bosses"}})
	ana.call(s, http.MethodPost, "/signout", "")
	ana.signIn(s, "ana")
	if m := ana.me(s); m.Role != "viewer" || len(m.Features) != 0 {
		t.Errorf("ana is %+v after losing her groups", m)
	}

	// Disabled: the session ends, and another does not begin.
	root.call(s, http.MethodPatch, "/api/v1/users/ben", `{"disabled": true}`)
	if m := ben.me(s); m.status != http.StatusUnauthorized {
		t.Errorf("ben's session answers %d after he was disabled", m.status)
	}
	ben.signIn(s, "ben")
	if m := ben.me(s); m.status != http.StatusUnauthorized || !strings.Contains(ben.text(), "This account is disabled.") {
		t.Errorf("ben signed in although he is disabled: %d %s", m.status, ben.text())
	}
}

// TestWhatToDoWhenAProviderKeepsOneOut: what the page says leads on.
func TestWhatToDoWhenAProviderKeepsOneOut(t *testing.T) {
	t.Parallel()
	idp := startProvider(t)
	s := serveWith(t, idp)
	idp.knows(map[string][]string{"ana": {"bosses"}})

	// The provider sends browsers back to another address than the one that was opened.
	lost := newPerson(t)
	lost.signIn(&tidemark.Server{URL: strings.Replace(s.URL, "127.0.0.1", "localhost", 1)}, "ana")
	if !strings.Contains(lost.text(), "at "+s.URL) {
		t.Errorf("the page does not say where to begin: %s", lost.text())
	}

	ana := newPerson(t)
	ana.signIn(s, "ana")
	if m := ana.me(s); m.Role != "admin" {
		t.Fatalf("ana is %+v: %s", m, ana.text())
	}
	idp.knows(map[string][]string{"ana": {}})
	ana.call(s, http.MethodPost, "/signout", "")
	ana.signIn(s, "ana")
	if said := ana.text(); ana.last.StatusCode != http.StatusForbidden || !strings.Contains(said, "last administrator") || !strings.Contains(said, "tidemark signin --data DIR --role admin") {
		t.Errorf("the last administrator is told %s", said)
	}
}

// TestWhoCannotSignInAtAProvider bends each value that protects a sign-in.
func TestWhoCannotSignInAtAProvider(t *testing.T) {
	t.Parallel()
	idp := startProvider(t)
	s := serveWith(t, idp, "--oidc-default-role", "none")
	idp.knows(map[string][]string{"ana": {"sre"}, "eve": {"nothing"}})
	back := func(u *url.URL) bool { return u.Path == "/signin/oidc/callback" }
	base, err := url.Parse(s.URL)
	must(t, err)

	// bend changes a field of the sign-in that the browser keeps.
	bend := func(p *person, field string) {
		for _, c := range p.jar.Cookies(base) {
			if c.Name != "tidemark_signin" {
				continue
			}
			raw, err := base64.RawURLEncoding.DecodeString(c.Value)
			must(t, err)
			var flow map[string]string
			must(t, json.Unmarshal(raw, &flow))
			flow[field] = strings.Repeat("x", 43)
			raw, err = json.Marshal(flow)
			must(t, err)
			p.jar.SetCookies(base, []*http.Cookie{{Name: c.Name, Value: base64.RawURLEncoding.EncodeToString(raw), Path: "/"}})
			return
		}
		t.Error("the browser keeps no sign-in")
	}
	for name, c := range map[string]struct {
		who  string
		do   func(p *person, callback *url.URL)
		says string
	}{
		"another state":    {"ana", func(p *person, _ *url.URL) { bend(p, "s") }, "did not begin in this browser"},
		"another nonce":    {"ana", func(p *person, _ *url.URL) { bend(p, "n") }, "cannot be used"},
		"another verifier": {"ana", func(p *person, _ *url.URL) { bend(p, "v") }, "cannot be used"},
		"another browser": {"ana", func(p *person, _ *url.URL) {
			p.jar.SetCookies(base, []*http.Cookie{{Name: "tidemark_signin", Path: "/", MaxAge: -1}})
		}, "did not begin in this browser"},
		"another issuer": {"ana", func(_ *person, u *url.URL) { set(u, "iss", "https://evil.example") }, "did not begin in this browser"},
		"another code":   {"ana", func(_ *person, u *url.URL) { set(u, "code", "made-up") }, "cannot be used"},
		"no role":        {"eve", func(*person, *url.URL) {}, "You have no role in tidemark."},
		"the code again": {"ana", func(p *person, u *url.URL) {
			p.get(u.String())
			p.get(s.URL + "/")
			p.jar.SetCookies(base, []*http.Cookie{{Name: "tidemark_session", Path: "/", MaxAge: -1}})
		}, "did not begin in this browser"},
		"refused elsewhere": {"ana", func(_ *person, u *url.URL) { set(u, "error", "access_denied") }, "refused the sign-in"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPerson(t)
			p.stop = back
			p.signIn(s, c.who)
			callback, err := p.last.Location()
			if err != nil {
				t.Fatalf("the provider did not send the browser back: %s", p.text())
			}
			c.do(p, callback)
			p.get(callback.String())
			if p.last.StatusCode != http.StatusForbidden || !strings.Contains(p.text(), c.says) {
				t.Errorf("%d %s; want %q", p.last.StatusCode, p.text(), c.says)
			}
			if m := p.me(s); m.status != http.StatusUnauthorized {
				t.Errorf("there is a session: %+v", m)
			}
		})
	}
}

// TestTwoTabsSignIn begins twice in one browser: the later sign-in goes on, whichever of
// the two comes back first.
func TestTwoTabsSignIn(t *testing.T) {
	t.Parallel()
	idp := startProvider(t)
	s := serveWith(t, idp)
	idp.knows(map[string][]string{"ana": {}})
	ana := newPerson(t)
	ana.stop = func(u *url.URL) bool { return u.Path == "/signin/oidc/callback" }
	var back []string
	for range 2 {
		ana.signIn(s, "ana")
		to, err := ana.last.Location()
		if err != nil {
			t.Fatalf("the provider did not send the browser back: %s", ana.text())
		}
		back = append(back, to.String())
	}
	ana.get(back[0])
	if ana.last.StatusCode != http.StatusForbidden || !strings.Contains(ana.text(), "did not begin in this browser") {
		t.Errorf("the earlier: %d %s", ana.last.StatusCode, ana.text())
	}
	ana.get(back[1])
	if m := ana.me(s); m.Name != "ana" {
		t.Errorf("the later: %+v, %s", m, ana.text())
	}
}

func set(u *url.URL, name, value string) {
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
}
